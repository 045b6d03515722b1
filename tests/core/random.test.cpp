// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace random_test {

using leyden::RandomStream;

TEST_CASE("bits are those of SplitMix64", "[random]") {
  // The first numbers of the reference program (S. Vigna, prng.di.unimi.it/splitmix64.c) for the
  // seed 1234567.
  RandomStream random(1234567);
  for (const std::uint64_t expected :
       {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
        4593380528125082431ULL, 16408922859458223821ULL})
    CHECK(random.bits() == expected);
}

TEST_CASE("a seed fixes every kind of number", "[random]") {
  RandomStream a(3), b(3), c(4);
  CHECK(a.uniform() == b.uniform());
  CHECK(a.normal() == b.normal());
  CHECK(a.below(1000003) == b.below(1000003));
  CHECK(a.state() == b.state());
  CHECK(a.bits() != c.bits());
}

TEST_CASE("uniform numbers fill their interval", "[random]") {
  RandomStream random(11);
  constexpr int n = 100000;
  double sum = 0, low = 1, high = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    sum += u;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  CHECK(low >= 0.0);
  CHECK(high < 1.0);
  // 5 standard errors of the mean, 1/√(12 n); the extremes are 1/n from the ends on average.
  CHECK(std::abs(sum / n - 0.5) < 5 / std::sqrt(12.0 * n));
  CHECK(low < 1e-3);
  CHECK(high > 1 - 1e-3);
  for (int i = 0; i < 1000; ++i) {
    const double u = random.uniform(-3.0, -2.0);
    REQUIRE((u >= -3.0 && u < -2.0));
  }
}

TEST_CASE("normal numbers have the moments of a normal distribution", "[random]") {
  RandomStream random(12);
  constexpr int n = 100000;
  double m1 = 0, m2 = 0, m4 = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    REQUIRE(std::isfinite(x));
    m1 += x / n;
    m2 += x * x / n;
    m4 += x * x * x * x / n;
  }
  // 5 standard errors: √(1/n), √(2/n), √(96/n).
  CHECK(std::abs(m1) < 5 * std::sqrt(1.0 / n));
  CHECK(std::abs(m2 - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(m4 - 3) < 5 * std::sqrt(96.0 / n));
}

TEST_CASE("below reaches every number and none beyond", "[random]") {
  RandomStream random(13);
  std::vector<int> hits(7);
  for (int i = 0; i < 7000; ++i) ++hits.at(random.below(7));
  // 5 standard deviations of a binomial: √(7000·(1/7)·(6/7)) ≈ 29.
  for (const int h : hits) CHECK(std::abs(h - 1000) < 150);
}

TEST_CASE("shuffle permutes, and differently for another seed", "[random]") {
  std::vector<int> ordered(50);
  std::iota(ordered.begin(), ordered.end(), 0);
  auto a = ordered, b = ordered, c = ordered;
  RandomStream(1).shuffle(a);
  RandomStream(1).shuffle(b);
  RandomStream(2).shuffle(c);
  CHECK(a == b);
  CHECK(a != c);
  CHECK(a != ordered);
  std::sort(a.begin(), a.end());
  CHECK(a == ordered);
}

}  // namespace random_test
