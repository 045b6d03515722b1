// SPDX-License-Identifier: MIT
#include <leyden/charge/bond_hardness.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part bond_hardness_part("bond_hardness", [] {
  using namespace leyden;
  BondHardnessOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  options.charges = {-0.5, 0.25};
  leyden_matrix::print_rows(BondHardness<0>(options));
  leyden_matrix::print_rows(BondHardness<1>(options));
});

}  // namespace
