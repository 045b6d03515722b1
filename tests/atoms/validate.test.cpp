// SPDX-License-Identifier: MIT
#include <leyden/atoms/validate.hpp>

#include "support/catch.hpp"

#include <limits>

namespace validate_test {

namespace {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;

constexpr double infinity = std::numeric_limits<double>::infinity();

Structure water() {
  Structure s;
  s.atomic_numbers = {8, 1, 1};
  s.positions = {{{0, 0, 0}}, {{0.96, 0, 0}}, {{-0.24, 0.93, 0}}};
  return s;
}

Structure boxed_water() {
  Structure s = water();
  s.cell.vectors = {{5, 0, 0, 0, 6, 0, 0, 0, 7}};
  s.cell.periodic = {true, true, true};
  return s;
}

}  // namespace

TEST_CASE("validate accepts molecules, bulk, slabs and skewed cells", "[atoms]") {
  CHECK_NOTHROW(validate(Structure{}, "empty"));
  CHECK_NOTHROW(validate(water(), "molecule"));
  Structure s = boxed_water();
  CHECK_NOTHROW(validate(s, "bulk"));
  s.cell.vectors(1, 0) = 500;  // very skewed, and fine
  CHECK_NOTHROW(validate(s, "skewed"));
  s = boxed_water();
  s.cell.periodic[2] = false;
  s.cell.vectors(2, 2) = 0;
  CHECK_NOTHROW(validate(s, "slab"));
  s.cell.vectors(2, 2) = -7;  // handedness means nothing without three periodic directions
  CHECK_NOTHROW(validate(s, "slab"));
}

TEST_CASE("validate names the place, the atom and the value", "[atoms]") {
  Structure s = water();
  s.positions[1][2] = std::nan("");
  CHECK_THROWS_AS(validate(s, "a"), InputError);
  CHECK_THROWS_WITH(validate(s, "set.xyz, frame 7"),
                    ContainsSubstring("set.xyz, frame 7: atom 1 (H)") && ContainsSubstring("nan"));
  s = water();
  s.positions[2][0] = -infinity;
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("atom 2 (H)") && ContainsSubstring("inf"));
  s = water();
  s.positions[0][0] = 1e13;
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("atom 0 (O)"));
}

TEST_CASE("validate refuses unknown elements and missing numbers", "[atoms]") {
  Structure s = water();
  s.atomic_numbers[0] = 119;
  CHECK_THROWS_WITH(validate(s, "a"),
                    ContainsSubstring("atom 0 has the atomic number 119; expected 1 to 118"));
  s.atomic_numbers[0] = 0;
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("atomic number 0"));
  s.atomic_numbers.pop_back();
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("3 positions but 2 atomic numbers"));
}

TEST_CASE("validate refuses bad cells", "[atoms]") {
  Structure s = boxed_water();
  s.cell.vectors(2, 1) = infinity;
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("lattice vector 2"));
  s = boxed_water();
  s.cell.vectors(1, 1) = 0;
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("direction 1 is periodic but"));
  s = boxed_water();
  s.cell.vectors = {{5, 0, 0, 0, 6, 0, 5, 6, 1e-12}};
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("linearly dependent"));
  s.cell.periodic[2] = false;
  CHECK_NOTHROW(validate(s, "a"));
  s = boxed_water();
  s.cell.vectors = {{0, 6, 0, 5, 0, 0, 0, 0, 7}};
  CHECK_THROWS_WITH(validate(s, "a"),
                    ContainsSubstring("left-handed") && ContainsSubstring("-210"));
}

TEST_CASE("validate refuses overlapping atoms, also across the boundary", "[atoms]") {
  Structure s = water();
  s.positions[2] = {{0.99, 0, 0}};
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("(H)") && ContainsSubstring("0.03") &&
                                          ContainsSubstring("closer than 0.05"));
  s.positions[2] = {{1.02, 0, 0}};
  CHECK_NOTHROW(validate(s, "a"));
  s = boxed_water();
  s.positions[1] = {{4.99, 18.0, -0.02}};
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("periodic image"));
  s.cell.periodic[0] = false;
  CHECK_NOTHROW(validate(s, "a"));
  // An atom and its own image.
  s = Structure{};
  s.atomic_numbers = {1};
  s.positions = {{{0, 0, 0}}};
  s.cell.vectors = {{0.04, 0, 0, 0, 6, 0, 0, 0, 7}};
  s.cell.periodic = {true, false, false};
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("atom 0 (H) and atom 0 (H)"));
}

TEST_CASE("validate refuses fields that a periodic system cannot have", "[atoms]") {
  Structure s = boxed_water();
  s.external_field = {{0, 0, 0.1}};
  CHECK_THROWS_WITH(validate(s, "a"),
                    ContainsSubstring("periodic direction 2") && ContainsSubstring("field_jump"));
  s.field_jump[2] = 0.5;
  CHECK_NOTHROW(validate(s, "a"));
  s.field_jump[2] = std::nan("");
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("field_jump"));
  s.field_jump[2].reset();
  s.cell.periodic[2] = false;
  CHECK_NOTHROW(validate(s, "a"));
  s.external_field[0] = std::nan("");
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("external field"));
  s = water();
  s.external_field = {{1, 2, 3}};
  CHECK_NOTHROW(validate(s, "a"));
  s.total_charge = infinity;
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("total charge"));
}

TEST_CASE("validate of many coinciding atoms stops at the first pair", "[atoms]") {
  // All pairs would be 5e9 and take minutes.
  Structure s;
  s.atomic_numbers.assign(100000, 1);
  s.positions.assign(100000, {});
  CHECK_THROWS_WITH(validate(s, "a"), ContainsSubstring("0.000000 Å apart"));
}

}  // namespace validate_test
