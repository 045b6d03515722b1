// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>
#include <leyden/observables/maps.hpp>

#include "potential/points.hpp"
#include "support/catch.hpp"

#include <cmath>

namespace maps_test {

// Density and potential in space: against each other (Poisson), the solvers, and averages on grids,
// which for Gaussians are exact up to terms exp(−σ²k²/2) of the grid's wave vectors.
namespace {
using namespace leyden_test;
using Catch::Matchers::WithinAbs;

// Charges, dipoles and quadrupoles at random in a skewed cell.
GaussianMultipoles sources(std::array<bool, 3> periodic, int l_max, double total_charge) {
  const Structure s =
      random_structure({4.4, 0.2, -0.3, 0.6, 4.1, 0.1, -0.4, 0.5, 4.7}, periodic, 5, 6);
  GaussianMultipoles m{s.cell, s.positions, {}, l_max, {}};
  RandomStream random(8);
  const auto size = static_cast<std::size_t>((l_max + 1) * (l_max + 1));
  for (std::size_t i = 0; i < s.size(); ++i) {
    m.widths.push_back(i % 2 ? 0.6 : 0.8);
    for (std::size_t lm = 0; lm < size; ++lm) m.multipoles.push_back(random.normal());
  }
  m.multipoles[0] += total_charge - m.total_charge();
  return m;
}

std::vector<Vector3<double>> some_points() {
  return {{{0.3, 0.1, 0.2}}, {{2.0, 1.0, -3.0}}, {{-1.0, 4.0, 2.5}}, {{7.0, 6.5, 8.0}}};
}

double sum(const std::vector<double>& x) {
  double s = 0;
  for (double v : x) s += v;
  return s;
}

// Averages of a map over a plane through `height`, on a grid.
constexpr int grid = 24;
std::vector<Vector3<double>> plane_points(const Cell& cell, int axis, double height) {
  const Vector3<double> a = cell.vectors.row((axis + 1) % 3), b = cell.vectors.row((axis + 2) % 3);
  Vector3<double> normal = cross(a, b);
  normal = (1.0 / norm(normal)) * normal;
  std::vector<Vector3<double>> points;
  for (int i = 0; i < grid; ++i)
    for (int j = 0; j < grid; ++j)
      points.push_back(height * normal + (double(i) / grid) * a + (double(j) / grid) * b);
  return points;
}

GaussianMultipoles widened(GaussianMultipoles m, double width) {
  for (double& s : m.widths) s = std::hypot(s, width);
  return m;
}
}  // namespace

TEST_CASE("density and potential obey Poisson's equation", "[observables]") {
  const double width = 0.5;
  const auto check = [&](const auto& solver, const GaussianMultipoles& m, double background) {
    const auto points = some_points();
    const auto density = charge_density(widened(m, width), points);
    for (std::size_t k = 0; k < points.size(); ++k) {
      // Seven points per direction: error h⁶/560 times an eighth derivative, and rounding of
      // 1e-13/h².
      const double h = 0.05;
      const double weight[] = {1.0 / 90, -3.0 / 20, 1.5, -49.0 / 18, 1.5, -3.0 / 20, 1.0 / 90};
      std::vector<Vector3<double>> stencil;
      for (int a = 0; a < 3; ++a)
        for (int t = -3; t <= 3; ++t) {
          stencil.push_back(points[k]);
          stencil.back()[a] += t * h;
        }
      const auto v = electrostatic_potential(solver, m, stencil, width);
      double laplacian = 0;
      for (std::size_t t = 0; t < 21; ++t) laplacian += weight[t % 7] * v[t] / (h * h);
      CHECK_THAT(-laplacian / units::inverse_vacuum_permittivity + background,
                 WithinAbs(density[k], 1e-7));
    }
  };
  SECTION("molecule") { check(Direct{}, sources({}, 2, 0.7), 0.0); }
  SECTION("bulk, with its background") {
    ReciprocalOptions options;
    options.background = Background::uniform;
    const auto m = sources({true, true, true}, 2, 0.7);
    check(Reciprocal(options), m, 0.7 / determinant(m.cell.vectors));
  }
  SECTION("slab") { check(Reciprocal{}, sources({true, false, true}, 2, 0.7), 0.0); }
  SECTION("reference") {
    const ReferenceElectrostatics solver{ReferenceElectrostaticsOptions{.k_cutoff = 14.0}};
    check(solver, sources({true, true, true}, 1, 0.0), 0.0);
  }
}

TEST_CASE("the density of a cell holds its charge", "[observables]") {
  const auto m = sources({true, true, true}, 2, 0.7);
  std::vector<Vector3<double>> points;
  for (int i = 0; i < grid; ++i)
    for (const auto& r : plane_points(m.cell, 2, 0.0))
      points.push_back(r + (double(i) / grid) * m.cell.vectors.row(2));
  const double volume = determinant(m.cell.vectors);
  CHECK_THAT(sum(charge_density(m, points)) * volume / double(points.size()),
             WithinAbs(0.7, 1e-10));
}

TEST_CASE("the potential at an atom, in its width, is the one that it feels", "[observables]") {
  const auto check = [](const auto& potential, const Structure& structure) {
    typename std::decay_t<decltype(potential)>::Workspace workspace;
    const GaussianMultipoles m = gaussian_multipoles(potential, structure, workspace);
    const Prediction p = workspace.prediction;
    const std::size_t size = p.multipoles.size() / structure.size();
    for (std::size_t i = 0; i < structure.size(); ++i) {
      const auto v = electrostatic_potential(
          potential.solver(), m, std::span<const Vector3<double>>(&structure.positions[i], 1),
          m.widths[i]);
      CHECK_THAT(v[0], WithinAbs(p.potentials[i * size], 1e-9));
    }
  };
  check(make_potential<Potential<ToyDescriptor, PolarizableChargeEquilibration, Direct>>(),
        molecule());
  const auto bulk =
      make_potential<Potential<ToyDescriptor, PolarizableChargeEquilibration, Reciprocal>>();
  check(bulk, crystal());
  Structure slab = crystal();
  slab.cell.periodic[1] = false;
  slab.total_charge = 0.4;
  check(bulk, slab);
}

TEST_CASE("many points are served in parts", "[observables]") {
  const auto m = sources({}, 1, 0.7);
  std::vector<Vector3<double>> points;
  for (int i = 0; i < 300; ++i) points.push_back({{0.01 * i, 0.02 * i, 1.0}});
  const auto all = electrostatic_potential(Direct{}, m, points, 0.4);
  for (std::size_t k : {0u, 127u, 128u, 299u})
    CHECK_THAT(
        electrostatic_potential(Direct{}, m, std::span<const Vector3<double>>(&points[k], 1), 0.4)
            .at(0),
        WithinAbs(all[k], 1e-12));
}

TEST_CASE("plane averages are the averages of the maps", "[observables]") {
  const double width = 0.5;
  const std::vector<double> heights{-3.0, 0.2, 1.9, 6.0};
  const auto check = [&](const auto& solver, const GaussianMultipoles& m, int axis) {
    const PlaneAverages found = plane_averages(m, axis, heights, width);
    for (std::size_t k = 0; k < heights.size(); ++k) {
      const auto points = plane_points(m.cell, axis, heights[k]);
      const double n = double(points.size());
      CHECK_THAT(found.density[k],
                 WithinAbs(sum(charge_density(widened(m, width), points)) / n, 1e-10));
      // The accuracy of Reciprocal, times potentials of 10 V.
      CHECK_THAT(found.potential[k],
                 WithinAbs(sum(electrostatic_potential(solver, m, points, width)) / n, 1e-8));
    }
  };
  ReciprocalOptions options;
  options.background = Background::uniform;
  SECTION("bulk") {
    check(Reciprocal(options), sources({true, true, true}, 2, 0.7), 0);
    check(Reciprocal(options), sources({true, true, true}, 1, 0.0), 2);
  }
  SECTION("slab") {
    check(Reciprocal{}, sources({true, true, false}, 2, 0.7), 2);
    auto m = sources({true, false, true}, 1, 0.0);
    for (int j = 0; j < 3; ++j) m.cell.vectors(1, j) = 0.0;  // the open row means nothing
    check(Reciprocal{}, m, 1);
  }
  SECTION("errors") {
    CHECK_THROWS_AS(plane_averages(sources({}, 1, 0.0), 2, heights), InputError);
    CHECK_THROWS_AS(plane_averages(sources({true, true, false}, 1, 0.0), 1, heights), InputError);
    CHECK_THROWS_AS(plane_averages(sources({true, true, true}, 1, 0.0), 3, heights), InputError);
    CHECK_THROWS_AS(plane_averages(sources({true, true, true}, 1, 0.0), 2, heights, -1.0),
                    InputError);
  }
}

TEST_CASE("a neutral slab has a drop of the potential", "[observables]") {
  auto m = sources({true, true, false}, 2, 0.0);
  const double drop = potential_drop(m);
  REQUIRE(std::abs(drop) > 1.0);
  const auto far = plane_averages(m, 2, std::vector<double>{-40.0, 40.0});
  CHECK_THAT(far.potential[1] - far.potential[0], WithinAbs(drop, 1e-10));
  // The other side of the lattice vector is above when that one is turned.
  for (int j = 0; j < 3; ++j) m.cell.vectors(2, j) *= -1.0;
  CHECK_THAT(potential_drop(m), WithinAbs(-drop, 1e-10));
  CHECK_THROWS_AS(potential_drop(sources({true, true, false}, 1, 0.3)), InputError);
  CHECK_THROWS_AS(potential_drop(sources({true, true, true}, 1, 0.0)), InputError);
}

}  // namespace maps_test
