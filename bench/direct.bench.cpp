// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/direct.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace {

using namespace leyden;

// Random atoms in a cube, 0.1 per Å³, with random multipoles. Width 0: points.
struct Molecule {
  Geometry<double> geometry;
  std::vector<double> widths, p, v;
  GeometryGradient<double> gradient;
  int l_max;

  Molecule(int n, int l, double width) : l_max(l) {
    RandomStream random(7);
    const double length = std::cbrt(n / 0.1);
    for (int i = 0; i < n; ++i) {
      geometry.positions.push_back(
          {{random.uniform(0, length), random.uniform(0, length), random.uniform(0, length)}});
      widths.push_back(width);
    }
    const int size = (l + 1) * (l + 1);
    for (int i = 0; i < n * size; ++i) p.push_back(random.normal());
    v.resize(p.size());
    gradient.reset(static_cast<std::size_t>(n));
  }
  SourceShape source() const { return {l_max, widths}; }
};

Molecule molecule(const benchmark::State& state) {
  return {static_cast<int>(state.range(0)), static_cast<int>(state.range(1)),
          0.1 * static_cast<double>(state.range(2))};
}
void report(benchmark::State& state) {
  const auto n = static_cast<double>(state.range(0));
  state.counters["time/pair"] =
      benchmark::Counter(0.5 * n * (n - 1), benchmark::Counter::kIsIterationInvariantRate |
                                                benchmark::Counter::kInvert);
}

// Energy and forces of new positions: plan and one pass.
void energy_and_forces(benchmark::State& state) {
  Molecule m = molecule(state);
  const Direct solver(SelfInteraction::excluded);
  Direct::Plan<double> plan;
  for (auto _ : state) {
    solver.plan(m.geometry, m.source(), 0.0, plan);
    benchmark::DoNotOptimize(solver.energy(plan, m.p, 1.0, m.gradient));
  }
  report(state);
}

void plan_alone(benchmark::State& state) {
  Molecule m = molecule(state);
  const Direct solver(SelfInteraction::excluded);
  Direct::Plan<double> plan;
  for (auto _ : state) solver.plan(m.geometry, m.source(), 0.0, plan);
  report(state);
}

// Potentials from stored radial functions (as self-consistency takes them), or computed anew.
void potentials(benchmark::State& state, double memory) {
  Molecule m = molecule(state);
  const Direct solver(DirectOptions{SelfInteraction::excluded, memory});
  Direct::Plan<double> plan;
  solver.plan(m.geometry, m.source(), 0.0, plan);
  for (auto _ : state) {
    solver.apply(plan, m.p, m.v);
    benchmark::DoNotOptimize(m.v.data());
  }
  report(state);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"atoms", "l_max", "width/0.1A"})->Unit(benchmark::kMicrosecond);
  for (const int n : {100, 1000, 8000})
    for (const int l : {0, 1, 2})
      for (const int width : {0, 5, 10})
        if (n < 8000 || l == 0) b->Args({n, l, width});
}
void few_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"atoms", "l_max", "width/0.1A"})->Unit(benchmark::kMicrosecond);
  for (const int n : {100, 1000})
    for (const int l : {0, 1, 2}) b->Args({n, l, 10});
}

BENCHMARK(energy_and_forces)->Apply(sizes);
BENCHMARK(plan_alone)->Apply(few_sizes);
BENCHMARK_CAPTURE(potentials, stored, DirectOptions{}.memory)->Apply(few_sizes);
BENCHMARK_CAPTURE(potentials, computed, 0.0)->Apply(few_sizes);

}  // namespace
