// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/unroll.hpp>

#include <bit>
#include <cstddef>
#include <cstring>

// Moves numbers between packs and rows of memory: complex numbers (re, im, re, im …) to packs of
// real and imaginary parts, and square blocks of rows to packs of columns.
namespace leyden::inline LEYDEN_ABI {
namespace detail {

/// `lanes` complex numbers.
template <class R>
struct ComplexPack {
  Pack<R> re, im;
};

/// Lane j of the result is lane From::lane(j, lanes) of the two packs in a row.
template <class From, class R, int... j>
LEYDEN_ALWAYS_INLINE Pack<R> shuffle(Pack<R> a, Pack<R> b, std::integer_sequence<int, j...>) {
  constexpr int lanes = Pack<R>::lanes;
  typedef R Vector __attribute__((vector_size(sizeof(Pack<R>))));
  return std::bit_cast<Pack<R>>(static_cast<Vector>(__builtin_shufflevector(
      std::bit_cast<Vector>(a), std::bit_cast<Vector>(b), From::lane(j, lanes)...)));
}
template <class From, class R>
LEYDEN_ALWAYS_INLINE Pack<R> shuffle(Pack<R> a, Pack<R> b) {
  return shuffle<From>(a, b, std::make_integer_sequence<int, Pack<R>::lanes>{});
}

template <int first>
struct EveryOther {
  static constexpr int lane(int j, int) { return first + 2 * j; }
};
/// The lower or upper half of a0 b0 a1 b1 …
template <int half>
struct Alternate {
  static constexpr int lane(int j, int lanes) { return half * lanes / 2 + j / 2 + (j % 2) * lanes; }
};
/// One of the two packs that swap blocks of `step` lanes: the heart of a transposition.
template <int step, bool upper>
struct SwapBlocks {
  static constexpr int lane(int j, int lanes) {
    const bool second = (j & step) != 0;
    if (upper) return second ? lanes + j : j + step;
    return second ? lanes + j - step : j;
  }
};

template <class R>
LEYDEN_ALWAYS_INLINE ComplexPack<R> load_complex(const R* from) {
  constexpr int lanes = Pack<R>::lanes;
  const Pack<R> a = Pack<R>::load(from), b = Pack<R>::load(from + lanes);
  if constexpr (lanes == 1)
    return {a, b};
  else
    return {shuffle<EveryOther<0>>(a, b), shuffle<EveryOther<1>>(a, b)};
}

template <class R>
LEYDEN_ALWAYS_INLINE void store_complex(R* to, ComplexPack<R> x) {
  constexpr int lanes = Pack<R>::lanes;
  if constexpr (lanes == 1) {
    x.re.store(to);
    x.im.store(to + 1);
  } else {
    shuffle<Alternate<0>>(x.re, x.im).store(to);
    shuffle<Alternate<1>>(x.re, x.im).store(to + lanes);
  }
}

/// The first `count` lanes only; the others are zero.
template <class R>
inline ComplexPack<R> load_complex(const R* from, int count) {
  R room[2 * Pack<R>::lanes] = {};
  std::memcpy(room, from, sizeof(R) * 2 * static_cast<std::size_t>(count));
  return load_complex(room);
}
template <class R>
inline void store_complex(R* to, ComplexPack<R> x, int count) {
  R room[2 * Pack<R>::lanes];
  store_complex(room, x);
  std::memcpy(to, room, sizeof(R) * 2 * static_cast<std::size_t>(count));
}

/// Lane i of pack j becomes lane j of pack i.
template <class R>
LEYDEN_ALWAYS_INLINE void transpose(Pack<R> (&t)[Pack<R>::lanes]) {
  constexpr int lanes = Pack<R>::lanes;
  const auto swap_blocks = [&]<int step>(std::integral_constant<int, step>)
      __attribute__((always_inline)) {
    unroll<lanes / 2>([&](auto pair) __attribute__((always_inline)) {
      constexpr int i = (pair / step) * 2 * step + pair % step;
      const Pack<R> a = t[i], b = t[i + step];
      t[i] = shuffle<SwapBlocks<step, false>>(a, b);
      t[i + step] = shuffle<SwapBlocks<step, true>>(a, b);
    });
  };
  if constexpr (lanes > 8) swap_blocks(std::integral_constant<int, 8>{});
  if constexpr (lanes > 4) swap_blocks(std::integral_constant<int, 4>{});
  if constexpr (lanes > 2) swap_blocks(std::integral_constant<int, 2>{});
  if constexpr (lanes > 1) swap_blocks(std::integral_constant<int, 1>{});
  static_assert(lanes <= 16);
}

/// Reads `columns` numbers of every row; column c becomes the pack at `to + c * step * lanes`.
template <class R>
inline void rows_to_columns(const R* const* rows, int columns, R* to, int step) {
  constexpr int lanes = Pack<R>::lanes;
  if (columns < lanes) {
    for (int c = 0; c < columns; ++c)
      for (int l = 0; l < lanes; ++l) to[c * step * lanes + l] = rows[l][c];
    return;
  }
  for (int next = 0; next < columns; next += lanes) {
    // The last block overlaps the one before instead of being cut.
    const int c = next + lanes <= columns ? next : columns - lanes;
    Pack<R> t[lanes];
    unroll<lanes>([&](auto l)
                      __attribute__((always_inline)) { t[l] = Pack<R>::load(rows[l] + c); });
    transpose(t);
    unroll<lanes>([&](auto l)
                      __attribute__((always_inline)) { t[l].store(to + (c + l) * step * lanes); });
  }
}

/// The way back, into the first `count` rows.
template <class R>
inline void columns_to_rows(const R* from, int step, int columns, R* const* rows, int count) {
  constexpr int lanes = Pack<R>::lanes;
  if (columns < lanes) {
    for (int c = 0; c < columns; ++c)
      for (int l = 0; l < count; ++l) rows[l][c] = from[c * step * lanes + l];
    return;
  }
  for (int next = 0; next < columns; next += lanes) {
    const int c = next + lanes <= columns ? next : columns - lanes;
    Pack<R> t[lanes];
    unroll<lanes>([&](auto l) __attribute__((always_inline)) {
      t[l] = Pack<R>::load(from + (c + l) * step * lanes);
    });
    transpose(t);
    if (count == lanes)
      unroll<lanes>([&](auto l) __attribute__((always_inline)) { t[l].store(rows[l] + c); });
    else
      for (int l = 0; l < count; ++l) t[l].store(rows[l] + c);
  }
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
