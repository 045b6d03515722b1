// SPDX-License-Identifier: MIT
#include "charge/self_consistent_checks.hpp"

namespace energy_functional_test {

namespace {
using namespace leyden_test;

EnergyFunctionalOptions options() {
  auto o = make_options<EnergyFunctional<1>>(GaussianWidths(std::vector<double>{0.9, 0.6}));
  o.wells = 0;
  return o;
}
using Energy = Dissected<EnergyFunctional<1>>;

double energy_of(const Energy& m, const std::vector<double>& p) {
  std::vector<double> g;
  const auto& c = m.coefficients();
  return m.phi(p, g) + inner(p, c.chi) + inner(p, m.external()) + 0.5 * inner(p, m.field(p));
}
}  // namespace

TEST_CASE("the energy functional finds the least energy of a charge", "[charge]") {
  const Energy m(options());
  const double energy = m.electronic_energy();
  const auto p = m.density();
  CHECK_THAT(energy_of(m, p), WithinAbs(energy, 1e-11));
  CHECK_THAT(m.charge(p), WithinAbs(m.structure.total_charge, 1e-12));
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    auto d = random_vector(static_cast<int>(p.size()), trial);
    const double excess = m.charge(d) / static_cast<double>(m.structure.size());
    for (std::size_t i = 0; i < d.size(); i += Energy::size) d[i] -= excess;
    double rise[3];
    for (int k = 0; k < 3; ++k) {
      const double h = k == 0 ? 1.0 : k == 1 ? 1e-2 : 1e-3;
      auto q = p;
      for (std::size_t i = 0; i < q.size(); ++i) q[i] += h * d[i];
      rise[k] = energy_of(m, q) - energy;
      CHECK(rise[k] > 0.0);  // also far away: there is one minimum
    }
    CHECK_THAT(rise[1] / rise[2], Catch::Matchers::WithinRel(100.0, 0.2));
  }
}

TEST_CASE("charge rests at a kink", "[charge]") {
  // One atom and its reservoir: ∂q/∂μ at the kink (q = 0) against that of the same atom without.
  EnergyFunctionalOptions o;
  o.initial_weights = 0.0;
  o.kinks = 1;
  o.initial_kink = 3.0;
  o.charge_width = 0.05;
  Structure s;
  s.atomic_numbers = {8};
  s.positions = {{{0, 0, 0}}};
  Dissected<EnergyFunctional<0>> kinked(o, s);
  o.kinks = 0;
  Dissected<EnergyFunctional<0>> smooth(o, s);
  const double soft = charge_response(smooth, 0.0);
  const double stiffness = smooth.coulomb[0] + 2.0;
  CHECK_THAT(soft, WithinAbs(-1.0 / stiffness, 1e-9));
  CHECK_THAT(charge_response(kinked, 0.0), WithinAbs(-1.0 / (stiffness + 3.0 / 0.05), 1e-6));
  // Far beyond it the kink only shifts the level by its size.
  CHECK_THAT(charge_response(kinked, 20.0), WithinAbs(soft, 1e-6));
  kinked.structure.fermi_level = 20.0;
  smooth.structure.fermi_level = 17.0;
  kinked.evaluate();
  smooth.evaluate();
  CHECK_THAT(kinked.density()[0], WithinAbs(smooth.density()[0], 1e-9));
}

TEST_CASE("an energy functional says what is wrong with its options", "[charge]") {
  const std::vector<FeatureShape> shapes{{4, 1}};
  const std::vector<int> species{8, 1};
  const auto declare = [&](EnergyFunctionalOptions o) {
    ParameterLayout layout;
    EnergyFunctional<1>(o).declare(layout, shapes, species);
  };
  EnergyFunctionalOptions o;
  CHECK_NOTHROW(declare(o));
  o.charge_width = 0.0;
  CHECK_THROWS_AS(declare(o), ModelError);
  o = {};
  o.initial_polarizability = 0.0;
  CHECK_THROWS_AS(declare(o), ModelError);
  o = {};
  o.bond_kinks = true;
  o.initial_bond_kink = 0.0;
  CHECK_THROWS_WITH(declare(o), Catch::Matchers::ContainsSubstring("bond kink"));
}

}  // namespace energy_functional_test
