// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/structure.hpp>
#include <leyden/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace leyden::inline LEYDEN_ABI {

/// A compact basis of the lattice that a cell repeats by.
///
/// The first `n_periodic` rows of `basis` are short lattice vectors; the others are unit vectors
/// orthogonal to them and to each other. `transform` expresses the short vectors in the cell's:
/// basis_k = Σ_d transform(k, d) · cell.vectors_d, so a shift m in the basis is the shift
/// n_d = Σ_k m_k transform(k, d) of the cell.
struct CompactLattice {
  Matrix3<double> basis{};
  Matrix3<double> inverse{};  // r · inverse = coordinates in the basis
  std::array<std::array<int, 3>, 3> transform{};
  int n_periodic = 0;

  std::array<int, 3> cell_shift(const std::array<int, 3>& m) const {
    std::array<int, 3> n{};
    for (std::size_t k = 0; k < 3; ++k)
      for (std::size_t d = 0; d < 3; ++d) n[d] += m[k] * transform[k][d];
    return n;
  }
  /// The distance of neighbouring lattice planes along basis vector k [Å].
  double height(int k) const {
    return 1.0 / norm(Vector3<double>{{inverse(0, k), inverse(1, k), inverse(2, k)}});
  }
};

namespace detail {

inline void set_row(Matrix3<double>& m, int i, const Vector3<double>& v) {
  for (int j = 0; j < 3; ++j) m(i, j) = v[j];
}

// One round: replaces a vector by a shorter one of the same lattice; false when there is none.
inline bool shorten(CompactLattice& l) {
  bool changed = false;
  // A gain below rounding is none: without this, equally long vectors could alternate for ever.
  constexpr double gain = 1.0 - 1e-9;
  const auto replace = [&](int i, const std::array<double, 3>& c) {
    Vector3<double> v{};
    for (int k = 0; k < l.n_periodic; ++k) v += c[static_cast<std::size_t>(k)] * l.basis.row(k);
    if (!(dot(v, v) < gain * dot(l.basis.row(i), l.basis.row(i)))) return;
    for (std::size_t d = 0; d < 3; ++d) {
      double sum = 0;
      for (std::size_t k = 0; k < 3; ++k) sum += c[k] * l.transform[k][d];
      if (std::abs(sum) > 1e6) return;  // too skewed for exact integers; correct, only slower
      l.transform[static_cast<std::size_t>(i)][d] = static_cast<int>(sum);
    }
    set_row(l.basis, i, v);
    changed = true;
  };
  for (int i = 0; i < l.n_periodic; ++i) {
    for (int j = 0; j < l.n_periodic; ++j) {
      if (i == j) continue;
      const Vector3<double> other = l.basis.row(j);
      std::array<double, 3> c{};
      c[static_cast<std::size_t>(i)] = 1;
      c[static_cast<std::size_t>(j)] =
          -std::nearbyint(dot(l.basis.row(i), other) / dot(other, other));
      replace(i, c);
    }
    if (l.n_periodic < 3) continue;
    for (int a = -1; a <= 1; a += 2)
      for (int b = -1; b <= 1; b += 2) {
        std::array<double, 3> c{};
        c[static_cast<std::size_t>(i)] = 1;
        c[static_cast<std::size_t>((i + 1) % 3)] = a;
        c[static_cast<std::size_t>((i + 2) % 3)] = b;
        replace(i, c);
      }
  }
  return changed;
}

}  // namespace detail

/// The compact basis of a cell's periodic directions (Minkowski reduction: Semaev, CaLC 2001, with
/// all signs tried); rows of directions that do not repeat are ignored.
///
/// @throws InputError when the periodic vectors are not finite or linearly dependent.
inline CompactLattice compact_lattice(const Cell& cell) {
  CompactLattice l;
  for (int d = 0; d < 3; ++d) {
    if (!cell.periodic[static_cast<std::size_t>(d)]) continue;
    detail::set_row(l.basis, l.n_periodic, cell.vectors.row(d));
    l.transform[static_cast<std::size_t>(l.n_periodic)][static_cast<std::size_t>(d)] = 1;
    ++l.n_periodic;
  }
  const auto fail = [] {
    throw InputError(
        "compact_lattice: the lattice vectors of the periodic directions must be finite and "
        "linearly independent; give the missing ones or mark those directions as not periodic");
  };
  for (int k = 0; k < l.n_periodic; ++k) {
    const double length = norm(l.basis.row(k));
    if (!(length > 0) || !std::isfinite(length)) fail();
  }
  for (int round = 0; round < 1000 && detail::shorten(l); ++round) {
  }
  // Complete by unit vectors: the axis farthest from what is there, made orthogonal to it.
  for (int k = l.n_periodic; k < 3; ++k) {
    Vector3<double> best{};
    double best_length = -1;
    for (int axis = 0; axis < 3; ++axis) {
      Vector3<double> v{};
      v[axis] = 1;
      if (k == 2) {
        const Vector3<double> normal = cross(l.basis.row(0), l.basis.row(1));
        v = dot(normal, v) * normal;
        const double scale = dot(normal, normal);
        for (int j = 0; j < 3; ++j) v[j] = scale > 0 ? v[j] / scale : 0.0;
      } else if (k == 1) {
        const Vector3<double> u = l.basis.row(0);
        v -= (dot(u, v) / dot(u, u)) * u;
      }
      // Only a clear win moves on, so that a molecule gets x, y, z in this order.
      if (norm(v) > best_length + 1e-6) {
        best = v;
        best_length = norm(v);
      }
    }
    if (!(best_length > 0)) fail();
    detail::set_row(l.basis, k, (1.0 / best_length) * best);
  }
  double scale = 1;
  for (int k = 0; k < 3; ++k) scale *= norm(l.basis.row(k));
  // A reduced basis has a determinant of at least scale/√2; 1e-9 leaves room for rounding only.
  if (!(std::abs(determinant(l.basis)) > 1e-9 * scale)) fail();
  l.inverse = inverse(l.basis);
  return l;
}

}  // namespace leyden::inline LEYDEN_ABI
