// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <type_traits>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// Calls f(integral_constant 0), … f(integral_constant n − 1): a loop whose index is a constant.
template <int n, class F>
LEYDEN_ALWAYS_INLINE constexpr void unroll(F&& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, n>{});
}

}  // namespace leyden::inline LEYDEN_ABI
