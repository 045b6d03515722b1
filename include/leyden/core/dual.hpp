// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <cmath>
#include <concepts>
#include <numbers>
#include <type_traits>

namespace leyden::inline LEYDEN_ABI {

/// Forward-mode derivative along one direction: value + ε tangent, ε² = 0.
///
/// Any kernel that runs on `double` runs on `Dual<double>`; run on an adjoint code it gives exact
/// second derivatives (design: "Second derivatives for free"). Comparisons look at the value only.
/// Duals nest, for small functions (laws of atoms) whose second derivatives are needed in dual
/// arithmetic; kernels run on one level (Number).
template <class R>
struct Dual {
  R value{};
  R tangent{};

  constexpr Dual() = default;
  constexpr Dual(R v) : value(v) {}  // NOLINT: a number is a constant dual
  constexpr Dual(R v, R t) : value(v), tangent(t) {}
  template <std::floating_point S>
    requires(!std::floating_point<R>)
  constexpr Dual(S v) : value(v) {}  // NOLINT

  constexpr Dual& operator+=(Dual b) {
    value += b.value;
    tangent += b.tangent;
    return *this;
  }
  constexpr Dual& operator-=(Dual b) {
    value -= b.value;
    tangent -= b.tangent;
    return *this;
  }
  constexpr Dual& operator*=(Dual b) { return *this = *this * b; }
  constexpr Dual& operator/=(Dual b) { return *this = *this / b; }

  friend constexpr Dual operator+(Dual a) { return a; }
  friend constexpr Dual operator-(Dual a) { return {-a.value, -a.tangent}; }
  friend constexpr Dual operator+(Dual a, Dual b) {
    return {a.value + b.value, a.tangent + b.tangent};
  }
  friend constexpr Dual operator-(Dual a, Dual b) {
    return {a.value - b.value, a.tangent - b.tangent};
  }
  friend constexpr Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
  }
  friend constexpr Dual operator/(Dual a, Dual b) {
    const R q = a.value / b.value;
    return {q, (a.tangent - q * b.tangent) / b.value};
  }
  // A real factor has no tangent: half the work of the general product.
  friend constexpr Dual operator*(Dual a, R b) { return {a.value * b, a.tangent * b}; }
  friend constexpr Dual operator*(R a, Dual b) { return {a * b.value, a * b.tangent}; }
  friend constexpr Dual operator/(Dual a, R b) { return {a.value / b, a.tangent / b}; }
  template <std::floating_point S>
    requires(!std::floating_point<R>)
  friend constexpr Dual operator*(Dual a, S b) { return {a.value * b, a.tangent * b}; }
  template <std::floating_point S>
    requires(!std::floating_point<R>)
  friend constexpr Dual operator*(S a, Dual b) { return b * a; }
  template <std::floating_point S>
    requires(!std::floating_point<R>)
  friend constexpr Dual operator/(Dual a, S b) { return {a.value / b, a.tangent / b}; }

  friend constexpr bool operator==(Dual a, Dual b) { return a.value == b.value; }
  friend constexpr auto operator<=>(Dual a, Dual b) { return a.value <=> b.value; }
};

template <class T>
struct is_dual : std::false_type {};
template <class R>
struct is_dual<Dual<R>> : std::true_type {};
template <class T>
inline constexpr bool is_dual_v = is_dual<T>::value;

namespace detail {
template <class T>
struct RealBelow {
  using type = T;
};
template <class R>
struct RealBelow<Dual<R>> {
  using type = typename RealBelow<R>::type;
};
}  // namespace detail

/// The floating-point type below a number type: RealOf<Dual<double>> is double.
template <class T>
using RealOf = typename detail::RealBelow<T>::type;

/// A number that kernels run on: float, double, or a dual of one.
template <class T>
concept Number = std::floating_point<RealOf<T>> &&
    (std::floating_point<T> || std::same_as<T, Dual<RealOf<T>>>);

template <std::floating_point R>
constexpr R value_of(R x) {
  return x;
}
template <class R>
constexpr RealOf<R> value_of(Dual<R> x) {
  return value_of(x.value);
}
template <std::floating_point R>
constexpr R tangent_of(R) {
  return R(0);
}
template <class R>
constexpr R tangent_of(Dual<R> x) {
  return x.tangent;
}

/// What a gradient by parameters keeps of a number: of a dual its tangent, since nothing asks for
/// the value.
template <std::floating_point R>
constexpr R gradient_part(R x) {
  return x;
}
template <std::floating_point R>
constexpr R gradient_part(Dual<R> x) {
  return x.tangent;
}

template <class R>
Dual<R> sqrt(Dual<R> x) {
  using std::sqrt;
  const R s = sqrt(x.value);
  return {s, x.tangent / (R(2) * s)};
}
template <class R>
Dual<R> exp(Dual<R> x) {
  using std::exp;
  const R e = exp(x.value);
  return {e, e * x.tangent};
}
template <class R>
Dual<R> log(Dual<R> x) {
  using std::log;
  return {log(x.value), x.tangent / x.value};
}
template <class R>
Dual<R> cos(Dual<R> x);
template <class R>
Dual<R> sin(Dual<R> x) {
  using std::cos, std::sin;
  return {sin(x.value), cos(x.value) * x.tangent};
}
template <class R>
Dual<R> cos(Dual<R> x) {
  using std::cos, std::sin;
  return {cos(x.value), -sin(x.value) * x.tangent};
}
template <class R>
Dual<R> tanh(Dual<R> x) {
  using std::tanh;
  const R t = tanh(x.value);
  return {t, (R(1) - t * t) * x.tangent};
}
template <class R>
Dual<R> erf(Dual<R> x) {
  using std::erf, std::exp;
  constexpr RealOf<R> two_over_sqrt_pi = RealOf<R>(2) * std::numbers::inv_sqrtpi_v<RealOf<R>>;
  return {erf(x.value), two_over_sqrt_pi * exp(-x.value * x.value) * x.tangent};
}
template <class R>
Dual<R> abs(Dual<R> x) {
  return value_of(x) < RealOf<R>(0) ? -x : x;
}

namespace detail {
// Sums over all atoms and edges are taken in double.
template <Number T>
using Wide = std::conditional_t<is_dual_v<T>, Dual<double>, double>;
template <Number T>
Wide<T> widen(T x) {
  if constexpr (is_dual_v<T>)
    return {static_cast<double>(x.value), static_cast<double>(x.tangent)};
  else
    return static_cast<double>(x);
}
template <Number T>
T narrow(Wide<T> x) {
  using R = RealOf<T>;
  if constexpr (is_dual_v<T>)
    return {static_cast<R>(x.value), static_cast<R>(x.tangent)};
  else
    return static_cast<R>(x);
}
}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
