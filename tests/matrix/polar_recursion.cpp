// SPDX-License-Identifier: MIT
#include <leyden/charge/polar_recursion.hpp>

#include "matrix/matrix.hpp"

namespace {

const leyden_matrix::Part polar_recursion_part("polar_recursion", [] {
  using namespace leyden;
  MaceOptions backbone;
  backbone.keep_last_irreps = true;
  backbone.frame = HarmonicFrame::yzx;
  PolarRecursionOptions options;
  options.widths = std::vector<double>{0.9, 0.6};
  options.feature_widths = {0.9, 1.8};
  options.fukui_width = 6;
  options.step_hidden = {6};
  options.readout_channels = 4;
  options.energy_hidden = {6};
  leyden_matrix::print_rows(PolarRecursion<1>(options), "", leyden_matrix::descriptor(backbone));
});

}  // namespace
