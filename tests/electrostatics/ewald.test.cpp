// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

namespace ewald_test {

using namespace electrostatics_test;

namespace {

// So accurate that what is cut off is below the tolerances of differences.
EwaldOptions accurate() {
  EwaldOptions options;
  options.accuracy = 1e-14;
  options.background = Background::uniform;
  options.feature_width = 2.2;
  return options;
}

// The same with its split given: to choose one takes longer than to sum.
EwaldOptions quick() {
  EwaldOptions options = accurate();
  options.split_parameter = 45;
  return options;
}

System random_open(std::array<bool, 3> periodic) {
  System s = random_system(true);
  s.geometry.periodic = periodic;
  return s;
}

template <class Solver>
std::vector<double> gradient_of(const Solver& solver, const System& s, int l_max,
                                const std::vector<double>& p) {
  typename Solver::template Plan<double> plan;
  solver.plan(s.geometry, s.source(l_max), 0.0, plan);
  GeometryGradient<double> g;
  g.reset(s.widths.size());
  solver.bilinear_gradient(plan, p, p, 0.5, g);
  std::vector<double> flat(g.strain.data.begin(), g.strain.data.end());
  for (const auto& r : g.positions) flat.insert(flat.end(), r.data.begin(), r.data.end());
  return flat;
}

const std::array<std::array<bool, 3>, 4> all_boundaries{
    {{true, true, true}, {true, true, false}, {false, true, false}, {false, false, false}}};

}  // namespace

TEST_CASE("Ewald: derivatives by adjoint, duals and differences agree") {
  const Ewald solver(quick());
  check_bilinear_laws(solver, random_system(true), 2);
  check_bilinear_laws(solver, random_open({true, false, true}), 1);
  EwaldOptions gaussian = accurate();
  gaussian.splitting = Splitting::Kind::gaussian;
  gaussian.split_parameter = 0.28;  // with a cutoff of 20 Å
  gaussian.k_cutoff = 3.4;
  check_bilinear_laws(Ewald(gaussian), random_system(true), 0);
}

TEST_CASE("Ewald: features, their transpose and gradient agree") {
  const Ewald solver(quick());
  check_feature_laws(solver, random_system(true), 1, 2);
  check_feature_laws(solver, random_open({false, true, true}), 2, 0);
  check_features_are_potentials(solver, random_system(true));
}

TEST_CASE("Ewald: rotation, translation, permutation, positive matrix, warm plans") {
  check_symmetries(Ewald(accurate()), random_system(true));
  for (const int l_max : {0, 2}) check_positive(Ewald(accurate()), random_system(true), l_max);
  EwaldOptions options;
  options.background = Background::uniform;
  options.feature_width = 2.0;
  check_no_allocation(Ewald(options), random_system(true), leyden_test::allocation_count);
  options.accuracy = 1e-6;
  check_float(Ewald(options), random_system(true));
}

TEST_CASE("Ewald and Reciprocal agree, under all boundaries and with any charge") {
  const Reciprocal waves(
      {.accuracy = 1e-16, .background = Background::uniform, .feature_width = 1.7});
  const std::vector<double> widths{0.9, 1.7};
  for (const auto& periodic : all_boundaries) {
    const System s = random_open(periodic);
    for (const int l_max : {0, 2}) {
      const auto p = random_numbers(coefficients(s, l_max), 50);  // a net charge of some e
      const auto v = potential(waves, s.geometry, s.source(l_max), p);
      const auto f =
          features(waves, s.geometry, s.source(l_max), p, PotentialFeatures{l_max, widths});
      const auto g = gradient_of(waves, s, l_max, p);
      for (const auto kind : {Splitting::Kind::prolate, Splitting::Kind::gaussian}) {
        EwaldOptions options = accurate();
        options.feature_width = 1.7;
        options.splitting = kind;
        const Ewald solver(options);
        // Radial functions of quadrupoles are integrals, from the cutoff of 17 Å inwards, of the
        // rounding of higher ones.
        const double tolerance = l_max == 0 ? 1e-11 : 2e-9;
        INFO("periodic " << periodic[0] << periodic[1] << periodic[2] << " l " << l_max << " kind "
                         << static_cast<int>(kind));
        CHECK(deviation(potential(solver, s.geometry, s.source(l_max), p), v) < tolerance);
        CHECK(deviation(features(solver, s.geometry, s.source(l_max), p,
                                 PotentialFeatures{l_max, widths}),
                        f) < tolerance);
        CHECK(deviation(gradient_of(solver, s, l_max, p), g) < tolerance);
      }
    }
  }
}

TEST_CASE("Ewald: nothing depends on the split or the cutoff") {
  for (const auto& periodic : all_boundaries) {
    const System s = random_open(periodic);
    const auto p = random_numbers(coefficients(s, 1), 52);
    std::vector<double> first, first_gradient;
    // From where the Gaussians have ended, 20 Å.
    for (const auto& [kind, cutoff] : {std::pair{Splitting::Kind::prolate, 21.0},
                                       {Splitting::Kind::prolate, 26.0},
                                       {Splitting::Kind::gaussian, 21.0}}) {
      EwaldOptions options = accurate();
      options.splitting = kind;
      options.cutoff = cutoff;
      const Ewald solver(options);
      const auto v = potential(solver, s.geometry, s.source(1), p);
      const auto g = gradient_of(solver, s, 1, p);
      if (first.empty()) {
        first = v;
        first_gradient = g;
      }
      CHECK(deviation(v, first) < 1e-10);
      CHECK(deviation(g, first_gradient) < 1e-10);
    }
  }
}

TEST_CASE("Ewald: energy and gradient of one pass, with points") {
  for (const auto& periodic : all_boundaries) {
    System s = random_open(periodic);
    s.widths.assign(s.widths.size(), 0.0);
    s.widths[3] = 0.7;
    EwaldOptions options;
    options.background = Background::uniform;
    options.self = SelfInteraction::excluded;
    options.cutoff = 5.0;
    options.accuracy = 1e-4;
    const Ewald solver(options);
    Ewald::Plan<double> plan;
    solver.plan(s.geometry, s.source(2), 0.0, plan);
    const auto p = random_numbers(coefficients(s, 2), 53);
    auto copy = p;
    std::vector<double> v(p.size());
    solver.apply(plan, p, v);
    GeometryGradient<double> once, twice;
    once.reset(s.widths.size());
    twice.reset(s.widths.size());
    const double value = solver.energy(plan, p, 2.0, once);
    solver.bilinear_gradient(plan, p, copy, 1.0, twice);
    double worst = 0, scale = std::abs(value);
    for (std::size_t i = 0; i < s.widths.size(); ++i) {
      worst = std::max(worst, norm(once.positions[i] - twice.positions[i]));
      scale = std::max(scale, norm(once.positions[i]));
    }
    for (std::size_t c = 0; c < 9; ++c)
      worst = std::max(worst, std::abs(once.strain.data[c] - twice.strain.data[c]));
    // points 0.3 Å apart: quadrupoles have forces of 1e5 eV/Å
    CHECK(worst < 1e-12 * scale);
    CHECK(std::abs(value - 0.5 * inner(p, v)) < 1e-12 * scale);
  }
}

TEST_CASE("Ewald: points in open space are those of pairs") {
  // Gaussians too narrow to overlap, by erfc(d/2σ), are points to Direct.
  System s;
  RandomStream random(60);
  for (int x = 0; x < 2; ++x)
    for (int y = 0; y < 2; ++y)
      for (int z = 0; z < 2; ++z)
        s.geometry.positions.push_back(
            {{2.5 * x + random.uniform(0, 0.5), 2.5 * y + random.uniform(0, 0.5),
              2.5 * z + random.uniform(0, 0.5)}});
  s.widths.assign(8, 0.1);
  const Direct pairs(SelfInteraction::excluded);
  EwaldOptions options = accurate();
  options.self = SelfInteraction::excluded;
  options.feature_width = 0;
  options.cutoff = 4;  // where erfc(r/2σ) of Gaussians has ended, not the atoms
  for (const double width : {0.1, 0.0}) {
    for (const int l_max : {0, 1, 2}) {
      const auto p = random_numbers(coefficients(s, l_max), 61);
      const auto expected = potential(pairs, s.geometry, s.source(l_max), p);
      System points = s;
      points.widths.assign(8, width);
      CHECK(deviation(potential(Ewald(options), points.geometry, points.source(l_max), p),
                      expected) < 1e-11);
    }
  }
}

TEST_CASE("Ewald: the accuracy that is asked for is reached") {
  // Charges at random places, kept apart by 1.3 Å.
  RandomStream random(70);
  System s;
  const double length = 14;
  s.geometry.periodic = {true, true, true};
  for (int d = 0; d < 3; ++d) s.geometry.cell(d, d) = length;
  while (s.geometry.positions.size() < 180) {
    const Vector3<double> r{
        {random.uniform(0, length), random.uniform(0, length), random.uniform(0, length)}};
    bool free = true;
    for (const auto& other : s.geometry.positions) {
      Vector3<double> d = r - other;
      for (int c = 0; c < 3; ++c) d[c] -= length * std::round(d[c] / length);
      free = free && dot(d, d) > 1.3 * 1.3;
    }
    if (free) s.geometry.positions.push_back(r);
  }
  s.widths.assign(s.geometry.positions.size(), 0.0);
  for (const int l_max : {0, 1, 2}) {
    auto p = random_numbers(coefficients(s, l_max), 71);
    // of one kind
    for (std::size_t i = 0; i < p.size(); ++i)
      if (degree_of_coefficient(static_cast<int>(i) % ((l_max + 1) * (l_max + 1))) != l_max)
        p[i] = 0;
    EwaldOptions options = accurate();
    options.accuracy = 1e-12;
    options.self = SelfInteraction::excluded;
    options.feature_width = 0;
    const auto reference = gradient_of(Ewald(options), s, l_max, p);
    for (const auto kind : {Splitting::Kind::prolate, Splitting::Kind::gaussian})
      for (const double accuracy : {1e-3, 1e-5, 1e-7}) {
        options.accuracy = accuracy;
        options.splitting = kind;
        options.cutoff = 5;
        const auto loose = gradient_of(Ewald(options), s, l_max, p);
        double error2 = 0, force2 = 0;
        for (std::size_t i = 9; i < loose.size(); ++i) {
          error2 += std::pow(loose[i] - reference[i], 2);
          force2 += std::pow(reference[i], 2);
        }
        const double reached = std::sqrt(error2 / force2);
        INFO("l " << l_max << " kind " << static_cast<int>(kind) << " asked for " << accuracy
                  << ", reached " << reached);
        CHECK(reached < 1.5 * accuracy);
        CHECK(reached > 0.05 * accuracy);
      }
  }
}

TEST_CASE("Ewald: the basis of the lattice does not matter, and energy is extensive") {
  const Ewald solver(accurate());
  const auto energy = [&](const System& s, const std::vector<double>& p) {
    return 0.5 * inner(p, potential(solver, s.geometry, s.source(1), p));
  };
  for (const auto& periodic : {std::array{true, true, true}, {true, true, false}}) {
    const System s = random_open(periodic);
    const auto p = random_numbers(coefficients(s, 1), 80);  // with a net charge
    const double reference = energy(s, p);
    System skewed = s;
    skewed.geometry.cell = Matrix3<double>{{1, 2, 0, 0, 1, 0, 0, 0, 1}} * s.geometry.cell;
    CHECK(std::abs(energy(skewed, p) - reference) < 1e-10);
    System doubled = s;
    auto pp = p;
    pp.insert(pp.end(), p.begin(), p.end());
    for (std::size_t i = 0; i < s.widths.size(); ++i) {
      doubled.geometry.positions.push_back(s.geometry.positions[i] + s.geometry.cell.row(1));
      doubled.widths.push_back(s.widths[i]);
    }
    for (int c = 0; c < 3; ++c) doubled.geometry.cell(1, c) *= 2;
    CHECK(std::abs(energy(doubled, pp) - 2 * reference) < 1e-10);
  }
}

TEST_CASE("Ewald: the cutoff is its own, or as given") {
  const System s = random_system(true);
  Ewald::Plan<double> plan;
  const auto cutoff = [&](const EwaldOptions& options) {
    Ewald(options).plan(s.geometry, s.source(0), 0.0, plan);
    return plan.settings.cutoff;
  };
  EwaldOptions options;
  CHECK(cutoff(options) > 9);  // Gaussians have to end
  options.cutoff = 14;
  CHECK(cutoff(options) == 14);
}

TEST_CASE("Ewald: what it does not serve is refused with a way out") {
  System s = random_system(true);
  Ewald::Plan<double> plan;
  CHECK_THROWS_WITH(Ewald().plan(s.geometry, s.source(0), 1.0, plan),
                    Catch::Matchers::ContainsSubstring("Background::uniform"));
  EwaldOptions options;
  options.accuracy = 0;
  CHECK_THROWS_AS(Ewald(options), ModelError);
  options = {};
  options.cutoff = -1;
  CHECK_THROWS_AS(Ewald(options), ModelError);
  options.cutoff = 4;  // Gaussians of width 1.3 do not end there
  CHECK_THROWS_WITH(Ewald(options).plan(s.geometry, s.source(0), 0.0, plan),
                    Catch::Matchers::ContainsSubstring("overlap"));
  s.widths[2] = 0;
  CHECK_THROWS_AS(Ewald().plan(s.geometry, s.source(0), 0.0, plan), InputError);
  s.widths[2] = -1;
  options = {};
  options.self = SelfInteraction::excluded;
  CHECK_THROWS_AS(Ewald(options).plan(s.geometry, s.source(0), 0.0, plan), InputError);
}

TEST_CASE("Ewald: results do not depend on the number of threads") {
  EwaldOptions options;
  options.background = Background::uniform;
  check_threads(Ewald(options), doubled(random_system(true, 5), 3));
}

}  // namespace ewald_test
