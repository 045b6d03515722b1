// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/electrostatics/boundary_box.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/wave_vectors.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI::detail {

// A run of packs of atoms of one width.
struct WidthSegment {
  int first = 0, last = 0;
  double width = 0;
  std::size_t factor = 0;  // where exp(−σ²k²/2) of its slots starts
};

// Multipoles on all atoms, and what a pass over k collects for them.
template <Number T>
struct ReciprocalLayer {
  int l_max = 0;
  std::vector<WidthSegment> segments;
  const T* width_factors = nullptr;
  Buffer<Pack<T>> moments;  // [pack][q, x, y, z, xx … yz]
  Buffer<Pack<T>> along;    // [pack] g·d, and for quadrupoles ½ gMg and gM; g = g3
  Buffer<Pack<T>> out;      // [pack][…]
};

// What a worker needs for a row of wave vectors.
template <Number T>
struct RowScratch {
  Buffer<Pack<T>> phase;                          // [pack][cos, sin] of the row's middle
  Buffer<Pack<T>> row_moments;                    // [pack][X re, X im, Y re, Y im, Z re, Z im]
  std::array<Buffer<T>, 2> structure, broadened;  // S and Σ σ²wS of a row, [slot][re, im]
  Buffer<T> field;                                // [m][16]
};

// What a block of rows collects.
template <Number T>
struct RowBlock {
  std::vector<Buffer<Pack<T>>> out;  // of each layer
  T trace{};
  Matrix3<T> strain{};
};

template <Number T>
struct ReciprocalScratch {
  std::array<std::vector<ReciprocalLayer<T>>, 3> layers;  // sources a, sources b, receivers
  std::vector<RowScratch<T>> workers;
  std::vector<RowBlock<T>> blocks;
  std::vector<double> widths;  // of the receivers
  std::vector<T> result;
  Buffer<T> width_factors;  // of the receivers
};

template <Number T>
struct ReciprocalPlan {
  using number_type = T;
  int n_atoms = 0;
  int l_max = 0;
  int packs = 0;               // of atoms
  std::vector<double> widths;  // (n)
  std::vector<int> slot_atom;  // (packs · lanes): atoms sorted by width, groups padded to packs
  std::vector<WidthSegment> segments;
  WaveRows waves;
  std::array<Vector3<T>, 3> g;            // reciprocal lattice vectors
  Buffer<Vector3<T>> k;                   // (slots)
  Buffer<T> weight;                       // (slots) 2C/V · kernel · f, zero outside of the ball
  Buffer<T> strain_weight;                // (slots) x of ∂(weight)/∂ε_ab = x k_a k_b
  Buffer<T> width_factors;                // [group][slot]
  std::array<Buffer<Pack<T>>, 3> phases;  // [n][pack][cos, sin] of 2πn·(fractional)
  bool points = false;                    // all widths are zero
  BoundaryBox<T> box;
  bool open = false;                // some direction is not periodic; what follows is for it
  double widest = 0;                // receiver that the box has room for
  std::vector<Vector3<T>> centred;  // (n) positions from the middle of the box
  T zero_weight{};                  // of k = 0, zero for bulk
  mutable ReciprocalScratch<T> scratch;
  // Scratch of assembling K: structure factors of a block of wave vectors, and the sum.
  mutable Buffer<Pack<RealOf<T>>> assembly_rows, assembly_product;
};

// Scratch of so many workers.
template <Number T>
std::vector<RowScratch<T>>& row_scratch(const ReciprocalPlan<T>& plan, int workers) {
  std::vector<RowScratch<T>>& all = plan.scratch.workers;
  if (all.size() < static_cast<std::size_t>(workers)) all.resize(static_cast<std::size_t>(workers));
  const auto reach = static_cast<std::size_t>(plan.waves.max_reach + 1);
  for (RowScratch<T>& scratch : all) {
    scratch.phase.resize(static_cast<std::size_t>(2 * plan.packs));
    scratch.row_moments.resize(static_cast<std::size_t>(6 * plan.packs));
    for (auto& s : scratch.structure) s.resize(4 * reach);
    for (auto& s : scratch.broadened) s.resize(4 * reach);
    scratch.field.resize(16 * reach);
  }
  return all;
}

// exp(−σ²k²/2) of all slots.
template <Number T>
void append_width_factors(const ReciprocalPlan<T>& plan, double width, Buffer<T>& out) {
  using std::exp;
  using R = RealOf<T>;
  const R half = static_cast<R>(-0.5 * width * width);
  for (const Vector3<T>& k : plan.k) out.push_back(exp(dot(k, k) * half));
}

inline constexpr int along_size(int l_max) { return l_max < 2 ? 1 : 5; }

// Loads the multipoles of a layer and clears its results.
template <Number T>
void load_layer(const ReciprocalPlan<T>& plan, std::span<const T> p, ReciprocalLayer<T>& layer) {
  pack_multipoles<T>(p, layer.l_max, plan.slot_atom, layer.moments);
  const int stride = along_size(layer.l_max), size = cartesian_size(layer.l_max);
  layer.along.resize(static_cast<std::size_t>(stride * plan.packs));
  if (layer.l_max == 0) return;
  const Pack<T> g[3] = {Pack<T>(plan.g[2][0]), Pack<T>(plan.g[2][1]), Pack<T>(plan.g[2][2])};
  for (int i = 0; i < plan.packs; ++i) {
    const Pack<T>* d = layer.moments.data() + size * i + 1;
    Pack<T>* along = layer.along.data() + stride * i;
    along[0] = fma(g[0], d[0], fma(g[1], d[1], g[2] * d[2]));
    if (layer.l_max == 1) continue;
    times_vector(d + 3, g, along + 2);
    along[1] = Pack<T>(RealOf<T>(0.5)) * fma(g[0], along[2], fma(g[1], along[3], g[2] * along[4]));
  }
}

// Loads cotangents of features, one layer per width.
template <Number T>
void load_receivers(const ReciprocalPlan<T>& plan, const PotentialFeatures& shape,
                    std::span<const T> cotangent, std::vector<ReciprocalLayer<T>>& layers) {
  const auto stride = static_cast<std::size_t>(plan.n_atoms * multipole_size(shape.l_max));
  for (std::size_t w = 0; w < layers.size(); ++w)
    load_layer<T>(plan, cotangent.subspan(w * stride, stride), layers[w]);
}

// A set of layers at the atoms' own widths.
template <Number T>
std::vector<ReciprocalLayer<T>>& source_layers(const ReciprocalPlan<T>& plan, int set) {
  auto& layers = plan.scratch.layers[static_cast<std::size_t>(set)];
  layers.resize(1);
  layers[0].l_max = plan.l_max;
  layers[0].segments.assign(plan.segments.begin(), plan.segments.end());
  layers[0].width_factors = plan.width_factors.data();
  return layers;
}

// One layer per feature width.
template <Number T>
std::vector<ReciprocalLayer<T>>& receiver_layers(const ReciprocalPlan<T>& plan,
                                                 const PotentialFeatures& shape) {
  auto& scratch = plan.scratch;
  if (!std::equal(shape.widths.begin(), shape.widths.end(), scratch.widths.begin(),
                  scratch.widths.end())) {
    scratch.widths.assign(shape.widths.begin(), shape.widths.end());
    scratch.width_factors.clear();
    for (const double width : shape.widths)
      append_width_factors(plan, width, scratch.width_factors);
  }
  auto& layers = scratch.layers[2];
  layers.resize(shape.widths.size());
  for (std::size_t w = 0; w < layers.size(); ++w) {
    layers[w].l_max = shape.l_max;
    layers[w].segments.assign(1, {0, plan.packs, shape.widths[w], 0});
    layers[w].width_factors = scratch.width_factors.data() + w * plan.waves.slots;
  }
  return layers;
}

}  // namespace leyden::inline LEYDEN_ABI::detail
