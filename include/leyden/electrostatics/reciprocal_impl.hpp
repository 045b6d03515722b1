// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reciprocal_assembly.hpp>
#include <leyden/electrostatics/reciprocal_kernels.hpp>
#include <leyden/electrostatics/reciprocal_setup.hpp>

#include <algorithm>
#include <numeric>
#include <string>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

template <bool WithBroadened, Number T>
void spread_layers(const ReciprocalPlan<T>& plan, const WaveRow& row, const Vector3<T>& k0,
                   const std::vector<ReciprocalLayer<T>>& layers, int set, RowScratch<T>& scratch) {
  T* structure = scratch.structure[static_cast<std::size_t>(set)].data();
  T* broadened = scratch.broadened[static_cast<std::size_t>(set)].data();
  const int size = 4 * (row.reach + 1);
  std::fill(structure, structure + size, T(0));
  if constexpr (WithBroadened) std::fill(broadened, broadened + size, T(0));
  for (const auto& layer : layers) {
    with_degree(layer.l_max, [&](auto l) {
      spread_row<l(), WithBroadened, T>(plan, row, k0, layer, scratch, structure, broadened);
    });
  }
}

// The total charge of a set of layers.
template <Number T>
T layer_charge(const std::vector<ReciprocalLayer<T>>& layers) {
  T charge(0);
  for (const auto& layer : layers) {
    const auto size = static_cast<std::size_t>(cartesian_size(layer.l_max));
    for (std::size_t at = 0; at < layer.moments.size(); at += size)
      charge += sum_lanes(layer.moments[at]);
  }
  return charge;
}

// Rows in blocks, each with results of its own, which are added to the layers' in order: results do
// not depend on the number of threads. A block is worth handing out.
template <Number T, Executor E, class Row>
void for_each_row_block(const ReciprocalPlan<T>& plan,
                        std::span<std::vector<ReciprocalLayer<T>>* const> sets, int (*outputs)(int),
                        const E& executor, const Row& work) {
  constexpr double worth = 1e5;  // wave vectors times atoms
  constexpr std::size_t most = 16;
  const std::size_t rows = plan.waves.rows.size();
  const double products = static_cast<double>(plan.waves.vectors) * plan.n_atoms;
  const std::size_t count =
      std::max<std::size_t>(1, std::min({rows, most, static_cast<std::size_t>(products / worth)}));
  std::vector<RowScratch<T>>& workers = row_scratch(plan, executor.concurrency());
  std::vector<RowBlock<T>>& blocks = plan.scratch.blocks;
  if (blocks.size() < count) blocks.resize(count);
  std::size_t layers = 0;
  for (const auto* set : sets) layers += set->size();
  for (std::size_t k = 0; k < count; ++k)
    if (blocks[k].out.size() < layers) blocks[k].out.resize(layers);
  executor.for_each(count, [&](std::size_t k, int worker) {
    RowBlock<T>& block = blocks[k];
    block.trace = T(RealOf<T>(0));
    block.strain = {};
    std::size_t at = 0;
    for (const auto* set : sets)
      for (const auto& layer : *set)
        block.out[at++].assign(static_cast<std::size_t>(outputs(layer.l_max) * plan.packs),
                               Pack<T>());
    for (std::size_t r = rows * k / count; r < rows * (k + 1) / count; ++r)
      work(plan.waves.rows[r], workers[static_cast<std::size_t>(worker)], block);
  });
  std::size_t at = 0;
  for (auto* set : sets)
    for (auto& layer : *set) {
      layer.out = blocks[0].out[at];
      for (std::size_t k = 1; k < count; ++k)
        for (std::size_t i = 0; i < layer.out.size(); ++i) layer.out[i] += blocks[k].out[at][i];
      ++at;
    }
  for (std::size_t k = 1; k < count; ++k) {
    blocks[0].trace += blocks[k].trace;
    blocks[0].strain += blocks[k].strain;
  }
}

// Potentials of `sources` at `receivers` (may be the same layers).
template <Number T, Executor E>
void reciprocal_potential(const ReciprocalPlan<T>& plan,
                          const std::vector<ReciprocalLayer<T>>& sources,
                          std::vector<ReciprocalLayer<T>>& receivers, const E& executor) {
  std::vector<ReciprocalLayer<T>>* const sets[1] = {&receivers};
  for_each_row_block<T>(plan, sets, cartesian_size, executor,
                        [&](const WaveRow& row, RowScratch<T>& scratch, RowBlock<T>& block) {
                          const Vector3<T> k0 = plan.k[row.first];
                          row_phases(plan, row, scratch);
                          spread_layers<false>(plan, row, k0, sources, 0, scratch);
                          const T* structure = scratch.structure[0].data();
                          for (std::size_t at = 0; at < receivers.size(); ++at)
                            with_degree(receivers[at].l_max, [&](auto l) {
                              gather_row<l(), T>(plan, row, k0, receivers[at], scratch, structure,
                                                 block.out[at].data());
                            });
                        });
  if (!plan.open) return;
  const Pack<T> uniform(plan.zero_weight * layer_charge(sources));
  for (auto& layer : receivers)
    for (int i = 0; i < plan.packs; ++i)
      layer.out[static_cast<std::size_t>(cartesian_size(layer.l_max) * i)] += uniform;
}

template <Number T>
void store_potential(const ReciprocalPlan<T>& plan, const ReciprocalLayer<T>& layer,
                     std::span<T> v) {
  const int size = multipole_size(layer.l_max), stride = cartesian_size(layer.l_max);
  for (int slot = 0; slot < static_cast<int>(plan.slot_atom.size()); ++slot) {
    const int i = plan.slot_atom[static_cast<std::size_t>(slot)];
    if (i < 0) continue;
    const auto at = [&](int c) {
      return layer.out[static_cast<std::size_t>((slot / Pack<T>::lanes) * stride + c)].lane(
          slot % Pack<T>::lanes);
    };
    store_cartesian<T>(layer.l_max, at, false, v.data() + i * size);
  }
}

// Σ_i p_i² (own-atom terms).
template <Number T>
T own_energy(std::span<const double> widths, int l_max, std::span<const T> p) {
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  T sum(0);
  for (std::size_t at = 0; at < p.size(); ++at) {
    const double width = widths[at / size];
    const int l = degree_of_coefficient(static_cast<int>(at % size));
    sum += p[at] * p[at] * static_cast<RealOf<T>>(self_interaction(l, width, width));
  }
  return sum;
}

// @throws ModelError for a charged bulk cell without a background.
inline void check_charge(const char* where, Background background, double charge) {
  if (background == Background::none && std::abs(charge) > 1e-6)
    throw ModelError(std::string(where) + ": the periodic cell has a charge of " +
                     std::to_string(charge) +
                     " e, whose energy is infinite; choose Background::uniform to neutralise it "
                     "with a uniform background, or give a neutral cell");
}

// Adds the part of the strain derivative that k and V carry, of one row.
template <Number T>
void row_strain(const ReciprocalPlan<T>& plan, const WaveRow& row, const RowScratch<T>& scratch,
                T* trace, Matrix3<T>& strain) {
  const T *a = scratch.structure[0].data(), *b = scratch.structure[1].data();
  const T *ta = scratch.broadened[0].data(), *tb = scratch.broadened[1].data();
  for (int j = 0; j < 2 * (row.reach + 1); ++j) {
    const auto slot = row.first + static_cast<std::size_t>(j);
    const Vector3<T>& k = plan.k[slot];
    const T product = a[2 * j] * b[2 * j] + a[2 * j + 1] * b[2 * j + 1];
    const T widening = ta[2 * j] * b[2 * j] + ta[2 * j + 1] * b[2 * j + 1] + a[2 * j] * tb[2 * j] +
                       a[2 * j + 1] * tb[2 * j + 1];
    *trace += plan.weight[slot] * product;
    const T f = plan.strain_weight[slot] * product + plan.weight[slot] * widening;
    for (int c = 0; c < 3; ++c) {
      const T fc = f * k[c];
      for (int d = 0; d < 3; ++d) strain(c, d) += fc * k[d];
    }
  }
}

// Adds factor · ∂(aᵀKb)/∂(positions, strain) and returns aᵀKb; a and b may be the same object.
template <Number T, Executor E>
T reciprocal_gradient(const ReciprocalPlan<T>& plan, std::vector<ReciprocalLayer<T>>& a,
                      std::vector<ReciprocalLayer<T>>& b, T factor, GeometryGradient<T>& gradient,
                      const E& executor) {
  const bool same = &a == &b;
  std::vector<ReciprocalLayer<T>>* const sets[2] = {&a, &b};
  const std::size_t gathered = same ? 1 : 2;
  for_each_row_block<T>(
      plan, std::span(sets).first(gathered), gradient_outputs, executor,
      [&](const WaveRow& row, RowScratch<T>& scratch, RowBlock<T>& block) {
        const Vector3<T> k0 = plan.k[row.first];
        row_phases(plan, row, scratch);
        spread_layers<true>(plan, row, k0, a, 0, scratch);
        if (same) {
          const auto size = static_cast<std::ptrdiff_t>(4 * (row.reach + 1));
          std::copy_n(scratch.structure[0].data(), size, scratch.structure[1].data());
          std::copy_n(scratch.broadened[0].data(), size, scratch.broadened[1].data());
        } else {
          spread_layers<true>(plan, row, k0, b, 1, scratch);
        }
        row_strain(plan, row, scratch, &block.trace, block.strain);
        std::size_t at = 0;
        for (std::size_t set = 0; set < gathered; ++set)
          for (const auto& layer : *sets[set]) {
            const T* structure = scratch.structure[1 - set].data();
            Pack<T>* out = block.out[at++].data();
            with_degree(layer.l_max, [&](auto l) {
              gather_row_gradient<l(), T>(plan, row, k0, layer, scratch, structure, out);
            });
          }
      });
  T trace = plan.scratch.blocks[0].trace;
  Matrix3<T> strain = plan.scratch.blocks[0].strain;
  if (plan.open) trace += plan.zero_weight * layer_charge(a) * layer_charge(b);
  for (int c = 0; c < 3; ++c) strain(c, c) -= trace;
  const T times(same ? 2 : 1);
  Matrix3<T> moved{};
  Matrix3<T> turned{};
  for (std::size_t set = 0; set < gathered; ++set)
    for (const auto& layer : *sets[set]) {
      const int outs = gradient_outputs(layer.l_max), size = cartesian_size(layer.l_max);
      for (int slot = 0; slot < static_cast<int>(plan.slot_atom.size()); ++slot) {
        const int i = plan.slot_atom[static_cast<std::size_t>(slot)];
        if (i < 0) continue;
        const int pack = slot / Pack<T>::lanes, lane = slot % Pack<T>::lanes;
        const auto out = [&](int c) {
          return layer.out[static_cast<std::size_t>(pack * outs + c)].lane(lane);
        };
        for (int c = 0; c < 3; ++c)
          gradient.positions[static_cast<std::size_t>(i)][c] += factor * times * out(c);
        if (plan.open)
          for (int a = 0; a < 3; ++a)
            for (int c = 0; c < 3; ++c)
              moved(a, c) += plan.centred[static_cast<std::size_t>(i)][a] * times * out(c);
        if (layer.l_max == 0) continue;
        // k·d changes with k: ∂k_c/∂ε_cd = −k_d
        for (int c = 0; c < 3; ++c) {
          const T d =
              times * layer.moments[static_cast<std::size_t>(size * pack + 1 + c)].lane(lane);
          for (int e = 0; e < 3; ++e) turned(c, e) += d * out(3 + e);
        }
        if (layer.l_max == 1) continue;
        // and ½ k·M·k likewise: (M ∂∂v)_ce
        constexpr int entry[3][3] = {{0, 3, 4}, {3, 1, 5}, {4, 5, 2}};
        for (int c = 0; c < 3; ++c)
          for (int b = 0; b < 3; ++b) {
            const T moment =
                times *
                layer.moments[static_cast<std::size_t>(size * pack + 4 + entry[c][b])].lane(lane);
            for (int e = 0; e < 3; ++e) turned(c, e) += moment * out(6 + entry[b][e]);
          }
      }
    }
  for (std::size_t c = 0; c < 9; ++c) strain.data[c] -= turned.data[c];
  plan.box.complete_strain(moved, turned, strain);
  for (std::size_t c = 0; c < 9; ++c) gradient.strain.data[c] += factor * strain.data[c];
  return trace;
}

// @throws ModelError also for features wider than an open box has room for.
template <Number T>
void check_receivers(const ReciprocalPlan<T>& plan, const PotentialFeatures& shape) {
  check_features("Reciprocal", shape, 2);
  if (!plan.open) return;
  for (const double width : shape.widths)
    if (width > plan.widest)
      throw ModelError("Reciprocal: a potential feature of width " + std::to_string(width) +
                       " Angstrom asked for with open directions, whose box has room for widths "
                       "up to " +
                       std::to_string(plan.widest) + "; give ReciprocalOptions::feature_width");
}

}  // namespace detail

inline Reciprocal::Reciprocal(ReciprocalOptions options) : options_(options) {
  if (!(options_.accuracy > 0 && options_.accuracy < 0.1))
    throw ModelError("Reciprocal: an accuracy of " + std::to_string(options_.accuracy) +
                     " given; expected a relative error of forces between 0 and 0.1");
  if (!(options_.k_cutoff >= 0) || !std::isfinite(options_.k_cutoff))
    throw ModelError("Reciprocal: a k_cutoff of " + std::to_string(options_.k_cutoff) +
                     " /Angstrom given; it must be positive, or 0 to follow from the accuracy");
  if (!(options_.feature_width >= 0) || !std::isfinite(options_.feature_width))
    throw ModelError("Reciprocal: a feature_width of " + std::to_string(options_.feature_width) +
                     " Angstrom given; it must be positive, or 0 for that of the widest source");
}

inline double Reciprocal::x_cutoff(int l_max) const {
  const double fourth = l_max > 1 ? 0.5 : 0.0;
  double x2 = -std::log(options_.accuracy);
  for (int i = 0; i < 50; ++i) x2 = std::log((1 + x2 + fourth * x2 * x2) / options_.accuracy);
  return std::sqrt(x2);
}

inline double Reciprocal::k_cutoff(double width, int l_max) const {
  return options_.k_cutoff > 0 ? options_.k_cutoff : x_cutoff(l_max) / width;
}

template <Number T>
void Reciprocal::plan(const Geometry<T>& geometry, SourceShape source,
                      std::type_identity_t<T> total_charge, Plan<T>& plan) const {
  const bool bulk = geometry.periodic[0] && geometry.periodic[1] && geometry.periodic[2];
  const int n = geometry.n_atoms();
  detail::check_sources("Reciprocal", n, source, 2);
  if (bulk) detail::check_charge("Reciprocal", options_.background, value_of(total_charge));
  detail::group_by_width(n, source, plan);
  plan.open = !bulk;
  if (n == 0) {
    plan.waves = {};
    return;
  }
  const double smallest = plan.segments.front().width, widest = plan.segments.back().width;
  plan.widest = std::max(widest, options_.feature_width);
  // Two Gaussians overlap by less than the accuracy beyond this distance.
  const double tail =
      x_cutoff(source.l_max) * std::sqrt(2 * (widest * widest + plan.widest * plan.widest));
  make_box("Reciprocal", geometry, tail, plan.box);
  detail::fill_waves("Reciprocal", geometry, k_cutoff(smallest, source.l_max), nullptr, plan);
}

template <Number T, Executor E>
void Reciprocal::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                       std::type_identity_t<std::span<T>> v, const E& executor) const {
  LEYDEN_EXPECTS(p.size() ==
                 static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(plan.l_max)));
  auto& layers = detail::source_layers(plan, 0);
  detail::load_layer<T>(plan, p, layers[0]);
  detail::reciprocal_potential(plan, layers, layers, executor);
  std::vector<T>& result = plan.scratch.result;  // p and v may be the same memory
  result.resize(p.size());
  detail::store_potential<T>(plan, layers[0], result);
  if (options_.self == SelfInteraction::excluded)
    detail::add_own_potential<T>(plan.widths, plan.l_max, -1, p, result);
  std::copy(result.begin(), result.end(), v.begin());
}

template <Number T, Executor E>
void Reciprocal::bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                                   std::type_identity_t<std::span<const T>> b,
                                   std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                                   const E& executor) const {
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  auto& of_a = detail::source_layers(plan, 0);
  auto& of_b = a.data() == b.data() ? of_a : detail::source_layers(plan, 1);
  detail::load_layer<T>(plan, a, of_a[0]);
  if (&of_a != &of_b) detail::load_layer<T>(plan, b, of_b[0]);
  detail::reciprocal_gradient<T>(plan, of_a, of_b, factor, gradient, executor);
}

template <Number T, Executor E>
T Reciprocal::energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                     std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                     const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0) return T(R(0));
  auto& layers = detail::source_layers(plan, 0);
  detail::load_layer<T>(plan, p, layers[0]);
  T twice =
      detail::reciprocal_gradient<T>(plan, layers, layers, factor * R(0.5), gradient, executor);
  if (options_.self == SelfInteraction::excluded)
    twice -= detail::own_energy<T>(plan.widths, plan.l_max, p);
  return twice * R(0.5);
}

template <Number T>
void Reciprocal::assemble(const Plan<T>& plan,
                          std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  detail::assemble_reciprocal(plan, matrix);
  if (options_.self == SelfInteraction::included) return;
  const int size = detail::multipole_size(plan.l_max);
  const auto n = static_cast<std::size_t>(plan.n_atoms * size);
  for (std::size_t i = 0; i < n; ++i) {
    const double width = plan.widths[i / static_cast<std::size_t>(size)];
    matrix[i * n + i] -= static_cast<RealOf<T>>(
        self_interaction(degree_of_coefficient(static_cast<int>(i) % size), width, width));
  }
}

template <Number T, Executor E>
void Reciprocal::features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                          const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                          const E& executor) const {
  detail::check_receivers(plan, shape);
  auto& sources = detail::source_layers(plan, 0);
  auto& receivers = detail::receiver_layers(plan, shape);
  detail::load_layer<T>(plan, p, sources[0]);
  detail::reciprocal_potential(plan, sources, receivers, executor);
  const std::size_t stride =
      static_cast<std::size_t>(plan.n_atoms * detail::multipole_size(shape.l_max));
  for (std::size_t w = 0; w < receivers.size(); ++w)
    detail::store_potential<T>(plan, receivers[w], out.subspan(w * stride, stride));
  if (shape.self == SelfInteraction::excluded)
    detail::add_own_features<T>(plan.widths, plan.l_max, shape, RealOf<T>(-1), p, out);
}

template <Number T, Executor E>
void Reciprocal::features_transpose(const Plan<T>& plan,
                                    std::type_identity_t<std::span<const T>> cotangent,
                                    const PotentialFeatures& shape,
                                    std::type_identity_t<std::span<T>> p_bar,
                                    const E& executor) const {
  detail::check_receivers(plan, shape);
  auto& receivers = detail::source_layers(plan, 0);
  auto& sources = detail::receiver_layers(plan, shape);
  detail::load_receivers<T>(plan, shape, cotangent, sources);
  detail::reciprocal_potential(plan, sources, receivers, executor);
  std::vector<T>& result = plan.scratch.result;
  result.resize(p_bar.size());
  detail::store_potential<T>(plan, receivers[0], std::span<T>(result));
  for (std::size_t i = 0; i < p_bar.size(); ++i) p_bar[i] += result[i];
  if (shape.self == SelfInteraction::excluded)
    detail::add_own_features_transpose<T>(plan.widths, plan.l_max, shape, RealOf<T>(-1), cotangent,
                                          p_bar);
}

template <Number T, Executor E>
void Reciprocal::feature_gradient(const Plan<T>& plan,
                                  std::type_identity_t<std::span<const T>> cotangent,
                                  std::type_identity_t<std::span<const T>> p,
                                  const PotentialFeatures& shape, std::type_identity_t<T> factor,
                                  GeometryGradient<T>& gradient, const E& executor) const {
  detail::check_receivers(plan, shape);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  auto& sources = detail::source_layers(plan, 0);
  auto& receivers = detail::receiver_layers(plan, shape);
  detail::load_layer<T>(plan, p, sources[0]);
  detail::load_receivers<T>(plan, shape, cotangent, receivers);
  detail::reciprocal_gradient<T>(plan, receivers, sources, factor, gradient, executor);
}

static_assert(ElectrostaticSolver<Reciprocal>);

}  // namespace leyden::inline LEYDEN_ABI
