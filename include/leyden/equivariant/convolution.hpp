// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/unroll.hpp>
#include <leyden/equivariant/coupling.hpp>
#include <leyden/equivariant/lane_sums.hpp>

#include <array>
#include <cmath>
#include <cstddef>

namespace leyden::inline LEYDEN_ABI {

/// The equivariant convolution of MACE, edges → node, channel by channel:
///
///   A_t[p, m3] = √(2 l3 + 1) Σ_{e → t} R_e[p] Σ_{m1 m2} w(l1 l2 l3; m1 m2 m3) h_s[l1 m1] Y_e[l2
///   m2]
///
/// with a path p = (l1 of the sender's feature, l2 of the edge, l3 of the output), R_e[p] the
/// radial weight and w the real 3j symbol. (Batatia et al., MACE, NeurIPS 2022, eq. 8, in e3nn's
/// normalisation.) All functions work on one tile of channels and one receiving atom; sums stay in
/// registers, nothing is shared between atoms but `h_bar` and `radial_bar` of a tile.
template <int l_in, int l_max>
struct Convolution {
  static constexpr int l_sent = l_in;
  static constexpr auto& paths = convolution_paths<l_in, l_max>;
  static constexpr int path_count = static_cast<int>(paths.size());
  static constexpr int lm_in = (l_in + 1) * (l_in + 1);
  static constexpr int lm_edge = (l_max + 1) * (l_max + 1);

  struct Offsets {
    std::array<int, paths.size() + 1> output{};     // (2 l3 + 1) each
    std::array<int, paths.size() + 1> coupled{};    // (2 l1 + 1)(2 l3 + 1) each
    std::array<int, paths.size() + 1> uncoupled{};  // (2 l1 + 1)(2 l2 + 1) each
  };
  static constexpr Offsets offsets = [] {
    Offsets o;
    for (std::size_t p = 0; p < paths.size(); ++p) {
      const int d1 = 2 * paths[p].l1 + 1, d2 = 2 * paths[p].l2 + 1, d3 = 2 * paths[p].l3 + 1;
      o.output[p + 1] = o.output[p] + d3;
      o.coupled[p + 1] = o.coupled[p] + d1 * d3;
      o.uncoupled[p + 1] = o.uncoupled[p] + d1 * d2;
    }
    return o;
  }();
  static constexpr int output_count = offsets.output[path_count];
  static constexpr int coupled_count = offsets.coupled[path_count];

  /// The edges of one receiver.
  struct Edges {
    int count;
    const int* sender;
    const int* pair;
  };

  /// coupled[p][m1][m3] = √(2 l3 + 1) Σ_{m2} w Y[m2] of one edge: what all channels share.
  /// y: (lm_edge); coupled: (coupled_count).
  template <Number T>
  static void couple(const T* y, T* coupled) {
    using R = RealOf<T>;
    for (int i = 0; i < coupled_count; ++i) coupled[i] = T(0);
    unroll<path_count>([&](auto p) {
      constexpr auto path = paths[p];
      constexpr int d3 = 2 * path.l3 + 1;
      const R factor = static_cast<R>(std::sqrt(static_cast<double>(d3)));
      T* out = coupled + offsets.coupled[p];
      const T* y2 = y + path.l2 * path.l2;
      for (const auto& term : wigner_3j_terms<path.l1, path.l2, path.l3>)
        out[term.m1 * d3 + term.m3] += y2[term.m2] * (static_cast<R>(term.value) * factor);
    });
  }

  /// out: (output_count) packs. radial: a tile's [pair][path]; h: a tile's [atom][lm_in];
  /// coupled: [edge][coupled_count] of this receiver's edges.
  template <Number T>
  static void forward(const Edges& edges, const T* coupled, const Pack<T>* radial, const Pack<T>* h,
                      Pack<T>* out) {
    unroll<path_count>([&](auto p) {
      constexpr auto path = paths[p];
      constexpr int d1 = 2 * path.l1 + 1, d3 = 2 * path.l3 + 1;
      Pack<T> sum[d3];
      for (int e = 0; e < edges.count; ++e) {
        const Pack<T> r = radial[static_cast<std::ptrdiff_t>(edges.pair[e]) * path_count + p];
        const Pack<T>* hs =
            h + static_cast<std::ptrdiff_t>(edges.sender[e]) * lm_in + path.l1 * path.l1;
        const T* c = coupled + static_cast<std::ptrdiff_t>(e) * coupled_count + offsets.coupled[p];
        unroll<d1>([&](auto m1) {
          const Pack<T> rh = r * hs[m1];
          unroll<d3>([&](auto m3) { sum[m3] = fma(rh, Pack<T>(c[m1 * d3 + m3]), sum[m3]); });
        });
      }
      for (int m = 0; m < d3; ++m) out[offsets.output[p] + m] = sum[m];
    });
  }

  /// The adjoint: adds to radial_bar ([pair][path] of the tile), h_bar ([atom][lm_in] of the tile)
  /// and y_bar ([edge][lm_edge], of this receiver's edges; null: skipped). The harmonic of l = 0 is
  /// a constant and left out, unless the harmonics are `scaled`, each edge's by a number of its
  /// own.
  template <bool scaled = false, Number T>
  static void backward(const Edges& edges, const T* y, const Pack<T>* radial, const Pack<T>* h,
                       const Pack<T>* out_bar, Pack<T>* radial_bar, Pack<T>* h_bar, T* y_bar) {
    if (y_bar != nullptr)
      backward_edges<scaled ? 0 : 1>(edges, y, radial, h, out_bar, radial_bar, h_bar, y_bar);
    else
      backward_edges<lm_edge>(edges, y, radial, h, out_bar, radial_bar, h_bar, y_bar);
  }

 private:
  // Cotangents of harmonics from `first` on.
  template <int first, Number T>
  static void backward_edges(const Edges& edges, const T* y, const Pack<T>* radial,
                             const Pack<T>* h, const Pack<T>* out_bar, Pack<T>* radial_bar,
                             Pack<T>* h_bar, T* y_bar) {
    using R = RealOf<T>;
    // The output's cotangent, uncoupled once per atom: g[p][m1][m2] = √(2 l3 + 1) Σ_{m3} w Ā[m3].
    Pack<T> g[offsets.uncoupled[path_count]];
    unroll<path_count>([&](auto p) {
      constexpr auto path = paths[p];
      constexpr int d2 = 2 * path.l2 + 1, d3 = 2 * path.l3 + 1;
      const R factor = static_cast<R>(std::sqrt(static_cast<double>(d3)));
      Pack<T>* gp = g + offsets.uncoupled[p];
      for (const auto& term : wigner_3j_terms<path.l1, path.l2, path.l3>) {
        Pack<T>& target = gp[term.m1 * d2 + term.m2];
        target = fma(Pack<R>(static_cast<R>(term.value) * factor),
                     out_bar[offsets.output[p] + term.m3], target);
      }
    });
    for (int e = 0; e < edges.count; ++e) {
      const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(edges.pair[e]) * path_count;
      const std::ptrdiff_t sender = static_cast<std::ptrdiff_t>(edges.sender[e]) * lm_in;
      const T* ye = y + static_cast<std::ptrdiff_t>(e) * lm_edge;
      Pack<T> dy[lm_edge];
      Pack<T> dh[lm_in];
      unroll<path_count>([&](auto p) {
        constexpr auto path = paths[p];
        constexpr int d1 = 2 * path.l1 + 1, d2 = 2 * path.l2 + 1;
        constexpr int o1 = path.l1 * path.l1, o2 = path.l2 * path.l2;
        const Pack<T> r = radial[row + p];
        const Pack<T>* gp = g + offsets.uncoupled[p];
        Pack<T> dr;
        unroll<d1>([&](auto m1) {
          const Pack<T> hv = h[sender + o1 + m1];
          const Pack<T> rh = r * hv;
          Pack<T> s;
          unroll<d2>([&](auto m2) {
            const Pack<T> gv = gp[m1 * d2 + m2];
            s = fma(gv, Pack<T>(ye[o2 + m2]), s);
            if constexpr (o2 + m2 >= first) dy[o2 + m2] = fma(rh, gv, dy[o2 + m2]);
          });
          dh[o1 + m1] = fma(r, s, dh[o1 + m1]);
          dr = fma(hv, s, dr);
        });
        radial_bar[row + p] += dr;
      });
      for (int m = 0; m < lm_in; ++m) h_bar[sender + m] += dh[m];
      if constexpr (first < lm_edge) {
        T* yb = y_bar + static_cast<std::ptrdiff_t>(e) * lm_edge;
        add_lane_sums<lm_edge - first>(dy + first, yb + first);
      }
    }
  }
};

}  // namespace leyden::inline LEYDEN_ABI
