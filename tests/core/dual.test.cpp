// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/dual.hpp>

#include <cmath>
#include <compare>
#include <limits>

namespace dual_test {

using namespace leyden;
using D = Dual<double>;

namespace {

// Central differences with step 1e-5 of functions whose third derivative is at most 60 here:
// truncation 60·1e-10/6, rounding 1e-16/1e-5.
template <class F>
double difference(F&& f, double x) {
  constexpr double h = 1e-5;
  return (f(x + h) - f(x - h)) / (2 * h);
}
constexpr double tolerance = 2e-9;

// f on doubles, f on duals: the same value, and the tangent is the directional derivative.
template <class F>
void check_derivative(F&& f, double x) {
  CAPTURE(x);
  constexpr double seed = -1.7;
  const D y = f(D(x, seed));
  // A few roundings: compilers fuse products and sums of the two number types differently.
  CHECK(std::abs(y.value - f(x)) <=
        8 * std::numeric_limits<double>::epsilon() * (1 + std::abs(f(x))));
  CHECK(std::abs(y.tangent - seed * difference(f, x)) < tolerance);
}

}  // namespace

TEST_CASE("arithmetic on duals equals finite differences", "[dual]") {
  const double c = 1.3;
  for (const double x : {-2.1, -0.8, 0.9, 1.9}) {
    check_derivative([](auto a) { return +a; }, x);
    check_derivative([](auto a) { return -a; }, x);
    check_derivative([](auto a) { return a + a * a; }, x);
    check_derivative([](auto a) { return a - a * a; }, x);
    check_derivative([](auto a) { return a * a * a; }, x);
    check_derivative([](auto a) { return a / (a * a + 1.0); }, x);
    check_derivative([&](auto a) { return a + c; }, x);
    check_derivative([&](auto a) { return c - a; }, x);
    check_derivative([&](auto a) { return c * a; }, x);
    check_derivative([&](auto a) { return a * c; }, x);
    check_derivative([&](auto a) { return a / c; }, x);
    check_derivative([&](auto a) { return c / a; }, x);
    check_derivative(
        [&](auto a) {
          auto b = a;
          b += a * a;
          b -= c;
          b *= a;
          b /= a + 4.0;
          return b;
        },
        x);
  }
}

TEST_CASE("elementary functions on duals equal finite differences", "[dual]") {
  for (const double x : {0.5, 0.9, 1.6, 2.4}) {
    check_derivative(
        [](auto a) {
          using std::sqrt;
          return sqrt(a);
        },
        x);
    check_derivative(
        [](auto a) {
          using std::log;
          return log(a);
        },
        x);
  }
  for (const double x : {-2.4, -0.9, 0.3, 1.6}) {
    check_derivative(
        [](auto a) {
          using std::exp;
          return exp(a);
        },
        x);
    check_derivative(
        [](auto a) {
          using std::sin;
          return sin(a);
        },
        x);
    check_derivative(
        [](auto a) {
          using std::cos;
          return cos(a);
        },
        x);
    check_derivative(
        [](auto a) {
          using std::tanh;
          return tanh(a);
        },
        x);
    check_derivative(
        [](auto a) {
          using std::erf;
          return erf(a);
        },
        x);
    check_derivative(
        [](auto a) {
          using std::abs;
          return abs(a);
        },
        x);
  }
}

TEST_CASE("tangents obey the identities of the functions", "[dual]") {
  // Each identity is a few roundings of numbers below ten.
  constexpr double few_roundings = 100 * std::numeric_limits<double>::epsilon();
  const D x(0.7, 2.5);
  const auto same = [&](D a, D b) {
    CHECK(std::abs(a.value - b.value) < few_roundings);
    CHECK(std::abs(a.tangent - b.tangent) < few_roundings);
  };
  same(sin(x) * sin(x) + cos(x) * cos(x), D(1.0));
  same(exp(log(x)), x);
  same(log(exp(x)), x);
  same(sqrt(x) * sqrt(x), x);
  same(tanh(x), (exp(x) - exp(-x)) / (exp(x) + exp(-x)));
  same(x / x, D(1.0));
  same((x + 2.0) * (x - 2.0), x * x - 4.0);
  same(erf(-x), -erf(x));
}

TEST_CASE("a product with a real keeps the value and scales the tangent", "[dual]") {
  constexpr D a(3.0, -0.5);
  constexpr D general = a * D(2.0);
  constexpr D real = a * 2.0;
  STATIC_REQUIRE(general.value == real.value);
  STATIC_REQUIRE(general.tangent == real.tangent);
  STATIC_REQUIRE((a / 2.0).tangent == -0.25);
  STATIC_REQUIRE((2.0 * a).tangent == -1.0);
}

TEST_CASE("a number is a constant dual", "[dual]") {
  constexpr D a = 2.0;
  STATIC_REQUIRE(a.value == 2.0);
  STATIC_REQUIRE(a.tangent == 0.0);
  STATIC_REQUIRE(D().value == 0.0);
  STATIC_REQUIRE(value_of(D(1.0, 2.0)) == 1.0);
  STATIC_REQUIRE(tangent_of(D(1.0, 2.0)) == 2.0);
  STATIC_REQUIRE(value_of(1.5) == 1.5);
  STATIC_REQUIRE(tangent_of(1.5) == 0.0);
}

TEST_CASE("comparisons look at the value only", "[dual]") {
  CHECK(D(1.0, 5.0) == D(1.0, -5.0));
  CHECK(D(1.0, 5.0) < D(2.0, -5.0));
  CHECK(D(1.0, 5.0) >= 1.0);
  CHECK(D(1.0) != 2.0);
}

TEST_CASE("traits and concepts of number types", "[dual]") {
  STATIC_REQUIRE(is_dual_v<D>);
  STATIC_REQUIRE_FALSE(is_dual_v<double>);
  STATIC_REQUIRE(std::same_as<RealOf<Dual<float>>, float>);
  STATIC_REQUIRE(std::same_as<RealOf<double>, double>);
  STATIC_REQUIRE(Number<float>);
  STATIC_REQUIRE(Number<double>);
  STATIC_REQUIRE(Number<Dual<float>>);
  STATIC_REQUIRE(Number<D>);
  STATIC_REQUIRE_FALSE(Number<int>);
  STATIC_REQUIRE_FALSE(Number<D*>);
  STATIC_REQUIRE(sizeof(D) == 2 * sizeof(double));
}

TEST_CASE("duals of float work as duals of double", "[dual]") {
  const Dual<float> x(0.7f, 1.0f);
  const Dual<float> y = exp(sin(x) * x) / (x + 1.0f);
  const D z(0.7, 1.0);
  const D w = exp(sin(z) * z) / (z + 1.0);
  // About ten roundings of numbers of order one.
  CHECK(std::abs(static_cast<double>(y.value) - w.value) < 1e-6);
  CHECK(std::abs(static_cast<double>(y.tangent) - w.tangent) < 1e-6);
}

}  // namespace dual_test
