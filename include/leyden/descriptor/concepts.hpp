// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/features.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace leyden::inline LEYDEN_ABI {

/// What every descriptor's tape holds beside its private memory: the features that the charge model
/// reads, the local energy of each atom, and the cotangents that flow back.
template <Number T>
struct DescriptorTape {
  std::vector<FeatureArray<T>> features;  // one per layer
  std::vector<FeatureArray<T>>
      feature_cotangents;                  // same shapes; zeroed by forward, added to by users
  std::vector<T> node_energies;            // (n) eV, without reference_energies
  std::vector<double> reference_energies;  // (n) eV, free atoms (E0); empty: none. They
                                           // are large: apart, a float model keeps its digits
  std::vector<Vector3<T>> edge_gradient;   // (edges) dE/d(edge vector), set by backward
  bool wants_edges = true;                 // false: backward may leave it alone
};

/// A descriptor turns a geometry into equivariant features h and a local energy per atom.
///
/// Semantics: invariant under permutation of like atoms; equivariant under rotation and inversion;
/// translation invariant; smooth at the cutoff. `forward` and `backward` are const and thread-safe
/// given one tape per thread, and do not allocate once the tape is warm.
///
/// - declare(layout): adds the descriptor's slices; called once, before anything else.
/// - prepare(parameters): takes the weights (repacks them); called after every change of
/// parameters.
/// - forward(geometry, tape): fills features and node_energies, zeroes feature_cotangents.
/// - backward(geometry, tape, energy_cotangent, parameter_gradient): adds, for the scalar
///   Σ_i ē E_i + Σ h̄·h, the edge gradient (set) and the parameter gradient (added; empty span:
///   skipped; of duals the tangents, see gradient_part). Must follow forward on the
///   same tape.
template <class D>
concept Descriptor = requires(D d, const D& c, ParameterLayout& layout,
                              std::span<const double> parameters,
                              const Geometry<typename D::real_type>& geometry,
                              typename D::template Tape<typename D::real_type>& tape,
                              typename D::real_type cotangent, std::span<double> gradient) {
  { D::name } -> std::convertible_to<std::string_view>;
  { c.cutoff() } -> std::convertible_to<double>;
  { c.species() } -> std::convertible_to<std::span<const int>>;
  { c.feature_shapes() } -> std::convertible_to<std::span<const FeatureShape>>;
  d.declare(layout);
  d.prepare(parameters);
  c.forward(geometry, tape);
  c.backward(geometry, tape, cotangent, gradient);
};

}  // namespace leyden::inline LEYDEN_ABI
