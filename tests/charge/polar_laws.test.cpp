// SPDX-License-Identifier: MIT
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/laws.hpp"

namespace polar_laws_test {

namespace {

using namespace leyden_test;

template <int L, class S>
auto polar_potential(S solver) {
  PolarRecursionOptions o;
  o.widths = std::vector<double>{0.9, 0.6};
  o.feature_widths = {0.8, 1.3};
  o.feature_norms = {4.0, 3.0, 0.5, 0.7};
  o.fukui_width = 3;
  o.step_hidden = {5};
  o.readout_channels = 3;
  o.energy_hidden = {4};
  o.initial_weights = 0.3;
  using P = Potential<ToyDescriptor, PolarRecursion<L>, S>;
  P p(ToyDescriptor({8, 1}, 3.0, 4), PolarRecursion<L>(o), std::move(solver), 7);
  // Constants too must differ from their initial values: zero hides errors.
  std::vector<double> parameters(p.parameters().begin(), p.parameters().end());
  RandomStream random(11);
  for (double& x : parameters) x += 0.1 * random.normal();
  p.set_parameters(parameters);
  return p;
}

}  // namespace

TEST_CASE("recursive models obey the laws of a molecule in a field", "[charge][potential]") {
  Structure structure = molecule();
  structure.external_field = {{0.3, -0.2, 0.5}};
  structure.spin_multiplicity = 2.0;
  check_all(polar_potential<1>(Direct()), structure);
}

TEST_CASE("recursive models obey the laws of a crystal", "[charge][potential]") {
  check_all(polar_potential<1>(Reciprocal()), crystal());
}

}  // namespace polar_laws_test
