// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reference.hpp>

#include "electrostatics/golden_case.hpp"
#include "support/allocations.hpp"

namespace reference_test {

// ReferenceElectrostatics against the numbers of the reference implementation
// (tests/data/README.md) and against the laws of every solver.

using namespace electrostatics_test;
using nlohmann::json;

namespace {

enum class Setting { bulk, slab, box, molecule };

System random_setting(Setting setting) {
  System s = random_system(true);
  if (setting == Setting::slab) s.geometry.periodic[2] = false;
  if (setting == Setting::box || setting == Setting::molecule) s.geometry.periodic = {};
  if (setting == Setting::slab) s.geometry.cell.data = {7, 0.3, 0, 1, 6.5, 0, 0, 0, 18};
  return s;
}

// So many wave vectors that a finite strain does not change the sum.
ReferenceElectrostatics complete(Setting setting) {
  return ReferenceElectrostatics({.k_cutoff = 11.0, .periodic_molecules = setting == Setting::box});
}

constexpr Setting all_settings[] = {Setting::bulk, Setting::slab, Setting::box, Setting::molecule};

}  // namespace

TEST_CASE("the reference's numbers: energies, forces, features of every boundary and variant") {
  struct File {
    const char* name;
    std::array<bool, 3> periodic;
    bool corrected;  // both variants are in the file
  };
  for (const File& file : {File{"longrange_cubic.json", {true, true, true}, false},
                           File{"longrange_triclinic.json", {true, true, true}, false},
                           File{"longrange_slab.json", {true, true, false}, true},
                           File{"longrange_molecule_in_box.json", {false, false, false}, true},
                           File{"longrange_molecule_realspace.json", {false, false, false}, false}})
    for (const auto& [name, data] : cases(load(file.name)))
      for (const bool included : {false, true})
        for (const bool corrected : {false, true}) {
          if (!file.corrected && !corrected) continue;
          INFO(file.name << " " << name << " self interaction " << included << " corrections "
                         << corrected);
          Case c(data, file.corrected || file.periodic[0]);
          c.system.geometry.periodic = file.periodic;
          const auto self = included ? SelfInteraction::included : SelfInteraction::excluded;
          ReferenceElectrostaticsOptions options;
          options.self = self;
          options.boundary_corrections = corrected;
          options.periodic_molecules = file.corrected;
          // The rule, with a factor of 1 or 1.5, gives the cutoff of the file.
          options.smallest_feature_width = c.widths.front();
          options.feature_l_max = c.l_features;
          const double ratio = c.k_cutoff / reference_k_cutoff(c.system.widths.front(),
                                                               std::max(c.l_max, c.l_features));
          options.k_cutoff_factor = ratio > 1.25 ? 1.5 : 1.0;
          CHECK(std::abs(ratio - options.k_cutoff_factor) < 1e-14);
          const ReferenceElectrostatics solver(options);
          ReferenceElectrostatics::Plan<double> plan;
          solver.plan(c.system.geometry, c.source(), 0.0, plan);
          if (!plan.pairs)
            CHECK(plan.waves.waves.vectors == data.at("n_wave_vectors").get<std::size_t>());
          const std::string suffix = included ? "self1" : "self0";
          const std::string variant = !file.corrected ? ""
                                      : corrected     ? "_corrections1"
                                                      : "_corrections0";
          // The reference integrates its own-atom constants numerically, to 2e-10.
          check_energy(solver, c, data.at("energy_" + suffix + variant), 1e-9);
          // Features carry the corrections always.
          if (corrected) check_features(solver, self, c, data.at("features_" + suffix), 1e-9);
        }
}

TEST_CASE("reference: derivatives by adjoint, duals and differences agree") {
  for (const Setting setting : all_settings) {
    CAPTURE(static_cast<int>(setting));
    // Dipoles of pair sums are charges of 1/h = 50 e that cancel, three of them on the atom itself.
    const double rounding = setting == Setting::molecule ? 3 * 50 * 50 : 1;
    check_bilinear_laws(complete(setting), random_setting(setting), 1, rounding);
  }
  check_bilinear_laws(complete(Setting::molecule), random_setting(Setting::molecule), 0);
}

TEST_CASE("reference: features, their transpose and gradient agree") {
  for (const Setting setting : all_settings) {
    CAPTURE(static_cast<int>(setting));
    check_feature_laws(complete(setting), random_setting(setting), 1, 1);
  }
  check_feature_laws(complete(Setting::molecule), random_setting(Setting::molecule), 0, 1);
  check_feature_laws(complete(Setting::molecule), random_setting(Setting::molecule), 1, 0);
}

TEST_CASE("reference: a warm plan does not allocate") {
  for (const Setting setting : {Setting::bulk, Setting::box, Setting::molecule})
    check_no_allocation(ReferenceElectrostatics({.periodic_molecules = setting == Setting::box}),
                        random_setting(setting), leyden_test::allocation_count);
}

TEST_CASE("reference: the cutoff rule and the cell of open directions") {
  CHECK(std::abs(reference_k_cutoff(1.5, 1) - 1.8467166200173746) < 1e-14);
  CHECK(std::abs(reference_k_cutoff(1.0, 0) - 2.25) < 1e-14);
  CHECK(std::abs(reference_k_cutoff(0.8, 1) - 3.462593662532577) < 1e-14);
  // A water molecule whose largest coordinate is 0.9572 Å, in a model of r_max 4.5 Å.
  Geometry<double> water;
  water.positions = {{{0, 0, 0}}, {{0.9572, 0, 0}}, {{-0.24, 0.9266, 0}}};
  const auto box = reference_cell(water, 4.5);
  for (int d = 0; d < 3; ++d)
    for (int c = 0; c < 3; ++c) CHECK(std::abs(box(d, c) - (c == d ? 44.037 : 0)) < 1e-12);
  water.periodic = {true, true, false};
  water.cell.data = {3, 1, 0, 0, 4, 1, 0, 0, 0};
  water.positions[1][1] = -4.432403233441807;
  const auto slab = reference_cell(water, 4.5);
  CHECK(slab.row(0) == water.cell.row(0));
  CHECK(slab.row(1) == water.cell.row(1));
  CHECK(std::abs(slab(2, 2) - 122.22907275244064) < 1e-12);
  CHECK(reference_cell(water, 0.0) == water.cell);
}

TEST_CASE("reference: a replaced vector of a slab strains with the others") {
  // The same slab with the replaced vector written into its cell, which then does strain.
  System s = random_setting(Setting::slab);
  const ReferenceElectrostatics replacing({.k_cutoff = 4.0, .replace_open_vectors = 1.0});
  const ReferenceElectrostatics given({.k_cutoff = 4.0});
  System written = s;
  written.geometry.cell = reference_cell(s.geometry, 1.0);
  for (int j = 0; j < 3; ++j) s.geometry.cell(2, j) = 0;
  const auto p = random_numbers(coefficients(s, 1), 50);
  GeometryGradient<double> a, b;
  const auto gradient = [&](const auto& solver, const System& at, GeometryGradient<double>& g) {
    ReferenceElectrostatics::Plan<double> plan;
    solver.plan(at.geometry, at.source(1), 0.0, plan);
    g.reset(at.widths.size());
    solver.bilinear_gradient(plan, p, p, 0.5, g);
  };
  gradient(replacing, s, a);
  gradient(given, written, b);
  for (std::size_t c = 0; c < 9; ++c) CHECK(a.strain.data[c] == b.strain.data[c]);
  CHECK(std::abs(a.strain(2, 2)) > 1e-3);
}

TEST_CASE("reference: pair sums approach Direct as their steps do") {
  // Charges alone have no steps; what remains is the softened distance, 1e-6 of pair energies.
  const System s = random_setting(Setting::molecule);
  const auto q = random_numbers(coefficients(s, 0), 51);
  const ReferenceElectrostatics solver({.self = SelfInteraction::included});
  CHECK(deviation(potential(solver, s.geometry, s.source(0), q),
                  potential(Direct(), s.geometry, s.source(0), q)) < 1e-5);
}

TEST_CASE("reference: features scaled for published weights") {
  const std::vector<double> widths{1.0, 2.0};
  std::vector<double> values(2 * 3 * 4, 1.0);
  scale_to_receivers<double>(PotentialFeatures{1, widths}, values);
  const double l0 = std::sqrt(4 * std::numbers::pi), l1 = std::numbers::pi * std::sqrt(1.5);
  for (std::size_t at = 0; at < values.size(); ++at)
    CHECK(std::abs(values[at] - (at % 4 == 0 ? l0 : at < 12 ? l1 : 2 * l1)) < 1e-14);
}

TEST_CASE("reference: what it does not serve is refused") {
  System s = random_setting(Setting::bulk);
  ReferenceElectrostatics::Plan<double> plan;
  CHECK_THROWS_AS(ReferenceElectrostatics().plan(s.geometry, s.source(2), 0.0, plan), ModelError);
  CHECK_THROWS_AS(ReferenceElectrostatics({.k_cutoff = -1.0}), ModelError);
  s.geometry.periodic[2] = false;
  for (int j = 0; j < 3; ++j) s.geometry.cell(2, j) = 0;
  CHECK_THROWS_AS(ReferenceElectrostatics().plan(s.geometry, s.source(0), 0.0, plan), InputError);
}

}  // namespace reference_test
