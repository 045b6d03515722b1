// SPDX-License-Identifier: MIT
#pragma once

// A charge model of your own: what one atom does, forward and backward. Charges are read from the
// surroundings and are never above two electrons, but for the equal share that every atom takes of
// what they lack of the total charge.
#include <leyden/charge/site.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include <cmath>

namespace examples {

using namespace leyden;

// [model]
struct BoundedCharge {
  static constexpr std::string_view name = "bounded charges";
  FeatureReadout readout{FeatureReadoutOptions{.species_bias = true}};

  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    readout.declare(layout, "charge/", shapes, int(species.size()));
  }
  void prepare(std::span<const double> parameters) { readout.prepare(parameters); }
  template <class T>
  T charge(const ChargeInput<T>& in, int i) const {
    using std::tanh;
    return T(2) * tanh(readout.value(in.features, i, in.species_of(i)) / T(2));
  }
  template <class T>
  void pullback(const ChargeInput<T>& in, int i, T q_bar, std::span<FeatureArray<T>> h_bar,
                std::span<double> gradient) const {
    const T half = charge(in, i) / T(2);
    readout.pullback(in.features, i, in.species_of(i), q_bar * (T(1) - half * half), h_bar,
                     gradient);
  }
};
using BoundedCharges = SiteCharges<BoundedCharge, ChargeConstraint::uniform>;
// [model]

}  // namespace examples
