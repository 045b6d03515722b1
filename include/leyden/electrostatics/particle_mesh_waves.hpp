// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/particle_mesh_plan.hpp>

// What happens between the two transforms: products with the influence function, and the sums over
// wave vectors that make the energy and its strain derivative. A row of wave vectors (constant n0,
// n1) is taken a few packs at a time; strain sums are moments of it along the row.
namespace leyden::inline LEYDEN_ABI::detail {

// Numbers of a row, with tangents behind values.
template <Number T, int size>
struct RowNumbers {
  alignas(64) RealOf<T> value[size];
  alignas(64) RealOf<T> tangent[is_dual_v<T> ? size : 1];

  LEYDEN_ALWAYS_INLINE Pack<T> load(int at) const {
    using R = RealOf<T>;
    if constexpr (is_dual_v<T>)
      return Pack<T>(Pack<R>::load(value + at), Pack<R>::load(tangent + at));
    else
      return Pack<R>::load(value + at);
  }
};

// A run of a table, zero beyond its end.
template <Number T, int size>
LEYDEN_ALWAYS_INLINE void load_run(const MeshField<T>& from, std::size_t at, int n,
                                   RowNumbers<T, size>& to) {
  using R = RealOf<T>;
  std::copy_n(from.value.data() + at, n, to.value);
  std::fill(to.value + n, to.value + size, R(0));
  if constexpr (is_dual_v<T>) {
    std::copy_n(from.tangent.data() + at, n, to.tangent);
    std::fill(to.tangent + n, to.tangent + size, R(0));
  }
}

// Re(a b*), doubled: both members of the pair ±k.
template <Number T, int size>
LEYDEN_ALWAYS_INLINE void multiply_run(const MeshSpectrum<T>& a, const MeshSpectrum<T>& b,
                                       std::size_t at, int n, RowNumbers<T, size>& out) {
  using R = RealOf<T>;
  const R* x = reinterpret_cast<const R*>(a.value.data() + at);
  const R* y = reinterpret_cast<const R*>(b.value.data() + at);
  for (int k = 0; k < n; ++k)
    out.value[k] = R(2) * (x[2 * k] * y[2 * k] + x[2 * k + 1] * y[2 * k + 1]);
  std::fill(out.value + n, out.value + size, R(0));
  if constexpr (is_dual_v<T>) {
    const R* u = reinterpret_cast<const R*>(a.tangent.data() + at);
    const R* v = reinterpret_cast<const R*>(b.tangent.data() + at);
    for (int k = 0; k < n; ++k)
      out.tangent[k] = R(2) * (x[2 * k] * v[2 * k] + x[2 * k + 1] * v[2 * k + 1] +
                               u[2 * k] * y[2 * k] + u[2 * k + 1] * y[2 * k + 1]);
    std::fill(out.tangent + n, out.tangent + size, R(0));
  }
}

// y ·= x of a run, x real numbers and y complex ones.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE void scale_run(const R* x, const R* from, int n, R* to) {
  for (int k = 0; k < n; ++k) {
    to[2 * k] = from[2 * k] * x[k];
    to[2 * k + 1] = from[2 * k + 1] * x[k];
  }
}
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE void add_scaled_run(const R* x, const R* from, int n, R* to) {
  for (int k = 0; k < n; ++k) {
    to[2 * k] += from[2 * k] * x[k];
    to[2 * k + 1] += from[2 * k + 1] * x[k];
  }
}

// out = table · in over [at, at + n); may be in place.
template <Number T>
void scale_spectrum(const MeshField<T>& table, const MeshSpectrum<T>& in, std::size_t at, int n,
                    MeshSpectrum<T>& out) {
  using R = RealOf<T>;
  const auto numbers = [&](const auto& s) { return reinterpret_cast<const R*>(s.data() + at); };
  const auto target = [&](auto& s) { return reinterpret_cast<R*>(s.data() + at); };
  const R* x = table.value.data() + at;
  if constexpr (is_dual_v<T>) {
    scale_run(x, numbers(in.tangent), n, target(out.tangent));
    add_scaled_run(table.tangent.data() + at, numbers(in.value), n, target(out.tangent));
  }
  scale_run(x, numbers(in.value), n, target(out.value));
}

// out += factor · in
template <Number T>
void add_spectrum(RealOf<T> factor, const MeshSpectrum<T>& in, std::size_t at, int n,
                  MeshSpectrum<T>& out) {
  for (std::size_t k = at; k < at + static_cast<std::size_t>(n); ++k) {
    out.value[k] += factor * in.value[k];
    if constexpr (is_dual_v<T>) out.tangent[k] += factor * in.tangent[k];
  }
}

// How Gaussian f depend on the strain: ∂ ln f/∂ε_ab = widening · k_a k_b, or by broadened structure
// factors.
template <Number T>
struct StrainSource {
  RealOf<T> widening = 0;
  const MeshSpectrum<T>* broadened_a = nullptr;  // Σ σ² exp(−σ²k²/2) ρ̂ where σ differ
  const MeshSpectrum<T>* broadened_b = nullptr;
};

template <Number T>
class MeshWaves {
 public:
  using R = RealOf<T>;
  using W = WideOf<T>;

  // Tables along rows, padded to whole runs.
  static void fill_tables(const MeshInfluence<T>& g, std::array<Buffer<R>, 3>& tables) {
    const auto half = static_cast<std::size_t>(g.half());
    const std::size_t padded = (half + run - 1) / run * run;
    for (auto& t : tables) t.assign(padded, R(0));
    for (std::size_t m = 0; m < half; ++m) {
      const double mean = g.axes[2].mean[m];
      tables[0][m] = static_cast<R>(mean);
      tables[1][m] = static_cast<R>(mean * mean + g.axes[2].variance[m]);
      tables[2][m] = static_cast<R>(m);
    }
  }

  // Σ C·G Re(a b*) over plane i, and without its factor 1/V's part the strain derivative.
  template <bool with_strain>
  static void sum_plane(const MeshInfluence<T>& g, const std::array<Buffer<R>, 3>& tables,
                        const MeshSpectrum<T>& a, const MeshSpectrum<T>& b,
                        const StrainSource<T>& source, int i, MeshSums<T>& out) {
    out = {};
    if (2 * i == g.size[0]) return;
    const int half = g.half();
    const T third = dot(g.reciprocal[2], g.reciprocal[2]);
    const bool sloped = !g.slope.value.empty();
    for (int j = 0; j < g.size[1]; ++j) {
      if (2 * j == g.size[1]) continue;
      const std::size_t at = (static_cast<std::size_t>(i) * static_cast<std::size_t>(g.size[1]) +
                              static_cast<std::size_t>(j)) *
                             static_cast<std::size_t>(half);
      Vector3<T> k0{}, c0{};
      T rest(R(0));
      const int index[2] = {i, j};
      if constexpr (with_strain)
        for (std::size_t d = 0; d < 2; ++d) {
          const auto n = static_cast<std::size_t>(index[d]);
          k0 += g.reciprocal[d] * T(static_cast<R>(g.index(index[d], g.size[d])));
          c0 += g.reciprocal[d] * T(static_cast<R>(g.axes[d].mean[n]));
          rest += dot(g.reciprocal[d], g.reciprocal[d]) * static_cast<R>(g.axes[d].variance[n]);
        }
      // D2/D1 along the row; never zero.
      const Pack<T> base(rest + dot(c0, c0) + T(std::numeric_limits<R>::min() * R(1e8)));
      const Pack<T> slope(dot(c0, g.reciprocal[2]) * R(2)), curve(third);
      Pack<T> energy, x[3], y[3];
      for (int m = 0; m < half; m += run) {
        const int n = std::min(run, half - m);
        const std::size_t here = at + static_cast<std::size_t>(m);
        RowNumbers<T, run> product, weight, sloping, extra[2];
        multiply_run(a, b, here, n, product);
        load_run(g.weight, here, n, weight);
        if (m == 0) halve(product);
        if constexpr (with_strain) {
          if (sloped) load_run(g.slope, here, n, sloping);
          if (source.broadened_a != nullptr) {
            multiply_run(*source.broadened_a, b, here, n, extra[0]);
            multiply_run(a, *source.broadened_b, here, n, extra[1]);
            if (m == 0) {
              halve(extra[0]);
              halve(extra[1]);
            }
          }
        }
        for (int k = 0; k < run; k += Pack<R>::lanes) {
          const Pack<T> w = weight.load(k), p = product.load(k);
          Pack<T> e = w * p;
          energy += e;
          if constexpr (with_strain) {
            const auto table = [&](std::size_t t) {
              return Pack<R>::load(tables[t].data() + m + k);
            };
            if (g.open && i == 0 && j == 0 && m == 0 && k == 0) e.set_lane(0, T(R(0)));
            Pack<T> f = e * Pack<R>(source.widening);
            if (sloped) f = fma(sloping.load(k), p, f);
            if (source.broadened_a != nullptr) f = fma(w, extra[0].load(k) + extra[1].load(k), f);
            const Pack<R> number = table(2), mean = table(0), square = table(1);
            x[0] += f;
            f = f * number;
            x[1] += f;
            x[2] = fma(f, number, x[2]);
            const Pack<T> d = (e + e) / fma(mean, slope, fma(square, curve, base));
            y[0] += d;
            y[1] = fma(d, mean, y[1]);
            y[2] = fma(d, square, y[2]);
          }
        }
      }
      out.energy += to_wide<W>(sum_lanes(energy));
      if constexpr (with_strain) {
        T sx[3], sy[3];
        for (int t = 0; t < 3; ++t) {
          sx[t] = sum_lanes(x[t]);
          sy[t] = sum_lanes(y[t]);
        }
        for (int c = 0; c < 3; ++c)
          for (int d = 0; d < 3; ++d) {
            const T bc = g.reciprocal[2][c], bd = g.reciprocal[2][d];
            T s = sx[0] * k0[c] * k0[d] + sx[1] * (k0[c] * bd + bc * k0[d]) + sx[2] * bc * bd +
                  sy[0] * c0[c] * c0[d] + sy[1] * (c0[c] * bd + bc * c0[d]) + sy[2] * bc * bd;
            for (std::size_t axis = 0; axis < 2; ++axis)
              s += sy[0] *
                   static_cast<R>(g.axes[axis].variance[static_cast<std::size_t>(index[axis])]) *
                   g.reciprocal[axis][c] * g.reciprocal[axis][d];
            out.strain(c, d) += to_wide<W>(s);
          }
      }
    }
  }

 private:
  static constexpr int run = 32;
  static_assert(run % Pack<R>::lanes == 0);

  static void halve(RowNumbers<T, run>& x) {
    x.value[0] *= R(0.5);
    if constexpr (is_dual_v<T>) x.tangent[0] *= R(0.5);
  }
};

}  // namespace leyden::inline LEYDEN_ABI::detail
