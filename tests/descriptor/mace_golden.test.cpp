// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/golden_mace.hpp"

#include <leyden/atoms/neighbor_list.hpp>

#include <algorithm>
#include <cmath>

namespace mace_golden_test {

using namespace leyden;

namespace {

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

template <MaceShape Shape>
void compare(const std::string& name) {
  const leyden_test::GoldenMace golden(name);
  using Model = Mace<Shape>;
  Model model(golden.options());
  ParameterLayout layout;
  model.declare(layout);
  model.prepare(golden.parameters(layout));

  typename Model::template Tape<double> tape;
  Geometry<double> geometry;
  NeighborList neighbors;
  for (const char* which : {"water", "sio2_12", "quartz_triclinic_9"}) {
    CAPTURE(name, which);
    const Structure structure = golden.structure(which);
    const auto& expected = golden.outputs(which);
    neighbors.build(structure, model.cutoff());
    make_geometry(structure, neighbors, geometry);
    model.forward(geometry, tape);

    std::vector<double> energies = tape.node_energies, total{0.0}, features;
    for (std::size_t i = 0; i < energies.size(); ++i) {
      energies[i] += tape.reference_energies[i];
      total[0] += energies[i];
    }
    CHECK(deviation(total, leyden_test::numbers(expected.at("energy"))) < 1e-9);
    CHECK(deviation(energies, leyden_test::numbers(expected.at("node_energy"))) < 1e-9);
    for (int i = 0; i < geometry.n_atoms(); ++i)
      for (const auto& layer : tape.features)
        for (int l = 0; l <= layer.shape().l_max; ++l)
          for (int c = 0; c < layer.shape().channels; ++c)
            for (int m = 0; m <= 2 * l; ++m) features.push_back(layer.get(i, c, l * l + m));
    CHECK(deviation(features, leyden_test::numbers(expected.at("node_feats"))) < 1e-9);
    double reference = 0.0;
    for (const double e : tape.reference_energies) reference += e;
    CHECK(deviation({total[0] - reference},
                    leyden_test::numbers(expected.at("interaction_energy"))) < 1e-9);

    model.backward(geometry, tape, 1.0, std::span<double>{});
    GeometryGradient<double> gradient;
    gradient.reset(structure.size());
    add_edge_gradient<double>(geometry, tape.edge_gradient, gradient);
    std::vector<double> forces, virials, stress;
    for (const auto& g : gradient.positions)
      for (int a = 0; a < 3; ++a) forces.push_back(-g[a]);
    CHECK(deviation(forces, leyden_test::numbers(expected.at("forces"))) < 1e-9);
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        virials.push_back(-0.5 * (gradient.strain(a, b) + gradient.strain(b, a)));
    CHECK(deviation(virials, leyden_test::numbers(expected.at("virials"))) < 1e-9);
    if (!structure.cell.all_periodic()) continue;
    for (const double v : virials) stress.push_back(-v / determinant(structure.cell.vectors));
    CHECK(deviation(stress, leyden_test::numbers(expected.at("stress"))) < 1e-9);
  }
}

template <MaceShape Shape>
void compare_heads(const std::string& name) {
  const leyden_test::GoldenMace golden(name);
  using Model = Mace<Shape>;
  Model model(golden.options());
  ParameterLayout layout;
  model.declare(layout);
  model.prepare(golden.parameters(layout));
  typename Model::template Tape<double> tape;
  Geometry<double> geometry;
  NeighborList neighbors;
  for (const char* which : {"water", "sio2_12", "quartz_triclinic_9"})
    for (const int head : {0, 1}) {
      CAPTURE(name, which, head);
      const Structure structure = golden.structure(which);
      neighbors.build(structure, model.cutoff());
      make_geometry(structure, neighbors, geometry);
      tape.head = head;
      model.forward(geometry, tape);
      std::vector<double> energies = tape.node_energies, features;
      for (std::size_t i = 0; i < energies.size(); ++i) energies[i] += tape.reference_energies[i];
      for (int i = 0; i < geometry.n_atoms(); ++i)
        for (const auto& layer : tape.features)
          for (int l = 0; l <= layer.shape().l_max; ++l)
            for (int c = 0; c < layer.shape().channels; ++c)
              for (int m = 0; m <= 2 * l; ++m) features.push_back(layer.get(i, c, l * l + m));
      const auto& expected = golden.outputs(which);
      const std::string energy = "node_energy_head" + std::to_string(head);
      CHECK(deviation(features, leyden_test::numbers(expected.at("node_feats"))) < 1e-12);
      CHECK(deviation(energies, leyden_test::numbers(expected.at(energy))) < 1e-12);
    }
}

}  // namespace

TEST_CASE("a MACE with a plain first layer is the reference's function", "[mace][golden]") {
  compare<MaceShape{3, 3, 0}>("mace_a1_L0_c3_first_plain");
}

TEST_CASE("a MACE with hidden l = 1 and residual layers is the reference's function",
          "[mace][golden]") {
  compare<MaceShape{3, 3, 1}>("mace_a2_L1_c3_first_residual");
}

TEST_CASE("a MACE of density-normalised layers is the reference's function", "[mace][golden]") {
  compare<MaceShape{3, 3, 1}>("mace_a5_L1_c3_density");
}

TEST_CASE("a MACE with an Agnesi transform and repulsion of nuclei is the reference's function",
          "[mace][golden]") {
  compare<MaceShape{3, 2, 1}>("mace_a4_L1_c2_residual_zbl_agnesi");
}

TEST_CASE("a MACE of one layer is the reference's function", "[mace][golden]") {
  compare<MaceShape{3, 3, 0}>("mace_a7_L0_c3_1layer");
}

TEST_CASE("options that no reference file has are the formulas' function", "[mace][golden]") {
  SECTION("density, soft transform, Gaussians, l = 2, narrow edges, all irreps of the last layer") {
    compare_heads<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 2, .edge_l = 1}>(
        "numpy_density_heads");
  }
  SECTION("Chebyshev of an Agnesi transform, agnostic product, scalars on edges, three layers") {
    compare_heads<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 1, .edge_l = 0}>(
        "numpy_narrow_agnostic");
  }
}

TEST_CASE("a float MACE keeps the digits that large reference energies would take", "[mace]") {
  // Silicon's E0 is -7873 eV, where floats are 5e-4 eV apart.
  const leyden_test::GoldenMace golden("mace_a1_L0_c3_first_plain");
  using Model = Mace<MaceShape{3, 3, 0}, float>;
  Model model(golden.options());
  ParameterLayout layout;
  model.declare(layout);
  model.prepare(golden.parameters(layout));
  const Structure structure = golden.structure("quartz_triclinic_9");
  NeighborList neighbors;
  neighbors.build(structure, model.cutoff());
  Geometry<float> geometry;
  make_geometry(structure, neighbors, geometry);
  Model::Tape<float> tape;
  model.forward(geometry, tape);
  const std::vector<double> expected =
      leyden_test::numbers(golden.outputs("quartz_triclinic_9").at("node_energy"));
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(std::abs(tape.node_energies[i] + tape.reference_energies[i] - expected[i]) < 5e-5);
}

}  // namespace mace_golden_test
