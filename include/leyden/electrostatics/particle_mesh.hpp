// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/particle_mesh_plan.hpp>

#include <type_traits>

namespace leyden::inline LEYDEN_ABI {

/// Gaussian multipoles (or points) by a particle-mesh Ewald sum, O(N log N), in any cell and under
/// all boundary conditions.
///
/// K = S + L (splitting.hpp): S among pairs within a cutoff, L on a mesh. Multipoles are spread to
/// the mesh by derivatives of a window (window.hpp), transformed, multiplied with an influence
/// function (influence.hpp), transformed back and read out by the same window: all derivatives are
/// exact derivatives of the mesh's energy, so that energy is conserved and the strain derivative is
/// that of the mesh. With all Gaussians broad the mesh takes the whole of K and there are no pairs.
///
/// Bulk: k = 0 is dropped, as in Reciprocal, whose conventions for charged cells hold here too (a
/// term of the average of S makes the average of the potential zero). Slabs, wires and molecules:
/// kernels cut off in a box with room for them (boundary_box.hpp), no images along open directions
/// and no assumption on the charge.
///
/// Duals: values and tangents are spread and transformed each on a mesh, exactly.
///
/// The mesh follows from the value of the cell: derivatives are exact for a fixed size of the mesh;
/// where it changes, the energy changes by the accuracy of the mesh.
class ParticleMesh {
 public:
  static constexpr std::string_view name = "particle_mesh";
  static constexpr BoundarySupport boundaries{true, true, true, true};
  /// assemble() takes an application for every column.
  static constexpr bool assembles_by_columns = true;

  /// @throws ModelError for options outside of their ranges.
  explicit ParticleMesh(ParticleMeshOptions options = {});

  /// Everything that depends on the geometry; opaque. Tables of the mesh are kept while the cell
  /// stays, memory while sizes do.
  template <Number T>
  using Plan = detail::ParticleMeshPlan<T>;

  /// Widths may be zero (points) with SelfInteraction::excluded.
  /// @throws ModelError for l_max > 2, for |Q| > 1e-6 in bulk without Background::uniform and for
  /// widths that do not fit the splitting. @throws InputError for a cell without volume or a
  /// negative width.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// v = K p; (n·size) each.
  template <Number T, Executor E = SerialExecutor>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v, const E& executor = {}) const;

  /// ½ pᵀKp; adds factor times its derivative with respect to positions and strain. One spreading,
  /// two transforms, one gathering.
  template <Number T, Executor E = SerialExecutor>
  T energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
           std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
           const E& executor = {}) const;

  /// Adds factor · ∂(aᵀKb)/∂(positions, strain).
  template <Number T, Executor E = SerialExecutor>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient, const E& executor = {}) const;

  /// The real part of K, row-major (n·size)², column by column.
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

  const ParticleMeshOptions& options() const { return options_; }

 private:
  ParticleMeshOptions options_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/particle_mesh_impl.hpp>
