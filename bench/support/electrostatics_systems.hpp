// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/concepts.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

// Multipoles that benchmarks of solvers run on.
namespace leyden_bench {

/// Positions, widths and multipoles.
struct Multipoles {
  leyden::Geometry<double> geometry;
  std::vector<double> widths, p;
  int l_max = 0;

  leyden::SourceShape source() const { return {l_max, widths}; }
  std::size_t atoms() const { return geometry.positions.size(); }
  /// Each atom moved by up to `distance` along each axis.
  leyden::Geometry<double> moved(double distance) const {
    leyden::RandomStream random(11);
    leyden::Geometry<double> out = geometry;
    for (auto& r : out.positions)
      for (int d = 0; d < 3; ++d) r[d] += distance * random.uniform(-1.0, 1.0);
    return out;
  }
};

/// side³ atoms on a lattice of 0.1 per Å³, moved by up to 0.6 Å along each axis; charges −0.8476,
/// 0.4238, 0.4238 e, shuffled; dipoles and quadrupoles of 0.3 e Å, e Å² per component at random.
inline Multipoles water_charges(int side, int l_max = 0, double width = 0.0) {
  leyden::RandomStream random(7);
  Multipoles out;
  out.l_max = l_max;
  const double step = std::cbrt(10.0);
  leyden::Geometry<double>& g = out.geometry;
  g.periodic = {true, true, true};
  for (int d = 0; d < 3; ++d) g.cell(d, d) = side * step;
  std::vector<double> charge;
  for (int i = 0; i < side * side * side; ++i) {
    const int at[3] = {i / side / side, i / side % side, i % side};
    leyden::Vector3<double> r;
    for (int d = 0; d < 3; ++d) r[d] = (at[d] + 0.5) * step + random.uniform(-0.6, 0.6);
    g.positions.push_back(r);
    charge.push_back(i % 3 == 0 ? -0.8476 : 0.4238);
  }
  random.shuffle(charge);
  const std::size_t n = charge.size();
  double total = 0;
  for (const double q : charge) total += q;
  const int size = (l_max + 1) * (l_max + 1);
  out.p.reserve(n * static_cast<std::size_t>(size));
  for (const double q : charge) {
    out.p.push_back(q - total / static_cast<double>(n));
    for (int c = 1; c < size; ++c) out.p.push_back(0.3 * random.normal());
  }
  out.widths.assign(n, width);
  g.atomic_numbers.assign(n, 1);
  return out;
}

/// Random atoms in a cube, 0.1 per Å³, with random multipoles, in open space.
inline Multipoles random_molecule(int atoms, int l_max, double width) {
  leyden::RandomStream random(7);
  Multipoles out;
  out.l_max = l_max;
  const double length = std::cbrt(atoms / 0.1);
  for (int i = 0; i < atoms; ++i)
    out.geometry.positions.push_back(
        {{random.uniform(0, length), random.uniform(0, length), random.uniform(0, length)}});
  for (int c = 0; c < atoms * (l_max + 1) * (l_max + 1); ++c) out.p.push_back(random.normal());
  out.widths.assign(static_cast<std::size_t>(atoms), width);
  return out;
}

/// Atoms at 0.1 per Å³, no two closer than 1 Å, in a random oblique cell, the first `n_periodic`
/// directions periodic; charges up to 1 e, dipoles up to 0.3 e Å, quadrupoles up to 0.2 e Å².
inline Multipoles random_multipoles(leyden::RandomStream& random, int atoms, int l_max,
                                    double width, int n_periodic) {
  leyden::Structure s;
  const double length = std::cbrt(atoms / 0.1);
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = length * random.uniform(0.8, 1.2);
  s.cell.vectors(1, 0) = length * random.uniform(-0.3, 0.3);
  s.cell.vectors(2, 0) = length * random.uniform(-0.3, 0.3);
  s.cell.vectors(2, 1) = length * random.uniform(-0.3, 0.3);
  for (int d = 0; d < 3; ++d) s.cell.periodic[static_cast<std::size_t>(d)] = d < n_periodic;
  while (static_cast<int>(s.positions.size()) < atoms) {
    leyden::Vector3<double> r;
    for (int d = 0; d < 3; ++d) r += s.cell.vectors.row(d) * random.uniform(0.0, 1.0);
    bool free = true;
    for (const auto& other : s.positions) free = free && norm(r - other) > 1.0;
    if (!free) continue;
    s.positions.push_back(r);
    s.atomic_numbers.push_back(1);
  }
  Multipoles out;
  out.l_max = l_max;
  leyden::NeighborList list;
  list.build(s, 1.0);
  make_geometry(s, list, out.geometry);
  const int size = (l_max + 1) * (l_max + 1);
  double charge = 0;
  for (int i = 0; i < atoms; ++i)
    for (int m = 0; m < size; ++m) {
      out.p.push_back(random.uniform(-1.0, 1.0) * (m == 0 ? 1.0 : m < 4 ? 0.3 : 0.2));
      if (m == 0) charge += out.p.back();
    }
  for (int i = 0; i < atoms; ++i) out.p[static_cast<std::size_t>(i * size)] -= charge / atoms;
  out.widths.assign(static_cast<std::size_t>(atoms), width);
  return out;
}

/// Root mean squares of forces, and of what they are off by.
struct ForceError {
  double force = 0, error = 0;
  double relative() const { return error / force; }
};
inline ForceError compare_forces(const std::vector<leyden::Vector3<double>>& found,
                                 const std::vector<leyden::Vector3<double>>& expected) {
  ForceError out;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const leyden::Vector3<double> off = found[i] - expected[i];
    out.error += dot(off, off);
    out.force += dot(expected[i], expected[i]);
  }
  const auto n = static_cast<double>(expected.size());
  out.error = std::sqrt(out.error / n);
  out.force = std::sqrt(out.force / n);
  return out;
}

/// dE/dr of a solver.
template <class Solver>
std::vector<leyden::Vector3<double>> energy_gradient(const Solver& solver, const Multipoles& s) {
  typename Solver::template Plan<double> plan;
  solver.plan(s.geometry, s.source(), 0.0, plan);
  leyden::GeometryGradient<double> gradient;
  gradient.reset(s.atoms());
  solver.energy(plan, s.p, 1.0, gradient);
  return gradient.positions;
}

}  // namespace leyden_bench
