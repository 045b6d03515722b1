// SPDX-License-Identifier: MIT
#include "equivariant/rotations.hpp"
#include "support/catch.hpp"

#include <leyden/core/pack.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace spherical_harmonics_test {

using namespace leyden;
using namespace leyden_test;

namespace {

constexpr int l_max = 4;
constexpr int lm = (l_max + 1) * (l_max + 1);

template <class A, class B>
double worst_difference(const A& a, const B& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

std::vector<Vector3<double>> directions() {
  std::vector<Vector3<double>> d;
  for (int i = 0; i < 3; ++i)
    for (double sign : {1.0, -1.0}) {
      Vector3<double> v;
      v[i] = sign;
      d.push_back(v);
    }
  RandomStream random(4);
  for (int k = 0; k < 6; ++k) d.push_back(random_unit(random));
  return d;
}

// Σ ȳ Y(r/|r|) in any number type.
template <class T>
T functional(const Vector3<T>& r, const std::vector<double>& y_bar) {
  const T length = norm(r);
  T y[lm], sum(0);
  spherical_harmonics<l_max>(r[0] / length, r[1] / length, r[2] / length, y);
  for (int i = 0; i < lm; ++i) sum += y[i] * y_bar[static_cast<std::size_t>(i)];
  return sum;
}

}  // namespace

TEST_CASE("spherical harmonics are the reference's", "[equivariant][golden]") {
  std::ifstream in(std::string(LEYDEN_TEST_DATA) + "/equivariant/e3nn_conventions.json");
  REQUIRE(in);
  const auto file = nlohmann::json::parse(in);
  const auto vectors = file.at("vectors").at("data").get<std::vector<double>>();
  const auto expected =
      file.at("sh_component_normalized_l0to4").at("data").get<std::vector<double>>();
  REQUIRE(vectors.size() == 18);
  REQUIRE(expected.size() == 6 * 25);
  for (std::size_t k = 0; k < 6; ++k) {
    const Vector3<double> r{{vectors[3 * k], vectors[3 * k + 1], vectors[3 * k + 2]}};
    const auto y = harmonics<l_max>(r * (1.0 / norm(r)));
    CAPTURE(k);
    CHECK(worst_difference(
              y, std::vector<double>(expected.begin() + static_cast<std::ptrdiff_t>(25 * k),
                                     expected.begin() + static_cast<std::ptrdiff_t>(25 * k + 25))) <
          1e-13);
  }
}

TEST_CASE("spherical harmonics obey the addition theorem", "[equivariant]") {
  for (const auto& r : directions()) {
    const auto y = harmonics<l_max>(r);
    for (int l = 0; l <= l_max; ++l) {
      double sum = 0.0;
      for (int m = l * l; m < (l + 1) * (l + 1); ++m)
        sum += y[static_cast<std::size_t>(m)] * y[static_cast<std::size_t>(m)];
      CHECK(std::abs(sum - (2 * l + 1)) < 1e-13);
    }
  }
}

TEST_CASE("lower l_max gives the same harmonics", "[equivariant]") {
  for (const auto& r : directions()) {
    const auto y = harmonics<l_max>(r);
    CHECK(worst_difference(harmonics<0>(r), y) == 0.0);
    CHECK(worst_difference(harmonics<1>(r), y) == 0.0);
    CHECK(worst_difference(harmonics<2>(r), y) < 1e-15);
  }
}

TEST_CASE("harmonics of special vectors", "[equivariant]") {
  // The pole is y: only the middle component, √(2l+1), is not zero.
  const auto pole = harmonics<l_max>({{0.0, 1.0, 0.0}});
  for (int l = 0; l <= l_max; ++l)
    for (int m = 0; m <= 2 * l; ++m)
      CHECK(std::abs(pole[static_cast<std::size_t>(l * l + m)] -
                     (m == l ? std::sqrt(2.0 * l + 1.0) : 0.0)) < 1e-14);
  // Parity (−1)^l.
  for (const auto& r : directions()) {
    const auto y = harmonics<l_max>(r), mirrored = harmonics<l_max>(-r);
    for (int l = 0; l <= l_max; ++l)
      for (int i = l * l; i < (l + 1) * (l + 1); ++i)
        CHECK(std::abs(mirrored[static_cast<std::size_t>(i)] -
                       (l % 2 == 0 ? 1.0 : -1.0) * y[static_cast<std::size_t>(i)]) < 1e-14);
  }
}

TEST_CASE("the gradient of harmonics agrees with duals and differences", "[equivariant]") {
  RandomStream random(8);
  for (const auto& unit : directions()) {
    const Vector3<double> r = unit * random.uniform(0.7, 3.0);
    std::vector<double> y_bar(lm);
    for (double& x : y_bar) x = random.normal();
    const auto y = harmonics<l_max>(r * (1.0 / norm(r)));
    const Vector3<double> g =
        spherical_harmonics_gradient<l_max>(r, norm(r), y.data(), y_bar.data());
    for (int a = 0; a < 3; ++a) {
      Vector3<Dual<double>> dual = vector_cast<Dual<double>>(r);
      dual[a].tangent = 1.0;
      CHECK(std::abs(g[a] - functional(dual, y_bar).tangent) < 1e-12);
      // Third derivatives are of order l³ · 10: error h² · 1e3 + 1e-15/h.
      const double h = 1e-5;
      Vector3<double> up = r, down = r;
      up[a] += h;
      down[a] -= h;
      CHECK(std::abs(g[a] - (functional(up, y_bar) - functional(down, y_bar)) / (2 * h)) < 1e-6);
    }
    // The direction alone matters.
    CHECK(std::abs(dot(g, r)) < 1e-12);
  }
}

TEST_CASE("the pullback is the adjoint of the polynomials' derivative", "[equivariant]") {
  RandomStream random(9);
  for (const auto& r : directions()) {
    std::vector<double> y_bar(lm);
    for (double& x : y_bar) x = random.normal();
    const auto y = harmonics<l_max>(r);
    double g[3];
    spherical_harmonics_pullback<l_max>(y.data(), y_bar.data(), g);
    for (int a = 0; a < 3; ++a) {
      using D = Dual<double>;
      D x[3] = {r[0], r[1], r[2]}, out[lm];
      x[a].tangent = 1.0;
      spherical_harmonics<l_max>(x[0], x[1], x[2], out);
      double sum = 0.0;
      for (int i = 0; i < lm; ++i) sum += out[i].tangent * y_bar[static_cast<std::size_t>(i)];
      CHECK(std::abs(g[a] - sum) < 1e-12);
    }
  }
}

TEST_CASE("packs of vectors give the harmonics of each", "[equivariant]") {
  using P = Pack<double>;
  RandomStream random(10);
  Vector3<double> r[P::lanes];
  P x, y, z, out[lm], bar[lm], g[3];
  for (int i = 0; i < P::lanes; ++i) {
    r[i] = random_unit(random);
    x.set_lane(i, r[i][0]);
    y.set_lane(i, r[i][1]);
    z.set_lane(i, r[i][2]);
    for (P& b : bar) b.set_lane(i, random.normal());
  }
  spherical_harmonics<l_max>(x, y, z, out);
  spherical_harmonics_pullback<l_max>(out, bar, g);
  for (int i = 0; i < P::lanes; ++i) {
    const auto expected = harmonics<l_max>(r[i]);
    double y_bar[lm], gradient[3];
    for (int k = 0; k < lm; ++k) {
      CHECK(std::abs(out[k].lane(i) - expected[static_cast<std::size_t>(k)]) < 1e-14);
      y_bar[k] = bar[k].lane(i);
    }
    spherical_harmonics_pullback<l_max>(expected.data(), y_bar, gradient);
    for (int a = 0; a < 3; ++a) CHECK(std::abs(g[a].lane(i) - gradient[a]) < 1e-12);
  }
}

TEST_CASE("rotations turn the harmonics of one l into each other", "[equivariant]") {
  RandomStream random(11);
  const Matrix3<double> rotation = random_rotation(random);
  const HarmonicRotation d(rotation);
  for (int k = 0; k < 10; ++k) {
    const Vector3<double> r = random_unit(random);
    CHECK(worst_difference(d.apply_all(l_max, harmonics<l_max>(r)),
                           harmonics<l_max>(rotate(rotation, r))) < 1e-12);
  }
  for (int l = 0; l <= l_max; ++l) {  // D is orthogonal
    const std::size_t n = static_cast<std::size_t>(2 * l + 1);
    const auto& m = d.matrix(l);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        double sum = i == j ? -1.0 : 0.0;
        for (std::size_t c = 0; c < n; ++c) sum += m[i * n + c] * m[j * n + c];
        CHECK(std::abs(sum) < 1e-12);
      }
  }
  for (int a = 0; a < 3; ++a)  // l = 1 is (x, y, z)
    for (int b = 0; b < 3; ++b)
      CHECK(std::abs(d.matrix(1)[static_cast<std::size_t>(3 * a + b)] - rotation(a, b)) < 1e-12);
}

TEST_CASE("products coupled by 3j symbols rotate as their output", "[equivariant]") {
  RandomStream random(12);
  const HarmonicRotation d(random_rotation(random));
  const auto couple = [](int a, int b, int c, const std::vector<double>& u,
                         const std::vector<double>& v) {
    const auto w = wigner_3j_table(a, b, c);
    std::vector<double> out(static_cast<std::size_t>(2 * c + 1), 0.0);
    std::size_t i = 0;
    for (double x : u)
      for (double y : v)
        for (double& z : out) z += w[i++] * x * y;
    return out;
  };
  for (int a = 0; a <= 3; ++a)
    for (int b = 0; b <= 3; ++b)
      for (int c = 0; c <= l_max; ++c) {
        if (!triangle(a, b, c)) continue;
        CAPTURE(a, b, c);
        std::vector<double> u(static_cast<std::size_t>(2 * a + 1)),
            v(static_cast<std::size_t>(2 * b + 1));
        for (double& x : u) x = random.normal();
        for (double& x : v) x = random.normal();
        const auto rotated_before = couple(a, b, c, d.apply(a, u.data()), d.apply(b, v.data()));
        const auto rotated_after = d.apply(c, couple(a, b, c, u, v).data());
        CHECK(worst_difference(rotated_before, rotated_after) < 1e-12);
        double size = 0.0;
        for (double x : rotated_after) size += std::abs(x);
        CHECK(size > 1e-3);
      }
}

}  // namespace spherical_harmonics_test
