// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/features.hpp>
#include <leyden/scf/law.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace leyden::inline LEYDEN_ABI {

/// How the multipoles p are found (design: one idea).
enum class ChargeKind {
  none,         ///< there are none
  explicit_,    ///< p = f(h)
  variational,  ///< p minimises an energy
  fixed_point,  ///< p = F(h, v), v the potential that p makes
  recursion,    ///< p after a fixed number of steps that look at the potential
};

/// What a charge model sees of a structure.
template <Number T>
struct ChargeInput {
  std::span<const FeatureArray<T>> features;  // one per layer
  std::span<const int> species;               // (n) index into the model's species list
  T total_charge;                             // e (the structure's, but in T)
  Vector3<T> external_field{};                // V/Å, physical (the structure's, but in T)
  const Structure* structure = nullptr;       // formal charges, spin, constraints
  const Geometry<T>* geometry = nullptr;      // positions; edges within the descriptor's cutoff

  int n_atoms() const { return static_cast<int>(species.size()); }
  int species_of(int atom) const { return species[static_cast<std::size_t>(atom)]; }
};

/// Where a charge model adds the cotangents of what it read.
template <Number T>
struct InputCotangents {
  std::span<FeatureArray<T>> features;
  std::span<Vector3<T>> edges;              // (edges) of the edge vectors; empty: not asked for
  std::span<double> parameters;             // the flat vector (gradient_part); empty: not asked for
  GeometryGradient<T>* geometry = nullptr;  // beyond edge vectors; null: not asked for
  Vector3<T>* external_field = nullptr;     // beyond p·v_ext; null: not asked for
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
/// - pullback(input, p̄, bar): adds the cotangents of what it read.
template <class Q>
concept ExplicitChargeModel = ChargeModel<Q> && Q::kind ==
                              ChargeKind::explicit_&& requires(const Q& c,
                                                               const ChargeInput<double>& input,
                                                               std::span<double> p,
                                                               std::span<const double> p_bar,
                                                               InputCotangents<double> bar) {
  c.multipoles(input, p);
  c.pullback(input, p_bar, bar);
};

/// An explicit model whose charges flow along bonds, so that a field acts along periodic directions
/// too; positions count as given (field_images).
///
/// - field_energies(input, energies): adds what the field's energy is beyond p·v_ext (n).
/// - field_energies_pullback(input, ē, bar): the cotangents of their sum.
template <class Q>
concept ChargeModelWithFieldEnergies = ExplicitChargeModel<Q> &&
    requires(const Q& c, const ChargeInput<double>& input, std::span<double> energies,
             InputCotangents<double> bar) {
  Q::field_images;
  c.field_energies(input, energies);
  c.field_energies_pullback(input, 1.0, bar);
};

/// p from a few learned steps that look at the potential in between.
///
/// - Tape<T>: all memory of one structure.
/// - forward(input, solver, plan, p, site_energies, tape): sets p (n·size) and the energies of
/// atoms
///   beyond ½pᵀKp + p·v_ext (n).
/// - backward(input, solver, plan, p̄, cotangent of the summed site energies, tape, bar).
///
/// Fields: models may state `field_images` (FieldImages) where they want positions as given.
template <class Q>
concept RecursiveChargeModel = ChargeModel<Q> && Q::kind == ChargeKind::recursion;

/// p follows from a law (scf/law.hpp) whose numbers are read from the surroundings.
///
/// - law(): the law; its form decides what is solved.
/// - sites(input, coefficients): sets them; they have been sized and are zero.
/// - pullback(input, coefficients, their cotangents, bar): adds the cotangents of what it read.
/// - exchanges_charge: whether the total charge responds to the Fermi level. Where it does not, the
///   coefficients alone make the total charge, exactly.
template <class Q>
concept SelfConsistentChargeModel =
    ChargeModel<Q> &&(Q::kind == ChargeKind::variational || Q::kind == ChargeKind::fixed_point) &&
    requires(const Q& c, const ChargeInput<double>& input, SiteCoefficients<double>& out,
             const SiteCoefficients<double>& in, InputCotangents<double> bar) {
  { Q::exchanges_charge } -> std::convertible_to<bool>;
  { c.law() } -> SiteLaw;
  c.sites(input, out);
  c.pullback(input, in, in, bar);
};

}  // namespace leyden::inline LEYDEN_ABI
