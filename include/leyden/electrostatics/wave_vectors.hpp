// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/vector3.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace leyden::inline LEYDEN_ABI::detail {

// The wave vectors k = n·G (rows of G: 2π h^(−T)) of half a ball, in rows of constant (n1, n2).
// A row is stored symmetric about its middle: slot first + 2m is n3 = base + m, slot first + 2m + 1
// is n3 = base − m, m = 0 … reach. Slots outside of the ball (and the second one of m = 0) are
// there to make the row symmetric and have weight zero: at most one vector per row is wasted.
struct WaveRow {
  int n1 = 0, n2 = 0;
  int low = 0, high = 0;  // the range of n3 inside of the ball
  int base = 0, reach = 0;
  std::size_t first = 0;

  int n3(int m, int side) const { return side == 0 ? base + m : base - m; }
  bool inside(int m, int side) const {
    return (m > 0 || side == 0) && low <= n3(m, side) && n3(m, side) <= high;
  }
};

struct WaveRows {
  std::vector<WaveRow> rows;
  std::size_t slots = 0;
  std::size_t vectors = 0;                          // slots inside of the ball
  int max1 = 0, max2 = 0, max3 = 0, max_reach = 0;  // of |n1|, |n2|, |n3|, m
};

// Lays the rows out in slots, from the ranges of n3.
inline void place_wave_rows(WaveRows& out) {
  out.slots = out.vectors = 0;
  out.max1 = out.max2 = out.max3 = out.max_reach = 0;
  for (WaveRow& row : out.rows) {
    // The surplus slot lies above the range: in the row of n1 = n2 = 0, k = 0 is never touched.
    row.base = row.low + (row.high - row.low + 1) / 2;
    row.reach = row.base - row.low;
    row.first = out.slots;
    out.slots += static_cast<std::size_t>(2 * (row.reach + 1));
    out.vectors += static_cast<std::size_t>(row.high - row.low + 1);
    out.max1 = std::max(out.max1, row.n1);
    out.max2 = std::max(out.max2, std::abs(row.n2));
    out.max3 = std::max({out.max3, std::abs(row.low), std::abs(row.high), std::abs(row.base)});
    out.max_reach = std::max(out.max_reach, row.reach);
  }
}

// All k ≠ 0 with |k| ≤ cutoff (inclusive up to rounding), one of each pair ±k.
inline void select_wave_rows(const Matrix3<double>& cell, double cutoff, WaveRows& out) {
  out.rows.clear();
  const Matrix3<double> inverse_cell = inverse(cell);
  Vector3<double> g[3];
  int limit[3];
  for (int d = 0; d < 3; ++d) {
    for (int j = 0; j < 3; ++j) g[d][j] = 2 * std::numbers::pi * inverse_cell(j, d);
    // n_d = k·h_d/2π
    limit[d] = static_cast<int>(cutoff * norm(cell.row(d)) / (2 * std::numbers::pi)) + 1;
  }
  const double cutoff2 = cutoff * cutoff * (1 + 1e-12);
  const double g33 = dot(g[2], g[2]);
  for (int n1 = 0; n1 <= limit[0]; ++n1)
    for (int n2 = n1 == 0 ? 0 : -limit[1]; n2 <= limit[1]; ++n2) {
      const Vector3<double> q = static_cast<double>(n1) * g[0] + static_cast<double>(n2) * g[1];
      const auto inside = [&](int n3) {
        const Vector3<double> k = q + static_cast<double>(n3) * g[2];
        return dot(k, k) <= cutoff2;
      };
      const double middle = -dot(q, g[2]) / g33;
      const double square = middle * middle - (dot(q, q) - cutoff2) / g33;
      if (square < 0) continue;
      WaveRow row;
      row.n1 = n1;
      row.n2 = n2;
      row.low = static_cast<int>(std::floor(middle - std::sqrt(square)));
      row.high = static_cast<int>(std::ceil(middle + std::sqrt(square)));
      if (n1 == 0 && n2 == 0) row.low = 1;
      while (row.low <= row.high && !inside(row.low)) ++row.low;
      while (row.low <= row.high && !inside(row.high)) --row.high;
      if (row.low > row.high) continue;
      out.rows.push_back(row);
    }
  place_wave_rows(out);
}

}  // namespace leyden::inline LEYDEN_ABI::detail
