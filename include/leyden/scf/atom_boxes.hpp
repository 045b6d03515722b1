// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The atoms of a structure sorted into boxes of a regular grid along the lattice (and across open
/// directions), none of them empty. Positions are wrapped so that no box is cut by the boundary.
template <std::floating_point R>
struct AtomBoxes {
  std::vector<Vector3<R>> positions;  // (n) Å, wrapped
  std::vector<int> box;               // (n)
  std::vector<std::size_t> first;     // (boxes + 1)
  std::vector<int> atoms;             // (n) by box, in each in the order of the structure

  std::size_t size() const { return first.size() - 1; }

  /// @param per_box  atoms in a box, about
  void build(const Geometry<R>& geometry, std::size_t per_box);

 private:
  std::vector<Vector3<R>> fraction_;  // (n) in 0 … 1
  std::vector<int> number_;           // (cells of the grid)
};

namespace detail {
/// Lattice vectors where a direction is periodic, unit vectors across them where it is open.
template <std::floating_point R>
Matrix3<R> frame_of(const Geometry<R>& geometry) {
  Matrix3<R> frame{}, orthonormal{};
  int known = 0;
  const auto across = [&](Vector3<R> v) {
    for (int k = 0; k < known; ++k) v -= dot(v, orthonormal.row(k)) * orthonormal.row(k);
    return v;
  };
  const auto remember = [&](Vector3<R> v) {
    const Vector3<R> unit = v * (R(1) / norm(v));
    for (int a = 0; a < 3; ++a) orthonormal(known, a) = unit[a];
    ++known;
    return unit;
  };
  for (int d = 0; d < 3; ++d)
    if (geometry.periodic[static_cast<std::size_t>(d)]) {
      for (int a = 0; a < 3; ++a) frame(d, a) = geometry.cell(d, a);
      remember(across(geometry.cell.row(d)));
    }
  for (int d = 0; d < 3; ++d) {
    if (geometry.periodic[static_cast<std::size_t>(d)]) continue;
    Vector3<R> best{};
    for (int axis = 0; axis < 3; ++axis) {
      Vector3<R> v{};
      v[axis] = R(1);
      v = across(v);
      if (norm(v) > R(1.001) * norm(best)) best = v;
    }
    const Vector3<R> unit = remember(best);
    for (int a = 0; a < 3; ++a) frame(d, a) = unit[a];
  }
  return frame;
}
}  // namespace detail

template <std::floating_point R>
void AtomBoxes<R>::build(const Geometry<R>& geometry, std::size_t per_box) {
  const std::size_t n = static_cast<std::size_t>(geometry.n_atoms());
  const Matrix3<R> frame = detail::frame_of(geometry), inverse_frame = inverse(frame);
  positions.resize(n);
  fraction_.resize(n);
  Vector3<R> low, high;
  for (std::size_t i = 0; i < n; ++i) {
    Vector3<R> f = geometry.positions[i] * inverse_frame;
    for (int d = 0; d < 3; ++d) {
      if (geometry.periodic[static_cast<std::size_t>(d)]) f[d] -= std::floor(f[d]);
      low[d] = i == 0 ? f[d] : std::min(low[d], f[d]);
      high[d] = i == 0 ? f[d] : std::max(high[d], f[d]);
    }
    fraction_[i] = f;
    positions[i] = f * frame;
  }
  // The grid spans what the atoms do, so that vacuum takes no boxes.
  R extent[3], longest = 0;
  for (int d = 0; d < 3; ++d) {
    extent[d] = (high[d] - low[d]) * norm(frame.row(d));
    longest = std::max(longest, extent[d]);
  }
  for (std::size_t i = 0; i < n; ++i)
    for (int d = 0; d < 3; ++d) {
      const R span = high[d] - low[d];
      fraction_[i][d] = span > R(0) ? (fraction_[i][d] - low[d]) / span : R(0);
    }

  const std::size_t wanted = std::max<std::size_t>(1, n / per_box);
  box.assign(n, 0);
  std::size_t boxes = 1;
  int count[3] = {1, 1, 1};
  const auto sort = [&] {
    const auto cells = static_cast<std::size_t>(count[0] * count[1] * count[2]);
    number_.assign(cells, -1);
    boxes = 0;
    for (std::size_t i = 0; i < n; ++i) {
      int at = 0;
      for (int d = 0; d < 3; ++d)
        at = at * count[d] +
             std::min(count[d] - 1, static_cast<int>(fraction_[i][d] * static_cast<R>(count[d])));
      box[i] = at;
      if (number_[static_cast<std::size_t>(at)] < 0) {
        number_[static_cast<std::size_t>(at)] = 0;
        ++boxes;
      }
    }
  };
  // Smaller and smaller boxes until there are as many as wanted. (Grids of clusters have holes.)
  if (wanted > 1 && longest > R(0))
    for (R side = longest; boxes < wanted; side *= R(0.93)) {
      std::size_t cells = 1;
      bool changed = false;
      for (int d = 0; d < 3; ++d) {
        const int now = std::max(1, static_cast<int>(std::lround(extent[d] / side)));
        changed = changed || now != count[d];
        count[d] = now;
        cells *= static_cast<std::size_t>(now);
      }
      if (cells > 64 * n) break;
      if (changed && 4 * cells >= 3 * wanted) sort();
    }
  else
    sort();
  int number = 0;
  for (int& x : number_)
    if (x >= 0) x = number++;
  first.assign(static_cast<std::size_t>(number) + 1, 0);
  for (int& b : box) {
    b = number_[static_cast<std::size_t>(b)];
    ++first[static_cast<std::size_t>(b) + 1];
  }
  for (std::size_t b = 0; b + 1 < first.size(); ++b) first[b + 1] += first[b];
  atoms.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    atoms[first[static_cast<std::size_t>(box[i])]++] = static_cast<int>(i);
  for (std::size_t b = first.size() - 1; b > 0; --b) first[b] = first[b - 1];
  first[0] = 0;
}

}  // namespace leyden::inline LEYDEN_ABI
