// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/golden_mace.hpp"

#include <leyden/atoms/neighbor_list.hpp>

#include <algorithm>
#include <cmath>

namespace mace_nonlinear_test {

using namespace leyden;

namespace {

constexpr MaceShape cubic{
    .l_max = 2, .correlation = 3, .hidden_l = 1, .interaction = MaceInteraction::nonlinear};
constexpr MaceShape quadratic{
    .l_max = 2, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear};

// The worst deviation, relative to the largest reference value (at least 1): what the golden files
// are good for is 1e-9.
double deviation(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double scale = 1.0, worst = 0.0;
  for (double x : expected) scale = std::max(scale, std::abs(x));
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - expected[i]) / scale);
  return worst;
}

template <class Model>
struct Golden {
  leyden_test::GoldenMace golden;
  Model model;
  typename Model::template Tape<double> tape;
  Geometry<double> geometry;

  Golden(const std::string& name, const std::string& folder)
      : golden(name, folder), model(golden.options()) {
    ParameterLayout layout;
    model.declare(layout);
    model.prepare(golden.parameters(layout));
  }
  void run(const Structure& structure) {
    NeighborList neighbors;
    neighbors.build(structure, model.cutoff());
    make_geometry(structure, neighbors, geometry);
    model.forward(geometry, tape);
  }
  std::vector<double> features() const {
    std::vector<double> out;
    for (int i = 0; i < geometry.n_atoms(); ++i)
      for (const auto& layer : tape.features)
        for (int l = 0; l <= layer.shape().l_max; ++l)
          for (int c = 0; c < layer.shape().channels; ++c)
            for (int m = 0; m <= 2 * l; ++m) out.push_back(layer.get(i, c, l * l + m));
    return out;
  }
};

}  // namespace

TEST_CASE("a MACE of nonlinear layers is the reference's function", "[mace][golden]") {
  Golden<Mace<cubic>> g("mace_a6_L1_c3_3layers_nonlinear", "mace");
  for (const char* which : {"water", "sio2_12", "quartz_triclinic_9"}) {
    CAPTURE(which);
    const Structure structure = g.golden.structure(which);
    g.run(structure);
    const auto expected = [&](const char* key) {
      return leyden_test::numbers(g.golden.outputs(which).at(key));
    };
    std::vector<double> energies = g.tape.node_energies, total{0.0};
    for (std::size_t i = 0; i < energies.size(); ++i) {
      energies[i] += g.tape.reference_energies[i];
      total[0] += energies[i];
    }
    CHECK(deviation(g.features(), expected("node_feats")) < 1e-9);
    CHECK(deviation(total, expected("energy")) < 1e-9);
    CHECK(deviation(energies, expected("node_energy")) < 1e-9);

    g.model.backward(g.geometry, g.tape, 1.0, std::span<double>{});
    GeometryGradient<double> gradient;
    gradient.reset(structure.size());
    add_edge_gradient<double>(g.geometry, g.tape.edge_gradient, gradient);
    std::vector<double> forces, stress;
    for (const auto& r : gradient.positions)
      for (int a = 0; a < 3; ++a) forces.push_back(-r[a]);
    CHECK(deviation(forces, expected("forces")) < 1e-9);
    if (!structure.cell.all_periodic()) continue;
    const double volume = determinant(structure.cell.vectors);
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        stress.push_back(0.5 * (gradient.strain(a, b) + gradient.strain(b, a)) / volume);
    CHECK(deviation(stress, expected("stress")) < 1e-9);
  }
}

TEST_CASE("the MACE within a PolarMACE is the reference's function", "[mace][golden]") {
  for (const char* name : {"p1", "p3"}) {
    Golden<Mace<quadratic>> g(name, "polar");
    for (const char* which : {"water", "sio2_12", "quartz_triclinic_9", "quartz_slab_TTF"}) {
      CAPTURE(name, which);
      g.run(g.golden.structure(which));
      // Features know nothing of charge, spin and field: one variant stands for all.
      const auto& outputs =
          g.golden.file.at("structures").at(which).at("variants").at("q0_s1").at("outputs");
      CHECK(deviation(g.features(), leyden_test::numbers(outputs.at("node_feats"))) < 1e-9);
      double total = 0.0;
      for (std::size_t i = 0; i < g.tape.node_energies.size(); ++i)
        total += g.tape.node_energies[i];
      CHECK(deviation({total}, leyden_test::numbers(outputs.at("interaction_energy"))) < 1e-9);
    }
  }
}

}  // namespace mace_nonlinear_test
