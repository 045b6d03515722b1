// SPDX-License-Identifier: MIT
#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <leyden/core/block.hpp>

#include <cmath>
#include <vector>

namespace block_test {

using namespace leyden;

namespace {

// y = W x + b.
class Affine {
 public:
  template <Number T>
  struct Tape {
    std::vector<T> in;
  };

  Affine(int n_in, int n_out) : n_in_(n_in), n_out_(n_out) {}
  int input_size() const { return n_in_; }
  int output_size() const { return n_out_; }

  void declare(ParameterLayout& layout, std::string_view prefix) {
    const std::string p(prefix);
    weight_ = layout.add(p + "weight", {n_out_, n_in_}, Initializer::normal(0.7));
    bias_ = layout.add(p + "bias", {n_out_}, Initializer::normal(0.3));
  }

  template <Number T>
  void forward(std::span<const RealOf<T>> parameters, std::span<const T> in, std::span<T> out,
               Tape<T>& tape) const {
    tape.in.assign(in.begin(), in.end());
    const auto w = weight_.of(parameters);
    const auto b = bias_.of(parameters);
    for (std::size_t o = 0; o < out.size(); ++o) {
      out[o] = T(b[o]);
      for (std::size_t i = 0; i < in.size(); ++i) out[o] += in[i] * w[o * in.size() + i];
    }
  }

  template <Number T>
  void backward(std::span<const RealOf<T>> parameters, const Tape<T>& tape,
                std::span<const T> out_bar, std::span<T> in_bar,
                std::span<double> parameters_bar) const {
    const auto w = weight_.of(parameters);
    for (std::size_t o = 0; o < out_bar.size(); ++o)
      for (std::size_t i = 0; i < in_bar.size(); ++i)
        in_bar[i] += out_bar[o] * w[o * in_bar.size() + i];
    if (parameters_bar.empty()) return;
    const auto w_bar = weight_.of(parameters_bar);
    const auto b_bar = bias_.of(parameters_bar);
    for (std::size_t o = 0; o < out_bar.size(); ++o) {
      b_bar[o] += gradient_part(out_bar[o]);
      for (std::size_t i = 0; i < in_bar.size(); ++i)
        w_bar[o * in_bar.size() + i] += gradient_part(out_bar[o] * tape.in[i]);
    }
  }

 private:
  int n_in_, n_out_;
  Slice weight_, bias_;
};

class Tanh {
 public:
  template <Number T>
  struct Tape {
    std::vector<T> out;
  };

  explicit Tanh(int n) : n_(n) {}
  int input_size() const { return n_; }
  int output_size() const { return n_; }
  void declare(ParameterLayout&, std::string_view) {}

  template <Number T>
  void forward(std::span<const RealOf<T>>, std::span<const T> in, std::span<T> out,
               Tape<T>& tape) const {
    using std::tanh;
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = tanh(in[i]);
    tape.out.assign(out.begin(), out.end());
  }
  template <Number T>
  void backward(std::span<const RealOf<T>>, const Tape<T>& tape, std::span<const T> out_bar,
                std::span<T> in_bar, std::span<double>) const {
    for (std::size_t i = 0; i < in_bar.size(); ++i)
      in_bar[i] += out_bar[i] * (T(RealOf<T>(1)) - tape.out[i] * tape.out[i]);
  }

 private:
  int n_;
};

static_assert(Block<Affine>);
static_assert(Block<Tanh>);
static_assert(Block<Chain<Affine>>);
static_assert(Block<Chain<Affine, Tanh, Affine>>);
static_assert(Block<Chain<Chain<Affine, Tanh>, Affine>>);
static_assert(!Block<int>);
static_assert(!Block<Slice>);

using Network = Chain<Affine, Tanh, Affine>;

// One network, its parameters, an input and a cotangent; loss = out_bar·f(θ, x).
struct Case {
  Network network{Affine(3, 5), Tanh(5), Affine(5, 2)};
  ParameterLayout layout;
  std::vector<double> parameters;
  std::vector<double> in{0.3, -0.8, 1.1};
  std::vector<double> out_bar{0.7, -1.3};

  Case() {
    network.declare(layout, "net.");
    parameters = layout.initial_values(5);
  }

  template <class T>
  T loss(std::span<const RealOf<T>> theta, std::span<const T> x) const {
    Network::Tape<T> tape;
    std::vector<T> out(2);
    network.forward<T>(theta, x, out, tape);
    return out[0] * RealOf<T>(out_bar[0]) + out[1] * RealOf<T>(out_bar[1]);
  }
};

template <class T>
void gradients(const Case& c, std::span<const T> x, std::vector<T>& in_bar,
               std::vector<double>& parameters_bar) {
  Network::Tape<T> tape;
  std::vector<T> out(2);
  const std::vector<T> out_bar(c.out_bar.begin(), c.out_bar.end());
  c.network.forward<T>(c.parameters, x, out, tape);
  c.network.backward<T>(c.parameters, tape, out_bar, in_bar, parameters_bar);
}

// Central differences of a function of order one with step 1e-5: truncation 1e-10, rounding 1e-11.
constexpr double step = 1e-5;
constexpr double difference_tolerance = 1e-9;

}  // namespace

TEST_CASE("a chain names its slices by place", "[block]") {
  const Case c;
  REQUIRE(c.layout.entries().size() == 4);
  CHECK(c.layout.entries()[0].name == "net.0.weight");
  CHECK(c.layout.entries()[1].name == "net.0.bias");
  CHECK(c.layout.entries()[2].name == "net.2.weight");
  CHECK(c.layout.size() == 3 * 5 + 5 + 5 * 2 + 2);
  CHECK(c.network.input_size() == 3);
  CHECK(c.network.output_size() == 2);
}

TEST_CASE("a chain is the composition of its blocks", "[block]") {
  const Case c;
  Affine::Tape<double> first, last;
  Tanh::Tape<double> middle;
  std::vector<double> a(5), b(5), expected(2), out(2);
  Network::Tape<double> tape;
  c.network.forward<double>(c.parameters, c.in, out, tape);
  c.network.block<0>().forward<double>(c.parameters, c.in, a, first);
  c.network.block<1>().forward<double>(c.parameters, a, b, middle);
  c.network.block<2>().forward<double>(c.parameters, b, expected, last);
  CHECK(out == expected);
}

TEST_CASE("the backward pass of a chain equals finite differences and duals", "[block]") {
  const Case c;
  // Nonzero on entry: backward adds.
  std::vector<double> in_bar(3, 10.0), parameters_bar(c.layout.size(), 20.0);
  gradients<double>(c, c.in, in_bar, parameters_bar);

  for (std::size_t i = 0; i < 3; ++i) {
    auto plus = c.in, minus = c.in;
    plus[i] += step;
    minus[i] -= step;
    const double difference =
        (c.loss<double>(c.parameters, plus) - c.loss<double>(c.parameters, minus)) / (2 * step);
    CHECK(std::abs(in_bar[i] - 10.0 - difference) < difference_tolerance);

    std::vector<Dual<double>> x(c.in.begin(), c.in.end());
    x[i].tangent = 1.0;
    // Exact up to some roundings of numbers of order ten.
    CHECK(std::abs(in_bar[i] - 10.0 - c.loss<Dual<double>>(c.parameters, x).tangent) < 1e-14);
  }
  for (std::size_t k = 0; k < c.layout.size(); ++k) {
    auto plus = c.parameters, minus = c.parameters;
    plus[k] += step;
    minus[k] -= step;
    const double difference =
        (c.loss<double>(plus, c.in) - c.loss<double>(minus, c.in)) / (2 * step);
    CHECK(std::abs(parameters_bar[k] - 20.0 - difference) < difference_tolerance);
  }
}

TEST_CASE("the backward pass on duals gives second derivatives", "[block]") {
  const Case c;
  const std::vector<double> direction{0.4, 0.9, -0.5};
  std::vector<Dual<double>> x(3);
  for (std::size_t i = 0; i < 3; ++i) x[i] = {c.in[i], direction[i]};
  std::vector<Dual<double>> in_bar(3);
  std::vector<double> parameters_bar(c.layout.size());
  gradients<Dual<double>>(c, x, in_bar, parameters_bar);

  std::vector<double> bar[2], theta_bar[2];
  for (int side = 0; side < 2; ++side) {
    auto moved = c.in;
    for (std::size_t i = 0; i < 3; ++i) moved[i] += (side == 0 ? step : -step) * direction[i];
    bar[side].assign(3, 0.0);
    theta_bar[side].assign(c.layout.size(), 0.0);
    gradients<double>(c, moved, bar[side], theta_bar[side]);
  }
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(std::abs(in_bar[i].tangent - (bar[0][i] - bar[1][i]) / (2 * step)) <
          difference_tolerance);
  for (std::size_t k = 0; k < c.layout.size(); ++k)
    CHECK(std::abs(parameters_bar[k] - (theta_bar[0][k] - theta_bar[1][k]) / (2 * step)) <
          difference_tolerance);
}

TEST_CASE("a chain of chains is the chain of all", "[block]") {
  const Case c;
  Chain<Chain<Affine, Tanh>, Affine> nested(Chain<Affine, Tanh>(Affine(3, 5), Tanh(5)),
                                            Affine(5, 2));
  ParameterLayout layout;
  nested.declare(layout, "net.");
  REQUIRE(layout.size() == c.layout.size());
  CHECK(layout.entries()[0].name == "net.0.0.weight");

  Network::Tape<double> tape;
  decltype(nested)::Tape<double> nested_tape;
  std::vector<double> out(2), nested_out(2), in_bar(3), nested_in_bar(3), theta_bar(layout.size()),
      nested_theta_bar(layout.size());
  c.network.forward<double>(c.parameters, c.in, out, tape);
  nested.forward<double>(c.parameters, c.in, nested_out, nested_tape);
  CHECK(out == nested_out);
  c.network.backward<double>(c.parameters, tape, c.out_bar, in_bar, theta_bar);
  nested.backward<double>(c.parameters, nested_tape, c.out_bar, nested_in_bar, nested_theta_bar);
  CHECK(in_bar == nested_in_bar);
  CHECK(theta_bar == nested_theta_bar);
}

TEST_CASE("a chain runs on float", "[block]") {
  const Case c;
  const std::vector<float> parameters(c.parameters.begin(), c.parameters.end());
  const std::vector<float> in(c.in.begin(), c.in.end());
  // About twenty roundings of numbers of order one.
  const double loss = c.loss<double>(c.parameters, c.in);
  CHECK(std::abs(static_cast<double>(c.loss<float>(parameters, in)) - loss) < 3e-6);
}

TEST_CASE("an empty parameter gradient is skipped", "[block]") {
  const Case c;
  std::vector<double> with(3), without(3), parameters_bar(c.layout.size()), none;
  gradients<double>(c, c.in, with, parameters_bar);
  gradients<double>(c, c.in, without, none);
  CHECK(with == without);
}

TEST_CASE("a warm chain does not allocate", "[block]") {
  const Case c;
  Network::Tape<double> tape;
  std::vector<double> out(2), in_bar(3), parameters_bar(c.layout.size());
  const auto pass = [&] {
    c.network.forward<double>(c.parameters, c.in, out, tape);
    c.network.backward<double>(c.parameters, tape, c.out_bar, in_bar, parameters_bar);
  };
  CHECK(leyden_test::allocations_of(pass) > 0);
  CHECK(leyden_test::allocations_of(pass) == 0);
}

TEST_CASE("a chain refuses blocks whose sizes do not fit", "[block]") {
  CHECK_THROWS_AS((Chain<Affine, Tanh>(Affine(3, 5), Tanh(4))), ModelError);
  CHECK_THROWS_WITH(
      (Chain<Affine, Tanh>(Affine(3, 5), Tanh(4))),
      Catch::Matchers::ContainsSubstring("block 0 gives 5 numbers and block 1 takes 4"));
}

}  // namespace block_test
