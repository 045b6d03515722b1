// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>

#include "charge/own_site.hpp"
#include "potential/laws.hpp"

namespace molecule_laws_test {

namespace {
using namespace leyden_test;

template <class Q>
using Open = Potential<ToyDescriptor, Q, Direct>;

using Uncharged = Potential<ToyDescriptor, NoCharges, NoElectrostatics>;
}  // namespace

TEMPLATE_TEST_CASE("every potential obeys the laws of a molecule in a field", "[potential]",
                   Uncharged, Open<FixedCharges>, Open<BasicFixedCharges<false>>,
                   Open<SiteCharges<OwnSite>>, Open<LocalMultipoles<0>>,
                   (Open<LocalMultipoles<1, ChargeConstraint::uniform>>),
                   (Open<LocalMultipoles<1, ChargeConstraint::fukui>>),
                   (Open<LocalMultipoles<1, ChargeConstraint::softness>>), Open<SplitCharges<0>>,
                   Open<SplitCharges<1>>, (Open<SplitCharges<1, false>>), Open<ChargeEquilibration>,
                   Open<PolarizableChargeEquilibration>) {
  const TestType potential = make_potential<TestType>();
  Structure structure = molecule();
  structure.external_field = {{0.3, -0.2, 0.5}};
  check_all(potential, structure);
}

}  // namespace molecule_laws_test
