// SPDX-License-Identifier: MIT
#include <leyden/charge/site.hpp>
#include <leyden/electrostatics/direct.hpp>

#include "potential/laws.hpp"

namespace {
using namespace leyden_test;

template <class Q>
using Open = Potential<ToyDescriptor, Q, Direct>;

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
                std::span<T> gradient) const {
    const T q = charge(in, i);
    readout.pullback(in.features, i, in.species_of(i), q_bar * (T(1.0) - q * q), h_bar, gradient);
  }
};

using Uncharged = Potential<ToyDescriptor, NoCharges, NoElectrostatics>;
}  // namespace

TEMPLATE_TEST_CASE("every potential obeys the laws of a molecule in a field", "[potential]",
                   Uncharged, Open<FixedCharges>, Open<BasicFixedCharges<false>>,
                   Open<SiteCharges<OwnSite>>, Open<LocalMultipoles<0>>,
                   (Open<LocalMultipoles<1, ChargeConstraint::uniform>>),
                   (Open<LocalMultipoles<1, ChargeConstraint::fukui>>),
                   (Open<LocalMultipoles<1, ChargeConstraint::softness>>), Open<SplitCharges<0>>,
                   Open<SplitCharges<1>>, (Open<SplitCharges<1, false>>), Open<ChargeEquilibration>,
                   Open<PolarizableChargeEquilibration>) {
  const TestType potential = make_potential<TestType>();
  Structure structure = molecule();
  structure.external_field = {{0.3, -0.2, 0.5}};
  check_all(potential, structure);
}
