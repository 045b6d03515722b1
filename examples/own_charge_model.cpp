// CTEST:
// SPDX-License-Identifier: MIT
// A charge model of your own: charges are read from the features and cannot exceed one electron. It
// says what one atom does, forward and backward; the potential around it gives energies, forces,
// stress and training gradients.
#include <leyden/charge/site.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/equivariant/feature_readout.hpp>
#include <leyden/potential.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace leyden;

// [model]
struct BoundedCharge {
  static constexpr std::string_view name = "bounded charges";
  FeatureReadout readout;

  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    readout.declare(layout, "charge/", shapes, int(species.size()));
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
    readout.pullback(in.features, i, in.species_of(i), q_bar * (T(1) - q * q), h_bar, gradient);
  }
};
// [model]

int main() {
  MaceOptions options;
  options.species = {1, 8};
  using Model =
      Potential<Mace<MaceShape{.l_max = 2, .correlation = 2}>, SiteCharges<BoundedCharge>, Direct>;
  const Model model(Model::descriptor_type(options), SiteCharges<BoundedCharge>{}, Direct{});

  Structure water;
  water.atomic_numbers = {8, 1, 1};
  water.positions = {{{0.0, 0.0, 0.0}}, {{0.76, 0.59, 0.1}}, {{-0.76, 0.59, 0.0}}};

  Model::Workspace workspace;
  const Prediction p = model.evaluate(water, workspace);
  std::printf("energy %.6f eV, charges %.4f %.4f %.4f e\n", p.energy, p.charges[0], p.charges[1],
              p.charges[2]);

  // The forces are those of this energy.
  double worst = 0.0;
  const double h = 1e-5;
  for (std::size_t i = 0; i < water.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      Structure moved = water;
      moved.positions[i][a] += h;
      const double up = model.evaluate(moved, workspace).energy;
      moved.positions[i][a] -= 2 * h;
      const double down = model.evaluate(moved, workspace).energy;
      worst = std::max(worst, std::abs(p.forces[i][a] - (down - up) / (2 * h)));
    }
  std::printf("largest difference to finite differences: %.1e eV/A\n", worst);
  return worst < 1e-6 ? 0 : 1;
}
