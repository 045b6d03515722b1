// SPDX-License-Identifier: MIT
#include "descriptor/mace_checks.hpp"

#include <leyden/descriptor/ace.hpp>

#include <array>

using namespace leyden;

namespace leyden_test {

template <AceShape Shape, class Real>
struct CheckOptions<Ace<Shape, Real>> {
  static AceOptions of(int variant) {
    AceOptions o;
    o.species = {8, 1, 14};
    o.cutoff = 3.2;
    o.channels = 5;  // no multiple of any number of lanes
    o.radial_count = 4;
    o.radial_kind = variant == 1 ? RadialBasis::Kind::bessel : RadialBasis::Kind::gaussian;
    o.distance_transform.kind =
        variant == 2 ? DistanceTransform::Kind::soft : DistanceTransform::Kind::none;
    o.average_neighbors = 1.5;
    o.features = variant != 3;
    o.atomic_energies = {-2.0, -0.5, -3.0};
    o.scale = 1.3;
    o.shift = 0.2;
    if (variant == 2) o.repulsion = ZblRepulsion{};
    return o;
  }
};

}  // namespace leyden_test

namespace ace_test {

using namespace leyden_test;

namespace {

using First = Ace<AceShape{.l_max = 3, .correlation = 3}>;
using Second = Ace<AceShape{.l_max = 2, .correlation = 4, .feature_l = 2}>;
using Scalars = Ace<AceShape{.l_max = 0, .correlation = 4}>;
using Pairs = Ace<AceShape{.l_max = 4, .correlation = 2, .feature_l = 0}>;
using Single = Ace<AceShape{.l_max = 3, .correlation = 3}, float>;
static_assert(Descriptor<First> && Descriptor<Scalars> && Descriptor<Single>);
static_assert(First::feature_l_max == 1 && Scalars::feature_l_max == 0);

// Parameters that the energy is said to be linear in, changed by a fixed pattern times t.
template <class Model>
std::vector<double> along(const Setup<Model>& s, bool linear, double t) {
  std::vector<double> w = s.parameters;
  for (const auto& p : s.layout.entries())
    if ((p.name.compare(0, Model::linear_prefix.size(), Model::linear_prefix) == 0) == linear)
      for (std::size_t k = 0; k < p.slice.size; ++k)
        w[p.slice.offset + k] += t * std::sin(1.0 + 0.7 * static_cast<double>(k));
  return w;
}
// E(−1) − 2 E(0) + E(1), and E(1) − E(0).
template <class Model>
std::array<double, 2> bend_and_slope(bool linear) {
  Setup<Model> s(2);
  const auto geometry = geometry_of<double>(crystal(), s.model.cutoff());
  typename Model::template Tape<double> tape;
  std::array<double, 3> e{};
  for (int k = 0; k < 3; ++k) {
    s.model.prepare(along(s, linear, k - 1.0));
    s.model.forward(geometry, tape);
    for (double x : tape.node_energies) e[static_cast<std::size_t>(k)] += x;
  }
  return {e[0] - 2 * e[1] + e[2], e[2] - e[1]};
}

}  // namespace

TEST_CASE("an ACE has the symmetries of space", "[ace]") {
  SECTION("l = 3, correlation 3") { check_symmetries<First>(1); }
  SECTION("l = 2, correlation 4, repulsion") { check_symmetries<Second>(2); }
  SECTION("distances alone") { check_symmetries<Scalars>(1); }
  SECTION("l = 4, correlation 2") { check_symmetries<Pairs>(1); }
}

TEST_CASE("the adjoint of an ACE is its derivative, first and second", "[ace]") {
  const bool features = GENERATE(false, true);
  SECTION("l = 3, correlation 3") { check_derivatives<First>(1, features); }
  SECTION("l = 2, correlation 4, soft transform, repulsion") {
    check_derivatives<Second>(2, features);
  }
  SECTION("distances alone") { check_derivatives<Scalars>(1, features); }
}

TEST_CASE("an ACE may have no features", "[ace]") {
  const Setup<First> s(3);
  CHECK(s.model.feature_shapes().empty());
  check_derivatives<First>(3, true);
}

TEST_CASE("the energy of an ACE is linear in the parameters it names", "[ace]") {
  const auto [bend, slope] = bend_and_slope<First>(true);
  CHECK(std::abs(slope) > 0.1);
  CHECK(std::abs(bend) < 1e-12 * std::max(1.0, std::abs(slope)));
  const auto [radial_bend, radial_slope] = bend_and_slope<First>(false);
  CHECK(std::abs(radial_bend) > 1e-3);
}

TEST_CASE("an ACE sees four bodies with correlation 3, three with 2", "[ace]") {
  // Around an atom, a neighbour's energy that depends on the other two at once.
  const auto bodies = [](const auto& s) {
    const std::array<Vector3<double>, 3> at{
        {{{1.1, 0.1, 0.2}}, {{-0.3, 1.2, 0.1}}, {{0.2, -0.4, 1.3}}}};
    double sum = 0.0;
    for (unsigned set = 0; set < 8; ++set) {
      Structure cluster;
      cluster.atomic_numbers = {8};
      cluster.positions = {{{0, 0, 0}}};
      int sign = -1;
      for (unsigned k = 0; k < 3; ++k)
        if (set >> k & 1u) {
          cluster.atomic_numbers.push_back(1);
          cluster.positions.push_back(at[k]);
          sign = -sign;
        }
      sum += sign * node_energies(s, cluster)[0];
    }
    return std::abs(sum);
  };
  CHECK(bodies(Setup<First>(1)) > 1e-3);
  CHECK(bodies(Setup<Pairs>(1)) < 1e-12);
}

TEST_CASE("an ACE of floats is that of doubles", "[ace]") { check_floats<First, Single>(1); }

TEST_CASE("threads with a tape each share an ACE", "[ace]") { check_threads<First>(1); }

TEST_CASE("a warm ACE does not allocate", "[ace]") {
  for (int variant : {1, 2}) check_memory<First>(variant);
}

TEST_CASE("an ACE names what it does not know", "[ace]") {
  using Catch::Matchers::ContainsSubstring;
  const Setup<First> s(1);
  Structure structure = molecule();
  structure.atomic_numbers[3] = 26;
  CHECK_THROWS_WITH(node_energies(s, structure),
                    ContainsSubstring("atom 3") && ContainsSubstring("26"));
  AceOptions options;
  CHECK_THROWS_WITH(First(options), ContainsSubstring("species"));
  options.species = {8};
  options.radial_kind = RadialBasis::Kind::gaussian;
  options.radial_count = 1;
  CHECK_THROWS_WITH(First(options), ContainsSubstring("Gaussian"));
}

}  // namespace ace_test
