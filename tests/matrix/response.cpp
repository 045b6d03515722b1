// SPDX-License-Identifier: MIT
#include <leyden/charge/response.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part response_part("response", [] {
  using namespace leyden;
  ResponseFunctionalOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  options.charges = {-0.5, 0.25};
  leyden_matrix::print_rows(ResponseFunctional<0>(options), "levels");
  options.electronegativity = options.hardness = true;
  options.bond_softness = options.bond_saturation = true;
  leyden_matrix::print_rows(ResponseFunctional<1>(options), "levels, hardness and bonds");
});

}  // namespace
