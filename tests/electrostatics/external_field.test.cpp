// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/external_field.hpp>

#include "electrostatics/laws.hpp"

namespace external_field_test {

using namespace electrostatics_test;

namespace {

using Jump = std::array<std::optional<double>, 3>;

// A layer in a slanted cell with 14 Å of vacuum along the third vector, around fraction 0.8.
System layer() {
  System s;
  s.geometry.cell.data = {6, 0, 0, 1, 7, 0, 2, -1, 20};
  s.geometry.periodic = {true, true, true};
  s.geometry.positions = {{{0.5, 1, 4}}, {{3, 2, 6}}, {{1, 5, 8}}, {{5, 6, 5}}};
  s.widths.assign(4, 1.0);
  return s;
}
const Vector3<double> along_normal{{0, 0, 0.2}};
const Jump jump{{std::nullopt, std::nullopt, 0.8}};

std::vector<double> external(const Geometry<double>& g, const Vector3<double>& field,
                             const Jump& at) {
  std::vector<double> v(static_cast<std::size_t>(4 * g.n_atoms()));
  external_potential(g, field, at, 1, v);
  return v;
}

}  // namespace

TEST_CASE("a field on a molecule is minus the field times position and dipole") {
  const System s = random_system(false);
  const Vector3<double> field{{0.1, -0.2, 0.3}};
  const auto v = external(s.geometry, field, {});
  const auto p = random_numbers(v.size(), 1);
  double energy = 0;
  for (std::size_t i = 0; i < s.widths.size(); ++i) {
    energy -= p[4 * i] * dot(field, s.geometry.positions[i]);
    energy -= dot(field, Vector3<double>{{p[4 * i + 3], p[4 * i + 1], p[4 * i + 2]}});
  }
  CHECK(std::abs(inner(p, v) - energy) < 1e-13);
}

TEST_CASE("the sawtooth does not depend on the image an atom is given in") {
  System s = layer();
  const auto reference = external(s.geometry, along_normal, jump);
  // Fractions [0.8, 1.8): every atom is moved up by the third vector.
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::abs(reference[4 * i] + 0.2 * (s.geometry.positions[i][2] + 20)) < 1e-13);
  const double step = dot(along_normal, s.geometry.cell.row(2));
  for (int d = 0; d < 3; ++d)
    for (const double images : {-3.0, 1.0, 2.0}) {
      System moved_atoms = s;
      for (auto& r : moved_atoms.geometry.positions) r += images * s.geometry.cell.row(d);
      CHECK(deviation(external(moved_atoms.geometry, along_normal, jump), reference) < 1e-13);
    }
  // Fractions [−0.2, 0.8): all atoms one lattice vector lower.
  const Jump lower{{std::nullopt, std::nullopt, -0.2}};
  const auto shifted = external(s.geometry, along_normal, lower);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::abs(shifted[4 * i] - reference[4 * i] - step) < 1e-13);
}

TEST_CASE("the sawtooth of a field across two lattice vectors") {
  System s = layer();
  s.geometry.cell.data = {16, 0, 0, 3, 17, 0, 2, -1, 20};
  for (auto& r : s.geometry.positions) r += Vector3<double>{{5, 4, 0}};
  const Vector3<double> field{{0.1, 0.05, 0.2}};
  const Jump all{{0.0, 0.0, 0.0}};
  const auto reference = external(s.geometry, field, all);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::abs(reference[4 * i] + dot(field, s.geometry.positions[i])) < 1e-13);
  s.geometry.positions[1] += s.geometry.cell.row(0) - s.geometry.cell.row(1);
  CHECK(deviation(external(s.geometry, field, all), reference) < 1e-13);
}

TEST_CASE("a field along an open direction of a slab needs no jump") {
  System s = layer();
  s.geometry.periodic[2] = false;
  for (int c = 0; c < 3; ++c) s.geometry.cell(2, c) = 0;
  const auto v = external(s.geometry, along_normal, {});
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(std::abs(v[4 * i] + 0.2 * s.geometry.positions[i][2]) < 1e-14);
  // In the plane it does, and the missing vector is completed by the normal.
  const Vector3<double> in_plane{{0.1, 0, 0}};
  CHECK_THROWS_AS(external(s.geometry, in_plane, {}), InputError);
}

TEST_CASE("derivatives of the field energy agree") {
  const auto p = random_numbers(16, 2);
  for (const bool open : {true, false}) {
    System s = layer();
    if (open)
      s.geometry.periodic = {false, false, false};
    else
      s.geometry.positions[2] += s.geometry.cell.row(2);  // where the sawtooth puts the others
    const Jump at = open ? Jump{} : jump;
    GeometryGradient<double> gradient;
    gradient.reset(4);
    external_potential_gradient(s.geometry, along_normal, at, 1, p, 1.0, gradient);
    // Most strains tilt the lattice into the field, which would then need more jumps; so the
    // reference is written out, and external_potential itself runs on a strain that does not.
    const auto value = [&]<class T>(const Geometry<T>& g) {
      T sum(0);
      for (int i = 0; i < 4; ++i) {
        Vector3<T> r = g.positions[static_cast<std::size_t>(i)];
        if (!open && i != 2) r += g.cell.row(2);
        sum -= p[static_cast<std::size_t>(4 * i)] * (r[2] * 0.2);
      }
      return sum;
    };
    check_gradient(s.geometry, gradient, value);
    // The potential on duals carries the same tangents.
    electrostatics_test::Direction u;
    RandomStream random(3);
    for (int i = 0; i < 4; ++i)
      u.positions.push_back({{random.normal(), random.normal(), random.normal()}});
    u.strain.data = {0.1, 0.3, 0, -0.2, 0.4, 0, 0.7, 0.2, -0.5};
    const auto g = moved(s.geometry, u, Dual<double>(0, 1));
    std::vector<Dual<double>> v(16);
    external_potential(g, along_normal, at, 1, v);
    CHECK(std::abs(inner(p, v).tangent - value(g).tangent) < 1e-13);
  }
}

TEST_CASE("fields that cannot be are refused with the reason") {
  const System s = layer();
  CHECK_THROWS_WITH(external(s.geometry, along_normal, {}),
                    Catch::Matchers::ContainsSubstring("field_jump"));
  // Along x too, but a jump is given for the third vector only.
  CHECK_THROWS_AS(external(s.geometry, Vector3<double>{{0.1, 0, 0.2}}, jump), InputError);
  // Atom 2 stands at z = 8 Å, fraction 0.4; 2 Å of clearance are 0.1.
  const Jump near{{std::nullopt, std::nullopt, 0.45}}, fine{{std::nullopt, std::nullopt, 0.51}};
  CHECK_THROWS_WITH(external(s.geometry, along_normal, near),
                    Catch::Matchers::ContainsSubstring("atom 2"));
  CHECK_NOTHROW(external(s.geometry, along_normal, fine));
  std::vector<double> v(16);
  CHECK_NOTHROW(external_potential(s.geometry, along_normal, near, 1, v, 0.5));
}

}  // namespace external_field_test
