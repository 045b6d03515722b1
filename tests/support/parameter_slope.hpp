// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/random.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace leyden_test {

/// The derivative of a number along a random direction of all parameters.
struct ParameterSlope {
  double expected = 0.0;  ///< what the gradient says
  double found = 0.0;     ///< differences of fourth order with step h
};

/// @param value  the number at the parameters that the potential has then; it keeps the old ones.
template <class P, class Value>
ParameterSlope parameter_slope(P& potential, std::span<const double> gradient, double h,
                               const Value& value) {
  const std::vector<double> start(potential.parameters().begin(), potential.parameters().end());
  leyden::RandomStream random(13);
  std::vector<double> direction(start.size());
  ParameterSlope slope;
  for (std::size_t k = 0; k < start.size(); ++k) {
    direction[k] = random.normal();
    slope.expected += direction[k] * gradient[k];
  }
  const auto at = [&](double step) {
    std::vector<double> x = start;
    for (std::size_t k = 0; k < x.size(); ++k) x[k] += step * direction[k];
    potential.set_parameters(x);
    return value();
  };
  slope.found = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  potential.set_parameters(start);
  return slope;
}

}  // namespace leyden_test
