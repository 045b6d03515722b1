// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/pack_lanes.hpp>
#include <leyden/core/unroll.hpp>
#include <leyden/equivariant/registers.hpp>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>

/// Linear maps between channels, the only place where channels mix.
///
/// A row is one component of one atom (or one edge): its channels live in packs that lie a fixed
/// stride apart. `mix` is a small matrix product over many rows at once, blocked so that the sums
/// stay in registers; it serves forward (W), backward (Wᵀ) and, with duals, both derivatives.
namespace leyden::inline LEYDEN_ABI {

/// Where rows of channels live: row r's tile t is data[row_offset(r) + t·tile_stride].
template <class P>
struct RowsView {
  P* data = nullptr;
  std::size_t tile_stride = 0;
  const int* offsets = nullptr;  ///< (rows) in packs; null: row_stride·r
  std::size_t row_stride = 0;

  LEYDEN_ALWAYS_INLINE P* row(std::size_t r) const {
    return data + (offsets != nullptr ? static_cast<std::size_t>(offsets[r]) : r * row_stride);
  }
};

namespace detail {

/// Lane `lane` of *p in all lanes.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> broadcast_lane(const Pack<R>* p, int lane) {
  return Pack<R>(reinterpret_cast<const R*>(p)[lane]);
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> broadcast_lane(const Pack<Dual<R>>* p, int lane) {
  return {broadcast_lane(&p->value, lane), broadcast_lane(&p->tangent, lane)};
}

// Sums that fit the register file, with room for the factors.
inline constexpr int mix_registers = vector_registers * 3 / 4;

// Inputs that go through all outputs while their copy is in cache.
inline constexpr int mix_depth = 128;

/// Sums of a block of rows, whose inputs were copied to x, [row][tile of mix_depth], for `tiles`
/// output tiles.
template <int rows, int tiles, class T, class R>
LEYDEN_ALWAYS_INLINE void mix_tiles(const Pack<T>* x, int n_in, const Pack<R>* w, int w_stride,
                                    Pack<T>* const* y, std::size_t tile_stride, int tile,
                                    bool accumulate) {
  constexpr int lanes = Pack<T>::lanes;
  constexpr int row = mix_depth / lanes;
  Registers<Pack<T>, rows * tiles> sum;
  const std::ptrdiff_t next_tile = w_stride;
  const Pack<R>* weight = w + tile * next_tile;
  for (int c = 0; c < n_in; c += lanes, ++x) {
    const int in_tile = std::min(lanes, n_in - c);
    for (int lane = 0; lane < in_tile; ++lane, ++weight)
      unroll<rows>([&](auto r) {
        const Pack<T> b = broadcast_lane(x + r * row, lane);
        unroll<tiles>([&](auto t) {
          sum[r * tiles + t] = fma(weight[t * next_tile], b, sum[r * tiles + t]);
        });
      });
  }
  unroll<rows>([&](auto r) {
    unroll<tiles>([&](auto t) {
      Pack<T>& target = y[r][static_cast<std::size_t>(tile + t) * tile_stride];
      target = accumulate ? target + sum[r * tiles + t] : sum[r * tiles + t];
    });
  });
}

template <int rows, class T, class R>
void mix_rows(std::size_t first, const RowsView<const Pack<T>>& x, int n_in, const Pack<R>* w,
              int w_stride, int out_tiles, const RowsView<Pack<T>>& y, bool accumulate) {
  constexpr int lanes = Pack<T>::lanes;
  Pack<T>* to[rows];
  for (int r = 0; r < rows; ++r) to[r] = y.row(first + static_cast<std::size_t>(r));
  alignas(64) std::byte storage[static_cast<std::size_t>(rows * mix_depth) * sizeof(T)];
  Pack<T>* copy = reinterpret_cast<Pack<T>*>(storage);
  for (int c = 0; c < n_in; c += mix_depth) {
    const int depth = std::min(mix_depth, n_in - c);
    const int in_tiles = pack_count<T>(depth);
    for (int r = 0; r < rows; ++r) {
      const Pack<T>* from = x.row(first + static_cast<std::size_t>(r));
      for (int t = 0; t < in_tiles; ++t)
        ::new (static_cast<void*>(copy + r * (mix_depth / lanes) + t))
            Pack<T>(from[static_cast<std::size_t>(c / lanes + t) * x.tile_stride]);
    }
    int tile = 0;
    for (; tile + 2 <= out_tiles; tile += 2)
      mix_tiles<rows, 2>(copy, depth, w + c, w_stride, to, y.tile_stride, tile,
                         accumulate || c > 0);
    for (; tile < out_tiles; ++tile)
      mix_tiles<rows, 1>(copy, depth, w + c, w_stride, to, y.tile_stride, tile,
                         accumulate || c > 0);
  }
}

/// W̄ of `ins` inputs from first_in on, which share a tile where their number divides the lanes.
template <int ins, int tiles, class T>
LEYDEN_ALWAYS_INLINE void mix_gradient_block(std::size_t rows, const RowsView<const Pack<T>>& x,
                                             int n_in, int first_in, int tile,
                                             const RowsView<const Pack<T>>& y_bar,
                                             Pack<RealOf<T>>* w_bar, bool accumulate) {
  constexpr int lanes = Pack<T>::lanes;
  const auto tile_of = [&](int c) { return static_cast<std::size_t>(c / lanes) * x.tile_stride; };
  const std::size_t first_tile = tile_of(first_in);
  const int first_lane = first_in % lanes;
  Pack<RealOf<T>> sum[ins][tiles];
  for (std::size_t r = 0; r < rows; ++r) {
    const Pack<T>* from = x.row(r);
    const Pack<T>* bar = y_bar.row(r) + static_cast<std::size_t>(tile) * y_bar.tile_stride;
    for (int i = 0; i < ins; ++i) {
      const int c = first_in + i;
      const Pack<T> b = lanes % ins == 0 ? broadcast_lane(from + first_tile, first_lane + i)
                                         : broadcast_lane(from + tile_of(c), c % lanes);
      for (int t = 0; t < tiles; ++t)
        sum[i][t] =
            fma_gradient_part(b, bar[static_cast<std::size_t>(t) * y_bar.tile_stride], sum[i][t]);
    }
  }
  for (int i = 0; i < ins; ++i)
    for (int t = 0; t < tiles; ++t) {
      Pack<RealOf<T>>& target = w_bar[static_cast<std::ptrdiff_t>(tile + t) * n_in + first_in + i];
      target = accumulate ? target + sum[i][t] : sum[i][t];
    }
}

}  // namespace detail

/// y_r = Σ_c W[c] x_r[c] (or += when `accumulate`). W is [out tile][in] packs, out tiles `w_stride`
/// packs apart.
template <class T>
void mix(std::size_t rows, RowsView<const Pack<T>> x, int n_in, const Pack<RealOf<T>>* w,
         int w_stride, int out_tiles, RowsView<Pack<T>> y, bool accumulate) {
  constexpr int block = detail::mix_registers / (is_dual_v<T> ? 4 : 2);
  std::size_t r = 0;
  for (; r + block <= rows; r += block)
    detail::mix_rows<block>(r, x, n_in, w, w_stride, out_tiles, y, accumulate);
  constexpr int small = block > 4 ? 4 : 2;
  for (; r + small <= rows; r += small)
    detail::mix_rows<small>(r, x, n_in, w, w_stride, out_tiles, y, accumulate);
  for (; r < rows; ++r) detail::mix_rows<1>(r, x, n_in, w, w_stride, out_tiles, y, accumulate);
}

/// W̄[c] = Σ_r x_r[c] ȳ_r (or += when `accumulate`), same layout as W; of duals the tangents
/// (gradient_part).
template <class T>
void mix_gradient(std::size_t rows, RowsView<const Pack<T>> x, int n_in,
                  RowsView<const Pack<T>> y_bar, int out_tiles, Pack<RealOf<T>>* w_bar,
                  bool accumulate) {
  // With two tiles half of the registers; few of several, as no sum is ready for the next row at
  // once.
  constexpr int ins = detail::vector_registers / 4, few = ins / 2;
  const auto run = [&]<int width>(int tile) {
    int c = 0;
    for (; c + ins <= n_in; c += ins)
      detail::mix_gradient_block<ins, width>(rows, x, n_in, c, tile, y_bar, w_bar, accumulate);
    for (; c + few <= n_in; c += few)
      detail::mix_gradient_block<few, width>(rows, x, n_in, c, tile, y_bar, w_bar, accumulate);
    for (; c < n_in; ++c)
      detail::mix_gradient_block<1, width>(rows, x, n_in, c, tile, y_bar, w_bar, accumulate);
  };
  int tile = 0;
  for (; tile + 2 <= out_tiles; tile += 2) run.template operator()<2>(tile);
  for (; tile < out_tiles; ++tile) run.template operator()<1>(tile);
}

/// The weights of one linear map, packed for `mix`: W and Wᵀ, scale factors folded in.
///
/// Output columns are grouped in blocks of `block` channels, each padded to whole packs; a plain
/// map has one block. (The radial perceptron's last layer has one block per path and channel.)
template <std::floating_point R>
class Mixing {
 public:
  Mixing() = default;
  Mixing(int n_in, int n_out) : Mixing(n_in, 1, n_out) {}
  Mixing(int n_in, int blocks, int block)
      : n_in_(n_in), blocks_(blocks), block_(block), tiles_per_block_(pack_count<R>(block)) {
    forward_.resize(static_cast<std::size_t>(out_tiles() * n_in));
    transposed_.resize(static_cast<std::size_t>(pack_count<R>(n_in) * out_lanes()));
  }

  /// y = W x over rows, and its adjoint x̄ = Wᵀ ȳ.
  template <class T>
  void apply(std::size_t rows, RowsView<const Pack<T>> x, RowsView<Pack<T>> y,
             bool accumulate) const {
    mix<T>(rows, x, n_in_, forward(), n_in_, out_tiles(), y, accumulate);
  }
  template <class T>
  void apply_transposed(std::size_t rows, RowsView<const Pack<T>> y_bar, RowsView<Pack<T>> x_bar,
                        bool accumulate) const {
    mix<T>(rows, y_bar, out_lanes(), transposed(), out_lanes(), in_tiles(), x_bar, accumulate);
  }

  int n_in() const { return n_in_; }
  int out_tiles() const { return blocks_ * tiles_per_block_; }
  /// Outputs with padding: the length of the transposed map's input.
  int out_lanes() const { return out_tiles() * Pack<R>::lanes; }
  int in_tiles() const { return pack_count<R>(n_in_); }
  const Pack<R>* forward() const { return forward_.data(); }        // [out tile][in]
  const Pack<R>* transposed() const { return transposed_.data(); }  // [in tile][out lane]

  /// Takes W, row-major [in][row_stride], the blocks side by side, times `scale`. Out tiles run
  /// block-fastest ([tile of block][block]) so that one tile of channels of all blocks is
  /// contiguous.
  void pack(const double* w, std::size_t row_stride, double scale) {
    constexpr int lanes = Pack<R>::lanes;
    for (int first = 0; first < n_in_; first += lanes)
      for_each_tile([&](int out, int tile, auto count) {
        Pack<R> square[lanes];
        for (int i = 0; i < std::min(lanes, n_in_ - first); ++i) {
          const int in = first + i;
          const double* from =
              w + static_cast<std::size_t>(in) * row_stride + static_cast<std::size_t>(out);
          for (int k = 0; k < count; ++k) square[i].set_lane(k, static_cast<R>(scale * from[k]));
          forward_[static_cast<std::size_t>(tile * n_in_ + in)] = square[i];
        }
        transpose(square);
        std::copy_n(square, lanes, transposed_.data() + first / lanes * out_lanes() + tile * lanes);
      });
  }
  /// The adjoint of pack(): adds the packed gradient to the flat one.
  void unpack_gradient(const Pack<R>* packed, double* w_bar, std::size_t row_stride,
                       double scale) const {
    for_each_tile([&](int out, int tile, auto count) {
      double* to = w_bar + out;
      const Pack<R>* from = packed + static_cast<std::ptrdiff_t>(tile) * n_in_;
      for (int in = 0; in < n_in_; ++in, to += row_stride, ++from)
        if (count == Pack<R>::lanes)
          add_scaled(*from, scale, to);
        else
          for (int k = 0; k < count; ++k) to[k] += from->lane(k) * scale;
    });
  }
  std::size_t gradient_size() const { return forward_.size(); }

  /// Takes the weights of the map that is `first`, of one block, and then `second`.
  void set_product(const Mixing& first, const Mixing& second) {
    second.template apply<R>(static_cast<std::size_t>(n_in_), first.rows(first.forward()),
                             rows(forward_.data()), false);
    const std::size_t outs = static_cast<std::size_t>(out_lanes());
    first.template apply_transposed<R>(outs, {second.transposed(), outs, nullptr, 1},
                                       {transposed_.data(), outs, nullptr, 1}, false);
  }
  /// The adjoint of set_product(), packed gradients all: sets those of its arguments or adds.
  void product_gradient(const Mixing& first, const Mixing& second, const Pack<R>* packed,
                        Pack<R>* first_bar, bool add_to_first, Pack<R>* second_bar,
                        bool add_to_second) const {
    const std::size_t ins = static_cast<std::size_t>(n_in_);
    second.template apply_transposed<R>(ins, rows(packed), first.rows(first_bar), add_to_first);
    mix_gradient<R>(ins, first.rows(first.forward()), second.n_in_, rows(packed), out_tiles(),
                    second_bar, add_to_second);
  }

 private:
  /// W or its gradient, packed, a row per input.
  template <class P>
  RowsView<P> rows(P* packed) const {
    return {packed, static_cast<std::size_t>(n_in_), nullptr, 1};
  }
  /// Outputs that share a pack: f(first of them, tile, how many), the last a constant of the type
  /// where the pack is full.
  template <class F>
  void for_each_tile(F&& f) const {
    for (int b = 0; b < blocks_; ++b)
      for_each_pack_of<R>(block_, [&](int t, auto count) {
        f(b * block_ + t * Pack<R>::lanes, t * blocks_ + b, count);
      });
  }

  int n_in_ = 0;
  int blocks_ = 0;
  int block_ = 0;
  int tiles_per_block_ = 0;
  Buffer<Pack<R>> forward_;
  Buffer<Pack<R>> transposed_;
};

}  // namespace leyden::inline LEYDEN_ABI
