// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/cell_grid.hpp>
#include <leyden/atoms/elements.hpp>
#include <leyden/core/error.hpp>

#include <string>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

inline std::string vector_text(const Vector3<double>& v) {
  return "(" + number_text(v[0]) + ", " + number_text(v[1]) + ", " + number_text(v[2]) + ")";
}

inline bool finite(const Vector3<double>& v) {
  return std::isfinite(v[0]) && std::isfinite(v[1]) && std::isfinite(v[2]);
}

inline std::string atom_text(const Structure& s, std::size_t i) {
  return "atom " + std::to_string(i) + " (" + std::string(element_symbol(s.atomic_numbers[i])) +
         ")";
}

inline void validate_atoms(const Structure& s, const std::string& where) {
  if (s.atomic_numbers.size() != s.positions.size())
    throw InputError(where + std::to_string(s.positions.size()) + " positions but " +
                     std::to_string(s.atomic_numbers.size()) +
                     " atomic numbers; give one of each per atom");
  for (std::size_t i = 0; i < s.size(); ++i) {
    const int z = s.atomic_numbers[i];
    if (element_symbol(z).empty())
      throw InputError(where + "atom " + std::to_string(i) + " has the atomic number " +
                       std::to_string(z) + "; expected 1 to " + std::to_string(n_elements));
    if (!finite(s.positions[i]))
      throw InputError(where + atom_text(s, i) + " is at " + vector_text(s.positions[i]) +
                       " Å; positions must be finite");
    for (int a = 0; a < 3; ++a)
      if (std::abs(s.positions[i][a]) >= 1e12)
        throw InputError(where + atom_text(s, i) + " is at " + vector_text(s.positions[i]) +
                         " Å, where doubles no longer resolve bond lengths; move the system to "
                         "the origin");
  }
}

inline void validate_cell(const Cell& cell, const std::string& where) {
  for (int d = 0; d < 3; ++d)
    if (!finite(cell.vectors.row(d)))
      throw InputError(where + "lattice vector " + std::to_string(d) + " is " +
                       vector_text(cell.vectors.row(d)) + " Å; it must be finite");
  for (int d = 0; d < 3; ++d)
    if (cell.periodic[static_cast<std::size_t>(d)] && norm(cell.vectors.row(d)) == 0)
      throw InputError(where + "direction " + std::to_string(d) +
                       " is periodic but its lattice vector is zero; give the vector or mark the "
                       "direction as not periodic");
  const std::string rows = vector_text(cell.vectors.row(0)) + ", " +
                           vector_text(cell.vectors.row(1)) + ", " +
                           vector_text(cell.vectors.row(2));
  bool dependent = false;
  try {
    const CompactLattice lattice = compact_lattice(cell);
    // Coplanar vectors with rounding errors still span a lattice, of a tiny period.
    for (int k = 0; k < lattice.n_periodic; ++k) dependent |= lattice.height(k) < 1e-3;
  } catch (const InputError&) {
    dependent = true;
  }
  if (dependent)
    throw InputError(where + "the periodic lattice vectors are linearly dependent: rows " + rows +
                     " Å; give independent vectors or mark directions as not periodic");
  if (cell.all_periodic() && !(determinant(cell.vectors) > 0))
    throw InputError(where + "the lattice vectors are left-handed (determinant " +
                     number_text(determinant(cell.vectors)) + " Å³): rows " + rows +
                     " Å; swap two of them or turn one around");
}

inline void validate_overlap(const Structure& s, const std::string& where, double closest) {
  CellGrid grid;
  grid.build(s.positions, s.cell, closest);
  grid.for_each_pair([&](int t, int u, const std::array<int, 3>& m, double squared) {
    if (squared >= closest * closest) return;
    std::string image;
    if (m[0] != 0 || m[1] != 0 || m[2] != 0)
      image = " in the periodic image (" + std::to_string(m[0]) + ", " + std::to_string(m[1]) +
              ", " + std::to_string(m[2]) + ")";
    throw InputError(where + atom_text(s, static_cast<std::size_t>(t)) + " and " +
                     atom_text(s, static_cast<std::size_t>(u)) + image + " are " +
                     number_text(std::sqrt(squared)) + " Å apart, closer than " +
                     number_text(closest) +
                     " Å; remove the duplicate, or check the units and the lattice");
  });
}

}  // namespace detail

/// Atoms closer than this [Å] are taken for a mistake in the data.
inline constexpr double closest_distance = 0.05;

/// Checks what every model takes for granted; call it once on data from outside.
///
/// @param where  names the structure in the error's text, e.g. "water.xyz, frame 3".
/// @throws InputError for: different numbers of positions and atomic numbers; numbers that are not
///   finite; atomic numbers outside of 1 … 118; periodic lattice vectors that are zero, dependent
///   or left-handed; atoms (or their images) closer than `closest_distance`; an external field
///   along a periodic lattice vector without a `field_jump`; external charges that are not finite
///   or of negative width. Atom indices are 0-based. O(N).
inline void validate(const Structure& structure, std::string_view where) {
  const std::string place = std::string(where) + ": ";
  detail::validate_atoms(structure, place);
  detail::validate_cell(structure.cell, place);
  if (!std::isfinite(structure.total_charge))
    throw InputError(place + "the total charge is " + std::to_string(structure.total_charge) +
                     " e; it must be finite");
  const Vector3<double>& field = structure.external_field;
  if (!detail::finite(field))
    throw InputError(place + "the external field is " + detail::vector_text(field) +
                     " V/Å; it must be finite");
  for (int d = 0; d < 3; ++d) {
    const auto k = static_cast<std::size_t>(d);
    const Vector3<double> h = structure.cell.vectors.row(d);
    if (structure.field_jump[k] && !std::isfinite(*structure.field_jump[k]))
      throw InputError(place + "field_jump of direction " + std::to_string(d) +
                       " is not finite; expected a fraction of the lattice vector");
    if (!structure.cell.periodic[k] || structure.field_jump[k]) continue;
    // Rounding of a rotated field or lattice is not a component.
    if (std::abs(dot(field, h)) > 1e-12 * norm(field) * norm(h))
      throw InputError(place + "the external field " + detail::vector_text(field) +
                       " V/Å has a component along the periodic direction " + std::to_string(d) +
                       "; set field_jump there (a fraction of the lattice vector, in a vacuum "
                       "gap), or make the direction not periodic");
  }
  for (std::size_t k = 0; k < structure.external_charges.size(); ++k) {
    const ExternalCharge& c = structure.external_charges[k];
    if (!detail::finite(c.position) || !std::isfinite(c.charge) || !std::isfinite(c.width) ||
        c.width < 0)
      throw InputError(place + "external charge " + std::to_string(k) + " is " +
                       detail::number_text(c.charge) + " e at " + detail::vector_text(c.position) +
                       " Å, " + detail::number_text(c.width) +
                       " Å wide; all must be finite and the width not negative");
  }
  detail::validate_overlap(structure, place, closest_distance);
}

}  // namespace leyden::inline LEYDEN_ABI
