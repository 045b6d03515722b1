// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/jellium.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "potential/laws.hpp"

namespace jellium_test {

using namespace electrostatics_test;
using leyden_test::ToyDescriptor;

namespace {

using Solver = WithJellium<Reciprocal>;

System slab() {
  System s = random_system(true);
  s.geometry.periodic[2] = false;
  return s;
}

}  // namespace

TEST_CASE("a slab with jellium obeys the laws") {
  // The middle inside of the slab, so that atoms are in the jellium, at its rims and outside.
  const Solver solver(Reciprocal(), {2.5, 3.0});
  for (const int l_max : {0, 1, 2}) {
    check_bilinear_laws(solver, slab(), l_max, 10);
    // Also multipoles with a net charge have a positive energy.
    check_positive(solver, slab(), l_max);
  }
  check_bilinear_laws(Solver(Reciprocal(), {12.0, 2.0}), slab(), 1, 10);
}

TEST_CASE("jellium far from a slab is a charged plane of Gaussians") {
  // Layers of Gaussians that are wide enough to be uniform, 60 Å up.
  System s = slab();
  const double center = 60.0, width = 4.0;
  const auto p = random_numbers(coefficients(s, 1), 81);
  double charge = 0;
  for (std::size_t i = 0; i < p.size(); i += 4) charge += p[i];
  const auto with = potential(Solver(Reciprocal(), {center, width}), s.geometry, s.source(1), p);
  const auto atoms = s.widths.size();
  Vector3<double> n = cross(s.geometry.cell.row(0), s.geometry.cell.row(1));
  n = n * (1 / norm(n));
  const int planes = 40;
  std::vector<double> all = p;
  for (int k = 0; k < planes; ++k) {
    s.geometry.positions.push_back((center + width * ((k + 0.5) / planes - 0.5)) * n);
    s.widths.push_back(7.0);
    all.push_back(-charge / planes);
    all.resize(all.size() + 3);
  }
  const auto planes_potential = potential(Reciprocal(), s.geometry, s.source(1), all);
  for (std::size_t i = 0; i < atoms; ++i) {
    // The zero of the potential is another one: differences between atoms, and gradients. Waves
    // across the layers are below 1e-9 at this width, and so are the tails at 8 widths.
    CHECK(std::abs((with[4 * i] - with[0]) - (planes_potential[4 * i] - planes_potential[0])) <
          1e-8);
    for (std::size_t lm = 1; lm < 4; ++lm)
      CHECK(std::abs(with[4 * i + lm] - planes_potential[4 * i + lm]) < 1e-9);
  }
}

TEST_CASE("the potential of jellium is that of its planes") {
  // Inside, by a sum over thin planes: −2πC/A of the Gaussian average of |z|.
  const System s = slab();
  const double center = 2.0, width = 3.0;
  Solver::Plan<double> plan;
  const Solver solver(Reciprocal(), {center, width});
  solver.plan(s.geometry, s.source(0), 0.0, plan);
  const int planes = 20000;
  for (std::size_t i = 0; i < s.widths.size(); ++i) {
    const double h = dot(s.geometry.positions[i], plan.normal) - center, w = s.widths[i];
    double sum = 0;
    for (int k = 0; k < planes; ++k) {
      const double z = h - width * ((k + 0.5) / planes - 0.5);
      sum += z * std::erf(z / (std::sqrt(2.0) * w)) +
             w * std::sqrt(2 / std::numbers::pi) * std::exp(-z * z / (2 * w * w));
    }
    const double expected = -2 * std::numbers::pi * units::coulomb / plan.area * sum / planes;
    // The midpoint rule is wrong by (width/planes)²/24 u'' = 1e-9 u''.
    CHECK(std::abs(plan.u[i][0] - expected) < 1e-8 * std::abs(expected));
  }
}

TEST_CASE("the energy of a charged slab and its jellium is that of a plate capacitor") {
  // One layer, wide enough to be a plane, at 0; jellium at 30. Only their distance d counts:
  // dE/dd = 2πC Q²/A.
  System s;
  s.geometry.cell.data = {3, 0, 0, 0, 3, 0, 0, 0, 1};
  s.geometry.periodic = {true, true, false};
  s.geometry.positions = {{{0, 0, 0}}};
  s.widths = {2.0};
  const std::vector<double> q{0.3};
  const auto energy = [&](double center) {
    return 0.5 *
           inner(q, potential(Solver(Reciprocal(), {center, 2.0}), s.geometry, s.source(0), q));
  };
  const double expected = 2 * std::numbers::pi * units::coulomb * 0.09 / 9.0;
  CHECK(std::abs((energy(31) - energy(30)) / expected - 1) < 1e-10);
  CHECK(std::abs(energy(30) - energy(-30)) < 1e-10);
  CHECK(energy(30) > 0);
}

TEST_CASE("a slab at a constant Fermi level charges itself against jellium", "[potential]") {
  using P = Potential<ToyDescriptor, PolarizableChargeEquilibration, Solver>;
  const Solver solver(Reciprocal(), {12.0, 2.0});
  const P potential = leyden_test::make_potential<P>(solver);
  Structure s = leyden_test::crystal();
  s.cell.periodic = {true, true, false};
  P::Workspace workspace;
  const auto charge = [&](double level) {
    s.fermi_level = level;
    double sum = 0;
    for (const double q : potential.evaluate(s, workspace).charges) sum += q;
    return sum;
  };
  const double low = charge(-1), middle = charge(0), high = charge(1);
  CHECK(high < middle);                                      // electrons' potential: dQ/dμ < 0
  CHECK(std::abs((high - middle) - (middle - low)) < 1e-8);  // a linear model
  // dE/dμ = Q of the grand potential, and forces are its derivatives.
  const double h = 1e-4;
  const auto energy = [&](double level) {
    s.fermi_level = level;
    return potential.evaluate(s, workspace).energy;
  };
  CHECK(std::abs((energy(0.5 + h) - energy(0.5 - h)) / (2 * h) - charge(0.5)) < 1e-6);
  s.fermi_level = 0.5;
  leyden_test::check_forces_and_stress(potential, s);
  leyden_test::check_parameter_gradient(potential, s);
}

TEST_CASE("jellium refuses what is no slab") {
  System s = random_system(true);
  Solver::Plan<double> plan;
  const Solver solver(Reciprocal(), {0.0, 1.0});
  CHECK_THROWS_AS(solver.plan(s.geometry, s.source(0), 0.0, plan), ModelError);
  CHECK_THROWS_AS(Solver(Reciprocal(), {0.0, 0.0}), ModelError);
}

}  // namespace jellium_test
