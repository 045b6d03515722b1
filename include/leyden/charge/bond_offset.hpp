// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/electrostatics/external_field.hpp>

/// The field along bonds that cross the cell.
///
/// Atoms see a uniform field E as the potential −E·r of their own position (as given, or moved
/// between the planes where the potential jumps), so the drop along a bond between atoms s and t is
/// taken between r_s and r_t. Where the bond goes to another image of s, its vector is
/// r_b = r_t − (r_s + n·h), and the drop over the bond itself differs by the offset
/// o_b = E·(r_t − r_s − r_b) = E·(n·h): u_s − u_t + o_b = −E·r_b, u = −v. It depends on cell and
/// field alone. In a crystal this is what makes the charge that moves along bonds a polarisation,
/// −Σ t_b r_b, whatever the images are.
namespace leyden::inline LEYDEN_ABI {

namespace detail {
template <Number T>
bool has_field(const Vector3<T>& field) {
  bool any = false;
  for (int a = 0; a < 3; ++a)
    any = any || value_of(field[a]) != RealOf<T>(0) || tangent_of(field[a]) != RealOf<T>(0);
  return any;
}
/// Calls f(bond, n·h) for every bond.
template <Number T, class F>
void for_each_crossing(const ChargeInput<T>& input, FieldImages images, F&& f) {
  const Geometry<T>& g = *input.geometry;
  FieldPlanes planes;
  // Distances from the planes are checked where the potential of the atoms is made.
  if (input.structure)
    planes = field_planes_of(g, input.external_field, input.structure->field_jump, 0.0, images);
  for (std::size_t b = 0; b < g.pair_edge.size(); ++b) {
    const auto e = static_cast<std::size_t>(g.pair_edge[b]);
    f(b, between_planes(g, planes, g.receiver[e]) - between_planes(g, planes, g.sender[e]) -
             g.vector[e]);
  }
}
}  // namespace detail

/// Sets the offset [V] of every bond: the first of the `bond_size` coefficients of each. Without a
/// field they are left alone (zero).
template <Number T>
void bond_offsets(const ChargeInput<T>& input, FieldImages images, int bond_size,
                  std::span<T> bonds) {
  if (!detail::has_field(input.external_field)) return;
  detail::for_each_crossing(input, images, [&](std::size_t b, const Vector3<T>& n_h) {
    bonds[b * static_cast<std::size_t>(bond_size)] = dot(input.external_field, n_h);
  });
}

/// Adds the cotangents of the cell, ∂o/∂ε = (n·h) ⊗ E, and of the field, n·h.
template <Number T>
void bond_offsets_pullback(const ChargeInput<T>& input, FieldImages images, int bond_size,
                           std::span<const T> bonds_bar, InputCotangents<T> bar) {
  if (bar.geometry == nullptr && bar.external_field == nullptr) return;
  detail::for_each_crossing(input, images, [&](std::size_t b, const Vector3<T>& n_h) {
    const T o_bar = bonds_bar[b * static_cast<std::size_t>(bond_size)];
    if (bar.external_field) *bar.external_field += o_bar * n_h;
    if (!bar.geometry) return;
    for (int x = 0; x < 3; ++x)
      for (int y = 0; y < 3; ++y)
        bar.geometry->strain(x, y) += o_bar * n_h[x] * input.external_field[y];
  });
}

}  // namespace leyden::inline LEYDEN_ABI
