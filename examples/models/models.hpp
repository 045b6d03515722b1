// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/charge/split.hpp>
#include <leyden/descriptor/mace_bodies.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "../own_charge_model.hpp"

// The potentials that the programs of this folder train, evaluate and compare. One line is all that
// another charge model needs to appear in all of them:
//   f(key, title, charge model, solver)
// clang-format off
#define LEYDEN_EXAMPLE_MODELS(f)                                                        \
  f(short_range, "Short range only", NoCharges, NoElectrostatics)                       \
  f(fixed_charges, "Fixed charges", FixedCharges, Reciprocal)                           \
  f(local_multipoles, "Local charges and dipoles", LocalChargesAndDipoles, Reciprocal)  \
  f(split_charges, "Split charges", SplitChargesAndDipoles, Reciprocal)                 \
  f(charge_equilibration, "Charge equilibration", ChargeEquilibration, Reciprocal)      \
  f(bond_hardness, "Bond hardness", BondHardness<0>, Reciprocal)                        \
  f(energy_functional, "Energy functional", EnergyFunctional<1>, Reciprocal)            \
  f(fixed_point, "Fixed point", FixedPoint<1>, Reciprocal)                              \
  f(polar_recursion, "Polar recursion", PolarRecursionBetweenPlanes, Reciprocal)        \
  f(response_functional, "Response functional", ResponseFunctional<1>, Reciprocal)      \
  f(own_charge_model, "Bounded charges (own model)", BoundedCharges, Reciprocal)
// clang-format on

namespace examples {

using namespace leyden;

/// All of them read the surroundings with the same kind of MACE.
#define LEYDEN_EXAMPLE_DESCRIPTOR Mace<MaceShape{.l_max = 2, .correlation = 3, .hidden_l = 1}>
using Descriptor = LEYDEN_EXAMPLE_DESCRIPTOR;

using LocalChargesAndDipoles = LocalMultipoles<1, ChargeConstraint::fukui>;
using SplitChargesAndDipoles = SplitCharges<1>;
using PolarRecursionBetweenPlanes = PolarRecursion<1, FieldImages::between_planes>;

}  // namespace examples

// Compiled in models/descriptor.cpp.
LEYDEN_MACE_BODIES(extern template, double, LEYDEN_EXAMPLE_DESCRIPTOR)
