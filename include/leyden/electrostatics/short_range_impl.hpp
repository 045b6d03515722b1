// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/short_range.hpp>
#include <leyden/electrostatics/short_range_kernels_impl.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace leyden::inline LEYDEN_ABI {

inline ShortRange::ShortRange(Splitting splitting, ShortRangeOptions options)
    : splitting_(std::move(splitting)), options_(options) {
  if (!(options_.accuracy > 0 && options_.accuracy < 0.1))
    throw ModelError("ShortRange: an accuracy of " + std::to_string(options_.accuracy) +
                     " given; expected a positive number below 0.1");
  const std::pair<const char*, double> numbers[] = {
      {"cutoff", options_.cutoff}, {"skin", options_.skin}, {"memory", options_.memory}};
  for (const auto& [what, value] : numbers)
    if (!(value >= 0) || !std::isfinite(value))
      throw ModelError("ShortRange: a " + std::string(what) + " of " + std::to_string(value) +
                       " given; it must not be negative");
  const bool prolate = splitting_.kind() == Splitting::Kind::prolate;
  cutoff_ = options_.cutoff > 0 ? options_.cutoff
            : prolate           ? splitting_.cutoff()
                      : detail::negligible_erfc(options_.accuracy, 0) / splitting_.parameter();
  if (prolate && cutoff_ < splitting_.cutoff())
    throw ModelError("ShortRange: a cutoff of " + std::to_string(cutoff_) +
                     " Angstrom given, but the splitting's interaction ends at " +
                     std::to_string(splitting_.cutoff()) + " Angstrom; leave it at 0");
}

namespace detail {

// What the long-range part gives for an atom's own multipole.
inline double own_long_range(const Splitting& splitting, int l) {
  return units::coulomb * splitting.long_range(l, 0.0) * (l == 2 ? 1.0 / 3 : 1.0);
}

inline void check_overlap(const char* what, double s, double t, double cutoff, double accuracy) {
  const double g = 1 / std::sqrt(2 * (s * s + t * t));
  if (!(std::erfc(g * cutoff) > accuracy)) return;
  throw ModelError(
      "ShortRange: Gaussians of widths " + std::to_string(s) + " and " + std::to_string(t) +
      " Angstrom" + what + " still overlap at the cutoff of " + std::to_string(cutoff) +
      " Angstrom by erfc = " + number_text(std::erfc(g * cutoff)) + ", more than the accuracy of " +
      number_text(accuracy) + " asked for; expected a cutoff of " +
      std::to_string(negligible_erfc(accuracy, 0) / g) +
      " Angstrom. Choose that, narrower Gaussians, or a sum without a short-ranged part (wave "
      "vectors or mesh alone), which broad Gaussians do not need");
}

// Tables of (first widths, second widths).
template <class R>
void make_radial_tables(const Splitting& splitting, double cutoff, double accuracy, int orders,
                        std::span<const double> first, std::span<const double> second,
                        std::vector<RadialTable<R>>& out) {
  const double tolerance =
      std::max(accuracy, 4 * static_cast<double>(std::numeric_limits<R>::epsilon()));
  RadialPolynomial<double> minus_l;
  fit_radial<double>([&](int n, double r) { return minus_long_range(splitting, n, r); }, orders,
                     cutoff, tolerance * std::abs(minus_long_range(splitting, orders - 1, 0)),
                     minus_l);
  out.resize(first.size() * second.size());
  for (std::size_t i = 0; i < first.size(); ++i)
    for (std::size_t j = 0; j < second.size(); ++j) {
      const double s2 = first[i] * first[i] + second[j] * second[j];
      const double g = s2 > 0 ? 1 / std::sqrt(2 * s2) : std::numeric_limits<double>::infinity();
      make_radial_table<R>(splitting, cutoff, g, orders, tolerance, minus_l,
                           out[i * second.size() + j]);
    }
}

}  // namespace detail

template <Number T>
void ShortRange::plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T>,
                      Plan<T>& plan) const {
  using R = RealOf<T>;
  const int n = geometry.n_atoms();
  if (source.l_max < 0 || source.l_max > 2)
    throw ModelError("ShortRange: multipoles of l_max = " + std::to_string(source.l_max) +
                     " given; this solver serves charges (0) up to l = 2");
  if (source.widths.size() != static_cast<std::size_t>(n))
    throw ModelError("ShortRange: " + std::to_string(source.widths.size()) + " widths given for " +
                     std::to_string(n) + " atoms; give one per atom");
  plan.n_atoms = n;
  plan.l_max = source.l_max;
  plan.applications = 0;
  plan.positions.resize(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < plan.positions.size(); ++i)
    for (int c = 0; c < 3; ++c)
      plan.positions[i][c] = static_cast<double>(value_of(geometry.positions[i][c]));
  Matrix3<double> cell;
  for (std::size_t c = 0; c < 9; ++c)
    cell.data[c] = static_cast<double>(value_of(geometry.cell.data[c]));

  const bool same_widths =
      plan.widths.size() == source.widths.size() &&
      std::equal(plan.widths.begin(), plan.widths.end(), source.widths.begin());
  if (!same_widths) {
    plan.built_reach = -1;
    plan.widths.assign(source.widths.begin(), source.widths.end());
    for (std::size_t i = 0; i < plan.widths.size(); ++i) {
      const double w = plan.widths[i];
      if (!(w >= 0) || !std::isfinite(w))
        throw InputError("ShortRange: the Gaussian width of atom " + std::to_string(i) + " is " +
                         std::to_string(w) + " Angstrom; it must be positive, or 0 for a point");
    }
    plan.classes.assign(plan.widths.begin(), plan.widths.end());
    std::sort(plan.classes.begin(), plan.classes.end());
    plan.classes.erase(std::unique(plan.classes.begin(), plan.classes.end()), plan.classes.end());
    plan.atom_class.resize(plan.widths.size());
    for (std::size_t i = 0; i < plan.widths.size(); ++i)
      plan.atom_class[i] = static_cast<int>(
          std::lower_bound(plan.classes.begin(), plan.classes.end(), plan.widths[i]) -
          plan.classes.begin());
  }
  if (plan.classes.size() > 64)
    throw ModelError("ShortRange: " + std::to_string(plan.classes.size()) +
                     " different widths given; expected at most 64. Give widths to species, not to "
                     "single atoms");
  if (!plan.classes.empty() && plan.classes.front() == 0.0 &&
      options_.self == SelfInteraction::included)
    throw ModelError(
        "ShortRange: a point (a width of 0) has no finite interaction with itself; give it a "
        "width or choose SelfInteraction::excluded");

  const int orders = 2 * source.l_max + 3;
  const std::array<double, 5> settings{splitting_.kind() == Splitting::Kind::prolate ? 1.0 : 0.0,
                                       splitting_.parameter(), splitting_.cutoff(), cutoff_,
                                       options_.accuracy};
  if (plan.table_orders != orders || plan.table_settings != settings ||
      plan.table_classes != plan.classes) {
    plan.table_orders = 0;
    for (const double s : plan.classes)
      for (const double t : plan.classes)
        if (s <= t) detail::check_overlap("", s, t, cutoff_, options_.accuracy);
    detail::make_radial_tables<R>(splitting_, cutoff_, options_.accuracy, orders, plan.classes,
                                  plan.classes, plan.tables);
    plan.table_classes = plan.classes;
    plan.table_settings = settings;
    plan.table_orders = orders;
    plan.features.orders = 0;
    plan.built_reach = -1;  // neighbours are sorted by what the tables call near
  }

  const double reach = cutoff_ + options_.skin, limit = 0.25 * options_.skin * options_.skin;
  bool current = plan.built_reach == reach && plan.built_cell == cell &&
                 plan.built_periodic == geometry.periodic &&
                 plan.built_positions.size() == plan.positions.size();
  for (std::size_t i = 0; current && i < plan.positions.size(); ++i) {
    const Vector3<double> moved = plan.positions[i] - plan.built_positions[i];
    current = dot(moved, moved) <= limit;
  }
  plan.cut = options_.skin > 0;
  if (!current) {
    plan.built_reach = -1;
    const auto classes = static_cast<int>(plan.classes.size());
    plan.neighbors.build(plan.positions, cell, geometry.periodic, reach, plan.atom_class, classes,
                         Pack<T>::lanes, [&](int i, int j) {
                           const auto& table =
                               plan.tables[static_cast<std::size_t>(i * classes + j)];
                           return table.points ? static_cast<double>(table.near_squared) : 0.0;
                         });
    plan.built_positions = plan.positions;
    plan.built_cell = cell;
    plan.built_periodic = geometry.periodic;
    plan.built_reach = reach;
  }
  const auto images = static_cast<std::size_t>(plan.neighbors.n_images());
  plan.image_positions.resize(images);
  for (std::size_t k = 0; k < images; ++k) {
    const auto& shift = plan.neighbors.shift(static_cast<int>(k));
    Vector3<T> r =
        geometry
            .positions[static_cast<std::size_t>(plan.neighbors.atom_of_image(static_cast<int>(k)))];
    for (int d = 0; d < 3; ++d)
      if (shift[static_cast<std::size_t>(d)] != 0)
        r += geometry.cell.row(d) * T(static_cast<R>(shift[static_cast<std::size_t>(d)]));
    plan.image_positions[k] = r;
  }
}

template <Number T, Executor E>
void ShortRange::add_potential(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                               std::type_identity_t<std::span<T>> v, const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(p.size() ==
                 static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(plan.l_max)));
  const detail::RadialTables<RealOf<T>> tables{plan.tables.data(),
                                               static_cast<int>(plan.classes.size()), 1};
  detail::with_degree(plan.l_max, [&](auto degree) {
    constexpr int l = degree();
    detail::cartesian_multipoles<T>(p, l, l, plan.n_atoms, plan.cartesian[0]);
    const std::size_t packs = plan.neighbors.index_size() / Pack<T>::lanes;
    const double bytes = static_cast<double>(packs * sizeof(Pack<T>)) * (2 * l + 1);
    const int turn = bytes <= options_.memory ? plan.applications : 0;
    if (turn < 2) {
      if (turn == 1) plan.radial.resize(packs * static_cast<std::size_t>(2 * l + 1));
      detail::short_range_potential<l, false, T>(plan, cutoff_, plan.table_orders, tables,
                                                 turn == 1, executor);
    } else {
      detail::short_range_potential<l, true, T>(plan, cutoff_, plan.table_orders, tables, false,
                                                executor);
    }
    plan.applications = std::min(plan.applications + 1, 2);
    detail::add_sums<T>(plan, l, l, v);
  });
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  double own[3];
  for (int l = 0; l <= plan.l_max; ++l) own[l] = detail::own_long_range(splitting_, l);
  for (std::size_t at = 0; at < v.size(); ++at) {
    const int l = degree_of_coefficient(static_cast<int>(at % size));
    const double width = plan.widths[at / size];
    double factor = -own[l];
    if (options_.self == SelfInteraction::included) factor += self_interaction(l, width, width);
    v[at] += p[at] * static_cast<R>(factor);
  }
}

template <Number T, Executor E>
void ShortRange::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                       std::type_identity_t<std::span<T>> v, const E& executor) const {
  plan.result.assign(v.size(), T(0));
  add_potential(plan, p, plan.result, executor);
  std::copy(plan.result.begin(), plan.result.end(), v.begin());
}

template <Number T, Executor E>
void ShortRange::bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                                   std::type_identity_t<std::span<const T>> b,
                                   std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                                   const E& executor) const {
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (a.data() == b.data()) {
    energy(plan, a, factor * RealOf<T>(2), gradient, executor);
    return;
  }
  const detail::RadialTables<RealOf<T>> tables{plan.tables.data(),
                                               static_cast<int>(plan.classes.size()), 1};
  detail::with_degree(plan.l_max, [&](auto degree) {
    constexpr int l = degree();
    detail::cartesian_multipoles<T>(a, l, l, plan.n_atoms, plan.cartesian[0]);
    detail::cartesian_multipoles<T>(b, l, l, plan.n_atoms, plan.cartesian[1]);
    detail::short_range_gradient<l, true, T>(plan, cutoff_, plan.table_orders, tables, tables,
                                             factor, gradient, executor);
  });
}

template <Number T, Executor E>
T ShortRange::energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                     std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                     const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  const detail::RadialTables<RealOf<T>> tables{plan.tables.data(),
                                               static_cast<int>(plan.classes.size()), 1};
  T energy(0);
  detail::with_degree(plan.l_max, [&](auto degree) {
    constexpr int l = degree();
    detail::cartesian_multipoles<T>(p, l, l, plan.n_atoms, plan.cartesian[0]);
    energy = detail::short_range_energy<l, T>(plan, cutoff_, plan.table_orders, tables, factor,
                                              gradient, executor);
  });
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  double own[3];
  for (int l = 0; l <= plan.l_max; ++l) own[l] = detail::own_long_range(splitting_, l);
  for (std::size_t at = 0; at < p.size(); ++at) {
    const int l = degree_of_coefficient(static_cast<int>(at % size));
    const double width = plan.widths[at / size];
    double weight = -own[l];
    if (options_.self == SelfInteraction::included) weight += self_interaction(l, width, width);
    energy += p[at] * p[at] * static_cast<R>(0.5 * weight);
  }
  return energy;
}

template <Number T>
void ShortRange::assemble(const Plan<T>& plan,
                          std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  detail::assemble_by_columns(*this, plan, matrix);
}

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/electrostatics/short_range_features_impl.hpp>
