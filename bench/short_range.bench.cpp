// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/short_range.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace {

using namespace leyden;

// A jittered lattice of 0.1 atoms per Å³, a third of them twice as strongly charged as the others
// and of the opposite sign; widths in hundredths of Å, 0 for points.
template <class T>
struct System {
  Geometry<T> geometry;
  std::vector<double> widths;
  std::vector<T> p, v;
  GeometryGradient<T> gradient;
  int l_max;

  explicit System(const benchmark::State& state) : l_max(static_cast<int>(state.range(2))) {
    const auto side = static_cast<int>(state.range(0));
    const double width = 0.01 * static_cast<double>(state.range(1)), spacing = std::cbrt(10.0);
    const int n = side * side * side, size = (l_max + 1) * (l_max + 1);
    RandomStream random(7);
    geometry.periodic = {true, true, true};
    for (int d = 0; d < 3; ++d) geometry.cell(d, d) = T(static_cast<RealOf<T>>(spacing * side));
    for (int i = 0; i < n; ++i) {
      const int at[3] = {i % side, i / side % side, i / side / side};
      Vector3<T> r;
      for (int c = 0; c < 3; ++c)
        r[c] = T(static_cast<RealOf<T>>(spacing * (at[c] + 0.3 * random.uniform(-1, 1))));
      geometry.positions.push_back(r);
      widths.push_back(width);
      p.push_back(T(static_cast<RealOf<T>>(i % 3 == 0 ? -0.8476 : 0.4238)));
      for (int lm = 1; lm < size; ++lm)
        p.push_back(T(static_cast<RealOf<T>>(0.1 * random.normal())));
    }
    v.resize(p.size());
    gradient.reset(static_cast<std::size_t>(n));
  }
  SourceShape source() const { return {l_max, widths}; }
};

ShortRange solver() {
  ShortRangeOptions options;
  options.accuracy = 1e-6;
  options.self = SelfInteraction::excluded;
  return ShortRange(Splitting::prolate(6.0, 12.0), options);
}

template <class Plan>
void report(benchmark::State& state, const Plan& plan) {
  using benchmark::Counter;
  state.counters["time/atom"] =
      Counter(plan.n_atoms, Counter::kIsIterationInvariantRate | Counter::kInvert);
  // Directed pairs: each is summed twice.
  state.counters["time/pair"] = Counter(static_cast<double>(plan.neighbors.n_neighbors()),
                                        Counter::kIsIterationInvariantRate | Counter::kInvert);
}

template <class T>
void list(benchmark::State& state) {
  System<T> s(state);
  const ShortRange short_range = solver();
  ShortRange::Plan<T> plan;
  for (auto _ : state) {
    s.geometry.positions[0][0] += T(RealOf<T>(1e-3));
    short_range.plan(s.geometry, s.source(), T(0), plan);
  }
  report(state, plan);
}

template <class T>
void energy_and_forces(benchmark::State& state) {
  System<T> s(state);
  const ShortRange short_range = solver();
  ShortRange::Plan<T> plan;
  short_range.plan(s.geometry, s.source(), T(0), plan);
  for (auto _ : state)
    benchmark::DoNotOptimize(short_range.energy(plan, s.p, T(RealOf<T>(1)), s.gradient));
  report(state, plan);
}

// The first application of a plan, and those that find the radial functions in memory.
template <class T>
void apply_once(benchmark::State& state) {
  System<T> s(state);
  const ShortRange short_range = solver();
  ShortRange::Plan<T> plan;
  short_range.plan(s.geometry, s.source(), T(0), plan);
  for (auto _ : state) {
    plan.applications = 0;
    short_range.apply(plan, s.p, s.v);
    benchmark::DoNotOptimize(s.v.data());
  }
  report(state, plan);
}
template <class T>
void apply_again(benchmark::State& state) {
  System<T> s(state);
  const ShortRange short_range = solver();
  ShortRange::Plan<T> plan;
  short_range.plan(s.geometry, s.source(), T(0), plan);
  for (int turn = 0; turn < 2; ++turn) short_range.apply(plan, s.p, s.v);
  for (auto _ : state) {
    short_range.apply(plan, s.p, s.v);
    benchmark::DoNotOptimize(s.v.data());
  }
  report(state, plan);
}

void cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"side", "width/100", "l_max"});
  for (const int width : {0, 30, 70}) b->Args({20, width, 0});
  for (const int l : {1, 2}) b->Args({20, 30, l});
  b->Args({10, 0, 0});
  b->Unit(benchmark::kMicrosecond);
}

BENCHMARK_TEMPLATE(energy_and_forces, double)->Apply(cases);
BENCHMARK_TEMPLATE(energy_and_forces, float)->Apply(cases);
BENCHMARK_TEMPLATE(energy_and_forces, Dual<double>)
    ->Args({20, 0, 0})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(apply_once, double)->Apply(cases);
BENCHMARK_TEMPLATE(apply_again, double)->Apply(cases);
BENCHMARK_TEMPLATE(list, double)->Apply(cases);

}  // namespace
