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
  /// Cubic polynomials of one pair: the factors of value and slope at the knot below and of value
  /// and slope at the one above, and the slopes of these factors by the distance.
  template <Number T>
  struct Weights {
    std::array<T, 4> factor, slope;
  };
  /// Where the pairs lie and what comes back from them.
  template <Number T>
  struct Tape {
    std::vector<int> knot;            // (pairs) the one below
    std::vector<Weights<T>> weights;  // (pairs)
    Buffer<Pack<T>> distance_bar;     // (pairs), to be summed over lanes
    Buffer<Pack<T>> out_bar;          // a tile's [pair][function]; zero between uses
  };
  /// Cotangents at the knots go back through the network in so many parts, by different threads.
  static constexpr std::size_t parts = 2;
  /// Cotangents of what stands at the knots; of duals the tangents.
  struct Gradient {
    // [tile][knot][function]: of slopes (value) and of values (tangent). Zero for knots below
    // `first` and from `last` on.
    Buffer<Pack<D>> out_bar;
    std::size_t rows = 0, functions = 0, first = 0, last = 0;
    std::array<typename Network::template Tape<D>, parts> scratch;

    bool empty() const { return first >= last; }
    void clear() {
      each_tile([&](std::size_t begin, std::size_t count) {
        std::fill_n(out_bar.begin() + static_cast<std::ptrdiff_t>(begin), count, Pack<D>());
      });
      first = last = 0;
    }
    /// Makes room for the knots of another.
    void cover(const Gradient& other) {
      cover(other.out_bar.size(), other.rows, other.functions, other.first, other.last);
    }
    void cover(std::size_t size, std::size_t n_rows, std::size_t n_functions, std::size_t from,
               std::size_t to) {
      if (out_bar.size() != size || rows != n_rows) {
        out_bar.assign(size, Pack<D>());
        first = last = 0;
      }
      rows = n_rows;
      functions = n_functions;
      first = empty() ? from : std::min(first, from);
      last = std::max(last, to);
    }

   private:
    template <class F>
    void each_tile(F&& f) const {
      for (std::size_t at = first * functions; at < out_bar.size() && !empty();
           at += rows * functions)
        f(at, (last - first) * functions);
    }
  };

  RadialKnots() = default;
  /// For networks of `functions` blocks of `channels`. @param knots  at least 2.
  RadialKnots(const RadialBasis& basis, int functions, int channels, int knots)
      : rows_(static_cast<std::size_t>(knots)),
        functions_(static_cast<std::size_t>(functions)),
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
    out_.resize(static_cast<std::size_t>(pack_count<Real>(channels)) * rows_ * functions_);
  }
  /// Before evaluate().
  void make_room_for(const Network& network) { network.make_room(rows_, activations_); }
  /// Takes the values of `network` at knots begin … end − 1, before anything else is done with
  /// them.
  void evaluate(const Network& network, std::size_t begin, std::size_t end) {
    network.template forward_rows<D>(rows_, begin, end, basis_.data(), out_.data(), activations_);
  }

  /// Positions of all pairs; the same for all layers.
  template <Number T>
  void locate(std::size_t pair, T distance, Tape<T>& tape) const {
    const T at = distance * static_cast<Real>(1.0 / width_);
    const int knot = std::clamp(static_cast<int>(value_of(at)), 0, static_cast<int>(rows_) - 2);
    tape.knot[pair] = knot;
    tape.weights[pair] = hermite(at - T(static_cast<Real>(knot)));
  }

  /// out: a tile's [pair][function].
  template <Number T>
  void forward(std::size_t tile, const Tape<T>& tape, Pack<T>* out) const {
    for (std::size_t p = 0; p < tape.knot.size(); ++p, out += functions_) {
      const std::array<T, 4>& c = tape.weights[p].factor;
      const Pack<T> value0(c[0]), slope0(c[1]), value1(c[2]), slope1(c[3]);
      const Pack<D>* low = knot(tile, tape.knot[p]);
      const Pack<D>* high = low + functions_;
      for (std::size_t f = 0; f < functions_; ++f)
        out[f] =
            fma(value0, low[f].value,
                fma(slope0, low[f].tangent, fma(value1, high[f].value, slope1 * high[f].tangent)));
    }
  }

  /// Where a tile's cotangents are to be added before backward(), [pair][function].
  template <Number T>
  Pack<T>* out_bar(Tape<T>& tape) const {
    make_room(tape.out_bar, tape.knot.size() * functions_);
    return tape.out_bar.data();
  }
  /// Adds to tape.distance_bar (empty: skipped) and to gradient (null: skipped) what comes back
  /// from one tile.
  template <Number T>
  void backward(std::size_t tile, Tape<T>& tape, Gradient* gradient) const {
    Pack<T>* out_bar = tape.out_bar.data();
    const std::size_t pairs = tape.knot.size();
    if (gradient != nullptr && tile == 0 && pairs > 0) {
      const auto [low, high] = std::minmax_element(tape.knot.begin(), tape.knot.end());
      gradient->cover(out_.size(), rows_, functions_, static_cast<std::size_t>(*low),
                      static_cast<std::size_t>(*high) + 2);
    }
    for (std::size_t p = 0; p < pairs; ++p, out_bar += functions_) {
      const auto& [c, slopes] = tape.weights[p];
      const Pack<D>* low = knot(tile, tape.knot[p]);
      const Pack<D>* high = low + functions_;
      if (!tape.distance_bar.empty()) {
        std::array<Pack<T>, 4> sums{};
        for (std::size_t f = 0; f < functions_; ++f) {
          const Pack<T> bar = out_bar[f];
          sums[0] = fma(bar, low[f].value, sums[0]);
          sums[1] = fma(bar, low[f].tangent, sums[1]);
          sums[2] = fma(bar, high[f].value, sums[2]);
          sums[3] = fma(bar, high[f].tangent, sums[3]);
        }
        for (std::size_t k = 0; k < 4; ++k)
          tape.distance_bar[p] = fma(Pack<T>(slopes[k]), sums[k], tape.distance_bar[p]);
      }
      if (gradient != nullptr) {
        const Pack<T> value0(c[0]), slope0(c[1]), value1(c[2]), slope1(c[3]);
        Pack<D>* low_bar = gradient->out_bar.data() + (low - out_.data());
        Pack<D>* high_bar = low_bar + functions_;
        const auto add = [](Pack<D>& to, Pack<T> value, Pack<T> slope, Pack<T> bar) {
          to = {fma_gradient_part(slope, bar, to.value), fma_gradient_part(value, bar, to.tangent)};
        };
        for (std::size_t f = 0; f < functions_; ++f) {
          add(low_bar[f], value0, slope0, out_bar[f]);
          add(high_bar[f], value1, slope1, out_bar[f]);
        }
      }
      std::fill_n(out_bar, functions_, Pack<T>());
    }
  }
  std::size_t tiles() const { return out_.size() / (rows_ * functions_); }
  /// Adds a tile of another gradient to one that covers its knots.
  void add_tile(std::size_t tile, Gradient& sum, const Gradient& other) const {
    const std::size_t at = tile * rows_ * functions_;
    for (std::size_t i = at + other.first * functions_; i < at + other.last * functions_; ++i)
      sum.out_bar[i] += other.out_bar[i];
  }
  /// One part of the way back through `network`, which is that of evaluate().
  ///
  /// On duals by the distance the tangent of ∇θ(a·out) with a = s̄ + v̄ ε is s̄·∇θ(slope) +
  /// v̄·∇θ(value).
  void pull_back(const Network& network, Gradient& gradient, std::size_t part) const {
    const std::size_t count = gradient.last - gradient.first;
    network.template backward_rows<D>(rows_, gradient.first + part * count / parts,
                                      gradient.first + (part + 1) * count / parts, basis_.data(),
                                      gradient.out_bar.data(), nullptr, true, activations_,
                                      gradient.scratch[part]);
  }
  /// Adds the gradient by the weights of the network's layer k, after all parts.
  static void add_gradient(const Network& network, std::size_t k, const Gradient& gradient,
                           std::span<double> parameters_bar) {
    for (const auto& tape : gradient.scratch) network.add_gradient(k, tape, parameters_bar);
  }

 private:
  const Pack<D>* knot(std::size_t tile, int k) const {
    return out_.data() + (tile * rows_ + static_cast<std::size_t>(k)) * functions_;
  }
  template <Number T>
  Weights<T> hermite(T u) const {
    const Real h = static_cast<Real>(width_), inverse = static_cast<Real>(1.0 / width_);
    const T v = T(Real(1)) - u;
    const T uv6 = u * v * (Real(6) * inverse);
    return {{v * v * (T(Real(1)) + u * Real(2)), u * v * v * h, u * u * (T(Real(1)) + v * Real(2)),
             u * u * v * -h},
            {-uv6, v * (v - u * Real(2)), uv6, u * (u - v * Real(2))}};
  }

  std::size_t rows_ = 0, functions_ = 0;
  double width_ = 0.0;  // Å
  Buffer<Pack<D>> basis_;
  Buffer<Pack<D>> out_;  // [tile][knot][function]
  typename Network::template Tape<D> activations_;
};

}  // namespace leyden::inline LEYDEN_ABI
