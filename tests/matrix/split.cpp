// SPDX-License-Identifier: MIT
#include <leyden/charge/split.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part split_part("split", [] {
  using namespace leyden;
  SplitChargesOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  options.charges = {-0.5, 0.25};
  leyden_matrix::print_rows(SplitCharges<0>(options));
  leyden_matrix::print_rows(SplitCharges<1>(options));
});

}  // namespace
