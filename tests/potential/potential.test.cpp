// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/points.hpp"
#include "support/catch.hpp"

namespace potential_test {

namespace {
using namespace leyden_test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

using Fixed = Potential<ToyDescriptor, FixedCharges, Direct>;
using Equilibrated = Potential<ToyDescriptor, ChargeEquilibration, Direct>;
using Uncharged = Potential<ToyDescriptor, NoCharges, NoElectrostatics>;
}  // namespace

TEST_CASE("two ions have the energy of Coulomb's law", "[potential]") {
  Fixed potential(ToyDescriptor({8, 1}, 3.0),
                  FixedCharges({{-1.0, 1.0}, std::vector<double>{0.5, 0.7}, false}),
                  Direct(SelfInteraction::excluded));
  Structure s;
  s.atomic_numbers = {8, 1};
  s.positions = {{{0, 0, 0}}, {{0, 0, 9.0}}};  // beyond the descriptor and the Gaussians
  Fixed::Workspace workspace;
  const Prediction p = potential.evaluate(s, workspace);
  const auto e0 = potential.layout().find("toy/energy").slice.of(potential.parameters());
  CHECK_THAT(p.energy, WithinAbs(e0[0] + e0[1] - units::coulomb / 9.0, 1e-12));
  CHECK_THAT(p.forces[1][2], WithinAbs(-units::coulomb / 81.0, 1e-12));
  CHECK_THAT(p.dipole[2], WithinAbs(9.0, 1e-14));
  // The field pulls the positive charge along: energy −E·μ.
  s.external_field = {{0, 0, 0.1}};
  const double lowered = potential.evaluate(s, workspace).energy;
  CHECK_THAT(lowered, WithinAbs(p.energy - 0.9, 1e-12));
}

TEST_CASE("the Fermi level is minus the energy's derivative by the total charge", "[potential]") {
  const Equilibrated potential = make_potential<Equilibrated>();
  Equilibrated::Workspace workspace;
  Structure s = molecule();
  const double mu = potential.evaluate(s, workspace).fermi_level.value();
  const double h = 1e-3;  // the energy is quadratic in the charge
  s.total_charge += h;
  const double up = potential.evaluate(s, workspace).energy;
  s.total_charge -= 2 * h;
  const double down = potential.evaluate(s, workspace).energy;
  CHECK_THAT(mu, WithinAbs(-(up - down) / (2 * h), 1e-9));
}

TEST_CASE("the dipole is minus the energy's derivative by the field", "[potential]") {
  using Dipoles = Potential<ToyDescriptor, LocalMultipoles<1>, Direct>;
  const auto check = [](const auto& potential) {
    typename std::decay_t<decltype(potential)>::Workspace workspace;
    Structure s = molecule();
    s.external_field = {{0.1, 0.2, -0.3}};
    const Vector3<double> dipole = potential.evaluate(s, workspace).dipole;
    for (int a = 0; a < 3; ++a) {
      const double h = 1e-3;  // the energy is at most quadratic in the field
      Structure moved = s;
      moved.external_field[a] += h;
      const double up = potential.evaluate(moved, workspace).energy;
      moved.external_field[a] -= 2 * h;
      const double down = potential.evaluate(moved, workspace).energy;
      CHECK_THAT(dipole[a], WithinAbs(-(up - down) / (2 * h), 1e-9));
    }
  };
  check(make_potential<Dipoles>());
  check(make_potential<Equilibrated>());
}

TEST_CASE("what is not asked for is not given, and changes nothing else", "[potential]") {
  const Fixed potential = make_potential<Fixed>();
  Fixed::Workspace workspace;
  const Prediction all = potential.evaluate(molecule(), workspace);
  const Prediction energy = potential.evaluate(molecule(), workspace, {false, false});
  CHECK(energy.energy == all.energy);
  CHECK(energy.charges == all.charges);
  CHECK(energy.forces.empty());
  CHECK(all.forces.size() == molecule().size());
}

TEST_CASE("a workspace carries nothing from one structure to the next", "[potential]") {
  const Equilibrated potential = make_potential<Equilibrated>();
  Equilibrated::Workspace used, fresh;
  Structure small = molecule();
  small.positions.resize(3);
  small.atomic_numbers.resize(3);
  potential.evaluate(molecule(), used);
  const Prediction& p = potential.evaluate(small, used);
  const Prediction& q = potential.evaluate(small, fresh);
  CHECK(p.energy == q.energy);
  CHECK(p.forces == q.forces);
  CHECK(p.charges == q.charges);
  // Nor from one potential to another, with another cutoff.
  Equilibrated wide(ToyDescriptor({8, 1}, 4.0), make_charge_model<ChargeEquilibration>(), Direct{});
  Equilibrated::Workspace other;
  CHECK(wide.evaluate(small, used).energy == wide.evaluate(small, other).energy);
}

TEST_CASE("the total charge and the field are nothing to a model without charges", "[potential]") {
  const Uncharged potential = make_potential<Uncharged>();
  Uncharged::Workspace workspace;
  Structure s = molecule();
  const double energy = potential.evaluate(s, workspace).energy;
  s.total_charge = 5.0;
  s.external_field = {{1, 1, 1}};
  CHECK(potential.evaluate(s, workspace).energy == energy);
}

TEST_CASE("potentials say what does not fit", "[potential]") {
  const Fixed potential = make_potential<Fixed>();
  Fixed::Workspace workspace;
  Structure s = molecule();
  s.atomic_numbers[3] = 79;
  CHECK_THROWS_WITH(
      potential.evaluate(s, workspace),
      ContainsSubstring("atom 3 has atomic number 79") && ContainsSubstring("knows 8, 1"));
  CHECK_THROWS_AS(potential.evaluate(Structure{}, workspace), InputError);
  CHECK_THROWS_AS(potential.evaluate(crystal(), workspace), ModelError);  // Direct is open

  Fixed changed = potential;
  CHECK_THROWS_WITH(changed.set_parameters(std::vector<double>(2)),
                    ContainsSubstring("2 numbers are given"));
  std::vector<double> gradient(potential.layout().size());
  LossCotangents cotangents;
  cotangents.forces.resize(2);
  CHECK_THROWS_WITH(potential.parameter_gradient(molecule(), cotangents, workspace, gradient),
                    ContainsSubstring("2 cotangents of forces are given for 7 atoms"));
  gradient.pop_back();
  CHECK_THROWS_AS(potential.parameter_gradient(molecule(), {}, workspace, gradient), InputError);

  using Dipoles = Potential<ToyDescriptor, LocalMultipoles<1>, Direct>;
  CHECK_THROWS_WITH(Dipoles(ToyDescriptor({8, 1}, 3.0, 8, 0), LocalMultipoles<1>(), Direct{}),
                    ContainsSubstring("no layer of the descriptor has features of l = 1"));
}

TEST_CASE("potentials run in single precision", "[potential]") {
  using Single = Potential<BasicToyDescriptor<float>, ChargeEquilibration, Direct>;
  const Equilibrated potential = make_potential<Equilibrated>();
  Single single = make_potential<Single>();
  Equilibrated::Workspace workspace;
  Single::Workspace single_workspace;
  const Prediction& p = potential.evaluate(molecule(), workspace);
  const Prediction& q = single.evaluate(molecule(), single_workspace);
  // 24 bits and sums over some hundred terms of size 10.
  CHECK_THAT(q.energy, WithinAbs(p.energy, 1e-4));
  for (std::size_t i = 0; i < p.forces.size(); ++i) CHECK(norm(q.forces[i] - p.forces[i]) < 1e-3);
  std::vector<double> a(potential.layout().size()), b = a;
  const LossCotangents cotangents = random_cotangents(molecule().size(), 3);
  potential.parameter_gradient(molecule(), cotangents, workspace, a);
  single.parameter_gradient(molecule(), cotangents, single_workspace, b);
  double scale = 0.0;
  for (double x : a) scale = std::max(scale, std::abs(x));
  for (std::size_t k = 0; k < a.size(); ++k) CHECK_THAT(b[k], WithinAbs(a[k], 1e-4 * scale));
}

}  // namespace potential_test
