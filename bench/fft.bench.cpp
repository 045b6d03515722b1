// SPDX-License-Identifier: MIT
#include "support/fft_figures.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace leyden;
using leyden_bench::MeshCase;

void sides(benchmark::internal::Benchmark* b) {
  for (int n : leyden_bench::mesh_sides) b->Arg(n);
}

// A forward and a backward transform with a scaling between.
template <class F>
void round_trip(benchmark::State& state) {
  MeshCase<F> mesh(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    mesh.round_trip();
    benchmark::DoNotOptimize(mesh.grid.data());
  }
  // As is the custom: 2.5 N log₂N for a transform of N real numbers, whatever it truly takes.
  const auto points = static_cast<double>(mesh.grid.size());
  state.counters["FLOP/s"] = benchmark::Counter(2 * 2.5 * points * std::log2(points),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK_TEMPLATE(round_trip, MeshTransform<double>)->Apply(sides);
BENCHMARK_TEMPLATE(round_trip, MeshTransform<float>)->Apply(sides);
BENCHMARK_TEMPLATE(round_trip, EigenMeshTransform<double>)->Arg(24)->Arg(48)->Arg(72)->Arg(96);
BENCHMARK_TEMPLATE(round_trip, EigenMeshTransform<float>)->Arg(24)->Arg(48)->Arg(72)->Arg(96);
#if LEYDEN_BENCH_HAS_FFTW
BENCHMARK_TEMPLATE(round_trip, FftwMeshTransform<double>)->Apply(sides);
BENCHMARK_TEMPLATE(round_trip, FftwMeshTransform<float>)->Apply(sides);

// Both by turns, which a shared machine cannot tilt: counter `ratio`, ours over FFTW's.
template <class R>
void against_fftw(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  MeshCase<MeshTransform<R>> ours(n);
  MeshCase<FftwMeshTransform<R>> theirs(n);
  double ratio = 0.0;
  for (auto _ : state) {
    const auto t = leyden_bench::side_by_side(
        5, 1e-3, [&] { ours.round_trip(); }, [&] { theirs.round_trip(); });
    ratio = t[0] / t[1];
  }
  state.counters["ratio"] = ratio;
}
BENCHMARK_TEMPLATE(against_fftw, double)->Apply(sides)->Iterations(1);
BENCHMARK_TEMPLATE(against_fftw, float)->Apply(sides)->Iterations(1);
#endif

// A molecule in a box of twice its size: an eighth is filled.
template <class R>
void padded_round_trip(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  MeshCase<MeshTransform<R>> mesh({n, n, n}, {n / 2, n / 2, n / 2});
  for (auto _ : state) {
    mesh.round_trip();
    benchmark::DoNotOptimize(mesh.grid.data());
  }
}
BENCHMARK_TEMPLATE(padded_round_trip, double)->Arg(48)->Arg(64)->Arg(96)->Arg(128);
BENCHMARK_TEMPLATE(padded_round_trip, float)->Arg(48)->Arg(64)->Arg(96)->Arg(128);

}  // namespace
