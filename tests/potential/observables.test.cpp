// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/observables.hpp>

#include "potential/points.hpp"
#include "support/catch.hpp"

#include <cmath>

namespace observables_test {

// Response properties against central differences of evaluate(), and laws that no difference knows.
namespace {
using namespace leyden_test;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

template <class Q>
using Open = Potential<ToyDescriptor, Q, Direct>;
template <class Q>
using Bulk = Potential<ToyDescriptor, Q, Reciprocal>;

template <class P>
constexpr bool responds = SelfConsistentChargeModel<typename P::charge_model_type>;
template <class P>
constexpr bool exchanges = [] {
  if constexpr (responds<P>)
    return P::charge_model_type::exchanges_charge;
  else
    return false;
}();
// Charges are derivatives of the energy by their potentials.
template <class P>
constexpr bool stationary = [] {
  if constexpr (exchanges<P>)
    return P::charge_model_type::kind == ChargeKind::variational &&
           !LawWithReadout<detail::LawOf<typename P::charge_model_type>>;
  else
    return false;
}();

// Differences have errors of h² times a third derivative and of rounding/h: with h = 1e-4 both are
// below 1e-7 of what is compared, measured; 1e-6 is asked for.
constexpr double h = 1e-4;
constexpr double tolerance = 1e-6;
// Exact laws hold to the rounding of sums and of solutions that are converged to 1e-12.
constexpr double rounding = 1e-9;

template <class P, class Change, class Value>
double difference(const P& potential, const Structure& structure, Change&& change, Value&& value) {
  typename P::Workspace workspace;
  double side[2];
  for (int k = 0; k < 2; ++k) {
    Structure s = structure;
    change(s, k == 0 ? h : -h);
    side[k] = value(potential.evaluate(s, workspace));
  }
  return (side[0] - side[1]) / (2 * h);
}

template <class P>
void check_polarizability(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const Matrix3<double> alpha = polarizability(potential, structure, workspace);
  const Matrix3<double> dipole = dipole_polarizability(potential, structure, workspace);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) {
      const auto field = [&](Structure& s, double t) { s.external_field[b] += t; };
      CHECK_THAT(alpha(a, b), WithinAbs(difference(potential, structure, field,
                                                   [&](auto& p) { return p.polarization[a]; }),
                                        tolerance));
      CHECK_THAT(alpha(a, b), WithinAbs(alpha(b, a), rounding));
      if (structure.cell.any_periodic()) continue;  // the dipole depends on the images
      CHECK_THAT(dipole(a, b), WithinAbs(difference(potential, structure, field,
                                                    [&](auto& p) { return p.dipole[a]; }),
                                         tolerance));
      if (stationary<P>) CHECK_THAT(dipole(a, b), WithinAbs(alpha(a, b), rounding));
    }
  if (responds<P>) CHECK(norm(alpha.row(0)) > 0.01);
}

template <class P>
void check_born_charges(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const auto born = born_charges(potential, structure, workspace);
  REQUIRE(born.size() == structure.size());
  for (std::size_t i = 0; i < structure.size(); i += 3)
    for (int b = 0; b < 3; ++b)
      for (int a = 0; a < 3; ++a)
        CHECK_THAT(born[i](a, b),
                   WithinAbs(difference(
                                 potential, structure,
                                 [&](Structure& s, double t) { s.positions[i][b] += t; },
                                 [&](auto& p) { return p.polarization[a]; }),
                             tolerance));
  Matrix3<double> sum;
  for (const auto& z : born) sum += z;
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      CHECK_THAT(sum(a, b), WithinAbs(a == b ? structure.total_charge : 0.0, rounding));
}

template <class P>
void check_charge_response(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  RandomStream random(41);
  std::vector<double> u(structure.size()), w(structure.size());
  for (std::size_t i = 0; i < u.size(); ++i) {
    u[i] = random.normal();
    w[i] = random.normal();
  }
  const auto to_u = charge_response(potential, structure, u, workspace);
  const auto to_w = charge_response(potential, structure, w, workspace);
  double uw = 0, wu = 0, uu = 0, sum = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    const std::size_t q = i * P::multipole_count;
    uw += u[i] * to_w[q];
    wu += w[i] * to_u[q];
    uu += u[i] * to_u[q];
    sum += to_u[q];
  }
  for (std::size_t k = 0; k < to_u.size(); ++k)
    CHECK_THAT(to_u[k], WithinAbs(difference(
                                      potential, structure,
                                      [&](Structure& s, double t) {
                                        s.applied_potential = u;
                                        for (double& x : s.applied_potential) x *= t;
                                      },
                                      [&](auto& p) { return p.multipoles[k]; }),
                                  tolerance));
  CHECK_THAT(sum, WithinAbs(0.0, rounding));
  if (stationary<P>) {
    CHECK_THAT(uw, WithinAbs(wu, rounding));
    CHECK(uu < 0);
  }
  if (!responds<P>) CHECK(uu == 0.0);
}

template <class P>
void check_total_charge(const P& potential, Structure structure) {
  typename P::Workspace workspace;
  const auto add = [](Structure& s, double t) { s.total_charge += t; };
  const auto fukui = fukui_function(potential, structure, workspace);
  double sum = 0;
  for (std::size_t i = 0; i < fukui.size(); ++i) {
    sum += fukui[i];
    CHECK_THAT(fukui[i], WithinAbs(difference(potential, structure, add,
                                              [&](auto& p) { return p.charges[i]; }),
                                   tolerance));
  }
  CHECK_THAT(sum, WithinAbs(1.0, rounding));
  if constexpr (!exchanges<P>) {
    CHECK_THROWS_AS(chemical_hardness(potential, structure, workspace), ModelError);
    CHECK_THROWS_AS(capacitance(potential, structure, workspace), ModelError);
    CHECK_THROWS_AS(capacitance_matrix(potential, structure, workspace), ModelError);
  } else {
    CHECK_THROWS_AS(capacitance(potential, structure, workspace), InputError);
    CHECK_THROWS_AS(capacitance_matrix(potential, structure, workspace), InputError);
    const double hardness = chemical_hardness(potential, structure, workspace);
    CHECK(hardness > 0.1);
    CHECK_THAT(-hardness, WithinAbs(difference(potential, structure, add,
                                               [](auto& p) { return *p.fermi_level; }),
                                    tolerance * hardness));
    if (stationary<P>)
      // μ = −dE/dQ
      CHECK_THAT(potential.evaluate(structure, workspace).fermi_level.value(),
                 WithinAbs(-difference(potential, structure, add, [](auto& p) { return p.energy; }),
                           tolerance));
    // The same state, held by its Fermi level.
    structure.fermi_level = potential.evaluate(structure, workspace).fermi_level;
    const double c = capacitance(potential, structure, workspace);
    CHECK_THAT(c, WithinRel(1.0 / hardness, 1e-8));
    const auto matrix = capacitance_matrix(potential, structure, workspace);
    REQUIRE(matrix.size() == 1);
    CHECK_THAT(matrix[0], WithinRel(c, 1e-10));
    CHECK_THROWS_AS(fukui_function(potential, structure, workspace), InputError);
    CHECK_THROWS_AS(chemical_hardness(potential, structure, workspace), InputError);
  }
}

template <class P>
void check_hessian(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const std::size_t n = structure.size(), size = 3 * n;
  const auto matrix = hessian(potential, structure, workspace);
  double scale = 1;
  for (double x : matrix) scale = std::max(scale, std::abs(x));
  RandomStream random(42);
  std::vector<Vector3<double>> u(n), product(n);
  for (auto& x : u) x = {{random.normal(), random.normal(), random.normal()}};
  for (std::size_t i = 0; i < size; ++i)
    for (int b = 0; b < 3; ++b) {
      double translation = 0;
      for (std::size_t j = 0; j < n; ++j) {
        const std::size_t k = 3 * j + static_cast<std::size_t>(b);
        translation += matrix[i * size + k];
        product[i / 3][static_cast<int>(i % 3)] += matrix[i * size + k] * u[j][b];
        CHECK_THAT(matrix[i * size + k], WithinAbs(matrix[k * size + i], rounding * scale));
      }
      CHECK_THAT(translation, WithinAbs(0.0, rounding * scale));
    }
  const auto found = hessian_product(potential, structure, u, workspace);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK_THAT(norm(found[i] - product[i]), WithinAbs(0.0, rounding * scale));
    for (int a = 0; a < 3; ++a)
      CHECK_THAT(found[i][a], WithinAbs(-difference(
                                            potential, structure,
                                            [&](Structure& s, double t) {
                                              for (std::size_t j = 0; j < n; ++j)
                                                s.positions[j] += t * u[j];
                                            },
                                            [&](auto& p) { return p.forces[i][a]; }),
                                        tolerance * scale));
  }
}

template <class P>
void check_translation(const P& potential, Structure structure) {
  typename P::Workspace workspace;
  const auto alpha = polarizability(potential, structure, workspace);
  const auto born = born_charges(potential, structure, workspace);
  for (auto& r : structure.positions) r += {{30.0, -20.0, 10.0}};
  const auto moved_alpha = polarizability(potential, structure, workspace);
  const auto moved_born = born_charges(potential, structure, workspace);
  for (std::size_t k = 0; k < 9; ++k) {
    CHECK_THAT(moved_alpha.data[k], WithinAbs(alpha.data[k], rounding));
    for (std::size_t i = 0; i < born.size(); ++i)
      CHECK_THAT(moved_born[i].data[k], WithinAbs(born[i].data[k], rounding));
  }
}
}  // namespace

TEMPLATE_TEST_CASE("responses of a molecule are the derivatives of its predictions",
                   "[observables]", Open<PolarizableChargeEquilibration>,
                   (Open<LocalMultipoles<1, ChargeConstraint::fukui>>), Open<BondHardness<1>>,
                   Open<ResponseFunctional<1>>, Open<FixedPoint<1>>) {
  const TestType potential = make_potential<TestType>();
  Structure structure = molecule();
  SECTION("polarizability") {
    structure.external_field = {{0.1, -0.05, 0.2}};
    check_polarizability(potential, structure);
  }
  SECTION("Born charges") { check_born_charges(potential, structure); }
  SECTION("charge response") { check_charge_response(potential, structure); }
  SECTION("total charge") { check_total_charge(potential, structure); }
  SECTION("Hessian") { check_hessian(potential, structure); }
  SECTION("translation") { check_translation(potential, structure); }
  SECTION("errors") {
    typename TestType::Workspace workspace;
    const std::vector<double> few(2);
    CHECK_THROWS_AS(charge_response(potential, structure, few, workspace), InputError);
    const std::vector<Vector3<double>> two(2);
    CHECK_THROWS_AS(hessian_product(potential, structure, two, workspace), InputError);
    CHECK_THROWS_AS(dielectric_tensor(potential, structure, workspace), InputError);
  }
}

TEST_CASE("a polarizable atom has the polarizability of its Gaussian", "[observables]") {
  // 1/α_total = C/α + Λ_1: the field of its own Gaussian is part of K.
  using P = Open<PolarizableChargeEquilibration>;
  const P potential(
      ToyDescriptor({18}),
      PolarizableChargeEquilibration(ChargeEquilibrationOptions{1.2, 3.0, false, 0.1, 1.6}),
      Direct{}, 3);
  P::Workspace workspace;
  Structure atom;
  atom.atomic_numbers = {18};
  atom.positions = {{{0.4, 0.2, -1.0}}};
  const auto volume = polarizability_volume(polarizability(potential, atom, workspace));
  const double expected = 1.0 / (1.0 / 1.6 + self_interaction(1, 1.2, 1.2) / units::coulomb);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) CHECK_THAT(volume(a, b), WithinAbs(a == b ? expected : 0.0, 1e-12));
}

TEST_CASE("a crystal with bonds has a dielectric tensor and Born charges", "[observables]") {
  using P = Bulk<BondHardness<1>>;
  const P potential = make_potential<P>();
  Structure structure = crystal();
  P::Workspace workspace;
  check_polarizability(potential, structure);
  check_born_charges(potential, structure);
  const auto alpha = polarizability(potential, structure, workspace);
  const auto epsilon = dielectric_tensor(potential, structure, workspace);
  const double volume = determinant(structure.cell.vectors);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      CHECK_THAT(epsilon(a, b),
                 WithinAbs((a == b ? 1.0 : 0.0) +
                               4 * std::numbers::pi * units::coulomb * alpha(a, b) / volume,
                           1e-12));
  // Neither images of atoms nor the size of the cell matter.
  Structure doubled = structure;
  for (std::size_t i = 0; i < structure.size(); ++i) {
    doubled.positions.push_back(structure.positions[i] + 3.0 * structure.cell.vectors.row(1));
    doubled.atomic_numbers.push_back(structure.atomic_numbers[i]);
  }
  for (int b = 0; b < 3; ++b) doubled.cell.vectors(1, b) *= 2.0;
  const auto same = dielectric_tensor(potential, doubled, workspace);
  for (std::size_t k = 0; k < 9; ++k) CHECK_THAT(same.data[k], WithinAbs(epsilon.data[k], 1e-8));
}

TEST_CASE("a slab responds to a field along its normal", "[observables]") {
  using P = Bulk<PolarizableChargeEquilibration>;
  const P potential = make_potential<P>();
  P::Workspace workspace;
  Structure slab = crystal();
  slab.cell.periodic[1] = false;
  Vector3<double> normal = cross(slab.cell.vectors.row(2), slab.cell.vectors.row(0));
  normal = (1.0 / norm(normal)) * normal;
  const auto found = polarization_response(potential, slab, normal, workspace);
  CHECK(dot(found, normal) > 0.01);
  CHECK_THAT(dot(found, normal),
             WithinAbs(difference(
                           potential, slab,
                           [&](Structure& s, double t) { s.external_field += t * normal; },
                           [&](auto& p) { return dot(p.polarization, normal); }),
                       tolerance));
  CHECK_THROWS_AS(polarization_response(potential, slab, slab.cell.vectors.row(0), workspace),
                  InputError);
  CHECK_THROWS_AS(polarizability(potential, slab, workspace), InputError);
}

TEST_CASE("properties that do not exist are refused", "[observables]") {
  SECTION("fields along a crystal, when charges are seen by their position") {
    using P = Bulk<PolarizableChargeEquilibration>;
    const P potential = make_potential<P>();
    P::Workspace workspace;
    CHECK_THROWS_AS(dielectric_tensor(potential, crystal(), workspace), InputError);
    CHECK_THROWS_AS(born_charges(potential, crystal(), workspace), InputError);
    CHECK_NOTHROW(chemical_hardness(potential, crystal(), workspace));
  }
  SECTION("without charges") {
    using P = Potential<ToyDescriptor, NoCharges, NoElectrostatics>;
    const P potential = make_potential<P>();
    P::Workspace workspace;
    const std::vector<double> u(molecule().size());
    CHECK_THROWS_AS(polarizability(potential, molecule(), workspace), ModelError);
    CHECK_THROWS_AS(born_charges(potential, molecule(), workspace), ModelError);
    CHECK_THROWS_AS(dipole_moment(potential, molecule(), workspace), ModelError);
    CHECK_THROWS_AS(charge_response(potential, molecule(), u, workspace), ModelError);
    CHECK_THROWS_AS(fukui_function(potential, molecule(), workspace), ModelError);
    CHECK_THROWS_AS(gaussian_multipoles(potential, molecule(), workspace), ModelError);
    CHECK_NOTHROW(hessian(potential, molecule(), workspace));
  }
  SECTION("a total charge that is not kept") {
    using P = Open<LocalMultipoles<0>>;
    const P potential = make_potential<P>();
    P::Workspace workspace;
    CHECK_THROWS_AS(fukui_function(potential, molecule(), workspace), ModelError);
  }
}

TEST_CASE("electrodes have a capacitance matrix", "[observables]") {
  using P = Open<PolarizableChargeEquilibration>;
  const P potential = make_potential<P>();
  P::Workspace workspace;
  Structure structure = molecule();
  structure.groups = {{{0, 3}, 0.0, 0.2}, {{4}, 0.1, {}}, {{1, 5}, 0.0, -0.3}};
  SECTION("beside atoms that keep their charge") {
    const auto matrix = capacitance_matrix(potential, structure, workspace);
    REQUIRE(matrix.size() == 4);
    CHECK_THAT(matrix[1], WithinAbs(matrix[2], rounding));
    CHECK(matrix[0] > 0);
    CHECK(matrix[0] * matrix[3] > matrix[1] * matrix[2]);
    const std::size_t groups[] = {0, 2};
    for (std::size_t a = 0; a < 2; ++a)
      for (std::size_t b = 0; b < 2; ++b)
        CHECK_THAT(
            -matrix[2 * a + b],
            WithinAbs(difference(
                          potential, structure,
                          [&](Structure& s, double t) { *s.groups[groups[b]].fermi_level += t; },
                          [&](auto& p) {
                            double q = 0;
                            for (int i : structure.groups[groups[a]].atoms)
                              q += p.charges[static_cast<std::size_t>(i)];
                            return q;
                          }),
                      tolerance));
  }
  SECTION("the others have a Fukui function and a hardness of their own") {
    const auto add = [](Structure& s, double t) { s.total_charge += t; };
    const auto fukui = fukui_function(potential, structure, workspace);
    CHECK_THAT(fukui[2] + fukui[6], WithinAbs(1.0, rounding));
    CHECK_THAT(fukui[4], WithinAbs(0.0, rounding));
    for (std::size_t i = 0; i < fukui.size(); ++i)
      CHECK_THAT(fukui[i], WithinAbs(difference(potential, structure, add,
                                                [&](auto& p) { return p.charges[i]; }),
                                     tolerance));
    CHECK_THAT(
        chemical_hardness(potential, structure, workspace),
        WithinAbs(-difference(potential, structure, add, [](auto& p) { return *p.fermi_level; }),
                  1e-5));
  }
  SECTION("their reservoir may be the structure's") {
    structure.fermi_level = -0.1;
    structure.total_charge = 0.0;
    const auto matrix = capacitance_matrix(potential, structure, workspace);
    REQUIRE(matrix.size() == 9);
    CHECK_THAT(matrix[0], WithinRel(capacitance(potential, structure, workspace), 1e-10));
  }
  SECTION("nobody is left to carry the total charge") {
    structure.groups = {{{0, 1, 2, 3, 4, 5, 6}, 1.0, {}}};
    structure.total_charge = 0.0;
    CHECK_THROWS_AS(fukui_function(potential, structure, workspace), InputError);
  }
}

}  // namespace observables_test
