// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>

namespace leyden::inline LEYDEN_ABI {

/// No charges: the energy is the descriptor's alone. Total charge and external field have nothing
/// to act on and are ignored.
struct NoCharges {
  static constexpr std::string_view name = "none";
  static constexpr ChargeKind kind = ChargeKind::none;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = false;

  void declare(ParameterLayout&, std::span<const FeatureShape>, std::span<const int>) {}
  void prepare(std::span<const double>) {}
  void widths(std::span<const int>, std::span<double>) const {}
};
static_assert(ChargeModel<NoCharges>);

}  // namespace leyden::inline LEYDEN_ABI
