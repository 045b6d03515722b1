// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/law_model.hpp>
#include <leyden/charge/map_law.hpp>
#include <leyden/core/units.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What FixedPoint is built from.
struct FixedPointOptions {
  GaussianWidths widths;               ///< Å
  std::vector<double> charges;         ///< e, initial charge per species; empty: zero
  std::vector<double> feature_widths;  ///< Å, on which the potential is seen; empty: the atom's own
  bool species_weights = false;        ///< own readout weights for every species
  double initial_weights = 0.1;        ///< standard deviation

  bool softness = true;                 ///< s, of the charge
  double initial_softness = 0.05;       ///< e/V, of all widths together
  bool polarizability = true;           ///< α, the same in all directions; L = 1 only
  double initial_polarizability = 1.0;  ///< Å³ (α/4πε₀), of all widths together
  bool coupling = true;                 ///< charge by field, dipole by potential; L = 1 only
  double coupling_scale = 0.03;         ///< e/V · Å and e Å/V, unit of its readouts
  int terms = 0;                        ///< K: bounded non-linear terms
  double term_slope = 0.3;              ///< 1/V, initial ∂z/∂v
  double term_scale = 0.2;              ///< e, unit of their size

  bool bond_transfer = false;           ///< m: charge moves between neighbours
  double initial_bond_transfer = 0.01;  ///< e/V, before the envelope
  bool bond_cross = false;              ///< x: a neighbour's potential acts on the atom
  BondRange bonds;                      ///< where bonds end

  int readout_terms = 4;  ///< of the energy
};

/// The learned fixed point: multipoles are a function of the potential that they make,
///
///   p = F(h, f[p]) at fixed Σq = Q   (the Fermi level adds to the potential),      MapLaw
///
/// and the energy is read out of them, E = Σ_i e(h_i, p_i, f_i) + ½ pᵀKp + p·v_ext. Baldwin et
/// al., arXiv:2603.14700, family F, with a stated form of its one-body update. Unlike theirs the
/// dipole has an isotropic polarizability, and the softness s ≥ 0 by construction, as α.
///
/// There is no energy of which p is the minimum, so forces take the adjoint of the fixed point.
/// Without non-linear terms, coupling and cross bonds the response is symmetric where all widths
/// are the atom's own, and ∂Q/∂μ ≤ 0; with them nothing is promised.
///
/// Parameters: charge/base/…, charge/softness/<w>/…, charge/polarizability/<w>/…,
/// charge/coupling/<w>/…, charge/term/<k>/…, charge/bond/…, charge/energy/…
template <int L>
class FixedPoint : public LawModel<FixedPoint<L>, FixedPointOptions> {
  using Base = LawModel<FixedPoint<L>, FixedPointOptions>;
  using Base::bonds_;
  using Base::options_;
  using Base::sites_;
  static_assert(L == 0 || L == 1, "FixedPoint: l_max is 0 (charges) or 1 (and dipoles)");
  using Array = SiteReadouts::Array;

 public:
  static constexpr std::string_view name = L == 0 ? "fixed point" : "fixed point, polarizable";
  static constexpr ChargeKind kind = ChargeKind::fixed_point;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = true;
  static constexpr bool exchanges_charge = true;
  static constexpr bool bonds_see_field = false;

  explicit FixedPoint(FixedPointOptions options = {}) : Base(std::move(options)) {}

  /// @throws ModelError for values that are not positive, wrong numbers of charges or widths, or
  /// (L = 1) features without l = 1.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  /// Refers to the feature widths of this model.
  MapLaw<L> law() const {
    MapLaw<L> l;
    l.features = options_.feature_widths;
    l.softness = options_.softness;
    l.polarizability = options_.polarizability;
    l.coupling = options_.coupling;
    l.terms = options_.terms;
    l.readout_terms = options_.readout_terms;
    l.bond_transfer = options_.bond_transfer;
    l.bond_cross = options_.bond_cross;
    return l;
  }

 private:
  void declare_energy(const SiteReadouts::Declaration& d);
};

template <int L>
void FixedPoint<L>::declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
                            std::span<const int> species) {
  const auto& o = options_;
  if (!o.charges.empty() && o.charges.size() != species.size())
    throw ModelError("FixedPoint: " + std::to_string(o.charges.size()) + " charges are given for " +
                     std::to_string(species.size()) +
                     " species; give one per species, in the descriptor's order, or none");
  if (o.terms < 0 || o.readout_terms < 0)
    throw ModelError("FixedPoint: terms are " + std::to_string(o.terms) + " and " +
                     std::to_string(o.readout_terms) + "; they cannot be negative");
  for (double w : o.feature_widths)
    if (!(w > 0.0))
      throw ModelError("FixedPoint: a feature width is " + std::to_string(w) +
                       " Å; it must be positive");
  o.widths.check("FixedPoint", species.size());
  sites_.clear();
  bonds_.clear();
  const int n = static_cast<int>(species.size());
  const SiteReadouts::Declaration d{layout, shapes, n, o.species_weights, o.initial_weights};
  const MapLaw<L> l = law();
  sites_.scalar(d, "charge/base/", {Array::atoms, 0}, 0.0, o.charges);
  if (L == 1) sites_.vector(d, "charge/base/dipole/", {Array::atoms, 1});
  for (int w = 0; w < l.widths(); ++w) {
    const std::string at = std::to_string(w) + "/";
    if (l.softness)
      sites_.positive(d, "charge/softness/" + at, {Array::atoms, l.linear_at(w)},
                      o.initial_softness / l.widths());
    if (l.has_alpha())
      sites_.positive(d, "charge/polarizability/" + at, {Array::atoms, l.alpha_at(w)},
                      o.initial_polarizability / units::coulomb / l.widths());
    if (l.has_coupling()) {
      sites_.vector(d, "charge/coupling/charge/" + at, {Array::atoms, l.coupling_at(w)},
                    o.coupling_scale);
      sites_.vector(d, "charge/coupling/dipole/" + at, {Array::atoms, l.coupling_at(w) + 3},
                    o.coupling_scale);
    }
  }
  for (int k = 0; k < l.terms; ++k) {
    const std::string name = "charge/term/" + std::to_string(k) + "/";
    const int at = l.term_at(k);
    sites_.scalar(d, name + "position/", {Array::atoms, at});
    sites_.scaled(d, name + "charge/", {Array::atoms, at + 1}, o.term_scale);
    if (L == 1) sites_.vector(d, name + "dipole/", {Array::atoms, at + 2}, o.term_scale);
    for (int w = 0; w < l.widths(); ++w) {
      const std::string of = name + "slope/" + std::to_string(w) + "/";
      const int slope = at + 1 + (1 + w) * l.size;
      sites_.scaled(d, of, {Array::atoms, slope}, o.term_slope, 1.0);
      if (L == 1) sites_.vector(d, of + "vector/", {Array::atoms, slope + 1}, o.term_slope);
    }
  }
  declare_energy(d);
  for (int w = 0; w < l.widths(); ++w) {
    int at = w * l.bond_stride();
    if (l.bond_transfer)
      bonds_.positive("bond transfer", at++, o.initial_bond_transfer / l.widths());
    if (l.bond_cross)
      for (int lambda = 0; lambda <= L; ++lambda) bonds_.scalar(at++, o.coupling_scale);
  }
  bonds_.declare(layout, "charge/bond/", shapes, n, o.initial_weights, o.bonds);
}

template <int L>
void FixedPoint<L>::declare_energy(const SiteReadouts::Declaration& d) {
  const MapLaw<L> l = law();
  sites_.scalar(d, "charge/energy/linear/", {Array::atoms, l.readout_at()});
  sites_.scalar(d, "charge/energy/hardness/", {Array::atoms, l.hardness_at()});
  if (L == 1) {
    sites_.vector(d, "charge/energy/linear_dipole/", {Array::atoms, l.readout_at() + 1});
    sites_.scalar(d, "charge/energy/stiffness/", {Array::atoms, l.hardness_at() + 1});
  }
  for (int w = 0; w < l.widths(); ++w) {
    const std::string name = "charge/energy/mixed/" + std::to_string(w) + "/";
    sites_.scalar(d, name, {Array::atoms, l.mixed_at(w)});
    if (L == 1) sites_.scalar(d, name + "dipole/", {Array::atoms, l.mixed_at(w) + 1});
  }
  for (int r = 0; r < l.readout_terms; ++r) {
    const std::string name = "charge/energy/term/" + std::to_string(r) + "/";
    const int at = l.readout_term_at(r);
    sites_.scalar(d, name + "size/", {Array::atoms, at});
    sites_.scalar(d, name + "position/", {Array::atoms, at + 1},
                  (2.0 * r + 1.0) / l.readout_terms - 1.0);
    if (L == 1) sites_.vector(d, name + "dipole/", {Array::atoms, at + 2});
    for (int w = 0; w < l.widths(); ++w)
      sites_.scaled(d, name + "potential/" + std::to_string(w) + "/",
                    {Array::atoms, at + 1 + l.size + w}, options_.term_slope);
  }
}

static_assert(SelfConsistentChargeModel<FixedPoint<0>>);
static_assert(SelfConsistentChargeModel<FixedPoint<1>>);

}  // namespace leyden::inline LEYDEN_ABI
