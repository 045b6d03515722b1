// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/units.hpp>

#include <cmath>
#include <numbers>

namespace units_test {

using namespace leyden;

// The defining constants of the SI (exact since 2019); the Coulomb constant is of CODATA 2014.
namespace {
constexpr double elementary_charge = 1.602176634e-19;  // C
constexpr double speed_of_light = 299792458.0;         // m/s
constexpr double elementary_charge_2014 = 1.6021766208e-19;
constexpr double vacuum_permittivity_2014 = 8.854187817e-12;  // F/m
constexpr double relative = 1e-9;  // the constants are given to ten digits
}  // namespace

TEST_CASE("units follow from the SI", "[units]") {
  const double coulomb =
      elementary_charge_2014 / (4 * std::numbers::pi * vacuum_permittivity_2014) * 1e10;  // V Å / e
  CHECK(std::abs(units::coulomb / coulomb - 1) < relative);
  CHECK(std::abs(units::inverse_vacuum_permittivity / (4 * std::numbers::pi * units::coulomb) - 1) <
        1e-15);
  CHECK(std::abs(units::gigapascal_per_ev_per_cubic_angstrom / (elementary_charge * 1e30 * 1e-9) -
                 1) < relative);
  const double debye = 1e-21 / speed_of_light / elementary_charge * 1e10;  // e Å
  CHECK(std::abs(units::electron_angstrom_per_debye / debye - 1) < relative);
}

}  // namespace units_test
