// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>

#include "support/catch.hpp"

namespace geometry_test {

namespace {

using namespace leyden;

Structure triclinic(std::uint64_t seed) {
  RandomStream random(seed);
  Structure s;
  s.cell.vectors = {{4.2, 0.3, -0.2, 1.1, 5.0, 0.4, -0.6, 0.8, 6.1}};
  s.cell.periodic = {true, true, true};
  for (int i = 0; i < 7; ++i) {
    s.atomic_numbers.push_back(i + 1);
    Vector3<double> r;
    for (int a = 0; a < 3; ++a) r[a] = random.uniform(-2, 8);
    s.positions.push_back(r);
  }
  return s;
}

Matrix3<double> random_matrix(RandomStream& random) {
  Matrix3<double> m;
  for (double& x : m.data) x = random.uniform(-1, 1);
  return m;
}

// The structure at ε along a displacement and a strain.
Structure moved(const Structure& s, std::span<const Vector3<double>> displacement,
                const Matrix3<double>& strain, double epsilon) {
  Structure t = s;
  for (std::size_t i = 0; i < s.size(); ++i)
    t.positions[i] += epsilon * (displacement[i] + s.positions[i] * strain);
  const Matrix3<double> h = s.cell.vectors * strain;
  for (std::size_t k = 0; k < 9; ++k) t.cell.vectors.data[k] += epsilon * h.data[k];
  return t;
}

}  // namespace

TEST_CASE("dual geometry has the tangents of central differences", "[atoms][derivative]") {
  const Structure s = triclinic(1);
  RandomStream random(2);
  std::vector<Vector3<double>> u(s.size());
  for (auto& v : u)
    for (int a = 0; a < 3; ++a) v[a] = random.uniform(-1, 1);
  const Matrix3<double> strain = random_matrix(random);
  NeighborList list;
  list.build(s, 4.0, 0.5);  // the skin is left out of all geometries
  Geometry<Dual<double>> g;
  make_geometry(s, list, g, u, &strain);

  const double h = 1e-5;
  Geometry<double> plus, minus, here;
  const Structure up = moved(s, u, strain, h), down = moved(s, u, strain, -h);
  make_geometry(s, list, here);
  make_geometry(up, list, plus);
  make_geometry(down, list, minus);
  // h is too small for an edge of this structure to cross the cutoff.
  REQUIRE(plus.sender == here.sender);
  REQUIRE(minus.sender == here.sender);
  REQUIRE(g.sender == here.sender);
  REQUIRE(g.n_edges() > 50);

  // Central differences: rounding 1e-16·10/h = 1e-10 and third derivatives, h² / length² = 1e-10.
  const double tolerance = 2e-9;
  const auto difference = [h](double a, double b) { return (a - b) / (2 * h); };
  for (std::size_t e = 0; e < g.vector.size(); ++e) {
    for (int a = 0; a < 3; ++a) {
      CHECK(g.vector[e][a].value == here.vector[e][a]);
      CHECK(std::abs(g.vector[e][a].tangent - difference(plus.vector[e][a], minus.vector[e][a])) <
            tolerance);
    }
    CHECK(g.length[e].value == here.length[e]);
    CHECK(std::abs(g.length[e].tangent - difference(plus.length[e], minus.length[e])) < tolerance);
  }
  for (std::size_t i = 0; i < s.size(); ++i)
    for (int a = 0; a < 3; ++a)
      CHECK(std::abs(g.positions[i][a].tangent -
                     difference(up.positions[i][a], down.positions[i][a])) < tolerance);
  for (std::size_t k = 0; k < 9; ++k)
    CHECK(std::abs(g.cell.data[k].tangent -
                   difference(up.cell.vectors.data[k], down.cell.vectors.data[k])) < tolerance);
}

TEST_CASE("dual geometry: displacement alone, strain alone, nothing", "[atoms][derivative]") {
  const Structure s = triclinic(3);
  RandomStream random(4);
  std::vector<Vector3<double>> u(s.size());
  for (auto& v : u)
    for (int a = 0; a < 3; ++a) v[a] = random.uniform(-1, 1);
  const Matrix3<double> strain = random_matrix(random);
  NeighborList list;
  list.build(s, 4.0);
  Geometry<Dual<double>> both, moved_only, strained_only, none;
  make_geometry(s, list, both, u, &strain);
  make_geometry(s, list, moved_only, u, nullptr);
  make_geometry(s, list, strained_only, {}, &strain);
  make_geometry(s, list, none, {}, nullptr);
  for (std::size_t e = 0; e < both.length.size(); ++e) {
    // Tangents are linear; sums of numbers of order 10.
    CHECK(std::abs(both.length[e].tangent - moved_only.length[e].tangent -
                   strained_only.length[e].tangent) < 1e-13);
    CHECK(none.length[e].tangent == 0.0);
  }
  for (const auto& x : moved_only.cell.data) CHECK(x.tangent == 0.0);
  // A warm dual geometry forgets its tangents.
  make_geometry(s, list, both, {}, nullptr);
  for (const auto& l : both.length) CHECK(l.tangent == 0.0);
  for (const auto& r : both.positions) CHECK(r[0].tangent == 0.0);
}

TEST_CASE("geometries of all number types have the same edges", "[atoms]") {
  Structure s = triclinic(5);
  // Far from the origin, where a float resolves 6e-5 Å: vectors are made in double first.
  for (auto& r : s.positions) r += Vector3<double>{{1000, 1000, 1000}};
  NeighborList list;
  list.build(s, 4.0, 0.3);
  Geometry<double> d;
  Geometry<float> f;
  Geometry<Dual<float>> df;
  make_geometry(s, list, d);
  make_geometry(s, list, f);
  const Matrix3<double> strain = Matrix3<double>::identity();
  make_geometry(s, list, df, {}, &strain);
  CHECK(f.sender == d.sender);
  CHECK(f.pair == d.pair);
  CHECK(df.receiver == d.receiver);
  CHECK(f.atomic_numbers == s.atomic_numbers);
  for (std::size_t e = 0; e < d.length.size(); ++e) {
    CHECK(f.length[e] == static_cast<float>(d.length[e]));
    CHECK(f.vector[e][1] == static_cast<float>(d.vector[e][1]));
    CHECK(df.length[e].value == f.length[e]);
    // Under a uniform strain of one, the tangent of a length is the length (to float's rounding).
    CHECK(std::abs(df.length[e].tangent - f.length[e]) < 1e-6f * f.length[e]);
  }
}

}  // namespace geometry_test
