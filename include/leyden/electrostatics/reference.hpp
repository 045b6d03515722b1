// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/reciprocal_plan.hpp>
#include <leyden/electrostatics/reference_moments.hpp>

#include <array>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// How ReferenceElectrostatics sums. The defaults are those of the published molecular and
/// condensed-phase weights, but for the three numbers that belong to a model: the feature widths,
/// the radius of its data layer and whether own-atom terms are part of the energy.
struct ReferenceElectrostaticsOptions {
  /// The largest |k| [1/Å]; 0: reference_k_cutoff of the sources and of the next three numbers.
  double k_cutoff = 0.0;
  double k_cutoff_factor = 1.0;
  double smallest_feature_width = 0.0;  ///< Å, of all features of the model; 0: none
  int feature_l_max = 0;                ///< of all features of the model
  /// Own-atom terms of the energy; those of features are set by PotentialFeatures.
  SelfInteraction self = SelfInteraction::excluded;
  /// The corrections of slabs (directions 0 and 1 periodic) and of molecules in a box.
  bool boundary_corrections = true;
  /// Sums over wave vectors for molecules too, with the box correction, instead of pair sums.
  bool periodic_molecules = false;
  /// The cutoff radius of the model's graph [Å], when its data layer replaces the lattice vectors
  /// of open directions: see reference_cell. 0: the rows of the cell are used as they are.
  double replace_open_vectors = 0.0;
};

/// The cutoff rule of the reference, factor · 0.75 · (3/σ) (l + 1)^0.3 [1/Å], for the smallest
/// width and the highest l of sources and features.
double reference_k_cutoff(double smallest_width, int l_max, double factor = 1.0);

/// The cell that the reference's data layer makes: open directions get a vector along x, y or z (by
/// their index) of length 5 r_max (1 + max |x_i|, |y_i|, |z_i|); r_max 0 leaves the cell as it is.
template <Number T>
Matrix3<T> reference_cell(const Geometry<T>& geometry, double r_max);

/// Scales features (averaged potential and gradient) by receiver_normalization, as published
/// weights expect them; (widths·n·size).
template <Number T>
void scale_to_receivers(const PotentialFeatures& shape, std::type_identity_t<std::span<T>> values);

/// Gaussian multipoles in the conventions of the published PolarMACE weights (the package
/// graph_longrange), for parity with models that were trained in them. Not a solver to train new
/// models with: Direct and Reciprocal have no finite differences, no dependence on the origin and
/// no fitted box corrections.
///
/// - Three periodic directions: a sum over wave vectors n·G with |k| ≤ k_c, searched for
///   n = −N … N − 1, N = ⌈k_c |h|/2π⌉ per direction, and k = 0 dropped.
/// - Directions 0 and 1 periodic: the same in the cell with its third vector, plus
///   2πC D_z²/V, D the dipole with absolute positions (right for neutral slabs with normal z).
/// - No direction periodic: pair sums C erf(d/√(2(σ_a²+σ_b²)))/(d + 1e-6 Å) where dipoles are
///   charges displaced by one-sided steps of 0.02 Å for energies and 0.1 Å for features; or, with
///   `periodic_molecules`, the sum over wave vectors plus
///   C·2.837297 Q²/2V^(1/3) + (2πC/3V)(|D|² − QΘ), Θ = Σ q r² + 2 Σ d·r, with the exponent 0.3333
///   in energies and 0.333333 in features.
/// - Anything else: the sum over wave vectors alone.
///
/// In every case the energy is ½ pᵀKp. The strain derivative is that of a strain of positions and
/// of all three vectors of the cell in use, replaced ones included; but on dual numbers a replaced
/// vector carries no strain, because the geometry has none of it.
class ReferenceElectrostatics {
 public:
  static constexpr int l_max = 1;  // of sources and features
  static constexpr std::string_view name = "reference";
  static constexpr BoundarySupport boundaries{true, true, true};

  /// @throws ModelError for options that are negative or not finite.
  explicit ReferenceElectrostatics(ReferenceElectrostaticsOptions options = {});

  template <Number T>
  struct Plan {
    using number_type = T;
    int n_atoms = 0;
    int l_max = 0;
    bool pairs = false;                              // pair sums instead of wave vectors
    detail::BoundaryCorrection correction{};         // of the sum over wave vectors
    detail::ReciprocalPlan<T> waves;                 // not used for pairs
    std::vector<double> widths;                      // (n)
    std::vector<Vector3<T>> positions;               // (n)
    T volume{};                                      // of the cell in use
    mutable std::array<std::vector<T>, 4> scratch;   // charges and potentials of displaced charges
    mutable std::array<std::vector<T>, 2> assembly;  // scratch
  };

  /// The total charge is not looked at. @throws ModelError for l_max > 1 and when the widths ask
  /// for more than 1e8 wave vectors. @throws InputError for a cell without volume where one is
  /// needed and for a width that is not positive.
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

  /// The real part of K, row-major (n·size)², column by column.
  template <Number T>
  void assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const;

  /// out[(w·n + i)·size + lm]: the potential of p averaged with a unit Gaussian of width w at atom
  /// i [V] and its gradient [V/Å]; scale_to_receivers makes them those of the published weights.
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

  const ReferenceElectrostaticsOptions& options() const { return options_; }

 private:
  ReferenceElectrostaticsOptions options_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/reference_impl.hpp>
