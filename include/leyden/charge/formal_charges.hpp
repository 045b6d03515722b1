// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/core/error.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Formal charges [e]: one per species, or those that a structure brings for its atoms
/// (Structure::formal_charges).
class FormalCharges {
 public:
  FormalCharges() = default;
  /// @param charges  per species; empty: zero.
  /// @param from_structure  the structure's are taken, and must be there.
  FormalCharges(std::vector<double> charges, bool from_structure)
      : charges_(std::move(charges)), from_structure_(from_structure) {}

  /// @throws ModelError when there are charges but not one per species.
  void check_options(std::string_view where, std::size_t n_species) const {
    if (!charges_.empty() && charges_.size() != n_species)
      throw ModelError(std::string(where) + ": " + std::to_string(charges_.size()) +
                       " charges are given for " + std::to_string(n_species) +
                       " species; give one per species, in the descriptor's order");
  }
  /// @throws InputError when the structure's charges are asked for and missing, or not one per
  /// atom.
  template <Number T>
  void check(std::string_view where, const ChargeInput<T>& input) const {
    if (!from_structure_) return;
    const std::size_t n = input.species.size();
    const std::size_t given = input.structure ? input.structure->formal_charges.size() : 0;
    if (given == n) return;
    throw InputError(
        std::string(where) + ": " +
        (given == 0 ? "the structure has no formal_charges"
                    : std::to_string(given) + " formal_charges are given") +
        ", and this model reads one per atom, " + std::to_string(n) +
        "; fill Structure::formal_charges, or build the model with charges per species");
  }
  /// After check().
  template <Number T>
  double of(const ChargeInput<T>& input, std::size_t atom) const {
    if (from_structure_) return input.structure->formal_charges[atom];
    return charges_.empty() ? 0.0 : charges_[static_cast<std::size_t>(input.species[atom])];
  }

 private:
  std::vector<double> charges_;
  bool from_structure_ = false;
};

}  // namespace leyden::inline LEYDEN_ABI
