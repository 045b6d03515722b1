// SPDX-License-Identifier: MIT
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/io/checkpoint.hpp>
#include <leyden/io/training_fields.hpp>
#include <leyden/train/trainer.hpp>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"
#include "support/toy_descriptor.hpp"

namespace modes_test {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using leyden_test::ToyDescriptor;

namespace {

template <class Q>
using On = Potential<ToyDescriptor, Q, Direct>;
using Functional = On<EnergyFunctional<1>>;
using Map = On<FixedPoint<1>>;

/// Parameters away from those of the seed by normal deviates of this size.
template <class Model>
Model make_model(double deviation) {
  auto options = typename Model::charge_model_type().options();
  options.initial_weights = 0.3;
  Model model(ToyDescriptor({8, 1}, 3.0, 4), typename Model::charge_model_type(options), Direct{},
              1);
  std::vector<double> x(model.parameters().begin(), model.parameters().end());
  RandomStream random(7);
  for (double& value : x) value += deviation * random.normal();
  model.set_parameters(x);
  return model;
}

/// Random clusters labelled by the model of no deviation.
template <class Model>
struct Data {
  std::vector<Frame> frames;
  std::vector<std::size_t> train{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, validation{10, 11};

  explicit Data(std::size_t count = 12) : frames(count) {
    const Model truth = make_model<Model>(0.0);
    typename Model::Workspace workspace;
    RandomStream random(2);
    for (Frame& f : frames) {
      const std::size_t n = 3 + random.below(3);
      for (std::size_t i = 0; i < n; ++i) {
        f.structure.atomic_numbers.push_back(i % 3 == 0 ? 8 : 1);
        f.structure.positions.push_back(
            {{1.2 * static_cast<double>(i), random.uniform(), random.uniform()}});
      }
      f.structure.total_charge = 0.2 * random.normal();
      const Prediction& p = truth.evaluate(f.structure, workspace);
      f.labels.energy = p.energy;
      f.labels.forces = p.forces;
      f.labels.charges = p.charges;
      f.labels.fermi_level = p.fermi_level;
      auto& dipoles = f.labels.atomic_dipoles.emplace(n);
      for (std::size_t i = 0; i < n; ++i)
        dipoles[i] = {{p.multipoles[4 * i + 3], p.multipoles[4 * i + 1], p.multipoles[4 * i + 2]}};
    }
  }
};

TrainerOptions make_options(TrainingMode mode) {
  TrainerOptions o;
  o.epochs = 6;
  o.batch_size = 4;
  o.mode = mode;
  o.weights = {.energy = 1.0,
               .forces = 1.0,
               .charges = 10.0,
               .atomic_dipoles = 10.0,
               .fermi_level = 0.1,
               .density_residual = 10.0};
  o.optimizer.learning_rate = 0.003;
  return o;
}

template <class Model>
double charge_error(const Model& model, const Data<Model>& data) {
  PredictionErrors errors;
  const auto predictions = predict(model, std::span<const Frame>(data.frames),
                                   std::span(data.validation), SerialExecutor{});
  for (std::size_t k = 0; k < predictions.size(); ++k)
    errors.add(data.frames[data.validation[k]].structure, data.frames[data.validation[k]].labels,
               predictions[k]);
  return errors.charges.rmse();
}

}  // namespace

TEMPLATE_TEST_CASE("direct training finds the model that made the densities", "[train]", Functional,
                   Map) {
  const Data<TestType> data;
  TestType model = make_model<TestType>(0.03);
  const double before = charge_error(model, data);
  TrainerOptions options = make_options(TrainingMode::direct);
  options.optimizer.kind = OptimizerOptions::Kind::lbfgs;
  options.epochs = 150;
  Trainer trainer(model, data.frames, data.train, data.validation, options);
  trainer.run();
  const auto& records = trainer.records();
  const LossTerms &first = records.front().train, &last = records.back().train;
  CHECK(first.density_residual > 0.0);
  CHECK(last.total() < 1e-3 * first.total());
  CHECK(last.density_residual < 1e-3 * first.density_residual);
  // The density is a constant, so it has no loss; forces count where they are those of the model.
  CHECK(first.charges == 0.0);
  CHECK(first.atomic_dipoles == 0.0);
  CHECK((first.forces > 0.0) == TestType::stationary);
  // The self-consistent charges come out right, which nothing asked for.
  trainer.use_best_parameters();
  CHECK(charge_error(model, data) < 0.1 * before);
}

TEMPLATE_TEST_CASE("training at the model's own density goes on from direct training", "[train]",
                   Functional, Map) {
  const Data<TestType> data;
  const auto implicit_loss = [&](TestType& model) {
    TrainerOptions options = make_options(TrainingMode::implicit);
    options.epochs = 1;
    options.optimizer.learning_rate = 1e-300;
    Trainer trainer(model, data.frames, data.train, data.validation, options);
    trainer.run();
    CHECK(trainer.records()[0].train.density_residual == 0.0);
    return trainer.records()[0].validation.total();
  };
  TestType model = make_model<TestType>(0.03);
  const double start = implicit_loss(model);
  TrainerOptions options = make_options(TrainingMode::direct);
  options.epochs = 30;
  {
    Trainer trainer(model, data.frames, data.train, data.validation, options);
    trainer.run();
    trainer.use_best_parameters();
  }
  const double direct = implicit_loss(model);
  CHECK(direct < start);

  TestType staged = make_model<TestType>(0.03);
  options.epochs = 60;
  options.stages = {{.from_epoch = 31, .mode = TrainingMode::implicit}};
  Trainer trainer(staged, data.frames, data.train, data.validation, options);
  trainer.run();
  const auto& records = trainer.records();
  REQUIRE(records.size() == 60);
  CHECK(records[29].train.density_residual > 0.0);
  CHECK(records[29].errors.charges.count == 0.0);
  CHECK(records[30].train.density_residual == 0.0);
  CHECK(records[30].train.charges > 0.0);
  CHECK(records[30].errors.charges.count > 0.0);
  trainer.use_best_parameters();
  CHECK(implicit_loss(staged) < direct);
}

TEST_CASE("interrupted at the border of two modes, training goes on bit by bit") {
  const Data<Map> data;
  TrainerOptions options = make_options(TrainingMode::direct);
  options.epochs = 7;
  options.stages = {{.from_epoch = 3, .mode = TrainingMode::unrolled, .rate_factor = 0.5},
                    {.from_epoch = 6, .mode = TrainingMode::implicit}};
  Map whole = make_model<Map>(0.03);
  ScfOptions scf;
  scf.differentiation = Differentiation::unrolled;
  scf.unrolled_steps = 20;
  whole.set_scf_options(scf);
  Trainer reference(whole, data.frames, data.train, data.validation, options);
  reference.run();
  // What the mode set is taken back.
  CHECK(whole.scf_options().differentiation == Differentiation::unrolled);

  for (const int epoch : {2, 4, 5}) {
    CAPTURE(epoch);
    const ScratchFile file("modes.json");
    {
      Map model = make_model<Map>(0.03);
      model.set_scf_options(scf);
      Trainer trainer(model, data.frames, data.train, data.validation, options);
      trainer.run([](const TrainingProgress&) {}, nullptr, epoch);
      Checkpoint c = make_checkpoint(model, "toy", 1);
      c.training = trainer.state();
      write_checkpoint(file.path(), c);
    }
    Map model = make_model<Map>(0.5);
    model.set_scf_options(scf);
    Trainer trainer(model, data.frames, data.train, data.validation, options);
    trainer.restore(*read_checkpoint(file.path()).training);
    trainer.run();
    CHECK(trainer.state().parameters == reference.state().parameters);
    CHECK(trainer.state().best_parameters == reference.state().best_parameters);
    CHECK(trainer.state().best_loss == reference.state().best_loss);
  }

  // The modes are not the same: each leaves other parameters.
  for (const TrainingMode mode :
       {TrainingMode::direct, TrainingMode::unrolled, TrainingMode::implicit}) {
    TrainerOptions other = options;
    other.stages[0].mode = mode;
    Map model = make_model<Map>(0.03);
    model.set_scf_options(scf);
    Trainer trainer(model, data.frames, data.train, data.validation, other);
    trainer.run();
    CHECK((trainer.state().parameters == reference.state().parameters) ==
          (mode == TrainingMode::unrolled));
    if (mode != TrainingMode::unrolled)
      CHECK_THROWS_AS(trainer.restore(reference.state()), InputError);
  }
}

TEST_CASE("direct training needs charges, and stages their order") {
  Data<Map> data;
  Map model = make_model<Map>(0.0);
  const auto make = [&](const TrainerOptions& options) {
    Trainer(model, data.frames, data.train, data.validation, options);
  };
  TrainerOptions options = make_options(TrainingMode::implicit);
  options.stages = {{.from_epoch = 3, .mode = TrainingMode::direct}, {.from_epoch = 5}};
  CHECK_NOTHROW(make(options));
  data.frames[4].labels.charges.reset();
  CHECK_THROWS_WITH(make(options), ContainsSubstring("structure 4 has no charges"));
  options.stages[0].mode = TrainingMode::implicit;
  CHECK_NOTHROW(make(options));
  options.stages[1].from_epoch = 3;
  CHECK_THROWS_WITH(make(options), ContainsSubstring("begins at epoch 3"));
  options.stages = {{.from_epoch = 1}};
  CHECK_THROWS_AS(make(options), InputError);
}

TEST_CASE("dipoles without a label make no field and have no loss") {
  Labels labels;
  labels.charges = std::vector<double>{0.5, -0.25};
  std::vector<double> density;
  reference_density(labels, 4, density);
  CHECK(density == std::vector<double>{0.5, 0, 0, 0, -0.25, 0, 0, 0});
  labels.atomic_dipoles = {{{1, 2, 3}}, {{4, 5, 6}}};
  reference_density(labels, 1, density);
  CHECK(density == std::vector<double>{0.5, -0.25});
  reference_density(labels, 9, density);
  CHECK(density == std::vector<double>{0.5, 2, 3, 1, 0, 0, 0, 0, 0, -0.25, 5, 6, 4, 0, 0, 0, 0, 0});

  Structure structure;
  structure.positions.resize(2);
  Prediction p;
  p.charges = {0.5, -0.25};
  p.multipoles.resize(8);
  p.density_residual = {1, 2, 3, 4, 5, 6, 7, 8};
  LossCotangents bar;
  const LossWeights weights{.charges = 1.0, .density_residual = 0.5};
  CHECK(structure_loss(structure, labels, p, weights, 1.0, &bar).total() == 0.25 * 204.0);
  labels.atomic_dipoles.reset();
  CHECK(structure_loss(structure, labels, p, weights, 1.0, &bar).total() == 0.25 * 26.0);
  CHECK(bar.density_residual == std::vector<double>{0.5, 0, 0, 0, 2.5, 0, 0, 0});
  CHECK(bar.charges.empty());
  labels.charges.reset();
  CHECK_THROWS_AS(reference_density(labels, 4, density), InputError);
}

TEST_CASE("modes and stages are read from JSON") {
  TrainerOptions options;
  read_options(nlohmann::json::parse(R"({"mode": "direct", "stages": [
      {"from_epoch": 4, "mode": "unrolled"},
      {"from_epoch": 9, "mode": "implicit", "weights": {"energy": 7}, "rate_factor": 0.1}]})"),
               options, "options");
  CHECK(options.mode == TrainingMode::direct);
  REQUIRE(options.stages.size() == 2);
  CHECK(options.stages[0].mode == TrainingMode::unrolled);
  CHECK_FALSE(options.stages[0].weights);
  CHECK(options.stages[1].from_epoch == 9);
  CHECK(options.stages[1].mode == TrainingMode::implicit);
  CHECK(options.stages[1].weights->energy == 7.0);
  CHECK(options.stages[1].rate_factor == 0.1);
}

}  // namespace modes_test
