// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>

namespace {

using namespace leyden;

// A jittered lattice at 0.1 atoms per Å³, charges of water's, shuffled; dipoles and quadrupoles of
// random direction.
template <class T>
struct System {
  Geometry<T> geometry;
  std::vector<double> widths;
  std::vector<T> p;
  GeometryGradient<T> gradient;

  System(int edge, int l_max, double width) {
    using R = RealOf<T>;
    RandomStream random(7);
    const double spacing = std::cbrt(10.0);
    geometry.periodic = {true, true, true};
    for (int d = 0; d < 3; ++d) geometry.cell(d, d) = T(static_cast<R>(edge * spacing));
    for (int i = 0; i < edge; ++i)
      for (int j = 0; j < edge; ++j)
        for (int k = 0; k < edge; ++k) {
          const int at[3] = {i, j, k};
          Vector3<T> r;
          for (int d = 0; d < 3; ++d)
            r[d] = T(static_cast<R>((at[d] + random.uniform(-0.35, 0.35)) * spacing));
          geometry.positions.push_back(r);
        }
    const std::size_t n = geometry.positions.size();
    widths.assign(n, width);
    std::vector<double> charge(n);
    double total = 0;
    for (double& q : charge) total += q = random.uniform(0, 3) < 1 ? -0.8476 : 0.4238;
    const int size = (l_max + 1) * (l_max + 1);
    for (const double q : charge)
      for (int c = 0; c < size; ++c)
        p.push_back(
            T(static_cast<R>(c == 0 ? q - total / static_cast<double>(n) : 0.3 * random.normal())));
    gradient.reset(n);
  }
};

void per_atom(benchmark::State& state, std::size_t n) {
  state.counters["time/atom"] =
      benchmark::Counter(static_cast<double>(n), benchmark::Counter::kIsIterationInvariantRate |
                                                     benchmark::Counter::kInvert);
}

// Points; pairs within 6 Å from a list that is kept, as molecular dynamics keeps it.
ParticleMeshOptions points() {
  ParticleMeshOptions o;
  o.self = SelfInteraction::excluded;
  o.splitting = MeshSplitting::prolate;
  o.skin = 0.5;
  return o;
}

template <class T>
double difference(const GeometryGradient<T>& a, const GeometryGradient<double>& b) {
  double error = 0, scale = 0;
  for (std::size_t i = 0; i < b.positions.size(); ++i)
    for (int c = 0; c < 3; ++c) {
      error += std::pow(static_cast<double>(a.positions[i][c]) - b.positions[i][c], 2);
      scale += std::pow(b.positions[i][c], 2);
    }
  return std::sqrt(error / scale);
}

// Energy, forces and stress of a new geometry.
template <class T>
void energy(benchmark::State& state, const ParticleMeshOptions& options, double width) {
  const int edge = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<T> s(edge, l_max, width);
  const ParticleMesh solver(options);
  ParticleMesh::Plan<T> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, T(0), plan);
  T sum(0);
  for (auto _ : state) {
    solver.plan(s.geometry, SourceShape{l_max, s.widths}, T(0), plan);
    sum += solver.energy(plan, s.p, T(1), s.gradient);
    benchmark::DoNotOptimize(sum);
  }
  per_atom(state, s.widths.size());
  state.counters["mesh"] = plan.influence.size[0];
  state.counters["order"] = plan.settings.order;
  if (edge > 10) return;
  // The error of forces, against settings that are a hundred times as accurate.
  System<double> exact(edge, l_max, width);
  for (std::size_t i = 0; i < s.widths.size(); ++i)
    for (int c = 0; c < 3; ++c)
      exact.geometry.positions[i][c] = static_cast<double>(s.geometry.positions[i][c]);
  ParticleMeshOptions fine = options;
  fine.accuracy *= 0.01;
  ParticleMesh::Plan<double> other;
  const ParticleMesh reference(fine);
  reference.plan(exact.geometry, SourceShape{l_max, s.widths}, 0.0, other);
  reference.energy(other, exact.p, 1.0, exact.gradient);
  s.gradient.reset(s.widths.size());
  solver.energy(plan, s.p, T(1), s.gradient);
  state.counters["error"] = difference(s.gradient, exact.gradient);
}

void points_energy(benchmark::State& state) { energy<double>(state, points(), 0.0); }
void points_energy_single(benchmark::State& state) { energy<float>(state, points(), 0.0); }

// The mesh's part alone: spreading, transforms, gathering; with and without the strain derivative
// it is the same pass.
void mesh_part(benchmark::State& state, double cutoff) {
  const int edge = static_cast<int>(state.range(0)), l_max = static_cast<int>(state.range(1));
  System<double> s(edge, l_max, 0.0);
  ParticleMeshOptions o = points();
  o.cutoff = cutoff;
  const ParticleMesh solver(o);
  ParticleMesh::Plan<double> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, 0.0, plan);
  plan.pairs.reset();
  for (auto _ : state) {
    detail::place_mesh(plan, s.geometry);
    benchmark::DoNotOptimize(solver.energy(plan, s.p, 1.0, s.gradient));
  }
  per_atom(state, s.widths.size());
  state.counters["mesh"] = plan.influence.size[0];
  state.counters["order"] = plan.settings.order;
}
void mesh_at_10(benchmark::State& state) { mesh_part(state, 10); }
void mesh_at_6(benchmark::State& state) { mesh_part(state, 6); }

void broad_gaussians(benchmark::State& state) {
  ParticleMeshOptions o;
  o.splitting = MeshSplitting::none;
  energy<double>(state, o, 1.5);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"edge", "l_max"})->Unit(benchmark::kMicrosecond);
  for (const int l : {0, 1, 2}) b->Args({10, l})->Args({20, l});
  b->Args({40, 0});
  if (std::getenv("LEYDEN_BENCH_LARGE") != nullptr) b->Args({100, 0});
}

BENCHMARK(points_energy)->Apply(sizes);
BENCHMARK(points_energy_single)->Apply(sizes);
BENCHMARK(mesh_at_10)->Apply(sizes);
BENCHMARK(mesh_at_6)->Apply(sizes);
BENCHMARK(broad_gaussians)->Apply(sizes);

}  // namespace
