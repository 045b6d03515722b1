// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/energy_law.hpp>
#include <leyden/charge/law_model.hpp>
#include <leyden/core/units.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What EnergyFunctional is built from.
struct EnergyFunctionalOptions {
  GaussianWidths widths;                ///< Å
  bool species_weights = false;         ///< own readout weights for every species
  double initial_weights = 0.1;         ///< standard deviation
  double initial_hardness = 2.0;        ///< η, eV/e²
  double initial_polarizability = 1.0;  ///< Å³ (α/4πε₀); L = 1 only

  int kinks = 2;              ///< convex terms per atom
  double initial_kink = 0.3;  ///< w, V: half the jump of ∂E/∂q across the kink
  double kink_spread = 0.5;   ///< e: kinks start evenly over charges in [−spread, spread]
  int wells = 0;              ///< bounded terms per atom that need not be convex
  double charge_width = 0.2;  ///< t, e: how sharp kinks and wells are
  bool dipoles = true;        ///< kinks and wells that see the dipole; L = 1 only

  bool bond_hardness = false;          ///< κ_b (q_s − q_t)²/2
  double initial_bond_hardness = 0.5;  ///< eV/e², before the envelope
  bool bond_sum_hardness = false;      ///< λ_b (q_s + q_t)²/2
  double initial_bond_sum_hardness = 0.5;
  bool bond_kinks = false;         ///< w_b t ln cosh((q_s − q_t)/t)
  double initial_bond_kink = 0.1;  ///< V
  BondRange bonds;                 ///< where bonds end
};

/// A learned energy of the multipoles, minimised with their Coulomb energy at fixed charge:
///
///   Σ_i (χ·p + ½ η q² + ½ |d|²/α + φ_i(p)) + Σ_b φ_b + ½ pᵀKp + p·v_ext        (φ: EnergyLaw)
///
/// The paper's formulation (an arbitrary network of p and h; Baldwin et al., arXiv:2603.14700,
/// family E) promises nothing; here, without wells, every term beyond the linear ones is convex by
/// construction and η, 1/α > 0, so that the minimum exists and is unique whatever the parameters.
/// Wells are bounded, so with them a minimum still exists but there may be several. In all cases
/// the energy is stationary: forces are the explicit derivative.
///
/// Kinks are the smoothed jumps of the chemical potential at whole numbers of electrons (in the
/// manner of Perdew et al., Phys. Rev. Lett. 49, 1691 (1982)): charge rests where kinks are.
///
/// Parameters: charge/electronegativity/…, charge/hardness/…, charge/field/… and
/// charge/stiffness/… (L = 1), charge/kink/<k>/size/…, position/…, dipole/…, charge/well/<k>/…,
/// charge/bond/… (hardness, sum hardness, kink).
template <int L>
class EnergyFunctional : public LawModel<EnergyFunctional<L>, EnergyFunctionalOptions> {
  using Base = LawModel<EnergyFunctional<L>, EnergyFunctionalOptions>;
  using Base::bonds_;
  using Base::options_;
  using Base::sites_;
  static_assert(L == 0 || L == 1, "EnergyFunctional: l_max is 0 (charges) or 1 (and dipoles)");
  using Array = SiteReadouts::Array;

 public:
  static constexpr std::string_view name =
      L == 0 ? "energy functional" : "energy functional, polarizable";
  static constexpr ChargeKind kind = ChargeKind::variational;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = true;
  static constexpr bool exchanges_charge = true;
  static constexpr bool bonds_see_field = false;

  explicit EnergyFunctional(EnergyFunctionalOptions options = {}) : Base(std::move(options)) {}

  /// @throws ModelError for values that are not positive, a wrong number of widths, or (L = 1)
  /// features without l = 1.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  EnergyLaw<L> law() const {
    EnergyLaw<L> l;
    l.kinks = options_.kinks;
    l.wells = options_.wells;
    l.dipoles = options_.dipoles;
    l.width = options_.charge_width;
    l.bond_hardness = options_.bond_hardness;
    l.bond_sum_hardness = options_.bond_sum_hardness;
    l.bond_kinks = options_.bond_kinks;
    return l;
  }
};

template <int L>
void EnergyFunctional<L>::declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
                                  std::span<const int> species) {
  const auto& o = options_;
  if (o.kinks < 0 || o.wells < 0 || !(o.charge_width > 0.0))
    throw ModelError("EnergyFunctional: kinks are " + std::to_string(o.kinks) + ", wells " +
                     std::to_string(o.wells) + ", their width " + std::to_string(o.charge_width) +
                     " e; numbers cannot be negative, the width must be positive");
  o.widths.check("EnergyFunctional", species.size());
  sites_.clear();
  bonds_.clear();
  const int n = static_cast<int>(species.size());
  const SiteReadouts::Declaration d{layout, shapes, n, o.species_weights, o.initial_weights};
  const EnergyLaw<L> l = law();
  sites_.scalar(d, "charge/electronegativity/", {Array::chi, 0});
  sites_.positive(d, "charge/hardness/", {Array::eta, 0}, o.initial_hardness);
  if (L == 1) {
    if (!(o.initial_polarizability > 0.0))
      throw ModelError("EnergyFunctional: the initial polarizability is " +
                       std::to_string(o.initial_polarizability) + "; it must be positive");
    sites_.vector(d, "charge/field/", {Array::chi, 1});
    sites_.positive(d, "charge/stiffness/", {Array::eta, 1},
                    units::coulomb / o.initial_polarizability, 3);
  }
  for (int k = 0; k < l.kinks + l.wells; ++k) {
    const bool kink = k < l.kinks;
    const std::string name = std::string("charge/") + (kink ? "kink/" : "well/") +
                             std::to_string(kink ? k : k - l.kinks) + "/";
    const int at = k * l.term_size();
    if (kink)
      sites_.positive(d, name + "size/", {Array::atoms, at}, o.initial_kink);
    else
      sites_.scalar(d, name + "size/", {Array::atoms, at});
    const int of = kink ? l.kinks : l.wells, index = kink ? k : k - l.kinks;
    sites_.scalar(d, name + "position/", {Array::atoms, at + 1},
                  o.kink_spread * ((2.0 * index + 1.0) / of - 1.0));
    if (l.has_dipoles()) sites_.vector(d, name + "dipole/", {Array::atoms, at + 2});
  }
  int at = 0;
  if (l.bond_hardness) bonds_.positive("bond hardness", at++, o.initial_bond_hardness);
  if (l.bond_sum_hardness) bonds_.positive("sum hardness", at++, o.initial_bond_sum_hardness);
  if (l.bond_kinks) bonds_.positive("bond kink", at++, o.initial_bond_kink);
  bonds_.declare(layout, "charge/bond/", shapes, n, o.initial_weights, o.bonds);
}

static_assert(SelfConsistentChargeModel<EnergyFunctional<0>>);
static_assert(SelfConsistentChargeModel<EnergyFunctional<1>>);

}  // namespace leyden::inline LEYDEN_ABI
