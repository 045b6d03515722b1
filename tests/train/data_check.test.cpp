// SPDX-License-Identifier: MIT
#include <leyden/train/committee.hpp>
#include <leyden/train/data_check.hpp>

#include "support/catch.hpp"

#include <numeric>

namespace data_check_test {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinRel;

namespace {

/// Hydrogen and oxygen in several compositions; energies of −1 and −10 eV, no faults.
std::vector<Frame> clean() {
  std::vector<Frame> frames(6);
  for (std::size_t k = 0; k < frames.size(); ++k) {
    Structure& s = frames[k].structure;
    for (std::size_t i = 0; i < 3 + k % 3; ++i) {
      s.atomic_numbers.push_back(i % 3 == 0 ? 8 : 1);
      s.positions.push_back({{1.1 * static_cast<double>(i), 0.01 * static_cast<double>(k), 0.0}});
    }
    const std::size_t n = s.size();
    Labels& l = frames[k].labels;
    l.energy = 0.01 * (k % 2 == 0 ? 1.0 : -1.0);
    for (int z : s.atomic_numbers) *l.energy += z == 8 ? -10.0 : -1.0;
    l.forces.emplace(n);
    (*l.forces)[0] = {{1.0, 0.0, 0.0}};
    (*l.forces)[1] = {{-1.0, 0.0, 0.0}};
    l.charges.emplace(n, 0.0);
  }
  return frames;
}

DataReport report_of(const std::vector<Frame>& frames) {
  std::vector<std::size_t> all(frames.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return check_data(frames, all, 3.0);
}

}  // namespace

TEST_CASE("clean data have no warnings", "[train]") {
  const DataReport r = report_of(clean());
  CAPTURE(r.text());
  CHECK(r.warnings.empty());
  CHECK(r.frames == 6);
  CHECK(r.atoms == 24);
  CHECK(r.labels.at("energy") == 6);
  CHECK_THAT(r.text(), ContainsSubstring("6 structures, 24 atoms"));
}

TEST_CASE("each fault of the data is found and named with its frames", "[train]") {
  std::vector<Frame> frames = clean();
  std::string expected;
  SECTION("a missing label") {
    frames[2].labels.charges.reset();
    expected = "1 of 6 structures have no charges";
  }
  SECTION("charges and total charge") {
    frames[3].structure.total_charge = 1.0;
    expected = "1 structure has charges that do not sum to the total charge: 3";
  }
  SECTION("a net force") {
    (*frames[4].labels.forces)[0][2] = 0.5;
    expected = "1 structure has forces that do not sum to zero";
  }
  SECTION("a duplicate") {
    frames.push_back(frames[1]);
    frames.push_back(frames[5]);
    expected =
        "2 structures have a structure that is there before, in the same charge and field: 6, 7";
  }
  SECTION("a large force") {
    for (int copies = 0; copies < 4; ++copies)
      for (std::size_t k = 0; k < 40; ++k) {
        Frame f = frames[k % 6];
        f.structure.positions[0][2] = 0.001 * static_cast<double>(frames.size());
        frames.push_back(f);
      }
    (*frames[0].labels.forces)[0][0] = 300.0;
    (*frames[0].labels.forces)[1][0] = -300.0;
    expected = "a force of more than 20 times the root mean square: 0";
  }
  SECTION("atoms that touch") {
    frames[5].structure.positions[1] = frames[5].structure.positions[0];
    frames[5].structure.positions[1][0] += 0.2;
    expected = "1 structure has atoms nearer than 0.5 Å: 5";
  }
  SECTION("a dipole along a repeating direction") {
    frames[0].structure.cell.vectors = {{9.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 9.0}};
    frames[0].structure.cell.periodic = {true, false, false};
    for (Frame& f : frames) f.labels.dipole = Vector3<double>{};
    expected = "1 structure has a dipole along a repeating direction";
  }
  SECTION("too few compositions") {
    frames = {frames[0], frames[3]};
    expected = "1 compositions do not fix the energies of 2 species";
  }
  const DataReport r = report_of(frames);
  CAPTURE(r.text());
  CHECK_THAT(r.text(), ContainsSubstring("warning: ") && ContainsSubstring(expected));
}

TEST_CASE("a masked dipole is no fault, nor one across the jump of a field", "[train]") {
  std::vector<Frame> frames = clean();
  for (Frame& f : frames) {
    f.labels.dipole = Vector3<double>{};
    f.structure.cell.vectors = {{9.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 9.0}};
    f.structure.cell.periodic = {true, true, true};
    f.labels.dipole_mask = {false, false, true};
    f.structure.field_jump[2] = 0.0;
  }
  CHECK(report_of(frames).warnings.empty());
}

TEST_CASE("a committee's mean and spread", "[train]") {
  std::vector<std::vector<Prediction>> members(2, std::vector<Prediction>(1));
  for (std::size_t m = 0; m < 2; ++m) {
    Prediction& p = members[m][0];
    const double sign = m == 0 ? 1.0 : -1.0;
    p.energy = 5.0 + 0.4 * sign;
    p.forces = {{{1.0 + 3.0 * sign, 0.0, 4.0 * sign}}, {{0.0, 2.0, 0.0}}};
    p.charges = {0.1 * sign, 0.3};
    p.fermi_level = -2.0 + sign;
  }
  const Committee c = combine(members);
  CHECK_THAT(c.mean[0].energy, WithinRel(5.0, 1e-14));
  CHECK_THAT(c.energy_spread[0], WithinRel(0.4, 1e-12));
  CHECK_THAT(c.energy_spread_per_atom(), WithinRel(0.2, 1e-12));
  CHECK_THAT(c.mean[0].forces[0][0], WithinRel(1.0, 1e-14));
  CHECK_THAT(c.forces[0][0], WithinRel(5.0, 1e-12));
  CHECK(c.forces[0][1] == 0.0);
  CHECK_THAT(c.force_spread(), WithinRel(5.0 / std::sqrt(2.0), 1e-12));
  CHECK_THAT(c.charges[0][0], WithinRel(0.1, 1e-12));
  CHECK_THAT(*c.mean[0].fermi_level, WithinRel(-2.0, 1e-14));

  CHECK_THROWS_AS(combine({}), InputError);
  members[1].emplace_back();
  CHECK_THROWS_AS(combine(members), InputError);
  members[1].pop_back();
  members[1][0].charges.clear();
  CHECK_THROWS_AS(combine(members), InputError);
}

}  // namespace data_check_test
