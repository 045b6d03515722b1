// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// Pseudo-random numbers that are the same for a seed with every compiler and library
/// (SplitMix64; Steele, Lea, Flood, OOPSLA 2014). The standard library's distributions are not.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform in {0, …, n − 1}; the bias of the modulus is below n/2⁶⁴.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(bits() % n); }
  /// Standard normal (Box–Muller; the second number of each pair is dropped to keep no state).
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
  }
  /// Fisher–Yates.
  template <class Sequence>
  void shuffle(Sequence& s) {
    for (std::size_t n = s.size(); n > 1; --n) std::swap(s[n - 1], s[below(n)]);
  }

  std::uint64_t state() const { return state_; }

 private:
  std::uint64_t state_;
};

}  // namespace leyden::inline LEYDEN_ABI
