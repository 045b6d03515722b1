// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/vector3.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Lattice vectors as rows [Å] and which of them repeat. Molecules need no cell: rows of directions
/// that do not repeat may be zero.
struct Cell {
  Matrix3<double> vectors{};
  std::array<bool, 3> periodic{false, false, false};

  bool any_periodic() const { return periodic[0] || periodic[1] || periodic[2]; }
  bool all_periodic() const { return periodic[0] && periodic[1] && periodic[2]; }
};

/// Atoms with electrons of their own, e.g. an electrode: their charges sum to `total_charge`, or
/// follow `fermi_level` when there is one.
struct ChargeGroup {
  std::vector<int> atoms;
  double total_charge = 0.0;          ///< e
  std::optional<double> fermi_level;  ///< V: constant potential; total_charge is not used
};

/// A charge that is given, not of the model: it polarises the atoms and feels their forces. Where
/// directions repeat, it repeats with the cell. See electrostatics/external_charges.hpp.
struct ExternalCharge {
  Vector3<double> position;  ///< Å
  double charge = 0.0;       ///< e
  double width = 0.0;        ///< Å: density exp(−r²/2w²); 0: a point
};

/// What a model is evaluated on. Plain data: nothing here is checked; see validate() in
/// atoms/validate.hpp.
struct Structure {
  std::vector<int> atomic_numbers;         // (n)
  std::vector<Vector3<double>> positions;  // (n) Å, anywhere: atoms may lie outside the cell
  Cell cell;
  double total_charge = 0.0;  ///< e
  /// V: atoms exchange electrons with a reservoir at this Fermi level instead of keeping
  /// `total_charge`; the energy is then the grand potential E + μQ.
  std::optional<double> fermi_level;
  /// Groups with charges of their own; total_charge and fermi_level are those of all other atoms.
  std::vector<ChargeGroup> groups;
  /// Charges around the atoms; total_charge does not count them.
  std::vector<ExternalCharge> external_charges;
  double spin_multiplicity = 1.0;         ///< 2S + 1, for models that have spins
  std::vector<double> formal_charges;     ///< (n) e, for models that read them; empty: none
  std::vector<double> applied_potential;  ///< (n) V, on the charge of each atom; empty: zero
  Vector3<double> external_field{};       ///< V/Å, the physical field E = −∇V: energy −E·μ
  /// The plane where a field along a periodic lattice vector jumps back, as a fraction of that
  /// vector, one per direction. A field along a periodic direction needs one, in a vacuum gap.
  std::array<std::optional<double>, 3> field_jump{};

  std::size_t size() const { return positions.size(); }
};

/// Reference values; what is absent is not trained on.
struct Labels {
  std::optional<double> energy;                                ///< eV
  std::optional<std::vector<Vector3<double>>> forces;          ///< eV/Å
  std::optional<Matrix3<double>> stress;                       ///< eV/Å³, positive tensile
  std::optional<std::vector<double>> charges;                  ///< e
  std::optional<std::vector<Vector3<double>>> atomic_dipoles;  ///< e Å, beside the charges
  std::optional<Vector3<double>> dipole;                       ///< e Å
  std::array<bool, 3> dipole_mask{true, true,
                                  true};  ///< components of the dipole that mean something
  std::optional<double> fermi_level;      ///< eV
  /// (n) V, that of the density at the atoms: Prediction::potentials, l = 0
  std::optional<std::vector<double>> potentials;
  std::optional<Matrix3<double>> polarizability;             ///< e Å²/V, ∂P_a/∂E_b
  std::optional<std::vector<Matrix3<double>>> born_charges;  ///< (n) e, ∂P_a/∂r_ib = ∂F_ib/∂E_a
};

/// One frame of a data file: a structure, its labels, and everything else the file said.
struct Frame {
  Structure structure;
  Labels labels;
  std::string config_type;
  std::map<std::string, std::string> info;  ///< keys that have no meaning to leyden, kept as text
};

}  // namespace leyden::inline LEYDEN_ABI
