// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

namespace direct_test {

using namespace electrostatics_test;

namespace {

// Boys functions in long double: the series with positive terms, or for large t, erf.
std::array<long double, 6> boys_reference(long double t) {
  std::array<long double, 6> f{};
  if (t < 30) {
    for (int n = 0; n < 6; ++n) {
      long double term = 1.0L / (2 * n + 1), sum = term;
      for (int k = 1; k < 400; ++k) sum += term *= 2 * t / (2 * n + 2 * k + 1);
      f[static_cast<std::size_t>(n)] = std::exp(-t) * sum;
    }
    return f;
  }
  f[0] = std::sqrt(std::acos(-1.0L) / t) / 2 * std::erf(std::sqrt(t));
  for (std::size_t n = 0; n < 5; ++n)
    f[n + 1] = ((2 * static_cast<long double>(n) + 1) * f[n] - std::exp(-t)) / (2 * t);
  return f;
}

// The largest relative error of B_0 … B_(Count − 1).
template <class T, int Count = 4>
double kernel_error(double t) {
  const double width = 1.0;  // a = 1/2
  const T r2 = static_cast<T>(4 * t);
  Pack<T> b[Count];
  detail::gaussian_kernel<T, Count>(Pack<T>(r2), Pack<T>(static_cast<T>(0.5 / width)), b);
  const auto f = boys_reference(static_cast<long double>(r2) / 4);
  long double factor = units::coulomb * std::numbers::inv_sqrtpi_v<long double>;
  double worst = 0;
  for (std::size_t n = 0; n < Count; ++n) {
    const long double ratio = static_cast<long double>(b[n].lane(0)) / (factor * f[n]);
    worst = std::max(worst, static_cast<double>(std::abs(ratio - 1)));
    factor /= 2;
  }
  return worst;
}

}  // namespace

TEST_CASE("radial functions of two Gaussians are accurate at every distance") {
  double worst = 0, worst_float = 0, worst_six = 0;
  for (double t = 0; t < 100; t = t < 1e-12 ? 1e-12 : t * 1.07) {
    worst = std::max(worst, kernel_error<double>(t));
    worst_float = std::max(worst_float, kernel_error<float>(t));
    worst_six = std::max(worst_six, kernel_error<double, 6>(t));
  }
  for (const int count : {2, 4, 6}) {
    const double at = detail::boys_switch(count);
    worst = std::max({worst, kernel_error<double>(at * (1 - 1e-15)), kernel_error<double>(at)});
    worst_six = std::max(
        {worst_six, kernel_error<double, 6>(at * (1 - 1e-15)), kernel_error<double, 6>(at)});
  }
  worst = std::max(worst, kernel_error<double>(1e6));
  INFO("double " << worst << ", float " << worst_float << ", up to B_5 " << worst_six);
  // Relative, all of B_0 … B_3. erf is exact to 5e-16 (float: 3e-7), and the recursion from there
  // multiplies that by 15/(2T)³ F_0/F_3 = 14 at the switch.
  CHECK(worst < 3e-14);
  CHECK(worst_float < 1e-5);
  // And 945/(2T)⁵ F_0/F_5 = 60 at the switch for B_5.
  CHECK(worst_six < 5e-14);
}

TEST_CASE("radial functions of distant Gaussians and of points are accurate where they are used") {
  const auto error = [](auto range, auto count, double t) {
    Pack<double> b[count()];
    const double r2 = 4 * t;
    detail::pair_radial<range(), count()>(detail::WidthPair<double>(Pack<double>(0.25)),
                                          Pack<double>(r2), b);
    const auto f = boys_reference(static_cast<long double>(r2) / 4);
    long double factor = std::numbers::inv_sqrtpi_v<long double>;
    double worst = 0;
    for (std::size_t n = 0; n < count(); ++n, factor /= 2)
      worst = std::max(worst, static_cast<double>(std::abs(
                                  static_cast<long double>(b[n].lane(0)) / (factor * f[n]) - 1)));
    return worst;
  };
  using detail::PairRange;
  const auto check = [&](auto count, double tolerance) {
    double distant = 0, points = 0;
    for (double t = detail::distant_beyond; t < 1e4; t *= 1.01)
      distant = std::max(distant,
                         error(std::integral_constant<PairRange, PairRange::distant>(), count, t));
    for (double t = detail::points_beyond<double>(count()); t < 1e4; t *= 1.01)
      points =
          std::max(points, error(std::integral_constant<PairRange, PairRange::points>(), count, t));
    INFO(count() << " functions: distant " << distant << ", points " << points);
    CHECK(distant < tolerance);
    CHECK(points < tolerance);
  };
  // The erfc of distant pairs is exact to 1e-15; B_1 has an exponential that is right to 1e-12 of
  // itself, 5e-3. What points leave out is below 1e-14 by the choice of the bounds.
  check(std::integral_constant<std::size_t, 2>(), 1e-14);
  check(std::integral_constant<std::size_t, 4>(), 1e-14);
  // B_5: the recursion multiplies the rounding of erf by 945/(2T)^5 F_0/F_5 = 20 at T = 6.25.
  check(std::integral_constant<std::size_t, 6>(), 3e-14);
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

TEST_CASE("Direct: quadrupoles obey the laws") {
  check_bilinear_laws(Direct(), random_system(false), 2);
  for (const auto& [l_max, l_features] : {std::pair{2, 2}, {2, 0}, {0, 2}, {1, 2}, {2, 1}})
    check_feature_laws(Direct(), random_system(false), l_max, l_features);
  check_features_are_potentials(Direct(), random_system(false), 2);
  check_positive(Direct(), random_system(false), 2);
}

TEST_CASE("Direct: the far field of a quadrupole is that of its moments") {
  System s;
  const Vector3<double> r{{11.0, -17.0, 23.0}};
  s.geometry.positions = {{{1, 2, 3}}, Vector3<double>{{1, 2, 3}} + r};
  s.widths = {1.0, 1.2};
  const double x = r[0], y = r[1], z = r[2], d = norm(r), sqrt3 = std::sqrt(3.0);
  const double moments[5] = {sqrt3 * x * y, sqrt3 * y * z, (3 * z * z - d * d) / 2, sqrt3 * x * z,
                             sqrt3 / 2 * (x * x - y * y)};
  for (std::size_t m = 0; m < 5; ++m) {
    std::vector<double> p(18);
    p[4 + m] = 1;
    const auto v = potential(Direct(), s.geometry, s.source(2), p);
    CHECK(std::abs(v[9] / (units::coulomb * moments[m] / std::pow(d, 5)) - 1) < 1e-12);
  }
}

TEST_CASE("Direct: a quadrupole is the second difference of charges") {
  const System s = random_system(false);
  const std::size_t n = s.widths.size();
  const auto p = random_numbers(9 * n, 60);
  const double exact = 0.5 * inner(p, potential(Direct(), s.geometry, s.source(2), p));
  const auto error = [&](double h) {
    System charges;
    std::vector<double> q;
    const auto put = [&](std::size_t i, const Vector3<double>& at, double charge) {
      charges.geometry.positions.push_back(s.geometry.positions[i] + h * at);
      charges.widths.push_back(s.widths[i]);
      q.push_back(charge);
    };
    for (std::size_t i = 0; i < n; ++i) {
      const double* c = p.data() + 9 * i;
      double center = c[0];
      for (int axis = 0; axis < 3; ++axis) {
        Vector3<double> e;
        e[axis] = 1;
        const double dipole = c[axis == 0 ? 3 : axis] / (2 * h);
        const double zz = axis == 2 ? 2 * c[6] : -c[6];
        const double xx = axis == 0 ? c[8] : axis == 1 ? -c[8] : 0;
        const double second = 0.5 * (zz / 3 + xx / std::sqrt(3.0)) / (h * h);
        put(i, e, dipole + second);
        put(i, -e, -dipole + second);
        center -= 2 * second;
        // ∂_a∂_b of the other two axes: xy, yz, xz are m = −2, −1, 1.
        const double mixed = c[axis == 2 ? 4 : axis == 0 ? 5 : 7] / std::sqrt(3.0) / (4 * h * h);
        for (const double a : {1.0, -1.0})
          for (const double b : {1.0, -1.0}) {
            Vector3<double> f;
            f[(axis + 1) % 3] = a;
            f[(axis + 2) % 3] = b;
            put(i, f, a * b * mixed);
          }
      }
      put(i, Vector3<double>{}, center);
    }
    return 0.5 * inner(q, potential(Direct(), charges.geometry, charges.source(0), q)) - exact;
  };
  const double coarse = error(0.08), fine = error(0.04);
  INFO("errors " << coarse << " and " << fine << " eV of " << exact);
  CHECK(std::abs(fine) < 2e-3 * std::abs(exact));
  CHECK(std::abs(coarse / fine - 4) < 0.05);  // a term in h⁴ remains
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
  CHECK_THROWS_AS(Direct().plan(s.geometry, s.source(3), 0.0, plan), ModelError);
  std::vector<double> bad = s.widths;
  bad[2] = 0;
  CHECK_THROWS_AS(Direct().plan(s.geometry, SourceShape{0, bad}, 0.0, plan), InputError);
  bad.pop_back();
  CHECK_THROWS_AS(Direct().plan(s.geometry, SourceShape{0, bad}, 0.0, plan), ModelError);
}

namespace {

// A drop of 400 atoms, 28 Å wide: near, distant and far pairs, several tiles. One of `widths` each.
System drop(const std::vector<double>& widths) {
  System s;
  RandomStream random(4);
  for (std::size_t i = 0; i < 400; ++i) {
    s.geometry.positions.push_back(
        {{random.uniform(0, 28), random.uniform(0, 28), random.uniform(0, 28)}});
    s.widths.push_back(widths[i % widths.size()]);
  }
  return s;
}

// ½ pᵀKp of charges without own-atom terms, pair by pair, in long double.
long double pair_sum(const System& s, const std::vector<double>& q) {
  long double sum = 0;
  for (std::size_t i = 0; i < q.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      long double r2 = 0;
      for (int c = 0; c < 3; ++c) {
        const long double d = static_cast<long double>(s.geometry.positions[i][c]) -
                              static_cast<long double>(s.geometry.positions[j][c]);
        r2 += d * d;
      }
      const auto wi = static_cast<long double>(s.widths[i]),
                 wj = static_cast<long double>(s.widths[j]);
      const long double r = std::sqrt(r2), w = std::sqrt(2 * (wi * wi + wj * wj));
      sum += static_cast<long double>(q[i]) * static_cast<long double>(q[j]) / r *
             (w > 0 ? std::erf(r / w) : 1.0L);
    }
  return sum * static_cast<long double>(units::coulomb);
}

std::vector<double> many_widths(bool points) {
  std::vector<double> widths;
  for (int k = 0; k < 23; ++k) widths.push_back(0.5 + 0.03 * k);
  if (points) widths[5] = widths[11] = 0;
  return widths;
}

}  // namespace

TEST_CASE("Direct: energies of large molecules are those of the pairs") {
  const Direct solver(SelfInteraction::excluded);
  for (const auto& widths : {std::vector<double>{1.0},
                             {0.0},
                             {0.0, 0.6, 1.1},
                             {0.2, 0.9},
                             many_widths(false),
                             many_widths(true)}) {
    const System s = drop(widths);
    const auto q = random_numbers(s.widths.size(), 41);
    Direct::Plan<double> plan;
    solver.plan(s.geometry, s.source(0), 0.0, plan);
    GeometryGradient<double> gradient;
    gradient.reset(q.size());
    const double energy = solver.energy(plan, q, 1.0, gradient);
    // 8e4 terms of up to 10 eV, each right to 1e-14, that cancel to some 1e2 eV
    CHECK(std::abs(energy - static_cast<double>(pair_sum(s, q))) < 1e-10);
  }
}

TEST_CASE("Direct: energy in one pass agrees with potential and bilinear gradient") {
  for (const auto& widths :
       {std::vector<double>{0.4, 1.0}, many_widths(false), std::vector<double>{0.0, 0.7}})
    for (const int l_max : {0, 1, 2}) {
      const bool points = widths[0] == 0;
      const System s = drop(widths);
      const auto self = points ? SelfInteraction::excluded : SelfInteraction::included;
      const Direct solver(self), computing(DirectOptions{self, 0.0});
      const auto p = random_numbers(coefficients(s, l_max), 42);
      const auto copy = p;
      Direct::Plan<double> plan;
      solver.plan(s.geometry, s.source(l_max), 0.0, plan);
      GeometryGradient<double> one, two;
      one.reset(s.widths.size());
      two.reset(s.widths.size());
      const double energy = solver.energy(plan, p, 1.5, one);
      std::vector<double> v(p.size()), again(p.size());
      solver.apply(plan, p, v);
      CHECK(plan.stored);
      computing.plan(s.geometry, s.source(l_max), 0.0, plan);
      computing.apply(plan, p, again);
      CHECK_FALSE(plan.stored);
      double scale = 1;
      for (const double x : v) scale = std::max(scale, std::abs(x));
      CHECK(deviation(again, v) < 1e-13);
      // Sums of 8e4 terms; close quadrupoles make large ones.
      CHECK(std::abs(energy - 0.5 * inner(p, v)) < 1e-11 * scale);
      solver.bilinear_gradient(plan, p, copy, 0.75, two);
      std::vector<double> a, b;
      for (std::size_t i = 0; i < s.widths.size(); ++i)
        for (int c = 0; c < 3; ++c) {
          a.push_back(one.positions[i][c]);
          b.push_back(two.positions[i][c]);
        }
      a.insert(a.end(), one.strain.data.begin(), one.strain.data.end());
      b.insert(b.end(), two.strain.data.begin(), two.strain.data.end());
      CHECK(deviation(a, b) < 1e-12);
    }
}

TEST_CASE("Direct: points obey the laws") {
  System s = random_system(false);
  for (std::size_t i = 0; i < s.widths.size(); i += 2) s.widths[i] = 0;
  s.geometry.positions[4][1] += 1.0;  // points 0.3 Å apart have no accurate differences
  const Direct solver(SelfInteraction::excluded);
  for (const int l_max : {0, 1}) check_bilinear_laws(solver, s, l_max, 10);
  check_feature_laws(solver, s, 1, 1);
}

TEST_CASE("Direct: results do not depend on the number of threads") {
  const System s = doubled(random_system(false, 5), 6);
  REQUIRE(s.widths.size() > detail::direct_tile * Pack<double>::lanes);  // several blocks
  check_threads(Direct(), s);
}

}  // namespace direct_test
