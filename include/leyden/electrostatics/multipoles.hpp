// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/pack.hpp>
#include <leyden/core/units.hpp>
#include <leyden/core/vector3.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/quadrupoles.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

/// Conventions of Gaussian multipoles.
///
/// Atom i at r_i carries the density
///
///     ρ_i(r) = (q_i − d_i·∇) (2πσ_i²)^(−3/2) exp(−|r − r_i|²/2σ_i²)
///
/// which has charge q_i [e] and dipole d_i [e Å] exactly ("unit multipole moment"). Coefficients of
/// an atom are ordered [q] or [q, d_y, d_z, d_x]. The conjugate potential coefficients are the
/// potential v̄ averaged with the atom's own unit Gaussian [V] and its gradient, in the same order:
/// [v̄, ∂_y v̄, ∂_z v̄, ∂_x v̄] [V/Å]; the gradient is minus the electric field.
///
/// Quadrupoles (l_max 2, Direct and Reciprocal) follow as five coefficients m = −2 … 2 of the
/// moments of R_m = √(4π/5) r² Y_2m, i.e. √3 xy, √3 yz, (3z² − r²)/2, √3 xz, (√3/2)(x² − y²) [e
/// Å²]: the density is (1/3) Σ_m p_m R_m(∇) of the Gaussian, the conjugate coefficients are (1/3)
/// R_m(∇) v̄ [V/Å²].
namespace leyden::inline LEYDEN_ABI {

/// The Cartesian component (0 = x) that coefficient lm = 1, 2, 3 stands for: y, z, x.
inline constexpr std::array<int, 4> cartesian_of_coefficient{-1, 1, 2, 0};

/// l of coefficient lm = 0 … 8.
inline constexpr int degree_of_coefficient(int lm) { return lm == 0 ? 0 : lm < 4 ? 1 : 2; }

/// The interaction of a unit multipole of width `source` with the potential that it makes itself,
/// averaged with a Gaussian of width `receiver` [Å]: v̄(0) for l = 0 [V], ∂v̄(0) along the dipole for
/// l = 1 [V/Å], (1/3) R_m(∇) v̄(0) for l = 2 [V/Å²]. With σ² = source² + receiver²:
///
///     l = 0: C √(2/π) / σ          l = 1: (C/3) √(2/π) / σ³          l = 2: (C/15) √(2/π) / σ⁵
inline double self_interaction(int l, double source, double receiver) {
  const double s2 = source * source + receiver * receiver;
  const double l0 =
      units::coulomb * std::sqrt(2.0) * std::numbers::inv_sqrtpi_v<double> / std::sqrt(s2);
  return l == 0 ? l0 : l == 1 ? l0 / (3.0 * s2) : l0 / (15.0 * s2 * s2);
}

/// What turns (v̄, ∂v̄) into projections on Gaussians normalised to a unit radial moment
/// ∫ r^(l+2) exp(−r²/2s²) dr ("receiver" normalisation of published weights): the feature of l = 0
/// is √(4π) v̄, of l = 1 √(3/2) π s ∂v̄.
inline double receiver_normalization(int l, double width) {
  return l == 0 ? 2.0 / std::numbers::inv_sqrtpi_v<double>
                : std::sqrt(1.5) * std::numbers::pi * width;
}

/// Which averages of the potential are wanted as features of every atom: on Gaussians of each of
/// `widths` [Å], up to the gradient (l_max = 1: [v̄, ∂_y v̄, ∂_z v̄, ∂_x v̄]) or the second derivatives
/// (l_max = 2, Direct and Reciprocal: in the order of quadrupole coefficients), with or without the
/// potential of the atom's own density.
struct PotentialFeatures {
  int l_max = 0;
  std::span<const double> widths;
  SelfInteraction self = SelfInteraction::included;
};

namespace detail {

inline constexpr int multipole_size(int l_max) { return (l_max + 1) * (l_max + 1); }

// `points`: whether widths of zero are legal.
inline void check_sources(const char* where, int n_atoms, const SourceShape& source,
                          int highest = 1, bool points = false) {
  if (source.l_max < 0 || source.l_max > highest)
    throw ModelError(std::string(where) +
                     ": multipoles of l_max = " + std::to_string(source.l_max) +
                     " given; this solver serves charges (0) up to l = " + std::to_string(highest));
  if (source.widths.size() != static_cast<std::size_t>(n_atoms))
    throw ModelError(std::string(where) + ": " + std::to_string(source.widths.size()) +
                     " widths given for " + std::to_string(n_atoms) + " atoms; give one per atom");
  for (std::size_t i = 0; i < source.widths.size(); ++i)
    if (!(points ? source.widths[i] >= 0 : source.widths[i] > 0) ||
        !std::isfinite(source.widths[i]))
      throw InputError(std::string(where) + ": the Gaussian width of atom " + std::to_string(i) +
                       " is " + std::to_string(source.widths[i]) + " Angstrom; it must be " +
                       (points ? "positive, or zero for a point"
                               : "positive (zero, a point, only without own-atom terms)"));
}

inline void check_features(const char* where, const PotentialFeatures& shape, int highest = 1) {
  if (shape.l_max < 0 || shape.l_max > highest)
    throw ModelError(std::string(where) +
                     ": potential features of l_max = " + std::to_string(shape.l_max) +
                     " asked for; this solver serves 0 up to " + std::to_string(highest));
  for (const double width : shape.widths)
    if (!(width > 0) || !std::isfinite(width))
      throw InputError(std::string(where) + ": a feature width is " + std::to_string(width) +
                       " Angstrom; it must be positive");
}

// Visits (index into features, index into p, constant) of all own-atom terms.
template <class Visit>
void for_each_own_feature(std::span<const double> widths, int l_max, const PotentialFeatures& shape,
                          Visit&& visit) {
  const int n = static_cast<int>(widths.size());
  const int fs = multipole_size(shape.l_max), ps = multipole_size(l_max);
  for (int w = 0; w < static_cast<int>(shape.widths.size()); ++w)
    for (int i = 0; i < n; ++i)
      for (int lm = 0; lm < std::min(fs, ps); ++lm)
        visit(static_cast<std::size_t>((w * n + i) * fs + lm),
              static_cast<std::size_t>(i * ps + lm),
              self_interaction(degree_of_coefficient(lm), widths[static_cast<std::size_t>(i)],
                               shape.widths[static_cast<std::size_t>(w)]));
}

template <Number T>
void add_own_features(std::span<const double> widths, int l_max, const PotentialFeatures& shape,
                      RealOf<T> factor, std::span<const T> p, std::span<T> out) {
  for_each_own_feature(widths, l_max, shape, [&](std::size_t f, std::size_t at, double constant) {
    out[f] += p[at] * (factor * static_cast<RealOf<T>>(constant));
  });
}

template <Number T>
void add_own_features_transpose(std::span<const double> widths, int l_max,
                                const PotentialFeatures& shape, RealOf<T> factor,
                                std::span<const T> cotangent, std::span<T> p_bar) {
  for_each_own_feature(widths, l_max, shape, [&](std::size_t f, std::size_t at, double constant) {
    p_bar[at] += cotangent[f] * (factor * static_cast<RealOf<T>>(constant));
  });
}

// Multipoles as packs over atoms, [pack][q, x, y, z, xx … yz] (or the first one or four).
// `slot_atom` says which atom stands in a lane; −1 is padding and gets zeros. With out_l_max >
// l_max the rest is zero.
template <Number T>
void pack_multipoles(std::span<const T> p, int l_max, std::span<const int> slot_atom,
                     Buffer<Pack<T>>& out, int out_l_max = 0) {
  using R = RealOf<T>;
  const int size = multipole_size(l_max);
  const int out_size = cartesian_size(std::max(l_max, out_l_max));
  const int packs = static_cast<int>(slot_atom.size()) / Pack<T>::lanes;
  out.resize(static_cast<std::size_t>(packs * out_size));
  if (out_size != cartesian_size(l_max)) std::fill(out.begin(), out.end(), Pack<T>());
  for (int k = 0; k < packs; ++k)
    for (int lane = 0; lane < Pack<T>::lanes; ++lane) {
      const int i = slot_atom[static_cast<std::size_t>(k * Pack<T>::lanes + lane)];
      const T* from = i < 0 ? nullptr : p.data() + i * size;
      Pack<T>* to = out.data() + k * out_size;
      for (int lm = 0; lm < std::min(size, 4); ++lm)
        to[lm == 0 ? 0 : 1 + cartesian_of_coefficient[static_cast<std::size_t>(lm)]].set_lane(
            lane, from ? from[lm] : T(0));
      if (size < 9) continue;
      for (std::size_t c = 0; c < 6; ++c) {
        T sum(0);
        if (from)
          for (std::size_t m = 0; m < 5; ++m)
            sum += from[4 + m] * static_cast<R>(quadrupole_tensor[c][m]);
        to[4 + c].set_lane(lane, sum);
      }
    }
}

// Turns the Cartesian potential at(c) = v, ∂_x … ∂_z, ∂_xx … ∂_yz into coefficients; sets or adds.
template <Number T, class At>
void store_cartesian(int l_max, const At& at, bool add, T* v) {
  using R = RealOf<T>;
  for (int lm = 0; lm < multipole_size(l_max); ++lm) {
    T x(0);
    if (lm < 4) {
      x = at(lm == 0 ? 0 : 1 + cartesian_of_coefficient[static_cast<std::size_t>(lm)]);
    } else {
      for (std::size_t p = 0; p < 6; ++p)
        x += at(4 + static_cast<int>(p)) *
             static_cast<R>(second_derivative_weight[p] *
                            quadrupole_tensor[p][static_cast<std::size_t>(lm - 4)]);
    }
    v[lm] = add ? v[lm] + x : x;
  }
}

// visit(integral constant 0, 1 or 2) of l_max.
template <class Visit>
void with_degree(int l_max, Visit&& visit) {
  if (l_max == 0) return visit(std::integral_constant<int, 0>());
  if (l_max == 1) return visit(std::integral_constant<int, 1>());
  visit(std::integral_constant<int, 2>());
}

// Adds factor · (own-atom terms) · p to v; (n·size) each.
template <Number T>
void add_own_potential(std::span<const double> widths, int l_max, double factor,
                       std::span<const T> p, std::span<T> v) {
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  for (std::size_t at = 0; at < v.size(); ++at) {
    const double width = widths[at / size];
    const int l = degree_of_coefficient(static_cast<int>(at % size));
    v[at] += p[at] * static_cast<RealOf<T>>(factor * self_interaction(l, width, width));
  }
}

// K column by column, from any solver's apply. The plan lends two vectors, so that a warm call does
// not allocate.
template <class Solver, class P, class R>
void assemble_by_columns(const Solver& solver, const P& plan, std::span<R> matrix) {
  using T = typename P::number_type;
  const auto n = static_cast<std::size_t>(plan.n_atoms * multipole_size(plan.l_max));
  std::vector<T>& unit = plan.assembly[0];
  std::vector<T>& column = plan.assembly[1];
  unit.assign(n, T(0));
  column.resize(n);
  for (std::size_t j = 0; j < n; ++j) {
    unit[j] = T(1);
    solver.apply(plan, std::span<const T>(unit), std::span<T>(column));
    unit[j] = T(0);
    for (std::size_t i = 0; i < n; ++i) matrix[i * n + j] = value_of(column[i]);
  }
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
