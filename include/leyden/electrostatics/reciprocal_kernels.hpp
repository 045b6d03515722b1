// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/reciprocal_plan.hpp>

// The two passes of one row of wave vectors, k = k0 ± m g3 about its middle k0.
//
// An atom's phase is E = exp(i k0·r) once per row times exp(±i m θ), θ = g3·r, from a table that
// all rows share. With X = E*(q − i k0·d), Y = −i E* g3·d, the structure factor is
//
//     S(±m) = Σ_i (X ± mY)(cos mθ ∓ i sin mθ)
//
// so the four sums Σ X cos, Σ X sin, Σ Y cos, Σ Y sin serve both signs: 4 multiply-adds per wave
// vector and atom (2 for charges). The other pass is the transpose of it.
namespace leyden::inline LEYDEN_ABI::detail {

template <Number T>
LEYDEN_ALWAYS_INLINE void rotate(Pack<T>& c, Pack<T>& s, const Pack<T>* by, bool conjugate) {
  const Pack<T> bc = by[0];
  const Pack<T> bs = conjugate ? -by[1] : by[1];
  const Pack<T> nc = c * bc - s * bs;
  s = fma(c, bs, s * bc);
  c = nc;
}

// E of all atoms.
template <Number T>
void row_phases(const ReciprocalPlan<T>& plan, const WaveRow& row) {
  Buffer<Pack<T>>& phase = plan.scratch.phase;
  const auto table = [&](int d, int n) {
    return plan.phases[static_cast<std::size_t>(d)].data() + 2 * std::abs(n) * plan.packs;
  };
  const Pack<T>*e1 = table(0, row.n1), *e2 = table(1, row.n2), *e3 = table(2, row.base);
  for (int k = 0; k < plan.packs; ++k) {
    Pack<T> c = e1[2 * k], s = e1[2 * k + 1];
    rotate<T>(c, s, e2 + 2 * k, row.n2 < 0);
    rotate<T>(c, s, e3 + 2 * k, row.base < 0);
    phase[static_cast<std::size_t>(2 * k)] = c;
    phase[static_cast<std::size_t>(2 * k + 1)] = s;
  }
}

template <int L, Number T>
void row_moments(const ReciprocalPlan<T>& plan, const Vector3<T>& k0,
                 const ReciprocalLayer<T>& layer) {
  const Pack<T>* e = plan.scratch.phase.data();
  Pack<T>* out = plan.scratch.row_moments.data();
  const Pack<T> k[3] = {Pack<T>(k0[0]), Pack<T>(k0[1]), Pack<T>(k0[2])};
  for (int i = 0; i < plan.packs; ++i) {
    const Pack<T> c = e[2 * i], s = e[2 * i + 1];
    if constexpr (L == 0) {
      const Pack<T> q = layer.moments[static_cast<std::size_t>(i)];
      out[2 * i] = q * c;
      out[2 * i + 1] = -(q * s);
    } else {
      const Pack<T>* p = layer.moments.data() + 4 * i;
      const Pack<T> kd = fma(k[0], p[1], fma(k[1], p[2], k[2] * p[3]));
      const Pack<T> gd = layer.along[static_cast<std::size_t>(i)];
      out[4 * i] = p[0] * c - kd * s;
      out[4 * i + 1] = -fma(p[0], s, kd * c);
      out[4 * i + 2] = -(gd * s);
      out[4 * i + 3] = -(gd * c);
    }
  }
}

// Adds a layer's S (and Σ σ² w S, if asked for) of a row.
template <int L, bool WithBroadened, Number T>
void spread_row(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                const ReciprocalLayer<T>& layer, T* structure, T* broadened) {
  using R = RealOf<T>;
  constexpr int width = 2 * (L + 1);
  row_moments<L, T>(plan, k0, layer);
  const Pack<T>* moments = plan.scratch.row_moments.data();
  for (const WidthSegment& segment : layer.segments) {
    const T* factors = layer.width_factors + segment.factor + row.first;
    for (int m = 0; m <= row.reach; ++m) {
      const Pack<T>* table = plan.phases[2].data() + 2 * m * plan.packs;
      Pack<T> xc[2], xs[2], yc[2], ys[2];
      for (int i = segment.first; i < segment.last; ++i) {
        const Pack<T> c = table[2 * i], s = table[2 * i + 1];
        const Pack<T>* x = moments + width * i;
        for (int z = 0; z < 2; ++z) {
          xc[z] = fma(x[z], c, xc[z]);
          xs[z] = fma(x[z], s, xs[z]);
          if constexpr (L == 1) {
            yc[z] = fma(x[z + 2], c, yc[z]);
            ys[z] = fma(x[z + 2], s, ys[z]);
          }
        }
      }
      Pack<T> sum[4] = {xc[0] + xs[1], xc[1] - xs[0], xc[0] - xs[1], xc[1] + xs[0]};
      if constexpr (L == 1) {
        const R mr = static_cast<R>(m);
        sum[0] += (yc[0] + ys[1]) * mr;
        sum[1] += (yc[1] - ys[0]) * mr;
        sum[2] -= (yc[0] - ys[1]) * mr;
        sum[3] -= (yc[1] + ys[0]) * mr;
      }
      for (int z = 0; z < 4; ++z) {
        const T w = factors[2 * m + z / 2] * sum_lanes(sum[z]);
        structure[4 * m + z] += w;
        if constexpr (WithBroadened)
          broadened[4 * m + z] += w * static_cast<R>(segment.width * segment.width);
      }
    }
  }
}

// What a receiver sees of a row: with G = weight · width factor · S, per m the four numbers of
// P = G(+) + G(−), Q = i(G(+) − G(−)); of −imQ and imP; of m²P and m²Q. All stand as the factors of
// cos and sin in row_sums.
template <Number T>
void row_field(const ReciprocalPlan<T>& plan, const WaveRow& row, const T* factors,
               const T* structure, T* field) {
  using R = RealOf<T>;
  for (int m = 0; m <= row.reach; ++m) {
    const auto slot = row.first + static_cast<std::size_t>(2 * m);
    const T plus = plan.weight[slot] * factors[2 * m];
    const T minus = plan.weight[slot + 1] * factors[2 * m + 1];
    const T* s = structure + 4 * m;
    const T pr = plus * s[0], pi = plus * s[1], nr = minus * s[2], ni = minus * s[3];
    T* f = field + 12 * m;
    f[0] = pr + nr;
    f[1] = pi + ni;
    f[2] = ni - pi;
    f[3] = pr - nr;
    const R mr = static_cast<R>(m);
    f[4] = f[3] * mr;
    f[5] = -(f[1] * mr);
    f[6] = -(f[2] * mr);
    f[7] = f[0] * mr;
    for (int z = 0; z < 4; ++z) f[8 + z] = f[z] * (mr * mr);
  }
}

// Σ_m mⁿ (G(+) e^(imθ) + (−1)ⁿ G(−) e^(−imθ)) · E for n = 0 … Orders − 1, as re, im, of Block packs
// of atoms from i on: several, because one alone would wait for its own sums.
template <int Orders, int Block, Number T>
LEYDEN_ALWAYS_INLINE void row_sums(const ReciprocalPlan<T>& plan, const WaveRow& row, int i,
                                   const T* field, Pack<T> (*phi)[2 * Orders]) {
  Pack<T> sum[Block][2 * Orders];
  const Pack<T>* table = plan.phases[2].data() + 2 * i;
  const int stride = 2 * plan.packs;
  for (int m = 0; m <= row.reach; ++m, table += stride, field += 12) {
    for (int b = 0; b < Block; ++b) {
      const Pack<T> c = table[2 * b], s = table[2 * b + 1];
      sum[b][0] = fma(Pack<T>(field[0]), c, fma(Pack<T>(field[2]), s, sum[b][0]));
      sum[b][1] = fma(Pack<T>(field[1]), c, fma(Pack<T>(field[3]), s, sum[b][1]));
      if constexpr (Orders > 1) {
        sum[b][2] = fma(Pack<T>(field[4]), c, fma(Pack<T>(field[5]), s, sum[b][2]));
        sum[b][3] = fma(Pack<T>(field[6]), c, fma(Pack<T>(field[7]), s, sum[b][3]));
      }
      if constexpr (Orders > 2) {
        sum[b][4] = fma(Pack<T>(field[8]), c, fma(Pack<T>(field[10]), s, sum[b][4]));
        sum[b][5] = fma(Pack<T>(field[9]), c, fma(Pack<T>(field[11]), s, sum[b][5]));
      }
    }
  }
  for (int b = 0; b < Block; ++b) {
    const Pack<T> c = plan.scratch.phase[static_cast<std::size_t>(2 * (i + b))];
    const Pack<T> s = plan.scratch.phase[static_cast<std::size_t>(2 * (i + b) + 1)];
    for (int n = 0; n < Orders; ++n) {
      phi[b][2 * n] = sum[b][2 * n] * c - sum[b][2 * n + 1] * s;
      phi[b][2 * n + 1] = fma(sum[b][2 * n], s, sum[b][2 * n + 1] * c);
    }
  }
}

// Runs row_sums over a segment in blocks; visit(pack, phi).
template <int Orders, Number T, class Visit>
LEYDEN_ALWAYS_INLINE void for_each_row_sum(const ReciprocalPlan<T>& plan, const WaveRow& row,
                                           const WidthSegment& segment, const T* field,
                                           Visit&& visit) {
  // Two sums of a pack are too few to hide the latency of multiply-adds, four are enough.
  constexpr int block = Orders == 1 && !is_dual_v<T> ? 4 : 1;
  Pack<T> phi[block][2 * Orders];
  int i = segment.first;
  for (; i + block <= segment.last; i += block) {
    row_sums<Orders, block, T>(plan, row, i, field, phi);
    for (int b = 0; b < block; ++b) visit(i + b, phi[b]);
  }
  for (; i < segment.last; ++i) {
    row_sums<Orders, 1, T>(plan, row, i, field, phi);
    visit(i, phi[0]);
  }
}

// Adds v (and ∂v) of a row at the layer's atoms to out[pack][v, x, y, z].
template <int L, Number T>
void gather_row(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                ReciprocalLayer<T>& layer, const T* structure) {
  T* field = plan.scratch.field.data();
  for (const WidthSegment& segment : layer.segments) {
    row_field(plan, row, layer.width_factors + segment.factor + row.first, structure, field);
    for_each_row_sum<L + 1, T>(plan, row, segment, field, [&](int i, const Pack<T>* phi) {
      Pack<T>* out = layer.out.data() + multipole_size(L) * i;
      out[0] += phi[0];
      if constexpr (L == 1)
        for (int c = 0; c < 3; ++c)
          out[c + 1] -= fma(Pack<T>(k0[c]), phi[1], Pack<T>(plan.g[2][c]) * phi[3]);
    });
  }
}

// Adds ∂(aᵀKb)/∂r of a layer of a in the field of b to out[pack][x, y, z], and for dipoles ∂v to
// out[pack][3 …].
template <int L, Number T>
void gather_row_gradient(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                         ReciprocalLayer<T>& layer, const T* structure) {
  T* field = plan.scratch.field.data();
  const Vector3<T>& g = plan.g[2];
  for (const WidthSegment& segment : layer.segments) {
    row_field(plan, row, layer.width_factors + segment.factor + row.first, structure, field);
    for_each_row_sum<L + 2, T>(plan, row, segment, field, [&](int i, const Pack<T>* phi) {
      const Pack<T>* p = layer.moments.data() + multipole_size(L) * i;
      Pack<T>* out = layer.out.data() + 3 * (L + 1) * i;
      Pack<T> t0 = p[0] * phi[1], t1 = p[0] * phi[3];
      if constexpr (L == 1) {
        const Pack<T> kd =
            fma(Pack<T>(k0[0]), p[1], fma(Pack<T>(k0[1]), p[2], Pack<T>(k0[2]) * p[3]));
        const Pack<T> gd = layer.along[static_cast<std::size_t>(i)];
        t0 = fma(kd, phi[0], fma(gd, phi[2], t0));
        t1 = fma(kd, phi[2], fma(gd, phi[4], t1));
      }
      for (int c = 0; c < 3; ++c) {
        out[c] -= fma(Pack<T>(k0[c]), t0, Pack<T>(g[c]) * t1);
        if constexpr (L == 1) out[c + 3] -= fma(Pack<T>(k0[c]), phi[1], Pack<T>(g[c]) * phi[3]);
      }
    });
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
