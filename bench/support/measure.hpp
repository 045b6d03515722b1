// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

namespace leyden_bench {

/// A line of a report: name, value, unit, target.
inline void figure(const std::string& name, double value, const char* unit,
                   const char* target = "") {
  std::printf("%s\t%.4g\t%s\t%s\n", name.c_str(), value, unit, target);
  std::fflush(stdout);
}

/// CPU seconds of this process: what another process does on the machine does not count.
inline double cpu_seconds() {
  std::timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// CPU seconds of one call: the median of `runs` after one call that warms the memory.
template <class F>
double seconds_per_call(F&& f, int runs = 7) {
  f();
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const double start = cpu_seconds();
    f();
    times.push_back(cpu_seconds() - start);
  }
  return median(times);
}

/// Floating-point operations per second of one core in fused multiply-adds on registers, each
/// counted as two: the roof of all kernels. Twelve independent sums hide the latency.
template <class R>
double peak_flops() {
  using leyden::Pack;
  constexpr long turns = 4'000'000;
  R total(0);
  const double seconds = seconds_per_call(
      [&] {
        // Locals, so that they live in registers.
        Pack<R> sum[12], x(R(0.999999)), y(R(1e-9));
        for (auto& s : sum) s = Pack<R>(R(1));
        for (long i = 0; i < turns; ++i)
          for (auto& s : sum) s = fma(s, x, y);
        for (auto& s : sum) total += sum_lanes(s);
      },
      5);
  // The sum is used, or a compiler might leave it out.
  return total > R(0) ? turns * 12.0 * Pack<R>::lanes * 2.0 / seconds : 0.0;
}

/// Bytes per second of one core in a[i] = b[i] + s c[i] on arrays of 128 MB, three per element (as
/// STREAM counts): the roof of what does not fit into a cache.
inline double triad_bandwidth() {
  constexpr std::size_t n = std::size_t(1) << 24;
  std::vector<double> a(n, 0.0), b(n, 1.0), c(n, 2.0);
  double total = 0.0;
  const double seconds = seconds_per_call(
      [&] {
        for (std::size_t i = 0; i < n; ++i) a[i] = b[i] + 0.5 * c[i];
        total += a[n / 2];
      },
      9);
  return total > 0.0 ? 3.0 * sizeof(double) * static_cast<double>(n) / seconds : 0.0;
}

}  // namespace leyden_bench
