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
  o.adam = {.learning_rate = 0.02, .weight_decay = 1e-3, .amsgrad = true};
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
  CHECK(a.adam.steps == b.adam.steps);
  CHECK(a.adam.first == b.adam.first);
  CHECK(a.adam.second == b.adam.second);
  CHECK(a.adam.largest == b.adam.largest);
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
  Model whole = make_model(1);
  Trainer reference(whole, data.frames, data.train, data.validation, make_options());
  reference.run();

  // After five epochs, and in the middle of the sixth.
  for (int extra_batches : {0, 2}) {
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

TEST_CASE("a state of other options or data is refused") {
  const Data data;
  Model model = make_model(1);
  Trainer trainer(model, data.frames, data.train, data.validation, make_options());
  const TrainingState state = trainer.state();
  TrainerOptions other = make_options();
  other.adam.learning_rate = 0.03;
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
