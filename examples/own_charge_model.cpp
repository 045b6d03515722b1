// CTEST:
// SPDX-License-Identifier: MIT
// Uses a charge model of your own, own_charge_model.hpp: the potential around it gives energies,
// forces, stress and training gradients. A line in models/models.hpp trains and compares it.
#include "own_charge_model.hpp"

#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/potential.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace leyden;

int main() {
  MaceOptions options;
  options.species = {1, 8};
  using Model =
      Potential<Mace<MaceShape{.l_max = 2, .correlation = 2}>, examples::BoundedCharges, Direct>;
  const Model model(Model::descriptor_type(options), examples::BoundedCharges{}, Direct{});

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
