// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/training_fields.hpp>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "../models/trainable.hpp"

// What a training is asked for. examples/train/example.json has all that most people need.
namespace examples {

struct DataConfig {
  std::string train;                       ///< extended XYZ; paths are relative to the config file
  std::string validation_file, test_file;  ///< else parts of `train`:
  double validation = 0.1, test = 0.1;     ///< fractions of it
  std::uint64_t split_seed = 1;
  int limit = 0;  ///< training structures that are used at most; 0: all
  ExtxyzOptions reading;
};

struct TrainConfig {
  std::string model = "charge_equilibration";
  std::string
      start_from;  ///< model file to train on, with the options that it has; else from scratch
  DataConfig data;
  Json descriptor = Json::object(), charge_model = Json::object(), solver = Json::object(),
       scf = Json::object();
  TrainerOptions training;
  std::uint64_t seed = 1;  ///< of the initial parameters; a committee counts on from it
  int committee = 1;       ///< how many models of different seeds
  int threads = 2;
  std::string out = "training";
};

template <class V>
void fields(V& v, DataConfig& o) {
  v("train", o.train);
  v("validation_file", o.validation_file);
  v("test_file", o.test_file);
  v("validation", o.validation);
  v("test", o.test);
  v("split_seed", o.split_seed);
  v("limit", o.limit);
  v("reading", o.reading);
}
template <class V>
void fields(V& v, TrainConfig& o) {
  v("model", o.model);
  v("start_from", o.start_from);
  v("data", o.data);
  v("descriptor", o.descriptor);
  v("charge_model", o.charge_model);
  v("solver", o.solver);
  v("scf", o.scf);
  v("training", o.training);
  v("seed", o.seed);
  v("committee", o.committee);
  v("threads", o.threads);
  v("out", o.out);
}

/// JSON with // and /* */ comments. `changes` are "path.to.key=value" with JSON values (or plain
/// text), set after the file is read.
inline TrainConfig read_config(const std::string& path, const std::vector<std::string>& changes) {
  Json j = Json::object();
  if (!path.empty()) {
    std::ifstream file(path);
    if (!file) throw InputError(path + " cannot be read; is it there?");
    try {
      j = Json::parse(file, nullptr, true, true);
    } catch (const Json::exception& e) {
      throw InputError(path + ": " + e.what());
    }
  }
  for (const std::string& change : changes) {
    const std::size_t equals = change.find('=');
    if (equals == std::string::npos)
      throw InputError("'" + change + "' has no '='; options are path.to.key=value");
    Json* at = &j;
    std::istringstream keys(change.substr(0, equals));
    for (std::string key; std::getline(keys, key, '.');) at = &(*at)[key];
    const Json value = Json::parse(change.substr(equals + 1), nullptr, false, true);
    *at = value.is_discarded() ? Json(change.substr(equals + 1)) : value;
  }
  TrainConfig config;
  config.training = usual_training();
  config.data.reading.require = {"energy", "forces"};
  read_options(j, config, path.empty() ? "options" : path);
  const auto require = [&](bool ok, const char* what) {
    if (!ok) throw InputError((path.empty() ? std::string("options") : path) + ": " + what);
  };
  require(!config.data.train.empty(), "data.train names no file");
  require(config.committee >= 1, "committee must be at least 1");
  require(config.start_from.empty() || (config.descriptor.empty() && config.charge_model.empty() &&
                                        config.solver.empty() && config.scf.empty()),
          "start_from takes the options of its file; leave out descriptor, charge_model, solver "
          "and scf");
  require(config.threads >= 1, "threads must be at least 1");
  require(config.training.epochs >= 1, "training.epochs must be at least 1");
  require(config.data.validation >= 0.0 && config.data.test >= 0.0 &&
              config.data.validation + config.data.test < 1.0,
          "data.validation and data.test are fractions, less than 1 together");
  // Files are found from where the configuration stands.
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  for (std::string* name : {&config.data.train, &config.data.validation_file,
                            &config.data.test_file, &config.start_from})
    if (!name->empty() && std::filesystem::path(*name).is_relative() && !path.empty())
      *name = (folder / *name).lexically_normal().string();
  return config;
}

}  // namespace examples
