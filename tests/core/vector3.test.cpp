// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/core/vector3.hpp>

#include <cmath>

namespace vector3_test {

using namespace leyden;
using V = Vector3<double>;
using M = Matrix3<double>;

namespace {

// A few roundings of numbers of order one to ten.
constexpr double few_roundings = 1e-14;

V random_vector(RandomStream& random) {
  return {{random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1)}};
}
M random_matrix(RandomStream& random) {
  M m;
  for (auto& x : m.data) x = random.uniform(-1, 1);
  for (int i = 0; i < 3; ++i) m(i, i) += 2.0;  // far from singular
  return m;
}
double distance(const V& a, const V& b) { return norm(a - b); }
double distance(const M& a, const M& b) {
  double d = 0;
  for (std::size_t i = 0; i < 9; ++i) d = std::max(d, std::abs(a.data[i] - b.data[i]));
  return d;
}

}  // namespace

TEST_CASE("vector arithmetic, written out", "[vector3]") {
  constexpr V a{{1, 2, 3}}, b{{4, -5, 6}};
  STATIC_REQUIRE(a + b == V{{5, -3, 9}});
  STATIC_REQUIRE(a - b == V{{-3, 7, -3}});
  STATIC_REQUIRE(-a == V{{-1, -2, -3}});
  STATIC_REQUIRE(2.0 * a == V{{2, 4, 6}});
  STATIC_REQUIRE(a * 2.0 == V{{2, 4, 6}});
  STATIC_REQUIRE(dot(a, b) == 12.0);
  STATIC_REQUIRE(cross(a, b) == V{{27, 6, -13}});
  CHECK(norm(V{{2, 3, 6}}) == 7.0);
}

TEST_CASE("vector identities", "[vector3]") {
  RandomStream random(1);
  for (int trial = 0; trial < 20; ++trial) {
    const V a = random_vector(random), b = random_vector(random), c = random_vector(random);
    CHECK(std::abs(dot(a, cross(a, b))) < few_roundings);
    CHECK(distance(cross(a, b), -cross(b, a)) < few_roundings);
    CHECK(std::abs(dot(a, cross(b, c)) - dot(b, cross(c, a))) < few_roundings);
    CHECK(distance(cross(a, cross(b, c)), b * dot(a, c) - c * dot(a, b)) < few_roundings);
  }
}

TEST_CASE("rows times matrices", "[vector3]") {
  constexpr M m{{1, 2, 3, 4, 5, 6, 7, 8, 10}};
  STATIC_REQUIRE(m.row(1) == V{{4, 5, 6}});
  STATIC_REQUIRE(m(2, 0) == 7.0);
  // Fractional coordinates times the cell's rows.
  STATIC_REQUIRE(V{{0, 1, 0}} * m == m.row(1));
  STATIC_REQUIRE(V{{1, 1, 1}} * m == V{{12, 15, 19}});
  STATIC_REQUIRE(M::identity() * m == m);
  STATIC_REQUIRE(determinant(m) == -3.0);
}

TEST_CASE("matrix identities", "[vector3]") {
  RandomStream random(2);
  for (int trial = 0; trial < 20; ++trial) {
    const M a = random_matrix(random), b = random_matrix(random);
    const V x = random_vector(random);
    CHECK(distance(inverse(a) * a, M::identity()) < few_roundings);
    CHECK(distance(a * inverse(a), M::identity()) < few_roundings);
    CHECK(std::abs(determinant(a * b) - determinant(a) * determinant(b)) <
          few_roundings * std::abs(determinant(a) * determinant(b)) * 10);
    CHECK(distance((x * a) * b, x * (a * b)) < 10 * few_roundings);
  }
}

TEST_CASE("vectors and matrices of duals carry derivatives", "[vector3]") {
  using D = Dual<double>;
  RandomStream random(3);
  const V x = random_vector(random), dx = random_vector(random);
  const M a = random_matrix(random), da = random_matrix(random);
  Vector3<D> xd = vector_cast<D>(x);
  Matrix3<D> ad = matrix_cast<D>(a);
  CHECK(xd[0].tangent == 0.0);
  for (int i = 0; i < 3; ++i) xd[i].tangent = dx[i];
  for (std::size_t i = 0; i < 9; ++i) ad.data[i].tangent = da.data[i];

  CHECK(std::abs(norm(xd).tangent - dot(x, dx) / norm(x)) < few_roundings);
  // d(A⁻¹) = −A⁻¹ dA A⁻¹,  d(det A) = det A tr(A⁻¹ dA)
  const M expected = inverse(a) * da * inverse(a);
  const Matrix3<D> inverse_dual = inverse(ad);
  for (std::size_t i = 0; i < 9; ++i)
    CHECK(std::abs(inverse_dual.data[i].tangent + expected.data[i]) < 10 * few_roundings);
  const M log_derivative = inverse(a) * da;
  const double trace = log_derivative(0, 0) + log_derivative(1, 1) + log_derivative(2, 2);
  CHECK(std::abs(determinant(ad).tangent - determinant(a) * trace) < 100 * few_roundings);
  CHECK(vector_cast<float>(x)[1] == static_cast<float>(x[1]));
}

}  // namespace vector3_test
