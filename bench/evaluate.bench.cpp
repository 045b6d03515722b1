// SPDX-License-Identifier: MIT
// Energy, forces and stress of every point of a design space, by for_each_point.
#include "support/space.hpp"
#include "support/systems.hpp"

#include <benchmark/benchmark.h>

#include <string>

int main(int argc, char** argv) {
  using namespace leyden;
  for_each_point<leyden_bench::Space>([]<class P>(Point<P>) {
    const std::string name = std::string(traits<P>.descriptor) + " / " +
                             std::string(traits<P>.charge_model) + " / " +
                             std::string(traits<P>.solver);
    benchmark::RegisterBenchmark(
        name.c_str(),
        [](benchmark::State& state) {
          const P potential = leyden_bench::make_point<P>();
          const Structure s = leyden_bench::water_like(static_cast<int>(state.range(0)));
          typename P::Workspace workspace;
          for (auto _ : state) benchmark::DoNotOptimize(potential.evaluate(s, workspace).energy);
          using benchmark::Counter;
          const auto atoms = static_cast<double>(s.size());
          state.counters["time/atom"] =
              Counter(atoms, Counter::kIsIterationInvariantRate | Counter::kInvert);
          state.counters["atoms/s"] = Counter(atoms, Counter::kIsIterationInvariantRate);
        })
        ->Arg(36)
        ->Arg(192)
        ->Unit(benchmark::kMillisecond);
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
