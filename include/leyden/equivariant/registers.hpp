// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// n packs of zeros that a compiler can keep in registers, if all indices are constants (unroll).
/// Arrays that are initialised by a loop stay in memory: gcc then stores each sum each time.
template <class P, int n>
struct Registers {
  P x[n];

  LEYDEN_ALWAYS_INLINE Registers() : Registers(std::make_integer_sequence<int, n>{}) {}
  LEYDEN_ALWAYS_INLINE P& operator[](int i) { return x[i]; }
  LEYDEN_ALWAYS_INLINE const P& operator[](int i) const { return x[i]; }
  LEYDEN_ALWAYS_INLINE P* data() { return x; }

 private:
  template <int... i>
  LEYDEN_ALWAYS_INLINE explicit Registers(std::integer_sequence<int, i...>)
      : x{(static_cast<void>(i), P())...} {}
};

}  // namespace leyden::inline LEYDEN_ABI
