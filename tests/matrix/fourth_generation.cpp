// SPDX-License-Identifier: MIT
#include <leyden/charge/fourth_generation.hpp>

#include "matrix/matrix.hpp"

int main() {
  using namespace leyden;
  FourthGenerationOptions options;
  options.equilibration.widths = std::vector<double>{0.9, 0.6};
  leyden_matrix::print_rows(FourthGeneration(options));
  return leyden_matrix::misses > 0 ? 1 : 0;
}
