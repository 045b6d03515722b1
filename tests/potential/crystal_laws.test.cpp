// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

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
                   Bulk<ChargeEquilibration>) {
  const TestType potential = make_bulk_potential<TestType>();
  Structure structure = crystal();
  structure.total_charge = 0.5;
  check_all(potential, structure);
}
