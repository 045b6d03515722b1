// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>

#include "potential/points.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/parameter_slope.hpp"

namespace given_density_test {

// Predictions at a density that is given, and their gradients: what direct training is made of.
namespace {

using namespace leyden_test;
using Catch::Matchers::WithinAbs;

template <class Q>
using Open = Potential<ToyDescriptor, Q, Direct>;

std::vector<double> random_density(std::size_t n, std::size_t size) {
  RandomStream random(21);
  std::vector<double> p(n * size);
  for (std::size_t k = 0; k < p.size(); ++k) p[k] = (k % size == 0 ? 0.3 : 0.1) * random.normal();
  return p;
}

/// The molecule, or the molecule in two parts with a charge each, so that there are two levels.
Structure sample(bool groups) {
  Structure s = molecule();
  s.external_field = {{0.3, -0.2, 0.5}};
  if (groups) {
    s.total_charge = 0.3;
    s.groups = {ChargeGroup{{0, 2, 5}, -0.2, {}}};
  }
  return s;
}

/// A scalar of all that evaluate_at() predicts and training may use.
struct Functional {
  LossCotangents bar;

  Functional(std::size_t n, std::size_t size, bool forces) {
    RandomStream random(5);
    bar.energy = 0.7;
    bar.fermi_level = -0.4;
    for (std::size_t k = 0; k < n * size; ++k) bar.density_residual.push_back(random.normal());
    if (forces)
      for (std::size_t i = 0; i < n; ++i)
        bar.forces.push_back({{random.normal(), random.normal(), random.normal()}});
  }
  double operator()(const Prediction& p) const {
    double sum = bar.energy * p.energy + bar.fermi_level * *p.fermi_level;
    for (std::size_t k = 0; k < bar.density_residual.size(); ++k)
      sum += bar.density_residual[k] * p.density_residual[k];
    for (std::size_t i = 0; i < bar.forces.size(); ++i) sum += dot(bar.forces[i], p.forces[i]);
    return sum;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("the prediction at a given density and its gradients", "[potential]",
                   Open<ResponseFunctional<1>>, Open<EnergyFunctional<1>>, Open<FixedPoint<1>>,
                   Open<FourthGeneration>, Open<PolarizableChargeEquilibration>) {
  TestType potential = make_potential<TestType>();
  const bool groups = GENERATE(false, true);
  CAPTURE(groups);
  Structure structure = sample(groups);
  const std::size_t n = structure.size(), size = TestType::multipole_count;
  typename TestType::Workspace workspace;

  SECTION("at the self-consistent density it is the prediction") {
    const Prediction found = potential.evaluate(structure, workspace);
    CHECK(found.density_residual.empty());
    const Prediction& at = potential.evaluate_at(structure, found.multipoles, workspace);
    REQUIRE(at.density_residual.size() == n * size);
    // The density is found to 1e-10; potentials of unit charges are tens of volts.
    for (double r : at.density_residual) CHECK_THAT(r, WithinAbs(0.0, 1e-8));
    CHECK_THAT(at.energy, WithinAbs(found.energy, 1e-9));
    CHECK_THAT(*at.fermi_level, WithinAbs(*found.fermi_level, 1e-8));
    if (TestType::stationary)
      for (std::size_t i = 0; i < n; ++i)
        for (int a = 0; a < 3; ++a)
          CHECK_THAT(at.forces[i][a], WithinAbs(found.forces[i][a], 1e-8));
    // Nothing of it is left in the workspace.
    CHECK(potential.evaluate(structure, workspace).energy == found.energy);
  }

  const std::vector<double> density = random_density(n, size);
  SECTION("charges are moved onto what is prescribed") {
    const Prediction& at = potential.evaluate_at(structure, density, workspace);
    double total = 0.0;
    for (double q : at.charges) total += q;
    CHECK_THAT(total, WithinAbs(structure.total_charge + (groups ? -0.2 : 0.0), 1e-12));
    CHECK(at.multipoles[size + size - 1] == (size > 1 ? density[size + size - 1] : at.charges[1]));
    // Charges that a response or a map makes are those prescribed, too; gradients have no mean.
    double residual = 0.0;
    for (std::size_t k = 0; k < n * size; k += size) residual += at.density_residual[k];
    CHECK_THAT(residual, WithinAbs(0.0, 1e-10));
  }

  SECTION("forces are derivatives of its energy") {
    const Prediction at = potential.evaluate_at(structure, density, workspace);
    RandomStream random(8);
    std::vector<Vector3<double>> direction(n);
    double expected = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      direction[i] = {{random.normal(), random.normal(), random.normal()}};
      expected -= dot(direction[i], at.forces[i]);
    }
    const auto energy = [&](double step) {
      Structure moved = structure;
      for (std::size_t i = 0; i < n; ++i) moved.positions[i] += direction[i] * step;
      return potential.evaluate_at(moved, density, workspace, {false, false}).energy;
    };
    const double h = 1e-4;  // fourth order: h⁴ and 1e-14/h, both far below 1e-8 of some 10 eV/Å
    const double slope =
        (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h);
    CHECK_THAT(slope, WithinAbs(expected, 1e-7 * (1.0 + std::abs(expected))));
  }

  SECTION("gradients by the parameters") {
    const bool forces = GENERATE(false, true);
    CAPTURE(forces);
    const Functional functional(n, size, forces);
    std::vector<double> gradient(potential.layout().size());
    potential.parameter_gradient_at(structure, density, functional.bar, workspace, gradient);
    const auto [expected, slope] = leyden_test::parameter_slope(potential, gradient, 1e-4, [&] {
      return functional(potential.evaluate_at(structure, density, workspace, {forces, false}));
    });
    CHECK_THAT(slope, WithinAbs(expected, 1e-7 * (1.0 + std::abs(expected))));
  }

  SECTION("a density of another size is refused") {
    CHECK_THROWS_AS(
        potential.evaluate_at(structure, std::span(density).first(density.size() - 1), workspace),
        InputError);
    CHECK_THROWS_AS(potential.evaluate_at(structure, {}, workspace), InputError);
  }

  SECTION("warm calls allocate nothing") {
    potential.evaluate_at(structure, density, workspace);
    CHECK(allocations_of([&] { potential.evaluate_at(structure, density, workspace); }) == 0);
  }
}

}  // namespace given_density_test
