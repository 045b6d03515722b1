// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/train/errors.hpp>
#include <leyden/train/loss.hpp>

#include "support/catch.hpp"

namespace loss_test {

using namespace leyden;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

struct Case {
  Structure structure;
  Labels labels;
  Prediction prediction;
};

Case random_case() {
  Case c;
  RandomStream random(5);
  const auto vector = [&] {
    return Vector3<double>{{random.normal(), random.normal(), random.normal()}};
  };
  constexpr std::size_t n = 4;
  c.structure.positions.resize(n);
  c.structure.atomic_numbers.assign(n, 1);
  c.structure.cell.periodic = {true, true, true};
  c.labels.energy = random.normal();
  c.labels.forces.emplace();
  c.labels.charges.emplace();
  c.labels.stress.emplace();
  c.labels.atomic_dipoles.emplace();
  c.labels.fermi_level = random.normal();
  c.prediction.fermi_level = random.normal();
  c.structure.total_charge = 0.3;
  for (std::size_t i = 0; i < n; ++i) {
    c.labels.forces->push_back(vector());
    c.prediction.forces.push_back(vector());
    c.labels.charges->push_back(random.normal());
    c.prediction.charges.push_back(random.normal());
    c.labels.atomic_dipoles->push_back(vector());
    c.prediction.multipoles.push_back(c.prediction.charges.back());
    for (int m = 0; m < 3; ++m) c.prediction.multipoles.push_back(random.normal());
  }
  for (std::size_t k = 0; k < 9; ++k) {
    c.labels.stress->data[k] = random.normal();
    c.prediction.stress.data[k] = random.normal();
  }
  c.labels.potentials.emplace();
  c.labels.born_charges.emplace(n);
  c.prediction.born_charges.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    c.labels.potentials->push_back(random.normal());
    for (int m = 0; m < 4; ++m) c.prediction.potentials.push_back(random.normal());
    for (double& x : (*c.labels.born_charges)[i].data) x = random.normal();
    for (double& x : c.prediction.born_charges[i].data) x = random.normal();
  }
  for (double& x : c.labels.polarizability.emplace().data) x = random.normal();
  for (double& x : c.prediction.polarizability.data) x = random.normal();
  c.prediction.field_axes = {true, false, true};
  c.prediction.spectral_radius = 1.7;
  c.prediction.bare_softness = {0.3, -0.4, 0.1, -0.2};
  c.labels.dipole = vector();
  c.labels.dipole_mask = {true, false, true};
  c.prediction.dipole = vector();
  c.prediction.energy = random.normal();
  return c;
}

constexpr LossWeights weights{.energy = 1.5,
                              .forces = 2.0,
                              .stress = 0.7,
                              .charges = 3.0,
                              .dipole = 0.9,
                              .atomic_dipoles = 1.1,
                              .total_charge = 0.6,
                              .fermi_level = 0.8,
                              .potentials = 1.2,
                              .polarizability = 0.4,
                              .born_charges = 1.3,
                              .stability = 0.5,
                              .softness = 2.0};

}  // namespace

TEST_CASE("the loss by its formula") {
  Case c = random_case();
  c.labels.energy = c.prediction.energy + 2.0;
  const LossTerms l = structure_loss(c.structure, c.labels, c.prediction, weights);
  CHECK_THAT(l.energy, WithinRel(1.5 * 4.0 / 16.0, 1e-14));
  double forces = 0.0, charges = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto d = c.prediction.forces[i] - (*c.labels.forces)[i];
    forces += dot(d, d);
    const double q = c.prediction.charges[i] - (*c.labels.charges)[i];
    charges += q * q;
  }
  CHECK_THAT(l.forces, WithinRel(2.0 * forces / 12.0, 1e-14));
  CHECK_THAT(l.charges, WithinRel(3.0 * charges / 4.0, 1e-14));
  double dipoles = 0.0, total = -0.3;
  for (std::size_t i = 0; i < 4; ++i) {
    total += c.prediction.charges[i];
    for (int a = 0; a < 3; ++a) {  // x, y, z stand at 3, 1, 2
      const double d = c.prediction.multipoles[4 * i + static_cast<std::size_t>(a == 0 ? 3 : a)] -
                       (*c.labels.atomic_dipoles)[i][a];
      dipoles += d * d;
    }
  }
  CHECK_THAT(l.atomic_dipoles, WithinRel(1.1 * dipoles / 12.0, 1e-14));
  CHECK_THAT(l.total_charge, WithinRel(0.6 * total * total / 16.0, 1e-12));
  const double level = *c.prediction.fermi_level - *c.labels.fermi_level;
  CHECK_THAT(l.fermi_level, WithinRel(0.8 * level * level, 1e-14));
  double potentials = 0.0, alpha = 0.0, born = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double v = c.prediction.potentials[4 * i] - (*c.labels.potentials)[i];
    potentials += v * v;
  }
  for (int a : {0, 2})  // along y no field can be
    for (int b = 0; b < 3; ++b) {
      const double d = c.prediction.polarizability(a, b) - (*c.labels.polarizability)(a, b);
      if (b != 1) alpha += d * d;
      for (std::size_t i = 0; i < 4; ++i) {
        const double z = c.prediction.born_charges[i](a, b) - (*c.labels.born_charges)[i](a, b);
        born += z * z;
      }
    }
  CHECK_THAT(l.potentials, WithinRel(1.2 * potentials / 4.0, 1e-14));
  CHECK_THAT(l.polarizability, WithinRel(0.4 * alpha / (9.0 * 16.0), 1e-13));
  CHECK_THAT(l.born_charges, WithinRel(1.3 * born / 36.0, 1e-13));
  CHECK_THAT(l.stability, WithinRel(0.5 * 0.8 * 0.8, 1e-14));
  CHECK_THAT(l.softness, WithinRel(2.0 * 0.2 / 4.0, 1e-14));
  CHECK(structure_loss(c.structure, c.labels, c.prediction, weights, 1.0, nullptr, {}, 1.8)
            .stability == 0.0);
  CHECK_THAT(l.total(),
             WithinRel(l.energy + l.forces + l.stress + l.charges + l.dipole + l.atomic_dipoles +
                           l.total_charge + l.fermi_level + l.potentials + l.polarizability +
                           l.born_charges + l.stability + l.softness,
                       1e-14));
}

TEST_CASE("cotangents of the loss are its derivatives") {
  Case c = random_case();
  constexpr double factor = 0.25, h = 1e-5;
  // With thresholds that some differences are beyond.
  const LossTerms huber = GENERATE(
      LossTerms{}, LossTerms{.energy = 0.01, .forces = 0.8, .charges = 0.5, .fermi_level = 0.1});
  LossCotangents bar;
  structure_loss(c.structure, c.labels, c.prediction, weights, factor, &bar, huber);
  const auto check = [&](double& x, double expected) {
    const double kept = x;
    x = kept + h;
    const auto loss = [&] {
      return structure_loss(c.structure, c.labels, c.prediction, weights, 1.0, nullptr, huber)
          .total();
    };
    const double up = loss();
    x = kept - h;
    const double down = loss();
    x = kept;
    // The loss is quadratic: central differences are exact but for rounding, 1e-16·L/h.
    CHECK_THAT(expected, WithinAbs(factor * (up - down) / (2 * h), 1e-9));
  };
  check(c.prediction.energy, bar.energy);
  for (std::size_t i = 0; i < 4; ++i) {
    for (int a = 0; a < 3; ++a) check(c.prediction.forces[i][a], bar.forces[i][a]);
    check(c.prediction.charges[i], bar.charges[i]);
  }
  for (std::size_t k = 0; k < 9; ++k) check(c.prediction.stress.data[k], bar.stress.data[k]);
  for (int a = 0; a < 3; ++a) check(c.prediction.dipole[a], bar.dipole[a]);
  for (std::size_t k = 0; k < 16; ++k)
    check(c.prediction.multipoles[k], bar.multipoles[k]);  // charges count through `charges`
  check(*c.prediction.fermi_level, bar.fermi_level);
  for (std::size_t k = 0; k < 16; ++k) check(c.prediction.potentials[k], bar.potentials[k]);
  check(*c.prediction.spectral_radius, bar.spectral_radius);
  for (std::size_t i = 0; i < 4; ++i) check(c.prediction.bare_softness[i], bar.bare_softness[i]);
  for (std::size_t k = 0; k < 9; ++k) {
    check(c.prediction.polarizability.data[k], bar.polarizability.data[k]);
    for (std::size_t i = 0; i < 4; ++i)
      check(c.prediction.born_charges[i].data[k], bar.born_charges[i].data[k]);
  }
  CHECK(bar.dipole[1] == 0.0);  // masked
  CHECK(bar.dipole[0] != 0.0);
}

TEST_CASE("what is not labelled or predicted does not count") {
  Case c = random_case();
  c.labels.forces.reset();
  c.prediction.charges.clear();
  c.structure.cell.periodic[2] = false;
  LossCotangents bar;
  const LossTerms l = structure_loss(c.structure, c.labels, c.prediction, weights, 1.0, &bar);
  CHECK(l.forces == 0.0);
  CHECK(l.charges == 0.0);
  CHECK(l.stress == 0.0);
  CHECK(l.dipole == 0.0);
  CHECK(l.energy > 0.0);
  CHECK(bar.forces.empty());
  CHECK(bar.charges.empty());
  CHECK_FALSE(required_properties(c.labels, weights).forces);
  CHECK(required_properties(c.labels, weights).stress);
}

TEST_CASE("errors in the units of tables") {
  Structure s;
  s.positions.resize(2);
  Labels labels;
  labels.energy = 1.0;
  labels.forces = std::vector<Vector3<double>>(2);
  Prediction p;
  p.energy = 1.004;
  p.forces = {{{0.3, 0.0, 0.0}}, {{0.0, 0.0, 0.0}}};
  PredictionErrors e;
  e.add(s, labels, p);
  CHECK_THAT(e.energy.rmse(), WithinRel(2.0, 1e-10));
  CHECK_THAT(e.forces.rmse(), WithinRel(300.0 / std::sqrt(6.0), 1e-12));
  CHECK_THAT(e.forces.mae(), WithinRel(50.0, 1e-12));
  CHECK(e.charges.count == 0.0);
  PredictionErrors twice = e;
  twice += e;
  CHECK(twice.forces.rmse() == e.forces.rmse());
  CHECK(twice.energy.count == 2.0);

  const std::string table = errors_to_markdown({{"a", e}});
  CHECK(table ==
        "| model | RMSE energy (meV/atom) | MAE | RMSE forces (meV/Å) | MAE |\n"
        "| --- | ---: | ---: | ---: | ---: |\n| a | 2.0 | 2.0 | 122.5 | 50.0 |\n");
  const std::string csv = errors_to_csv({{"a, b", e}});
  CHECK(csv.substr(csv.find('\n') + 1) ==
        "\"a, b\",2.0000,2.0000,122.4745,50.0000,,,,,,,,,,,,,,,,,,\n");
  CHECK(errors_to_text({{"ab", e}, {"c", e}}) ==
        "         energy (meV/atom)          forces (meV/Å)   (RMSE / MAE)\n"
        "ab               2.0 / 2.0            122.5 / 50.0\n"
        "c                2.0 / 2.0            122.5 / 50.0\n");
}

TEST_CASE("Huber's loss is the square near zero and a line beyond") {
  double slope = 0.0;
  CHECK(detail::penalty(0.5, 1.0, slope) == 0.25);
  CHECK(slope == 1.0);
  CHECK(detail::penalty(-3.0, 1.0, slope) == 5.0);
  CHECK(slope == -2.0);
  CHECK(detail::penalty(-3.0, 0.0, slope) == 9.0);
  CHECK(slope == -6.0);
}

TEST_CASE("errors of all frames and of each configuration type") {
  std::vector<Frame> frames(3);
  std::vector<Prediction> predictions(3);
  for (std::size_t k = 0; k < 3; ++k) {
    frames[k].structure.positions.resize(1);
    frames[k].labels.energy = 0.0;
    predictions[k].energy = 1e-3 * static_cast<double>(k + 1);
  }
  frames[0].config_type = frames[2].config_type = "slab";
  const std::vector<std::size_t> all{0, 1, 2}, some{2, 0};
  const NamedErrors rows = errors_by_config_type(frames, all, predictions);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].first == "all");
  CHECK(rows[1].first == "(no config_type)");
  CHECK(rows[2].first == "slab");
  CHECK_THAT(rows[0].second.energy.mae(), WithinRel(2.0, 1e-12));
  CHECK_THAT(rows[1].second.energy.mae(), WithinRel(2.0, 1e-12));
  CHECK(rows[2].second.energy.count == 2.0);
  CHECK(errors_by_config_type(frames, some, std::vector<Prediction>(2)).size() == 1);
}

}  // namespace loss_test
