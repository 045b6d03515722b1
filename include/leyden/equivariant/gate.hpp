// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/irrep_rows.hpp>
#include <leyden/equivariant/perceptron.hpp>

namespace leyden::inline LEYDEN_ABI {

/// 1/√⟨sigmoid(x)²⟩ over a standard normal x, the literal of e3nn 0.4 (see silu_normalization).
inline constexpr double sigmoid_normalization = 1.8467055342154763;

/// The gate of PolarMACE's readouts: G scalars and, where L = 1, G vectors, each with a scalar of
/// its own that switches it (e3nn's nn.Gate):
///
///     scalars s → c silu(s),   vectors u, gates g → c' sigmoid(g) u.
///
/// Rows before the gate: l = 0 holds the scalars, then, from the next whole pack on, the gates.
template <int L>
struct Gate {
  int channels = 0;

  IrrepSlots before() const {
    IrrepSlots slots;
    if constexpr (L == 0)
      slots.add(channels, 0);
    else
      slots.add_two(channels, 0).add(channels, 1);
    return slots;
  }
  IrrepSlots after() const {
    IrrepSlots slots;
    slots.add(channels, 0);
    if constexpr (L == 1) slots.add(channels, 1);
    return slots;
  }

  template <Number T>
  void forward(const IrrepRows<T>& in, IrrepRows<T>& out) const {
    using R = RealOf<T>;
    RowChannels shape{channels};
    if constexpr (L == 1) shape[1] = channels;
    out.resize(in.n_atoms, shape);
    const std::size_t tiles = out.tiles(0);
    for (int i = 0; i < in.n_atoms; ++i) {
      const Pack<T>* from = in.row(0, i, 0);
      Pack<T>* to = out.row(0, i, 0);
      for (std::size_t t = 0; t < tiles; ++t) {
        to[t] = normalized_silu(from[t], R(1));
        if constexpr (L == 1) {
          const Pack<T> g = switch_of(from[first_gate<T>() + t]);
          for (int m = 0; m < 3; ++m) out.row(1, i, m)[t] = g * in.row(1, i, m)[t];
        }
      }
    }
  }

  /// Sets in_bar.
  template <Number T>
  void backward(const IrrepRows<T>& in, const IrrepRows<T>& out_bar, IrrepRows<T>& in_bar) const {
    using R = RealOf<T>;
    in_bar.assign_zero(in.n_atoms, in.channels);
    const std::size_t tiles = out_bar.tiles(0);
    for (int i = 0; i < in.n_atoms; ++i) {
      const Pack<T>* from = in.row(0, i, 0);
      const Pack<T>* bar = out_bar.row(0, i, 0);
      Pack<T>* to = in_bar.row(0, i, 0);
      for (std::size_t t = 0; t < tiles; ++t) {
        to[t] = bar[t] * normalized_silu_derivative(from[t], R(1));
        if constexpr (L == 1) {
          const Pack<T> g = switch_of(from[first_gate<T>() + t]);
          Pack<T> g_bar{};
          for (int m = 0; m < 3; ++m) {
            const Pack<T> u_bar = out_bar.row(1, i, m)[t];
            in_bar.row(1, i, m)[t] = g * u_bar;
            g_bar = fma(u_bar, in.row(1, i, m)[t], g_bar);
          }
          // c s' = c s (1 − s) with g = c s
          const R inverse = static_cast<R>(1.0 / sigmoid_normalization);
          to[first_gate<T>() + t] = g_bar * g * (Pack<T>(R(1)) - g * inverse);
        }
      }
    }
  }

 private:
  template <Number T>
  std::size_t first_gate() const {
    return static_cast<std::size_t>(whole_tiles(channels) / Pack<T>::lanes);
  }
  template <class P>
  static P switch_of(P x) {
    using R = RealOf<typename P::scalar_type>;
    return P(static_cast<R>(sigmoid_normalization)) / (P(R(1)) + exp(-x));
  }
};

}  // namespace leyden::inline LEYDEN_ABI
