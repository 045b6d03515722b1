// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/unroll.hpp>
#include <leyden/equivariant/coupling.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace coupling_test {

using namespace leyden;

namespace {

constexpr std::size_t dim(int l) { return static_cast<std::size_t>(2 * l + 1); }

/// f(l1, l2, l3) of all triples that couple.
template <class F>
void each_triangle(int l_max, F&& f) {
  for (int a = 0; a <= l_max; ++a)
    for (int b = 0; b <= l_max; ++b)
      for (int c = 0; c <= l_max; ++c)
        if (triangle(a, b, c)) f(a, b, c);
}

}  // namespace

TEST_CASE("3j symbols are the reference's, signs included", "[equivariant][golden]") {
  std::ifstream in(std::string(LEYDEN_TEST_DATA) + "/equivariant/e3nn_conventions.json");
  REQUIRE(in);
  const auto file = nlohmann::json::parse(in);
  int compared = 0;
  each_triangle(3, [&](int a, int b, int c) {
    const std::string key = std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(c);
    REQUIRE(file.at("w3j").contains(key));
    const auto expected = file.at("w3j").at(key).at("data").get<std::vector<double>>();
    const auto w = wigner_3j_table(a, b, c);
    REQUIRE(w.size() == expected.size());
    double worst = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i)
      worst = std::max(worst, std::abs(w[i] - expected[i]));
    CAPTURE(key);
    CHECK(worst < 1e-14);
    ++compared;
  });
  CHECK(compared == static_cast<int>(file.at("w3j").size()));
}

TEST_CASE("3j symbols are normalised and orthogonal", "[equivariant]") {
  each_triangle(4, [&](int a, int b, int c) {
    CAPTURE(a, b, c);
    const auto w = wigner_3j_table(a, b, c);
    const std::size_t pairs = dim(a) * dim(b), n = dim(c);
    double squares = 0.0, worst = 0.0;
    for (double x : w) squares += x * x;
    // 600 terms of rounding error at most.
    CHECK(std::abs(squares - 1.0) < 1e-13);
    // Σ_{m1 m2} w w' = δ(m3, m3') / (2 l3 + 1)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        double sum = i == j ? -1.0 / static_cast<double>(n) : 0.0;
        for (std::size_t k = 0; k < pairs; ++k) sum += w[k * n + i] * w[k * n + j];
        worst = std::max(worst, std::abs(sum));
      }
    CHECK(worst < 1e-14);
    // and the couplings of the same l1, l2 to different l3 are orthogonal.
    for (int other = 0; other < c; ++other) {
      if (!triangle(a, b, other)) continue;
      const auto v = wigner_3j_table(a, b, other);
      double overlap = 0.0;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < dim(other); ++j) {
          double sum = 0.0;
          for (std::size_t k = 0; k < pairs; ++k) sum += w[k * n + i] * v[k * dim(other) + j];
          overlap = std::max(overlap, std::abs(sum));
        }
      CHECK(overlap < 1e-14);
    }
  });
}

TEST_CASE("even 3j symbols are symmetric in their slots and positive at the pole",
          "[equivariant]") {
  each_triangle(4, [&](int a, int b, int c) {
    if ((a + b + c) % 2 != 0) return;
    CAPTURE(a, b, c);
    const auto w = wigner_3j_table(a, b, c), swapped = wigner_3j_table(b, a, c),
               cycled = wigner_3j_table(b, c, a);
    double worst = 0.0;
    for (std::size_t i = 0; i < dim(a); ++i)
      for (std::size_t j = 0; j < dim(b); ++j)
        for (std::size_t k = 0; k < dim(c); ++k) {
          const double x = w[(i * dim(b) + j) * dim(c) + k];
          worst = std::max(worst, std::abs(x - swapped[(j * dim(a) + i) * dim(c) + k]));
          worst = std::max(worst, std::abs(x - cycled[(j * dim(c) + k) * dim(a) + i]));
        }
    CHECK(worst < 1e-14);
    const std::size_t x = static_cast<std::size_t>(a), y = static_cast<std::size_t>(b),
                      z = static_cast<std::size_t>(c);
    CHECK(w[(x * dim(b) + y) * dim(c) + z] > 0.0);
  });
}

TEST_CASE("tables of run time and of compile time agree", "[equivariant]") {
  unroll<125>([&](auto i) {
    constexpr int a = i / 25, b = i / 5 % 5, c = i % 5;
    if constexpr (triangle(a, b, c) && a <= 2) {  // a ≤ 2: what the library instantiates, mostly
      CAPTURE(a, b, c);
      const auto table = wigner_3j_table(a, b, c);
      const auto& constant = wigner_3j<a, b, c>;
      REQUIRE(table.size() == constant.size());
      double worst = 0.0;
      for (std::size_t k = 0; k < table.size(); ++k)
        worst = std::max(worst, std::abs(table[k] - constant[k]));
      // The compiler may fuse products at run time, which it does not at compile time.
      CHECK(worst < 1e-15);
      // The list of non-zero elements is the table.
      std::vector<double> dense(table.size(), 0.0);
      for (const auto& t : wigner_3j_terms<a, b, c>)
        dense[(static_cast<std::size_t>(t.m1) * dim(b) + static_cast<std::size_t>(t.m2)) * dim(c) +
              static_cast<std::size_t>(t.m3)] = t.value;
      CHECK(std::equal(dense.begin(), dense.end(), constant.begin()));
    }
  });
  for (double w : wigner_3j_table(1, 1, 3)) CHECK(w == 0.0);  // does not couple
}

TEST_CASE("convolution paths are counted and ordered as the weights are stored", "[equivariant]") {
  const auto is = [](const ConvolutionPath& p, int a, int b, int c) {
    return p.l1 == a && p.l2 == b && p.l3 == c;
  };
  const auto& scalar = convolution_paths<0, 3>;
  REQUIRE(scalar.size() == 4);
  for (int l = 0; l <= 3; ++l) CHECK(is(scalar[static_cast<std::size_t>(l)], 0, l, l));

  const auto& p = convolution_paths<1, 3>;
  REQUIRE(p.size() == 10);
  const int expected[10][3] = {{0, 0, 0}, {1, 1, 0}, {0, 1, 1}, {1, 0, 1}, {1, 2, 1},
                               {0, 2, 2}, {1, 1, 2}, {1, 3, 2}, {0, 3, 3}, {1, 2, 3}};
  for (std::size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(is(p[i], expected[i][0], expected[i][1], expected[i][2]));
  }
}

}  // namespace coupling_test
