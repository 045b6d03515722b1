// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_offset.hpp>
#include <leyden/charge/bond_readouts.hpp>
#include <leyden/charge/concepts.hpp>
#include <leyden/charge/site_readouts.hpp>
#include <leyden/charge/widths.hpp>

#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// What charge models have in common whose law takes nothing but readouts of atoms and bonds: all
/// of SelfConsistentChargeModel but the names, law() and declare(), which fills `sites_` and
/// `bonds_`.
///
/// Options have `widths` and `bonds`. Where Model::bonds_see_field, the first coefficient of a bond
/// is its offset in a field (bond_offset.hpp).
template <class Model, class Options>
class LawModel {
 public:
  const Options& options() const { return options_; }
  /// Å, where bonds end (0: there are none); not above the descriptor's cutoff.
  double bond_cutoff() const { return law().bond_size() > 0 ? options_.bonds.cutoff : 0.0; }

  void prepare(std::span<const double> parameters) {
    sites_.prepare(parameters);
    bonds_.prepare(parameters);
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  template <Number T>
  void sites(const ChargeInput<T>& input, SiteCoefficients<T>& out) const {
    const auto l = law();
    sites_.read(input, l.size, l.atom_size(), out);
    if (l.bond_size() == 0) return;
    bonds_.read(input, l.bond_size(), std::span<T>(out.bonds));
    if constexpr (Model::bonds_see_field)
      bond_offsets(input, FieldImages::between_planes, l.bond_size(), std::span<T>(out.bonds));
  }

  template <Number T>
  void pullback(const ChargeInput<T>& input, const SiteCoefficients<T>& coefficients,
                const SiteCoefficients<T>& cotangents, InputCotangents<T> bar) const {
    const auto l = law();
    sites_.pullback(input, l.size, l.atom_size(), cotangents, bar);
    if (l.bond_size() == 0) return;
    bonds_.pullback(input, l.bond_size(), std::span<const T>(coefficients.bonds),
                    std::span<const T>(cotangents.bonds), bar);
    if constexpr (Model::bonds_see_field)
      bond_offsets_pullback(input, FieldImages::between_planes, l.bond_size(),
                            std::span<const T>(cotangents.bonds), bar);
  }

 protected:
  explicit LawModel(Options options) : options_(std::move(options)) {}

  Options options_;
  SiteReadouts sites_;
  BondReadouts bonds_;

 private:
  auto law() const { return static_cast<const Model&>(*this).law(); }
};

}  // namespace leyden::inline LEYDEN_ABI
