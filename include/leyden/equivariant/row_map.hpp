// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/mixing.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Rows of channels stand one after the other, row r at tiles·r; lanes beyond the channels are
/// zero, or finite and met by zero weights.
template <class P>
RowsView<P> contiguous_rows(P* data, int channels) {
  const auto tiles = static_cast<std::size_t>(pack_count<typename P::scalar_type>(channels));
  return {data, 1, nullptr, tiles};
}
template <class P>
RowsView<const P> contiguous_rows(const P* data, int channels) {
  const auto tiles = static_cast<std::size_t>(pack_count<typename P::scalar_type>(channels));
  return {data, 1, nullptr, tiles};
}

/// The smallest multiple of every register width (16 floats at most): where a second group of
/// channels can start in a row so that both are whole packs.
constexpr int whole_tiles(int channels) { return (channels + 15) / 16 * 16; }

/// What adjoints of maps between rows work in.
template <Number T>
struct RowMapScratch {
  Buffer<Pack<T>> rows;
  Buffer<Pack<RealOf<T>>> packed;
  std::vector<double> dense;
};

/// y = s·W x (+ b) on rows of channels, its weights anywhere in a slice: `place` says where each
/// W[in][out] stands, so that a slice can keep the order of the files it is read from. Places
/// without a number are zero. Works in double and in float.
class RowMap {
 public:
  RowMap() = default;
  RowMap(int n_in, int n_out, double scale = 1.0)
      : n_in_(n_in),
        n_out_(n_out),
        scale_(scale),
        double_(n_in, n_out),
        float_(n_in, n_out),
        place_(static_cast<std::size_t>(n_in * n_out), -1),
        bias_place_(static_cast<std::size_t>(n_out), -1) {}

  int n_in() const { return n_in_; }
  int n_out() const { return n_out_; }

  void place(int in, int out, std::size_t at) {
    place_[static_cast<std::size_t>(in * n_out_ + out)] = static_cast<std::ptrdiff_t>(at);
  }
  void place_bias(int out, std::size_t at) {
    has_bias_ = true;
    bias_place_[static_cast<std::size_t>(out)] = static_cast<std::ptrdiff_t>(at);
  }

  /// Takes the numbers of the two slices.
  void prepare(std::span<const double> weights, std::span<const double> bias = {}) {
    std::vector<double> dense(place_.size());
    for (std::size_t k = 0; k < dense.size(); ++k)
      if (place_[k] >= 0) dense[k] = weights[static_cast<std::size_t>(place_[k])];
    double_.pack(dense.data(), static_cast<std::size_t>(n_out_), scale_);
    float_.pack(dense.data(), static_cast<std::size_t>(n_out_), scale_);
    if (!has_bias_) return;
    double_bias_.assign(static_cast<std::size_t>(double_.out_tiles()), Pack<double>());
    float_bias_.assign(static_cast<std::size_t>(float_.out_tiles()), Pack<float>());
    for (int c = 0; c < n_out_; ++c) {
      const std::ptrdiff_t at = bias_place_[static_cast<std::size_t>(c)];
      if (at < 0) continue;
      const double b = bias[static_cast<std::size_t>(at)];
      set_lane(double_bias_, c, b);
      set_lane(float_bias_, c, b);
    }
  }

  template <Number T>
  void forward(std::size_t rows, const Pack<T>* x, Pack<T>* y, bool accumulate) const {
    using R = RealOf<T>;
    const auto tiles = static_cast<std::size_t>(pack_count<T>(n_out_));
    if (n_in_ == 0) {
      if (!accumulate) std::fill_n(y, rows * tiles, Pack<T>());
    } else {
      mixing<R>().template apply<T>(rows, contiguous_rows(x, n_in_), contiguous_rows(y, n_out_),
                                    accumulate);
    }
    if (!has_bias_) return;
    const Pack<R>* b = bias<R>();
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t t = 0; t < tiles; ++t) y[r * tiles + t] += Pack<T>(b[t]);
  }

  /// x_bar is set or, with `accumulate`, added to (null: skipped); the gradients of the two slices
  /// are added to (empty: skipped).
  template <Number T>
  void backward(std::size_t rows, const Pack<T>* x, const Pack<T>* y_bar, Pack<T>* x_bar,
                bool accumulate, std::span<double> weight_gradient, std::span<double> bias_gradient,
                RowMapScratch<T>& scratch) const {
    using R = RealOf<T>;
    const auto tiles = static_cast<std::size_t>(pack_count<T>(n_out_));
    const RowsView<const Pack<T>> bar = contiguous_rows(y_bar, n_out_);
    if (n_in_ > 0 && x_bar != nullptr)
      mixing<R>().template apply_transposed<T>(rows, bar, contiguous_rows(x_bar, n_in_),
                                               accumulate);
    if (n_in_ > 0 && !weight_gradient.empty()) {
      const Mixing<R>& m = mixing<R>();
      scratch.packed.resize(m.gradient_size());
      mix_gradient<T>(rows, contiguous_rows(x, n_in_), n_in_, bar, m.out_tiles(),
                      scratch.packed.data(), false);
      scratch.dense.assign(place_.size(), 0.0);
      m.unpack_gradient(scratch.packed.data(), scratch.dense.data(),
                        static_cast<std::size_t>(n_out_), scale_);
      for (std::size_t k = 0; k < place_.size(); ++k)
        if (place_[k] >= 0)
          weight_gradient[static_cast<std::size_t>(place_[k])] += scratch.dense[k];
    }
    if (has_bias_ && !bias_gradient.empty()) {
      scratch.packed.assign(tiles, Pack<R>());
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t t = 0; t < tiles; ++t)
          scratch.packed[t] += gradient_part(y_bar[r * tiles + t]);
      for (int c = 0; c < n_out_; ++c) {
        const std::ptrdiff_t at = bias_place_[static_cast<std::size_t>(c)];
        if (at >= 0)
          bias_gradient[static_cast<std::size_t>(at)] += lane_of(scratch.packed.data(), c);
      }
    }
  }

 private:
  template <class R>
  static void set_lane(Buffer<Pack<R>>& packs, int c, double value) {
    packs[static_cast<std::size_t>(c / Pack<R>::lanes)].set_lane(c % Pack<R>::lanes,
                                                                 static_cast<R>(value));
  }
  template <std::floating_point R>
  const Mixing<R>& mixing() const {
    if constexpr (std::same_as<R, double>)
      return double_;
    else
      return float_;
  }
  template <std::floating_point R>
  const Pack<R>* bias() const {
    if constexpr (std::same_as<R, double>)
      return double_bias_.data();
    else
      return float_bias_.data();
  }

  int n_in_ = 0, n_out_ = 0;
  double scale_ = 1.0;
  bool has_bias_ = false;
  Mixing<double> double_;
  Mixing<float> float_;
  std::vector<std::ptrdiff_t> place_;       // [in][out] in the slice; −1: none
  std::vector<std::ptrdiff_t> bias_place_;  // [out]
  Buffer<Pack<double>> double_bias_;
  Buffer<Pack<float>> float_bias_;
};

}  // namespace leyden::inline LEYDEN_ABI
