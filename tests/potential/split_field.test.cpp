// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

namespace split_field_test {

namespace {
using namespace leyden_test;

template <class Q>
using Bulk = Potential<ToyDescriptor, Q, Reciprocal>;
}  // namespace

TEMPLATE_TEST_CASE("split charges in a field along a crystal", "[potential]", Bulk<SplitCharges<0>>,
                   Bulk<SplitCharges<1>>) {
  ReciprocalOptions options;
  options.background = Background::uniform;
  const TestType potential = make_potential<TestType>(Reciprocal(options));
  Structure structure = crystal();
  structure.total_charge = 0.5;
  structure.external_field = {{0.3, -0.2, 0.4}};
  typename TestType::Workspace w;
  SECTION("forces and stress") { check_forces_and_stress(potential, structure); }
  SECTION("parameter gradient") { check_parameter_gradient(potential, structure); }
  SECTION("forces do not know images, energies only formal charges") {
    const Prediction a = potential.evaluate(structure, w);
    Structure s = structure;
    s.positions[1] += s.cell.vectors.row(2);
    const Prediction b = potential.evaluate(s, w);
    for (std::size_t i = 0; i < s.size(); ++i) CHECK(norm(a.forces[i] - b.forces[i]) < 1e-10);
    double formal = 0;
    for (int z : s.atomic_numbers) formal += z == 8 ? -0.5 : 0.25;
    const double f = 0.25 + (0.5 - formal) / double(s.size());
    CHECK_THAT(b.energy - a.energy,
               WithinAbs(-f * dot(s.external_field, s.cell.vectors.row(2)), 1e-10));
    const auto moved = b.polarization - a.polarization;
    CHECK(norm(moved - f * s.cell.vectors.row(2)) < 1e-10);
  }
  SECTION("field derivative") {
    const Prediction a = potential.evaluate(structure, w);
    for (int k = 0; k < 3; ++k) {
      Structure s = structure;
      s.external_field[k] += 1e-4;
      const double up = potential.evaluate(s, w).energy;
      s.external_field[k] -= 2e-4;
      const double dn = potential.evaluate(s, w).energy;
      CHECK_THAT(a.polarization[k], WithinAbs(-(up - dn) / 2e-4, 1e-9));
    }
    Direction d;
    d.external_field = {{0.4, 0.1, -0.7}};
    const auto e = potential.directional_derivative(structure, d, w);
    Structure s = structure;
    const double h = 1e-4;
    s.external_field += h * d.external_field;
    const Prediction up = potential.evaluate(s, w);
    s.external_field -= 2 * h * d.external_field;
    const Prediction dn = potential.evaluate(s, w);
    CHECK_THAT(e.energy, WithinAbs((up.energy - dn.energy) / (2 * h), 1e-9));
    for (std::size_t i = 0; i < s.size(); ++i)
      for (int k = 0; k < 3; ++k)
        CHECK_THAT(e.forces[i][k], WithinAbs((up.forces[i][k] - dn.forces[i][k]) / (2 * h), 1e-9));
    for (int k = 0; k < 9; ++k)
      CHECK_THAT(e.stress.data[k],
                 WithinAbs((up.stress.data[k] - dn.stress.data[k]) / (2 * h), 1e-9));
  }
}

TEST_CASE("bonds that would end beyond the descriptor's edges are refused", "[potential]") {
  using Catch::Matchers::ContainsSubstring;
  SplitChargesOptions options;
  options.cutoff = 100.0;
  CHECK_THROWS_WITH((Potential<ToyDescriptor, SplitCharges<0>, Direct>(
                        ToyDescriptor({8, 1}), SplitCharges<0>(options), Direct())),
                    ContainsSubstring("give bonds a smaller cutoff"));
}

}  // namespace split_field_test
