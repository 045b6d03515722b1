// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/atoms/structure.hpp>
#include <leyden/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

// Structures that the models are asked about, made of those of the data. The surface's normal is z.
namespace examples {

using namespace leyden;

inline constexpr int metal_element = 13, oxygen = 8, hydrogen = 1, potassium = 19, chlorine = 17;

inline double area(const Structure& s) {
  return norm(cross(s.cell.vectors.row(0), s.cell.vectors.row(1)));
}
inline double height_of_cell(const Structure& s) { return s.cell.vectors(2, 2); }

/// The plane where a field along z jumps back: the middle of the vacuum around z = 0. Atoms lie
/// above that plane, so every plane in this vacuum gives the same potentials.
inline void put_field_jump(Structure& s) {
  double low = 1e300, high = -1e300;
  for (const auto& r : s.positions) {
    low = std::min(low, r[2]);
    high = std::max(high, r[2]);
  }
  const double c = height_of_cell(s);
  if (!(low > 0.0 && high < c))
    throw InputError("put_field_jump: atoms at heights from " + std::to_string(low) + " to " +
                     std::to_string(high) + " Angstrom are not inside of the cell, 0 to " +
                     std::to_string(c) + "; move them by lattice vectors");
  s.field_jump[2] = 0.5 * (low + high - c) / c;
}

/// A layer of the metal, a molecule, or an ion.
struct Group {
  std::string name;
  bool metal = false;
  std::vector<std::size_t> atoms;
  double height = 0.0;  ///< Å, mean of the atoms
};

/// From low to high: layers of the metal (atoms less than 1 Å apart in height), then molecules
/// (atoms within 1.3 Å of an oxygen) and ions.
inline std::vector<Group> groups_of(const Structure& s) {
  std::vector<Group> out;
  std::vector<std::size_t> metal;
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s.atomic_numbers[i] == metal_element) metal.push_back(i);
  std::sort(metal.begin(), metal.end(),
            [&](auto a, auto b) { return s.positions[a][2] < s.positions[b][2]; });
  for (std::size_t k = 0; k < metal.size(); ++k) {
    const double z = s.positions[metal[k]][2];
    if (k == 0 || z - s.positions[metal[k - 1]][2] > 1.0)
      out.push_back({"layer " + std::to_string(out.size() + 1), true, {}, 0.0});
    out.back().atoms.push_back(metal[k]);
  }
  NeighborList list;
  list.build(s, 1.3);
  Geometry<double> g;
  make_geometry(s, list, g);
  for (std::size_t i = 0; i < s.size(); ++i) {
    const int z = s.atomic_numbers[i];
    if (z == oxygen) {
      out.push_back({"water", false, {i}, 0.0});
      for (int e = g.first[i]; e < g.first[i + 1]; ++e)
        out.back().atoms.push_back(static_cast<std::size_t>(g.sender[static_cast<std::size_t>(e)]));
    } else if (z == potassium || z == chlorine) {
      out.push_back({z == potassium ? "K" : "Cl", false, {i}, 0.0});
    }
  }
  for (Group& group : out) {
    for (std::size_t i : group.atoms) group.height += s.positions[i][2];
    group.height /= static_cast<double>(group.atoms.size());
  }
  return out;
}

/// The atoms of some groups alone, neutral and without a field, in the same cell.
template <class Wanted>
Structure part(const Structure& s, const Wanted& wanted) {
  Structure out;
  out.cell = s.cell;
  out.field_jump = s.field_jump;
  for (const Group& group : groups_of(s))
    if (wanted(group))
      for (std::size_t i : group.atoms) {
        out.atomic_numbers.push_back(s.atomic_numbers[i]);
        out.positions.push_back(s.positions[i]);
      }
  return out;
}
inline Structure metal_of(const Structure& s) {
  return part(s, [](const Group& g) { return g.metal; });
}
inline Structure water_of(const Structure& s) {
  return part(s, [](const Group& g) { return g.name == "water"; });
}

/// One on top of the other in the cell of the first.
inline Structure together(Structure a, const Structure& b) {
  a.positions.insert(a.positions.end(), b.positions.begin(), b.positions.end());
  a.atomic_numbers.insert(a.atomic_numbers.end(), b.atomic_numbers.begin(), b.atomic_numbers.end());
  return a;
}

inline Structure in_longer_cell(Structure s, double height) {
  s.cell.vectors(2, 2) = height;
  put_field_jump(s);
  return s;
}

inline Structure in_field(Structure s, double field) {
  s.external_field = {{0.0, 0.0, field}};
  return s;
}

/// The mean height of the highest layer.
inline double surface_height(const Structure& metal) {
  double height = 0.0;
  for (const Group& g : groups_of(metal))
    if (g.metal) height = std::max(height, g.height);
  return height;
}

/// A metal with an ion above a quarter of its cell (a hollow), at a distance from the highest layer
/// [Å].
inline Structure with_ion(const Structure& metal, int element, double distance) {
  Structure s = metal;
  Vector3<double> at = 0.25 * (s.cell.vectors.row(0) + s.cell.vectors.row(1));
  at[2] = surface_height(metal) + distance;
  s.positions.push_back(at);
  s.atomic_numbers.push_back(element);
  return s;
}

/// The first water molecule of a structure, its oxygen moved to a height [Å].
inline Structure molecule_at(const Structure& s, double height) {
  Structure out;
  out.cell = s.cell;
  for (const Group& group : groups_of(s)) {
    if (group.name != "water") continue;
    const double up = height - s.positions[group.atoms[0]][2];
    for (std::size_t i : group.atoms) {
      out.atomic_numbers.push_back(s.atomic_numbers[i]);
      out.positions.push_back(s.positions[i]);
      out.positions.back()[2] += up;
    }
    break;
  }
  return out;
}

}  // namespace examples
