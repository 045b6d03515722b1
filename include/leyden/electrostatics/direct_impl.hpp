// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>

#include <string>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Adds an energy gradient with respect to the vector R = r_i − r_j, over lanes j.
template <Number T>
struct PairGradient {
  Pack<T> g[3];
};

// ∂(aᵀKb)/∂R of one pair block: a_i, b_i uniform, a_j, b_j lanes; L = 0 or 1; components q, x, y,
// z.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE PairGradient<T> pair_gradient(const Pack<T>* r, const Pack<T>* radial,
                                                   const Pack<T>* ai, const Pack<T>* bi,
                                                   const Pack<T>* aj, const Pack<T>* bj) {
  PairGradient<T> out;
  const Pack<T> s0 = fma(ai[0], bj[0], bi[0] * aj[0]);
  if constexpr (L == 0) {
    const Pack<T> f = -(s0 * radial[1]);
    for (int c = 0; c < 3; ++c) out.g[c] = f * r[c];
  } else {
    const auto dot3 = [](const Pack<T>* x, const Pack<T>* y) {
      return fma(x[0], y[0], fma(x[1], y[1], x[2] * y[2]));
    };
    Pack<T> t[3];
    for (int c = 0; c < 3; ++c)
      t[c] = fma(ai[0], bj[c + 1], bi[0] * aj[c + 1]) - fma(bj[0], ai[c + 1], aj[0] * bi[c + 1]);
    const Pack<T> air = dot3(ai + 1, r), bir = dot3(bi + 1, r);
    const Pack<T> ajr = dot3(aj + 1, r), bjr = dot3(bj + 1, r);
    const Pack<T> s1 = dot3(ai + 1, bj + 1) + dot3(bi + 1, aj + 1);
    const Pack<T> f =
        fma(s0, radial[1], (dot3(t, r) + s1) * radial[2] - fma(air, bjr, bir * ajr) * radial[3]);
    for (int c = 0; c < 3; ++c) {
      const Pack<T> quad =
          fma(ai[c + 1], bjr, bj[c + 1] * air) + fma(bi[c + 1], ajr, aj[c + 1] * bir);
      out.g[c] = t[c] * radial[1] - quad * radial[2] - f * r[c];
    }
  }
  return out;
}

// Potential coefficients (v, ∂v) that source s makes at distance vector R from it.
template <int L, Number T>
LEYDEN_ALWAYS_INLINE void pair_potential(const Pack<T>* r, const Pack<T>* radial, const Pack<T>* s,
                                         Pack<T>* v) {
  if constexpr (L == 0) {
    v[0] = fma(s[0], radial[0], v[0]);
  } else {
    const Pack<T> dr = fma(s[1], r[0], fma(s[2], r[1], s[3] * r[2]));
    v[0] = fma(s[0], radial[0], fma(dr, radial[1], v[0]));
    const Pack<T> f = fma(s[0], radial[1], dr * radial[2]);
    for (int c = 0; c < 3; ++c) v[c + 1] = fma(s[c + 1], radial[1], v[c + 1] - f * r[c]);
  }
}

template <Number T, class Visit>
void for_each_direct_block(const Direct::Plan<T>& plan, Visit&& visit) {
  for (int i = 0; i < plan.n_atoms; ++i) {
    const Vector3<T>& ri = plan.positions[static_cast<std::size_t>(i)];
    const Pack<T> x(ri[0]), y(ri[1]), z(ri[2]);
    const int first = i / Pack<T>::lanes;
    for (int k = first; k < plan.packs; ++k) {
      const Pack<T>* rj = plan.coordinates.data() + 3 * k;
      const Pack<T> r[3] = {x - rj[0], y - rj[1], z - rj[2]};
      visit(i, k, plan.row_first[static_cast<std::size_t>(i)] + static_cast<std::size_t>(k - first),
            r);
    }
  }
}

template <int L, Number T>
void direct_apply(const Direct::Plan<T>& plan) {
  constexpr int size = multipole_size(L);
  constexpr int lanes = Pack<T>::lanes;
  plan.out.assign(static_cast<std::size_t>(plan.packs * size), Pack<T>());
  int row = -1;
  Pack<T> source[size], v[size];
  const auto finish = [&] {
    if (row < 0) return;
    for (int c = 0; c < size; ++c) {
      Pack<T>& target = plan.out[static_cast<std::size_t>((row / lanes) * size + c)];
      target.set_lane(row % lanes, target.lane(row % lanes) + sum_lanes(v[c]));
    }
  };
  for_each_direct_block(plan, [&](int i, int k, std::size_t entry, const Pack<T>* r) {
    if (i != row) {
      finish();
      row = i;
      for (int c = 0; c < size; ++c) {
        source[c] = Pack<T>(lane_of(plan.a.data() + (i / lanes) * size + c, i % lanes));
        v[c] = Pack<T>();
      }
    }
    Pack<T> radial[3] = {plan.radial[0][entry], Pack<T>(), Pack<T>()};
    if constexpr (L == 1) {
      radial[1] = plan.radial[1][entry];
      radial[2] = plan.radial[2][entry];
    }
    pair_potential<L, T>(r, radial, plan.a.data() + k * size, v);
    const Pack<T> back[3] = {-r[0], -r[1], -r[2]};
    Pack<T>* target = plan.out.data() + k * size;
    pair_potential<L, T>(back, radial, source, target);
  });
  finish();
}

// Adds the gradients of lanes j, [pack][x, y, z] in plan.out, and the strain.
template <Number T>
void add_pack_gradient(const Direct::Plan<T>& plan, T factor, const Pack<T>* strain,
                       GeometryGradient<T>& gradient) {
  constexpr int lanes = Pack<T>::lanes;
  for (int i = 0; i < plan.n_atoms; ++i)
    for (int c = 0; c < 3; ++c)
      gradient.positions[static_cast<std::size_t>(i)][c] +=
          factor * plan.out[static_cast<std::size_t>((i / lanes) * 3 + c)].lane(i % lanes);
  for (std::size_t c = 0; c < 9; ++c) gradient.strain.data[c] += factor * sum_lanes(strain[c]);
}

template <int L, Number T>
void direct_gradient(const Direct::Plan<T>& plan, T factor, GeometryGradient<T>& gradient) {
  constexpr int size = multipole_size(L);
  constexpr int lanes = Pack<T>::lanes;
  plan.out.assign(static_cast<std::size_t>(plan.packs * 3), Pack<T>());
  Pack<T> strain[9] = {};
  int row = -1;
  Pack<T> ai[size], bi[size], sum[3];
  const auto finish = [&] {
    if (row < 0) return;
    for (int c = 0; c < 3; ++c)
      gradient.positions[static_cast<std::size_t>(row)][c] += factor * sum_lanes(sum[c]);
  };
  for_each_direct_block(plan, [&](int i, int k, std::size_t entry, const Pack<T>* r) {
    if (i != row) {
      finish();
      row = i;
      for (int c = 0; c < size; ++c) {
        ai[c] = Pack<T>(lane_of(plan.a.data() + (i / lanes) * size + c, i % lanes));
        bi[c] = Pack<T>(lane_of(plan.b.data() + (i / lanes) * size + c, i % lanes));
      }
      for (auto& s : sum) s = Pack<T>();
    }
    Pack<T> radial[4] = {Pack<T>(), plan.radial[1][entry], Pack<T>(), Pack<T>()};
    if constexpr (L == 1) {
      radial[2] = plan.radial[2][entry];
      radial[3] = plan.radial[3][entry];
    }
    const PairGradient<T> pair =
        pair_gradient<L, T>(r, radial, ai, bi, plan.a.data() + k * size, plan.b.data() + k * size);
    for (int c = 0; c < 3; ++c) {
      sum[c] += pair.g[c];
      plan.out[static_cast<std::size_t>(3 * k + c)] -= pair.g[c];
      for (int d = 0; d < 3; ++d) strain[3 * d + c] = fma(r[d], pair.g[c], strain[3 * d + c]);
    }
  });
  finish();
  add_pack_gradient(plan, factor, strain, gradient);
}

// Visits all pairs (i, lanes j > i) with the radial functions of a receiver of one width: radial_i
// between the receiver and the source width of i, radial_j of the lanes j.
template <Number T, class Visit>
void for_each_feature_block(const Direct::Plan<T>& plan, double width, Visit&& visit) {
  using R = RealOf<T>;
  constexpr int lanes = Pack<T>::lanes;
  const Pack<R> w(static_cast<R>(width));
  const auto inverse_width = [&](Pack<R> s) {
    return Pack<R>(R(1)) / sqrt(Pack<R>(R(2)) * fma(s, s, w * w));
  };
  const bool one_width = std::all_of(plan.widths.begin(), plan.widths.end(),
                                     [&](double s) { return s == plan.widths.front(); });
  for_each_direct_block(plan, [&](int i, int k, std::size_t, const Pack<T>* r) {
    const Pack<T> r2 = fma(r[0], r[0], fma(r[1], r[1], r[2] * r[2]));
    Pack<T> radial[2][4];
    gaussian_kernel<T>(
        r2, inverse_width(Pack<R>(static_cast<R>(plan.widths[static_cast<std::size_t>(i)]))),
        radial[0]);
    if (one_width) {
      for (int n = 0; n < 4; ++n) radial[1][n] = radial[0][n];
    } else {
      gaussian_kernel<T>(r2, inverse_width(plan.pack_widths[static_cast<std::size_t>(k)]),
                         radial[1]);
    }
    if (k == i / lanes || k == plan.packs - 1)
      for (int lane = 0; lane < lanes; ++lane) {
        const int j = k * lanes + lane;
        if (j > i && j < plan.n_atoms) continue;
        for (auto& side : radial)
          for (auto& b : side) b.set_lane(lane, T(0));
      }
    visit(i, k, r, radial[0], radial[1]);
  });
}

// plan.out += potentials of the multipoles in plan.a. `transpose`: the multipoles sit on the
// receiver's width, and are felt at the atoms' own.
template <Number T>
void direct_features(const Direct::Plan<T>& plan, double width, bool transpose) {
  constexpr int lanes = Pack<T>::lanes;
  for_each_feature_block(
      plan, width,
      [&](int i, int k, const Pack<T>* r, const Pack<T>* radial_i, const Pack<T>* radial_j) {
        if (transpose) std::swap(radial_i, radial_j);
        Pack<T> source[4], v[4];
        for (int c = 0; c < 4; ++c)
          source[c] =
              Pack<T>(plan.a[static_cast<std::size_t>((i / lanes) * 4 + c)].lane(i % lanes));
        pair_potential<1, T>(r, radial_j, plan.a.data() + 4 * k, v);
        const Pack<T> back[3] = {-r[0], -r[1], -r[2]};
        pair_potential<1, T>(back, radial_i, source, plan.out.data() + 4 * k);
        for (int c = 0; c < 4; ++c) {
          Pack<T>& target = plan.out[static_cast<std::size_t>((i / lanes) * 4 + c)];
          target.set_lane(i % lanes, target.lane(i % lanes) + sum_lanes(v[c]));
        }
      });
}

// Stores (or adds) [pack][v, x, y, z] in the order of coefficients.
template <Number T>
void store_coefficients(const Direct::Plan<T>& plan, int l_max, bool add, std::span<T> v) {
  const int size = multipole_size(l_max);
  for (int i = 0; i < plan.n_atoms; ++i)
    for (int lm = 0; lm < size; ++lm) {
      const int c = lm == 0 ? 0 : 1 + cartesian_of_coefficient[static_cast<std::size_t>(lm)];
      const T x =
          plan.out[static_cast<std::size_t>((i / Pack<T>::lanes) * 4 + c)].lane(i % Pack<T>::lanes);
      T& target = v[static_cast<std::size_t>(i * size + lm)];
      target = add ? target + x : x;
    }
}

}  // namespace detail

template <Number T>
void Direct::plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T>,
                  Plan<T>& plan) const {
  using R = RealOf<T>;
  constexpr int lanes = Pack<T>::lanes;
  for (std::size_t d = 0; d < 3; ++d)
    if (geometry.periodic[d])
      throw ModelError("Direct: lattice direction " + std::to_string(d) +
                       " is periodic; this solver serves open boundaries only. Use Reciprocal for "
                       "bulk, or mark all directions as not periodic for a molecule");
  const int n = geometry.n_atoms();
  detail::check_sources("Direct", n, source);
  plan.n_atoms = n;
  plan.l_max = source.l_max;
  plan.packs = pack_count<T>(n);
  plan.widths.assign(source.widths.begin(), source.widths.end());
  plan.positions.assign(geometry.positions.begin(), geometry.positions.end());
  plan.slot_atom.resize(static_cast<std::size_t>(plan.packs * lanes));
  plan.coordinates.resize(static_cast<std::size_t>(3 * plan.packs));
  plan.pack_widths.resize(static_cast<std::size_t>(plan.packs));
  for (int slot = 0; slot < plan.packs * lanes; ++slot) {
    const auto i = static_cast<std::size_t>(slot < n ? slot : n - 1);  // padding repeats the last
    plan.slot_atom[static_cast<std::size_t>(slot)] = slot < n ? slot : -1;
    for (int c = 0; c < 3; ++c)
      plan.coordinates[static_cast<std::size_t>(3 * (slot / lanes) + c)].set_lane(
          slot % lanes, geometry.positions[i][c]);
    plan.pack_widths[static_cast<std::size_t>(slot / lanes)].set_lane(
        slot % lanes, static_cast<R>(plan.widths[i]));
  }
  plan.row_first.resize(static_cast<std::size_t>(n));
  std::size_t entries = 0;
  for (int i = 0; i < n; ++i) {
    plan.row_first[static_cast<std::size_t>(i)] = entries;
    entries += static_cast<std::size_t>(plan.packs - i / lanes);
  }
  const std::size_t functions = source.l_max == 0 ? 2 : 4;
  for (std::size_t f = 0; f < functions; ++f) plan.radial[f].resize(entries);
  detail::for_each_direct_block(plan, [&](int i, int k, std::size_t entry, const Pack<T>* r) {
    const Pack<T> r2 = fma(r[0], r[0], fma(r[1], r[1], r[2] * r[2]));
    const Pack<R> si(static_cast<R>(plan.widths[static_cast<std::size_t>(i)]));
    const Pack<R> sj = plan.pack_widths[static_cast<std::size_t>(k)];
    const Pack<R> a = Pack<R>(R(1)) / sqrt(Pack<R>(R(2)) * fma(si, si, sj * sj));
    Pack<T> b[4];
    detail::gaussian_kernel<T>(r2, a, b);
    for (std::size_t f = 0; f < functions; ++f) plan.radial[f][entry] = b[f];
    // Each pair once: lanes up to the diagonal and padding carry nothing.
    if (k == i / lanes || k == plan.packs - 1)
      for (int lane = 0; lane < lanes; ++lane) {
        const int j = k * lanes + lane;
        if (j > i && j < n) continue;
        for (std::size_t f = 0; f < functions; ++f) plan.radial[f][entry].set_lane(lane, T(0));
      }
  });
}

template <Number T>
void Direct::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                   std::type_identity_t<std::span<T>> v) const {
  using R = RealOf<T>;
  constexpr int lanes = Pack<T>::lanes;
  const int size = detail::multipole_size(plan.l_max);
  LEYDEN_EXPECTS(p.size() == static_cast<std::size_t>(plan.n_atoms * size));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a);
  if (plan.l_max == 0) {
    detail::direct_apply<0, T>(plan);
  } else {
    detail::direct_apply<1, T>(plan);
  }
  for (int i = 0; i < plan.n_atoms; ++i)
    for (int lm = 0; lm < size; ++lm) {
      const auto at = static_cast<std::size_t>(i * size + lm);
      const int c = lm == 0 ? 0 : 1 + cartesian_of_coefficient[static_cast<std::size_t>(lm)];
      T sum = lane_of(plan.out.data() + (i / lanes) * size + c, i % lanes);
      const double width = plan.widths[static_cast<std::size_t>(i)];
      if (self_ == SelfInteraction::included)
        sum += p[at] * static_cast<R>(self_interaction(lm == 0 ? 0 : 1, width, width));
      v[at] = sum;
    }
}

template <Number T>
void Direct::bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                               std::type_identity_t<std::span<const T>> b,
                               std::type_identity_t<T> factor,
                               GeometryGradient<T>& gradient) const {
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  detail::pack_multipoles<T>(a, plan.l_max, plan.slot_atom, plan.a);
  detail::pack_multipoles<T>(b, plan.l_max, plan.slot_atom, plan.b);
  if (plan.l_max == 0) {
    detail::direct_gradient<0, T>(plan, factor, gradient);
  } else {
    detail::direct_gradient<1, T>(plan, factor, gradient);
  }
}

template <Number T>
void Direct::assemble(const Plan<T>& plan,
                      std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  detail::assemble_by_columns(*this, plan, matrix);
}

template <Number T>
void Direct::features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                      const PotentialFeatures& shape,
                      std::type_identity_t<std::span<T>> out) const {
  detail::check_features("Direct", shape);
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a, 1);
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    plan.out.assign(static_cast<std::size_t>(4 * plan.packs), Pack<T>());
    detail::direct_features(plan, shape.widths[w], false);
    detail::store_coefficients<T>(plan, shape.l_max, false, out.subspan(w * stride, stride));
  }
  if (shape.self == SelfInteraction::included)
    detail::add_own_features<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), p, out);
}

template <Number T>
void Direct::features_transpose(const Plan<T>& plan,
                                std::type_identity_t<std::span<const T>> cotangent,
                                const PotentialFeatures& shape,
                                std::type_identity_t<std::span<T>> p_bar) const {
  detail::check_features("Direct", shape);
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  plan.out.assign(static_cast<std::size_t>(4 * plan.packs), Pack<T>());
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::pack_multipoles<T>(cotangent.subspan(w * stride, stride), shape.l_max, plan.slot_atom,
                               plan.a, 1);
    detail::direct_features(plan, shape.widths[w], true);
  }
  detail::store_coefficients<T>(plan, plan.l_max, true, p_bar);
  if (shape.self == SelfInteraction::included)
    detail::add_own_features_transpose<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), cotangent,
                                          p_bar);
}

template <Number T>
void Direct::feature_gradient(const Plan<T>& plan,
                              std::type_identity_t<std::span<const T>> cotangent,
                              std::type_identity_t<std::span<const T>> p,
                              const PotentialFeatures& shape, std::type_identity_t<T> factor,
                              GeometryGradient<T>& gradient) const {
  constexpr int lanes = Pack<T>::lanes;
  detail::check_features("Direct", shape);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.b, 1);
  plan.out.assign(static_cast<std::size_t>(3 * plan.packs), Pack<T>());
  Pack<T> strain[9] = {};
  const Pack<T> none[4] = {};
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::pack_multipoles<T>(cotangent.subspan(w * stride, stride), shape.l_max, plan.slot_atom,
                               plan.a, 1);
    detail::for_each_feature_block(
        plan, shape.widths[w],
        [&](int i, int k, const Pack<T>* r, const Pack<T>* radial_i, const Pack<T>* radial_j) {
          Pack<T> ci[4], pi[4];
          for (int c = 0; c < 4; ++c) {
            const auto at = static_cast<std::size_t>((i / lanes) * 4 + c);
            ci[c] = Pack<T>(plan.a[at].lane(i % lanes));
            pi[c] = Pack<T>(plan.b[at].lane(i % lanes));
          }
          const auto at_i =
              detail::pair_gradient<1, T>(r, radial_j, ci, none, none, plan.b.data() + 4 * k);
          const auto at_j =
              detail::pair_gradient<1, T>(r, radial_i, none, pi, plan.a.data() + 4 * k, none);
          for (int c = 0; c < 3; ++c) {
            const Pack<T> g = at_i.g[c] + at_j.g[c];
            gradient.positions[static_cast<std::size_t>(i)][c] += factor * sum_lanes(g);
            plan.out[static_cast<std::size_t>(3 * k + c)] -= g;
            for (int d = 0; d < 3; ++d) strain[3 * d + c] = fma(r[d], g, strain[3 * d + c]);
          }
        });
  }
  detail::add_pack_gradient(plan, factor, strain, gradient);
}

static_assert(ElectrostaticSolver<Direct>);

}  // namespace leyden::inline LEYDEN_ABI
