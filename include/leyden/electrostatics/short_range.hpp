// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/short_range_plan.hpp>

#include <string_view>
#include <type_traits>

namespace leyden::inline LEYDEN_ABI {

struct ShortRangeOptions {
  /// Relative accuracy of radial functions: of the fits, and of what is neglected beyond the
  /// cutoff. Forces on charges 2 Å apart follow it: their relative rms error is 0.4 to 1.7 of this.
  /// Bounded below by the rounding of the number type.
  double accuracy = 1e-9;
  /// Å. 0: that of the splitting, where it has one (prolate), and the distance at which erfc(αr) is
  /// `accuracy` for a Gaussian splitting.
  double cutoff = 0.0;
  /// Whether the own-atom terms of the sum of both parts are those of K or zero.
  SelfInteraction self = SelfInteraction::included;
  /// Å. With a skin the list of neighbours is kept while no atom has moved more than half of it and
  /// the cell is the same. Building the list costs some four evaluations of energy and forces;
  /// 0.5 Å makes these a quarter dearer.
  double skin = 0.0;
  /// From the second application of a plan on, its radial functions are kept, if they take no more
  /// than this many bytes.
  double memory = 1.0e9;
};

/// The short-ranged part of the Coulomb interaction of Gaussian multipoles, C (erf(g_ij r)/r −
/// L(r)) with g_ij = 1/√(2(σ_i² + σ_j²)) and L that of a Splitting, summed over all pairs closer
/// than the cutoff, periodic images included. With the long-range part of point multipoles (Fourier
/// transform (4π/k²) f(k), whatever the widths) it makes K.
///
/// The own-atom terms are those of K (zero when SelfInteraction::excluded) minus those of the
/// long-range part, B_l of L at r = 0.
///
/// Cost: neighbours in packs of one pair of widths, radial functions as polynomials in r²; no
/// exponentials, error functions or table look-ups. Deterministic with any number of threads: every
/// atom sums over its own neighbours. Widths may be zero (points), but only with
/// SelfInteraction::excluded.
class ShortRange {
 public:
  static constexpr std::string_view name = "short_range";
  static constexpr BoundarySupport boundaries{true, true, true};

  template <Number T>
  using Plan = detail::ShortRangePlan<T>;

  /// @throws ModelError for options that make no sense.
  explicit ShortRange(Splitting splitting, ShortRangeOptions options = {});

  const Splitting& splitting() const { return splitting_; }
  const ShortRangeOptions& options() const { return options_; }
  double cutoff() const { return cutoff_; }  ///< Å

  /// The total charge is not looked at. @throws ModelError when two Gaussians are so wide that they
  /// still overlap at the cutoff, for points with own-atom terms and for more than 64 different
  /// widths. @throws InputError for widths that are negative and for bad positions or cells.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// v = S p; (n·size) each, may be the same memory.
  template <Number T, Executor E = SerialExecutor>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v, const E& executor = {}) const;

  /// v += S p; not the same memory.
  template <Number T, Executor E = SerialExecutor>
  void add_potential(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                     std::type_identity_t<std::span<T>> v, const E& executor = {}) const;

  /// Adds factor · ∂(aᵀSb)/∂(positions, strain).
  template <Number T, Executor E = SerialExecutor>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient, const E& executor = {}) const;

  /// ½ pᵀSp, and adds factor times its derivative with respect to (positions, strain), in one pass.
  template <Number T, Executor E = SerialExecutor>
  T energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
           std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
           const E& executor = {}) const;

  /// S, row-major (n·size)², column by column.
  template <Number T>
  void assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const;

  /// Adds to out[(w·n + i)·size + lm] the short-ranged part of the potential of p averaged with a
  /// unit Gaussian of width w at atom i, and of its derivatives; own-atom terms as `shape` says.
  /// @throws ModelError when a feature is so wide that it overlaps a source at the cutoff.
  template <Number T, Executor E = SerialExecutor>
  void add_features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                    const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                    const E& executor = {}) const;

  /// As add_features, but sets.
  template <Number T, Executor E = SerialExecutor>
  void features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                const E& executor = {}) const;

  /// Adds ∂(cotangent·features)/∂p to p_bar.
  template <Number T, Executor E = SerialExecutor>
  void features_transpose(const Plan<T>& plan, std::type_identity_t<std::span<const T>> cotangent,
                          const PotentialFeatures& shape, std::type_identity_t<std::span<T>> p_bar,
                          const E& executor = {}) const;

  /// Adds factor · ∂(cotangent·features)/∂(positions, strain).
  template <Number T, Executor E = SerialExecutor>
  void feature_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> cotangent,
                        std::type_identity_t<std::span<const T>> p, const PotentialFeatures& shape,
                        std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                        const E& executor = {}) const;

 private:
  template <Number T>
  void plan_features(const Plan<T>& plan, const PotentialFeatures& shape) const;

  Splitting splitting_;
  ShortRangeOptions options_;
  double cutoff_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/short_range_impl.hpp>
