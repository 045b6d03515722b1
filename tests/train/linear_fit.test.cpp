// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/thread_executor.hpp"

#include <leyden/charge/none.hpp>
#include <leyden/core/random.hpp>
#include <leyden/descriptor/ace.hpp>
#include <leyden/potential.hpp>
#include <leyden/train/linear_fit.hpp>

#include <numeric>

namespace linear_fit_test {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;

namespace {

using Descriptor2 = Ace<AceShape{.l_max = 1, .correlation = 2, .feature_l = 0}>;
using Model = Potential<Descriptor2, NoCharges, NoElectrostatics>;

AceOptions ace_options() {
  AceOptions o;
  o.species = {8, 1};
  o.cutoff = 4.0;
  o.channels = 3;
  o.radial_count = 5;
  o.features = false;
  o.atomic_energies = {-70.0, -13.0};
  o.repulsion = ZblRepulsion{};
  o.shift = 0.1;
  return o;
}

// Little crystals and clusters of many compositions.
std::vector<Frame> make_frames(std::size_t count) {
  RandomStream random(2);
  std::vector<Frame> frames(count);
  for (std::size_t k = 0; k < count; ++k) {
    Structure& s = frames[k].structure;
    const std::size_t n = 2 + random.below(3);
    for (std::size_t i = 0; i < n; ++i) {
      s.atomic_numbers.push_back(random.below(2) == 0 ? 8 : 1);
      s.positions.push_back({{1.3 * static_cast<double>(i), random.uniform(), random.uniform()}});
    }
    if (k % 2 == 1) {
      s.cell.vectors.data = {1.3 * static_cast<double>(n), 0.1, 0.0, 0.2, 3.0, 0.1, 0.0, -0.2, 3.2};
      s.cell.periodic = {true, true, true};
    }
  }
  return frames;
}
void label(const Model& truth, std::vector<Frame>& frames) {
  Model::Workspace workspace;
  for (Frame& f : frames) {
    const Prediction& p = truth.evaluate(f.structure, workspace);
    f.labels.energy = p.energy;
    f.labels.forces = p.forces;
    if (f.structure.cell.all_periodic()) f.labels.stress = p.stress;
  }
}
std::vector<std::size_t> all(const std::vector<Frame>& frames) {
  std::vector<std::size_t> k(frames.size());
  std::iota(k.begin(), k.end(), std::size_t{0});
  return k;
}

struct Data {
  Model truth{Descriptor2(ace_options()), {}, {}, 5};
  std::vector<Frame> frames = make_frames(16);
  std::vector<double> planted;

  Data() {
    planted.assign(truth.parameters().begin(), truth.parameters().end());
    const auto& constants = truth.layout().find("ace.energy.constant").slice;
    planted[constants.offset] = 0.7;
    planted[constants.offset + 1] = -0.4;
    truth.set_parameters(planted);
    label(truth, frames);
  }
  // The same radial channels, other coefficients.
  Model start() const {
    Model model = truth;
    std::vector<double> w = planted;
    for (const auto& p : model.layout().entries())
      if (p.name.rfind("ace.energy.", 0) == 0)
        for (std::size_t k = 0; k < p.slice.size; ++k) w[p.slice.offset + k] = 3.0;
    model.set_parameters(w);
    return model;
  }
};

double worst(const Model& model, const std::vector<double>& planted) {
  double d = 0.0;
  for (std::size_t k = 0; k < planted.size(); ++k)
    d = std::max(d, std::abs(model.parameters()[k] - planted[k]));
  return d;
}

}  // namespace

TEST_CASE("a linear fit finds planted coefficients", "[train]") {
  const Data data;
  for (const bool stress : {false, true}) {
    Model model = data.start();
    LinearFitOptions options;
    options.ridge = 0.0;
    options.weights = {.energy = 2.0, .forces = 0.5, .stress = stress ? 3.0 : 0.0};
    const LinearFitReport report = fit_linear(model, data.frames, all(data.frames), options);
    CHECK(report.unknowns == 20);
    CHECK(report.equations > 2 * report.unknowns);
    CHECK(report.initial_loss > 1e-3);
    CHECK(report.loss < 1e-20 * report.initial_loss);
    // The condition of the columns enters once, by orthogonal transforms; its square does not.
    CHECK(worst(model, data.planted) < 1e-9);
  }
}

TEST_CASE("what is labelled is enough", "[train]") {
  Data data;
  for (Frame& f : data.frames) f.labels.forces.reset();
  Model model = data.start();
  // Sixteen energies for twenty coefficients: fitted, not found.
  LinearFitOptions options;
  options.ridge = 1e-12;
  const LinearFitReport report = fit_linear(model, data.frames, all(data.frames), options);
  CHECK(report.equations == data.frames.size());
  CHECK(report.loss < 1e-6 * report.initial_loss);
  CHECK(worst(model, data.planted) > 1e-3);
}

TEST_CASE("the minimum of a linear fit is the loss's", "[train]") {
  Data data;
  RandomStream random(4);
  for (Frame& f : data.frames) {  // labels that no coefficients explain
    *f.labels.energy += 0.1 * random.normal();
    for (auto& v : *f.labels.forces) v[1] += 0.1 * random.normal();
  }
  Model model = data.start();
  LinearFitOptions options;
  options.ridge = 0.0;
  options.weights = {.energy = 1.0, .forces = 0.3, .stress = 0.2};
  const LinearFitReport report = fit_linear(model, data.frames, all(data.frames), options);
  CHECK(report.loss > 1e-6);

  Model::Workspace workspace;
  LossCotangents cotangents;
  std::vector<double> gradient(model.layout().size(), 0.0), size(gradient.size(), 0.0);
  double loss = 0.0;
  for (const Frame& f : data.frames) {
    const Prediction& p = model.evaluate(f.structure, workspace);
    loss += structure_loss(f.structure, f.labels, p, options.weights, 1.0, &cotangents).total() /
            static_cast<double>(data.frames.size());
    std::vector<double> one(gradient.size(), 0.0);
    model.parameter_gradient(f.structure, cotangents, workspace, one);
    for (std::size_t k = 0; k < one.size(); ++k) {
      gradient[k] += one[k];
      size[k] += std::abs(one[k]);
    }
  }
  CHECK(std::abs(loss - report.loss) < 1e-12);
  for (const auto& p : model.layout().entries())
    for (std::size_t k = p.slice.offset; k < p.slice.offset + p.slice.size; ++k) {
      if (p.name.rfind("ace.energy.", 0) != 0) continue;
      CAPTURE(p.name);
      CHECK(std::abs(gradient[k]) < 1e-9 * std::max(1.0, size[k]));
    }

  SECTION("a ridge makes coefficients smaller and the loss larger") {
    options.ridge = 0.1;
    Model ridged = data.start();
    const LinearFitReport with = fit_linear(ridged, data.frames, all(data.frames), options);
    CHECK(with.loss > report.loss);
    CHECK(with.loss < with.initial_loss);
  }
  SECTION("workers change nothing") {
    Model other = data.start();
    fit_linear(other, data.frames, all(data.frames), options, leyden_test::ThreadExecutor(3));
    for (std::size_t k = 0; k < gradient.size(); ++k)
      CHECK(other.parameters()[k] == model.parameters()[k]);
  }
}

TEST_CASE("a linear fit says what it lacks", "[train]") {
  Data data;
  Model model = data.start();
  const std::vector<std::size_t> beyond{99};
  CHECK_THROWS_WITH(fit_linear(model, data.frames, beyond), ContainsSubstring("frame 99"));
  for (Frame& f : data.frames) f.labels = {};
  CHECK_THROWS_AS(fit_linear(model, data.frames, all(data.frames)), InputError);
  CHECK(worst(model, data.planted) > 1.0);  // as before
}

}  // namespace linear_fit_test
