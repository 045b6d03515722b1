// SPDX-License-Identifier: MIT
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

namespace quadrupoles_test {

// Potentials with charges, dipoles and quadrupoles: the laws, on both solvers that serve l = 2.
namespace {
using namespace leyden_test;

using Descriptor = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 2}>;
using Charges = LocalMultipoles<2, ChargeConstraint::uniform>;

// Frame and solver are independent: each frame is met once.
template <class S>
Potential<Descriptor, Charges, S> make(S solver, HarmonicFrame frame) {
  MaceOptions options;
  options.species = {8, 1};
  options.cutoff = 3.0;
  options.channels = 5;
  options.radial_count = 4;
  options.radial_hidden = {6};
  options.readout_width = 3;
  options.average_neighbors = 8.0;
  options.frame = frame;
  return {Descriptor(options), make_charge_model<Charges>(), std::move(solver), 7};
}

template <class P>
double largest_quadrupole(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const Prediction& p = potential.evaluate(structure, workspace);
  REQUIRE(p.multipoles.size() == 9 * structure.size());
  double largest = 0.0;
  for (std::size_t k = 0; k < p.multipoles.size(); ++k)
    if (k % 9 >= 4) largest = std::max(largest, std::abs(p.multipoles[k]));
  return largest;
}

template <class P>
void check_quadrupoles(const P& potential, const Structure& structure) {
  // The laws say nothing about quadrupoles that are zero.
  SECTION("there are quadrupoles") { CHECK(largest_quadrupole(potential, structure) > 1e-3); }
  SECTION("forces and stress") { check_forces_and_stress(potential, structure); }
  SECTION("sums") { check_sums(potential, structure); }
  SECTION("allocations") { check_allocations(potential, structure); }
  SECTION("parameter gradient") {
    // A prime stride meets every slice at different places.
    const double error =
        parameter_gradient_error(potential, structure, random_cotangents(structure.size(), 21), 13);
    CHECK(error < 1e-8);
    std::vector<double> gradient(potential.layout().size(), 0.0);
    typename P::Workspace workspace;
    potential.parameter_gradient(structure, random_cotangents(structure.size(), 21), workspace,
                                 gradient);
    double of_quadrupoles = 0.0;
    const std::span<const double> all(gradient);
    for (const double g : potential.layout().find("charge/quadrupole/weight").slice.of(all))
      of_quadrupoles = std::max(of_quadrupoles, std::abs(g));
    CHECK(of_quadrupoles > 1e-3);
  }
  check_symmetries(potential, structure);
}
}  // namespace

TEST_CASE("a molecule with quadrupoles obeys the laws", "[potential][quadrupoles]") {
  Structure structure = molecule();
  structure.external_field = {{0.1, -0.2, 0.15}};
  check_quadrupoles(make(Direct(), HarmonicFrame::xyz), structure);
}

TEST_CASE("a crystal with quadrupoles obeys the laws", "[potential][quadrupoles]") {
  ReciprocalOptions options;
  options.background = Background::uniform;
  Structure structure = crystal();
  structure.total_charge = 0.5;
  check_quadrupoles(make(Reciprocal(options), HarmonicFrame::yzx), structure);
}

TEST_CASE("quadrupoles need features of l = 2", "[potential][quadrupoles]") {
  ParameterLayout layout;
  const std::vector<FeatureShape> shapes{{4, 1}};
  const std::vector<int> species{8, 1};
  LocalMultipoles<2> model;
  CHECK_THROWS_AS(model.declare(layout, shapes, species), ModelError);
}

}  // namespace quadrupoles_test
