// SPDX-License-Identifier: MIT
// EXPECT-ERROR: the charge model Q needs an electrostatic solver; NoElectrostatics
// EXPECT-ERROR: NoElectrostatics goes with NoCharges only\.
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/potential.hpp>

#include "../support/toy_descriptor.hpp"

#if LEYDEN_MUST_NOT_COMPILE
using Charges = leyden::FixedCharges;
#else
using Charges = leyden::NoCharges;
#endif

template class leyden::Potential<leyden_test::ToyDescriptor, Charges, leyden::NoElectrostatics>;
