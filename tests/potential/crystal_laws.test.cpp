// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

namespace crystal_laws_test {

namespace {
using namespace leyden_test;

template <class Q>
using Bulk = Potential<ToyDescriptor, Q, Reciprocal>;
using Uncharged = Potential<ToyDescriptor, NoCharges, NoElectrostatics>;

template <class P>
P make_bulk_potential() {
  if constexpr (std::same_as<P, Uncharged>) {
    return make_potential<P>();
  } else {
    ReciprocalOptions options;
    options.background = Background::uniform;
    return make_potential<P>(Reciprocal(options));
  }
}
}  // namespace

TEMPLATE_TEST_CASE("every potential obeys the laws of a crystal", "[potential]", Uncharged,
                   Bulk<FixedCharges>, Bulk<LocalMultipoles<0>>,
                   (Bulk<LocalMultipoles<1, ChargeConstraint::uniform>>),
                   (Bulk<LocalMultipoles<1, ChargeConstraint::fukui>>),
                   (Bulk<LocalMultipoles<1, ChargeConstraint::softness>>), Bulk<SplitCharges<0>>,
                   Bulk<SplitCharges<1>>, Bulk<ChargeEquilibration>,
                   Bulk<PolarizableChargeEquilibration>) {
  const TestType potential = make_bulk_potential<TestType>();
  Structure structure = crystal();
  structure.total_charge = 0.5;
  check_all(potential, structure);
}

TEMPLATE_TEST_CASE("a field across vacuum obeys them too", "[potential]", Bulk<FixedCharges>,
                   (Bulk<LocalMultipoles<1, ChargeConstraint::fukui>>), Bulk<ChargeEquilibration>,
                   Bulk<PolarizableChargeEquilibration>) {
  const TestType potential = make_bulk_potential<TestType>();
  // Vacuum in all directions, so that no strain can turn the field into a forbidden direction.
  Structure structure = crystal();
  for (double& x : structure.cell.vectors.data) x *= 2.2;
  structure.external_field = {{0.3, -0.2, 0.4}};
  structure.field_jump = {0.73, 0.73, 0.73};
  SECTION("forces and stress") { check_forces_and_stress(potential, structure); }
  SECTION("parameter gradient") { check_parameter_gradient(potential, structure); }
  SECTION("images are the same") {
    typename TestType::Workspace workspace;
    const double energy = potential.evaluate(structure, workspace).energy;
    structure.positions[1] -= structure.cell.vectors.row(2);
    CHECK_THAT(potential.evaluate(structure, workspace).energy, WithinAbs(energy, 1e-10));
  }
  SECTION("without a plane it is refused") {
    structure.field_jump = {};
    typename TestType::Workspace workspace;
    CHECK_THROWS_AS(potential.evaluate(structure, workspace), InputError);
  }
}

}  // namespace crystal_laws_test
