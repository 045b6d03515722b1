// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/units.hpp>

#include <array>
#include <cmath>
#include <numbers>

namespace leyden::inline LEYDEN_ABI::detail {

// The radial functions of the Coulomb interaction of two Gaussians of widths s, t at distance r, in
// eV: with a = 1/√(2(s² + t²)),
//
//     B_0 = C erf(ar)/r,   B_(n+1) = −(1/r) dB_n/dr
//         = C (2a/√π) (2a²)ⁿ F_n(a²r²)                        (F_n: Boys functions)
//
// Above `boys_switch` F_n follows from erf by upward recursion, which loses (2n−1)!!/(2T)ⁿ of
// accuracy; below, F_3 from its series and the others by downward recursion, which loses nothing.
// Relative error of B_0 … B_3 at any distance: 8e-15 in double (that of the vector erf), 5e-7 in
// float; of B_4 and B_5 just above the switch up to five times as much each.
inline constexpr double boys_switch = 2.0;
inline constexpr int boys_terms = 21;  // (2T)^k / (9·11·…·(2k+7)) < 1e-16 at T = boys_switch

// F_0 … F_(Count − 1)
template <int Count, Number T>
std::array<T, Count> boys_near(T t) {
  using std::exp;
  using R = RealOf<T>;
  constexpr int top = 2 * Count - 1;
  // With N = Count − 1: F_N = e^(−T)/(2N+1) (1 + 2T/(2N+3) (1 + 2T/(2N+5) (1 + …))), all positive
  T f = T(1);
  for (int k = boys_terms; k >= 1; --k) f = T(1) + f * (t * (R(2) / static_cast<R>(2 * k + top)));
  const T e = exp(-t);
  std::array<T, Count> boys;
  boys[Count - 1] = f * e * (R(1) / static_cast<R>(top));
  for (int n = Count - 2; n >= 0; --n)
    boys[static_cast<std::size_t>(n)] =
        (R(2) * t * boys[static_cast<std::size_t>(n + 1)] + e) * (R(1) / static_cast<R>(2 * n + 1));
  return boys;
}

template <int Count, Number T>
LEYDEN_ALWAYS_INLINE void boys_far(Pack<T> t, Pack<T>* boys) {
  using R = RealOf<T>;
  constexpr R half_sqrt_pi = R(0.5) / std::numbers::inv_sqrtpi_v<R>;
  const Pack<T> x = sqrt(t);
  const Pack<T> e = exp(-t);
  const Pack<T> h = Pack<T>(R(0.5)) / t;
  boys[0] = Pack<T>(half_sqrt_pi) * erf(x) / x;
  for (int n = 0; n + 1 < Count; ++n)
    boys[n + 1] = n == 0 ? (boys[0] - e) * h : (boys[n] * static_cast<R>(2 * n + 1) - e) * h;
}

// B_0 … B_(Count − 1) for lanes of squared distances r2; `a` per lane.
template <Number T, int Count = 4>
void gaussian_kernel(Pack<T> r2, Pack<RealOf<T>> a, Pack<T>* b) {
  using R = RealOf<T>;
  const Pack<R> a2 = a * a;
  const Pack<T> t = r2 * a2;
  boys_far<Count, T>(t, b);
  for (int lane = 0; lane < Pack<T>::lanes; ++lane) {
    const T tl = t.lane(lane);
    if (value_of(tl) < R(boys_switch)) {
      const auto near = boys_near<Count>(tl);
      for (int n = 0; n < Count; ++n) b[n].set_lane(lane, near[static_cast<std::size_t>(n)]);
    }
  }
  constexpr R c = R(2 * units::coulomb * std::numbers::inv_sqrtpi_v<double>);
  Pack<R> f = a * Pack<R>(c);
  for (int n = 0; n < Count; ++n) {
    b[n] = b[n] * f;
    f = f * (a2 * Pack<R>(R(2)));
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
