// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Widths σ [Å] of the Gaussian densities exp(−r²/2σ²), one for all atoms or one per species.
class GaussianWidths {
 public:
  GaussianWidths(double all = 1.0) : widths_{all} {}                                    // NOLINT
  GaussianWidths(std::vector<double> per_species) : widths_(std::move(per_species)) {}  // NOLINT

  /// @throws ModelError when a width is not positive or their number is neither one nor that of
  /// the species.
  void check(std::string_view where, std::size_t n_species) const {
    if (widths_.size() != 1 && widths_.size() != n_species)
      throw ModelError(std::string(where) + ": " + std::to_string(widths_.size()) +
                       " widths are given for " + std::to_string(n_species) +
                       " species; give one per species, or one for all");
    for (double w : widths_)
      if (!(w > 0.0))
        throw ModelError(std::string(where) + ": a Gaussian width is " + std::to_string(w) +
                         " Å; it must be positive");
  }

  /// One, or one per species.
  const std::vector<double>& values() const { return widths_; }

  double of(int species) const {
    return widths_.size() == 1 ? widths_[0] : widths_[static_cast<std::size_t>(species)];
  }
  /// One width per atom; `species` are indices.
  void fill(std::span<const int> species, std::span<double> out) const {
    for (std::size_t i = 0; i < species.size(); ++i) out[i] = of(species[i]);
  }

 private:
  std::vector<double> widths_;
};

}  // namespace leyden::inline LEYDEN_ABI
