// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>

#include <bit>
#include <cstring>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Sums of the lanes of as many packs as there are lanes, as one pack: halves of two packs are added
// side by side until one is left.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> transposed_sum(const Pack<R>* x) {
  constexpr int lanes = Pack<R>::lanes;
  if constexpr (lanes == 1) {
    return x[0];
  } else if constexpr (lanes != 8 && lanes != 16) {
    Pack<R> out;
    for (int i = 0; i < lanes; ++i) out.set_lane(i, sum_lanes(x[i]));
    return out;
  } else {
    typedef R V __attribute__((vector_size(lanes * sizeof(R))));
    const auto v = [&](int i) { return std::bit_cast<V>(x[i]); };
    // Neighbouring lanes.
    if constexpr (lanes == 8 && sizeof(R) == 8) {
      V a[4];
      for (int i = 0; i < 4; ++i)
        a[i] = __builtin_shufflevector(v(2 * i), v(2 * i + 1), 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(v(2 * i), v(2 * i + 1), 1, 9, 3, 11, 5, 13, 7, 15);
      V b[2];
      for (int i = 0; i < 2; ++i)
        b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15);
      const V c = __builtin_shufflevector(b[0], b[1], 0, 1, 4, 5, 8, 9, 12, 13) +
                  __builtin_shufflevector(b[0], b[1], 2, 3, 6, 7, 10, 11, 14, 15);
      return std::bit_cast<Pack<R>>(c);
    } else if constexpr (lanes == 16) {
      V a[8];
      for (int i = 0; i < 8; ++i)
        a[i] = __builtin_shufflevector(v(2 * i), v(2 * i + 1), 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9,
                                       25, 12, 28, 13, 29) +
               __builtin_shufflevector(v(2 * i), v(2 * i + 1), 2, 18, 3, 19, 6, 22, 7, 23, 10, 26,
                                       11, 27, 14, 30, 15, 31);
      V b[4];
      for (int i = 0; i < 4; ++i)
        b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24,
                                       25, 12, 13, 28, 29) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11,
                                       26, 27, 14, 15, 30, 31);
      const auto quarters = [](V s, V t) {
        return static_cast<V>(__builtin_shufflevector(s, t, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18,
                                                      19, 24, 25, 26, 27) +
                              __builtin_shufflevector(s, t, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22,
                                                      23, 28, 29, 30, 31));
      };
      return std::bit_cast<Pack<R>>(quarters(quarters(b[0], b[1]), quarters(b[2], b[3])));
    } else {  // 8 floats
      V a[4];
      for (int i = 0; i < 4; ++i)
        a[i] = __builtin_shufflevector(v(2 * i), v(2 * i + 1), 0, 8, 1, 9, 4, 12, 5, 13) +
               __builtin_shufflevector(v(2 * i), v(2 * i + 1), 2, 10, 3, 11, 6, 14, 7, 15);
      V b[2];
      for (int i = 0; i < 2; ++i)
        b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
      const V c = __builtin_shufflevector(b[0], b[1], 0, 1, 2, 3, 8, 9, 10, 11) +
                  __builtin_shufflevector(b[0], b[1], 4, 5, 6, 7, 12, 13, 14, 15);
      return std::bit_cast<Pack<R>>(c);
    }
  }
}

}  // namespace detail

/// out[i] += the sum of the lanes of x[i], i < n: far cheaper than n sums one by one.
template <int n, std::floating_point R>
LEYDEN_ALWAYS_INLINE void add_lane_sums(const Pack<R>* x, R* out) {
  constexpr int lanes = Pack<R>::lanes;
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    (Pack<R>::load(out + i) + detail::transposed_sum(x + i)).store(out + i);
  for (; i < n; ++i) out[i] += sum_lanes(x[i]);
}
template <int n, class R>
LEYDEN_ALWAYS_INLINE void add_lane_sums(const Pack<Dual<R>>* x, Dual<R>* out) {
  for (int i = 0; i < n; ++i) out[i] += sum_lanes(x[i]);
}

}  // namespace leyden::inline LEYDEN_ABI
