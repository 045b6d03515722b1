// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/train/errors.hpp>
#include <leyden/train/loss.hpp>

#include "support/catch.hpp"

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
  for (std::size_t i = 0; i < n; ++i) {
    c.labels.forces->push_back(vector());
    c.prediction.forces.push_back(vector());
    c.labels.charges->push_back(random.normal());
    c.prediction.charges.push_back(random.normal());
  }
  for (std::size_t k = 0; k < 9; ++k) {
    c.labels.stress->data[k] = random.normal();
    c.prediction.stress.data[k] = random.normal();
  }
  c.labels.dipole = vector();
  c.labels.dipole_mask = {true, false, true};
  c.prediction.dipole = vector();
  c.prediction.energy = random.normal();
  return c;
}

constexpr LossWeights weights{1.5, 2.0, 0.7, 3.0, 0.9};

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
  CHECK_THAT(l.total(), WithinRel(l.energy + l.forces + l.stress + l.charges + l.dipole, 1e-15));
}

TEST_CASE("cotangents of the loss are its derivatives") {
  Case c = random_case();
  constexpr double factor = 0.25, h = 1e-5;
  LossCotangents bar;
  structure_loss(c.structure, c.labels, c.prediction, weights, factor, &bar);
  const auto check = [&](double& x, double expected) {
    const double kept = x;
    x = kept + h;
    const double up = structure_loss(c.structure, c.labels, c.prediction, weights).total();
    x = kept - h;
    const double down = structure_loss(c.structure, c.labels, c.prediction, weights).total();
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
  CHECK(csv.substr(csv.find('\n') + 1) == "\"a, b\",2.0000,2.0000,122.4745,50.0000,,,,,,\n");
}
