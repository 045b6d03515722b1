// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

namespace leyden::inline LEYDEN_ABI {

/// ln(1 + eˣ): a smooth map from all numbers to the positive ones.
template <class T>  // also nested duals
T softplus(T x) {
  using std::exp, std::log;
  using R = RealOf<T>;
  // e^(−|x|) cannot overflow.
  return x > T(R(0)) ? x + log(T(R(1)) + exp(-x)) : log(T(R(1)) + exp(x));
}

/// The derivative of softplus.
template <class T>  // also nested duals
T sigmoid(T x) {
  using std::exp;
  using R = RealOf<T>;
  return x > T(R(0)) ? T(R(1)) / (T(R(1)) + exp(-x)) : exp(x) / (T(R(1)) + exp(x));
}

/// The x of a given softplus(x) = y > 0.
inline double inverse_softplus(double y) { return y > 30.0 ? y : std::log(std::expm1(y)); }

}  // namespace leyden::inline LEYDEN_ABI
