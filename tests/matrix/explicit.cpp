// SPDX-License-Identifier: MIT
#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part explicit_part("explicit", [] {
  using namespace leyden;
  using leyden_test::make_charge_model;
  leyden_matrix::print_rows(make_charge_model<FixedCharges>());
  leyden_matrix::print_rows(make_charge_model<LocalMultipoles<0>>());
  leyden_matrix::print_rows(make_charge_model<LocalMultipoles<1>>());
  leyden_matrix::print_rows(make_charge_model<LocalMultipoles<1, ChargeConstraint::uniform>>());
  leyden_matrix::print_rows(make_charge_model<LocalMultipoles<1, ChargeConstraint::fukui>>());
  leyden_matrix::print_rows(
      make_charge_model<LocalMultipoles<2>>(), "",
      leyden_matrix::descriptor<Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 2}>>());
});

}  // namespace
