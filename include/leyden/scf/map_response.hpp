// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/random.hpp>
#include <leyden/scf/eliminate.hpp>
#include <leyden/scf/linear_response.hpp>

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
/// An eigenvalue, and the eigenvector's numbers in the basis of a Krylov space.
struct RitzPair {
  std::complex<double> value;
  std::vector<std::complex<double>> vector;
};
/// The eigenpair of the upper left k × k of h whose value is nearest to `target`, or the largest
/// without one. (A template, so that only who calls it compiles it.)
template <class Matrix>
RitzPair ritz_pair(const Matrix& h, Eigen::Index k, const std::complex<double>* target) {
  const Eigen::EigenSolver<Matrix> solver(h.topLeftCorner(k, k));
  Eigen::Index best = 0;
  const auto merit = [&](Eigen::Index i) {
    const std::complex<double> value = solver.eigenvalues()[i];
    return target ? -std::abs(value - *target) : std::abs(value);
  };
  for (Eigen::Index i = 1; i < k; ++i)
    if (merit(i) > merit(best)) best = i;
  RitzPair pair{solver.eigenvalues()[best], {}};
  const Eigen::MatrixXcd vectors = solver.eigenvectors();
  for (Eigen::Index i = 0; i < k; ++i) pair.vector.push_back(vectors(i, best));
  return pair;
}
}  // namespace detail

/// What one step of a map does to a small change of the density, p → F(f[p]) at prescribed charges:
///
///   J x = A (P x + Σ_g ν_g e_g),   n_g·J x = 0,     A = ∂F/∂f,  e_g = ∂f/∂μ_g,
///
/// in real numbers, and the derivatives of its spectral radius and of the bare softness.
///
/// The radius is a Ritz value of Arnoldi's method (W. E. Arnoldi, Q. Appl. Math. 9, 17 (1951)), as
/// eigenvectors are from the left and from the right. Below `most` unknowns it is exact; above, it
/// is as good as `most` applications of P make it.
template <class Law, class S, std::floating_point R>
class MapResponse {
  using Complex = std::complex<double>;

 public:
  static constexpr std::size_t most = 120;  ///< dimension of the Krylov space

  /// @param blocks, f  A at the field f, which is the full one.
  MapResponse(const LawSum<Law>& sum, const LinearResponse<Law, S, R>& response,
              const ChargeConstraints& constraints, const SiteCoefficients<R>& coefficients,
              const LawBlocks<R>& blocks, std::span<const R> f)
      : sum_(sum),
        response_(response),
        constraints_(constraints),
        coefficients_(coefficients),
        blocks_(blocks),
        f_(f) {
    // n_g·A e_h
    const std::size_t groups = constraints.size();
    slope_.assign(groups * groups, R(0));
    for (std::size_t g = 0; g < groups; ++g) {
      y_.assign(unknowns(), R(0));
      for (std::size_t i = 0; i < sum.atoms; ++i)
        if (group(i) == static_cast<int>(g)) y_[i * sum.out] = R(1);
      law(y_, x_, true);
      for (std::size_t h = 0; h < groups; ++h) slope_[g * groups + h] = on_level(x_, h);
    }
  }

  /// The spectral radius ρ of J; keeps the eigenvectors for radius_pullback().
  double find_radius() {
    const auto [value, right] = eigenpair(false, nullptr);
    value_ = value;
    right_ = right;
    return std::abs(value_);
  }

  /// −∂q_i/∂μ of each atom at fixed density (n), e/V, all levels together.
  void bare_softness(std::span<double> out) {
    everywhere(x_);
    law(x_, y_, false);
    for (std::size_t i = 0; i < sum_.atoms; ++i) out[i] = -static_cast<double>(y_[i * sum_.out]);
  }

  /// Adds factor · ∂ρ/∂(coefficients, f) at the density; after find_radius().
  void radius_pullback(double factor, SiteCoefficients<R>& c_bar, std::span<R> f_bar) {
    if (!(std::abs(value_) > 0.0)) return;
    const std::vector<Complex> left = eigenpair(true, &value_).second;
    Complex overlap = 0.0;
    for (std::size_t i = 0; i < left.size(); ++i) overlap += left[i] * right_[i];
    // dλ = lᵀ dJ r/(lᵀ r), and d|λ| = Re(λ* dλ)/|λ|: two real forms.
    const Complex scale = factor * std::conj(value_) / (std::abs(value_) * overlap);
    std::vector<R> u(unknowns()), w(unknowns());
    for (const bool imaginary : {false, true}) {
      if (imaginary && value_.imag() == 0.0) break;
      for (std::size_t i = 0; i < unknowns(); ++i) {
        const Complex l = scale * left[i];
        u[i] = static_cast<R>(imaginary ? -l.imag() : l.real());
        w[i] = static_cast<R>(imaginary ? right_[i].imag() : right_[i].real());
      }
      // With the changes of the levels that keep the charges, which are stationary.
      field(w, x_);
      law(u, z_, true);
      spread_levels(z_, u);
      bilinear_pullback(u, x_, c_bar, f_bar);
    }
  }

  /// Adds s̄·∂(bare softness)/∂(coefficients, f).
  void softness_pullback(std::span<const double> softness_bar, SiteCoefficients<R>& c_bar,
                         std::span<R> f_bar) {
    std::vector<R> u(unknowns(), R(0));
    for (std::size_t i = 0; i < sum_.atoms; ++i) u[i * sum_.out] = static_cast<R>(-softness_bar[i]);
    everywhere(x_);
    bilinear_pullback(u, x_, c_bar, f_bar);
  }

 private:
  std::size_t unknowns() const { return sum_.atoms * sum_.out; }
  std::size_t fields() const { return sum_.atoms * sum_.in; }
  int group(std::size_t atom) const { return constraints_.group[atom]; }
  /// y = A x or Aᵀ x.
  void law(std::span<const R> x, std::vector<R>& y, bool transpose) const {
    y.assign(transpose ? fields() : unknowns(), R(0));
    blocks_.apply(sum_.bonds, x.data(), y.data(), transpose);
  }
  /// The field of a common change of all levels.
  void everywhere(std::vector<R>& f) const {
    f.assign(fields(), R(0));
    for (std::size_t k = 0; k < f.size(); k += sum_.out) f[k] = R(1);
  }
  R on_level(const std::vector<R>& f, std::size_t g) const {
    R sum = 0;
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (group(i) == static_cast<int>(g))
        for (std::size_t k = 0; k < sum_.in; k += sum_.out) sum += f[i * sum_.in + k];
    return sum;
  }
  /// The levels ν (or multipliers a) that take `right` away: slope · ν = −right, or transposed.
  std::vector<R> levels(std::vector<R> right, bool transpose) const {
    const std::size_t groups = right.size();
    std::vector<R> matrix(slope_);
    if (transpose)
      for (std::size_t g = 0; g < groups; ++g)
        for (std::size_t h = 0; h < groups; ++h) matrix[g * groups + h] = slope_[h * groups + g];
    for (R& x : right) x = -x;
    if (!detail::eliminate<R>(groups, matrix.data(), right.data()))
      std::fill(right.begin(), right.end(), R(0));  // nothing responds
    return right;
  }
  /// f = P x + Σ ν_g e_g such that A f has no charge.
  void field(std::span<const R> x, std::vector<R>& f) {
    f.resize(fields());
    response_.field(x, f);
    law(f, y_, false);
    std::vector<R> charge(constraints_.size(), R(0));
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = group(i); g >= 0) charge[static_cast<std::size_t>(g)] += y_[i * sum_.out];
    const std::vector<R> nu = levels(charge, false);
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = group(i); g >= 0)
        for (std::size_t k = 0; k < sum_.in; k += sum_.out)
          f[i * sum_.in + k] += nu[static_cast<std::size_t>(g)];
  }
  /// u += Σ a_g n_g such that Aᵀu is nothing to the levels; f is Aᵀu before.
  void spread_levels(const std::vector<R>& f, std::span<R> u) const {
    std::vector<R> on(constraints_.size());
    for (std::size_t g = 0; g < on.size(); ++g) on[g] = on_level(f, g);
    const std::vector<R> a = levels(on, true);
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = group(i); g >= 0) u[i * sum_.out] += a[static_cast<std::size_t>(g)];
  }
  /// y = J x or Jᵀ x.
  void apply(std::span<const R> x, std::vector<R>& y, bool transpose) {
    if (!transpose) {
      field(x, x_);
      law(x_, y, false);
      return;
    }
    z_.assign(x.begin(), x.end());
    law(z_, x_, true);
    spread_levels(x_, z_);
    law(z_, x_, true);
    y.resize(unknowns());
    response_.field_transpose(x_, y);
  }
  /// Adds the derivatives of uᵀ A w by what A depends on: those of u·F along f + ε w.
  void bilinear_pullback(std::span<const R> u, std::span<const R> w, SiteCoefficients<R>& c_bar,
                         std::span<R> f_bar) const {
    using T = Dual<R>;
    const auto constants = [](const std::vector<R>& from) {
      return std::vector<T>(from.begin(), from.end());
    };
    const SiteCoefficients<T> c{
        {}, {}, constants(coefficients_.atoms), constants(coefficients_.bonds)};
    SiteCoefficients<T> bar;
    bar.assign(0, c.atoms.size(), c.bonds.size(), false);
    std::vector<T> f(fields()), f_out(fields()), p_bar(u.begin(), u.end());
    for (std::size_t k = 0; k < fields(); ++k) f[k] = T(f_[k], w[k]);
    sum_.template map_pullback<T>(c, f.data(), p_bar.data(), f_out.data(), &bar);
    for (std::size_t k = 0; k < fields(); ++k) f_bar[k] += f_out[k].tangent;
    for (std::size_t k = 0; k < bar.atoms.size(); ++k) c_bar.atoms[k] += bar.atoms[k].tangent;
    for (std::size_t k = 0; k < bar.bonds.size(); ++k) c_bar.bonds[k] += bar.bonds[k].tangent;
  }

  /// The eigenpair of J (or Jᵀ) of the largest value, or of the one nearest to `target`.
  std::pair<Complex, std::vector<Complex>> eigenpair(bool transpose, const Complex* target) {
    using Matrix = Eigen::MatrixXd;
    const std::size_t n = unknowns(), steps = std::min(n, most);
    const double accuracy =
        std::sqrt(static_cast<double>(std::numeric_limits<R>::epsilon())) * 1e-2;
    std::vector<std::vector<R>> basis;
    Matrix h = Matrix::Zero(static_cast<Eigen::Index>(steps) + 1, static_cast<Eigen::Index>(steps));
    std::vector<R> next(n);
    RandomStream random(1);
    for (R& x : next) x = static_cast<R>(random.normal());
    double length = static_cast<double>(detail::euclidean_norm<R>(next));
    detail::RitzPair pair;
    for (std::size_t k = 0; k < steps; ++k) {
      for (R& x : next) x /= static_cast<R>(length);
      basis.push_back(next);
      apply(basis.back(), next, transpose);
      const double before = static_cast<double>(detail::euclidean_norm<R>(next));
      for (int pass = 0; pass < 2; ++pass)
        for (std::size_t j = 0; j <= k; ++j) {
          const R overlap = detail::dot_product<R>(basis[j], next);
          h(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(k)) +=
              static_cast<double>(overlap);
          for (std::size_t i = 0; i < n; ++i) next[i] -= overlap * basis[j][i];
        }
      length = static_cast<double>(detail::euclidean_norm<R>(next));
      h(static_cast<Eigen::Index>(k) + 1, static_cast<Eigen::Index>(k)) = length;
      const bool closed =
          length <= 1e2 * static_cast<double>(std::numeric_limits<R>::epsilon()) * before;
      if (!closed && k + 1 < steps && (k + 1) % 20 != 0) continue;
      pair = detail::ritz_pair(h, static_cast<Eigen::Index>(k) + 1, target);
      if (closed || length * std::abs(pair.vector.back()) <= accuracy * std::abs(pair.value)) break;
    }
    std::vector<Complex> vector(n, Complex(0.0));
    for (std::size_t j = 0; j < pair.vector.size(); ++j)
      for (std::size_t i = 0; i < n; ++i)
        vector[i] += pair.vector[j] * static_cast<double>(basis[j][i]);
    return {pair.value, vector};
  }

  const LawSum<Law>& sum_;
  const LinearResponse<Law, S, R>& response_;
  const ChargeConstraints& constraints_;
  const SiteCoefficients<R>& coefficients_;
  const LawBlocks<R>& blocks_;
  std::span<const R> f_;
  std::vector<R> slope_;        // (groups²)
  std::vector<R> x_, y_, z_;    // scratch: fields, density, either
  Complex value_ = 0.0;         // of the largest absolute value
  std::vector<Complex> right_;  // (unknowns)
};

}  // namespace leyden::inline LEYDEN_ABI
