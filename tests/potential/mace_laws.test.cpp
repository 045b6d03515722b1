// SPDX-License-Identifier: MIT
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

namespace mace_laws_test {

// The toy descriptor's tests cover every charge model; these make sure that a real one, with layers
// of different irreps, fits as well.
namespace {
using namespace leyden_test;

using Descriptor = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;

template <class Q>
Potential<Descriptor, Q, Reciprocal> make() {
  MaceOptions options;
  options.species = {8, 1};
  options.cutoff = 3.0;
  options.channels = 5;
  options.radial_count = 4;
  options.radial_hidden = {6};
  options.readout_width = 3;
  options.average_neighbors = 8.0;
  ReciprocalOptions reciprocal;
  reciprocal.background = Background::uniform;
  return {Descriptor(options), make_charge_model<Q>(), Reciprocal(reciprocal), 7};
}
}  // namespace

TEMPLATE_TEST_CASE("potentials over MACE obey the laws of a crystal", "[potential][mace]",
                   (LocalMultipoles<1, ChargeConstraint::fukui>), ChargeEquilibration) {
  const auto potential = make<TestType>();
  Structure structure = crystal();
  structure.total_charge = 0.5;
  SECTION("forces and stress") { check_forces_and_stress(potential, structure); }
  SECTION("sums") { check_sums(potential, structure); }
  SECTION("allocations") { check_allocations(potential, structure); }
  SECTION("parameter gradient") {
    // A prime stride meets every slice at different places.
    const double error =
        parameter_gradient_error(potential, structure, random_cotangents(structure.size(), 21), 13);
    CHECK(error < 1e-8);
  }
  check_symmetries(potential, structure);
}

}  // namespace mace_laws_test
