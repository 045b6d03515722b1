// SPDX-License-Identifier: MIT
#include "lammps.hpp"

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/core/units.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <string>

namespace lammps_test {

// Point charges and dipoles against LAMMPS, where it is installed. Its erfc is good to 1.5e-7.
namespace {

using namespace leyden;

lammps::System random_system(bool slab, bool dipoles) {
  RandomStream random(slab ? 3 : 2);
  lammps::System s;
  s.slab = slab;
  s.cell = {};
  s.cell(0, 0) = 9.0;
  s.cell(1, 1) = 8.0;
  s.cell(2, 2) = slab ? 16.0 : 10.0;
  s.cell(1, 0) = slab || dipoles ? 0.0 : 1.5;
  s.cell(2, 0) = slab || dipoles ? 0.0 : -1.0;
  s.cell(2, 1) = slab || dipoles ? 0.0 : 0.8;
  while (s.positions.size() < 24) {
    const double z = slab ? random.uniform(0.35, 0.65) : random.uniform(0.02, 0.98);
    const Vector3<double> f{{random.uniform(0.02, 0.98), random.uniform(0.02, 0.98), z}};
    const Vector3<double> r = f * s.cell;
    bool free = true;
    for (const auto& other : s.positions) free = free && norm(r - other) > 1.2;
    if (!free) continue;
    s.positions.push_back(r);
    s.charges.push_back(s.positions.size() % 2 == 0 ? 1.0 : -1.0);
    if (dipoles)
      s.dipoles.push_back(
          {{random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5)}});
  }
  return s;
}

// Our energy, forces and virial pressure in units of e²/Å.
lammps::Result ours(const lammps::System& system) {
  Structure s;
  s.cell.vectors = system.cell;
  s.cell.periodic = {true, true, !system.slab};
  s.positions = system.positions;
  s.atomic_numbers.assign(system.positions.size(), 1);
  NeighborList list;
  list.build(s, 1.0);
  Geometry<double> geometry;
  make_geometry(s, list, geometry);
  std::vector<double> p;
  const std::size_t n = s.size();
  for (std::size_t i = 0; i < n; ++i) {
    p.push_back(system.charges[i]);
    if (system.dipoles.empty()) continue;
    for (const std::size_t c : {1u, 2u, 0u}) p.push_back(system.dipoles[i].data[c]);
  }
  ParticleMeshOptions options;
  options.accuracy = 1e-9;
  options.cutoff = 7.0;
  options.self = SelfInteraction::excluded;
  const ParticleMesh solver(options);
  const std::vector<double> widths(n, 0.0);
  ParticleMesh::Plan<double> plan;
  solver.plan<double>(geometry, {system.dipoles.empty() ? 0 : 1, widths}, 0.0, plan);
  GeometryGradient<double> gradient;
  gradient.reset(n);
  lammps::Result out;
  out.energy = solver.energy<double>(plan, p, 1.0, gradient) / units::coulomb;
  for (const auto& g : gradient.positions) out.forces.push_back(g * (-1 / units::coulomb));
  for (std::size_t c = 0; c < 9; ++c)
    out.pressure.data[c] =
        -gradient.strain.data[c] / (units::coulomb * std::abs(determinant(s.cell.vectors)));
  return out;
}

void compare(const lammps::Result& a, const lammps::Result& b, double tolerance) {
  double scale = 0, worst = 0;
  for (std::size_t i = 0; i < a.forces.size(); ++i)
    for (int c = 0; c < 3; ++c) {
      scale = std::max(scale, std::abs(b.forces[i][c]));
      worst = std::max(worst, std::abs(a.forces[i][c] - b.forces[i][c]));
    }
  INFO("forces: " << worst / scale << " relative; energies " << a.energy << ' ' << b.energy);
  CHECK(worst < tolerance * scale);
  CHECK(std::abs(a.energy - b.energy) < tolerance * std::abs(b.energy));
}

bool skip() {
  if (lammps::installed()) return false;
  WARN("no lmp on the PATH (apt-get install lammps): nothing compared");
  return true;
}

}  // namespace

TEST_CASE("charges in a triclinic crystal are those of LAMMPS", "[electrostatics][lammps]") {
  if (skip()) return;
  const auto system = random_system(false, false);
  lammps::Result theirs;
  REQUIRE(lammps::run(system, "ewald 1e-9", "kspace_modify gewald 0.6", 9.0, theirs));
  const auto mine = ours(system);
  compare(mine, theirs, 1e-6);
  for (std::size_t c = 0; c < 9; ++c) {
    INFO("pressure " << c << ": " << mine.pressure.data[c] << ' ' << theirs.pressure.data[c]);
    CHECK(std::abs(mine.pressure.data[c] - theirs.pressure.data[c]) < 1e-6);
  }
}

TEST_CASE("charges of a slab are those of LAMMPS", "[electrostatics][lammps]") {
  if (skip()) return;
  // Images at a distance of three cells of vacuum, and the dipole correction for the rest.
  const auto system = random_system(true, false);
  lammps::Result theirs;
  REQUIRE(lammps::run(system, "ewald 1e-9", "kspace_modify slab 3.0 gewald 0.6", 9.0, theirs));
  compare(ours(system), theirs, 1e-6);
}

TEST_CASE("a mesh of LAMMPS agrees within its accuracy", "[electrostatics][lammps]") {
  if (skip()) return;
  const auto system = random_system(false, false);
  lammps::Result theirs;
  REQUIRE(lammps::run(system, "pppm 1e-5", "kspace_modify gewald 0.5 order 7 mesh 36 36 36", 8.0,
                      theirs));
  compare(ours(system), theirs, 1e-4);
}

TEST_CASE("dipoles are those of LAMMPS", "[electrostatics][lammps]") {
  if (skip()) return;
  auto system = random_system(false, true);
  for (double& q : system.charges) q = 0;  // LAMMPS has no both
  lammps::Result theirs;
  REQUIRE(lammps::run(system, "ewald/dipole 1e-9", "kspace_modify gewald 0.6", 9.0, theirs));
  compare(ours(system), theirs, 1e-6);
}

}  // namespace lammps_test
