// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/electrostatics/wave_vectors.hpp>

#include <array>
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
  Buffer<Pack<T>> moments;  // [pack][q, x, y, z]
  Buffer<Pack<T>> along;    // [pack] g3·d
  Buffer<Pack<T>> out;      // [pack][…]
};

template <Number T>
struct ReciprocalScratch {
  std::array<std::vector<ReciprocalLayer<T>>, 3> layers;  // sources a, sources b, receivers
  Buffer<Pack<T>> phase;                                  // [pack][cos, sin] of the row's middle
  Buffer<Pack<T>> row_moments;                            // [pack][X re, X im, Y re, Y im]
  std::array<Buffer<T>, 2> structure, broadened;  // S and Σ σ²wS of a row, [slot][re, im]
  Buffer<T> field;                                // [m][12]
  std::vector<double> widths;                     // of the receivers
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
  Buffer<T> weight;                       // (slots) 8πC/(V k²), zero outside of the ball
  Buffer<T> width_factors;                // [group][slot]
  std::array<Buffer<Pack<T>>, 3> phases;  // [n][pack][cos, sin] of 2πn·(fractional)
  mutable ReciprocalScratch<T> scratch;
};

}  // namespace leyden::inline LEYDEN_ABI::detail
