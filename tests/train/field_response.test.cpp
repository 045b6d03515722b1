// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/observables/response.hpp>
#include <leyden/train/trainer.hpp>

#include "potential/points.hpp"
#include "support/catch.hpp"
#include "support/parameter_slope.hpp"

namespace field_response_test {

// Losses on what a field does (polarizability, Born charges) and on potentials.
namespace {

using namespace leyden_test;
using Catch::Matchers::WithinAbs;

template <class Q>
using Open = Potential<ToyDescriptor, Q, Direct>;

Frame sample() {
  Frame f;
  f.structure = molecule();
  f.structure.external_field = {{0.1, -0.05, 0.02}};
  RandomStream random(4);
  f.labels.born_charges.emplace(f.structure.size());
  f.labels.potentials.emplace();
  for (double& x : f.labels.polarizability.emplace().data) x = random.normal();
  for (auto& z : *f.labels.born_charges) {
    for (double& x : z.data) x = random.normal();
    f.labels.potentials->push_back(random.normal());
  }
  return f;
}

}  // namespace

TEMPLATE_TEST_CASE("responses to a field: value and gradient of their loss", "[train]",
                   Open<EnergyFunctional<1>>, Open<FixedPoint<1>>,
                   Open<PolarizableChargeEquilibration>) {
  TestType potential = make_potential<TestType>();
  const Frame f = sample();
  typename TestType::Workspace workspace;

  // Differences against derivatives: h² of the third ones by the field, which is 1e-4.
  Prediction prediction = potential.evaluate(f.structure, workspace);
  add_field_response(potential, f.structure, workspace, prediction);
  const Matrix3<double> alpha = polarizability(potential, f.structure, workspace);
  const std::vector<Matrix3<double>> born = born_charges(potential, f.structure, workspace);
  CHECK(prediction.field_axes == std::array<bool, 3>{true, true, true});
  for (std::size_t k = 0; k < 9; ++k) {
    CHECK_THAT(prediction.polarizability.data[k], WithinAbs(alpha.data[k], 1e-4));
    for (std::size_t i = 0; i < born.size(); ++i)
      CHECK_THAT(prediction.born_charges[i].data[k], WithinAbs(born[i].data[k], 1e-4));
  }
  CHECK(norm(alpha.row(0)) > 0.05);

  const LossWeights weights{.potentials = 0.7, .polarizability = 3.0, .born_charges = 0.5};
  CHECK(needs_field_response(f.labels, weights));
  CHECK_FALSE(needs_field_response(f.labels, {.potentials = 1.0}));
  LossCotangents bar;
  structure_loss(f.structure, f.labels, prediction, weights, 1.0, &bar);
  std::vector<double> gradient(potential.layout().size());
  potential.parameter_gradient(f.structure, bar, workspace, gradient);
  add_field_response_gradient(potential, f.structure, bar, workspace, gradient);

  // Densities are found to 1e-10, so responses to 1e-8 and slopes to 1e-8/h.
  const auto [expected, slope] = leyden_test::parameter_slope(potential, gradient, 1e-3, [&] {
    Prediction p = potential.evaluate(f.structure, workspace);
    add_field_response(potential, f.structure, workspace, p);
    const LossTerms loss = structure_loss(f.structure, f.labels, p, weights);
    CHECK(loss.potentials > 0.0);
    CHECK(loss.polarizability > 0.0);
    CHECK(loss.born_charges > 0.0);
    return loss.total();
  });
  CHECK_THAT(slope, WithinAbs(expected, 1e-5 * (1.0 + std::abs(expected))));
}

TEMPLATE_TEST_CASE("cotangents of polarization and potentials beside those of forces", "[train]",
                   Open<FixedPoint<1>>, Open<LocalMultipoles<1>>) {
  TestType potential = make_potential<TestType>();
  const Frame f = sample();
  const std::size_t n = f.structure.size();
  typename TestType::Workspace workspace;
  LossCotangents bar;
  RandomStream random(3);
  bar.energy = 0.3;
  bar.polarization = {{0.7, -1.1, 0.4}};
  for (std::size_t k = 0; k < n * TestType::multipole_count; ++k)
    bar.potentials.push_back(random.normal());
  if (GENERATE(false, true))
    for (std::size_t i = 0; i < n; ++i)
      bar.forces.push_back({{random.normal(), random.normal(), random.normal()}});
  std::vector<double> gradient(potential.layout().size());
  potential.parameter_gradient(f.structure, bar, workspace, gradient);
  const auto [expected, slope] = leyden_test::parameter_slope(potential, gradient, 1e-4, [&] {
    const Prediction& p = potential.evaluate(f.structure, workspace);
    double sum = bar.energy * p.energy + dot(bar.polarization, p.polarization);
    for (std::size_t k = 0; k < bar.potentials.size(); ++k)
      sum += bar.potentials[k] * p.potentials[k];
    for (std::size_t i = 0; i < bar.forces.size(); ++i) sum += dot(bar.forces[i], p.forces[i]);
    return sum;
  });
  CHECK_THAT(slope, WithinAbs(expected, 1e-6 * (1.0 + std::abs(expected))));
  bar.potentials.pop_back();
  CHECK_THROWS_AS(potential.parameter_gradient(f.structure, bar, workspace, gradient), InputError);
}

TEST_CASE("fields are possible across repeating directions, or with a plane to jump at") {
  Structure s;
  s.cell.vectors = {{4, 0, 0, 1, 4, 0, 0, 0, 9}};
  CHECK(possible_field_axes(s, false) == std::array<bool, 3>{true, true, true});
  s.cell.periodic = {true, false, false};
  CHECK(possible_field_axes(s, false) == std::array<bool, 3>{false, true, true});
  s.cell.periodic = {false, true, true};
  CHECK(possible_field_axes(s, false) == std::array<bool, 3>{false, false, false});
  s.field_jump[2] = 0.5;
  CHECK(possible_field_axes(s, false) == std::array<bool, 3>{false, false, true});
  CHECK(possible_field_axes(s, true) == std::array<bool, 3>{true, true, true});
  CHECK(Open<SplitCharges<1>>::takes_field_everywhere);
  CHECK_FALSE(Open<FixedPoint<1>>::takes_field_everywhere);
}

TEST_CASE("training on responses to a field lowers their loss") {
  using Model = Open<PolarizableChargeEquilibration>;
  const Model truth = make_potential<Model>();
  std::vector<Frame> frames(4);
  Model::Workspace workspace;
  RandomStream random(6);
  for (Frame& f : frames) {
    f.structure = molecule();
    for (auto& r : f.structure.positions)
      for (int a = 0; a < 3; ++a) r[a] += 0.1 * random.normal();
    Prediction p = truth.evaluate(f.structure, workspace);
    add_field_response(truth, f.structure, workspace, p);
    f.labels.polarizability = p.polarizability;
    f.labels.born_charges = p.born_charges;
    f.labels.potentials.emplace();
    for (std::size_t k = 0; k < p.potentials.size(); k += 4)
      f.labels.potentials->push_back(p.potentials[k]);
  }
  Model model = make_potential<Model>();
  std::vector<double> x(model.parameters().begin(), model.parameters().end());
  for (double& value : x) value += 0.05 * random.normal();
  model.set_parameters(x);
  TrainerOptions options;
  options.epochs = 30;
  options.weights = {.potentials = 0.1, .polarizability = 100.0, .born_charges = 1.0};
  options.optimizer.kind = OptimizerOptions::Kind::lbfgs;
  Trainer trainer(model, std::span<const Frame>(frames), {0, 1, 2}, {3}, options);
  trainer.run();
  const EpochRecord &first = trainer.records().front(), &last = trainer.records().back();
  for (const auto term :
       {&LossTerms::potentials, &LossTerms::polarizability, &LossTerms::born_charges}) {
    CHECK(first.train.*term > 0.0);
    CHECK(last.train.*term < 0.1 * first.train.*term);
  }
  CHECK(last.errors.polarizability.count == 9.0);
  CHECK(last.errors.born_charges.count == 9.0 * 7.0);
  CHECK(last.errors.potentials.count == 7.0);
  CHECK(last.errors.polarizability.rmse() < first.errors.polarizability.rmse());
  trainer.use_best_parameters();
  const auto predictions =
      predict(model, std::span<const Frame>(frames), std::vector<std::size_t>{3}, SerialExecutor{});
  CHECK(predictions[0].field_axes[0]);
}

}  // namespace field_response_test
