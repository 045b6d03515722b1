// SPDX-License-Identifier: MIT
#include "charge/self_consistent_checks.hpp"

namespace response_test {

namespace {
using namespace leyden_test;

ResponseFunctionalOptions options() {
  auto o = make_options<ResponseFunctional<1>>(GaussianWidths(std::vector<double>{0.9, 0.6}));
  o.initial_softness = 0.2;
  return o;
}
using Response = Dissected<ResponseFunctional<1>>;

// u = −v for a density and a Fermi level.
std::vector<double> seen(const Response& m, const std::vector<double>& p, double level) {
  std::vector<double> u = m.field(p);
  for (std::size_t k = 0; k < u.size(); ++k)
    u[k] = -(u[k] + m.external()[k] + m.coefficients().chi[k] +
             (k % Response::size == 0 ? level : 0.0));
  return u;
}
double dual_energy(const Response& m, const std::vector<double>& p, double level) {
  std::vector<double> g;
  return -0.5 * inner(p, m.field(p)) - m.phi(seen(m, p, level), g) -
         level * m.structure.total_charge;
}
}  // namespace

TEST_CASE("the response functional's energy is a stationary maximum", "[charge]") {
  Response m(options());
  REQUIRE(m.prediction.fermi_level.has_value());
  const double level = *m.prediction.fermi_level, energy = m.electronic_energy();
  const auto p = m.density();
  CHECK_THAT(dual_energy(m, p, level), WithinAbs(energy, 1e-11));
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    const auto d = random_vector(static_cast<int>(p.size()), trial);
    double fall[2];
    for (int k = 0; k < 2; ++k) {
      const double h = k == 0 ? 1e-2 : 1e-3;
      auto q = p;
      for (std::size_t i = 0; i < q.size(); ++i) q[i] += h * d[i];
      fall[k] = dual_energy(m, q, level + h * d[0]) - energy;
      CHECK(fall[k] < 0.0);
    }
    // Second order in the displacement: ten times closer is a hundred times better.
    CHECK_THAT(fall[0] / fall[1], Catch::Matchers::WithinRel(100.0, 0.2));
  }
}

TEST_CASE("an unconverged response functional bounds its energy from both sides", "[charge]") {
  Response m(options());
  const double energy = m.electronic_energy();
  const auto& law = m.law;
  const auto& c = m.coefficients();
  const auto& geometry = m.workspace.real.geometry;
  const BondList bonds = bonds_of(geometry);
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    auto p = m.density();
    const auto d = random_vector(static_cast<int>(p.size()), trial, 0.05);
    for (std::size_t k = 0; k < p.size(); ++k) p[k] += d[k];
    // The level at which the density that p makes has the right charge.
    double low = -100.0, high = 100.0;
    std::vector<double> made;
    for (int k = 0; k < 200; ++k) {
      m.phi(seen(m, p, 0.5 * (low + high)), made);
      (m.charge(made) > m.structure.total_charge ? low : high) = 0.5 * (low + high);
    }
    const auto u = seen(m, p, low);
    m.phi(u, made);
    REQUIRE(std::abs(m.charge(made) - m.structure.total_charge) < 1e-12);
    // Its energy: atoms by their conjugates, bonds by what they carry.
    double upper =
        0.5 * inner(made, m.field(made)) + inner(made, m.external()) + inner(made, c.chi);
    auto own = made;
    for (std::size_t b = 0; b < bonds.size(); ++b) {
      const double* at = c.bonds.data() + b * static_cast<std::size_t>(law.bond_size());
      const double* u_s = u.data() + bonds.from(b) * Response::size;
      const double* u_t = u.data() + bonds.to(b) * Response::size;
      const double moved = law.transfer(at, u_s, u_t);
      own[bonds.from(b) * Response::size] -= moved;
      own[bonds.to(b) * Response::size] += moved;
      upper += law.transfer_energy(at, u_s, u_t);
    }
    for (std::size_t i = 0; i < m.structure.size(); ++i) {
      std::vector<double> guess(Response::size, 0.0);
      upper += law.conjugate(c.atoms.data() + i * static_cast<std::size_t>(law.atom_size()),
                             own.data() + i * Response::size, guess.data());
    }
    const double lower = dual_energy(m, p, low);
    CHECK(lower < energy);
    CHECK(upper > energy);
    CHECK(upper - lower > 1e-4);
    // The gap is the Coulomb energy of the residual.
    std::vector<double> residual = made;
    for (std::size_t k = 0; k < p.size(); ++k) residual[k] -= p[k];
    CHECK_THAT(upper - lower, WithinAbs(0.5 * inner(residual, m.field(residual)), 1e-9));
  }
}

TEST_CASE("the charge falls with the Fermi level", "[charge]") {
  Response m(options());
  for (double level : {-6.0, -2.0, 0.0, 2.0, 6.0}) CHECK(charge_response(m, level) < -1e-3);
}

TEST_CASE("empty levels and no bonds make an insulator that keeps its charges", "[charge]") {
  ResponseFunctionalOptions o;
  o.levels = 1;
  o.temperature = 0.05;
  o.softness = o.polarizability = o.level_dipoles = false;
  o.initial_weights = 0.0;
  Dissected<ResponseFunctional<0>> m(o);
  m.structure.fermi_level = 30.0;  // far above: no charge in the levels
  m.evaluate();
  const auto before = m.density();
  m.structure.external_field = {{0.2, 0.1, -0.3}};
  m.evaluate();
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK_THAT(before[i], WithinAbs(-0.15, 1e-12));
    CHECK_THAT(m.density()[i], WithinAbs(before[i], 1e-12));
  }
  m.structure.fermi_level = 0.0;  // at the levels: a metal
  m.evaluate();
  const auto metal = m.density();
  m.structure.external_field = {};
  m.evaluate();
  CHECK(std::abs(m.density()[0] - metal[0]) > 1e-3);
}

TEST_CASE("a response functional says what is wrong with its options", "[charge]") {
  const std::vector<FeatureShape> shapes{{4, 1}};
  const std::vector<int> species{8, 1};
  const auto declare = [&](ResponseFunctionalOptions o) {
    ParameterLayout layout;
    ResponseFunctional<1>(o).declare(layout, shapes, species);
  };
  ResponseFunctionalOptions o;
  CHECK_NOTHROW(declare(o));
  o.levels = 0;
  o.softness = false;
  CHECK_THROWS_WITH(declare(o), Catch::Matchers::ContainsSubstring("take BondHardness"));
  o = {};
  o.temperature = 0.0;
  CHECK_THROWS_AS(declare(o), ModelError);
  o = {};
  o.initial_softness = -1.0;
  CHECK_THROWS_AS(declare(o), ModelError);
  o = {};
  o.charges = {1.0};
  CHECK_THROWS_AS(declare(o), ModelError);
}

}  // namespace response_test
