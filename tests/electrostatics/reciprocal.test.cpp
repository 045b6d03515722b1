// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

namespace reciprocal_test {

using namespace electrostatics_test;

namespace {

// So accurate that the change of the set of wave vectors by a finite strain is below rounding.
const Reciprocal exact(ReciprocalOptions{1e-16, 0.0, Background::uniform,
                                         SelfInteraction::included});

double energy(const Reciprocal& solver, const System& s, int l_max, const std::vector<double>& p) {
  return 0.5 * inner(p, potential(solver, s.geometry, s.source(l_max), p));
}

System cubic(double length, std::vector<Vector3<double>> positions, double width) {
  System s;
  s.geometry.positions = std::move(positions);
  s.geometry.periodic = {true, true, true};
  for (int d = 0; d < 3; ++d) s.geometry.cell(d, d) = length;
  s.widths.assign(s.geometry.positions.size(), width);
  return s;
}

}  // namespace

TEST_CASE("Reciprocal: derivatives by adjoint, duals and differences agree") {
  for (const int l_max : {0, 1}) check_bilinear_laws(exact, random_system(true), l_max);
}

TEST_CASE("Reciprocal: features, their transpose and gradient agree") {
  for (const int l_max : {0, 1})
    for (const int l_features : {0, 1})
      check_feature_laws(exact, random_system(true), l_max, l_features);
  check_features_are_potentials(exact, random_system(true));
}

TEST_CASE("Reciprocal: K is symmetric and positive but for the uniform potential") {
  // The background makes K of charges positive semi-definite at least; with three widths it is
  // definite.
  for (const int l_max : {0, 1}) check_positive(exact, random_system(true), l_max);
}

TEST_CASE("Reciprocal: quadrupoles obey the laws") {
  check_bilinear_laws(exact, random_system(true), 2);
  for (const auto& [l_max, l_features] : {std::pair{2, 2}, {2, 0}, {1, 2}})
    check_feature_laws(exact, random_system(true), l_max, l_features);
  check_features_are_potentials(exact, random_system(true), 2);
  check_positive(exact, random_system(true), 2);
}

TEST_CASE("Reciprocal: quadrupoles in a large box are those of Direct") {
  // Without charges and dipoles images fall as 1/L⁵.
  System molecule = random_system(false);
  for (auto& r : molecule.geometry.positions) r = 0.3 * r;
  auto p = random_numbers(coefficients(molecule, 2), 23);
  for (std::size_t i = 0; i < p.size(); ++i)
    if (i % 9 < 4) p[i] = 0;
  const double open = 0.5 * inner(p, potential(Direct(), molecule.geometry, molecule.source(2), p));
  const auto error = [&](double length) {
    System box = cubic(length, molecule.geometry.positions, 1.0);
    box.widths = molecule.widths;
    return energy(Reciprocal({.accuracy = 1e-12}), box, 2, p) - open;
  };
  const double at20 = error(20), at40 = error(40);
  INFO("of " << open << " eV: " << at20 << " and " << at40);
  CHECK(std::abs(at40) < 1e-5 * std::abs(open));
  CHECK(std::abs(at20 / at40 - 32) < 4);  // then as 1/L⁷
}

TEST_CASE("Reciprocal: rotation, translation, permutation") {
  check_symmetries(exact, random_system(true));
}

TEST_CASE("Reciprocal: single precision") { check_float(exact, random_system(true)); }

TEST_CASE("Reciprocal: a warm plan does not allocate") {
  check_no_allocation(Reciprocal(), random_system(true), leyden_test::allocation_count);
}

TEST_CASE("Reciprocal: the basis of the lattice does not matter, and energy is extensive") {
  const System s = random_system(true);
  const auto p = random_numbers(coefficients(s, 1), 20);
  const double reference = energy(exact, s, 1, p);

  System skewed = s;
  skewed.geometry.cell = Matrix3<double>{{1, 2, 0, 0, 1, -1, 0, 0, -1}} * s.geometry.cell;
  CHECK(std::abs(energy(exact, skewed, 1, p) - reference) < 1e-11);

  System doubled = s;
  std::vector<double> pp = p;
  for (std::size_t i = 0; i < s.geometry.positions.size(); ++i) {
    doubled.geometry.positions.push_back(s.geometry.positions[i] + s.geometry.cell.row(1));
    doubled.widths.push_back(s.widths[i]);
  }
  pp.insert(pp.end(), p.begin(), p.end());
  for (int c = 0; c < 3; ++c) doubled.geometry.cell(1, c) *= 2;
  CHECK(std::abs(energy(exact, doubled, 1, pp) - 2 * reference) < 1e-10);
}

TEST_CASE("Reciprocal: the accuracy that is asked for is reached") {
  const System s = random_system(true);
  const auto p = random_numbers(coefficients(s, 1), 21);
  GeometryGradient<double> reference, loose;
  const auto gradient = [&](const Reciprocal& solver, GeometryGradient<double>& g) {
    Reciprocal::Plan<double> plan;
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    g.reset(s.geometry.positions.size());
    solver.bilinear_gradient(plan, p, p, 0.5, g);
  };
  gradient(exact, reference);
  double scale = 0;
  for (const auto& f : reference.positions) scale = std::max(scale, norm(f));
  for (const double accuracy : {1e-4, 1e-6, 1e-8, 1e-10}) {
    gradient(Reciprocal({accuracy, 0.0, Background::uniform, SelfInteraction::included}), loose);
    double worst = 0;
    for (std::size_t i = 0; i < loose.positions.size(); ++i)
      worst = std::max(worst, norm(loose.positions[i] - reference.positions[i]));
    INFO("accuracy " << accuracy << " reached " << worst / scale);
    CHECK(worst < accuracy * scale);
    CHECK(worst > 1e-4 * accuracy * scale);  // and not far more, which would cost time
  }
}

TEST_CASE("Reciprocal: rock salt has its Madelung energy") {
  const double d = 2.82, width = 0.3;
  std::vector<Vector3<double>> positions;
  std::vector<double> q;
  for (int i = 0; i < 8; ++i) {
    const int x = i & 1, y = (i >> 1) & 1, z = i >> 2;
    positions.push_back({{x * d, y * d, z * d}});
    q.push_back((x + y + z) % 2 == 0 ? 1.0 : -1.0);
  }
  const System s = cubic(2 * d, positions, width);
  const Reciprocal solver({1e-13, 0.0, Background::none, SelfInteraction::excluded});
  const double madelung = 1.7475645946331822;
  // Gaussians overlap by erfc(d/2σ) = 3e-11; six neighbours.
  CHECK(std::abs(energy(solver, s, 0, q) / (-4 * madelung * units::coulomb / d) - 1) < 3e-10);
}

TEST_CASE("Reciprocal: a charge in a uniform background") {
  // -2.837297479… C/2L for a point charge, and the Gaussian's part that stays when k = 0 is
  // dropped.
  const double length = 12, width = 1.1;
  const System s = cubic(length, {{{1, 2, 3}}}, width);
  const Reciprocal solver({1e-14, 0.0, Background::uniform, SelfInteraction::excluded});
  const double volume = length * length * length;
  const double expected = units::coulomb * (-2.837297479480620 / (2 * length) +
                                            2 * std::numbers::pi * width * width / volume);
  CHECK(std::abs(energy(solver, s, 0, {1.0}) - expected) < 1e-12);
}

TEST_CASE("Reciprocal in a large box approaches Direct, as Makov and Payne say") {
  System molecule = random_system(false);
  for (auto& r : molecule.geometry.positions) r = 0.5 * r;
  auto p = random_numbers(coefficients(molecule, 1), 22);
  double charge = 0;
  for (std::size_t i = 0; i < p.size(); i += 4) charge += p[i];
  for (std::size_t i = 0; i < p.size(); i += 4)
    p[i] -= charge / static_cast<double>(molecule.widths.size());
  Vector3<double> mu;
  for (std::size_t i = 0; i < molecule.widths.size(); ++i) {
    mu += p[4 * i] * molecule.geometry.positions[i];
    mu += Vector3<double>{{p[4 * i + 3], p[4 * i + 1], p[4 * i + 2]}};
  }
  const double open = 0.5 * inner(p, potential(Direct(), molecule.geometry, molecule.source(1), p));
  const auto error = [&](double length) {
    System box = cubic(length, molecule.geometry.positions, 1.0);
    box.widths = molecule.widths;
    const double dipole_term =
        2 * std::numbers::pi * units::coulomb * dot(mu, mu) / (3 * length * length * length);
    return energy(Reciprocal(), box, 1, p) + dipole_term - open;
  };
  const double at15 = error(15), at30 = error(30);
  INFO("error " << at15 << " eV at 15 Angstrom, " << at30 << " eV at 30 Angstrom");
  // What is left falls as 1/L⁵ (quadrupoles), a factor of 32, then as 1/L⁷.
  CHECK(std::abs(at15 / at30 - 32) < 1);
  CHECK(std::abs(32 * at30 - at15) / 31 < 1e-2 * std::abs(at30));
}

TEST_CASE("Reciprocal: what it does not serve is refused with a way out") {
  const System s = random_system(true);
  Reciprocal::Plan<double> plan;
  CHECK_THROWS_WITH(Reciprocal().plan(s.geometry, s.source(0), 1.0, plan),
                    Catch::Matchers::ContainsSubstring("Background::uniform"));
  CHECK_NOTHROW(exact.plan(s.geometry, s.source(0), 1.0, plan));
  CHECK_THROWS_AS(Reciprocal({0.0, 0.0, Background::none, SelfInteraction::included}), ModelError);
  CHECK_THROWS_AS(Reciprocal({1e-10, -1.0, Background::none, SelfInteraction::included}),
                  ModelError);
  const std::vector<double> points(s.widths.size(), 1e-3);
  CHECK_THROWS_WITH(Reciprocal().plan(s.geometry, SourceShape{0, points}, 0.0, plan),
                    Catch::Matchers::ContainsSubstring("wave vectors"));
  Geometry<double> flat = s.geometry;
  for (int c = 0; c < 3; ++c) flat.cell(2, c) = flat.cell(0, c) + flat.cell(1, c);
  CHECK_THROWS_AS(Reciprocal().plan(flat, s.source(0), 0.0, plan), InputError);
}

TEST_CASE("Reciprocal: results do not depend on the number of threads") {
  ReciprocalOptions options;
  options.accuracy = 1e-6;
  options.background = Background::uniform;
  check_threads(Reciprocal(options), doubled(random_system(true, 5), 3));
}

}  // namespace reciprocal_test
