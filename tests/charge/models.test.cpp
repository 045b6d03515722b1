// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/core/random.hpp>

#include "support/catch.hpp"

namespace models_test {

namespace {

using namespace leyden;
using Catch::Matchers::WithinAbs;

const std::vector<FeatureShape> shapes{{6, 1}};
const std::vector<int> numbers{8, 1};
const std::vector<int> kinds{0, 1, 1, 0, 1};

std::vector<FeatureArray<double>> random_features() {
  RandomStream random(1);
  std::vector<FeatureArray<double>> h(1);
  h[0].resize(static_cast<int>(kinds.size()), shapes[0]);
  h[0].set_zero();
  for (int i = 0; i < h[0].n_atoms(); ++i)
    for (int c = 0; c < 6; ++c)
      for (int lm = 0; lm < 4; ++lm) h[0].set(i, c, lm, random.normal());
  return h;
}

template <class Q>
std::vector<double> multipoles(Q model, double total_charge) {
  ParameterLayout layout;
  model.declare(layout, shapes, numbers);
  model.prepare(layout.initial_values(2));
  const auto h = random_features();
  std::vector<double> p(kinds.size() * (Q::l_max + 1) * (Q::l_max + 1));
  model.multipoles(ChargeInput<double>{h, kinds, total_charge}, std::span<double>(p));
  return p;
}

}  // namespace

TEST_CASE("local multipoles without weights are fixed charges", "[charge]") {
  LocalMultipolesOptions options;
  options.charges = {-0.7, 0.4};
  options.initial_weights = 0.0;
  const FixedChargesOptions fixed{{-0.7, 0.4}, {}, false};
  CHECK(multipoles(LocalMultipoles<0>(options), 1.0) ==
        multipoles(BasicFixedCharges<false>(fixed), 1.0));
  // Without weights all Fukui shares are equal too.
  const auto expected = multipoles(FixedCharges(fixed), 1.0);
  const auto uniform = multipoles(LocalMultipoles<0, ChargeConstraint::uniform>(options), 1.0);
  const auto fukui = multipoles(LocalMultipoles<1, ChargeConstraint::fukui>(options), 1.0);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    CHECK_THAT(uniform[i], WithinAbs(expected[i], 1e-15));
    CHECK_THAT(fukui[4 * i], WithinAbs(expected[i], 1e-15));
    for (std::size_t m = 1; m < 4; ++m) CHECK(fukui[4 * i + m] == 0.0);
  }
}

TEST_CASE("constraints share what is lacking of the total charge", "[charge]") {
  LocalMultipolesOptions options;
  options.initial_weights = 1.0;
  const auto free = multipoles(LocalMultipoles<0>(options), 2.0);
  const auto uniform = multipoles(LocalMultipoles<0, ChargeConstraint::uniform>(options), 2.0);
  const auto fukui = multipoles(LocalMultipoles<0, ChargeConstraint::fukui>(options), 2.0);
  double lacking = 2.0, sum_uniform = 0.0, sum_fukui = 0.0;
  for (double q : free) lacking -= q;
  for (double q : uniform) sum_uniform += q;
  for (double q : fukui) sum_fukui += q;
  REQUIRE(std::abs(lacking) > 0.1);
  CHECK_THAT(sum_uniform, WithinAbs(2.0, 1e-14));
  CHECK_THAT(sum_fukui, WithinAbs(2.0, 1e-14));
  for (std::size_t i = 0; i < free.size(); ++i) {
    CHECK_THAT(uniform[i] - free[i], WithinAbs(lacking / 5, 1e-14));
    CHECK((fukui[i] - free[i]) / lacking > 0.0);  // shares are positive
  }
  CHECK(std::abs((fukui[0] - free[0]) - (fukui[1] - free[1])) > 1e-3);  // and not all the same
}

TEST_CASE("hardness is positive whatever the weights are", "[charge]") {
  ChargeEquilibrationOptions options;
  options.initial_hardness = 1e-3;
  options.initial_weights = 20.0;
  ChargeEquilibration model(options);
  ParameterLayout layout;
  model.declare(layout, shapes, numbers);
  model.prepare(layout.initial_values(2));
  const auto h = random_features();
  SiteCoefficients<double> c;
  c.assign(kinds.size(), 0, 0, true);
  model.sites(ChargeInput<double>{h, kinds, 0.0}, c);
  for (double e : c.eta) CHECK(e > 0.0);
}

TEST_CASE("the initial hardness is the one asked for", "[charge]") {
  ChargeEquilibrationOptions options;
  options.initial_weights = 0.0;
  options.initial_hardness = GENERATE(0.01, 2.0, 60.0);
  ChargeEquilibration model(options);
  ParameterLayout layout;
  model.declare(layout, shapes, numbers);
  model.prepare(layout.initial_values(2));
  const auto h = random_features();
  SiteCoefficients<double> c;
  c.assign(kinds.size(), 0, 0, true);
  model.sites(ChargeInput<double>{h, kinds, 0.0}, c);
  CHECK_THAT(c.eta[0], WithinAbs(options.initial_hardness, 1e-12));
}

TEST_CASE("softplus and its slope are smooth and do not overflow", "[charge]") {
  for (double x : {-800.0, -30.0, -1.0, 0.0, 1e-9, 2.0, 40.0, 800.0}) {
    const Dual<double> y = softplus(Dual<double>(x, 1.0));
    CHECK(std::isfinite(y.value));
    CHECK_THAT(y.tangent, WithinAbs(sigmoid(x), 1e-15));
    CHECK_THAT(sigmoid(x) + sigmoid(-x), WithinAbs(1.0, 1e-15));
  }
  CHECK_THAT(softplus(0.0), WithinAbs(std::log(2.0), 1e-15));
}

TEST_CASE("options of a wrong size are refused with both numbers", "[charge]") {
  using Catch::Matchers::ContainsSubstring;
  ParameterLayout layout;
  CHECK_THROWS_AS(FixedCharges({{1.0}, {}, false}).declare(layout, shapes, numbers), ModelError);
  CHECK_THROWS_WITH(FixedCharges({{1.0}, {}, false}).declare(layout, shapes, numbers),
                    ContainsSubstring("1 charges are given for 2 species"));
  LocalMultipolesOptions local;
  local.widths = std::vector<double>{1.0, 1.0, 1.0};
  CHECK_THROWS_WITH(LocalMultipoles<0>(local).declare(layout, shapes, numbers),
                    ContainsSubstring("3 widths are given for 2 species"));
  local.widths = -1.0;
  CHECK_THROWS_AS(LocalMultipoles<0>(local).declare(layout, shapes, numbers), ModelError);
  ChargeEquilibrationOptions soft;
  soft.initial_hardness = 0.0;
  CHECK_THROWS_AS(ChargeEquilibration(soft).declare(layout, shapes, numbers), ModelError);
}

}  // namespace models_test
