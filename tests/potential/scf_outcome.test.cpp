// SPDX-License-Identifier: MIT
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/electrostatics/direct.hpp>

#include "potential/points.hpp"
#include "support/catch.hpp"

namespace scf_outcome_test {

// What the search for a density says of itself, and what a workspace remembers.
namespace {

using namespace leyden_test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

using Response = Potential<ToyDescriptor, ResponseFunctional<1>, Direct>;
using Map = Potential<ToyDescriptor, FixedPoint<1>, Direct>;

ScfOptions quiet() {
  ScfOptions options;
  options.throw_on_failure = false;
  return options;
}

}  // namespace

TEST_CASE("a density that does not converge is a typed outcome, or an error", "[potential][scf]") {
  Response potential = make_potential<Response>();
  Response::Workspace workspace;
  ScfOptions options = quiet();
  options.method = ScfMethod::linear;
  options.max_iterations = 5;
  potential.set_scf_options(options);
  const Prediction& p = potential.evaluate(molecule(), workspace);
  CHECK(p.scf.status == ScfStatus::stalled);
  CHECK(p.scf.iterations == 5);
  CHECK(p.scf.residuals.size() == 6);
  CHECK(p.scf.energies.size() == 6);
  CHECK(p.scf.residual == p.scf.residuals.back());
  CHECK(p.scf.residual > options.tolerance);
  options.throw_on_failure = true;
  potential.set_scf_options(options);
  CHECK_THROWS_AS(potential.evaluate(molecule(), workspace), ConvergenceError);
  CHECK_THROWS_WITH(potential.evaluate(molecule(), workspace),
                    ContainsSubstring("stalled after 5 iterations"));
  // Nothing is lost: the same workspace goes on.
  potential.set_scf_options({});
  CHECK(potential.evaluate(molecule(), workspace).scf.status == ScfStatus::converged);
}

TEST_CASE("a charge that no level can hold is no number", "[potential][scf]") {
  ResponseFunctionalOptions model;
  model.widths = 0.8;
  model.softness = model.polarizability = false;  // levels alone: bounded charges
  using P = Potential<ToyDescriptor, ResponseFunctional<0>, Direct>;
  P potential(ToyDescriptor({8, 1}), ResponseFunctional<0>(model), Direct(), 7);
  P::Workspace workspace;
  Structure s = molecule();
  s.total_charge = 1000.0;
  CHECK_THROWS_AS(potential.evaluate(s, workspace), ConvergenceError);
  potential.set_scf_options(quiet());
  CHECK(potential.evaluate(s, workspace).scf.status == ScfStatus::diverged);
  s.total_charge = 0.3;
  CHECK(potential.evaluate(s, workspace).scf.status == ScfStatus::converged);
}

TEMPLATE_TEST_CASE("a warm start saves iterations and changes nothing else", "[potential][scf]",
                   Response, Map) {
  TestType potential = make_potential<TestType>();
  typename TestType::Workspace warm, cold;
  ScfOptions options;
  options.tolerance = 1e-10;
  Structure s = molecule();
  int warm_iterations = 0, cold_iterations = 0;
  for (int step = 0; step < 6; ++step) {
    s.positions[0][0] += 0.01;
    options.warm_start = false;
    potential.set_scf_options(options);
    const Prediction a = potential.evaluate(s, cold);
    options.warm_start = true;
    potential.set_scf_options(options);
    const Prediction b = potential.evaluate(s, warm);
    CHECK_THAT(b.energy, WithinAbs(a.energy, 1e-9));
    for (std::size_t i = 0; i < s.size(); ++i) CHECK(norm(a.forces[i] - b.forces[i]) < 1e-8);
    if (step >= 2) {
      warm_iterations += b.scf.iterations;
      cold_iterations += a.scf.iterations;
    }
  }
  CHECK(warm_iterations < cold_iterations);
  // Without it the past has no influence, to the last bit.
  options.warm_start = false;
  potential.set_scf_options(options);
  typename TestType::Workspace fresh;
  CHECK(potential.evaluate(s, warm).energy == potential.evaluate(s, fresh).energy);
}

TEST_CASE("groups and levels that make no sense are refused", "[potential][scf]") {
  Response potential = make_potential<Response>();
  Response::Workspace workspace;
  Structure s = molecule();
  s.groups = {{{0, 99}, 0.0, {}}};
  CHECK_THROWS_WITH(potential.evaluate(s, workspace), ContainsSubstring("names atom 99"));
  s.groups = {{{0, 1}, 0.0, {}}, {{1, 2}, 0.0, {}}};
  CHECK_THROWS_WITH(potential.evaluate(s, workspace),
                    ContainsSubstring("atom 1 is in two charge groups"));
  s.groups.clear();
  s.applied_potential = {1.0};
  CHECK_THROWS_AS(potential.evaluate(s, workspace), InputError);
  s.applied_potential.clear();
  s.fermi_level = 0.0;
  const auto local = make_potential<Potential<ToyDescriptor, LocalMultipoles<1>, Direct>>();
  Potential<ToyDescriptor, LocalMultipoles<1>, Direct>::Workspace other;
  CHECK_THROWS_WITH(local.evaluate(s, other),
                    ContainsSubstring("the total charge does not respond to a potential"));
}

TEST_CASE("two electrodes at a bias carry opposite charges", "[potential][scf]") {
  // The same cluster twice, 6 Å apart; a bias between the copies, total charge zero.
  Response potential = make_potential<Response>();
  Response::Workspace workspace;
  Structure s = molecule();
  s.total_charge = 0.0;
  const std::size_t half = s.size();
  for (std::size_t i = 0; i < half; ++i) {
    s.positions.push_back(s.positions[i] + Vector3<double>{{8.0, 0.0, 0.0}});
    s.atomic_numbers.push_back(s.atomic_numbers[i]);
  }
  const auto charge_of_left = [&](const Prediction& p) {
    double q = 0;
    for (std::size_t i = 0; i < half; ++i) q += p.charges[i];
    return q;
  };
  // By the bias as a potential, one common Fermi level …
  s.applied_potential.assign(2 * half, 0.0);
  for (std::size_t i = 0; i < half; ++i) s.applied_potential[i] = 1.0;
  const Prediction biased = potential.evaluate(s, workspace);
  const double q = charge_of_left(biased);
  CHECK(q < -1e-3);  // a positive potential draws electrons
  // … and by two groups that hold these charges: their levels differ by the bias.
  s.applied_potential.clear();
  ChargeGroup left, right;
  for (std::size_t i = 0; i < half; ++i) {
    left.atoms.push_back(static_cast<int>(i));
    right.atoms.push_back(static_cast<int>(half + i));
  }
  left.total_charge = q;
  right.total_charge = -q;
  s.groups = {left, right};
  const Prediction held = potential.evaluate(s, workspace);
  REQUIRE(held.group_fermi_levels.size() == 2);
  CHECK_FALSE(held.fermi_level);
  CHECK_THAT(held.group_fermi_levels[0] - held.group_fermi_levels[1], WithinAbs(1.0, 1e-8));
  for (std::size_t i = 0; i < s.size(); ++i)
    CHECK_THAT(held.charges[i], WithinAbs(biased.charges[i], 1e-9));
  // … and with both levels prescribed.
  s.groups[0].fermi_level = held.group_fermi_levels[0];
  s.groups[1].fermi_level = held.group_fermi_levels[1];
  const Prediction open = potential.evaluate(s, workspace);
  CHECK_THAT(charge_of_left(open), WithinAbs(q, 1e-8));
  // The energy at prescribed levels is the grand potential Σ μ_g Q_g more.
  CHECK_THAT(open.energy, WithinAbs(held.energy + held.group_fermi_levels[0] * q -
                                        held.group_fermi_levels[1] * q,
                                    1e-8));
}

TEMPLATE_TEST_CASE("the bare softness is what the law does at a fixed density", "[potential][scf]",
                   Response, Map) {
  // Where K is nothing, because atoms are far apart and do not feel themselves, bare and screened
  // responses are the same.
  using Q = typename TestType::charge_model_type;
  TestType potential(ToyDescriptor({8, 1}), Q(), Direct(SelfInteraction::excluded), 7);
  typename TestType::Workspace workspace;
  Structure s;
  for (int i = 0; i < 3; ++i) {
    s.positions.push_back({{1e9 * i, 0.0, 0.0}});
    s.atomic_numbers.push_back(i == 0 ? 8 : 1);
  }
  s.fermi_level = 0.2;
  const std::vector<double> bare = potential.bare_softness(s, workspace);
  Direction level;
  level.fermi_level = 1.0;
  const DirectionalDerivative& screened = potential.directional_derivative(s, level, workspace);
  for (std::size_t i = 0; i < s.size(); ++i) {
    CHECK(bare[i] > 0.0);
    CHECK_THAT(bare[i], WithinAbs(-screened.charges[i], 1e-7));
  }
  // In a molecule the others screen.
  const auto molecular = make_potential<TestType>();
  Structure m = molecule();
  m.fermi_level = 0.2;
  double softness = 0, with_screening = 0;
  for (double x : molecular.bare_softness(m, workspace)) softness += x;
  for (double x : molecular.directional_derivative(m, level, workspace).charges)
    with_screening -= x;
  CHECK(with_screening < softness);
}

TEST_CASE("a density that is stationary and no minimum is refused", "[potential][scf]") {
  // Two point-like charges without self-interaction or hardness repel each other not at all.
  ChargeEquilibrationOptions options;
  options.initial_hardness = 1e-6;
  options.initial_weights = 0.0;
  using P = Potential<ToyDescriptor, ChargeEquilibration, Direct>;
  P potential(ToyDescriptor({8, 1}), ChargeEquilibration(options),
              Direct(SelfInteraction::excluded), 7);
  P::Workspace workspace;
  Structure s;
  s.positions = {{{0, 0, 0}}, {{1.5, 0, 0}}};
  s.atomic_numbers = {8, 8};
  CHECK_THROWS_WITH(potential.evaluate(s, workspace), ContainsSubstring("no minimum"));
}

}  // namespace scf_outcome_test
