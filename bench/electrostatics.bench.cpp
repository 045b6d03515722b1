// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace leyden;

constexpr double width = 1.0;  // Å

// Atoms at the density of liquid water, 0.1 per Å³, with random multipoles and no net charge.
template <class T>
struct System {
  Geometry<T> geometry;
  std::vector<double> widths;
  std::vector<T> p, v;
  GeometryGradient<T> gradient;

  System(int n, int l_max, bool periodic) {
    RandomStream random(7);
    const double length = std::cbrt(n / 0.1);
    geometry.periodic = {periodic, periodic, periodic};
    for (int d = 0; d < 3; ++d) geometry.cell(d, d) = T(static_cast<RealOf<T>>(length));
    for (int i = 0; i < n; ++i) {
      Vector3<T> r;
      for (int a = 0; a < 3; ++a) r[a] = T(static_cast<RealOf<T>>(random.uniform(0, length)));
      geometry.positions.push_back(r);
      widths.push_back(width);
    }
    const int size = (l_max + 1) * (l_max + 1);
    for (int i = 0; i < n * size; ++i) p.push_back(T(static_cast<RealOf<T>>(random.normal())));
    v.resize(p.size());
    gradient.reset(static_cast<std::size_t>(n));
  }
};

// `terms`: wave vectors times atoms, or pairs; `flops` per term, a fused multiply-add counts two.
void report(benchmark::State& state, int n, double terms, double flops, const char* term) {
  using benchmark::Counter;
  state.counters["time/atom"] = Counter(n, Counter::kIsIterationInvariantRate | Counter::kInvert);
  state.counters[term] = Counter(terms, Counter::kIsIterationInvariantRate | Counter::kInvert);
  if (flops > 0)
    state.counters["FLOP/s"] = Counter(terms * flops, Counter::kIsIterationInvariantRate);
}

template <class T, class Plan>
double wave_terms(const Plan& plan) {
  return static_cast<double>(plan.waves.vectors) * plan.n_atoms;
}

template <class T>
void reciprocal_plan(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  const System<T> s(n, l_max, true);
  const Reciprocal solver;
  Reciprocal::Plan<T> plan;
  for (auto _ : state) solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  report(state, n, wave_terms<T>(plan), 0, "time/(k·atom)");
}

template <class T>
void reciprocal_apply(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<T> s(n, l_max, true);
  const Reciprocal solver;
  Reciprocal::Plan<T> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) {
    solver.apply(plan, s.p, s.v);
    benchmark::DoNotOptimize(s.v.data());
  }
  // Charges: 2 multiply-adds per wave vector and atom in each pass, with dipoles 4.
  report(state, n, wave_terms<T>(plan), l_max < 2 ? 8 * (l_max + 1) : 0, "time/(k·atom)");
  state.counters["k"] = static_cast<double>(plan.waves.vectors);
}

template <class T>
void reciprocal_gradient(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<T> s(n, l_max, true);
  const Reciprocal solver;
  Reciprocal::Plan<T> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) {
    solver.bilinear_gradient(plan, s.p, s.p, T(RealOf<T>(0.5)), s.gradient);
    benchmark::DoNotOptimize(s.gradient.positions.data());
  }
  report(state, n, wave_terms<T>(plan), l_max < 2 ? 12 + 8 * l_max : 0, "time/(k·atom)");
}

template <class T>
void direct_plan(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  const System<T> s(n, l_max, false);
  const Direct solver;
  Direct::Plan<T> plan;
  for (auto _ : state) solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  report(state, n, 0.5 * n * (n - 1), 0, "time/pair");
}

template <class T>
void direct_apply(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<T> s(n, l_max, false);
  const Direct solver;
  Direct::Plan<T> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) {
    solver.apply(plan, s.p, s.v);
    benchmark::DoNotOptimize(s.v.data());
  }
  report(state, n, 0.5 * n * (n - 1), l_max == 0 ? 4 : l_max == 1 ? 60 : 0, "time/pair");
}

template <class T>
void direct_gradient(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<T> s(n, l_max, false);
  const Direct solver;
  Direct::Plan<T> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) {
    solver.bilinear_gradient(plan, s.p, s.p, T(RealOf<T>(0.5)), s.gradient);
    benchmark::DoNotOptimize(s.gradient.positions.data());
  }
  report(state, n, 0.5 * n * (n - 1), 0, "time/pair");
}

// The same atoms with one direction open.
void slab_apply(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<double> s(n, l_max, true);
  s.geometry.periodic[2] = false;
  const Reciprocal solver;
  Reciprocal::Plan<double> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) {
    solver.apply(plan, s.p, s.v);
    benchmark::DoNotOptimize(s.v.data());
  }
  report(state, n, wave_terms<double>(plan), l_max < 2 ? 8 * (l_max + 1) : 0, "time/(k·atom)");
  state.counters["k"] = static_cast<double>(plan.waves.vectors);
}

// The published molecular convention: pair sums of displaced charges.
void reference_pairs_apply(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<double> s(n, l_max, false);
  const ReferenceElectrostatics solver;
  ReferenceElectrostatics::Plan<double> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) {
    solver.apply(plan, s.p, s.v);
    benchmark::DoNotOptimize(s.v.data());
  }
  report(state, n, 0.5 * n * (n - 1), 0, "time/pair");
}

void bulk_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"atoms", "l_max"});
  for (const int n : {36, 192, 648})
    for (const int l : {0, 1, 2}) b->Args({n, l});
  b->Unit(benchmark::kMicrosecond);
}
void molecule_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"atoms", "l_max"});
  for (const int n : {100, 1000})
    for (const int l : {0, 1, 2}) b->Args({n, l});
  b->Unit(benchmark::kMicrosecond);
}

BENCHMARK_TEMPLATE(reciprocal_plan, double)->Apply(bulk_sizes);
BENCHMARK_TEMPLATE(reciprocal_apply, double)->Apply(bulk_sizes);
BENCHMARK_TEMPLATE(reciprocal_gradient, double)->Apply(bulk_sizes);
BENCHMARK_TEMPLATE(reciprocal_apply, float)->Apply(bulk_sizes);
BENCHMARK(slab_apply)->Apply(bulk_sizes);
BENCHMARK_TEMPLATE(direct_plan, double)->Apply(molecule_sizes);
BENCHMARK_TEMPLATE(direct_apply, double)->Apply(molecule_sizes);
BENCHMARK_TEMPLATE(direct_gradient, double)->Apply(molecule_sizes);
BENCHMARK(reference_pairs_apply)
    ->ArgNames({"atoms", "l_max"})
    ->Args({20, 1})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
