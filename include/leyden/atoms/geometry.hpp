// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/structure.hpp>
#include <leyden/core/pack.hpp>

#include <span>

namespace leyden::inline LEYDEN_ABI {

/// Positions, cell and neighbour edges of one structure in number type T: what descriptors and
/// solvers see. With T = Dual<R> the tangents carry a displacement of atoms and a strain of the
/// cell.
///
/// Edges are directed and sorted by receiver (CSR). An edge e = (sender s → receiver t, integer
/// cell shift n) has the vector r_e = r_t − (r_s + n·h): it points from the neighbour to the
/// central atom. Every edge has its reverse; the two share one number `pair[e]`, because radial
/// functions need only the distance.
template <Number T>
struct Geometry {
  std::vector<int> atomic_numbers;    // (n)
  std::vector<Vector3<T>> positions;  // (n) Å
  Matrix3<T> cell{};                  // rows
  std::array<bool, 3> periodic{};

  // CSR by receiver
  std::vector<int> first;          // (n + 1)
  std::vector<int> sender;         // (edges)
  std::vector<int> receiver;       // (edges)
  std::vector<int> pair;           // (edges) in 0 … n_pairs − 1
  std::vector<Vector3<T>> vector;  // (edges) Å
  std::vector<T> length;           // (edges) Å
  std::vector<int> pair_edge;      // (n_pairs) one of the two edges of each pair
  int n_pairs = 0;

  int n_atoms() const { return static_cast<int>(positions.size()); }
  int n_edges() const { return static_cast<int>(sender.size()); }
};

/// Forces' and stress's raw material: dE/dr_i and dE/dε, ε the symmetric strain, summed by
/// everything that an energy passes through.
template <Number T>
struct GeometryGradient {
  std::vector<Vector3<T>> positions;  // (n) eV/Å
  Matrix3<T> strain{};                // eV; (α, β): r → r + r ε

  void reset(std::size_t n) {
    positions.assign(n, Vector3<T>{});
    strain = {};
  }
};

/// Adds dE/d(edge vector) to both of its atoms and to the strain; sums may be wider than terms.
template <Number T, Number Sum>
void add_edge_gradient(const Geometry<T>& geometry, std::span<const Vector3<T>> edge_gradient,
                       GeometryGradient<Sum>& gradient) {
  const auto wide = [](const T& x) {
    if constexpr (std::same_as<T, Sum>)
      return x;
    else
      return detail::widen(x);
  };
  for (int e = 0; e < geometry.n_edges(); ++e) {
    const std::size_t k = static_cast<std::size_t>(e);
    Vector3<Sum> g, r;
    for (int a = 0; a < 3; ++a) {
      g[a] = wide(edge_gradient[k][a]);
      r[a] = wide(geometry.vector[k][a]);
    }
    gradient.positions[static_cast<std::size_t>(geometry.receiver[k])] += g;
    gradient.positions[static_cast<std::size_t>(geometry.sender[k])] -= g;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) gradient.strain(a, b) += r[a] * g[b];
  }
}

}  // namespace leyden::inline LEYDEN_ABI
