// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/extxyz.hpp>
#include <leyden/train/trainer.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "claims.hpp"
#include "console.hpp"
#include "svg.hpp"
#include "trainable.hpp"

// What comparisons of all potentials on one data set share.
namespace examples {

struct StudyArguments {
  std::string data = "data", out = "report/study";
  int epochs = 1, seeds = 3, threads = 2;
  std::vector<std::string> models;  ///< keys of those to compare; empty: all
  bool fast = false;  ///< a few structures and epochs, one seed: that it runs, not what comes out
};

/// Empty when they make no sense, after saying how to use the program.
/// @param epochs  those of a full run, unless it is told another number
inline std::optional<StudyArguments> parse_study(int argc, char** argv, const char* program,
                                                 int epochs) {
  StudyArguments a;
  a.epochs = epochs;
  bool ok = true;
  for (int i = 1; i < argc && ok; ++i) {
    const std::string key = argv[i];
    const auto number = [&] {
      ok = ok && i + 1 < argc;
      const int n = ok ? std::atoi(argv[++i]) : 0;
      ok = ok && n >= 1;
      return n;
    };
    if (key == "--fast") {
      a.fast = true;
      a.epochs = 2;
      a.seeds = 1;
    } else if ((key == "--data" || key == "--out") && i + 1 < argc) {
      (key == "--data" ? a.data : a.out) = argv[++i];
    } else if (key == "--models" && i + 1 < argc) {
      std::string rest = argv[++i];
      for (std::size_t at = 0; !rest.empty(); rest.erase(0, std::min(at + 1, rest.size()))) {
        at = std::min(rest.find(','), rest.size());
        a.models.push_back(rest.substr(0, at));
      }
    } else if (key == "--epochs") {
      a.epochs = number();
    } else if (key == "--seeds") {
      a.seeds = number();
    } else if (key == "--threads") {
      a.threads = number();
    } else {
      ok = false;
    }
  }
  if (ok) return a;
  std::fprintf(stderr,
               "usage: %s [--data DIR] [--out DIR] [--models KEY,KEY] [--epochs N] [--seeds N] "
               "[--threads N] [--fast]\n",
               program);
  return std::nullopt;
}

/// The models that were asked for. @throws InputError for a key that there is none of.
inline std::vector<ModelEntry> models_of(const StudyArguments& arguments) {
  if (arguments.models.empty()) return all_models();
  std::vector<ModelEntry> out;
  for (const std::string& key : arguments.models) out.push_back(model_named(key));
  return out;
}

/// Titles of models by their keys.
inline std::vector<std::string> titles(const std::vector<const char*>& keys) {
  std::vector<std::string> out;
  for (const char* key : keys) out.push_back(model_named(key).title);
  return out;
}

struct Data {
  std::vector<Frame> frames;
  DataSplit split;
};

/// The frames of some files of a folder, in their order.
inline std::vector<Frame> read_frames(const std::filesystem::path& folder,
                                      const std::vector<const char*>& files,
                                      const ExtxyzOptions& reading) {
  std::vector<Frame> out;
  for (const char* file : files)
    for (Frame& frame : read_extxyz((folder / file).string(), reading))
      out.push_back(std::move(frame));
  return out;
}

/// How all models of all studies are trained.
inline TrainerOptions training_options(const StudyArguments& arguments,
                                       const LossWeights& weights) {
  TrainerOptions o = usual_training();
  o.epochs = arguments.epochs;
  o.weights = weights;
  return o;
}

struct TrainedModel {
  std::unique_ptr<Trainable> model;  ///< null when interrupted
  std::string path;                  ///< of its file
  double seconds = 0.0;              ///< that its training took
};

/// The model of a seed: from its file where there is one, else trained and written.
/// @param start  model file that training starts from, with the options that it has
/// @throws InputError for a file of another budget.
inline TrainedModel trained_model(const ModelEntry& entry, const Data& data, TrainerOptions options,
                                  std::uint64_t seed, int threads, const std::filesystem::path& out,
                                  const ModelSetup& common = {}, const std::string& start = "") {
  std::filesystem::create_directories(out / "models");
  const std::string path =
      (out / "models" / (entry.key + "-seed" + std::to_string(seed) + ".safetensors")).string();
  std::map<std::string, std::string> budget{
      {"epochs", std::to_string(options.epochs)},
      {"structures", std::to_string(data.split.train.size())}};
  if (!start.empty()) budget["start_from"] = std::filesystem::path(start).filename().string();
  if (std::filesystem::exists(path)) {
    const ModelFile file = read_model(path);
    std::map<std::string, std::string> had = file.description.training;
    const double seconds = std::atof(had["seconds"].c_str());
    had.erase("seconds");
    if (had != budget)
      throw InputError(path +
                       " was trained with another budget; choose another --out, or remove it");
    if (auto found = entry.load(file, threads)) return {std::move(found), path, seconds};
    throw InputError(path + " holds another potential; remove it");
  }
  std::unique_ptr<Trainable> model;
  if (start.empty()) {
    ModelSetup setup = common;
    setup.seed = seed;
    setup.threads = threads;
    setup.statistics = data_statistics(data.frames, data.split.train, cutoff_of(setup.descriptor));
    model = entry.make(setup);
  } else {
    model = entry.load(start_from(entry, read_model(start), data.frames, data.split.train, threads),
                       threads);
  }
  options.seed = seed;
  model->start(data.frames, data.split.train, data.split.validation, options);
  const auto begin = std::chrono::steady_clock::now();
  ProgressLine line(entry.title + ", seed " + std::to_string(seed), options.epochs);
  if (model->train([&](const TrainingProgress& p) { line(p); }, stop_requested) ==
      TrainingOutcome::stopped) {
    line.interrupt();
    std::printf("stopped; the same command goes on with this model\n");
    return {};
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  budget["seconds"] = std::to_string(seconds);
  model->use_best_parameters();
  ModelDescription description;
  description.name = entry.title;
  description.training = budget;
  SelfTest test;
  test.structure = data.frames[data.split.train[0]].structure;
  description.self_test = test;
  model->save(path, description);
  return {std::move(model), path, seconds};
}

inline std::string charge_text(int q) {
  return q > 0 ? "+" + std::to_string(q) : q < 0 ? "−" + std::to_string(-q) : "0";
}

/// The answers of one model of one seed: root mean square errors by name.
struct Row {
  std::map<std::string, PredictionErrors> errors;
  std::map<std::string, double> values;

  /// Nothing without samples.
  void set(const std::string& name, const ErrorSum& sum) {
    if (sum.count > 0.0) values[name] = sum.rmse();
  }
};

/// Collects rows of models and writes the page of a study.
class Study {
 public:
  void add(std::string title, std::vector<Row> seeds) {
    models_.emplace_back(std::move(title), std::move(seeds));
  }

  std::size_t size() const { return models_.size(); }

  /// Mean over the seeds, and half the range of them.
  std::optional<std::pair<double, double>> value(std::size_t model, const std::string& name) const {
    double low = 1e300, high = -1e300, sum = 0.0;
    int count = 0;
    for (const Row& row : models_[model].second) {
      const auto found = row.values.find(name);
      if (found == row.values.end()) continue;
      sum += found->second;
      low = std::min(low, found->second);
      high = std::max(high, found->second);
      ++count;
    }
    if (count == 0) return std::nullopt;
    return std::pair{sum / count, 0.5 * (high - low)};
  }

  /// Says that a quantity is no error but a value, and what the reference has for it, if anything.
  void is_value(const std::string& name, std::optional<double> reference = {}) {
    references_[name] = reference;
  }

  /// Of these quantities, models as rows.
  std::string markdown(const std::vector<std::string>& columns) const {
    return table(columns, "| ", " | ", " |\n", true);
  }
  std::string html_table(const std::vector<std::string>& columns) const {
    std::string text = "<table>\n<tr><th>model</th>";
    for (const std::string& name : columns)
      text.append("<th>").append(escape_xml(name)).append("</th>");
    text += "</tr>\n";
    for (std::size_t m = 0; m < models_.size(); ++m) {
      text.append("<tr><td>").append(escape_xml(models_[m].first)).append("</td>");
      for (const std::string& name : columns)
        text.append(best_of(name) == m ? "<td class=\"best\">" : "<td>")
            .append(cell(m, name))
            .append("</td>");
      text += "</tr>\n";
    }
    std::string reference;
    bool any = false;
    for (const std::string& name : columns) {
      const auto v = reference_of(name);
      any = any || v;
      reference.append("<td>").append(v ? number_text(*v) : "").append("</td>");
    }
    if (any) text.append("<tr><td>reference</td>").append(reference).append("</tr>\n");
    return text + "</table>\n";
  }
  /// table.md of the `figures`, table.csv of everything, verdicts.html, index.html. `figures`: the
  /// quantities that get a plot and a sentence; `more`: HTML that follows them. `claims`: what is
  /// expected, and judged by the numbers.
  void write(const std::filesystem::path& out, const std::string& title, const std::string& about,
             const std::vector<std::string>& figures, const std::string& more = "",
             const std::vector<Claim>& claims = {}) const {
    std::vector<std::string> titles;
    for (const auto& model : models_) titles.push_back(model.first);
    const std::string verdicts =
        judge(claims, titles, [&](std::size_t m, const std::string& name) -> std::optional<double> {
          const auto v = value(m, name);
          return v ? std::optional(v->first) : std::nullopt;
        });
    write_file(out / "table.md", markdown(figures));
    write_file(out / "table.csv", table(names(), "", ",", "\n", false));
    write_file(out / "verdicts.html", verdicts);
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" +
        escape_xml(title) +
        "</title>\n<style>\nbody{font:16px/1.55 Helvetica,Arial,sans-serif;color:#222;"
        "max-width:1100px;margin:2.5rem auto;padding:0 1.2rem}\n"
        "table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}\n"
        "th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid #e4e4e4}\n"
        "td{white-space:nowrap}\n.best{font-weight:bold}\nli{max-width:50rem;margin:.3rem 0}\n"
        "th:first-child,td:first-child{text-align:left}\np{max-width:50rem}\n"
        "figure{margin:1rem 0;display:inline-block}\n</style>\n</head>\n<body>\n<h1>" +
        escape_xml(title) + "</h1>\n<p>" + escape_xml(about) +
        " Numbers are root mean square errors against the reference: the mean over seeds, ± half "
        "their range." +
        escape_xml(note_on_values(figures)) + "</p>\n<h2>What was expected</h2>\n" + verdicts +
        "<h2>Models and their errors</h2>\n<p>The best of each column is bold.</p>\n" +
        html_table(figures) + "<h2>Which models fail</h2>\n" + sentences(figures);
    for (const std::string& name : figures) page += "<figure>\n" + bars(name) + "</figure>\n";
    page += more;
    page += "<h2>All quantities</h2>\n" + html_table(names()) + "</body>\n</html>\n";
    write_file(out / "index.html", page);
  }

 private:
  std::vector<std::string> names() const {
    std::map<std::string, int> all;
    for (const auto& model : models_)
      for (const Row& row : model.second)
        for (const auto& [name, value] : row.values) all[name] = 1;
    std::vector<std::string> out;
    for (const auto& [name, one] : all) out.push_back(name);
    return out;
  }
  std::string cell(std::size_t model, const std::string& name) const {
    const auto v = value(model, name);
    if (!v) return "–";
    return models_[model].second.size() > 1 ? number_text(v->first, v->second)
                                            : number_text(v->first);
  }
  std::string table(const std::vector<std::string>& columns, const std::string& begin,
                    const std::string& between, const std::string& end, bool rule) const {
    std::string text = begin;
    text += "model";
    for (const std::string& name : columns)
      text.append(between).append(rule ? name : "\"" + name + "\"");
    text += end;
    if (rule) {
      text += "| ---";
      for (std::size_t k = 0; k < columns.size(); ++k) text += " | ---:";
      text += " |\n";
    }
    for (std::size_t m = 0; m < models_.size(); ++m) {
      text += begin;
      text += models_[m].first;
      for (const std::string& name : columns) {
        text += between;
        if (rule) {
          text += cell(m, name);
        } else if (const auto v = value(m, name)) {
          text += number_text(v->first);
        }
      }
      text += end;
    }
    std::string reference;
    bool any = false;
    for (const std::string& name : columns) {
      const auto v = reference_of(name);
      any = any || v;
      reference.append(between).append(v ? number_text(*v) : "");
    }
    if (any) text.append(begin).append("reference").append(reference).append(end);
    return text;
  }
  /// One bar for each model.
  std::string bars(const std::string& name) const {
    double largest = 0.0;
    for (std::size_t m = 0; m < models_.size(); ++m)
      if (const auto v = value(m, name)) largest = std::max(largest, v->first + v->second);
    const auto reference = reference_of(name);
    if (reference) largest = std::max(largest, *reference);
    if (!(largest > 0.0)) largest = 1.0;
    const double step = 24.0;
    Svg svg(520, 50 + step * static_cast<double>(models_.size()), name);
    svg.text(10, 20, name, "font-size=\"13\" font-weight=\"bold\"");
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const double y = 34 + step * static_cast<double>(m);
      svg.text(190, y + 13, models_[m].first, "text-anchor=\"end\"");
      const auto v = value(m, name);
      if (!v) {
        svg.text(200, y + 13, "–");
        continue;
      }
      const double scale = 240.0 / largest;
      svg.rectangle(198, y, std::max(1.0, v->first * scale), 16, "fill=\"#0072b2\"");
      svg.line(198 + (v->first - v->second) * scale, y + 8, 198 + (v->first + v->second) * scale,
               y + 8, "stroke=\"#222\" stroke-width=\"1.5\"");
      svg.text(204 + std::max(0.0, v->first + v->second) * scale, y + 13, cell(m, name),
               "font-size=\"11\"");
    }
    if (reference) {
      const double x = 198 + *reference * 240.0 / largest;
      svg.line(x, 28, x, 34 + step * static_cast<double>(models_.size()),
               "stroke=\"#000\" stroke-width=\"1.5\" stroke-dasharray=\"4 3\"");
    }
    return svg.str();
  }
  std::optional<double> reference_of(const std::string& name) const {
    const auto found = references_.find(name);
    return found == references_.end() ? std::nullopt : found->second;
  }
  /// Those of these quantities that are no errors.
  std::string note_on_values(const std::vector<std::string>& figures) const {
    std::string names;
    for (const std::string& name : figures)
      if (references_.contains(name)) names.append(names.empty() ? "" : ", ").append(name);
    return names.empty() ? "" : " These are values, not errors: " + names + ".";
  }
  /// What is to be small: an error, or the distance of a value from the reference.
  std::optional<std::pair<double, double>> missed(std::size_t model,
                                                  const std::string& name) const {
    auto v = value(model, name);
    if (!v || !references_.contains(name)) return v;
    const auto reference = reference_of(name);
    if (!reference) return std::nullopt;
    v->first = std::abs(v->first - *reference);
    return v;
  }
  /// The model that misses by least; none where nobody has an error.
  std::optional<std::size_t> best_of(const std::string& name) const {
    std::optional<std::size_t> best;
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const auto v = missed(m, name);
      if (v && (!best || v->first < missed(*best, name)->first)) best = m;
    }
    return best;
  }
  /// What the numbers say, quantity by quantity: who is best, who is worse than twice that.
  std::string sentences(const std::vector<std::string>& figures) const {
    std::string list = "<ul>\n";
    for (const std::string& name : figures) {
      const auto found = best_of(name);
      if (!found) continue;
      const std::size_t best = *found;
      const auto top = *missed(best, name);
      std::string ties, fail;
      for (std::size_t m = 0; m < models_.size(); ++m) {
        const auto v = missed(m, name);
        if (!v || m == best) continue;
        if (v->first - v->second <= top.first + top.second)
          ties.append(ties.empty() ? "" : ", ").append(models_[m].first);
        else if (v->first > 2.0 * top.first)
          fail.append(fail.empty() ? "" : ", ").append(models_[m].first);
      }
      const bool is_value = references_.contains(name);
      std::string text = is_value ? "nearest to the reference with " : "least for ";
      text.append(models_[best].first).append(" (").append(cell(best, name)).append(")");
      if (!ties.empty()) text.append("; within the seeds of it: ").append(ties);
      if (!fail.empty())
        text.append(is_value ? "; more than twice as far: " : "; more than twice as much: ")
            .append(fail);
      list.append("<li><b>").append(escape_xml(name)).append("</b>: ");
      list.append(escape_xml(text)).append(".</li>\n");
    }
    return list + "</ul>\n";
  }

  std::vector<std::pair<std::string, std::vector<Row>>> models_;
  std::map<std::string, std::optional<double>> references_;  // of quantities that are values
};

}  // namespace examples
