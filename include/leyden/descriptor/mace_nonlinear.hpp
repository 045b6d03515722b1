// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/descriptor/radial.hpp>
#include <leyden/equivariant/features.hpp>
#include <leyden/equivariant/gate.hpp>
#include <leyden/equivariant/normed_perceptron.hpp>

#include <cmath>
#include <concepts>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What the nonlinear layers of a MACE have beside channel maps: networks on edges, the learned
/// density and the gate. With messages h̃ (sender s, receiver t):
///
///   x_e = [R(r_e), S[z_s], T[z_t]],   w_e = network(x_e),   d_e = tanh(network'(x_e)²),
///   A = mix(Σ_e f_e w_e ⊗ Y_e ⊗ h̃_s) / (α + β Σ_e f_e d_e) + residual(h̃),
///   A ← gated(gate(A)),   gate: s → c silu(s) of scalars, A_l → c' sigmoid(g_l) A_l of l > 0,
///
/// f_e the envelope of the distance (or one within the cutoff: then it is part of R), g_l scalars
/// of A that come after the C proper ones. Networks are NormedPerceptron; the density's has 64
/// hidden channels. This is RealAgnosticResidualNonLinearInteractionBlock of ACEsuit/mace.
template <std::floating_point Real>
class NonlinearInteraction {
 public:
  struct Shape {
    int radial_count = 0;
    std::vector<int> hidden{};
    int species = 0;
    int channels = 0;
    int edge_channels = 0;
    int paths = 0;
    int l_max = 0;
  };

  /// Of a layer.
  template <Number T>
  struct Tape {
    Buffer<Pack<T>> input;    // x_e, [edge][tile]
    Buffer<Pack<T>> weights;  // w_e, [edge][tile][path]
    Buffer<Pack<T>> density;  // network'(x_e), [edge]
    NormedPerceptron::Tape<T> weight_tape, density_tape;
    std::vector<T> density_sum, inverse;  // Σ f d and 1/(α + β Σ f d), (n)
    std::vector<int> rows;                // first pack of an edge's weights, in paths
    Buffer<Pack<T>> scalars;              // before the gate, [atom][tile][scalar, gates]
    FeatureArray<T> before, after;        // the gate; l = 0 of `before` is in scalars
  };
  /// Of all layers.
  template <Number T>
  struct EdgeTape {
    std::vector<T> factor, factor_slope, factor_bar;  // f, f', (pairs)
    std::vector<T> denominator_bar;                   // (n)
    std::vector<T> harmonics;                         // before the factor
    // backward's scratch
    Buffer<Pack<T>> weights_bar, density_bar, input_bar, other_input_bar, scalars_bar;
    Buffer<Pack<T>> source_bar, target_bar;  // [species][tile]
    FeatureArray<T> before_bar, after_bar;
  };

  NonlinearInteraction() = default;
  explicit NonlinearInteraction(Shape shape);

  void declare(ParameterLayout& layout, const std::string& prefix);
  void prepare(std::span<const double> parameters);

  /// Multiplies harmonics ([edge][lm_count]) with f.
  template <Number T>
  static void scale_edges(const Geometry<T>& geometry, const RadialBasis& basis, bool smooth,
                          int lm_count, std::vector<T>& harmonics, EdgeTape<T>& edge);
  /// Its adjoint; factor_bar is complete afterwards.
  template <Number T>
  static void unscale_edges(const Geometry<T>& geometry, int lm_count,
                            std::vector<T>& harmonics_bar, EdgeTape<T>& edge);

  /// w_e and 1/(α + β Σ f d). basis: [pair][tile].
  template <Number T>
  void forward_edges(const Geometry<T>& geometry, const std::vector<int>& species,
                     const Buffer<Pack<T>>& basis, const EdgeTape<T>& edge, Tape<T>& tape) const;
  /// From edge.weights_bar and the cotangent of each α + β Σ f d; basis_bar is added to.
  template <Number T>
  void backward_edges(const Geometry<T>& geometry, const std::vector<int>& species,
                      std::span<const T> denominator_bar, Buffer<Pack<T>>& basis_bar, Tape<T>& tape,
                      EdgeTape<T>& edge, std::span<double> gradient) const;

  /// before and scalars → after; and cotangents the other way.
  template <Number T>
  void gate(Tape<T>& tape) const;
  template <Number T>
  void gate_backward(const Tape<T>& tape, EdgeTape<T>& edge) const;

 private:
  static constexpr int lanes = Pack<Real>::lanes;
  static constexpr int density_hidden = 64;

  std::size_t basis_tiles() const {
    return static_cast<std::size_t>(pack_count<Real>(shape_.radial_count));
  }
  std::size_t channel_tiles() const {
    return static_cast<std::size_t>(pack_count<Real>(shape_.channels));
  }
  std::size_t edge_tiles() const {
    return static_cast<std::size_t>(pack_count<Real>(shape_.edge_channels));
  }
  std::size_t input_tiles() const { return basis_tiles() + 2 * channel_tiles(); }
  double species_scale() const { return 1.0 / std::sqrt(shape_.species); }
  template <class P>
  static P switch_of(P x) {
    return P(static_cast<Real>(sigmoid_normalization)) / (P(Real(1)) + exp(-x));
  }

  Shape shape_;
  NormedPerceptron weights_, density_;
  Slice source_slice_, target_slice_, alpha_slice_, beta_slice_;
  Buffer<Pack<Real>> source_, target_;  // [species][tile], scaled
  Real alpha_ = 1, beta_ = 0;
};

namespace detail {

/// In its place where layers are linear.
struct NoNonlinearInteraction {
  template <Number T>
  struct Tape {};
  template <Number T>
  struct EdgeTape {};
};

}  // namespace detail

template <std::floating_point Real>
NonlinearInteraction<Real>::NonlinearInteraction(Shape shape) : shape_(std::move(shape)) {
  // Each part of the input starts a pack of its own.
  std::vector<int> inputs, outputs;
  const auto part = [&](std::size_t first_tile, int count) {
    for (int i = 0; i < count; ++i) inputs.push_back(static_cast<int>(first_tile) * lanes + i);
  };
  part(0, shape_.radial_count);
  part(basis_tiles(), shape_.channels);
  part(basis_tiles() + channel_tiles(), shape_.channels);
  // Outputs are (path, channel); the convolution reads [tile][path].
  for (int p = 0; p < shape_.paths; ++p)
    for (int c = 0; c < shape_.edge_channels; ++c)
      outputs.push_back((c / lanes * shape_.paths + p) * lanes + c % lanes);
  const int row = static_cast<int>(input_tiles()) * lanes;
  weights_ = NormedPerceptron(inputs, row, shape_.hidden, outputs,
                              static_cast<int>(edge_tiles()) * shape_.paths * lanes);
  density_ = NormedPerceptron(inputs, row, {density_hidden}, 1);
}

template <std::floating_point Real>
void NonlinearInteraction<Real>::declare(ParameterLayout& layout, const std::string& prefix) {
  const auto weight = Initializer::normal(1.0);
  const int c = shape_.channels;
  source_slice_ = layout.add(prefix + "source", {shape_.species, c}, weight);
  target_slice_ = layout.add(prefix + "target", {shape_.species, c}, weight);
  weights_.declare(layout, prefix + "radial");
  density_.declare(layout, prefix + "density");
  alpha_slice_ = layout.add(prefix + "alpha", {1}, Initializer::constant(20.0));
  beta_slice_ = layout.add(prefix + "beta", {1}, Initializer::constant(0.0));
}

template <std::floating_point Real>
void NonlinearInteraction<Real>::prepare(std::span<const double> parameters) {
  const auto pack_table = [&](Buffer<Pack<Real>>& packs, const Slice& slice) {
    const std::span<const double> w = slice.of(parameters);
    packs.assign(static_cast<std::size_t>(shape_.species) * channel_tiles(), Pack<Real>());
    for (int s = 0; s < shape_.species; ++s)
      for (int c = 0; c < shape_.channels; ++c)
        packs[static_cast<std::size_t>(s) * channel_tiles() + static_cast<std::size_t>(c / lanes)]
            .set_lane(c % lanes,
                      static_cast<Real>(w[static_cast<std::size_t>(s * shape_.channels + c)] *
                                        species_scale()));
  };
  pack_table(source_, source_slice_);
  pack_table(target_, target_slice_);
  weights_.prepare(parameters);
  density_.prepare(parameters);
  alpha_ = static_cast<Real>(alpha_slice_.of(parameters)[0]);
  beta_ = static_cast<Real>(beta_slice_.of(parameters)[0]);
}

// ---- envelope ----

template <std::floating_point Real>
template <Number T>
void NonlinearInteraction<Real>::scale_edges(const Geometry<T>& geometry, const RadialBasis& basis,
                                             bool smooth, int lm_count, std::vector<T>& harmonics,
                                             EdgeTape<T>& edge) {
  const std::size_t pairs = static_cast<std::size_t>(geometry.n_pairs);
  edge.factor.resize(pairs);
  edge.factor_slope.resize(pairs);
  for (std::size_t p = 0; p < pairs; ++p) {
    const T r = geometry.length[static_cast<std::size_t>(geometry.pair_edge[p])];
    if (smooth) {
      std::tie(edge.factor[p], edge.factor_slope[p]) = basis.envelope(r);
    } else {
      // Biases would speak for atoms that a list with a margin holds beyond the cutoff.
      edge.factor[p] = T(value_of(r) < static_cast<Real>(basis.cutoff) ? Real(1) : Real(0));
      edge.factor_slope[p] = T(0);
    }
  }
  edge.harmonics.resize(harmonics.size());
  const std::size_t lm = static_cast<std::size_t>(lm_count);
  for (std::size_t e = 0; e < harmonics.size() / lm; ++e) {
    const T f = edge.factor[static_cast<std::size_t>(geometry.pair[e])];
    for (std::size_t k = e * lm; k < (e + 1) * lm; ++k) {
      edge.harmonics[k] = harmonics[k];
      harmonics[k] *= f;
    }
  }
}

template <std::floating_point Real>
template <Number T>
void NonlinearInteraction<Real>::unscale_edges(const Geometry<T>& geometry, int lm_count,
                                               std::vector<T>& harmonics_bar, EdgeTape<T>& edge) {
  const std::size_t lm = static_cast<std::size_t>(lm_count);
  for (std::size_t e = 0; e < harmonics_bar.size() / lm; ++e) {
    const std::size_t p = static_cast<std::size_t>(geometry.pair[e]);
    for (std::size_t k = e * lm; k < (e + 1) * lm; ++k) {
      edge.factor_bar[p] += edge.harmonics[k] * harmonics_bar[k];
      harmonics_bar[k] *= edge.factor[p];
    }
  }
}

}  // namespace leyden::inline LEYDEN_ABI
