// CTEST:
// SPDX-License-Identifier: MIT
// A charge model of your own: charges are read from the features and scaled by a learned factor per
// species. It says what one atom does, forward and backward; the potential around it gives
// energies, forces, stress and training gradients.
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
struct ScaledCharge {
  static constexpr std::string_view name = "scaled charges";
  FeatureReadout readout;
  Slice slice;
  std::vector<double> scale;  // per species

  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    const int n = int(species.size());
    readout.declare(layout, "charge/", shapes, n);
    slice = layout.add("charge/scale", {n}, Initializer::constant(1.0));
  }
  void prepare(std::span<const double> parameters) {
    readout.prepare(parameters);
    scale.assign(slice.of(parameters).begin(), slice.of(parameters).end());
  }
  template <class T>
  T charge(const ChargeInput<T>& in, int i) const {
    const int s = in.species_of(i);
    return readout.value(in.features, i, s) * RealOf<T>(scale[std::size_t(s)]);
  }
  template <class T>
  void pullback(const ChargeInput<T>& in, int i, T q_bar, std::span<FeatureArray<T>> h_bar,
                std::span<T> gradient) const {
    const int s = in.species_of(i);
    readout.pullback(in.features, i, s, q_bar * RealOf<T>(scale[std::size_t(s)]), h_bar, gradient);
    if (!gradient.empty())
      slice.of(gradient)[std::size_t(s)] += q_bar * readout.value(in.features, i, s);
  }
};
// [model]

int main() {
  MaceOptions options;
  options.species = {1, 8};
  using Model =
      Potential<Mace<MaceShape{.l_max = 2, .correlation = 2}>, SiteCharges<ScaledCharge>, Direct>;
  const Model model(Model::descriptor_type(options), SiteCharges<ScaledCharge>{}, Direct{});

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
