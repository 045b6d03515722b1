// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/core/vector3.hpp>
#include <leyden/electrostatics/mesh/spread.hpp>

#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

// Atoms in the order in which a mesh is walked, and the tasks that spread them.
namespace leyden::inline LEYDEN_ABI::detail {

// Coordinates on a mesh of hundreds of nodes want more digits than a float has.
template <Number T>
using WideOf = std::conditional_t<is_dual_v<T>, Dual<double>, double>;

template <Number W, Number T>
W to_wide(T x) {
  if constexpr (is_dual_v<T>)
    return W(static_cast<double>(x.value), static_cast<double>(x.tangent));
  else
    return static_cast<double>(x);
}

// Atoms sorted by class, then by cells of 4³ nodes.
template <Number T>
struct MeshSites {
  PaddedMesh shape;
  std::vector<int> atom;              // (slots) the atom of a slot
  Buffer<MeshSite<T>> site;           // (slots)
  int slabs = 0;                      // groups of atoms along the first axis
  std::vector<int> slab_first;        // (classes · slabs + 1) their slots
  Buffer<MeshSite<T>> unsorted;       // scratch
  std::vector<int> cell, cell_first;  // scratch

  static constexpr int cell_nodes = 4;
  // Wide enough that atoms of every other slab never touch the same node.
  static constexpr int slab_cells = 2;
  static_assert(cell_nodes * slab_cells >= MeshWindow::most_order);

  int first_slot(int of_class) const {
    return slab_first[static_cast<std::size_t>(of_class * slabs)];
  }
};

/// Finds the nodes of all atoms: coordinate d of an atom is (r · inverse_cell)_d · n_d,
/// brought into the mesh in periodic directions; in others the atoms are moved, together, to the
/// mesh's beginning. class_of: (n) or empty for one class.
template <Number T>
void place_sites(std::span<const Vector3<T>> positions, const Matrix3<T>& inverse_cell,
                 const std::array<bool, 3>& periodic, std::span<const int> class_of, int classes,
                 const std::array<int, 3>& size, int order, MeshSites<T>& out) {
  using W = WideOf<T>;
  using R = RealOf<T>;
  const std::size_t n = positions.size();
  out.unsorted.resize(n);
  out.site.resize(n);
  out.atom.resize(n);
  out.cell.resize(n);
  std::vector<int>& start = out.cell_first;
  int cells[3], lowest[3], highest[3];
  Matrix3<W> to_mesh;
  for (int d = 0; d < 3; ++d) {
    const auto axis = static_cast<std::size_t>(d);
    // Periodic: node −before is the first one of the padded mesh.
    lowest[d] = periodic[axis] ? -((order - 1) / 2) : std::numeric_limits<int>::max();
    highest[d] = std::numeric_limits<int>::min();
    for (int c = 0; c < 3; ++c)
      to_mesh(c, d) = to_wide<W>(inverse_cell(c, d)) * static_cast<double>(size[axis]);
  }
  const double half = 0.5 * order;
  const auto coordinate = [&](std::size_t i, int d) {
    W u(0.0);
    for (int c = 0; c < 3; ++c) u += to_wide<W>(positions[i][c]) * to_mesh(c, d);
    const double length = size[static_cast<std::size_t>(d)];
    if (periodic[static_cast<std::size_t>(d)]) {
      u -= W(length * std::floor(value_of(u) / length));
      if (value_of(u) >= length) u -= W(length);
    }
    return u - W(half);
  };
  for (int d = 0; d < 3; ++d)
    if (!periodic[static_cast<std::size_t>(d)])
      for (std::size_t i = 0; i < n; ++i) {
        const int node = static_cast<int>(std::floor(value_of(coordinate(i, d)))) + 1;
        lowest[d] = std::min(lowest[d], node);
        highest[d] = std::max(highest[d], node);
      }
  std::array<int, 3> filled{};
  for (int d = 0; d < 3; ++d) {
    const auto axis = static_cast<std::size_t>(d);
    filled[axis] = size[axis];
    if (periodic[axis] || n == 0) continue;
    filled[axis] = std::min(size[axis], highest[d] - lowest[d] + order);
    lowest[d] -= (order - 1) / 2;
  }
  out.shape = PaddedMesh(size, filled, order);
  const PaddedMesh& shape = out.shape;
  for (int d = 0; d < 3; ++d)
    cells[d] = shape.padded[static_cast<std::size_t>(d)] / MeshSites<T>::cell_nodes + 1;

  out.slabs = (cells[0] + MeshSites<T>::slab_cells - 1) / MeshSites<T>::slab_cells;
  const int per_slab = MeshSites<T>::slab_cells * cells[1] * cells[2];
  start.assign(static_cast<std::size_t>(classes * out.slabs * per_slab + 1), 0);
  for (std::size_t i = 0; i < n; ++i) {
    MeshSite<T>& site = out.unsorted[i];
    int node[3];
    for (int d = 0; d < 3; ++d) {
      const W u = coordinate(i, d);
      const double floor = std::floor(value_of(u));
      node[d] = static_cast<int>(floor) + 1 - lowest[d];
      const W t = (u - W(floor)) * 2.0 - W(1.0);
      if constexpr (is_dual_v<T>)
        site.t[d] = T(static_cast<R>(t.value), static_cast<R>(t.tangent));
      else
        site.t[d] = static_cast<R>(t);
    }
    site.first = node[0] * shape.plane() + node[1] * shape.row() + node[2];
    const int c = class_of.empty() ? 0 : class_of[i];
    const int along = node[0] / MeshSites<T>::cell_nodes;
    out.cell[i] = ((c * out.slabs * MeshSites<T>::slab_cells + along) * cells[1] +
                   node[1] / MeshSites<T>::cell_nodes) *
                      cells[2] +
                  node[2] / MeshSites<T>::cell_nodes;
    ++start[static_cast<std::size_t>(out.cell[i] + 1)];
  }
  for (std::size_t c = 1; c < start.size(); ++c) start[c] += start[c - 1];
  out.slab_first.resize(static_cast<std::size_t>(classes * out.slabs + 1));
  for (std::size_t s = 0; s < out.slab_first.size(); ++s)
    out.slab_first[s] = start[s * static_cast<std::size_t>(per_slab)];
  for (std::size_t i = 0; i < n; ++i) {
    const auto slot = static_cast<std::size_t>(start[static_cast<std::size_t>(out.cell[i])]++);
    out.atom[slot] = static_cast<int>(i);
    out.site[slot] = out.unsorted[i];
  }
}

/// Runs visit(slot) for the slots of classes [first, last) such that no node is touched by two
/// threads, and every node's contributions come in one order, whatever the number of threads: even
/// slabs, then odd ones.
template <Number T, Executor E, class Visit>
void for_each_spreading(const MeshSites<T>& sites, int first, int last, const E& executor,
                        const Visit& visit) {
  for (int c = first; c < last; ++c)
    for (int parity = 0; parity < 2; ++parity)
      executor.for_each(
          static_cast<std::size_t>((sites.slabs + 1 - parity) / 2), [&](std::size_t task, int) {
            const auto slab =
                static_cast<std::size_t>(c * sites.slabs + 2 * static_cast<int>(task) + parity);
            for (int s = sites.slab_first[slab]; s < sites.slab_first[slab + 1]; ++s)
              visit(static_cast<std::size_t>(s));
          });
}

}  // namespace leyden::inline LEYDEN_ABI::detail
