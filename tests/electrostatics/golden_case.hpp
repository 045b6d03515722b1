// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/multipoles.hpp>

#include "electrostatics/laws.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <string>

/// Numbers of the reference implementation; see tests/data/README.md.
namespace electrostatics_test {

using nlohmann::json;

inline json load(const std::string& name) {
  std::ifstream file(std::string(LEYDEN_TEST_DATA) + "/electrostatics/" + name);
  REQUIRE(file.good());
  return json::parse(file).at("cases");
}

inline std::map<std::string, json> cases(const json& all) {
  return all.get<std::map<std::string, json>>();
}

struct Case {
  System system;
  int l_max = 0, l_features = 0;
  double k_cutoff = 0;
  std::vector<double> p, widths;

  explicit Case(const json& c, bool periodic) {
    for (const auto& r : c.at("positions"))
      system.geometry.positions.push_back({r.get<std::array<double, 3>>()});
    if (periodic) {
      for (int d = 0; d < 3; ++d)
        for (int j = 0; j < 3; ++j)
          system.geometry.cell(d, j) =
              c.at("cell").at(static_cast<std::size_t>(d)).at(static_cast<std::size_t>(j));
      system.geometry.periodic = {true, true, true};
    }
    l_max = c.at("density_max_l");
    l_features = c.at("feature_max_l");
    k_cutoff = c.at("kspace_cutoff");
    widths = c.at("feature_smearing_widths").get<std::vector<double>>();
    system.widths.assign(system.geometry.positions.size(), c.at("density_smearing_width"));
    for (const auto& atom : c.at("multipoles"))
      for (const double x : atom) p.push_back(x);
  }
  SourceShape source() const { return system.source(l_max); }
  std::size_t n() const { return system.geometry.positions.size(); }

  // Ours is (potential, gradient) by [width][atom][lm]; the file has projections on normalised
  // receivers by [atom][l][width][m]. Visits (our index, index in the file, factor).
  template <class Visit>
  void for_each_feature(const Visit& visit) const {
    const std::size_t size = l_features == 0 ? 1 : 4, w_count = widths.size();
    for (std::size_t w = 0; w < w_count; ++w)
      for (std::size_t i = 0; i < n(); ++i)
        for (std::size_t lm = 0; lm < size; ++lm) {
          const std::size_t at = lm == 0 ? w : w_count + 3 * w + lm - 1;
          visit((w * n() + i) * size + lm, i * w_count * size + at,
                receiver_normalization(lm == 0 ? 0 : 1, widths[w]));
        }
  }
};

inline std::vector<double> flat(const std::vector<Vector3<double>>& vectors, double factor) {
  std::vector<double> out;
  for (const auto& v : vectors)
    for (int c = 0; c < 3; ++c) out.push_back(factor * v[c]);
  return out;
}

// The energy and its derivatives of one case, against the file's.
template <class Solver>
void check_energy(const Solver& solver, const Case& c, const json& energy, double tolerance) {
  typename Solver::template Plan<double> plan;
  double charge = 0;
  for (std::size_t i = 0; i < c.n(); ++i) charge += c.p[i * c.p.size() / c.n()];
  solver.plan(c.system.geometry, c.source(), charge, plan);
  std::vector<double> v(c.p.size());
  solver.apply(plan, c.p, v);
  CHECK(deviation({0.5 * inner(c.p, v)}, {energy.at("energy")}) < tolerance);
  CHECK(deviation(v, energy.at("dE_dmultipole")) < tolerance);
  GeometryGradient<double> gradient;
  gradient.reset(c.n());
  solver.bilinear_gradient(plan, c.p, c.p, 0.5, gradient);
  CHECK(deviation(flat(gradient.positions, -1), energy.at("forces")) < tolerance);
}

// The features and their vector-Jacobian products of one case, against the file's.
template <class Solver>
void check_features(const Solver& solver, SelfInteraction self, const Case& c, const json& feature,
                    double tolerance) {
  typename Solver::template Plan<double> plan;
  double charge = 0;
  for (std::size_t i = 0; i < c.n(); ++i) charge += c.p[i * c.p.size() / c.n()];
  solver.plan(c.system.geometry, c.source(), charge, plan);
  GeometryGradient<double> gradient;
  const PotentialFeatures shape{c.l_features, c.widths, self};
  const std::vector<double> bar = feature.at("cotangent"), expected = feature.at("features");
  std::vector<double> out(expected.size()), normalised(expected.size()), cotangent(expected.size());
  solver.features(plan, c.p, shape, out);
  c.for_each_feature([&](std::size_t ours, std::size_t theirs, double factor) {
    normalised[theirs] = out[ours] * factor;
    cotangent[ours] = bar[theirs] * factor;
  });
  CHECK(deviation(normalised, expected) < tolerance);
  gradient.reset(c.n());
  solver.feature_gradient(plan, cotangent, c.p, shape, 1.0, gradient);
  CHECK(deviation(flat(gradient.positions, 1), feature.at("vjp_positions")) < tolerance);
  std::vector<double> p_bar(c.p.size());
  solver.features_transpose(plan, cotangent, shape, p_bar);
  CHECK(deviation(p_bar, feature.at("vjp_multipoles")) < tolerance);
}

}  // namespace electrostatics_test
