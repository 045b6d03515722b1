// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/toy_descriptor.hpp"

#include <leyden/charge/local.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/potential.hpp>

namespace net_charge_test {

using namespace leyden;

namespace {

Structure crystal() {
  Structure s;
  s.atomic_numbers = {11, 17};
  s.positions = {{{0.0, 0.1, 0.0}}, {{2.5, 0.0, 0.2}}};
  for (int i = 0; i < 3; ++i) s.cell.vectors(i, i) = 5.0;
  s.cell.periodic = {true, true, true};
  return s;
}

template <ChargeConstraint constraint>
double energy(Background background) {
  using Toy = leyden_test::BasicToyDescriptor<>;
  using P = Potential<Toy, LocalMultipoles<0, constraint>, Reciprocal>;
  const P potential(Toy({11, 17}), LocalMultipoles<0, constraint>{},
                    Reciprocal({.background = background}), 3);
  typename P::Workspace workspace;
  return potential.evaluate(crystal(), workspace).energy;
}

}  // namespace

TEST_CASE("a crystal whose model makes a net charge needs a background", "[potential]") {
  CHECK_THROWS_AS(energy<ChargeConstraint::none>(Background::none), ModelError);
  CHECK_NOTHROW(energy<ChargeConstraint::none>(Background::uniform));
  CHECK_NOTHROW(energy<ChargeConstraint::uniform>(Background::none));
}

}  // namespace net_charge_test
