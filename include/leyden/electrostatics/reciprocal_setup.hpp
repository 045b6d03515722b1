// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/units.hpp>
#include <leyden/electrostatics/reciprocal_kernels.hpp>
#include <leyden/electrostatics/splitting.hpp>

#include <numbers>
#include <string>

// How a plan of a sum over wave vectors is filled, step by step.
namespace leyden::inline LEYDEN_ABI::detail {

template <Number T>
Matrix3<double> value_of_cell(const Matrix3<T>& cell) {
  Matrix3<double> out;
  for (std::size_t c = 0; c < 9; ++c) out.data[c] = static_cast<double>(value_of(cell.data[c]));
  return out;
}

// @throws InputError for a cell without volume.
inline double checked_volume(const char* where, const Matrix3<double>& cell) {
  const double volume = std::abs(determinant(cell));
  if (!(volume > 1e-9 * norm(cell.row(0)) * norm(cell.row(1)) * norm(cell.row(2))) ||
      !std::isfinite(volume))
    throw InputError(std::string(where) +
                     ": the cell has no volume; its periodic lattice vectors must be finite and "
                     "linearly independent");
  return volume;
}

// @throws ModelError when a sphere of wave vectors is too large to store.
inline void check_wave_count(const char* where, double volume, double cutoff) {
  const double expected =
      volume * cutoff * cutoff * cutoff / (12 * std::numbers::pi * std::numbers::pi);
  if (!(expected < 1e8))
    throw ModelError(std::string(where) + ": a cutoff of " + std::to_string(cutoff) +
                     " /Angstrom in this cell needs " + std::to_string(expected) +
                     " wave vectors; use wider Gaussians (or, with a split, a longer cutoff of "
                     "pairs), a lower accuracy or a k_cutoff");
}

// Atoms sorted by width; every group starts a pack.
template <Number T>
void group_by_width(int n_atoms, const SourceShape& source, ReciprocalPlan<T>& plan) {
  constexpr int lanes = Pack<T>::lanes;
  plan.n_atoms = n_atoms;
  plan.l_max = source.l_max;
  plan.widths.assign(source.widths.begin(), source.widths.end());
  plan.scratch.widths.clear();
  plan.segments.clear();
  plan.slot_atom.clear();
  double last_width = -1;
  for (;;) {
    double width = -1;
    for (double w : plan.widths)
      if (w > last_width && (width < 0 || w < width)) width = w;
    if (width < 0) break;
    const int first = static_cast<int>(plan.slot_atom.size()) / lanes;
    for (int i = 0; i < n_atoms; ++i)
      if (plan.widths[static_cast<std::size_t>(i)] == width) plan.slot_atom.push_back(i);
    while (plan.slot_atom.size() % static_cast<std::size_t>(lanes) != 0)
      plan.slot_atom.push_back(-1);
    plan.segments.push_back({first, static_cast<int>(plan.slot_atom.size()) / lanes, width, 0});
    last_width = width;
  }
  plan.packs = static_cast<int>(plan.slot_atom.size()) / lanes;
  plan.points = last_width <= 0;
}

// The vectors of plan.waves in plan.box, and the weights of the Coulomb kernel times f of a split;
// `split` null: f = 1.
template <Number T>
void fill_wave_vectors(const Matrix3<T>& inverse_cell, const Splitting* split,
                       ReciprocalPlan<T>& plan) {
  using R = RealOf<T>;
  constexpr R two_pi = 2 * std::numbers::pi_v<R>;
  for (int d = 0; d < 3; ++d)
    for (int j = 0; j < 3; ++j)
      plan.g[static_cast<std::size_t>(d)][j] = inverse_cell(j, d) * two_pi;
  T v = determinant(plan.box.cell);
  if (value_of(v) < R(0)) v = -v;
  const T twice = T(static_cast<R>(2 * units::coulomb)) / v;
  const T flat = twice * static_cast<R>(4 * std::numbers::pi);
  plan.open = plan.box.n_periodic < 3;
  plan.zero_weight = plan.open ? twice * R(0.5) * plan.box.kernel({}, {}) : T(R(0));
  plan.k.resize(plan.waves.slots);
  plan.weight.resize(plan.waves.slots);
  plan.strain_weight.resize(plan.waves.slots);
  for (const WaveRow& row : plan.waves.rows)
    for (int m = 0; m <= row.reach; ++m)
      for (int side = 0; side < 2; ++side) {
        const auto slot = row.first + static_cast<std::size_t>(2 * m + side);
        Vector3<T>& k = plan.k[slot];
        for (int c = 0; c < 3; ++c)
          k[c] = plan.g[0][c] * static_cast<R>(row.n1) + plan.g[1][c] * static_cast<R>(row.n2) +
                 plan.g[2][c] * static_cast<R>(row.n3(m, side));
        T &weight = plan.weight[slot], &strain = plan.strain_weight[slot];
        weight = strain = T(R(0));
        if (!row.inside(m, side)) continue;
        const T k2 = dot(k, k);
        if (plan.open) {
          weight = twice * plan.box.kernel_with_slope(k, {row.n1, row.n2, row.n3(m, side)}, strain);
          strain *= twice;
        } else {
          weight = flat / k2;
          strain = weight * R(2) / k2;
        }
        if (split == nullptr) continue;
        const T f = split->factor(k2);
        strain = strain * f - weight * split->factor_derivative(k2) * R(2);
        weight *= f;
      }
  plan.width_factors.clear();
  for (WidthSegment& segment : plan.segments) {
    segment.factor = plan.width_factors.size();
    append_width_factors(plan, segment.width, plan.width_factors);
  }
}

// Phases of the three fractional coordinates. Doubling keeps the rounding error of the n-th power
// at log2(n) products.
template <Number T>
void fill_phases(std::span<const Vector3<T>> positions, const Matrix3<T>& inverse_cell,
                 ReciprocalPlan<T>& plan) {
  using R = RealOf<T>;
  constexpr int lanes = Pack<T>::lanes;
  constexpr R two_pi = 2 * std::numbers::pi_v<R>;
  const int count[3] = {plan.waves.max1, plan.waves.max2,
                        std::max(plan.waves.max3, plan.waves.max_reach)};
  for (int d = 0; d < 3; ++d) {
    auto& table = plan.phases[static_cast<std::size_t>(d)];
    table.resize(static_cast<std::size_t>(2 * plan.packs * (std::max(count[d], 1) + 1)));
    for (int i = 0; i < plan.packs; ++i) {
      Pack<T> theta;
      for (int lane = 0; lane < lanes; ++lane) {
        const int atom = plan.slot_atom[static_cast<std::size_t>(i * lanes + lane)];
        if (atom < 0) continue;
        const Vector3<T>& r = positions[static_cast<std::size_t>(atom)];
        T f = r[0] * inverse_cell(0, d) + r[1] * inverse_cell(1, d) + r[2] * inverse_cell(2, d);
        f -= T(std::floor(value_of(f)));
        theta.set_lane(lane, f * two_pi);
      }
      const auto entry = [&](int m) { return table.data() + 2 * (m * plan.packs + i); };
      entry(0)[0] = Pack<T>(R(1));
      entry(0)[1] = Pack<T>();
      entry(1)[0] = cos(theta);
      entry(1)[1] = sin(theta);
      for (int m = 2; m <= count[d]; ++m) {
        entry(m)[0] = entry(m / 2)[0];
        entry(m)[1] = entry(m / 2)[1];
        rotate<T>(entry(m)[0], entry(m)[1], entry(m - m / 2), false);
      }
    }
  }
}

// Everything that follows from plan.box and a grouping by width.
template <Number T>
void fill_waves(const char* where, const Geometry<T>& geometry, double cutoff,
                const Splitting* split, ReciprocalPlan<T>& plan) {
  const Matrix3<double> cell = value_of_cell(plan.box.cell);
  const double volume = checked_volume(where, cell);
  check_wave_count(where, volume, cutoff);
  select_wave_rows(cell, cutoff, plan.waves);
  const Matrix3<T> inverse_cell = inverse(plan.box.cell);
  fill_wave_vectors(inverse_cell, split, plan);
  fill_phases<T>(geometry.positions, inverse_cell, plan);
  plan.centred.clear();
  if (plan.open)
    for (const Vector3<T>& r : geometry.positions) plan.centred.push_back(r - plan.box.origin);
}

}  // namespace leyden::inline LEYDEN_ABI::detail
