// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/structure.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Extended XYZ: frames of atoms with labels, as text. Units eV, Å, e, V/Å.
namespace leyden::inline LEYDEN_ABI {

/// The direction in which a file counts its external field.
enum class FieldSign {
  physical,            ///< E = −∇V, energy −E·μ: leyden's own
  potential_gradient,  ///< +∇V: turned around on reading
};

/// Names of keys and columns in the file. An empty name stands for the usual ones, in the order of
/// preference given here; the first that any frame of the file has is used for all frames, so that
/// labels of different origin are never mixed. (Charge and field are zero when absent, so there a
/// frame that has another usual name only is an error.) A name that is given must be in the file.
struct ExtxyzKeys {
  std::string energy;            ///< REF_energy, energy, free_energy, dft_energy, TotEnergy
  std::string forces;            ///< column: REF_forces, forces, force, dft_forces
  std::string stress;            ///< REF_stress, stress; 9 numbers, or 6: xx yy zz yz xz xy
  std::string virials;           ///< REF_virials, virials, virial; stress = −virial/V
  std::string charges;           ///< column: REF_charges, REF_mulliken, REF_hirshfeld, charges,
                                 ///< mulliken, hirshfeld, ref_charges, initial_charges
  std::string atomic_dipoles;    ///< column of 3: REF_atomic_dipoles, atomic_dipoles
  std::string total_charge;      ///< total_charge, charge, REF_total_charge; absent: 0
  std::string dipole;            ///< REF_dipole, dipole, ref_dipole
  std::string dipole_mask;       ///< config_dipole_weight: 1 or 3 numbers, 0: not a label
  std::string external_field;    ///< external_field, REF_external_field; absent: 0
  std::string external_charges;  ///< external_charges: x y z charge width of each; absent: none
  std::string fermi_level;       ///< fermi_level, REF_fermi_level
  std::string potentials;        ///< column: REF_potentials, REF_potential, potentials
  std::string polarizability;    ///< REF_polarizability, polarizability; 9 numbers, e Å²/V
  std::string born_charges;      ///< column of 9, ∂P_a/∂r_b with a first: REF_born_charges,
                                 ///< born_charges, BEC
  std::string config_type;       ///< config_type
};

struct ExtxyzOptions {
  ExtxyzKeys keys;
  /// Members of ExtxyzKeys that at least one frame must have, e.g. {"energy", "forces"}. A stress
  /// may come from virials.
  std::vector<std::string> require;
  FieldSign field_sign = FieldSign::physical;
  /// Sets Structure::field_jump of the periodic directions that the field of a frame has a
  /// component along: a fraction of the lattice vector.
  std::optional<double> field_jump_at;
  bool validate = true;  ///< every frame passes validate()
};

/// Which keys a file has and what became of them.
struct ExtxyzReport {
  struct Entry {
    std::string key;         ///< name in the file
    std::string meaning;     ///< member of ExtxyzKeys, "structure", or empty: not used
    bool column = false;     ///< one value per atom
    std::size_t frames = 0;  ///< how many frames have it
  };
  std::string file;
  std::size_t frames = 0;
  std::size_t atoms = 0;
  std::vector<Entry> entries;  ///< in the order of appearance

  /// A table for people.
  std::string text() const;
};

/// Reads all frames of a file. Keys without a meaning go to Frame::info as text, columns without
/// one are left out; both are in the report.
///
/// @throws InputError, with file, line and key, for a file that cannot be read, malformed or
///   truncated frames, bad or non-finite numbers, unknown elements, missing keys that were asked
///   for, a stress and a virial that disagree, or structures that validate() refuses.
std::vector<Frame> read_extxyz(const std::string& path, const ExtxyzOptions& options = {},
                               ExtxyzReport* report = nullptr);

/// The same for text in memory; `name` stands for the file in errors.
std::vector<Frame> parse_extxyz(std::string_view text, std::string_view name,
                                const ExtxyzOptions& options = {}, ExtxyzReport* report = nullptr);

struct ExtxyzWriteOptions {
  /// Put before the labels' keys (energy, forces, stress, charges, dipole, fermi_level). Reading
  /// prefers "REF_"; use e.g. "leyden_" for predictions.
  std::string prefix = "REF_";
};

/// One frame as text. Numbers are the shortest that read back exactly. Not written: field_jump, and
/// keys of `info` that the frame itself writes.
/// @throws InputError for atomic numbers or label sizes that do not fit, or keys that are no names.
std::string to_extxyz(const Frame& frame, const ExtxyzWriteOptions& options = {});

/// Writes a file, replacing what is there. @throws InputError when it cannot be written.
void write_extxyz(const std::string& path, std::span<const Frame> frames,
                  const ExtxyzWriteOptions& options = {});

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/io/extxyz_reader.hpp>
#include <leyden/io/extxyz_writer.hpp>
