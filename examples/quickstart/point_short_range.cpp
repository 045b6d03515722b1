// SPDX-License-Identifier: MIT
#include <leyden/charge/none.hpp>

#include "point_of.hpp"

namespace quickstart {

std::unique_ptr<Point> make_short_range(const Settings& settings) {
  return make_point("Short range only", "short_range", leyden::NoCharges{},
                    leyden::NoElectrostatics{}, settings);
}

}  // namespace quickstart
