// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/unroll.hpp>
#include <leyden/electrostatics/mesh/window.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

// Multipoles to a mesh and back.
//
// A multipole (q, e, N), in derivatives along mesh coordinates, makes the mesh density
// ρ(m) = (q + e·∂ + ½ N:∂∂) Π_d w(m_d − u_d), ∂ with respect to its position u. The way back gives
// the exact derivatives of Σ_m φ(m) Π_d w(m_d − u_d). A run of nodes along the last axis is one or
// two packs.
namespace leyden::inline LEYDEN_ABI::detail {

// Numbers on a mesh: values, and their tangents when T is a dual.
template <Number T>
struct MeshField {
  Buffer<RealOf<T>> value, tangent;

  void resize(std::size_t n) {
    value.resize(n);
    if constexpr (is_dual_v<T>) tangent.resize(n);
  }
  std::size_t size() const { return value.size(); }
};

template <Number T>
struct MeshRow {
  RealOf<T>* value = nullptr;
  RealOf<T>* tangent = nullptr;

  MeshRow(MeshField<T>& field, std::size_t at) : value(field.value.data() + at) {
    if constexpr (is_dual_v<T>) tangent = field.tangent.data() + at;
  }
  LEYDEN_ALWAYS_INLINE Pack<T> load(std::ptrdiff_t at) const {
    using R = RealOf<T>;
    if constexpr (is_dual_v<T>)
      return Pack<T>(Pack<R>::load(value + at), Pack<R>::load(tangent + at));
    else
      return Pack<R>::load(value + at);
  }
  LEYDEN_ALWAYS_INLINE void store(std::ptrdiff_t at, const Pack<T>& x) const {
    if constexpr (is_dual_v<T>) {
      x.value.store(value + at);
      x.tangent.store(tangent + at);
    } else {
      x.store(value + at);
    }
  }
};

// The mesh with room for nodes that stand out of it: node m of an axis is at m + before. Along open
// directions it holds the nodes that are filled and no more.
struct PaddedMesh {
  std::array<int, 3> size{};    // of the mesh
  std::array<int, 3> filled{};  // nodes that atoms may touch: 0 … filled − 1
  std::array<int, 3> padded{};  // of what is stored
  int before = 0;               // nodes in front of the first, and behind the last one
  int after = 0;

  static constexpr int slack = 16;  // what a pack may write beyond the last node, in numbers

  PaddedMesh() = default;
  PaddedMesh(std::array<int, 3> n, std::array<int, 3> touched, int order)
      : size(n), filled(touched), before((order - 1) / 2), after(order - before) {
    for (std::size_t d = 0; d < 3; ++d) padded[d] = touched[d] + order;
    padded[2] = (padded[2] + slack + 7) / 8 * 8;
  }
  std::ptrdiff_t row() const { return padded[2]; }
  std::ptrdiff_t plane() const { return static_cast<std::ptrdiff_t>(padded[1]) * padded[2]; }
  std::size_t total() const {
    return static_cast<std::size_t>(padded[0]) * static_cast<std::size_t>(plane());
  }
};

// Where an atom is: its first node in the padded mesh, and t of the three axes.
template <Number T>
struct MeshSite {
  T t[3];
  std::int64_t first;
};

// The numbers of all derivatives of order ≤ n of a function of three variables.
inline constexpr int derivative_count(int n) { return n < 0 ? 0 : (n + 1) * (n + 2) * (n + 3) / 6; }

// Derivatives in order of degree; first and second ones as (x, y, z) and (xx, yy, zz, xy, xz, yz).
inline constexpr std::array<std::array<int, 3>, 20> derivative_orders{
    {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {2, 0, 0}, {0, 2, 0}, {0, 0, 2},
     {1, 1, 0}, {1, 0, 1}, {0, 1, 1}, {3, 0, 0}, {0, 3, 0}, {0, 0, 3}, {2, 1, 0},
     {2, 0, 1}, {1, 2, 0}, {0, 2, 1}, {1, 0, 2}, {0, 1, 2}, {1, 1, 1}}};
// Where the third derivatives (xx, yy, zz, xy, xz, yz) of ∂_a stand:
// third_derivative[a][component].
inline constexpr std::array<std::array<int, 6>, 3> third_derivative{
    {{10, 15, 17, 13, 14, 19}, {13, 11, 18, 15, 19, 16}, {14, 16, 12, 19, 17, 18}}};

// Adds a multipole: m = q, e (3), then ½N_xx, ½N_yy, ½N_zz, N_xy, N_xz, N_yz.
template <int P, int L, Number T>
LEYDEN_ALWAYS_INLINE void spread_multipole(const NodeWeights<P, L, T>& w, const T* m,
                                           MeshRow<T> mesh, std::ptrdiff_t plane,
                                           std::ptrdiff_t row) {
  constexpr int packs = NodeWeights<P, L, T>::packs, lanes = Pack<T>::lanes;
  // What multiplies w w', … of x and y: sums over derivatives of z.
  Pack<T> z0[packs], zx[packs], zy[packs];
  for (int n = 0; n < packs; ++n) {
    z0[n] = w.z[0][n] * Pack<T>(m[0]);
    if constexpr (L >= 1) {
      z0[n] = fma(w.z[1][n], Pack<T>(m[3]), z0[n]);
      zx[n] = w.z[0][n] * Pack<T>(m[1]);
      zy[n] = w.z[0][n] * Pack<T>(m[2]);
    }
    if constexpr (L >= 2) {
      z0[n] = fma(w.z[2][n], Pack<T>(m[6]), z0[n]);
      zx[n] = fma(w.z[1][n], Pack<T>(m[8]), zx[n]);
      zy[n] = fma(w.z[1][n], Pack<T>(m[9]), zy[n]);
    }
  }
  Pack<T> across[P][L + 1];
  for (int j = 0; j < P; ++j)
    for (int d = 0; d <= L; ++d) across[j][d] = w.row(1, d, j);
  for (int i = 0; i < P; ++i) {
    Pack<T> c[packs], d[packs], e[packs];
    for (int n = 0; n < packs; ++n) {
      c[n] = z0[n] * w.row(0, 0, i);
      if constexpr (L >= 1) {
        c[n] = fma(zx[n], w.row(0, 1, i), c[n]);
        d[n] = zy[n] * w.row(0, 0, i);
      }
      if constexpr (L >= 2) {
        c[n] = fma(w.z[0][n] * Pack<T>(m[4]), w.row(0, 2, i), c[n]);
        d[n] = fma(w.z[0][n] * Pack<T>(m[7]), w.row(0, 1, i), d[n]);
        e[n] = (w.z[0][n] * Pack<T>(m[5])) * w.row(0, 0, i);
      }
    }
    std::ptrdiff_t at = i * plane;
    for (int j = 0; j < P; ++j, at += row)
      for (int n = 0; n < packs; ++n) {
        Pack<T> sum = fma(c[n], across[j][0], mesh.load(at + n * lanes));
        if constexpr (L >= 1) sum = fma(d[n], across[j][1], sum);
        if constexpr (L >= 2) sum = fma(e[n], across[j][2], sum);
        mesh.store(at + n * lanes, sum);
      }
  }
}

// All derivatives of degree Lowest … D at one point, out[i] in the order of derivative_orders.
template <int P, int Lowest, int D, Number T>
LEYDEN_ALWAYS_INLINE void gather_derivatives(const NodeWeights<P, D, T>& w, MeshRow<T> mesh,
                                             std::ptrdiff_t plane, std::ptrdiff_t row, T* out) {
  constexpr int packs = NodeWeights<P, D, T>::packs, lanes = Pack<T>::lanes;
  // Sums over x and y: [derivative of x][derivative of y]; n_x + n_y ≤ D.
  Pack<T> sum[D + 1][D + 1][packs];
  Pack<T> across[P][D + 1];
  for (int j = 0; j < P; ++j)
    for (int d = 0; d <= D; ++d) across[j][d] = w.row(1, d, j);
  for (int i = 0; i < P; ++i) {
    Pack<T> line[D + 1][packs], node[P][packs];
    std::ptrdiff_t at = i * plane;
    for (int j = 0; j < P; ++j, at += row)
      for (int n = 0; n < packs; ++n) node[j][n] = mesh.load(at + n * lanes);
    // Keeps compilers from loading each row once per derivative: loads across cache lines are what
    // takes the time here.
    if constexpr (vector_registers >= 32 && packs == 1 && !is_dual_v<T>)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    for (int j = 0; j < P; ++j)
      for (int n = 0; n < packs; ++n)
        for (int d = 0; d <= D; ++d)
          line[d][n] =
              j == 0 ? node[j][n] * across[j][d] : fma(node[j][n], across[j][d], line[d][n]);
    for (int a = 0; a <= D; ++a)
      for (int b = 0; a + b <= D; ++b)
        for (int n = 0; n < packs; ++n)
          sum[a][b][n] =
              i == 0 ? line[b][n] * w.row(0, a, i) : fma(line[b][n], w.row(0, a, i), sum[a][b][n]);
  }
  // Lanes beyond the last node meet whatever stands there: weights of zero.
  unroll<derivative_count(D) - derivative_count(Lowest - 1)>([&](auto index) {
    constexpr int k = index() + derivative_count(Lowest - 1);
    constexpr int a = derivative_orders[k][0], b = derivative_orders[k][1],
                  c = derivative_orders[k][2];
    Pack<T> total = sum[a][b][0] * w.z[c][0];
    for (int n = 1; n < packs; ++n) total = fma(sum[a][b][n], w.z[c][n], total);
    out[k] = sum_lanes(total);
  });
}

template <std::floating_point R>
LEYDEN_ALWAYS_INLINE void add_run(const R* from, R* to, int n) {
  constexpr int lanes = Pack<R>::lanes;
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    (Pack<R>::load(to + i) + Pack<R>::load(from + i)).store(to + i);
  for (; i < n; ++i) to[i] += from[i];
}

// Plane i of the mesh from the padded one: nodes that stand out come back on the other side. The
// mesh is at least as large as the window.
template <std::floating_point R>
void fold_plane(const PaddedMesh& shape, const R* padded, int i, R* mesh) {
  const int length = shape.filled[2];
  const bool wraps = length == shape.size[2];
  R* plane = mesh + static_cast<std::ptrdiff_t>(i) * shape.size[1] * shape.size[2];
  bool first = true;
  for (int x = (i + shape.before) % shape.size[0]; x < shape.filled[0] + shape.before + shape.after;
       x += shape.size[0]) {
    for (int j = 0; j < shape.filled[1]; ++j) {
      R* to = plane + static_cast<std::ptrdiff_t>(j) * shape.size[2];
      bool fresh = first;
      for (int y = (j + shape.before) % shape.size[1];
           y < shape.filled[1] + shape.before + shape.after; y += shape.size[1]) {
        const R* from = padded + x * shape.plane() + y * shape.row();
        if (fresh)
          std::copy_n(from + shape.before, length, to);
        else
          add_run(from + shape.before, to, length);
        fresh = false;
        if (!wraps) continue;
        add_run(from, to + length - shape.before, shape.before);
        add_run(from + shape.before + length, to, shape.after);
      }
    }
    first = false;
  }
}

// Plane x of the padded mesh from the mesh. What no atom reads stays finite.
template <std::floating_point R>
void unfold_plane(const PaddedMesh& shape, const R* mesh, int x, R* padded) {
  const int length = shape.filled[2];
  const bool wraps = length == shape.size[2];
  const auto wrapped = [&](int at, std::size_t d) {
    at -= shape.before;
    if (shape.filled[d] < shape.size[d]) return std::clamp(at, 0, shape.filled[d] - 1);
    return (at + shape.size[d]) % shape.size[d];
  };
  const R* plane =
      mesh + static_cast<std::ptrdiff_t>(wrapped(x, 0)) * shape.size[1] * shape.size[2];
  for (int y = 0; y < shape.padded[1]; ++y) {
    const R* from = plane + static_cast<std::ptrdiff_t>(wrapped(y, 1)) * shape.size[2];
    R* to = padded + x * shape.plane() + y * shape.row();
    std::copy_n(from, length, to + shape.before);
    R* end = to + shape.before + length;
    if (wraps) {
      std::copy_n(from + length - shape.before, shape.before, to);
      std::copy_n(from, shape.after, end);
      end += shape.after;
    } else {
      std::fill_n(to, shape.before, R(0));
    }
    std::fill(end, to + shape.row(), R(0));
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
