// SPDX-License-Identifier: MIT
// EXPECT-ERROR: Block
// EXPECT-ERROR: backward
#include <leyden/core/block.hpp>

using namespace leyden;

struct Identity {
  template <Number T>
  struct Tape {};
  int input_size() const { return 1; }
  int output_size() const { return 1; }
  void declare(ParameterLayout&, std::string_view) {}
  template <Number T>
  void forward(std::span<const RealOf<T>>, std::span<const T> in, std::span<T> out,
               Tape<T>&) const {
    out[0] = in[0];
  }
#if !LEYDEN_MUST_NOT_COMPILE
  template <Number T>
  void backward(std::span<const RealOf<T>>, const Tape<T>&, std::span<const T> out_bar,
                std::span<T> in_bar, std::span<double>) const {
    in_bar[0] += out_bar[0];
  }
#endif
};

Chain<Identity, Identity> chain{Identity{}, Identity{}};
