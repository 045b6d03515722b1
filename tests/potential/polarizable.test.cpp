// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/toy_descriptor.hpp"

#include <leyden/charge/equilibration.hpp>
#include <leyden/core/units.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/potential.hpp>

#include <cmath>

namespace polarizable_test {

using namespace leyden;

namespace {
using Toy = leyden_test::BasicToyDescriptor<>;

template <class Q>
struct AtomInField {
  using P = Potential<Toy, Q, Direct>;
  P potential{Toy({18}), Q(ChargeEquilibrationOptions{1.2, 3.0, false, 0.1, 1.6}), Direct{}, 3};
  typename P::Workspace workspace;

  Prediction operator()(Vector3<double> field) {
    Structure atom;
    atom.atomic_numbers = {18};
    atom.positions = {{{0.0, 0.0, 0.0}}};
    atom.external_field = field;
    return potential.evaluate(atom, workspace);
  }
};
}  // namespace

TEST_CASE("a lone polarizable atom has the dipole of its polarizability", "[potential]") {
  // Alone it has no features, so 1/α is the initial value; its own Gaussian's field, which is part
  // of K, stiffens it: 1/α_total = C/α + Λ_1.
  AtomInField<PolarizableChargeEquilibration> atom;
  const double stiffness = units::coulomb / 1.6 + self_interaction(1, 1.2, 1.2);
  const Vector3<double> field{{0.1, -0.2, 0.3}};
  const Prediction p = atom(field);
  for (int a = 0; a < 3; ++a)
    CHECK_THAT(p.dipole[a], Catch::Matchers::WithinRel(field[a] / stiffness, 1e-12));
  const double work = p.energy - atom({}).energy;
  CHECK_THAT(work, Catch::Matchers::WithinRel(-0.5 * dot(field, field) / stiffness, 1e-10));
  CHECK(std::abs(p.charges[0]) < 1e-12);
}

TEST_CASE("an atom that is not polarizable has no dipole in a field", "[potential]") {
  AtomInField<ChargeEquilibration> atom;
  const Prediction p = atom({{0.1, -0.2, 0.3}});
  CHECK(norm(p.dipole) < 1e-12);
}

}  // namespace polarizable_test
