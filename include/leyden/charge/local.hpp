// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/constraint.hpp>
#include <leyden/charge/softplus.hpp>
#include <leyden/charge/widths.hpp>
#include <leyden/equivariant/feature_readout.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What LocalMultipoles are built from.
struct LocalMultipolesOptions {
  GaussianWidths widths;         ///< Å
  std::vector<double> charges;   ///< e, initial charge per species (empty: zero)
  bool species_weights = false;  ///< own readout weights for every species
  double initial_weights = 0.1;  ///< standard deviation; 0: multipoles start as `charges`
};

/// Multipoles from the surroundings: q_i = q_z + b_z + w·h_i, with l = 1 dipoles d_i = w'·h_i and
/// with l = 2 quadrupoles Θ_i = w''·h_i (e Å², solvers Direct and Reciprocal), linear in the
/// features of all layers (FeatureReadout). Baldwin et al., arXiv:2603.14700, family B; with l = 0
/// and no charge labels, the latent charges of LES (Cheng, npj Comput. Mater. 2025).
///
/// The constraint makes the total charge exact: q_i ← q_i + f_i (Q − Σq), f_i = 1/N or
/// f_i = softplus(c_z + u·h_i)/Σ, as MACE-POLAR does with its Fukui functions (arXiv:2602.19411),
/// or f_i = softplus(c_z)/Σ, softnesses that do not see the surroundings.
///
/// Parameters: charge/weight, charge/bias, charge/dipole/weight, charge/quadrupole/weight,
/// charge/fukui/weight and /bias, charge/softness (species).
template <int L = 1, ChargeConstraint constraint = ChargeConstraint::none>
class LocalMultipoles {
  static_assert(L >= 0 && L <= 2,
                "LocalMultipoles: l_max is 0 (charges), 1 (and dipoles) or 2 (and quadrupoles)");
  static constexpr std::size_t size = static_cast<std::size_t>((L + 1) * (L + 1));

 public:
  static constexpr std::string_view name =
      L == 0   ? (constraint == ChargeConstraint::none      ? "local charges"
                  : constraint == ChargeConstraint::uniform ? "local charges, uniform shift"
                  : constraint == ChargeConstraint::fukui   ? "local charges, Fukui shift"
                                                            : "local charges, softness shift")
      : L == 1 ? (constraint == ChargeConstraint::none      ? "local dipoles"
                  : constraint == ChargeConstraint::uniform ? "local dipoles, uniform shift"
                  : constraint == ChargeConstraint::fukui   ? "local dipoles, Fukui shift"
                                                            : "local dipoles, softness shift")
               : (constraint == ChargeConstraint::none      ? "local quadrupoles"
                  : constraint == ChargeConstraint::uniform ? "local quadrupoles, uniform shift"
                  : constraint == ChargeConstraint::fukui   ? "local quadrupoles, Fukui shift"
                                                            : "local quadrupoles, softness shift");
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = constraint != ChargeConstraint::none;

  explicit LocalMultipoles(LocalMultipolesOptions options = {}) : options_(std::move(options)) {}

  const LocalMultipolesOptions& options() const { return options_; }

  /// @throws ModelError for wrong numbers of charges or widths, or features without the l of a
  /// multipole.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  void prepare(std::span<const double> parameters) {
    charge_.prepare(parameters);
    if constexpr (L >= 1) dipole_.prepare(parameters);
    if constexpr (L == 2) quadrupole_.prepare(parameters);
    if constexpr (constraint == ChargeConstraint::fukui) fukui_.prepare(parameters);
    if constexpr (constraint == ChargeConstraint::softness) {
      const std::span<const double> c = softness_slice_.of(parameters);
      softness_.assign(c.begin(), c.end());
    }
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  template <Number T>
  void multipoles(const ChargeInput<T>& input, std::span<T> p) const;
  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                InputCotangents<T> bar) const;

 private:
  template <Number T>
  T unconstrained(const ChargeInput<T>& input, int atom, int species) const {
    const double formal =
        options_.charges.empty() ? 0.0 : options_.charges[static_cast<std::size_t>(species)];
    return charge_.value(input.features, atom, species) + static_cast<RealOf<T>>(formal);
  }
  /// An atom's share of the excess, before division by the sum of shares.
  template <Number T>
  T share(const ChargeInput<T>& input, int atom, int species) const {
    if constexpr (constraint == ChargeConstraint::fukui)
      return softplus(fukui_.value(input.features, atom, species));
    else if constexpr (constraint == ChargeConstraint::softness)
      return T(static_cast<RealOf<T>>(softplus(softness_[static_cast<std::size_t>(species)])));
    else
      return T(RealOf<T>(1));
  }

  LocalMultipolesOptions options_;
  FeatureReadout charge_, dipole_, quadrupole_, fukui_;
  Slice softness_slice_;
  std::vector<double> softness_;  // (species), before softplus
};

template <int L, ChargeConstraint constraint>
void LocalMultipoles<L, constraint>::declare(ParameterLayout& layout,
                                             std::span<const FeatureShape> shapes,
                                             std::span<const int> species) {
  if (!options_.charges.empty() && options_.charges.size() != species.size())
    throw ModelError("LocalMultipoles: " + std::to_string(options_.charges.size()) +
                     " charges are given for " + std::to_string(species.size()) +
                     " species; give one per species, in the descriptor's order, or none");
  options_.widths.check("LocalMultipoles", species.size());
  FeatureReadoutOptions readout;
  readout.species_weights = options_.species_weights;
  readout.species_bias = true;
  readout.initial_weights = options_.initial_weights;
  const int n = static_cast<int>(species.size());
  charge_ = FeatureReadout(readout);
  charge_.declare(layout, "charge/", shapes, n);
  if constexpr (constraint == ChargeConstraint::fukui) {
    readout.initial_bias = inverse_softplus(1.0);
    fukui_ = FeatureReadout(readout);
    fukui_.declare(layout, "charge/fukui/", shapes, n);
  }
  if constexpr (constraint == ChargeConstraint::softness)
    softness_slice_ =
        layout.add("charge/softness", {n}, Initializer::constant(inverse_softplus(1.0)));
  if constexpr (L >= 1) {
    readout.l = 1;
    dipole_ = FeatureReadout(readout);
    dipole_.declare(layout, "charge/dipole/", shapes, n);
  }
  if constexpr (L == 2) {
    readout.l = 2;
    quadrupole_ = FeatureReadout(readout);
    quadrupole_.declare(layout, "charge/quadrupole/", shapes, n);
  }
}

template <int L, ChargeConstraint constraint>
template <Number T>
void LocalMultipoles<L, constraint>::multipoles(const ChargeInput<T>& input, std::span<T> p) const {
  const int n = input.n_atoms();
  T excess(input.total_charge);
  T shares{};
  for (int i = 0; i < n; ++i) {
    const std::size_t k = static_cast<std::size_t>(i);
    const int s = input.species[k];
    const T q = unconstrained(input, i, s);
    p[k * size] = q;
    if constexpr (L >= 1) dipole_.forward(input.features, i, s, &p[k * size + 1]);
    if constexpr (L == 2) quadrupole_.forward(input.features, i, s, &p[k * size + 4]);
    if constexpr (conserves_charge) {
      excess -= q;
      shares += share(input, i, s);
    }
  }
  if constexpr (conserves_charge)
    for (int i = 0; i < n; ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      p[k * size] += share(input, i, input.species[k]) / shares * excess;
    }
}

template <int L, ChargeConstraint constraint>
template <Number T>
void LocalMultipoles<L, constraint>::pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                                              InputCotangents<T> bar) const {
  const int n = input.n_atoms();
  // q_i = a_i + s_i/S (Q − Σa):  ā_i = q̄_i − m,  s̄_i = (Q − Σa)(q̄_i − m)/S,  m = Σ q̄_j s_j/S.
  T mean{}, excess(input.total_charge), shares{};
  if constexpr (conserves_charge) {
    for (int i = 0; i < n; ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      const int s = input.species[k];
      const T share_i = share(input, i, s);
      excess -= unconstrained(input, i, s);
      shares += share_i;
      mean += p_bar[k * size] * share_i;
    }
    mean = mean / shares;
  }
  for (int i = 0; i < n; ++i) {
    const std::size_t k = static_cast<std::size_t>(i);
    const int s = input.species[k];
    const T q_bar = p_bar[k * size] - mean;
    charge_.pullback(input.features, i, s, q_bar, bar.features, bar.parameters);
    if constexpr (L >= 1)
      dipole_.pullback(input.features, i, s, &p_bar[k * size + 1], bar.features, bar.parameters);
    if constexpr (L == 2)
      quadrupole_.pullback(input.features, i, s, &p_bar[k * size + 4], bar.features,
                           bar.parameters);
    if constexpr (constraint == ChargeConstraint::fukui) {
      const T z = fukui_.value(input.features, i, s);
      fukui_.pullback(input.features, i, s, excess * q_bar / shares * sigmoid(z), bar.features,
                      bar.parameters);
    }
    if constexpr (constraint == ChargeConstraint::softness)
      if (!bar.parameters.empty())
        softness_slice_.of(bar.parameters)[static_cast<std::size_t>(s)] +=
            gradient_part(excess * q_bar / shares) *
            sigmoid(softness_[static_cast<std::size_t>(s)]);
  }
}

static_assert(ExplicitChargeModel<LocalMultipoles<0>>);
static_assert(ExplicitChargeModel<LocalMultipoles<1, ChargeConstraint::fukui>>);
static_assert(ExplicitChargeModel<LocalMultipoles<1, ChargeConstraint::softness>>);
static_assert(ExplicitChargeModel<LocalMultipoles<2>>);

}  // namespace leyden::inline LEYDEN_ABI
