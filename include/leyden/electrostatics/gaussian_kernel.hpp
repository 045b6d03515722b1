// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/units.hpp>

#include <array>
#include <cmath>
#include <numbers>

namespace leyden::inline LEYDEN_ABI::detail {

// The radial functions of the Coulomb interaction of two Gaussians of widths s, t at distance r, in
// 1/Å: with a = 1/√(2(s² + t²)),
//
//     B_0 = erf(ar)/r,   B_(n+1) = −(1/r) dB_n/dr = ((2n+1) B_n − (2a/√π) (2a²)ⁿ exp(−a²r²)) / r²
//         = (2a/√π) (2a²)ⁿ F_n(a²r²)                        (F_n: Boys functions)
//
// The recursion multiplies the error of erf, 4e-16, by (2n−1)!!/(2T)ⁿ F_0/F_n, T = a²r². Below
// `boys_switch` F_(Count − 1) comes from its series and the others by downward recursion, which
// loses nothing. Relative error of B_0 … B_3 at any distance: 1e-14 in double, 1e-6 in float; of
// B_4 and B_5 just above the switch up to ten times as much.
inline constexpr double boys_switch(int count) { return count <= 2 ? 0.25 : count <= 4 ? 1 : 2; }
inline constexpr int boys_terms = 21;  // (2T)^k / (9·11·…·(2k+7)) < 1e-16 at T = 2

// Beyond this T the B_0 … B_(count − 1) are those of points, (2n−1)!!/r^(2n+1), to 1e-14 (1e-7).
template <class R>
constexpr double points_beyond(int count) {
  constexpr double t[] = {33, 34, 35, 38, 41, 44, 47, 50};
  return t[count] - (sizeof(R) == 4 ? 16 : 0);
}

// Beyond this T distant_radial() holds.
inline constexpr double distant_beyond = 6.25;

// B_0 … B_(Count − 1) of points; the distance must not vanish.
template <int Count, std::floating_point R>
LEYDEN_ALWAYS_INLINE void point_radial(Pack<R> r2, Pack<R>* b) {
  b[0] = inverse_sqrt(r2);
  const Pack<R> s2 = b[0] * b[0];
  for (int n = 0; n + 1 < Count; ++n)
    b[n + 1] = n == 0 ? b[n] * s2 : b[n] * (s2 * Pack<R>(static_cast<R>(2 * n + 1)));
}

// What the radial functions need of a pair of widths.
template <std::floating_point R>
struct WidthPair {
  Pack<R> a2;        // a²
  Pack<R> exponent;  // a² log2(e)
  Pack<R> slope;     // 2a/√π
  Pack<R> lead, offset;
  Pack<R> inverse;  // 1/a

  WidthPair() = default;
  // From a² > 0.
  LEYDEN_ALWAYS_INLINE explicit WidthPair(Pack<R> squared) : a2(squared) {
    const Pack<R> a = sqrt(squared);
    inverse = Pack<R>(R(1)) / a;
    exponent = a2 * Pack<R>(std::numbers::log2e_v<R>);
    slope = a * Pack<R>(R(2) * std::numbers::inv_sqrtpi_v<R>);
    lead = inverse * Pack<R>(R(4.6754098360655738));
    offset = inverse * Pack<R>(R(4));
  }
};

// The same for T up to the switch. With N = Count − 1, all terms positive:
// F_N = e^(−T)/(2N+1) (1 + 2T/(2N+3) (1 + 2T/(2N+5) (1 + …)))
template <int Count, std::floating_point R>
__attribute__((noinline)) void near_radial(const WidthPair<R>& pair, Pack<R> r2, Pack<R>* b) {
  constexpr int top = 2 * Count - 1;
  const Pack<R> one(R(1));
  const Pack<R> t = min(r2 * pair.a2, Pack<R>(static_cast<R>(boys_switch(Count))));
  Pack<R> f = one;
  for (int k = boys_terms; k >= 1; --k)
    f = fma(f, t * Pack<R>(R(2) / static_cast<R>(2 * k + top)), one);
  const Pack<R> e = exp2_minus(t * Pack<R>(std::numbers::log2e_v<R>));
  b[Count - 1] = f * e * Pack<R>(R(1) / R(top));
  for (int n = Count - 2; n >= 0; --n)
    b[n] = fma(t + t, b[n + 1], e) * Pack<R>(R(1) / static_cast<R>(2 * n + 1));
  Pack<R> factor = pair.slope;
  for (int n = 0; n < Count; ++n) {
    b[n] = b[n] * factor;
    factor = factor * (pair.a2 + pair.a2);
  }
}

// B_0 … B_(Count − 1) of Gaussians.
template <int Count, std::floating_point R>
LEYDEN_ALWAYS_INLINE void gaussian_radial(const WidthPair<R>& pair, Pack<R> r2, Pack<R>* b) {
  const Pack<R> s = inverse_sqrt(r2), s2 = s * s, r = r2 * s;
  // erfc(x) = exp(−x²) P(z): P of least error times exp(−x²) in z = (4.675… − 2.377… x)/(x + 4),
  // which is 1 at x = 0.2 and −1 at x = 6.3. Beyond, exp(−x²) leaves nothing of its error.
  constexpr double c[] = {0.25897738397601261,    0.27515865782815496,     0.15755401759688262,
                          0.075004199964333482,   0.029657488338682585,    0.0096283942977409241,
                          0.0024962279644160298,  0.00048535072627286212,  5.8972387807777689e-05,
                          3.7457160245947221e-07, -1.3308857424101022e-06, -2.6506713922768481e-07,
                          4.8202555755998828e-08};
  const Pack<R> z = fnma(Pack<R>(R(2.3770491803278689)), r, pair.lead) / (r + pair.offset);
  constexpr int degree = 12;
  Pack<R> g(static_cast<R>(c[degree]));
  for (int k = degree - 1; k >= 0; --k) g = fma(g, z, Pack<R>(static_cast<R>(c[k])));
  const Pack<R> e = exp2_minus(min(r2 * pair.exponent, Pack<R>(R(sizeof(R) == 8 ? 1000 : 120))));
  b[0] = fnma(s, e * g, s);
  Pack<R> h = e * pair.slope;
  for (int n = 0; n + 1 < Count; ++n) {
    b[n + 1] = (n == 0 ? b[0] - h : fma(b[n], Pack<R>(static_cast<R>(2 * n + 1)), -h)) * s2;
    if (n + 2 < Count) h = h * (pair.a2 + pair.a2);
  }
  const Pack<R> bound(static_cast<R>(boys_switch(Count)));
  const Pack<R> t = r2 * pair.a2;
  if (any_less(t, bound)) [[unlikely]] {
    Pack<R> near[Count];
    near_radial<Count, R>(pair, r2, near);
    for (int n = 0; n < Count; ++n) b[n] = select_less(t, bound, near[n], b[n]);
  }
}

// The same for T > distant_beyond: erfc is small, which saves terms.
template <int Count, std::floating_point R>
LEYDEN_ALWAYS_INLINE void distant_radial(const WidthPair<R>& pair, Pack<R> r2, Pack<R>* b) {
  const Pack<R> s = inverse_sqrt(r2), s2 = s * s, y = s * pair.inverse;
  // erfc(x) = exp(−x²) P(1/x), of least error times exp(−x²) on x = 2.5 … 6.5: 1e-15.
  constexpr double c[] = {0.00015030394686825778, 0.56100908151880639, 0.028794576279297139,
                          -0.42528422528618492,   0.40893013185183216, -0.1622411486177352,
                          0.013726490799131975};
  constexpr int degree = 6;
  Pack<R> g(static_cast<R>(c[degree]));
  for (int k = degree - 1; k >= 0; --k) g = fma(g, y, Pack<R>(static_cast<R>(c[k])));
  const Pack<R> e = exp2_minus < Count <= 2
                        ? 9
                        : 11 > (min(r2 * pair.exponent, Pack<R>(R(sizeof(R) == 8 ? 1000 : 120))));
  b[0] = fnma(s, e * g, s);
  Pack<R> h = e * pair.slope;
  for (int n = 0; n + 1 < Count; ++n) {
    b[n + 1] = (n == 0 ? b[0] - h : fma(b[n], Pack<R>(static_cast<R>(2 * n + 1)), -h)) * s2;
    if (n + 2 < Count) h = h * (pair.a2 + pair.a2);
  }
}

// How far apart the atoms of a block of pairs are.
enum class PairRange { any, distant, points };

template <PairRange Range, int Count, std::floating_point R>
LEYDEN_ALWAYS_INLINE void pair_radial(const WidthPair<R>& pair, Pack<R> r2, Pack<R>* b) {
  if constexpr (Range == PairRange::points) {
    point_radial<Count, R>(r2, b);
  } else if constexpr (Range == PairRange::distant) {
    distant_radial<Count, R>(pair, r2, b);
  } else {
    gaussian_radial<Count, R>(pair, r2, b);
  }
}
// dB_n/d(r²) = −B_(n+1)/2
template <PairRange Range, int Count, class R>
LEYDEN_ALWAYS_INLINE void pair_radial(const WidthPair<R>& pair, Pack<Dual<R>> r2,
                                      Pack<Dual<R>>* b) {
  Pack<R> real[Count + 1];
  pair_radial<Range, Count + 1, R>(pair, r2.value, real);
  const Pack<R> half = r2.tangent * Pack<R>(R(-0.5));
  for (int n = 0; n < Count; ++n) b[n] = {real[n], half * real[n + 1]};
}

// B_0 … B_(Count − 1) for lanes of squared distances r2, in eV; `a` per lane.
template <Number T, int Count = 4>
void gaussian_kernel(Pack<T> r2, Pack<RealOf<T>> a, Pack<T>* b) {
  using R = RealOf<T>;
  pair_radial<PairRange::any, Count>(WidthPair<R>(a * a), r2, b);
  for (int n = 0; n < Count; ++n) b[n] = b[n] * Pack<R>(static_cast<R>(units::coulomb));
}

}  // namespace leyden::inline LEYDEN_ABI::detail
