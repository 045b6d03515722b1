// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>

#include "point_of.hpp"

namespace quickstart {

std::unique_ptr<Point> make_charge_equilibration(const Settings& settings) {
  return make_point("Charge equilibration", "charge_equilibration",
                    leyden::ChargeEquilibration({.widths = 1.0}), make_solver(), settings);
}

}  // namespace quickstart
