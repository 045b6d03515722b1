// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/unroll.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

// Moves numbers between packs and rows of memory: complex numbers (re, im, re, im …) to packs of
// real and imaginary parts, and square blocks of rows to packs of columns.
namespace leyden::inline LEYDEN_ABI {
namespace detail {

/// Values that are made all at once. Arrays of packs would first be filled with zeros, in a loop by
/// which g++ 12 loses sight of registers.
template <int n, class T>
struct Several {
  T at[n];
};
/// {f(0), …, f(n − 1)}, indices as integral constants.
template <int n, class F>
LEYDEN_ALWAYS_INLINE auto generate(F&& f) {
  return [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    using T = decltype(f(std::integral_constant<int, 0>{}));
    return Several<n, T>{{f(std::integral_constant<int, i>{})...}};
  }
  (std::make_integer_sequence<int, n>{});
}

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

template <int step, class R>
LEYDEN_ALWAYS_INLINE void swap_blocks(Pack<R>& a, Pack<R>& b) {
  const Pack<R> lower = shuffle<SwapBlocks<step, false>>(a, b);
  b = shuffle<SwapBlocks<step, true>>(a, b);
  a = lower;
}
template <int step, class R, int n, int... i>
LEYDEN_ALWAYS_INLINE void swap_all_blocks(Several<n, Pack<R>>& t,
                                          std::integer_sequence<int, i...>) {
  (swap_blocks<step>(t.at[i / step * 2 * step + i % step],
                     t.at[i / step * 2 * step + i % step + step]),
   ...);
}
/// Lane i of pack j becomes lane j of pack i.
template <int step, class R, int n>
LEYDEN_ALWAYS_INLINE void transpose(Several<n, Pack<R>>& t) {
  static_assert(n == Pack<R>::lanes);
  if constexpr (step > 0) {
    swap_all_blocks<step>(t, std::make_integer_sequence<int, n / 2>{});
    transpose<step / 2>(t);
  }
}

/// The block of `lanes` rows from column c on, to columns, and the way back. Prefetches what stands
/// `ahead` of it.
template <class R, int... l>
LEYDEN_ALWAYS_INLINE void block_to_columns(const R* const* rows, std::ptrdiff_t c, R* to,
                                           std::ptrdiff_t step, std::ptrdiff_t ahead,
                                           std::integer_sequence<int, l...>) {
  constexpr int lanes = Pack<R>::lanes;
  if (ahead != 0) (__builtin_prefetch(rows[l] + c + ahead), ...);
  Several<lanes, Pack<R>> t{{Pack<R>::load(rows[l] + c)...}};
  transpose<lanes / 2>(t);
  (t.at[l].store(to + (c + l) * step * lanes), ...);
}
template <class R, int... l>
LEYDEN_ALWAYS_INLINE void block_to_rows(const R* from, std::ptrdiff_t step, std::ptrdiff_t c,
                                        R* const* rows, int count,
                                        std::integer_sequence<int, l...>) {
  constexpr int lanes = Pack<R>::lanes;
  Several<lanes, Pack<R>> t{{Pack<R>::load(from + (c + l) * step * lanes)...}};
  transpose<lanes / 2>(t);
  if (count == lanes)
    (t.at[l].store(rows[l] + c), ...);
  else
    ((l < count ? t.at[l].store(rows[l] + c) : void()), ...);
}

/// Reads `columns` numbers of every row; column c becomes the pack at `to + c * step * lanes`.
template <class R>
inline void rows_to_columns(const R* const* rows, int columns, R* to, int step,
                            std::ptrdiff_t ahead = 0) {
  constexpr int lanes = Pack<R>::lanes;
  if (columns < lanes) {
    for (int c = 0; c < columns; ++c)
      for (int l = 0; l < lanes; ++l) to[c * step * lanes + l] = rows[l][c];
    return;
  }
  // The last block overlaps the one before instead of being cut.
  for (int c = 0; c < columns; c += lanes)
    block_to_columns(rows, std::min(c, columns - lanes), to, step, ahead,
                     std::make_integer_sequence<int, lanes>{});
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
  for (int c = 0; c < columns; c += lanes)
    block_to_rows(from, step, std::min(c, columns - lanes), rows, count,
                  std::make_integer_sequence<int, lanes>{});
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
