// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/ewald.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <numbers>
#include <vector>

namespace madelung_test {

// Lattice sums whose values are known to many digits, by points.
using namespace leyden;

namespace {

struct Crystal {
  Geometry<double> geometry;
  std::vector<double> q;
};

// Fractional coordinates in a cell of vectors `rows`.
Crystal crystal(const Matrix3<double>& rows, const std::vector<std::array<double, 4>>& atoms,
                std::array<bool, 3> periodic = {true, true, true}) {
  Crystal c;
  c.geometry.cell = rows;
  c.geometry.periodic = periodic;
  for (const auto& a : atoms) {
    // not at special places
    c.geometry.positions.push_back(Vector3<double>{{a[0] + 0.13, a[1] - 0.41, a[2] + 0.29}} * rows);
    c.q.push_back(a[3]);
  }
  return c;
}

const Matrix3<double> cube{{1, 0, 0, 0, 1, 0, 0, 0, 1}};
const Matrix3<double> fcc{{0, 0.5, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0}};
const Matrix3<double> bcc{{-0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0.5, 0.5, -0.5}};

// The energy [e²/a] per cell, a the length of the cubic cell.
double energy(Crystal c, double a, Splitting::Kind kind, double cutoff) {
  for (auto& r : c.geometry.positions) r = a * r;
  for (double& x : c.geometry.cell.data) x *= a;
  EwaldOptions options;
  options.accuracy = 1e-14;
  options.splitting = kind;
  options.cutoff = cutoff * a;
  options.self = SelfInteraction::excluded;
  options.background = Background::uniform;
  const std::vector<double> points(c.q.size(), 0.0);
  double charge = 0;
  for (const double q : c.q) charge += q;
  const Ewald solver(options);
  Ewald::Plan<double> plan;
  solver.plan(c.geometry, SourceShape{0, points}, charge, plan);
  GeometryGradient<double> gradient;
  gradient.reset(c.q.size());
  const double e = solver.energy(plan, c.q, 1.0, gradient);
  // Coulomb energies scale as 1/a: the trace of the strain derivative is −E; and by symmetry there
  // are no forces.
  const double trace = gradient.strain(0, 0) + gradient.strain(1, 1) + gradient.strain(2, 2);
  CHECK(std::abs(trace + e) < 1e-10 * std::abs(e));
  for (const auto& f : gradient.positions) CHECK(norm(f) < 1e-10 * std::abs(e));
  return e * a / units::coulomb;
}

void check(const Crystal& c, double expected) {
  for (const double a : {1.0, 4.7})
    for (const auto& [kind, cutoff] : {std::pair{Splitting::Kind::prolate, 1.4},
                                       {Splitting::Kind::prolate, 1.9},
                                       {Splitting::Kind::gaussian, 1.6}}) {
      const double found = energy(c, a, kind, cutoff);
      INFO("found " << found << " for " << expected << ", a = " << a << ", cutoff " << cutoff);
      CHECK(std::abs(found / expected - 1) < 1e-12);
    }
}

}  // namespace

TEST_CASE("Ewald: Madelung constants of crystals") {
  // Per formula unit −M/d, d the distance of neighbours: d = a/2, a √3/2, a √3/4.
  check(crystal(fcc, {{0, 0, 0, 1}, {0.5, 0.5, 0.5, -1}}), -2 * 1.747564594633182);
  check(crystal(cube, {{0, 0, 0, 1}, {0.5, 0.5, 0.5, -1}}),
        -2 / std::sqrt(3.0) * 1.762674773070988);
  check(crystal(fcc, {{0, 0, 0, 1}, {0.25, 0.25, 0.25, -1}}),
        -4 / std::sqrt(3.0) * 1.638055053388790);
  // Fluorite and cuprite in units of 1/a.
  check(crystal(fcc, {{0, 0, 0, 2}, {0.25, 0.25, 0.25, -1}, {-0.25, -0.25, -0.25, -1}}),
        -11.636575227076799);
  // O at the corners and the middle, Cu on a quarter of the diagonals.
  check(crystal(cube, {{0, 0, 0, -2},
                       {0.5, 0.5, 0.5, -2},
                       {0.25, 0.25, 0.25, 1},
                       {0.75, 0.75, 0.25, 1},
                       {0.75, 0.25, 0.75, 1},
                       {0.25, 0.75, 0.75, 1}}),
        -2 * 10.259457033075);
}

TEST_CASE("Ewald: electrons in a uniform background, on lattices") {
  // Wigner's, in units of 1/r_s: 0.880059…, 0.895929…, 0.895874…; in units of 1/2a 2.83730, 3.63924
  // and 4.58488.
  const double radius = std::cbrt(3 / (4 * std::numbers::pi));
  check(crystal(cube, {{0, 0, 0, 1}}), -2.837297479480620 / 2);
  check(crystal(bcc, {{0, 0, 0, 1}}), -0.895929255682 / (radius / std::cbrt(2.0)));
  check(crystal(fcc, {{0, 0, 0, 1}}), -0.895873615195 / (radius / std::cbrt(4.0)));
}

TEST_CASE("Ewald: layers and chains of charges") {
  // A chequered layer, 1.6155… per ion; a chain, 2 ln 2.
  Matrix3<double> layer{{0.5, 0.5, 0, 0.5, -0.5, 0, 0, 0, 0}};
  check(crystal(layer, {{0, 0, 0, 1}, {0.5, 0.5, 0, -1}}, {true, true, false}),
        -2 * 1.615542626712825);
  Matrix3<double> chain{{0, 0, 0, 0.2, -0.3, 0.5, 0, 0, 0}};
  const double length = norm(chain.row(1));
  check(crystal(chain, {{0, 0, 0, 1}, {0, 0.5, 0, -1}}, {false, true, false}),
        -4 * std::numbers::ln2 / length);
}

}  // namespace madelung_test
