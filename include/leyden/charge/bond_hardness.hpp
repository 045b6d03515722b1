// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_offset.hpp>
#include <leyden/charge/bond_readouts.hpp>
#include <leyden/charge/site_readouts.hpp>
#include <leyden/charge/widths.hpp>
#include <leyden/core/units.hpp>

namespace leyden::inline LEYDEN_ABI {

/// Base multipoles, bonds along which charge flows, polarizable dipoles:
///
///   φ_i(u) = a·u [+ ½ α |u_d|²],     φ_b = ½ σ_b (u_s − u_t + o_b)².
///
/// Coefficients per atom: a (size), α (L = 1); per bond: o, σ.
template <int L>
struct BondHardnessLaw {
  static constexpr LawForm form = LawForm::response;
  static constexpr bool quadratic = true;
  static constexpr int size = (L + 1) * (L + 1);
  static constexpr int atom_size() { return size + L; }
  static constexpr int bond_size() { return 2; }
  static constexpr int bond_components() { return 1; }
  static constexpr bool bonds_transfer() { return true; }

  template <class T>
  T atom(const T* c, const T* u, T* u_bar, T* c_bar) const {
    using R = RealOf<T>;
    T e{}, u2{};
    for (int m = 0; m < size; ++m) {
      e += c[m] * u[m];
      u_bar[m] += c[m];
      if (c_bar) c_bar[m] += u[m];
    }
    if constexpr (L == 1) {
      for (int m = 1; m < size; ++m) {
        u2 += u[m] * u[m];
        u_bar[m] += c[size] * u[m];
      }
      e += c[size] * u2 * R(0.5);
      if (c_bar) c_bar[size] += u2 * R(0.5);
    }
    return e;
  }
  template <class T>
  T bond(const T* c, const T* u_s, const T* u_t, T* s_bar, T* t_bar, T* c_bar) const {
    using R = RealOf<T>;
    const T y = u_s[0] - u_t[0] + c[0], t = c[1] * y;
    s_bar[0] += t;
    t_bar[0] -= t;
    if (c_bar) {
      c_bar[0] += t;
      c_bar[1] += y * y * R(0.5);
    }
    return t * y * R(0.5);
  }
};
static_assert(SiteLaw<BondHardnessLaw<0>> && SiteLaw<BondHardnessLaw<1>>);

/// What BondHardness is built from.
struct BondHardnessOptions {
  GaussianWidths widths;        ///< Å
  std::vector<double> charges;  ///< e, formal charge per species; empty: zero
  bool formal_charges = false;  ///< take Structure::formal_charges instead, where there are some
  /// A learned part of base charges. Charge then no longer moves along bonds only, and in a field
  /// the forces of a crystal depend on the images of its atoms.
  bool learned_base = false;
  bool species_weights = false;  ///< own readout weights for every species
  double initial_weights = 0.1;  ///< standard deviation

  double initial_softness = 0.1;        ///< σ, e/V, before the envelope
  double initial_hardness = 1.0;        ///< η, eV/e²
  double initial_polarizability = 1.0;  ///< Å³ (α/4πε₀); L = 1 only
  BondRange bonds;                      ///< where bonds end
};

/// Charges that move along bonds only, p = q⁰ + Σ_b ± t_b: each bond has a hardness κ_b = 1/σ_b
/// that its transfer t_b costs, ½ κ_b t_b², beside the electronegativities χ and hardnesses η of
/// the atoms. Split charges: Nistor, Polihronov, Müser and Mosey, J. Chem. Phys. 125, 094108
/// (2006); the same energy in its potentials: ACKS2, Verstraelen et al., J. Chem. Phys. 138, 074108
/// (2013). It is solved in the latter form, where bonds that break (σ → 0) are harmless while their
/// κ is infinite.
///
/// Base charges q⁰ are formal charges (per species or of the structure), on request with a learned
/// part; a uniform shift makes their sum the total charge exactly. Where no bond leads charge does
/// not go: molecules far apart keep their charges, the polarizability of a chain grows with its
/// length and not with its square as in charge equilibration, and an insulator has a finite
/// dielectric constant. There is a unique solution for every structure and all parameters.
///
/// Bonds see the field over their own vector (bond_offset.hpp), so also along periodic directions,
/// where positions count as given. The polarisation −∂E/∂(field) of the whole is
/// Σ q_i r_i + d_i + Σ_b t_b n_b·h = Σ q⁰_i r_i + d_i − Σ_b t_b r_b (polarization()), the charge
/// t_b going from the bond's receiver to its sender and r_b from sender to receiver.
///
/// Parameters: charge/base/… (learned_base), charge/base/dipole/… and charge/polarizability/… (L =
/// 1), charge/electronegativity/…, charge/field/… (L = 1), charge/hardness/…, charge/bond/…
template <int L>
class BondHardness {
  static_assert(L == 0 || L == 1, "BondHardness: l_max is 0 (charges) or 1 (and dipoles)");
  static constexpr int size = (L + 1) * (L + 1);
  using Array = SiteReadouts::Array;

 public:
  static constexpr std::string_view name = L == 0 ? "bond hardness" : "bond hardness, polarizable";
  static constexpr ChargeKind kind = ChargeKind::variational;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = true;
  static constexpr bool exchanges_charge = false;
  static constexpr FieldImages field_images = FieldImages::as_given;

  explicit BondHardness(BondHardnessOptions options = {}) : options_(std::move(options)) {}

  const BondHardnessOptions& options() const { return options_; }
  /// Å, where bonds end (0: there are none); not above the descriptor's cutoff.
  double bond_cutoff() const { return law().bond_size() > 0 ? options_.bonds.cutoff : 0.0; }

  /// @throws ModelError for values that are not positive, wrong numbers of charges or widths, or
  /// (L = 1) features without l = 1.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  void prepare(std::span<const double> parameters) {
    if (options_.learned_base) base_.prepare(parameters);
    sites_.prepare(parameters);
    bonds_.prepare(parameters);
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  BondHardnessLaw<L> law() const { return {}; }

  /// @throws InputError for formal charges that are not one per atom.
  template <Number T>
  void sites(const ChargeInput<T>& input, SiteCoefficients<T>& out) const;
  template <Number T>
  void pullback(const ChargeInput<T>& input, const SiteCoefficients<T>& coefficients,
                const SiteCoefficients<T>& cotangents, InputCotangents<T> bar) const;

  /// Σ q⁰_i r_i + d_i − Σ_b t_b r_b [e Å], for the potential v that atoms see (n·size) and the
  /// multipoles p; it does not depend on which images bonds join.
  template <Number T>
  Vector3<T> polarization(const ChargeInput<T>& input, const SiteCoefficients<T>& coefficients,
                          std::span<const T> v, std::span<const T> p) const;

 private:
  BondHardnessOptions options_;
  FeatureReadout base_;
  SiteReadouts sites_;
  BondReadouts bonds_;
};

template <int L>
void BondHardness<L>::declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
                              std::span<const int> species) {
  const auto& o = options_;
  if (!o.charges.empty() && o.charges.size() != species.size())
    throw ModelError("BondHardness: " + std::to_string(o.charges.size()) +
                     " charges are given for " + std::to_string(species.size()) +
                     " species; give one per species, in the descriptor's order, or none");
  o.widths.check("BondHardness", species.size());
  const int n = static_cast<int>(species.size());
  FeatureReadoutOptions base;
  base.species_weights = o.species_weights;
  base.species_bias = true;
  base.initial_weights = o.initial_weights;
  base_ = FeatureReadout(base);
  if (o.learned_base) base_.declare(layout, "charge/base/", shapes, n);
  sites_.clear();
  bonds_.clear();
  const SiteReadouts::Declaration d{layout, shapes, n, o.species_weights, o.initial_weights};
  sites_.scalar(d, "charge/electronegativity/", {Array::chi, 0});
  sites_.positive(d, "charge/hardness/", {Array::eta, 0}, o.initial_hardness);
  if constexpr (L == 1) {
    sites_.vector(d, "charge/base/dipole/", {Array::atoms, 1});
    sites_.positive(d, "charge/polarizability/", {Array::atoms, size},
                    o.initial_polarizability / units::coulomb);
    sites_.vector(d, "charge/field/", {Array::chi, 1});
  }
  bonds_.positive("bond softness", 1, o.initial_softness);
  bonds_.declare(layout, "charge/bond/", shapes, n, o.initial_weights, o.bonds);
}

template <int L>
template <Number T>
void BondHardness<L>::sites(const ChargeInput<T>& input, SiteCoefficients<T>& out) const {
  using R = RealOf<T>;
  constexpr int stride = BondHardnessLaw<L>::atom_size();
  sites_.read(input, size, stride, out);
  bonds_.read(input, 2, std::span<T>(out.bonds));
  bond_offsets(input, field_images, 2, std::span<T>(out.bonds));

  const std::vector<double> none;
  const auto& formal =
      options_.formal_charges && input.structure ? input.structure->formal_charges : none;
  const std::size_t n = static_cast<std::size_t>(input.n_atoms());
  if (!formal.empty() && formal.size() != n)
    throw InputError("BondHardness: " + std::to_string(formal.size()) +
                     " formal charges are given for " + std::to_string(n) +
                     " atoms; give one per atom, or none");
  T excess(input.total_charge);
  for (std::size_t i = 0; i < n; ++i) {
    const int s = input.species[i];
    const double charge = !formal.empty() ? formal[i]
                          : options_.charges.empty()
                              ? 0.0
                              : options_.charges[static_cast<std::size_t>(s)];
    T& q = out.atoms[i * stride];
    q = T(static_cast<R>(charge));
    if (options_.learned_base) q += base_.value(input.features, static_cast<int>(i), s);
    excess -= q;
  }
  for (std::size_t i = 0; i < n; ++i) out.atoms[i * stride] += excess / static_cast<R>(n);
}

template <int L>
template <Number T>
void BondHardness<L>::pullback(const ChargeInput<T>& input, const SiteCoefficients<T>& coefficients,
                               const SiteCoefficients<T>& cotangents,
                               InputCotangents<T> bar) const {
  constexpr int stride = BondHardnessLaw<L>::atom_size();
  sites_.pullback(input, size, stride, cotangents, bar);
  bonds_.pullback(input, 2, std::span<const T>(coefficients.bonds),
                  std::span<const T>(cotangents.bonds), bar);
  bond_offsets_pullback(input, field_images, 2, std::span<const T>(cotangents.bonds), bar);
  if (!options_.learned_base) return;
  const std::size_t n = static_cast<std::size_t>(input.n_atoms());
  T mean{};
  for (std::size_t i = 0; i < n; ++i) mean += cotangents.atoms[i * stride];
  mean = mean / static_cast<RealOf<T>>(n);
  for (std::size_t i = 0; i < n; ++i)
    base_.pullback(input.features, static_cast<int>(i), input.species[i],
                   cotangents.atoms[i * stride] - mean, bar.features, bar.parameters);
}

template <int L>
template <Number T>
Vector3<T> BondHardness<L>::polarization(const ChargeInput<T>& input,
                                         const SiteCoefficients<T>& coefficients,
                                         std::span<const T> v, std::span<const T> p) const {
  constexpr std::size_t stride = static_cast<std::size_t>(BondHardnessLaw<L>::atom_size());
  const Geometry<T>& g = *input.geometry;
  Vector3<T> sum;
  for (std::size_t i = 0; i < g.positions.size(); ++i) {
    sum += coefficients.atoms[i * stride] * g.positions[i];
    if constexpr (L == 1)  // (y, z, x)
      for (int m = 0; m < 3; ++m)
        sum[(m + 1) % 3] += p[i * static_cast<std::size_t>(size) + 1 + static_cast<std::size_t>(m)];
  }
  for (std::size_t b = 0; b < g.pair_edge.size(); ++b) {
    const auto e = static_cast<std::size_t>(g.pair_edge[b]);
    const auto at = [&](int atom) { return v[static_cast<std::size_t>(atom * size)]; };
    const T drop = at(g.receiver[e]) - at(g.sender[e]) + coefficients.bonds[2 * b];
    sum -= coefficients.bonds[2 * b + 1] * drop * g.vector[e];
  }
  return sum;
}

static_assert(SelfConsistentChargeModel<BondHardness<0>>);
static_assert(SelfConsistentChargeModel<BondHardness<1>>);

}  // namespace leyden::inline LEYDEN_ABI
