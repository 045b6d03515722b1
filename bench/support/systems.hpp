// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/structure.hpp>
#include <leyden/core/random.hpp>

#include <cmath>

// Structures that benchmarks run on.
namespace leyden_bench {

/// H and O atoms (2:1) at the density of liquid water, 0.1 per Å³, on a jittered lattice in a cubic
/// periodic box: no two overlap, and every neighbour shell is as full as in the liquid.
inline leyden::Structure water_like(int n) {
  leyden::RandomStream random(7);
  leyden::Structure s;
  const double length = std::cbrt(n / 0.1);
  const int side = static_cast<int>(std::ceil(std::cbrt(n)));
  const double step = length / side;
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = length;
  s.cell.periodic = {true, true, true};
  for (int i = 0; i < n; ++i) {
    s.atomic_numbers.push_back(i % 3 == 0 ? 8 : 1);
    // Spread over all sites when n is not a cube.
    const int site = static_cast<int>(static_cast<long>(i) * side * side * side / n);
    const int at[3] = {site % side, site / side % side, site / side / side};
    leyden::Vector3<double> r;
    for (int a = 0; a < 3; ++a) r[a] = (at[a] + 0.5 + 0.3 * random.uniform(-0.5, 0.5)) * step;
    s.positions.push_back(r);
  }
  return s;
}

}  // namespace leyden_bench
