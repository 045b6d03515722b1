// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/splitting.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <numbers>
#include <vector>

namespace splitting_test {

namespace {

using namespace leyden;

// ∫_a^b by 2·64 Gauss-Legendre nodes.
template <class Function>
double integrate(double a, double b, const Function& f) {
  std::vector<double> x, w;
  detail::half_gauss_legendre(64, x, w);
  const double middle = 0.5 * (a + b), half = 0.5 * (b - a);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum += w[i] * (f(middle - half * x[i]) + f(middle + half * x[i]));
  return half * sum;
}

std::vector<Splitting> splittings() {
  return {Splitting::gaussian(0.45),     Splitting::gaussian(1.3),
          Splitting::prolate(6.0, 14.0), Splitting::prolate(6.0, 10.0),
          Splitting::prolate(4.5, 20.5), Splitting::prolate(10.0, 31.0),
          Splitting::prolate(3.0, 1.0),  Splitting::prolate(9.0, 60.0)};
}

}  // namespace

TEST_CASE("Prolate: the wave equation, the norm and the finite Fourier transform") {
  for (const double c : {1.0, 3.7, 14.0, 30.0, 60.0}) {
    INFO("c = " << c);
    const Prolate psi(c);
    CHECK(std::abs(2 * integrate(0, 1, [&](double x) { return psi(x) * psi(x); }) - 1) < 1e-13);
    CHECK(psi.integral(0.0) == 0.0);
    const double scale = psi(0);
    for (const double x : {0.0, 0.1, 0.35, 0.6, 0.85, 0.99, 1.0}) {
      CHECK(std::abs(psi(x) - psi(-x)) < 1e-15 * scale);
      // The equation integrated once: (1 − x²)ψ'(x) = −∫_0^x (χ − c²s²) ψ. Its terms are up to c
      // ψ(0).
      const double right =
          integrate(0, x, [&](double s) { return (psi.eigenvalue() - c * c * s * s) * psi(s); });
      CHECK(std::abs((1 - x * x) * psi.derivative(x) + right) < 2e-14 * (10 + c) * scale);
      CHECK(std::abs(psi.integral(x) - integrate(0, x, psi)) < 1e-14 * scale);
      const double transform =
          2 * integrate(0, 1, [&](double s) { return psi(s) * std::cos(c * s * x); });
      CHECK(std::abs(transform / (2 * psi.integral(1)) - psi(x) / scale) < 1e-14);
    }
  }
  // Abramowitz and Stegun 21.7.6; the next term is some 1/c⁴.
  const double c = 60, asymptotic = c - 0.75 - 3 / (16 * c) - 15 / (64 * c * c) -
                                    7248.0 / 16384 / (c * c * c);
  CHECK(std::abs(Prolate(c).eigenvalue() - asymptotic) < 2e-7);
  // Table 21.1 there: 0.319000.
  CHECK(std::abs(Prolate(1.0).eigenvalue() - 0.319000) < 5e-7);
  CHECK_THROWS_AS(Prolate(0.5), ModelError);
  CHECK_THROWS_AS(Prolate(61.0), ModelError);
}

TEST_CASE("Splitting: f is ψ or a Gaussian, with its derivatives") {
  for (const Splitting& s : splittings()) {
    INFO("parameter " << s.parameter());
    const double top = s.k_max(1e-12);
    CHECK(std::abs(s.factor(0.0) - 1) < 1e-15);
    for (int i = 0; i <= 200; ++i) {
      const double k = top * (i + 0.013) / 200.7, k2 = k * k;
      const double exact =
          s.kind() == Splitting::Kind::prolate
              ? Prolate(s.parameter())(k * s.cutoff() / s.parameter()) / Prolate(s.parameter())(0)
              : std::exp(-k2 / (4 * s.parameter() * s.parameter()));
      if (i % 20 == 0) CHECK(std::abs(s.factor(k2) - exact) < 2e-15);
      // Central differences: h² f'''/6 and 1e-16/h, in units of top².
      const double h = 1e-5 * top * top;
      if (k2 < h || k2 + h > top * top) continue;
      const double slope = (s.factor(k2 + h) - s.factor(k2 - h)) / (2 * h) * top * top;
      CHECK(std::abs(s.factor_derivative(k2) * top * top - slope) < 2e-6);
      const Dual<double> dual = s.factor(Dual<double>(k2, 1));
      CHECK(dual.value == s.factor(k2));
      CHECK(dual.tangent == s.factor_derivative(k2));
      const Dual<double> second = s.factor_derivative(Dual<double>(k2, 1));
      CHECK(second.value == s.factor_derivative(k2));
      const double curve = (s.factor_derivative(k2 + h) - s.factor_derivative(k2 - h)) / (2 * h);
      CHECK(std::abs(second.tangent - curve) * std::pow(top, 4) < 1e-4);
      CHECK(std::abs(s.factor(static_cast<float>(k2)) - s.factor(k2)) < 1e-6);
    }
    // Smoothness across the tables' seams: the integral of f' gives f.
    if (s.kind() == Splitting::Kind::prolate) {
      const double y0 = 0.2 * top * top, y1 = 0.9 * top * top;
      double sum = 0;
      for (int part = 0; part < 64; ++part)
        sum += integrate(y0 + (y1 - y0) * part / 64, y0 + (y1 - y0) * (part + 1) / 64,
                         [&](double y) { return s.factor_derivative(y); });
      CHECK(std::abs(s.factor(y1) - s.factor(y0) - sum) < 1e-14);
      CHECK(s.factor(1.0001 * top * top) == 0.0);
      CHECK(s.factor_derivative(1.0001 * top * top) == 0.0);
      CHECK(s.k_max(1e-3) == s.parameter() / s.cutoff());
    } else {
      CHECK(std::abs(s.factor(top * top) / 1e-12 - 1) < 1e-10);
    }
  }
  CHECK_THROWS_AS(Splitting::gaussian(0.0), ModelError);
  CHECK_THROWS_AS(Splitting::prolate(-1.0, 14.0), ModelError);
  CHECK_THROWS_AS(Splitting::prolate(6.0, 90.0), ModelError);
}

TEST_CASE("Splitting: the long-range part and its radial functions") {
  for (const Splitting& s : splittings()) {
    INFO("parameter " << s.parameter());
    const double end = s.kind() == Splitting::Kind::prolate ? s.cutoff() : 5 / s.parameter();
    // L by its definition.
    for (const double x : {0.02, 0.3, 0.7, 0.98, 1.5}) {
      const double r = x * end;
      double expected = 1 / r;
      if (s.kind() == Splitting::Kind::gaussian) {
        expected *= std::erf(s.parameter() * r);
      } else if (x < 1) {
        const Prolate psi(s.parameter());
        expected *= psi.integral(x) / psi.integral(1);
      }
      // ∫ψ is good to 1e-15, which 1/x multiplies.
      CHECK(std::abs(s.long_range(0, r) - expected) <
            1e-14 * s.long_range(0, 0) / std::min(x, 1.0));
    }
    // B_(n−1)(a) − B_(n−1)(b) = ∫_a^b r B_n dr
    for (int n = 1; n <= 6; ++n) {
      INFO("order " << n);
      const double scale = s.long_range(n - 1, 0);
      for (const double a : {0.0, 0.11, 0.52, 0.89}) {
        const double r = a * end, to = r + 0.1 * end;
        const double sum = integrate(r, to, [&](double t) { return t * s.long_range(n, t); });
        CHECK(std::abs(s.long_range(n - 1, r) - s.long_range(n - 1, to) - sum) < 2e-14 * scale);
      }
    }
    if (s.kind() == Splitting::Kind::prolate) {
      // Beyond the cutoff that of a point, from which L differs by ψ(1) there.
      CHECK(std::abs(s.long_range(2, 1.1 * end) - 3 / std::pow(1.1 * end, 5)) < 1e-15);
      CHECK(std::abs(s.long_range(0, 0.999999999999 * end) - 1 / end) < 1e-11 / end);
    }
  }
}

TEST_CASE("Splitting: the Fourier transform of L is 4π f/k²") {
  for (const Splitting& s : splittings()) {
    INFO("parameter " << s.parameter());
    // 1/r − L ends; its transform is (4π/k²)(1 − f).
    const double end = s.kind() == Splitting::Kind::prolate ? s.cutoff() : 6.2 / s.parameter();
    const auto transform = [&](double k) {
      return 4 * std::numbers::pi * integrate(0, end, [&](double r) {
               const double sinc = k * r < 1e-9 ? 1.0 : std::sin(k * r) / (k * r);
               return r * (1 - r * s.long_range(0, r)) * sinc;
             });
    };
    const double whole = s.neutralising();
    for (const double x : {0.05, 0.3, 0.6, 0.95}) {
      const double k = x * s.k_max(1e-8);
      const double expected = 4 * std::numbers::pi / (k * k) * (1 - s.factor(k * k));
      // 1 − f loses eps/k² at small k.
      CHECK(std::abs(transform(k) - expected) < 1e-13 * whole + 1e-14 / (k * k));
    }
    CHECK(std::abs(transform(0) / whole - 1) < 1e-13);
  }
}

}  // namespace splitting_test
