// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/ace_options.hpp>
#include <leyden/descriptor/concepts.hpp>
#include <leyden/equivariant/contraction.hpp>
#include <leyden/equivariant/convolution.hpp>
#include <leyden/equivariant/mixing.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The atomic cluster expansion (Drautz, Phys. Rev. B 99, 014104 (2019)), without messages between
/// atoms: the convolution and the product basis of one layer of MACE.
///
///   A_i[c, lm] = 1/n̄ Σ_j R[z_j, l, c](r_ij) Y_lm(r̂_ij),   R[z, l, c] = Σ_n W[z, n, l, c] b_n,
///   E_i = E0_z + shift + scale (e_z + Σ_c Σ_ν Σ_η w^(ν)[z, η, c] B^(ν)_η(A_i[c])/√C + V_i),
///
/// b the radial basis, B the invariant products of up to `correlation` A of one channel c, V the
/// repulsion of nuclei if there is one. Channels mix species and radial functions with weights W
/// that start random; products within channels are complete as their number grows (the tensor-
/// reduced expansion: Darby et al., Phys. Rev. Lett. 131, 028001 (2023)). The energy is linear in
/// e and w, the parameters whose names start with linear_prefix: train/linear_fit.hpp.
///
/// Features, one layer: products of the same A with weights of their own, for l = 0 … feature_l.
///
/// Parameters: ace.radial W; ace.energy.constant e, ace.energy.L0.nu<ν> w; ace.features.L<l>.nu<ν>.
template <AceShape Shape, std::floating_point Real = double>
class Ace {
  static_assert(Shape.l_max >= 0 && Shape.l_max <= 4, "Ace: l_max must be 0 to 4");
  static_assert(Shape.correlation >= 1 && Shape.correlation <= 4,
                "Ace: correlation must be 1 to 4");
  static_assert(Shape.feature_l >= -1 && Shape.feature_l <= 2 && Shape.feature_l <= Shape.l_max,
                "Ace: feature_l must be -1, or 0 to 2 and at most l_max");

 public:
  using real_type = Real;
  static constexpr std::string_view name = "ace";
  static constexpr std::string_view linear_prefix = "ace.energy.";
  static constexpr AceShape shape = Shape;
  static constexpr int feature_l_max =
      Shape.feature_l >= 0 ? Shape.feature_l : std::min(1, Shape.l_max);

  template <Number T>
  struct Tape : DescriptorTape<T> {
    std::vector<int> species;    // (n) index into species()
    std::vector<double> radius;  // (n) covalent, Å
    // Rows of channel maps, per sender's species: offsets in basis, radial and edge_basis_bar.
    std::vector<std::vector<int>> basis_rows, radial_rows, edge_rows;
    std::vector<int> edge_radial;             // (edges) offset in radial, in paths
    Buffer<Pack<T>> basis, basis_bar;         // radial basis, [pair][tile]
    Buffer<Pack<T>> edge_basis_bar;           // [edge][tile]
    std::vector<T> radial_values;             // (radial_count)
    std::vector<T> harmonics, harmonics_bar;  // [edge][lm]
    std::vector<T> coupled;                   // [edge of one atom][coupled]
    Buffer<Pack<T>> radial, radial_bar;       // R, [edge][tile][l]
    Buffer<Pack<T>> ones, ones_bar;           // (n): every neighbour sends a one
    FeatureArray<T> atomic, atomic_bar;       // A
    Buffer<Pack<T>> component_bar;            // scratch
    Buffer<Pack<Real>> weight_bar;
    typename ProductBasis<Real>::Gradient energy_gradient, feature_gradient;
  };

  /// @throws ModelError for options that make no sense.
  explicit Ace(AceOptions options);

  const AceOptions& options() const { return options_; }
  double cutoff() const { return options_.cutoff; }
  std::span<const int> species() const { return options_.species; }
  std::span<const FeatureShape> feature_shapes() const { return feature_shapes_; }

  void declare(ParameterLayout& layout);
  void prepare(std::span<const double> parameters);

  /// @throws ModelError for an atom of an unknown species.
  template <Number T>
  void forward(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void backward(const Geometry<T>& geometry, Tape<T>& tape, T energy_cotangent,
                std::span<double> parameter_gradient) const;

 private:
  using C = Convolution<0, Shape.l_max>;
  static constexpr int lm_count = C::lm_edge;
  static_assert(C::output_count == lm_count);  // a path per l: the convolution's output is A

  int tiles() const { return pack_count<Real>(options_.channels); }
  std::size_t basis_tiles() const {
    return static_cast<std::size_t>(pack_count<Real>(options_.radial_count));
  }
  double radial_scale() const {
    return 1.0 /
           (std::sqrt(static_cast<double>(options_.radial_count)) * options_.average_neighbors);
  }
  Real energy_scale() const {
    return static_cast<Real>(options_.scale / std::sqrt(static_cast<double>(options_.channels)));
  }
  std::size_t radial_row() const {
    return static_cast<std::size_t>((Shape.l_max + 1) * options_.channels);
  }
  template <Number T>
  static double radii(const Geometry<T>& geometry, std::size_t e, const Tape<T>& tape) {
    return tape.radius[static_cast<std::size_t>(geometry.sender[e])] +
           tape.radius[static_cast<std::size_t>(geometry.receiver[e])];
  }
  template <Number T>
  typename C::Edges edges_of(const Geometry<T>& geometry, const Tape<T>& tape, int atom) const {
    const int first = geometry.first[static_cast<std::size_t>(atom)];
    return {geometry.first[static_cast<std::size_t>(atom) + 1] - first,
            geometry.sender.data() + first, tape.edge_radial.data() + first};
  }

  template <Number T>
  void sort_species(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void evaluate_edges(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void pull_back_radial(const Geometry<T>& geometry, Tape<T>& tape,
                        std::span<double> gradient) const;
  template <Number T>
  void pull_back_edges(const Geometry<T>& geometry, Tape<T>& tape) const;

  AceOptions options_;
  RadialBasis basis_;
  std::vector<double> radii_;  // per species, Å
  std::vector<FeatureShape> feature_shapes_;
  std::vector<Mixing<Real>> radial_;  // per sender's species
  ProductBasis<Real> energy_, features_;
  Slice radial_slice_, constant_slice_;
  std::vector<Real> constants_;  // per species
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/descriptor/ace_impl.hpp>  // IWYU pragma: keep
