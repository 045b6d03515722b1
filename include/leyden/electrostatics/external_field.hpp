// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/error.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

/// A uniform physical field E = −∇V [V/Å] on multipoles: energy −E·μ = p·v_ext.
///
/// Along open directions the potential is −E·r with the origin of the coordinates as zero (the
/// energy of a charged molecule depends on that choice, its forces do not). Along a periodic
/// lattice vector h_d with E·h_d ≠ 0 it must jump back somewhere: the caller says where, as the
/// fraction `jump[d]` of h_d. Atoms are moved by whole lattice vectors so that their fractional
/// coordinate d lies in [jump, jump + 1); the potential of the moved atom, −E·r', is the sawtooth,
/// for any cell shape: its planes are those of the other two vectors, its step is E·h_d. The planes
/// must lie in vacuum.
///
/// The field may be given in double or in the number type of the geometry: a dual field carries a
/// tangent, along which potentials are differentiated.
namespace leyden::inline LEYDEN_ABI {

/// Which image of an atom the potential is taken at.
enum class FieldImages {
  between_planes,  ///< the sawtooth above
  as_given,        ///< −E·r at the position as given, also along periodic directions: for models
                   ///< that make up for the choice of images (bonds see the field along themselves)
};

/// The smallest distance of an atom from a plane where the potential jumps [Å].
inline constexpr double default_field_clearance = 2.0;

namespace detail {

// Where the sawtooth of a field jumps.
struct FieldPlanes {
  std::array<bool, 3> wraps{};
  std::array<double, 3> jump{};
  std::array<double, 3> height{};  // distance of the planes of direction d
  Matrix3<double> inverse_cell{};  // r · inverse = fractional coordinates
  double clearance = 0;
};

template <Number T>
FieldPlanes field_planes(const Geometry<T>& geometry, const Vector3<double>& field,
                         const std::array<std::optional<double>, 3>& jump, double clearance) {
  FieldPlanes planes;
  planes.clearance = clearance;
  const double strength = norm(field);
  if (!std::isfinite(strength))
    throw InputError("external field: its components are not finite; give V/Angstrom");
  Matrix3<double> cell;
  bool any = false;
  for (int d = 0; d < 3; ++d) {
    const auto at = static_cast<std::size_t>(d);
    Vector3<double> h;
    for (int j = 0; j < 3; ++j) h[j] = static_cast<double>(value_of(geometry.cell(d, j)));
    if (!geometry.periodic[at]) continue;
    for (int j = 0; j < 3; ++j) cell(d, j) = h[j];
    // Rounding of E·h is 1e-16; what is left of a field that was meant to be orthogonal is harmless
    // at 1e-12 of its strength.
    if (!(std::abs(dot(field, h)) > 1e-12 * strength * norm(h))) continue;
    if (!jump[at])
      throw InputError("external field: it has a component along the periodic lattice vector " +
                       std::to_string(d) +
                       ", where no linear potential repeats. Give field_jump for this direction: "
                       "the fraction of "
                       "the vector, inside a vacuum gap, where the potential jumps back");
    planes.wraps[at] = any = true;
    planes.jump[at] = *jump[at];
  }
  if (!any) return planes;
  // Rows of open directions are completed by normals of the others.
  for (int pass = 0; pass < 2; ++pass)
    for (int d = 0; d < 3; ++d) {
      if (dot(cell.row(d), cell.row(d)) > 0) continue;
      const Vector3<double> a = cell.row((d + 1) % 3), b = cell.row((d + 2) % 3);
      Vector3<double> normal = cross(a, b);
      if (!(dot(normal, normal) > 0)) {  // one vector only: any direction across it
        const Vector3<double>& v = dot(a, a) > 0 ? a : b;
        Vector3<double> axis{};
        axis[std::abs(v[0]) < 0.6 * norm(v) ? 0 : 1] = 1;
        normal = cross(v, axis);
      }
      for (int j = 0; j < 3; ++j) cell(d, j) = normal[j] / norm(normal);
    }
  planes.inverse_cell = inverse(cell);
  for (int d = 0; d < 3; ++d)
    planes.height[static_cast<std::size_t>(d)] =
        1.0 / norm(Vector3<double>{{planes.inverse_cell(0, d), planes.inverse_cell(1, d),
                                    planes.inverse_cell(2, d)}});
  return planes;
}

// A field that varies needs planes for its value and for its tangent.
template <Number T, class F>
FieldPlanes field_planes_of(const Geometry<T>& geometry, const Vector3<F>& field,
                            const std::array<std::optional<double>, 3>& jump, double clearance,
                            FieldImages images) {
  if (images == FieldImages::as_given) return {};
  Vector3<double> value, tangent;
  for (int j = 0; j < 3; ++j) {
    value[j] = static_cast<double>(value_of(field[j]));
    tangent[j] = static_cast<double>(tangent_of(field[j]));
  }
  FieldPlanes planes = field_planes(geometry, value, jump, clearance);
  if (tangent == Vector3<double>{}) return planes;
  const FieldPlanes other = field_planes(geometry, tangent, jump, clearance);
  bool known = planes.wraps[0] || planes.wraps[1] || planes.wraps[2];
  if (!known) return other;
  for (std::size_t d = 0; d < 3; ++d)
    if (other.wraps[d]) {
      planes.wraps[d] = true;
      planes.jump[d] = other.jump[d];
    }
  return planes;
}
template <Number T, class F>
T field_component(const Vector3<F>& field, int j) {
  if constexpr (std::is_same_v<F, T>)
    return field[j];
  else
    return T(static_cast<RealOf<T>>(field[j]));
}

// The position of an atom, moved between the planes.
template <Number T>
Vector3<T> between_planes(const Geometry<T>& geometry, const FieldPlanes& planes, int atom) {
  const Vector3<T> from = geometry.positions[static_cast<std::size_t>(atom)];
  Vector3<T> r = from;
  for (int d = 0; d < 3; ++d) {
    const auto at = static_cast<std::size_t>(d);
    if (!planes.wraps[at]) continue;
    double f = -planes.jump[at];
    for (int j = 0; j < 3; ++j)
      f += static_cast<double>(value_of(from[j])) * planes.inverse_cell(j, d);
    const double shift = std::floor(f);
    f -= shift;
    const double distance = std::min(f, 1 - f) * planes.height[at];
    if (!(distance >= planes.clearance))
      throw InputError("external field: atom " + std::to_string(atom) + " is " +
                       std::to_string(distance) +
                       " Angstrom from the plane where the potential jumps along lattice vector " +
                       std::to_string(d) + "; at least " + std::to_string(planes.clearance) +
                       " are needed. Move field_jump into the vacuum, or widen the vacuum");
    r -= T(static_cast<RealOf<T>>(shift)) * geometry.cell.row(d);
  }
  return r;
}

}  // namespace detail

/// The potential coefficients of a field at each atom, (n·size): −E·r_i for charges and, for l_max
/// 1, −E in the order y, z, x for dipoles. The energy is p·v_ext.
///
/// @param jump one fraction per lattice vector, see above.
/// @throws InputError for a field along a periodic vector without a jump, and for an atom nearer
/// than `clearance` [Å] to a plane of one.
template <Number T, class F>
void external_potential(const Geometry<T>& geometry, const Vector3<F>& field,
                        const std::array<std::optional<double>, 3>& jump, int l_max,
                        std::type_identity_t<std::span<T>> v_ext,
                        double clearance = default_field_clearance,
                        FieldImages images = FieldImages::between_planes) {
  const detail::FieldPlanes planes =
      detail::field_planes_of(geometry, field, jump, clearance, images);
  const int size = detail::multipole_size(l_max);
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    const Vector3<T> r = detail::between_planes(geometry, planes, i);
    T v(0);
    for (int j = 0; j < 3; ++j) v -= r[j] * detail::field_component<T>(field, j);
    T* out = v_ext.data() + i * size;
    out[0] = v;
    for (int lm = 4; lm < size; ++lm) out[lm] = T(0);
    for (int lm = 1; lm < std::min(size, 4); ++lm)
      out[lm] = -detail::field_component<T>(field,
                                            cartesian_of_coefficient[static_cast<std::size_t>(lm)]);
  }
}

/// Adds factor · ∂(p·v_ext)/∂(positions, strain) at fixed p and fixed field.
///
/// @throws InputError as external_potential.
template <Number T, class F>
void external_potential_gradient(const Geometry<T>& geometry, const Vector3<F>& field,
                                 const std::array<std::optional<double>, 3>& jump, int l_max,
                                 std::type_identity_t<std::span<const T>> p,
                                 std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                                 double clearance = default_field_clearance,
                                 FieldImages images = FieldImages::between_planes) {
  const detail::FieldPlanes planes =
      detail::field_planes_of(geometry, field, jump, clearance, images);
  const int size = detail::multipole_size(l_max);
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    const Vector3<T> r = detail::between_planes(geometry, planes, i);
    const T q = factor * p[static_cast<std::size_t>(i * size)];
    for (int b = 0; b < 3; ++b) {
      const T force = q * detail::field_component<T>(field, b);
      gradient.positions[static_cast<std::size_t>(i)][b] -= force;
      for (int a = 0; a < 3; ++a) gradient.strain(a, b) -= r[a] * force;
    }
  }
}

/// Adds the cotangent of the field, ∂(p·v_ext)/∂E: minus the dipole moment, with atoms where the
/// potential has them.
template <Number T, class F>
void external_potential_field_gradient(const Geometry<T>& geometry, const Vector3<F>& field,
                                       const std::array<std::optional<double>, 3>& jump, int l_max,
                                       std::type_identity_t<std::span<const T>> p,
                                       Vector3<T>& gradient,
                                       double clearance = default_field_clearance,
                                       FieldImages images = FieldImages::between_planes) {
  const detail::FieldPlanes planes =
      detail::field_planes_of(geometry, field, jump, clearance, images);
  const int size = detail::multipole_size(l_max);
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    const Vector3<T> r = detail::between_planes(geometry, planes, i);
    const T* at = p.data() + i * size;
    for (int j = 0; j < 3; ++j) gradient[j] -= at[0] * r[j];
    for (int lm = 1; lm < std::min(size, 4); ++lm)
      gradient[cartesian_of_coefficient[static_cast<std::size_t>(lm)]] -= at[lm];
  }
}

}  // namespace leyden::inline LEYDEN_ABI
