// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft_lanes.hpp>

#include <numbers>
#include <numeric>

// Discrete Fourier transforms of a few numbers in registers, each number a pack of lines:
// x_k <- Σ_j x_j exp(−2πi jk/n), in natural order.
namespace leyden::inline LEYDEN_ABI {
namespace detail {

/// exp(2πi · turn), cosine and sine.
struct Root {
  long double cosine, sine;
};

/// exp(2πi j/n), 0 ≤ j < n, to the last bit or two of a long double: angles are folded into the
/// first octant exactly, and there a Taylor series is short.
constexpr Root root_of_unity(long j, long n) {
  if (2 * j > n) {
    const Root r = root_of_unity(n - j, n);
    return {r.cosine, -r.sine};
  }
  if (4 * j > n) {
    const Root r = root_of_unity(n - 2 * j, 2 * n);
    return {-r.cosine, r.sine};
  }
  if (8 * j > n) {
    const Root r = root_of_unity(n - 4 * j, 4 * n);
    return {r.sine, r.cosine};
  }
  const long double x = 2 * std::numbers::pi_v<long double> * static_cast<long double>(j) /
                        static_cast<long double>(n);
  long double c = 1, s = 1;
  for (int k = 26; k >= 2; k -= 2) {
    c = 1 - c * x * x / (k * (k - 1));
    s = 1 - s * x * x / (k * (k + 1));
  }
  return {c, s * x};
}

template <class R, int j, int n>
struct RootConstant {
  static constexpr Root root = root_of_unity(j % n, n);
  static constexpr R cosine = static_cast<R>(root.cosine);
  static constexpr R sine = static_cast<R>(root.sine);
};

template <class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> operator+(ComplexPack<R> a, ComplexPack<R> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> operator-(ComplexPack<R> a, ComplexPack<R> b) {
  return {a.re - b.re, a.im - b.im};
}
/// a − i b and a + i b.
template <class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> minus_i(ComplexPack<R> a, ComplexPack<R> b) {
  return {a.re + b.im, a.im - b.re};
}
template <class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> plus_i(ComplexPack<R> a, ComplexPack<R> b) {
  return {a.re - b.im, a.im + b.re};
}
/// x · (c − i s).
template <class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> turned(ComplexPack<R> x, Pack<R> c, Pack<R> s) {
  return {fma(x.im, s, x.re * c), fnma(x.re, s, x.im * c)};
}
/// x · exp(−2πi j/8), 0 ≤ j < 4.
template <int j, class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> eighths_turned(ComplexPack<R> x) {
  static_assert(0 <= j && j < 4);
  const Pack<R> h(std::numbers::sqrt2_v<R> / 2);
  if constexpr (j == 0) return x;
  if constexpr (j == 1) return {(x.re + x.im) * h, (x.im - x.re) * h};
  if constexpr (j == 2) return {x.im, -x.re};
  if constexpr (j == 3) return {(x.im - x.re) * h, -((x.re + x.im) * h)};
}

/// A transform of n = a·b numbers as b of a and a of b (Cooley and Tukey). When a and b have no
/// common divisor the indices can be chosen so that no factors stand between (Good and Thomas).
template <int n>
struct Factors {
  static constexpr int a = n == 6 ? 3 : n == 8 ? 2 : n;
  static constexpr int b = n / a;
  static constexpr bool coprime = std::gcd(a, b) == 1;
};

/// first + Σ_j a_j cos(2πjk/n) and Σ_j b_j sin(2πjk/n); a and b start with j = 1.
template <int k, int n, class R, int h>
LEYDEN_ALWAYS_INLINE ComplexPack<R> cosine_sum(ComplexPack<R> first,
                                               const Several<h, ComplexPack<R>>& a) {
  ComplexPack<R> sum = first;
  unroll<h>([&](auto j) __attribute__((always_inline)) {
    const Pack<R> c(RootConstant<R, (j + 1) * k, n>::cosine);
    sum = {fma(a.at[j].re, c, sum.re), fma(a.at[j].im, c, sum.im)};
  });
  return sum;
}
template <int k, int n, class R, int h>
LEYDEN_ALWAYS_INLINE ComplexPack<R> sine_sum(const Several<h, ComplexPack<R>>& b) {
  const Pack<R> first(RootConstant<R, k, n>::sine);
  ComplexPack<R> sum{b.at[0].re * first, b.at[0].im * first};
  unroll<h - 1>([&](auto j) __attribute__((always_inline)) {
    const Pack<R> s(RootConstant<R, (j + 2) * k, n>::sine);
    sum = {fma(b.at[j + 1].re, s, sum.re), fma(b.at[j + 1].im, s, sum.im)};
  });
  return sum;
}

template <class R, int n>
LEYDEN_ALWAYS_INLINE Several<n, ComplexPack<R>> odd_butterfly(const Several<n, ComplexPack<R>>& x) {
  constexpr int h = (n - 1) / 2;
  const auto sums = generate<h>([&](auto j) __attribute__((always_inline)) {
    return x.at[j + 1] + x.at[n - 1 - j];
  });
  const auto differences = generate<h>([&](auto j) __attribute__((always_inline)) {
    return x.at[j + 1] - x.at[n - 1 - j];
  });
  const auto even = generate<h>([&](auto k) __attribute__((always_inline)) {
    return cosine_sum<k + 1, n>(x.at[0], sums);
  });
  const auto odd = generate<h>([&](auto k) __attribute__((always_inline)) {
    return sine_sum<k + 1, n>(differences);
  });
  ComplexPack<R> total = x.at[0];
  unroll<h>([&](auto j) __attribute__((always_inline)) { total = total + sums.at[j]; });
  return generate<n>([&](auto k) __attribute__((always_inline)) {
    if constexpr (k == 0)
      return total;
    else if constexpr (k <= h)
      return minus_i(even.at[k - 1], odd.at[k - 1]);
    else
      return plus_i(even.at[n - 1 - k], odd.at[n - 1 - k]);
  });
}

// Of two to five, in place. Written out, and called below without lambdas: of longer ways to the
// registers g++ 12 loses sight.
template <class R>
LEYDEN_ALWAYS_INLINE void butterfly_of(ComplexPack<R>& x0, ComplexPack<R>& x1) {
  const ComplexPack<R> a = x0, b = x1;
  x0 = a + b;
  x1 = a - b;
}
template <class R>
LEYDEN_ALWAYS_INLINE void butterfly_of(ComplexPack<R>& x0, ComplexPack<R>& x1, ComplexPack<R>& x2) {
  const Pack<R> half(R(0.5)), s(std::numbers::sqrt3_v<R> / 2);
  const ComplexPack<R> first = x0, sum = x1 + x2, difference = x1 - x2;
  const ComplexPack<R> even{fnma(half, sum.re, first.re), fnma(half, sum.im, first.im)};
  x0 = first + sum;
  x1 = {fma(s, difference.im, even.re), fnma(s, difference.re, even.im)};
  x2 = {fnma(s, difference.im, even.re), fma(s, difference.re, even.im)};
}
template <class R>
LEYDEN_ALWAYS_INLINE void butterfly_of(ComplexPack<R>& x0, ComplexPack<R>& x1, ComplexPack<R>& x2,
                                       ComplexPack<R>& x3) {
  const ComplexPack<R> a = x0 + x2, b = x0 - x2, c = x1 + x3, d = x1 - x3;
  x0 = a + c;
  x1 = minus_i(b, d);
  x2 = a - c;
  x3 = plus_i(b, d);
}
template <class R>
LEYDEN_ALWAYS_INLINE void butterfly_of(ComplexPack<R>& x0, ComplexPack<R>& x1, ComplexPack<R>& x2,
                                       ComplexPack<R>& x3, ComplexPack<R>& x4) {
  using C1 = RootConstant<R, 1, 5>;
  using C2 = RootConstant<R, 2, 5>;
  const Pack<R> c1(C1::cosine), c2(C2::cosine), s1(C1::sine), s2(C2::sine);
  const ComplexPack<R> first = x0, a1 = x1 + x4, b1 = x1 - x4, a2 = x2 + x3, b2 = x2 - x3;
  const ComplexPack<R> even1{fma(a2.re, c2, fma(a1.re, c1, first.re)),
                             fma(a2.im, c2, fma(a1.im, c1, first.im))};
  const ComplexPack<R> even2{fma(a2.re, c1, fma(a1.re, c2, first.re)),
                             fma(a2.im, c1, fma(a1.im, c2, first.im))};
  const ComplexPack<R> odd1{fma(b2.re, s2, b1.re * s1), fma(b2.im, s2, b1.im * s1)};
  const ComplexPack<R> odd2{fnma(b2.re, s1, b1.re * s2), fnma(b2.im, s1, b1.im * s2)};
  x0 = first + a1 + a2;
  x1 = minus_i(even1, odd1);
  x4 = plus_i(even1, odd1);
  x2 = minus_i(even2, odd2);
  x3 = plus_i(even2, odd2);
}

/// Numbers first, first + step, … modulo n, as many as j.
template <int first, int step, class R, int n, int... j>
LEYDEN_ALWAYS_INLINE void butterfly_of_some(Several<n, ComplexPack<R>>& x,
                                            std::integer_sequence<int, j...>) {
  butterfly_of(x.at[(first + step * j) % n]...);
}
template <class R, int n, int... j>
LEYDEN_ALWAYS_INLINE void butterfly_columns(Several<n, ComplexPack<R>>& x,
                                            std::integer_sequence<int, j...>) {
  constexpr int a = Factors<n>::a, b = Factors<n>::b, step = Factors<n>::coprime ? a : 1;
  (butterfly_of_some<step * j, b>(x, std::make_integer_sequence<int, a>{}), ...);
}
template <class R, int n, int... i>
LEYDEN_ALWAYS_INLINE void butterfly_turns(Several<n, ComplexPack<R>>& x,
                                          std::integer_sequence<int, i...>) {
  static_assert(n == 8);
  constexpr int b = Factors<n>::b;
  ((x.at[i] = eighths_turned<(i / b) * (i % b)>(x.at[i])), ...);
}
template <class R, int n, int... k>
LEYDEN_ALWAYS_INLINE void butterfly_rows(Several<n, ComplexPack<R>>& x,
                                         std::integer_sequence<int, k...>) {
  constexpr int a = Factors<n>::a, b = Factors<n>::b, step = Factors<n>::coprime ? a : 1;
  (butterfly_of_some<b * k, step>(x, std::make_integer_sequence<int, b>{}), ...);
}

/// Where butterfly() leaves number k.
template <int n>
constexpr int butterfly_place(int k) {
  constexpr int a = Factors<n>::a, b = Factors<n>::b;
  return Factors<n>::coprime ? (b * (k % a) + a * (k % b)) % n : b * (k % a) + k / a;
}

/// Transforms x in place, the results permuted.
template <class R, int n>
LEYDEN_ALWAYS_INLINE void butterfly(Several<n, ComplexPack<R>>& x) {
  constexpr int a = Factors<n>::a, b = Factors<n>::b;
  if constexpr (b == 1 && n > 5) {
    x = odd_butterfly<R>(x);
  } else if constexpr (b == 1) {
    butterfly_of_some<0, 1>(x, std::make_integer_sequence<int, n>{});
  } else {
    butterfly_columns(x, std::make_integer_sequence<int, b>{});
    if constexpr (!Factors<n>::coprime) butterfly_turns(x, std::make_integer_sequence<int, n>{});
    butterfly_rows(x, std::make_integer_sequence<int, a>{});
  }
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
