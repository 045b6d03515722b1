// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <array>
#include <cstddef>
#include <vector>

/// Real coupling coefficients, at compile time.
///
/// A real harmonic is a fixed combination of the two complex ones of ±m (times (−i)^l, which makes
/// every coupling real); the 3j symbol of the real basis is the complex Clebsch–Gordan coefficient
/// between these combinations, normalised to Σ w² = 1. For even l1 + l2 + l3 it is symmetric in its
/// three slots and w(0, 0, 0) > 0; for odd sums the sign is that of e3nn ≥ 0.5.
namespace leyden::inline LEYDEN_ABI {

namespace detail {

struct ComplexNumber {
  double re = 0.0, im = 0.0;
  constexpr ComplexNumber operator*(ComplexNumber b) const {
    return {re * b.re - im * b.im, re * b.im + im * b.re};
  }
};

// std::sqrt is not constexpr in C++20.
constexpr double constexpr_sqrt(double x) {
  if (x <= 0.0) return 0.0;
  double scale = 1.0;
  while (x > 4.0) {
    x /= 4.0;
    scale *= 2.0;
  }
  while (x < 1.0) {
    x *= 4.0;
    scale /= 2.0;
  }
  double s = 1.5;
  for (int i = 0; i < 6; ++i) s = 0.5 * (s + x / s);
  return s * scale;
}

constexpr double factorial(int n) {
  double f = 1.0;
  for (int i = 2; i <= n; ++i) f *= i;
  return f;
}

constexpr int larger(int a, int b) { return a > b ? a : b; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }

/// ⟨j1 m1 j2 m2 | j3 m3⟩ by Racah's formula.
constexpr double clebsch_gordan(int j1, int m1, int j2, int m2, int j3, int m3) {
  if (m3 != m1 + m2) return 0.0;
  const int low = larger(larger(-j1 + j2 + m3, -j1 + m1), 0);
  const int high = smaller(smaller(j2 + j3 + m1, j3 - j1 + j2), j3 + m3);
  double sum = 0.0;
  for (int v = low; v <= high; ++v) {
    const double sign = (v + j2 + m2) % 2 == 0 ? 1.0 : -1.0;
    sum += sign * factorial(j2 + j3 + m1 - v) * factorial(j1 - m1 + v) /
           (factorial(v) * factorial(j3 - j1 + j2 - v) * factorial(j3 + m3 - v) *
            factorial(v + j1 - j2 - m3));
  }
  const double squared =
      (2.0 * j3 + 1.0) * factorial(j3 + j1 - j2) * factorial(j3 - j1 + j2) *
      factorial(j1 + j2 - j3) / factorial(j1 + j2 + j3 + 1) * factorial(j3 + m3) *
      factorial(j3 - m3) /
      (factorial(j1 + m1) * factorial(j1 - m1) * factorial(j2 + m2) * factorial(j2 - m2));
  return constexpr_sqrt(squared) * sum;
}

/// A real harmonic m as a combination of complex ones: amplitudes of |m| and −|m|, times (−i)^l.
struct RealHarmonic {
  std::array<int, 2> m{};
  std::array<ComplexNumber, 2> amplitude{};
  int count = 0;
};
constexpr RealHarmonic real_harmonic(int l, int m) {
  constexpr double h = 0.70710678118654752440;
  RealHarmonic r;
  const double sign = m % 2 == 0 ? 1.0 : -1.0;
  if (m == 0)
    r = {{0, 0}, {{{1.0, 0.0}, {0.0, 0.0}}}, 1};
  else if (m > 0)  // ((−1)^m |m⟩ + |−m⟩)/√2
    r = {{m, -m}, {{{sign * h, 0.0}, {h, 0.0}}}, 2};
  else  // i ((−1)^m |−m⟩ − |m⟩)/√2
    r = {{-m, m}, {{{0.0, sign * h}, {0.0, -h}}}, 2};
  for (int k = 0; k < l; ++k)
    for (auto& a : r.amplitude) a = a * ComplexNumber{0.0, -1.0};
  return r;
}

/// Not normalised: the normalisation needs all elements.
constexpr double real_coupling(int l1, int m1, int l2, int m2, int l3, int m3) {
  const RealHarmonic a = real_harmonic(l1, m1), b = real_harmonic(l2, m2),
                     c = real_harmonic(l3, m3);
  double sum = 0.0;
  for (int i = 0; i < a.count; ++i)
    for (int j = 0; j < b.count; ++j)
      for (int k = 0; k < c.count; ++k) {
        const std::size_t x = static_cast<std::size_t>(i), y = static_cast<std::size_t>(j),
                          z = static_cast<std::size_t>(k);
        if (c.m[z] != a.m[x] + b.m[y]) continue;
        const ComplexNumber conjugate{c.amplitude[z].re, -c.amplitude[z].im};
        sum += (a.amplitude[x] * b.amplitude[y] * conjugate).re *
               clebsch_gordan(l1, a.m[x], l2, b.m[y], l3, c.m[z]);
      }
  return sum;
}

constexpr double magnitude(double x) { return x < 0.0 ? -x : x; }

// Σ of the squares of all real couplings is 2 l3 + 1 (completeness of the complex coefficients).
constexpr double normalized_coupling(int l1, int m1, int l2, int m2, int l3, int m3) {
  const double w = real_coupling(l1, m1, l2, m2, l3, m3) / constexpr_sqrt(2.0 * l3 + 1.0);
  return magnitude(w) < 1e-14 ? 0.0 : w;  // zeros that rounding left
}

}  // namespace detail

/// Whether l1 and l2 couple to l3.
constexpr bool triangle(int l1, int l2, int l3) {
  return l3 >= (l1 > l2 ? l1 - l2 : l2 - l1) && l3 <= l1 + l2;
}

/// w[(m1 (2 l2 + 1) + m2)(2 l3 + 1) + m3], m counted from 0 for −l. The same numbers as the
/// constexpr tables, for l that are known at run time only.
inline std::vector<double> wigner_3j_table(int l1, int l2, int l3) {
  std::vector<double> w;
  w.reserve(static_cast<std::size_t>((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1)));
  for (int m1 = -l1; m1 <= l1; ++m1)
    for (int m2 = -l2; m2 <= l2; ++m2)
      for (int m3 = -l3; m3 <= l3; ++m3)
        w.push_back(triangle(l1, l2, l3) ? detail::normalized_coupling(l1, m1, l2, m2, l3, m3)
                                         : 0.0);
  return w;
}

/// The same as a constant.
template <int l1, int l2, int l3>
inline constexpr auto wigner_3j = [] {
  static_assert(triangle(l1, l2, l3), "wigner_3j: the three l do not couple");
  constexpr std::size_t d1 = 2 * l1 + 1, d2 = 2 * l2 + 1, d3 = 2 * l3 + 1;
  std::array<double, d1 * d2 * d3> w{};
  std::size_t i = 0;
  for (int m1 = -l1; m1 <= l1; ++m1)
    for (int m2 = -l2; m2 <= l2; ++m2)
      for (int m3 = -l3; m3 <= l3; ++m3)
        w[i++] = detail::normalized_coupling(l1, m1, l2, m2, l3, m3);
  return w;
}();

/// A non-zero element; m counted from 0.
struct CouplingTerm {
  int m1 = 0, m2 = 0, m3 = 0;
  double value = 0.0;
};

/// All non-zero elements.
template <int l1, int l2, int l3>
inline constexpr auto wigner_3j_terms = [] {
  constexpr std::size_t count = [] {
    std::size_t n = 0;
    for (double w : wigner_3j<l1, l2, l3>) n += w != 0.0 ? 1 : 0;
    return n;
  }();
  std::array<CouplingTerm, count> terms{};
  std::size_t i = 0, n = 0;
  for (int m1 = 0; m1 <= 2 * l1; ++m1)
    for (int m2 = 0; m2 <= 2 * l2; ++m2)
      for (int m3 = 0; m3 <= 2 * l3; ++m3, ++i)
        if (wigner_3j<l1, l2, l3>[i] != 0.0) terms[n++] = {m1, m2, m3, wigner_3j<l1, l2, l3>[i]};
  return terms;
}();

/// One way to couple a neighbour's feature (l1) and the edge (l2) to an output (l3).
struct ConvolutionPath {
  int l1 = 0, l2 = 0, l3 = 0;
};

/// All paths of natural parity (l1 + l2 + l3 even), by l3, then l1, then l2: the order in which
/// MACE stores its weights.
template <int l_hidden, int l_max>
inline constexpr auto convolution_paths = [] {
  constexpr auto visit = [](auto&& f) {
    for (int l3 = 0; l3 <= l_max; ++l3)
      for (int l1 = 0; l1 <= l_hidden; ++l1)
        for (int l2 = 0; l2 <= l_max; ++l2)
          if (triangle(l1, l2, l3) && (l1 + l2 + l3) % 2 == 0) f(ConvolutionPath{l1, l2, l3});
  };
  constexpr std::size_t count = [visit] {
    std::size_t n = 0;
    visit([&](ConvolutionPath) { ++n; });
    return n;
  }();
  std::array<ConvolutionPath, count> paths{};
  std::size_t n = 0;
  visit([&](ConvolutionPath p) { paths[n++] = p; });
  return paths;
}();

}  // namespace leyden::inline LEYDEN_ABI
