// SPDX-License-Identifier: MIT
#include <leyden/charge/local.hpp>

#include "point_of.hpp"

namespace quickstart {

std::unique_ptr<Point> make_local_multipoles(const Settings& settings) {
  return make_point("Local charges and dipoles", "local_multipoles",
                    leyden::LocalMultipoles<1, leyden::ChargeConstraint::fukui>(
                        {.widths = 1.0, .charges = settings.statistics.mean_charges}),
                    make_solver(), settings);
}

}  // namespace quickstart
