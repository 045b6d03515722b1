// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/external_charges.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "potential/laws.hpp"

namespace external_charges_test {

using namespace electrostatics_test;
using leyden_test::ToyDescriptor;

namespace {

// Nine charges around and among the atoms; where directions repeat no points (Reciprocal).
std::vector<ExternalCharge> surroundings(bool points) {
  RandomStream random(8);
  std::vector<ExternalCharge> charges;
  for (int j = 0; j < 9; ++j)
    charges.push_back({{{random.uniform(-4, 10), random.uniform(-4, 10), random.uniform(-4, 10)}},
                       random.normal(),
                       points && j % 3 == 0 ? 0.0 : 0.6 + 0.1 * j});
  return charges;
}

template <class T, class S>
ExternalCharges<S, T> planned(const S& solver, const Geometry<T>& geometry, SourceShape source,
                              std::span<const ExternalCharge> charges,
                              const Matrix3<double>* strain = nullptr) {
  ExternalCharges<S, T> external;
  external.plan(solver, geometry, source, charges, {}, strain, T(0));
  return external;
}

// The potential by the enlarged K, and the gradient three ways.
template <class S>
void check_external_laws(const S& solver, const System& s, int l_max,
                         const std::vector<ExternalCharge>& charges) {
  const std::size_t n = s.widths.size(), size = coefficients(s, l_max) / n;
  const auto p = random_numbers(coefficients(s, l_max), 61);
  auto external = planned<double>(solver, s.geometry, s.source(l_max), charges);
  std::vector<double> v(p.size());
  external.add_potential(solver, v);

  System enlarged = s;
  std::vector<double> fixed(p.size());
  for (const ExternalCharge& c : charges) {
    enlarged.geometry.positions.push_back(c.position);
    enlarged.widths.push_back(c.width);
    fixed.push_back(c.charge);
    fixed.resize(fixed.size() + size - 1);
  }
  const auto all = potential(solver, enlarged.geometry, enlarged.source(l_max), fixed);
  CHECK(deviation(v, std::vector<double>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(
                                                                        p.size()))) < 1e-13);

  GeometryGradient<double> gradient;
  gradient.reset(n);
  external.add_gradient(solver, p, 1.0, gradient);
  // check_gradient() moves atoms, and the charges as far as they follow a strain; so both are
  // atoms to it.
  GeometryGradient<double> of_all = gradient;
  for (const auto& g : external.gradient()) of_all.positions.push_back(g);
  const auto value = [&]<class T>(const Geometry<T>& g) {
    Geometry<T> atoms = g;
    atoms.positions.resize(n);
    std::vector<ExternalCharge> moved = charges;
    std::vector<Vector3<double>> tangents(charges.size());
    for (std::size_t j = 0; j < charges.size(); ++j)
      for (int c = 0; c < 3; ++c) {
        moved[j].position[c] = value_of(g.positions[n + j][c]);
        tangents[j][c] = tangent_of(g.positions[n + j][c]);
      }
    ExternalCharges<S, T> at;
    at.plan(solver, atoms, s.source(l_max), moved, tangents, nullptr, T(0));
    std::vector<T> potentials(p.size(), T(0));
    at.add_potential(solver, potentials);
    return inner(p, potentials);
  };
  check_gradient(enlarged.geometry, of_all, value, 10);

  // What the charges do to the atoms, the atoms do to them.
  Vector3<double> total{};
  double scale = 1;
  for (const auto& g : of_all.positions) {
    total += g;
    scale = std::max(scale, norm(g));
  }
  CHECK(norm(total) < 1e-12 * scale);

  // It adds, and scales.
  external.add_gradient(solver, p, -1.0, gradient);
  for (const auto& g : gradient.positions) CHECK(norm(g) < 1e-12 * scale);
}

}  // namespace

TEST_CASE("external charges in open space") {
  for (const int l_max : {0, 1, 2}) {
    check_external_laws(Direct(SelfInteraction::excluded), random_system(false), l_max,
                        surroundings(true));
    auto equal = surroundings(true);
    for (auto& c : equal) c.width = 0;
    check_external_laws(Direct(SelfInteraction::excluded), random_system(false), l_max, equal);
  }
}

TEST_CASE("external charges repeat with the cell") {
  const Reciprocal solver({.background = Background::uniform});
  for (const int l_max : {0, 1, 2})
    check_external_laws(solver, random_system(true), l_max, surroundings(false));
  System slab = random_system(true);
  slab.geometry.periodic[2] = false;
  check_external_laws(solver, slab, 1, surroundings(false));
}

TEST_CASE("an external charge follows a strain by its dual numbers") {
  const System s = random_system(true);
  const Reciprocal solver({.background = Background::uniform});
  const auto charges = surroundings(false);
  electrostatics_test::Direction u;
  u.positions.resize(s.widths.size());
  u.strain = {{0.1, 0.2, -0.1, 0.2, 0.3, 0.05, -0.1, 0.05, -0.2}};
  const auto p = random_numbers(coefficients(s, 1), 62);
  const auto value = [&](double t) {
    auto strained = charges;
    for (auto& c : strained) c.position += t * (c.position * u.strain);
    auto external = planned<double>(solver, moved(s.geometry, u, t), s.source(1), strained);
    std::vector<double> v(p.size());
    external.add_potential(solver, v);
    return inner(p, v);
  };
  auto dual = planned<Dual<double>>(solver, moved(s.geometry, u, Dual<double>(0, 1)), s.source(1),
                                    charges, &u.strain);
  std::vector<Dual<double>> v(p.size());
  dual.add_potential(solver, v);
  const double h = 1e-5;
  CHECK(std::abs(inner(p, v).tangent - (value(h) - value(-h)) / (2 * h)) < 1e-7);  // h², 1e-13/h
}

TEST_CASE("a point charge far away is a uniform field") {
  const System s = random_system(false);
  const auto p = random_numbers(coefficients(s, 1), 63);
  const double distance = 1e5, charge = 1e8;
  const std::vector<ExternalCharge> far{{{{distance, 0, 0}}, charge, 0.0}};
  auto external = planned<double>(Direct(), s.geometry, s.source(1), far);
  std::vector<double> v(p.size());
  external.add_potential(Direct(), v);
  const double field = -units::coulomb * charge / (distance * distance);  // along x
  for (std::size_t i = 0; i < s.widths.size(); ++i) {
    // The field's own change is 2 r/distance of it.
    CHECK(std::abs(v[4 * i + 3] / -field - 1) < 1e-3);
    CHECK(std::abs(v[4 * i] - v[0] +
                   field * (s.geometry.positions[i][0] - s.geometry.positions[0][0])) < 0.1);
  }
}

namespace {

template <class P>
void strain_all(Structure& s, int a, int b, double e) {
  leyden_test::strain(s, a, b, e);
  Structure charges;
  for (const auto& c : s.external_charges) charges.positions.push_back(c.position);
  leyden_test::strain(charges, a, b, e);
  for (std::size_t j = 0; j < s.external_charges.size(); ++j)
    s.external_charges[j].position = charges.positions[j];
}

// Forces on atoms and charges, stress, Newton's third law, derivatives along directions and those
// by parameters, of a potential in surroundings.
template <class P>
void check_embedded(const P& potential, const Structure& structure) {
  typename P::Workspace workspace, other;
  const Prediction p = potential.evaluate(structure, workspace);
  const std::size_t n = structure.size(), m = structure.external_charges.size();
  REQUIRE(p.external_forces.size() == m);
  const double h = leyden_test::difference_step;
  const auto energy = [&](const Structure& s) {
    return potential.evaluate(s, other, {false, false}).energy;
  };
  double scale = 0.1;
  Vector3<double> total{};
  for (const auto& f : p.forces) {
    scale = std::max(scale, norm(f));
    total += f;
  }
  for (const auto& f : p.external_forces) total += f;
  CHECK(norm(total) < 1e-11 * scale);  // self-consistent charges are right to 1e-12
  for (std::size_t j = 0; j < m; ++j)
    for (int a = 0; a < 3; ++a) {
      Structure s = structure;
      s.external_charges[j].position[a] += h;
      const double up = energy(s);
      s.external_charges[j].position[a] -= 2 * h;
      CHECK(std::abs(p.external_forces[j][a] - (energy(s) - up) / (2 * h)) < 1e-7 * scale);
    }
  for (std::size_t i = 0; i < n; ++i)
    for (int a = 0; a < 3; ++a) {
      Structure s = structure;
      s.positions[i][a] += h;
      const double up = energy(s);
      s.positions[i][a] -= 2 * h;
      CHECK(std::abs(p.forces[i][a] - (energy(s) - up) / (2 * h)) < 1e-7 * scale);
    }
  if (structure.cell.all_periodic())
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b <= a; ++b) {
        Structure up = structure, down = structure;
        strain_all<P>(up, a, b, h);
        strain_all<P>(down, a, b, -h);
        CHECK(std::abs(p.stress(a, b) * determinant(structure.cell.vectors) -
                       (energy(up) - energy(down)) / (2 * h)) < 1e-6 * scale);
      }

  leyden::Direction d;
  RandomStream random(71);
  const auto vector = [&] {
    return Vector3<double>{{random.normal(), random.normal(), random.normal()}};
  };
  for (std::size_t i = 0; i < n; ++i) d.displacement.push_back(vector());
  for (std::size_t j = 0; j < m; ++j) d.external_displacement.push_back(vector());
  if (structure.cell.all_periodic())
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b <= a; ++b) d.strain(a, b) = d.strain(b, a) = 0.1 * random.normal();
  Prediction side[2];
  for (int k = 0; k < 2; ++k) {
    const double t = k == 0 ? h : -h;
    Structure s = structure;
    for (std::size_t i = 0; i < n; ++i)
      s.positions[i] += t * (structure.positions[i] * d.strain) + t * d.displacement[i];
    for (std::size_t j = 0; j < m; ++j) {
      auto& r = s.external_charges[j].position;
      r += t * (structure.external_charges[j].position * d.strain) + t * d.external_displacement[j];
    }
    const Matrix3<double> change = s.cell.vectors * d.strain;
    for (std::size_t c = 0; c < 9; ++c) s.cell.vectors.data[c] += t * change.data[c];
    side[k] = potential.evaluate(s, other);
  }
  const auto& found = potential.directional_derivative(structure, d, workspace);
  CHECK(std::abs(found.energy - (side[0].energy - side[1].energy) / (2 * h)) < 1e-6 * scale);
  for (int a = 0; a < 3; ++a) {
    for (std::size_t j = 0; j < m; ++j)
      CHECK(std::abs(found.external_forces[j][a] -
                     (side[0].external_forces[j][a] - side[1].external_forces[j][a]) / (2 * h)) <
            1e-6 * scale);
    for (std::size_t i = 0; i < n; ++i)
      CHECK(std::abs(found.forces[i][a] - (side[0].forces[i][a] - side[1].forces[i][a]) / (2 * h)) <
            1e-6 * scale);
  }
  leyden_test::check_parameter_gradient(potential, structure);
  leyden_test::check_allocations(potential, structure);
}

}  // namespace

TEMPLATE_TEST_CASE("potentials of molecules in external charges", "[potential]", FixedCharges,
                   LocalMultipoles<1>, PolarizableChargeEquilibration) {
  using P = Potential<ToyDescriptor, TestType, Direct>;
  Structure s = leyden_test::molecule();
  s.external_charges = {{{{5, 1, 2}}, 0.8, 0.0}, {{{-2, 0, 3}}, -0.5, 0.7}, {{{1, 2, 6}}, 1.1, 0}};
  check_embedded(leyden_test::make_potential<P>(), s);
}

TEST_CASE("potentials of crystals with external charges", "[potential]") {
  using P = Potential<ToyDescriptor, PolarizableChargeEquilibration, Reciprocal>;
  Structure s = leyden_test::crystal();
  s.total_charge = 0.3;  // made up for by the external charges
  s.external_charges = {{{{2, 1, 2}}, 0.4, 0.8}, {{{0, 3, 1}}, -0.7, 1.0}};
  check_embedded(leyden_test::make_potential<P>(), s);
  s.total_charge = 0;
  const auto potential = leyden_test::make_potential<P>();
  P::Workspace workspace;
  CHECK_THROWS_AS(potential.evaluate(s, workspace), ModelError);
}

TEST_CASE("an external charge polarises a self-consistent model", "[potential]") {
  using P = Potential<ToyDescriptor, PolarizableChargeEquilibration, Direct>;
  const P potential = leyden_test::make_potential<P>();
  Structure s = leyden_test::molecule();
  P::Workspace workspace;
  const Prediction alone = potential.evaluate(s, workspace);
  double reference = 0;
  for (int k = 0; k < 2; ++k) {
    // Far enough for the linear response: the charge's field, and the dipole that it makes.
    const double sign = k == 0 ? 1 : -1;
    s.external_charges = {{{{40, 1.5, 1.5}}, sign, 0.0}};
    const Prediction p = potential.evaluate(s, workspace);
    const double induced = p.dipole[0] - alone.dipole[0];
    CHECK(sign * induced < 0);  // electrons go to the positive charge: the dipole points away
    if (k == 1) CHECK(std::abs(induced / reference + 1) < 0.01);
    reference = induced;
  }
}

TEST_CASE("external charges that are none are refused", "[potential]") {
  using P = Potential<ToyDescriptor, FixedCharges, Direct>;
  const P potential = leyden_test::make_potential<P>();
  P::Workspace workspace;
  Structure s = leyden_test::molecule();
  s.external_charges = {{{{40, 0, 0}}, 1.0, -1.0}};
  CHECK_THROWS_AS(potential.evaluate(s, workspace), InputError);
  s.external_charges = {{{{40, std::nan(""), 0}}, 1.0, 1.0}};
  CHECK_THROWS_AS(potential.evaluate(s, workspace), InputError);
}

}  // namespace external_charges_test
