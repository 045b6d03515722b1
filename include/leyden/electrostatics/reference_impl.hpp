// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>
#include <leyden/electrostatics/reference_pairs.hpp>

#include <algorithm>
#include <string>

namespace leyden::inline LEYDEN_ABI {

inline double reference_k_cutoff(double smallest_width, int l_max, double factor) {
  return factor * 0.75 * (3.0 / smallest_width) * std::pow(l_max + 1.0, 0.3);
}

template <Number T>
Matrix3<T> reference_cell(const Geometry<T>& geometry, double r_max) {
  using R = RealOf<T>;
  Matrix3<T> cell = geometry.cell;
  if (!(r_max > 0)) return cell;
  double largest = 0;
  for (const Vector3<T>& r : geometry.positions)
    for (int c = 0; c < 3; ++c)
      largest = std::max(largest, std::abs(static_cast<double>(value_of(r[c]))));
  for (int d = 0; d < 3; ++d)
    if (!geometry.periodic[static_cast<std::size_t>(d)])
      for (int c = 0; c < 3; ++c)
        cell(d, c) = T(static_cast<R>(c == d ? (largest + 1) * 5 * r_max : 0.0));
  return cell;
}

template <Number T>
void scale_to_receivers(const PotentialFeatures& shape, std::type_identity_t<std::span<T>> values) {
  const auto size = static_cast<std::size_t>(detail::multipole_size(shape.l_max));
  if (shape.widths.empty()) return;
  const std::size_t stride = values.size() / shape.widths.size();
  for (std::size_t at = 0; at < values.size(); ++at)
    values[at] *= T(static_cast<RealOf<T>>(
        receiver_normalization(at % size == 0 ? 0 : 1, shape.widths[at / stride])));
}

namespace detail {

// The wave vectors that the reference finds: n = −N … N − 1 of each direction only.
inline void keep_searched_waves(const Matrix3<double>& cell, double cutoff, WaveRows& waves) {
  int limit[3];
  for (int d = 0; d < 3; ++d)
    limit[d] = static_cast<int>(std::ceil(cutoff * norm(cell.row(d)) / (2 * std::numbers::pi)));
  const auto outside = [&](WaveRow& row) {
    row.low = std::max(row.low, -limit[2]);
    row.high = std::min(row.high, limit[2] - 1);
    return row.n1 >= limit[0] || row.n2 < -limit[1] || row.n2 >= limit[1] || row.low > row.high;
  };
  waves.rows.erase(std::remove_if(waves.rows.begin(), waves.rows.end(), outside), waves.rows.end());
  place_wave_rows(waves);
}

// The moments of (widths·n·size) cotangents of features.
template <Number T, class P>
TotalMoments<T> receiver_moments(const P& plan, const PotentialFeatures& shape,
                                 std::span<const T> cotangent) {
  TotalMoments<T> out;
  const auto stride = static_cast<std::size_t>(plan.n_atoms * multipole_size(shape.l_max));
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    add_moments<T>(plan.positions, shape.l_max, cotangent.subspan(w * stride, stride), out);
  return out;
}

}  // namespace detail

inline ReferenceElectrostatics::ReferenceElectrostatics(ReferenceElectrostaticsOptions options)
    : options_(options) {
  const std::pair<const char*, double> numbers[] = {
      {"k_cutoff", options_.k_cutoff},
      {"k_cutoff_factor", options_.k_cutoff_factor},
      {"smallest_feature_width", options_.smallest_feature_width},
      {"feature_l_max", static_cast<double>(options_.feature_l_max)},
      {"replace_open_vectors", options_.replace_open_vectors}};
  for (const auto& [what, value] : numbers)
    if (!(value >= 0) || !std::isfinite(value))
      throw ModelError("ReferenceElectrostatics: a " + std::string(what) + " of " +
                       std::to_string(value) + " given; it must not be negative");
}

template <Number T>
void ReferenceElectrostatics::plan(const Geometry<T>& geometry, SourceShape source,
                                   std::type_identity_t<T>, Plan<T>& plan) const {
  constexpr const char* where = "ReferenceElectrostatics";
  const int n = geometry.n_atoms();
  detail::check_sources(where, n, source);
  const std::array<bool, 3> molecule{false, false, false}, slab{true, true, false};
  plan.n_atoms = n;
  plan.l_max = source.l_max;
  plan.widths.assign(source.widths.begin(), source.widths.end());
  plan.positions.assign(geometry.positions.begin(), geometry.positions.end());
  plan.pairs = geometry.periodic == molecule && !options_.periodic_molecules;
  plan.correction = !options_.boundary_corrections  ? detail::BoundaryCorrection::none
                    : geometry.periodic == slab     ? detail::BoundaryCorrection::slab
                    : geometry.periodic == molecule ? detail::BoundaryCorrection::box
                                                    : detail::BoundaryCorrection::none;
  if (plan.pairs) return;
  const Matrix3<T> used = reference_cell(geometry, options_.replace_open_vectors);
  const Matrix3<double> cell = detail::value_of_cell(used);
  const double volume = detail::checked_volume(where, cell);
  detail::group_by_width(n, source, plan.waves);
  plan.waves.box = {used, {true, true, true}, 3, {}, 0};
  if (n == 0) {
    plan.waves.waves = {};
    plan.volume = T(static_cast<RealOf<T>>(volume));
    return;
  }
  double smallest = plan.waves.segments.front().width, cutoff = options_.k_cutoff;
  if (!(cutoff > 0)) {
    if (options_.smallest_feature_width > 0)
      smallest = std::min(smallest, options_.smallest_feature_width);
    cutoff = reference_k_cutoff(smallest, std::max(source.l_max, options_.feature_l_max),
                                options_.k_cutoff_factor);
  }
  detail::check_wave_count(where, volume, cutoff);
  detail::select_wave_rows(cell, cutoff, plan.waves.waves);
  detail::keep_searched_waves(cell, cutoff, plan.waves.waves);
  const Matrix3<T> inverse_cell = inverse(used);
  detail::fill_wave_vectors(inverse_cell, nullptr, plan.waves);
  detail::fill_phases<T>(geometry.positions, inverse_cell, plan.waves);
  plan.volume = determinant(used);
  if (value_of(plan.volume) < RealOf<T>(0)) plan.volume = -plan.volume;
}

template <Number T>
void ReferenceElectrostatics::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                                    std::type_identity_t<std::span<T>> v) const {
  LEYDEN_EXPECTS(p.size() ==
                 static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(plan.l_max)));
  // p and v may be the same memory.
  std::vector<T>& result = plan.scratch[2];
  result.assign(p.size(), T(0));
  const bool included = options_.self == SelfInteraction::included;
  if (plan.pairs) {
    const int points = plan.l_max == 0 ? 1 : 4;
    const double step = detail::reference_energy_step;
    const auto width = [&](std::size_t i) { return plan.widths[i]; };
    detail::displaced_charges<T>(p, plan.l_max, points, step, plan.scratch[0]);
    detail::displaced_potential<T>(plan.positions, points, step, plan.scratch[0], width, width,
                                   plan.scratch[1]);
    detail::add_displaced_potential<T>(plan.scratch[1], plan.l_max, points, step, result);
  } else {
    Reciprocal().apply(plan.waves, p, result);
    if (plan.correction != detail::BoundaryCorrection::none) {
      detail::TotalMoments<T> moments;
      detail::add_moments<T>(plan.positions, plan.l_max, p, moments);
      const detail::CorrectionForm<T> form(plan.correction, plan.volume,
                                           detail::reference_energy_exponent);
      detail::add_moment_potential<T>(plan.positions, plan.l_max, form(moments), result);
    }
  }
  if (included == plan.pairs)
    detail::add_own_potential<T>(plan.widths, plan.l_max, included ? 1 : -1, p, result);
  std::copy(result.begin(), result.end(), v.begin());
}

template <Number T>
void ReferenceElectrostatics::bilinear_gradient(const Plan<T>& plan,
                                                std::type_identity_t<std::span<const T>> a,
                                                std::type_identity_t<std::span<const T>> b,
                                                std::type_identity_t<T> factor,
                                                GeometryGradient<T>& gradient) const {
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.pairs) {
    const int points = plan.l_max == 0 ? 1 : 4;
    const double step = detail::reference_energy_step;
    const auto width = [&](std::size_t i) { return plan.widths[i]; };
    detail::displaced_charges<T>(a, plan.l_max, points, step, plan.scratch[0]);
    detail::displaced_charges<T>(b, plan.l_max, points, step, plan.scratch[1]);
    detail::add_displaced_gradient<T>(plan.positions, points, step, plan.scratch[0], width,
                                      plan.scratch[1], width, factor, gradient);
    return;
  }
  Reciprocal().bilinear_gradient(plan.waves, a, b, factor, gradient);
  if (plan.correction == detail::BoundaryCorrection::none) return;
  detail::TotalMoments<T> of_a, of_b;
  detail::add_moments<T>(plan.positions, plan.l_max, a, of_a);
  detail::add_moments<T>(plan.positions, plan.l_max, b, of_b);
  const detail::CorrectionForm<T> form(plan.correction, plan.volume,
                                       detail::reference_energy_exponent);
  const detail::TotalMoments<T> by_a = form(of_a), by_b = form(of_b);
  detail::add_moment_gradient<T>(plan.positions, plan.l_max, a, by_b, factor, gradient);
  detail::add_moment_gradient<T>(plan.positions, plan.l_max, b, by_a, factor, gradient);
  const T trace = form.minus_volume_derivative(of_a, of_b, detail::product(of_a, by_b)) * factor;
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= trace;
}

template <Number T>
void ReferenceElectrostatics::assemble(const Plan<T>& plan,
                                       std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  detail::assemble_by_columns(*this, plan, matrix);
}

template <Number T>
void ReferenceElectrostatics::features(const Plan<T>& plan,
                                       std::type_identity_t<std::span<const T>> p,
                                       const PotentialFeatures& shape,
                                       std::type_identity_t<std::span<T>> out) const {
  detail::check_features("ReferenceElectrostatics", shape);
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  if (!plan.pairs) {
    Reciprocal().features(plan.waves, p, shape, out);
    if (plan.correction == detail::BoundaryCorrection::none) return;
    detail::TotalMoments<T> moments;
    detail::add_moments<T>(plan.positions, plan.l_max, p, moments);
    const detail::CorrectionForm<T> form(plan.correction, plan.volume,
                                         detail::reference_feature_exponent);
    const detail::TotalMoments<T> by = form(moments);
    for (std::size_t w = 0; w < shape.widths.size(); ++w)
      detail::add_moment_potential<T>(plan.positions, shape.l_max, by,
                                      out.subspan(w * stride, stride));
    return;
  }
  const int points = std::max(plan.l_max, shape.l_max) == 0 ? 1 : 4;
  const double step = detail::reference_feature_step;
  detail::displaced_charges<T>(p, plan.l_max, points, step, plan.scratch[0]);
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::displaced_potential<T>(
        plan.positions, points, step, plan.scratch[0], [&](std::size_t) { return shape.widths[w]; },
        [&](std::size_t j) { return plan.widths[j]; }, plan.scratch[1]);
    const std::span<T> target = out.subspan(w * stride, stride);
    std::fill(target.begin(), target.end(), T(0));
    detail::add_displaced_potential<T>(plan.scratch[1], shape.l_max, points, step, target);
  }
  if (shape.self == SelfInteraction::included)
    detail::add_own_features<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), p, out);
}

template <Number T>
void ReferenceElectrostatics::features_transpose(const Plan<T>& plan,
                                                 std::type_identity_t<std::span<const T>> cotangent,
                                                 const PotentialFeatures& shape,
                                                 std::type_identity_t<std::span<T>> p_bar) const {
  detail::check_features("ReferenceElectrostatics", shape);
  if (!plan.pairs) {
    Reciprocal().features_transpose(plan.waves, cotangent, shape, p_bar);
    if (plan.correction == detail::BoundaryCorrection::none) return;
    const detail::CorrectionForm<T> form(plan.correction, plan.volume,
                                         detail::reference_feature_exponent);
    detail::add_moment_potential<T>(plan.positions, plan.l_max,
                                    form(detail::receiver_moments<T>(plan, shape, cotangent)),
                                    p_bar);
    return;
  }
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  const int points = std::max(plan.l_max, shape.l_max) == 0 ? 1 : 4;
  const double step = detail::reference_feature_step;
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::displaced_charges<T>(cotangent.subspan(w * stride, stride), shape.l_max, points, step,
                                 plan.scratch[0]);
    detail::displaced_potential<T>(
        plan.positions, points, step, plan.scratch[0],
        [&](std::size_t i) { return plan.widths[i]; }, [&](std::size_t) { return shape.widths[w]; },
        plan.scratch[1]);
    detail::add_displaced_potential<T>(plan.scratch[1], plan.l_max, points, step, p_bar);
  }
  if (shape.self == SelfInteraction::included)
    detail::add_own_features_transpose<T>(plan.widths, plan.l_max, shape, RealOf<T>(1), cotangent,
                                          p_bar);
}

template <Number T>
void ReferenceElectrostatics::feature_gradient(const Plan<T>& plan,
                                               std::type_identity_t<std::span<const T>> cotangent,
                                               std::type_identity_t<std::span<const T>> p,
                                               const PotentialFeatures& shape,
                                               std::type_identity_t<T> factor,
                                               GeometryGradient<T>& gradient) const {
  detail::check_features("ReferenceElectrostatics", shape);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  if (plan.pairs) {
    const int points = std::max(plan.l_max, shape.l_max) == 0 ? 1 : 4;
    const double step = detail::reference_feature_step;
    detail::displaced_charges<T>(p, plan.l_max, points, step, plan.scratch[0]);
    for (std::size_t w = 0; w < shape.widths.size(); ++w) {
      detail::displaced_charges<T>(cotangent.subspan(w * stride, stride), shape.l_max, points, step,
                                   plan.scratch[1]);
      detail::add_displaced_gradient<T>(
          plan.positions, points, step, plan.scratch[1],
          [&](std::size_t) { return shape.widths[w]; }, plan.scratch[0],
          [&](std::size_t j) { return plan.widths[j]; }, factor, gradient);
    }
    return;
  }
  Reciprocal().feature_gradient(plan.waves, cotangent, p, shape, factor, gradient);
  if (plan.correction == detail::BoundaryCorrection::none) return;
  detail::TotalMoments<T> of_p;
  detail::add_moments<T>(plan.positions, plan.l_max, p, of_p);
  const detail::TotalMoments<T> of_c = detail::receiver_moments<T>(plan, shape, cotangent);
  const detail::CorrectionForm<T> form(plan.correction, plan.volume,
                                       detail::reference_feature_exponent);
  const detail::TotalMoments<T> by_p = form(of_p), by_c = form(of_c);
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    detail::add_moment_gradient<T>(plan.positions, shape.l_max,
                                   cotangent.subspan(w * stride, stride), by_p, factor, gradient);
  detail::add_moment_gradient<T>(plan.positions, plan.l_max, p, by_c, factor, gradient);
  const T trace = form.minus_volume_derivative(of_c, of_p, detail::product(of_c, by_p)) * factor;
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= trace;
}

static_assert(ElectrostaticSolver<ReferenceElectrostatics>);

}  // namespace leyden::inline LEYDEN_ABI
