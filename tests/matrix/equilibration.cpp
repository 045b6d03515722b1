// SPDX-License-Identifier: MIT
#include <leyden/charge/equilibration.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part equilibration_part("equilibration", [] {
  using namespace leyden;
  leyden_matrix::print_rows(leyden_test::make_charge_model<ChargeEquilibration>());
  leyden_matrix::print_rows(leyden_test::make_charge_model<PolarizableChargeEquilibration>());
});

}  // namespace
