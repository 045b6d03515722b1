// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/units.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <cmath>
#include <numbers>
#include <span>

// The boundary corrections of the reference: bilinear forms of the total moments of two sets of
// multipoles, about the origin of the coordinates.
namespace leyden::inline LEYDEN_ABI::detail {

enum class BoundaryCorrection { none, slab, box };

// The exponents of the volume in the box correction, of energies and of features.
inline constexpr double reference_energy_exponent = 0.3333;
inline constexpr double reference_feature_exponent = 0.333333;
inline constexpr double cubic_madelung = 2.837297;

// Q = Σ q, D = Σ (q r + d), Θ = Σ (q r² + 2 d·r); or what multiplies each of them.
template <Number T>
struct TotalMoments {
  T q{};
  Vector3<T> d{};
  T theta{};
};

// The Cartesian dipole of coefficients [q, y, z, x].
template <Number T>
Vector3<T> dipole_of(const T* p) {
  return {{p[3], p[1], p[2]}};
}

// Adds the moments of (n·size) coefficients.
template <Number T>
void add_moments(std::span<const Vector3<T>> positions, int l_max, std::span<const T> p,
                 TotalMoments<T>& out) {
  using R = RealOf<T>;
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const Vector3<T>& r = positions[i];
    const T* at = p.data() + size * i;
    out.q += at[0];
    out.d += r * at[0];
    out.theta += at[0] * dot(r, r);
    if (l_max == 0) continue;
    const Vector3<T> d = dipole_of(at);
    out.d += d;
    out.theta += dot(d, r) * R(2);
  }
}

// The bilinear form of two moments, split into the part that falls as 1/V and the one of charges
// that falls as V^(−exponent).
template <Number T>
struct CorrectionForm {
  BoundaryCorrection kind;
  T inverse_volume;
  T cube;  // C·2.837297/V^exponent
  double exponent;

  CorrectionForm(BoundaryCorrection of, const T& volume, double power)
      : kind(of), inverse_volume(T(RealOf<T>(1)) / volume), cube(), exponent(power) {
    using std::exp;
    using std::log;
    using R = RealOf<T>;
    if (kind == BoundaryCorrection::box)
      cube = exp(log(volume) * static_cast<R>(-power)) *
             static_cast<R>(units::coulomb * cubic_madelung);
  }

  // What multiplies the moments of the other side.
  TotalMoments<T> operator()(const TotalMoments<T>& m) const {
    using R = RealOf<T>;
    constexpr R c = R(4 * std::numbers::pi * units::coulomb);
    TotalMoments<T> out;
    if (kind == BoundaryCorrection::slab) {
      out.d[2] = m.d[2] * inverse_volume * c;
    } else if (kind == BoundaryCorrection::box) {
      const T third = inverse_volume * (c / R(3)), sixth = third * R(0.5);
      out.q = m.q * cube - m.theta * sixth;
      out.d = m.d * third;
      out.theta = -(m.q * sixth);
    }
    return out;
  }

  // −V ∂/∂V of the form of a with b, which multiply to `all`.
  T minus_volume_derivative(const TotalMoments<T>& a, const TotalMoments<T>& b,
                            const T& all) const {
    return all + a.q * b.q * cube * static_cast<RealOf<T>>(exponent - 1);
  }
};

template <Number T>
T product(const TotalMoments<T>& a, const TotalMoments<T>& b) {
  return a.q * b.q + dot(a.d, b.d) + a.theta * b.theta;
}

// Adds to (n·size) potential coefficients what a form's result means at each atom.
template <Number T>
void add_moment_potential(std::span<const Vector3<T>> positions, int l_max,
                          const TotalMoments<T>& by, std::span<T> v) {
  using R = RealOf<T>;
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const Vector3<T>& r = positions[i];
    T* at = v.data() + size * i;
    at[0] += by.q + dot(by.d, r) + by.theta * dot(r, r);
    if (l_max == 0) continue;
    const Vector3<T> g = by.d + r * (by.theta * R(2));
    at[1] += g[1];
    at[2] += g[2];
    at[3] += g[0];
  }
}

// Adds factor · ∂/∂(positions, strain of them) of (n·size) coefficients in the potential of `by`.
template <Number T>
void add_moment_gradient(std::span<const Vector3<T>> positions, int l_max, std::span<const T> p,
                         const TotalMoments<T>& by, T factor, GeometryGradient<T>& gradient) {
  using R = RealOf<T>;
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const Vector3<T>& r = positions[i];
    const T* at = p.data() + size * i;
    Vector3<T> f = (by.d + r * (by.theta * R(2))) * at[0];
    if (l_max > 0) f += dipole_of(at) * (by.theta * R(2));
    f = f * factor;
    gradient.positions[i] += f;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) gradient.strain(a, b) += r[a] * f[b];
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
