// SPDX-License-Identifier: MIT
#include <leyden/charge/local.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/potential.hpp>

#include "support/catch.hpp"

#include <cmath>

namespace precision_test {

namespace {

using namespace leyden;

template <class Real>
using Model = Potential<Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}, Real>,
                        LocalMultipoles<1>, Reciprocal>;

template <class Real>
Model<Real> model() {
  MaceOptions o;
  o.species = {1, 8};
  o.cutoff = 4.0;
  o.channels = 16;
  o.radial_hidden = {8};
  o.average_neighbors = 30.0;
  ReciprocalOptions solver;
  solver.accuracy = 1e-6;
  solver.background = Background::uniform;
  return Model<Real>(typename Model<Real>::descriptor_type(o), LocalMultipoles<1>(),
                     Reciprocal(solver), 3);
}

Structure crystal(int side) {
  Structure s;
  RandomStream random(9);
  for (int i = 0; i < side * side * side; ++i) {
    const int at[3] = {i % side, i / side % side, i / side / side};
    Vector3<double> r;
    for (int a = 0; a < 3; ++a) r[a] = 2.1 * at[a] + 0.2 * random.normal();
    s.atomic_numbers.push_back(i % 3 == 0 ? 8 : 1);
    s.positions.push_back(r);
  }
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = 2.1 * side;
  s.cell.periodic = {true, true, true};
  return s;
}

}  // namespace

// Kernels run in single precision (6e-8), sums over edges, atoms and the virial in double: errors
// do not grow with the number of atoms.
TEST_CASE("single precision: small errors at any size", "[potential]") {
  const auto exact = model<double>();
  const auto single = model<float>();
  Model<double>::Workspace a;
  Model<float>::Workspace b;
  for (const int side : {3, 8}) {
    const Structure s = crystal(side);
    const Prediction& x = exact.evaluate(s, a);
    const Prediction& y = single.evaluate(s, b);
    double scale = 0, forces = 0, force_scale = 0, stress = 0, stress_scale = 0;
    for (const double e : x.atomic_energies) scale = std::max(scale, std::abs(e));
    for (std::size_t i = 0; i < s.size(); ++i)
      for (int k = 0; k < 3; ++k) {
        forces += std::pow(x.forces[i][k] - y.forces[i][k], 2);
        force_scale += std::pow(x.forces[i][k], 2);
      }
    for (std::size_t k = 0; k < 9; ++k) {
      stress = std::max(stress, std::abs(x.stress.data[k] - y.stress.data[k]));
      stress_scale = std::max(stress_scale, std::abs(x.stress.data[k]));
    }
    INFO(s.size() << " atoms: energy " << std::abs(x.energy - y.energy) / double(s.size()) / scale
                  << ", forces " << std::sqrt(forces / force_scale) << ", stress "
                  << stress / stress_scale);
    CHECK(std::abs(x.energy - y.energy) / static_cast<double>(s.size()) < 1e-6 * scale);
    CHECK(std::sqrt(forces / force_scale) < 4e-6);
    CHECK(stress < 2e-6 * stress_scale);
  }
}

}  // namespace precision_test
