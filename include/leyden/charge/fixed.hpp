// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/widths.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What FixedCharges are built from.
struct FixedChargesOptions {
  std::vector<double> charges;  ///< e, one per species
  GaussianWidths widths;        ///< Å
  bool trained = false;         ///< adds a correction per species that training may change
};

/// A formal charge per species, q_i = q_z: the baseline of ionic systems (with smooth charges, the
/// idea of the fixed-charge baseline of Baldwin et al., arXiv:2603.14700, family A).
///
/// With `shares_excess` what the charges lack of the total charge Q is spread evenly,
/// q_i = q_z + (Q − Σ q_z)/N, so the total charge is exact; without it Q is ignored. The parameter
/// `charge/correction` (species) exists when trained.
template <bool shares_excess>
class BasicFixedCharges {
 public:
  static constexpr std::string_view name = shares_excess ? "fixed" : "fixed, excess dropped";
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = shares_excess;

  explicit BasicFixedCharges(FixedChargesOptions options) : options_(std::move(options)) {}

  const FixedChargesOptions& options() const { return options_; }

  /// @throws ModelError when there is not one charge per species.
  void declare(ParameterLayout& layout, std::span<const FeatureShape>,
               std::span<const int> species) {
    if (options_.charges.size() != species.size())
      throw ModelError("FixedCharges: " + std::to_string(options_.charges.size()) +
                       " charges are given for " + std::to_string(species.size()) +
                       " species; give one per species, in the descriptor's order");
    options_.widths.check("FixedCharges", species.size());
    if (options_.trained)
      correction_ = layout.add("charge/correction", {static_cast<int>(species.size())},
                               Initializer::constant(0.0));
    charges_ = options_.charges;
  }
  void prepare(std::span<const double> parameters) {
    if (!options_.trained) return;
    for (std::size_t s = 0; s < charges_.size(); ++s)
      charges_[s] = options_.charges[s] + correction_.of(parameters)[s];
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  template <Number T>
  void multipoles(const ChargeInput<T>& input, std::span<T> p) const {
    using R = RealOf<T>;
    double formal = 0.0;
    for (int s : input.species) formal += charges_[static_cast<std::size_t>(s)];
    T shared{};
    if constexpr (shares_excess)
      shared = (input.total_charge - T(static_cast<R>(formal))) / static_cast<R>(input.n_atoms());
    for (std::size_t i = 0; i < p.size(); ++i)
      p[i] = T(static_cast<R>(charges_[static_cast<std::size_t>(input.species[i])])) + shared;
  }

  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                InputCotangents<T> bar) const {
    if (bar.parameters.empty() || !options_.trained) return;
    T mean{};
    if constexpr (shares_excess) {
      for (const T& q_bar : p_bar) mean += q_bar;
      mean = mean / static_cast<RealOf<T>>(p_bar.size());
    }
    const std::span<T> gradient = correction_.of(bar.parameters);
    for (std::size_t i = 0; i < p_bar.size(); ++i)
      gradient[static_cast<std::size_t>(input.species[i])] += p_bar[i] - mean;
  }

 private:
  FixedChargesOptions options_;
  Slice correction_;
  std::vector<double> charges_;  // (species)
};

using FixedCharges = BasicFixedCharges<true>;
static_assert(ExplicitChargeModel<FixedCharges>);
static_assert(ExplicitChargeModel<BasicFixedCharges<false>>);

}  // namespace leyden::inline LEYDEN_ABI
