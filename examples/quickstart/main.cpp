// CTEST: data/silica_vacancy.xyz --out ../report/ctest --epochs 1
// MODELS
// SPDX-License-Identifier: MIT
// Trains four points of the design space on the same data with the same budget, and compares them:
// quickstart DATA --out DIR [--epochs N] [--seed N] [--threads N] [--resume]
#include <leyden/io/checkpoint.hpp>
#include <leyden/io/extxyz.hpp>

#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <sstream>

#include "../models/console.hpp"
#include "../models/trainable.hpp"
#include "report.hpp"

using namespace leyden;
using namespace examples;
using quickstart::Report;

namespace {

constexpr double cutoff = 4.5;  // Å

struct Arguments {
  std::string data, out = "report", resume_command;
  int epochs = 80;
  int threads = 2;
  std::uint64_t seed = 1;
  bool resume = false;
};

Arguments parse(int argc, char** argv) {
  const auto usage = [] {
    std::fprintf(stderr,
                 "usage: quickstart DATA [--out DIR] [--epochs N] [--seed N] [--threads N] "
                 "[--resume] [--resume-command TEXT]\n");
    std::exit(2);
  };
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    const auto text = [&]() -> std::string {
      if (i + 1 >= argc) usage();
      return argv[++i];
    };
    const auto number = [&](long least) {
      const std::string value = text();
      char* end = nullptr;
      const long n = std::strtol(value.c_str(), &end, 10);
      if (value.empty() || *end != 0 || n < least || n > 1000000) {
        std::fprintf(stderr, "quickstart: %s wants a number from %ld on, not '%s'\n", key.c_str(),
                     least, value.c_str());
        std::exit(2);
      }
      return n;
    };
    if (key == "--out")
      a.out = text();
    else if (key == "--epochs")
      a.epochs = static_cast<int>(number(1));
    else if (key == "--threads")
      a.threads = static_cast<int>(number(1));
    else if (key == "--seed")
      a.seed = static_cast<std::uint64_t>(number(0));
    else if (key == "--resume")
      a.resume = true;
    else if (key == "--resume-command")
      a.resume_command = text();
    else if (a.data.empty() && key[0] != '-')
      a.data = key;
    else
      usage();
  }
  if (a.data.empty()) usage();
  return a;
}

/// One line of log.jsonl: no times, so that the file is the same for a seed.
std::string log_line(const Trainable& point, const EpochRecord& r) {
  std::ostringstream text;
  text << std::setprecision(9) << "{\"model\": \"" << point.key() << "\", \"epoch\": " << r.epoch
       << ", \"loss\": {\"energy\": " << r.train.energy << ", \"forces\": " << r.train.forces
       << ", \"charges\": " << r.train.charges
       << "}, \"validation_loss\": {\"energy\": " << r.validation.energy
       << ", \"forces\": " << r.validation.forces << ", \"charges\": " << r.validation.charges
       << "}, \"validation_rmse\": {\"energy_meV_per_atom\": " << r.errors.energy.rmse()
       << ", \"forces_meV_per_A\": " << r.errors.forces.rmse() << ", \"charges_me\": ";
  if (r.errors.charges.count > 0.0)
    text << r.errors.charges.rmse();
  else
    text << "null";
  text << "}, \"learning_rate_factor\": " << r.learning_rate_factor << "}\n";
  return text.str();
}

Checkpoint make_file(const Trainable& point, const ModelSetup& setup) {
  Checkpoint c;
  c.model = point.key();
  c.seed = setup.seed;
  const DataStatistics& s = setup.statistics;
  c.constants = {{"species", {s.species.begin(), s.species.end()}},
                 {"cutoff", {cutoff}},
                 {"average_neighbors", {s.average_neighbors}},
                 {"atomic_energies", s.atomic_energies},
                 {"scale", {s.scale}},
                 {"shift", {s.shift}},
                 {"mean_charges", s.mean_charges}};
  c.layout = point.layout().entries();
  c.parameters = point.parameters();
  return c;
}

int run(const Arguments& arguments) {
  namespace fs = std::filesystem;
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds_since = [](std::chrono::steady_clock::time_point t) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
  };
  const fs::path out = arguments.out;
  fs::create_directories(out / "models");
  fs::create_directories(out / "checkpoints");

  // [data]
  ExtxyzOptions reading;
  reading.require = {"energy", "forces", "charges"};
  ExtxyzReport keys;
  const std::vector<Frame> frames = read_extxyz(arguments.data, reading, &keys);
  const DataSplit split =
      split_dataset(frames.size(), {.train = 220, .validation = 30, .test = 50}, arguments.seed);
  ModelSetup setup;
  setup.seed = arguments.seed;
  setup.threads = arguments.threads;
  setup.statistics = data_statistics(frames, split.train, cutoff);
  // [data]

  // [options]
  TrainerOptions options;
  options.epochs = arguments.epochs;
  options.batch_size = 4;
  options.seed = arguments.seed;
  options.weights = {.energy = 40.0, .forces = 1.0, .charges = 40.0};
  options.optimizer = {
      .kind = OptimizerOptions::Kind::soap, .learning_rate = 0.03, .weight_decay = 1e-4};
  options.schedule = {.kind = ScheduleOptions::Kind::cosine, .warmup_steps = 100};
  // [options]

  std::printf("%s\n", keys.text().c_str());
  std::printf("%zu structures: %zu for training, %zu for validation, %zu for the test\n",
              frames.size(), split.train.size(), split.validation.size(), split.test.size());
  std::vector<std::unique_ptr<Trainable>> points;
  points.push_back(make_short_range(setup));
  points.push_back(make_fixed_charges(setup));
  points.push_back(make_local_multipoles(setup));
  points.push_back(make_charge_equilibration(setup));

  Report report(frames, split.test, setup.statistics);
  std::vector<std::pair<std::string, double>> timing;
  std::ofstream log(out / "log.jsonl", std::ios::trunc);
  for (auto& point : points) {
    const auto start = std::chrono::steady_clock::now();
    const std::string saved = (out / "checkpoints" / (point->key() + ".json")).string();
    point->start(frames, split.train, split.validation, options);
    if (arguments.resume && fs::exists(saved)) {
      const Checkpoint c = read_checkpoint(saved);
      require_same_layout(c, point->layout());
      if (!c.training) throw InputError(saved + " has no training state; start without --resume");
      point->restore(*c.training);
    }
    for (const EpochRecord& r : point->records()) log << log_line(*point, r);
    const auto save = [&] {
      Checkpoint c = make_file(*point, setup);
      c.training = point->state();
      write_checkpoint(saved, c);
    };

    const bool complete = static_cast<int>(point->records().size()) == options.epochs;
    ProgressLine line(point->title(), options.epochs);
    const TrainingOutcome outcome = point->train(
        [&](const TrainingProgress& p) {
          line(p);
          if (p.finished) log << log_line(*point, *p.finished) << std::flush;
        },
        stop_requested);
    if (!complete) save();
    if (outcome == TrainingOutcome::stopped) {
      line.interrupt();
      std::printf("stopped; what was done is saved in %s\ngo on with: %s\n",
                  (out / "checkpoints").c_str(), arguments.resume_command.c_str());
      return interrupted;
    }
    point->use_best_parameters();
    write_checkpoint((out / "models" / (point->key() + ".json")).string(),
                     make_file(*point, setup));
    timing.emplace_back(point->title(), seconds_since(start));
    report.add(point->title(), point->layout().size(),
               point->predict(frames, split.test, {.forces = true, .stress = false}),
               point->records());
  }
  report.write(out);
  timing.emplace_back("Everything but compiling", seconds_since(begin));

  std::ofstream times(out / "timing.md");
  times
      << "# Times\n\nWall time on " << arguments.threads << " threads, training and test; "
      << options.epochs << " epochs of " << split.train.size()
      << " structures per model. A resumed run counts from its resumption.\n\n| step | seconds |\n"
      << "| --- | ---: |\n";
  for (const auto& [name, seconds] : timing)
    times << "| " << name << " | " << std::fixed << std::setprecision(1) << seconds << " |\n";

  std::printf("\n%s\nreport: %s\n", report.markdown().c_str(), (out / "index.html").c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments given = parse(argc, argv);
  Arguments arguments = given;
  if (arguments.resume_command.empty()) {
    for (int i = 0; i < argc; ++i) arguments.resume_command += std::string(argv[i]) + " ";
    if (!arguments.resume) arguments.resume_command += "--resume";
  }
  stop_on_signals();
  try {
    return run(arguments);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quickstart: %s\n", e.what());
    return 1;
  }
}
