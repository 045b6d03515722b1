// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace {

using namespace leyden;

// Ions on a disturbed lattice at the density of liquid water, 0.1 per Å³, with the charges of its
// atoms (SPC/E), as points; with multipoles, random ones.
struct Ions {
  Geometry<double> geometry;
  std::vector<double> widths, p;
  GeometryGradient<double> gradient;

  Ions(int m, int l_max, double width) : widths(static_cast<std::size_t>(m * m * m), width) {
    RandomStream random(7);
    const int n = m * m * m, size = (l_max + 1) * (l_max + 1);
    const double length = std::cbrt(n / 0.1), step = length / m;
    geometry.periodic = {true, true, true};
    for (int d = 0; d < 3; ++d) geometry.cell(d, d) = length;
    const auto place = [&](int i) { return step * (i + random.uniform(-0.2, 0.2)); };
    for (int x = 0; x < m; ++x)
      for (int y = 0; y < m; ++y)
        for (int z = 0; z < m; ++z) geometry.positions.push_back({{place(x), place(y), place(z)}});
    double charge = 0;
    for (int i = 0; i < n; ++i) {
      p.push_back(i % 3 == 0 ? -0.8476 : 0.4238);
      charge += p.back();
      for (int lm = 1; lm < size; ++lm) p.push_back(0.3 * random.normal());
    }
    for (int i = 0; i < n; ++i) p[static_cast<std::size_t>(i * size)] -= charge / n;
    gradient.reset(static_cast<std::size_t>(n));
  }
};

EwaldOptions options_of(const benchmark::State& state) {
  EwaldOptions options;
  options.accuracy = 1e-5;
  options.self = SelfInteraction::excluded;
  options.cutoff = 6;
  options.splitting = state.range(2) == 0 ? Splitting::Kind::prolate : Splitting::Kind::gaussian;
  return options;
}

void report(benchmark::State& state, const Ewald::Plan<double>& plan) {
  using benchmark::Counter;
  state.counters["time/atom"] =
      Counter(plan.n_atoms, Counter::kIsIterationInvariantRate | Counter::kInvert);
  state.counters["k"] = static_cast<double>(plan.waves.waves.vectors);
}

// A step of dynamics: new positions, list of neighbours, energy and forces.
void ewald_step(benchmark::State& state) {
  const int l_max = static_cast<int>(state.range(1));
  Ions s(static_cast<int>(state.range(0)), l_max, 0.0);
  const Ewald solver(options_of(state));
  Ewald::Plan<double> plan;
  for (auto _ : state) {
    s.geometry.positions[0][0] += 1e-9;
    solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
    benchmark::DoNotOptimize(solver.energy(plan, s.p, 1.0, s.gradient));
  }
  report(state, plan);
}

// The same without what depends on positions alone.
void ewald_energy(benchmark::State& state) {
  const int l_max = static_cast<int>(state.range(1));
  Ions s(static_cast<int>(state.range(0)), l_max, 0.0);
  const Ewald solver(options_of(state));
  Ewald::Plan<double> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) benchmark::DoNotOptimize(solver.energy(plan, s.p, 1.0, s.gradient));
  report(state, plan);
}

// Waves alone: broad Gaussians.
void reciprocal_energy(benchmark::State& state) {
  const int l_max = static_cast<int>(state.range(1));
  Ions s(static_cast<int>(state.range(0)), l_max, 1.0);
  const Reciprocal solver({.accuracy = 1e-5});
  Reciprocal::Plan<double> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  for (auto _ : state) benchmark::DoNotOptimize(solver.energy(plan, s.p, 1.0, s.gradient));
  using benchmark::Counter;
  const double terms = static_cast<double>(plan.waves.vectors) * plan.n_atoms;
  state.counters["time/(k·atom)"] =
      Counter(terms, Counter::kIsIterationInvariantRate | Counter::kInvert);
  // Charges: two multiply-adds per wave and atom to make structure factors, four to read forces.
  if (l_max == 0)
    state.counters["FLOP/s"] = Counter(12 * terms, Counter::kIsIterationInvariantRate);
}

// Side of the lattice, l_max, and 0 for a prolate split, 1 for a Gaussian one.
void systems(benchmark::internal::Benchmark* b) {
  for (const int m : {6, 10})
    for (const int l_max : {0, 1, 2})
      for (const int kind : {0, 1}) b->Args({m, l_max, kind});
  b->Unit(benchmark::kMicrosecond);
}

BENCHMARK(ewald_step)->Apply(systems);
BENCHMARK(ewald_energy)->Apply(systems);
BENCHMARK(reciprocal_energy)->ArgsProduct({{6, 10}, {0, 1, 2}})->Unit(benchmark::kMicrosecond);

}  // namespace
