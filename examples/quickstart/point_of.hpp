// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/potential.hpp>

#include <optional>
#include <utility>

#include "point.hpp"

namespace quickstart {

// [descriptor]
/// All points read the surroundings with the same small MACE, in single precision: twice as fast.
using Descriptor =
    leyden::Mace<leyden::MaceShape{.l_max = 2, .correlation = 3, .hidden_l = 1}, float>;

inline Descriptor make_descriptor(const Settings& settings) {
  const leyden::DataStatistics& data = settings.statistics;
  return Descriptor({.species = data.species,
                     .cutoff = settings.cutoff,
                     .channels = 16,
                     .layers = 2,
                     .radial_hidden = {32, 32},
                     .average_neighbors = data.average_neighbors,
                     .atomic_energies = data.atomic_energies,
                     .scale = data.scale,
                     .shift = data.shift});
}

/// Bulk electrostatics with a uniform background for charged cells.
inline leyden::Reciprocal make_solver() {
  return leyden::Reciprocal({.accuracy = 1e-6, .background = leyden::Background::uniform});
}
// [descriptor]

#if defined(_OPENMP)
using Threads = leyden::OpenMPExecutor;
inline Threads make_threads(int n) { return Threads(n); }
#else
using Threads = leyden::SerialExecutor;
inline Threads make_threads(int) { return {}; }
#endif

template <class Model>
class PointOf final : public Point {
 public:
  PointOf(std::string name, std::string file, Model model, int threads)
      : name_(std::move(name)),
        file_(std::move(file)),
        model_(std::move(model)),
        threads_(make_threads(threads)) {}

  std::string name() const override { return name_; }
  std::string file() const override { return file_; }
  const leyden::ParameterLayout& layout() const override { return model_.layout(); }
  std::vector<double> parameters() const override {
    return {model_.parameters().begin(), model_.parameters().end()};
  }
  void start(std::span<const leyden::Frame> frames, const leyden::DataSplit& split,
             const leyden::TrainerOptions& options) override {
    trainer_.emplace(model_, frames, split.train, split.validation, options, threads_);
  }
  void restore(const leyden::TrainingState& state) override { trainer_->restore(state); }
  leyden::TrainingOutcome train(const Progress& progress, const std::atomic<bool>& stop) override {
    return trainer_->run(progress, &stop);
  }
  leyden::TrainingState state() const override { return trainer_->state(); }
  const std::vector<leyden::EpochRecord>& records() const override { return trainer_->records(); }
  void finish() override { trainer_->use_best_parameters(); }
  std::vector<leyden::Prediction> predict(std::span<const leyden::Frame> frames,
                                          const std::vector<std::size_t>& indices) override {
    return leyden::predict(model_, frames, indices, threads_, {.forces = true, .stress = false});
  }

 private:
  std::string name_, file_;
  Model model_;
  Threads threads_;
  std::optional<leyden::Trainer<Model, Threads>> trainer_;
};

template <class Q, class S>
std::unique_ptr<Point> make_point(std::string name, std::string file, Q charge_model, S solver,
                                  const Settings& settings) {
  using Model = leyden::Potential<Descriptor, Q, S>;
  return std::make_unique<PointOf<Model>>(
      std::move(name), std::move(file),
      Model(make_descriptor(settings), std::move(charge_model), std::move(solver), settings.seed),
      settings.threads);
}

}  // namespace quickstart
