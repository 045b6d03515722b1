// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>
#include <leyden/version.hpp>

#include <map>
#include <optional>
#include <string>

// Reading and writing need nlohmann-json, which only this room uses.
#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

/// The container of a trained model and of an interrupted training: one JSON file with every number
/// as its shortest decimal that reads back exactly.
struct Checkpoint {
  std::string model;       ///< the name the program gives it
  std::uint64_t seed = 0;  ///< of the model's initial values
  /// What the model was built with and is no parameter, e.g. cutoff or E0.
  std::map<std::string, std::vector<double>> constants;
  std::vector<ParameterInfo> layout;  ///< as of the model; initial values are not kept
  std::vector<double> parameters;
  std::optional<TrainingState> training;
};

/// The model's side of a checkpoint.
template <class Model>
Checkpoint make_checkpoint(const Model& model, std::string name, std::uint64_t seed = 0) {
  return {std::move(name),
          seed,
          {},
          model.layout().entries(),
          {model.parameters().begin(), model.parameters().end()},
          std::nullopt};
}

/// @throws ModelError that names the first slice whose name or shape differs.
inline void require_same_layout(const Checkpoint& checkpoint, const ParameterLayout& layout);

/// Sets the parameters of a model of the same layout. @throws ModelError when it is another.
template <class Model>
void apply_checkpoint(const Checkpoint& checkpoint, Model& model) {
  require_same_layout(checkpoint, model.layout());
  model.set_parameters(checkpoint.parameters);
}

/// The file is written beside its place and then moved there, so that an interruption leaves the
/// old or the new one. @throws InputError when it cannot be written or a parameter is not finite.
inline void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// @throws InputError for a file that cannot be read, is no checkpoint, is truncated, or was
/// written by a newer version of the format.
inline Checkpoint read_checkpoint(const std::string& path);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/io/checkpoint_impl.hpp>  // IWYU pragma: keep
#endif
