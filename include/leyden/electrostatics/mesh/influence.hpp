// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/units.hpp>
#include <leyden/electrostatics/boundary_box.hpp>
#include <leyden/electrostatics/mesh/spread.hpp>
#include <leyden/electrostatics/splitting.hpp>

#include <numbers>
#include <vector>

// What a wave vector of the mesh is multiplied with.
//
// The mesh energy ½ Σ_k G |ρ̂|² has, for random charges and a kernel K̂ whose numerator matters in
// the first zone alone, the least force error with (Ballenegger, Cerdà and Holm, J. Chem. Theory
// Comput. 8, 936 (2012), energy-conserving forces)
//
//     G = U_0² k² K̂(k) / (V D1 D2),   D1 = Σ_m U_m²,   D2 = Σ_m U_m² k_m²
//
// U_m the window's transform at the images k_m = k + (reciprocal vector of the mesh). Both sums
// factor: with T0, T1, T2 = Σ U², Σ U² κ, Σ U² κ² of each axis over its images κ = n + m·size,
//
//     D2/D1 = |c|² + Σ_d s_d |b_d|²,   c = Σ_d (T1/T0)_d b_d,   s = T2/T0 − (T1/T0)²
//
// b_d the reciprocal lattice vectors: tables are one-dimensional and the strain derivative is
// exact.
namespace leyden::inline LEYDEN_ABI::detail {

// Along one axis, by index 0 … size − 1: U_0²/T0², T1/T0, and the variance s.
struct AxisMoments {
  std::vector<double> window, mean, variance;

  void fill(const MeshWindow& w, int size) {
    constexpr int images = 2;
    window.resize(static_cast<std::size_t>(size));
    mean.resize(window.size());
    variance.resize(window.size());
    for (int i = 0; i < size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const int n = i <= size / 2 ? i : i - size;
      double t0 = 0, t1 = 0, u0 = 0;
      double u2[2 * images + 1];
      for (int m = -images; m <= images; ++m) {
        const double kappa = n + static_cast<double>(m) * size;
        const double u = w.transform(2 * std::numbers::pi * kappa / size);
        u2[m + images] = u * u;
        t0 += u * u;
        t1 += u * u * kappa;
        if (m == 0) u0 = u * u;
      }
      mean[at] = n == 0 ? 0.0 : t1 / t0;
      variance[at] = 0;
      for (int m = -images; m <= images; ++m) {
        const double from_mean = n + static_cast<double>(m) * size - mean[at];
        variance[at] += u2[m + images] * from_mean * from_mean / t0;
      }
      // The two images of Nyquist's frequency would need different weights in a triclinic cell.
      window[at] = 2 * i == size ? 0.0 : u0 / (t0 * t0);
    }
  }
};

template <Number T>
struct MeshInfluence {
  using R = RealOf<T>;
  std::array<int, 3> size{};
  std::array<AxisMoments, 3> axes;
  std::array<Vector3<T>, 3> reciprocal;  // b_d
  T prefactor{};                         // C/V
  bool open = false;
  MeshField<T> weight;  // [n0][n1][n2/2 + 1] C·G, the split's f included
  // What the strain derivative needs beyond: filled when it is asked for the first time.
  mutable bool with_strain = false;
  // s with C·G(ε) = C·G + Σ s k_a k_b ε_ab + …, of prolate splits and open directions: what f and
  // K̂ k² contribute. (Others' f is a Gaussian and K̂ k² a constant.)
  mutable MeshField<T> slope;

  int half() const { return size[2] / 2 + 1; }
  static int index(int i, int n) { return i <= n / 2 ? i : i - n; }
};

// Visits (index into tables, integer indices, k) of all wave vectors but those of Nyquist planes.
template <Number T, class Visit>
void for_each_mesh_vector(const MeshInfluence<T>& g, const Visit& visit) {
  using R = RealOf<T>;
  std::size_t at = 0;
  const int half = g.half();
  for (int i = 0; i < g.size[0]; ++i)
    for (int j = 0; j < g.size[1]; ++j, at += static_cast<std::size_t>(half)) {
      if (2 * i == g.size[0] || 2 * j == g.size[1]) continue;
      const std::array<int, 2> n{g.index(i, g.size[0]), g.index(j, g.size[1])};
      const Vector3<T> k0 =
          g.reciprocal[0] * T(static_cast<R>(n[0])) + g.reciprocal[1] * T(static_cast<R>(n[1]));
      for (int m = 0; 2 * m < g.size[2] || m == 0; ++m)
        visit(at + static_cast<std::size_t>(m), std::array<int, 3>{n[0], n[1], m},
              k0 + g.reciprocal[2] * T(static_cast<R>(m)));
    }
}

template <Number T>
void set_field(MeshField<T>& field, std::size_t at, const T& x) {
  if constexpr (is_dual_v<T>) {
    field.value[at] = x.value;
    field.tangent[at] = x.tangent;
  } else {
    field.value[at] = x;
  }
}

template <Number T>
T get_field(const MeshField<T>& field, std::size_t at) {
  if constexpr (is_dual_v<T>)
    return T(field.value[at], field.tangent[at]);
  else
    return field.value[at];
}

template <Number T>
void clear_field(MeshField<T>& field, std::size_t n) {
  field.value.assign(n, RealOf<T>(0));
  if constexpr (is_dual_v<T>) field.tangent.assign(n, RealOf<T>(0));
}

// D2/D1 by mesh indices.
template <Number T>
T mean_square(const MeshInfluence<T>& g, int i, int j, int m) {
  using R = RealOf<T>;
  const std::size_t at[3] = {static_cast<std::size_t>(i), static_cast<std::size_t>(j),
                             static_cast<std::size_t>(m)};
  Vector3<T> c{};
  T sum(R(0));
  for (std::size_t d = 0; d < 3; ++d) {
    c += g.reciprocal[d] * T(static_cast<R>(g.axes[d].mean[at[d]]));
    sum += dot(g.reciprocal[d], g.reciprocal[d]) * static_cast<R>(g.axes[d].variance[at[d]]);
  }
  return sum + dot(c, c);
}

/// Fills the tables for a box; `split` null: f = 1.
template <Number T>
void fill_influence(const BoundaryBox<T>& box, const Splitting* split, MeshInfluence<T>& g) {
  using R = RealOf<T>;
  const Matrix3<T> inverse_cell = inverse(box.cell);
  for (std::size_t d = 0; d < 3; ++d)
    for (int c = 0; c < 3; ++c)
      g.reciprocal[d][c] =
          inverse_cell(c, static_cast<int>(d)) * static_cast<R>(2 * std::numbers::pi);
  T volume = determinant(box.cell);
  if (value_of(volume) < R(0)) volume = -volume;
  g.prefactor = T(static_cast<R>(units::coulomb)) / volume;
  g.open = box.n_periodic < 3;
  g.with_strain = false;
  const auto total = static_cast<std::size_t>(g.size[0]) * static_cast<std::size_t>(g.size[1]) *
                     static_cast<std::size_t>(g.half());
  clear_field(g.weight, total);
  const T flat = g.prefactor * static_cast<R>(4 * std::numbers::pi);
  const double beyond = split ? split->k_max(1e-30) : 0;
  for_each_mesh_vector(g, [&](std::size_t at, const std::array<int, 3>& n, const Vector3<T>& k) {
    const int i = n[0] < 0 ? n[0] + g.size[0] : n[0], j = n[1] < 0 ? n[1] + g.size[1] : n[1];
    const bool zero = n[0] == 0 && n[1] == 0 && n[2] == 0;
    if (zero && !g.open) return;
    const T k2 = dot(k, k);
    if (split && static_cast<double>(value_of(k2)) > beyond * beyond) return;
    const R u = static_cast<R>(g.axes[0].window[static_cast<std::size_t>(i)] *
                               g.axes[1].window[static_cast<std::size_t>(j)] *
                               g.axes[2].window[static_cast<std::size_t>(n[2])]);
    T x = g.open ? g.prefactor * box.kernel(k, n) : flat;
    if (!zero) {
      if (g.open) x *= k2;
      x /= mean_square(g, i, j, n[2]);
      if (split) x *= split->factor(k2);
    }
    set_field(g.weight, at, x * u);
  });
}

/// Fills what the strain derivative needs beyond.
template <Number T>
void fill_influence_strain(const BoundaryBox<T>& box, const Splitting* split,
                           const MeshInfluence<T>& g) {
  using R = RealOf<T>;
  if (g.with_strain) return;
  g.with_strain = true;
  const bool prolate = split && split->kind() == Splitting::Kind::prolate;
  if (!prolate && !g.open) return clear_field(g.slope, 0);
  clear_field(g.slope, g.weight.size());
  for_each_mesh_vector(g, [&](std::size_t at, const std::array<int, 3>& n, const Vector3<T>& k) {
    const T weight = get_field(g.weight, at), k2 = dot(k, k);
    if (value_of(weight) == R(0) || value_of(k2) == R(0)) return;
    T s(R(0));
    if (prolate) {
      const T f = split->factor(k2);
      if (value_of(f) != R(0)) s -= split->factor_derivative(k2) * R(2) / f;
    }
    if (g.open) {
      T slope;
      const T kernel = box.kernel_with_slope(k, n, slope);
      s += slope / kernel - T(R(2)) / k2;
    }
    set_field(g.slope, at, weight * s);
  });
}

}  // namespace leyden::inline LEYDEN_ABI::detail
