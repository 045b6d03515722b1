// CTEST: --fast --out ../report/ctest_metal_water
// MODELS
// SPDX-License-Identifier: MIT
// A metal–water interface in electric fields: trains all potentials of examples/models/models.hpp
// on the same data with the same descriptor and budget, and asks each what a field, an ion and a
// molecule far away do to the metal and the water:
//   metal_water [--data DIR] [--out DIR] [--models KEY,KEY] [--epochs N] [--seeds N] [--threads N]
//               [--fast]
// Models that stand in DIR/models are not trained again: a run that was stopped goes on.
#include <leyden/io/extxyz.hpp>

#include <cmath>
#include <cstdio>

#include "../models/console.hpp"
#include "../models/curves.hpp"
#include "../models/study.hpp"
#include "answers.hpp"
#include "scenes.hpp"

using namespace leyden;
using namespace examples;
namespace fs = std::filesystem;

namespace {

constexpr double probe_field = 0.2;    // V/Å, where structures have no label of their own
constexpr double far_field = 0.05;     // V/Å: 1.1 V between the metal and the far molecule
constexpr double ion_cell = 30.0;      // Å, room for an ion far from the metal and its images
constexpr double far_cell = 60.0;      // Å
constexpr double far_distance = 22.0;  // Å from the metal to a molecule, as to its next image

/// Everything that models are asked about, and what the reference says.
struct Questions {
  std::vector<Frame> response;  // structures in several fields
  std::vector<FieldPair> pairs;
  std::vector<FieldResponse> expected;          // (pairs)
  std::vector<double> ion_distances;            // Å
  std::map<int, Curve> ion_charges, screening;  // of the reference, by element, at a distance
  std::vector<int> species;
};

std::string fields_text(double field) {
  char text[48];
  std::snprintf(text, sizeof text, "±%.2g V/Å", field);
  return text;
}
const char* symbol_of(int ion) { return ion == potassium ? "K" : "Cl"; }

/// The reference's frames of one ion on the metal without water or field: no structure of the
/// models' curves, but of their kind.
void gather_ions(const std::vector<Frame>& frames, Questions& q) {
  for (const Frame& f : frames) {
    const Structure& s = f.structure;
    if (s.external_field[2] != 0.0) continue;
    const auto screened = screening_on_near_side(s, *f.labels.charges);
    const std::vector<Group> groups = groups_of(s);
    if (!screened || groups.back().name == "water") continue;
    const std::size_t ion = groups.back().atoms[0];
    double distance = 1e300;
    for (const Group& g : groups)
      if (g.metal) distance = std::min(distance, std::abs(g.height - groups.back().height));
    const int element = s.atomic_numbers[ion];
    q.ion_charges[element].emplace_back(distance, (*f.labels.charges)[ion]);
    q.screening[element].emplace_back(distance, *screened);
  }
  for (auto* curves : {&q.ion_charges, &q.screening})
    for (auto& [element, curve] : *curves) std::sort(curve.begin(), curve.end());
}

double mean_of(const Curve& curve) {
  double sum = 0.0;
  for (const auto& [x, y] : curve) sum += y;
  return curve.empty() ? 0.0 : sum / static_cast<double>(curve.size());
}

void ask_errors(const Trainable& model, const Data& data, Row& row) {
  const std::vector<Prediction> test = model.predict(data.frames, data.split.test, {true, false});
  std::map<std::string, PredictionErrors> errors;
  std::map<std::string, ErrorSum> drop;
  for (std::size_t k = 0; k < test.size(); ++k) {
    const Frame& f = data.frames[data.split.test[k]];
    PredictionErrors e;
    e.add(f.structure, f.labels, test[k]);
    const bool field = f.structure.external_field[2] != 0.0;
    for (const char* part : {"", field ? ", in a field" : ", no field"}) {
      errors[part] += e;
      if (!test[k].charges.empty())
        drop[part].add(1e3 * units::inverse_vacuum_permittivity / area(f.structure) *
                       (test[k].dipole[2] - (*f.labels.dipole)[2]));
    }
  }
  for (const auto& [part, e] : errors) {
    row.set("energy (meV/atom)" + part, e.energy);
    row.set("forces (meV/Å)" + part, e.forces);
    row.set("charges (me)" + part, e.charges);
    row.set("dipole (me Å)" + part, e.dipole);
    row.set("potential drop (mV)" + part, drop[part]);
  }
}

/// Curves of what a field moves, by height, and errors against the reference.
void ask_response(const Trainable& model, Asked& ask, const Questions& q, Row& row,
                  Curves& curves) {
  const std::vector<Answer> answers = ask(q.response);
  double field_inside = 0.0, relative = 0.0, share = 0.0, count = 0.0;
  std::map<std::string, ErrorSum> sums;
  for (std::size_t k = 0; k < q.pairs.size(); ++k) {
    const FieldPair& pair = q.pairs[k];
    const FieldResponse& expected = q.expected[k];
    const Structure& s = q.response[pair.zero].structure;
    const Answer &up = answers[pair.up], &down = answers[pair.down], &zero = answers[pair.zero];
    const std::string at = ", " + fields_text(pair.field);
    // The energy is there for models without charges, too.
    sums["E(F) − E(0) (meV)" + at].add(1e3 * (up.energy - zero.energy - expected.energy_up));
    sums["E(F) − E(0) (meV)" + at].add(1e3 * (down.energy - zero.energy - expected.energy_down));
    const auto r = response(s, pair.field, up, down, &zero);
    if (!r) continue;
    sums["polarizability (%)" + at].add(100.0 * (r->per_area / expected.per_area - 1.0));
    if (r->level_up && expected.level_up) {
      sums["Fermi level in a field (meV)"].add(1e3 * (*r->level_up - *expected.level_up));
      sums["Fermi level in a field (meV)"].add(1e3 * (*r->level_down - *expected.level_down));
    }
    const std::vector<Group> groups = groups_of(s);
    for (std::size_t i = 0; i < s.size(); ++i)
      sums["charge response (me)" + at].add(1e3 * (r->charges[i] - expected.charges[i]));
    const auto metal = [](const Group& g) { return g.metal; };
    sums["charge from metal to water (me)" + at].add(
        1e3 * (charge_of(groups, r->charges, metal) - charge_of(groups, expected.charges, metal)));
    relative += r->per_area / expected.per_area;
    share += share_on_metal(groups, r->charges);
    count += 1.0;

    std::vector<double> layers;
    for (const Group& g : groups)
      if (g.metal) layers.push_back(g.height);
    const std::vector<double> widths = widths_of(model, q.species, s);
    // Between the layers in the middle, the farthest from the charge of the surfaces.
    const std::size_t mid = layers.size() / 2;
    const std::vector<double> v =
        potential_in_field(s, widths, *r, pair.field, {layers[mid - 1], layers[mid]});
    field_inside += -(v[1] - v[0]) / (layers[mid] - layers[mid - 1]) / pair.field;

    std::string where = ", ";
    where.append(q.response[pair.zero].config_type).append(at);
    Curve charges, dipoles, potential;
    for (const Group& g : groups) {
      double charge = 0.0, dipole = 0.0;
      const std::size_t size = r->multipoles.size() / s.size();
      for (std::size_t i : g.atoms) {
        charge += r->charges[i];
        if (size >= 4) dipole += r->multipoles[i * size + 2];
      }
      charges.emplace_back(g.height, 1e3 * charge);
      if (size >= 4) dipoles.emplace_back(g.height, 1e3 * dipole);
    }
    std::sort(charges.begin(), charges.end());
    std::sort(dipoles.begin(), dipoles.end());
    std::vector<double> heights;
    for (int i = 0; i <= 110; ++i) heights.push_back(height_of_cell(s) * i / 110.0);
    const std::vector<double> along = potential_in_field(s, widths, *r, pair.field, heights);
    for (std::size_t i = 0; i < heights.size(); ++i)
      potential.emplace_back(heights[i], along[i] - 0.5 * (v[0] + v[1]));
    curves.add("Charge that a field moves" + where, "z (Å)",
               "charge of layers, molecules, ions (me)", model.title(), charges);
    curves.add("Atomic dipoles that a field makes" + where, "z (Å)",
               "dipole of layers, molecules, ions (me Å)", model.title(), dipoles);
    curves.add("Potential in a field, above that of the metal's middle" + where, "z (Å)",
               "potential (V)", model.title(), potential);
  }
  for (const auto& [name, sum] : sums)
    if (std::isfinite(sum.squares)) row.set(name, sum);
  if (count > 0.0) {
    row.values["polarizability / reference"] = relative / count;
    row.values["response on the metal (%)"] = share / count;
    row.values["field in the metal / applied"] = field_inside / count;
  }
}

/// Metal and water of the same structures alone, in the probe field.
void ask_parts(Asked& ask, const Questions& q, Row& row) {
  std::vector<Structure> scenes;
  for (const FieldPair& pair : q.pairs) {
    const Structure& s = q.response[pair.zero].structure;
    if (pair.field != q.pairs[0].field) continue;
    for (const Structure& part : {metal_of(s), water_of(s), together(metal_of(s), water_of(s))})
      for (double f : {probe_field, -probe_field}) scenes.push_back(in_field(part, f));
  }
  const std::vector<Answer> a = ask(scenes);
  double metal = 0.0, water = 0.0, both = 0.0, ratio = 0.0, count = 0.0;
  for (std::size_t k = 0; k + 5 < a.size(); k += 6) {
    double t[3];
    bool all = true;
    for (std::size_t part = 0; part < 3; ++part) {
      const std::size_t at = k + 2 * part;
      const auto r = response(scenes[at], probe_field, a[at], a[at + 1]);
      all = all && r.has_value();
      if (r) t[part] = thickness(r->per_area, height_of_cell(scenes[at]));
    }
    if (!all) continue;
    metal += t[0];
    water += t[1];
    both += t[2];
    if (std::abs(t[2]) > 0.1) ratio += (t[0] + t[1]) / t[2];
    count += 1.0;
  }
  if (count == 0.0) return;
  row.values["metal alone (Å)"] = metal / count;
  row.values["water alone (Å)"] = water / count;
  row.values["together (Å)"] = both / count;
  if (ratio != 0.0) row.values["(metal + water) / together"] = ratio / count;
}

/// An ion that leaves the metal.
void ask_ions(const Trainable& model, Asked& ask, const Questions& q, Row& row, Curves& curves) {
  const Structure metal = in_longer_cell(metal_of(q.response[q.pairs[0].zero].structure), ion_cell);
  for (const int ion : {potassium, chlorine}) {
    std::vector<Structure> scenes;
    for (double d : q.ion_distances) scenes.push_back(with_ion(metal, ion, d));
    const std::vector<Answer> a = ask(scenes);
    const std::vector<double> bare = ask(std::vector<Structure>{metal})[0].charges;
    const std::string name = symbol_of(ion);
    Curve charge, screened, energy;
    for (std::size_t k = 0; k < a.size(); ++k) {
      const double d = q.ion_distances[k];
      if (std::isfinite(a[k].energy)) energy.emplace_back(d, a[k].energy - a.back().energy);
      if (a[k].charges.empty()) continue;
      charge.emplace_back(d, a[k].charges.back());
      if (const auto near = screening_on_near_side(scenes[k], a[k].charges, bare))
        screened.emplace_back(d, *near);
    }
    curves.add("Charge of " + name + " above the metal", "distance from the highest layer (Å)",
               "charge (e)", model.title(), charge);
    curves.add("Countercharge of " + name + ": near half less far half, over −q",
               "distance from the highest layer (Å)", "share", model.title(), screened);
    if (std::isfinite(a.back().energy))
      curves.add("Energy of " + name + " above the metal, less that of the last",
                 "distance from the highest layer (Å)", "energy (eV)", model.title(), energy);
    if (charge.empty()) continue;
    row.values["charge of " + name + ", near (e)"] = charge.front().second;
    row.values["charge of " + name + ", far (e)"] = charge.back().second;
    if (!screened.empty())
      row.values["screening of " + name + " on the near side"] = screened.front().second;
  }
}

/// A water molecule far from the metal. Over a wire, a field would give it the charge that keeps
/// the gap between both free of field; the whole voltage is then between the molecule and the image
/// of the metal above it.
void ask_far(Asked& ask, const Questions& q, Row& row) {
  ErrorSum alone;
  double relative = 0.0, count = 0.0;
  for (std::size_t k = 0; k < q.pairs.size(); ++k) {
    if (q.pairs[k].field != q.pairs[0].field) continue;
    const Structure& s = q.response[q.pairs[k].zero].structure;
    const Structure metal = metal_of(s);
    const double height = surface_height(metal) + far_distance;
    const Structure apart = in_longer_cell(together(metal, molecule_at(s, height)), far_cell);
    const std::vector<Answer> a =
        ask(std::vector<Structure>{apart, in_field(apart, far_field), in_field(apart, -far_field)});
    const std::vector<Group> groups = groups_of(apart);
    const auto charge = [&](const Answer& x) {
      return charge_of(groups, x.charges, [](const Group& g) { return !g.metal; });
    };
    if (!a[0].charges.empty()) alone.add(1e3 * charge(a[0]));
    if (a[1].charges.empty() || a[2].charges.empty()) continue;
    const double gap = groups.front().height + far_cell - height;
    const double over_a_wire =
        far_field * far_cell / gap * area(apart) / units::inverse_vacuum_permittivity;
    relative += 0.5 * (charge(a[1]) - charge(a[2])) / over_a_wire;
    count += 1.0;
  }
  row.set("far water (me)", alone);
  if (count > 0.0) row.values["far water in a field / over a wire"] = relative / count;
}

Row ask_all(const Trainable& model, const Data& data, const Questions& q, Curves& curves) {
  Row row;
  Asked ask(model);
  ask_errors(model, data, row);
  ask_response(model, ask, q, row, curves);
  ask_parts(ask, q, row);
  ask_ions(model, ask, q, row, curves);
  ask_far(ask, q, row);
  if (ask.failures() > 0) row.values["questions without a density"] = ask.failures();
  return row;
}

/// Adds the reference to the figures, and to the table where it has values.
void add_reference(const Questions& q, Study& study, Curves& curves) {
  double share = 0.0;
  for (std::size_t k = 0; k < q.pairs.size(); ++k) {
    const Frame& f = q.response[q.pairs[k].zero];
    std::string where = ", ";
    where.append(f.config_type).append(", ").append(fields_text(q.pairs[k].field));
    Curve charges;
    const std::vector<Group> groups = groups_of(f.structure);
    for (const Group& g : groups) {
      double charge = 0.0;
      for (std::size_t i : g.atoms) charge += q.expected[k].charges[i];
      charges.emplace_back(g.height, 1e3 * charge);
    }
    std::sort(charges.begin(), charges.end());
    curves.add("Charge that a field moves" + where, "z (Å)",
               "charge of layers, molecules, ions (me)", "reference", charges,
               Curves::Style::reference_line);
    share += share_on_metal(groups, q.expected[k].charges) / static_cast<double>(q.pairs.size());
  }
  for (const auto& [ion, curve] : q.ion_charges) {
    const std::string name = symbol_of(ion);
    curves.add("Charge of " + name + " above the metal", "distance from the highest layer (Å)",
               "charge (e)", "reference, other structures", curve, Curves::Style::reference_points);
    curves.add("Countercharge of " + name + ": near half less far half, over −q",
               "distance from the highest layer (Å)", "share", "reference, other structures",
               q.screening.at(ion), Curves::Style::reference_points);
    study.is_value("screening of " + name + " on the near side", mean_of(q.screening.at(ion)));
  }
  study.is_value("polarizability / reference", 1.0);
  study.is_value("far water in a field / over a wire", 0.0);
  study.is_value("response on the metal (%)", share);
  for (const char* name :
       {"field in the metal / applied", "metal alone (Å)", "water alone (Å)", "together (Å)",
        "(metal + water) / together", "charge of K, near (e)", "charge of K, far (e)",
        "charge of Cl, near (e)", "charge of Cl, far (e)", "questions without a density"})
    study.is_value(name);
}

/// What is expected of these families.
std::vector<Claim> expectations() {
  const std::string response = "polarizability / reference",
                    inside = "field in the metal / applied", far = "far water (me)",
                    far_in_field = "far water in a field / over a wire";
  return {
      {"Local models cannot know the field: their dipoles do not answer it",
       titles({"fixed_charges", "local_multipoles", "split_charges"}),
       {{response, true, 0.1}}},
      {"Local models cannot know the total charge of a piece: a molecule far away is charged",
       titles({"fixed_charges", "local_multipoles"}),
       {{far, false, 5.0}}},
      {"Charge equilibration makes everything a metal: it keeps the field out of the metal, and "
       "moves charge to a molecule far away when there is a field",
       titles({"charge_equilibration"}),
       {{inside, true, 0.2}, {far_in_field, false, 0.5}}},
      {"Bond hardness makes everything an insulator: no charge goes to a molecule far away, and "
       "much of the field is left in the metal",
       titles({"bond_hardness"}),
       {{far_in_field, true, 0.1}, {inside, false, 0.2}}},
      {"Only the expressive self-consistent models get both sides right: they answer the field as "
       "the reference does, keep it out of the metal, and leave a molecule far away neutral",
       titles({"energy_functional", "fixed_point", "polar_recursion", "response_functional"}),
       {{response, false, 0.8},
        {response, true, 1.2},
        {inside, true, 0.2},
        {far, true, 20.0},
        {far_in_field, true, 0.1}},
       true},
  };
}

/// Bonds of the default length end just beyond the neighbours in the metal: here they reach as far
/// as the descriptor.
ModelSetup setup_of(const ModelEntry& entry, const std::vector<int>& species) {
  ModelSetup setup;
  setup.statistics.species = species;
  setup.statistics.atomic_energies.resize(species.size());
  setup.statistics.mean_charges.resize(species.size());
  const Json made = entry.make(setup)->specification();
  if (made["charge_model"]["options"].contains("bonds"))
    setup.charge_model = {{"bonds", {{"cutoff", made["descriptor"]["options"]["cutoff"]}}}};
  return setup;
}

int run(const StudyArguments& arguments) {
  const fs::path out = arguments.out;
  ExtxyzOptions reading;
  reading.require = {"energy", "forces", "charges", "dipole"};
  reading.field_jump_at = 0.0;
  Data data;
  data.frames = read_frames(arguments.data, {"metal_water.xyz", "metal_water_more.xyz"}, reading);
  for (Frame& f : data.frames) put_field_jump(f.structure);
  const std::size_t n = data.frames.size();
  data.split = split_dataset(n, {.train = n - 65, .validation = 20, .test = 45}, 1);
  if (arguments.fast) {
    data.split.train.resize(16);
    data.split.validation.resize(4);
    data.split.test.resize(8);
  }
  Questions q;
  q.response =
      read_extxyz((fs::path(arguments.data) / "metal_water_response.xyz").string(), reading);
  for (Frame& f : q.response) put_field_jump(f.structure);
  q.pairs = field_pairs(q.response);
  for (const FieldPair& p : q.pairs) {
    const Answer zero = answer_of(q.response[p.zero].labels);
    q.expected.push_back(*response(q.response[p.zero].structure, p.field,
                                   answer_of(q.response[p.up].labels),
                                   answer_of(q.response[p.down].labels), &zero));
  }
  for (double d = 2.5; d < 9.1; d += arguments.fast ? 3.0 : 0.5) q.ion_distances.push_back(d);
  q.species = data_statistics(data.frames, data.split.train, 4.5).species;
  gather_ions(data.frames, q);

  const TrainerOptions options = training_options(
      arguments, {.energy = 40.0, .forces = 1.0, .charges = 40.0, .dipole = 100.0});

  Study study;
  Curves curves;
  for (const ModelEntry& entry : models_of(arguments)) {
    std::vector<Row> seeds;
    for (int seed = 1; seed <= arguments.seeds; ++seed) {
      const TrainedModel trained =
          trained_model(entry, data, options, static_cast<std::uint64_t>(seed), arguments.threads,
                        out, setup_of(entry, q.species));
      if (!trained.model) return interrupted;
      seeds.push_back(ask_all(*trained.model, data, q, curves));
      seeds.back().values["training (s)"] = trained.seconds;
    }
    study.add(entry.title, seeds);
  }
  add_reference(q, study, curves);
  study.is_value("training (s)");

  double in_field = 0.0, strongest = 0.0;
  for (std::size_t k : data.split.train) {
    const double f = std::abs(data.frames[k].structure.external_field[2]);
    in_field += f > 0.0;
    strongest = std::max(strongest, f);
  }
  char text[1600];
  std::snprintf(
      text, sizeof text,
      "%zu structures of an aluminium slab with water, potassium and chlorine train each model "
      "(%.0f "
      "of them in a field, of at most %.2f V/Å), %zu validate, %zu test; %d epochs, %d seed%s. "
      "Responses are of %zu pairs of opposite fields on structures that no model was trained on. A "
      "polarizability is that per area, from the dipoles; alone and together, metal and water have "
      "the thickness of a perfect conductor with the same response. The field in the metal is that "
      "between its middle layers, 0 in a metal, 1 where nothing moves. A far molecule is %.0f Å "
      "above the metal; its field is %.2f V/Å. Screening is 1 where all of the countercharge of an "
      "ion is on the near half of the metal. A potential drop is that of the dipole, over the "
      "cell.",
      data.split.train.size(), in_field, strongest, data.split.validation.size(),
      data.split.test.size(), arguments.epochs, arguments.seeds, arguments.seeds == 1 ? "" : "s",
      q.pairs.size(), far_distance, far_field);
  std::string last;
  for (const FieldPair& p : q.pairs) last = ", " + fields_text(p.field);
  const std::vector<std::string> shown{"energy (meV/atom)",
                                       "forces (meV/Å)",
                                       "charges (me)",
                                       "dipole (me Å)",
                                       "polarizability / reference",
                                       "E(F) − E(0) (meV)" + last,
                                       "charge response (me)" + last,
                                       "field in the metal / applied",
                                       "far water (me)",
                                       "far water in a field / over a wire",
                                       "screening of K on the near side",
                                       "screening of Cl on the near side"};
  study.write(out, "A metal–water interface in electric fields", text, shown, curves.html(),
              expectations());
  write_file(out / "curves.csv", curves.csv());
  std::printf("\n%s\nreport: %s\n", study.markdown(shown).c_str(), (out / "index.html").c_str());
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse_study(argc, argv, "metal_water", 20);
  if (!arguments) return wrong_use;
  stop_on_signals();
  try {
    return run(*arguments);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "metal_water: %s\n", e.what());
    return failed;
  }
}
