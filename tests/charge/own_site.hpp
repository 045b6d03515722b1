// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/site.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include <cmath>

namespace leyden_test {

using namespace leyden;

// A charge model of a user: charges saturate.
struct OwnSite {
  static constexpr std::string_view name = "tanh of a readout";
  FeatureReadout readout{{.species_weights = true, .initial_weights = 0.3}};

  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    readout.declare(layout, "charge/", shapes, static_cast<int>(species.size()));
  }
  void prepare(std::span<const double> parameters) { readout.prepare(parameters); }
  template <class T>
  T charge(const ChargeInput<T>& in, int i) const {
    using std::tanh;
    return tanh(readout.value(in.features, i, in.species_of(i)));
  }
  template <class T>
  void pullback(const ChargeInput<T>& in, int i, T q_bar, std::span<FeatureArray<T>> h_bar,
                std::span<double> gradient) const {
    const T q = charge(in, i);
    readout.pullback(in.features, i, in.species_of(i), q_bar * (T(1.0) - q * q), h_bar, gradient);
  }
};

}  // namespace leyden_test
