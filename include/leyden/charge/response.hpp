// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/law_model.hpp>
#include <leyden/charge/response_law.hpp>
#include <leyden/core/units.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What ResponseFunctional is built from.
struct ResponseFunctionalOptions {
  GaussianWidths widths;         ///< Å
  std::vector<double> charges;   ///< e, initial charge per species at zero potential; empty: zero
  bool species_weights = false;  ///< own readout weights for every species
  double initial_weights = 0.1;  ///< standard deviation

  int levels = 2;                   ///< K
  double temperature = 0.5;         ///< T, V: how sharply a level fills
  double initial_level_size = 0.3;  ///< w, e
  double level_spread = 2.0;        ///< V: levels start evenly over [−spread, spread]
  bool level_dipoles = true;        ///< levels that see the field; L = 1 only

  bool softness = true;                 ///< s: charge that any potential draws
  double initial_softness = 0.1;        ///< e/V
  bool polarizability = true;           ///< α; L = 1 only
  double initial_polarizability = 1.0;  ///< Å³ (α/4πε₀)
  bool electronegativity = false;       ///< χ (and ζ, L = 1): shifts what the atom sees
  bool hardness = false;                ///< η: the atom sees its own charge
  double initial_hardness = 1.0;        ///< eV/e²

  bool bond_softness = false;             ///< σ_b: charge flows along bonds
  double initial_bond_softness = 0.05;    ///< e/V, before the envelope
  bool bond_saturation = false;           ///< w_b: bounded charge along bonds
  double initial_bond_saturation = 0.05;  ///< e
  double bond_temperature = 1.0;          ///< V
  BondRange bonds;                        ///< where bonds end
};

/// The response functional: p = ∇G*(−v), with G* convex and learned (ResponseLaw), the Legendre
/// dual of an energy of the electrons. At the solution
///
///   E = max_{p, μ} −½ pᵀ(K + η)p − G*(−(Kp + ηp + χ + v_ext + μn)) − μQ
///
/// is a concave maximum. What follows, whatever the parameters: the solution exists (where Q can be
/// reached) and E is unique; E is stationary in p and μ, so forces are the explicit derivative;
/// responses are symmetric and ∂Q/∂μ ≤ 0. Levels that are empty or full do not respond (an
/// insulator), a level at μ does (a metal, a trap); bonds conserve charge. With one quadratic term
/// it is charge equilibration (s = 1/η, a = −χ/η), with quadratic bonds SQE or ACKS2.
///
/// Without s the charge of an atom stays within [a, a + Σw] beside bonds: total charges beyond that
/// have no solution.
///
/// Parameters: charge/base/…, charge/softness/…, charge/polarizability/…, charge/level/<k>/size/…,
/// position/…, dipole/…, charge/electronegativity/…, charge/hardness/…, charge/bond/…
/// (softness, then saturation).
template <int L>
class ResponseFunctional : public LawModel<ResponseFunctional<L>, ResponseFunctionalOptions> {
  using Base = LawModel<ResponseFunctional<L>, ResponseFunctionalOptions>;
  using Base::bonds_;
  using Base::options_;
  using Base::sites_;
  static_assert(L == 0 || L == 1, "ResponseFunctional: l_max is 0 (charges) or 1 (and dipoles)");
  using Array = SiteReadouts::Array;

 public:
  static constexpr std::string_view name =
      L == 0 ? "response functional" : "response functional, polarizable";
  static constexpr ChargeKind kind = ChargeKind::variational;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = true;
  static constexpr bool exchanges_charge = true;
  static constexpr bool bonds_see_field = true;

  explicit ResponseFunctional(ResponseFunctionalOptions options = {}) : Base(std::move(options)) {}

  /// @throws ModelError for values that are not positive, wrong numbers of charges or widths,
  /// (L = 1) features without l = 1, or neither levels nor softness: no charge could then be
  /// exchanged (that is BondHardness).
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  ResponseLaw<L> law() const {
    ResponseLaw<L> l;
    l.levels = options_.levels;
    l.softness = options_.softness;
    l.polarizability = options_.polarizability;
    l.level_dipoles = options_.level_dipoles;
    l.temperature = options_.temperature;
    l.bond_softness = options_.bond_softness;
    l.bond_saturation = options_.bond_saturation;
    l.bond_temperature = options_.bond_temperature;
    return l;
  }
};

template <int L>
void ResponseFunctional<L>::declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
                                    std::span<const int> species) {
  const auto& o = options_;
  if (!o.charges.empty() && o.charges.size() != species.size())
    throw ModelError("ResponseFunctional: " + std::to_string(o.charges.size()) +
                     " charges are given for " + std::to_string(species.size()) +
                     " species; give one per species, in the descriptor's order, or none");
  if (o.levels < 0 || !(o.temperature > 0.0) || !(o.bond_temperature > 0.0))
    throw ModelError("ResponseFunctional: levels are " + std::to_string(o.levels) +
                     ", temperatures " + std::to_string(o.temperature) + " and " +
                     std::to_string(o.bond_temperature) +
                     " V; levels cannot be negative, temperatures must be positive");
  if (o.levels == 0 && !o.softness)
    throw ModelError(
        "ResponseFunctional: no levels and no softness: the total charge cannot "
        "respond. Switch one on, or take BondHardness");
  o.widths.check("ResponseFunctional", species.size());
  sites_.clear();
  bonds_.clear();
  const int n = static_cast<int>(species.size());
  const SiteReadouts::Declaration d{layout, shapes, n, o.species_weights, o.initial_weights};
  const ResponseLaw<L> l = law();
  // Levels begin half full in all: `charges` are those at zero potential.
  sites_.scalar(d, "charge/base/", {Array::atoms, 0}, -0.5 * o.levels * o.initial_level_size,
                o.charges);
  if (L == 1) sites_.vector(d, "charge/base/dipole/", {Array::atoms, 1});
  if (l.softness)
    sites_.positive(d, "charge/softness/", {Array::atoms, l.softness_at()}, o.initial_softness);
  if (l.has_alpha())
    sites_.positive(d, "charge/polarizability/", {Array::atoms, l.polarizability_at()},
                    o.initial_polarizability / units::coulomb);
  for (int k = 0; k < l.levels; ++k) {
    const std::string name = "charge/level/" + std::to_string(k) + "/";
    const int at = l.level_at(k);
    sites_.positive(d, name + "size/", {Array::atoms, at}, o.initial_level_size);
    sites_.scalar(d, name + "position/", {Array::atoms, at + 1},
                  o.level_spread * ((2.0 * k + 1.0) / l.levels - 1.0));
    if (l.has_level_dipoles()) sites_.vector(d, name + "dipole/", {Array::atoms, at + 2});
  }
  if (o.electronegativity) {
    sites_.scalar(d, "charge/electronegativity/", {Array::chi, 0});
    if (L == 1) sites_.vector(d, "charge/field/", {Array::chi, 1});
  }
  if (o.hardness) sites_.positive(d, "charge/hardness/", {Array::eta, 0}, o.initial_hardness);
  if (l.bond_softness) bonds_.positive("bond softness", 1, o.initial_bond_softness);
  if (l.bond_saturation)
    bonds_.positive("bond saturation", 1 + l.bond_softness, o.initial_bond_saturation);
  bonds_.declare(layout, "charge/bond/", shapes, n, o.initial_weights, o.bonds);
}

static_assert(SelfConsistentChargeModel<ResponseFunctional<0>>);
static_assert(SelfConsistentChargeModel<ResponseFunctional<1>>);

}  // namespace leyden::inline LEYDEN_ABI
