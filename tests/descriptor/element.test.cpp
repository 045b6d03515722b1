// SPDX-License-Identifier: MIT
#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/core/units.hpp>
#include <leyden/descriptor/element.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/potential.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace element_test {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;

namespace {

template <Number T>
Geometry<T> geometry() {
  Structure s;
  s.atomic_numbers = {8, 1, 1, 8};
  s.positions = {{{0.0, 0.0, 0.0}}, {{0.9, 0.1, 0.0}}, {{-0.2, 0.8, 0.3}}, {{2.1, 0.4, 1.0}}};
  NeighborList list;
  list.build(s, 3.0);
  Geometry<T> g;
  make_geometry(s, list, g);
  return g;
}

template <class Model>
ParameterLayout declare(Model& model) {
  ParameterLayout layout;
  layout.add("before", {2}, Initializer::constant(5.0));
  model.declare(layout);
  model.prepare(std::vector<double>{5.0, 5.0, 0.25, -1.5});
  return layout;
}

}  // namespace

TEMPLATE_TEST_CASE("Elements know the species of an atom and nothing else", "[elements]", double,
                   Dual<double>, float) {
  using T = TestType;
  using Model = BasicElements<RealOf<T>>;
  Model model({.species = {1, 8}, .cutoff = 3.0, .atomic_energies = {-13.0, -430.0}});
  const ParameterLayout layout = declare(model);
  REQUIRE(layout.find("elements/energy").slice.offset == 2);
  const Geometry<T> g = geometry<T>();
  typename Model::template Tape<T> tape;
  model.forward(g, tape);

  REQUIRE(tape.features.size() == 1);
  for (int i = 0; i < 4; ++i) {
    const int species = g.atomic_numbers[static_cast<std::size_t>(i)] == 8;
    for (int c = 0; c < 2; ++c)
      for (int lm = 0; lm < 4; ++lm) {
        const RealOf<T> expected = lm == 0 && c == species ? 1 : 0;
        CHECK(value_of(tape.features[0].get(i, c, lm)) == expected);
        CHECK(value_of(tape.feature_cotangents[0].get(i, c, lm)) == 0);
      }
    // Numbers that float and double hold exactly.
    CHECK(value_of(tape.node_energies[static_cast<std::size_t>(i)]) == (species ? -1.5 : 0.25));
    CHECK(tape.reference_energies[static_cast<std::size_t>(i)] == (species ? -430.0 : -13.0));
  }

  // The adjoint adds, of duals the tangents, and edges feel nothing.
  T energy_bar(RealOf<T>(0.5));
  if constexpr (is_dual_v<T>) energy_bar = T(RealOf<T>(7), RealOf<T>(0.5));
  std::vector<double> gradient(4, 1.0);
  tape.edge_gradient.assign(1, {{T(RealOf<T>(3)), T(RealOf<T>(3)), T(RealOf<T>(3))}});
  model.backward(g, tape, energy_bar, std::span<double>(gradient));
  const double expected[] = {1.0, 1.0, 2.0, 2.0};
  for (std::size_t k = 0; k < 4; ++k) CHECK(gradient[k] == expected[k]);
  REQUIRE(tape.edge_gradient.size() == static_cast<std::size_t>(g.n_edges()));
  REQUIRE(g.n_edges() > 0);
  for (const auto& v : tape.edge_gradient)
    for (int a = 0; a < 3; ++a) CHECK(value_of(v[a]) == 0);

  CHECK(leyden_test::allocations_of([&] {
          model.forward(g, tape);
          model.backward(g, tape, energy_bar, std::span<double>(gradient));
        }) == 0);
}

TEST_CASE("Elements name what they were not given", "[elements]") {
  CHECK_THROWS_AS(Elements({.species = {}}), ModelError);
  CHECK_THROWS_AS(Elements({.species = {1}, .cutoff = 0.0}), ModelError);
  CHECK_THROWS_WITH(Elements({.species = {1, 8}, .atomic_energies = {1.0}}),
                    ContainsSubstring("1 atomic energies are given for 2 species"));
  Elements model({.species = {1, 6}});
  declare(model);
  Elements::Tape<double> tape;
  CHECK_THROWS_WITH(model.forward(geometry<double>(), tape),
                    ContainsSubstring("atom 0 has atomic number 8"));
}

TEST_CASE("on Elements charge equilibration is that of Rappe and Goddard", "[elements]") {
  const double width = 0.8, distance = 1.7, eta = 3.0, chi[] = {4.5, 8.7};
  const ChargeEquilibration charges(
      {.widths = width, .initial_hardness = eta, .initial_weights = 0.0});
  Potential<Elements, ChargeEquilibration, Direct> p(
      Elements({.species = {1, 8}, .atomic_energies = {-13.0, -430.0}}), charges, Direct{});
  std::vector<double> parameters(p.parameters().begin(), p.parameters().end());
  for (std::size_t s = 0; s < 2; ++s)
    p.layout().find("charge/electronegativity/bias").slice.of(std::span<double>(parameters))[s] =
        chi[s];
  p.set_parameters(parameters);
  Structure s;
  s.atomic_numbers = {1, 8};
  s.positions = {{{0, 0, 0}}, {{0, 0, distance}}};
  decltype(p)::Workspace workspace;
  const Prediction& got = p.evaluate(s, workspace);

  // Two Gaussians: K_ii = C/(σ√π), K_12 = C erf(r/2σ)/r; q = (χ_2 − χ_1)/(2η + 2K_ii − 2K_12).
  const double c = units::coulomb, pi = std::acos(-1.0);
  const double self = c / (width * std::sqrt(pi));
  const double pair = c * std::erf(distance / (2 * width)) / distance;
  const double stiffness = 2 * (eta + self - pair), q = (chi[1] - chi[0]) / stiffness;
  // Rounding of the default weights' softplus and of the solution.
  CHECK(std::abs(got.charges[0] - q) < 1e-12);
  CHECK(std::abs(got.charges[1] + q) < 1e-12);
  CHECK(std::abs(got.energy - (-443.0 - 0.5 * stiffness * q * q)) < 1e-10);
}

TEST_CASE("polarizable atoms and bonds on Elements: forces and gradients", "[elements]") {
  // Vectors are read from features that are zero: no permanent dipoles, induced ones only.
  using Charges = BondHardness<1>;
  BondHardnessOptions options;
  options.widths = 0.9;
  options.charges = {0.3, -0.6};
  options.initial_softness = 0.3;
  Potential<Elements, Charges, Direct> p(Elements({.species = {1, 8}, .cutoff = 3.2}),
                                         Charges(options), Direct{}, 5);
  Structure s;
  s.atomic_numbers = {8, 1, 1, 8};
  s.positions = {{{0.0, 0.0, 0.0}}, {{0.9, 0.1, 0.0}}, {{-0.2, 0.8, 0.3}}, {{2.1, 0.4, 1.0}}};
  decltype(p)::Workspace workspace;
  const Prediction at = p.evaluate(s, workspace);
  double dipoles = 0.0;
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t m = 1; m < 4; ++m)
      dipoles = std::max(dipoles, std::abs(at.multipoles[4 * i + m]));
  CHECK(dipoles > 1e-3);

  // Central differences: h² times a third derivative (some 100) and rounding, 1e-15 · 30 eV / h.
  const double h = 1e-5, tolerance = 1e-7;
  const auto energy = [&] { return p.evaluate(s, workspace, {false, false}).energy; };
  Direction direction;
  direction.displacement.assign(s.size(), {});
  for (std::size_t i = 0; i < s.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      const double x = s.positions[i][a];
      s.positions[i][a] = x + h;
      const double up = energy();
      s.positions[i][a] = x - h;
      const double down = energy();
      s.positions[i][a] = x;
      CHECK(std::abs(at.forces[i][a] + (up - down) / (2 * h)) < tolerance);
      direction.displacement[i][a] = 1.0;
      const double along = p.directional_derivative(s, direction, workspace).energy;
      direction.displacement[i][a] = 0.0;
      CHECK(std::abs(at.forces[i][a] + along) < 1e-11);
    }

  LossCotangents loss;
  loss.energy = 1.0;
  std::vector<double> gradient(p.layout().size(), 0.0);
  p.parameter_gradient(s, loss, workspace, gradient);
  std::vector<double> parameters(p.parameters().begin(), p.parameters().end());
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    CAPTURE(k);
    const double x = parameters[k];
    parameters[k] = x + h;
    p.set_parameters(parameters);
    const double up = energy();
    parameters[k] = x - h;
    p.set_parameters(parameters);
    const double down = energy();
    parameters[k] = x;
    CHECK(std::abs(gradient[k] - (up - down) / (2 * h)) < tolerance);
  }
}

}  // namespace element_test
