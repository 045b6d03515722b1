// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/train/optimizer.hpp>
#include <leyden/train/schedule.hpp>

#include "support/catch.hpp"
#include "support/thread_executor.hpp"

namespace optimizer_test {

using namespace leyden;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

ParameterLayout layout_of_three() {
  ParameterLayout layout;
  layout.add("decaying", {1}, Initializer::constant(1.0), true);
  layout.add("plain", {1}, Initializer::constant(1.0));
  layout.add("fixed", {1}, Initializer::constant(1.0), true, false);
  return layout;
}

}  // namespace

TEST_CASE("two steps of Adam by hand") {
  std::vector<double> x{2.0, 2.0, 2.0};
  Optimizer adam(layout_of_three(), {.learning_rate = 0.1, .epsilon = 0.0, .weight_decay = 0.5}, x);
  // The first step is rate·sign(g), whatever the size of g; decay takes 5 % off first.
  adam.step(x, std::vector<double>{3.0, -3.0, 3.0});
  CHECK_THAT(x[0], WithinRel(2.0 * 0.95 - 0.1, 1e-14));
  CHECK_THAT(x[1], WithinRel(2.1, 1e-14));
  CHECK(x[2] == 2.0);
  // m = 0.9·0.3 + 0.1·g, v = 0.999·0.009 + 0.001 g², corrected by 0.19 and 0.001999; g = −1.
  adam.step(x, std::vector<double>{-1.0, 0.0, 3.0}, {.rate = 0.5});
  const double step0 = (0.17 / 0.19) / std::sqrt((0.999 * 0.009 + 0.001) / 0.001999);
  const double step1 = (-0.27 / 0.19) / std::sqrt(0.999 * 0.009 / 0.001999);
  CHECK_THAT(x[0], WithinRel((2.0 * 0.95 - 0.1) * 0.975 - 0.05 * step0, 1e-13));
  CHECK_THAT(x[1], WithinRel(2.1 - 0.05 * step1, 1e-13));
  CHECK(x[2] == 2.0);
  CHECK(adam.state().steps == 2);
}

TEST_CASE("steps of long slices are those of their numbers, on any number of threads") {
  // Two blocks and a tail that fills no pack; a second slice that begins anywhere.
  const std::size_t n = 2 * parameters_of_block + 13;
  ParameterLayout layout;
  layout.add("long", {static_cast<int>(n)}, Initializer::constant(0.0), true);
  layout.add("short", {3}, Initializer::constant(0.0), true);
  const auto kind =
      GENERATE(OptimizerOptions::Kind::adam, OptimizerOptions::Kind::schedule_free_adam);
  const OptimizerOptions options{.kind = kind, .learning_rate = 0.1, .weight_decay = 0.5};
  std::vector<double> x(n + 3, 1.5), y = x;
  Optimizer serial(layout, options, x), threads(layout, options, y);
  for (const double g : {2.0, -0.3, 1.0}) {
    serial.step(x, std::vector<double>(x.size(), g));
    threads.step(y, std::vector<double>(x.size(), g), {}, leyden_test::ThreadExecutor(3));
  }
  CHECK(std::abs(x[0] - 1.5) > 0.1);
  CHECK(x == y);
  for (const double v : x) REQUIRE(v == x[0]);
}

TEST_CASE("AMSGrad keeps the largest second moment") {
  ParameterLayout layout;
  layout.add("x", {1}, Initializer::constant(0.0));
  const OptimizerOptions options{
      .learning_rate = 0.1, .beta1 = 0.0, .beta2 = 0.5, .epsilon = 0.0, .amsgrad = true};
  std::vector<double> x{0.0};
  Optimizer adam(layout, options, x);
  adam.step(x, std::vector<double>{4.0});  // v = 8, corrected by 0.5: 16
  CHECK_THAT(x[0], WithinRel(-0.1, 1e-14));
  // v = 4 + 0.5 falls, but 8 stays, corrected by 0.75.
  adam.step(x, std::vector<double>{1.0});
  CHECK_THAT(x[0], WithinRel(-0.1 - 0.1 / std::sqrt(8.0 / 0.75), 1e-14));

  OptimizerOptions plain = options;
  plain.amsgrad = false;
  Optimizer other(layout, plain, x);
  CHECK_THROWS_AS(other.set_state(adam.state()), ModelError);
}

TEST_CASE("an optimiser goes on from its state bit by bit") {
  ParameterLayout layout;
  layout.add("x", {2}, Initializer::constant(0.0));
  std::vector<double> x{1.0, -2.0};
  Optimizer a(layout, {.amsgrad = true}, x), b(layout, {.amsgrad = true}, x);
  a.step(x, std::vector<double>{0.3, 0.1});
  b.set_state(a.state());
  std::vector<double> y = x;
  a.step(x, std::vector<double>{-0.7, 0.2});
  b.step(y, std::vector<double>{-0.7, 0.2});
  CHECK(x == y);
}

TEST_CASE("two steps of schedule-free Adam by hand") {
  ParameterLayout layout;
  layout.add("x", {1}, Initializer::constant(0.0));
  std::vector<double> y{1.0};
  Optimizer o(layout,
              {.kind = OptimizerOptions::Kind::schedule_free_adam,
               .learning_rate = 0.1,
               .beta1 = 0.75,
               .beta2 = 0.5,
               .epsilon = 0.0},
              y);
  CHECK(o.average()[0] == 1.0);
  o.step(y, std::vector<double>{4.0});      // v = 8, corrected by 0.5: a step of the rate
  CHECK_THAT(y[0], WithinRel(0.9, 1e-14));  // z = x = 0.9: the first share is 1
  CHECK_THAT(o.average()[0], WithinRel(0.9, 1e-14));
  // v = 4 + 0.5, corrected by 0.75; the rate is half: the share is 0.25/1.25.
  o.step(y, std::vector<double>{1.0}, {.rate = 0.5});
  const double z = 0.9 - 0.05 / std::sqrt(4.5 / 0.75);
  const double x = 0.9 + 0.2 * (z - 0.9);
  CHECK_THAT(o.average()[0], WithinRel(x, 1e-13));
  CHECK_THAT(y[0], WithinRel(0.25 * z + 0.75 * x, 1e-13));
}

TEST_CASE("L-BFGS takes Newton's step in a quadratic once it has seen it") {
  ParameterLayout layout;
  layout.add("x", {2}, Initializer::constant(0.0));
  const std::vector<double> zero(2);
  Optimizer o(layout, {.kind = OptimizerOptions::Kind::lbfgs, .history = 2}, zero);
  // ½(4x² + y²): each axis once.
  o.remember({1.0, 0.0}, {4.0, 0.0});
  o.remember({0.0, 1.0}, {0.0, 1.0});
  const std::vector<double> d = o.direction(std::vector<double>{8.0, -3.0});
  CHECK_THAT(d[0], WithinRel(-2.0, 1e-14));
  CHECK_THAT(d[1], WithinRel(3.0, 1e-14));
  o.remember({1.0, 0.0}, {-1.0, 0.0});  // no minimum that way: not kept
  CHECK(o.state().history.size() == 4);
  o.remember({1.0, 0.0}, {2.0, 0.0});
  CHECK(o.state().history.size() == 4);  // the oldest went
  o.forget();
  CHECK(o.direction(std::vector<double>{8.0, -3.0}) == std::vector<double>{-8.0, 3.0});
}

TEST_CASE("in the basis of its moments a gradient of two directions has two components") {
  // G = 5 a cᵀ + 2 b dᵀ with orthonormal a, b and c, d, behind an axis of one entry.
  const double a[] = {0.6, 0.8}, b[] = {-0.8, 0.6};
  const double c[] = {2.0 / 3, 2.0 / 3, 1.0 / 3}, d[] = {2.0 / 3, -1.0 / 3, -2.0 / 3};
  std::vector<double> g(6);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < 3; ++k) g[3 * i + k] = 5.0 * a[i] * c[k] + 2.0 * b[i] * d[k];
  const KroneckerBasis basis(std::vector<int>{1, 2, 3}, 3);
  std::vector<double> state(basis.state_size()), turned = g;
  CHECK(state.size() == 2 * (4 + 9));
  basis.observe(g, 0.0, state);
  basis.start(state);
  basis.turn(state, turned);
  CHECK_THAT(std::abs(turned[0]), WithinRel(5.0, 1e-13));
  CHECK_THAT(std::abs(turned[4]), WithinRel(2.0, 1e-13));
  for (std::size_t k : {1, 2, 3, 5}) CHECK_THAT(turned[k], WithinAbs(0.0, 1e-13));
  basis.turn_back(state, turned);
  for (std::size_t k = 0; k < 6; ++k) CHECK_THAT(turned[k], WithinAbs(g[k], 1e-13));

  const std::vector<double> before = state;
  basis.renew(state);  // eigenvectors stay what they are
  for (std::size_t k = 0; k < state.size(); ++k) CHECK_THAT(state[k], WithinAbs(before[k], 1e-12));
  CHECK(KroneckerBasis(std::vector<int>{2, 3}, 2).state_size() == 8);  // 3 is too long
  CHECK(KroneckerBasis(std::vector<int>{2, 0}, 2).state_size() == 0);
  CHECK(KroneckerBasis(std::vector<int>{}, 2).state_size() == 0);
}

TEST_CASE("steps of SOAP are the same on any number of threads") {
  ParameterLayout layout;
  for (const int n : {3, 5, 2, 4})
    layout.add("x" + std::to_string(n), {n, 6}, Initializer::constant(0.0), true);
  std::vector<double> x(layout.size(), 0.0), y = x, g(layout.size());
  const OptimizerOptions options{
      .kind = OptimizerOptions::Kind::soap, .learning_rate = 0.1, .weight_decay = 0.5};
  Optimizer serial(layout, options, x), threads(layout, options, y);
  RandomStream random(3);
  for (int step = 0; step < 12; ++step) {
    for (double& v : g) v = random.normal();
    serial.step(x, g);
    threads.step(y, g, {}, leyden_test::ThreadExecutor(3));
  }
  CHECK(std::abs(x[0]) > 0.01);
  CHECK(x == y);
}

TEST_CASE("a step of SOAP by hand: Adam for single numbers, after the first gradient") {
  ParameterLayout layout;
  layout.add("x", {1}, Initializer::constant(0.0), true);
  std::vector<double> x{2.0};
  Optimizer o(layout,
              {.kind = OptimizerOptions::Kind::soap,
               .learning_rate = 0.1,
               .epsilon = 0.0,
               .weight_decay = 0.5},
              x);
  o.step(x, std::vector<double>{7.0});
  CHECK(x[0] == 2.0);
  o.step(x, std::vector<double>{-3.0}, {.rate = 0.5});
  CHECK_THAT(x[0], WithinRel(2.0 * 0.975 + 0.05, 1e-14));
}

TEST_CASE("SOAP begins with any rate, and refuses to renew its bases never") {
  ParameterLayout layout;
  layout.add("x", {2}, Initializer::constant(0.0));
  std::vector<double> x{0.0, 0.0};
  OptimizerOptions options{.kind = OptimizerOptions::Kind::soap, .learning_rate = 0.1};
  Optimizer o(layout, options, x);
  const std::vector<double> g{3.0, 4.0};
  o.step(x, g, {.rate = 0.0});
  // Along the gradient, whose length does not count; across it is rounding over epsilon.
  o.step(x, g);
  CHECK_THAT(x[0], WithinRel(-0.06, 1e-6));
  CHECK_THAT(x[1], WithinRel(-0.08, 1e-6));
  options.basis_interval = 0;
  CHECK_THROWS_AS(Optimizer(layout, options, x), InputError);
}

TEST_CASE("SOAP makes the same steps in any orthonormal basis of a matrix, and Adam does not") {
  ParameterLayout layout;
  layout.add("x", {2, 2}, Initializer::constant(0.0));
  const double c = 0.6, s = 0.8;
  const auto turned = [&](const std::vector<double>& m) {  // rows, by an angle
    return std::vector<double>{c * m[0] - s * m[2], c * m[1] - s * m[3], s * m[0] + c * m[2],
                               s * m[1] + c * m[3]};
  };
  using Kind = OptimizerOptions::Kind;
  for (const Kind kind : {Kind::soap, Kind::adam}) {
    std::vector<double> x{1.0, -2.0, 0.5, 3.0}, y = turned(x);
    const OptimizerOptions options{.kind = kind,
                                   .learning_rate = 0.1,
                                   .epsilon = 0.0,
                                   .weight_decay = 0.1,
                                   .basis_interval = 3};
    Optimizer a(layout, options, x), b(layout, options, y);
    RandomStream random(7);
    for (int step = 0; step < 10; ++step) {
      std::vector<double> g(4);
      for (double& v : g) v = random.normal();
      a.step(x, g);
      b.step(y, turned(g));
    }
    double largest = 0.0;
    for (std::size_t k = 0; k < 4; ++k) largest = std::max(largest, std::abs(turned(x)[k] - y[k]));
    CHECK((largest < 1e-12) == (kind == Kind::soap));
  }
}

TEST_CASE("groups of parameters have rates and decays of their own") {
  ParameterLayout layout;
  layout.add("mace/radial0", {1}, Initializer::constant(1.0), true);
  layout.add("mace/linear", {1}, Initializer::constant(1.0), true);
  layout.add("charges/hardness", {1}, Initializer::constant(1.0));
  OptimizerOptions options{.learning_rate = 0.1, .epsilon = 0.0, .weight_decay = 0.5};
  options.groups = {{"mace/", 0.5, 0.0}, {"mace/radial", 0.0}, {"charges", 2.0, 0.1}};
  std::vector<double> x{1.0, 1.0, 1.0};
  Optimizer o(layout, options, x);
  std::vector<double> g{1.0, 2.0, 2.0};
  CHECK_THAT(o.mask(g), WithinRel(std::sqrt(8.0), 1e-14));
  o.step(x, g);
  CHECK(x[0] == 1.0);
  CHECK_THAT(x[1], WithinRel(0.95, 1e-14));
  CHECK_THAT(x[2], WithinRel(0.98 - 0.2, 1e-14));
  options.groups.push_back({"mase", 1.0});
  CHECK_THROWS_AS(Optimizer(layout, options, x), InputError);
}

TEST_CASE("gradients are masked and clipped by their global norm") {
  std::vector<double> g{3.0, 4.0, 100.0};
  const double norm = Optimizer(layout_of_three(), {}, g).mask(g);
  CHECK(norm == 5.0);
  CHECK(g[2] == 0.0);
  CHECK(clip_factor(norm, 6.0) == 1.0);
  CHECK(clip_factor(norm, 0.0) == 1.0);
  CHECK_THAT(clip_factor(norm, 1.0), WithinRel(0.2, 1e-14));

  // A step with the factor is that of the smaller gradient.
  std::vector<double> smaller{0.6, 0.8, 0.0};
  for (const auto kind : {OptimizerOptions::Kind::adam, OptimizerOptions::Kind::schedule_free_adam,
                          OptimizerOptions::Kind::soap}) {
    const std::vector<double> start{1.0, 2.0, 3.0};
    std::vector<double> a = start, b = start;
    // Of about the gradient's size, or steps of Adam would not depend on it.
    const OptimizerOptions options{.kind = kind, .learning_rate = 0.1, .epsilon = 1.0};
    Optimizer of_a(layout_of_three(), options, start), of_b(layout_of_three(), options, start);
    for (int i = 0; i < 3; ++i) {
      of_a.step(a, g, {.gradient = 0.2});
      of_b.step(b, smaller);
    }
    CHECK(a != start);
    for (std::size_t k = 0; k < 3; ++k) CHECK_THAT(a[k], WithinRel(b[k], 1e-12));
  }
}

TEST_CASE("what comes after a step sees all its parameters once, with their new values") {
  for (const auto kind : {OptimizerOptions::Kind::adam, OptimizerOptions::Kind::schedule_free_adam,
                          OptimizerOptions::Kind::soap}) {
    std::vector<double> x{1.0, 2.0, 3.0};
    Optimizer o(layout_of_three(), {.kind = kind, .learning_rate = 0.1}, x);
    for (int i = 0; i < 2; ++i) {
      std::vector<double> seen(3, 0.0);
      o.step(x, std::vector<double>{3.0, 4.0, 0.0}, {}, SerialExecutor{},
             [&](std::size_t begin, std::size_t end) {
               for (std::size_t k = begin; k < end; ++k) seen[k] += x[k];
             });
      CHECK(seen == x);
    }
    CHECK(x[0] != 1.0);
    CHECK(x[2] == 3.0);  // not trained
  }
}

TEST_CASE("the average forgets its start and then follows slowly") {
  ParameterAverage average(std::vector<double>{1.0}, 0.2);
  const auto update = [&](double x) {
    average.update(std::vector<double>{x}, 0, 1, average.next_decay());
  };
  update(2.0);  // d = 1/10
  CHECK_THAT(average.values()[0], WithinRel(1.9, 1e-14));
  update(3.0);  // d = 2/11
  CHECK_THAT(average.values()[0], WithinRel(1.9 * 2 / 11 + 3.0 * 9 / 11, 1e-14));
  update(3.0);  // 3/12 is beyond 0.2
  CHECK_THAT(average.values()[0],
             WithinRel(0.2 * (1.9 * 2 / 11 + 3.0 * 9 / 11) + 0.8 * 3.0, 1e-14));
  CHECK(average.steps() == 3);
  CHECK_THROWS_AS(average.set_state({1.0, 2.0}, 1), ModelError);
}

TEST_CASE("schedules") {
  SECTION("warm-up and cosine") {
    const Schedule s(
        {.kind = ScheduleOptions::Kind::cosine, .warmup_steps = 4, .final_factor = 0.1}, 24);
    CHECK(s.factor(0) == 0.25);
    CHECK(s.factor(3) == 1.0);
    CHECK(s.factor(4) == 1.0);
    CHECK_THAT(s.factor(14), WithinAbs(0.55, 1e-14));  // half way
    CHECK_THAT(s.factor(24), WithinAbs(0.1, 1e-14));
    CHECK_THAT(s.factor(100), WithinAbs(0.1, 1e-14));
  }
  SECTION("plateau") {
    Schedule s({.kind = ScheduleOptions::Kind::plateau,
                .final_factor = 0.3,
                .plateau_factor = 0.5,
                .patience = 1,
                .threshold = 0.01},
               100);
    s.after_epoch(1.0);
    s.after_epoch(0.995);  // less than a percent
    CHECK(s.factor(0) == 1.0);
    s.after_epoch(0.995);
    CHECK(s.factor(0) == 0.5);
    s.after_epoch(0.9);
    CHECK(s.state().best == 0.9);
    s.after_epoch(0.9);
    s.after_epoch(0.9);
    CHECK(s.factor(0) == 0.3);  // not below
  }
}

}  // namespace optimizer_test
