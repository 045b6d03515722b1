// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>

#include <bit>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

template <class Model, Executor E>
Trainer<Model, E>::Trainer(Model& model, std::span<const Frame> frames,
                           std::vector<std::size_t> train, std::vector<std::size_t> validation,
                           TrainerOptions options, E executor)
    : model_(model),
      frames_(frames),
      train_(std::move(train)),
      validation_(std::move(validation)),
      options_(options),
      executor_(std::move(executor)),
      adam_(model.layout(), options.adam),
      average_(model.parameters(), options.average_decay),
      schedule_(options.schedule, 0),
      best_parameters_(model.parameters().begin(), model.parameters().end()) {
  if (train_.empty() || validation_.empty())
    throw InputError("Trainer: " + std::to_string(train_.size()) + " training and " +
                     std::to_string(validation_.size()) +
                     " validation structures are given; both need at least one");
  if (options_.batch_size < 1)
    throw InputError("Trainer: the batch size is " + std::to_string(options_.batch_size) +
                     "; it must be at least 1");
  for (const auto* list : {&train_, &validation_})
    for (std::size_t k : *list)
      if (k >= frames_.size())
        throw InputError("Trainer: structure " + std::to_string(k) +
                         " is asked for and there are " + std::to_string(frames_.size()));
  schedule_ = Schedule(options_.schedule, static_cast<std::int64_t>(batches_per_epoch()) *
                                              static_cast<std::int64_t>(options_.epochs));
  const auto workers = static_cast<std::size_t>(executor_.concurrency());
  workspaces_.resize(workers);
  cotangents_.resize(workers);
  gradients_.resize(std::min(static_cast<std::size_t>(options_.batch_size), train_.size()));
  task_terms_.resize(std::max(gradients_.size(), validation_.size()));
  task_errors_.resize(validation_.size());
  gradient_.resize(model_.layout().size());
  parameters_.assign(model_.parameters().begin(), model_.parameters().end());
}

template <class Model, Executor E>
double Trainer<Model, E>::run_batch(std::span<const std::size_t> batch) {
  const double factor = 1.0 / static_cast<double>(batch.size());
  executor_.for_each(batch.size(), [&](std::size_t task, int worker) {
    const auto& [structure, labels, config_type, info] = frames_[batch[task]];
    auto& workspace = workspaces_[static_cast<std::size_t>(worker)];
    auto& cotangents = cotangents_[static_cast<std::size_t>(worker)];
    workspace.training = true;
    const Prediction& prediction =
        model_.evaluate(structure, workspace, required_properties(labels, options_.weights));
    task_terms_[task] =
        structure_loss(structure, labels, prediction, options_.weights, factor, &cotangents);
    gradients_[task].assign(gradient_.size(), 0.0);
    model_.parameter_gradient(structure, cotangents, workspace, gradients_[task]);
  });

  std::fill(gradient_.begin(), gradient_.end(), 0.0);
  for (std::size_t task = 0; task < batch.size(); ++task) {
    partial_ += task_terms_[task];
    for (std::size_t k = 0; k < gradient_.size(); ++k) gradient_[k] += gradients_[task][k];
  }
  const double norm = mask_untrained(model_.layout(), gradient_);
  if (!std::isfinite(norm))
    throw ConvergenceError("Trainer: the gradient of epoch " + std::to_string(epoch_ + 1) +
                           ", batch " + std::to_string(batch_ + 1) +
                           " is not finite; lower the learning rate");
  clip_gradient(gradient_, norm, options_.clip_norm);

  const double rate = schedule_.factor(adam_.state().steps);
  adam_.step(parameters_, gradient_, rate);
  average_.update(parameters_);
  model_.set_parameters(parameters_);
  return rate;
}

template <class Model, Executor E>
void Trainer<Model, E>::validate_epoch(double rate_factor) {
  model_.set_parameters(average_.values());
  executor_.for_each(validation_.size(), [&](std::size_t task, int worker) {
    const auto& [structure, labels, config_type, info] = frames_[validation_[task]];
    auto& workspace = workspaces_[static_cast<std::size_t>(worker)];
    workspace.training = false;
    const Prediction& prediction = model_.evaluate(
        structure, workspace, {labels.forces.has_value(), labels.stress.has_value()});
    task_terms_[task] = structure_loss(structure, labels, prediction, options_.weights);
    task_errors_[task] = {};
    task_errors_[task].add(structure, labels, prediction);
  });
  model_.set_parameters(parameters_);

  EpochRecord record;
  record.epoch = epoch_ + 1;
  record.train = partial_.scaled(1.0 / static_cast<double>(train_.size()));
  for (std::size_t task = 0; task < validation_.size(); ++task) {
    record.validation += task_terms_[task];
    record.errors += task_errors_[task];
  }
  record.validation = record.validation.scaled(1.0 / static_cast<double>(validation_.size()));
  record.learning_rate_factor = rate_factor;
  if (record.validation.total() < best_loss_) {
    best_loss_ = record.validation.total();
    best_parameters_.assign(average_.values().begin(), average_.values().end());
  }
  schedule_.after_epoch(record.validation.total());
  records_.push_back(record);
}

template <class Model, Executor E>
template <class Progress>
TrainingOutcome Trainer<Model, E>::run(Progress&& progress, const std::atomic<bool>* stop,
                                       int until) {
  const auto start = Clock::now();
  const std::size_t batches = batches_per_epoch();
  const int last = std::min(until, options_.epochs);
  std::size_t done = 0;
  const auto report = [&](int epoch, std::size_t batch, LossTerms mean,
                          const EpochRecord* finished) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
    const double left =
        static_cast<double>(train_.size()) *
        (options_.epochs - epoch + 1 - static_cast<double>(batch) / static_cast<double>(batches));
    progress(TrainingProgress{epoch, options_.epochs, batch, batches, mean, finished, rate,
                              left / std::max(rate, 1e-9)});
  };

  model_.set_parameters(parameters_);
  while (epoch_ < last) {
    const std::vector<std::size_t> order = epoch_order();
    double rate = records_.empty() ? 1.0 : records_.back().learning_rate_factor;
    while (batch_ < batches) {
      if (stop && stop->load()) return TrainingOutcome::stopped;
      const std::size_t first = batch_ * static_cast<std::size_t>(options_.batch_size);
      const std::size_t size =
          std::min(static_cast<std::size_t>(options_.batch_size), order.size() - first);
      rate = run_batch(std::span(order).subspan(first, size));
      ++batch_;
      done += size;
      report(epoch_ + 1, batch_, partial_.scaled(1.0 / static_cast<double>(first + size)), nullptr);
    }
    validate_epoch(rate);
    ++epoch_;
    batch_ = 0;
    partial_ = {};
    report(epoch_, batches, records_.back().train, &records_.back());
  }
  return TrainingOutcome::finished;
}

template <class Model, Executor E>
std::string Trainer<Model, E>::describe_options() const {
  // Numbers as their shortest decimals would be prettier; hex floats are exact.
  std::string text;
  const auto add = [&](const char* name, double value) {
    char number[64];
    std::snprintf(number, sizeof number, "%s=%a;", name, value);
    text += number;
  };
  const auto& o = options_;
  text += "seed=" + std::to_string(o.seed) + ";";
  add("epochs", o.epochs);
  add("batch", o.batch_size);
  add("energy", o.weights.energy);
  add("forces", o.weights.forces);
  add("stress", o.weights.stress);
  add("charges", o.weights.charges);
  add("dipole", o.weights.dipole);
  add("rate", o.adam.learning_rate);
  add("beta1", o.adam.beta1);
  add("beta2", o.adam.beta2);
  add("epsilon", o.adam.epsilon);
  add("decay", o.adam.weight_decay);
  add("amsgrad", o.adam.amsgrad);
  add("schedule", static_cast<double>(o.schedule.kind));
  add("warmup", static_cast<double>(o.schedule.warmup_steps));
  add("final", o.schedule.final_factor);
  add("plateau", o.schedule.plateau_factor);
  add("patience", o.schedule.patience);
  add("threshold", o.schedule.threshold);
  add("clip", o.clip_norm);
  add("average", o.average_decay);
  // The data by a hash of the lists and of all numbers that training sees.
  std::uint64_t hash = 0;
  const auto mix = [&](std::uint64_t x) { hash = RandomStream(hash ^ x).bits(); };
  for (const auto* list : {&train_, &validation_}) {
    mix(list->size());
    for (std::size_t k : *list) {
      mix(k);
      const Structure& structure = frames_[k].structure;
      const Labels& labels = frames_[k].labels;
      const auto mix_number = [&](double x) { mix(std::bit_cast<std::uint64_t>(x)); };
      const auto mix_vector = [&](const Vector3<double>& v) {
        for (double x : v.data) mix_number(x);
      };
      for (int z : structure.atomic_numbers) mix(static_cast<std::uint64_t>(z));
      for (const auto& r : structure.positions) mix_vector(r);
      for (double x : structure.cell.vectors.data) mix_number(x);
      mix_number(structure.total_charge);
      mix_vector(structure.external_field);
      if (labels.energy) mix_number(*labels.energy);
      if (labels.forces)
        for (const auto& f : *labels.forces) mix_vector(f);
      if (labels.stress)
        for (double x : labels.stress->data) mix_number(x);
      if (labels.charges)
        for (double q : *labels.charges) mix_number(q);
      if (labels.dipole) mix_vector(*labels.dipole);
    }
  }
  return text + "data=" + std::to_string(hash);
}

template <class Model, Executor E>
TrainingState Trainer<Model, E>::state() const {
  TrainingState s;
  s.options = describe_options();
  s.epoch = epoch_;
  s.batch = batch_;
  s.partial = partial_;
  s.parameters = parameters_;
  s.adam = adam_.state();
  s.average.assign(average_.values().begin(), average_.values().end());
  s.average_steps = average_.steps();
  s.schedule = schedule_.state();
  s.best_loss = best_loss_;
  s.best_parameters = best_parameters_;
  s.records = records_;
  return s;
}

template <class Model, Executor E>
void Trainer<Model, E>::restore(const TrainingState& s) {
  if (s.options != describe_options())
    throw InputError(
        "Trainer::restore: the state was saved with other options or data\n  saved: " + s.options +
        "\n  now:   " + describe_options() + "\nuse the same, or start anew");
  if (s.parameters.size() != parameters_.size() || s.best_parameters.size() != parameters_.size() ||
      s.batch > batches_per_epoch())
    throw InputError("Trainer::restore: the state has " + std::to_string(s.parameters.size()) +
                     " parameters and the model " + std::to_string(parameters_.size()) +
                     "; it belongs to another model");
  adam_.set_state(s.adam);
  average_.set_state(s.average, s.average_steps);
  schedule_.set_state(s.schedule);
  epoch_ = s.epoch;
  batch_ = s.batch;
  partial_ = s.partial;
  best_loss_ = s.best_loss;
  best_parameters_ = s.best_parameters;
  records_ = s.records;
  parameters_ = s.parameters;
  model_.set_parameters(parameters_);
}

}  // namespace leyden::inline LEYDEN_ABI
