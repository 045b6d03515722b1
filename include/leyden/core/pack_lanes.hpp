// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>

#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

/// Lanes that change places: from the rows of a table, as kernels over lists of neighbours need
/// them, and from rows to columns.
namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Swaps blocks of `size` lanes between rows that far apart, off the diagonal.
template <int size, std::floating_point R, int... lane>
LEYDEN_ALWAYS_INLINE void swap_blocks(Pack<R>* rows, std::integer_sequence<int, lane...>) {
  constexpr int lanes = sizeof...(lane);
  typedef R V __attribute__((vector_size(lanes * sizeof(R))));
  for (int i = 0; i < lanes; ++i) {
    if (i & size) continue;
    const V a = std::bit_cast<V>(rows[i]), b = std::bit_cast<V>(rows[i + size]);
    rows[i] = std::bit_cast<Pack<R>>(
        __builtin_shufflevector(a, b, (lane & size ? lanes + lane - size : lane)...));
    rows[i + size] = std::bit_cast<Pack<R>>(
        __builtin_shufflevector(a, b, (lane & size ? lanes + lane : lane + size)...));
  }
  if constexpr (2 * size < lanes)
    swap_blocks<2 * size>(rows, std::integer_sequence<int, lane...>());
}

}  // namespace detail

/// Lane j of row i goes to lane i of row j; as many rows as there are lanes.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE void transpose(Pack<R>* rows) {
  constexpr int lanes = Pack<R>::lanes;
  if constexpr (lanes > 1) detail::swap_blocks<1>(rows, std::make_integer_sequence<int, lanes>());
}

/// to += factor·x, as many numbers as there are lanes. (Compilers leave loops that convert a number
/// at a time.)
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE void add_scaled(Pack<R> x, double factor, double* to) {
  typedef R V __attribute__((vector_size(Pack<R>::lanes * sizeof(R))));
  typedef double Doubles __attribute__((vector_size(Pack<R>::lanes * sizeof(double))));
  Doubles sum;
  std::memcpy(&sum, to, sizeof(sum));
  sum += __builtin_convertvector(std::bit_cast<V>(x), Doubles) * factor;
  std::memcpy(to, &sum, sizeof(sum));
}

/// Four columns of a table whose rows are `Stride` numbers: out[c].lane(i) =
/// from[index[i]·Stride + c]. Whole rows are loaded and transposed, which is several times faster
/// than the gather instructions.
template <int Stride, std::floating_point R>
LEYDEN_ALWAYS_INLINE void load_rows(const R* from, const int* index, Pack<R>* out) {
  constexpr int lanes = Pack<R>::lanes;
  const auto row = [&](int i) { return from + static_cast<std::ptrdiff_t>(index[i]) * Stride; };
  if constexpr (lanes % 4 != 0) {
    for (int i = 0; i < lanes; ++i)
      for (int c = 0; c < 4; ++c) out[c].set_lane(i, row(i)[c]);
  } else {
    typedef R Four __attribute__((vector_size(4 * sizeof(R))));
    typedef R All __attribute__((vector_size(lanes * sizeof(R))));
    const auto four = [&](int i) {
      Four v;
      std::memcpy(&v, row(i), sizeof(v));
      return v;
    };
    if constexpr (lanes == 4) {
      const Four a = four(0), b = four(1), c = four(2), d = four(3);
      const Four xz0 = __builtin_shufflevector(a, b, 0, 4, 2, 6);
      const Four yw0 = __builtin_shufflevector(a, b, 1, 5, 3, 7);
      const Four xz1 = __builtin_shufflevector(c, d, 0, 4, 2, 6);
      const Four yw1 = __builtin_shufflevector(c, d, 1, 5, 3, 7);
      out[0] = std::bit_cast<Pack<R>>(__builtin_shufflevector(xz0, xz1, 0, 1, 4, 5));
      out[1] = std::bit_cast<Pack<R>>(__builtin_shufflevector(yw0, yw1, 0, 1, 4, 5));
      out[2] = std::bit_cast<Pack<R>>(__builtin_shufflevector(xz0, xz1, 2, 3, 6, 7));
      out[3] = std::bit_cast<Pack<R>>(__builtin_shufflevector(yw0, yw1, 2, 3, 6, 7));
    } else {
      typedef R Eight __attribute__((vector_size(8 * sizeof(R))));
      const auto eight = [&](int i, int j) {
        return static_cast<Eight>(
            __builtin_shufflevector(four(i), four(j), 0, 1, 2, 3, 4, 5, 6, 7));
      };
      if constexpr (lanes == 8 && sizeof(R) == 8) {
        // Rows stand so that the last step moves blocks of 16 bytes only.
        const Eight a = eight(0, 2), b = eight(1, 3), c = eight(4, 6), d = eight(5, 7);
        const Eight xz0 = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
        const Eight yw0 = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
        const Eight xz1 = __builtin_shufflevector(c, d, 0, 8, 2, 10, 4, 12, 6, 14);
        const Eight yw1 = __builtin_shufflevector(c, d, 1, 9, 3, 11, 5, 13, 7, 15);
        out[0] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(xz0, xz1, 0, 1, 4, 5, 8, 9, 12, 13));
        out[1] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(yw0, yw1, 0, 1, 4, 5, 8, 9, 12, 13));
        out[2] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(xz0, xz1, 2, 3, 6, 7, 10, 11, 14, 15));
        out[3] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(yw0, yw1, 2, 3, 6, 7, 10, 11, 14, 15));
      } else if constexpr (lanes == 8) {
        const Eight a = eight(0, 4), b = eight(1, 5), c = eight(2, 6), d = eight(3, 7);
        const Eight xy0 = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
        const Eight zw0 = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
        const Eight xy1 = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
        const Eight zw1 = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
        out[0] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(xy0, xy1, 0, 1, 8, 9, 4, 5, 12, 13));
        out[1] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(xy0, xy1, 2, 3, 10, 11, 6, 7, 14, 15));
        out[2] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(zw0, zw1, 0, 1, 8, 9, 4, 5, 12, 13));
        out[3] =
            std::bit_cast<Pack<R>>(__builtin_shufflevector(zw0, zw1, 2, 3, 10, 11, 6, 7, 14, 15));
      } else {
        static_assert(lanes == 16);
        const auto sixteen = [&](int i) {
          return static_cast<All>(__builtin_shufflevector(eight(i, i + 4), eight(i + 8, i + 12), 0,
                                                          1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                                          14, 15));
        };
        const All a = sixteen(0), b = sixteen(1), c = sixteen(2), d = sixteen(3);
        const auto low = [](All s, All t) {
          return static_cast<All>(__builtin_shufflevector(s, t, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24,
                                                          9, 25, 12, 28, 13, 29));
        };
        const auto high = [](All s, All t) {
          return static_cast<All>(__builtin_shufflevector(s, t, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26,
                                                          11, 27, 14, 30, 15, 31));
        };
        const All xy0 = low(a, b), zw0 = high(a, b), xy1 = low(c, d), zw1 = high(c, d);
        const auto first = [](All s, All t) {
          return std::bit_cast<Pack<R>>(__builtin_shufflevector(s, t, 0, 1, 16, 17, 4, 5, 20, 21, 8,
                                                                9, 24, 25, 12, 13, 28, 29));
        };
        const auto second = [](All s, All t) {
          return std::bit_cast<Pack<R>>(__builtin_shufflevector(s, t, 2, 3, 18, 19, 6, 7, 22, 23,
                                                                10, 11, 26, 27, 14, 15, 30, 31));
        };
        out[0] = first(xy0, xy1);
        out[1] = second(xy0, xy1);
        out[2] = first(zw0, zw1);
        out[3] = second(zw0, zw1);
      }
    }
  }
}

}  // namespace leyden::inline LEYDEN_ABI
