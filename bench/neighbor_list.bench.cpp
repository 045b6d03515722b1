// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace leyden;

// Atoms at the density of liquid water, 0.1 per Å³, in a cubic periodic box.
Structure water_density(std::size_t n) {
  RandomStream random(7);
  Structure s;
  const double length = std::cbrt(static_cast<double>(n) / 0.1);
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = length;
  s.cell.periodic = {true, true, true};
  for (std::size_t i = 0; i < n; ++i) {
    s.atomic_numbers.push_back(i % 3 == 0 ? 8 : 1);
    Vector3<double> r;
    for (int a = 0; a < 3; ++a) r[a] = random.uniform(0, length);
    s.positions.push_back(r);
  }
  return s;
}

void report(benchmark::State& state, const NeighborList& list) {
  const auto atoms = static_cast<double>(list.n_atoms());
  state.counters["time/atom"] = benchmark::Counter(
      atoms, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["edges/atom"] = static_cast<double>(list.n_edges()) / atoms;
  state.counters["distances/atom"] = static_cast<double>(list.distances_computed()) / atoms;
}

void build(benchmark::State& state) {
  const Structure s = water_density(static_cast<std::size_t>(state.range(0)));
  NeighborList list;
  for (auto _ : state) list.build(s, 5.0);
  report(state, list);
}
BENCHMARK(build)->Arg(192)->Arg(10000);

void update_within_skin(benchmark::State& state) {
  const Structure s = water_density(static_cast<std::size_t>(state.range(0)));
  NeighborList list;
  list.build(s, 5.0, 0.5);
  for (auto _ : state) benchmark::DoNotOptimize(list.update(s));
  report(state, list);
}
BENCHMARK(update_within_skin)->Arg(192)->Arg(10000);

template <class T>
void geometry(benchmark::State& state) {
  const Structure s = water_density(static_cast<std::size_t>(state.range(0)));
  NeighborList list;
  list.build(s, 5.0, 0.5);
  Geometry<T> g;
  for (auto _ : state) make_geometry(s, list, g);
  report(state, list);
}
BENCHMARK(geometry<double>)->Arg(192)->Arg(10000);
BENCHMARK(geometry<float>)->Arg(192)->Arg(10000);
BENCHMARK(geometry<Dual<double>>)->Arg(192)->Arg(10000);

}  // namespace
