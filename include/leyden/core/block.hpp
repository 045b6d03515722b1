// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>
#include <leyden/core/parameters.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

template <class B, class T>
concept BlockOn = requires(const B& b, std::span<const RealOf<T>> parameters, std::span<const T> in,
                           std::span<T> out, std::span<double> gradient,
                           typename B::template Tape<T>& tape) {
  b.template forward<T>(parameters, in, out, tape);
  b.template backward<T>(parameters, tape, in, out, gradient);
};

}  // namespace detail

/// A differentiable function with parameters: y = f(θ, x).
///
/// - declare(layout, prefix): adds the slices, named prefix + their own name; called once.
/// - forward(parameters, in, out, tape): sets out (output_size) from in (input_size) and keeps in
///   the tape what backward needs. `parameters` is the whole flat vector.
/// - backward(parameters, tape, out_bar, in_bar, parameters_bar): adds the cotangents of the last
///   forward on this tape to in_bar (input_size) and parameters_bar (the whole flat vector; empty:
///   skipped; of duals the tangents, see gradient_part).
///
/// Both are const, run on float, double and their duals, are thread-safe given one tape per thread,
/// and do not allocate once the tape is warm. A tape may also hold backward's scratch memory.
template <class B>
concept Block = requires(B b, const B& c, ParameterLayout& layout, std::string_view prefix) {
  { c.input_size() } -> std::convertible_to<int>;
  { c.output_size() } -> std::convertible_to<int>;
  b.declare(layout, prefix);
}
&&detail::BlockOn<B, double>&& detail::BlockOn<B, Dual<double>>;

/// Blocks one after the other: y = f_n(… f_2(f_1(x))), itself a block. Slices of the k-th (from 0)
/// get the prefix "k.".
template <Block... Blocks>
class Chain {
  static constexpr std::size_t count = sizeof...(Blocks);
  static_assert(count > 0, "Chain needs at least one block");

 public:
  template <Number T>
  struct Tape {
    std::tuple<typename Blocks::template Tape<T>...> tapes;
    std::array<std::vector<T>, count - 1> between;      // output of each block but the last
    std::array<std::vector<T>, count - 1> between_bar;  // their cotangents
  };

  /// @throws ModelError when the sizes of neighbours differ.
  explicit Chain(Blocks... blocks) : blocks_(std::move(blocks)...) {
    if constexpr (count > 1) check_sizes(std::make_index_sequence<count - 1>{});
  }

  int input_size() const { return std::get<0>(blocks_).input_size(); }
  int output_size() const { return std::get<count - 1>(blocks_).output_size(); }

  /// The k-th block, from 0.
  template <std::size_t k>
  const auto& block() const {
    return std::get<k>(blocks_);
  }

  void declare(ParameterLayout& layout, std::string_view prefix) {
    [&]<std::size_t... k>(std::index_sequence<k...>) {
      (std::get<k>(blocks_).declare(layout, std::string(prefix) + std::to_string(k) + "."), ...);
    }
    (std::make_index_sequence<count>{});
  }

  template <Number T>
  void forward(std::span<const RealOf<T>> parameters, std::span<const T> in, std::span<T> out,
               Tape<T>& tape) const {
    [&]<std::size_t... k>(std::index_sequence<k...>) {
      (forward_one<k, T>(parameters, in, out, tape), ...);
    }
    (std::make_index_sequence<count>{});
  }

  template <Number T>
  void backward(std::span<const RealOf<T>> parameters, Tape<T>& tape, std::span<const T> out_bar,
                std::span<T> in_bar, std::span<double> parameters_bar) const {
    [&]<std::size_t... k>(std::index_sequence<k...>) {
      (backward_one<count - 1 - k, T>(parameters, tape, out_bar, in_bar, parameters_bar), ...);
    }
    (std::make_index_sequence<count>{});
  }

 private:
  template <std::size_t... k>
  void check_sizes(std::index_sequence<k...>) const {
    (check_pair(k, std::get<k>(blocks_).output_size(), std::get<k + 1>(blocks_).input_size()), ...);
  }
  static void check_pair(std::size_t k, int out, int in) {
    if (out != in)
      throw ModelError("Chain: block " + std::to_string(k) + " gives " + std::to_string(out) +
                       " numbers and block " + std::to_string(k + 1) + " takes " +
                       std::to_string(in) + "; give both the same size");
  }

  template <std::size_t k, class T>
  void forward_one(std::span<const RealOf<T>> parameters, std::span<const T> in, std::span<T> out,
                   Tape<T>& tape) const {
    const auto& block = std::get<k>(blocks_);
    if constexpr (k > 0) in = tape.between[k - 1];
    if constexpr (k + 1 < count) {
      tape.between[k].resize(static_cast<std::size_t>(block.output_size()));
      out = tape.between[k];
    }
    block.template forward<T>(parameters, in, out, std::get<k>(tape.tapes));
  }

  template <std::size_t k, class T>
  void backward_one(std::span<const RealOf<T>> parameters, Tape<T>& tape,
                    std::span<const T> out_bar, std::span<T> in_bar,
                    std::span<double> parameters_bar) const {
    const auto& block = std::get<k>(blocks_);
    if constexpr (k > 0) {
      tape.between_bar[k - 1].assign(static_cast<std::size_t>(block.input_size()), T(RealOf<T>(0)));
      in_bar = tape.between_bar[k - 1];
    }
    if constexpr (k + 1 < count) out_bar = tape.between_bar[k];
    block.template backward<T>(parameters, std::get<k>(tape.tapes), out_bar, in_bar,
                               parameters_bar);
  }

  std::tuple<Blocks...> blocks_;
};

}  // namespace leyden::inline LEYDEN_ABI
