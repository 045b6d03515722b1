// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/descriptor/radial.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

using namespace leyden;

namespace {

double envelope(const RadialBasis& b, double r) {
  const double p = b.envelope_order, x = r / b.cutoff;
  if (x >= 1.0) return 0.0;
  return 1.0 - (p + 1) * (p + 2) / 2 * std::pow(x, p) + p * (p + 2) * std::pow(x, p + 1) -
         p * (p + 1) / 2 * std::pow(x, p + 2);
}
double expected(const RadialBasis& b, int n, double r) {
  const double f =
      b.kind == RadialBasis::Kind::bessel
          ? std::sqrt(2.0 / b.cutoff) * std::sin(n * std::numbers::pi * r / b.cutoff) / r
          : std::cos(n * std::acos(1.0 - 2.0 * r / b.cutoff));
  return f * envelope(b, r);
}

template <class T>
std::vector<T> values(const RadialBasis& b, T r) {
  std::vector<T> out(static_cast<std::size_t>(b.count));
  b.values(r, out.data());
  return out;
}
// d/dr of function n.
template <class T>
T slope(const RadialBasis& b, int n, T r) {
  std::vector<T> bar(static_cast<std::size_t>(b.count), T(0));
  bar[static_cast<std::size_t>(n)] = T(1);
  return b.pullback(r, bar.data());
}

const RadialBasis bases[] = {{RadialBasis::Kind::bessel, 8, 5, 5.0},
                             {RadialBasis::Kind::bessel, 5, 6, 4.2},
                             {RadialBasis::Kind::chebyshev, 8, 5, 5.0},
                             {RadialBasis::Kind::chebyshev, 3, 2, 3.3}};

}  // namespace

TEST_CASE("radial functions are their formulas", "[radial]") {
  for (const RadialBasis& b : bases)
    for (double r : {0.3, 0.96, 2.0, 3.1, 4.1, 4.999, 5.0, 7.0}) {
      CAPTURE(static_cast<int>(b.kind), r);
      const auto got = values(b, r);
      for (int n = 1; n <= b.count; ++n)
        CHECK(std::abs(got[static_cast<std::size_t>(n - 1)] -
                       (r < b.cutoff ? expected(b, n, r) : 0.0)) < 1e-12);
    }
}

TEST_CASE("Bessel functions are the reference model's", "[radial][golden]") {
  const RadialBasis b{RadialBasis::Kind::bessel, 8, 5, 5.0};
  const std::array<double, 8> oh{0.3724290699859518,  0.6141573714108827,  0.6403524426724252,
                                 0.44182134953877134, 0.08823686609494895, -0.29631358414212305,
                                 -0.5768753388031296, -0.6549876709517838};
  const std::array<double, 8> other{0.37235099679208666, 0.6136527498483514,  0.6389789060165585,
                                    0.4394159035198559,  0.08520010745503356, -0.29900193745667286,
                                    -0.5779700012139737, -0.6535210412124354};
  const auto first = values(b, 0.9572);
  const auto second = values(b, std::sqrt(0.239 * 0.239 + 0.927 * 0.927 + 0.05 * 0.05));
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(std::abs(first[i] - oh[i]) < 1e-13);
    CHECK(std::abs(second[i] - other[i]) < 1e-13);
  }
}

TEST_CASE("radial functions end smoothly at the cutoff", "[radial]") {
  // The envelope has a triple zero: at r_c − d values are of order (p d/r_c)³, slopes of (…)².
  for (const RadialBasis& b : bases)
    for (int n = 0; n < b.count; ++n) {
      const double d = 1e-4;
      CHECK(std::abs(values(b, b.cutoff - d)[static_cast<std::size_t>(n)]) < 1e-11);
      CHECK(std::abs(slope(b, n, b.cutoff - d)) < 1e-6);
      CHECK(values(b, b.cutoff)[static_cast<std::size_t>(n)] == 0.0);
      CHECK(slope(b, n, b.cutoff) == 0.0);
      CHECK(slope(b, n, Dual<double>(b.cutoff + 1.0, 1.0)).tangent == 0.0);
    }
}

TEST_CASE("the Bessel series at short distance meets the quotient", "[radial]") {
  const RadialBasis b{RadialBasis::Kind::bessel, 4, 5, 5.0};
  for (int n = 0; n < b.count; ++n) {
    const double w = (n + 1) * std::numbers::pi / b.cutoff;
    const double edge = 1e-2 / w, below = edge * (1 - 1e-12), above = edge * (1 + 1e-12);
    const std::size_t k = static_cast<std::size_t>(n);
    CAPTURE(n);
    CHECK(std::abs(values(b, below)[k] - values(b, above)[k]) < 1e-13);
    // (x cos x − sin x)/x² cancels to 1e-16/x²·x = 1e-14; the dropped terms are below 1e-16.
    CHECK(std::abs(slope(b, n, below) - slope(b, n, above)) < 1e-12);
    // The slope's own tangent at x = 0.01; envelope and x⁴ terms are below 1e-6.
    for (double r : {below, above}) {
      const double x = w * r;
      const double second = -w * w * w * std::sqrt(2.0 / b.cutoff) * (1.0 / 3 - x * x / 10);
      CHECK(std::abs(slope(b, n, Dual<double>(r, 1.0)).tangent - second) < 2e-6);
    }
    CHECK(std::abs(values(b, 0.0)[k] - std::sqrt(2.0 / b.cutoff) * w) < 1e-15);
    CHECK(slope(b, n, 0.0) == 0.0);
  }
}

TEST_CASE("the slope of radial functions agrees with duals and differences", "[radial]") {
  for (const RadialBasis& b : bases)
    for (double r : {0.004, 0.3, 1.1, 2.9})
      for (int n = 0; n < b.count; ++n) {
        CAPTURE(static_cast<int>(b.kind), r, n);
        const std::size_t k = static_cast<std::size_t>(n);
        const double s = slope(b, n, r);
        CHECK(std::abs(s - values(b, Dual<double>(r, 1.0))[k].tangent) < 1e-9);
        const double h = 1e-6;  // third derivatives below 1e3
        CHECK(std::abs(s - (values(b, r + h)[k] - values(b, r - h)[k]) / (2 * h)) < 2e-8);
        const double second = slope(b, n, Dual<double>(r, 1.0)).tangent;
        CHECK(std::abs(second - (slope(b, n, r + h) - slope(b, n, r - h)) / (2 * h)) < 1e-6);
      }
}
