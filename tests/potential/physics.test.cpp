// SPDX-License-Identifier: MIT
#include "../../examples/physics/scenes.hpp"
#include "support/catch.hpp"

#include <algorithm>

namespace physics_test {

// What nature does to metals, insulators and molecules, with parameters put in by hand. Bounds are
// those of the effect, not of rounding, unless they say so.
using namespace physics;

namespace {

template <class P>
double chain_exponent(const P& model) {
  std::vector<double> lengths, values;
  for (int n : {8, 12, 16, 24, 32, 48, 64}) {
    lengths.push_back(n);
    values.push_back(polarizability(model, n));
  }
  return exponent(lengths, values);
}
template <class P>
std::vector<double> salt_charges(const P& model, double distance, double total_charge) {
  typename P::Workspace workspace;
  return model.evaluate(salt(distance, total_charge), workspace).charges;
}

}  // namespace

TEST_CASE("a chain is a metal under charge equilibration, an insulator with bonds or a gap",
          "[physics]") {
  // Hard atoms: hardness rules, N³. Soft ones: a needle of metal, N³/ln N, whose exponent between
  // 8 and 64 is near 2.5.
  const double hard = chain_exponent(chain_equilibration(200.0));
  const double soft = chain_exponent(chain_equilibration(2.0));
  CAPTURE(hard, soft);
  CHECK(hard > 2.8);
  CHECK(hard < 3.1);
  CHECK(soft > 2.3);
  CHECK(soft < 2.8);
  // N − 1 bonds: 1.06.
  const double bonds = chain_exponent(chain_bonds()), gap = chain_exponent(chain_levels(6.0));
  CAPTURE(bonds, gap);
  CHECK(bonds > 0.9);
  CHECK(bonds < 1.1);
  CHECK(gap > 0.9);
  CHECK(gap < 1.1);
  // The same model without a gap is the metal again.
  const double no_gap = chain_exponent(chain_levels(0.0));
  CHECK(no_gap > 2.3);
  CHECK(no_gap < 2.8);
}

TEST_CASE(
    "fragments far apart have fractional charges under charge equilibration, integer ones "
    "with levels",
    "[physics]") {
  const auto equilibration = salt_equilibration();
  const auto levels = salt_levels(0.1);
  const double far = 30.0, near = 2.36;
  // Both transfer charge where there is a bond.
  CHECK(salt_charges(equilibration, near, 0.0)[0] > 0.3);
  CHECK(salt_charges(levels, near, 0.0)[0] > 0.3);
  CHECK(salt_charges(equilibration, far, 0.0)[0] > 0.3);
  // What is left is the Fermi function half the gap of 5.14 − 3.61 eV away, which its own potential
  // moves.
  const double left = salt_charges(levels, far, 0.0)[0];
  const double own = units::coulomb / (salt_width * std::sqrt(std::acos(-1.0)));
  const double energy = 0.765 + (own - units::coulomb / far) * left;
  CHECK(left < 5e-4);
  CHECK(std::abs(left - 1.0 / (1.0 + std::exp(energy / 0.1))) < 1e-9);
  CHECK(std::abs(salt_charges(salt_levels(0.05), far, 0.0)[0]) < 1e-6);

  // A missing electron is sodium's, and whole.
  const auto split = salt_charges(equilibration, far, 1.0), whole = salt_charges(levels, far, 1.0);
  CHECK(split[1] > 0.1);
  CHECK(std::abs(whole[0] - 1.0) < 1e-5);
  CHECK(std::abs(whole[1]) < 1e-5);
}

TEST_CASE("a metal screens a field and a charge, an insulator does not", "[physics]") {
  const auto range = [](const std::vector<std::pair<double, double>>& potential) {
    double low = 1e9, high = -1e9;
    for (const auto& [z, v] : potential) {
      low = std::min(low, v);
      high = std::max(high, v);
    }
    return high - low;
  };
  // The field alone drops 1.25 V over the slab.
  CHECK(range(potential_in_field(slab_metal())) < 0.02);
  const double insulator = range(potential_in_field(slab_insulator()));
  CHECK(insulator > 0.8);
  CHECK(insulator < 1.25);

  const double metal = transmission(plate_metal());
  CAPTURE(metal);
  CHECK(std::abs(metal) < 0.15);
  const double through = transmission(plate_insulator());
  CHECK(through > 0.9);
  CHECK(through < 1.1);
}

TEST_CASE("two metal slabs are a capacitor", "[physics]") {
  const auto model = slab_metal();
  const Capacitor c = capacitor(model, 8.0, 1.0), far = capacitor(model, 14.0, 1.0);
  // The potential drops by the bias but for what the middle of three layers still sees.
  CHECK(c.charge_per_area > 0.0);
  CHECK(std::abs(c.potential_drop - 1.0) < 0.01);
  // Linear: rounding and the tolerance of the solution.
  CHECK(std::abs(capacitor(model, 8.0, 3.0).charge_per_area - 3 * c.charge_per_area) < 1e-11);
  // The plates stand outside of the atoms, and 6 Å more of a gap is 6 Å more between them. The
  // tails of Gaussians over 8 Å are all that is in the way: exp(−8²/4) of a lateral structure.
  const double distance = vacuum_permittivity / c.charge_per_area;
  CHECK(distance > 6.0);
  CHECK(distance < 8.0);
  CHECK(std::abs(vacuum_permittivity / far.charge_per_area - distance - 6.0) < 1e-6);
  // Charges and Fermi levels are two views of one state.
  const double charge = c.charge_per_area * 4 * slab_spacing * slab_spacing;
  const Capacitor given = capacitor(model, 8.0, 0.0, charge);
  CHECK(std::abs(given.bias - 1.0) < 1e-9);
  CHECK(std::abs(given.potential_drop - c.potential_drop) < 1e-9);
  // Capacitance by differences.
  const Capacitor more = capacitor(model, 8.0, 0.0, 1.01 * charge);
  const double slope = 0.01 * c.charge_per_area / (more.bias - given.bias);
  CHECK(std::abs(slope * distance / vacuum_permittivity - 1.0) < 1e-6);
}

TEST_CASE("a slab that is charged from outside has no lowest energy", "[physics]") {
  // Its charge sits on both faces, and the potential −2πC|z|Q/A of either falls towards the other:
  // the energy is concave in the charge, so a reservoir would never stop. Opposite plates are safe.
  const auto model = slab_metal();
  Structure s;
  add_slab(s, 0.0, 6, 1);
  decltype(model)::Workspace workspace;
  double energy[3];
  for (int k = 0; k < 3; ++k) {
    s.total_charge = 0.1 * (k - 1);
    energy[k] = model.evaluate(s, workspace).energy;
  }
  CHECK(energy[0] + energy[2] - 2 * energy[1] < -0.1);
  s.total_charge = 0.0;
  s.fermi_level = 0.1;
  CHECK_THROWS_AS(model.evaluate(s, workspace), ConvergenceError);
}

TEST_CASE("the charge steps at a trap's level", "[physics]") {
  const double size = 0.7;
  for (double temperature : {0.1, 0.3}) {
    const auto bare = trap(temperature, size, SelfInteraction::excluded);
    // e^(−20/0.3) of the level is left at ±20 V.
    CHECK(std::abs(charge_at(bare, -20.0) - size) < 1e-12);
    CHECK(std::abs(charge_at(bare, 20.0)) < 1e-12);
    CHECK(std::abs(charge_at(bare, 0.0) - 0.5 * size) < 1e-12);
    // From 10 to 90 %: 2 ln 9 temperatures; bisection and solution are good to 1e-9.
    const double width = 2 * std::log(9.0) * temperature;
    CHECK(std::abs(step_width(bare, size) - width) < 1e-8);
    // The charge's own Coulomb energy, C/(σ√π) of a Gaussian, widens the step: a charging energy.
    const double charging = 0.8 * size * units::coulomb / std::sqrt(std::acos(-1.0));
    const auto charged = trap(temperature, size, SelfInteraction::included);
    CHECK(std::abs(step_width(charged, size) - width - charging) < 1e-8);
  }
}

TEST_CASE("bonds that are infinitely hard leave fixed charges", "[physics]") {
  const auto fixed = ion_fixed();
  decltype(fixed)::Workspace workspace;
  const Prediction expected = fixed.evaluate(ions(), workspace);
  double charges[2], forces[2];
  for (int k = 0; k < 2; ++k) {
    const auto bonds = ion_bonds(k == 0 ? 1e-4 : 1e-6);
    decltype(bonds)::Workspace other;
    const Prediction& got = bonds.evaluate(ions(), other);
    charges[k] = forces[k] = 0.0;
    for (std::size_t i = 0; i < 4; ++i) {
      charges[k] = std::max(charges[k], std::abs(got.charges[i] - expected.charges[i]));
      forces[k] = std::max(forces[k], norm(got.forces[i] - expected.forces[i]));
    }
    // The energy of the atoms, Σ χq + ½ηq², is a constant; what is left is ½ Σ_b σ_b (u_s − u_t)²,
    // some ten volts squared times the softness.
    const double atoms = 2 * 0.8 * (2.84 - 8.28) + 4 * 0.5 * 0.8 * 0.8;
    CHECK(std::abs(got.energy - expected.energy - atoms) < (k == 0 ? 1e-2 : 1e-4));
  }
  CHECK(charges[1] < 1e-5);
  CHECK(forces[1] < 1e-5);
  // In proportion to the softness; the next order is a hundredth at 1e-4.
  CHECK(std::abs(charges[0] / charges[1] - 100.0) < 1.0);
  CHECK(std::abs(forces[0] / forces[1] - 100.0) < 1.0);
}

}  // namespace physics_test
