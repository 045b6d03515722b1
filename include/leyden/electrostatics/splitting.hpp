// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>
#include <leyden/core/error.hpp>
#include <leyden/electrostatics/prolate.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// How 1/r is split into a short-ranged and a smooth long-ranged part, 1/r = S(r) + L(r), where L
/// has the Fourier transform (4π/k²) f(k).
///
/// - gaussian(α): f = exp(−k²/4α²), L = erf(αr)/r (Ewald).
/// - prolate(r_c, c): f = ψ_c(k r_c/c)/ψ_c(0) for k < c/r_c and zero beyond,
///   L = (1/r) ∫_0^(r/r_c) ψ_c / ∫_0^1 ψ_c for r < r_c and 1/r beyond: both ends are finite. f cut
///   at c/r_c and L cut at r_c differ by ψ_c(1)/ψ_c(0) (1e-5 at c = 14, falling as e^(−c)), which
///   is the error of the split (Liang, Lu, Barnett, Greengard and Jiang, arXiv:2505.09727).
///
/// Lengths in Å; no Coulomb constant. Immutable, cheap to copy (10 kB).
class Splitting {
 public:
  enum class Kind { gaussian, prolate };

  /// @throws ModelError unless α > 0 [1/Å].
  static Splitting gaussian(double alpha);
  /// @throws ModelError unless cutoff > 0 [Å] and 1 ≤ c ≤ 60.
  static Splitting prolate(double cutoff, double c);

  Kind kind() const { return kind_; }
  double cutoff() const { return cutoff_; }        ///< Å, where S of points ends; gaussian: 0
  double parameter() const { return parameter_; }  ///< α [1/Å] or c

  /// f < tolerance for all k beyond this [1/Å]; prolate: c/r_c, whatever the tolerance.
  double k_max(double tolerance) const;

  /// f as a function of k² [1/Å²], and df/d(k²) [Å²]. To 1e-15 and 1e-14 of the values at k = 0.
  template <Number T>
  T factor(T k2) const;
  template <Number T>
  T factor_derivative(T k2) const;

  /// B_n(r) of L: B_0 = L, B_(n+1) = −(1/r) dB_n/dr [1/Å^(2n+1)], n = 0 … 6, any r ≥ 0. To 1e-14
  /// of B_n(0).
  double long_range(int n, double r) const;

  /// ∫ (1/r − L) d³r [Å²].
  double neutralising() const;

 private:
  // f, f' and f'' as functions of y = k²/k_max² are polynomials in each of `intervals` parts of
  // [0, 1]; the derivatives have tables of their own, because differentiated tables lose digits.
  static constexpr int intervals = 32, terms = 12;
  using Table = std::array<std::array<double, terms>, intervals>;

  Splitting() = default;
  double look_up(const Table& table, double y) const;
  double second_derivative(double k2) const;

  Kind kind_ = Kind::gaussian;
  double cutoff_ = 0, parameter_ = 0;
  double eigenvalue_ = 0, y_scale_ = 0;
  std::array<Table, 3> table_{};         // prolate
  std::vector<double> node_, weighted_;  // of ∫_0^1 ψ(s) … ds, times the prefactor of B_0
};

namespace detail {

// j_n(z)/zⁿ, n = 0 … Count − 1 (Count ≥ 2); the value at z = 0 is 1/(2n+1)!!. To 2e-15 of it.
template <int Count>
std::array<double, Count> spherical_bessel_ratios(double z) {
  std::array<double, Count> out;
  const double z2 = z * z;
  // Upward errors grow by (2n−1)!! (2n+1)!!/z^(2n): below 10 for n ≤ 6.
  if (z > (Count <= 2 ? 1.0 : 5.0)) {
    out[0] = std::sin(z) / z;
    out[1] = (out[0] - std::cos(z)) / z2;
    for (int n = 1; n + 1 < Count; ++n)
      out[static_cast<std::size_t>(n + 1)] =
          ((2 * n + 1) * out[static_cast<std::size_t>(n)] - out[static_cast<std::size_t>(n - 1)]) /
          z2;
    return out;
  }
  // The two highest by their series, the others downward.
  for (int n = Count - 2; n < Count; ++n) {
    double sum = 1;
    for (int k = 24; k >= 1; --k) sum = 1 - sum * (0.5 * z2) / (k * (2.0 * (n + k) + 1));
    for (int k = 1; k <= n; ++k) sum /= 2 * k + 1;
    out[static_cast<std::size_t>(n)] = sum;
  }
  for (int n = Count - 3; n >= 0; --n)
    out[static_cast<std::size_t>(n)] = (2 * n + 3) * out[static_cast<std::size_t>(n + 1)] -
                                       z2 * out[static_cast<std::size_t>(n + 2)];
  return out;
}

// B_n of erf(g r)/r, n = 0 … 6: (2g/√π) (2g²)ⁿ F_n(g²r²) with the Boys functions F_n, of which the
// highest has a series of positive terms and the others follow downward; far out upward from erf.
inline double gaussian_radial(int n, double g, double r) {
  constexpr int top = 6;
  const double t = g * g * r * r, e = std::exp(-t);
  double boys;
  if (t < 2.0) {
    boys = 1;
    for (int k = 24; k >= 1; --k) boys = 1 + boys * 2 * t / (2 * (k + top) + 1);
    boys *= e / (2 * top + 1);
    for (int k = top - 1; k >= n; --k) boys = (2 * t * boys + e) / (2 * k + 1);
  } else {
    boys = 0.5 / std::numbers::inv_sqrtpi_v<double> * std::erf(g * r) / (g * r);
    for (int k = 0; k < n; ++k) boys = ((2 * k + 1) * boys - e) / (2 * t);
  }
  return 2 * g * std::numbers::inv_sqrtpi_v<double> * std::pow(2 * g * g, n) * boys;
}

// Coefficients of Σ a_k v^k, v in [−1, 1], through the function's values at Chebyshev nodes.
template <std::size_t Terms, class Function>
std::array<double, Terms> fit_monomials(const Function& value) {
  // Chebyshev coefficients first: they are well conditioned.
  std::array<long double, Terms> chebyshev{}, out{}, before{}, here{};
  for (std::size_t i = 0; i < Terms; ++i) {
    const long double angle = 3.14159265358979323846L * (static_cast<long double>(i) + 0.5L) /
                              static_cast<long double>(Terms);
    const long double f = value(static_cast<double>(std::cos(angle)));
    for (std::size_t k = 0; k < Terms; ++k)
      chebyshev[k] += f * std::cos(static_cast<long double>(k) * angle) * (k == 0 ? 1 : 2) /
                      static_cast<long double>(Terms);
  }
  before[0] = 1;
  if (Terms > 1) here[1] = 1;
  out[0] = chebyshev[0];
  for (std::size_t k = 1; k < Terms; ++k) {
    for (std::size_t j = 0; j <= k; ++j) out[j] += chebyshev[k] * here[j];
    std::array<long double, Terms> next{};
    for (std::size_t j = 0; j < Terms; ++j) {
      next[j] = -before[j];
      if (j > 0) next[j] += 2 * here[j - 1];
    }
    before = here;
    here = next;
  }
  std::array<double, Terms> result;
  for (std::size_t k = 0; k < Terms; ++k) result[k] = static_cast<double>(out[k]);
  return result;
}

}  // namespace detail

inline Splitting Splitting::gaussian(double alpha) {
  if (!(alpha > 0) || !std::isfinite(alpha))
    throw ModelError("Splitting::gaussian: an alpha of " + std::to_string(alpha) +
                     " per Angstrom given; it must be positive");
  Splitting s;
  s.parameter_ = alpha;
  return s;
}

inline Splitting Splitting::prolate(double cutoff, double c) {
  if (!(cutoff > 0) || !std::isfinite(cutoff))
    throw ModelError("Splitting::prolate: a cutoff of " + std::to_string(cutoff) +
                     " Angstrom given; it must be positive");
  const Prolate psi(c);
  Splitting s;
  s.kind_ = Kind::prolate;
  s.cutoff_ = cutoff;
  s.parameter_ = c;
  s.eigenvalue_ = psi.eigenvalue();
  s.y_scale_ = (cutoff / c) * (cutoff / c);

  const double at_zero = psi(0), whole = psi.integral(1);
  detail::half_gauss_legendre(20 + static_cast<int>(c / 2), s.node_, s.weighted_);
  // ψ(x) = (ψ(0)/I(1)) ∫_0^1 ψ(s) cos(csx) ds, so L = (ψ(0)/(r_c I(1)²)) ∫_0^1 ψ(s) j_0(csx) ds:
  // integrals of positive weights, which their derivatives keep.
  for (std::size_t i = 0; i < s.node_.size(); ++i)
    s.weighted_[i] *= psi(s.node_[i]) * at_zero / (cutoff * whole * whole);
  // f = (1/I(1)) ∫_0^1 ψ(s) cos(csx) ds and likewise for derivatives with respect to y = x²:
  // −(1/z) d/dz of cos z is j_0(z), of j_n/zⁿ is j_(n+1)/z^(n+1).
  const auto derivative = [&](int n, double y) {
    const double x = std::sqrt(std::max(y, 0.0));
    double sum = 0;
    for (std::size_t i = 0; i < s.node_.size(); ++i) {
      const double cs = c * s.node_[i];
      const double w = s.weighted_[i] * (cutoff * whole / at_zero);
      const auto j = detail::spherical_bessel_ratios<2>(cs * x);
      sum += n == 0   ? w * std::cos(cs * x)
             : n == 1 ? -0.5 * w * cs * cs * j[0]
                      : 0.25 * w * cs * cs * cs * cs * j[1];
    }
    return sum;
  };
  for (int n = 0; n < 3; ++n)
    for (int i = 0; i < intervals; ++i)
      s.table_[static_cast<std::size_t>(n)][static_cast<std::size_t>(i)] =
          detail::fit_monomials<terms>(
              [&](double v) { return derivative(n, (i + 0.5 + 0.5 * v) / intervals); });
  return s;
}

inline double Splitting::look_up(const Table& table, double y) const {
  const double scaled = y * intervals;
  const int i = std::min(static_cast<int>(scaled), intervals - 1);
  const auto& a = table[static_cast<std::size_t>(i)];
  const double v = 2 * (scaled - i) - 1, v2 = v * v;
  // Two chains of half the length.
  double even = a[terms - 2], odd = a[terms - 1];
  for (std::size_t k = terms - 2; k >= 2; k -= 2) {
    even = even * v2 + a[k - 2];
    odd = odd * v2 + a[k - 1];
  }
  return odd * v + even;
}

inline double Splitting::k_max(double tolerance) const {
  if (kind_ == Kind::prolate) return parameter_ / cutoff_;
  return tolerance < 1 ? 2 * parameter_ * std::sqrt(-std::log(tolerance)) : 0.0;
}

inline double Splitting::second_derivative(double k2) const {
  if (kind_ == Kind::prolate) {
    const double y = k2 * y_scale_;
    return y < 1 ? y_scale_ * y_scale_ * look_up(table_[2], y) : 0.0;
  }
  const double scale = -1 / (4 * parameter_ * parameter_);
  return scale * scale * std::exp(scale * k2);
}

template <Number T>
T Splitting::factor_derivative(T k2) const {
  using R = RealOf<T>;
  const double at = static_cast<double>(value_of(k2));
  double value = 0;
  if (kind_ == Kind::prolate) {
    const double y = at * y_scale_;
    if (y < 1) value = y_scale_ * look_up(table_[1], y);
  } else {
    const double scale = -1 / (4 * parameter_ * parameter_);
    value = scale * std::exp(scale * at);
  }
  if constexpr (is_dual_v<T>) {
    return {static_cast<R>(value), static_cast<R>(second_derivative(at)) * k2.tangent};
  } else {
    return static_cast<R>(value);
  }
}

template <Number T>
T Splitting::factor(T k2) const {
  using R = RealOf<T>;
  const double at = static_cast<double>(value_of(k2));
  double value = 0;
  if (kind_ == Kind::prolate) {
    const double y = at * y_scale_;
    if (y < 1) value = look_up(table_[0], y);
  } else {
    value = std::exp(-at / (4 * parameter_ * parameter_));
  }
  if constexpr (is_dual_v<T>) {
    return {static_cast<R>(value), factor_derivative(value_of(k2)) * k2.tangent};
  } else {
    return static_cast<R>(value);
  }
}

inline double Splitting::long_range(int n, double r) const {
  LEYDEN_EXPECTS(n >= 0 && n <= 6 && r >= 0);
  const auto at = static_cast<std::size_t>(n);
  if (kind_ == Kind::gaussian) return detail::gaussian_radial(n, parameter_, r);
  if (r >= cutoff_) {
    double b = 1 / r;
    for (int k = 0; k < n; ++k) b *= (2 * k + 1) / (r * r);
    return b;
  }
  double sum = 0;
  for (std::size_t i = 0; i < node_.size(); ++i) {
    const double k = node_[i] * parameter_ / cutoff_;
    double term = weighted_[i] * detail::spherical_bessel_ratios<7>(k * r)[at];
    for (int m = 0; m < n; ++m) term *= k * k;
    sum += term;
  }
  return sum;
}

inline double Splitting::neutralising() const {
  return kind_ == Kind::prolate ? 2 * std::numbers::pi * eigenvalue_ * y_scale_
                                : std::numbers::pi / (parameter_ * parameter_);
}

}  // namespace leyden::inline LEYDEN_ABI
