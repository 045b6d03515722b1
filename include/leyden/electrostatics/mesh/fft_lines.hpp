// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft_butterflies.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

// Transforms of `lanes` lines at once, by Stockham's method: every pass reads one array and writes
// another, and no digits are reversed. C. Van Loan, Computational Frameworks for the Fast Fourier
// Transform (SIAM 1992), section 1.7.
namespace leyden::inline LEYDEN_ABI {
namespace detail {

/// Element i of the lines is a pair of packs at 2·lanes·i.
template <class R>
struct PackedLines {
  R* at;
  LEYDEN_ALWAYS_INLINE ComplexPack<R> load(std::ptrdiff_t i) const {
    constexpr int lanes = Pack<R>::lanes;
    return {Pack<R>::load(at + 2 * lanes * i), Pack<R>::load(at + 2 * lanes * i + lanes)};
  }
  LEYDEN_ALWAYS_INLINE void store(std::ptrdiff_t i, ComplexPack<R> x) const {
    constexpr int lanes = Pack<R>::lanes;
    x.re.store(at + 2 * lanes * i);
    x.im.store(at + 2 * lanes * i + lanes);
  }
};

/// Element i of the lines is `lanes` complex numbers in a row at rows[i].
template <class R>
struct ComplexLines {
  R* at;
  const std::ptrdiff_t* rows;
  LEYDEN_ALWAYS_INLINE ComplexPack<R> load(std::ptrdiff_t i) const {
    prefetch(i);
    return load_complex<R>(at + rows[i]);
  }
  LEYDEN_ALWAYS_INLINE void store(std::ptrdiff_t i, ComplexPack<R> x) const {
    prefetch(i);
    store_complex(at + rows[i], x);
  }

 private:
  // The next lines stand beside these, and no machine foresees so many streams.
  LEYDEN_ALWAYS_INLINE void prefetch(std::ptrdiff_t i) const {
    const R* const next = at + rows[i] + 2 * Pack<R>::lanes;
    __builtin_prefetch(next, 1);
    if constexpr (sizeof(Pack<R>) >= 64) __builtin_prefetch(next + Pack<R>::lanes, 1);
  }
};

/// One pass: n = …·radix·rest·… with `done` the product of the radices before.
struct FourierStage {
  int radix = 1, rest = 1, done = 1;
  std::size_t twiddles = 0;
};

template <bool last, class R, class From, class To, int... j>
LEYDEN_ALWAYS_INLINE void fourier_point(const R* twiddles, From from, std::ptrdiff_t from_step,
                                        To to, std::ptrdiff_t to_step, std::ptrdiff_t at_from,
                                        std::ptrdiff_t at_to, std::integer_sequence<int, j...>) {
  constexpr int radix = sizeof...(j);
  Several<radix, ComplexPack<R>> x{{from.load(at_from + from_step * j)...}};
  butterfly(x);
  const auto finish = [&]<int k>(std::integral_constant<int, k>) __attribute__((always_inline)) {
    const ComplexPack<R> y = x.at[butterfly_place<radix>(k)];
    if constexpr (last || k == 0)
      return y;
    else
      return turned(y, Pack<R>(twiddles[2 * k - 2]), Pack<R>(twiddles[2 * k - 1]));
  };
  (to.store(at_to + to_step * j, finish(std::integral_constant<int, j>{})), ...);
}

template <int radix, bool last, class R, class From, class To>
void fourier_pass(const FourierStage& stage, const R* twiddles, From from, To to) {
  const std::ptrdiff_t rest = last ? 1 : stage.rest, done = stage.done;
  for (std::ptrdiff_t p = 0; p < rest; ++p, twiddles += 2 * (radix - 1))
    for (std::ptrdiff_t q = 0; q < done; ++q)
      fourier_point<last>(twiddles, from, done * rest, to, done, q + done * p, q + done * radix * p,
                          std::make_integer_sequence<int, radix>{});
}

/// A pass of any odd radix; `work` holds 2·radix pairs of packs.
template <class R, class From, class To>
void fourier_pass_of_any(const FourierStage& stage, const R* twiddles, const R* roots, From from,
                         To to, R* work) {
  const std::ptrdiff_t radix = stage.radix, rest = stage.rest, done = stage.done;
  const std::ptrdiff_t half = (radix - 1) / 2;
  const PackedLines<R> sums{work}, differences{work + 2 * Pack<R>::lanes * (half + 1)};
  for (std::ptrdiff_t p = 0; p < rest; ++p, twiddles += 2 * (radix - 1))
    for (std::ptrdiff_t q = 0; q < done; ++q) {
      const ComplexPack<R> first = from.load(q + done * p);
      ComplexPack<R> total = first;
      for (std::ptrdiff_t j = 1; j <= half; ++j) {
        const ComplexPack<R> a = from.load(q + done * (p + rest * j));
        const ComplexPack<R> b = from.load(q + done * (p + rest * (radix - j)));
        sums.store(j, a + b);
        differences.store(j, a - b);
        total = total + (a + b);
      }
      to.store(q + done * radix * p, total);
      for (std::ptrdiff_t k = 1; k <= half; ++k) {
        ComplexPack<R> even = first, odd;
        for (std::ptrdiff_t j = 1, jk = k; j <= half; ++j, jk = (jk + k) % radix) {
          const Pack<R> c(roots[2 * jk]), s(roots[2 * jk + 1]);
          const ComplexPack<R> a = sums.load(j), b = differences.load(j);
          even = {fma(a.re, c, even.re), fma(a.im, c, even.im)};
          odd = {fma(b.re, s, odd.re), fma(b.im, s, odd.im)};
        }
        const auto finish = [&](std::ptrdiff_t at, ComplexPack<R> x) {
          const R* w = twiddles + 2 * (at - 1);
          to.store(q + done * (radix * p + at), turned(x, Pack<R>(w[0]), Pack<R>(w[1])));
        };
        finish(k, minus_i(even, odd));
        finish(radix - k, plus_i(even, odd));
      }
    }
}

/// The passes of lines of one length, and their factors.
template <class R>
class LineTransform {
 public:
  void plan(int n);
  int size() const { return n_; }
  int passes() const { return static_cast<int>(stages_.size()); }
  /// Numbers that `work` must hold.
  std::size_t work_size() const { return work_; }

  /// Transforms lines from `from` to `to` over a and b, arrays of n pairs of packs. `b` may be
  /// `from`, which is then destroyed; `to` may be what the last pass does not read: a after an odd
  /// number of passes, b after an even one, or any other place.
  template <class From, class To>
  void run(From from, To to, R* a, R* b, R* work) const;
  /// From packed lines x, which are destroyed, and y; returns the one that holds the result.
  R* run(R* x, R* y, R* work) const {
    R* const result = passes() % 2 == 0 ? x : y;
    run(PackedLines<R>{x}, PackedLines<R>{result}, y, x, work);
    return result;
  }

 private:
  template <bool last, class From, class To>
  void pass(const FourierStage& stage, From from, To to, R* work) const;

  int n_ = 0;
  std::vector<FourierStage> stages_;
  Buffer<R> twiddles_;
  Buffer<R> roots_;  // of the radix that has no butterfly, at the offset of the stage's number
  std::vector<std::size_t> root_offsets_;
  std::size_t work_ = 0;
};

/// Radices with a butterfly of their own and what a pass of them costs per number: nanoseconds for
/// a pair of AVX-512 packs on a Zen 4 (in AVX2 half of that). Larger radices (9, 10, 12, 16) save
/// passes but not time.
struct RadixCost {
  int radix;
  double cost;
};
inline constexpr RadixCost radix_costs[] = {{8, 2.1}, {7, 2.3}, {6, 1.7}, {5, 1.8},
                                            {4, 1.4}, {3, 1.4}, {2, 1.2}};
/// The cheapest product of radices, large ones last, for n without prime factors beyond 7.
struct Factorization {
  double cost = 0.0;
  std::vector<int> radices;
};
inline Factorization factorize(int n, int largest = 8) {
  Factorization best{1e300, {}};
  if (n == 1) return {};
  for (const RadixCost& r : radix_costs) {
    if (r.radix > largest || n % r.radix != 0) continue;
    Factorization f = factorize(n / r.radix, r.radix);
    f.cost += r.cost;
    f.radices.push_back(r.radix);
    if (f.cost < best.cost) best = std::move(f);
  }
  return best;
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/mesh/fft_lines_impl.hpp>
