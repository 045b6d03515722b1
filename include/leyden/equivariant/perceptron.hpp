// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/mixing.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// 1/√⟨silu(x)²⟩ over a standard normal x, as e3nn 0.4 computes it from 10⁶ seeded samples. Models
/// trained with e3nn hold this literal value, not the analytic moment.
inline constexpr double silu_normalization = 1.6791767923989418;

/// c·silu(x) = c·x/(1 + e^(−x)), and its derivative.
template <class P, class R>
LEYDEN_ALWAYS_INLINE P normalized_silu(P x, R one) {
  return x / (P(one) + exp(-x)) * P(static_cast<R>(silu_normalization));
}
template <class P, class R>
LEYDEN_ALWAYS_INLINE P normalized_silu_derivative(P x, R one) {
  const P s = P(one) / (P(one) + exp(-x));
  return (s + x * s * (P(one) - s)) * P(static_cast<R>(silu_normalization));
}

/// The radial network of MACE (e3nn's FullyConnectedNet): bias-free layers x ← φ(x W_k/√h_{k−1}),
/// φ = normalised silu, the last layer linear. One row is one distance.
///
/// Input rows are [row][tile]; the output is [channel tile][row][block] packs: `blocks` ×
/// `channels` numbers a row, a tile of channels of all blocks side by side, as the convolution
/// reads them.
template <std::floating_point R>
class RadialPerceptron {
 public:
  template <Number T>
  struct Tape {
    std::vector<Buffer<Pack<T>>> before;  // pre-activations of each hidden layer, [row][tile]
    std::vector<Buffer<Pack<T>>> after;   // activations
    std::vector<Buffer<Pack<T>>> bar;     // cotangents of the pre-activations, a chunk of rows
    std::vector<Buffer<Pack<R>>> gradient;
  };

  RadialPerceptron() = default;
  RadialPerceptron(int n_in, const std::vector<int>& hidden, int blocks, int channels)
      : blocks_(blocks), channel_tiles_(pack_count<R>(channels)), n_out_(blocks * channels) {
    int width = n_in;
    for (int h : hidden) {
      layers_.emplace_back(width, h);
      widths_.push_back(h);
      width = h;
    }
    layers_.emplace_back(width, blocks, channels);
    widths_.push_back(n_out_);
  }

  /// The same network in another precision; prepare() it.
  template <std::floating_point S>
  explicit RadialPerceptron(const RadialPerceptron<S>& other)
      : RadialPerceptron(other.n_in(), other.hidden(), other.blocks_,
                         other.n_out_ / other.blocks_) {
    slices_ = other.slices_;
  }

  int n_in() const { return layers_.front().n_in(); }
  std::vector<int> hidden() const { return {widths_.begin(), widths_.end() - 1}; }
  int blocks() const { return blocks_; }
  /// Layers of weights.
  std::size_t depth() const { return layers_.size(); }

  void declare(ParameterLayout& layout, const std::string& prefix) {
    slices_.clear();
    for (std::size_t k = 0; k < layers_.size(); ++k)
      slices_.push_back(layout.add(prefix + std::to_string(k), {layers_[k].n_in(), widths_[k]},
                                   Initializer::normal(1.0)));
  }
  /// The network's parameters.
  Slice slice() const {
    const std::size_t first = slices_.front().offset;
    return {first, slices_.back().offset + slices_.back().size - first};
  }
  void prepare(std::span<const double> parameters) {
    for (std::size_t k = 0; k < layers_.size(); ++k)
      layers_[k].pack(slices_[k].of(parameters).data(), static_cast<std::size_t>(widths_[k]),
                      scale(k));
  }

  /// out: (channel tiles · rows · blocks) packs.
  template <Number T>
  void forward(std::size_t rows, const Pack<T>* in, Pack<T>* out, Tape<T>& tape) const {
    make_room(rows, tape);
    forward_rows(rows, 0, rows, in, out, tape);
  }
  /// Makes room for the activations of so many rows.
  template <Number T>
  void make_room(std::size_t rows, Tape<T>& tape) const {
    const std::size_t hidden = layers_.size() - 1;
    tape.before.resize(hidden);
    tape.after.resize(hidden);
    for (std::size_t k = 0; k < hidden; ++k) {
      const std::size_t size = rows * tiles_after(k);
      tape.before[k].resize(size);
      tape.after[k].resize(size);
    }
  }
  /// forward() of rows first … end − 1, after make_room(); several threads may share a tape.
  template <Number T>
  void forward_rows(std::size_t rows, std::size_t first, std::size_t end, const Pack<T>* in,
                    Pack<T>* out, Tape<T>& tape) const {
    const std::size_t hidden = layers_.size() - 1;
    for (std::size_t r = first; r < end; r += chunk) {
      const std::size_t n = std::min(chunk, end - r);
      for (std::size_t k = 0; k < hidden; ++k) {
        const std::size_t tiles = tiles_after(k);
        Pack<T>* before = tape.before[k].data() + r * tiles;
        layers_[k].template apply<T>(n, input<T>(k, r, in, tape), {before, 1, nullptr, tiles},
                                     false);
        Pack<T>* after = tape.after[k].data() + r * tiles;
        for (std::size_t i = 0; i < n * tiles; ++i) after[i] = normalized_silu(before[i], R(1));
      }
      const auto& last = layers_.back();
      for (int t = 0; t < channel_tiles_; ++t)
        mix<T>(n, input<T>(hidden, r, in, tape), last.n_in(),
               last.forward() + static_cast<std::ptrdiff_t>(t) * blocks_ * last.n_in(), last.n_in(),
               blocks_, output(rows, r, t, out), false);
    }
  }

  /// in_bar is set unless null; parameter_gradient is added to unless empty.
  template <Number T>
  void backward(std::size_t rows, const Pack<T>* in, const Pack<T>* out_bar, Pack<T>* in_bar,
                Tape<T>& tape, std::span<double> parameter_gradient) const {
    if (rows == 0) return;
    const bool weights = !parameter_gradient.empty();
    backward_rows(rows, 0, rows, in, out_bar, in_bar, weights, tape, tape);
    if (weights)
      for (std::size_t k = 0; k < depth(); ++k) add_gradient(k, tape, parameter_gradient);
  }
  /// The same for rows first … end − 1 of activations that several threads share, each with a tape
  /// of its own, which is left with the gradient where `weights`: see add_gradient().
  template <Number T>
  void backward_rows(std::size_t rows, std::size_t first, std::size_t end, const Pack<T>* in,
                     const Pack<T>* out_bar, Pack<T>* in_bar, bool weights,
                     const Tape<T>& activations, Tape<T>& tape) const {
    LEYDEN_EXPECTS(first < end);
    const std::size_t hidden = layers_.size() - 1;
    tape.bar.resize(hidden);
    for (std::size_t k = 0; k < hidden; ++k) tape.bar[k].resize(chunk * tiles_after(k));
    if (weights) {
      tape.gradient.resize(layers_.size());
      for (std::size_t k = 0; k < layers_.size(); ++k)
        tape.gradient[k].resize(layers_[k].gradient_size());
    }
    for (std::size_t r = first; r < end; r += chunk) {
      const std::size_t n = std::min(chunk, end - r);
      const auto& last = layers_.back();
      const int block_lanes = blocks_ * Pack<R>::lanes;
      for (int t = 0; t < channel_tiles_; ++t) {
        const RowsView<const Pack<T>> bar = output(rows, r, t, out_bar);
        if (hidden > 0 || in_bar != nullptr)
          mix<T>(n, bar, block_lanes, last.transposed() + t * block_lanes, last.out_lanes(),
                 last.in_tiles(), input_bar<T>(hidden, r, in_bar, tape), t > 0);
        if (weights)
          mix_gradient<T>(
              n, input<T>(hidden, r, in, activations), last.n_in(), bar, blocks_,
              tape.gradient[hidden].data() + static_cast<std::ptrdiff_t>(t) * blocks_ * last.n_in(),
              r > first);
      }
      for (std::size_t k = hidden; k-- > 0;) {
        const std::size_t tiles = tiles_after(k);
        const Pack<T>* before = activations.before[k].data() + r * tiles;
        Pack<T>* bar = tape.bar[k].data();
        for (std::size_t i = 0; i < n * tiles; ++i)
          bar[i] *= normalized_silu_derivative(before[i], R(1));
        const RowsView<const Pack<T>> y{bar, 1, nullptr, tiles};
        if (weights)
          mix_gradient<T>(n, input<T>(k, r, in, activations), layers_[k].n_in(), y,
                          layers_[k].out_tiles(), tape.gradient[k].data(), r > first);
        if (k > 0 || in_bar != nullptr)
          layers_[k].template apply_transposed<T>(n, y, input_bar<T>(k, r, in_bar, tape), false);
      }
    }
  }
  /// Adds what backward_rows() left of the weights of layer k.
  template <Number T>
  void add_gradient(std::size_t k, const Tape<T>& tape,
                    std::span<double> parameter_gradient) const {
    layers_[k].unpack_gradient(tape.gradient[k].data(), slices_[k].of(parameter_gradient).data(),
                               static_cast<std::size_t>(widths_[k]), scale(k));
  }

 private:
  template <std::floating_point>
  friend class RadialPerceptron;

  // Rows that go through all layers while they are in cache.
  static constexpr std::size_t chunk = 96;

  double scale(std::size_t k) const { return 1.0 / std::sqrt(layers_[k].n_in()); }
  std::size_t tiles_after(std::size_t k) const {
    return static_cast<std::size_t>(layers_[k].out_tiles());
  }
  template <Number T>
  RowsView<const Pack<T>> input(std::size_t k, std::size_t r, const Pack<T>* in,
                                const Tape<T>& tape) const {
    const std::size_t tiles = static_cast<std::size_t>(layers_[k].in_tiles());
    return {(k == 0 ? in : tape.after[k - 1].data()) + r * tiles, 1, nullptr, tiles};
  }
  template <Number T>
  RowsView<Pack<T>> input_bar(std::size_t k, std::size_t r, Pack<T>* in_bar, Tape<T>& tape) const {
    const std::size_t tiles = static_cast<std::size_t>(layers_[k].in_tiles());
    return {k == 0 ? in_bar + r * tiles : tape.bar[k - 1].data(), 1, nullptr, tiles};
  }
  template <class P>
  RowsView<P> output(std::size_t rows, std::size_t r, int tile, P* out) const {
    const std::size_t blocks = static_cast<std::size_t>(blocks_);
    return {out + (static_cast<std::size_t>(tile) * rows + r) * blocks, 1, nullptr, blocks};
  }

  std::vector<Mixing<R>> layers_;
  std::vector<int> widths_;
  std::vector<Slice> slices_;
  int blocks_ = 0;
  int channel_tiles_ = 0;
  int n_out_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI
