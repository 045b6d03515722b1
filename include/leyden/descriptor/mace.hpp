// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/concepts.hpp>
#include <leyden/descriptor/radial.hpp>
#include <leyden/equivariant/contraction.hpp>
#include <leyden/equivariant/convolution.hpp>
#include <leyden/equivariant/mixing.hpp>
#include <leyden/equivariant/perceptron.hpp>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What the kernels of a MACE are compiled for.
struct MaceShape {
  int l_max = 3;        ///< highest l of the edges' harmonics and of the atomic basis, 1 … 4
  int correlation = 3;  ///< highest power of the atomic basis in the product, 1 … 3
  int hidden_l = 1;     ///< highest l of the messages between layers, 0 … 2
};

/// What a MACE is built from; the numbers that training data decide have neutral defaults.
struct MaceOptions {
  std::vector<int> species{};  ///< atomic numbers; their order is that of the weights
  double cutoff = 5.0;         ///< Å
  int channels = 16;
  int layers = 2;
  RadialBasis::Kind radial_kind = RadialBasis::Kind::bessel;
  int radial_count = 8;
  int envelope_order = 5;
  std::vector<int> radial_hidden{64, 64, 64};
  int readout_width = 16;
  bool residual_first = false;  ///< the first layer passes its input on (and mixes by species)
  double average_neighbors = 1.0;
  std::vector<double> atomic_energies{};  ///< E0 per species, eV; empty: zero
  double scale = 1.0;                     ///< eV
  double shift = 0.0;                     ///< eV per atom
};

/// MACE: higher-order equivariant message passing (Batatia et al., NeurIPS 2022), the function of
/// ScaleShiftMACE with RealAgnosticInteractionBlock or RealAgnosticResidualInteractionBlock, term
/// by term and constant by constant; weights are laid out as that code stores them.
///
///   h⁰ = embedding;  per layer: A = mix(Σ_e R_e ⊗ Y_e ⊗ up(h)),  B = product basis of A,
///   h ← linear(B) + skip_z(h);  E_i = E0_z + shift + scale Σ_layers readout(h_i).
///
/// The last layer keeps scalars only. l = 1 features are ordered (x, y, z). Real is the type of the
/// weights; evaluation runs on Real or Dual<Real>.
template <MaceShape Shape, std::floating_point Real = double>
class Mace {
  static_assert(Shape.l_max >= 1 && Shape.l_max <= 4, "Mace: l_max must be 1 to 4");
  static_assert(Shape.correlation >= 1 && Shape.correlation <= 3,
                "Mace: correlation must be 1 to 3");
  static_assert(Shape.hidden_l >= 0 && Shape.hidden_l <= 2 && Shape.hidden_l <= Shape.l_max,
                "Mace: hidden_l must be 0 to 2 and at most l_max");

 public:
  using real_type = Real;
  static constexpr std::string_view name = "mace";
  static constexpr int feature_l_max = Shape.hidden_l;
  static constexpr MaceShape shape = Shape;

  template <Number T>
  struct LayerTape {
    FeatureArray<T> up;      // messages, [tile][atom][lm_in]
    Buffer<Pack<T>> radial;  // [tile][pair][path]
    typename RadialPerceptron<Real>::template Tape<T> perceptron;
    Buffer<Pack<T>> paths;    // convolution, [tile][atom][output]
    FeatureArray<T> mixed;    // A before the species-dependent map of a layer without residual
    FeatureArray<T> basis;    // A, [tile][atom][lm_edge]
    FeatureArray<T> product;  // B, [tile][atom][lm_out]
  };

  template <Number T>
  struct Tape : DescriptorTape<T> {
    std::vector<LayerTape<T>> layers;
    std::vector<int> species;                // (n) index into species()
    std::vector<std::vector<int>> atoms_of;  // per species
    std::vector<int> all_atoms;
    FeatureArray<T> embedding;
    FeatureArray<T> embedding_bar;
    Buffer<Pack<T>> basis, basis_bar, layer_basis_bar;  // radial basis, [pair][tile]
    std::vector<T> radial_values;                       // (radial_count)
    std::vector<T> harmonics, harmonics_bar;            // [edge][lm_edge]
    std::vector<T> coupled;                             // [edge of one atom][coupled]
    Buffer<Pack<T>> hidden;  // last readout's pre-activations, [atom][tile]
    // backward's scratch
    Buffer<Pack<T>> radial_bar, paths_bar, weight_bar, hidden_bar;
    FeatureArray<T> up_bar, mixed_bar, basis_node_bar, product_bar;
    typename ProductBasis<Real>::template Gradient<T> product_gradient;
    std::vector<int> rows_in, rows_out;
  };

  /// @throws ModelError for options that make no sense.
  explicit Mace(MaceOptions options);

  const MaceOptions& options() const { return options_; }
  double cutoff() const { return options_.cutoff; }
  std::span<const int> species() const { return options_.species; }
  std::span<const FeatureShape> feature_shapes() const { return feature_shapes_; }

  void declare(ParameterLayout& layout);
  void prepare(std::span<const double> parameters);

  /// @throws ModelError for an atom of an unknown species.
  template <Number T>
  void forward(const Geometry<T>& geometry, Tape<T>& tape) const;
  /// feature_cotangents are consumed: they end as the cotangents of everything that reads a
  /// feature.
  template <Number T>
  void backward(const Geometry<T>& geometry, Tape<T>& tape, T energy_cotangent,
                std::span<T> parameter_gradient) const;

 private:
  static constexpr int lm_edge = (Shape.l_max + 1) * (Shape.l_max + 1);

  // A map per l of a feature array.
  struct MixingPerL {
    std::vector<Mixing<Real>> maps;
    Slice slice;  // per l: [channels in][species?][channels out]
  };
  struct Layer {
    FeatureShape in, out;
    bool residual = true;
    MixingPerL up, linear;
    RadialPerceptron<Real> radial;
    std::vector<Mixing<Real>> path_maps;
    Slice path_slice;
    std::vector<MixingPerL> species_maps;  // skip (residual) or select (plain), one per species
    Slice species_slice;
    ProductBasis<Real> product;
  };

  // The convolution of a layer depends on whether its input has l > 0 at all.
  template <class F>
  static void with_convolution(const FeatureShape& in, F&& f) {
    if (in.l_max == 0)
      f(Convolution<0, Shape.l_max>{});
    else
      f(Convolution<Shape.hidden_l, Shape.l_max>{});
  }
  template <class C>
  typename C::Edges receiver_edges(const auto& geometry, int atom) const {
    const std::size_t first =
        static_cast<std::size_t>(geometry.first[static_cast<std::size_t>(atom)]);
    return {geometry.first[static_cast<std::size_t>(atom) + 1] - static_cast<int>(first),
            geometry.sender.data() + first, geometry.pair.data() + first};
  }

  // e3nn's 1/√fan-in: of a channel map, of a path map (all paths into one l are its fan-in), …
  double channel_scale() const { return 1.0 / std::sqrt(static_cast<double>(options_.channels)); }
  // A first layer is read out linearly even when it is the last; later last layers have a hidden
  // one.
  bool has_hidden_readout() const { return options_.layers > 1; }
  std::size_t linear_readouts() const {
    return has_hidden_readout() ? static_cast<std::size_t>(options_.layers) - 1 : 1;
  }
  double readout_last_scale() const {
    return 1.0 / std::sqrt(static_cast<double>(options_.readout_width));
  }
  template <class C>
  double path_scale(int path) const {
    int into_l = 0;
    for (const auto& p : C::paths) into_l += p.l3 == C::paths[static_cast<std::size_t>(path)].l3;
    return channel_scale() / std::sqrt(static_cast<double>(into_l)) / options_.average_neighbors;
  }
  template <Number T>
  std::size_t embedding_index(const Tape<T>& tape, int atom, int channel) const {
    return static_cast<std::size_t>(
        tape.species[static_cast<std::size_t>(atom)] * options_.channels + channel);
  }

  template <Number T>
  void sort_species(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void evaluate_edges(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void pull_back_edges(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void forward_layer(const Geometry<T>& geometry, std::size_t k, const FeatureArray<T>& in,
                     FeatureArray<T>& out, Tape<T>& tape) const;
  template <Number T>
  void backward_layer(const Geometry<T>& geometry, std::size_t k, const FeatureArray<T>& in,
                      const FeatureArray<T>& out_bar, FeatureArray<T>& in_bar, Tape<T>& tape,
                      std::span<T> gradient) const;
  template <Number T>
  void read_out(Tape<T>& tape) const;
  template <Number T>
  void read_out_backward(Tape<T>& tape, T energy_cotangent, std::span<T> gradient) const;

  // y = map x (or the transposed map) for every l, on the rows of the listed atoms.
  template <Number T>
  void mix_irreps(const MixingPerL& map, bool transposed, const FeatureArray<T>& x,
                  FeatureArray<T>& y, const std::vector<int>& atoms, Tape<T>& tape,
                  bool accumulate) const;
  template <Number T>
  void irreps_gradient(const MixingPerL& map, const FeatureArray<T>& x,
                       const FeatureArray<T>& y_bar, const std::vector<int>& atoms, Tape<T>& tape,
                       T* w_bar, std::size_t row_stride, double scale) const;
  template <Number T>
  void map_gradient(const Mixing<Real>& map, std::size_t rows, RowsView<const Pack<T>> x,
                    RowsView<const Pack<T>> y_bar, Tape<T>& tape, T* w_bar, std::size_t row_stride,
                    double scale) const;

  MaceOptions options_;
  RadialBasis basis_;
  std::vector<FeatureShape> feature_shapes_;
  std::vector<Layer> layers_;
  Slice embedding_slice_;
  std::vector<Slice> readout_slices_;  // linear ones, then the second map of the hidden one
  Slice readout_hidden_slice_;
  std::vector<Real> embedding_;               // [species][channel], scaled
  std::vector<Buffer<Pack<Real>>> readouts_;  // linear readouts, packs of channels, scaled
  Mixing<Real> readout_hidden_;
  Buffer<Pack<Real>> readout_last_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/descriptor/mace_impl.hpp>  // IWYU pragma: keep
