// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack_lanes.hpp>
#include <leyden/core/units.hpp>
#include <leyden/core/unroll.hpp>
#include <leyden/electrostatics/splitting.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

// The radial functions of the short-ranged part, C (erf(g r)/r − L(r)), as polynomials in r².
//
// B_0 … B_N come from one fit: that of B_N, the highest, in Chebyshev polynomials of
// u = 2r²/r_max² − 1. Since dB_(n−1)/d(r²) = −B_n/2, the others are its integrals: exact
// derivatives of each other, and integration loses no digits. Their constants are exact at
// u = 1, so the interaction ends where it should. erf(g r)/r is a polynomial up to some distance
// and, beyond it, 1/r; broad Gaussians are polynomials alone.
namespace leyden::inline LEYDEN_ABI::detail {

inline constexpr int radial_orders_max = 7;
inline constexpr int radial_terms_max = 72;

// Polynomials of all orders in u = scale·r² + shift; coefficients [term][order], the highest first.
template <class R>
struct RadialPolynomial {
  R scale{}, shift{};
  int terms = 0;
  bool chebyshev = false;  // of T_k(u), otherwise of u^k
  std::vector<R> coefficients;
};

// The pair of one receiver and one sender class.
template <class R>
struct RadialTable {
  R near_squared{};     // Å²: below, `near` is all
  bool points = false;  // beyond, `far` and the powers of 1/r; otherwise `near` is used everywhere
  RadialPolynomial<R> near, far;
};

// erfc(x) and its derivatives up to B_order relative to those of 1/r are below the tolerance.
inline double negligible_erfc(double tolerance, int order) {
  const auto size = [order](double x) {
    double factor = 1;
    for (int n = 1; n <= order; ++n) factor *= std::max(1.0, 2 * x * x / (2 * n - 1));
    return factor * std::erfc(x);
  };
  double low = 0, high = 10;
  for (int turn = 0; turn < 50; ++turn) {
    const double middle = (low + high) / 2;
    (size(middle) > tolerance ? low : high) = middle;
  }
  return high;
}

// The fit of B_0 … B_(orders − 1), value(n, r), on [0, r_max]: that of the highest to `error`.
template <class R, class Value>
void fit_radial(const Value& value, int orders, double r_max, double error,
                RadialPolynomial<R>& out) {
  constexpr int nodes = 64;
  const int top = orders - 1;
  const auto at = [](int k) { return static_cast<std::size_t>(k); };
  std::array<double, nodes> f;
  double largest = 0;
  for (int i = 0; i < nodes; ++i) {
    const double u = std::cos(std::numbers::pi * (i + 0.5) / nodes);
    f[at(i)] = value(top, r_max * std::sqrt(0.5 * (1 + u)));
    largest = std::max(largest, std::abs(f[at(i)]));
  }
  // Below is the rounding of the values.
  error = std::max(error, 4e-15 * largest);
  std::array<long double, nodes> chebyshev{};
  for (int i = 0; i < nodes; ++i) {
    const long double u = std::cos(3.14159265358979323846L * (i + 0.5L) / nodes);
    long double before = u, here = 1;  // T_(−1), T_0
    for (int k = 0; k < nodes; ++k) {
      chebyshev[at(k)] += (k == 0 ? 1.0L : 2.0L) / nodes * f[at(i)] * here;
      const long double next = 2 * u * here - before;
      before = here;
      here = next;
    }
  }
  // What is left out sums up to less than the error.
  int degree = nodes - 1;
  long double left_out = 0;
  while (degree > 0) {
    left_out += std::abs(chebyshev[at(degree)]);
    if (left_out > error) break;
    --degree;
  }
  degree = std::min(degree, radial_terms_max - radial_orders_max - 2);

  using Series = std::array<long double, radial_terms_max>;
  out.terms = (degree + orders + 1) / 2 * 2;
  out.scale = static_cast<R>(2 / (r_max * r_max));
  out.shift = R(-1);
  Series series{};
  for (int k = 0; k <= degree; ++k) series[at(k)] = chebyshev[at(k)];
  std::array<Series, radial_orders_max> all{};
  for (int n = top; n >= 0; --n) {
    if (n < top) {
      // dB_n/du = −(r_max²/4) B_(n+1);  ∫T_k = (T_(k+1)/(k+1) − T_(k−1)/(k−1))/2
      Series integral{};
      long double at_one = 0;
      for (int k = 1; k < out.terms; ++k) {
        integral[at(k)] = -0.25L * r_max * r_max *
                          ((k == 1 ? 2 : 1) * series[at(k - 1)] - series[at(k + 1)]) / (2 * k);
        at_one += integral[at(k)];
      }
      integral[0] = value(n, r_max) - at_one;
      series = integral;
    }
    all[at(n)] = series;
  }
  // Monomials, unless they are much larger than what they sum up to: then Chebyshev polynomials,
  // which take one more addition each.
  std::array<Series, radial_orders_max> monomials{};
  out.chebyshev = false;
  for (int n = 0; n < orders; ++n) {
    Series before{}, here{};
    before[0] = here[1] = 1;
    Series& sum = monomials[at(n)];
    sum[0] = all[at(n)][0];
    for (int k = 1; k < out.terms; ++k) {
      for (int j = 0; j <= k; ++j) sum[at(j)] += all[at(n)][at(k)] * here[at(j)];
      Series next{};
      for (int j = 0; j <= k + 1; ++j)
        next[at(j)] = (j > 0 ? 2 * here[at(j - 1)] : 0.0L) - before[at(j)];
      before = here;
      here = next;
    }
    long double size = 0, original = 0;
    for (int k = 0; k < out.terms; ++k) {
      size += std::abs(sum[at(k)]);
      original += std::abs(all[at(n)][at(k)]);
    }
    if (size > 4 * original) out.chebyshev = true;
  }
  out.coefficients.resize(at(out.terms * orders));
  for (int n = 0; n < orders; ++n)
    for (int k = 0; k < out.terms; ++k)
      out.coefficients[at((out.terms - 1 - k) * orders + n)] =
          static_cast<R>((out.chebyshev ? all : monomials)[at(n)][at(k)]);
}

// B_n of −C L, with its limit at the cutoff from within.
inline double minus_long_range(const Splitting& splitting, int n, double r) {
  if (splitting.kind() == Splitting::Kind::prolate)
    r = std::min(r, splitting.cutoff() * (1 - 4 * std::numeric_limits<double>::epsilon()));
  return -units::coulomb * splitting.long_range(n, r);
}

// One of the functions at one distance.
inline double polynomial_value(const RadialPolynomial<double>& p, int orders, int n, double r) {
  const double u = r * r * p.scale + p.shift;
  double here = 0, before = 0;
  for (int k = 0; k < p.terms; ++k) {
    const double c = p.coefficients[static_cast<std::size_t>(k * orders + n)];
    const bool last = k + 1 == p.terms;
    const double next = p.chebyshev ? (last ? u : 2 * u) * here + (c - before) : here * u + c;
    before = here;
    here = next;
  }
  return here;
}

template <class R>
RadialPolynomial<R> convert_polynomial(const RadialPolynomial<double>& p) {
  RadialPolynomial<R> out;
  out.scale = static_cast<R>(p.scale);
  out.shift = static_cast<R>(p.shift);
  out.terms = p.terms;
  out.chebyshev = p.chebyshev;
  for (const double c : p.coefficients) out.coefficients.push_back(static_cast<R>(c));
  return out;
}

// The functions of one pair of widths, g = 1/√(2(s² + t²)) (infinite for points).
template <class R>
void make_radial_table(const Splitting& splitting, double cutoff, double g, int orders,
                       double tolerance, const RadialPolynomial<double>& minus_l,
                       RadialTable<R>& out) {
  const auto both = [&](int n, double r) {
    return units::coulomb * gaussian_radial(n, g, r) + polynomial_value(minus_l, orders, n, r);
  };
  // Errors are small against the long-range part, and against 1/r where it takes over: narrow
  // Gaussians have values at r = 0 that are far larger than all that matters.
  const int top = orders - 1;
  double error = tolerance * std::abs(minus_long_range(splitting, top, 0));
  const double near = negligible_erfc(tolerance, orders - 2) / g;  // 0 for points
  out.points = near < 0.7 * cutoff;
  if (!out.points) {
    fit_radial<R>(both, orders, cutoff, error, out.near);
    out.near_squared = std::numeric_limits<R>::max();
    return;
  }
  out.near_squared = static_cast<R>(near * near);
  if (near > 0) {
    double at_end = units::coulomb / near;
    for (int n = 1; n <= top; ++n) at_end *= (2 * n - 1) / (near * near);
    error = std::max(error, tolerance * at_end);
    fit_radial<R>(both, orders, near, error, out.near);
  } else {
    out.near = {};
  }
  out.far = convert_polynomial<R>(minus_l);
}

template <int First, int Last, class R>
LEYDEN_ALWAYS_INLINE void evaluate_polynomial(const RadialPolynomial<R>& p, int orders, Pack<R> r2,
                                              Pack<R>* b) {
  constexpr int count = Last - First + 1;
  const Pack<R> u = fma(r2, Pack<R>(p.scale), Pack<R>(p.shift));
  const R* c = p.coefficients.data() + First;
  b += First;
  unroll<count>([&](auto n) __attribute__((always_inline)) { b[n] = Pack<R>(c[n]); });
  if (p.chebyshev) {  // Clenshaw
    const Pack<R> twice = u + u;
    Pack<R> before[count];
    for (int k = 1; k + 1 < p.terms; ++k) {
      c += orders;
      unroll<count>([&](auto n) __attribute__((always_inline)) {
        const Pack<R> next = fma(twice, b[n], Pack<R>(c[n]) - before[n]);
        before[n] = b[n];
        b[n] = next;
      });
    }
    c += orders;
    unroll<count>([&](auto n) __attribute__((always_inline)) {
      b[n] = fma(u, b[n], Pack<R>(c[n]) - before[n]);
    });
  } else if constexpr (count <= 2) {
    // Even and odd powers apart: few polynomials would wait for each other's multiply-adds. The
    // number of terms is even.
    const Pack<R> u2 = u * u;
    Pack<R> even[count];
    c += orders;
    unroll<count>([&](auto n) __attribute__((always_inline)) { even[n] = Pack<R>(c[n]); });
    for (int k = 2; k < p.terms; k += 2) {
      c += orders;
      unroll<count>([&](auto n)
                        __attribute__((always_inline)) { b[n] = fma(b[n], u2, Pack<R>(c[n])); });
      c += orders;
      unroll<count>([&](auto n) __attribute__((always_inline)) {
        even[n] = fma(even[n], u2, Pack<R>(c[n]));
      });
    }
    unroll<count>([&](auto n) __attribute__((always_inline)) { b[n] = fma(b[n], u, even[n]); });
  } else {
    for (int k = 1; k < p.terms; ++k) {
      c += orders;
      unroll<count>([&](auto n)
                        __attribute__((always_inline)) { b[n] = fma(b[n], u, Pack<R>(c[n])); });
    }
  }
}

// B_First … B_Last of lanes at squared distances r2.
template <int First, int Last, class R>
LEYDEN_ALWAYS_INLINE void evaluate_radial(const RadialTable<R>& table, int orders, Pack<R> r2,
                                          Pack<R>* b) {
  if (!table.points) {
    evaluate_polynomial<First, Last>(table.near, orders, r2, b);
    return;
  }
  evaluate_polynomial<First, Last>(table.far, orders, r2, b);
  const Pack<R> inverse = inverse_sqrt(r2), inverse2 = inverse * inverse;
  Pack<R> power = inverse * Pack<R>(static_cast<R>(units::coulomb));
  unroll<Last + 1>([&](auto n) __attribute__((always_inline)) {
    if constexpr (n() > 0) power = power * (inverse2 * Pack<R>(static_cast<R>(2 * n() - 1)));
    if constexpr (n() >= First) b[n] += power;
  });
  const Pack<R> limit(table.near_squared);
  if (any_less(r2, limit)) {
    Pack<R> near[Last + 1];
    evaluate_polynomial<First, Last>(table.near, orders, r2, near);
    unroll<Last - First + 1>([&](auto k) __attribute__((always_inline)) {
      constexpr int n = First + k();
      b[n] = select_less(r2, limit, near[n], b[n]);
    });
  }
}

// The same for duals: the tangent of B_n is −½ B_(n+1) times that of r².
template <int First, int Last, class T, class R>
LEYDEN_ALWAYS_INLINE void radial_functions(const RadialTable<R>& table, int orders, Pack<T> r2,
                                           Pack<T>* b) {
  if constexpr (is_dual_v<T>) {
    Pack<R> real[Last + 2];
    evaluate_radial<First, Last + 1>(table, orders, r2.value, real);
    const Pack<R> slope = r2.tangent * Pack<R>(R(-0.5));
    unroll<Last - First + 1>([&](auto k) __attribute__((always_inline)) {
      constexpr int n = First + k();
      b[n] = Pack<T>(real[n], real[n + 1] * slope);
    });
  } else {
    evaluate_radial<First, Last>(table, orders, r2, b);
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
