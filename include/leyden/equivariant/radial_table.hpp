// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>
#include <leyden/core/pack.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

/// Σ_k c[k] u^k by Horner's rule, its slope and its curvature by u. c: (terms).
template <int terms, std::floating_point R>
struct Polynomial {
  static LEYDEN_ALWAYS_INLINE Pack<R> value(const Pack<R>* c, R at) {
    const Pack<R> u(at);
    Pack<R> p = c[terms - 1];
    for (int k = terms - 1; k-- > 0;) p = fma(p, u, c[k]);
    return p;
  }
  static LEYDEN_ALWAYS_INLINE Pack<Dual<R>> value(const Pack<R>* c, Dual<R> at) {
    Pack<R> p, d;
    value_and_slope(c, at.value, p, d);
    return {p, d * Pack<R>(at.tangent)};
  }
  static LEYDEN_ALWAYS_INLINE void value_and_slope(const Pack<R>* c, R at, Pack<R>& p, Pack<R>& d) {
    const Pack<R> u(at);
    d = c[terms - 1];
    p = fma(d, u, c[terms - 2]);
    for (int k = terms - 2; k-- > 0;) {
      d = fma(d, u, p);
      p = fma(p, u, c[k]);
    }
  }
  static LEYDEN_ALWAYS_INLINE void value_and_slope(const Pack<R>* c, Dual<R> at, Pack<Dual<R>>& p,
                                                   Pack<Dual<R>>& d) {
    const Pack<R> u(at.value), t(at.tangent);
    Pack<R> half, slope = c[terms - 1], v = fma(slope, u, c[terms - 2]);
    for (int k = terms - 2; k-- > 0;) {
      half = fma(half, u, slope);
      slope = fma(slope, u, v);
      v = fma(v, u, c[k]);
    }
    p = {v, slope * t};
    d = {slope, half * (t + t)};
  }
};

}  // namespace detail

/// Functions of the distance as piecewise polynomials: what a radial network comes to once its
/// weights stand, at the price of a few multiply-adds a channel.
///
/// Between `first` and `last` there are `pieces` intervals of one width; a piece meets the
/// function's values and slopes at its ends and at nodes between, so that values and slopes are
/// continuous. From `last` on everything is zero. There are `types` sets of `functions` functions
/// of all channels (one set per pair of species, say).
template <std::floating_point R>
class RadialTable {
 public:
  /// In double pieces of degree 7 are the cheapest way to 1e-9, in float such of degree 5.
  static constexpr int terms = sizeof(R) == 8 ? 8 : 6;
  static constexpr int nodes = terms / 2;
  using Polynomial = detail::Polynomial<terms, R>;

  RadialTable() = default;
  RadialTable(int types, int functions, int channels, double first, double last, int pieces)
      : types_(types),
        functions_(functions),
        tiles_(pack_count<R>(channels)),
        pieces_(pieces),
        first_(first),
        last_(last) {
    packs_.assign(static_cast<std::size_t>(tiles_) * tile_size(), Pack<R>());
    set_solution();
  }

  bool empty() const { return packs_.empty(); }
  int pieces() const { return pieces_; }
  double first() const { return first_; }

  /// Distances that values are wanted at: (pieces·(nodes − 1) + 1), the last of a piece the first
  /// of the next.
  int sample_count() const { return pieces_ * (nodes - 1) + 1; }
  double sample(int s) const {
    const int piece = s / (nodes - 1), node = s % (nodes - 1);
    return first_ + width() * (piece + 0.5 * (1.0 + positions_[static_cast<std::size_t>(node)]));
  }
  /// Sets one function from its values and slopes by the distance at the samples, `stride` apart.
  void set(int type, int function, int channel, const double* values, const double* slopes,
           std::ptrdiff_t stride) {
    const int tile = channel / Pack<R>::lanes, lane = channel % Pack<R>::lanes;
    for (int piece = 0; piece < pieces_; ++piece) {
      double data[terms];
      for (int n = 0; n < nodes; ++n) {
        const std::ptrdiff_t s = (piece * (nodes - 1) + n) * stride;
        data[n] = values[s];
        data[nodes + n] = slopes[s] * 0.5 * width();
      }
      Pack<R>* c = packs_.data() + static_cast<std::size_t>(tile) * tile_size() +
                   static_cast<std::size_t>((row(type, piece) * functions_ + function) * terms);
      for (int k = 0; k < terms; ++k) {
        double sum = 0.0;
        for (int n = 0; n < terms; ++n)
          sum += solution_[static_cast<std::size_t>(k * terms + n)] * data[n];
        c[k].set_lane(lane, static_cast<R>(sum));
      }
    }
  }

  /// Where the polynomials of a distance stand, and at which u in −1 … 1 to take them.
  template <Number T>
  void locate(int type, T r, int& row_index, T& u) const {
    const double s = (static_cast<double>(value_of(r)) - first_) / width();
    if (!(s < pieces_)) {
      row_index = row(type, pieces_);
      u = value_of(r) == value_of(r) ? T(R(0)) : r;  // what is not a number stays that
      return;
    }
    const int piece = s < 0.0 ? 0 : static_cast<int>(s);
    row_index = row(type, piece);
    // Around the middle of the piece, to keep the digits of a float.
    u = (r - T(static_cast<R>(first_ + (piece + 0.5) * width()))) * slope_factor();
  }
  /// du/dr, 1/Å.
  R slope_factor() const { return static_cast<R>(2.0 / width()); }

  /// A tile's packs: [row][function][term].
  const Pack<R>* tile(int t) const {
    return packs_.data() + static_cast<std::size_t>(t) * tile_size();
  }

  /// Value and slope by the distance of one function, for checks.
  std::array<double, 2> at(int type, int function, int channel, double r) const {
    int k = 0;
    R u(0);
    locate(type, static_cast<R>(r), k, u);
    Pack<R> p, d;
    Polynomial::value_and_slope(
        tile(channel / Pack<R>::lanes) + (k * functions_ + function) * terms, u, p, d);
    const int lane = channel % Pack<R>::lanes;
    return {static_cast<double>(p.lane(lane)), static_cast<double>(d.lane(lane) * slope_factor())};
  }

 private:
  double width() const { return (last_ - first_) / pieces_; }
  int row(int type, int piece) const { return type * (pieces_ + 1) + piece; }
  std::size_t tile_size() const {
    return static_cast<std::size_t>(types_ * (pieces_ + 1) * functions_ * terms);
  }

  // The nodes that make max |Π (u − u_n)| small with ends at ∓1, and the inverse of the matrix that
  // takes coefficients to values and slopes there.
  void set_solution() {
    const double inner = std::sqrt(2.0) - 1.0;
    if constexpr (nodes == 4)
      positions_ = {-1.0, -inner, inner, 1.0};
    else
      positions_ = {-1.0, 0.0, 1.0};
    std::array<double, terms * terms> a{};
    solution_ = {};
    const auto at = [](std::array<double, terms * terms>& m, int i, int j) -> double& {
      return m[static_cast<std::size_t>(i * terms + j)];
    };
    for (int n = 0; n < nodes; ++n)
      for (int k = 0; k < terms; ++k) {
        const double u = positions_[static_cast<std::size_t>(n)];
        at(a, n, k) = std::pow(u, k);
        at(a, nodes + n, k) = k == 0 ? 0.0 : k * std::pow(u, k - 1);
      }
    for (int i = 0; i < terms; ++i) at(solution_, i, i) = 1.0;
    for (int c = 0; c < terms; ++c) {
      int pivot = c;
      for (int i = c; i < terms; ++i)
        if (std::abs(at(a, i, c)) > std::abs(at(a, pivot, c))) pivot = i;
      for (int j = 0; j < terms; ++j) {
        std::swap(at(a, c, j), at(a, pivot, j));
        std::swap(at(solution_, c, j), at(solution_, pivot, j));
      }
      const double inverse = 1.0 / at(a, c, c);
      for (int j = 0; j < terms; ++j) {
        at(a, c, j) *= inverse;
        at(solution_, c, j) *= inverse;
      }
      for (int i = 0; i < terms; ++i) {
        if (i == c) continue;
        const double f = at(a, i, c);
        for (int j = 0; j < terms; ++j) {
          at(a, i, j) -= f * at(a, c, j);
          at(solution_, i, j) -= f * at(solution_, c, j);
        }
      }
    }
  }

  int types_ = 0, functions_ = 0, tiles_ = 0, pieces_ = 0;
  double first_ = 0.0, last_ = 0.0;
  std::array<double, nodes> positions_{};
  std::array<double, terms * terms> solution_{};
  Buffer<Pack<R>> packs_;  // [tile][type][piece, one more of zeros][function][term]
};

}  // namespace leyden::inline LEYDEN_ABI
