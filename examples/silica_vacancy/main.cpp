// CTEST: --fast --out ../report/ctest_silica
// MODELS
// SPDX-License-Identifier: MIT
// Charged oxygen vacancies in SiO2: trains all potentials of examples/models/models.hpp on the same
// data with the same descriptor and budget, and asks each what a charge does to a vacancy:
//   silica_vacancy [--data DIR] [--out DIR] [--models KEY,KEY] [--epochs N] [--seeds N]
//                  [--threads N] [--fast]
// Models that stand in DIR/models are not trained again: a run that was stopped goes on.
#include <leyden/atoms/geometry.hpp>
#include <leyden/io/extxyz.hpp>
#include <leyden/train/committee.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../models/console.hpp"
#include "../models/curves.hpp"
#include "../models/study.hpp"

using namespace leyden;
using namespace examples;
namespace fs = std::filesystem;

// The best model is trained once more, with more channels, a longer cutoff (Å) and so many times
// the epochs of the comparison, and with PBE.
constexpr int longer_epochs = 15, pbe_epochs = 8, more_channels = 32;
constexpr double longer_cutoff = 6.0;
constexpr std::uint64_t committee_seeds = 10;
// From this index on PBE labels structures of charge +2 alone; they train and never test.
constexpr int more_charged = 408;

namespace {

/// One geometry of an evaluation set with the charges that were computed for it.
struct States {
  std::map<int, std::size_t> frame;  // by charge
  std::vector<std::size_t> silicon;  // the two that miss an oxygen; empty without a vacancy
};

/// Frames that no model is trained on.
struct EvaluationSet {
  std::vector<Frame> frames;
  std::vector<States> geometries;
};

/// Silicon atoms with three oxygen atoms within 2.1 Å.
std::vector<std::size_t> bare_silicon(const Structure& s) {
  NeighborList list;
  list.build(s, 2.1);
  Geometry<double> g;
  make_geometry(s, list, g);
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s.atomic_numbers[i] != 14) continue;
    int oxygen = 0;
    for (int e = g.first[i]; e < g.first[i + 1]; ++e)
      oxygen +=
          s.atomic_numbers[static_cast<std::size_t>(g.sender[static_cast<std::size_t>(e)])] == 8;
    if (oxygen == 3) out.push_back(i);
  }
  return out;
}

EvaluationSet read_states(const fs::path& file, const ExtxyzOptions& reading) {
  EvaluationSet set;
  set.frames = read_extxyz(file.string(), reading);
  const std::vector<Frame>& states = set.frames;
  std::vector<States>& out = set.geometries;
  const Structure* last = nullptr;
  for (std::size_t k = 0; k < states.size(); ++k) {
    const Structure& s = states[k].structure;
    if (last == nullptr || last->positions != s.positions) {
      out.emplace_back();
      out.back().silicon = bare_silicon(s);
      if (out.back().silicon.size() != 2) out.back().silicon.clear();
    }
    last = &s;
    out.back().frame[static_cast<int>(std::lround(s.total_charge))] = k;
  }
  return set;
}

/// The share of the charge that two silicon atoms take when the cell loses two electrons.
template <class ChargesOf>
std::optional<double> share_on_silicon(const States& g, const ChargesOf& charges_of) {
  if (g.silicon.empty() || !g.frame.contains(0) || !g.frame.contains(2)) return std::nullopt;
  const std::vector<double>& before = charges_of(g.frame.at(0));
  const std::vector<double>& after = charges_of(g.frame.at(2));
  if (before.empty()) return std::nullopt;
  double sum = 0.0;
  for (std::size_t i : g.silicon) sum += after[i] - before[i];
  return 0.5 * sum;
}

/// The charge of least energy E_q + q ε at Fermi level ε, mean over the geometries that have all
/// three charges.
template <class EnergyOf>
Curve charge_against_level(const EvaluationSet& set, double from, double to,
                           const EnergyOf& energy_of) {
  Curve curve;
  constexpr int points = 120;
  for (int k = 0; k <= points; ++k) {
    const double level = from + (to - from) * k / points;
    double sum = 0.0, count = 0.0;
    for (const States& g : set.geometries) {
      if (g.frame.size() < 3) continue;
      int best = 0;
      double least = 1e300;
      for (const auto& [q, frame] : g.frame) {
        const double energy = energy_of(frame) + q * level;
        if (energy < least) {
          least = energy;
          best = q;
        }
      }
      sum += best;
      count += 1.0;
    }
    curve.emplace_back(level, count > 0.0 ? sum / count : 0.0);
  }
  return curve;
}

/// Errors by charge of `frames` at `indices`; names end with `where`.
void ask_errors(Row& row, const std::vector<Frame>& frames, const std::vector<std::size_t>& indices,
                const std::vector<Prediction>& predictions, const std::string& where) {
  std::map<std::string, PredictionErrors> errors;
  for (std::size_t k = 0; k < predictions.size(); ++k) {
    const Frame& f = frames[indices[k]];
    PredictionErrors e;
    e.add(f.structure, f.labels, predictions[k]);
    errors[""] += e;
    errors[", " + charge_text(static_cast<int>(std::lround(f.structure.total_charge)))] += e;
  }
  for (const auto& [charge, e] : errors) {
    row.set("energy (meV/atom)" + charge + where, e.energy);
    row.set("forces (meV/Å)" + charge + where, e.forces);
    row.set("charges (me)" + charge + where, e.charges);
  }
}

/// Energies between charge states at one geometry, and where the charge goes.
void ask_states(Row& row, const EvaluationSet& set, const std::vector<Prediction>& p,
                const std::string& where) {
  ErrorSum first, second, share, level;
  for (const States& g : set.geometries) {
    const auto difference = [&](int from, int to, ErrorSum& sum, double scale) {
      if (!g.frame.contains(from) || !g.frame.contains(to)) return;
      const std::size_t a = g.frame.at(from), b = g.frame.at(to);
      sum.add(scale * ((p[b].energy - p[a].energy) -
                       (*set.frames[b].labels.energy - *set.frames[a].labels.energy)));
    };
    difference(0, 1, first, 1.0);
    difference(1, 2, second, 1.0);
    // E(+2) + 2 ε = E(0): where the Fermi level ε makes both as likely.
    difference(0, 2, level, 0.5);
    const auto found = share_on_silicon(
        g, [&](std::size_t k) -> const std::vector<double>& { return p[k].charges; });
    const auto expected = share_on_silicon(g, [&](std::size_t k) -> const std::vector<double>& {
      return *set.frames[k].labels.charges;
    });
    if (found && expected) share.add(100.0 * (*found - *expected));
  }
  row.set("E(+1) − E(0) (eV)" + where, first);
  row.set("E(+2) − E(+1) (eV)" + where, second);
  row.set("level of 0/+2 (eV)" + where, level);
  row.set("share on silicon (%)" + where, share);
}

struct Question {
  Data data;
  Data pbe;    // of another level of theory
  Data first;  // as data, without what is held back
  EvaluationSet states, larger, pbe_states;
  double from = 0.0, to = 0.0;  // Fermi levels, eV
};

struct Answer {
  Row row;
  Curve charge;                  // against the Fermi level
  double validation_loss = 0.0;  // chooses the best model
};

Answer ask(const Trainable& model, const Question& question, const LossWeights& weights) {
  const Data& data = question.data;
  Answer a;
  ask_errors(a.row, data.frames, data.split.test,
             model.predict(data.frames, data.split.test, {true, false}), "");
  std::vector<Prediction> p = model.predict(question.states.frames, {false, false});
  ask_states(a.row, question.states, p, "");
  a.charge = charge_against_level(question.states, question.from, question.to,
                                  [&](std::size_t k) { return p[k].energy; });
  p = model.predict(question.larger.frames, {true, false});
  std::vector<std::size_t> all(p.size());
  for (std::size_t k = 0; k < all.size(); ++k) all[k] = k;
  ask_errors(a.row, question.larger.frames, all, p, ", larger cell");
  ask_states(a.row, question.larger, p, ", larger cell");
  p = model.predict(data.frames, data.split.validation, {true, false});
  for (std::size_t k = 0; k < p.size(); ++k) {
    const Frame& f = data.frames[data.split.validation[k]];
    a.validation_loss += structure_loss(f.structure, f.labels, p[k], weights).total() /
                         static_cast<double>(p.size());
  }
  return a;
}

/// Mean and standard deviation of a number over the geometries that have it.
struct Spread {
  double mean = 0.0, deviation = 0.0;
  int count = 0;

  template <class NumberOf>
  Spread(const EvaluationSet& set, const NumberOf& number_of) {
    double sum = 0.0, squares = 0.0;
    for (const States& g : set.geometries)
      if (const std::optional<double> x = number_of(g)) {
        sum += *x;
        squares += *x * *x;
        ++count;
      }
    if (count == 0) return;
    mean = sum / count;
    deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
  }
};

/// Percent of two electrons, in the reference.
Spread reference_share(const EvaluationSet& set) {
  return {set, [&](const States& g) {
            auto share = share_on_silicon(g, [&](std::size_t k) -> const std::vector<double>& {
              return *set.frames[k].labels.charges;
            });
            if (share) *share *= 100.0;
            return share;
          }};
}
/// The level of 0/+2, in the reference.
Spread reference_level(const EvaluationSet& set) {
  return {set, [&](const States& g) -> std::optional<double> {
            if (!g.frame.contains(0) || !g.frame.contains(2)) return std::nullopt;
            const auto energy = [&](int q) { return *set.frames[g.frame.at(q)].labels.energy; };
            return 0.5 * (energy(0) - energy(2));
          }};
}

/// The number of a structure, the same at both levels of theory.
int index_of(const Frame& frame) {
  const auto found = frame.info.find("index");
  if (found == frame.info.end())
    throw InputError("silica_vacancy: a frame of config_type '" + frame.config_type +
                     "' has no index");
  return std::atoi(found->second.c_str());
}

/// Structures that no training begins with which PBE goes on from: by their index, so that they
/// stay the same when the file grows.
bool held_back(const Frame& frame) { return index_of(frame) % 5 == 0; }
/// Those among them that PBE is tested and validated on.
bool held_back_of_pbe(const Frame& frame) {
  return held_back(frame) && index_of(frame) < more_charged;
}

/// Reads the six files; the test parts and the evaluation sets are never trained on.
Question read_question(const StudyArguments& arguments) {
  const fs::path folder = arguments.data;
  ExtxyzOptions reading;
  reading.require = {"energy", "forces", "charges"};
  Question q;
  q.data.frames = read_frames(folder, {"silica_vacancy.xyz", "silica_vacancy_more.xyz"}, reading);
  q.states = read_states(folder / "silica_vacancy_states.xyz", reading);
  q.larger = read_states(folder / "silica_vacancy_larger.xyz", reading);
  q.pbe_states = read_states(folder / "silica_vacancy_pbe_states.xyz", reading);
  const std::size_t n = q.data.frames.size();
  q.data.split = split_dataset(n, {.train = n - 80, .validation = 30, .test = 50}, 1);
  q.pbe.frames = read_frames(folder, {"silica_vacancy_pbe.xyz"}, reading);
  for (std::size_t k = 0; k < q.pbe.frames.size(); ++k) {
    DataSplit& split = q.pbe.split;
    const bool validates = index_of(q.pbe.frames[k]) % 15 == 0;
    (!held_back_of_pbe(q.pbe.frames[k]) ? split.train
     : validates                        ? split.validation
                                        : split.test)
        .push_back(k);
  }
  if (arguments.fast)
    for (Data* data : {&q.data, &q.pbe}) data->split.train.resize(24);
  q.first = q.data;
  std::erase_if(q.first.split.train, [&](std::size_t k) { return held_back(q.data.frames[k]); });

  const Spread level = reference_level(q.states);
  q.from = level.mean - 3.0 * level.deviation - 1.0;
  q.to = level.mean + 3.0 * level.deviation + 1.0;
  return q;
}

/// A model that misses by less than the spread among geometries knows more than the mean.
std::vector<Claim> expectations(double level, double share) {
  const ClaimTest no_level{"level of 0/+2 (eV)", false, level};
  const ClaimTest right_level{"level of 0/+2 (eV)", true, level};
  const ClaimTest no_share{"share on silicon (%)", false, share};
  const ClaimTest right_share{"share on silicon (%)", true, share};
  return {
      {"Local models cannot know the total charge: the energy between charge states is wrong by "
       "more than it differs between geometries",
       titles({"short_range", "fixed_charges", "local_multipoles", "split_charges",
               "own_charge_model"}),
       {no_level}},
      {"Charge equilibration makes a metal of it: the charge does not stay on the silicon atoms "
       "of the vacancy",
       titles({"charge_equilibration"}),
       {no_share}},
      {"Bond hardness does not put the charge where it belongs either",
       titles({"bond_hardness"}),
       {no_share}},
      {"Only expressive self-consistent models get the energy of the charge and its place right",
       titles({"energy_functional", "fixed_point", "polar_recursion", "response_functional"}),
       {right_level, right_share},
       true},
  };
}

/// The best model once more, larger and for longer; on PBE, on parts of its structures with equal
/// steps, from several seeds on all of them, and from the first model; the next best one from as
/// many seeds; and committees of the seeds of one and of both. The structures that PBE holds back
/// are in no part of this. Each row is asked at its own level of theory.
struct BestModel {
  std::string table, markdown;
  Curves figures;
  bool interrupted = false;
};
/// @param ranked  the best model and, unless there is none, the next
BestModel best_model(const std::vector<const ModelEntry*>& ranked, const Question& question,
                     const TrainerOptions& options, const StudyArguments& arguments) {
  BestModel out;
  ModelSetup setup;
  setup.descriptor = {{"channels", more_channels}, {"cutoff", longer_cutoff}};
  const ModelEntry& best = *ranked.front();
  const auto train = [&](const ModelEntry& entry, const Data& data, int epochs,
                         const fs::path& where, std::uint64_t seed, const std::string& start) {
    TrainerOptions o = options;
    o.epochs = epochs;
    TrainedModel trained = trained_model(entry, data, o, seed, arguments.threads,
                                         fs::path(arguments.out) / where, setup, start);
    out.interrupted = !trained.model;
    return trained;
  };
  using Members = std::vector<const TrainedModel*>;
  const auto ask = [](const Members& members, const Data& data, const EvaluationSet& states,
                      double seconds_before) {
    const auto predict = [&](const auto&... of) {
      std::vector<std::vector<Prediction>> all;
      for (const TrainedModel* m : members) all.push_back(m->model->predict(of...));
      return combine(all).mean;
    };
    Row row;
    ask_errors(row, data.frames, data.split.test,
               predict(data.frames, data.split.test, Properties{true, false}), "");
    ask_states(row, states, predict(states.frames, Properties{false, false}), "");
    double& seconds = row.values["training (s)"];
    seconds = seconds_before;
    for (const TrainedModel* m : members) seconds += m->seconds;
    return row;
  };
  const auto title = [](const char* level, const Data& data, int epochs) {
    return std::string(level) + ", " + std::to_string(data.split.train.size()) + " structures, " +
           std::to_string(epochs) + " epochs";
  };

  const std::vector<std::string> names{"energy (meV/atom)", "forces (meV/Å)", "charges (me)"};
  std::vector<Curve> curves(names.size());
  Study rows;
  const int long_run = options.epochs * (arguments.fast ? 1 : longer_epochs);
  const TrainedModel first = train(best, question.first, long_run, "first", 1, "");
  if (out.interrupted) return out;
  rows.add(title("GFN1-xTB", question.first, long_run),
           {ask({&first}, question.first, question.states, 0.0)});

  const Data& pbe = question.pbe;
  const int epochs = options.epochs * (arguments.fast ? 1 : pbe_epochs);
  const std::uint64_t last_seed = arguments.fast ? 2 : committee_seeds;
  std::vector<TrainedModel> of_seeds;  // trained on all structures, the best model's first
  of_seeds.reserve(ranked.size() * last_seed);
  const auto add_committee = [&](const std::string& name) {
    Members members;
    for (const TrainedModel& member : of_seeds) members.push_back(&member);
    rows.add("Committee of " + std::to_string(members.size()) + " seeds" + name + ", " +
                 title("PBE", pbe, epochs),
             {ask(members, pbe, question.pbe_states, 0.0)});
  };
  // Of one part in so many of the structures: one seed; of all of them, all seeds, which are kept.
  const auto rows_of_seeds = [&](const ModelEntry& entry, const Data& some, std::size_t part) {
    std::vector<Row> seeds;
    for (std::uint64_t seed = 1; seed <= (part == 1 ? last_seed : 1); ++seed) {
      TrainedModel trained = train(entry, some, epochs * static_cast<int>(part),
                                   fs::path("pbe") / std::to_string(100 / part), seed, "");
      if (out.interrupted) break;
      seeds.push_back(ask({&trained}, pbe, question.pbe_states, 0.0));
      if (part == 1) of_seeds.push_back(std::move(trained));
    }
    return seeds;
  };
  for (std::size_t part : {4, 2, 1}) {
    Data some = pbe;
    std::vector<std::size_t>& kept = some.split.train;
    kept.clear();
    for (std::size_t k = 0; k < pbe.split.train.size(); k += part)
      kept.push_back(pbe.split.train[k]);
    std::vector<Row> seeds = rows_of_seeds(best, some, part);
    if (out.interrupted) return out;
    rows.add(title("PBE", some, epochs * static_cast<int>(part)), std::move(seeds));
    for (std::size_t k = 0; k < names.size(); ++k)
      if (const auto mean = rows.value(rows.size() - 1, names[k]))
        curves[k].emplace_back(static_cast<double>(kept.size()), mean->first);
  }

  const TrainedModel continued = train(best, pbe, epochs, "pbe/continued", 1, first.path);
  if (out.interrupted) return out;
  rows.add(title("PBE", pbe, epochs) + " from the first row's model",
           {ask({&continued}, pbe, question.pbe_states, first.seconds)});
  add_committee("");
  for (const ModelEntry* next : std::span(ranked).subspan(1)) {
    std::vector<Row> seeds = rows_of_seeds(*next, pbe, 1);
    if (out.interrupted) return out;
    rows.add(next->title + ", " + title("PBE", pbe, epochs), std::move(seeds));
    add_committee(" of both models");
  }

  std::vector<std::string> columns = names;
  for (const char* more : {"E(+1) − E(0) (eV)", "E(+2) − E(+1) (eV)", "level of 0/+2 (eV)",
                           "share on silicon (%)", "training (s)"})
    columns.push_back(more);
  rows.is_value(columns.back());
  out.table = rows.html_table(columns);
  out.markdown = rows.markdown(columns);
  for (std::size_t k = 0; k < names.size(); ++k) {
    std::string figure = best.title;
    figure += ": error of the test part, PBE";
    out.figures.add(figure, "structures trained on", "root mean square error", names[k], curves[k]);
  }
  return out;
}

int run(const StudyArguments& arguments) {
  const fs::path out = arguments.out;
  const Question question = read_question(arguments);
  const Data& data = question.data;

  const TrainerOptions options =
      training_options(arguments, {.energy = 40.0, .forces = 1.0, .charges = 40.0});

  Study study;
  Curves levels;
  const auto add_level = [&](const std::string& name, Curve curve, Curves::Style style) {
    levels.add("Charge of the cell", "Fermi level (eV)", "charge (e)", name, std::move(curve),
               style);
  };
  add_level(
      "reference",
      charge_against_level(question.states, question.from, question.to,
                           [&](std::size_t k) { return *question.states.frames[k].labels.energy; }),
      Curves::Style::reference_line);
  std::vector<std::pair<double, const ModelEntry*>> ranked;  // by loss
  const std::vector<ModelEntry> models = models_of(arguments);
  for (const ModelEntry& entry : models) {
    std::vector<Row> seeds;
    std::vector<double> losses;
    for (int seed = 1; seed <= arguments.seeds; ++seed) {
      const TrainedModel trained = trained_model(
          entry, data, options, static_cast<std::uint64_t>(seed), arguments.threads, out);
      if (!trained.model) return interrupted;
      Answer a = ask(*trained.model, question, options.weights);
      a.row.values["training (s)"] = trained.seconds;
      seeds.push_back(std::move(a.row));
      add_level(entry.title, std::move(a.charge), Curves::Style::line);
      losses.push_back(a.validation_loss);
    }
    // The median, as squares of one seed that stayed behind would decide a mean. A loss without
    // charges is that of fewer terms.
    std::ranges::sort(losses);
    if (seeds.front().values.contains("charges (me)"))
      ranked.emplace_back(losses[(losses.size() - 1) / 2], &entry);
    study.add(entry.title, seeds);
  }
  study.is_value("training (s)");
  if (ranked.empty()) throw InputError("silica_vacancy: none of these models has charges");
  std::ranges::sort(ranked);
  std::vector<const ModelEntry*> two_best;
  for (const auto& [loss, entry] : ranked)
    if (two_best.size() < 2) two_best.push_back(entry);
  const ModelEntry* best = two_best.front();
  const BestModel again = best_model(two_best, question, options, arguments);
  if (again.interrupted) return interrupted;

  const Spread share = reference_share(question.states), level = reference_level(question.states);
  const Spread pbe_share = reference_share(question.pbe_states),
               pbe_level = reference_level(question.pbe_states);
  char text[900];
  std::snprintf(
      text, sizeof text,
      "%zu structures of quartz with total charges 0, +1 and +2 train each model, %zu validate, "
      "%zu test; %d epochs, %d seed%s. Differences of charge states are of %zu geometries that no "
      "model was trained on, and of %zu with one vacancy in a cell of twice the size. When a cell "
      "loses two electrons, the two silicon atoms of its vacancy take %.0f %% of that in the "
      "reference (mean of %d geometries; standard deviation %.1f %%). The level of 0/+2 is at %.2f "
      "± %.2f eV.",
      data.split.train.size(), data.split.validation.size(), data.split.test.size(),
      arguments.epochs, arguments.seeds, arguments.seeds == 1 ? "" : "s",
      question.states.geometries.size(), question.larger.geometries.size(), share.mean, share.count,
      share.deviation, level.mean, level.deviation);
  std::string figures =
      "<h2>Charge against the Fermi level</h2>\n<p>At each level the charge "
      "state of least energy; mean of the geometries and seeds.</p>\n";
  figures += levels.html();
  figures += "<h2>The best model</h2>\n<p>";
  figures += escape_xml(best->title);
  figures +=
      " has the least loss on the validation part (of the median seed). Here it is trained for "
      "longer with a larger descriptor (";
  figures += std::to_string(more_channels) + " channels, cutoff " + number_text(longer_cutoff);
  figures +=
      " Å), and on structures labelled with PBE: parts of them with the same number of steps, all "
      "of them from several seeds, and all of them from the first row's model. The model of the "
      "next "
      "loss is trained from as many seeds. A committee answers with the mean of its models. Each "
      "row is measured on the test part of its level; PBE's ";
  char pbe_text[400];
  std::snprintf(
      pbe_text, sizeof pbe_text,
      "%zu test structures are in no part of either level's training, and neither are the "
      "%zu geometries that PBE labels at three charges (level of 0/+2 at %.2f ± %.2f eV, "
      "%.0f ± %.0f %% of the charge on silicon).",
      question.pbe.split.test.size(), question.pbe_states.geometries.size(), pbe_level.mean,
      pbe_level.deviation, pbe_share.mean, pbe_share.deviation);
  figures += pbe_text;
  figures += " Times include that of a model that another starts from.</p>\n";
  figures += again.table + again.figures.html();
  const std::vector<std::string> shown{"energy (meV/atom)",
                                       "forces (meV/Å)",
                                       "charges (me)",
                                       "E(+1) − E(0) (eV)",
                                       "E(+2) − E(+1) (eV)",
                                       "level of 0/+2 (eV)",
                                       "share on silicon (%)",
                                       "energy (meV/atom), larger cell",
                                       "level of 0/+2 (eV), larger cell"};
  study.write(out, "Charged oxygen vacancies in SiO2", text, shown, figures,
              expectations(level.deviation, share.deviation));
  write_file(out / "best.md", again.markdown);
  std::printf("\n%s\nreport: %s\n", study.markdown(shown).c_str(), (out / "index.html").c_str());
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse_study(argc, argv, "silica_vacancy", 8);
  if (!arguments) return wrong_use;
  stop_on_signals();
  try {
    return run(*arguments);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "silica_vacancy: %s\n", e.what());
    return failed;
  }
}
