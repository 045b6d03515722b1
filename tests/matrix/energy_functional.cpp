// SPDX-License-Identifier: MIT
#include <leyden/charge/energy_functional.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part energy_functional_part("energy_functional", [] {
  using namespace leyden;
  EnergyFunctionalOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  leyden_matrix::print_rows(EnergyFunctional<0>(options), "kinks");
  options.bond_hardness = options.bond_sum_hardness = options.bond_kinks = true;
  leyden_matrix::print_rows(EnergyFunctional<1>(options), "kinks and neighbours");
});

}  // namespace
