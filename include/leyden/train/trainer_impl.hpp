// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>

#include <algorithm>
#include <bit>
#include <numeric>
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
      options_(std::move(options)),
      executor_(std::move(executor)),
      optimizer_(model.layout(), options_.optimizer, model.parameters()),
      average_(model.parameters(), options_.average_decay),
      schedule_(options_.schedule, 0),
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
  bool direct = options_.mode == TrainingMode::direct;
  int last_stage = 1;
  for (const TrainingStage& stage : options_.stages) {
    if (stage.from_epoch <= last_stage)
      throw InputError("Trainer: a stage begins at epoch " + std::to_string(stage.from_epoch) +
                       "; it must be later than the stage before, which begins at epoch " +
                       std::to_string(last_stage));
    last_stage = stage.from_epoch;
    direct = direct || stage.mode == TrainingMode::direct;
  }
  if (direct && self_consistent_)
    for (const auto* list : {&train_, &validation_})
      for (std::size_t k : *list)
        if (!frames_[k].labels.charges)
          throw InputError(
              "Trainer: structure " + std::to_string(k) +
              " has no charges, and direct training is at the reference density; "
              "label it, leave it out, or train at the model's own density (implicit)");
  frame_weights_.resize(frames_.size());
  for (const auto* list : {&train_, &validation_})
    for (std::size_t k : *list)
      frame_weights_[k] = frame_weights(frames_[k], k, options_.config_type_weights);
  schedule_ = Schedule(options_.schedule, static_cast<std::int64_t>(batches_per_epoch()) *
                                              static_cast<std::int64_t>(options_.epochs));
  const auto workers = static_cast<std::size_t>(executor_.concurrency());
  // Not resize(), which would compile how to move them, a twentieth of a potential's code.
  workspaces_ = std::vector<typename Model::Workspace>(workers);
  for (auto& workspace : workspaces_) workspace.skin = 0.0;  // structures stay as they are
  lists_.resize(frames_.size());
  cotangents_.resize(workers);
  densities_.resize(workers);
  predictions_.resize(workers);
  const bool all = options_.optimizer.kind == OptimizerOptions::Kind::lbfgs;
  gradients_.resize(all ? train_.size()
                        : std::min(static_cast<std::size_t>(options_.batch_size), train_.size()));
  pending_.resize(gradients_.size());
  task_terms_.resize(std::max(gradients_.size(), validation_.size()));
  task_errors_.resize(validation_.size());
  gradient_.resize(model_.layout().size());
  for (auto& gradient : gradients_) gradient.resize(gradient_.size());
  at_once_ = model_.slices_at_once();
  parameters_.assign(model_.parameters().begin(), model_.parameters().end());
}

template <class Model, Executor E>
const Prediction& Trainer<Model, E>::predict(std::size_t frame, std::size_t worker,
                                             Properties properties, bool responses) {
  const Structure& structure = frames_[frame].structure;
  if constexpr (self_consistent_)
    if (direct()) {
      reference_density(frames_[frame].labels, static_cast<std::size_t>(Model::multipole_count),
                        densities_[worker]);
      if (!Model::stationary) properties.forces = properties.stress = false;
      return model_.evaluate_at(structure, densities_[worker], workspaces_[worker], properties);
    }
  const Prediction& found = model_.evaluate(structure, workspaces_[worker], properties);
  if (!responses) return found;
  predictions_[worker] = found;
  add_field_response(model_, structure, workspaces_[worker], predictions_[worker]);
  return predictions_[worker];
}

template <class Model, Executor E>
void Trainer<Model, E>::keep_lists(std::span<const std::size_t> frames) {
  for (std::size_t frame : frames) {
    KeptList& k = lists_[frame];
    if (k.kept) continue;
    const std::size_t edges = static_cast<std::size_t>(k.list.n_edges());
    k.kept = kept_edges_ + edges <= max_kept_edges;
    if (k.kept)
      kept_edges_ += edges;
    else
      k.list = NeighborList();
  }
}

template <class Model, Executor E>
void Trainer<Model, E>::deal(std::span<const std::size_t> batch) {
  const auto cost = [&](std::size_t task) {
    return std::pair(frames_[batch[task]].structure.size(), lists_[batch[task]].list.n_edges());
  };
  by_size_.resize(batch.size());
  std::iota(by_size_.begin(), by_size_.end(), std::size_t{0});
  std::ranges::sort(by_size_, [&](std::size_t a, std::size_t b) {
    return cost(a) != cost(b) ? cost(a) > cost(b) : a < b;
  });
  // Back and forth over the workers.
  const std::size_t workers = workspaces_.size();
  dealt_.clear();
  for (std::size_t w = 0; w < workers; ++w)
    for (std::size_t k = 0; k < batch.size(); k += workers) {
      const std::size_t at = k + (k / workers % 2 == 0 ? w : workers - 1 - w);
      if (at < batch.size()) dealt_.push_back(by_size_[at]);
    }
}

template <class Model, Executor E>
LossTerms Trainer<Model, E>::batch_gradient(std::span<const std::size_t> batch) {
  const double factor = 1.0 / static_cast<double>(batch.size());
  deal(batch);
  executor_.for_each(batch.size(), [&](std::size_t i, int thread) {
    const std::size_t task = dealt_[i];
    const Structure& structure = frames_[batch[task]].structure;
    const Labels& labels = frames_[batch[task]].labels;
    const std::size_t worker = static_cast<std::size_t>(thread);
    auto& workspace = workspaces_[worker];
    const ListOfFrame list(workspace, lists_[batch[task]].list);
    auto& cotangents = cotangents_[worker];
    const LossWeights weights = weights_of(batch[task]);
    if constexpr (requires { workspace.training; }) workspace.training = true;
    const Prediction& prediction =
        predict(batch[task], worker, required_properties(labels, weights),
                needs_field_response(labels, weights));
    task_terms_[task] = structure_loss(structure, labels, prediction, weights, factor, &cotangents,
                                       options_.huber, options_.stability_target);
    for (const Slice& s : at_once_) std::ranges::fill(s.of(std::span(gradients_[task])), 0.0);
    pending_[task].clear();
    workspace.pending = &pending_[task];
    if constexpr (self_consistent_)
      if (direct()) {
        model_.parameter_gradient_at(structure, densities_[worker], cotangents, workspace,
                                     gradients_[task]);
        return;
      }
    model_.parameter_gradient(structure, cotangents, workspace, gradients_[task]);
    add_field_response_gradient(model_, structure, cotangents, workspace, gradients_[task]);
  });

  keep_lists(batch);
  LossTerms sum = task_terms_[0];
  for (std::size_t task = 1; task < batch.size(); ++task) sum += task_terms_[task];
  for_each_block(
      executor_, gradient_.size(), parameters_of_block, [&](std::size_t begin, std::size_t end) {
        std::fill(gradient_.data() + begin, gradient_.data() + end, 0.0);
        for (const auto& [offset, size] : at_once_)
          for (std::size_t task = 0; task < batch.size(); ++task)
            for (std::size_t k = std::max(begin, offset); k < std::min(end, offset + size); ++k)
              gradient_[k] += gradients_[task][k];
      });
  model_.add_pending(std::span(pending_).first(batch.size()), gradient_, executor_);
  gradient_norm_ = optimizer_.mask(gradient_, executor_);
  if (!std::isfinite(gradient_norm_))
    throw ConvergenceError("Trainer: the gradient of epoch " + std::to_string(epoch_ + 1) +
                           ", batch " + std::to_string(batch_ + 1) +
                           " is not finite; lower the learning rate");
  return sum;
}

template <class Model, Executor E>
double Trainer<Model, E>::run_batch(std::span<const std::size_t> batch) {
  partial_ += batch_gradient(batch);
  const double rate = schedule_.factor(optimizer_.state().steps) * rate_factor();
  const double decay = average_.next_decay();
  optimizer_.step(
      parameters_, gradient_,
      {.rate = rate, .gradient = clip_factor(gradient_norm_, options_.clip_norm)}, executor_,
      [&](std::size_t begin, std::size_t end) { average_.update(parameters_, begin, end, decay); });
  model_.set_parameters(parameters_, executor_, true);
  return rate;
}

// Backtracking and expanding until both conditions of Wolfe hold (Lewis, Overton, Math. Program.
// 141, 135 (2013), algorithm 2.6).
template <class Model, Executor E>
bool Trainer<Model, E>::search_line() {
  const double structures = static_cast<double>(train_.size());
  const LossTerms start_terms = batch_gradient(train_);
  partial_ = start_terms;
  const double start_loss = start_terms.total() / structures;
  const std::vector<double> start = parameters_, gradient = gradient_;
  const auto slope_along = [&](const std::vector<double>& d) {
    double sum = 0.0;
    for (std::size_t k = 0; k < d.size(); ++k) sum += gradient_[k] * d[k];
    return sum;
  };
  for (;;) {
    const bool fresh = optimizer_.state().history.empty();
    const std::vector<double> direction = optimizer_.direction(gradient);
    gradient_ = gradient;
    const double slope = slope_along(direction);
    double low = 0.0, high = std::numeric_limits<double>::infinity(), t = 1.0;
    // Nothing is known of the curvature: a root mean square step of the learning rate.
    if (fresh)
      t = options_.optimizer.learning_rate * std::sqrt(static_cast<double>(direction.size())) /
          std::max(gradient_norm_, 1e-300);
    for (int trial = 0; slope < 0.0 && trial < 30; ++trial) {
      for (std::size_t k = 0; k < start.size(); ++k) parameters_[k] = start[k] + t * direction[k];
      model_.set_parameters(parameters_, executor_, true);
      const double loss = batch_gradient(train_).total() / structures;
      if (!(loss <= start_loss + 1e-4 * t * slope)) {
        high = t;
      } else if (slope_along(direction) < 0.9 * slope) {
        low = t;
      } else {
        std::vector<double> step(start.size()), change(start.size());
        for (std::size_t k = 0; k < start.size(); ++k) {
          step[k] = parameters_[k] - start[k];
          change[k] = gradient_[k] - gradient[k];
        }
        optimizer_.remember(std::move(step), std::move(change));
        return true;
      }
      t = std::isfinite(high) ? 0.5 * (low + high) : 2.0 * low;
    }
    parameters_ = start;
    model_.set_parameters(parameters_, executor_, true);
    if (fresh) return false;
    optimizer_.forget();
  }
}

template <class Model, Executor E>
void Trainer<Model, E>::validate_epoch(double rate_factor) {
  model_.set_parameters(result(), executor_);
  executor_.for_each(validation_.size(), [&](std::size_t task, int thread) {
    const Structure& structure = frames_[validation_[task]].structure;
    const Labels& labels = frames_[validation_[task]].labels;
    const std::size_t worker = static_cast<std::size_t>(thread);
    auto& workspace = workspaces_[worker];
    const ListOfFrame list(workspace, lists_[validation_[task]].list);
    if constexpr (requires { workspace.training; }) workspace.training = false;
    const bool map_response =
        required_properties(labels, weights_of(validation_[task])).map_response;
    const Prediction& prediction =
        predict(validation_[task], worker,
                {labels.forces.has_value(), labels.stress.has_value(), map_response},
                labels.polarizability || labels.born_charges);
    task_terms_[task] = structure_loss(structure, labels, prediction, weights_of(validation_[task]),
                                       1.0, nullptr, options_.huber, options_.stability_target);
    task_errors_[task] = {};
    task_errors_[task].add(structure, labels, prediction);
  });
  keep_lists(validation_);
  model_.set_parameters(parameters_, executor_, true);

  EpochRecord record;
  record.epoch = epoch_ + 1;
  record.train = partial_.scaled(1.0 / static_cast<double>(train_.size()));
  for (std::size_t task = 0; task < validation_.size(); ++task) {
    record.validation += task_terms_[task];
    record.errors += task_errors_[task];
  }
  record.validation = record.validation.scaled(1.0 / static_cast<double>(validation_.size()));
  record.learning_rate_factor = rate_factor;
  ++since_best_;
  if (record.validation.total() < best_loss_) {
    best_loss_ = record.validation.total();
    best_parameters_.assign(result().begin(), result().end());
    since_best_ = 0;
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

  model_.set_parameters(parameters_, executor_, true);
  const GivesModelBack at_end(*this);
  while (epoch_ < last) {
    if (options_.early_stopping > 0 && since_best_ >= options_.early_stopping) {
      if (stage() == options_.stages.size()) return TrainingOutcome::settled;
      epoch_ = std::min(options_.stages[stage()].from_epoch, last) - 1;
    }
    set_differentiation();
    if (stage() > 0 && epoch_ + 1 == options_.stages[stage() - 1].from_epoch && batch_ == 0) {
      // Losses of two stages are not to be compared.
      best_loss_ = std::numeric_limits<double>::infinity();
      since_best_ = 0;
      schedule_.restart();
      optimizer_.forget();
    }
    if (options_.optimizer.kind == OptimizerOptions::Kind::lbfgs) {
      if (stop && stop->load()) return TrainingOutcome::stopped;
      const bool lower = search_line();
      done += train_.size();
      validate_epoch(1.0);
      ++epoch_;
      partial_ = {};
      report(epoch_, batches, records_.back().train, &records_.back());
      if (!lower) return TrainingOutcome::settled;
      continue;
    }
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
    std::snprintf(number, sizeof number, "=%a;", value);
    text += std::string(name) + number;
  };
  const auto& o = options_;
  text += "seed=" + std::to_string(o.seed) + ";";
  add("epochs", o.epochs);
  add("batch", o.batch_size);
  for (std::size_t k = 0; k < LossTerms::names.size(); ++k) {
    add(LossTerms::names[k], o.weights.*LossTerms::members[k]);
    add("huber", o.huber.*LossTerms::members[k]);
  }
  for (const auto& [type, weight] : o.config_type_weights) add(type.c_str(), weight);
  add("stability_target", o.stability_target);
  add("mode", static_cast<double>(o.mode));
  for (const TrainingStage& stage : o.stages) {
    add("stage_from", stage.from_epoch);
    add("stage_mode", static_cast<double>(stage.mode));
    add("stage_rate", stage.rate_factor);
    if (stage.weights)
      for (std::size_t k = 0; k < LossTerms::names.size(); ++k)
        add(LossTerms::names[k], (*stage.weights).*LossTerms::members[k]);
  }
  add("early", o.early_stopping);
  add("optimizer", static_cast<double>(o.optimizer.kind));
  add("rate", o.optimizer.learning_rate);
  add("beta1", o.optimizer.beta1);
  add("beta2", o.optimizer.beta2);
  add("epsilon", o.optimizer.epsilon);
  add("decay", o.optimizer.weight_decay);
  add("amsgrad", o.optimizer.amsgrad);
  add("history", o.optimizer.history);
  if (o.optimizer.kind == OptimizerOptions::Kind::soap) {
    add("basis_decay", o.optimizer.basis_decay);
    add("basis_interval", o.optimizer.basis_interval);
    add("longest_axis", o.optimizer.longest_axis);
  }
  for (const ParameterGroup& g : o.optimizer.groups) {
    add(g.prefix.c_str(), g.rate_factor);
    add("group_decay", g.weight_decay.value_or(-1.0));
  }
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
      if (labels.atomic_dipoles)
        for (const auto& d : *labels.atomic_dipoles) mix_vector(d);
      if (labels.fermi_level) mix_number(*labels.fermi_level);
      if (labels.potentials)
        for (double v : *labels.potentials) mix_number(v);
      const auto mix_matrix = [&](const Matrix3<double>& m) {
        for (double x : m.data) mix_number(x);
      };
      if (labels.polarizability) mix_matrix(*labels.polarizability);
      if (labels.born_charges)
        for (const auto& z : *labels.born_charges) mix_matrix(z);
      for (const auto m : LossTerms::members) mix_number(frame_weights_[k].*m);
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
  s.optimizer = optimizer_.state();
  s.average.assign(average_.values().begin(), average_.values().end());
  s.average_steps = average_.steps();
  s.schedule = schedule_.state();
  s.best_loss = best_loss_;
  s.since_best = since_best_;
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
  optimizer_.set_state(s.optimizer);
  average_.set_state(s.average, s.average_steps);
  schedule_.set_state(s.schedule);
  epoch_ = s.epoch;
  batch_ = s.batch;
  partial_ = s.partial;
  best_loss_ = s.best_loss;
  since_best_ = s.since_best;
  best_parameters_ = s.best_parameters;
  records_ = s.records;
  parameters_ = s.parameters;
  model_.set_parameters(parameters_);
}

}  // namespace leyden::inline LEYDEN_ABI
