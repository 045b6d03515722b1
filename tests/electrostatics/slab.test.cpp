// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

namespace slab_test {

using namespace electrostatics_test;

namespace {

// So accurate that a change of the box or of the set of wave vectors is below rounding; room for
// the widths of check_feature_laws.
const Reciprocal exact({.accuracy = 1e-16, .feature_width = 2.2});

// A random slab with one direction open; its row of the cell is of no meaning.
System random_slab(int open = 2) {
  System s = random_system(true);
  s.geometry.periodic[static_cast<std::size_t>(open)] = false;
  return s;
}

double energy(const Reciprocal& solver, const System& s, int l_max, const std::vector<double>& p) {
  return 0.5 * inner(p, potential(solver, s.geometry, s.source(l_max), p));
}

// Removes the net charge.
std::vector<double> neutral(std::vector<double> p, std::size_t size) {
  double charge = 0;
  for (std::size_t i = 0; i < p.size(); i += size) charge += p[i];
  for (std::size_t i = 0; i < p.size(); i += size)
    p[i] -= charge * static_cast<double>(size) / static_cast<double>(p.size());
  return p;
}

// Ewald's sum in two dimensions of Gaussian charges in a slab of open direction 2: with
// g² = 1/2(s_i² + s_j²), exp(i q·ρ) (π/qA) [e^(qz) erfc(q/2g + gz) + e^(−qz) erfc(q/2g − gz)] of
// wave vectors q in the plane, and −(2√π/A) [exp(−g²z²)/g + √π z erf(gz)] of q = 0
// (Parry, Surf. Sci. 49, 433 (1975)).
double ewald_2d(const System& s, const std::vector<double>& q) {
  using std::numbers::pi;
  const Vector3<double> a = s.geometry.cell.row(0), b = s.geometry.cell.row(1);
  const Vector3<double> c = cross(a, b);
  const double area = norm(c);
  const Vector3<double> n = (1 / area) * c;
  const Vector3<double> ga = (2 * pi / area) * cross(b, n), gb = (2 * pi / area) * cross(n, a);
  const auto pair = [&](const Vector3<double>& r, double g) {
    const double z = dot(r, n);
    double sum =
        -2 * std::sqrt(pi) * (std::exp(-g * g * z * z) / g + std::sqrt(pi) * z * std::erf(g * z));
    for (int i = -12; i <= 12; ++i)
      for (int j = -12; j <= 12; ++j) {
        if (i == 0 && j == 0) continue;
        const Vector3<double> k = static_cast<double>(i) * ga + static_cast<double>(j) * gb;
        const double l = norm(k);
        const auto side = [&](double at) {
          return std::exp(l * at) * std::erfc(l / (2 * g) + g * at);
        };
        sum += std::cos(dot(k, r)) * (pi / l) * (side(z) + side(-z));
      }
    return units::coulomb * sum / area;
  };
  double total = 0;
  for (std::size_t i = 0; i < q.size(); ++i)
    for (std::size_t j = 0; j < q.size(); ++j) {
      const double si = s.widths[i], sj = s.widths[j];
      total += 0.5 * q[i] * q[j] *
               pair(s.geometry.positions[i] - s.geometry.positions[j],
                    1 / std::sqrt(2 * (si * si + sj * sj)));
    }
  return total;
}

}  // namespace

TEST_CASE("slab: derivatives by adjoint, duals and differences agree") {
  for (const int l_max : {0, 1, 2}) check_bilinear_laws(exact, random_slab(), l_max);
  check_bilinear_laws(exact, random_slab(0), 1);
}

TEST_CASE("slab: features, their transpose and gradient agree") {
  for (const int l_max : {0, 1})
    for (const int l_features : {0, 1}) check_feature_laws(exact, random_slab(), l_max, l_features);
  check_features_are_potentials(exact, random_slab());
}

TEST_CASE("slab: rotation, translation, permutation") { check_symmetries(exact, random_slab()); }

TEST_CASE("slab: single precision") {
  // The kernel of q = 0 is a sum of terms as large as the box is long: a box that is not longer
  // than single precision needs.
  check_float(Reciprocal({.accuracy = 1e-7}), random_slab());
}

TEST_CASE("slab: a warm plan does not allocate") {
  check_no_allocation(Reciprocal({.feature_width = 2.0}), random_slab(),
                      leyden_test::allocation_count);
}

TEST_CASE("slab: neutral and charged Gaussians have the energy of Ewald's sum in two dimensions") {
  const System s = random_slab();
  const auto q = random_numbers(coefficients(s, 0), 30);
  double charge = 0;
  for (const double x : q) charge += x;
  REQUIRE(std::abs(charge) > 1);
  // Both sums are complete to 1e-15 of pair energies of some 10 eV.
  CHECK(std::abs(energy(exact, s, 0, q) - ewald_2d(s, q)) < 1e-11);
  const auto none = neutral(q, 1);
  CHECK(std::abs(energy(exact, s, 0, none) - ewald_2d(s, none)) < 1e-11);
}

TEST_CASE("slab: dipoles are pairs of charges") {
  // K of a dipole is the derivative of K of a charge with respect to its position.
  const System s = random_slab();
  const std::size_t n = s.widths.size();
  const auto p = random_numbers(4 * n, 31);
  System pairs;
  pairs.geometry = s.geometry;
  pairs.geometry.positions.clear();
  const double h = 1e-3;
  std::vector<double> q;
  for (std::size_t i = 0; i < n; ++i) {
    const Vector3<double> d{{p[4 * i + 3], p[4 * i + 1], p[4 * i + 2]}};
    const double length = norm(d);
    for (const double side : {0.0, 1.0, -1.0}) {
      pairs.geometry.positions.push_back(s.geometry.positions[i] + (side * h / length) * d);
      pairs.widths.push_back(s.widths[i]);
      q.push_back(side == 0 ? p[4 * i] : side * length / (2 * h));
    }
  }
  // The pair has a third moment: h²/6 of fifth derivatives, each some 10 eV/Å⁵.
  CHECK(std::abs(energy(exact, pairs, 0, q) - energy(exact, s, 1, p)) < 1e-4);
  CHECK(std::abs(energy(exact, pairs, 0, q) - ewald_2d(pairs, q)) < 1e-7);  // 1e-16 · 10 eV/h²
}

TEST_CASE("slab: a bulk cell with vacuum and a dipole correction has the energy of a neutral one") {
  System s = random_slab();
  const auto p = neutral(random_numbers(coefficients(s, 1), 32), 4);
  const double expected = energy(exact, s, 1, p);
  const Vector3<double> c = cross(s.geometry.cell.row(0), s.geometry.cell.row(1));
  const double area = norm(c), length = 45;
  double moment = 0;
  for (std::size_t i = 0; i < s.widths.size(); ++i)
    moment += (p[4 * i] * dot(s.geometry.positions[i], c) +
               dot(Vector3<double>{{p[4 * i + 3], p[4 * i + 1], p[4 * i + 2]}}, c)) /
              area;
  s.geometry.periodic[2] = true;
  for (int j = 0; j < 3; ++j) s.geometry.cell(2, j) = c[j] * length / area;
  const double correction =
      2 * std::numbers::pi * units::coulomb * moment * moment / (area * length);
  REQUIRE(correction > 0.1);
  // Images interact through exp(−2πd/a) with d about 35 Å of vacuum and a = 7 Å.
  CHECK(std::abs(energy(exact, s, 1, p) + correction - expected) < 1e-11);
}

TEST_CASE("slab: any lattice vector may be open, and its row means nothing") {
  const System s = random_slab();
  const auto p = random_numbers(coefficients(s, 1), 33);
  const double reference = energy(exact, s, 1, p);
  for (int shift = 0; shift < 3; ++shift) {
    System turned = s;
    for (int d = 0; d < 3; ++d) {
      turned.geometry.periodic[static_cast<std::size_t>((d + shift) % 3)] = d != 2;
      for (int j = 0; j < 3; ++j)
        turned.geometry.cell((d + shift) % 3, j) = d == 2 ? 0 : s.geometry.cell(d, j);
    }
    CHECK(std::abs(energy(exact, turned, 1, p) - reference) < 1e-11);
  }
  System exchanged = s;
  for (int j = 0; j < 3; ++j)
    std::swap(exchanged.geometry.cell(0, j), exchanged.geometry.cell(1, j));
  CHECK(std::abs(energy(exact, exchanged, 1, p) - reference) < 1e-11);
}

TEST_CASE("slab: the length of the box does not matter, and energy does not jump with it") {
  System s = random_slab();
  const auto p = random_numbers(coefficients(s, 1), 34);
  const double reference = energy(exact, s, 1, p);
  for (const double width : {3.0, 4.0, 6.0})
    CHECK(std::abs(energy(Reciprocal({.accuracy = 1e-16, .feature_width = width}), s, 1, p) -
                   reference) < 1e-11);
  // At another accuracy the box is shorter, and an atom that leaves makes it longer in steps. What
  // the energy jumps there is what two boxes give for the same atoms.
  Reciprocal::Plan<double> plan;
  std::vector<double> lengths, energies;
  for (const double width : {1.3, 1.6, 1.9, 2.2}) {
    const Reciprocal solver({.accuracy = 1e-10, .feature_width = width});
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    lengths.push_back(plan.box.radius);
    energies.push_back(energy(solver, s, 1, p));
  }
  for (std::size_t i = 1; i < lengths.size(); ++i) {
    CHECK(lengths[i] > 1.04 * lengths[i - 1]);
    CHECK(std::abs(energies[i] - energies[0]) < 1e-10 * std::abs(reference));
  }
  // Small displacements leave the box as it is.
  const Reciprocal solver({.accuracy = 1e-10});
  std::vector<double> seen;
  for (int step = 0; step <= 400; ++step) {
    s.geometry.positions[2][2] += 0.02;
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    if (seen.empty() || plan.box.radius != seen.back()) seen.push_back(plan.box.radius);
  }
  CHECK(seen.size() > 2);
  CHECK(seen.size() < 12);
}

TEST_CASE("slab: the accuracy that is asked for is reached") {
  const System s = random_slab();
  const auto p = random_numbers(coefficients(s, 1), 35);
  const auto gradient = [&](const Reciprocal& solver) {
    Reciprocal::Plan<double> plan;
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    GeometryGradient<double> g;
    g.reset(s.widths.size());
    solver.bilinear_gradient(plan, p, p, 0.5, g);
    return g;
  };
  const auto reference = gradient(exact);
  double scale = 0;
  for (const auto& f : reference.positions) scale = std::max(scale, norm(f));
  for (const double accuracy : {1e-4, 1e-6, 1e-8, 1e-10}) {
    const auto loose = gradient(Reciprocal({.accuracy = accuracy}));
    double worst = 0;
    for (std::size_t i = 0; i < s.widths.size(); ++i)
      worst = std::max(worst, norm(loose.positions[i] - reference.positions[i]));
    INFO("accuracy " << accuracy << " reached " << worst / scale);
    CHECK(worst < accuracy * scale);
    CHECK(worst > 1e-4 * accuracy * scale);
  }
}

TEST_CASE("slab: the assembled matrix is K, and positive for charges that sum to zero") {
  const System s = random_slab();
  Reciprocal::Plan<double> plan;
  exact.plan(s.geometry, s.source(1), 0.0, plan);
  const std::size_t m = coefficients(s, 1);
  std::vector<double> k(m * m), v(m), kp(m);
  exact.assemble(plan, k);
  const auto p = random_numbers(m, 36);
  exact.apply(plan, p, v);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < m; ++j) kp[i] += k[i * m + j] * p[j];
  CHECK(deviation(kp, v) < 1e-12);
  for (std::uint64_t seed = 40; seed < 60; ++seed)
    CHECK(energy(exact, s, 1, neutral(random_numbers(m, seed), 4)) > 0);
}

TEST_CASE("slab: what it does not serve is refused with a way out") {
  System s = random_slab();
  Reciprocal::Plan<double> plan;
  CHECK_NOTHROW(Reciprocal().plan(s.geometry, s.source(0), 1.0, plan));  // no background needed
  const std::vector<double> wide{5.0};
  std::vector<double> p(s.widths.size()), out(s.widths.size());
  CHECK_THROWS_WITH(Reciprocal().features(plan, p, PotentialFeatures{0, wide}, out),
                    Catch::Matchers::ContainsSubstring("feature_width"));
  CHECK_THROWS_AS(Reciprocal({.feature_width = -1.0}), ModelError);
  for (int j = 0; j < 3; ++j) s.geometry.cell(1, j) = 2 * s.geometry.cell(0, j);
  CHECK_THROWS_AS(Reciprocal().plan(s.geometry, s.source(0), 0.0, plan), InputError);
}

}  // namespace slab_test
