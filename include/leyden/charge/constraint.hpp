// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

namespace leyden::inline LEYDEN_ABI {

/// How charges that are read atom by atom get the right sum.
enum class ChargeConstraint {
  none,     ///< they do not: the total charge is ignored
  uniform,  ///< every atom takes the same share of what is lacking
  fukui,    ///< every atom takes a learned positive share (a Fukui function)
  softness  ///< the same, but one number per species
};

}  // namespace leyden::inline LEYDEN_ABI
