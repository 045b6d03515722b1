// SPDX-License-Identifier: MIT
#include "support/systems.hpp"

#include <leyden/atoms/neighbor_list.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace leyden;

void report(benchmark::State& state, const NeighborList& list) {
  const auto atoms = static_cast<double>(list.n_atoms());
  state.counters["time/atom"] = benchmark::Counter(
      atoms, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["edges/atom"] = static_cast<double>(list.n_edges()) / atoms;
  state.counters["distances/atom"] = static_cast<double>(list.distances_computed()) / atoms;
}

void build(benchmark::State& state) {
  const Structure s = leyden_bench::water_like(static_cast<int>(state.range(0)));
  NeighborList list;
  for (auto _ : state) list.build(s, 5.0);
  report(state, list);
}
BENCHMARK(build)->Arg(192)->Arg(10000);

void update_within_skin(benchmark::State& state) {
  const Structure s = leyden_bench::water_like(static_cast<int>(state.range(0)));
  NeighborList list;
  list.build(s, 5.0, 0.5);
  for (auto _ : state) benchmark::DoNotOptimize(list.update(s));
  report(state, list);
}
BENCHMARK(update_within_skin)->Arg(192)->Arg(10000);

template <class T>
void geometry(benchmark::State& state) {
  const Structure s = leyden_bench::water_like(static_cast<int>(state.range(0)));
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
