// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/io/extxyz.hpp>

#include <benchmark/benchmark.h>

#include <cstdio>

namespace {

using namespace leyden;

// About 30 MB of frames of water with forces and charges, `digits` behind the point.
std::string file(std::size_t atoms, int digits) {
  RandomStream random(1);
  std::string text;
  const double length = std::cbrt(static_cast<double>(atoms) / 0.1);
  char line[512];
  while (text.size() < 30'000'000) {
    std::snprintf(line, sizeof line,
                  "%zu\nLattice=\"%.8f 0.0 0.0 0.0 %.8f 0.0 0.0 0.0 %.8f\" Properties=species:S:1:"
                  "pos:R:3:REF_forces:R:3:REF_charges:R:1 REF_energy=%.10f pbc=\"T T T\"\n",
                  atoms, length, length, length, -467.0 * static_cast<double>(atoms) / 3);
    text += line;
    for (std::size_t i = 0; i < atoms; ++i) {
      double x[7];
      // A grid, shaken by less than its spacing: no two atoms coincide.
      std::size_t cell = i;
      const auto along = static_cast<std::size_t>(std::ceil(std::cbrt(static_cast<double>(atoms))));
      const double spacing = length / static_cast<double>(along);
      for (int k = 0; k < 3; ++k, cell /= along)
        x[k] = spacing * (static_cast<double>(cell % along) + random.uniform(0, 0.8));
      for (int k = 3; k < 7; ++k) x[k] = random.normal();
      std::snprintf(line, sizeof line, "%-2s", i % 3 == 0 ? "O" : "H");
      text += line;
      for (const double v : x) {
        std::snprintf(line, sizeof line, " %16.*f", digits, v);
        text += line;
      }
      text += '\n';
    }
  }
  return text;
}

void read(benchmark::State& state) {
  const std::string text =
      file(static_cast<std::size_t>(state.range(0)), static_cast<int>(state.range(1)));
  ExtxyzOptions options;
  options.validate = state.range(2) != 0;
  for (auto _ : state) benchmark::DoNotOptimize(parse_extxyz(text, "memory", options));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(read)
    ->ArgNames({"atoms", "digits", "validate"})
    ->Args({192, 8, 0})
    ->Args({192, 8, 1})
    ->Args({192, 15, 0})
    ->Args({12, 8, 0})
    ->Args({12, 8, 1})
    ->Unit(benchmark::kMillisecond);

void write(benchmark::State& state) {
  const std::string text = file(192, 8);
  ExtxyzOptions options;
  options.validate = false;
  const std::vector<Frame> frames = parse_extxyz(text, "memory", options);
  std::int64_t bytes = 0;
  for (auto _ : state)
    for (const Frame& f : frames) bytes += static_cast<std::int64_t>(to_extxyz(f).size());
  state.SetBytesProcessed(bytes);
}
BENCHMARK(write)->Unit(benchmark::kMillisecond);

}  // namespace
