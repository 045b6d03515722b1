// SPDX-License-Identifier: MIT
#include <leyden/charge/fixed.hpp>

#include "point_of.hpp"

namespace quickstart {

std::unique_ptr<Point> make_fixed_charges(const Settings& settings) {
  return make_point(
      "Fixed charges", "fixed_charges",
      leyden::FixedCharges(
          {.charges = settings.statistics.mean_charges, .widths = 1.0, .trained = true}),
      make_solver(), settings);
}

}  // namespace quickstart
