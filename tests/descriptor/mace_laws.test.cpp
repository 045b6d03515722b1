// SPDX-License-Identifier: MIT
#include "descriptor/mace_checks.hpp"

namespace mace_laws_test {

using namespace leyden;
using namespace leyden_test;

namespace {

// Few shapes: each is a minute of kernels otherwise. Layers, residuals and the radial basis vary at
// run time.
using First = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;
using Second = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 0}>;
using Third = Mace<MaceShape{.l_max = 2, .correlation = 1, .hidden_l = 2, .edge_l = 1}>;
using Fourth = Mace<MaceShape{.l_max = 4, .correlation = 4, .hidden_l = 0}>;
using Single = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}, float>;

}  // namespace

TEST_CASE("a MACE has the symmetries of space", "[mace]") {
  SECTION("hidden l = 1, three layers") { check_symmetries<First>(2); }
  SECTION("hidden l = 0, two layers, residual") { check_symmetries<Second>(1); }
  SECTION("hidden l = 2, two layers") { check_symmetries<Third>(4); }
  SECTION("l = 4, correlation 4, two layers") { check_symmetries<Fourth>(1); }
}

TEST_CASE("the adjoint of a MACE is its derivative, first and second", "[mace]") {
  const bool features = GENERATE(false, true);
  SECTION("one layer, Chebyshev, residual") { check_derivatives<First>(3, features); }
  SECTION("three layers") { check_derivatives<First>(2, features); }
  SECTION("correlation 3, residual first layer") { check_derivatives<Second>(1, features); }
  SECTION("hidden l = 2, three layers, residual") { check_derivatives<Third>(5, features); }
  SECTION("hidden l = 2, two layers, Gaussians") { check_derivatives<Third>(4, features); }
}

TEST_CASE("heads are models that share their layers", "[mace]") {
  MaceOptions options = options_of<First>(1);
  options.heads = 3;
  options.atomic_energies = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  options.head_scales = {0.3, 1.4, 0.8};
  options.head_shifts = {0.1, -0.2, 0.3};
  const Setup<First> all(options);
  for (const int head : {0, 1, 2}) {
    // The head's own columns of the readouts make a model of one head; the mean over the units of
    // all heads stays.
    const std::size_t h = static_cast<std::size_t>(head);
    MaceOptions own = options_of<First>(1);
    own.atomic_energies = {3.0 * head + 1, 3.0 * head + 2, 3.0 * head + 3};
    own.scale = options.head_scales[h];
    own.shift = options.head_shifts[h];
    Setup<First> one(own);
    for (const auto& p : one.layout.entries()) {
      const auto& from = all.layout.find(p.name);
      const std::size_t width = 3;
      for (std::size_t k = 0; k < p.slice.size; ++k) {
        std::size_t at = k;
        double factor = 1.0;
        if (p.name == "mace.readout0") at = 3 * k + h;
        if (p.name == "mace.readout_hidden") at = k / width * 3 * width + h * width + k % width;
        if (p.name == "mace.readout_last") {
          at = (h * width + k) * 3 + h;
          factor = 1.0 / std::sqrt(3.0);
        }
        one.parameters[p.slice.offset + k] = all.parameters[from.slice.offset + at] * factor;
      }
    }
    one.model.prepare(one.parameters);
    First::Tape<double> tape, expected;
    tape.head = head;
    const auto geometry = geometry_of<double>(crystal(), own.cutoff);
    all.model.forward(geometry, tape);
    one.model.forward(geometry, expected);
    check_equal(tape.node_energies, expected.node_energies, 1e-13);
    CHECK(tape.reference_energies == expected.reference_energies);
  }
  First::Tape<double> tape;
  tape.head = 3;
  CHECK_THROWS_WITH(all.model.forward(geometry_of<double>(crystal(), 3.0), tape),
                    Catch::Matchers::ContainsSubstring("head 3"));
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

}  // namespace mace_laws_test
