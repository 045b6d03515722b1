// SPDX-License-Identifier: MIT
#include "descriptor/mace_checks.hpp"

using namespace leyden;
using namespace leyden_test;

namespace {

// Few shapes: each is a minute of kernels otherwise. Layers, residuals and the radial basis vary at
// run time.
using First = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;
using Second = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 0}>;
using Third = Mace<MaceShape{.l_max = 2, .correlation = 1, .hidden_l = 2}>;
using Single = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}, float>;

}  // namespace

TEST_CASE("a MACE has the symmetries of space", "[mace]") {
  SECTION("hidden l = 1, three layers") { check_symmetries<First>(2); }
  SECTION("hidden l = 0, two layers, residual") { check_symmetries<Second>(1); }
  SECTION("hidden l = 2, two layers") { check_symmetries<Third>(4); }
}

TEST_CASE("the adjoint of a MACE is its derivative, first and second", "[mace]") {
  const bool features = GENERATE(false, true);
  SECTION("one layer, Chebyshev, residual") { check_derivatives<First>(3, features); }
  SECTION("three layers") { check_derivatives<First>(2, features); }
  SECTION("correlation 3, residual first layer") { check_derivatives<Second>(1, features); }
  SECTION("hidden l = 2, three layers, residual") { check_derivatives<Third>(5, features); }
}

TEST_CASE("a MACE names the atom it does not know", "[mace]") {
  const Setup<First> s(1);
  Structure structure = molecule();
  structure.atomic_numbers[3] = 26;
  CHECK_THROWS_AS(node_energies(s, structure), ModelError);
  CHECK_THROWS_WITH(node_energies(s, structure), Catch::Matchers::ContainsSubstring("atom 3") &&
                                                     Catch::Matchers::ContainsSubstring("26"));
}

TEST_CASE("a MACE of floats is that of doubles", "[mace]") {
  for (int variant : {1, 2}) check_floats<First, Single>(variant);
}

TEST_CASE("threads with a tape each share a MACE", "[mace]") { check_threads<First>(2); }

TEST_CASE("a warm MACE does not allocate", "[mace]") {
  for (int variant : {1, 2}) check_memory<First>(variant);
}
