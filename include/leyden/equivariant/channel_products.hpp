// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/irrep_rows.hpp>

#include <array>
#include <cmath>
#include <string>

/// Products of features with C channels of each l = 0 … l_max with invariants: the two sparse
/// tensor products of PolarMACE.
namespace leyden::inline LEYDEN_ABI {

/// C × (l = 0 … l_max).
inline IrrepSlots uniform_irreps(int channels, int l_max) {
  IrrepSlots slots;
  for (int l = 0; l <= l_max; ++l) slots.add(channels, l);
  return slots;
}

/// s_u = Σ_l Σ_v W_l[u, v] ⟨a_(l,u), b_(l,v)⟩ / √(n_l C (2l + 1)), n_l = l_max + 1.
///
/// One slice, <prefix>weight: W_l row-major, l after l.
class ChannelDot {
 public:
  ChannelDot() = default;
  ChannelDot(int channels, int l_max) : l_max_(l_max) {
    std::size_t at = 0;
    for (int l = 0; l <= l_max; ++l) {
      RowMap map(channels, channels, 1.0 / std::sqrt((l_max + 1.0) * channels * (2.0 * l + 1.0)));
      for (int u = 0; u < channels; ++u)
        for (int v = 0; v < channels; ++v) map.place(v, u, at++);
      maps_[static_cast<std::size_t>(l)] = std::move(map);
    }
    n_weights_ = static_cast<int>(at);
  }

  void declare(ParameterLayout& layout, const std::string& prefix) {
    weight_ = layout.add(prefix + "weight", {n_weights_}, Initializer::normal(1.0), true);
  }
  void prepare(std::span<const double> parameters) {
    for (int l = 0; l <= l_max_; ++l) map(l).prepare(weight_.of(parameters));
  }

  /// Sets the first C channels of the rows of `out`, `stride` packs apart; `mapped` keeps W b.
  template <Number T>
  void forward(const IrrepRows<T>& a, const IrrepRows<T>& b, IrrepRows<T>& mapped, Pack<T>* out,
               std::size_t stride) const {
    mapped.resize(a.n_atoms, a.channels);
    const std::size_t tiles = a.tiles(0);
    for (int l = 0; l <= l_max_; ++l) {
      map(l).template forward<T>(b.rows(l), b.of(l).data(), mapped.of(l).data(), false);
      for (int i = 0; i < a.n_atoms; ++i) {
        Pack<T>* s = out + static_cast<std::size_t>(i) * stride;
        const Pack<T>*x = a.row(l, i, 0), *y = mapped.row(l, i, 0);
        for (std::size_t t = 0; t < tiles; ++t) {
          Pack<T> sum = l == 0 ? Pack<T>() : s[t];
          for (std::size_t m = 0; m < static_cast<std::size_t>(2 * l + 1); ++m)
            sum = fma(x[m * tiles + t], y[m * tiles + t], sum);
          s[t] = sum;
        }
      }
    }
  }

  /// Adds to a_bar and b_bar.
  template <Number T>
  void backward(const IrrepRows<T>& a, const IrrepRows<T>& b, const IrrepRows<T>& mapped,
                const Pack<T>* out_bar, std::size_t stride, IrrepRows<T>& a_bar,
                IrrepRows<T>& b_bar, std::span<double> parameter_gradient,
                RowMapScratch<T>& scratch) const {
    const std::span<double> weights =
        parameter_gradient.empty() ? parameter_gradient : weight_.of(parameter_gradient);
    const std::size_t tiles = a.tiles(0);
    for (int l = 0; l <= l_max_; ++l) {
      scratch.rows.resize(a.rows(l) * tiles);
      for (int i = 0; i < a.n_atoms; ++i) {
        const Pack<T>* s = out_bar + static_cast<std::size_t>(i) * stride;
        const Pack<T>*x = a.row(l, i, 0), *y = mapped.row(l, i, 0);
        Pack<T>* x_bar = a_bar.row(l, i, 0);
        Pack<T>* y_bar = scratch.rows.data() + (x - a.of(l).data());
        for (std::size_t m = 0; m < static_cast<std::size_t>(2 * l + 1); ++m)
          for (std::size_t t = 0; t < tiles; ++t) {
            const std::size_t k = m * tiles + t;
            x_bar[k] = fma(s[t], y[k], x_bar[k]);
            y_bar[k] = s[t] * x[k];
          }
      }
      map(l).template backward<T>(b.rows(l), b.of(l).data(), scratch.rows.data(),
                                  b_bar.of(l).data(), true, weights, std::span<double>(), scratch);
    }
  }

 private:
  RowMap& map(int l) { return maps_[static_cast<std::size_t>(l)]; }
  const RowMap& map(int l) const { return maps_[static_cast<std::size_t>(l)]; }

  int l_max_ = 0;
  int n_weights_ = 0;
  std::array<RowMap, max_row_l + 1> maps_;
  Slice weight_;
};

/// y_(l,u) = x_(l,u) · Σ_v W_l[u, v] g_v / √C.
///
/// One slice, <prefix>weight: W_l row-major, l after l.
class ChannelScaling {
 public:
  template <Number T>
  struct Tape {
    std::array<Buffer<Pack<T>>, max_row_l + 1> factor;  // [atom][tile]
  };

  ChannelScaling() = default;
  ChannelScaling(int channels, int l_max) : l_max_(l_max) {
    std::size_t at = 0;
    for (int l = 0; l <= l_max; ++l) {
      RowMap map(channels, channels, 1.0 / std::sqrt(static_cast<double>(channels)));
      for (int u = 0; u < channels; ++u)
        for (int v = 0; v < channels; ++v) map.place(v, u, at++);
      maps_[static_cast<std::size_t>(l)] = std::move(map);
    }
    n_weights_ = static_cast<int>(at);
  }

  void declare(ParameterLayout& layout, const std::string& prefix) {
    weight_ = layout.add(prefix + "weight", {n_weights_}, Initializer::normal(1.0), true);
  }
  void prepare(std::span<const double> parameters) {
    for (int l = 0; l <= l_max_; ++l)
      maps_[static_cast<std::size_t>(l)].prepare(weight_.of(parameters));
  }

  /// g: rows of C channels, one per atom.
  template <Number T>
  void forward(const IrrepRows<T>& x, const Pack<T>* g, IrrepRows<T>& y, Tape<T>& tape) const {
    y.resize(x.n_atoms, x.channels);
    for_each(x, [&](std::size_t l, std::size_t tiles) {
      Buffer<Pack<T>>& factor = tape.factor[l];
      factor.resize(x.rows(0) * tiles);
      maps_[l].template forward<T>(x.rows(0), g, factor.data(), false);
      const std::size_t components = 2 * l + 1;
      for (std::size_t r = 0; r < x.data[l].size() / tiles; ++r)
        for (std::size_t t = 0; t < tiles; ++t)
          y.data[l][r * tiles + t] = x.data[l][r * tiles + t] * factor[r / components * tiles + t];
    });
  }

  /// Adds to x_bar; sets g_bar.
  template <Number T>
  void backward(const IrrepRows<T>& x, const Pack<T>* g, const IrrepRows<T>& y_bar,
                IrrepRows<T>& x_bar, Pack<T>* g_bar, const Tape<T>& tape,
                std::span<double> parameter_gradient, RowMapScratch<T>& scratch) const {
    const std::span<double> weights =
        parameter_gradient.empty() ? parameter_gradient : weight_.of(parameter_gradient);
    for_each(x, [&](std::size_t l, std::size_t tiles) {
      const Buffer<Pack<T>>& factor = tape.factor[l];
      scratch.rows.resize(factor.size());
      for (std::size_t i = 0; i < x.rows(0); ++i)
        for (std::size_t t = 0; t < tiles; ++t) {
          const Pack<T> f = factor[i * tiles + t];
          Pack<T> f_bar{};
          for (std::size_t m = 0; m < 2 * l + 1; ++m) {
            const std::size_t k = ((2 * l + 1) * i + m) * tiles + t;
            x_bar.data[l][k] = fma(y_bar.data[l][k], f, x_bar.data[l][k]);
            f_bar = fma(y_bar.data[l][k], x.data[l][k], f_bar);
          }
          scratch.rows[i * tiles + t] = f_bar;
        }
      maps_[l].template backward<T>(x.rows(0), g, scratch.rows.data(), g_bar, l > 0, weights,
                                    std::span<double>(), scratch);
    });
  }

 private:
  template <Number T, class F>
  void for_each(const IrrepRows<T>& x, F&& f) const {
    for (int l = 0; l <= l_max_; ++l) f(static_cast<std::size_t>(l), x.tiles(l));
  }

  int l_max_ = 0;
  int n_weights_ = 0;
  std::array<RowMap, max_row_l + 1> maps_;
  Slice weight_;
};

}  // namespace leyden::inline LEYDEN_ABI
