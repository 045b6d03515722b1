// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace leyden::inline LEYDEN_ABI {

/// What a non-neutral periodic cell means. `none` refuses it.
enum class Background { none, uniform };

/// Whether the interaction of an atom's density with itself is part of K.
enum class SelfInteraction { included, excluded };

/// Which boundary conditions a solver serves.
struct BoundarySupport {
  bool molecule = false;  ///< no periodic direction
  bool bulk = false;      ///< three periodic directions
  bool slab = false;      ///< two periodic directions
  bool wire = false;      ///< one periodic direction
};

/// The sources of one structure: how many coefficients an atom has and how wide it is.
/// l_max 0: [q]; l_max 1: [q, y, z, x] (m = −1, 0, 1), charges in e, dipoles in e Å; l_max 2: five
/// more, quadrupoles in e Å², see multipoles.hpp.
struct SourceShape {
  int l_max = 0;
  std::span<const double> widths;  // (n) Å: density exp(−r²/2σ²)

  int size() const { return (l_max + 1) * (l_max + 1); }
};

/// A solver applies K, the symmetric operator of the Coulomb energy ½ pᵀKp of Gaussian multipoles,
/// and the derivative of the bilinear form aᵀKb. K is positive (of slabs and wires: for
/// multipoles without net charge, because the potential of a charged plane or line has no zero at
/// infinity). K is in eV:
/// (Kp)_i is the potential that atom i's own density feels [V], and minus its field in the dipole
/// components.
///
/// A plan holds what depends on geometry alone; it is built once per structure and shared by every
/// application, and its memory is reused. All functions are const and thread-safe given one plan
/// per thread. T is a real number or a dual of it.
///
/// - plan(geometry, source, total_charge, plan): throws ModelError for a boundary or charge it does
///   not serve.
/// - apply(plan, p, v): v = K p. (n·size) each
/// - bilinear_gradient(plan, a, b, factor, gradient): adds factor · ∂(aᵀKb)/∂(positions, strain).
///   Multipoles stay fixed in Cartesian components under strain.
/// - assemble(plan, matrix): the real part of K as a dense row-major matrix, (n·size)².
template <class S>
concept ElectrostaticSolver = requires(const S& s, const Geometry<double>& geometry,
                                       SourceShape source, typename S::template Plan<double>& plan,
                                       std::span<const double> p, std::span<double> v,
                                       GeometryGradient<double>& gradient) {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::boundaries } -> std::convertible_to<BoundarySupport>;
  s.plan(geometry, source, 0.0, plan);
  s.apply(plan, p, v);
  s.bilinear_gradient(plan, p, p, 1.0, gradient);
  s.assemble(plan, v);
};

/// No electrostatics at all: the solver of models without charges.
struct NoElectrostatics {
  static constexpr std::string_view name = "none";
  static constexpr BoundarySupport boundaries{true, true, true, true};
  template <Number T>
  struct Plan {};
  template <Number T>
  void plan(const Geometry<T>&, SourceShape, T, Plan<T>&) const {}
  template <Number T>
  void apply(const Plan<T>&, std::span<const T>, std::span<T>) const {}
  template <Number T>
  void bilinear_gradient(const Plan<T>&, std::span<const T>, std::span<const T>, T,
                         GeometryGradient<T>&) const {}
  template <Number T>
  void assemble(const Plan<T>&, std::span<RealOf<T>>) const {}
};

}  // namespace leyden::inline LEYDEN_ABI
