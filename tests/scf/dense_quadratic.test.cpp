// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/scf/dense_quadratic.hpp>

#include "support/catch.hpp"

#include <Eigen/LU>

namespace {

using namespace leyden;
using Catch::Matchers::WithinAbs;

// A cluster of charges (or charges and dipoles) with random sites.
struct Problem {
  Geometry<double> geometry;
  std::vector<double> widths, chi, eta, external;
  int l_max;
  double total_charge = 0.7;

  explicit Problem(int l_max, int n = 6) : l_max(l_max) {
    RandomStream random(5);
    for (int i = 0; i < n; ++i) {
      geometry.positions.push_back(
          {{1.3 * i, random.uniform(-1, 1), random.uniform(-1, 1)}});  // no two close
      geometry.atomic_numbers.push_back(1);
      widths.push_back(random.uniform(0.5, 1.2));
    }
    for (int k = 0; k < n * size(); ++k) {
      chi.push_back(random.normal());
      eta.push_back(random.uniform(0.5, 3.0));
      external.push_back(random.normal());
    }
  }
  int size() const { return (l_max + 1) * (l_max + 1); }
};

template <class T>
Geometry<T> with_tangent(const Geometry<double>& g, const std::vector<Vector3<double>>& u,
                         double step) {
  Geometry<T> out;
  out.atomic_numbers = g.atomic_numbers;
  for (std::size_t i = 0; i < g.positions.size(); ++i) {
    Vector3<T> r;
    for (int a = 0; a < 3; ++a) {
      if constexpr (is_dual_v<T>)
        r[a] = {g.positions[i][a], u[i][a]};
      else
        r[a] = g.positions[i][a] + step * u[i][a];
    }
    out.positions.push_back(r);
  }
  return out;
}

template <class T>
struct Solution {
  std::vector<T> p, lambda;
  T mu;
};

template <class T>
Solution<T> solve(const Problem& problem, const Geometry<T>& geometry, const std::vector<T>& chi,
                  const std::vector<T>& eta, const std::vector<T>& p_bar) {
  const Direct solver;
  typename Direct::Plan<T> plan;
  solver.plan(geometry, {problem.l_max, problem.widths}, T(problem.total_charge), plan);
  std::vector<T> external(problem.external.begin(), problem.external.end());
  DenseQuadraticTape<T> tape;
  Solution<T> out{std::vector<T>(chi.size()), std::vector<T>(chi.size()), T{}};
  out.mu = DenseQuadratic::minimize<T>(solver, plan, problem.size(), chi, eta, external,
                                       problem.total_charge, out.p, tape);
  DenseQuadratic::adjoint<T>(solver, plan, eta, p_bar, out.lambda, tape);
  return out;
}

std::vector<double> random_vector(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<double> x(n);
  for (double& v : x) v = random.normal();
  return x;
}
std::vector<Vector3<double>> random_directions(std::size_t n, std::uint64_t seed) {
  const std::vector<double> x = random_vector(3 * n, seed);
  std::vector<Vector3<double>> u(n);
  for (std::size_t i = 0; i < n; ++i) u[i] = {{x[3 * i], x[3 * i + 1], x[3 * i + 2]}};
  return u;
}

}  // namespace

TEST_CASE("the minimum is that of the bordered system", "[scf]") {
  const int l_max = GENERATE(0, 1);
  const Problem problem(l_max);
  const std::size_t n = problem.chi.size();
  const Direct solver;
  Direct::Plan<double> plan;
  solver.plan(problem.geometry, {l_max, problem.widths}, problem.total_charge, plan);
  std::vector<double> k(n * n);
  solver.assemble(plan, k);

  // [A n; nᵀ 0] [p; μ] = [−χ − v; Q]
  const auto rows = static_cast<Eigen::Index>(n);
  Eigen::MatrixXd a = Eigen::MatrixXd::Zero(rows + 1, rows + 1);
  Eigen::VectorXd b(rows + 1);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const auto at = static_cast<std::size_t>(i);
    for (Eigen::Index j = 0; j < rows; ++j) a(i, j) = k[at * n + static_cast<std::size_t>(j)];
    a(i, i) += problem.eta[at];
    if (i % problem.size() == 0) a(i, rows) = a(rows, i) = 1.0;
    b(i) = -problem.chi[at] - problem.external[at];
  }
  b(rows) = problem.total_charge;
  const Eigen::VectorXd expected = a.fullPivLu().solve(b);

  const auto found = solve(problem, problem.geometry, problem.chi, problem.eta, problem.chi);
  double charge = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    // Condition numbers are some 100: 1e-14 each.
    CHECK_THAT(found.p[i], WithinAbs(expected(static_cast<Eigen::Index>(i)), 1e-12));
    if (i % static_cast<std::size_t>(problem.size()) == 0) charge += found.p[i];
  }
  CHECK_THAT(found.mu, WithinAbs(expected(rows), 1e-12));
  CHECK_THAT(charge, WithinAbs(problem.total_charge, 1e-14));
}

TEST_CASE("the Fermi level is minus the derivative of the energy by the charge", "[scf]") {
  Problem problem(1);
  const Direct solver;
  const auto energy = [&](double charge) {
    problem.total_charge = charge;
    const auto s = solve(problem, problem.geometry, problem.chi, problem.eta, problem.chi);
    Direct::Plan<double> plan;
    solver.plan(problem.geometry, {1, problem.widths}, charge, plan);
    std::vector<double> v(s.p.size());
    solver.apply(plan, s.p, v);
    double e = 0.0;
    for (std::size_t i = 0; i < v.size(); ++i)
      e += s.p[i] * (problem.chi[i] + problem.external[i] + 0.5 * (problem.eta[i] * s.p[i] + v[i]));
    return e;
  };
  const double h = 1e-3;  // the energy is quadratic in Q: no truncation error
  const double slope = (energy(0.7 + h) - energy(0.7 - h)) / (2 * h);
  problem.total_charge = 0.7;
  const auto s = solve(problem, problem.geometry, problem.chi, problem.eta, problem.chi);
  CHECK_THAT(s.mu, WithinAbs(-slope, 1e-10));
  // dQ/dμ ≤ 0: taking electrons away (Q up) lowers their chemical potential.
  problem.total_charge = 0.8;
  CHECK(solve(problem, problem.geometry, problem.chi, problem.eta, problem.chi).mu < s.mu);
}

TEST_CASE("adjoint and dual solutions are derivatives of the minimum", "[scf]") {
  const int l_max = GENERATE(0, 1);
  const Problem problem(l_max);
  const std::size_t n = problem.chi.size();
  const std::vector<double> p_bar = random_vector(n, 1), chi_tangent = random_vector(n, 2),
                            eta_tangent = random_vector(n, 3), bar_tangent = random_vector(n, 4);
  const auto u = random_directions(problem.widths.size(), 6);

  const auto shifted = [&](double step) {
    std::vector<double> chi = problem.chi, eta = problem.eta, bar = p_bar;
    for (std::size_t i = 0; i < n; ++i) {
      chi[i] += step * chi_tangent[i];
      eta[i] += step * eta_tangent[i];
      bar[i] += step * bar_tangent[i];
    }
    return solve(problem, with_tangent<double>(problem.geometry, u, step), chi, eta, bar);
  };
  const double h = 1e-5;  // 1e-10 of truncation, 1e-11 of rounding
  const auto up = shifted(h), down = shifted(-h), here = shifted(0.0);

  using T = Dual<double>;
  std::vector<T> chi(n), eta(n), bar(n);
  for (std::size_t i = 0; i < n; ++i) {
    chi[i] = {problem.chi[i], chi_tangent[i]};
    eta[i] = {problem.eta[i], eta_tangent[i]};
    bar[i] = {p_bar[i], bar_tangent[i]};
  }
  const auto dual = solve(problem, with_tangent<T>(problem.geometry, u, 0.0), chi, eta, bar);
  const double tolerance = 1e-8;
  for (std::size_t i = 0; i < n; ++i) {
    CHECK_THAT(dual.p[i].value, WithinAbs(here.p[i], 1e-14));
    CHECK_THAT(dual.p[i].tangent, WithinAbs((up.p[i] - down.p[i]) / (2 * h), tolerance));
    CHECK_THAT(dual.lambda[i].tangent,
               WithinAbs((up.lambda[i] - down.lambda[i]) / (2 * h), tolerance));
  }
  CHECK_THAT(dual.mu.tangent, WithinAbs((up.mu - down.mu) / (2 * h), tolerance));

  // p̄·dp by the adjoint: −λ·dχ − Σ λ p dη − λᵀ dK p.
  const Direct solver;
  Direct::Plan<double> plan;
  solver.plan(problem.geometry, {l_max, problem.widths}, problem.total_charge, plan);
  GeometryGradient<double> gradient;
  gradient.reset(problem.widths.size());
  solver.bilinear_gradient(plan, here.lambda, here.p, -1.0, gradient);
  double adjoint = 0.0, tangent = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    adjoint -= here.lambda[i] * (chi_tangent[i] + here.p[i] * eta_tangent[i]);
    tangent += p_bar[i] * dual.p[i].tangent;
  }
  for (std::size_t i = 0; i < u.size(); ++i) adjoint += dot(gradient.positions[i], u[i]);
  CHECK_THAT(adjoint, WithinAbs(tangent, 1e-12 * (1.0 + std::abs(tangent))));
}

TEST_CASE("a problem without a minimum is refused", "[scf]") {
  Problem problem(0);
  problem.eta.assign(problem.eta.size(), -50.0);
  CHECK_THROWS_AS(solve(problem, problem.geometry, problem.chi, problem.eta, problem.chi),
                  ConvergenceError);
}
