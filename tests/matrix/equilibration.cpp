// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>

#include "matrix/matrix.hpp"

int main() {
  using namespace leyden;
  leyden_matrix::print_rows(leyden_test::make_charge_model<ChargeEquilibration>());
  leyden_matrix::print_rows(leyden_test::make_charge_model<PolarizableChargeEquilibration>());
  return leyden_matrix::misses > 0 ? 1 : 0;
}
