// SPDX-License-Identifier: MIT
// EXPECT-ERROR: NoCharges gives the electrostatic solver S nothing to do; take NoElectrostatics
#include <leyden/charge/none.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/potential.hpp>

#include "../support/toy_descriptor.hpp"

#if LEYDEN_MUST_NOT_COMPILE
using Solver = leyden::Direct;
#else
using Solver = leyden::NoElectrostatics;
#endif

template class leyden::Potential<leyden_test::ToyDescriptor, leyden::NoCharges, Solver>;
