// SPDX-License-Identifier: MIT
#include <leyden/charge/fourth_generation.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part fourth_generation_part("fourth_generation", [] {
  using namespace leyden;
  FourthGenerationOptions options;
  options.equilibration.widths = std::vector<double>{0.9, 0.6};
  leyden_matrix::print_rows(FourthGeneration(options));
});

}  // namespace
