// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/checkpoint.hpp>
#include <leyden/io/json_text.hpp>

#if __has_include(<nlohmann/json.hpp>)

#include <cmath>
#include <fstream>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

inline constexpr int checkpoint_format = 2;

inline void require_finite(const std::string& path, const char* what,
                           const std::vector<double>& values) {
  for (double v : values)
    if (!std::isfinite(v))
      throw InputError(path + ": a number of '" + what + "' is not finite; it is not written");
}

// JSON knows no infinity.
inline nlohmann::json number_or_null(double v) {
  return std::isfinite(v) ? nlohmann::json(v) : nlohmann::json(nullptr);
}
inline double number_or_infinity(const nlohmann::json& j) {
  return j.is_null() ? std::numeric_limits<double>::infinity() : j.get<double>();
}

// By name, so that terms may be added.
inline nlohmann::json to_json(const LossTerms& t) {
  nlohmann::json j = nlohmann::json::object();
  for (std::size_t k = 0; k < LossTerms::names.size(); ++k)
    j[LossTerms::names[k]] = t.*LossTerms::members[k];
  return j;
}
inline LossTerms loss_terms(const nlohmann::json& j) {
  LossTerms t;
  for (std::size_t k = 0; k < LossTerms::names.size(); ++k)
    t.*LossTerms::members[k] = j.at(LossTerms::names[k]).get<double>();
  return t;
}

inline nlohmann::json to_json(const TrainingState& s) {
  nlohmann::json records = nlohmann::json::array();
  for (const EpochRecord& r : s.records) {
    nlohmann::json errors = nlohmann::json::array();
    for (const auto m : PredictionErrors::members) {
      const ErrorSum& e = r.errors.*m;
      errors.push_back({e.squares, e.absolutes, e.count});
    }
    records.push_back({{"epoch", r.epoch},
                       {"train", to_json(r.train)},
                       {"validation", to_json(r.validation)},
                       {"errors", errors},
                       {"rate", r.learning_rate_factor}});
  }
  return {{"options", s.options},
          {"epoch", s.epoch},
          {"batch", s.batch},
          {"partial", to_json(s.partial)},
          {"parameters", s.parameters},
          {"optimizer",
           {{"steps", s.optimizer.steps},
            {"first", s.optimizer.first},
            {"second", s.optimizer.second},
            {"largest", s.optimizer.largest},
            {"weight_sum", s.optimizer.weight_sum},
            {"history", s.optimizer.history},
            {"bases", s.optimizer.bases}}},
          {"average", s.average},
          {"average_steps", s.average_steps},
          {"schedule",
           {{"factor", s.schedule.factor},
            {"best", number_or_null(s.schedule.best)},
            {"waited", s.schedule.waited}}},
          {"best_loss", number_or_null(s.best_loss)},
          {"since_best", s.since_best},
          {"best_parameters", s.best_parameters},
          {"records", records}};
}

inline TrainingState training_state(const nlohmann::json& j) {
  TrainingState s;
  j.at("options").get_to(s.options);
  j.at("epoch").get_to(s.epoch);
  j.at("batch").get_to(s.batch);
  s.partial = loss_terms(j.at("partial"));
  j.at("parameters").get_to(s.parameters);
  const auto& optimizer = j.at("optimizer");
  optimizer.at("steps").get_to(s.optimizer.steps);
  optimizer.at("first").get_to(s.optimizer.first);
  optimizer.at("second").get_to(s.optimizer.second);
  optimizer.at("largest").get_to(s.optimizer.largest);
  optimizer.at("weight_sum").get_to(s.optimizer.weight_sum);
  optimizer.at("history").get_to(s.optimizer.history);
  // Files of before there were bases have none.
  if (optimizer.contains("bases")) optimizer["bases"].get_to(s.optimizer.bases);
  j.at("average").get_to(s.average);
  j.at("average_steps").get_to(s.average_steps);
  const auto& schedule = j.at("schedule");
  schedule.at("factor").get_to(s.schedule.factor);
  s.schedule.best = number_or_infinity(schedule.at("best"));
  schedule.at("waited").get_to(s.schedule.waited);
  s.best_loss = number_or_infinity(j.at("best_loss"));
  j.at("since_best").get_to(s.since_best);
  j.at("best_parameters").get_to(s.best_parameters);
  for (const auto& entry : j.at("records")) {
    EpochRecord r;
    entry.at("epoch").get_to(r.epoch);
    r.train = loss_terms(entry.at("train"));
    r.validation = loss_terms(entry.at("validation"));
    entry.at("rate").get_to(r.learning_rate_factor);
    for (std::size_t k = 0; k < PredictionErrors::members.size(); ++k) {
      const auto& e = entry.at("errors").at(k);
      r.errors.*PredictionErrors::members[k] = {e.at(0), e.at(1), e.at(2)};
    }
    s.records.push_back(r);
  }
  return s;
}

}  // namespace detail

inline void require_same_layout(const Checkpoint& checkpoint, const ParameterLayout& layout) {
  const auto describe = [](const ParameterInfo& p) {
    std::string text = "'" + p.name + "' (";
    for (std::size_t k = 0; k < p.shape.size(); ++k)
      text += (k ? ", " : "") + std::to_string(p.shape[k]);
    return text + ")";
  };
  const auto& mine = layout.entries();
  const auto& saved = checkpoint.layout;
  for (std::size_t k = 0; k < std::max(mine.size(), saved.size()); ++k) {
    const std::string a = k < saved.size() ? describe(saved[k]) : "nothing";
    const std::string b = k < mine.size() ? describe(mine[k]) : "nothing";
    if (a != b)
      throw ModelError("checkpoint of '" + checkpoint.model + "': parameter " + std::to_string(k) +
                       " is " + a + " in the file and " + b +
                       " in the model; build the model with the options it was saved with");
  }
  if (checkpoint.parameters.size() != layout.size())
    throw ModelError("checkpoint of '" + checkpoint.model +
                     "': " + std::to_string(checkpoint.parameters.size()) +
                     " numbers stand in the file for " + std::to_string(layout.size()) +
                     " parameters");
}

inline void write_checkpoint(const std::string& path, const Checkpoint& c) {
  detail::require_finite(path, "parameters", c.parameters);
  nlohmann::json layout = nlohmann::json::array();
  for (const ParameterInfo& p : c.layout)
    layout.push_back(
        {{"name", p.name}, {"shape", p.shape}, {"decays", p.decays}, {"trained", p.trained}});
  for (const auto& [name, values] : c.constants) detail::require_finite(path, name.c_str(), values);
  nlohmann::json j{
      {"format", "leyden checkpoint"},
      {"format_version", detail::checkpoint_format},
      {"leyden_version", {LEYDEN_VERSION_MAJOR, LEYDEN_VERSION_MINOR, LEYDEN_VERSION_PATCH}},
      {"model", c.model},
      {"seed", c.seed},
      {"constants", c.constants},
      {"layout", layout},
      {"parameters", c.parameters}};
  if (c.training) {
    detail::require_finite(path, "training parameters", c.training->parameters);
    j["training"] = detail::to_json(*c.training);
  }

  detail::replace_file(path, [&](auto& file) { file << j << '\n'; });
}

inline Checkpoint read_checkpoint(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError(path + " cannot be read; is it there?");
  try {
    const nlohmann::json j = nlohmann::json::parse(file);
    if (j.value("format", "") != "leyden checkpoint")
      throw InputError(path + " is JSON, but no leyden checkpoint");
    if (const int version = j.at("format_version"); version != detail::checkpoint_format)
      throw InputError(path + " has format version " + std::to_string(version) +
                       "; this program reads " + std::to_string(detail::checkpoint_format));
    Checkpoint c;
    j.at("model").get_to(c.model);
    j.at("seed").get_to(c.seed);
    j.at("constants").get_to(c.constants);
    std::size_t offset = 0;
    for (const auto& entry : j.at("layout")) {
      ParameterInfo p{entry.at("name"),   entry.at("shape"),  {}, {},
                      entry.at("decays"), entry.at("trained")};
      p.slice.offset = offset;
      p.slice.size = 1;
      for (int s : p.shape) p.slice.size *= static_cast<std::size_t>(s);
      offset += p.slice.size;
      c.layout.push_back(std::move(p));
    }
    j.at("parameters").get_to(c.parameters);
    if (offset != c.parameters.size())
      throw InputError(path + ": the layout has " + std::to_string(offset) + " parameters, " +
                       std::to_string(c.parameters.size()) + " numbers are there");
    if (const auto t = j.find("training"); t != j.end()) c.training = detail::training_state(*t);
    return c;
  } catch (const nlohmann::json::exception& e) {
    throw InputError(path + " is no whole checkpoint (" + e.what() + ")");
  }
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
