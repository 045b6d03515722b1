// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/charge/none.hpp>
#include <leyden/descriptor/ace.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/zoo.hpp>

#include <cmath>

namespace ace_charges_test {

using namespace leyden;

namespace {

using Vectors = Ace<AceShape{.l_max = 2, .correlation = 2}>;
using Scalars = Ace<AceShape{.l_max = 2, .correlation = 2, .feature_l = 0}>;

// It stands wherever a MACE does.
template <class... Q>
constexpr bool fits = (Compatibility<Vectors, Q, Direct>::value && ...);
static_assert(Compatibility<Vectors, NoCharges, NoElectrostatics>::value);
static_assert(fits<FixedCharges, LocalMultipoles<0>, LocalMultipoles<1>, SplitCharges<1>,
                   ChargeEquilibration, FourthGeneration, BondHardness<0>, EnergyFunctional<1>,
                   FixedPoint<1>, PolarRecursion<1>, ResponseFunctional<1>>);
static_assert(Compatibility<Scalars, ChargeEquilibration, Direct>::value &&
              !Compatibility<Scalars, LocalMultipoles<1>, Direct>::value);

AceOptions options() {
  AceOptions o;
  o.species = {8, 1};
  o.cutoff = 3.0;
  o.channels = 4;
  o.radial_count = 3;
  return o;
}
Structure molecule() {
  Structure s;
  s.atomic_numbers = {8, 1, 1, 8};
  s.positions = {{{0, 0, 0}}, {{0.96, 0.1, 0}}, {{-0.3, 0.9, 0.1}}, {{0.2, -0.4, 2.6}}};
  return s;
}

template <class Q>
void check(Q charges) {
  using Model = Potential<Vectors, Q, Direct>;
  Model model(Vectors(options()), std::move(charges), Direct{}, 3);
  typename Model::Workspace workspace;
  const Structure s = molecule();
  const Prediction p = model.evaluate(s, workspace);
  double largest = 0.0;
  for (double q : p.charges) largest = std::max(largest, std::abs(q));
  CHECK(largest > 1e-3);  // features reach the charges

  const double h = 1e-4;
  const auto energy = [&](const Structure& at) {
    return model.evaluate(at, workspace, {false, false}).energy;
  };
  for (std::size_t i = 0; i < s.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      Structure up = s, down = s;
      up.positions[i][a] += h;
      down.positions[i][a] -= h;
      // h² times a third derivative of some hundred
      CHECK(std::abs(p.forces[i][a] + (energy(up) - energy(down)) / (2 * h)) < 3e-6);
    }

  // The weights of the features, which the charges alone see.
  std::vector<double> gradient(model.layout().size(), 0.0);
  LossCotangents cotangents;
  cotangents.energy = 1.0;
  model.parameter_gradient(s, cotangents, workspace, gradient);
  const std::size_t k = model.layout().find("ace.features.L0.nu2").slice.offset + 1;
  std::vector<double> w(model.parameters().begin(), model.parameters().end());
  const double at = w[k];
  double side[2];
  for (int i = 0; i < 2; ++i) {
    w[k] = at + (i == 0 ? h : -h);
    model.set_parameters(w);
    side[i] = energy(s);
  }
  CHECK(std::abs(gradient[k]) > 1e-6);
  CHECK(std::abs(gradient[k] - (side[0] - side[1]) / (2 * h)) < 1e-6);
}

}  // namespace

TEST_CASE("an ACE carries dipoles", "[ace]") { check(LocalMultipoles<1>()); }

TEST_CASE("an ACE carries charge equilibration", "[ace]") { check(ChargeEquilibration()); }

TEST_CASE("charges need the features of an ACE", "[ace]") {
  AceOptions without = options();
  without.features = false;
  CHECK_THROWS_AS((Potential<Vectors, LocalMultipoles<1>, Direct>(Vectors(without),
                                                                  LocalMultipoles<1>(), Direct{})),
                  ModelError);
}

}  // namespace ace_charges_test
