// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

namespace self_consistent_crystal_laws_test {

namespace {
using namespace leyden_test;

template <class Q>
using Bulk = Potential<ToyDescriptor, Q, Reciprocal>;

template <class P>
P make_bulk_potential() {
  ReciprocalOptions options;
  options.background = Background::uniform;
  return make_potential<P>(Reciprocal(options));
}
}  // namespace

TEMPLATE_TEST_CASE("self-consistent models obey the laws of a crystal", "[potential]",
                   Bulk<ResponseFunctional<0>>, Bulk<BondHardness<1>>, Bulk<EnergyFunctional<0>>,
                   Bulk<FixedPoint<1>>) {
  const TestType potential = make_bulk_potential<TestType>();
  Structure structure = crystal();
  structure.total_charge = 0.5;
  check_all(potential, structure);
}

TEST_CASE("bonds let a crystal feel a field", "[potential]") {
  using P = Bulk<BondHardness<1>>;
  BondHardnessOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  options.charges = {-0.8, 0.4};
  options.initial_weights = 0.3;
  options.initial_softness = 0.3;
  const P potential(ToyDescriptor({8, 1}), BondHardness<1>(options), Reciprocal(), 7);
  Structure structure = crystal();
  structure.external_field = {{0.3, -0.2, 0.4}};
  SECTION("forces and stress") { check_forces_and_stress(potential, structure); }
  SECTION("parameter gradient") { check_parameter_gradient(potential, structure); }

  P::Workspace workspace;
  const Prediction p = potential.evaluate(structure, workspace);
  SECTION("the polarisation is minus the derivative of the energy by the field") {
    for (int a = 0; a < 3; ++a) {
      Structure s = structure;
      const double h = difference_step;
      s.external_field[a] += h;
      const double up = potential.evaluate(s, workspace, {false, false}).energy;
      s.external_field[a] -= 2 * h;
      const double down = potential.evaluate(s, workspace, {false, false}).energy;
      CHECK_THAT(p.polarization[a], WithinAbs((down - up) / (2 * h), 1e-7));
    }
  }
  SECTION("and is the sum over atoms and bonds that the model states") {
    const auto& state = workspace.real;
    const ChargeInput<double> input{state.tape.features,      workspace.species, 0.0,
                                    structure.external_field, &structure,        &state.geometry};
    std::vector<double> v(p.multipoles.size());
    for (std::size_t k = 0; k < v.size(); ++k)
      v[k] = state.own_potential[k] + state.external[k] + state.coefficients.chi[k] +
             state.coefficients.eta[k] * p.multipoles[k];
    const Vector3<double> sum =
        potential.charge_model().polarization(input, state.coefficients, std::span<const double>(v),
                                              std::span<const double>(p.multipoles));
    for (int a = 0; a < 3; ++a) CHECK_THAT(p.polarization[a], WithinAbs(sum[a], 1e-9));
  }
  SECTION("another image of an atom only adds the work on its base charge") {
    const double base = workspace.real.coefficients.atoms[5];
    structure.positions[1] += structure.cell.vectors.row(2);
    const Prediction moved = potential.evaluate(structure, workspace);
    const double work = base * dot(structure.external_field, structure.cell.vectors.row(2));
    REQUIRE(std::abs(work) > 0.01);
    CHECK_THAT(moved.energy, WithinAbs(p.energy - work, 1e-10));
    for (std::size_t i = 0; i < structure.size(); ++i) {
      CHECK_THAT(moved.charges[i], WithinAbs(p.charges[i], 1e-11));
      CHECK_THAT(norm(moved.forces[i] - p.forces[i]), WithinAbs(0.0, 1e-9));
    }
  }
}

}  // namespace self_consistent_crystal_laws_test
