// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

namespace wire_test {

using namespace electrostatics_test;

// One or no periodic direction.
namespace {

// So accurate that a change of the box or of the set of wave vectors is below rounding.
const Reciprocal exact({.accuracy = 1e-16});
// Enough for derivatives, and room for the widths of check_feature_laws.
const Reciprocal fair({.accuracy = 1e-13, .feature_width = 2.2});

System random_wire(int along = 0) {
  System s = random_system(true);
  s.geometry.periodic = {false, false, false};
  s.geometry.periodic[static_cast<std::size_t>(along)] = true;
  // A thin wire in a random direction: small boxes.
  for (auto& r : s.geometry.positions) r = 0.5 * r;
  return s;
}

System random_molecule() {
  System s = random_system(false);
  for (auto& r : s.geometry.positions) r = 0.5 * r;
  return s;
}

double energy(const Reciprocal& solver, const System& s, int l_max, const std::vector<double>& p) {
  return 0.5 * inner(p, potential(solver, s.geometry, s.source(l_max), p));
}

double total(const std::vector<double>& p, std::size_t size) {
  double charge = 0;
  for (std::size_t i = 0; i < p.size(); i += size) charge += p[i];
  return charge;
}

// The energy of Gaussian charges per period of a wire along lattice vector 0, pair by pair: images
// up to `far`, and the rest of the sum, a Riemann sum of 1/√(ρ² + x²), by the Euler-Maclaurin
// formula; of the potential of a line the part −2 ln(ρ)/L is kept, ρ in Å.
double brute_force(const System& s, const std::vector<double>& q) {
  const Vector3<double> a = s.geometry.cell.row(0);
  const double length = norm(a);
  constexpr int far = 400;
  double sum = 0;
  for (std::size_t i = 0; i < q.size(); ++i)
    for (std::size_t j = 0; j < q.size(); ++j) {
      const Vector3<double> r = s.geometry.positions[i] - s.geometry.positions[j];
      const double g = 1 / std::sqrt(2 * (s.widths[i] * s.widths[i] + s.widths[j] * s.widths[j]));
      double v = 0;
      for (int n = -far; n <= far; ++n) {
        const double d = norm(r + static_cast<double>(n) * a);
        v += d > 1e-9 ? std::erf(g * d) / d : 2 * g / std::sqrt(std::numbers::pi);
      }
      const double x = dot(r, a) / length, rho2 = dot(r, r) - x * x;
      // Each of the images beyond stands for a cell of length L about it: without the ln(2X) that
      // all share, the integral from X on is −ln(X + √(X² + ρ²)), and the midpoint rule lacks L/24
      // of the slope at X.
      for (const double side : {x, -x}) {
        const double from = (far + 0.5) * length + side, root = std::sqrt(from * from + rho2);
        v += -std::log(from + root) / length - length / 24 * from / (root * root * root);
      }
      sum += 0.5 * q[i] * q[j] * units::coulomb * v;
    }
  return sum;
}

}  // namespace

TEST_CASE("wire: neutral and charged Gaussians have the energy of the sum over images") {
  for (const double stretch : {1.0, 2.5}) {
    System s = random_wire();
    for (int c = 0; c < 3; ++c) s.geometry.cell(0, c) *= stretch;
    auto q = random_numbers(coefficients(s, 0), 30);
    REQUIRE(std::abs(total(q, 1)) > 1);
    const auto check = [&] {
      const double expected = brute_force(s, q), found = energy(exact, s, 0, q);
      INFO("charge " << total(q, 1) << ": " << found << " for " << expected);
      // The formula's next term is (L/X)⁴/X of 14 eV Å Q², 1e-11.
      CHECK(std::abs(found - expected) < 1e-10);
    };
    check();
    const double shift = total(q, 1) / static_cast<double>(q.size());
    for (double& x : q) x -= shift;
    check();
  }
}

TEST_CASE("wire: a line of charges has the potential -2 ln(rho) of its charge per length") {
  // A test charge so far that the line is smooth to exp(−2πρ/L).
  System s;
  s.geometry.cell(1, 2) = 2.5;
  s.geometry.periodic = {false, true, false};
  s.geometry.positions = {{{0, 0, 0}}, {{8, 6, 1}}, {{16, 12, 0.3}}};
  s.widths = {0.8, 0.9, 1.0};
  const auto v = potential(exact, s.geometry, s.source(0), {1, 0, 0});
  CHECK(std::abs(v[1] - units::coulomb * -2 * std::log(10.0) / 2.5) < 1e-9);
  CHECK(std::abs(v[2] - units::coulomb * -2 * std::log(20.0) / 2.5) < 1e-9);
}

TEST_CASE("wire: derivatives by adjoint, duals and differences agree") {
  for (const int l_max : {0, 2}) check_bilinear_laws(fair, random_wire(), l_max);
  check_bilinear_laws(fair, random_wire(2), 1);
  check_feature_laws(fair, random_wire(1), 1, 2);
}

TEST_CASE("wire: symmetries, single precision, warm plans") {
  check_symmetries(exact, random_wire());
  check_float(Reciprocal({.accuracy = 1e-7}), random_wire());
  check_no_allocation(Reciprocal({.accuracy = 1e-4, .feature_width = 2.0}), random_wire(),
                      leyden_test::allocation_count);
}

TEST_CASE("wire: two periods are twice one, and the cell's other rows mean nothing") {
  System s = random_wire();
  const auto p = random_numbers(coefficients(s, 1), 20);
  const double reference = energy(exact, s, 1, p);
  for (int c = 0; c < 3; ++c) s.geometry.cell(1, c) = s.geometry.cell(2, c) = 0;
  CHECK(energy(exact, s, 1, p) == reference);
  System doubled = s;
  auto pp = p;
  pp.insert(pp.end(), p.begin(), p.end());
  for (std::size_t i = 0; i < s.widths.size(); ++i) {
    doubled.geometry.positions.push_back(s.geometry.positions[i] + s.geometry.cell.row(0));
    doubled.widths.push_back(s.widths[i]);
  }
  for (int c = 0; c < 3; ++c) doubled.geometry.cell(0, c) *= 2;
  CHECK(std::abs(energy(exact, doubled, 1, pp) - 2 * reference) < 1e-10);
}

TEST_CASE("wire and molecule: the assembled matrix is K") {
  for (System s : {random_wire(), random_molecule()}) {
    // A long period and a narrow box: the kernel of a wire has negative weights.
    for (int c = 0; c < 3; ++c) s.geometry.cell(0, c) *= 15;
    const Reciprocal solver({.accuracy = 1e-3});
    Reciprocal::Plan<double> plan;
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    bool negative = false;
    for (const double w : plan.weight) negative = negative || w < 0;
    CHECK(negative == s.geometry.periodic[0]);
    const std::size_t m = coefficients(s, 1);
    std::vector<double> k(m * m), v(m), kp(m);
    solver.assemble(plan, k);
    const auto p = random_numbers(m, 36);
    solver.apply(plan, p, v);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < m; ++j) kp[i] += k[i * m + j] * p[j];
    CHECK(deviation(kp, v) < 1e-12);
  }
}

TEST_CASE("molecule: wave vectors and pairs agree on energies, features and gradients") {
  const System s = random_molecule();
  const std::vector<double> widths{0.9, 1.3};
  for (const int l_max : {0, 2}) {
    const auto p = random_numbers(coefficients(s, l_max), 40);
    // sums of 1e4 terms of up to 10 eV
    CHECK(deviation(potential(exact, s.geometry, s.source(l_max), p),
                    potential(Direct(), s.geometry, s.source(l_max), p)) < 1e-12);
    CHECK(deviation(features(exact, s.geometry, s.source(l_max), p, PotentialFeatures{2, widths}),
                    features(Direct(), s.geometry, s.source(l_max), p,
                             PotentialFeatures{2, widths})) < 1e-12);
    const auto gradient = [&](const auto& solver) {
      typename std::decay_t<decltype(solver)>::template Plan<double> plan;
      solver.plan(s.geometry, s.source(l_max), 0.0, plan);
      GeometryGradient<double> g;
      g.reset(s.widths.size());
      solver.bilinear_gradient(plan, p, p, 0.5, g);
      std::vector<double> flat(g.strain.data.begin(), g.strain.data.end());
      for (const auto& r : g.positions) flat.insert(flat.end(), r.data.begin(), r.data.end());
      return flat;
    };
    CHECK(deviation(gradient(exact), gradient(Direct())) < 1e-12);
  }
}

TEST_CASE("Reciprocal: energy and gradient of one pass") {
  for (const System& s : {random_system(true), random_wire(), random_molecule()})
    for (const auto self : {SelfInteraction::included, SelfInteraction::excluded}) {
      const Reciprocal solver({.accuracy = 1e-8, .background = Background::uniform, .self = self});
      Reciprocal::Plan<double> plan;
      solver.plan(s.geometry, s.source(1), 0.0, plan);
      const auto p = random_numbers(coefficients(s, 1), 41);
      GeometryGradient<double> once, expected;
      once.reset(s.widths.size());
      expected.reset(s.widths.size());
      const double value = solver.energy(plan, p, 3.0, once);
      solver.bilinear_gradient(plan, p, p, 1.5, expected);
      CHECK(std::abs(value - energy(solver, s, 1, p)) < 1e-11);
      double worst = 0;
      for (std::size_t i = 0; i < s.widths.size(); ++i)
        worst = std::max(worst, norm(once.positions[i] - expected.positions[i]));
      for (std::size_t c = 0; c < 9; ++c)
        worst = std::max(worst, std::abs(once.strain.data[c] - expected.strain.data[c]));
      CHECK(worst < 1e-12);
    }
}

}  // namespace wire_test
