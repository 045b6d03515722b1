// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/short_range.hpp>
#include <leyden/electrostatics/short_range_kernels_impl.hpp>

#include <algorithm>

// Averages of the short-ranged potential on receivers of other widths.
namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Visits (index into features, index into p, constant) of all own-atom terms.
template <class Visit>
void for_each_own_short_range(const Splitting& splitting, std::span<const double> widths, int l_max,
                              const PotentialFeatures& shape, Visit&& visit) {
  double own[3];
  for (int l = 0; l <= std::min(l_max, shape.l_max); ++l) own[l] = own_long_range(splitting, l);
  const auto n = widths.size();
  const auto fs = static_cast<std::size_t>(multipole_size(shape.l_max));
  const auto ps = static_cast<std::size_t>(multipole_size(l_max));
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t lm = 0; lm < std::min(fs, ps); ++lm) {
        const int l = degree_of_coefficient(static_cast<int>(lm));
        double factor = -own[l];
        if (shape.self == SelfInteraction::included)
          factor += self_interaction(l, widths[i], shape.widths[w]);
        visit((w * n + i) * fs + lm, i * ps + lm, factor);
      }
}

}  // namespace detail

template <Number T>
void ShortRange::plan_features(const Plan<T>& plan, const PotentialFeatures& shape) const {
  detail::check_features("ShortRange", shape, 2);
  const int orders = 2 * std::max(plan.l_max, shape.l_max) + 3;
  auto& f = plan.features;
  if (f.orders == orders && f.classes == plan.classes &&
      std::equal(f.widths.begin(), f.widths.end(), shape.widths.begin(), shape.widths.end()))
    return;
  f.orders = 0;
  for (const double t : shape.widths)
    for (const double s : plan.classes)
      detail::check_overlap(" (a feature and a source)", t, s, cutoff_, options_.accuracy);
  f.widths.assign(shape.widths.begin(), shape.widths.end());
  f.classes = plan.classes;
  detail::make_radial_tables<RealOf<T>>(splitting_, cutoff_, options_.accuracy, orders, f.widths,
                                        f.classes, f.tables);
  f.orders = orders;
}

template <Number T, Executor E>
void ShortRange::add_features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                              const PotentialFeatures& shape,
                              std::type_identity_t<std::span<T>> out, const E& executor) const {
  using R = RealOf<T>;
  plan_features(plan, shape);
  const auto classes = static_cast<int>(plan.classes.size());
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::with_degree(std::max(plan.l_max, shape.l_max), [&](auto degree) {
    constexpr int l = degree();
    detail::cartesian_multipoles<T>(p, plan.l_max, l, plan.n_atoms, plan.cartesian[0]);
    for (int w = 0; w < static_cast<int>(shape.widths.size()); ++w) {
      detail::short_range_potential<l, false, T>(
          plan, cutoff_, plan.features.orders,
          detail::RadialTables<R>{plan.features.tables.data() + w * classes, 0, 1}, false,
          executor);
      detail::add_sums<T>(plan, l, shape.l_max,
                          out.subspan(static_cast<std::size_t>(w) * stride, stride));
    }
  });
  detail::for_each_own_short_range(splitting_, plan.widths, plan.l_max, shape,
                                   [&](std::size_t f, std::size_t at, double factor) {
                                     out[f] += p[at] * static_cast<R>(factor);
                                   });
}

template <Number T, Executor E>
void ShortRange::features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                          const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                          const E& executor) const {
  std::fill(out.begin(), out.end(), T(0));
  add_features(plan, p, shape, out, executor);
}

template <Number T, Executor E>
void ShortRange::features_transpose(const Plan<T>& plan,
                                    std::type_identity_t<std::span<const T>> cotangent,
                                    const PotentialFeatures& shape,
                                    std::type_identity_t<std::span<T>> p_bar,
                                    const E& executor) const {
  using R = RealOf<T>;
  plan_features(plan, shape);
  const auto classes = static_cast<int>(plan.classes.size());
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::with_degree(std::max(plan.l_max, shape.l_max), [&](auto degree) {
    constexpr int l = degree();
    for (int w = 0; w < static_cast<int>(shape.widths.size()); ++w) {
      detail::cartesian_multipoles<T>(
          cotangent.subspan(static_cast<std::size_t>(w) * stride, stride), shape.l_max, l,
          plan.n_atoms, plan.cartesian[0]);
      detail::short_range_potential<l, false, T>(
          plan, cutoff_, plan.features.orders,
          detail::RadialTables<R>{plan.features.tables.data() + w * classes, 1, 0}, false,
          executor);
      detail::add_sums<T>(plan, l, plan.l_max, p_bar);
    }
  });
  detail::for_each_own_short_range(splitting_, plan.widths, plan.l_max, shape,
                                   [&](std::size_t f, std::size_t at, double factor) {
                                     p_bar[at] += cotangent[f] * static_cast<R>(factor);
                                   });
}

template <Number T, Executor E>
void ShortRange::feature_gradient(const Plan<T>& plan,
                                  std::type_identity_t<std::span<const T>> cotangent,
                                  std::type_identity_t<std::span<const T>> p,
                                  const PotentialFeatures& shape, std::type_identity_t<T> factor,
                                  GeometryGradient<T>& gradient, const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  plan_features(plan, shape);
  const auto classes = static_cast<int>(plan.classes.size());
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::with_degree(std::max(plan.l_max, shape.l_max), [&](auto degree) {
    constexpr int l = degree();
    detail::cartesian_multipoles<T>(p, plan.l_max, l, plan.n_atoms, plan.cartesian[1]);
    for (int w = 0; w < static_cast<int>(shape.widths.size()); ++w) {
      detail::cartesian_multipoles<T>(
          cotangent.subspan(static_cast<std::size_t>(w) * stride, stride), shape.l_max, l,
          plan.n_atoms, plan.cartesian[0]);
      const detail::RadialTable<R>* first = plan.features.tables.data() + w * classes;
      const detail::RadialTables<R> of_sender{first, 0, 1}, of_receiver{first, 1, 0};
      if (classes <= 1) {
        detail::short_range_gradient<l, true, T>(plan, cutoff_, plan.features.orders, of_sender,
                                                 of_receiver, factor, gradient, executor);
      } else {
        detail::short_range_gradient<l, false, T>(plan, cutoff_, plan.features.orders, of_sender,
                                                  of_receiver, factor, gradient, executor);
      }
    }
  });
}

static_assert(ElectrostaticSolver<ShortRange>);

}  // namespace leyden::inline LEYDEN_ABI
