// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <array>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Gaussian multipoles in open space, by exact pair sums: O(n²), no parameters.
///
/// The radial functions of all pairs are kept in the plan, so `apply` is multiply-add; memory
/// 8 B · n²/2 per radial function (two for charges, four with dipoles, six with quadrupoles).
class Direct {
 public:
  static constexpr std::string_view name = "direct";
  static constexpr BoundarySupport boundaries{true, false, false};

  explicit Direct(SelfInteraction self = SelfInteraction::included) : self_(self) {}

  template <Number T>
  struct Plan {
    using number_type = T;
    int n_atoms = 0;
    int l_max = 0;
    int packs = 0;                                   // of atoms
    std::vector<double> widths;                      // (n)
    std::vector<Vector3<T>> positions;               // (n)
    std::vector<int> slot_atom;                      // (packs · lanes)
    Buffer<Pack<T>> coordinates;                     // [pack][x, y, z]
    Buffer<Pack<RealOf<T>>> pack_widths;             // [pack]
    std::vector<std::size_t> row_first;              // (n): row i holds the packs from i / lanes on
    std::array<Buffer<Pack<T>>, 6> radial;           // B_0 … B_5 of j > i; zero elsewhere
    mutable Buffer<Pack<T>> a, b, out;               // scratch: multipoles and results as packs
    mutable std::array<std::vector<T>, 2> assembly;  // scratch
    mutable std::vector<T> result;                   // scratch
  };

  /// @throws ModelError when a direction is periodic, or for l_max > 2.
  /// @throws InputError when a width is not positive.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// v = K p; (n·size) each.
  template <Number T>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v) const;

  /// Adds factor · ∂(aᵀKb)/∂(positions, strain).
  template <Number T>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient) const;

  /// The real part of K, row-major (n·size)².
  template <Number T>
  void assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const;

  /// out[(w·n + i)·size + lm]: the potential of p averaged with a unit Gaussian of width w at atom
  /// i [V] and its gradient [V/Å].
  template <Number T>
  void features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out) const;

  /// Adds ∂(cotangent·features)/∂p to p_bar.
  template <Number T>
  void features_transpose(const Plan<T>& plan, std::type_identity_t<std::span<const T>> cotangent,
                          const PotentialFeatures& shape,
                          std::type_identity_t<std::span<T>> p_bar) const;

  /// Adds factor · ∂(cotangent·features)/∂(positions, strain).
  template <Number T>
  void feature_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> cotangent,
                        std::type_identity_t<std::span<const T>> p, const PotentialFeatures& shape,
                        std::type_identity_t<T> factor, GeometryGradient<T>& gradient) const;

 private:
  SelfInteraction self_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/direct_impl.hpp>
