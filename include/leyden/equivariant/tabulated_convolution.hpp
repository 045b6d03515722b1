// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/convolution.hpp>
#include <leyden/equivariant/lane_sums.hpp>
#include <leyden/equivariant/radial_table.hpp>
#include <leyden/equivariant/registers.hpp>

namespace leyden::inline LEYDEN_ABI {

/// Convolution whose radial weights come from a RadialTable: nothing but the edges' harmonics and
/// distances is read, and the weights are evaluated where they are used, there and back. Sums over
/// edges of R h Y stay in registers; the coupling of h and Y is done once per atom.
///
/// `ones`: what is sent is one in every channel (the table holds the senders' features).
template <int l_in, int l_max, bool ones = false>
struct TabulatedConvolution {
  using Base = Convolution<l_in, l_max>;
  static constexpr auto& paths = Base::paths;
  static constexpr auto& offsets = Base::offsets;
  static constexpr int path_count = Base::path_count;
  static constexpr int lm_in = Base::lm_in;
  static constexpr int lm_edge = Base::lm_edge;
  static constexpr int output_count = Base::output_count;
  static constexpr int uncoupled_count = offsets.uncoupled[path_count];
  static_assert(!ones || l_in == 0);

  /// The edges of one receiver. row, u: RadialTable::locate of each.
  template <Number T>
  struct Edges {
    int count;
    const int* sender;
    const int* row;
    const T* u;
    const T* harmonics;  // [edge][lm_edge]
  };

  /// out: (output_count) packs, set. table: a tile's; h: a tile's [atom][lm_in].
  template <Number T>
  static void forward(const Edges<T>& edges, const Pack<RealOf<T>>* table, const Pack<T>* h,
                      Pack<T>* out) {
    unroll<path_count>([&](auto group) {
      sum_edges<group_first<T>(group), group_first<T>(group + 1)>(edges, table, h, out);
    });
  }

  /// The adjoint: adds to h_bar ([atom][lm_in] of the tile) and edge_bar ([edge][lm_edge], of this
  /// receiver's edges): cotangents of the harmonics, and in the place of l = 0, which is a
  /// constant, that of the distance. slope_factor: of the table.
  template <Number T>
  static void backward(const Edges<T>& edges, const Pack<RealOf<T>>* table, RealOf<T> slope_factor,
                       const Pack<T>* h, const Pack<T>* out_bar, Pack<T>* h_bar, T* edge_bar) {
    using R = RealOf<T>;
    using Table = RadialTable<R>;
    Pack<T> g[uncoupled_count];
    unroll<path_count>([&](auto p) { uncouple<p>(out_bar, g); });
    for (int e = 0; e < edges.count; ++e) {
      const Pack<R>* c =
          table + static_cast<std::ptrdiff_t>(edges.row[e]) * (path_count * Table::terms);
      const std::ptrdiff_t sender = static_cast<std::ptrdiff_t>(edges.sender[e]) * lm_in;
      const T* y = edges.harmonics + static_cast<std::ptrdiff_t>(e) * lm_edge;
      const T u = edges.u[e];
      Registers<Pack<T>, lm_edge> dy;  // the first: of the distance
      Registers<Pack<T>, lm_in> dh;
      unroll<path_count>([&](auto p) {
        constexpr auto path = paths[p];
        constexpr int d1 = 2 * path.l1 + 1, d2 = 2 * path.l2 + 1;
        constexpr int o1 = path.l1 * path.l1, o2 = path.l2 * path.l2;
        Pack<T> r, slope, dr;
        Table::Polynomial::value_and_slope(c + p * Table::terms, u, r, slope);
        unroll<d1>([&](auto m1) {
          const Pack<T> rh = ones ? r : r * h[sender + o1 + m1];
          Pack<T> s;
          unroll<d2>([&](auto m2) {
            const Pack<T> gv = g[offsets.uncoupled[p] + m1 * d2 + m2];
            s = fma(gv, Pack<T>(y[o2 + m2]), s);
            if constexpr (o2 + m2 > 0) dy[o2 + m2] = fma(rh, gv, dy[o2 + m2]);
          });
          if constexpr (ones) {
            dr = s;
          } else {
            dh[o1 + m1] = fma(r, s, dh[o1 + m1]);
            dr = fma(h[sender + o1 + m1], s, dr);
          }
        });
        dy[0] = fma(slope, dr, dy[0]);
      });
      if constexpr (!ones) unroll<lm_in>([&](auto m) { h_bar[sender + m] += dh[m]; });
      dy[0] = dy[0] * Pack<R>(slope_factor);
      add_lane_sums<lm_edge>(dy.data(), edge_bar + static_cast<std::ptrdiff_t>(e) * lm_edge);
    }
  }

 private:
  template <int begin, int end, Number T>
  static LEYDEN_ALWAYS_INLINE void sum_edges(const Edges<T>& edges, const Pack<RealOf<T>>* table,
                                             const Pack<T>* h, Pack<T>* out) {
    using R = RealOf<T>;
    using Table = RadialTable<R>;
    constexpr int base = offsets.uncoupled[begin];
    if constexpr (begin < end) {
      Registers<Pack<T>, offsets.uncoupled[end] - base> sum;
      for (int e = 0; e < edges.count; ++e) {
        const Pack<R>* c =
            table + static_cast<std::ptrdiff_t>(edges.row[e]) * (path_count * Table::terms);
        const Pack<T>* hs = ones ? h : h + static_cast<std::ptrdiff_t>(edges.sender[e]) * lm_in;
        const T* y = edges.harmonics + static_cast<std::ptrdiff_t>(e) * lm_edge;
        const T u = edges.u[e];
        unroll<end - begin>([&](auto q) {
          constexpr auto path = paths[begin + q];
          constexpr int d1 = 2 * path.l1 + 1, d2 = 2 * path.l2 + 1;
          constexpr int o1 = path.l1 * path.l1, o2 = path.l2 * path.l2;
          constexpr int first = offsets.uncoupled[begin + q] - base;
          const Pack<T> r = Table::Polynomial::value(c + (begin + q) * Table::terms, u);
          unroll<d1>([&](auto m1) {
            const Pack<T> rh = ones ? r : r * hs[o1 + m1];
            unroll<d2>([&](auto m2) {
              Pack<T>& s = sum[first + m1 * d2 + m2];
              s = fma(rh, Pack<T>(y[o2 + m2]), s);
            });
          });
        });
      }
      unroll<end - begin>([&](auto q) { couple<begin + q, base>(sum.data(), out); });
    }
  }

  // Paths whose sums fit the register file go through the edges together: group k is the paths
  // group_first(k) … group_first(k + 1) − 1.
  template <Number T>
  static constexpr int group_first(int group) {
    constexpr int room = detail::vector_registers * 3 / 4 / (is_dual_v<T> ? 2 : 1);
    int begin = 0;
    for (; group > 0 && begin < path_count; --group) {
      int end = begin + 1;
      while (end < path_count && offsets.uncoupled[static_cast<std::size_t>(end) + 1] -
                                         offsets.uncoupled[static_cast<std::size_t>(begin)] <=
                                     room)
        ++end;
      begin = end;
    }
    return begin;
  }

  // out[p, m3] = √(2 l3 + 1) Σ w u[m1][m2]
  template <int p, int base, Number T>
  static LEYDEN_ALWAYS_INLINE void couple(const Pack<T>* u, Pack<T>* out) {
    using R = RealOf<T>;
    constexpr auto path = paths[p];
    constexpr int d2 = 2 * path.l2 + 1, d3 = 2 * path.l3 + 1;
    constexpr double factor = detail::constexpr_sqrt(d3);
    Registers<Pack<T>, d3> sum;
    unroll<static_cast<int>(wigner_3j_terms<path.l1, path.l2, path.l3>.size())>([&](auto i) {
      constexpr auto term = wigner_3j_terms<path.l1, path.l2, path.l3>[i];
      sum[term.m3] = fma(Pack<R>(static_cast<R>(term.value * factor)),
                         u[offsets.uncoupled[p] - base + term.m1 * d2 + term.m2], sum[term.m3]);
    });
    unroll<d3>([&](auto m) { out[offsets.output[p] + m] = sum[m]; });
  }
  template <int p, Number T>
  static LEYDEN_ALWAYS_INLINE void uncouple(const Pack<T>* out_bar, Pack<T>* g) {
    using R = RealOf<T>;
    constexpr auto path = paths[p];
    constexpr int d1 = 2 * path.l1 + 1, d2 = 2 * path.l2 + 1, d3 = 2 * path.l3 + 1;
    constexpr double factor = detail::constexpr_sqrt(d3);
    Registers<Pack<T>, d1 * d2> sum;
    unroll<static_cast<int>(wigner_3j_terms<path.l1, path.l2, path.l3>.size())>([&](auto i) {
      constexpr auto term = wigner_3j_terms<path.l1, path.l2, path.l3>[i];
      Pack<T>& s = sum[term.m1 * d2 + term.m2];
      s = fma(Pack<R>(static_cast<R>(term.value * factor)), out_bar[offsets.output[p] + term.m3],
              s);
    });
    unroll<d1 * d2>([&](auto m) { g[offsets.uncoupled[p] + m] = sum[m]; });
  }
};

}  // namespace leyden::inline LEYDEN_ABI
