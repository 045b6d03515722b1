// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/model_kinds.hpp>
#include <leyden/potential.hpp>

#include <optional>
#include <type_traits>
#include <utility>

#include "trainable.hpp"

namespace examples {

#if defined(_OPENMP)
using Threads = OpenMPExecutor;
inline Threads make_threads(int n) { return Threads(n); }
#else
using Threads = SerialExecutor;
inline Threads make_threads(int) { return {}; }
#endif

template <class Model>
class TrainableOf final : public Trainable {
 public:
  TrainableOf(std::string key, std::string title, Model model, std::uint64_t seed, int threads)
      : key_(std::move(key)),
        title_(std::move(title)),
        model_(std::move(model)),
        seed_(seed),
        threads_(make_threads(threads)) {}

  std::string key() const override { return key_; }
  std::string title() const override { return title_; }
  const ParameterLayout& layout() const override { return model_.layout(); }
  std::vector<double> parameters() const override {
    return {model_.parameters().begin(), model_.parameters().end()};
  }
  void set_parameters(std::span<const double> parameters) override {
    model_.set_parameters(parameters);
  }
  Json specification() const override { return potential_specification(model_); }

  void start(std::span<const Frame> frames, const std::vector<std::size_t>& train,
             const std::vector<std::size_t>& validation, const TrainerOptions& options) override {
    trainer_.emplace(model_, frames, train, validation, options, threads_);
  }
  void restore(const TrainingState& state) override { trainer_->restore(state); }
  TrainingOutcome train(const Progress& progress, const std::atomic<bool>& stop) override {
    return trainer_->run(progress, &stop);
  }
  TrainingState state() const override { return trainer_->state(); }
  const std::vector<EpochRecord>& records() const override { return trainer_->records(); }
  void use_best_parameters() override { trainer_->use_best_parameters(); }

  std::vector<Prediction> predict(std::span<const Frame> frames,
                                  const std::vector<std::size_t>& indices,
                                  Properties properties) const override {
    return leyden::predict(model_, frames, indices, threads_, properties);
  }
  void save(const std::string& path, const ModelDescription& description) const override {
    ModelDescription d = description;
    d.seed = seed_;
    save_potential(path, model_, d);
  }

 private:
  std::string key_, title_;
  Model model_;
  std::uint64_t seed_;
  Threads threads_;
  std::optional<Trainer<Model, Threads>> trainer_;
};

inline MaceOptions descriptor_options(const ModelSetup& setup) {
  const DataStatistics& data = setup.statistics;
  MaceOptions o{.species = data.species,
                .cutoff = cutoff_of(setup.descriptor),
                .channels = 16,
                .layers = 2,
                .radial_hidden = {32, 32},
                .average_neighbors = data.average_neighbors,
                .atomic_energies = data.atomic_energies,
                .scale = data.scale,
                .shift = data.shift,
                .keep_last_irreps = true};
  read_options(setup.descriptor, o, "descriptor");
  return o;
}

/// Options of a charge model: those of the setup, else widths of 1 Å, the mean charges of the data
/// to start from, and what the model itself has.
template <class Q>
Q make_charge_model(const ModelSetup& setup) {
  if constexpr (requires(const Q& q) { q.options(); }) {
    std::remove_cvref_t<decltype(std::declval<const Q&>().options())> o{};
    if constexpr (requires { o.widths; }) o.widths = 1.0;
    if constexpr (requires { o.charges; }) o.charges = setup.statistics.mean_charges;
    if constexpr (requires { o.trained; }) o.trained = true;
    read_options(setup.charge_model, o, "charge_model");
    return Q(std::move(o));
  } else {
    return Q();
  }
}

/// Bulk electrostatics, with a uniform background for charged cells.
template <class S>
S make_solver(const ModelSetup& setup) {
  if constexpr (requires(const S& s) { s.options(); }) {
    std::remove_cvref_t<decltype(std::declval<const S&>().options())> o{};
    o.background = Background::uniform;
    o.accuracy = 1e-6;
    read_options(setup.solver, o, "solver");
    return S(std::move(o));
  } else {
    return S();
  }
}

template <class Q, class S>
std::unique_ptr<Trainable> make_trainable(std::string key, std::string title,
                                          const ModelSetup& setup) {
  using Model = Potential<Descriptor, Q, S>;
  Model model(Descriptor(descriptor_options(setup)), make_charge_model<Q>(setup),
              make_solver<S>(setup), setup.seed);
  ScfOptions scf;
  scf.tolerance = 1e-8;
  read_options(setup.scf, scf, "scf");
  model.set_scf_options(scf);
  return std::make_unique<TrainableOf<Model>>(std::move(key), std::move(title), std::move(model),
                                              setup.seed, setup.threads);
}

template <class Q, class S>
std::unique_ptr<Trainable> load_trainable(std::string key, std::string title, const ModelFile& file,
                                          int threads) {
  using Model = Potential<Descriptor, Q, S>;
  if (!holds<Model>(file)) return nullptr;
  return std::make_unique<TrainableOf<Model>>(
      std::move(key), std::move(title), load_point<Model>(file), file.description.seed, threads);
}

}  // namespace examples
