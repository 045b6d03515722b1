// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/train/dataset.hpp>
#include <leyden/train/errors.hpp>
#include <leyden/train/field_response.hpp>
#include <leyden/train/loss.hpp>
#include <leyden/train/mode.hpp>
#include <leyden/train/optimizer.hpp>
#include <leyden/train/schedule.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <string>

namespace leyden::inline LEYDEN_ABI {

/// Later epochs with another mode, other weights (usually a raised one of the energy) or smaller
/// steps.
struct TrainingStage {
  int from_epoch = 0;  ///< counted from 1; later than that of the stage before
  TrainingMode mode = TrainingMode::implicit;
  std::optional<LossWeights> weights{};  ///< nothing: those of the stage before
  double rate_factor = 1.0;              ///< of the learning rate
};

struct TrainerOptions {
  int epochs = 100;
  int batch_size = 5;                          ///< lbfgs takes all structures at once
  std::uint64_t seed = 0;                      ///< of the order of structures
  TrainingMode mode = TrainingMode::implicit;  ///< of models that are self-consistent
  LossWeights weights{.energy = 1.0, .forces = 1.0};
  LossTerms huber{};              ///< thresholds of structure_loss()
  double stability_target = 0.9;  ///< the spectral radius of a map that costs nothing
  /// Factors of all terms of the frames of a config_type; 1 for those that are not named.
  std::map<std::string, double> config_type_weights{};
  OptimizerOptions optimizer{};
  ScheduleOptions schedule{};
  std::vector<TrainingStage> stages{};  ///< after the first, which is what stands above
  /// Epochs without a smaller validation loss after which training ends, or goes to its next stage;
  /// 0: never.
  int early_stopping = 0;
  double clip_norm = 10.0;      ///< largest norm of a gradient; zero: no limit
  double average_decay = 0.99;  ///< adam: of the averaged parameters, which are validated and kept
};

/// One finished epoch.
struct EpochRecord {
  int epoch = 0;                    ///< counted from 1
  LossTerms train;                  ///< mean over the structures, while training
  LossTerms validation;             ///< of the averaged parameters
  PredictionErrors errors;          ///< on the validation structures
  double learning_rate_factor = 1;  ///< of the last step
};

/// All that training remembers: with it, it goes on bit by bit as if it had not been interrupted.
struct TrainingState {
  std::string options;    ///< what was asked for, as text; must be the same to go on
  int epoch = 0;          ///< finished ones
  std::size_t batch = 0;  ///< finished ones of the next epoch
  LossTerms partial;      ///< sum over the structures of these
  std::vector<double> parameters;
  OptimizerState optimizer;
  std::vector<double> average;
  std::int64_t average_steps = 0;
  ScheduleState schedule;
  double best_loss = std::numeric_limits<double>::infinity();
  int since_best = 0;                   ///< epochs
  std::vector<double> best_parameters;  ///< averaged ones of the smallest validation loss
  std::vector<EpochRecord> records;
};

/// What the progress callback sees, after every batch and after every epoch.
struct TrainingProgress {
  int epoch = 0;  ///< the one under way or just finished, counted from 1
  int epochs = 0;
  std::size_t batch = 0, batches = 0;     ///< finished ones of this epoch
  LossTerms train;                        ///< mean over the structures of this epoch so far
  const EpochRecord* finished = nullptr;  ///< at the end of an epoch
  double structures_per_second = 0.0;     ///< since run() started
  double seconds_left = 0.0;
};

/// How run() ended: all epochs are done; it was asked to stop; the validation loss fell no longer
/// (TrainerOptions::early_stopping), or lbfgs found nothing lower.
enum class TrainingOutcome { finished, stopped, settled };

/// Factors of a frame's loss terms: that of its config_type, times its keys `config_weight` and
/// `config_<term>_weight` (LossTerms::names; that of the dipole is read as its mask instead).
/// @throws InputError for a key that is no number of at least zero.
inline LossTerms frame_weights(const Frame& frame, std::size_t index,
                               const std::map<std::string, double>& by_config_type) {
  const auto number = [&](const std::string& key) {
    const auto found = frame.info.find(key);
    if (found == frame.info.end()) return 1.0;
    char* end = nullptr;
    const double x = std::strtod(found->second.c_str(), &end);
    if (found->second.empty() || *end != 0 || !(x >= 0.0) || !std::isfinite(x))
      throw InputError("frame " + std::to_string(index) + ": " + key + " is '" + found->second +
                       "'; it must be a number of at least zero");
    return x;
  };
  double common = number("config_weight");
  if (const auto type = by_config_type.find(frame.config_type); type != by_config_type.end())
    common *= type->second;
  LossTerms factors;
  for (std::size_t k = 0; k < LossTerms::names.size(); ++k)
    factors.*LossTerms::members[k] =
        common * number("config_" + std::string(LossTerms::names[k]) + "_weight");
  return factors;
}

/// Trains the parameters of any model that has Potential's evaluate(), parameter_gradient(),
/// add_pending(), slices_at_once(), layout(), parameters(), set_parameters(), Workspace and
/// PendingGradient.
///
/// Structures of a batch are the executor's tasks; gradients are kept per task and summed in task
/// order, so that results do not depend on the number of threads. The number of steps is fixed by
/// the options and never by the clock.
template <class Model, Executor E = SerialExecutor>
class Trainer {
 public:
  /// @param model, frames  are used, not copied: they must outlive the trainer.
  /// @throws InputError for an empty training or validation list, a batch size below one, a weight
  /// that is none (frame_weights), a parameter group that fits nothing, stages out of order, or
  /// direct training on structures without charges.
  Trainer(Model& model, std::span<const Frame> frames, std::vector<std::size_t> train,
          std::vector<std::size_t> validation, TrainerOptions options, E executor = {});

  const TrainerOptions& options() const { return options_; }
  std::size_t batches_per_epoch() const {
    if (options_.optimizer.kind == OptimizerOptions::Kind::lbfgs) return 1;
    const auto size = static_cast<std::size_t>(options_.batch_size);
    return (train_.size() + size - 1) / size;
  }

  /// Trains on to the end of epoch `until` (or of all epochs when that is less).
  /// @param progress  called as progress(const TrainingProgress&).
  /// @param stop      when it becomes true, training ends after the batch under way.
  template <class Progress>
  TrainingOutcome run(Progress&& progress, const std::atomic<bool>* stop = nullptr,
                      int until = std::numeric_limits<int>::max());
  TrainingOutcome run() {
    return run([](const TrainingProgress&) {});
  }

  const std::vector<EpochRecord>& records() const { return records_; }
  TrainingState state() const;
  /// Goes on from a state of a trainer of the same model, data and options.
  /// @throws InputError when they are not the same.
  void restore(const TrainingState& state);

  /// Gives the model the averaged parameters of the epoch with the smallest validation loss.
  void use_best_parameters() { model_.set_parameters(best_parameters_); }

 private:
  using Clock = std::chrono::steady_clock;

  std::string describe_options() const;
  std::vector<std::size_t> epoch_order() const {
    std::vector<std::size_t> order = train_;
    // Far-away streams for neighbouring epochs: the seed passes through the generator.
    RandomStream mix(options_.seed + 0x632be59bd9b4e019ULL * static_cast<std::uint64_t>(epoch_));
    RandomStream(mix.bits()).shuffle(order);
    return order;
  }
  /// How many of the later stages have begun in the epoch under way.
  std::size_t stage() const {
    std::size_t begun = 0;
    while (begun < options_.stages.size() && epoch_ + 1 >= options_.stages[begun].from_epoch)
      ++begun;
    return begun;
  }
  double rate_factor() const {
    return stage() == 0 ? 1.0 : options_.stages[stage() - 1].rate_factor;
  }
  TrainingMode mode() const {
    return stage() == 0 ? options_.mode : options_.stages[stage() - 1].mode;
  }
  static constexpr bool self_consistent_ = [] {
    if constexpr (requires { Model::self_consistent; })
      return Model::self_consistent;
    else
      return false;
  }();
  bool direct() const { return self_consistent_ && mode() == TrainingMode::direct; }
  /// Of the stage under way and of the frame.
  LossWeights weights_of(std::size_t frame) const {
    LossWeights w = options_.weights;
    for (std::size_t k = 0; k < stage(); ++k) w = options_.stages[k].weights.value_or(w);
    w *= frame_weights_[frame];
    if constexpr (self_consistent_)
      if (direct()) return direct_weights(w, Model::stationary);
    return w;
  }
  /// The prediction that the mode trains on, with responses to fields where `responses`.
  const Prediction& predict(std::size_t frame, std::size_t worker, Properties properties,
                            bool responses);
  /// Lets the model differentiate its density as the mode says.
  void set_differentiation() {
    if constexpr (self_consistent_) {
      ScfOptions scf = model_.scf_options();
      scf.differentiation =
          mode() == TrainingMode::unrolled ? Differentiation::unrolled : Differentiation::implicit;
      model_.set_scf_options(scf);
    }
  }
  /// Gives a workspace the neighbour list of a frame while it lives.
  struct ListOfFrame {
    ListOfFrame(typename Model::Workspace& w, NeighborList& list) : workspace(w), of_frame(list) {
      std::swap(workspace.neighbors, of_frame);
    }
    ~ListOfFrame() { std::swap(workspace.neighbors, of_frame); }
    ListOfFrame(const ListOfFrame&) = delete;
    ListOfFrame& operator=(const ListOfFrame&) = delete;
    typename Model::Workspace& workspace;
    NeighborList& of_frame;
  };
  /// Keeps the lists of these frames for later epochs, as far as memory is meant for them.
  void keep_lists(std::span<const std::size_t> frames);
  /// Gives the model back with its own options, and prepared for evaluations again.
  struct GivesModelBack {
    explicit GivesModelBack(Trainer& t) : trainer(t) {
      if constexpr (self_consistent_) differentiation = t.model_.scf_options().differentiation;
    }
    ~GivesModelBack() {
      trainer.model_.set_parameters(trainer.parameters_);
      if constexpr (self_consistent_) {
        ScfOptions scf = trainer.model_.scf_options();
        scf.differentiation = differentiation;
        trainer.model_.set_scf_options(scf);
      }
    }
    GivesModelBack(const GivesModelBack&) = delete;
    GivesModelBack& operator=(const GivesModelBack&) = delete;
    Trainer& trainer;
    Differentiation differentiation = Differentiation::implicit;
  };
  /// What validation sees and training results in.
  std::span<const double> result() const {
    if (options_.optimizer.kind == OptimizerOptions::Kind::lbfgs) return parameters_;
    return optimizer_.average().empty() ? average_.values() : optimizer_.average();
  }
  /// Orders the tasks of a batch so that those beside each other, of which workers have their
  /// shares, cost each worker about the same, the largest first.
  void deal(std::span<const std::size_t> batch);
  /// Sets gradient_, masked, and gradient_norm_, of the mean loss; returns the sum of the terms.
  LossTerms batch_gradient(std::span<const std::size_t> batch);
  double run_batch(std::span<const std::size_t> batch);
  /// One direction of lbfgs. @returns whether a lower loss was found.
  bool search_line();
  void validate_epoch(double rate_factor);

  Model& model_;
  std::span<const Frame> frames_;
  std::vector<std::size_t> train_, validation_;
  TrainerOptions options_;
  E executor_;
  Optimizer optimizer_;
  ParameterAverage average_;
  Schedule schedule_;

  int epoch_ = 0;
  std::size_t batch_ = 0;
  LossTerms partial_;
  double best_loss_ = std::numeric_limits<double>::infinity();
  int since_best_ = 0;
  std::vector<double> best_parameters_;
  std::vector<EpochRecord> records_;
  std::vector<LossTerms> frame_weights_;  // (frames); of those that are not used: zero

  struct KeptList {
    NeighborList list;
    bool kept = false;
  };
  static constexpr std::size_t max_kept_edges = 8'000'000;  // some 50 bytes each
  std::vector<KeptList> lists_;                             // (frames)
  std::size_t kept_edges_ = 0;

  std::vector<typename Model::Workspace> workspaces_;     // per worker
  std::vector<LossCotangents> cotangents_;                // per worker
  std::vector<std::vector<double>> densities_;            // per worker: reference densities
  std::vector<Prediction> predictions_;                   // per worker: with responses
  std::vector<std::vector<double>> gradients_;            // per task of a batch, in at_once_
  std::vector<std::size_t> by_size_;                      // tasks of a batch, the largest first
  std::vector<std::size_t> dealt_;                        // the same in workers' shares
  std::vector<Slice> at_once_;                            // of parameters; the rest is pending
  std::vector<typename Model::PendingGradient> pending_;  // per task: what they share
  std::vector<LossTerms> task_terms_;                     // per task
  std::vector<PredictionErrors> task_errors_;             // per task
  std::vector<double> gradient_, parameters_;             // (parameters)
  double gradient_norm_ = 0.0;
};

/// Evaluates the frames `indices` in parallel; predictions in their order, with the responses to
/// fields that are labelled.
template <class Model, Executor E>
std::vector<Prediction> predict(const Model& model, std::span<const Frame> frames,
                                std::span<const std::size_t> indices, const E& executor,
                                Properties properties = {}) {
  std::vector<typename Model::Workspace> workspaces(
      static_cast<std::size_t>(executor.concurrency()));
  std::vector<Prediction> out(indices.size());
  executor.for_each(indices.size(), [&](std::size_t k, int worker) {
    const Frame& frame = frames[indices[k]];
    auto& workspace = workspaces[static_cast<std::size_t>(worker)];
    out[k] = model.evaluate(frame.structure, workspace, properties);
    if (frame.labels.polarizability || frame.labels.born_charges)
      add_field_response(model, frame.structure, workspace, out[k]);
  });
  return out;
}

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/train/trainer_impl.hpp>  // IWYU pragma: keep
