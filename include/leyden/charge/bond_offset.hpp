// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/electrostatics/external_field.hpp>

#include <cmath>

/// The field along bonds that cross the cell.
///
/// Atoms see a uniform field E as the potential −E·r of their own position, so the drop along a
/// bond between atoms s and t is taken between r_s and r_t. Where the bond goes to another image of
/// s, its vector is r_b = r_t − (r_s + n·h), and the drop over the bond itself differs by the
/// offset o_b = E·(r_t − r_s − r_b) = E·(n·h): u_s − u_t + o_b = −E·r_b, u = −v. It depends on cell
/// and field alone. In a crystal this is what makes the charge that moves along bonds a
/// polarisation, independent of how atoms are wrapped into the cell.
namespace leyden::inline LEYDEN_ABI {

/// Where atoms stand for a field: as given, or between the planes where its potential jumps.
template <Number T>
class FieldPositions {
 public:
  explicit FieldPositions(const ChargeInput<T>& input) : geometry_(*input.geometry) {
    Vector3<double> field;
    for (int a = 0; a < 3; ++a) field[a] = static_cast<double>(value_of(input.external_field[a]));
    const auto jump =
        input.structure ? input.structure->field_jump : std::array<std::optional<double>, 3>{};
    bool wraps = false;
    for (int d = 0; d < 3; ++d) {
      if (!geometry_.periodic[static_cast<std::size_t>(d)]) continue;
      double drop = 0.0, length2 = 0.0;
      for (int a = 0; a < 3; ++a) {
        const double h = static_cast<double>(value_of(geometry_.cell(d, a)));
        drop += field[a] * h;
        length2 += h * h;
      }
      if (!(std::abs(drop) > 1e-12 * norm(field) * std::sqrt(length2))) continue;
      if (!jump[static_cast<std::size_t>(d)]) return;  // a crystal: positions as given
      wraps = true;
    }
    // Distances from the planes are checked where the potential of the atoms is made.
    if (wraps) planes_ = detail::field_planes(geometry_, field, jump, 0.0);
  }

  Vector3<T> at(int atom) const { return detail::between_planes(geometry_, planes_, atom); }

 private:
  const Geometry<T>& geometry_;
  detail::FieldPlanes planes_{};
};

namespace detail {
template <Number T>
bool has_field(const Vector3<T>& field) {
  bool any = false;
  for (int a = 0; a < 3; ++a)
    any = any || value_of(field[a]) != RealOf<T>(0) || tangent_of(field[a]) != RealOf<T>(0);
  return any;
}
template <Number T>
Vector3<T> crossing(const Geometry<T>& g, const FieldPositions<T>& positions, std::size_t bond) {
  const auto e = static_cast<std::size_t>(g.pair_edge[bond]);
  return positions.at(g.receiver[e]) - positions.at(g.sender[e]) - g.vector[e];
}
}  // namespace detail

/// Sets the offset [V] of every bond: coefficient `index` of `bond_size`. Without a field they are
/// left alone (zero).
template <Number T>
void bond_offsets(const ChargeInput<T>& input, int bond_size, int index, std::span<T> bonds) {
  if (!detail::has_field(input.external_field)) return;
  const FieldPositions<T> positions(input);
  for (std::size_t b = 0; b < input.geometry->pair_edge.size(); ++b)
    bonds[b * static_cast<std::size_t>(bond_size) + static_cast<std::size_t>(index)] =
        dot(input.external_field, detail::crossing(*input.geometry, positions, b));
}

/// Adds what the cotangents of the offsets say of the cell: ∂o/∂ε = (n·h) ⊗ E.
template <Number T>
void bond_offsets_pullback(const ChargeInput<T>& input, int bond_size, int index,
                           std::span<const T> bonds_bar, InputCotangents<T> bar) {
  if (bar.geometry == nullptr || !detail::has_field(input.external_field)) return;
  const FieldPositions<T> positions(input);
  for (std::size_t b = 0; b < input.geometry->pair_edge.size(); ++b) {
    const Vector3<T> n_h = detail::crossing(*input.geometry, positions, b);
    const T o_bar =
        bonds_bar[b * static_cast<std::size_t>(bond_size) + static_cast<std::size_t>(index)];
    for (int x = 0; x < 3; ++x)
      for (int y = 0; y < 3; ++y)
        bar.geometry->strain(x, y) += o_bar * n_h[x] * input.external_field[y];
  }
}

}  // namespace leyden::inline LEYDEN_ABI
