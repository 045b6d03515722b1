// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/radial.hpp>
#include <leyden/descriptor/zbl.hpp>

#include <optional>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What the kernels of an ACE are compiled for.
struct AceShape {
  int l_max = 3;        ///< highest l of the atomic basis, 0 … 4
  int correlation = 3;  ///< highest power of the atomic basis, 1 … 4: bodies beside the centre
  int feature_l = -1;   ///< highest l of the features, 0 … 2; -1: 1, or 0 where l_max is 0
};

/// What an ACE is built from; the numbers that training data decide have neutral defaults.
struct AceOptions {
  std::vector<int> species{};  ///< atomic numbers; their order is that of the weights
  double cutoff = 5.0;         ///< Å
  int channels = 16;           ///< radial channels of each species and l
  RadialBasis::Kind radial_kind = RadialBasis::Kind::bessel;
  int radial_count = 8;
  std::vector<double> radial_frequencies{};  ///< of bessel, 1/Å; empty: n π/cutoff
  DistanceTransform distance_transform{};    ///< of what the radial basis sees
  int envelope_order = 5;
  double average_neighbors = 1.0;         ///< the atomic basis is divided by it
  bool features = true;                   ///< false: none, for potentials without charges
  std::vector<double> atomic_energies{};  ///< E0 per species, eV; empty: zero
  double scale = 1.0;                     ///< eV
  double shift = 0.0;                     ///< eV per atom
  /// Added to the site energies before they are scaled and shifted.
  std::optional<ZblRepulsion> repulsion{};
  /// R per species, Å, of the distance transform and the repulsion; empty: covalent_radius().
  std::vector<double> covalent_radii{};
};

}  // namespace leyden::inline LEYDEN_ABI
