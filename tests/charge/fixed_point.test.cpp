// SPDX-License-Identifier: MIT
#include "charge/self_consistent_checks.hpp"

namespace fixed_point_test {

namespace {
using namespace leyden_test;

using Fixed = Dissected<FixedPoint<1>>;

FixedPointOptions plain() {
  FixedPointOptions o;
  o.widths = std::vector<double>{0.9, 0.6};
  o.charges = {-0.4, 0.2};
  o.initial_weights = 0.5;
  o.coupling = false;
  return o;
}
}  // namespace

TEST_CASE("a fixed point is one: the map of its density gives it back", "[charge]") {
  auto o = plain();
  o.terms = 2;
  o.coupling = o.bond_transfer = o.bond_cross = true;
  const Fixed m(o);
  REQUIRE(m.prediction.fermi_level.has_value());
  std::vector<double> f = m.field(m.density()), p(f.size(), 0.0);
  for (std::size_t k = 0; k < f.size(); ++k)
    f[k] += m.external()[k] + (k % Fixed::size == 0 ? *m.prediction.fermi_level : 0.0);
  const LawSum<Fixed::Law> sum{m.law, bonds_of(m.workspace.real.geometry), m.structure.size(),
                               Fixed::size, Fixed::size};
  sum.map<double>(m.coefficients(), f.data(), p.data());
  for (std::size_t k = 0; k < p.size(); ++k) CHECK_THAT(p[k], WithinAbs(m.density()[k], 1e-10));
  CHECK_THAT(m.charge(p), WithinAbs(m.structure.total_charge, 1e-10));
  // The energy is what is read out of it, and the Coulomb energy.
  double energy = 0.5 * inner(p, m.field(p)) + inner(p, m.external());
  std::vector<double> sink(static_cast<std::size_t>(m.law.atom_size()) + 8);
  for (std::size_t i = 0; i < m.structure.size(); ++i)
    energy += m.law.readout(
        m.coefficients().atoms.data() + i * static_cast<std::size_t>(m.law.atom_size()),
        p.data() + i * Fixed::size, f.data() + i * Fixed::size, static_cast<double*>(nullptr),
        sink.data(), sink.data() + 4);
  CHECK_THAT(m.electronic_energy(), WithinAbs(energy, 1e-9));
}

TEST_CASE("softness and polarizability have the right sign whatever the weights are", "[charge]") {
  auto o = plain();
  o.initial_weights = 5.0;
  o.initial_softness = 0.02;
  const Fixed m(o);
  const auto stride = static_cast<std::size_t>(m.law.atom_size());
  for (std::size_t i = 0; i < m.structure.size(); ++i) {
    CHECK(m.coefficients().atoms[i * stride + std::size_t(m.law.linear_at(0))] > 0.0);
    CHECK(m.coefficients().atoms[i * stride + std::size_t(m.law.alpha_at(0))] > 0.0);
  }
  Fixed reservoir(plain());
  for (double level : {-3.0, 0.0, 3.0}) CHECK(charge_response(reservoir, level) < -1e-3);
}

TEST_CASE("a lone atom of a fixed point is polarizable", "[charge]") {
  // Its dipole is along the field, d = αE/(1 + αK): features of l = 1 are zero here.
  auto o = plain();
  Structure s;
  s.atomic_numbers = {8};
  s.positions = {{{0, 0, 0}}};
  s.external_field = {{0.1, -0.2, 0.3}};
  const Fixed m(o, s);
  const double alpha = 1.0 / units::coulomb, k = m.coulomb[5];
  for (int a = 0; a < 3; ++a)
    CHECK_THAT(m.prediction.dipole[a],
               WithinAbs(s.external_field[a] * alpha / (1.0 + alpha * k), 1e-10));
}

TEST_CASE("a fixed point says what is wrong with its options", "[charge]") {
  const std::vector<FeatureShape> shapes{{4, 1}};
  const std::vector<int> species{8, 1};
  const auto declare = [&](FixedPointOptions o) {
    ParameterLayout layout;
    FixedPoint<1>(o).declare(layout, shapes, species);
  };
  FixedPointOptions o;
  CHECK_NOTHROW(declare(o));
  o.feature_widths = {1.0, 0.0};
  CHECK_THROWS_WITH(declare(o), Catch::Matchers::ContainsSubstring("feature width"));
  o = {};
  o.terms = -1;
  CHECK_THROWS_AS(declare(o), ModelError);
  o = {};
  o.charges = {0.1, 0.2, 0.3};
  CHECK_THROWS_AS(declare(o), ModelError);
}

}  // namespace fixed_point_test
