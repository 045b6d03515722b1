// SPDX-License-Identifier: MIT
#include <leyden/charge/none.hpp>
#include <leyden/core/random.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/potential.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace training_knots_test {

using namespace leyden;

namespace {

using Descriptor = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;
using Model = Potential<Descriptor, NoCharges, NoElectrostatics>;

MaceOptions options(int knots) {
  MaceOptions o;
  o.species = {1, 8};
  o.cutoff = 4.0;
  o.channels = 5;
  o.radial_hidden = {8, 8};
  o.average_neighbors = 6.0;
  o.training_knots = knots;
  return o;
}

Model model(const MaceOptions& o) {
  return Model(Descriptor(o), NoCharges(), NoElectrostatics(), 7);
}

Structure crystal() {
  Structure s;
  s.cell.vectors = {{4.4, 0.0, 0.0, 0.5, 4.8, 0.0, -0.3, 0.4, 5.1}};
  s.cell.periodic = {true, true, true};
  s.atomic_numbers = {8, 1, 1, 8, 1};
  s.positions = {{{0.0, 0.0, 0.0}},
                 {{0.95, 0.1, 0.0}},
                 {{-0.3, 0.9, 0.1}},
                 {{2.4, 2.9, 1.8}},
                 {{2.9, 1.7, 3.6}}};
  return s;
}

/// Some loss of all outputs, and its derivatives by them.
double loss(const Prediction& p, LossCotangents* bar = nullptr) {
  RandomStream random(3);
  const double by_energy = 0.7;
  double sum = by_energy * p.energy;
  if (bar) bar->energy = by_energy;
  if (bar) bar->forces.clear();
  for (const auto& f : p.forces) {
    Vector3<double> w;
    for (double& x : w.data) x = random.normal();
    sum += dot(w, f);
    if (bar) bar->forces.push_back(w);
  }
  for (std::size_t k = 0; k < 9; ++k) {
    const double w = 20.0 * random.normal();
    sum += w * p.stress.data[k];
    if (bar) bar->stress.data[k] = w;
  }
  return sum;
}

}  // namespace

TEST_CASE("radial functions on knots tend to the networks with the fourth power of their distance",
          "[potential]") {
  const Structure s = crystal();
  Model exact = model(options(0));
  Model::Workspace plain, training;
  training.training = true;
  const double energy = exact.evaluate(s, plain).energy;
  const auto forces = exact.evaluate(s, plain).forces;
  const auto error = [&](int knots) {
    const Model m = model(options(knots));
    const Prediction& p = m.evaluate(s, training);
    double force = 0.0;
    for (std::size_t i = 0; i < s.size(); ++i)
      for (int a = 0; a < 3; ++a) force = std::max(force, std::abs(p.forces[i][a] - forces[i][a]));
    return std::pair{std::abs(p.energy - energy), force};
  };
  const auto coarse = error(33), fine = error(129);
  CAPTURE(coarse.first, coarse.second, fine.first, fine.second);
  CHECK(coarse.second > 1e-7);  // otherwise the knots were not used
  // A quarter of the distance: 256 and 64 times smaller, half of that is asked for.
  CHECK(fine.first < coarse.first / 128);
  CHECK(fine.second < coarse.second / 32);
  double largest = 0.0;
  for (const auto& f : forces) largest = std::max(largest, norm(f));
  CHECK(fine.second < 1e-4 * largest);
}

TEST_CASE("forces and stress on knots are derivatives of the energy on knots", "[potential]") {
  Structure s = crystal();
  const Model m = model(options(24));
  Model::Workspace ws;
  ws.training = true;
  const Prediction p = m.evaluate(s, ws);
  const double h = 1e-5;
  for (std::size_t i = 0; i < s.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      Structure up = s, down = s;
      up.positions[i][a] += h;
      down.positions[i][a] -= h;
      const double slope = (m.evaluate(up, ws).energy - m.evaluate(down, ws).energy) / (2.0 * h);
      CHECK(std::abs(slope + p.forces[i][a]) < 1e-7);  // h² and rounding over h
    }
}

TEST_CASE("parameter gradients on knots are those of the loss on knots", "[potential]") {
  const Structure s = crystal();
  Model m = model(options(24));
  Model::Workspace ws;
  ws.training = true;
  const bool energy_only = GENERATE(false, true), prepared = GENERATE(false, true);
  CAPTURE(energy_only, prepared);
  LossCotangents bar;
  const auto value = [&](LossCotangents* to) {
    const Prediction& p = m.evaluate(s, ws, {!energy_only, !energy_only});
    return loss(p, to);
  };
  m.set_parameters(std::vector(m.parameters().begin(), m.parameters().end()), SerialExecutor{},
                   prepared);
  value(&bar);
  if (energy_only) bar.stress = {};
  std::vector<double> gradient(m.layout().size(), 0.0);
  m.parameter_gradient(s, bar, ws, gradient);
  const std::vector<double> start(m.parameters().begin(), m.parameters().end());
  // Each slice along a random direction.
  RandomStream random(11);
  for (const auto& entry : m.layout().entries()) {
    CAPTURE(entry.name);
    std::vector<double> direction(start.size(), 0.0);
    double expected = 0.0;
    for (std::size_t k = entry.slice.offset; k < entry.slice.offset + entry.slice.size; ++k) {
      direction[k] = random.normal();
      expected += direction[k] * gradient[k];
    }
    const double h = 1e-5;
    const auto at = [&](double t) {
      std::vector<double> moved = start;
      for (std::size_t k = 0; k < moved.size(); ++k) moved[k] += t * direction[k];
      m.set_parameters(moved, SerialExecutor{}, prepared);
      return value(nullptr);
    };
    const double slope = (at(h) - at(-h)) / (2.0 * h);
    m.set_parameters(start);
    CHECK(std::abs(slope - expected) < 1e-6 * std::max(1.0, std::abs(expected)));
  }
}

TEST_CASE("a potential prepared for training is the same function", "[potential]") {
  const Structure s = crystal();
  Model m = model(options(24));
  const std::vector<double> parameters(m.parameters().begin(), m.parameters().end());
  Model::Workspace plain, training;
  training.training = true;
  LossCotangents bar;
  const Prediction expected = m.evaluate(s, plain), on_knots = m.evaluate(s, training);
  loss(on_knots, &bar);
  std::vector<double> gradient(parameters.size(), 0.0), expected_gradient = gradient;
  m.parameter_gradient(s, bar, training, expected_gradient);
  m.set_parameters(parameters, SerialExecutor{}, true);
  const auto apart = [&](const Prediction& a, const Prediction& b) {
    double d = std::abs(a.energy - b.energy);
    for (std::size_t i = 0; i < s.size(); ++i) d = std::max(d, norm(a.forces[i] - b.forces[i]));
    return d;
  };
  CHECK(apart(m.evaluate(s, training), on_knots) < 1e-12);
  m.parameter_gradient(s, bar, training, gradient);
  double worst = 0.0, largest = 0.0;
  for (std::size_t k = 0; k < gradient.size(); ++k) {
    worst = std::max(worst, std::abs(gradient[k] - expected_gradient[k]));
    largest = std::max(largest, std::abs(expected_gradient[k]));
  }
  CHECK(worst < 1e-12 * largest);
  CHECK(worst > 0.0);  // otherwise nothing was prepared
  // Without tables, whose slopes are off by 1e-9 of the largest.
  CHECK(apart(m.evaluate(s, plain), expected) < 1e-7);
  m.set_parameters(parameters);
  CHECK(apart(m.evaluate(s, plain), expected) == 0.0);
}

TEST_CASE("knots that no pair had so far are there for the first that has them", "[potential]") {
  const Structure close = crystal();
  Structure far = close;
  for (auto& r : far.positions) r = 1.7 * r;
  for (double& x : far.cell.vectors.data) x *= 1.7;
  Model m = model(options(24));
  const std::vector<double> parameters(m.parameters().begin(), m.parameters().end());
  std::vector<double> others = parameters;
  for (double& x : others) x *= 1.1;
  Model fresh = m;
  fresh.set_parameters(parameters, SerialExecutor{}, true);
  Model::Workspace ws;
  ws.training = true;
  const double expected = fresh.evaluate(close, ws).energy;
  m.set_parameters(others, SerialExecutor{}, true);
  m.evaluate(far, ws);
  for (const bool both : {false, true}) {
    CAPTURE(both);
    m.set_parameters(parameters, SerialExecutor{}, true);
    if (both) m.evaluate(far, ws);
    CHECK(m.evaluate(close, ws).energy == expected);
    m.set_parameters(others, SerialExecutor{}, true);
    CHECK(m.evaluate(close, ws).energy != expected);
  }
}

TEST_CASE("gradients of several structures may wait for one way back to the parameters",
          "[potential]") {
  const bool knots = GENERATE(true, false), prepared = GENERATE(false, true);
  CAPTURE(knots, prepared);
  Model m = model(options(knots ? 24 : 0));
  m.set_parameters(std::vector(m.parameters().begin(), m.parameters().end()), SerialExecutor{},
                   prepared);
  std::vector<Structure> structures(3, crystal());
  for (std::size_t k = 0; k < structures.size(); ++k)
    structures[k].positions[1][0] += 0.05 * double(k);
  structures[2].cell.vectors = {{9.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 9.0}};  // other knots
  Model::Workspace ws;
  ws.training = true;
  std::vector<double> apart(m.layout().size(), 0.0), together = apart;
  LossCotangents bar;
  for (const Structure& s : structures) {
    loss(m.evaluate(s, ws), &bar);
    m.parameter_gradient(s, bar, ws, apart);
  }
  double largest = 0.0;
  for (double x : apart) largest = std::max(largest, std::abs(x));
  std::vector<Model::PendingGradient> pending(structures.size());
  const auto difference = [&] {
    double d = 0.0;
    for (std::size_t k = 0; k < apart.size(); ++k)
      d = std::max(d, std::abs(apart[k] - together[k]));
    return d / largest;
  };
  for (const int turn : {0, 1}) {  // memory that was used before serves again
    CAPTURE(turn);
    std::fill(together.begin(), together.end(), 0.0);
    for (std::size_t k = 0; k < structures.size(); ++k) {
      loss(m.evaluate(structures[k], ws), &bar);
      pending[k].clear();
      ws.pending = &pending[k];
      m.parameter_gradient(structures[k], bar, ws, together);
      ws.pending = nullptr;
    }
    CHECK(difference() > 1e-4);  // something is pending
    // What is not is where it is said to be.
    std::vector<double> elsewhere = together;
    std::size_t at_once = 0;
    for (const Slice& slice : m.slices_at_once()) {
      at_once += slice.size;
      for (double& x : slice.of(std::span(elsewhere))) x = 0.0;
    }
    CHECK(at_once < m.layout().size() / (knots ? 4 : 1));
    CHECK(std::ranges::count(elsewhere, 0.0) == std::ssize(elsewhere));
    m.add_pending(pending, together);
    CHECK(difference() < 1e-12);
  }
}

TEST_CASE("a layer too large for the cache goes tile by tile", "[potential]") {
  MaceOptions o = options(24);
  o.channels = 64;
  const Model m = model(o);
  const Structure s = crystal();
  Structure large = s;  // 2 × 2 × 2 cells
  large.atomic_numbers.clear();
  large.positions.clear();
  for (int cell = 0; cell < 8; ++cell) {
    const Vector3<double> n{{double(cell / 4), double(cell / 2 % 2), double(cell % 2)}};
    for (std::size_t i = 0; i < s.size(); ++i) {
      large.atomic_numbers.push_back(s.atomic_numbers[i]);
      large.positions.push_back(s.positions[i] + n * s.cell.vectors);
    }
  }
  for (double& x : large.cell.vectors.data) x *= 2.0;

  Model::Workspace ws;
  ws.training = true;
  LossCotangents bar, bars;
  const Prediction p = m.evaluate(s, ws);
  loss(p, &bar);
  bar.stress = {};
  std::vector<double> small_gradient(m.layout().size(), 0.0), gradient = small_gradient;
  m.parameter_gradient(s, bar, ws, small_gradient);
  CHECK(!ws.dual.tape.layers[1].radial_by_tile);

  const Prediction& q = m.evaluate(large, ws);
  CHECK(std::abs(q.energy - 8.0 * p.energy) < 1e-11 * std::abs(q.energy));
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < large.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      largest = std::max(largest, std::abs(q.forces[i][a]));
      worst = std::max(worst, std::abs(q.forces[i][a] - p.forces[i % s.size()][a]));
    }
  CHECK(worst < 1e-11 * largest);
  bars.energy = bar.energy;
  for (std::size_t i = 0; i < large.size(); ++i) bars.forces.push_back(bar.forces[i % s.size()]);
  m.parameter_gradient(large, bars, ws, gradient);
  CHECK(ws.dual.tape.layers[1].radial_by_tile);
  largest = worst = 0.0;
  for (std::size_t k = 0; k < gradient.size(); ++k) {
    largest = std::max(largest, std::abs(gradient[k]));
    worst = std::max(worst, std::abs(gradient[k] - 8.0 * small_gradient[k]));
  }
  CHECK(worst < 1e-11 * largest);
}

TEST_CASE("a training step on knots allocates nothing once warm", "[potential]") {
  const Structure s = crystal();
  const Model m = model(options(24));
  Model::Workspace ws;
  ws.training = true;
  LossCotangents bar;
  std::vector<double> gradient(m.layout().size(), 0.0);
  loss(m.evaluate(s, ws), &bar);
  for (int k = 0; k < 2; ++k) m.parameter_gradient(s, bar, ws, gradient);
  const auto before = leyden_test::allocation_count();
  m.evaluate(s, ws);
  m.parameter_gradient(s, bar, ws, gradient);
  CHECK(leyden_test::allocation_count() == before);
}

TEST_CASE("models whose radial functions are not of the distance alone train on their networks",
          "[potential]") {
  const Structure s = crystal();
  MaceOptions o = options(24);
  SECTION("transformed distances") { o.distance_transform.kind = DistanceTransform::Kind::agnesi; }
  SECTION("density") { o.density_normalized = true; }
  SECTION("envelope on messages") { o.envelope_on_messages = true; }
  o.radial_tolerance = 0.0;
  const Model m = model(o);
  Model::Workspace plain, training;
  training.training = true;
  CHECK(m.evaluate(s, training).energy == m.evaluate(s, plain).energy);
}

}  // namespace training_knots_test
