// SPDX-License-Identifier: MIT
#include <leyden/core/pack.hpp>
#include <leyden/core/random.hpp>
#include <leyden/equivariant/spherical_harmonics.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <type_traits>

namespace {

using namespace leyden;

constexpr int l_max = 3, lm = (l_max + 1) * (l_max + 1);

template <class T>
inline constexpr std::size_t width = 1;
template <class R>
inline constexpr std::size_t width<Pack<R>> = static_cast<std::size_t>(Pack<R>::lanes);

// 1024 edges, as numbers or as packs.
template <class T>
struct Edges {
  static constexpr std::size_t count = 1024 / width<T>;
  Buffer<T> xyz = Buffer<T>(3 * count), y = Buffer<T>(lm * count), bar = Buffer<T>(lm * count),
            gradient = Buffer<T>(3 * count);
  Edges() {
    RandomStream random(1);
    for (std::size_t e = 0; e < count; ++e)
      for (std::size_t i = 0; i < width<T>; ++i) {
        Vector3<double> r{{random.normal(), random.normal(), random.normal()}};
        r = r * (1.0 / norm(r));
        for (int a = 0; a < 3; ++a) set(xyz[3 * e + static_cast<std::size_t>(a)], i, r[a]);
        for (std::size_t k = 0; k < lm; ++k) set(bar[lm * e + k], i, random.normal());
      }
  }
  static void set(T& to, std::size_t lane, double x) {
    if constexpr (width<T> == 1 && std::is_floating_point_v<T>)
      to = static_cast<T>(x);
    else
      to.set_lane(static_cast<int>(lane), static_cast<typename T::scalar_type>(x));
  }
  void values() {
    for (std::size_t e = 0; e < count; ++e)
      spherical_harmonics<l_max>(xyz[3 * e], xyz[3 * e + 1], xyz[3 * e + 2], y.data() + lm * e);
  }
  void pull_back() {
    for (std::size_t e = 0; e < count; ++e)
      spherical_harmonics_pullback<l_max>(y.data() + lm * e, bar.data() + lm * e,
                                          gradient.data() + 3 * e);
  }
};

void report(benchmark::State& state) {
  state.counters["time/edge"] = benchmark::Counter(
      1024.0, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class T>
void value(benchmark::State& state) {
  Edges<T> edges;
  for (auto _ : state) {
    edges.values();
    benchmark::DoNotOptimize(edges.y.data());
    benchmark::ClobberMemory();
  }
  report(state);
}

template <class T>
void value_and_gradient(benchmark::State& state) {
  Edges<T> edges;
  for (auto _ : state) {
    edges.values();
    edges.pull_back();
    benchmark::DoNotOptimize(edges.gradient.data());
    benchmark::ClobberMemory();
  }
  report(state);
}

BENCHMARK(value<double>);
BENCHMARK(value<Pack<double>>);
BENCHMARK(value<Pack<float>>);
BENCHMARK(value_and_gradient<double>);
BENCHMARK(value_and_gradient<Pack<double>>);
BENCHMARK(value_and_gradient<Pack<float>>);

}  // namespace
