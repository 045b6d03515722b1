// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>
#include <leyden/descriptor/radial_transform.hpp>

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// 1 − (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) − p(p+1)/2 x^(p+2), x = r/cutoff, and its slope [1/Å];
/// zero from the cutoff on, with p − 1 continuous derivatives at 0 and two at the cutoff (Gasteiger
/// et al., ICLR 2020, eq. 8).
template <Number T>
std::pair<T, T> polynomial_envelope(T r, double cutoff, int order) {
  using R = RealOf<T>;
  if (value_of(r) >= static_cast<R>(cutoff)) return {T(0), T(0)};
  const R p = static_cast<R>(order);
  const T x = r * static_cast<R>(1.0 / cutoff);
  T below(1);  // x^(p − 1)
  for (int i = 1; i < order; ++i) below *= x;
  const T xp = below * x;
  const R a = (p + 1) * (p + 2) / 2, b = p * (p + 2), c = p * (p + 1) / 2;
  return {T(1) - xp * (T(a) - x * (T(b) - x * c)),
          -(below * (T(a * p) - x * (T(b * (p + 1)) - x * (c * (p + 2))))) *
              static_cast<R>(1.0 / cutoff)};
}

/// Functions of the distance that describe an edge: `count` basis functions of y(r), the distance
/// or what `transform` makes of it, times polynomial_envelope(r).
///
/// - bessel: √(2/r_c) sin(w_n y)/y, w_n = n π/r_c, n = 1 … count (Gasteiger et al., ICLR 2020,
///   eq. 7), or the given `frequencies` w_n;
/// - chebyshev: T_n(1 − 2 y/r_c), n = 1 … count;
/// - gaussian: exp(−½((y − μ_n)/Δ)²), μ_n from 0 to r_c in steps of Δ = r_c/(count − 1);
/// - chebyshev_of_distance: T_n(y), what published files of MACE call Chebyshev. It needs a
///   transform that takes y into −1 … 1: beyond, T_n grows like (2y)^n.
struct RadialBasis {
  enum class Kind { bessel, chebyshev, gaussian, chebyshev_of_distance };
  Kind kind = Kind::bessel;
  int count = 8;
  int envelope_order = 5;  ///< p
  double cutoff = 5.0;     ///< Å
  bool enveloped = true;   ///< false: the functions alone; whoever uses them takes the envelope
  std::vector<double> frequencies{};  ///< bessel: (count) w_n, 1/Å; empty: n π/r_c
  DistanceTransform transform{};

  /// out: (count). radii: what the transform needs.
  template <Number T>
  void values(T r, T* out, double radii = 0) const {
    const auto [envelope, envelope_slope] = factor(r);
    each(transform(r, radii).first,
         [&, envelope = envelope](int n, T value, T) { out[n] = value * envelope; });
  }

  /// d/dr of Σ_n bar_n · value_n(r). bar: (count).
  template <Number T>
  T pullback(T r, const T* bar, double radii = 0) const {
    const auto [envelope, envelope_slope] = factor(r);
    const auto [y, y_slope] = transform(r, radii);
    T values(0), slopes(0);
    each(y, [&](int n, T value, T slope) {
      values += bar[n] * value;
      slopes += bar[n] * slope;
    });
    return slopes * y_slope * envelope + values * envelope_slope;
  }

  /// The envelope (zero from the cutoff on) and its slope [1/Å].
  template <Number T>
  std::pair<T, T> envelope(T r) const {
    return polynomial_envelope(r, cutoff, envelope_order);
  }

 private:
  template <Number T>
  std::pair<T, T> factor(T r) const {
    return enveloped ? envelope(r) : std::pair<T, T>{T(1), T(0)};
  }

  // f(n, value, slope) of every basis function without envelope.
  template <Number T, class F>
  void each(T y, F&& f) const {
    switch (kind) {
      case Kind::bessel:
        return each_bessel(y, f);
      case Kind::gaussian:
        return each_gaussian(y, f);
      case Kind::chebyshev:
        return each_chebyshev(y, -2.0 / cutoff, 1, f);
      case Kind::chebyshev_of_distance:
        return each_chebyshev(y, 1.0, 0, f);
    }
  }

  template <Number T, class F>
  void each_bessel(T y, F& f) const {
    using R = RealOf<T>;
    using std::cos;
    using std::sin;
    const R norm = static_cast<R>(std::sqrt(2.0 / cutoff));
    for (int n = 0; n < count; ++n) {
      const R w = static_cast<R>(frequencies.empty() ? (n + 1) * std::numbers::pi / cutoff
                                                     : frequencies[static_cast<std::size_t>(n)]);
      const T x = y * w;
      // sin(x)/y = w sin(x)/x; its slope w² d/dx(sin x/x). Series where the quotients cancel.
      if (value_of(x) < R(1e-2)) {
        const T x2 = x * x;
        f(n, (T(1) - x2 * R(1.0 / 6) * (T(1) - x2 * R(1.0 / 20))) * (norm * w),
          x * (T(R(-1.0 / 3)) + x2 * (T(R(1.0 / 30)) - x2 * R(1.0 / 840))) * (norm * w * w));
      } else {
        const T s = sin(x), c = cos(x), inverse = T(1) / y;
        f(n, s * inverse * norm, (c * w - s * inverse) * inverse * norm);
      }
    }
  }

  template <Number T, class F>
  void each_gaussian(T y, F& f) const {
    using R = RealOf<T>;
    using std::exp;
    const double step = cutoff / (count - 1);
    for (int n = 0; n < count; ++n) {
      const T x = (y - T(static_cast<R>(n * step))) * static_cast<R>(1.0 / step);
      const T value = exp(x * x * R(-0.5));
      f(n, value, -(x * value) * static_cast<R>(1.0 / step));
    }
  }

  // T_n(shift + slope·y)
  template <Number T, class F>
  void each_chebyshev(T y, double by_y, int shift, F& f) const {
    using R = RealOf<T>;
    const R slope = static_cast<R>(by_y);
    const T x = T(static_cast<R>(shift)) + y * slope;
    T before(1), here = x, slope_before(0), slope_here(1);
    for (int n = 0; n < count; ++n) {
      f(n, here, slope_here * slope);
      const T next = x * here * R(2) - before;
      const T slope_next = here * R(2) + x * slope_here * R(2) - slope_before;
      before = here;
      here = next;
      slope_before = slope_here;
      slope_here = slope_next;
    }
  }
};

}  // namespace leyden::inline LEYDEN_ABI
