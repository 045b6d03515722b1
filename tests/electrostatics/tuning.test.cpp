// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/tuning.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <string>

namespace tuning_test {

// Errors that are named, against errors that are measured.
namespace {

using namespace leyden;

struct System {
  Geometry<double> geometry;
  std::vector<double> p, widths;
  SourceShape source;
};

// Atoms at the density of water, no two closer than 1 Å, in a random oblique cell.
System random_system(std::uint64_t seed, int atoms, int l_max, double width, int n_periodic) {
  RandomStream random(seed);
  Structure s;
  const double length = std::cbrt(atoms / 0.1);
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = length * random.uniform(0.8, 1.2);
  s.cell.vectors(1, 0) = length * random.uniform(-0.3, 0.3);
  s.cell.vectors(2, 0) = length * random.uniform(-0.3, 0.3);
  s.cell.vectors(2, 1) = length * random.uniform(-0.3, 0.3);
  for (int d = 0; d < 3; ++d) s.cell.periodic[static_cast<std::size_t>(d)] = d < n_periodic;
  while (static_cast<int>(s.positions.size()) < atoms) {
    Vector3<double> r;
    for (int d = 0; d < 3; ++d) r += s.cell.vectors.row(d) * random.uniform(0.0, 1.0);
    bool free = true;
    for (const auto& other : s.positions) free = free && norm(r - other) > 1.0;
    if (!free) continue;
    s.positions.push_back(r);
    s.atomic_numbers.push_back(1);
  }
  System out;
  NeighborList list;
  list.build(s, 1.0);
  make_geometry(s, list, out.geometry);
  const int size = (l_max + 1) * (l_max + 1);
  double charge = 0;
  for (int i = 0; i < atoms; ++i)
    for (int m = 0; m < size; ++m) {
      out.p.push_back(random.uniform(-1.0, 1.0) * (m == 0 ? 1.0 : m < 4 ? 0.3 : 0.2));
      if (m == 0) charge += out.p.back();
    }
  for (int i = 0; i < atoms; ++i) out.p[static_cast<std::size_t>(i * size)] -= charge / atoms;
  out.widths.assign(static_cast<std::size_t>(atoms), width);
  out.source = {l_max, out.widths};
  return out;
}

}  // namespace

TEST_CASE("a tuned mesh is as accurate as asked, and no more", "[electrostatics][tuning]") {
  const struct {
    double accuracy;
    int l_max;
    double width;
    int n_periodic;
  } cases[] = {{1e-3, 0, 0.0, 3}, {1e-5, 0, 0.5, 3}, {1e-9, 0, 0.4, 3}, {1e-5, 1, 1.2, 3},
               {1e-4, 2, 1.3, 3}, {1e-4, 1, 0.0, 3}, {1e-5, 0, 1.0, 2}, {1e-5, 0, 1.0, 0}};
  std::uint64_t seed = 10;
  for (const auto& c : cases) {
    const System s = random_system(++seed, 40, c.l_max, c.width, c.n_periodic);
    TuningTarget target;
    target.self = c.width > 0 ? SelfInteraction::included : SelfInteraction::excluded;
    const VerifiedParticleMesh found =
        tune_and_verify(s.geometry, {c.l_max, s.widths}, s.p, c.accuracy, target);
    const double ratio = found.verification.force_error / (c.accuracy * found.verification.force);
    INFO("accuracy " << c.accuracy << ", l_max " << c.l_max << ", width " << c.width << ", "
                     << c.n_periodic << " periodic: measured over asked " << ratio);
    CHECK(ratio < 1.0);
    CHECK(ratio > 0.1);
    CHECK(found.tuned.seconds > 0.0);
  }
}

TEST_CASE("error estimates of charges are right within 60 % without measuring",
          "[electrostatics][tuning]") {
  for (const double error : {1e-1, 1e-3, 1e-5}) {
    const System s = random_system(5, 100, 0, 0.0, 3);
    TuningTarget target;
    target.force_error = error;
    target.self = SelfInteraction::excluded;
    const auto tuned = tune_particle_mesh(s.geometry, {0, s.widths}, s.p, target);
    target.force_error = 1e-2 * error;
    const ParticleMesh reference = detail::reference_mesh(s.geometry, {0, s.widths}, s.p, target);
    const double measured =
        verify(ParticleMesh(tuned.options), reference, s.geometry, {0, s.widths}, s.p).force_error;
    INFO("error " << error << ": estimated " << tuned.force_error << ", measured " << measured);
    CHECK(measured < 1.6 * tuned.force_error);
    CHECK(tuned.force_error < 1.6 * measured);
  }
}

TEST_CASE("a target that cannot be met is refused", "[electrostatics][tuning]") {
  const System s = random_system(5, 40, 0, 0.0, 3);
  TuningTarget target;
  target.self = SelfInteraction::excluded;
  CHECK_THROWS_AS(tune_particle_mesh(s.geometry, {0, s.widths}, s.p, target), ModelError);
  CHECK_THROWS_AS(tune_and_verify(s.geometry, {0, s.widths}, s.p, 0.0, target), ModelError);
  const std::vector<double> nothing(s.p.size(), 0.0);
  target.force_error = 1e-3;
  CHECK_THROWS_AS(tune_particle_mesh(s.geometry, {0, s.widths}, nothing, target), ModelError);
  // Broad Gaussians do not look like points at a short cutoff, and points need pairs.
  std::vector<double> widths = s.widths;
  widths[0] = 2.0;
  target.cutoff = 4.0;
  CHECK_THROWS_AS(tune_particle_mesh(s.geometry, {0, widths}, s.p, target), ModelError);
}

}  // namespace tuning_test
