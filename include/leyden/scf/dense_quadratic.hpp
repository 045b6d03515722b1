// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/concepts.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The quadratic problem of one structure, factorised: kept between minimise() and adjoint().
template <Number T>
struct DenseQuadraticTape {
  using Real = RealOf<T>;
  using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;

  int size = 1;                    // coefficients per atom
  std::vector<Real> matrix;        // (n·size)²: K + η, then its Cholesky factor
  std::vector<Real> response;      // A⁻¹n, n the vector that picks the monopoles
  Real softness = 0;               // n·A⁻¹n [e/V] = −dQ/dμ
  std::vector<Real> value, other;  // (n·size) scratch
  std::vector<T> constant, image;  // (n·size) scratch
};

/// Minimises  χ·p + v·p + ½ pᵀ(K + η)p  at fixed total charge n·p = Q by a dense Cholesky
/// factorisation of A = K + η, O(N³) in time and O(N²) in memory, once per structure; and the
/// adjoint of the minimiser, and of both their derivatives (duals), with the same factor.
///
/// K is positive semi-definite and η > 0, so A is positive definite and the minimum unique (for a
/// solver without self-interaction K is not, and η must make up for it).
///
/// With μ = −dE/dQ the minimum fulfils χ + ηp + (Kp + v + μn) = 0, n·p = Q:
///
///   p = x − μ A⁻¹n,   x = −A⁻¹(χ + v),   μ = (n·x − Q)/(n·A⁻¹n).
///
/// Duals: A₀x₁ = b₁ − A₁x₀, where A₁x₀ is the tangent of applying A to the constant x₀.
struct DenseQuadratic {
  /// @param eta, chi, external  (n·size) η [eV/e²] > 0, χ and v [V]
  /// @param p                   (n·size) set to the minimiser
  /// @returns μ [V]
  /// @throws ConvergenceError when A is not positive definite.
  template <Number T, class S>
  static T minimize(const S& solver, const typename S::template Plan<T>& plan, int size,
                    std::span<const T> chi, std::span<const T> eta, std::span<const T> external,
                    RealOf<T> total_charge, std::span<T> p, DenseQuadraticTape<T>& tape);

  /// The adjoint of the minimiser for a cotangent p̄ of p: λ solves the same constrained problem,
  /// Aλ + νn = p̄, n·λ = 0. Then χ̄ = −λ, η̄_i = −λ_i p_i, v̄ = −λ, and the geometry's share is
  /// −∂(λᵀKp). Must follow minimize() on the same tape.
  template <Number T, class S>
  static void adjoint(const S& solver, const typename S::template Plan<T>& plan,
                      std::span<const T> eta, std::span<const T> p_bar, std::span<T> lambda,
                      DenseQuadraticTape<T>& tape);

 private:
  template <Number T, class S>
  static void factorize(const S& solver, const typename S::template Plan<T>& plan, int size,
                        std::span<const T> eta, DenseQuadraticTape<T>& tape);
  /// x = A⁻¹b, real parts.
  template <Number T>
  static void solve(std::vector<RealOf<T>>& x, const DenseQuadraticTape<T>& tape);
  /// x ← the solution of Ax + μn = x, n·x = charge, real parts; returns μ.
  template <Number T>
  static RealOf<T> solve_constrained(std::vector<RealOf<T>>& x, RealOf<T> charge,
                                     const DenseQuadraticTape<T>& tape);
  /// The same for a dual right-hand side.
  template <Number T, class S>
  static T solve_constrained(const S& solver, const typename S::template Plan<T>& plan,
                             std::span<const T> eta, std::span<T> x, RealOf<T> charge,
                             DenseQuadraticTape<T>& tape);
};

template <Number T, class S>
void DenseQuadratic::factorize(const S& solver, const typename S::template Plan<T>& plan, int size,
                               std::span<const T> eta, DenseQuadraticTape<T>& tape) {
  using Tape = DenseQuadraticTape<T>;
  const std::size_t n = eta.size();
  tape.size = size;
  tape.matrix.resize(n * n);
  solver.template assemble<T>(plan, std::span<RealOf<T>>(tape.matrix));
  for (std::size_t i = 0; i < n; ++i) tape.matrix[i * n + i] += value_of(eta[i]);

  const Eigen::Index rows = static_cast<Eigen::Index>(n);
  Eigen::Map<typename Tape::Matrix> a(tape.matrix.data(), rows, rows);
  // LLT of a reference keeps the factor where the matrix was. (For large matrices Eigen's products
  // take their packing buffers from malloc; nothing else is allocated.)
  const Eigen::LLT<Eigen::Ref<typename Tape::Matrix>> factor(a);
  if (factor.info() != Eigen::Success)
    throw ConvergenceError(
        "DenseQuadratic: K + hardness is not positive definite for " + std::to_string(n) +
        " unknowns, so charges have no minimum; use a solver with self-interaction, larger "
        "Gaussian widths or a larger hardness, and check that no two atoms coincide");

  tape.response.assign(n, RealOf<T>(0));
  for (std::size_t i = 0; i < n; i += static_cast<std::size_t>(size))
    tape.response[i] = RealOf<T>(1);
  solve(tape.response, tape);
  tape.softness = 0;
  for (std::size_t i = 0; i < n; i += static_cast<std::size_t>(size))
    tape.softness += tape.response[i];
}

template <Number T>
void DenseQuadratic::solve(std::vector<RealOf<T>>& x, const DenseQuadraticTape<T>& tape) {
  using Matrix = typename DenseQuadraticTape<T>::Matrix;
  const Eigen::Index n = static_cast<Eigen::Index>(x.size());
  const Eigen::Map<const Matrix> factor(tape.matrix.data(), n, n);
  Eigen::Map<Eigen::Matrix<RealOf<T>, Eigen::Dynamic, 1>> b(x.data(), n);
  factor.template triangularView<Eigen::Lower>().solveInPlace(b);
  factor.transpose().template triangularView<Eigen::Upper>().solveInPlace(b);
}

template <Number T>
RealOf<T> DenseQuadratic::solve_constrained(std::vector<RealOf<T>>& x, RealOf<T> charge,
                                            const DenseQuadraticTape<T>& tape) {
  using R = RealOf<T>;
  solve(x, tape);
  const std::size_t step = static_cast<std::size_t>(tape.size);
  R mu = 0;
  // The second round takes away the rounding error of the first, so that the charge is exact.
  for (int round = 0; round < 2; ++round) {
    R excess = -charge;
    for (std::size_t i = 0; i < x.size(); i += step) excess += x[i];
    const R shift = excess / tape.softness;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= shift * tape.response[i];
    mu += shift;
  }
  return mu;
}

template <Number T, class S>
T DenseQuadratic::solve_constrained(const S& solver, const typename S::template Plan<T>& plan,
                                    std::span<const T> eta, std::span<T> x, RealOf<T> charge,
                                    DenseQuadraticTape<T>& tape) {
  const std::size_t n = x.size();
  tape.value.resize(n);
  for (std::size_t i = 0; i < n; ++i) tape.value[i] = value_of(x[i]);
  const RealOf<T> mu = solve_constrained(tape.value, charge, tape);
  if constexpr (is_dual_v<T>) {
    tape.constant.resize(n);
    tape.image.resize(n);
    tape.other.resize(n);
    for (std::size_t i = 0; i < n; ++i) tape.constant[i] = T(tape.value[i]);
    solver.template apply<T>(plan, std::span<const T>(tape.constant), std::span<T>(tape.image));
    for (std::size_t i = 0; i < n; ++i)
      tape.other[i] = x[i].tangent - tape.image[i].tangent - eta[i].tangent * tape.value[i];
    const RealOf<T> mu_tangent = solve_constrained(tape.other, RealOf<T>(0), tape);
    for (std::size_t i = 0; i < n; ++i) x[i] = {tape.value[i], tape.other[i]};
    return {mu, mu_tangent};
  } else {
    for (std::size_t i = 0; i < n; ++i) x[i] = tape.value[i];
    return mu;
  }
}

template <Number T, class S>
T DenseQuadratic::minimize(const S& solver, const typename S::template Plan<T>& plan, int size,
                           std::span<const T> chi, std::span<const T> eta,
                           std::span<const T> external, RealOf<T> total_charge, std::span<T> p,
                           DenseQuadraticTape<T>& tape) {
  factorize<T>(solver, plan, size, eta, tape);
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = -(chi[i] + external[i]);
  return solve_constrained<T>(solver, plan, eta, p, total_charge, tape);
}

template <Number T, class S>
void DenseQuadratic::adjoint(const S& solver, const typename S::template Plan<T>& plan,
                             std::span<const T> eta, std::span<const T> p_bar, std::span<T> lambda,
                             DenseQuadraticTape<T>& tape) {
  for (std::size_t i = 0; i < lambda.size(); ++i) lambda[i] = p_bar[i];
  solve_constrained<T>(solver, plan, eta, lambda, RealOf<T>(0), tape);
}

}  // namespace leyden::inline LEYDEN_ABI
