// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

using namespace electrostatics_test;

namespace {

// Boys functions in long double: the series with positive terms, or for large t, erf.
std::array<long double, 4> boys_reference(long double t) {
  std::array<long double, 4> f{};
  if (t < 30) {
    for (int n = 0; n < 4; ++n) {
      long double term = 1.0L / (2 * n + 1), sum = term;
      for (int k = 1; k < 400; ++k) sum += term *= 2 * t / (2 * n + 2 * k + 1);
      f[static_cast<std::size_t>(n)] = std::exp(-t) * sum;
    }
    return f;
  }
  f[0] = std::sqrt(std::acos(-1.0L) / t) / 2 * std::erf(std::sqrt(t));
  for (std::size_t n = 0; n < 3; ++n)
    f[n + 1] = ((2 * static_cast<long double>(n) + 1) * f[n] - std::exp(-t)) / (2 * t);
  return f;
}

template <class T>
double kernel_error(double t) {
  const double width = 1.0;  // a = 1/2
  const T r2 = static_cast<T>(4 * t);
  Pack<T> b[4];
  detail::gaussian_kernel<T>(Pack<T>(r2), Pack<T>(static_cast<T>(0.5 / width)), b);
  const auto f = boys_reference(static_cast<long double>(r2) / 4);
  long double factor = units::coulomb * std::numbers::inv_sqrtpi_v<long double>;
  double worst = 0;
  for (std::size_t n = 0; n < 4; ++n) {
    const long double ratio = static_cast<long double>(b[n].lane(0)) / (factor * f[n]);
    worst = std::max(worst, static_cast<double>(std::abs(ratio - 1)));
    factor /= 2;
  }
  return worst;
}

}  // namespace

TEST_CASE("radial functions of two Gaussians are accurate at every distance") {
  double worst = 0, worst_float = 0;
  for (double t = 0; t < 100; t = t < 1e-12 ? 1e-12 : t * 1.07) {
    worst = std::max(worst, kernel_error<double>(t));
    worst_float = std::max(worst_float, kernel_error<float>(t));
  }
  worst = std::max({worst, kernel_error<double>(detail::boys_switch * (1 - 1e-15)),
                    kernel_error<double>(detail::boys_switch), kernel_error<double>(1e6)});
  INFO("double " << worst << ", float " << worst_float);
  // Relative, all of B_0 … B_3. The vector erf is exact to 7.6e-15, and the recursion from there
  // multiplies that by 15/(2T)³ F_0/F_3 = 5 at the switch.
  CHECK(worst < 5e-14);
  CHECK(worst_float < 2e-5);
}

TEST_CASE("Direct: derivatives by adjoint, duals and differences agree") {
  for (const int l_max : {0, 1}) check_bilinear_laws(Direct(), random_system(false), l_max);
}

TEST_CASE("Direct: features, their transpose and gradient agree") {
  for (const int l_max : {0, 1})
    for (const int l_features : {0, 1})
      check_feature_laws(Direct(), random_system(false), l_max, l_features);
  check_features_are_potentials(Direct(), random_system(false));
  check_features_are_potentials(Direct(SelfInteraction::included), random_system(false, 4));
}

TEST_CASE("Direct: K is symmetric and positive") {
  for (const int l_max : {0, 1}) check_positive(Direct(), random_system(false), l_max);
}

TEST_CASE("Direct: rotation, translation, permutation") {
  check_symmetries(Direct(), random_system(false));
}

TEST_CASE("Direct: single precision") { check_float(Direct(), random_system(false)); }

TEST_CASE("Direct: a warm plan does not allocate") {
  check_no_allocation(Direct(), random_system(false), leyden_test::allocation_count);
}

TEST_CASE("Direct: coinciding atoms are finite and act as one") {
  System s;
  s.geometry.positions = {{{1, 2, 3}}, {{1, 2, 3}}};
  s.widths = {1.0, 1.0};
  const std::vector<double> p{0.3, 0.1, -0.2, 0.4, 0.7, -0.3, 0.5, 0.2};
  const auto v = potential(Direct(), s.geometry, s.source(1), p);
  for (std::size_t lm = 0; lm < 4; ++lm) {
    const double expected = (p[lm] + p[4 + lm]) * self_interaction(lm == 0 ? 0 : 1, 1.0, 1.0);
    CHECK(std::abs(v[lm] - expected) < 1e-13);
    CHECK(std::abs(v[4 + lm] - expected) < 1e-13);
  }
}

TEST_CASE("Direct: own-atom terms in and out") {
  const System s = random_system(false);
  const auto p = random_numbers(coefficients(s, 1), 20);
  const auto with = potential(Direct(), s.geometry, s.source(1), p);
  const auto without = potential(Direct(SelfInteraction::excluded), s.geometry, s.source(1), p);
  std::vector<double> own;
  for (std::size_t i = 0; i < p.size(); ++i)
    own.push_back(without[i] +
                  p[i] * self_interaction(i % 4 == 0 ? 0 : 1, s.widths[i / 4], s.widths[i / 4]));
  CHECK(deviation(own, with) < 1e-14);
}

TEST_CASE("Direct: what it does not serve is refused") {
  System s = random_system(false);
  Direct::Plan<double> plan;
  Geometry<double> slab = s.geometry;
  slab.periodic = {true, true, false};
  CHECK_THROWS_AS(Direct().plan(slab, s.source(0), 0.0, plan), ModelError);
  CHECK_THROWS_AS(Direct().plan(s.geometry, s.source(2), 0.0, plan), ModelError);
  std::vector<double> bad = s.widths;
  bad[2] = 0;
  CHECK_THROWS_AS(Direct().plan(s.geometry, SourceShape{0, bad}, 0.0, plan), InputError);
  bad.pop_back();
  CHECK_THROWS_AS(Direct().plan(s.geometry, SourceShape{0, bad}, 0.0, plan), ModelError);
}
