// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/unroll.hpp>
#include <leyden/core/vector3.hpp>
#include <leyden/equivariant/coupling.hpp>

/// Real spherical harmonics in the conventions of e3nn: component normalisation (Σ_m Y² = 2l + 1),
/// polar axis y, l = 1 ordered (x, y, z).
namespace leyden::inline LEYDEN_ABI {

namespace detail {

// The number type of a number or of a pack of numbers.
template <class T>
struct ScalarOf {
  using type = T;
};
template <class T>
  requires requires { typename T::scalar_type; }
struct ScalarOf<T> {
  using type = typename T::scalar_type;
};

/// Y_l ∝ Σ w(l−1, 1, l) Y_{l−1} Y_1 on the unit sphere; this factor makes Σ_m Y² = 2l + 1. It
/// follows from the value at the pole: √(2l+1) = factor · w(l−1,1,l; 0,0,0) · √(2l−1) √3.
template <int l>
inline constexpr double recurrence_factor =
    constexpr_sqrt((2.0 * l + 1.0) / (3.0 * (2.0 * l - 1.0))) /
    wigner_3j<l - 1, 1, l>[static_cast<std::size_t>(((l - 1) * 3 + 1) * (2 * l + 1) + l)];

}  // namespace detail

/// Y_lm of a unit vector, l = 0 … l_max, as homogeneous polynomials of degree l in (x, y, z), by
/// coupling l − 1 with l = 1. T: a number or a pack. out: ((l_max + 1)²).
template <int l_max, class T>
void spherical_harmonics(const T& x, const T& y, const T& z, T* out) {
  using R = RealOf<typename detail::ScalarOf<T>::type>;
  const R root3 = static_cast<R>(detail::constexpr_sqrt(3.0));
  out[0] = T(R(1));
  if constexpr (l_max >= 1) {
    out[1] = x * root3;
    out[2] = y * root3;
    out[3] = z * root3;
  }
  unroll<(l_max > 1 ? l_max - 1 : 0)>([&](auto k) {
    constexpr int l = k + 2;
    const T* below = out + (l - 1) * (l - 1);
    T* here = out + l * l;
    for (int m = 0; m <= 2 * l; ++m) here[m] = T(R(0));
    for (const auto& t : wigner_3j_terms<l - 1, 1, l>)
      here[t.m3] +=
          below[t.m1] * out[1 + t.m2] * static_cast<R>(t.value * detail::recurrence_factor<l>);
  });
}

/// The gradient of Σ ȳ_lm Y_lm by (x, y, z), the harmonics taken as the polynomials above. To turn
/// it into a derivative by an unnormalised vector use spherical_harmonics_gradient. values: what
/// spherical_harmonics gave; y_bar: ((l_max + 1)²).
template <int l_max, class T>
void spherical_harmonics_pullback(const T* values, const T* y_bar, T* xyz_bar) {
  using R = RealOf<typename detail::ScalarOf<T>::type>;
  T bar[(l_max + 1) * (l_max + 1)];
  for (int i = 0; i < (l_max + 1) * (l_max + 1); ++i) bar[i] = y_bar[i];
  unroll<(l_max > 1 ? l_max - 1 : 0)>([&](auto k) {
    constexpr int l = l_max - k;
    T* below = bar + (l - 1) * (l - 1);
    unroll<static_cast<int>(wigner_3j_terms<l - 1, 1, l>.size())>([&](auto i) {
      constexpr CouplingTerm t = wigner_3j_terms<l - 1, 1, l>[i];
      const T g = bar[l * l + t.m3] * static_cast<R>(t.value * detail::recurrence_factor<l>);
      // For l = 2 both factors are l = 1: each gets its half of the product rule in turn.
      below[t.m1] += g * values[1 + t.m2];
      bar[1 + t.m2] += g * values[(l - 1) * (l - 1) + t.m1];
    });
  });
  const R root3 = static_cast<R>(detail::constexpr_sqrt(3.0));
  for (int i = 0; i < 3; ++i) xyz_bar[i] = l_max >= 1 ? bar[1 + i] * root3 : T(R(0));
}

/// d/dr of Σ ȳ_lm Y_lm(r/|r|): the pullback, projected on the sphere's tangent plane.
/// values, y_bar: ((l_max + 1)²) of this vector.
template <int l_max, Number T>
Vector3<T> spherical_harmonics_gradient(const Vector3<T>& r, T length, const T* values,
                                        const T* y_bar) {
  Vector3<T> g;
  spherical_harmonics_pullback<l_max>(values, y_bar, g.data.data());
  const T inverse = T(1) / length;
  const Vector3<T> unit = r * inverse;
  return (g - unit * dot(g, unit)) * inverse;
}

}  // namespace leyden::inline LEYDEN_ABI
