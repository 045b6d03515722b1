// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/descriptor/radial.hpp>
#include <leyden/descriptor/zbl.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace radial_test {

using namespace leyden;

namespace {

constexpr double radii = 1.77;  // Si–O

double envelope(double cutoff, double p, double r) {
  const double x = r / cutoff;
  if (x >= 1.0) return 0.0;
  return 1.0 - (p + 1) * (p + 2) / 2 * std::pow(x, p) + p * (p + 2) * std::pow(x, p + 1) -
         p * (p + 1) / 2 * std::pow(x, p + 2);
}
double transformed(const DistanceTransform& t, double r) {
  const double x = r / (0.5 * radii), p0 = 0.75 * radii, p1 = radii / 0.75;
  switch (t.kind) {
    case DistanceTransform::Kind::agnesi:
      return 1.0 / (1.0 + t.a * std::pow(x, t.q) / (1.0 + std::pow(x, t.q - t.p)));
    case DistanceTransform::Kind::soft:
      return p0 + (r - p0) * 0.5 * (1.0 + std::tanh(t.alpha / (p1 - p0) * (r - (p0 + p1) / 2)));
    default:
      return r;
  }
}
double function(const RadialBasis& b, int n, double y) {
  const double pi = std::numbers::pi, step = b.cutoff / (b.count - 1);
  switch (b.kind) {
    case RadialBasis::Kind::bessel: {
      const double w = b.frequencies.empty() ? n * pi / b.cutoff
                                             : b.frequencies[static_cast<std::size_t>(n - 1)];
      return std::sqrt(2.0 / b.cutoff) * std::sin(w * y) / y;
    }
    case RadialBasis::Kind::chebyshev:
      return std::cos(n * std::acos(1.0 - 2.0 * y / b.cutoff));
    case RadialBasis::Kind::gaussian:
      return std::exp(-0.5 * std::pow((y - (n - 1) * step) / step, 2));
    default:
      return std::cos(n * std::acos(y));
  }
}
double expected(const RadialBasis& b, int n, double r) {
  return function(b, n, transformed(b.transform, r)) * envelope(b.cutoff, b.envelope_order, r);
}

template <class T>
std::vector<T> values(const RadialBasis& b, T r) {
  std::vector<T> out(static_cast<std::size_t>(b.count));
  b.values(r, out.data(), radii);
  return out;
}
// d/dr of function n.
template <class T>
T slope(const RadialBasis& b, int n, T r) {
  std::vector<T> bar(static_cast<std::size_t>(b.count), T(0));
  bar[static_cast<std::size_t>(n)] = T(1);
  return b.pullback(r, bar.data(), radii);
}

const DistanceTransform agnesi{.kind = DistanceTransform::Kind::agnesi};
const DistanceTransform soft{.kind = DistanceTransform::Kind::soft, .alpha = 3.1};
const RadialBasis bases[] = {
    {RadialBasis::Kind::bessel, 8, 5, 5.0},
    {RadialBasis::Kind::bessel, 5, 6, 4.2},
    {RadialBasis::Kind::chebyshev, 8, 5, 5.0},
    {RadialBasis::Kind::chebyshev, 3, 2, 3.3},
    {RadialBasis::Kind::gaussian, 6, 5, 5.0},
    {RadialBasis::Kind::bessel, 3, 5, 5.0, true, {0.7, 1.9, 2.2}},
    {RadialBasis::Kind::bessel, 4, 5, 5.0, true, {}, agnesi},
    {RadialBasis::Kind::chebyshev_of_distance, 5, 5, 5.0, true, {}, agnesi},
    {RadialBasis::Kind::gaussian, 5, 6, 5.0, true, {}, soft},
    {RadialBasis::Kind::chebyshev, 4, 5, 5.0, true, {}, soft}};

}  // namespace

TEST_CASE("radial functions are their formulas", "[radial]") {
  for (const RadialBasis& b : bases)
    for (double r : {0.3, 0.96, 2.0, 3.1, 4.1, 4.999, 5.0, 7.0}) {
      CAPTURE(static_cast<int>(b.kind), static_cast<int>(b.transform.kind), r);
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

TEST_CASE("transforms of distances go where they should", "[radial]") {
  // Contact is 1 for Agnesi and ¾ r0 for soft; far away 0, and the distance.
  CHECK(std::abs(agnesi(1e-3, radii).first - 1.0) < 1e-10);
  CHECK(agnesi(1e4, radii).first < 1e-3);
  CHECK(std::abs(soft(0.1, radii).first - 0.75 * radii) < 1e-2);
  CHECK(std::abs(soft(8.0, radii).first - 8.0) < 1e-8);
  for (double r = 0.2; r < 5.0; r += 0.1) CHECK(agnesi(r, radii).second < 0.0);
  CHECK(DistanceTransform{}(1.3, radii).first == 1.3);
  CHECK(DistanceTransform{}(1.3, radii).second == 1.0);
}

TEST_CASE("the repulsion of nuclei is its formula", "[radial]") {
  const ZblRepulsion zbl{.envelope_order = 5};
  const auto formula = [](double r) {  // of Si and O
    const double a = 0.4543 * 0.529 / (std::pow(14, 0.3) + std::pow(8, 0.3)), x = r / a;
    const double screening = 0.1818 * std::exp(-3.2 * x) + 0.5099 * std::exp(-0.9423 * x) +
                             0.2802 * std::exp(-0.4028 * x) + 0.02817 * std::exp(-0.2016 * x);
    return 14.3996 * 14 * 8 / r * screening * envelope(radii, 5, r);
  };
  const double h = 1e-6;
  for (double r : {0.05, 0.3, 0.9, 1.5, 1.76, 1.78, 4.0}) {
    CAPTURE(r);
    const auto [v, slope] = zbl.pair(r, 14, 8, radii);
    const double scale = std::max(1.0, std::abs(slope));
    CHECK(std::abs(v - formula(r)) < 1e-13 * std::max(1.0, formula(r)));
    CHECK(std::abs(slope - zbl.pair(Dual<double>(r, 1.0), 14, 8, radii).first.tangent) <
          1e-12 * scale);
    // h² times a third derivative of up to 1e4 times the slope, and rounding 1e-16/h
    CHECK(std::abs(slope - (formula(r + h) - formula(r - h)) / (2 * h)) < 1e-7 * scale);
    CHECK(zbl.pair(r, 8, 14, radii).first == v);
  }
  CHECK(zbl.pair(radii, 14, 8, radii).first == 0.0);
  // Bare nuclei at short distance.
  CHECK(std::abs(zbl.pair(1e-6, 14, 8, radii).first * 1e-6 / (14.3996 * 14 * 8) - 1.00007) < 1e-4);
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
        CAPTURE(static_cast<int>(b.kind), static_cast<int>(b.transform.kind), r, n);
        const std::size_t k = static_cast<std::size_t>(n);
        const double s = slope(b, n, r);
        CHECK(std::abs(s - values(b, Dual<double>(r, 1.0))[k].tangent) < 1e-9);
        const double h = 1e-6;  // third derivatives below 1e3
        CHECK(std::abs(s - (values(b, r + h)[k] - values(b, r - h)[k]) / (2 * h)) < 2e-8);
        const double second = slope(b, n, Dual<double>(r, 1.0)).tangent;
        CHECK(std::abs(second - (slope(b, n, r + h) - slope(b, n, r - h)) / (2 * h)) < 1e-6);
      }
}

}  // namespace radial_test
