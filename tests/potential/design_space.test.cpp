// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/design_space.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "support/catch.hpp"
#include "support/toy_descriptor.hpp"

namespace design_space_test {

namespace {

using namespace leyden;
using leyden_test::ToyDescriptor;

struct Scalars : ToyDescriptor {
  static constexpr int feature_l_max = 0;
};

using Space =
    DesignSpace<Descriptors<ToyDescriptor, Scalars>,
                ChargeModels<NoCharges, FixedCharges, LocalMultipoles<0>, LocalMultipoles<1>,
                             LocalMultipoles<1, ChargeConstraint::fukui>, ChargeEquilibration>,
                Solvers<NoElectrostatics, Direct, Reciprocal>>;

// Two descriptors alone; five charge models with two solvers on the first, three on the second.
static_assert(Space::combinations == 2 * 6 * 3);
static_assert(Space::count == 2 + 5 * 2 + 3 * 2);
static_assert(DesignSpace<Descriptors<>, ChargeModels<NoCharges>, Solvers<Direct>>::count == 0);

static_assert(Compatibility<ToyDescriptor, NoCharges, NoElectrostatics>::value);
static_assert(!Compatibility<ToyDescriptor, NoCharges, Direct>::value);
static_assert(Compatibility<ToyDescriptor, NoCharges, Direct>::reason ==
              "there are no charges for the solver");
static_assert(Compatibility<ToyDescriptor, FixedCharges, NoElectrostatics>::reason ==
              "the charges need an electrostatic solver");
static_assert(Compatibility<Scalars, LocalMultipoles<1>, Direct>::reason ==
              "the features' l is below the multipoles'");
static_assert(Compatibility<int, FixedCharges, Direct>::reason ==
              "the first argument is not a Descriptor");
static_assert(Compatibility<ToyDescriptor, int, Direct>::reason ==
              "the second argument is not a ChargeModel");
static_assert(Compatibility<ToyDescriptor, FixedCharges, int>::reason ==
              "the third argument is not an ElectrostaticSolver");
static_assert(Compatibility<ToyDescriptor, FixedCharges, Direct>::reason.empty());

using Equilibrated = Potential<ToyDescriptor, ChargeEquilibration, Reciprocal>;
using Local = Potential<ToyDescriptor, LocalMultipoles<1>, Direct>;
static_assert(traits<Equilibrated>.self_consistent && traits<Equilibrated>.variational);
static_assert(traits<Equilibrated>.conserves_charge);
static_assert(traits<Equilibrated>.boundaries.bulk && traits<Equilibrated>.boundaries.wire);
static_assert(!traits<Local>.self_consistent && !traits<Local>.conserves_charge);
static_assert(traits<Local>.boundaries.molecule && !traits<Local>.boundaries.bulk);
static_assert(traits<Local>.kind == ChargeKind::explicit_ && traits<Local>.l_max == 1);

}  // namespace

TEST_CASE("every point of the design space is visited once, in order", "[design_space]") {
  std::size_t visited = 0;
  for_each_point<Space>([&]<class P>(Point<P>) {
    const PointTraits& row = design_table<Space>[visited++];
    CHECK(row.charge_model == P::charge_model_type::name);
    CHECK(row.solver == P::solver_type::name);
    CHECK((row.kind == ChargeKind::none) == (row.solver == NoElectrostatics::name));
  });
  CHECK(visited == Space::count);
}

}  // namespace design_space_test
