// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/electrostatics/quadrupoles.hpp>

// The interaction of two Gaussian multipoles at the distance vector R = r_i − r_j: derivatives of
// B_0(R) with B_(n+1) = −(1/R) dB_n/dR (see gaussian_kernel.hpp).
namespace leyden::inline LEYDEN_ABI::detail {

// Adds an energy gradient with respect to the vector R = r_i − r_j, over lanes j.
template <Number T>
struct PairGradient {
  Pack<T> g[3];
};

// Adds ∂/∂R of the energy of a receiver a (q, d, M) in the potential of a source b, at the distance
// vector R from it, and that energy when asked for.
template <Number T>
LEYDEN_ALWAYS_INLINE void add_quadrupole_gradient(const Pack<T>* r, const Pack<T>* radial,
                                                  const Pack<T>* a, const Pack<T>* b, Pack<T>* g,
                                                  Pack<T>* energy = nullptr) {
  const auto dot3 = [](const Pack<T>* x, const Pack<T>* y) {
    return fma(x[0], y[0], fma(x[1], y[1], x[2] * y[2]));
  };
  const Pack<T> half(RealOf<T>(0.5));
  const Pack<T>*e = a + 1, *d = b + 1, *am = a + 4, *bm = b + 4;
  Pack<T> u[3], w[3], be[3], ad[3], au[3], bw[3];
  times_vector(bm, r, u);
  times_vector(am, r, w);
  times_vector(bm, e, be);
  times_vector(am, d, ad);
  times_vector(am, u, au);
  times_vector(bm, w, bw);
  const Pack<T> dr = dot3(d, r), er = dot3(e, r), t = half * dot3(u, r), s = half * dot3(w, r);
  const Pack<T>* n = radial;
  // What multiplies r r of the n-th derivatives: the source along r.
  Pack<T> x[5];
  for (int i = 1; i <= 4 - 1; ++i) x[i] = b[0] * n[i] + dr * n[i + 1] + t * n[i + 2];
  const Pack<T> ed = dot3(e, d), eu = dot3(e, u), wd = dot3(w, d), wu = dot3(w, u);
  const Pack<T> mm = half * double_product(am, bm);
  const Pack<T> along = er * x[2] - a[0] * x[1] - ed * n[2] - eu * n[3] + wd * n[3] + wu * n[4] -
                        mm * n[3] - s * x[3];
  if (energy != nullptr)
    *energy += a[0] * (b[0] * n[0] + dr * n[1] + t * n[2]) - er * x[1] + ed * n[1] +
               (eu - wd) * n[2] - wu * n[3] + s * x[2] + mm * n[2];
  const Pack<T> of_d = a[0] * n[1] - er * n[2] + s * n[3];
  const Pack<T> of_u = a[0] * n[2] - er * n[3] + s * n[4];
  for (int c = 0; c < 3; ++c)
    g[c] += along * r[c] + of_d * d[c] + of_u * u[c] - x[1] * e[c] + n[2] * be[c] + x[2] * w[c] -
            n[2] * ad[c] - n[3] * (au[c] + bw[c]);
}

// ∂(aᵀKb)/∂R of one pair block: a_i, b_i uniform, a_j, b_j lanes; components q, x, y, z, xx … yz.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE PairGradient<T> pair_gradient(const Pack<T>* r, const Pack<T>* radial,
                                                   const Pack<T>* ai, const Pack<T>* bi,
                                                   const Pack<T>* aj, const Pack<T>* bj) {
  PairGradient<T> out;
  const Pack<T> s0 = fma(ai[0], bj[0], bi[0] * aj[0]);
  if constexpr (L == 0) {
    const Pack<T> f = -(s0 * radial[1]);
    for (int c = 0; c < 3; ++c) out.g[c] = f * r[c];
  } else if constexpr (L == 2) {
    add_quadrupole_gradient<T>(r, radial, ai, bj, out.g);
    add_quadrupole_gradient<T>(r, radial, bi, aj, out.g);
  } else {
    const auto dot3 = [](const Pack<T>* x, const Pack<T>* y) {
      return fma(x[0], y[0], fma(x[1], y[1], x[2] * y[2]));
    };
    Pack<T> t[3];
    for (int c = 0; c < 3; ++c)
      t[c] = fma(ai[0], bj[c + 1], bi[0] * aj[c + 1]) - fma(bj[0], ai[c + 1], aj[0] * bi[c + 1]);
    const Pack<T> air = dot3(ai + 1, r), bir = dot3(bi + 1, r);
    const Pack<T> ajr = dot3(aj + 1, r), bjr = dot3(bj + 1, r);
    const Pack<T> s1 = dot3(ai + 1, bj + 1) + dot3(bi + 1, aj + 1);
    const Pack<T> f =
        fma(s0, radial[1], (dot3(t, r) + s1) * radial[2] - fma(air, bjr, bir * ajr) * radial[3]);
    for (int c = 0; c < 3; ++c) {
      const Pack<T> quad =
          fma(ai[c + 1], bjr, bj[c + 1] * air) + fma(bi[c + 1], ajr, aj[c + 1] * bir);
      out.g[c] = t[c] * radial[1] - quad * radial[2] - f * r[c];
    }
  }
  return out;
}

// The energy p_i K p_j of pairs, added to `energy`, and its gradient with respect to R.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE PairGradient<T> pair_energy(const Pack<T>* r, const Pack<T>* radial,
                                                 const Pack<T>* p, const Pack<T>* s,
                                                 Pack<T>& energy) {
  PairGradient<T> out;
  const auto dot3 = [](const Pack<T>* x, const Pack<T>* y) {
    return fma(x[0], y[0], fma(x[1], y[1], x[2] * y[2]));
  };
  const Pack<T> qq = p[0] * s[0];
  if constexpr (L == 0) {
    energy = fma(qq, radial[0], energy);
    const Pack<T> f = -(qq * radial[1]);
    for (int c = 0; c < 3; ++c) out.g[c] = f * r[c];
  } else if constexpr (L == 1) {
    const Pack<T> u = dot3(p + 1, r), w = dot3(s + 1, r), uw = u * w;
    const Pack<T> one = fma(p[0], w, dot3(p + 1, s + 1)) - s[0] * u;
    energy = fma(qq, radial[0], fma(one, radial[1], energy)) - uw * radial[2];
    const Pack<T> f = fma(qq, radial[1], one * radial[2]) - uw * radial[3];
    const Pack<T> of_s = p[0] * radial[1] - u * radial[2];
    const Pack<T> of_p = fma(s[0], radial[1], w * radial[2]);
    for (int c = 0; c < 3; ++c) out.g[c] = s[c + 1] * of_s - fma(p[c + 1], of_p, f * r[c]);
  } else {
    add_quadrupole_gradient<T>(r, radial, p, s, out.g, &energy);
  }
  return out;
}

// Potential coefficients (v, ∂v, ∂∂v without its trace) that source s makes at distance vector R
// from it.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE void pair_potential(const Pack<T>* r, const Pack<T>* radial, const Pack<T>* s,
                                         Pack<T>* v) {
  if constexpr (L == 0) {
    v[0] = fma(s[0], radial[0], v[0]);
  } else if constexpr (L == 2) {
    const Pack<T>*d = s + 1, *n = radial;
    Pack<T> u[3];
    times_vector(s + 4, r, u);
    const Pack<T> dr = fma(d[0], r[0], fma(d[1], r[1], d[2] * r[2]));
    const Pack<T> t = Pack<T>(RealOf<T>(0.5)) * fma(u[0], r[0], fma(u[1], r[1], u[2] * r[2]));
    const Pack<T> x0 = s[0] * n[0] + dr * n[1] + t * n[2];
    const Pack<T> x1 = s[0] * n[1] + dr * n[2] + t * n[3];
    const Pack<T> x2 = s[0] * n[2] + dr * n[3] + t * n[4];
    v[0] += x0;
    for (int c = 0; c < 3; ++c) v[c + 1] += d[c] * n[1] + u[c] * n[2] - r[c] * x1;
    Pack<T> h[3];  // ∂_a∂_b = symmetrised 2 h_a r_b + M_ab B_2
    for (int c = 0; c < 3; ++c) h[c] = d[c] * n[2] + u[c] * n[3];
    constexpr int first[6] = {0, 1, 2, 0, 0, 1}, second[6] = {0, 1, 2, 1, 2, 2};
    for (int p = 0; p < 6; ++p) {
      const int i = first[p], j = second[p];
      v[4 + p] += (r[i] * r[j]) * x2 - (r[i] * h[j] + h[i] * r[j]) + s[4 + p] * n[2];
    }
  } else {
    const Pack<T> dr = fma(s[1], r[0], fma(s[2], r[1], s[3] * r[2]));
    v[0] = fma(s[0], radial[0], fma(dr, radial[1], v[0]));
    const Pack<T> f = fma(s[0], radial[1], dr * radial[2]);
    for (int c = 0; c < 3; ++c) v[c + 1] = fma(s[c + 1], radial[1], v[c + 1] - f * r[c]);
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
