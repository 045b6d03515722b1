// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/parameters.hpp>

#include <cmath>
#include <numeric>

namespace parameters_test {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;

namespace {

ParameterLayout example() {
  ParameterLayout layout;
  layout.add("weight", {3, 4}, Initializer::normal(0.5), true);
  layout.add("bias", {4}, Initializer::constant(-1.5));
  layout.add("scale", {}, Initializer::constant(2.0), false, false);
  return layout;
}

}  // namespace

TEST_CASE("slices follow each other in one flat vector", "[parameters]") {
  const ParameterLayout layout = example();
  CHECK(layout.size() == 17);
  REQUIRE(layout.entries().size() == 3);
  CHECK(layout.find("weight").slice.offset == 0);
  CHECK(layout.find("bias").slice.offset == 12);
  CHECK(layout.find("scale").slice.offset == 16);
  // No axes: one number.
  CHECK(layout.find("scale").slice.size == 1);
  CHECK(layout.find("weight").shape == std::vector<int>{3, 4});
  CHECK(layout.find("weight").decays);
  CHECK(layout.find("weight").trained);
  CHECK_FALSE(layout.find("bias").decays);
  CHECK_FALSE(layout.find("scale").trained);
}

TEST_CASE("a slice is a window on the vector", "[parameters]") {
  ParameterLayout layout;
  layout.add("first", {2}, Initializer::constant(0));
  const Slice second = layout.add("second", {3}, Initializer::constant(0));
  std::vector<double> all(layout.size());
  std::iota(all.begin(), all.end(), 0.0);
  const auto window = second.of(std::span<double>(all));
  REQUIRE(window.size() == 3);
  CHECK(window[0] == 2.0);
  window[2] = 40.0;
  CHECK(all[4] == 40.0);
}

TEST_CASE("a name is declared once", "[parameters]") {
  ParameterLayout layout = example();
  CHECK_THROWS_AS(layout.add("bias", {1}, Initializer::constant(0)), ModelError);
  CHECK_THROWS_WITH(layout.add("bias", {1}, Initializer::constant(0)), ContainsSubstring("'bias'"));
  CHECK(layout.size() == 17);
  CHECK(layout.entries().size() == 3);
}

TEST_CASE("an unknown name is an error that names it", "[parameters]") {
  const ParameterLayout layout = example();
  CHECK_THROWS_AS(layout.find("wieght"), ModelError);
  CHECK_THROWS_WITH(layout.find("wieght"), ContainsSubstring("'wieght'"));
}

TEST_CASE("a negative axis is an error", "[parameters]") {
  ParameterLayout layout;
  CHECK_THROWS_AS(layout.add("x", {2, -1}, Initializer::constant(0)), ModelError);
  CHECK_THROWS_WITH(layout.add("x", {2, -1}, Initializer::constant(0)), ContainsSubstring("'x'"));
  // An empty slice is none: a model may have no species of a kind.
  CHECK(layout.add("empty", {0, 3}, Initializer::constant(0)).size == 0);
}

TEST_CASE("initial values follow seed and initializer", "[parameters]") {
  const ParameterLayout layout = example();
  const auto a = layout.initial_values(7), b = layout.initial_values(7),
             c = layout.initial_values(8);
  REQUIRE(a.size() == 17);
  CHECK(a == b);
  int different = 0;
  for (std::size_t i = 0; i < 12; ++i) different += a[i] != c[i];
  CHECK(different == 12);
  for (std::size_t i = 12; i < 16; ++i) CHECK(a[i] == -1.5);
  CHECK(a[16] == 2.0);
}

TEST_CASE("normal initial values have their deviation", "[parameters]") {
  ParameterLayout layout;
  constexpr int n = 20000;
  layout.add("weight", {n}, Initializer::normal(0.25));
  double square = 0;
  for (const double x : layout.initial_values(1)) square += x * x / n;
  // 5 standard errors of the second moment, σ²·√(2/n).
  CHECK(std::abs(square - 0.0625) < 5 * 0.0625 * std::sqrt(2.0 / n));
}

}  // namespace parameters_test
