// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/short_range_neighbors.hpp>
#include <leyden/electrostatics/short_range_radial.hpp>

#include <array>
#include <vector>

namespace leyden::inline LEYDEN_ABI::detail {

/// Of some rows of atoms.
template <Number T>
struct ShortRangeSums {
  T energy{};
  Matrix3<T> strain{};
};

/// What depends on geometry and widths alone. One thread at a time.
template <Number T>
struct ShortRangePlan {
  using number_type = T;
  using R = RealOf<T>;
  int n_atoms = 0;
  int l_max = 0;
  std::vector<double> widths;   // (n)
  std::vector<double> classes;  // the different widths, ascending
  std::vector<int> atom_class;  // (n)
  PackedNeighbors neighbors;
  Buffer<Vector3<T>> image_positions;  // (images)

  // What the list and the tables were made for.
  std::vector<Vector3<double>> built_positions;
  Matrix3<double> built_cell{};
  std::array<bool, 3> built_periodic{};
  double built_reach = -1;
  std::array<double, 5> table_settings{};  // of the solver
  std::vector<double> table_classes;
  int table_orders = 0;
  bool cut = false;                    // some neighbours are beyond the cutoff
  std::vector<RadialTable<R>> tables;  // (receiver class, sender class)

  // Of the last features.
  struct Features {
    std::vector<double> widths, classes;
    int orders = 0;
    std::vector<RadialTable<R>> tables;  // (width, sender class)
  };
  mutable Features features;

  // Scratch.
  mutable Buffer<R> records, record_tangents;  // (images, stride): position and multipoles
  mutable std::vector<T> cartesian[2];         // (n, components)
  mutable std::vector<T> result, sums;
  mutable std::vector<ShortRangeSums<T>> block_sums;
  mutable Buffer<Pack<T>> radial;  // (packs, 2 l_max + 1)
  mutable int applications = 0;
  mutable std::array<std::vector<T>, 2> assembly;
  std::vector<Vector3<double>> positions;  // (n) values
};

}  // namespace leyden::inline LEYDEN_ABI::detail
