// CTEST: --fast --out ../report/ctest_silica
// MODELS: all
// SPDX-License-Identifier: MIT
// Charged oxygen vacancies in SiO2: trains all potentials of examples/models/models.hpp on the same
// data with the same descriptor and budget, and asks each what a charge does to a vacancy:
//   silica_vacancy [--data DIR] [--out DIR] [--epochs N] [--seeds N] [--threads N] [--fast]
// Models that stand in DIR/models are not trained again: a run that was stopped goes on.
#include <leyden/atoms/geometry.hpp>
#include <leyden/io/extxyz.hpp>

#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>

#include "../models/console.hpp"
#include "../models/study.hpp"

using namespace leyden;
using namespace examples;
namespace fs = std::filesystem;

namespace {

/// The geometries of the evaluation set with the charges that were computed for each.
struct States {
  std::map<int, std::size_t> frame;  // by charge
  std::vector<std::size_t> silicon;  // the two that miss an oxygen; empty without a vacancy
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

std::vector<States> group_states(const std::vector<Frame>& states) {
  std::vector<States> out;
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
  return out;
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

/// Two cells side by side with twice the charge.
Structure doubled(const Structure& s) {
  Structure out = s;
  const Vector3<double> shift = s.cell.vectors.row(0);
  for (std::size_t i = 0; i < s.size(); ++i) {
    out.positions.push_back(s.positions[i] + shift);
    out.atomic_numbers.push_back(s.atomic_numbers[i]);
  }
  for (int a = 0; a < 3; ++a) out.cell.vectors(0, a) *= 2.0;
  out.total_charge *= 2.0;
  return out;
}

Row ask(const Trainable& model, const Data& data, const std::vector<Frame>& states,
        const std::vector<States>& geometries) {
  Row row;
  const std::vector<Prediction> test = model.predict(data.frames, data.split.test, {true, false});
  for (std::size_t k = 0; k < test.size(); ++k) {
    const Frame& f = data.frames[data.split.test[k]];
    PredictionErrors e;
    e.add(f.structure, f.labels, test[k]);
    row.errors[""] += e;
    row.errors[charge_text(static_cast<int>(std::lround(f.structure.total_charge)))] += e;
  }
  for (const auto& [part, errors] : row.errors) {
    const std::string of = part.empty() ? "" : ", " + part;
    row.set("energy (meV/atom)" + of, errors.energy);
    row.set("forces (meV/Å)" + of, errors.forces);
    row.set("charges (me)" + of, errors.charges);
  }

  const std::vector<Prediction> p = model.predict(states, {false, false});
  ErrorSum first, second, share, level;
  for (const States& g : geometries) {
    const auto difference = [&](int from, int to, ErrorSum& sum, double scale) {
      if (!g.frame.contains(from) || !g.frame.contains(to)) return;
      const std::size_t a = g.frame.at(from), b = g.frame.at(to);
      sum.add(scale * ((p[b].energy - p[a].energy) -
                       (*states[b].labels.energy - *states[a].labels.energy)));
    };
    difference(0, 1, first, 1.0);
    difference(1, 2, second, 1.0);
    // E(+2) + 2 ε = E(0): where the Fermi level ε makes both as likely.
    difference(0, 2, level, 0.5);
    const auto found = share_on_silicon(
        g, [&](std::size_t k) -> const std::vector<double>& { return p[k].charges; });
    const auto expected = share_on_silicon(
        g, [&](std::size_t k) -> const std::vector<double>& { return *states[k].labels.charges; });
    if (found && expected) {
      share.add(100.0 * (*found - *expected));
    }
  }
  row.set("E(+1) − E(0) (eV)", first);
  row.set("E(+2) − E(+1) (eV)", second);
  row.set("level of 0/+2 (eV)", level);
  row.set("share on silicon (%)", share);

  // An energy per atom does not know how many cells it is counted in.
  ErrorSum size;
  std::vector<Frame> pairs;
  for (std::size_t k = 0; k < std::min<std::size_t>(states.size(), 6); ++k) {
    pairs.push_back(states[k]);
    pairs.push_back(states[k]);
    pairs.back().structure = doubled(states[k].structure);
  }
  const std::vector<Prediction> q = model.predict(pairs, {false, false});
  for (std::size_t k = 0; k + 1 < q.size(); k += 2)
    size.add(1e3 * (q[k + 1].energy - 2.0 * q[k].energy) /
             static_cast<double>(pairs[k + 1].structure.size()));
  row.set("larger cell (meV/atom)", size);
  return row;
}

int run(const StudyArguments& arguments) {
  const fs::path out = arguments.out;
  fs::create_directories(out / "models");
  ExtxyzOptions reading;
  reading.require = {"energy", "forces", "charges"};
  Data data;
  data.frames = read_extxyz((fs::path(arguments.data) / "silica_vacancy.xyz").string(), reading);
  const std::vector<Frame> states =
      read_extxyz((fs::path(arguments.data) / "silica_vacancy_states.xyz").string(), reading);
  const std::size_t n = data.frames.size();
  data.split = split_dataset(n, {.train = n - 80, .validation = 30, .test = 50}, 1);
  if (arguments.fast) data.split.train.resize(24);
  const std::vector<States> geometries = group_states(states);

  TrainerOptions options;
  options.epochs = arguments.epochs;
  options.batch_size = 2;
  options.weights = {.energy = 40.0, .forces = 1.0, .charges = 40.0};
  options.optimizer = {.learning_rate = 0.01, .weight_decay = 1e-4, .amsgrad = true};
  options.schedule = {.kind = ScheduleOptions::Kind::cosine, .warmup_steps = 100};

  Study study;
  for (const ModelEntry& entry : all_models()) {
    std::vector<Row> seeds;
    for (int seed = 1; seed <= arguments.seeds; ++seed) {
      const auto model = trained_model(entry, data, options, static_cast<std::uint64_t>(seed),
                                       arguments.threads, out);
      if (!model) return interrupted;
      seeds.push_back(ask(*model, data, states, geometries));
    }
    study.add(entry.title, seeds);
  }

  double share = 0.0, count = 0.0;
  for (const States& g : geometries) {
    if (const auto s = share_on_silicon(g, [&](std::size_t k) -> const std::vector<double>& {
          return *states[k].labels.charges;
        })) {
      share += 100.0 * *s;
      count += 1.0;
    }
  }
  char text[640];
  std::snprintf(
      text, sizeof text,
      "%zu structures of quartz with total charges 0, +1 and +2 train each model, %zu validate, "
      "%zu "
      "test; %d epochs, %d seed%s. Differences of charge states are of %zu geometries that no "
      "model "
      "was trained on. When a cell loses two electrons, the two silicon atoms of its vacancy take "
      "%.0f %% of that in the reference (mean of %.0f geometries).",
      data.split.train.size(), data.split.validation.size(), data.split.test.size(),
      arguments.epochs, arguments.seeds, arguments.seeds == 1 ? "" : "s", geometries.size(),
      count > 0.0 ? share / count : 0.0, count);
  study.write(out, "Charged oxygen vacancies in SiO2", text,
              {"energy (meV/atom)", "forces (meV/Å)", "charges (me)", "E(+1) − E(0) (eV)",
               "E(+2) − E(+1) (eV)", "level of 0/+2 (eV)", "share on silicon (%)",
               "larger cell (meV/atom)"});
  std::printf("\n%s\nreport: %s\n", study.markdown().c_str(), (out / "index.html").c_str());
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse_study(argc, argv, "silica_vacancy");
  if (!arguments) return wrong_use;
  stop_on_signals();
  try {
    return run(*arguments);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "silica_vacancy: %s\n", e.what());
    return failed;
  }
}
