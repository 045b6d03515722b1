// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft_lanes.hpp>

#include <numbers>

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
/// x · exp(−2πi j/n).
template <int j, int n, class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> turned(ComplexPack<R> x) {
  if constexpr (j % n == 0) {
    return x;
  } else if constexpr (4 * j == n) {
    return {x.im, -x.re};
  } else if constexpr (8 * j == n) {
    const Pack<R> h(std::numbers::sqrt2_v<R> / 2);
    return {(x.re + x.im) * h, (x.im - x.re) * h};
  } else if constexpr (8 * j == 3 * n) {
    const Pack<R> h(std::numbers::sqrt2_v<R> / 2);
    return {(x.im - x.re) * h, -((x.re + x.im) * h)};
  } else {
    using C = RootConstant<R, j, n>;
    return turned(x, Pack<R>(C::cosine), Pack<R>(C::sine));
  }
}

/// A transform of n = a·b numbers as b of a and a of b (Cooley and Tukey). When a and b have no
/// common divisor the indices can be chosen so that no factors stand between (Good and Thomas).
template <int n>
struct Factors {
  static constexpr int a = n % 4 == 0 ? 4 : n % 3 == 0 ? 3 : n % 2 == 0 ? 2 : n;
  static constexpr int b = n / a;
  static constexpr bool coprime = b % 2 != 0 ? a % b != 0 && b % a != 0 : a % 2 != 0;
};
template <>
struct Factors<8> {
  static constexpr int a = 2, b = 4;
  static constexpr bool coprime = false;
};
template <>
struct Factors<4> {
  static constexpr int a = 2, b = 2;
  static constexpr bool coprime = false;
};

template <int n, class R>
LEYDEN_ALWAYS_INLINE void odd_butterfly(ComplexPack<R> (&x)[n]) {
  constexpr int h = (n - 1) / 2;
  ComplexPack<R> sums[h + 1], differences[h + 1];
  const ComplexPack<R> first = x[0];
  unroll<h>([&](auto i) __attribute__((always_inline)) {
    constexpr int j = i + 1;
    sums[j] = x[j] + x[n - j];
    differences[j] = x[j] - x[n - j];
    x[0] = x[0] + sums[j];
  });
  ComplexPack<R> even[h + 1], odd[h + 1];
  unroll<h * h>([&](auto i) __attribute__((always_inline)) {
    constexpr int k = i / h + 1, j = i % h + 1;
    using C = RootConstant<R, j * k, n>;
    const Pack<R> c(C::cosine), s(C::sine);
    const ComplexPack<R> a = j == 1 ? first : even[k], b = odd[k];
    even[k] = {fma(sums[j].re, c, a.re), fma(sums[j].im, c, a.im)};
    if constexpr (j == 1)
      odd[k] = {differences[j].re * s, differences[j].im * s};
    else
      odd[k] = {fma(differences[j].re, s, b.re), fma(differences[j].im, s, b.im)};
    if constexpr (j == h) {
      x[k] = minus_i(even[k], odd[k]);
      x[n - k] = plus_i(even[k], odd[k]);
    }
  });
}

template <int n, class R>
LEYDEN_ALWAYS_INLINE void butterfly(ComplexPack<R> (&x)[n]) {
  if constexpr (n == 2) {
    const ComplexPack<R> a = x[0], b = x[1];
    x[0] = a + b;
    x[1] = a - b;
  } else if constexpr (n == 4) {
    const ComplexPack<R> a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = x[1] - x[3];
    x[0] = a + c;
    x[1] = minus_i(b, d);
    x[2] = a - c;
    x[3] = plus_i(b, d);
  } else if constexpr (Factors<n>::b == 1) {
    odd_butterfly(x);
  } else {
    constexpr int a = Factors<n>::a, b = Factors<n>::b;
    constexpr bool coprime = Factors<n>::coprime;
    // One level of lambdas at a time: g++ 12 fails on constants of an outer one.
    ComplexPack<R> columns[b][a], rows[a][b];
    unroll<n>([&](auto i) __attribute__((always_inline)) {
      constexpr int j1 = i % a, j2 = i / a;
      columns[j2][j1] = x[coprime ? (b * j1 + a * j2) % n : b * j1 + j2];
    });
    unroll<b>([&](auto j2) __attribute__((always_inline)) { butterfly(columns[j2]); });
    unroll<n>([&](auto i) __attribute__((always_inline)) {
      constexpr int k1 = i % a, j2 = i / a;
      rows[k1][j2] = turned < coprime ? 0 : k1 * j2, n > (columns[j2][k1]);
    });
    unroll<a>([&](auto k1) __attribute__((always_inline)) { butterfly(rows[k1]); });
    unroll<n>([&](auto k)
                  __attribute__((always_inline)) { x[k] = rows[k % a][coprime ? k % b : k / a]; });
  }
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
