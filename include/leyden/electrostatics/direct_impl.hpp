// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/direct_pairs.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>

#include <string>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

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
  constexpr int size = cartesian_size(L);
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
    Pack<T> radial[2 * L + 1];
    for (std::size_t f = 0; f < 2 * L + 1; ++f) radial[f] = plan.radial[f][entry];
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
  constexpr int size = cartesian_size(L);
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
    Pack<T> radial[2 * L + 2];
    for (std::size_t f = 1; f < 2 * L + 2; ++f) radial[f] = plan.radial[f][entry];
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
template <int L, Number T, class Visit>
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
    constexpr int functions = 2 * L + 2;
    Pack<T> radial[2][functions];
    gaussian_kernel<T, functions>(
        r2, inverse_width(Pack<R>(static_cast<R>(plan.widths[static_cast<std::size_t>(i)]))),
        radial[0]);
    if (one_width) {
      for (int n = 0; n < functions; ++n) radial[1][n] = radial[0][n];
    } else {
      gaussian_kernel<T, functions>(
          r2, inverse_width(plan.pack_widths[static_cast<std::size_t>(k)]), radial[1]);
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
template <int L, Number T>
void direct_features(const Direct::Plan<T>& plan, double width, bool transpose) {
  constexpr int lanes = Pack<T>::lanes;
  constexpr int size = cartesian_size(L);
  for_each_feature_block<L, T>(
      plan, width,
      [&](int i, int k, const Pack<T>* r, const Pack<T>* radial_i, const Pack<T>* radial_j) {
        if (transpose) std::swap(radial_i, radial_j);
        Pack<T> source[size], v[size];
        for (int c = 0; c < size; ++c)
          source[c] =
              Pack<T>(plan.a[static_cast<std::size_t>((i / lanes) * size + c)].lane(i % lanes));
        pair_potential<L, T>(r, radial_j, plan.a.data() + size * k, v);
        const Pack<T> back[3] = {-r[0], -r[1], -r[2]};
        pair_potential<L, T>(back, radial_i, source, plan.out.data() + size * k);
        for (int c = 0; c < size; ++c) {
          Pack<T>& target = plan.out[static_cast<std::size_t>((i / lanes) * size + c)];
          target.set_lane(i % lanes, target.lane(i % lanes) + sum_lanes(v[c]));
        }
      });
}

// Adds ∂/∂r of the cotangents plan.a on receivers of one width in the potential of plan.b: lanes j
// to plan.out, atoms i to the gradient.
template <int L, Number T>
void direct_feature_gradient(const Direct::Plan<T>& plan, double width, const T& factor,
                             Pack<T>* strain, GeometryGradient<T>& gradient) {
  constexpr int lanes = Pack<T>::lanes;
  constexpr int size = cartesian_size(L);
  const Pack<T> none[size] = {};
  for_each_feature_block<L, T>(
      plan, width,
      [&](int i, int k, const Pack<T>* r, const Pack<T>* radial_i, const Pack<T>* radial_j) {
        Pack<T> ci[size], pi[size];
        for (int c = 0; c < size; ++c) {
          const auto at = static_cast<std::size_t>((i / lanes) * size + c);
          ci[c] = Pack<T>(plan.a[at].lane(i % lanes));
          pi[c] = Pack<T>(plan.b[at].lane(i % lanes));
        }
        const auto at_i =
            pair_gradient<L, T>(r, radial_j, ci, none, none, plan.b.data() + size * k);
        const auto at_j =
            pair_gradient<L, T>(r, radial_i, none, pi, plan.a.data() + size * k, none);
        for (int c = 0; c < 3; ++c) {
          const Pack<T> g = at_i.g[c] + at_j.g[c];
          gradient.positions[static_cast<std::size_t>(i)][c] += factor * sum_lanes(g);
          plan.out[static_cast<std::size_t>(3 * k + c)] -= g;
          for (int d = 0; d < 3; ++d) strain[3 * d + c] = fma(r[d], g, strain[3 * d + c]);
        }
      });
}

// Stores (or adds) [pack][v, x, y, z, xx … yz] of l_pack in the order of coefficients.
template <Number T>
void store_coefficients(const Direct::Plan<T>& plan, int l_pack, int l_max, bool add,
                        std::span<T> v) {
  const int size = multipole_size(l_max), stride = cartesian_size(l_pack);
  for (int i = 0; i < plan.n_atoms; ++i) {
    const auto at = [&](int c) {
      return lane_of(plan.out.data() + (i / Pack<T>::lanes) * stride + c, i % Pack<T>::lanes);
    };
    store_cartesian<T>(l_max, at, add, v.data() + i * size);
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
  detail::check_sources("Direct", n, source, 2);
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
  const auto functions = static_cast<std::size_t>(2 * source.l_max + 2);
  for (std::size_t f = 0; f < functions; ++f) plan.radial[f].resize(entries);
  detail::for_each_direct_block(plan, [&](int i, int k, std::size_t entry, const Pack<T>* r) {
    const Pack<T> r2 = fma(r[0], r[0], fma(r[1], r[1], r[2] * r[2]));
    const Pack<R> si(static_cast<R>(plan.widths[static_cast<std::size_t>(i)]));
    const Pack<R> sj = plan.pack_widths[static_cast<std::size_t>(k)];
    const Pack<R> a = Pack<R>(R(1)) / sqrt(Pack<R>(R(2)) * fma(si, si, sj * sj));
    Pack<T> b[6];
    if (source.l_max < 2) {
      detail::gaussian_kernel<T>(r2, a, b);
    } else {
      detail::gaussian_kernel<T, 6>(r2, a, b);
    }
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
  LEYDEN_EXPECTS(p.size() ==
                 static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(plan.l_max)));
  std::vector<T>& result = plan.result;  // p and v may be the same memory
  result.resize(p.size());
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a);
  detail::with_degree(plan.l_max, [&](auto l) { detail::direct_apply<l(), T>(plan); });
  detail::store_coefficients<T>(plan, plan.l_max, plan.l_max, false, result);
  if (self_ == SelfInteraction::included)
    detail::add_own_potential<T>(plan.widths, plan.l_max, 1, p, result);
  std::copy(result.begin(), result.end(), v.begin());
}

template <Number T>
void Direct::bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                               std::type_identity_t<std::span<const T>> b,
                               std::type_identity_t<T> factor,
                               GeometryGradient<T>& gradient) const {
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  detail::pack_multipoles<T>(a, plan.l_max, plan.slot_atom, plan.a);
  detail::pack_multipoles<T>(b, plan.l_max, plan.slot_atom, plan.b);
  detail::with_degree(plan.l_max,
                      [&](auto l) { detail::direct_gradient<l(), T>(plan, factor, gradient); });
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
  detail::check_features("Direct", shape, 2);
  const int degree = std::max({1, plan.l_max, shape.l_max});
  const auto size = static_cast<std::size_t>(detail::cartesian_size(degree));
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a, degree);
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    plan.out.assign(size * static_cast<std::size_t>(plan.packs), Pack<T>());
    if (degree == 1) {
      detail::direct_features<1, T>(plan, shape.widths[w], false);
    } else {
      detail::direct_features<2, T>(plan, shape.widths[w], false);
    }
    detail::store_coefficients<T>(plan, degree, shape.l_max, false,
                                  out.subspan(w * stride, stride));
  }
  if (shape.self == SelfInteraction::included)
    detail::add_own_features<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), p, out);
}

template <Number T>
void Direct::features_transpose(const Plan<T>& plan,
                                std::type_identity_t<std::span<const T>> cotangent,
                                const PotentialFeatures& shape,
                                std::type_identity_t<std::span<T>> p_bar) const {
  detail::check_features("Direct", shape, 2);
  const int degree = std::max({1, plan.l_max, shape.l_max});
  const auto size = static_cast<std::size_t>(detail::cartesian_size(degree));
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  plan.out.assign(size * static_cast<std::size_t>(plan.packs), Pack<T>());
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::pack_multipoles<T>(cotangent.subspan(w * stride, stride), shape.l_max, plan.slot_atom,
                               plan.a, degree);
    if (degree == 1) {
      detail::direct_features<1, T>(plan, shape.widths[w], true);
    } else {
      detail::direct_features<2, T>(plan, shape.widths[w], true);
    }
  }
  detail::store_coefficients<T>(plan, degree, plan.l_max, true, p_bar);
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
  detail::check_features("Direct", shape, 2);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  const int degree = std::max({1, plan.l_max, shape.l_max});
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.b, degree);
  plan.out.assign(static_cast<std::size_t>(3 * plan.packs), Pack<T>());
  Pack<T> strain[9] = {};
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::pack_multipoles<T>(cotangent.subspan(w * stride, stride), shape.l_max, plan.slot_atom,
                               plan.a, degree);
    if (degree == 1) {
      detail::direct_feature_gradient<1, T>(plan, shape.widths[w], factor, strain, gradient);
    } else {
      detail::direct_feature_gradient<2, T>(plan, shape.widths[w], factor, strain, gradient);
    }
  }
  detail::add_pack_gradient(plan, factor, strain, gradient);
}

static_assert(ElectrostaticSolver<Direct>);

}  // namespace leyden::inline LEYDEN_ABI
