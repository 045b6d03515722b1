// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/features.hpp>
#include <leyden/equivariant/row_map.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Highest l of signals in rows.
inline constexpr int max_row_l = 3;
/// Channels of l = 0 … 3.
using RowChannels = std::array<int, max_row_l + 1>;

/// Equivariant signals of atoms, l by l, as rows of channels: row (atom, m) of l stands at
/// (2l + 1)·atom + m. What is linear or acts per atom runs on these; FeatureArray serves what runs
/// per channel.
template <Number T>
struct IrrepRows {
  int n_atoms = 0;
  RowChannels channels{};
  std::array<Buffer<Pack<T>>, max_row_l + 1> data;

  void resize(int n, const RowChannels& c) {
    n_atoms = n;
    channels = c;
    for (int l = 0; l <= max_row_l; ++l) of(l).resize(rows(l) * tiles(l));
  }
  void assign_zero(int n, const RowChannels& c) {
    resize(n, c);
    for (auto& d : data) std::fill(d.begin(), d.end(), Pack<T>());
  }

  std::size_t rows(int l) const { return static_cast<std::size_t>((2 * l + 1) * n_atoms); }
  std::size_t tiles(int l) const {
    return static_cast<std::size_t>(pack_count<T>(channels[static_cast<std::size_t>(l)]));
  }
  Buffer<Pack<T>>& of(int l) { return data[static_cast<std::size_t>(l)]; }
  const Buffer<Pack<T>>& of(int l) const { return data[static_cast<std::size_t>(l)]; }
  Pack<T>* row(int l, int atom, int m) { return of(l).data() + first_pack(l, atom, m); }
  const Pack<T>* row(int l, int atom, int m) const { return of(l).data() + first_pack(l, atom, m); }

  T get(int l, int atom, int m, int channel) const { return lane_of(row(l, atom, m), channel); }
  void set(int l, int atom, int m, int channel, T value) {
    row(l, atom, m)[channel / Pack<T>::lanes].set_lane(channel % Pack<T>::lanes, value);
  }

 private:
  std::size_t first_pack(int l, int atom, int m) const {
    return static_cast<std::size_t>((2 * l + 1) * atom + m) * tiles(l);
  }
};

namespace detail {
// Where component m of l in rows, (y, z, x) for l = 1, stands among the components of a feature.
// Higher l keep the frame of their features: no l = 0 or 1 is made of them but in products of two.
constexpr int feature_component(int l, int m, HarmonicFrame frame) {
  return l == 1 && frame == HarmonicFrame::xyz ? 1 + (m + 1) % 3 : l * l + m;
}
}  // namespace detail

/// Features into rows; l = 1 becomes (y, z, x), m = −1, 0, 1.
template <Number T>
void load_rows(const FeatureArray<T>& features, IrrepRows<T>& out) {
  const FeatureShape shape = features.shape();
  RowChannels channels{};
  for (int l = 0; l <= shape.l_max; ++l) channels[static_cast<std::size_t>(l)] = shape.channels;
  out.resize(features.n_atoms(), channels);
  for (int t = 0; t < features.tiles(); ++t)
    for (int i = 0; i < features.n_atoms(); ++i) {
      const Pack<T>* from = features.at(t, i);
      for (int l = 0; l <= shape.l_max; ++l)
        for (int m = 0; m <= 2 * l; ++m)
          out.row(l, i, m)[t] = from[detail::feature_component(l, m, shape.frame)];
    }
}
/// The adjoint of load_rows: adds to the features' cotangents.
template <Number T>
void add_rows(const IrrepRows<T>& rows, FeatureArray<T>& features) {
  const FeatureShape shape = features.shape();
  for (int t = 0; t < features.tiles(); ++t)
    for (int i = 0; i < features.n_atoms(); ++i) {
      Pack<T>* to = features.at(t, i);
      for (int l = 0; l <= shape.l_max; ++l)
        for (int m = 0; m <= 2 * l; ++m)
          to[detail::feature_component(l, m, shape.frame)] += rows.row(l, i, m)[t];
    }
}

/// A list of irreps "a×l + b×l' + …" and the channel of the rows of its l that each of its copies
/// is.
struct IrrepSlots {
  struct Slot {
    int l = 0;
    std::vector<int> channel;
  };
  std::vector<Slot> slots;
  RowChannels channels{};

  /// Appends a slot.
  IrrepSlots& add(int copies, int l) {
    Slot slot{l, {}};
    for (int k = 0; k < copies; ++k) slot.channel.push_back(of(l)++);
    slots.push_back(std::move(slot));
    return *this;
  }
  /// Appends one slot that is two groups of `copies`, the second one from a whole pack on.
  IrrepSlots& add_two(int copies, int l) {
    Slot slot{l, {}};
    for (int group = 0; group < 2; ++group) {
      for (int k = 0; k < copies; ++k) slot.channel.push_back(of(l)++);
      if (group == 0) of(l) = whole_tiles(of(l));
    }
    slots.push_back(std::move(slot));
    return *this;
  }

 private:
  int& of(int l) { return channels[static_cast<std::size_t>(l)]; }
};

/// The linear map between lists of irreps of e3nn's o3.Linear: equal l connect,
///
///     out[o][w, m] = 1/√(copies of l in all inputs) Σ_i Σ_u W^(i,o)[u, w] in[i][u, m] (+ b[w]).
///
/// The slice keeps e3nn's order: input slots outside, output slots inside, each block row-major.
/// Biases are there for l = 0 only, output by output.
class IrrepLinear {
 public:
  IrrepLinear() = default;
  IrrepLinear(const IrrepSlots& in, const IrrepSlots& out, bool bias = false)
      : in_(in.channels), out_(out.channels) {
    RowChannels fan{};
    for (const auto& slot : in.slots) fan[index(slot.l)] += static_cast<int>(slot.channel.size());
    for (std::size_t l = 0; l <= max_row_l; ++l)
      maps_[l] = RowMap(in_[l], out_[l], fan[l] > 0 ? 1.0 / std::sqrt(fan[l]) : 1.0);
    for (const auto& from : in.slots)
      for (const auto& to : out.slots) {
        if (from.l != to.l) continue;
        for (const int u : from.channel)
          for (const int w : to.channel) maps_[index(from.l)].place(u, w, n_weights_++);
      }
    if (!bias) return;
    for (const auto& to : out.slots)
      if (to.l == 0)
        for (const int w : to.channel) maps_[0].place_bias(w, n_biases_++);
  }

  /// Adds <prefix>weight and, if there are any, <prefix>bias.
  void declare(ParameterLayout& layout, const std::string& prefix, double initial_weights = 1.0) {
    weight_ = layout.add(prefix + "weight", {static_cast<int>(n_weights_)},
                         Initializer::normal(initial_weights), true);
    bias_ = {};
    if (n_biases_ > 0)
      bias_ = layout.add(prefix + "bias", {static_cast<int>(n_biases_)}, Initializer::constant(0));
  }
  void prepare(std::span<const double> parameters) {
    for (RowMap& map : maps_)
      if (map.n_out() > 0) map.prepare(weight_.of(parameters), bias_.of(parameters));
  }

  template <Number T>
  void forward(const IrrepRows<T>& in, IrrepRows<T>& out, bool accumulate) const {
    if (!accumulate) out.resize(in.n_atoms, out_);
    for (int l = 0; l <= max_row_l; ++l)
      if (out_[index(l)] > 0)
        maps_[index(l)].template forward<T>(in.rows(l), in.of(l).data(), out.of(l).data(),
                                            accumulate);
  }

  /// Adds to in_bar (null: skipped) and to the parameters' cotangents (empty: skipped).
  template <Number T>
  void backward(const IrrepRows<T>& in, const IrrepRows<T>& out_bar, IrrepRows<T>* in_bar,
                std::span<double> parameter_gradient, RowMapScratch<T>& scratch) const {
    std::span<double> weights, biases;
    if (!parameter_gradient.empty()) {
      weights = weight_.of(parameter_gradient);
      biases = bias_.of(parameter_gradient);
    }
    for (int l = 0; l <= max_row_l; ++l)
      if (out_[index(l)] > 0)
        maps_[index(l)].template backward<T>(in.rows(l), in.of(l).data(), out_bar.of(l).data(),
                                             in_bar != nullptr ? in_bar->of(l).data() : nullptr,
                                             true, weights, biases, scratch);
  }

  const RowChannels& in_channels() const { return in_; }
  const RowChannels& out_channels() const { return out_; }

 private:
  static constexpr std::size_t index(int l) { return static_cast<std::size_t>(l); }

  RowChannels in_{}, out_{};
  std::array<RowMap, max_row_l + 1> maps_;
  std::size_t n_weights_ = 0, n_biases_ = 0;
  Slice weight_, bias_;
};

}  // namespace leyden::inline LEYDEN_ABI
