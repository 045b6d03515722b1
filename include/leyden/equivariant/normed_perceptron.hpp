// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/row_map.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// A network with normalised hidden layers on rows of channels: x ← silu(LayerNorm(W x + b)), last
/// layer W x + b. LayerNorm (Ba et al., arXiv:1607.06450) takes the mean and the biased variance
/// over the channels (+ 1e-5), then scales and shifts each. silu(x) = x/(1 + e^(−x)), not
/// normalised.
///
/// Parameters of layer k: <prefix>k/weight (out, in), <prefix>k/bias (out) and, of hidden layers,
/// <prefix>k/norm_weight and norm_bias (out).
class NormedPerceptron {
 public:
  template <Number T>
  struct Tape {
    std::vector<Buffer<Pack<T>>> unit;    // normalised, before scale and shift, [row][tile]
    std::vector<std::vector<T>> inverse;  // 1/deviation of each row
    std::vector<Buffer<Pack<T>>> after;   // activations
    Buffer<Pack<T>> bar[2];
    Buffer<Pack<T>> scale_bar, shift_bar;
    RowMapScratch<T> scratch;
  };

  NormedPerceptron() = default;
  /// @param inputs the channel of a row that each input is
  /// @param row_channels channels of an input row
  NormedPerceptron(const std::vector<int>& inputs, int row_channels, const std::vector<int>& hidden,
                   int n_out)
      : NormedPerceptron(inputs, row_channels, hidden, first_channels(n_out), n_out) {}
  /// @param outputs the channel of a row that each output is, of `out_channels`; others are zero
  NormedPerceptron(const std::vector<int>& inputs, int row_channels, const std::vector<int>& hidden,
                   const std::vector<int>& outputs, int out_channels) {
    std::vector<int> from = inputs;
    int width = row_channels;
    for (std::size_t k = 0; k <= hidden.size(); ++k) {
      const bool last = k == hidden.size();
      const std::vector<int> to = last ? outputs : first_channels(hidden[k]);
      const int out_width = last ? out_channels : hidden[k];
      RowMap map(width, out_width);
      for (std::size_t o = 0; o < to.size(); ++o) {
        for (std::size_t i = 0; i < from.size(); ++i)
          map.place(from[i], to[o], o * from.size() + i);
        map.place_bias(to[o], o);
      }
      Layer layer;
      layer.map = std::move(map);
      layer.n_in = static_cast<int>(from.size());
      layer.n_out = static_cast<int>(to.size());
      layers_.push_back(std::move(layer));
      from = to;
      width = out_width;
    }
  }

  void declare(ParameterLayout& layout, const std::string& prefix, double last_weights = 1.0) {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      Layer& layer = layers_[k];
      const std::string name = prefix + std::to_string(k) + "/";
      const int out = layer.n_out;
      const bool last = k + 1 == layers_.size();
      layer.weight = layout.add(
          name + "weight", {out, layer.n_in},
          Initializer::normal((last ? last_weights : 1.0) / std::sqrt(layer.n_in)), true);
      layer.bias = layout.add(name + "bias", {out}, Initializer::constant(0));
      if (last) continue;
      layer.scale = layout.add(name + "norm_weight", {out}, Initializer::constant(1));
      layer.shift = layout.add(name + "norm_bias", {out}, Initializer::constant(0));
    }
  }
  void prepare(std::span<const double> parameters) {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      Layer& layer = layers_[k];
      layer.map.prepare(layer.weight.of(parameters), layer.bias.of(parameters));
      if (k + 1 == layers_.size()) continue;
      pack(layer.scale.of(parameters), layer.scale_double, layer.scale_float);
      pack(layer.shift.of(parameters), layer.shift_double, layer.shift_float);
    }
  }

  int n_out() const { return layers_.back().n_out; }

  /// in: rows of `row_channels`; out: rows of n_out (or out_channels).
  template <Number T>
  void forward(std::size_t rows, const Pack<T>* in, Pack<T>* out, Tape<T>& tape) const;

  /// in_bar is set; parameter_gradient (the whole flat vector; empty: skipped) is added to.
  template <Number T>
  void backward(std::size_t rows, const Pack<T>* in, const Pack<T>* out_bar, Pack<T>* in_bar,
                Tape<T>& tape, std::span<double> parameter_gradient) const;

 private:
  static constexpr double epsilon = 1e-5;

  struct Layer {
    RowMap map;
    int n_in = 0, n_out = 0;
    Slice weight, bias, scale, shift;
    Buffer<Pack<double>> scale_double, shift_double;
    Buffer<Pack<float>> scale_float, shift_float;

    template <std::floating_point R>
    std::pair<const Pack<R>*, const Pack<R>*> norm() const {
      if constexpr (std::same_as<R, double>)
        return {scale_double.data(), shift_double.data()};
      else
        return {scale_float.data(), shift_float.data()};
    }
  };

  static std::vector<int> first_channels(int n) {
    std::vector<int> channels(static_cast<std::size_t>(n));
    for (int c = 0; c < n; ++c) channels[static_cast<std::size_t>(c)] = c;
    return channels;
  }
  static void pack(std::span<const double> from, Buffer<Pack<double>>& a, Buffer<Pack<float>>& b) {
    const int n = static_cast<int>(from.size());
    a.assign(static_cast<std::size_t>(pack_count<double>(n)), Pack<double>());
    b.assign(static_cast<std::size_t>(pack_count<float>(n)), Pack<float>());
    for (int i = 0; i < n; ++i) {
      const double x = from[static_cast<std::size_t>(i)];
      a[static_cast<std::size_t>(i / Pack<double>::lanes)].set_lane(i % Pack<double>::lanes, x);
      b[static_cast<std::size_t>(i / Pack<float>::lanes)].set_lane(i % Pack<float>::lanes,
                                                                   static_cast<float>(x));
    }
  }
  // Ones in the lanes of channels, zeros in the padding of the last pack.
  template <std::floating_point R>
  static Pack<R> last_lanes(int channels) {
    Pack<R> mask{};
    for (int i = 0; i <= (channels - 1) % Pack<R>::lanes; ++i) mask.set_lane(i, R(1));
    return mask;
  }

  std::vector<Layer> layers_;
};

template <Number T>
void NormedPerceptron::forward(std::size_t rows, const Pack<T>* in, Pack<T>* out,
                               Tape<T>& tape) const {
  using R = RealOf<T>;
  using std::sqrt;
  const std::size_t hidden = layers_.size() - 1;
  tape.unit.resize(hidden);
  tape.inverse.resize(hidden);
  tape.after.resize(hidden);
  for (std::size_t k = 0; k < hidden; ++k) {
    const Layer& layer = layers_[k];
    const int n = layer.map.n_out();
    const auto tiles = static_cast<std::size_t>(pack_count<T>(n));
    const auto [scale, shift] = layer.template norm<R>();
    const Pack<R> mask = last_lanes<R>(n);
    const R per_channel = R(1) / static_cast<R>(n);
    tape.unit[k].resize(rows * tiles);
    tape.inverse[k].resize(rows);
    tape.after[k].resize(rows * tiles);
    layer.map.template forward<T>(rows, k == 0 ? in : tape.after[k - 1].data(), tape.unit[k].data(),
                                  false);
    for (std::size_t r = 0; r < rows; ++r) {
      Pack<T>* x = tape.unit[k].data() + r * tiles;
      Pack<T>* y = tape.after[k].data() + r * tiles;
      Pack<T> sum{}, square{};
      for (std::size_t t = 0; t < tiles; ++t) sum += x[t];
      const Pack<T> mean(sum_lanes(sum) * per_channel);
      for (std::size_t t = 0; t < tiles; ++t) {
        x[t] -= mean;
        if (t + 1 == tiles) x[t] = x[t] * mask;
        square = fma(x[t], x[t], square);
      }
      const T inverse =
          T(R(1)) / sqrt(sum_lanes(square) * per_channel + T(static_cast<R>(epsilon)));
      tape.inverse[k][r] = inverse;
      for (std::size_t t = 0; t < tiles; ++t) {
        x[t] *= Pack<T>(inverse);
        const Pack<T> z = x[t] * scale[t] + Pack<T>(shift[t]);
        y[t] = z / (Pack<T>(R(1)) + exp(-z));
      }
    }
  }
  layers_.back().map.template forward<T>(rows, hidden == 0 ? in : tape.after[hidden - 1].data(),
                                         out, false);
}

template <Number T>
void NormedPerceptron::backward(std::size_t rows, const Pack<T>* in, const Pack<T>* out_bar,
                                Pack<T>* in_bar, Tape<T>& tape,
                                std::span<double> parameter_gradient) const {
  using R = RealOf<T>;
  const std::size_t hidden = layers_.size() - 1;
  const bool weights = !parameter_gradient.empty();
  const auto slice = [&](const Slice& s) {
    return weights ? s.of(parameter_gradient) : std::span<double>();
  };
  const Pack<T>* bar = out_bar;
  for (std::size_t k = hidden + 1; k-- > 0;) {
    const Layer& layer = layers_[k];
    Pack<T>* below = in_bar;
    if (k > 0) {
      tape.bar[k % 2].resize(rows * static_cast<std::size_t>(pack_count<T>(layer.map.n_in())));
      below = tape.bar[k % 2].data();
    }
    layer.map.template backward<T>(rows, k == 0 ? in : tape.after[k - 1].data(), bar, below, false,
                                   slice(layer.weight), slice(layer.bias), tape.scratch);
    if (k == 0) break;
    // Through the activation and the norm of layer k − 1.
    const Layer& normed = layers_[k - 1];
    const int n = normed.map.n_out();
    const auto tiles = static_cast<std::size_t>(pack_count<T>(n));
    const auto [scale, shift] = normed.template norm<R>();
    const Pack<R> mask = last_lanes<R>(n);
    const R per_channel = R(1) / static_cast<R>(n);
    tape.scale_bar.assign(tiles, Pack<T>());
    tape.shift_bar.assign(tiles, Pack<T>());
    for (std::size_t r = 0; r < rows; ++r) {
      const Pack<T>* x = tape.unit[k - 1].data() + r * tiles;
      Pack<T>* g = below + r * tiles;
      Pack<T> sum{}, product{};
      for (std::size_t t = 0; t < tiles; ++t) {
        const Pack<T> z = x[t] * scale[t] + Pack<T>(shift[t]);
        const Pack<T> s = Pack<T>(R(1)) / (Pack<T>(R(1)) + exp(-z));
        const Pack<T> z_bar = g[t] * (s + z * s * (Pack<T>(R(1)) - s));
        tape.scale_bar[t] = fma(z_bar, x[t], tape.scale_bar[t]);
        tape.shift_bar[t] += z_bar;
        g[t] = z_bar * scale[t];
        sum += g[t];
        product = fma(g[t], x[t], product);
      }
      const Pack<T> mean(sum_lanes(sum) * per_channel);
      const Pack<T> along(sum_lanes(product) * per_channel);
      const Pack<T> inverse(tape.inverse[k - 1][r]);
      for (std::size_t t = 0; t < tiles; ++t) {
        g[t] = (g[t] - mean - x[t] * along) * inverse;
        if (t + 1 == tiles) g[t] = g[t] * mask;
      }
    }
    if (weights) {
      const std::span<double> scale_out = slice(normed.scale), shift_out = slice(normed.shift);
      for (int c = 0; c < n; ++c) {
        scale_out[static_cast<std::size_t>(c)] += gradient_part(lane_of(tape.scale_bar.data(), c));
        shift_out[static_cast<std::size_t>(c)] += gradient_part(lane_of(tape.shift_bar.data(), c));
      }
    }
    bar = below;
  }
}

}  // namespace leyden::inline LEYDEN_ABI
