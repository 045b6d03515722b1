// SPDX-License-Identifier: MIT
#include "support/mace_cost.hpp"
#include "support/measure.hpp"
#include "support/systems.hpp"

#include <leyden/atoms/neighbor_list.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace leyden;

template <MaceShape Shape, class Real>
struct Model {
  using Type = Mace<Shape, Real>;
  Type mace;
  Geometry<Real> geometry;
  typename Type::template Tape<Real> tape;

  Model(int atoms, int channels)
      : mace({.species = {1, 8}, .channels = channels, .average_neighbors = 50.0}) {
    ParameterLayout layout;
    mace.declare(layout);
    mace.prepare(layout.initial_values(1));
    const Structure s = leyden_bench::water_like(atoms);
    NeighborList list;
    list.build(s, mace.cutoff());
    make_geometry(s, list, geometry);
  }
};

void report(benchmark::State& state, double atoms, double operations, double peak) {
  using benchmark::Counter;
  state.counters["time/atom"] =
      Counter(atoms, Counter::kIsIterationInvariantRate | Counter::kInvert);
  if (operations > 0) {
    state.counters["FLOP/s"] = Counter(operations, Counter::kIsIterationInvariantRate);
    state.counters["of peak"] = Counter(operations / peak, Counter::kIsIterationInvariantRate);
  }
}

template <MaceShape Shape, class Real>
void forward(benchmark::State& state) {
  Model<Shape, Real> m(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) m.mace.forward(m.geometry, m.tape);
  report(state, m.geometry.n_atoms(), 0.0, 1.0);
}

template <MaceShape Shape, class Real>
void forward_and_adjoint(benchmark::State& state) {
  static const double peak = leyden_bench::peak_flops<Real>();
  Model<Shape, Real> m(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) {
    m.mace.forward(m.geometry, m.tape);
    m.mace.backward(m.geometry, m.tape, Real(1), std::span<double>{});
  }
  report(state, m.geometry.n_atoms(),
         leyden_bench::mace_operations<Shape>(m.mace.options(), m.geometry.n_atoms(),
                                              m.geometry.n_edges(), m.geometry.n_pairs,
                                              RadialTable<Real>::terms)
             .total(),
         peak);
}

constexpr MaceShape l0{.l_max = 3, .correlation = 3, .hidden_l = 0};
constexpr MaceShape l1{.l_max = 3, .correlation = 3, .hidden_l = 1};

// {atoms, channels}
BENCHMARK(forward<l0, double>)->Args({192, 128})->Unit(benchmark::kMillisecond);
BENCHMARK(forward<l1, double>)->Args({192, 128})->Unit(benchmark::kMillisecond);
BENCHMARK(forward_and_adjoint<l0, double>)
    ->Args({192, 128})
    ->Args({648, 128})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(forward_and_adjoint<l1, double>)
    ->Args({192, 128})
    ->Args({648, 128})
    ->Args({192, 16})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(forward_and_adjoint<l0, float>)
    ->Args({192, 128})
    ->Args({648, 128})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(forward_and_adjoint<l1, float>)
    ->Args({192, 128})
    ->Args({648, 128})
    ->Unit(benchmark::kMillisecond);

// The same with radial networks in place of tables.
template <MaceShape Shape, class Real>
void networks(benchmark::State& state) {
  Model<Shape, Real> m(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  m.tape.exact = true;
  for (auto _ : state) {
    m.mace.forward(m.geometry, m.tape);
    m.mace.backward(m.geometry, m.tape, Real(1), std::span<double>{});
  }
  report(state, m.geometry.n_atoms(), 0.0, 1.0);
}
BENCHMARK(networks<l1, double>)->Args({192, 128})->Unit(benchmark::kMillisecond);

}  // namespace
