// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/model_file.hpp>
#include <leyden/train/trainer.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models.hpp"

namespace examples {

using Json = nlohmann::json;

/// What a model is built from.
struct ModelSetup {
  DataStatistics statistics;  ///< of the training frames
  /// Options of the parts by name (MaceOptions, …), in place of what data and defaults say.
  Json descriptor = Json::object(), charge_model = Json::object(), solver = Json::object(),
       scf = Json::object();
  std::uint64_t seed = 0;
  int threads = 1;
};

/// Å: that of the options of a descriptor, or the usual one.
inline double cutoff_of(const Json& descriptor) {
  MaceOptions options{.cutoff = 4.5};
  read_options(descriptor, options, "descriptor");
  return options.cutoff;
}

/// What trains these potentials best on data of hundreds of structures, unless it is told
/// otherwise.
inline TrainerOptions usual_training() {
  TrainerOptions o;
  o.batch_size = 4;
  o.weights = {.energy = 40.0, .forces = 1.0, .charges = 40.0};
  o.optimizer = {.kind = OptimizerOptions::Kind::soap, .learning_rate = 0.03, .weight_decay = 1e-4};
  o.schedule = {.kind = ScheduleOptions::Kind::cosine, .warmup_steps = 100};
  return o;
}

/// A potential of LEYDEN_EXAMPLE_MODELS behind an interface that is no template.
class Trainable {
 public:
  using Progress = std::function<void(const TrainingProgress&)>;

  virtual ~Trainable() = default;
  virtual std::string key() const = 0;    ///< for files
  virtual std::string title() const = 0;  ///< for people
  virtual const ParameterLayout& layout() const = 0;
  virtual std::vector<double> parameters() const = 0;
  virtual void set_parameters(std::span<const double> parameters) = 0;
  /// Options of all parts, as they came to be.
  virtual Json specification() const = 0;

  /// Before any of the next; frames must outlive the training.
  virtual void start(std::span<const Frame> frames, const std::vector<std::size_t>& train,
                     const std::vector<std::size_t>& validation, const TrainerOptions& options) = 0;
  virtual void restore(const TrainingState& state) = 0;
  virtual TrainingOutcome train(const Progress& progress, const std::atomic<bool>& stop) = 0;
  virtual TrainingState state() const = 0;
  virtual const std::vector<EpochRecord>& records() const = 0;
  virtual void use_best_parameters() = 0;

  virtual std::vector<Prediction> predict(std::span<const Frame> frames,
                                          const std::vector<std::size_t>& indices,
                                          Properties properties) const = 0;
  std::vector<Prediction> predict(const std::vector<Frame>& frames, Properties properties) const {
    std::vector<std::size_t> all(frames.size());
    for (std::size_t k = 0; k < all.size(); ++k) all[k] = k;
    return predict(frames, all, properties);
  }
  /// Writes a model file (leyden/io/model_file.hpp).
  virtual void save(const std::string& path, const ModelDescription& description) const = 0;
};

/// One line of LEYDEN_EXAMPLE_MODELS.
struct ModelEntry {
  std::string key, title;
  std::unique_ptr<Trainable> (*make)(const ModelSetup&);
  /// Null when the file holds another potential.
  std::unique_ptr<Trainable> (*load)(const ModelFile&, int threads);
};

#define LEYDEN_DECLARE(key, title, charge_model, solver)    \
  std::unique_ptr<Trainable> make_##key(const ModelSetup&); \
  std::unique_ptr<Trainable> load_##key(const ModelFile&, int threads);
LEYDEN_EXAMPLE_MODELS(LEYDEN_DECLARE)
#undef LEYDEN_DECLARE

inline const std::vector<ModelEntry>& all_models() {
#define LEYDEN_ENTRY(key, title, charge_model, solver) {#key, title, make_##key, load_##key},
  static const std::vector<ModelEntry> models{LEYDEN_EXAMPLE_MODELS(LEYDEN_ENTRY)};
#undef LEYDEN_ENTRY
  return models;
}

/// @throws InputError for a name that no line has.
inline const ModelEntry& model_named(const std::string& key) {
  std::string known;
  for (const ModelEntry& m : all_models()) {
    if (m.key == key) return m;
    known += (known.empty() ? "" : ", ") + m.key;
  }
  throw InputError("there is no model '" + key + "'; there are: " + known);
}

/// @throws InputError for a file that holds none of these.
inline std::unique_ptr<Trainable> load_model(const std::string& path, int threads) {
  const ModelFile file = read_model(path);
  for (const ModelEntry& m : all_models())
    if (auto found = m.load(file, threads)) return found;
  throw InputError(path +
                   " holds none of the potentials of examples/models/models.hpp; its charge "
                   "model is " +
                   file.specification["charge_model"].value("kind", "unknown"));
}

/// A model file as the start of a training on other data: with atomic energies that make up for
/// what the model misses of the energies of the frames `train` (another level of theory, say).
/// @throws InputError when the file holds another potential than `entry`, or does not know an
/// element of these frames.
inline ModelFile start_from(const ModelEntry& entry, ModelFile file,
                            const std::vector<Frame>& frames, const std::vector<std::size_t>& train,
                            int threads) {
  const auto model = entry.load(file, threads);
  if (!model) throw InputError(file.path + " holds another potential than " + entry.title);
  file.specification = model->specification();  // with what the file left to defaults
  Json& descriptor = file.specification["descriptor"]["options"];
  const auto species = descriptor["species"].get<std::vector<int>>();
  auto energies = descriptor["atomic_energies"].get<std::vector<double>>();
  if (energies.empty()) energies.resize(species.size());
  std::vector<double> known;
  for (const Prediction& p : model->predict(frames, train, {false, false}))
    known.push_back(p.energy);
  const std::vector<double> change = fit_atomic_energies(frames, train, species, known);
  for (std::size_t k = 0; k < energies.size(); ++k)  // of each head
    energies[k] += change[k % species.size()];
  descriptor["atomic_energies"] = energies;
  return file;
}

}  // namespace examples
