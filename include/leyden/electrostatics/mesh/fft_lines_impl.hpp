// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/mesh/fft_lines.hpp>

namespace leyden::inline LEYDEN_ABI {
namespace detail {

template <class R>
void LineTransform<R>::plan(int n) {
  if (n == n_) return;
  n_ = n;
  stages_.clear();
  twiddles_.clear();
  roots_.clear();
  root_offsets_.clear();
  work_ = 0;
  // Primes beyond 7 have no butterfly and come first.
  std::vector<int> radices;
  int smooth = n;
  for (int p : {2, 3, 5, 7})
    while (smooth % p == 0) smooth /= p;
  for (int rest = smooth, p = 11; rest > 1; p += 2) {
    if (p * p > rest) p = rest;
    for (; rest % p == 0; rest /= p) radices.push_back(p);
  }
  const std::vector<int> others = factorize(n / smooth).radices;
  radices.insert(radices.end(), others.begin(), others.end());
  int rest = n, done = 1;
  for (int radix : radices) {
    rest /= radix;
    stages_.push_back({radix, rest, done, twiddles_.size()});
    for (int p = 0; p < rest; ++p)
      for (int k = 1; k < radix; ++k) {
        const Root w = root_of_unity(static_cast<long>(p) * k, static_cast<long>(radix) * rest);
        twiddles_.push_back(static_cast<R>(w.cosine));
        twiddles_.push_back(static_cast<R>(w.sine));
      }
    root_offsets_.push_back(roots_.size());
    if (radix > 8) {
      for (int j = 0; j < radix; ++j) {
        const Root w = root_of_unity(j, radix);
        roots_.push_back(static_cast<R>(w.cosine));
        roots_.push_back(static_cast<R>(w.sine));
      }
      work_ = std::max(work_, static_cast<std::size_t>(2 * Pack<R>::lanes) *
                                  static_cast<std::size_t>(radix + 1));
    }
    done *= radix;
  }
}

template <class R>
template <bool last, class From, class To>
void LineTransform<R>::pass(const FourierStage& stage, From from, To to, R* work) const {
  const R* const twiddles = twiddles_.data() + stage.twiddles;
  switch (stage.radix) {
    case 2:
      return fourier_pass<2, last>(stage, twiddles, from, to);
    case 3:
      return fourier_pass<3, last>(stage, twiddles, from, to);
    case 4:
      return fourier_pass<4, last>(stage, twiddles, from, to);
    case 5:
      return fourier_pass<5, last>(stage, twiddles, from, to);
    case 6:
      return fourier_pass<6, last>(stage, twiddles, from, to);
    case 7:
      return fourier_pass<7, last>(stage, twiddles, from, to);
    case 8:
      return fourier_pass<8, last>(stage, twiddles, from, to);
    default:
      const auto number = static_cast<std::size_t>(&stage - stages_.data());
      return fourier_pass_of_any(stage, twiddles, roots_.data() + root_offsets_[number], from, to,
                                 work);
  }
}

template <class R>
template <class From, class To>
void LineTransform<R>::run(From from, To to, R* a, R* b, R* work) const {
  const PackedLines<R> first{a}, second{b};
  if (stages_.empty()) return to.store(0, from.load(0));
  if (stages_.size() == 1) {
    if constexpr (std::is_same_v<From, PackedLines<R>>) {
      return pass<true>(stages_[0], from, to, work);
    } else {
      for (int i = 0; i < n_; ++i) first.store(i, from.load(i));
      return pass<true>(stages_[0], first, to, work);
    }
  }
  pass<false>(stages_[0], from, first, work);
  PackedLines<R> now = first, next = second;
  for (std::size_t k = 1; k + 1 < stages_.size(); ++k) {
    pass<false>(stages_[k], now, next, work);
    std::swap(now, next);
  }
  pass<true>(stages_.back(), now, to, work);
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
