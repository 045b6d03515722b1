// SPDX-License-Identifier: MIT
#include <leyden/charge/fixed_point.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part fixed_point_part("fixed_point", [] {
  using namespace leyden;
  FixedPointOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  options.charges = {-0.5, 0.25};
  leyden_matrix::print_rows(FixedPoint<0>(options), "linear");
  options.terms = 2;
  leyden_matrix::print_rows(FixedPoint<1>(options), "non-linear");
  options.bond_transfer = options.bond_cross = true;
  leyden_matrix::print_rows(FixedPoint<1>(options), "many-body");
  options.feature_widths = {0.9, 1.8};
  leyden_matrix::print_rows(FixedPoint<1>(options), "many-body, two widths");
});

}  // namespace
