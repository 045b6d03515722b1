// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_readout.hpp>
#include <leyden/charge/concepts.hpp>
#include <leyden/charge/formal_charges.hpp>
#include <leyden/charge/widths.hpp>
#include <leyden/electrostatics/external_field.hpp>
#include <leyden/equivariant/feature_readout.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What SplitCharges are built from.
struct SplitChargesOptions {
  GaussianWidths widths;         ///< Å
  std::vector<double> charges;   ///< e, formal charge per species (empty: zero)
  bool from_structure = false;   ///< takes Structure::formal_charges instead, which must be there
  bool species_weights = false;  ///< own readout weights for every species
  double initial_weights = 0.1;  ///< standard deviation
  double cutoff = 3.0;           ///< Å, where bonds end; not above the descriptor's
  int radial = 4;                ///< functions of the distance, see BondReadout
};

/// Formal charges and what bonds transfer, both known without solving anything:
///
///   q_i = f_i + Σ_b ± t_b,   d_i = w'·h_i (L = 1),
///
/// t_b an antisymmetric BondReadout: the charge that goes from the sender of the bond to its
/// receiver. What one atom gains another loses, so Σq = Σf exactly. Baldwin et al.,
/// arXiv:2603.14700, family C (local split charges); the idea is the bond charge increment of force
/// fields. With `shares_excess`, f_i includes an equal share of what the formal charges lack of the
/// total charge, (Q − Σf)/N, so the total charge is exact for any Q; without it Q is ignored.
///
/// Positions in a crystal are known up to lattice vectors, those of bonds exactly: hence the
/// polarisation
///
///   P = Σ_i (f_i r_i + d_i) + Σ_b t_b r_b,   r_b from sender to receiver,
///
/// which changes smoothly when atoms move and charge flows across the cell, and by f_i h exactly
/// when atom i is moved by a lattice vector h (the quantum of polarisation when formal charges are
/// integers). The energy in a field E is −E·P, also along periodic directions. It is
/// p·v_ext, v_ext = −E·r of the positions as given (FieldImages::as_given), plus field_energies():
///
///   −E·P = −E·Σ_i (q_i r_i + d_i) + Σ_b t_b E·(n_b h),   n_b h = r_t − r_s − r_b.
///
/// Parameters: charge/bond/… (BondReadout) and charge/dipole/weight.
template <int L = 1, bool shares_excess = true>
class SplitCharges {
  static_assert(L == 0 || L == 1, "SplitCharges: l_max is 0 (charges) or 1 (and dipoles)");
  static constexpr std::size_t size = static_cast<std::size_t>((L + 1) * (L + 1));

 public:
  static constexpr std::string_view name =
      L == 0 ? (shares_excess ? "split charges" : "split charges, excess dropped")
             : (shares_excess ? "split charges and dipoles"
                              : "split charges and dipoles, excess dropped");
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = shares_excess;
  static constexpr FieldImages field_images = FieldImages::as_given;

  explicit SplitCharges(SplitChargesOptions options = {})
      : options_(std::move(options)), formal_(options_.charges, options_.from_structure) {}

  const SplitChargesOptions& options() const { return options_; }
  double bond_cutoff() const { return options_.cutoff; }  ///< Å

  /// @throws ModelError for wrong numbers of charges or widths, a cutoff that is not positive, or
  /// (L = 1) features without l = 1.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  void prepare(std::span<const double> parameters) {
    transfer_.prepare(parameters);
    if constexpr (L == 1) dipole_.prepare(parameters);
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  /// @throws InputError when the structure's formal charges are asked for and missing, or not one
  /// per atom.
  template <Number T>
  void multipoles(const ChargeInput<T>& input, std::span<T> p) const;
  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                InputCotangents<T> bar) const;

  /// P [e Å], (x, y, z), of the multipoles that multipoles() made.
  template <Number T>
  Vector3<T> polarization(const ChargeInput<T>& input, std::span<const T> p) const;
  /// The adjoint: adds the cotangents of the multipoles (of the dipoles alone, p̄ as in pullback)
  /// and of what the input says. bar.geometry is needed for the dependence on positions.
  template <Number T>
  void polarization_pullback(const ChargeInput<T>& input, const Vector3<T>& polarization_bar,
                             std::span<T> p_bar, InputCotangents<T> bar) const;

  /// Adds −E·P − p·v_ext [eV] to the atoms, v_ext at the positions as given: what a field does to
  /// bonds that cross the cell, half to each end. Zero for molecules.
  template <Number T>
  void field_energies(const ChargeInput<T>& input, std::span<T> energies) const;
  /// The adjoint, for the same cotangent of all atoms' energies.
  template <Number T>
  void field_energies_pullback(const ChargeInput<T>& input, T energy_bar,
                               InputCotangents<T> bar) const;

 private:
  template <class T>
  static T* charge(std::span<T> p, int atom) {
    return &p[static_cast<std::size_t>(atom) * size];
  }
  /// n·h of an edge: how much further than the bond its two positions are apart.
  template <Number T>
  static Vector3<T> crossing(const Geometry<T>& g, std::size_t e) {
    return g.positions[static_cast<std::size_t>(g.receiver[e])] -
           g.positions[static_cast<std::size_t>(g.sender[e])] - g.vector[e];
  }
  /// (Q − Σf)/N.
  template <Number T>
  T excess(const ChargeInput<T>& input) const {
    if constexpr (!shares_excess) return T{};
    double sum = 0.0;
    for (std::size_t i = 0; i < input.species.size(); ++i) sum += formal_.of(input, i);
    using R = RealOf<T>;
    return (input.total_charge - T(static_cast<R>(sum))) / static_cast<R>(input.n_atoms());
  }

  SplitChargesOptions options_;
  FormalCharges formal_;
  BondReadout transfer_;
  FeatureReadout dipole_;
};

template <int L, bool shares_excess>
void SplitCharges<L, shares_excess>::declare(ParameterLayout& layout,
                                             std::span<const FeatureShape> shapes,
                                             std::span<const int> species) {
  formal_.check_options("SplitCharges", species.size());
  options_.widths.check("SplitCharges", species.size());
  const int n = static_cast<int>(species.size());
  BondReadoutOptions bonds;
  bonds.radial = options_.radial;
  bonds.cutoff = options_.cutoff;
  bonds.species_weights = options_.species_weights;
  bonds.initial_weights = options_.initial_weights;
  transfer_ = BondReadout(bonds);
  transfer_.declare(layout, "charge/bond/", shapes, n);
  if constexpr (L == 1) {
    FeatureReadoutOptions readout;
    readout.l = 1;
    readout.species_weights = options_.species_weights;
    readout.initial_weights = options_.initial_weights;
    dipole_ = FeatureReadout(readout);
    dipole_.declare(layout, "charge/dipole/", shapes, n);
  }
}

template <int L, bool shares_excess>
template <Number T>
void SplitCharges<L, shares_excess>::multipoles(const ChargeInput<T>& input, std::span<T> p) const {
  formal_.check("SplitCharges", input);
  const Geometry<T>& g = *input.geometry;
  const T shared = excess(input);
  for (int i = 0; i < input.n_atoms(); ++i) {
    const std::size_t atom = static_cast<std::size_t>(i);
    *charge(p, i) = T(static_cast<RealOf<T>>(formal_.of(input, atom))) + shared;
    if constexpr (L == 1) dipole_.forward(input.features, i, input.species[atom], charge(p, i) + 1);
  }
  transfer_.for_each_half(input.features, g, input.species, [&](std::size_t e, const T* half) {
    *charge(p, g.receiver[e]) += *half;
    *charge(p, g.sender[e]) -= *half;
  });
}

template <int L, bool shares_excess>
template <Number T>
void SplitCharges<L, shares_excess>::pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                                              InputCotangents<T> bar) const {
  const Geometry<T>& g = *input.geometry;
  transfer_.for_each_half_pullback(
      input.features, g, input.species,
      [&](std::size_t e, const T*, T* half_bar) {
        *half_bar = *charge(p_bar, g.receiver[e]) - *charge(p_bar, g.sender[e]);
      },
      bar.features, bar.edges, bar.parameters);
  if constexpr (L == 1)
    for (int i = 0; i < input.n_atoms(); ++i)
      dipole_.pullback(input.features, i, input.species_of(i), charge(p_bar, i) + 1, bar.features,
                       bar.parameters);
}

template <int L, bool shares_excess>
template <Number T>
Vector3<T> SplitCharges<L, shares_excess>::polarization(const ChargeInput<T>& input,
                                                        std::span<const T> p) const {
  const Geometry<T>& g = *input.geometry;
  const T shared = excess(input);
  Vector3<T> sum;
  for (int i = 0; i < input.n_atoms(); ++i) {
    const std::size_t atom = static_cast<std::size_t>(i);
    sum += (T(static_cast<RealOf<T>>(formal_.of(input, atom))) + shared) * g.positions[atom];
    if constexpr (L == 1)  // (y, z, x)
      for (int m = 0; m < 3; ++m) sum[(m + 1) % 3] += charge(p, i)[1 + m];
  }
  transfer_.for_each_half(input.features, g, input.species,
                          [&](std::size_t e, const T* half) { sum += *half * g.vector[e]; });
  return sum;
}

template <int L, bool shares_excess>
template <Number T>
void SplitCharges<L, shares_excess>::polarization_pullback(const ChargeInput<T>& input,
                                                           const Vector3<T>& polarization_bar,
                                                           std::span<T> p_bar,
                                                           InputCotangents<T> bar) const {
  const Geometry<T>& g = *input.geometry;
  const T shared = excess(input);
  for (int i = 0; i < input.n_atoms(); ++i) {
    const std::size_t atom = static_cast<std::size_t>(i);
    if constexpr (L == 1)
      for (int m = 0; m < 3; ++m) charge(p_bar, i)[1 + m] += polarization_bar[(m + 1) % 3];
    if (bar.geometry == nullptr) continue;
    const Vector3<T> r_bar =
        (T(static_cast<RealOf<T>>(formal_.of(input, atom))) + shared) * polarization_bar;
    bar.geometry->positions[atom] += r_bar;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) bar.geometry->strain(a, b) += g.positions[atom][a] * r_bar[b];
  }
  transfer_.for_each_half_pullback(
      input.features, g, input.species,
      [&](std::size_t e, const T* half, T* half_bar) {
        *half_bar = dot(polarization_bar, g.vector[e]);
        if (!bar.edges.empty()) bar.edges[e] += *half * polarization_bar;
      },
      bar.features, bar.edges, bar.parameters);
}

template <int L, bool shares_excess>
template <Number T>
void SplitCharges<L, shares_excess>::field_energies(const ChargeInput<T>& input,
                                                    std::span<T> energies) const {
  const Geometry<T>& g = *input.geometry;
  transfer_.for_each_half(input.features, g, input.species, [&](std::size_t e, const T* half) {
    const T energy =
        *half * dot(input.external_field, crossing(g, e)) * static_cast<RealOf<T>>(0.5);
    energies[static_cast<std::size_t>(g.receiver[e])] += energy;
    energies[static_cast<std::size_t>(g.sender[e])] += energy;
  });
}

template <int L, bool shares_excess>
template <Number T>
void SplitCharges<L, shares_excess>::field_energies_pullback(const ChargeInput<T>& input,
                                                             T energy_bar,
                                                             InputCotangents<T> bar) const {
  const Geometry<T>& g = *input.geometry;
  transfer_.for_each_half_pullback(
      input.features, g, input.species,
      [&](std::size_t e, const T* half, T* half_bar) {
        // n·h moves with the cell alone.
        const Vector3<T> n_h = crossing(g, e);
        *half_bar = energy_bar * dot(input.external_field, n_h);
        const T t = energy_bar * *half;
        if (bar.external_field) *bar.external_field += t * n_h;
        if (!bar.geometry) return;
        for (int a = 0; a < 3; ++a)
          for (int b = 0; b < 3; ++b)
            bar.geometry->strain(a, b) += t * n_h[a] * input.external_field[b];
      },
      bar.features, bar.edges, bar.parameters);
}

static_assert(ExplicitChargeModel<SplitCharges<0>>);
static_assert(ExplicitChargeModel<SplitCharges<1>>);
static_assert(ExplicitChargeModel<SplitCharges<1, false>>);

}  // namespace leyden::inline LEYDEN_ABI
