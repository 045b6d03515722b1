// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/softplus.hpp>
#include <leyden/charge/widths.hpp>
#include <leyden/equivariant/feature_readout.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What ChargeEquilibration is built from.
struct ChargeEquilibrationOptions {
  GaussianWidths widths;          ///< Å
  double initial_hardness = 2.0;  ///< eV/e², of every species, beside the Coulomb self-energy
  bool species_weights = false;   ///< own readout weights for every species
  double initial_weights = 0.1;   ///< standard deviation
};

/// Charge equilibration: the charges minimise
///
///   Σ_i (χ_i q_i + ½ η_i q_i²) + ½ qᵀKq + q·v_ext   at fixed Σq = Q,
///
/// with the electronegativity χ_i = a_z + w·h_i [V] and the hardness η_i = softplus(c_z + u·h_i)
/// [eV/e²] read from the surroundings. Rappe and Goddard, J. Phys. Chem. 95, 3358 (1991); learned
/// χ: Ghasemi et al., Phys. Rev. B 92, 045131 (2015). The hardness is positive by construction, so
/// the minimum exists and is unique for every structure and at every stage of training.
///
/// The Gaussians' own Coulomb energy is part of K when the solver includes self-interaction; η is
/// what comes on top.
///
/// Parameters: charge/electronegativity/weight and /bias, charge/hardness/weight and /bias.
class ChargeEquilibration {
 public:
  static constexpr std::string_view name = "charge equilibration";
  static constexpr ChargeKind kind = ChargeKind::variational;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = true;

  explicit ChargeEquilibration(ChargeEquilibrationOptions options = {})
      : options_(std::move(options)) {}

  const ChargeEquilibrationOptions& options() const { return options_; }

  /// @throws ModelError for a hardness that is not positive or a wrong number of widths.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    if (!(options_.initial_hardness > 0.0))
      throw ModelError("ChargeEquilibration: the initial hardness is " +
                       std::to_string(options_.initial_hardness) + " eV/e²; it must be positive");
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
  }
  void prepare(std::span<const double> parameters) {
    electronegativity_.prepare(parameters);
    hardness_.prepare(parameters);
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  template <Number T>
  void sites(const ChargeInput<T>& input, std::span<T> chi, std::span<T> eta) const {
    for (int i = 0; i < input.n_atoms(); ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      const int s = input.species[k];
      chi[k] = electronegativity_.value(input.features, i, s);
      eta[k] = softplus(hardness_.value(input.features, i, s));
    }
  }

  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> chi_bar, std::span<const T> eta_bar,
                std::span<FeatureArray<T>> feature_bar, std::span<T> parameter_gradient) const {
    for (int i = 0; i < input.n_atoms(); ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      const int s = input.species[k];
      electronegativity_.pullback(input.features, i, s, chi_bar[k], feature_bar,
                                  parameter_gradient);
      const T slope = sigmoid(hardness_.value(input.features, i, s));
      hardness_.pullback(input.features, i, s, eta_bar[k] * slope, feature_bar, parameter_gradient);
    }
  }

 private:
  ChargeEquilibrationOptions options_;
  FeatureReadout electronegativity_, hardness_;
};
static_assert(QuadraticChargeModel<ChargeEquilibration>);

}  // namespace leyden::inline LEYDEN_ABI
