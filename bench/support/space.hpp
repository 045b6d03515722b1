// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/design_space.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

namespace leyden_bench {

using SmallMace = leyden::Mace<leyden::MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;

/// The points that are measured: every charge model on a small MACE, in bulk.
using Space = leyden::DesignSpace<
    leyden::Descriptors<SmallMace>,
    leyden::ChargeModels<leyden::NoCharges, leyden::FixedCharges, leyden::LocalMultipoles<0>,
                         leyden::LocalMultipoles<1>, leyden::ChargeEquilibration>,
    leyden::Solvers<leyden::NoElectrostatics, leyden::Reciprocal>>;

/// A point with neutral options, for H and O.
template <class P>
P make_point(int channels = 16) {
  using Q = typename P::charge_model_type;
  using S = typename P::solver_type;
  typename P::descriptor_type descriptor(
      {.species = {1, 8}, .channels = channels, .average_neighbors = 50.0});
  const S solver = [] {
    if constexpr (std::same_as<S, leyden::Reciprocal>)
      return S({.background = leyden::Background::uniform});
    else
      return S{};
  }();
  if constexpr (std::same_as<Q, leyden::FixedCharges>)
    return P(std::move(descriptor), Q({.charges = {0.4, -0.8}, .widths = {}}), solver, 1);
  else
    return P(std::move(descriptor), Q{}, solver, 1);
}

}  // namespace leyden_bench
