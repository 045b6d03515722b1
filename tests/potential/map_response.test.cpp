// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/train/trainer.hpp>

#include <Eigen/Eigenvalues>

#include "potential/points.hpp"
#include "support/catch.hpp"
#include "support/parameter_slope.hpp"

namespace map_response_test {

// What a step of a fixed point does to a small change of its density: spectral radius and softness.
namespace {

using namespace leyden_test;
using Catch::Matchers::WithinAbs;

using Map = Potential<ToyDescriptor, FixedPoint<1>, Direct>;
constexpr Properties asked{false, false, true};

/// Couplings and terms `scale` times those of points.hpp. With `turning` ones what the potential
/// does to dipoles is the opposite of what the field does to charges, and eigenvalues are complex.
Map make_map(double scale, bool turning = false) {
  Map map = make_potential<Map>();
  std::vector<double> x(map.parameters().begin(), map.parameters().end());
  const std::string charge = "charge/coupling/charge/", dipole = "charge/coupling/dipole/";
  for (const ParameterInfo& info : map.layout().entries()) {
    const std::size_t at = info.slice.offset;
    const bool coupling = info.name.find("coupling") != std::string::npos;
    if (coupling || info.name.find("term") != std::string::npos)
      for (std::size_t k = 0; k < info.slice.size; ++k)
        x[at + k] *= turning && !coupling ? 0.0 : scale;
    if (turning && info.name.rfind(dipole, 0) == 0) {
      const auto& other = map.layout().find(charge + info.name.substr(dipole.size()));
      for (std::size_t k = 0; k < info.slice.size; ++k) x[at + k] = -x[other.slice.offset + k];
    }
  }
  map.set_parameters(x);
  return map;
}

Structure sample(bool groups) {
  Structure s = molecule();
  if (groups) {
    s.total_charge = 0.3;
    s.groups = {ChargeGroup{{0, 2, 5}, -0.2, {}}};
  }
  return s;
}

/// The Jacobian of p → F(v[p]) at prescribed charges by differences of the residual of a given
/// density.
Eigen::MatrixXd jacobian(const Map& map, const Structure& s, const std::vector<double>& p,
                         Map::Workspace& workspace) {
  const auto n = static_cast<Eigen::Index>(p.size());
  Eigen::MatrixXd out(n, n);
  const auto image = [&](std::vector<double> at) {
    const Prediction& q = map.evaluate_at(s, at, workspace, {false, false});
    Eigen::VectorXd v(n);
    for (Eigen::Index k = 0; k < n; ++k)
      v[k] = q.density_residual[static_cast<std::size_t>(k)] +
             q.multipoles[static_cast<std::size_t>(k)];
    return v;
  };
  const double h = 1e-4;
  for (Eigen::Index k = 0; k < n; ++k) {
    std::vector<double> up = p, down = p;
    up[static_cast<std::size_t>(k)] += h;
    down[static_cast<std::size_t>(k)] -= h;
    out.col(k) = (image(up) - image(down)) / (2 * h);
  }
  return out;
}

}  // namespace

TEST_CASE("the spectral radius of a map is that of its Jacobian") {
  const double scale = GENERATE(0.0, 1.0, 4.0, 200.0);
  const bool groups = GENERATE(false, true), turning = scale > 10.0;
  CAPTURE(scale, groups);
  const Map map = make_map(scale, turning);
  const Structure s = sample(groups);
  Map::Workspace workspace;
  const Prediction p = map.evaluate(s, workspace, asked);
  CHECK(map.evaluate(s, workspace, {false, false}).bare_softness.empty());
  CHECK_FALSE(map.evaluate(s, workspace, {false, false}).spectral_radius);
  REQUIRE(p.spectral_radius);
  const Eigen::VectorXcd values = jacobian(map, s, p.multipoles, workspace).eigenvalues();
  Eigen::Index largest = 0;
  CHECK(values.cwiseAbs().maxCoeff(&largest) > 0.1);
  // Both kinds are met: a pair of complex eigenvalues, and real ones.
  CHECK((std::abs(values[largest].imag()) > 0.01) == (turning && !groups));
  // Differences: h² of third derivatives.
  CHECK_THAT(*p.spectral_radius, WithinAbs(values.cwiseAbs().maxCoeff(), 1e-6));
  REQUIRE(p.bare_softness.size() == s.size());
  const auto& softness = map.bare_softness(s, workspace);
  for (std::size_t i = 0; i < s.size(); ++i)
    CHECK_THAT(p.bare_softness[i], WithinAbs(softness[i], 1e-14));
}

TEST_CASE("gradients of the spectral radius and of the bare softness") {
  const double scale = GENERATE(1.0, 4.0, 200.0);
  const bool groups = GENERATE(false, true);
  const bool given = GENERATE(false, true);
  const bool forces = GENERATE(false, true);
  if (given && forces) return;  // forces of a map have no meaning there
  CAPTURE(scale, groups, given, forces);
  Map map = make_map(scale, scale > 10.0);
  const Structure s = sample(groups);
  Map::Workspace workspace;
  const std::vector<double> density = map.evaluate(s, workspace).multipoles;
  LossCotangents bar;
  RandomStream random(5);
  bar.energy = 0.1;
  bar.spectral_radius = 0.8;
  for (std::size_t i = 0; i < s.size(); ++i) bar.bare_softness.push_back(random.normal());
  if (forces)
    for (std::size_t i = 0; i < s.size(); ++i)
      bar.forces.push_back({{random.normal(), random.normal(), random.normal()}});
  std::vector<double> gradient(map.layout().size());
  if (given)
    map.parameter_gradient_at(s, density, bar, workspace, gradient);
  else
    map.parameter_gradient(s, bar, workspace, gradient);
  // Densities are found to 1e-10.
  const auto [expected, slope] = leyden_test::parameter_slope(map, gradient, 1e-4, [&] {
    const Properties properties{forces, false, true};
    const Prediction& p = given ? map.evaluate_at(s, density, workspace, properties)
                                : map.evaluate(s, workspace, properties);
    double sum = bar.energy * p.energy + bar.spectral_radius * *p.spectral_radius;
    for (std::size_t i = 0; i < s.size(); ++i) sum += bar.bare_softness[i] * p.bare_softness[i];
    for (std::size_t i = 0; i < bar.forces.size(); ++i) sum += dot(bar.forces[i], p.forces[i]);
    return sum;
  });
  CHECK_THAT(slope, WithinAbs(expected, 1e-5 * (1.0 + std::abs(expected))));
}

TEST_CASE("the stability and softness terms do what they say") {
  Map map = make_map(4.0);
  std::vector<Frame> frames(2);
  frames[0].structure = molecule();
  frames[1].structure = sample(false);
  frames[1].structure.positions[0][0] += 0.05;
  for (Frame& f : frames) f.labels.energy = 0.0;
  Map::Workspace workspace;
  const Prediction before = map.evaluate(frames[1].structure, workspace, asked);
  CAPTURE(*before.spectral_radius);
  TrainerOptions options;
  options.epochs = 40;
  options.weights = {.stability = 1.0, .softness = 10.0};
  options.stability_target = 0.5 * *before.spectral_radius;
  options.optimizer.kind = OptimizerOptions::Kind::lbfgs;
  Trainer trainer(map, std::span<const Frame>(frames), {0}, {1}, options);
  trainer.run();
  trainer.use_best_parameters();
  const Prediction after = map.evaluate(frames[0].structure, workspace, asked);
  CHECK(*after.spectral_radius < 0.55 * *before.spectral_radius);
  for (double s : after.bare_softness) CHECK(s > -1e-3);
  CHECK(trainer.records().front().train.stability > 0.0);
}

}  // namespace map_response_test
