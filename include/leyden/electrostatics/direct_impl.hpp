// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/direct_pairs.hpp>
#include <leyden/electrostatics/direct_plan.hpp>

#include <string>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// The multipoles of a slot in all lanes.
template <int Size, Number T>
LEYDEN_ALWAYS_INLINE void load_multipoles(const Buffer<Pack<T>>& from, int slot, Pack<T>* to) {
  for (int c = 0; c < Size; ++c)
    to[c] =
        Pack<T>(lane_of(from.data() + (slot / Pack<T>::lanes) * Size + c, slot % Pack<T>::lanes));
}
template <Number T>
void add_to_lane(Pack<T>& target, int lane, const T& x) {
  target.set_lane(lane, target.lane(lane) + x);
}

// Results of a slot, and of a pack of the tile.
template <Number T>
Pack<T>& row_result(DirectBlock<T>& block, int size, int slot, int c) {
  constexpr int lanes = Pack<T>::lanes;
  return block.rows[static_cast<std::size_t>((slot - block.first_slot) / lanes * size + c)];
}
template <Number T>
LEYDEN_ALWAYS_INLINE Pack<T>* column_results(DirectBlock<T>& block, int size, int k) {
  return block.columns.data() + (k - block.tile) * size;
}

// What a slot and the packs behind it do to each other, for for_each_direct_row().
template <int L, Number T>
struct DirectPotentialRow {
  static constexpr int size = cartesian_size(L), lanes = Pack<T>::lanes;
  struct Sums {
    Pack<T> source[size], v[size];
  };
  const DirectPlan<T>& plan;
  DirectBlock<T>& block;

  Sums begin(int slot) const {
    Sums s;
    load_multipoles<size>(plan.a, slot, s.source);
    return s;
  }
  LEYDEN_ALWAYS_INLINE void pair(Sums& s, int k, const Pack<T>* r, const Pack<T>* radial) const {
    pair_potential<L, T>(r, radial, plan.a.data() + k * size, s.v);
    const Pack<T> back[3] = {-r[0], -r[1], -r[2]};
    pair_potential<L, T>(back, radial, s.source, column_results(block, size, k));
  }
  void end(int slot, const Sums& s) const {
    for (int c = 0; c < size; ++c)
      add_to_lane(row_result(block, size, slot, c), slot % lanes, sum_lanes(s.v[c]));
  }
};

// Gradients, [pack][x, y, z].
template <Number T>
LEYDEN_ALWAYS_INLINE void add_pair_gradient(DirectBlock<T>& block, int k, const Pack<T>* g,
                                            Pack<T>* sum) {
  Pack<T>* target = column_results(block, 3, k);
  for (int c = 0; c < 3; ++c) {
    sum[c] += g[c];
    target[c] -= g[c];
  }
}
template <Number T>
void end_direct_gradient(DirectBlock<T>& block, int slot, const Pack<T>* sum) {
  for (int c = 0; c < 3; ++c)
    add_to_lane(row_result(block, 3, slot, c), slot % Pack<T>::lanes, sum_lanes(sum[c]));
}

template <int L, Number T>
struct DirectEnergyRow {
  static constexpr int size = cartesian_size(L);
  struct Sums {
    Pack<T> p[size], gradient[3], energy;
  };
  const DirectPlan<T>& plan;
  DirectBlock<T>& block;

  Sums begin(int slot) const {
    Sums s;
    load_multipoles<size>(plan.a, slot, s.p);
    return s;
  }
  LEYDEN_ALWAYS_INLINE void pair(Sums& s, int k, const Pack<T>* r, const Pack<T>* radial) const {
    const auto g = pair_energy<L, T>(r, radial, s.p, plan.a.data() + k * size, s.energy);
    add_pair_gradient(block, k, g.g, s.gradient);
  }
  void end(int slot, const Sums& s) const {
    end_direct_gradient(block, slot, s.gradient);
    block.energy += sum_lanes(s.energy);
  }
};

template <int L, Number T>
struct DirectBilinearRow {
  static constexpr int size = cartesian_size(L);
  struct Sums {
    Pack<T> a[size], b[size], gradient[3];
  };
  const DirectPlan<T>& plan;
  DirectBlock<T>& block;

  Sums begin(int slot) const {
    Sums s;
    load_multipoles<size>(plan.a, slot, s.a);
    load_multipoles<size>(plan.b, slot, s.b);
    return s;
  }
  LEYDEN_ALWAYS_INLINE void pair(Sums& s, int k, const Pack<T>* r, const Pack<T>* radial) const {
    const auto g = pair_gradient<L, T>(r, radial, s.a, s.b, plan.a.data() + k * size,
                                       plan.b.data() + k * size);
    add_pair_gradient(block, k, g.g, s.gradient);
  }
  void end(int slot, const Sums& s) const { end_direct_gradient(block, slot, s.gradient); }
};

// Keeps the radial functions that potentials need.
template <int Count, Number T>
struct DirectStoreRow {
  struct Sums {
    Pack<T>* entry[Count];
  };
  const DirectPlan<T>& plan;

  Sums begin(int slot) const {
    Sums s;
    for (std::size_t n = 0; n < Count; ++n)
      s.entry[n] = plan.radial[n].data() + plan.row_first[static_cast<std::size_t>(slot)] -
                   slot / Pack<T>::lanes;
    return s;
  }
  LEYDEN_ALWAYS_INLINE void pair(Sums& s, int k, const Pack<T>*, const Pack<T>* radial) const {
    for (int n = 0; n < Count; ++n) s.entry[n][k] = radial[n];
  }
  void end(int, const Sums&) const {}
};

template <int Count, Number T, Executor E>
void store_direct_radial(const DirectPlan<T>& plan, const E& executor) {
  constexpr int lanes = Pack<T>::lanes;
  const int slots = plan.packs * lanes;
  plan.row_first.resize(static_cast<std::size_t>(slots));
  std::size_t entries = 0;
  for (int s = 0; s < slots; ++s) {
    plan.row_first[static_cast<std::size_t>(s)] = entries;
    entries += static_cast<std::size_t>(plan.packs - s / lanes);
  }
  for (std::size_t n = 0; n < Count; ++n) plan.radial[n].resize(entries);
  for_each_direct_block(plan, 0, executor, [&](DirectBlock<T>& block) {
    for_each_direct_row<Count>(plan, block, DirectStoreRow<Count, T>{plan});
  });
  plan.stored = true;
}

// plan.out: the potentials of the multipoles in plan.a.
template <int L, Number T, Executor E>
void direct_apply(const DirectPlan<T>& plan, std::size_t memory, const E& executor) {
  constexpr int functions = 2 * L + 1, lanes = Pack<T>::lanes;
  const std::size_t pairs =
      static_cast<std::size_t>(plan.packs + 1) * static_cast<std::size_t>(plan.packs) / 2 * lanes;
  if (!plan.stored && pairs * functions * sizeof(Pack<T>) <= memory)
    store_direct_radial<functions>(plan, executor);
  for_each_direct_block(plan, cartesian_size(L), executor, [&](DirectBlock<T>& block) {
    const DirectPotentialRow<L, T> row{plan, block};
    if (!plan.stored) {
      for_each_direct_row<functions>(plan, block, row);
      return;
    }
    const int last = std::min(block.tile + direct_tile, plan.packs);
    for_each_slot(plan, block, [&](int slot, bool) {
      Pack<T> x[3];
      load_slot(plan, slot, x);
      auto sums = row.begin(slot);
      const int first = std::max(slot / lanes, block.tile);
      std::size_t entry = plan.row_first[static_cast<std::size_t>(slot)] +
                          static_cast<std::size_t>(first - slot / lanes);
      for (int k = first; k < last; ++k, ++entry) {
        Pack<T> r[3], radial[functions];
        pair_vectors(plan, x, k, r);
        for (std::size_t n = 0; n < functions; ++n) radial[n] = plan.radial[n][entry];
        row.pair(sums, k, r, radial);
      }
      row.end(slot, sums);
    });
  });
}

// Adds the gradients in plan.out. Pairs pull on their atoms alike, so that the strain derivative is
// the sum of positions times gradients, from any origin.
template <Number T>
void add_direct_gradient(const DirectPlan<T>& plan, T factor, GeometryGradient<T>& gradient) {
  constexpr int lanes = Pack<T>::lanes;
  factor *= T(static_cast<RealOf<T>>(units::coulomb));
  for (int slot = 0; slot < plan.packs * lanes; ++slot) {
    const int i = plan.slot_atom[static_cast<std::size_t>(slot)];
    if (i < 0) continue;
    const auto at = static_cast<std::size_t>(3 * (slot / lanes));
    for (std::size_t c = 0; c < 3; ++c) {
      const T g = factor * plan.out[at + c].lane(slot % lanes);
      gradient.positions[static_cast<std::size_t>(i)][static_cast<int>(c)] += g;
      for (std::size_t d = 0; d < 3; ++d)
        gradient.strain.data[3 * d + c] += plan.coordinates[at + d].lane(slot % lanes) * g;
    }
  }
}

// A receiver's width with those of all classes.
template <Number T>
void fill_feature_pairs(const DirectPlan<T>& plan, double width) {
  using R = RealOf<T>;
  const auto classes = plan.class_widths.size();
  plan.feature_pairs.resize(classes);
  for (std::size_t c = 0; c < classes; ++c)
    plan.feature_pairs[c] = WidthPair<R>(Pack<R>(
        static_cast<R>(0.5 / (width * width + plan.class_widths[c] * plan.class_widths[c]))));
}

// Visits rows with two sets of radial functions: between slot i as a receiver of one width and the
// source widths of the pack, and between the pack as receivers and the source width of i.
template <int Count, Number T, class Row>
void for_each_feature_row(const DirectPlan<T>& plan, DirectBlock<T>& block, double width,
                          const Row& row) {
  using R = RealOf<T>;
  constexpr int lanes = Pack<T>::lanes;
  const double w2 = width * width;
  for_each_slot(plan, block, [&](int slot, bool own_tile) {
    const int i = plan.slot_atom[static_cast<std::size_t>(slot)];
    const double own = plan.widths[static_cast<std::size_t>(i)];
    sort_by_range<Count>(plan, block, slot, w2, own * own);
    const int own_class = plan.pack_class[static_cast<std::size_t>(slot / lanes)];
    const WidthPair<R> own_pair(Pack<R>(static_cast<R>(0.5 / (w2 + own * own))));
    Pack<T> x[3];
    load_slot(plan, slot, x);
    auto sums = row.begin(slot);
    const auto visit = [&](auto range, int k, bool masked) {
      Pack<T> r[3], at_i[Count], at_j[Count];
      Pack<T> r2 = pair_vectors(plan, x, k, r);
      if (masked) mask_own_pack(slot, r, r2);
      const int c = plan.pack_class[static_cast<std::size_t>(k)];
      pair_radial<range(), Count>(own_pair, r2, at_j);
      if (c >= 0 && c == own_class) {
        for (int n = 0; n < Count; ++n) at_i[n] = at_j[n];
      } else if (c >= 0) {
        pair_radial<range(), Count>(plan.feature_pairs[static_cast<std::size_t>(c)], r2, at_i);
      } else {
        const Pack<R> sum =
            Pack<R>(static_cast<R>(w2)) + plan.squared_widths[static_cast<std::size_t>(k)];
        pair_radial<range(), Count>(WidthPair<R>(Pack<R>(R(0.5)) / sum), r2, at_i);
      }
      if (masked) {
        mask_radial<Count>(slot, at_i);
        mask_radial<Count>(slot, at_j);
      }
      row.pair(sums, k, r, at_i, at_j);
    };
    if (own_tile) visit(std::integral_constant<PairRange, PairRange::any>(), slot / lanes, true);
    const auto run = [&](auto range) {
      for (const int k : block.lists[static_cast<std::size_t>(range())]) visit(range, k, false);
    };
    run(std::integral_constant<PairRange, PairRange::any>());
    run(std::integral_constant<PairRange, PairRange::distant>());
    run(std::integral_constant<PairRange, PairRange::points>());
    row.end(slot, sums);
  });
}

// Potentials of the multipoles in plan.a. `transpose`: the multipoles sit on the
// receiver's width, and are felt at the atoms' own.
template <int L, Number T>
struct DirectFeatureRow : DirectPotentialRow<L, T> {
  using Base = DirectPotentialRow<L, T>;
  bool transpose;

  DirectFeatureRow(const DirectPlan<T>& plan, DirectBlock<T>& block, bool t)
      : Base{plan, block}, transpose(t) {}
  void pair(typename Base::Sums& s, int k, const Pack<T>* r, const Pack<T>* at_i,
            const Pack<T>* at_j) const {
    if (transpose) std::swap(at_i, at_j);
    pair_potential<L, T>(r, at_i, this->plan.a.data() + k * Base::size, s.v);
    const Pack<T> back[3] = {-r[0], -r[1], -r[2]};
    pair_potential<L, T>(back, at_j, s.source, column_results(this->block, Base::size, k));
  }
};

// ∂/∂r of the cotangents plan.a on receivers of one width in the potential of plan.b.
template <int L, Number T>
struct DirectFeatureGradientRow : DirectBilinearRow<L, T> {
  using Base = DirectBilinearRow<L, T>;

  DirectFeatureGradientRow(const DirectPlan<T>& plan, DirectBlock<T>& block) : Base{plan, block} {}
  void pair(typename Base::Sums& s, int k, const Pack<T>* r, const Pack<T>* at_i,
            const Pack<T>* at_j) const {
    const Pack<T> none[Base::size] = {};
    const auto i =
        pair_gradient<L, T>(r, at_i, s.a, none, none, this->plan.b.data() + Base::size * k);
    const auto j =
        pair_gradient<L, T>(r, at_j, none, s.b, this->plan.a.data() + Base::size * k, none);
    const Pack<T> g[3] = {i.g[0] + j.g[0], i.g[1] + j.g[1], i.g[2] + j.g[2]};
    add_pair_gradient(this->block, k, g, s.gradient);
  }
};

// visit(integral constant 1 or 2): features are at least of l = 1, to save instances.
template <class Visit>
void with_feature_degree(int degree, Visit&& visit) {
  if (degree == 1) return visit(std::integral_constant<int, 1>());
  visit(std::integral_constant<int, 2>());
}

// Stores (or adds) [pack][v, x, y, z, xx … yz] of l_pack in the order of coefficients.
template <Number T>
void store_coefficients(const DirectPlan<T>& plan, int l_pack, int l_max, bool add,
                        std::span<T> v) {
  constexpr int lanes = Pack<T>::lanes;
  const int size = multipole_size(l_max), stride = cartesian_size(l_pack);
  for (int slot = 0; slot < plan.packs * lanes; ++slot) {
    const int i = plan.slot_atom[static_cast<std::size_t>(slot)];
    if (i < 0) continue;
    const auto at = [&](int c) {
      return lane_of(plan.out.data() + (slot / lanes) * stride + c, slot % lanes) *
             static_cast<RealOf<T>>(units::coulomb);
    };
    store_cartesian<T>(l_max, at, add, v.data() + i * size);
  }
}

}  // namespace detail

template <Number T>
void Direct::plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T>,
                  Plan<T>& plan) const {
  for (std::size_t d = 0; d < 3; ++d)
    if (geometry.periodic[d])
      throw ModelError("Direct: lattice direction " + std::to_string(d) +
                       " is periodic; this solver serves open boundaries only. Use Reciprocal for "
                       "bulk, or mark all directions as not periodic for a molecule");
  detail::check_sources("Direct", geometry.n_atoms(), source, 2,
                        options_.self == SelfInteraction::excluded);
  plan.n_atoms = geometry.n_atoms();
  plan.l_max = source.l_max;
  plan.widths.assign(source.widths.begin(), source.widths.end());
  plan.stored = false;
  detail::sort_direct_plan(geometry.positions, plan);
}

template <Number T, Executor E>
T Direct::energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                 std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                 const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a);
  T energy{};
  detail::with_degree(plan.l_max, [&](auto l) {
    energy = detail::for_each_direct_block(plan, 3, executor,
                                           [&](detail::DirectBlock<T>& block) {
                                             detail::for_each_direct_row<2 * l() + 2>(
                                                 plan, block,
                                                 detail::DirectEnergyRow<l(), T>{plan, block});
                                           }) *
             static_cast<R>(units::coulomb);
  });
  detail::add_direct_gradient(plan, factor, gradient);
  if (options_.self == SelfInteraction::included) {
    const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
    for (std::size_t k = 0; k < p.size(); ++k) {
      const double w = plan.widths[k / size];
      const int degree = degree_of_coefficient(static_cast<int>(k % size));
      energy += p[k] * p[k] * static_cast<R>(0.5 * self_interaction(degree, w, w));
    }
  }
  return energy;
}

template <Number T, Executor E>
void Direct::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                   std::type_identity_t<std::span<T>> v, const E& executor) const {
  LEYDEN_EXPECTS(p.size() ==
                 static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(plan.l_max)));
  std::vector<T>& result = plan.result;  // p and v may be the same memory
  result.resize(p.size());
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a);
  detail::with_degree(plan.l_max, [&](auto l) {
    detail::direct_apply<l(), T>(plan, static_cast<std::size_t>(options_.memory), executor);
  });
  detail::store_coefficients<T>(plan, plan.l_max, plan.l_max, false, result);
  if (options_.self == SelfInteraction::included)
    detail::add_own_potential<T>(plan.widths, plan.l_max, 1, p, result);
  std::copy(result.begin(), result.end(), v.begin());
}

template <Number T, Executor E>
void Direct::bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                               std::type_identity_t<std::span<const T>> b,
                               std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                               const E& executor) const {
  if (a.data() == b.data()) {
    energy<T>(plan, a, T(RealOf<T>(2)) * factor, gradient, executor);
    return;
  }
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  detail::pack_multipoles<T>(a, plan.l_max, plan.slot_atom, plan.a);
  detail::pack_multipoles<T>(b, plan.l_max, plan.slot_atom, plan.b);
  detail::with_degree(plan.l_max, [&](auto l) {
    detail::for_each_direct_block(plan, 3, executor, [&](detail::DirectBlock<T>& block) {
      detail::for_each_direct_row<2 * l() + 2>(plan, block,
                                               detail::DirectBilinearRow<l(), T>{plan, block});
    });
  });
  detail::add_direct_gradient(plan, factor, gradient);
}

template <Number T>
void Direct::assemble(const Plan<T>& plan,
                      std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  detail::assemble_by_columns(*this, plan, matrix);
}

template <Number T, Executor E>
void Direct::features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                      const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                      const E& executor) const {
  detail::check_features("Direct", shape, 2);
  const int degree = std::max({1, plan.l_max, shape.l_max});
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.a, degree);
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::fill_feature_pairs(plan, shape.widths[w]);
    detail::with_feature_degree(degree, [&](auto l) {
      detail::for_each_direct_block(
          plan, detail::cartesian_size(l()), executor, [&](detail::DirectBlock<T>& block) {
            detail::for_each_feature_row<2 * l() + 1>(
                plan, block, shape.widths[w], detail::DirectFeatureRow<l(), T>(plan, block, false));
          });
    });
    detail::store_coefficients<T>(plan, degree, shape.l_max, false,
                                  out.subspan(w * stride, stride));
  }
  if (shape.self == SelfInteraction::included)
    detail::add_own_features<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), p, out);
}

template <Number T, Executor E>
void Direct::features_transpose(const Plan<T>& plan,
                                std::type_identity_t<std::span<const T>> cotangent,
                                const PotentialFeatures& shape,
                                std::type_identity_t<std::span<T>> p_bar, const E& executor) const {
  detail::check_features("Direct", shape, 2);
  const int degree = std::max({1, plan.l_max, shape.l_max});
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::pack_multipoles<T>(cotangent.subspan(w * stride, stride), shape.l_max, plan.slot_atom,
                               plan.a, degree);
    detail::fill_feature_pairs(plan, shape.widths[w]);
    detail::with_feature_degree(degree, [&](auto l) {
      detail::for_each_direct_block(
          plan, detail::cartesian_size(l()), executor, [&](detail::DirectBlock<T>& block) {
            detail::for_each_feature_row<2 * l() + 1>(
                plan, block, shape.widths[w], detail::DirectFeatureRow<l(), T>(plan, block, true));
          });
    });
    detail::store_coefficients<T>(plan, degree, plan.l_max, true, p_bar);
  }
  if (shape.self == SelfInteraction::included)
    detail::add_own_features_transpose<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), cotangent,
                                          p_bar);
}

template <Number T, Executor E>
void Direct::feature_gradient(const Plan<T>& plan,
                              std::type_identity_t<std::span<const T>> cotangent,
                              std::type_identity_t<std::span<const T>> p,
                              const PotentialFeatures& shape, std::type_identity_t<T> factor,
                              GeometryGradient<T>& gradient, const E& executor) const {
  detail::check_features("Direct", shape, 2);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  const int degree = std::max({1, plan.l_max, shape.l_max});
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::pack_multipoles<T>(p, plan.l_max, plan.slot_atom, plan.b, degree);
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::pack_multipoles<T>(cotangent.subspan(w * stride, stride), shape.l_max, plan.slot_atom,
                               plan.a, degree);
    detail::fill_feature_pairs(plan, shape.widths[w]);
    detail::with_feature_degree(degree, [&](auto l) {
      detail::for_each_direct_block(plan, 3, executor, [&](detail::DirectBlock<T>& block) {
        detail::for_each_feature_row<2 * l() + 2>(
            plan, block, shape.widths[w], detail::DirectFeatureGradientRow<l(), T>(plan, block));
      });
    });
    detail::add_direct_gradient(plan, factor, gradient);
  }
}

static_assert(ElectrostaticSolver<Direct>);

}  // namespace leyden::inline LEYDEN_ABI
