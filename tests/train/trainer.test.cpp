// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/io/checkpoint.hpp>
#include <leyden/train/trainer.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"
#include "support/thread_executor.hpp"
#include "support/toy_descriptor.hpp"

namespace trainer_test {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using leyden_test::ThreadExecutor;
using leyden_test::ToyDescriptor;

namespace {

using Model = Potential<ToyDescriptor, ChargeEquilibration, Direct>;

Model make_model(std::uint64_t seed) {
  return Model(ToyDescriptor({8, 1}), ChargeEquilibration{}, Direct{}, seed);
}

/// Random clusters, labelled by a model of other parameters.
std::vector<Frame> make_frames(std::size_t count) {
  const Model truth = make_model(100);
  Model::Workspace workspace;
  RandomStream random(2);
  std::vector<Frame> frames(count);
  for (Frame& f : frames) {
    const std::size_t n = 3 + random.below(3);
    for (std::size_t i = 0; i < n; ++i) {
      f.structure.atomic_numbers.push_back(i % 3 == 0 ? 8 : 1);
      f.structure.positions.push_back(
          {{1.2 * static_cast<double>(i), random.uniform(), random.uniform()}});
    }
    const Prediction& p = truth.evaluate(f.structure, workspace);
    f.labels.energy = p.energy;
    f.labels.forces = p.forces;
    f.labels.charges = p.charges;
    f.labels.dipole = p.dipole;
  }
  return frames;
}

struct Data {
  std::vector<Frame> frames = make_frames(14);
  std::vector<std::size_t> train{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, validation{10, 11, 12, 13};
};

TrainerOptions make_options() {
  TrainerOptions o;
  o.epochs = 10;
  o.batch_size = 3;  // the last batch of an epoch is smaller
  o.seed = 9;
  o.weights = {.energy = 1.0, .forces = 1.0, .charges = 1.0, .dipole = 1.0};
  o.optimizer = {.learning_rate = 0.02, .weight_decay = 1e-3, .amsgrad = true};
  o.schedule = {.kind = ScheduleOptions::Kind::cosine, .warmup_steps = 5};
  return o;
}

std::vector<double> numbers(std::span<const double> values) {
  return {values.begin(), values.end()};
}

/// Everything that must be the same bit by bit.
void check_same(const TrainingState& a, const TrainingState& b) {
  CHECK(a.epoch == b.epoch);
  CHECK(a.batch == b.batch);
  CHECK(a.parameters == b.parameters);
  CHECK(a.optimizer.steps == b.optimizer.steps);
  CHECK(a.optimizer.first == b.optimizer.first);
  CHECK(a.optimizer.second == b.optimizer.second);
  CHECK(a.optimizer.largest == b.optimizer.largest);
  CHECK(a.optimizer.weight_sum == b.optimizer.weight_sum);
  CHECK(a.optimizer.history == b.optimizer.history);
  CHECK(a.optimizer.bases == b.optimizer.bases);
  CHECK(a.since_best == b.since_best);
  CHECK(a.average == b.average);
  CHECK(a.best_loss == b.best_loss);
  CHECK(a.best_parameters == b.best_parameters);
  CHECK(a.schedule.best == b.schedule.best);
  CHECK(a.partial.total() == b.partial.total());
  REQUIRE(a.records.size() == b.records.size());
  for (std::size_t k = 0; k < a.records.size(); ++k) {
    CHECK(a.records[k].epoch == b.records[k].epoch);
    CHECK(a.records[k].train.total() == b.records[k].train.total());
    CHECK(a.records[k].validation.total() == b.records[k].validation.total());
    CHECK(a.records[k].errors.forces.rmse() == b.records[k].errors.forces.rmse());
    CHECK(a.records[k].learning_rate_factor == b.records[k].learning_rate_factor);
  }
}

}  // namespace

TEST_CASE("the gradient of a batch is that of its loss") {
  const Data data;
  Model model = make_model(1);
  Model::Workspace workspace;
  const Frame& f = data.frames[0];
  const LossWeights w = make_options().weights;
  const auto loss = [&] {
    return structure_loss(f.structure, f.labels, model.evaluate(f.structure, workspace), w).total();
  };
  LossCotangents bar;
  structure_loss(f.structure, f.labels, model.evaluate(f.structure, workspace), w, 1.0, &bar);
  std::vector<double> gradient(model.layout().size());
  model.parameter_gradient(f.structure, bar, workspace, gradient);

  std::vector<double> direction(gradient.size());
  RandomStream random(4);
  double expected = 0.0;
  for (std::size_t k = 0; k < direction.size(); ++k) {
    direction[k] = random.normal();
    expected += direction[k] * gradient[k];
  }
  const std::vector<double> start = numbers(model.parameters());
  const double h = 1e-5;
  const auto at = [&](double step) {
    std::vector<double> x = start;
    for (std::size_t k = 0; k < x.size(); ++k) x[k] += step * direction[k];
    model.set_parameters(x);
    return loss();
  };
  const double slope = (at(h) - at(-h)) / (2 * h);
  // h² of the third derivative and rounding, both about 1e-9 of the slope or less.
  CHECK_THAT(slope, WithinAbs(expected, 1e-6 * std::abs(expected)));
}

TEST_CASE("training lowers the loss") {
  const Data data;
  Model model = make_model(1);
  TrainerOptions options = make_options();
  options.epochs = 60;
  Trainer trainer(model, data.frames, data.train, data.validation, options);
  CHECK(trainer.batches_per_epoch() == 4);
  int epochs = 0, batches = 0;
  CHECK(trainer.run([&](const TrainingProgress& p) {
    p.finished ? ++epochs : ++batches;
    CHECK(p.seconds_left >= 0.0);
  }) == TrainingOutcome::finished);
  CHECK(epochs == 60);
  CHECK(batches == 240);
  const auto& records = trainer.records();
  REQUIRE(records.size() == 60);
  // The labels are of this kind of model: a tenth of the loss is soon reached.
  CHECK(records.back().validation.total() < 0.1 * records.front().validation.total());
  CHECK(records.back().train.total() < 0.1 * records.front().train.total());

  trainer.use_best_parameters();
  double best = records.front().validation.total();
  for (const auto& r : records) best = std::min(best, r.validation.total());
  const auto predictions = predict(model, data.frames, data.validation, SerialExecutor{});
  double loss = 0.0;
  for (std::size_t k = 0; k < predictions.size(); ++k) {
    const Frame& f = data.frames[data.validation[k]];
    loss += structure_loss(f.structure, f.labels, predictions[k], options.weights).total();
  }
  // Sums in another order.
  CHECK_THAT(loss / 4.0, WithinAbs(best, 1e-12 * best));
}

TEST_CASE("one thread and two give the same bits") {
  const Data data;
  Model one = make_model(1), two = make_model(1);
  Trainer serial(one, data.frames, data.train, data.validation, make_options());
  Trainer threaded(two, data.frames, data.train, data.validation, make_options(),
                   ThreadExecutor(2));
  serial.run();
  threaded.run();
  check_same(serial.state(), threaded.state());
}

TEST_CASE("interrupted by a file, training goes on bit by bit") {
  const Data data;
  using Kind = OptimizerOptions::Kind;
  const Kind kind = GENERATE(Kind::adam, Kind::schedule_free_adam, Kind::soap, Kind::lbfgs);
  CAPTURE(static_cast<int>(kind));
  const auto make_options = [&] {
    TrainerOptions o = trainer_test::make_options();
    o.optimizer.kind = kind;
    o.stages = {{.from_epoch = 8, .weights = LossWeights{.energy = 10.0, .forces = 1.0}}};
    return o;
  };
  Model whole = make_model(1);
  Trainer reference(whole, data.frames, data.train, data.validation, make_options());
  reference.run();

  // After five epochs, and in the middle of the sixth.
  for (int extra_batches : {0, 2}) {
    if (kind == Kind::lbfgs && extra_batches > 0) continue;  // an epoch is one step
    const ScratchFile file("trainer.json");
    {
      Model model = make_model(1);
      Trainer trainer(model, data.frames, data.train, data.validation, make_options());
      std::atomic<bool> stop{false};
      const auto progress = [&](const TrainingProgress& p) {
        if (p.epoch == 6 && static_cast<int>(p.batch) == extra_batches) stop = true;
      };
      const auto outcome =
          extra_batches == 0 ? trainer.run(progress, &stop, 5) : trainer.run(progress, &stop);
      CHECK((outcome == TrainingOutcome::stopped) == (extra_batches > 0));
      CHECK(trainer.records().size() == 5);
      Checkpoint c = make_checkpoint(model, "toy", 1);
      c.training = trainer.state();
      CHECK(c.training->batch == static_cast<std::size_t>(extra_batches));
      write_checkpoint(file.path(), c);
    }
    CHECK_FALSE(std::filesystem::exists(file.path() + ".tmp"));
    Model model = make_model(77);  // its own values must not matter
    Trainer trainer(model, data.frames, data.train, data.validation, make_options());
    const Checkpoint c = read_checkpoint(file.path());
    CHECK(c.seed == 1);
    CHECK(c.model == "toy");
    require_same_layout(c, model.layout());
    trainer.restore(*c.training);
    CHECK(trainer.run([](const TrainingProgress&) {}) == TrainingOutcome::finished);
    check_same(trainer.state(), reference.state());
  }
}

TEST_CASE("every optimiser lowers the loss, and L-BFGS at every step") {
  const Data data;
  using Kind = OptimizerOptions::Kind;
  const Kind kind = GENERATE(Kind::adam, Kind::schedule_free_adam, Kind::soap, Kind::lbfgs);
  CAPTURE(static_cast<int>(kind));
  Model model = make_model(1);
  TrainerOptions options = make_options();
  options.epochs = 40;
  options.optimizer.kind = kind;
  options.schedule = {.warmup_steps = 5};
  Trainer trainer(model, data.frames, data.train, data.validation, options);
  CHECK(trainer.run() == TrainingOutcome::finished);
  const auto& records = trainer.records();
  CHECK(records.back().train.total() < 0.2 * records.front().train.total());
  if (kind != Kind::lbfgs) return;
  for (std::size_t k = 1; k < records.size(); ++k)
    CHECK(records[k].train.total() < records[k - 1].train.total());
}

TEST_CASE("a second stage has its own weights, steps and best epoch") {
  const Data data;
  Model model = make_model(1);
  TrainerOptions options = make_options();
  options.epochs = 8;
  options.stages = {{.from_epoch = 5,
                     .weights = LossWeights{.energy = 50.0, .forces = 1.0},
                     .rate_factor = 0.25}};
  Trainer trainer(model, data.frames, data.train, data.validation, options);
  trainer.run();
  const auto& records = trainer.records();
  REQUIRE(records.size() == 8);
  for (std::size_t k = 0; k < 8; ++k) {
    const bool second = k >= 4;
    CHECK((records[k].train.charges == 0.0) == second);
    CHECK(records[k].learning_rate_factor <= (second ? 0.25 : 1.0));
  }
  // The best is one of the second stage, whose losses are larger by their weights.
  const TrainingState state = trainer.state();
  double best = records[4].validation.total();
  for (std::size_t k = 5; k < 8; ++k) best = std::min(best, records[k].validation.total());
  CHECK(state.best_loss == best);
}

TEST_CASE("training ends when the validation loss falls no longer") {
  const Data data;
  Model model = make_model(1);
  TrainerOptions options = make_options();
  options.epochs = 50;
  options.optimizer.learning_rate = 1e-300;  // nothing moves, not even by rounding:
  options.average_decay = 0.0;
  options.early_stopping = 3;
  Trainer trainer(model, data.frames, data.train, data.validation, options);
  CHECK(trainer.run() == TrainingOutcome::settled);
  CHECK(trainer.records().size() == 4);
  // With a second stage it goes there first.
  options.stages = {{.from_epoch = 40}};
  Trainer staged(model, data.frames, data.train, data.validation, options);
  CHECK(staged.run() == TrainingOutcome::settled);
  REQUIRE(staged.records().size() == 8);
  CHECK(staged.records()[3].epoch == 4);
  CHECK(staged.records()[4].epoch == 40);
}

TEST_CASE("weights of frames and of configuration types multiply those of the loss") {
  Data data;
  Frame& f = data.frames[0];
  f.config_type = "bulk";
  f.info["config_weight"] = "2";
  f.info["config_energy_weight"] = "0.5";
  f.info["config_forces_weight"] = "0";
  const LossTerms w = frame_weights(f, 0, {{"bulk", 3.0}, {"slab", 7.0}});
  CHECK(w.energy == 3.0);
  CHECK(w.forces == 0.0);
  CHECK(w.charges == 6.0);
  for (const char* bad : {"", "much", "-1", "nan", "inf", "1x"}) {
    CAPTURE(bad);
    f.info["config_charges_weight"] = bad;
    CHECK_THROWS_WITH(frame_weights(f, 17, {}),
                      ContainsSubstring("frame 17") && ContainsSubstring("config_charges_weight"));
  }
  f.info.erase("config_charges_weight");

  // A frame of weight zero does not count.
  Model with = make_model(1), without = make_model(1);
  TrainerOptions options = make_options();
  options.epochs = 1;
  options.batch_size = 10;
  options.config_type_weights = {{"bulk", 0.0}};
  Trainer(with, data.frames, data.train, data.validation, options).run();
  data.frames[0].labels = {};
  Trainer(without, data.frames, data.train, data.validation, options).run();
  CHECK(numbers(with.parameters()) == numbers(without.parameters()));
}

TEST_CASE("a state of other options or data is refused") {
  const Data data;
  Model model = make_model(1);
  Trainer trainer(model, data.frames, data.train, data.validation, make_options());
  const TrainingState state = trainer.state();
  TrainerOptions other = make_options();
  other.optimizer.learning_rate = 0.03;
  Trainer rate(model, data.frames, data.train, data.validation, other);
  CHECK_THROWS_AS(rate.restore(state), InputError);
  auto list = data.train;
  std::swap(list[0], list[1]);
  Trainer order(model, data.frames, list, data.validation, make_options());
  CHECK_THROWS_AS(order.restore(state), InputError);
  auto frames = data.frames;
  Trainer same(model, frames, data.train, data.validation, make_options());
  CHECK_NOTHROW(same.restore(state));
  frames[data.train[0]].labels.forces->at(0)[1] += 1e-12;
  Trainer force(model, frames, data.train, data.validation, make_options());
  CHECK_THROWS_AS(force.restore(state), InputError);
  CHECK_THROWS_AS(Trainer(model, data.frames, {}, data.validation, make_options()), InputError);
}

TEST_CASE("a trained model comes back from its file exactly") {
  const ScratchFile file("model.json");
  const Model model = make_model(3);
  Checkpoint c = make_checkpoint(model, "toy", 3);
  c.constants["cutoff"] = {0.1 + 0.2, 5e-324, -1.7976931348623157e308};
  write_checkpoint(file.path(), c);
  Model back = make_model(4);
  const Checkpoint read = read_checkpoint(file.path());
  apply_checkpoint(read, back);
  CHECK(numbers(back.parameters()) == numbers(model.parameters()));
  CHECK(read.constants == c.constants);
  CHECK_FALSE(read.training);
}

TEST_CASE("files that do not fit are refused") {
  const ScratchFile file("refused.json");
  const Model model = make_model(3);
  const Checkpoint good = make_checkpoint(model, "toy", 3);

  Model larger(ToyDescriptor({8, 1}, 3.0, 16), ChargeEquilibration{}, Direct{}, 3);
  CHECK_THROWS_AS(apply_checkpoint(good, larger), ModelError);
  CHECK_THROWS_WITH(apply_checkpoint(good, larger), ContainsSubstring("toy/channel"));

  CHECK_THROWS_AS(read_checkpoint(file.path()), InputError);  // not there
  const auto write = [&](const std::string& text) { std::ofstream(file.path()) << text; };
  write("{\"format\": \"something\"}");
  CHECK_THROWS_WITH(read_checkpoint(file.path()), ContainsSubstring("no leyden checkpoint"));
  write("{\"format\": \"leyden checkpoint\", \"format_version\": 99}");
  CHECK_THROWS_WITH(read_checkpoint(file.path()), ContainsSubstring("version 99"));

  write_checkpoint(file.path(), good);
  std::string text;
  {
    std::ifstream in(file.path());
    std::getline(in, text);
  }
  write(text.substr(0, text.size() / 2));
  CHECK_THROWS_AS(read_checkpoint(file.path()), InputError);

  Checkpoint bad = good;
  bad.parameters[0] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(write_checkpoint(file.path(), bad), InputError);
  CHECK_THROWS_AS(write_checkpoint("/no/such/folder/x.json", good), InputError);
}

}  // namespace trainer_test
