// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

#include <concepts>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

/// A law says what an atom and a bond do, given a few numbers (coefficients) that a charge model
/// has read from the surroundings. It is all that the engine knows of a charge model, and so small
/// that every derivative of it can be taken by (nested) dual numbers.
namespace leyden::inline LEYDEN_ABI {

enum class LawForm {
  energy,    ///< φ(p): an energy of the multipoles, minimised with their Coulomb energy
  response,  ///< φ(u), u = −v: the Legendre dual of such an energy, convex; p = ∂φ/∂u
  map,       ///< p = F(f): any function of the potential features f
};

/// The coefficients of one structure. Variational laws also have a quadratic energy of each atom,
/// χ·p + ½ Σ η p², η ≥ 0, which is what charge equilibration consists of.
template <class T>
struct SiteCoefficients {
  std::vector<T> chi;    // (n·size) V, V/Å
  std::vector<T> eta;    // (n·size) eV/e², eV/(e Å)²
  std::vector<T> atoms;  // (n·law.atom_size())
  std::vector<T> bonds;  // (pairs·law.bond_size()), pairs as in Geometry, from sender to receiver

  void assign(std::size_t unknowns, std::size_t n_atoms, std::size_t n_bonds, bool quadratic) {
    chi.assign(quadratic ? unknowns : 0, T{});
    eta.assign(quadratic ? unknowns : 0, T{});
    atoms.assign(n_atoms, T{});
    bonds.assign(n_bonds, T{});
  }
};

/// What all laws state. Their functions are templates on any number type, also nested duals, and
/// *add* to their results; a null pointer of coefficients' cotangents is skipped.
///
/// - form; atom_size(), bond_size(): coefficients per atom and per bond; no bonds where it is 0.
/// - quadratic: whether φ is at most quadratic in x (or F affine in f).
///
/// energy and response:
/// - T atom(c, x, x̄, c̄): φ_i(x_i; c_i), adds its gradients.
/// - T bond(c, x_s, x_t, x̄_s, x̄_t, c̄): the same for a bond.
/// map:
/// - void atom(c, f, p) adds F_i, void atom_pullback(c, f, p̄, c̄, f̄).
/// - void bond(c, f_s, f_t, p_s, p_t), void bond_pullback(c, f_s, f_t, p̄_s, p̄_t, c̄, f̄_s, f̄_t).
/// - feature_widths(): the Gaussian widths [Å] on which the potential is seen, f = [width][lm]:
/// value
///   [V] and gradient [V/Å]; empty: the atom's own, f = v.
///
/// Optionally, what bonds are known to do, which saves work:
/// - bond_components(): only the first so many coefficients of an atom (of each width) take part in
///   them; 1: the charges. Else all do.
/// - bonds_transfer(): responses and maps: what a bond gives one end it takes from the other, and a
///   potential common to both ends does not matter to it.
///
/// Optionally, an energy that is read out instead of the law's own (4G networks, fixed points):
/// - T readout(c, p, f, c̄, p̄, f̄): e_i(p_i, f_i; c_i), adds its gradients.
template <class L>
concept SiteLaw = requires(const L& law) {
  { L::form } -> std::convertible_to<LawForm>;
  { L::quadratic } -> std::convertible_to<bool>;
  { law.atom_size() } -> std::convertible_to<int>;
  { law.bond_size() } -> std::convertible_to<int>;
};

/// Whether the energy is read out, so that it is not stationary in p.
template <class L>
concept LawWithReadout = SiteLaw<L> && requires(const L& law, const double* in, double* out) {
  { law.readout(in, in, in, out, out, out) } -> std::convertible_to<double>;
};

/// No terms beyond the quadratic energy of each atom.
struct QuadraticLaw {
  static constexpr LawForm form = LawForm::energy;
  static constexpr bool quadratic = true;
  static constexpr int atom_size() { return 0; }
  static constexpr int bond_size() { return 0; }
  template <class T>
  T atom(const T*, const T*, T*, T*) const {
    return T{};
  }
  template <class T>
  T bond(const T*, const T*, const T*, T*, T*, T*) const {
    return T{};
  }
};
static_assert(SiteLaw<QuadraticLaw>);

}  // namespace leyden::inline LEYDEN_ABI
