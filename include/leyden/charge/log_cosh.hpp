// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/softplus.hpp>

#include <numbers>

namespace leyden::inline LEYDEN_ABI {

/// ln cosh x: ½x² near zero, |x| − ln 2 far from it; its derivative is tanh x. Convex, never
/// negative.
template <class T>  // also nested duals
T log_cosh(T x) {
  using R = RealOf<T>;
  const T a = x < T(R(0)) ? -x : x;
  return a + softplus(a * R(-2)) - T(std::numbers::ln2_v<R>);
}

}  // namespace leyden::inline LEYDEN_ABI
