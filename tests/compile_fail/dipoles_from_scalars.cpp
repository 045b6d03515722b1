// SPDX-License-Identifier: MIT
// EXPECT-ERROR: the multipoles of Q need features of the same l, and the features of D stop below
#include <leyden/charge/local.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/potential.hpp>

#include "../support/toy_descriptor.hpp"

using namespace leyden;

struct Scalars : leyden_test::ToyDescriptor {
  using leyden_test::ToyDescriptor::BasicToyDescriptor;
  static constexpr int feature_l_max = 0;
};

#if LEYDEN_MUST_NOT_COMPILE
using Charges = LocalMultipoles<1>;
#else
using Charges = LocalMultipoles<0>;
#endif

static_assert(sizeof(Potential<Scalars, Charges, Direct>) > 0);
