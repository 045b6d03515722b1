// CTEST: train/example.json --out ../report/ctest_train training.epochs=2 data.limit=12 committee=2
// MODELS
// SPDX-License-Identifier: MIT
// Trains one of the potentials of examples/models, or a committee of them:
//   train CONFIG.json [--out DIR] [--resume] [--dry-run] [key.of.the.config=value ...]
// What stands in DIR afterwards: docs/training.md.
#include <leyden/io/checkpoint.hpp>
#include <leyden/io/extxyz.hpp>
#include <leyden/io/json_text.hpp>
#include <leyden/train/committee.hpp>
#include <leyden/train/data_check.hpp>

#include "../models/console.hpp"
#include "../models/plots.hpp"
#include "config.hpp"

using namespace leyden;
using namespace examples;
namespace fs = std::filesystem;

namespace {

struct Arguments {
  std::string config, out;
  std::vector<std::string> changes;
  bool resume = false, dry_run = false;
};

int usage() {
  std::string names;
  for (const ModelEntry& m : all_models()) names += "  " + m.key + "  (" + m.title + ")\n";
  std::fprintf(stderr,
               "usage: train CONFIG.json [--out DIR] [--resume] [--dry-run] [key=value ...]\n"
               "examples/train/example.json is a configuration; models:\n%s",
               names.c_str());
  return wrong_use;
}

/// The frames of all files in one list, and which serve for what.
struct Data {
  std::vector<Frame> frames;
  DataSplit split;
  std::string report;  // of keys
};

Data read_data(const DataConfig& config) {
  Data data;
  ExtxyzReport keys;
  data.frames = read_extxyz(config.train, config.reading, &keys);
  data.report = keys.text();
  const std::size_t n = data.frames.size();
  const auto part = [&](double fraction, const std::string& file) {
    return file.empty() ? static_cast<std::size_t>(std::lround(fraction * static_cast<double>(n)))
                        : std::size_t{0};
  };
  SplitCounts counts{0, part(config.validation, config.validation_file),
                     part(config.test, config.test_file)};
  if (counts.validation == 0 && config.validation_file.empty() && n > 1) counts.validation = 1;
  if (counts.validation + counts.test >= n)
    throw InputError(config.train + " has " + std::to_string(n) + " structures, too few for " +
                     std::to_string(counts.validation) + " to validate and " +
                     std::to_string(counts.test) + " to test");
  counts.train = n - counts.validation - counts.test;
  data.split = split_dataset(n, counts, config.split_seed);
  // The held-back parts are the same for every limit.
  if (config.limit > 0 && static_cast<std::size_t>(config.limit) < data.split.train.size())
    data.split.train.resize(static_cast<std::size_t>(config.limit));
  const auto append = [&](const std::string& file, std::vector<std::size_t>& indices) {
    if (file.empty()) return;
    for (Frame& f : read_extxyz(file, config.reading)) {
      indices.push_back(data.frames.size());
      data.frames.push_back(std::move(f));
    }
  };
  append(config.validation_file, data.split.validation);
  append(config.test_file, data.split.test);
  return data;
}

Json log_line(std::uint64_t seed, const EpochRecord& r) {
  Json rmse = Json::object();
  for (std::size_t k = 0; k < PredictionErrors::keys.size(); ++k) {
    const ErrorSum& e = r.errors.*PredictionErrors::members[k];
    if (e.count > 0.0) rmse[PredictionErrors::keys[k]] = e.rmse();
  }
  return {{"seed", seed},
          {"epoch", r.epoch},
          {"loss", write_options(r.train)},
          {"validation_loss", write_options(r.validation)},
          {"validation_rmse", rmse},
          {"learning_rate_factor", r.learning_rate_factor}};
}

std::string host_name() {
  char name[256] = "unknown";
  gethostname(name, sizeof name - 1);
  return name;
}

/// Tables of the errors of one part of the data in three formats.
void write_tables(const fs::path& out, const std::string& part, const NamedErrors& rows) {
  write_file(out / ("errors_" + part + ".txt"), errors_to_text(rows));
  write_file(out / ("errors_" + part + ".csv"), errors_to_csv(rows, "config_type"));
  write_file(out / ("errors_" + part + ".md"), errors_to_markdown(rows, "config_type"));
}

int run(const Arguments& arguments) {
  TrainConfig config = read_config(arguments.config, arguments.changes);
  if (!arguments.out.empty()) config.out = arguments.out;
  const ModelEntry& entry = model_named(config.model);

  const Data data = read_data(config.data);
  ModelSetup setup;
  setup.descriptor = config.descriptor;
  setup.charge_model = config.charge_model;
  setup.solver = config.solver;
  setup.scf = config.scf;
  setup.threads = config.threads;
  std::optional<ModelFile> start;
  if (!config.start_from.empty()) {
    start = read_model(config.start_from);
    setup.descriptor = start->specification["descriptor"]["options"];
  }
  const DataReport report = check_data(data.frames, data.split.train, cutoff_of(setup.descriptor));
  setup.statistics = report.statistics;
  std::printf("%s\n%s\n%zu structures train, %zu validate, %zu test\n", data.report.c_str(),
              report.text().c_str(), data.split.train.size(), data.split.validation.size(),
              data.split.test.size());

  if (start)
    start = start_from(entry, *std::move(start), data.frames, data.split.train, config.threads);
  std::vector<std::unique_ptr<Trainable>> members;
  for (int k = 0; k < config.committee; ++k) {
    setup.seed = config.seed + static_cast<std::uint64_t>(k);
    members.push_back(start ? entry.load(*start, config.threads) : entry.make(setup));
  }
  std::printf("%s: %zu parameters\n", entry.title.c_str(), members[0]->layout().size());
  Json resolved = write_options(config);
  resolved.update(members[0]->specification());
  if (arguments.dry_run) {
    std::printf("%s\nnothing was trained or written: --dry-run\n", resolved.dump(1).c_str());
    return done;
  }

  const fs::path out = config.out;
  fs::create_directories(out / "checkpoints");
  fs::create_directories(out / "models");
  leyden::detail::replace_file((out / "resolved.json").string(),
                               [&](auto& file) { file << resolved.dump(1) << "\n"; });
  leyden::detail::replace_file((out / "run.json").string(), [&](auto& file) {
    file << Json{{"leyden_version",
                  {LEYDEN_VERSION_MAJOR, LEYDEN_VERSION_MINOR, LEYDEN_VERSION_PATCH}},
                 {"host", host_name()},
                 {"threads", config.threads},
                 {"seed", config.seed},
                 {"compiler", __VERSION__}}
                .dump(1)
         << "\n";
  });
  write_file(out / "data.txt", data.report + "\n" + report.text());

  std::ofstream log(out / "log.jsonl", std::ios::trunc);
  for (std::size_t m = 0; m < members.size(); ++m) {
    Trainable& model = *members[m];
    const std::uint64_t seed = config.seed + m;
    const std::string name = "seed" + std::to_string(seed);
    const std::string saved = (out / "checkpoints" / (name + ".json")).string();
    TrainerOptions options = config.training;
    options.seed = seed;
    model.start(data.frames, data.split.train, data.split.validation, options);
    if (arguments.resume && fs::exists(saved)) {
      const Checkpoint c = read_checkpoint(saved);
      require_same_layout(c, model.layout());
      if (!c.training) throw InputError(saved + " has no state of training; start anew");
      model.restore(*c.training);
    }
    for (const EpochRecord& r : model.records()) log << log_line(seed, r) << "\n";
    const auto save = [&] {
      Checkpoint c;
      c.model = model.key();
      c.seed = seed;
      c.layout = model.layout().entries();
      c.parameters = model.parameters();
      c.training = model.state();
      write_checkpoint(saved, c);
    };
    ProgressLine line(config.committee > 1 ? entry.key + " " + name : entry.key,
                      config.training.epochs);
    auto last_save = std::chrono::steady_clock::now();
    const TrainingOutcome outcome = model.train(
        [&](const TrainingProgress& p) {
          line(p);
          if (!p.finished) return;
          log << log_line(seed, *p.finished) << "\n" << std::flush;
          // Power cuts cost a minute of work at most, and short epochs do not write all the time.
          if (std::chrono::steady_clock::now() - last_save < std::chrono::minutes(1)) return;
          save();
          last_save = std::chrono::steady_clock::now();
        },
        stop_requested);
    save();
    if (outcome == TrainingOutcome::stopped) {
      line.interrupt();
      std::printf(
          "stopped; what was done is saved in %s\ngo on with the same command and --resume\n",
          (out / "checkpoints").c_str());
      return interrupted;
    }
    model.use_best_parameters();
    ModelDescription description;
    description.name = entry.title;
    description.training = {{"data", fs::path(config.data.train).filename().string()},
                            {"structures", std::to_string(data.split.train.size())},
                            {"epochs", std::to_string(model.records().size())}};
    SelfTest test;
    test.structure = data.frames[data.split.train[0]].structure;
    description.self_test = test;
    model.save((out / "models" / (name + ".safetensors")).string(), description);
  }

  const Trainable& first = *members[0];
  write_file(out / "learning_curves.svg", plot_learning(first.records()));
  write_file(out / "loss_balance.svg", plot_balance(first.records()));
  write_file(out / "validation_errors.svg", plot_errors(first.records()));
  const std::pair<const char*, const std::vector<std::size_t>*> parts[]{
      {"train", &data.split.train},
      {"validation", &data.split.validation},
      {"test", &data.split.test}};
  for (const auto& [name, indices] : parts) {
    if (indices->empty()) continue;
    std::vector<std::vector<Prediction>> predictions;
    for (const auto& member : members)
      predictions.push_back(member->predict(data.frames, *indices, {true, true}));
    const Committee committee = combine(predictions);
    const NamedErrors rows = errors_by_config_type(data.frames, *indices, committee.mean);
    write_tables(out, name, rows);
    std::printf("\n%s%s\n%s", name, config.committee > 1 ? ", mean of the committee" : "",
                errors_to_text({rows.front()}).c_str());
    if (config.committee > 1)
      std::printf("spread of the committee: %.1f meV/atom, %.1f meV/Å\n",
                  1e3 * committee.energy_spread_per_atom(), 1e3 * committee.force_spread());
    if (std::string(name) == "train") continue;
    for (const auto& [file, svg] :
         plot_parities(data.frames, *indices, committee.mean, setup.statistics))
      write_file(out / (std::string(name) + "_" + file + ".svg"), svg);
    if (const std::string svg = plot_scf(predictions[0]); !svg.empty()) {
      write_file(out / (std::string(name) + "_scf_iterations.svg"), svg);
      write_file(out / (std::string(name) + "_scf_convergence.svg"),
                 plot_convergence(predictions[0]));
    }
  }
  std::printf("\nmodels, tables and plots: %s\n", out.c_str());
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--resume")
      a.resume = true;
    else if (key == "--dry-run")
      a.dry_run = true;
    else if (key == "--out" && i + 1 < argc)
      a.out = argv[++i];
    else if (key.empty() || key[0] == '-')
      return usage();
    else if (key.find('=') != std::string::npos)
      a.changes.push_back(key);
    else if (a.config.empty())
      a.config = key;
    else
      return usage();
  }
  if (a.config.empty() && a.changes.empty()) return usage();
  stop_on_signals();
  try {
    return run(a);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train: %s\n", e.what());
    return failed;
  }
}
