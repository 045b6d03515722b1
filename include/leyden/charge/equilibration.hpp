// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/softplus.hpp>
#include <leyden/charge/widths.hpp>
#include <leyden/core/units.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include <string>

namespace leyden::inline LEYDEN_ABI {

/// What ChargeEquilibration is built from.
struct ChargeEquilibrationOptions {
  GaussianWidths widths;          ///< Å
  double initial_hardness = 2.0;  ///< eV/e², of every species, beside the Coulomb self-energy
  bool species_weights = false;   ///< own readout weights for every species
  double initial_weights = 0.1;   ///< standard deviation
  double initial_polarizability = 1.0;  ///< Å³ (α/4πε₀), of every species; l_max = 1 only
};

/// Charge equilibration: charges, and dipoles where L = 1, minimise
///
///   Σ_i (χ_i q_i + ½ η_i q_i²  [+ ζ_i·d_i + ½ |d_i|²/α_i]) + ½ pᵀKp + p·v_ext   at fixed Σq = Q,
///
/// with the electronegativity χ_i = a_z + w·h_i [V] and the hardness η_i = softplus(c_z + u·h_i)
/// [eV/e²] read from the surroundings. Rappe and Goddard, J. Phys. Chem. 95, 3358 (1991); learned
/// χ: Ghasemi et al., Phys. Rev. B 92, 045131 (2015). With L = 1 atoms are polarizable as well:
/// 1/α_i = softplus(b_z + s·h_i) [eV/(e Å)²], the same in all directions, and ζ_i [V/Å], read from
/// the l = 1 features, is the field that makes a permanent dipole (Applequist et al., J. Am. Chem.
/// Soc. 94, 2952 (1972); the Gaussians damp it at short range as Thole's model does).
///
/// Hardness and 1/α are positive by construction, so the minimum exists and is unique for every
/// structure and at every stage of training.
///
/// The Gaussians' own Coulomb energy is part of K when the solver includes self-interaction; η and
/// 1/α are what comes on top.
///
/// Parameters: charge/electronegativity/weight and /bias, charge/hardness/weight and /bias; with
/// L = 1 also charge/field/weight, charge/stiffness/weight and /bias.
template <int L>
class BasicChargeEquilibration {
  static_assert(L == 0 || L == 1, "ChargeEquilibration: l_max is 0 (charges) or 1 (and dipoles)");
  static constexpr std::size_t size = static_cast<std::size_t>((L + 1) * (L + 1));

 public:
  static constexpr std::string_view name =
      L == 0 ? "charge equilibration" : "charge equilibration, polarizable";
  static constexpr ChargeKind kind = ChargeKind::variational;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = true;
  static constexpr bool exchanges_charge = true;

  explicit BasicChargeEquilibration(ChargeEquilibrationOptions options = {})
      : options_(std::move(options)) {}

  const ChargeEquilibrationOptions& options() const { return options_; }

  /// @throws ModelError for a hardness or polarizability that is not positive, a wrong number of
  /// widths, or (L = 1) features without l = 1.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    const auto require_positive = [](const char* what, double value) {
      if (!(value > 0.0))
        throw ModelError(std::string("ChargeEquilibration: the initial ") + what + " is " +
                         std::to_string(value) + "; it must be positive");
    };
    require_positive("hardness", options_.initial_hardness);
    require_positive("polarizability", options_.initial_polarizability);
    options_.widths.check("ChargeEquilibration", species.size());
    FeatureReadoutOptions readout;
    readout.species_weights = options_.species_weights;
    readout.species_bias = true;
    readout.initial_weights = options_.initial_weights;
    const int n = static_cast<int>(species.size());
    electronegativity_ = FeatureReadout(readout);
    electronegativity_.declare(layout, "charge/electronegativity/", shapes, n);
    readout.initial_bias = inverse_softplus(options_.initial_hardness);
    hardness_ = FeatureReadout(readout);
    hardness_.declare(layout, "charge/hardness/", shapes, n);
    if constexpr (L == 1) {
      readout.initial_bias = inverse_softplus(units::coulomb / options_.initial_polarizability);
      stiffness_ = FeatureReadout(readout);
      stiffness_.declare(layout, "charge/stiffness/", shapes, n);
      readout.l = 1;
      readout.species_bias = false;
      field_ = FeatureReadout(readout);
      field_.declare(layout, "charge/field/", shapes, n);
    }
  }
  void prepare(std::span<const double> parameters) {
    electronegativity_.prepare(parameters);
    hardness_.prepare(parameters);
    if constexpr (L == 1) {
      stiffness_.prepare(parameters);
      field_.prepare(parameters);
    }
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  QuadraticLaw law() const { return {}; }

  template <Number T>
  void sites(const ChargeInput<T>& input, SiteCoefficients<T>& out) const {
    for (int i = 0; i < input.n_atoms(); ++i) {
      const std::size_t k = static_cast<std::size_t>(i) * size;
      const int s = input.species_of(i);
      out.chi[k] = electronegativity_.value(input.features, i, s);
      out.eta[k] = softplus(hardness_.value(input.features, i, s));
      if constexpr (L == 1) {
        field_.forward(input.features, i, s, &out.chi[k + 1]);
        const T stiffness = softplus(stiffness_.value(input.features, i, s));
        for (std::size_t m = 1; m < size; ++m) out.eta[k + m] = stiffness;
      }
    }
  }

  template <Number T>
  void pullback(const ChargeInput<T>& input, const SiteCoefficients<T>&,
                const SiteCoefficients<T>& cotangents, InputCotangents<T> bar) const {
    const std::vector<T>& chi_bar = cotangents.chi;
    const std::vector<T>& eta_bar = cotangents.eta;
    for (int i = 0; i < input.n_atoms(); ++i) {
      const std::size_t k = static_cast<std::size_t>(i) * size;
      const int s = input.species_of(i);
      electronegativity_.pullback(input.features, i, s, chi_bar[k], bar.features, bar.parameters);
      const auto pull_back_positive = [&](const FeatureReadout& readout, T cotangent) {
        const T slope = sigmoid(readout.value(input.features, i, s));
        readout.pullback(input.features, i, s, cotangent * slope, bar.features, bar.parameters);
      };
      pull_back_positive(hardness_, eta_bar[k]);
      if constexpr (L == 1) {
        field_.pullback(input.features, i, s, &chi_bar[k + 1], bar.features, bar.parameters);
        pull_back_positive(stiffness_, eta_bar[k + 1] + eta_bar[k + 2] + eta_bar[k + 3]);
      }
    }
  }

 private:
  ChargeEquilibrationOptions options_;
  FeatureReadout electronegativity_, hardness_;
  FeatureReadout field_, stiffness_;  // L = 1
};

using ChargeEquilibration = BasicChargeEquilibration<0>;
using PolarizableChargeEquilibration = BasicChargeEquilibration<1>;
static_assert(SelfConsistentChargeModel<ChargeEquilibration>);
static_assert(SelfConsistentChargeModel<PolarizableChargeEquilibration>);

}  // namespace leyden::inline LEYDEN_ABI
