// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>

#include "potential/laws.hpp"

namespace self_consistent_laws_test {

namespace {
using namespace leyden_test;

template <class Q>
using Open = Potential<ToyDescriptor, Q, Direct>;
}  // namespace

TEMPLATE_TEST_CASE("self-consistent models obey the laws of a molecule in a field", "[potential]",
                   Open<ResponseFunctional<1>>, Open<BondHardness<1>>, Open<EnergyFunctional<1>>,
                   Open<FixedPoint<1>>, Open<FourthGeneration>) {
  const TestType potential = make_potential<TestType>();
  Structure structure = molecule();
  structure.external_field = {{0.3, -0.2, 0.5}};
  check_all(potential, structure);
}

}  // namespace self_consistent_laws_test
