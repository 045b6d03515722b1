// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>

#include <algorithm>
#include <cstddef>

namespace leyden::inline LEYDEN_ABI {

/// Which order the components of l = 1 have: (x, y, z), or (y, z, x), the m = −1, 0, 1 of
/// multipoles. Higher l are the harmonics of e3nn of the vector's components in that order.
enum class HarmonicFrame { xyz, yzx };

/// The irreps of one layer of features: `channels` copies of each l = 0 … l_max, natural parity.
struct FeatureShape {
  int channels = 0;
  int l_max = 0;
  HarmonicFrame frame = HarmonicFrame::xyz;
  constexpr int lm_count() const { return (l_max + 1) * (l_max + 1); }
};

/// Equivariant features of all atoms, stored [tile][atom][lm] as packs: a tile is one register of
/// channels, so a channel-wise kernel runs through one tile with its data in cache. Lanes beyond
/// the last channel are zero. lm = l² + (m + l), in the frame of the shape.
template <Number T>
class FeatureArray {
 public:
  void resize(int n_atoms, FeatureShape shape) {
    n_atoms_ = n_atoms;
    shape_ = shape;
    tiles_ = pack_count<T>(shape.channels);
    make_room(data_, index(tiles_, 0));
  }
  void set_zero() { std::fill_n(data_.begin(), index(tiles_, 0), Pack<T>()); }

  FeatureShape shape() const { return shape_; }
  int n_atoms() const { return n_atoms_; }
  int tiles() const { return tiles_; }
  int lm_count() const { return shape_.lm_count(); }

  /// The lm_count() packs of an atom in a tile of channels.
  Pack<T>* at(int tile, int atom) { return data_.data() + index(tile, atom); }
  const Pack<T>* at(int tile, int atom) const { return data_.data() + index(tile, atom); }

  /// One number, for tests and readouts that are not hot.
  T get(int atom, int channel, int lm) const {
    return at(channel / Pack<T>::lanes, atom)[lm].lane(channel % Pack<T>::lanes);
  }
  void set(int atom, int channel, int lm, T value) {
    at(channel / Pack<T>::lanes, atom)[lm].set_lane(channel % Pack<T>::lanes, value);
  }

 private:
  std::size_t index(int tile, int atom) const {
    return (static_cast<std::size_t>(tile) * static_cast<std::size_t>(n_atoms_) +
            static_cast<std::size_t>(atom)) *
           static_cast<std::size_t>(lm_count());
  }

  int n_atoms_ = 0;
  int tiles_ = 0;
  FeatureShape shape_;
  Buffer<Pack<T>> data_;
};

}  // namespace leyden::inline LEYDEN_ABI
