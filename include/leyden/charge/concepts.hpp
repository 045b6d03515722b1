// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/features.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace leyden::inline LEYDEN_ABI {

/// How the multipoles p are found (design: one idea).
enum class ChargeKind {
  none,         ///< there are none
  explicit_,    ///< p = f(h)
  variational,  ///< p minimises an energy; so far: a quadratic one
};

/// What a charge model sees of a structure.
template <Number T>
struct ChargeInput {
  std::span<const FeatureArray<T>> features;  // one per layer
  std::span<const int> species;               // (n) index into the model's species list
  RealOf<T> total_charge;                     // e

  int n_atoms() const { return static_cast<int>(species.size()); }
  int species_of(int atom) const { return species[static_cast<std::size_t>(atom)]; }
};

/// A charge model holds site functions only: what one atom does, given its features. The engine
/// (scf/) and the solver do the rest.
///
/// - declare(layout, shapes, species): adds slices; `species` are atomic numbers.
/// - prepare(parameters): called after every change of parameters.
/// - widths(species, out): the Gaussian width of each atom [Å]; here `species` are indices, as in
///   ChargeInput.
/// - name, kind, l_max (highest multipole), conserves_charge.
template <class Q>
concept ChargeModel = requires(Q q, const Q& c, ParameterLayout& layout,
                               std::span<const FeatureShape> shapes, std::span<const int> species,
                               std::span<const double> parameters, std::span<double> widths) {
  { Q::name } -> std::convertible_to<std::string_view>;
  { Q::kind } -> std::convertible_to<ChargeKind>;
  { Q::l_max } -> std::convertible_to<int>;
  { Q::conserves_charge } -> std::convertible_to<bool>;
  q.declare(layout, shapes, species);
  q.prepare(parameters);
  c.widths(species, widths);
};

/// p = f(h).
///
/// - multipoles(input, p): (n·(l_max+1)²), atom-major, [q, y, z, x].
/// - pullback(input, p̄, h̄, parameter_gradient): adds to both; an empty gradient is skipped.
template <class Q>
concept ExplicitChargeModel =
    ChargeModel<Q> &&
    Q::kind == ChargeKind::explicit_&& requires(const Q& c, const ChargeInput<double>& input,
                                                std::span<double> p, std::span<const double> p_bar,
                                                std::span<FeatureArray<double>> h_bar) {
  c.multipoles(input, p);
  c.pullback(input, p_bar, h_bar, p);
};

/// p minimises Σ_i χ_i·p_i + ½ p_i·η_i p_i + ½ pᵀKp + p·v_ext at fixed total charge, η_i > 0.
///
/// - sites(input, chi, eta): (n·(l_max+1)²) each.
/// - pullback(input, chi_bar, eta_bar, h̄, parameter_gradient): adds to both.
template <class Q>
concept QuadraticChargeModel =
    ChargeModel<Q> && Q::kind ==
    ChargeKind::variational&& requires(const Q& c, const ChargeInput<double>& input,
                                       std::span<double> out, std::span<const double> bar,
                                       std::span<FeatureArray<double>> h_bar) {
  c.sites(input, out, out);
  c.pullback(input, bar, bar, h_bar, out);
};

}  // namespace leyden::inline LEYDEN_ABI
