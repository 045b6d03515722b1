// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

#include <cmath>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// What a distance becomes before it enters a radial basis, by the two atoms' covalent radii R:
///
/// - agnesi: y = 1/(1 + a ρ^q/(1 + ρ^(q−p))), ρ = 2r/(R_s + R_t) (Witt et al., J. Chem. Phys. 159,
///   164101 (2023)); from 1 at contact to 0 far away, without unit;
/// - soft: y = p0 + (r − p0)·½[1 + tanh(α (r − m)/(p1 − p0))], p0 = ¾ r0, p1 = 4/3 r0, m their
///   mean, r0 = R_s + R_t: stays at p0 below it and is r above p1 [Å].
struct DistanceTransform {
  enum class Kind { none, agnesi, soft };
  Kind kind = Kind::none;
  double a = 1.0805, q = 0.9183, p = 4.5791;  ///< agnesi
  double alpha = 4.0;                         ///< soft

  /// y and dy/dr. radii: R_s + R_t, Å.
  template <Number T>
  std::pair<T, T> operator()(T r, double radii) const {
    using R = RealOf<T>;
    using std::exp;
    using std::log;
    using std::tanh;
    if (kind == Kind::agnesi) {
      const T logarithm = log(r * static_cast<R>(2.0 / radii));
      const T power = exp(logarithm * static_cast<R>(q));
      const T below = exp(logarithm * static_cast<R>(q - p));
      const T inverse = T(1) / (T(1) + below);
      const T fraction = power * inverse * static_cast<R>(a);
      const T y = T(1) / (T(1) + fraction);
      const T slope =
          fraction / r * (T(static_cast<R>(q)) - below * inverse * static_cast<R>(q - p));
      return {y, -(y * y * slope)};
    }
    if (kind == Kind::soft) {
      const double p0 = 0.75 * radii, p1 = 4.0 / 3.0 * radii;
      const R steepness = static_cast<R>(alpha / (p1 - p0));
      const T t = tanh((r - T(static_cast<R>(0.5 * (p0 + p1)))) * steepness);
      const T s = (T(1) + t) * R(0.5);
      const T beyond = r - T(static_cast<R>(p0));
      return {T(static_cast<R>(p0)) + beyond * s,
              s + beyond * (T(1) - t * t) * (R(0.5) * steepness)};
    }
    return {r, T(1)};
  }
};

}  // namespace leyden::inline LEYDEN_ABI
