// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/particle_mesh_waves.hpp>

// The passes over atoms: multipoles to structure factors, and from structure factors to potentials
// or gradients.
namespace leyden::inline LEYDEN_ABI::detail {

// visit(integral constant) of the window's order.
template <class Visit>
void with_order(int order, const Visit& visit) {
  switch (order) {
    case 4:
      return visit(std::integral_constant<int, 4>());
    case 5:
      return visit(std::integral_constant<int, 5>());
    case 6:
      return visit(std::integral_constant<int, 6>());
    case 7:
      return visit(std::integral_constant<int, 7>());
    default:
      return visit(std::integral_constant<int, 8>());
  }
}

// Coefficients of an atom as q, d_x, d_y, d_z, M_xx … M_yz.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE void cartesian_moments(const T* p, T* m) {
  using R = RealOf<T>;
  m[0] = p[0];
  if constexpr (L >= 1) {
    m[1] = p[3];
    m[2] = p[1];
    m[3] = p[2];
  }
  if constexpr (L >= 2)
    for (std::size_t c = 0; c < 6; ++c) {
      T sum(R(0));
      for (std::size_t n = 0; n < 5; ++n)
        if (quadrupole_tensor[c][n] != 0) sum += p[4 + n] * static_cast<R>(quadrupole_tensor[c][n]);
      m[4 + c] = sum;
    }
}

inline constexpr std::array<std::array<int, 3>, 3> tensor_entry{{{0, 3, 4}, {3, 1, 5}, {4, 5, 2}}};

// M · by
template <Number T>
LEYDEN_ALWAYS_INLINE void times_tensor(const T* m, const Matrix3<T>& by, T (&out)[3][3]) {
  for (std::size_t a = 0; a < 3; ++a)
    for (int e = 0; e < 3; ++e)
      out[a][e] = m[tensor_entry[a][0]] * by(0, e) + m[tensor_entry[a][1]] * by(1, e) +
                  m[tensor_entry[a][2]] * by(2, e);
}

// The same along mesh coordinates, as spread_multipole wants them.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE void mesh_moments(const T* m, const Matrix3<T>& to_mesh, T* out) {
  using R = RealOf<T>;
  out[0] = m[0];
  if constexpr (L >= 1)
    for (int d = 0; d < 3; ++d)
      out[1 + d] = m[1] * to_mesh(0, d) + m[2] * to_mesh(1, d) + m[3] * to_mesh(2, d);
  if constexpr (L >= 2) {
    T half[3][3];  // M · to_mesh
    times_tensor(m + 4, to_mesh, half);
    constexpr int first[6] = {0, 1, 2, 0, 0, 1}, second[6] = {0, 1, 2, 1, 2, 2};
    for (int c = 0; c < 6; ++c) {
      const int d = first[c], e = second[c];
      T sum(R(0));
      for (int a = 0; a < 3; ++a) sum += to_mesh(a, d) * half[a][e];
      out[4 + c] = c < 3 ? sum * R(0.5) : sum;
    }
  }
}

// The gradient and, as xx … yz, the second derivatives in Cartesian coordinates, from those along
// mesh coordinates (order of derivative_orders).
template <Number T>
LEYDEN_ALWAYS_INLINE void cartesian_gradient(const Matrix3<T>& to_mesh, const T* f, T* out) {
  for (int c = 0; c < 3; ++c)
    out[c] = to_mesh(c, 0) * f[1] + to_mesh(c, 1) * f[2] + to_mesh(c, 2) * f[3];
}
template <Number T>
LEYDEN_ALWAYS_INLINE void cartesian_hessian(const Matrix3<T>& to_mesh, const T* f, T* out) {
  T half[3][3];  // H · to_meshᵀ
  for (std::size_t d = 0; d < 3; ++d)
    for (int b = 0; b < 3; ++b)
      half[d][b] = f[4 + tensor_entry[d][0]] * to_mesh(b, 0) +
                   f[4 + tensor_entry[d][1]] * to_mesh(b, 1) +
                   f[4 + tensor_entry[d][2]] * to_mesh(b, 2);
  constexpr int first[6] = {0, 1, 2, 0, 0, 1}, second[6] = {0, 1, 2, 1, 2, 2};
  for (int c = 0; c < 6; ++c)
    out[c] = to_mesh(first[c], 0) * half[0][second[c]] + to_mesh(first[c], 1) * half[1][second[c]] +
             to_mesh(first[c], 2) * half[2][second[c]];
}

// The structure factor of classes [first, last) of a layer's multipoles p, unscaled.
template <Number T, Executor E>
void spread_classes(const ParticleMeshPlan<T>& plan, int l_max, std::span<const T> p, int first,
                    int last, MeshSpectrum<T>& out, const E& executor) {
  using R = RealOf<T>;
  auto& scratch = plan.scratch;
  const MeshSites<T>& sites = plan.sites;
  const PaddedMesh& shape = sites.shape;
  scratch.padded.resize(shape.total());
  scratch.grid.resize(plan.transform.real_size());
  executor.for_each(static_cast<std::size_t>(shape.padded[0]), [&](std::size_t x, int) {
    const auto plane = static_cast<std::size_t>(shape.plane());
    std::fill_n(scratch.padded.value.data() + x * plane, plane, R(0));
    if constexpr (is_dual_v<T>) std::fill_n(scratch.padded.tangent.data() + x * plane, plane, R(0));
  });
  const std::ptrdiff_t plane = shape.plane(), row = shape.row();
  with_order(plan.window.order(), [&](auto order) {
    with_degree(l_max, [&](auto degree) {
      constexpr int P = order(), L = degree(), size = (L + 1) * (L + 1);
      for_each_spreading(sites, first, last, executor, [&](std::size_t slot) {
        const MeshSite<T>& site = sites.site[slot];
        NodeWeights<P, L, T> w;
        w.evaluate(plan.table, site.t);
        T cartesian[10], m[10];
        cartesian_moments<L>(p.data() + sites.atom[slot] * size, cartesian);
        mesh_moments<L>(cartesian, plan.to_mesh, m);
        spread_multipole<P, L, T>(
            w, m, MeshRow<T>(scratch.padded, static_cast<std::size_t>(site.first)), plane, row);
      });
    });
  });
  executor.for_each(static_cast<std::size_t>(shape.filled[0]), [&](std::size_t i, int) {
    fold_plane(shape, scratch.padded.value.data(), static_cast<int>(i), scratch.grid.value.data());
    if constexpr (is_dual_v<T>)
      fold_plane(shape, scratch.padded.tangent.data(), static_cast<int>(i),
                 scratch.grid.tangent.data());
  });
  out.resize(plan.transform.spectrum_size());
  const auto forward = [&](const Buffer<R>& grid, Buffer<std::complex<R>>& spectrum) {
    plan.transform.forward(std::span<const R>(grid), std::span<std::complex<R>>(spectrum),
                           executor);
  };
  forward(scratch.grid.value, out.value);
  if constexpr (is_dual_v<T>) forward(scratch.grid.tangent, out.tangent);
}

// visit(at, n) of all rows of the spectrum, plane by plane.
template <Number T, Executor E, class Visit>
void for_each_plane(const ParticleMeshPlan<T>& plan, const E& executor, const Visit& visit) {
  const auto n = plan.influence.size;
  const int count = n[1] * plan.influence.half();
  executor.for_each(static_cast<std::size_t>(n[0]),
                    [&](std::size_t i, int) { visit(i * static_cast<std::size_t>(count), count); });
}

// The structure factor of all layers: p holds the layers' coefficients one after the other.
// `broadened`, when not null, gets Σ σ² exp(−σ²k²/2) ρ̂.
template <Number T, Executor E>
void spread_layer(const ParticleMeshPlan<T>& plan, const MeshLayer<T>& layer, std::span<const T> p,
                  std::size_t stride, MeshSpectrum<T>& out, MeshSpectrum<T>* broadened,
                  const E& executor) {
  using R = RealOf<T>;
  auto& work = plan.scratch.work;
  const std::size_t n = plan.transform.spectrum_size();
  std::size_t from = 0;
  bool first = true;
  for (const MeshChannel<T>& channel : layer.channels) {
    spread_classes(plan, layer.l_max, p.subspan(from), channel.first, channel.last,
                   first ? out : work, executor);
    from += stride;
    if (broadened != nullptr && first) {
      broadened->value.assign(n, std::complex<R>());
      if constexpr (is_dual_v<T>) broadened->tangent.assign(n, std::complex<R>());
    }
    for_each_plane(plan, executor, [&](std::size_t at, int count) {
      MeshSpectrum<T>& here = first ? out : work;
      if (channel.factor != nullptr) scale_spectrum(*channel.factor, here, at, count, here);
      if (broadened != nullptr)
        add_spectrum<T>(static_cast<R>(channel.square), here, at, count, *broadened);
      if (!first) add_spectrum<T>(R(1), here, at, count, out);
    });
    first = false;
  }
}

// The field of a structure factor that the influence function has acted on, on the padded mesh.
// Destroys the spectrum.
template <Number T, Executor E>
void make_field(const ParticleMeshPlan<T>& plan, MeshSpectrum<T>& spectrum, const E& executor) {
  using R = RealOf<T>;
  auto& scratch = plan.scratch;
  const PaddedMesh& shape = plan.sites.shape;
  const auto backward = [&](Buffer<std::complex<R>>& from, Buffer<R>& grid) {
    plan.transform.backward(std::span<std::complex<R>>(from), std::span<R>(grid), executor);
  };
  backward(spectrum.value, scratch.grid.value);
  if constexpr (is_dual_v<T>) backward(spectrum.tangent, scratch.grid.tangent);
  executor.for_each(static_cast<std::size_t>(shape.padded[0]), [&](std::size_t x, int) {
    unfold_plane(shape, scratch.grid.value.data(), static_cast<int>(x),
                 scratch.padded.value.data());
    if constexpr (is_dual_v<T>)
      unfold_plane(shape, scratch.grid.tangent.data(), static_cast<int>(x),
                   scratch.padded.tangent.data());
  });
}

inline constexpr int gather_block = 512;  // slots of a task

// visit(task, first slot, last slot) of the slots of classes [first, last).
template <Number T, Executor E, class Visit>
void for_each_block(const MeshSites<T>& sites, int first, int last, const E& executor,
                    const Visit& visit) {
  const int begin = sites.first_slot(first), end = sites.first_slot(last);
  executor.for_each(static_cast<std::size_t>((end - begin + gather_block - 1) / gather_block),
                    [&](std::size_t task, int) {
                      const int at = begin + static_cast<int>(task) * gather_block;
                      visit(task, static_cast<std::size_t>(at),
                            static_cast<std::size_t>(std::min(end, at + gather_block)));
                    });
}

// v (n·size): potential coefficients of degree ≤ l_max at the atoms of classes [first, last).
template <Number T, Executor E>
void gather_potential(const ParticleMeshPlan<T>& plan, int l_max, int first, int last,
                      std::span<T> v, const E& executor) {
  const MeshSites<T>& sites = plan.sites;
  const std::ptrdiff_t plane = sites.shape.plane(), row = sites.shape.row();
  with_order(plan.window.order(), [&](auto order) {
    with_degree(l_max, [&](auto degree) {
      constexpr int P = order(), L = degree(), size = (L + 1) * (L + 1);
      for_each_block(
          sites, first, last, executor, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t slot = begin; slot < end; ++slot) {
              const MeshSite<T>& site = sites.site[slot];
              NodeWeights<P, L, T> w;
              w.evaluate(plan.table, site.t);
              T f[derivative_count(L)], x[10];
              gather_derivatives<P, 0, L, T>(
                  w, MeshRow<T>(plan.scratch.padded, static_cast<std::size_t>(site.first)), plane,
                  row, f);
              x[0] = f[0];
              if constexpr (L >= 1) cartesian_gradient(plan.to_mesh, f, x + 1);
              if constexpr (L >= 2) cartesian_hessian(plan.to_mesh, f, x + 4);
              store_cartesian<T>(
                  L, [&](int c) { return x[c]; }, false, v.data() + sites.atom[slot] * size);
            }
          });
    });
  });
}

// Adds factor · ∂(pᵀφ)/∂r of all atoms of classes [first, last), φ the padded mesh, to the
// positions, and what strain and open directions need to the sums.
template <Number T, Executor E>
void gather_gradient(const ParticleMeshPlan<T>& plan, int l_max, std::span<const T> p, int first,
                     int last, const T& factor, std::span<const Vector3<T>> positions,
                     GeometryGradient<T>& gradient, AtomSums<T>& sums, const E& executor) {
  const MeshSites<T>& sites = plan.sites;
  const std::ptrdiff_t plane = sites.shape.plane(), row = sites.shape.row();
  auto& blocks = plan.scratch.atom_sums;
  const bool open = plan.influence.open;
  blocks.assign(sites.atom.size() / gather_block + 1, AtomSums<T>());
  with_order(plan.window.order(), [&](auto order) {
    with_degree(l_max, [&](auto degree) {
      constexpr int P = order(), L = degree(), size = (L + 1) * (L + 1);
      for_each_block(
          sites, first, last, executor, [&](std::size_t task, std::size_t begin, std::size_t end) {
            AtomSums<T>& block = blocks[task];
            for (std::size_t slot = begin; slot < end; ++slot) {
              const MeshSite<T>& site = sites.site[slot];
              NodeWeights<P, L + 1, T> w;
              w.evaluate(plan.table, site.t);
              T f[derivative_count(L + 1)], cartesian[10], m[10];
              gather_derivatives<P, 1, L + 1, T>(
                  w, MeshRow<T>(plan.scratch.padded, static_cast<std::size_t>(site.first)), plane,
                  row, f);
              const auto atom = static_cast<std::size_t>(sites.atom[slot]);
              cartesian_moments<L>(p.data() + atom * size, cartesian);
              mesh_moments<L>(cartesian, plan.to_mesh, m);
              T along[3];
              for (int d = 0; d < 3; ++d) {
                along[d] = m[0] * f[1 + d];
                if constexpr (L >= 1)
                  for (std::size_t e = 0; e < 3; ++e)
                    along[d] += m[1 + e] * f[4 + tensor_entry[static_cast<std::size_t>(d)][e]];
                if constexpr (L >= 2)
                  for (std::size_t c = 0; c < 6; ++c)
                    along[d] += m[4 + c] * f[third_derivative[static_cast<std::size_t>(d)][c]];
              }
              Vector3<T> g;
              for (int c = 0; c < 3; ++c)
                g[c] = factor * (plan.to_mesh(c, 0) * along[0] + plan.to_mesh(c, 1) * along[1] +
                                 plan.to_mesh(c, 2) * along[2]);
              gradient.positions[atom] += g;
              if (open) {
                const Vector3<T>& r = positions[atom];
                for (int a = 0; a < 3; ++a)
                  for (int b = 0; b < 3; ++b) block.moved(a, b) += r[a] * g[b];
              }
              if constexpr (L >= 1) {
                T slope[3];
                cartesian_gradient(plan.to_mesh, f, slope);
                for (int a = 0; a < 3; ++a)
                  for (int b = 0; b < 3; ++b)
                    block.turned(a, b) += factor * cartesian[1 + a] * slope[b];
              }
              if constexpr (L >= 2) {
                T h[6];
                cartesian_hessian(plan.to_mesh, f, h);
                for (std::size_t a = 0; a < 3; ++a)
                  for (std::size_t b = 0; b < 3; ++b) {
                    T sum = cartesian[4 + tensor_entry[a][0]] * h[tensor_entry[0][b]];
                    for (std::size_t c = 1; c < 3; ++c)
                      sum += cartesian[4 + tensor_entry[a][c]] * h[tensor_entry[c][b]];
                    block.turned(static_cast<int>(a), static_cast<int>(b)) += factor * sum;
                  }
              }
            }
          });
    });
  });
  for (const AtomSums<T>& block : blocks) {
    sums.moved += block.moved;
    sums.turned += block.turned;
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
