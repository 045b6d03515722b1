// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/equivariant/perceptron.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace perceptron_test {

using namespace leyden;

namespace {

constexpr int n_in = 3, blocks = 4;
const std::vector<int> hidden{6, 9};

// One row after the other, one number after the other.
std::vector<double> reference(const std::vector<double>& parameters, std::vector<double> x,
                              int channels) {
  std::size_t offset = 0;
  for (std::size_t k = 0; k <= hidden.size(); ++k) {
    const std::size_t out =
        static_cast<std::size_t>(k < hidden.size() ? hidden[k] : blocks * channels);
    std::vector<double> y(out, 0.0);
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t o = 0; o < out; ++o)
        y[o] += x[i] * parameters[offset + i * out + o] / std::sqrt(static_cast<double>(x.size()));
    offset += x.size() * out;
    if (k < hidden.size())
      for (double& v : y) v *= silu_normalization / (1.0 + std::exp(-v));
    x = y;
  }
  return x;
}

template <class R>
struct Setup {
  int channels;
  std::size_t rows;
  RadialPerceptron<R> network;
  ParameterLayout layout;
  std::vector<double> parameters;
  std::vector<double> x, bar;  // (rows, n_in), (rows, blocks·channels)

  Setup(int c, std::size_t n) : channels(c), rows(n), network(n_in, hidden, blocks, c) {
    network.declare(layout, "radial");
    parameters = layout.initial_values(5);
    network.prepare(parameters);
    RandomStream random(6);
    x.resize(rows * n_in);
    bar.resize(rows * static_cast<std::size_t>(blocks * channels));
    for (double& v : x) v = random.normal();
    for (double& v : bar) v = random.normal();
  }
  template <class T>
  Buffer<Pack<T>> input(const std::vector<double>& tangent = {}) const {
    const std::size_t tiles = static_cast<std::size_t>(pack_count<R>(n_in));
    Buffer<Pack<T>> p(rows * tiles);
    for (std::size_t i = 0; i < x.size(); ++i) {
      T v(static_cast<R>(x[i]));
      if constexpr (is_dual_v<T>) v.tangent = static_cast<R>(tangent[i]);
      const std::size_t r = i / n_in, c = i % n_in;
      const std::size_t lanes = static_cast<std::size_t>(Pack<T>::lanes);
      p[r * tiles + c / lanes].set_lane(static_cast<int>(c % lanes), v);
    }
    return p;
  }
  std::size_t out_size() const {
    return static_cast<std::size_t>(pack_count<R>(channels) * blocks) * rows;
  }
  // Output packs are [channel tile][row][block].
  template <class F>
  void each_output(F&& f) const {
    for (std::size_t r = 0; r < rows; ++r)
      for (int b = 0; b < blocks; ++b)
        for (int c = 0; c < channels; ++c)
          f(r * static_cast<std::size_t>(blocks * channels) +
                static_cast<std::size_t>(b * channels + c),
            (static_cast<std::size_t>(c / Pack<R>::lanes) * rows + r) * blocks +
                static_cast<std::size_t>(b),
            c % Pack<R>::lanes);
  }
  double functional(const std::vector<double>& w, const std::vector<double>& at) const {
    double sum = 0.0;
    const std::size_t width = static_cast<std::size_t>(blocks * channels);
    for (std::size_t r = 0; r < rows; ++r) {
      const auto y = reference(w,
                               {at.begin() + static_cast<std::ptrdiff_t>(r * n_in),
                                at.begin() + static_cast<std::ptrdiff_t>((r + 1) * n_in)},
                               channels);
      for (std::size_t o = 0; o < width; ++o) sum += y[o] * bar[r * width + o];
    }
    return sum;
  }
};

template <class R>
void check_forward(double tolerance) {
  for (int channels : {3, 10, 17})
    for (std::size_t rows : {std::size_t(1), std::size_t(5), std::size_t(101)}) {  // > one chunk
      const Setup<R> s(channels, rows);
      const auto in = s.template input<R>();
      Buffer<Pack<R>> out(s.out_size());
      typename RadialPerceptron<R>::template Tape<R> tape;
      s.network.forward(rows, in.data(), out.data(), tape);
      std::vector<double> expected;
      for (std::size_t r = 0; r < rows; ++r)
        for (double v : reference(s.parameters,
                                  {s.x.begin() + static_cast<std::ptrdiff_t>(r * n_in),
                                   s.x.begin() + static_cast<std::ptrdiff_t>((r + 1) * n_in)},
                                  channels))
          expected.push_back(v);
      double worst = 0.0;
      s.each_output([&](std::size_t flat, std::size_t pack, int lane) {
        worst = std::max(worst, std::abs(double(out[pack].lane(lane)) - expected[flat]));
      });
      CAPTURE(channels, rows);
      CHECK(worst < tolerance);
    }
}

}  // namespace

TEST_CASE("the radial network is its formula", "[equivariant]") {
  check_forward<double>(1e-12);
  check_forward<float>(1e-4);  // some ten layers of ulps on numbers up to 50
}

TEST_CASE("the adjoint of the radial network is its derivative", "[equivariant]") {
  using D = Dual<double>;
  for (int channels : {3, 10, 17}) {
    CAPTURE(channels);
    const std::size_t rows = 99;
    const Setup<double> s(channels, rows);
    const auto in = s.input<double>();
    Buffer<Pack<double>> out(s.out_size()), out_bar(s.out_size()), in_bar(in.size());
    s.each_output([&](std::size_t flat, std::size_t pack, int lane) {
      out_bar[pack].set_lane(lane, s.bar[flat]);
    });
    RadialPerceptron<double>::Tape<double> tape;
    s.network.forward(rows, in.data(), out.data(), tape);
    std::vector<double> gradient(s.parameters.size(), 0.25);  // added to
    s.network.backward(rows, in.data(), out_bar.data(), in_bar.data(), tape,
                       std::span<double>(gradient));

    // The input's gradient, along a direction: duals and differences.
    RandomStream random(8);
    std::vector<double> direction(s.x.size());
    for (double& v : direction) v = random.normal();
    double along = 0.0;
    const std::size_t tiles = static_cast<std::size_t>(pack_count<double>(n_in));
    for (std::size_t i = 0; i < direction.size(); ++i)
      along += direction[i] * lane_of(in_bar.data() + i / n_in * tiles, static_cast<int>(i % n_in));
    const auto moved = [&](double h) {
      auto x = s.x;
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += h * direction[i];
      return x;
    };
    const double h = 1e-5,
                 scale = 1.0 + std::abs(along) + std::abs(s.functional(s.parameters, s.x));
    CHECK(std::abs(along -
                   (s.functional(s.parameters, moved(h)) - s.functional(s.parameters, moved(-h))) /
                       (2 * h)) < 1e-7 * scale);
    const auto dual_in = s.input<D>(direction);
    Buffer<Pack<D>> dual_out(s.out_size()), dual_bar(s.out_size()), dual_in_bar(in.size());
    RadialPerceptron<double>::Tape<D> dual_tape;
    s.network.forward(rows, dual_in.data(), dual_out.data(), dual_tape);
    double tangent = 0.0;
    s.each_output([&](std::size_t flat, std::size_t pack, int lane) {
      tangent += dual_out[pack].lane(lane).tangent * s.bar[flat];
      dual_bar[pack].set_lane(lane, D(s.bar[flat]));
    });
    CHECK(std::abs(along - tangent) < 1e-11 * scale);

    // Every weight: by differences of the reference (every seventh).
    for (std::size_t k = 0; k < gradient.size(); k += channels == 3 ? 7 : 53) {
      auto w = s.parameters;
      w[k] += h;
      const double up = s.functional(w, s.x);
      w[k] -= 2 * h;
      CAPTURE(k);
      CHECK(std::abs(gradient[k] - 0.25 - (up - s.functional(w, s.x)) / (2 * h)) < 1e-7 * scale);
    }

    // Duals through the adjoint: the weights' gradient along the direction.
    std::vector<double> dual_gradient(s.parameters.size());
    s.network.backward(rows, dual_in.data(), dual_bar.data(), dual_in_bar.data(), dual_tape,
                       std::span<double>(dual_gradient));
    const auto gradient_at = [&](double step) {
      Setup<double> other = s;
      other.x = moved(step);
      const auto packs = other.input<double>();
      std::vector<double> g(s.parameters.size(), 0.0);
      s.network.forward(rows, packs.data(), out.data(), tape);
      s.network.backward(rows, packs.data(), out_bar.data(), in_bar.data(), tape,
                         std::span<double>(g));
      return g;
    };
    const auto up = gradient_at(h), down = gradient_at(-h);
    double worst = 0.0, size = 1.0;
    for (std::size_t k = 0; k < up.size(); ++k) {
      worst = std::max(worst, std::abs(dual_gradient[k] - (up[k] - down[k]) / (2 * h)));
      size = std::max(size, std::abs(dual_gradient[k]));
    }
    CHECK(worst < 1e-7 * size);
  }
}

}  // namespace perceptron_test
