// SPDX-License-Identifier: MIT
#pragma once

// Bodies of descriptor/mace.hpp: what only training needs, radial functions on knots and gradients
// that wait for all structures of a batch.
#include <leyden/descriptor/mace.hpp>

#include <algorithm>
#include <mutex>

namespace leyden::inline LEYDEN_ABI {

template <MaceShape Shape, std::floating_point Real>
template <Executor E>
void Mace<Shape, Real>::add_pending(std::span<PendingGradient> pending,
                                    std::span<double> parameter_gradient, const E& executor) const {
  using RadialGradient = typename RadialKnots<Real>::Gradient;
  constexpr std::size_t parts = RadialKnots<Real>::parts;
  // Into the first of them, whether it has any itself or not.
  PendingGradient& sum = pending[0];
  const std::span<PendingGradient> others = pending.subspan(1);
  sum.filled.resize(maps_.size());
  sum.maps.resize(maps_.back().packed + maps_.back().weights.gradient_size());
  const auto layer_of = [](const PendingGradient& p, std::size_t k) {
    return k < p.layers.size() && !p.layers[k].empty() ? &p.layers[k] : nullptr;
  };
  bool any = false;  // else radial functions were not on knots
  for (const PendingGradient& p : pending)
    for (std::size_t k = 0; k < layers_.size(); ++k) any = any || layer_of(p, k) != nullptr;
  const std::span<const RadialKnots<Real>> knots_of =
      any ? std::span(knots().layers) : std::span<const RadialKnots<Real>>();
  const std::size_t layers = knots_of.size();
  std::vector<RadialGradient>& sums = sum.layers;
  sums.resize(layers);
  std::size_t tiles = 0;
  for (std::size_t k = 0; k < layers; ++k) {
    tiles = std::max(tiles, knots_of[k].tiles());
    for (const PendingGradient& p : others)
      if (const auto* other = layer_of(p, k)) sums[k].cover(*other);
  }

  const std::size_t radial_sums = others.empty() ? 0 : layers * tiles;
  executor.for_each(maps_.size() + radial_sums, [&](std::size_t i, int) {
    if (i >= maps_.size()) {
      const std::size_t k = (i - maps_.size()) / tiles, tile = (i - maps_.size()) % tiles;
      if (tile >= knots_of[k].tiles()) return;
      for (const PendingGradient& p : others)
        if (const auto* other = layer_of(p, k)) knots_of[k].add_tile(tile, sums[k], *other);
      return;
    }
    const ChannelMap& map = maps_[i];
    for (PendingGradient& p : others) {
      if (i >= p.filled.size() || !p.filled[i]) continue;
      Pack<Real>* to = sum.maps.data() + map.packed;
      const Pack<Real>* part = p.maps.data() + map.packed;
      if (sum.filled[i])
        for (std::size_t k = 0; k < map.weights.gradient_size(); ++k) to[k] += part[k];
      else
        std::copy_n(part, map.weights.gradient_size(), to);
      sum.filled[i] = 1;
    }
  });
  // Back through networks and products. One path's products are added up by the same thread. A
  // part of the knots comes to the thread that evaluates them, if all goes as usual.
  const std::size_t paths = products_.empty() ? 0 : layers_[0].path_maps.count;
  const std::size_t middle = parts / 2 * layers;
  executor.for_each(parts * layers + paths, [&](std::size_t i, int) {
    if (i < middle || i >= middle + paths) {
      const std::size_t at = i < middle ? i : i - paths, k = at % layers;
      if (!sums[k].empty()) knots_of[k].pull_back(layers_[k].radial, sums[k], at / layers);
      return;
    }
    const std::size_t path = i - middle;
    for (const MapProduct& p : products_) {
      if (p.first != layers_[0].path_maps.begin + path || !sum.filled[p.map]) continue;
      const ChannelMap &map = maps_[p.map], &first = maps_[p.first], &second = maps_[p.second];
      map.weights.product_gradient(first.weights, second.weights, sum.maps.data() + map.packed,
                                   sum.maps.data() + first.packed, sum.filled[p.first] != 0,
                                   sum.maps.data() + second.packed, sum.filled[p.second] != 0);
      sum.filled[p.first] = sum.filled[p.second] = 1;
    }
  });
  // All to where the parameters lie.
  std::size_t depth = 0;
  for (std::size_t k = 0; k < layers; ++k) depth = std::max(depth, layers_[k].radial.depth());
  const std::size_t first_map = layers * depth;
  executor.for_each(first_map + maps_.size() - products_.size(), [&](std::size_t i, int) {
    if (i < first_map) {
      const std::size_t k = i / depth, l = i % depth;
      if (!sums[k].empty() && l < layers_[k].radial.depth())
        RadialKnots<Real>::add_gradient(layers_[k].radial, l, sums[k], parameter_gradient);
      return;
    }
    const ChannelMap& map = maps_[i - first_map];
    if (sum.filled[i - first_map])
      map.weights.unpack_gradient(sum.maps.data() + map.packed,
                                  parameter_gradient.data() + map.first, map.row_stride, map.scale);
  });
}

template <MaceShape Shape, std::floating_point Real>
std::vector<Slice> Mace<Shape, Real>::pending_slices() const {
  std::vector<Slice> slices{readout_hidden_slice_};
  for (const Layer& layer : layers_) {
    slices.insert(slices.end(), {layer.up_slice, layer.path_slice, layer.species_slice,
                                 layer.linear_slice, layer.residual_slice, layer.gated_slice});
    if (has_knots()) slices.push_back(layer.radial.slice());
  }
  return slices;
}

template <MaceShape Shape, std::floating_point Real>
const typename Mace<Shape, Real>::Knots& Mace<Shape, Real>::knots() const {
  std::call_once(*knots_->once, [&] {
    start_knots();
    evaluate_knots(knots_->first, knot_count());
  });
  return *knots_;
}

template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::start_knots() const {
  if (knots_->layers.empty())
    for (const Layer& layer : layers_)
      knots_->layers.emplace_back(basis_, layer.radial.blocks(), layer.edge_channels,
                                  options_.training_knots);
  for (std::size_t k = 0; k < layers_.size(); ++k)
    knots_->layers[k].make_room_for(layers_[k].radial);
}

template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::evaluate_knots(std::size_t begin, std::size_t end) const {
  for (std::size_t k = 0; k < layers_.size(); ++k)
    knots_->layers[k].evaluate(layers_[k].radial, begin, end);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
bool Mace<Shape, Real>::locate_on_knots(const Geometry<T>& geometry, Tape<T>& tape) const {
  if (!tape.training || knots_ == nullptr) return false;
  const std::size_t pairs = static_cast<std::size_t>(geometry.n_pairs);
  tape.knots.knot.resize(pairs);
  tape.knots.weights.resize(pairs);
  const RadialKnots<Real>& knots_of_all = knots().layers[0];
  std::size_t lowest = knot_count();
  for (std::size_t p = 0; p < pairs; ++p) {
    knots_of_all.locate(p, geometry.length[static_cast<std::size_t>(geometry.pair_edge[p])],
                        tape.knots);
    lowest = std::min(lowest, static_cast<std::size_t>(tape.knots.knot[p]));
  }
  if (lowest < knots_->first)
    std::call_once(*knots_->below, [&] { evaluate_knots(0, knots_->first); });
  std::size_t so_far = knots_->lowest;
  while (lowest < so_far && !knots_->lowest.compare_exchange_weak(so_far, lowest)) {
  }
  return true;
}

}  // namespace leyden::inline LEYDEN_ABI
