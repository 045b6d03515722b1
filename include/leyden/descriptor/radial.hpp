// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

#include <cmath>
#include <numbers>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// Functions of the distance that describe an edge: `count` basis functions times an envelope that
/// takes them to zero at the cutoff with `envelope_order − 1` continuous derivatives.
///
/// - bessel: √(2/r_c) sin(n π r/r_c)/r, n = 1 … count (Gasteiger et al., ICLR 2020, eq. 7);
/// - chebyshev: T_n(1 − 2 r/r_c), n = 1 … count.
/// Envelope: 1 − (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) − p(p+1)/2 x^(p+2), x = r/r_c (ibid., eq. 8).
struct RadialBasis {
  enum class Kind { bessel, chebyshev };
  Kind kind = Kind::bessel;
  int count = 8;
  int envelope_order = 5;  ///< p
  double cutoff = 5.0;     ///< Å
  bool enveloped = true;   ///< false: the functions alone; whoever uses them takes the envelope

  /// out: (count).
  template <Number T>
  void values(T r, T* out) const {
    const Evaluation<T> e = evaluate(r);
    each(e, [&](int n, T value, T) { out[n] = value * e.envelope; });
  }

  /// d/dr of Σ_n bar_n · value_n(r). bar: (count).
  template <Number T>
  T pullback(T r, const T* bar) const {
    const Evaluation<T> e = evaluate(r);
    T sum(0);
    each(e, [&](int n, T value, T slope) {
      sum += bar[n] * (slope * e.envelope + value * e.envelope_slope);
    });
    return sum;
  }

  /// The envelope (zero from the cutoff on) and its slope [1/Å].
  template <Number T>
  std::pair<T, T> envelope(T r) const {
    const Evaluation<T> e = evaluate_envelope(r);
    return {e.envelope, e.envelope_slope};
  }

 private:
  template <Number T>
  struct Evaluation {
    T r, envelope, envelope_slope;
  };

  template <Number T>
  Evaluation<T> evaluate(T r) const {
    if (!enveloped) return {r, T(1), T(0)};
    return evaluate_envelope(r);
  }
  template <Number T>
  Evaluation<T> evaluate_envelope(T r) const {
    using R = RealOf<T>;
    if (value_of(r) >= static_cast<R>(cutoff)) return {r, T(0), T(0)};
    const R p = static_cast<R>(envelope_order);
    const T x = r * static_cast<R>(1.0 / cutoff);
    T below(1);  // x^(p − 1)
    for (int i = 1; i < envelope_order; ++i) below *= x;
    const T xp = below * x;
    const R a = (p + 1) * (p + 2) / 2, b = p * (p + 2), c = p * (p + 1) / 2;
    const T envelope = T(1) - xp * (T(a) - x * (T(b) - x * c));
    const T slope = -(below * (T(a * p) - x * (T(b * (p + 1)) - x * (c * (p + 2))))) *
                    static_cast<R>(1.0 / cutoff);
    return {r, envelope, slope};
  }

  // f(n, value, slope) of every basis function without envelope.
  template <Number T, class F>
  void each(const Evaluation<T>& e, F&& f) const {
    using R = RealOf<T>;
    using std::cos;
    using std::sin;
    const T r = e.r;
    if (kind == Kind::bessel) {
      const R norm = static_cast<R>(std::sqrt(2.0 / cutoff));
      for (int n = 0; n < count; ++n) {
        const R w = static_cast<R>((n + 1) * std::numbers::pi / cutoff);
        const T x = r * w;
        // sin(x)/r = w sin(x)/x; its slope w² d/dx(sin x/x). Series where the quotients cancel.
        if (value_of(x) < R(1e-2)) {
          const T x2 = x * x;
          f(n, (T(1) - x2 * R(1.0 / 6) * (T(1) - x2 * R(1.0 / 20))) * (norm * w),
            x * (T(R(-1.0 / 3)) + x2 * (T(R(1.0 / 30)) - x2 * R(1.0 / 840))) * (norm * w * w));
        } else {
          const T s = sin(x), c = cos(x), inverse = T(1) / r;
          f(n, s * inverse * norm, (c * w - s * inverse) * inverse * norm);
        }
      }
    } else {
      const R slope = static_cast<R>(-2.0 / cutoff);
      const T x = T(1) + r * slope;
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
  }
};

}  // namespace leyden::inline LEYDEN_ABI
