// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/reciprocal_impl.hpp>

#include <algorithm>
#include <string>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Charges of all atoms, and what the average of S needs of them.
template <Number T>
struct ChargeSums {
  T charge{}, spread{};  // Σ q, Σ q σ²

  void add(std::span<const T> p, int l_max, std::span<const double> widths) {
    const auto size = static_cast<std::size_t>(multipole_size(l_max));
    for (std::size_t i = 0; i < widths.size(); ++i) {
      charge += p[i * size];
      spread += p[i * size] * static_cast<RealOf<T>>(widths[i] * widths[i]);
    }
  }
  void add(std::span<const T> p, int l_max, double width) {
    const auto size = static_cast<std::size_t>(multipole_size(l_max));
    const auto square = static_cast<RealOf<T>>(width * width);
    for (std::size_t at = 0; at < p.size(); at += size) {
      charge += p[at];
      spread += p[at] * square;
    }
  }
};

// aᵀ(−(C/V) average of S)b of two sets of charges.
template <Number T>
T average_energy(const Ewald::Plan<T>& plan, const ChargeSums<T>& a, const ChargeSums<T>& b) {
  using R = RealOf<T>;
  const double neutralising = plan.short_range->splitting().neutralising();
  const R two_pi = static_cast<R>(2 * std::numbers::pi);
  return (a.charge * b.charge * static_cast<R>(-neutralising) +
          (a.spread * b.charge + a.charge * b.spread) * two_pi) *
         static_cast<R>(units::coulomb) / plan.volume;
}

// Takes the average of S off the potential at Gaussians of `width(i)`.
template <Number T, class Width>
void add_average_potential(const Ewald::Plan<T>& plan, const ChargeSums<T>& from, int l_max,
                           std::span<T> v, const Width& width) {
  using R = RealOf<T>;
  const double neutralising = plan.short_range->splitting().neutralising();
  const double two_pi = 2 * std::numbers::pi;
  const T scale = T(static_cast<R>(units::coulomb)) / plan.volume;
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  for (std::size_t i = 0; i * size < v.size(); ++i) {
    const double w = width(i);
    v[i * size] += scale * (from.charge * static_cast<R>(two_pi * w * w - neutralising) +
                            from.spread * static_cast<R>(two_pi));
  }
}

// The waves' part of the potential at receivers of degree l_max.
template <Number T, Executor E>
void wave_features(const Ewald::Plan<T>& plan, std::span<const T> p, int p_l_max, int l_max,
                   std::span<T> out, const E& executor) {
  constexpr double zero[1] = {0.0};
  const auto& waves = plan.waves;
  // The kernels of sources and receivers are the same: points of any degree.
  auto& sources = source_layers(waves, 0);
  sources[0].l_max = p_l_max;
  auto& receivers = receiver_layers(waves, PotentialFeatures{l_max, zero});
  load_layer<T>(waves, p, sources[0]);
  reciprocal_potential(waves, sources, receivers, executor);
  store_potential<T>(waves, receivers[0], out);
}

// Cotangents of all feature widths, summed: waves see points only.
template <Number T>
std::span<const T> summed_cotangents(const Ewald::Plan<T>& plan, std::span<const T> cotangent,
                                     const PotentialFeatures& shape) {
  const auto stride = static_cast<std::size_t>(plan.n_atoms * multipole_size(shape.l_max));
  plan.features.assign(stride, T(0));
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    for (std::size_t i = 0; i < stride; ++i) plan.features[i] += cotangent[w * stride + i];
  return std::span<const T>(plan.features);
}

// Of cotangents of features.
template <Number T>
ChargeSums<T> feature_charges(const Ewald::Plan<T>& plan, std::span<const T> cotangent,
                              const PotentialFeatures& shape) {
  const auto stride = static_cast<std::size_t>(plan.n_atoms * multipole_size(shape.l_max));
  ChargeSums<T> sums;
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    sums.add(cotangent.subspan(w * stride, stride), shape.l_max, shape.widths[w]);
  return sums;
}

}  // namespace detail

inline Ewald::Ewald(EwaldOptions options) : options_(options) {
  if (!(options_.accuracy > 0 && options_.accuracy < 0.1))
    throw ModelError("Ewald: an accuracy of " + std::to_string(options_.accuracy) +
                     " given; expected a relative error of forces between 0 and 0.1");
  const std::pair<const char*, double> numbers[] = {{"cutoff", options_.cutoff},
                                                    {"split_parameter", options_.split_parameter},
                                                    {"k_cutoff", options_.k_cutoff},
                                                    {"skin", options_.skin},
                                                    {"feature_width", options_.feature_width}};
  for (const auto& [what, value] : numbers)
    if (!(value >= 0) || !std::isfinite(value))
      throw ModelError("Ewald: a " + std::string(what) + " of " + std::to_string(value) +
                       " given; it must be positive, or 0 to be chosen");
}

template <Number T>
void Ewald::plan(const Geometry<T>& geometry, SourceShape source,
                 std::type_identity_t<T> total_charge, Plan<T>& plan) const {
  plan.bulk = geometry.periodic[0] && geometry.periodic[1] && geometry.periodic[2];
  const int n = geometry.n_atoms();
  const bool points = options_.self == SelfInteraction::excluded;
  detail::check_sources("Ewald", n, source, 2, points);
  if (plan.bulk) detail::check_charge("Ewald", options_.background, value_of(total_charge));
  plan.n_atoms = n;
  const bool same = plan.short_range && plan.l_max == source.l_max &&
                    std::equal(plan.widths.begin(), plan.widths.end(), source.widths.begin(),
                               source.widths.end());
  plan.l_max = source.l_max;
  plan.widths.assign(source.widths.begin(), source.widths.end());
  plan.no_widths.assign(plan.widths.size(), 0.0);
  detail::group_by_width(n, {source.l_max, plan.no_widths}, plan.waves);
  plan.volume = T(RealOf<T>(1));
  if (n == 0) {
    plan.waves.waves = {};
    return;
  }
  const double widest = *std::max_element(plan.widths.begin(), plan.widths.end());
  double volume = 0;
  if (plan.bulk) {
    volume = detail::checked_volume("Ewald", detail::value_of_cell(geometry.cell));
  } else {
    // Only to balance cost: a box for atoms and a typical cutoff.
    make_box("Ewald", geometry, 6.0, plan.waves.box);
    volume = std::abs(static_cast<double>(value_of(determinant(plan.waves.box.cell))));
  }
  const double cutoff = detail::choose_ewald_cutoff(options_, widest, volume, n);
  if (!same || cutoff != plan.settings.cutoff) {
    plan.short_range.reset();
    plan.settings = detail::choose_ewald(options_, source.l_max, widest, cutoff);
    const auto& s = plan.settings;
    plan.short_range.emplace(s.kind == Splitting::Kind::prolate
                                 ? Splitting::prolate(s.cutoff, s.parameter)
                                 : Splitting::gaussian(s.parameter),
                             ShortRangeOptions{.accuracy = detail::pair_accuracy(s.accuracy),
                                               .cutoff = s.cutoff,
                                               .self = options_.self,
                                               .skin = options_.skin});
    plan.pairs.table_orders = plan.pairs.features.orders = 0;  // of another split
    plan.pairs.built_reach = -1;
  }
  plan.short_range->plan(geometry, source, total_charge, plan.pairs);
  const Splitting& split = plan.short_range->splitting();
  // Beyond this distance L is 1/r.
  const double reach =
      split.kind() == Splitting::Kind::prolate
          ? cutoff
          : std::max(cutoff, detail::erfc_reach(0.1 * options_.accuracy) / split.parameter());
  make_box("Ewald", geometry, reach, plan.waves.box);
  detail::fill_waves("Ewald", geometry, plan.settings.k_cutoff, &split, plan.waves);
  plan.volume = determinant(plan.waves.box.cell);
  if (value_of(plan.volume) < RealOf<T>(0)) plan.volume = -plan.volume;
}

template <Number T, Executor E>
void Ewald::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                  std::type_identity_t<std::span<T>> v, const E& executor) const {
  LEYDEN_EXPECTS(p.size() ==
                 static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(plan.l_max)));
  if (plan.n_atoms == 0) return;
  auto& layers = detail::source_layers(plan.waves, 0);
  detail::load_layer<T>(plan.waves, p, layers[0]);
  detail::reciprocal_potential(plan.waves, layers, layers, executor);
  std::vector<T>& result = plan.waves.scratch.result;  // p and v may be the same memory
  result.resize(p.size());
  detail::store_potential<T>(plan.waves, layers[0], result);
  plan.short_range->add_potential(plan.pairs, p, std::span<T>(result), executor);
  if (plan.bulk) {
    detail::ChargeSums<T> sums;
    sums.add(p, plan.l_max, plan.widths);
    detail::add_average_potential<T>(plan, sums, plan.l_max, result,
                                     [&](std::size_t i) { return plan.widths[i]; });
  }
  std::copy(result.begin(), result.end(), v.begin());
}

template <Number T, Executor E>
T Ewald::energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0) return T(R(0));
  auto& layers = detail::source_layers(plan.waves, 0);
  detail::load_layer<T>(plan.waves, p, layers[0]);
  T energy = R(0.5) * detail::reciprocal_gradient<T>(plan.waves, layers, layers, factor * R(0.5),
                                                     gradient, executor);
  energy += plan.short_range->energy(plan.pairs, p, factor, gradient, executor);
  if (plan.bulk) {
    detail::ChargeSums<T> sums;
    sums.add(p, plan.l_max, plan.widths);
    const T average = detail::average_energy<T>(plan, sums, sums) * R(0.5);
    energy += average;
    for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= factor * average;
  }
  return energy;
}

template <Number T, Executor E>
void Ewald::bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                              std::type_identity_t<std::span<const T>> b,
                              std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                              const E& executor) const {
  if (a.data() == b.data()) {
    energy(plan, a, factor * RealOf<T>(2), gradient, executor);
    return;
  }
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0) return;
  auto& of_a = detail::source_layers(plan.waves, 0);
  auto& of_b = detail::source_layers(plan.waves, 1);
  detail::load_layer<T>(plan.waves, a, of_a[0]);
  detail::load_layer<T>(plan.waves, b, of_b[0]);
  detail::reciprocal_gradient<T>(plan.waves, of_a, of_b, factor, gradient, executor);
  plan.short_range->bilinear_gradient(plan.pairs, a, b, factor, gradient, executor);
  if (!plan.bulk) return;
  detail::ChargeSums<T> sums_a, sums_b;
  sums_a.add(a, plan.l_max, plan.widths);
  sums_b.add(b, plan.l_max, plan.widths);
  const T average = detail::average_energy<T>(plan, sums_a, sums_b);
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= factor * average;
}

template <Number T>
void Ewald::assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  using R = RealOf<T>;
  if (plan.n_atoms == 0) return;
  // The waves as one product of matrices, the pairs column by column; the waves' matrix goes last
  // to where the result is, because the pairs set it.
  plan.short_range->assemble(plan.pairs, matrix);
  const auto n = static_cast<std::size_t>(plan.n_atoms);
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  std::vector<R>& waves = plan.matrix;
  waves.resize(n * n * size * size);
  detail::assemble_reciprocal(plan.waves, std::span<R>(waves));
  // Pairs are summed from both sides: their mean is symmetric to the last digit.
  const std::size_t m = n * size;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const R mean = (matrix[i * m + j] + matrix[j * m + i]) * R(0.5);
      matrix[i * m + j] = mean + waves[i * m + j];
      matrix[j * m + i] = mean + waves[j * m + i];
    }
  if (!plan.bulk) return;
  const double scale = units::coulomb / static_cast<double>(value_of(plan.volume));
  const double neutralising = plan.short_range->splitting().neutralising();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      const double squares = plan.widths[i] * plan.widths[i] + plan.widths[j] * plan.widths[j];
      matrix[i * size * n * size + j * size] +=
          static_cast<R>(scale * (2 * std::numbers::pi * squares - neutralising));
    }
}

template <Number T, Executor E>
void Ewald::features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                     const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                     const E& executor) const {
  detail::check_features("Ewald", shape, 2);
  if (plan.n_atoms == 0 || shape.widths.empty()) return;
  const auto stride = static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  detail::wave_features<T>(plan, p, plan.l_max, shape.l_max, out.first(stride), executor);
  for (std::size_t w = 1; w < shape.widths.size(); ++w)
    std::copy_n(out.begin(), stride, out.begin() + static_cast<std::ptrdiff_t>(w * stride));
  plan.short_range->add_features(plan.pairs, p, shape, out, executor);
  if (!plan.bulk) return;
  detail::ChargeSums<T> sums;
  sums.add(p, plan.l_max, plan.widths);
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    detail::add_average_potential<T>(plan, sums, shape.l_max, out.subspan(w * stride, stride),
                                     [&](std::size_t) { return shape.widths[w]; });
}

template <Number T, Executor E>
void Ewald::features_transpose(const Plan<T>& plan,
                               std::type_identity_t<std::span<const T>> cotangent,
                               const PotentialFeatures& shape,
                               std::type_identity_t<std::span<T>> p_bar, const E& executor) const {
  detail::check_features("Ewald", shape, 2);
  if (plan.n_atoms == 0 || shape.widths.empty()) return;
  const auto summed = detail::summed_cotangents<T>(plan, cotangent, shape);
  std::vector<T>& result = plan.waves.scratch.result;
  result.resize(p_bar.size());
  detail::wave_features<T>(plan, summed, shape.l_max, plan.l_max, std::span<T>(result), executor);
  for (std::size_t i = 0; i < p_bar.size(); ++i) p_bar[i] += result[i];
  plan.short_range->features_transpose(plan.pairs, cotangent, shape, p_bar, executor);
  if (plan.bulk)
    detail::add_average_potential<T>(plan, detail::feature_charges<T>(plan, cotangent, shape),
                                     plan.l_max, p_bar,
                                     [&](std::size_t i) { return plan.widths[i]; });
}

template <Number T, Executor E>
void Ewald::feature_gradient(const Plan<T>& plan,
                             std::type_identity_t<std::span<const T>> cotangent,
                             std::type_identity_t<std::span<const T>> p,
                             const PotentialFeatures& shape, std::type_identity_t<T> factor,
                             GeometryGradient<T>& gradient, const E& executor) const {
  detail::check_features("Ewald", shape, 2);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0 || shape.widths.empty()) return;
  constexpr double zero[1] = {0.0};
  auto& sources = detail::source_layers(plan.waves, 0);
  auto& receivers = detail::receiver_layers(plan.waves, PotentialFeatures{shape.l_max, zero});
  detail::load_layer<T>(plan.waves, p, sources[0]);
  detail::load_layer<T>(plan.waves, detail::summed_cotangents<T>(plan, cotangent, shape),
                        receivers[0]);
  detail::reciprocal_gradient<T>(plan.waves, receivers, sources, factor, gradient, executor);
  plan.short_range->feature_gradient(plan.pairs, cotangent, p, shape, factor, gradient, executor);
  if (!plan.bulk) return;
  detail::ChargeSums<T> sums;
  sums.add(p, plan.l_max, plan.widths);
  const T average =
      detail::average_energy<T>(plan, detail::feature_charges<T>(plan, cotangent, shape), sums);
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= factor * average;
}

static_assert(ElectrostaticSolver<Ewald>);

}  // namespace leyden::inline LEYDEN_ABI
