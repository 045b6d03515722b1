// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/ewald_settings.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/reciprocal_plan.hpp>
#include <leyden/electrostatics/short_range.hpp>

#include <optional>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Gaussian multipoles of any width, or points, by Ewald's sum: pairs within a cutoff and waves.
///
/// K = S + L (splitting.hpp). S is summed over pairs (short_range.hpp), L over wave vectors
/// 0 < |k| ≤ k_c as Reciprocal does, of point multipoles and with the weights kernel·f:
///
///     aᵀKb = Σ_pairs S_ij + (4πC/V) Σ Re(S_a S_b*) f(k)/k² + (own-atom terms of S)
///
/// Cost O(n V k_c³) and O(n r_c³): of the order of n^(3/2) at the best cutoff, which is small for
/// small cells. With a prolate split (the default) both sums end at their cutoffs.
///
/// Bulk: the conventions of Reciprocal, with which this solver agrees: tin-foil boundary, a cell
/// average of the potential of zero. The average of S is taken off for that (k = 0 of L is
/// dropped):
///
///     v_i −= (C/V) [(N − 2π σ_i²) Q − 2π Σ_j q_j σ_j²],     N = ∫ (1/r − L) d³r
///
/// so energies of charged cells do not depend on the split. Open directions are Reciprocal's, too:
/// L with the kernels of boundary_box.hpp, S as it is.
///
/// The set of waves follows from the value of the cell; under strain the integer indices stay and
/// the vectors move, so that derivatives are exact for the truncated sum. A Gaussian split drops
/// pairs at the cutoff, where the energy jumps by the accuracy.
class Ewald {
 public:
  static constexpr std::string_view name = "ewald";
  static constexpr BoundarySupport boundaries{true, true, true, true};

  /// @throws ModelError for options outside of their ranges.
  explicit Ewald(EwaldOptions options = {});

  /// Everything that depends on the geometry; opaque. The split and its tables are kept while
  /// cutoff, widths and l_max stay.
  template <Number T>
  struct Plan {
    using number_type = T;
    int n_atoms = 0;
    int l_max = 0;
    bool bulk = true;
    std::vector<double> widths;  // (n)
    detail::EwaldSettings settings;
    std::optional<ShortRange> short_range;
    ShortRange::Plan<T> pairs;
    detail::ReciprocalPlan<T> waves;  // of points
    std::vector<double> no_widths;    // (n) zeros
    T volume{};
    mutable std::vector<T> features;        // scratch
    mutable std::vector<RealOf<T>> matrix;  // scratch
  };

  /// Widths may be zero (points) with SelfInteraction::excluded.
  /// @throws ModelError for l_max > 2, for |Q| > 1e-6 in bulk without Background::uniform, for
  /// points with own-atom terms, for Gaussians that overlap at a cutoff that was given, and for
  /// more than 1e8 waves. @throws InputError for a cell without volume or a negative width.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// v = K p; (n·size) each.
  template <Number T, Executor E = SerialExecutor>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v, const E& executor = {}) const;

  /// ½ pᵀKp; adds factor times its derivative with respect to positions and strain. One pass over
  /// pairs and waves.
  template <Number T, Executor E = SerialExecutor>
  T energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
           std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
           const E& executor = {}) const;

  /// Adds factor · ∂(aᵀKb)/∂(positions, strain).
  template <Number T, Executor E = SerialExecutor>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient, const E& executor = {}) const;

  /// The real part of K, row-major (n·size)².
  template <Number T>
  void assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const;

  /// out[(w·n + i)·size + lm]: the potential of p averaged with a unit Gaussian of width w at atom
  /// i [V] and its derivatives.
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

  const EwaldOptions& options() const { return options_; }

 private:
  EwaldOptions options_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/ewald_impl.hpp>
