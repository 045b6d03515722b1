// SPDX-License-Identifier: MIT
// One full point of the design space in one translation unit: what a user pays for compiling a
// model.
#include <leyden/charge/equilibration.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/potential.hpp>

template class leyden::Potential<leyden::Mace<leyden::MaceShape{3, 3, 1}>,
                                 leyden::ChargeEquilibration, leyden::Reciprocal>;
