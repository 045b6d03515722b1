// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/radial.hpp>
#include <leyden/equivariant/perceptron.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Radial functions for training: a radial network evaluated at equally spaced knots from 0 to the
/// cutoff, values and slopes, and cubic polynomials between them.
///
/// Weights change with every step, so that tables as precise as RadialTable do not pay; with a
/// hundred knots the network runs on a hundred rows and not on every pair of atoms. The gradient by
/// the network's weights is exact for the functions as interpolated: cotangents of pairs gather at
/// the knots and go back through the network from there.
template <std::floating_point Real>
class RadialKnots {
  using D = Dual<Real>;  // by the distance
  using Network = RadialPerceptron<Real>;

 public:
  /// Where the pairs lie and what comes back from them.
  template <Number T>
  struct Tape {
    std::vector<int> knot;        // (pairs) the one below
    std::vector<T> at;            // (pairs) from that knot (0) to the next (1)
    std::vector<T> distance_bar;  // (pairs)
    // [tile][knot][function]
    Buffer<Pack<T>> value_bar, slope_bar;
    Buffer<Pack<D>> out_bar;
    Buffer<Pack<D>> basis_bar;
    typename Network::template Tape<D> scratch;
    std::vector<D> gradient;  // (parameters)
  };

  RadialKnots() = default;
  /// Evaluates `network`, which is used again in backward(). @param knots  at least 2.
  RadialKnots(const Network& network, const RadialBasis& basis, int channels, int knots)
      : rows_(static_cast<std::size_t>(knots)),
        functions_(static_cast<std::size_t>(network.blocks())),
        tiles_(static_cast<std::size_t>(pack_count<Real>(channels))),
        width_(basis.cutoff / (knots - 1)) {
    const std::size_t in_tiles = static_cast<std::size_t>(pack_count<Real>(basis.count));
    basis_.assign(rows_ * in_tiles, Pack<D>());
    std::vector<D> values(static_cast<std::size_t>(basis.count));
    for (std::size_t r = 0; r < rows_; ++r) {
      basis.values(D(static_cast<Real>(static_cast<double>(r) * width_), Real(1)), values.data());
      for (int b = 0; b < basis.count; ++b)
        basis_[r * in_tiles + static_cast<std::size_t>(b / Pack<Real>::lanes)].set_lane(
            b % Pack<Real>::lanes, values[static_cast<std::size_t>(b)]);
    }
    out_.resize(tiles_ * rows_ * functions_);
    network.template forward<D>(rows_, basis_.data(), out_.data(), activations_);
  }

  /// Positions of all pairs; the same for all layers.
  template <Number T>
  void locate(std::size_t pair, T distance, Tape<T>& tape) const {
    const T at = distance * static_cast<Real>(1.0 / width_);
    const int knot = std::clamp(static_cast<int>(value_of(at)), 0, static_cast<int>(rows_) - 2);
    tape.knot[pair] = knot;
    tape.at[pair] = at - T(static_cast<Real>(knot));
  }

  /// out: [tile][pair][function].
  template <Number T>
  void forward(const Tape<T>& tape, Pack<T>* out) const {
    const std::size_t pairs = tape.knot.size();
    for (std::size_t p = 0; p < pairs; ++p) {
      const auto [c, slopes] = hermite(tape.at[p]);
      const Pack<T> value0(c[0]), slope0(c[1]), value1(c[2]), slope1(c[3]);
      for (std::size_t t = 0; t < tiles_; ++t) {
        const Pack<D>* low = knot(t, tape.knot[p]);
        const Pack<D>* high = low + functions_;
        Pack<T>* to = out + (t * pairs + p) * functions_;
        for (std::size_t f = 0; f < functions_; ++f)
          to[f] = fma(
              value0, low[f].value,
              fma(slope0, low[f].tangent, fma(value1, high[f].value, slope1 * high[f].tangent)));
      }
    }
  }

  /// Adds to tape.distance_bar, and to `gradient` unless it is empty (of duals: to its tangents
  /// only). out_bar: as forward's out.
  template <Number T>
  void backward(const Network& network, const Pack<T>* out_bar, Tape<T>& tape,
                std::span<T> gradient) const {
    const bool weights = !gradient.empty();
    if (weights) {
      tape.value_bar.assign(out_.size(), Pack<T>());
      tape.slope_bar.assign(out_.size(), Pack<T>());
    }
    const std::size_t pairs = tape.knot.size();
    for (std::size_t p = 0; p < pairs; ++p) {
      const auto [c, slopes] = hermite(tape.at[p]);
      const Pack<T> value0(c[0]), slope0(c[1]), value1(c[2]), slope1(c[3]);
      std::array<Pack<T>, 4> sums{};
      for (std::size_t t = 0; t < tiles_; ++t) {
        const Pack<D>* low = knot(t, tape.knot[p]);
        const Pack<D>* high = low + functions_;
        const Pack<T>* bar = out_bar + (t * pairs + p) * functions_;
        for (std::size_t f = 0; f < functions_; ++f) {
          sums[0] = fma(bar[f], low[f].value, sums[0]);
          sums[1] = fma(bar[f], low[f].tangent, sums[1]);
          sums[2] = fma(bar[f], high[f].value, sums[2]);
          sums[3] = fma(bar[f], high[f].tangent, sums[3]);
        }
        if (!weights) continue;
        const std::ptrdiff_t at = low - out_.data();
        Pack<T>* values = tape.value_bar.data() + at;
        Pack<T>* by_slope = tape.slope_bar.data() + at;
        for (std::size_t f = 0; f < functions_; ++f) {
          values[f] = fma(value0, bar[f], values[f]);
          by_slope[f] = fma(slope0, bar[f], by_slope[f]);
          values[functions_ + f] = fma(value1, bar[f], values[functions_ + f]);
          by_slope[functions_ + f] = fma(slope1, bar[f], by_slope[functions_ + f]);
        }
      }
      for (std::size_t k = 0; k < 4; ++k) tape.distance_bar[p] += slopes[k] * sum_lanes(sums[k]);
    }
    if (!weights) return;
    // Training on duals asks for tangents alone, which halves this.
    if constexpr (is_dual_v<T>)
      pull_back(
          network, tape, [](const Pack<T>& x) { return x.tangent; },
          [&](std::size_t k, Real x) { gradient[k].tangent += x; });
    else
      pull_back(
          network, tape, [](const Pack<T>& x) { return x; },
          [&](std::size_t k, Real x) { gradient[k] += x; });
  }

 private:
  const Pack<D>* knot(std::size_t tile, int k) const {
    return out_.data() + (tile * rows_ + static_cast<std::size_t>(k)) * functions_;
  }
  /// Of value and slope below and value and slope above: their factors, and the factors' slopes by
  /// the distance.
  template <Number T>
  std::pair<std::array<T, 4>, std::array<T, 4>> hermite(T u) const {
    const Real h = static_cast<Real>(width_), inverse = static_cast<Real>(1.0 / width_);
    const T v = T(Real(1)) - u;
    const T uv6 = u * v * (Real(6) * inverse);
    return {{v * v * (T(Real(1)) + u * Real(2)), u * v * v * h, u * u * (T(Real(1)) + v * Real(2)),
             u * u * v * -h},
            {-uv6, v * (v - u * Real(2)), uv6, u * (u - v * Real(2))}};
  }
  /// On duals by the distance the tangent of ∇θ(a·out) with a = s̄ + v̄ ε is s̄·∇θ(slope) +
  /// v̄·∇θ(value).
  template <Number T, class Part, class Add>
  void pull_back(const Network& network, Tape<T>& tape, Part&& part, Add&& add) const {
    tape.out_bar.resize(out_.size());
    for (std::size_t k = 0; k < out_.size(); ++k)
      tape.out_bar[k] = {part(tape.slope_bar[k]), part(tape.value_bar[k])};
    tape.basis_bar.resize(basis_.size());
    const auto [first, last] = network.parameter_range();
    if (tape.gradient.size() < last) tape.gradient.resize(last);
    std::fill(tape.gradient.begin() + static_cast<std::ptrdiff_t>(first),
              tape.gradient.begin() + static_cast<std::ptrdiff_t>(last), D(0));
    network.template backward<D>(rows_, basis_.data(), tape.out_bar.data(), tape.basis_bar.data(),
                                 activations_, tape.scratch, std::span<D>(tape.gradient));
    for (std::size_t k = first; k < last; ++k) add(k, tape.gradient[k].tangent);
  }

  std::size_t rows_ = 0, functions_ = 0, tiles_ = 0;
  double width_ = 0.0;  // Å
  Buffer<Pack<D>> basis_;
  Buffer<Pack<D>> out_;  // [tile][knot][function]
  typename Network::template Tape<D> activations_;
};

}  // namespace leyden::inline LEYDEN_ABI
