// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/core/units.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>
#include <leyden/scf/self_consistency.hpp>

#include "support/catch.hpp"

#include <numbers>

namespace electrodes_test {

using namespace leyden;

namespace {

constexpr double spacing = 2.5;  // Å, of atoms in a plate

// Two plates of two layers each, side × side atoms a layer, without hardness: metal electrodes.
struct Plates {
  Geometry<double> geometry;
  std::vector<double> widths, applied;
  std::size_t half = 0;  // atoms of the lower plate
  double area = 0;

  Plates(int side, double gap, double bias) {
    Structure s;
    RandomStream random(7);
    const double heights[] = {-spacing, 0.0, gap, gap + spacing};
    for (const double z : heights)
      for (int i = 0; i < side * side; ++i) {
        Vector3<double> r{{spacing * (i / side), spacing * (i % side), z}};
        for (int a = 0; a < 3; ++a) r[a] += 0.05 * random.normal();
        s.positions.push_back(r);
        s.atomic_numbers.push_back(79);
      }
    const double length = side * spacing;
    s.cell.vectors = {{length, 0, 0, 0, length, 0, 0, 0, 40.0}};
    s.cell.periodic = {true, true, false};
    area = length * length;
    half = s.size() / 2;
    widths.assign(s.size(), 0.9);
    for (std::size_t i = 0; i < s.size(); ++i)
      applied.push_back(i < half ? 0.5 * bias : -0.5 * bias);
    NeighborList list;
    list.build(s, 6.5, 0.0);
    make_geometry(s, list, geometry);
  }
};

struct Result {
  std::vector<double> p;
  double plate = 0;  // charge of the lower plate, e
  int applications = 0;
  std::vector<double> levels;
};

template <class S>
Result equilibrate(const Plates& plates, const S& solver, int dense_limit,
                   const ChargeConstraints& constraints, const std::vector<double>& external) {
  const std::size_t n = plates.widths.size();
  typename S::template Plan<double> plan;
  solver.template plan<double>(plates.geometry, {0, plates.widths}, 0.0, plan);
  SiteCoefficients<double> c;
  c.assign(n, 0, 0, true);
  ScfOptions options;
  options.dense_limit = dense_limit;
  options.tolerance = 1e-7;
  SelfConsistencyTape<QuadraticLaw, double> tape;
  tape.density.constraints = constraints;
  using Engine = SelfConsistency<QuadraticLaw, S, double>;
  const QuadraticLaw law;
  Engine({law, solver, plan, plan, plates.geometry, plates.widths, 1, c, external, options}, tape)
      .solve();
  CHECK(tape.density.outcome.status == ScfStatus::converged);
  Result out;
  out.p = tape.p;
  out.applications = tape.density.outcome.operator_applications;
  out.levels = tape.density.fermi_level;
  for (std::size_t i = 0; i < plates.half; ++i) out.plate += out.p[i];
  return out;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

ParticleMesh mesh() {
  ParticleMeshOptions options;
  options.accuracy = 1e-6;
  return ParticleMesh(options);
}

}  // namespace

TEST_CASE("electrodes at a bias on a mesh are those of a dense solve", "[scf]") {
  const Plates plates(6, 8.0, 2.0);
  ChargeConstraints neutral;
  neutral.group.assign(plates.widths.size(), 0);
  neutral.charge = {0.0};
  EwaldOptions options;
  options.accuracy = 1e-9;
  const Result dense = equilibrate(plates, Ewald(options), 1000, neutral, plates.applied);
  const Result sparse = equilibrate(plates, mesh(), 0, neutral, plates.applied);
  // Potentials of some volts at 1e-6.
  CHECK(largest_difference(dense.p, sparse.p) < 1e-5);
  double total = 0;
  for (double q : sparse.p) total += q;
  CHECK(std::abs(total) < 1e-12);
  // Two groups that are given these charges differ by the bias.
  ChargeConstraints groups;
  groups.group.assign(plates.widths.size(), 0);
  std::fill(groups.group.begin() + static_cast<std::ptrdiff_t>(plates.half), groups.group.end(), 1);
  groups.charge = {sparse.plate, -sparse.plate};
  const std::vector<double> none(plates.widths.size(), 0.0);
  const Result given = equilibrate(plates, mesh(), 0, groups, none);
  CHECK(largest_difference(given.p, sparse.p) < 1e-5);
  REQUIRE(given.levels.size() == 2);
  CHECK(std::abs(std::abs(given.levels[0] - given.levels[1]) - 2.0) < 1e-5);
}

TEST_CASE("electrodes on a mesh have the capacitance of plates, whatever their size", "[scf]") {
  ChargeConstraints neutral;
  neutral.charge = {0.0};
  // C = ε₀A/d = A/(4π C_coulomb d); image planes lie in front of the atoms, for both plates alike,
  // so the difference of two gaps is free of them.
  std::vector<double> inverse;
  int applications[2];
  for (int k = 0; k < 2; ++k) {
    const Plates plates(6, k == 0 ? 8.0 : 12.0, 2.0);
    neutral.group.assign(plates.widths.size(), 0);
    const Result r = equilibrate(plates, mesh(), 0, neutral, plates.applied);
    inverse.push_back(2.0 / std::abs(r.plate) * plates.area);
  }
  CHECK(std::abs((inverse[1] - inverse[0]) / (4.0 * std::numbers::pi * units::coulomb * 4.0) - 1) <
        1e-3);
  for (int k = 0; k < 2; ++k) {
    const Plates plates(k == 0 ? 6 : 16, 8.0, 2.0);
    neutral.group.assign(plates.widths.size(), 0);
    applications[k] = equilibrate(plates, mesh(), 0, neutral, plates.applied).applications;
  }
  CHECK(applications[1] <= applications[0] + 1);
}

}  // namespace electrodes_test
