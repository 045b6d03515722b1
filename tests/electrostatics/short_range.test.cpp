// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct_pairs.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/short_range.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

#include <complex>

namespace short_range_test {

using namespace electrostatics_test;

namespace {

// As deviation(), and says how large it is.
void check_deviation(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  const double found = deviation(a, b);
  INFO("deviation " << found << ", expected below " << tolerance);
  CHECK(found < tolerance);
}

ShortRange prolate(double cutoff, double c, double accuracy,
                   SelfInteraction self = SelfInteraction::included, double skin = 0) {
  ShortRangeOptions options;
  options.accuracy = accuracy;
  options.self = self;
  options.skin = skin;
  return ShortRange(Splitting::prolate(cutoff, c), options);
}

// Fits to 1e-14, a splitting whose two ends fit to 1e-12, and a cutoff that Gaussians of 1.3 Å do
// not reach: the cells below hold many images of every atom.
const ShortRange exact = prolate(14, 30, 1e-13);
// The same for features of up to 2.2 Å.
const ShortRange exact_far = prolate(20, 30, 1e-13);

// The potential of receivers of width t(i), lattice image by lattice image.
template <class Width>
std::vector<double> brute_force(const ShortRange& solver, const System& s, int l_max,
                                const std::vector<double>& p, const Width& receiver_width,
                                bool own) {
  const int size = detail::multipole_size(l_max);
  const auto n = s.geometry.n_atoms();
  std::vector<double> v(p.size()), cartesian;
  detail::cartesian_multipoles<double>(p, l_max, 2, n, cartesian);
  const int reach = s.geometry.periodic[0] ? 4 : 0;
  for (int i = 0; i < n; ++i) {
    Pack<double> sum[10] = {};
    for (int j = 0; j < n; ++j)
      for (int a = -reach; a <= reach; ++a)
        for (int b = -reach; b <= reach; ++b)
          for (int c = -reach; c <= reach; ++c) {
            const bool self = i == j && a == 0 && b == 0 && c == 0;
            if (self && !own) continue;
            Vector3<double> r = s.geometry.positions[static_cast<std::size_t>(i)] -
                                s.geometry.positions[static_cast<std::size_t>(j)];
            r -= s.geometry.cell.row(0) * a + s.geometry.cell.row(1) * b +
                 s.geometry.cell.row(2) * c;
            const double d = norm(r);
            if (d >= solver.cutoff()) continue;
            const double t = receiver_width(i), w = s.widths[static_cast<std::size_t>(j)];
            Pack<double> radial[5], source[10];
            for (int k = 0; k < 5; ++k) {
              double whole;
              if (t == 0 && w == 0) {
                whole = 1 / d;
                for (int m = 0; m < k; ++m) whole *= (2 * m + 1) / (d * d);
              } else {
                whole = detail::gaussian_radial(k, 1 / std::sqrt(2 * (t * t + w * w)), d);
              }
              radial[k] =
                  Pack<double>(units::coulomb * (whole - solver.splitting().long_range(k, d)));
            }
            const Pack<double> x[3] = {Pack<double>(r[0]), Pack<double>(r[1]), Pack<double>(r[2])};
            for (int k = 0; k < 10; ++k)
              source[k] = Pack<double>(cartesian[static_cast<std::size_t>(10 * j + k)]);
            detail::pair_potential<2, double>(x, radial, source, sum);
          }
    detail::store_cartesian<double>(
        l_max, [&](int c) { return sum[c].lane(0); }, false, v.data() + i * size);
  }
  return v;
}

// Atoms of given widths, none closer than 2.2 Å, in a small triclinic cell.
System mixture(const std::vector<double>& widths, bool periodic) {
  System s = random_system(periodic, 3);
  RandomStream random(4);
  s.geometry.positions.clear();
  s.widths.clear();
  while (s.geometry.positions.size() < 9) {
    const Vector3<double> r{{random.uniform(-3, 9), random.uniform(0, 6), random.uniform(0, 6)}};
    bool far = true;
    for (const auto& other : s.geometry.positions)
      for (int k = 0; k < 125; ++k) {
        const Vector3<double> image = other + s.geometry.cell.row(0) * double(k % 5 - 2) +
                                      s.geometry.cell.row(1) * double(k / 5 % 5 - 2) +
                                      s.geometry.cell.row(2) * double(k / 25 - 2);
        far = far && norm(r - image) > 2.2;
      }
    if (!far) continue;
    s.widths.push_back(widths[s.geometry.positions.size() % widths.size()]);
    s.geometry.positions.push_back(r);
  }
  return s;
}

}  // namespace

TEST_CASE("ShortRange: equals the sum over images, for all widths and degrees") {
  const std::vector<std::vector<double>> mixtures{
      {0.0}, {0.3}, {1.0}, {0.0, 0.02, 0.3, 1.0}, {0.5, 0.0}};
  for (const bool periodic : {true, false})
    for (const auto& widths : mixtures)
      for (int l = 0; l < 3; ++l) {
        INFO("periodic " << periodic << ", first width " << widths[0] << " of " << widths.size()
                         << ", l_max " << l);
        const System s = mixture(widths, periodic);
        const ShortRange solver = prolate(11, 24, 1e-13, SelfInteraction::excluded);
        const auto p = random_numbers(coefficients(s, l), 31);
        auto v = potential(solver, s.geometry, s.source(l), p);
        // The own-atom part of the sum of both parts is zero.
        const int size = detail::multipole_size(l);
        for (std::size_t i = 0; i < p.size(); ++i) {
          const int degree = degree_of_coefficient(static_cast<int>(i) % size);
          v[i] += p[i] * units::coulomb * solver.splitting().long_range(degree, 0) *
                  (degree == 2 ? 1.0 / 3 : 1.0);
        }
        const auto expected = brute_force(
            solver, s, l, p, [&](int i) { return s.widths[static_cast<std::size_t>(i)]; }, false);
        // Rounding is that of B_n at r = 0, which for n = 4 of the narrowest Gaussians is some 1e3
        // times the largest term here.
        check_deviation(v, expected, l == 2 ? 1e-10 : 1e-12);
      }
}

TEST_CASE("ShortRange: own-atom terms are those of K without the long-range part") {
  const System s = mixture({0.4, 0.9}, true);
  const ShortRange with = prolate(11, 24, 1e-13);
  for (int l = 0; l < 3; ++l) {
    const auto p = random_numbers(coefficients(s, l), 32);
    const auto v = potential(with, s.geometry, s.source(l), p);
    const auto expected = brute_force(
        with, s, l, p, [&](int i) { return s.widths[static_cast<std::size_t>(i)]; }, true);
    check_deviation(v, expected, l == 2 ? 1e-10 : 1e-12);
  }
}

TEST_CASE("ShortRange: the asked accuracy is reached, with as few terms as it needs") {
  const System s = mixture({0.0, 0.35, 0.6}, true);
  const auto p = random_numbers(coefficients(s, 0), 33);
  int last = 0;
  for (const double accuracy : {1e-4, 1e-6, 1e-9, 1e-12}) {
    INFO("accuracy " << accuracy);
    const ShortRange solver = prolate(7, 20, accuracy, SelfInteraction::excluded);
    ShortRange::Plan<double> plan;
    solver.plan(s.geometry, s.source(0), 0.0, plan);
    std::vector<double> v(p.size());
    solver.apply(plan, p, v);
    for (std::size_t i = 0; i < p.size(); ++i)
      v[i] += p[i] * units::coulomb * solver.splitting().long_range(0, 0);
    const auto expected = brute_force(
        solver, s, 0, p, [&](int i) { return s.widths[static_cast<std::size_t>(i)]; }, false);
    check_deviation(v, expected, accuracy);
    CHECK(plan.tables[0].far.terms > last);
    last = plan.tables[0].far.terms;
    CHECK(last < 32);
  }
}

TEST_CASE("ShortRange: symmetric, and its gradient three ways") {
  for (const bool periodic : {true, false})
    for (int l = 0; l < 3; ++l) {
      INFO("periodic " << periodic << ", l_max " << l);
      // Quadrupoles 0.3 Å apart make numbers some 100 times larger.
      check_bilinear_laws(exact, random_system(periodic), l, l == 2 ? 100 : 1);
    }
}

TEST_CASE("ShortRange: points, their gradient and that of mixtures with points") {
  const ShortRange solver = prolate(9, 30, 1e-13, SelfInteraction::excluded);
  for (int l = 0; l < 3; ++l) {
    INFO("l_max " << l);
    // Points have seventh powers of 1/r and two more derivatives.
    check_bilinear_laws(solver, mixture({0.0}, true), l, l == 2 ? 1e3 : 10);
    check_bilinear_laws(solver, mixture({0.3, 0.0, 0.7}, true), l, l == 2 ? 1e3 : 10);
  }
}

TEST_CASE("ShortRange: energy and gradient in one pass are those of apply") {
  const System s = random_system(true);
  for (int l = 0; l < 3; ++l) {
    const auto p = random_numbers(coefficients(s, l), 34);
    ShortRange::Plan<double> plan;
    exact.plan(s.geometry, s.source(l), 0.0, plan);
    GeometryGradient<double> one, other;
    one.reset(s.widths.size());
    other.reset(s.widths.size());
    const double energy = exact.energy(plan, p, 1.5, one);
    const double expected = 0.5 * inner(p, potential(exact, s.geometry, s.source(l), p));
    CHECK(std::abs(energy - expected) < 1e-12 * std::max(1.0, std::abs(expected)));
    const auto copy = p;
    exact.bilinear_gradient(plan, p, copy, 0.75, other);
    double worst = 0, scale = 1;
    for (std::size_t i = 0; i < s.widths.size(); ++i)
      for (int c = 0; c < 3; ++c) {
        worst = std::max(worst, std::abs(one.positions[i][c] - other.positions[i][c]));
        scale = std::max(scale, std::abs(one.positions[i][c]));
      }
    for (std::size_t c = 0; c < 9; ++c)
      worst = std::max(worst, std::abs(one.strain.data[c] - other.strain.data[c]));
    CHECK(worst < 1e-12 * scale);
  }
}

TEST_CASE("ShortRange: features, their transpose and gradient") {
  for (int l = 0; l < 3; ++l)
    for (int f = 0; f < 3; ++f) {
      INFO("l_max " << l << ", of features " << f);
      // Images only once: features this wide have 750 neighbours.
      check_feature_laws(exact_far, random_system(l == 0 && f == 1), l, f);
    }
  check_features_are_potentials(exact, random_system(true), 2);
  // Receivers of another width than the sources.
  const System s = mixture({0.0, 0.5, 1.0}, true);
  const ShortRange solver = prolate(11, 24, 1e-13, SelfInteraction::excluded);
  const std::vector<double> widths{0.7};
  const auto p = random_numbers(coefficients(s, 2), 35);
  const auto v = features(solver, s.geometry, s.source(2), p, PotentialFeatures{2, widths});
  check_deviation(v,
                  brute_force(
                      solver, s, 2, p, [](int) { return 0.7; }, true),
                  1e-10);
}

TEST_CASE("ShortRange: with the sum over wave vectors it is K, whatever the splitting") {
  const System s = random_system(true);
  auto p = random_numbers(coefficients(s, 0), 36);
  double charge = 0;
  for (const double q : p) charge += q;
  for (double& q : p) q -= charge / static_cast<double>(p.size());
  const auto expected =
      potential(Reciprocal({1e-14, 0.0, Background::none, SelfInteraction::included}), s.geometry,
                s.source(0), p);
  const auto inverse_cell = inverse(s.geometry.cell);
  const double volume = determinant(s.geometry.cell);
  ShortRangeOptions gaussian;
  gaussian.accuracy = 1e-13;
  gaussian.cutoff = 14;
  const ShortRange solvers[] = {exact, ShortRange(Splitting::gaussian(0.5), gaussian)};
  for (const ShortRange& solver : solvers) {
    auto v = potential(solver, s.geometry, s.source(0), p);
    const double k_max = solver.splitting().k_max(1e-14);
    for (int a = -8; a <= 8; ++a)
      for (int b = -8; b <= 8; ++b)
        for (int c = -8; c <= 8; ++c) {
          Vector3<double> k;
          for (int d = 0; d < 3; ++d)
            k[d] = 2 * std::numbers::pi *
                   (a * inverse_cell(d, 0) + b * inverse_cell(d, 1) + c * inverse_cell(d, 2));
          const double k2 = dot(k, k);
          if (k2 == 0 || k2 > k_max * k_max) continue;
          const double weight =
              units::coulomb * 4 * std::numbers::pi / (k2 * volume) * solver.splitting().factor(k2);
          std::complex<double> sum;
          for (std::size_t j = 0; j < p.size(); ++j)
            sum += p[j] * std::polar(1.0, dot(k, s.geometry.positions[j]));
          for (std::size_t i = 0; i < p.size(); ++i)
            v[i] += weight * (sum * std::polar(1.0, -dot(k, s.geometry.positions[i]))).real();
        }
    // The short-ranged part has a mean, (C/V) Σ_j q_j (∫(1/r − L) − 2π(σ_i² + σ_j²)), which the sum
    // without k = 0 has not.
    double spread = 0;
    for (std::size_t j = 0; j < p.size(); ++j) spread += p[j] * s.widths[j] * s.widths[j];
    double worst = 0;
    for (std::size_t i = 0; i < p.size(); ++i)
      worst = std::max(worst, std::abs(v[i] - expected[i] +
                                       units::coulomb * 2 * std::numbers::pi * spread / volume));
    // The error of the prolate splitting is ψ(1)/ψ(0) = 1e-12 of some 1e2 eV.
    INFO("largest difference " << worst << " eV");
    CHECK(worst < 1e-10);
  }
}

TEST_CASE("ShortRange: rotation, translation, permutation; single precision") {
  check_symmetries(exact, random_system(true));
  check_symmetries(exact, random_system(false));
  check_float(prolate(8, 16, 1e-4), random_system(true));
}

TEST_CASE("ShortRange: wires and slabs") {
  for (int periodic = 1; periodic < 3; ++periodic) {
    System s = mixture({0.4}, true);
    s.geometry.periodic = {true, periodic > 1, false};
    const ShortRange solver = prolate(6, 14, 1e-12);
    System stretched = s;  // far images are no images
    stretched.geometry.periodic = {true, true, true};
    for (int d = periodic; d < 3; ++d) {
      stretched.geometry.cell(d, 0) = stretched.geometry.cell(d, 1) = 0;
      stretched.geometry.cell(d, 2) = 0;
      stretched.geometry.cell(d, d) = 60;
    }
    const auto p = random_numbers(coefficients(s, 1), 37);
    check_deviation(potential(solver, s.geometry, s.source(1), p),
                    potential(solver, stretched.geometry, s.source(1), p), 1e-13);
  }
}

TEST_CASE("ShortRange: a skin keeps the list and changes nothing") {
  System s = mixture({0.0, 0.4}, true);
  const ShortRange plain = prolate(6, 14, 1e-10, SelfInteraction::excluded);
  const ShortRange skinned = prolate(6, 14, 1e-10, SelfInteraction::excluded, 0.8);
  const auto p = random_numbers(coefficients(s, 1), 38);
  ShortRange::Plan<double> plan;
  std::vector<double> v(p.size());
  RandomStream random(39);
  const auto first = s.geometry.positions;
  for (int step = 0; step < 4; ++step) {
    skinned.plan(s.geometry, s.source(1), 0.0, plan);
    CHECK((plan.built_positions == first) == (step < 3));
    skinned.apply(plan, p, v);
    check_deviation(v, potential(plain, s.geometry, s.source(1), p), 1e-13);
    for (std::size_t i = 0; i < first.size(); ++i)
      for (int c = 0; c < 3; ++c)
        s.geometry.positions[i][c] = first[i][c] + (step < 2 ? 0.23 : 1.0) * random.uniform(-1, 1);
  }
  // A changed cell is another list.
  s.geometry.cell(0, 0) += 0.01;
  skinned.plan(s.geometry, s.source(1), 0.0, plan);
  skinned.apply(plan, p, v);
  check_deviation(v, potential(plain, s.geometry, s.source(1), p), 1e-13);
}

TEST_CASE("ShortRange: kept radial functions give the same potential") {
  const System s = mixture({0.0, 0.4}, true);
  ShortRangeOptions little;
  little.memory = 0;
  little.self = SelfInteraction::excluded;
  const ShortRange keeps = prolate(6, 14, 1e-9, SelfInteraction::excluded);
  const ShortRange not_keeping(Splitting::prolate(6, 14), little);
  for (int l = 0; l < 3; ++l) {
    ShortRange::Plan<double> plan, other;
    keeps.plan(s.geometry, s.source(l), 0.0, plan);
    not_keeping.plan(s.geometry, s.source(l), 0.0, other);
    std::vector<double> v(coefficients(s, l)), w(v.size());
    for (std::uint64_t turn = 0; turn < 4; ++turn) {
      const auto p = random_numbers(v.size(), 40 + turn);
      keeps.apply(plan, p, v);
      not_keeping.apply(other, p, w);
      CHECK(v == w);
    }
    CHECK(plan.radial.size() > 0);
    CHECK(other.radial.size() == 0);
  }
}

TEST_CASE("ShortRange: a plan can change its solver, widths, degree and atoms") {
  ShortRange::Plan<double> plan;
  const auto check = [&](const ShortRange& solver, const System& s, int l) {
    const auto p = random_numbers(coefficients(s, l), 42);
    std::vector<double> v(p.size());
    solver.plan(s.geometry, s.source(l), 0.0, plan);
    solver.apply(plan, p, v);
    CHECK(v == potential(solver, s.geometry, s.source(l), p));
    const std::vector<double> widths{0.5};
    const PotentialFeatures shape{1, widths, SelfInteraction::included};
    std::vector<double> f(coefficients(s, 1));
    solver.features(plan, p, shape, f);
    CHECK(f == features(solver, s.geometry, s.source(l), p, shape));
  };
  const ShortRange one = prolate(7, 14, 1e-6), other = prolate(7, 16, 1e-6);
  const System s = mixture({0.4, 0.5}, true);
  System moved = s, narrower = s;
  moved.geometry.positions[0][0] += 0.1;
  narrower.widths[1] = 0.3;
  check(one, s, 0);
  check(other, s, 0);
  check(other, s, 1);
  check(one, moved, 1);
  check(one, narrower, 1);
  check(one, mixture({0.4}, false), 2);
}

TEST_CASE("ShortRange: a warm plan does not allocate") {
  check_no_allocation(prolate(18, 20, 1e-12), random_system(true), leyden_test::allocation_count);
}

TEST_CASE("ShortRange: results do not depend on the number of threads") {
  const System s = doubled(random_system(true, 5), 4);
  REQUIRE(s.widths.size() > 2 * detail::rows_of_block);
  check_threads(prolate(9, 10, 1e-6), s);
}

TEST_CASE("ShortRange: what it does not serve is refused with a way out") {
  System s = random_system(true);
  ShortRange::Plan<double> plan;
  CHECK_THROWS_WITH(prolate(6, 14, 1e-9).plan(s.geometry, s.source(0), 0.0, plan),
                    Catch::Matchers::ContainsSubstring("widths 0.8") &&
                        Catch::Matchers::ContainsSubstring("mesh alone"));
  CHECK_THROWS_AS(exact.plan(s.geometry, s.source(3), 0.0, plan), ModelError);
  const std::vector<double> wide{9.0};
  exact.plan(s.geometry, s.source(0), 0.0, plan);
  const auto p = random_numbers(coefficients(s, 0), 41);
  std::vector<double> v(p.size());
  CHECK_THROWS_WITH(exact.features(plan, p, PotentialFeatures{0, wide}, v),
                    Catch::Matchers::ContainsSubstring("feature"));
  s.widths[3] = 0;
  CHECK_THROWS_WITH(exact.plan(s.geometry, s.source(0), 0.0, plan),
                    Catch::Matchers::ContainsSubstring("SelfInteraction::excluded"));
  s.widths[3] = -1;
  CHECK_THROWS_AS(exact.plan(s.geometry, s.source(0), 0.0, plan), InputError);
  s.widths.pop_back();
  CHECK_THROWS_AS(exact.plan(s.geometry, s.source(0), 0.0, plan), ModelError);
  s = random_system(true);
  s.geometry.positions[2][1] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(exact.plan(s.geometry, s.source(0), 0.0, plan), InputError);
  CHECK_THROWS_AS(ShortRange(Splitting::prolate(6, 14), {.accuracy = 0.0}), ModelError);
  CHECK_THROWS_AS(ShortRange(Splitting::prolate(6, 14), {.cutoff = 5.0}), ModelError);
  CHECK_THROWS_AS(ShortRange(Splitting::prolate(6, 14), {.skin = -1.0}), ModelError);
}

}  // namespace short_range_test
