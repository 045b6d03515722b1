// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/reciprocal_plan.hpp>

#include <algorithm>
#include <type_traits>

// The two passes of one row of wave vectors, k = k0 ± m g3 about its middle k0.
//
// An atom's phase is E = exp(i k0·r) once per row times exp(±i m θ), θ = g3·r, from a table that
// all rows share. With X = E*(q − i k0·d), Y = −i E* g3·d, the structure factor is
//
//     S(±m) = Σ_i (X ± mY)(cos mθ ∓ i sin mθ)
//
// so the four sums Σ X cos, Σ X sin, Σ Y cos, Σ Y sin serve both signs: 4 multiply-adds per wave
// vector and atom (2 for charges). The other pass is the transpose of it. Quadrupoles add
// −½ k·M·k to q − i k·d: −½ k0·M·k0 to X, −E* g3·M·k0 to Y, and m² Z with Z = −½ E* g3·M·g3.
namespace leyden::inline LEYDEN_ABI::detail {

// A pack in a register. A plain copy may be read again from memory by each of its uses, and loads
// are what limits these kernels.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> in_register(const Pack<R>& p) {
  return Pack<R>::load(reinterpret_cast<const R*>(&p));
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> in_register(const Pack<Dual<R>>& p) {
  return {in_register(p.value), in_register(p.tangent)};
}

// Cuts [first, last) into blocks of at most Block ≤ 4, of one only when there is no other way:
// visit(start, size), the size a constant.
template <int Block, class Visit>
LEYDEN_ALWAYS_INLINE void for_each_block(int first, int last, Visit&& visit) {
  int i = first;
  for (; last - i > Block + (Block > 2 ? 1 : 0); i += Block)
    visit(i, std::integral_constant<int, Block>());
  while (i < last) {
    const int left = last - i;
    if constexpr (Block >= 4)
      if (left == 4) {
        visit(i, std::integral_constant<int, 4>());
        return;
      }
    if constexpr (Block >= 3)
      if (left == 3 || left == 5) {
        visit(i, std::integral_constant<int, 3>());
        i += 3;
        continue;
      }
    if constexpr (Block >= 2)
      if (left >= 2) {
        visit(i, std::integral_constant<int, 2>());
        i += 2;
        continue;
      }
    visit(i, std::integral_constant<int, 1>());
    ++i;
  }
}

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
void row_phases(const ReciprocalPlan<T>& plan, const WaveRow& row, RowScratch<T>& scratch) {
  Buffer<Pack<T>>& phase = scratch.phase;
  const auto table = [&](int d, int n) {
    return plan.phases[static_cast<std::size_t>(d)].data() + 2 * std::abs(n) * plan.packs;
  };
  const Pack<T>*e1 = table(0, row.n1), *e2 = table(1, row.n2), *e3 = table(2, row.base);
  const auto fill = [&](auto centred) {
    for (int k = 0; k < plan.packs; ++k) {
      Pack<T> c = e1[2 * k], s = e1[2 * k + 1];
      rotate<T>(c, s, e2 + 2 * k, row.n2 < 0);
      if constexpr (!centred()) rotate<T>(c, s, e3 + 2 * k, row.base < 0);
      phase[static_cast<std::size_t>(2 * k)] = c;
      phase[static_cast<std::size_t>(2 * k + 1)] = s;
    }
  };
  if (row.base == 0)
    fill(std::true_type());
  else
    fill(std::false_type());
}

template <int L, Number T>
void row_moments(const ReciprocalPlan<T>& plan, const Vector3<T>& k0,
                 const ReciprocalLayer<T>& layer, RowScratch<T>& scratch) {
  const Pack<T>* e = scratch.phase.data();
  Pack<T>* out = scratch.row_moments.data();
  const Pack<T> k[3] = {Pack<T>(k0[0]), Pack<T>(k0[1]), Pack<T>(k0[2])};
  for (int i = 0; i < plan.packs; ++i) {
    const Pack<T> c = e[2 * i], s = e[2 * i + 1];
    if constexpr (L == 0) {
      const Pack<T> q = layer.moments[static_cast<std::size_t>(i)];
      out[2 * i] = q * c;
      out[2 * i + 1] = -(q * s);
    } else if constexpr (L == 2) {
      const Pack<T>* p = layer.moments.data() + 10 * i;
      const Pack<T>* g = layer.along.data() + 5 * i;  // g·d, ½ gMg, gM
      const Pack<T> kd = fma(k[0], p[1], fma(k[1], p[2], k[2] * p[3]));
      Pack<T> mk[3];
      times_vector(p + 4, k, mk);
      const Pack<T> kmk = fma(k[0], mk[0], fma(k[1], mk[1], k[2] * mk[2]));
      const Pack<T> q = p[0] - Pack<T>(RealOf<T>(0.5)) * kmk;
      const Pack<T> gmk = fma(g[2], k[0], fma(g[3], k[1], g[4] * k[2]));
      out[6 * i] = q * c - kd * s;
      out[6 * i + 1] = -fma(q, s, kd * c);
      out[6 * i + 2] = -fma(gmk, c, g[0] * s);
      out[6 * i + 3] = gmk * s - g[0] * c;
      out[6 * i + 4] = -(g[1] * c);
      out[6 * i + 5] = g[1] * s;
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

// Adds a layer's S (and Σ σ² w S, if asked for) of a row at m … m + Block − 1: blocks, because the
// sums of one m would wait for each other and for X, Y and Z.
template <int L, int Block, bool WithBroadened, Number T>
LEYDEN_ALWAYS_INLINE void spread_block(const ReciprocalPlan<T>& plan, const WidthSegment& segment,
                                       int first_m, const T* factors, const Pack<T>* moments,
                                       T* structure, T* broadened) {
  using R = RealOf<T>;
  constexpr int width = 2 * (L + 1);
  moments += width * segment.first;
  const std::ptrdiff_t stride = 2 * plan.packs;
  const Pack<T>* table = plan.phases[2].data() + first_m * stride + 2 * segment.first;
  Pack<T> sums[Block][2 * width];  // of X re, X im, Y re, …: times cos, then times sin
  for (int i = segment.first; i < segment.last; ++i, table += 2, moments += width) {
    Pack<T> x[width];
    for (int z = 0; z < width; ++z) x[z] = in_register(moments[z]);
    for (int b = 0; b < Block; ++b) {
      const Pack<T> c = in_register(table[b * stride]), s = in_register(table[b * stride + 1]);
      for (int z = 0; z < width; ++z) {
        sums[b][2 * z] = fma(x[z], c, sums[b][2 * z]);
        sums[b][2 * z + 1] = fma(x[z], s, sums[b][2 * z + 1]);
      }
    }
  }
  for (int b = 0; b < Block; ++b) {
    const int m = first_m + b;
    const R mr = static_cast<R>(m);
    Pack<T> sum[4];
    for (int order = L; order >= 0; --order) {
      const Pack<T>* x = sums[b] + 4 * order;  // re cos, re sin, im cos, im sin
      const Pack<T> terms[4] = {x[0] + x[3], x[2] - x[1], x[0] - x[3], x[2] + x[1]};
      for (int z = 0; z < 4; ++z) {
        // Horner in m, whose sign is the side's
        if (order < L) sum[z] = sum[z] * (z < 2 ? mr : -mr);
        sum[z] += terms[z];
      }
    }
    for (int z = 0; z < 4; ++z) {
      const T w = factors[2 * m + z / 2] * sum_lanes(sum[z]);
      structure[4 * m + z] += w;
      if constexpr (WithBroadened)
        broadened[4 * m + z] += w * static_cast<R>(segment.width * segment.width);
    }
  }
}

template <int L, bool WithBroadened, Number T>
void spread_row(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                const ReciprocalLayer<T>& layer, RowScratch<T>& scratch, T* structure,
                T* broadened) {
  constexpr int room = vector_registers / (is_dual_v<T> ? 4 : 2);
  constexpr int block = std::max(1, std::min(4, room / (4 * (L + 1))));
  row_moments<L, T>(plan, k0, layer, scratch);
  for (const WidthSegment& segment : layer.segments) {
    const T* factors = layer.width_factors + segment.factor + row.first;
    for_each_block<block>(0, row.reach + 1, [&](int m, auto size) {
      spread_block<L, size(), WithBroadened, T>(plan, segment, m, factors,
                                                scratch.row_moments.data(), structure, broadened);
    });
  }
}

// What a receiver sees of a row: with G = weight · width factor · S, per m the four numbers of
// P = G(+) + G(−), Q = i(G(+) − G(−)); of −imQ and imP; of m²P and m²Q; of −im³Q and im³P. All
// stand as the factors of cos and sin in row_sums.
inline constexpr int field_stride = 16;

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
    T* f = field + field_stride * m;
    f[0] = pr + nr;
    f[1] = pi + ni;
    f[2] = ni - pi;
    f[3] = pr - nr;
    const R mr = static_cast<R>(m);
    f[4] = f[3] * mr;
    f[5] = -(f[2] * mr);
    f[6] = -(f[1] * mr);
    f[7] = f[0] * mr;
    for (int z = 0; z < 8; ++z) f[8 + z] = f[z] * (mr * mr);
  }
}

// Σ_m mⁿ (G(+) e^(imθ) + (−1)ⁿ G(−) e^(−imθ)) · E for n = 0 … Orders − 1, as re, im, of Block packs
// of atoms from i on: several, because one alone would wait for its own sums.
template <int Orders, int Block, Number T>
LEYDEN_ALWAYS_INLINE void row_sums(const ReciprocalPlan<T>& plan, const WaveRow& row, int i,
                                   const RowScratch<T>& scratch, Pack<T> (*phi)[2 * Orders]) {
  const T* field = scratch.field.data();
  Pack<T> sum[Block][2 * Orders];
  const Pack<T>* table = plan.phases[2].data() + 2 * i;
  const int stride = 2 * plan.packs;
  for (int m = 0; m <= row.reach; ++m, table += stride, field += field_stride) {
    Pack<T> c[Block], s[Block];
    for (int b = 0; b < Block; ++b) {
      c[b] = in_register(table[2 * b]);
      s[b] = in_register(table[2 * b + 1]);
    }
    for (int n = 0; n < 2 * Orders; ++n) {
      const Pack<T> of_c(field[4 * (n / 2) + n % 2]), of_s(field[4 * (n / 2) + n % 2 + 2]);
      for (int b = 0; b < Block; ++b) sum[b][n] = fma(of_c, c[b], fma(of_s, s[b], sum[b][n]));
    }
  }
  for (int b = 0; b < Block; ++b) {
    const Pack<T> c = scratch.phase[static_cast<std::size_t>(2 * (i + b))];
    const Pack<T> s = scratch.phase[static_cast<std::size_t>(2 * (i + b) + 1)];
    for (int n = 0; n < Orders; ++n) {
      phi[b][2 * n] = sum[b][2 * n] * c - sum[b][2 * n + 1] * s;
      phi[b][2 * n + 1] = fma(sum[b][2 * n], s, sum[b][2 * n + 1] * c);
    }
  }
}

// Runs row_sums over a segment in blocks; visit(pack, phi).
template <int Orders, Number T, class Visit>
LEYDEN_ALWAYS_INLINE void for_each_row_sum(const ReciprocalPlan<T>& plan, const WaveRow& row,
                                           const WidthSegment& segment,
                                           const RowScratch<T>& scratch, Visit&& visit) {
  // Sums of two multiply-adds each: eight and more hide their latency, and share the field.
  constexpr int room = vector_registers / (is_dual_v<T> ? 4 : 2);
  constexpr int block = std::max(1, std::min(4, room / (2 * Orders)));
  Pack<T> phi[block][2 * Orders];
  for_each_block<block>(segment.first, segment.last, [&](int i, auto size) {
    row_sums<Orders, size(), T>(plan, row, i, scratch, phi);
    for (int b = 0; b < size(); ++b) visit(i + b, phi[b]);
  });
}

// Adds ∂_a∂_b v = −[k0 k0 Re φ_0 + (k0 g + g k0) Re φ_1 + g g Re φ_2] of a row to six packs.
template <Number T>
LEYDEN_ALWAYS_INLINE void add_second_derivatives(const Vector3<T>& k, const Vector3<T>& g,
                                                 const Pack<T>* phi, Pack<T>* out) {
  constexpr int first[6] = {0, 1, 2, 0, 0, 1}, second[6] = {0, 1, 2, 1, 2, 2};
  for (int p = 0; p < 6; ++p) {
    const int a = first[p], b = second[p];
    out[p] -= fma(Pack<T>(k[a] * k[b]), phi[0],
                  fma(Pack<T>(k[a] * g[b] + g[a] * k[b]), phi[2], Pack<T>(g[a] * g[b]) * phi[4]));
  }
}

// Adds v (and ∂v, ∂∂v) of a row at the layer's atoms to outs[pack][v, x, y, z, xx … yz].
template <int L, Number T>
void gather_row(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                const ReciprocalLayer<T>& layer, RowScratch<T>& scratch, const T* structure,
                Pack<T>* outs) {
  T* field = scratch.field.data();
  const Vector3<T>& g = plan.g[2];
  for (const WidthSegment& segment : layer.segments) {
    row_field(plan, row, layer.width_factors + segment.factor + row.first, structure, field);
    for_each_row_sum<L + 1, T>(plan, row, segment, scratch, [&](int i, const Pack<T>* phi) {
      Pack<T>* out = outs + cartesian_size(L) * i;
      out[0] += phi[0];
      if constexpr (L > 0)
        for (int c = 0; c < 3; ++c)
          out[c + 1] -= fma(Pack<T>(k0[c]), phi[1], Pack<T>(g[c]) * phi[3]);
      if constexpr (L > 1) add_second_derivatives<T>(k0, g, phi, out + 4);
    });
  }
}

// How many numbers an atom gets from gather_row_gradient.
inline constexpr int gradient_outputs(int l_max) { return l_max == 0 ? 3 : l_max == 1 ? 6 : 12; }

// Adds ∂(aᵀKb)/∂r of a layer of a in the field of b to out[pack][x, y, z], for dipoles ∂v to
// out[pack][3 …], and for quadrupoles ∂∂v to out[pack][6 …].
template <int L, Number T>
void gather_row_gradient(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                         const ReciprocalLayer<T>& layer, RowScratch<T>& scratch,
                         const T* structure, Pack<T>* outs) {
  T* field = scratch.field.data();
  const Vector3<T>& g = plan.g[2];
  for (const WidthSegment& segment : layer.segments) {
    row_field(plan, row, layer.width_factors + segment.factor + row.first, structure, field);
    for_each_row_sum<L + 2, T>(plan, row, segment, scratch, [&](int i, const Pack<T>* phi) {
      const Pack<T>* p = layer.moments.data() + cartesian_size(L) * i;
      const Pack<T>* along = layer.along.data() + along_size(L) * i;
      Pack<T>* out = outs + gradient_outputs(L) * i;
      Pack<T> q = p[0], t0, t1;
      if constexpr (L == 2) {
        const Pack<T> k[3] = {Pack<T>(k0[0]), Pack<T>(k0[1]), Pack<T>(k0[2])};
        Pack<T> mk[3];
        times_vector(p + 4, k, mk);
        q -= Pack<T>(RealOf<T>(0.5)) * fma(k[0], mk[0], fma(k[1], mk[1], k[2] * mk[2]));
        const Pack<T> gmk = fma(along[2], k[0], fma(along[3], k[1], along[4] * k[2]));
        t0 = -fma(gmk, phi[3], along[1] * phi[5]);
        t1 = -fma(gmk, phi[5], along[1] * phi[7]);
      }
      t0 = fma(q, phi[1], t0);
      t1 = fma(q, phi[3], t1);
      if constexpr (L > 0) {
        const Pack<T> kd =
            fma(Pack<T>(k0[0]), p[1], fma(Pack<T>(k0[1]), p[2], Pack<T>(k0[2]) * p[3]));
        t0 = fma(kd, phi[0], fma(along[0], phi[2], t0));
        t1 = fma(kd, phi[2], fma(along[0], phi[4], t1));
      }
      for (int c = 0; c < 3; ++c) {
        out[c] -= fma(Pack<T>(k0[c]), t0, Pack<T>(g[c]) * t1);
        if constexpr (L > 0) out[c + 3] -= fma(Pack<T>(k0[c]), phi[1], Pack<T>(g[c]) * phi[3]);
      }
      if constexpr (L > 1) add_second_derivatives<T>(k0, g, phi, out + 6);
    });
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
