// CTEST:
// SPDX-License-Identifier: MIT
// Builds a potential and evaluates it on a small crystal.
// [use]
#include <leyden/leyden.hpp>

#include <cstdio>

using namespace leyden;
using Model = Potential<Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>,
                        ChargeEquilibration, Reciprocal>;

int main() {
  const Model model(Model::descriptor_type({.species = {11, 17}, .cutoff = 4.5, .channels = 16}),
                    ChargeEquilibration{}, Reciprocal{}, /*seed*/ 1);
  Structure salt;
  salt.atomic_numbers = {11, 17};
  salt.positions = {{{0.0, 0.0, 0.0}}, {{2.9, 0.1, 0.0}}};
  salt.cell.vectors = {{0.0, 2.82, 2.82, 2.82, 0.0, 2.82, 2.82, 2.82, 0.0}};  // rows, Å
  salt.cell.periodic = {true, true, true};

  Model::Workspace workspace;  // one per thread; keeps all memory
  const Prediction& p = model.evaluate(salt, workspace);
  std::printf("energy %.6f eV, charge of Na %.4f e, force on Na (%.4f, %.4f, %.4f) eV/Å\n",
              p.energy, p.charges[0], p.forces[0][0], p.forces[0][1], p.forces[0][2]);
}
// [use]
