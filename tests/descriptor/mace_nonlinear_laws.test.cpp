// SPDX-License-Identifier: MIT
#include "descriptor/mace_checks.hpp"

namespace mace_nonlinear_laws_test {

using namespace leyden;
using namespace leyden_test;

namespace {

// Edge channels, cutoff, product weights, last irreps and frame vary at run time with the variant.
using First = Mace<MaceShape{
    .l_max = 2, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear}>;
using Second = Mace<MaceShape{
    .l_max = 3, .correlation = 1, .hidden_l = 2, .interaction = MaceInteraction::nonlinear}>;
using Single = Mace<
    MaceShape{
        .l_max = 2, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear},
    float>;

std::vector<double> pair_energies(const Setup<First>& s, double distance) {
  Structure pair;
  pair.atomic_numbers = {8, 1};
  pair.positions = {{{0, 0, 0}}, {{distance, 0, 0}}};
  return node_energies(s, pair);
}

}  // namespace

TEST_CASE("a nonlinear MACE has the symmetries of space", "[mace]") {
  SECTION("three layers") { check_symmetries<First>(2); }
  SECTION("two layers, (y, z, x), all irreps of the last layer") { check_symmetries<First>(1); }
  SECTION("l = 3, hidden l = 2, two layers") { check_symmetries<Second>(4); }
}

TEST_CASE("the adjoint of a nonlinear MACE is its derivative, first and second", "[mace]") {
  const bool features = GENERATE(false, true);
  SECTION("one layer, Chebyshev, product weights of species") {
    check_derivatives<First>(3, features);
  }
  SECTION("two layers, no envelope on messages") { check_derivatives<First>(1, features); }
  SECTION("three layers") { check_derivatives<First>(2, features); }
  SECTION("l = 3, hidden l = 2, three layers") { check_derivatives<Second>(5, features); }
}

TEST_CASE("a nonlinear MACE of floats is that of doubles", "[mace]") {
  for (int variant : {1, 2}) check_floats<First, Single>(variant);
}

TEST_CASE("threads with a tape each share a nonlinear MACE", "[mace]") { check_threads<First>(2); }

TEST_CASE("a warm nonlinear MACE does not allocate", "[mace]") {
  for (int variant : {1, 2}) check_memory<First>(variant);
}

TEST_CASE("messages fade at the cutoff if they are told to", "[mace]") {
  const Setup<First> smooth(4), published(1);
  const double cutoff = smooth.model.cutoff();
  for (std::size_t i : {0u, 1u}) {
    // The envelope goes with the third power of the distance to the cutoff: 1e-4 Å make 1e-12.
    CHECK(near(pair_energies(smooth, cutoff - 1e-4)[i], pair_energies(smooth, cutoff + 1e-4)[i],
               1.0, 1e-9));
    CHECK(std::abs(pair_energies(published, cutoff - 1e-4)[i] -
                   pair_energies(published, cutoff + 1e-4)[i]) > 1e-3);
  }
}

TEST_CASE("a list with a margin changes nothing in a nonlinear MACE", "[mace]") {
  for (int variant : {1, 4}) {
    const Setup<First> s(variant);
    First::Tape<double> tape;
    s.model.forward(geometry_of<double>(crystal(), s.model.cutoff() + 0.9), tape);
    check_equal(tape.node_energies, node_energies(s, crystal()), 1e-13);
  }
}

TEST_CASE("the frame of a MACE is a turn of space", "[mace]") {
  MaceOptions options = options_of<First>(2);
  const Setup<First> xyz(options);
  options.frame = HarmonicFrame::yzx;
  const Setup<First> yzx(options);
  Structure turned = crystal();
  const auto turn = [](const Vector3<double>& r) { return Vector3<double>{{r[1], r[2], r[0]}}; };
  for (auto& r : turned.positions) r = turn(r);
  for (int i = 0; i < 3; ++i) {
    const Vector3<double> row = turn(crystal().cell.vectors.row(i));
    for (int a = 0; a < 3; ++a) turned.cell.vectors(i, a) = row[a];
  }
  First::Tape<double> a, b;
  yzx.model.forward(geometry_of<double>(crystal(), yzx.model.cutoff()), a);
  xyz.model.forward(geometry_of<double>(turned, xyz.model.cutoff()), b);
  CHECK(a.features[0].shape().frame == HarmonicFrame::yzx);
  CHECK(yzx.model.feature_shapes()[0].frame == HarmonicFrame::yzx);
  bool same = true, all_scalars = true;
  each_feature(a.features, [&](int k, int i, int c, int m) {
    const double x = b.features[static_cast<std::size_t>(k)].get(i, c, m);
    same = same && near(a.features[static_cast<std::size_t>(k)].get(i, c, m), x, 1.0, 1e-12);
    all_scalars = all_scalars && (m == 0 || std::abs(x) < 1e-3);
  });
  CHECK(same);
  CHECK(!all_scalars);
}

TEST_CASE("a MACE refuses options that its layers do not have", "[mace]") {
  using Catch::Matchers::ContainsSubstring;
  MaceOptions options{.species = {8}};
  options.residual_first = true;
  CHECK_THROWS_AS(First(options), ModelError);
  CHECK_THROWS_WITH(First(options), ContainsSubstring("residual_first"));
  options.residual_first = false;
  options.edge_channels = -1;
  CHECK_THROWS_WITH(First(options), ContainsSubstring("edge_channels"));
  options.edge_channels = 0;
  options.density_normalized = true;
  CHECK_THROWS_WITH(First(options), ContainsSubstring("density_normalized"));
  options.density_normalized = false;
  options.envelope_on_messages = true;
  CHECK_THROWS_WITH(First(options), ContainsSubstring("envelope_on_messages"));
  using Linear = Mace<MaceShape{.l_max = 1, .correlation = 1, .hidden_l = 0}>;
  options.smooth_cutoff = false;
  CHECK_THROWS_WITH(Linear(options), ContainsSubstring("smooth_cutoff"));
  options.smooth_cutoff = true;
  options.heads = 2;
  options.head = 2;
  CHECK_THROWS_WITH(Linear(options), ContainsSubstring("head"));
  options.head = 1;
  options.head_scales = {1.0};
  CHECK_THROWS_WITH(Linear(options), ContainsSubstring("head_scales"));
  options.head_scales.clear();
  options.radial_frequencies = {1.0};
  CHECK_THROWS_WITH(Linear(options), ContainsSubstring("radial_frequencies"));
  options.radial_frequencies.clear();
  options.radial_kind = RadialBasis::Kind::gaussian;
  options.radial_count = 1;
  CHECK_THROWS_WITH(Linear(options), ContainsSubstring("Gaussian"));
}

}  // namespace mace_nonlinear_laws_test
