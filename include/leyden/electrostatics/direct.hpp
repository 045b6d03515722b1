// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/direct_plan.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <cstddef>
#include <type_traits>

namespace leyden::inline LEYDEN_ABI {

/// What Direct is built from.
struct DirectOptions {
  SelfInteraction self = SelfInteraction::included;  ///< whether own-atom terms are part of K
  double memory = 32 * 1024.0 * 1024.0;  ///< bytes: radial functions are kept while they fit
};

/// Gaussian multipoles in open space, by exact pair sums: O(n²), no parameters. Widths of zero
/// (points) are legal when SelfInteraction::excluded; points that coincide give no finite result.
///
/// Atoms are sorted into packs that lie close together, so that most packs see only atoms so far
/// away that Gaussians are points. Radial functions are computed as they are needed; `apply`, which
/// self-consistency calls many times, keeps them in the plan from its first call on while they take
/// no more than `memory` bytes (8 B · n²/2 for each of one radial function for charges, three with
/// dipoles, five with quadrupoles): larger ones would come from memory no faster than they are
/// computed.
class Direct {
 public:
  static constexpr std::string_view name = "direct";
  static constexpr BoundarySupport boundaries{true, false, false};

  explicit Direct(DirectOptions options = {}) : options_(options) {}
  explicit Direct(SelfInteraction self) : Direct(DirectOptions{.self = self}) {}

  const DirectOptions& options() const { return options_; }

  template <Number T>
  using Plan = detail::DirectPlan<T>;

  /// @throws ModelError when a direction is periodic, or for l_max > 2.
  /// @throws InputError when a width is negative, or zero with own-atom terms.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// Returns ½ pᵀKp and adds factor times its gradient, in one pass.
  template <Number T, Executor E = SerialExecutor>
  T energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
           std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
           const E& executor = {}) const;

  /// v = K p; (n·size) each.
  template <Number T, Executor E = SerialExecutor>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v, const E& executor = {}) const;

  /// Adds factor · ∂(aᵀKb)/∂(positions, strain).
  template <Number T, Executor E = SerialExecutor>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient, const E& executor = {}) const;

  /// The real part of K, row-major (n·size)².
  template <Number T>
  void assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const;

  /// out[(w·n + i)·size + lm]: the potential of p averaged with a unit Gaussian of width w at atom
  /// i [V] and its gradient [V/Å].
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
  DirectOptions options_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/direct_impl.hpp>
