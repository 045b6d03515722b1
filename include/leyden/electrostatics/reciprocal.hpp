// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/reciprocal_plan.hpp>

#include <type_traits>

namespace leyden::inline LEYDEN_ABI {

/// How far and in which setting Reciprocal sums.
struct ReciprocalOptions {
  /// The fraction of the force between two Gaussian dipoles of the smallest width that lies in wave
  /// vectors beyond the cutoff: k_c = x/σ_min with (1 + x²) exp(−x²) = accuracy, or of quadrupoles,
  /// when there are any, with (1 + x² + x⁴/2) exp(−x²). Energies are more
  /// accurate: their fraction is erfc(x) for charges.
  double accuracy = 1e-10;
  /// The largest |k| [1/Å]; 0: from `accuracy`.
  double k_cutoff = 0.0;
  Background background = Background::none;
  SelfInteraction self = SelfInteraction::included;
  /// Open directions: the largest width of potential features that will be asked for [Å]; 0: that
  /// of the widest source. The box keeps room for the tails of such Gaussians.
  double feature_width = 0.0;
};

/// Gaussian multipoles by the plain sum over wave vectors 0 < |k| ≤ k_c: in bulk
///
///     S(k) = Σ_i (q_i − i k·d_i − ½ k·M_i·k) exp(−σ_i²k²/2 − i k·r_i),   aᵀKb = (4πC/V) Σ Re(S_a
///     S_b*)/k²
///
/// (tin-foil boundary). Cost O(n V k_c³), no real-space part: made for broad Gaussians.
///
/// k = 0 is dropped. For a neutral cell that is exact. For a charge Q it adds a uniform background
/// and makes the cell average of the potential zero. The finite part that Gaussians leave at k → 0,
/// −(2πC/V) Q Σ q_i σ_i², is dropped with it: the energy lies above that of point charges in the
/// same background by (2πC/V) Q Σ q_i σ_i² (beyond their overlap), which depends on the cell and so
/// is part of the stress.
///
/// Along open directions (of slabs, wires and molecules; the cell's rows there are not used) the
/// kernel is cut off in a box that holds all atoms and their tails (see boundary_box.hpp): there
/// are no images, no dipole correction and no assumption on the charge. The vacuum costs nothing
/// beyond that box, whose length is about 2 (thickness + 4 x σ), x as in `accuracy`: in a molecule
/// O(n) atoms need O(n) wave vectors, and Direct is the faster choice but for broad Gaussians. The
/// potential of a net charge Q has its zero where that of a plane of area A is −2πC |z| Q/A and
/// that of a line of length L is −2C ln(ρ/Å) Q/L, on average over the plane or line; a molecule's
/// is zero at infinity. No Background is needed. The strain derivative is exact in all components;
/// those with an open direction are those of moving atoms (nothing else has an extent there).
///
/// The set of k follows from the value of the cell; under strain the integer indices stay and the
/// vectors move, so that derivatives are exact for the truncated sum.
class Reciprocal {
 public:
  static constexpr std::string_view name = "reciprocal";
  static constexpr BoundarySupport boundaries{true, true, true, true};

  /// @throws ModelError for an accuracy outside of (0, 0.1) or a negative cutoff.
  explicit Reciprocal(ReciprocalOptions options = {});

  /// Geometry's part of the sum; opaque.
  template <Number T>
  using Plan = detail::ReciprocalPlan<T>;

  /// @throws ModelError for l_max > 2, for |Q| > 1e-6 in bulk without Background::uniform, and when
  /// the widths ask for more than 1e8 wave vectors.
  /// @throws InputError for a cell without volume or a width that is not positive.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// v = K p; (n·size) each.
  template <Number T, Executor E = SerialExecutor>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v, const E& executor = {}) const;

  /// Adds factor · ∂(aᵀKb)/∂(positions, strain).
  template <Number T, Executor E = SerialExecutor>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient, const E& executor = {}) const;

  /// ½ pᵀKp; adds factor times its derivative with respect to positions and strain. One pass.
  template <Number T, Executor E = SerialExecutor>
  T energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
           std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
           const E& executor = {}) const;

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

  /// The cutoff that is used for sources of smallest width `width` [1/Å].
  double k_cutoff(double width, int l_max = 1) const;

  const ReciprocalOptions& options() const { return options_; }

 private:
  double x_cutoff(int l_max) const;  // the cutoff of width 1 that `accuracy` asks for

  ReciprocalOptions options_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/reciprocal_impl.hpp>
