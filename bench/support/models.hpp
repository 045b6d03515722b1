// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/fourth_generation.hpp>
#include <leyden/charge/response.hpp>

namespace leyden_bench {

/// Calls f(model, name) for every self-consistent charge model, with options that turn its terms
/// on.
template <class F>
void for_each_self_consistent_model(F&& f) {
  using namespace leyden;
  f(ChargeEquilibration(), "charge equilibration");
  f(PolarizableChargeEquilibration(), "charge equilibration, polarizable");
  f(FourthGeneration(), "fourth generation");
  f(BondHardness<1>(), "bond hardness");
  EnergyFunctionalOptions energy;
  energy.bond_hardness = energy.bond_kinks = true;
  f(EnergyFunctional<1>(energy), "energy functional");
  FixedPointOptions map;
  f(FixedPoint<1>(map), "fixed point, linear");
  map.terms = 2;
  map.bond_transfer = true;
  f(FixedPoint<1>(map), "fixed point, many-body");
  ResponseFunctionalOptions response;
  f(ResponseFunctional<1>(response), "response functional, levels");
  response.bond_softness = response.bond_saturation = true;
  f(ResponseFunctional<1>(response), "response functional, levels and bonds");
}

}  // namespace leyden_bench
