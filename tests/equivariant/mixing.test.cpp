// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/equivariant/mixing.hpp>

#include <cmath>
#include <vector>

namespace mixing_test {

using namespace leyden;

namespace {

template <class T>
Buffer<Pack<T>> random_packs(std::size_t n, RandomStream& random) {
  Buffer<Pack<T>> p(n);
  for (auto& x : p)
    for (int i = 0; i < Pack<T>::lanes; ++i) {
      if constexpr (is_dual_v<T>)
        x.set_lane(
            i, {static_cast<RealOf<T>>(random.normal()), static_cast<RealOf<T>>(random.normal())});
      else
        x.set_lane(i, static_cast<T>(random.normal()));
    }
  return p;
}

template <class T>
void check(int n_in, int n_out, std::size_t rows, double tolerance) {
  using R = RealOf<T>;
  CAPTURE(n_in, n_out, rows);
  RandomStream random(17);
  const double scale = 0.6;
  // Weights stand in a wider table, as the species' maps do.
  const std::size_t stride = static_cast<std::size_t>(n_out) + 2;
  std::vector<double> w(static_cast<std::size_t>(n_in) * stride);
  for (double& x : w) x = random.normal();
  Mixing<R> map(n_in, n_out);
  map.pack(w.data(), stride, scale);
  const std::size_t in_tiles = static_cast<std::size_t>(map.in_tiles()),
                    out_tiles = static_cast<std::size_t>(map.out_tiles());
  const auto x = random_packs<T>(rows * in_tiles, random);
  const auto y_bar = random_packs<T>(rows * out_tiles, random);
  auto y = random_packs<T>(rows * out_tiles, random);
  const auto y_before = y;
  const auto weight = [&](int i, int o) {
    return static_cast<R>(scale *
                          w[static_cast<std::size_t>(i) * stride + static_cast<std::size_t>(o)]);
  };
  const auto near = [&](T a, T b) {
    return std::abs(value_of(a) - value_of(b)) < tolerance &&
           std::abs(tangent_of(a) - tangent_of(b)) < tolerance;
  };

  // Rows of x one after the other; rows of y in reverse, through offsets; accumulated.
  std::vector<int> offsets;
  for (std::size_t r = 0; r < rows; ++r)
    offsets.push_back(static_cast<int>((rows - 1 - r) * out_tiles));
  map.template apply<T>(rows, {x.data(), 1, nullptr, in_tiles}, {y.data(), 1, offsets.data(), 0},
                        true);
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < rows; ++r)
    for (int o = 0; o < n_out; ++o) {
      const std::size_t at = (rows - 1 - r) * out_tiles;
      T sum = lane_of(y_before.data() + at, o);
      for (int i = 0; i < n_in; ++i) sum += lane_of(x.data() + r * in_tiles, i) * weight(i, o);
      wrong += !near(lane_of(y.data() + at, o), sum);
    }
  CHECK(wrong == 0);

  // Tiles lie `rows` apart: [tile][row].
  Buffer<Pack<T>> x_bar(rows * in_tiles);
  map.template apply_transposed<T>(rows, {y_bar.data(), rows, nullptr, 1},
                                   {x_bar.data(), rows, nullptr, 1}, false);
  wrong = 0;
  const int lanes = Pack<T>::lanes;
  for (std::size_t r = 0; r < rows; ++r)
    for (int i = 0; i < n_in; ++i) {
      T sum(0);
      for (int o = 0; o < n_out; ++o)
        sum += y_bar[static_cast<std::size_t>(o / lanes) * rows + r].lane(o % lanes) * weight(i, o);
      wrong += !near(x_bar[static_cast<std::size_t>(i / lanes) * rows + r].lane(i % lanes), sum);
    }
  CHECK(wrong == 0);

  // dL/dw of L = Σ ȳ·y: the map is linear in w, so this loop is the derivative. Of duals the
  // tangent is added.
  // The first rows set what the others add to.
  Buffer<Pack<R>> packed = random_packs<R>(map.gradient_size(), random);
  const std::size_t half = rows / 2;
  mix_gradient<T>(half, {x.data(), 1, nullptr, in_tiles}, n_in,
                  {y_bar.data(), 1, nullptr, out_tiles}, map.out_tiles(), packed.data(), false);
  mix_gradient<T>(rows - half, {x.data() + half * in_tiles, 1, nullptr, in_tiles}, n_in,
                  {y_bar.data() + half * out_tiles, 1, nullptr, out_tiles}, map.out_tiles(),
                  packed.data(), true);
  std::vector<double> w_bar(w.size(), 0.5);
  map.unpack_gradient(packed.data(), w_bar.data(), stride, scale);
  wrong = 0;
  for (int i = 0; i < n_in; ++i)
    for (std::size_t o = 0; o < stride; ++o) {
      R sum(R(0.5));
      if (o < static_cast<std::size_t>(n_out))
        for (std::size_t r = 0; r < rows; ++r)
          sum += gradient_part(lane_of(x.data() + r * in_tiles, i) *
                               lane_of(y_bar.data() + r * out_tiles, static_cast<int>(o)) *
                               static_cast<R>(scale));
      wrong += !near(static_cast<R>(w_bar[static_cast<std::size_t>(i) * stride + o]), sum);
    }
  CHECK(wrong == 0);
}

}  // namespace

// Sums of at most 100 products of normal numbers: 100 ulp and some for size.
TEMPLATE_TEST_CASE("mixing is the matrix product, with its adjoints", "[equivariant]", double,
                   float, Dual<double>, Dual<float>) {
  const double tolerance = std::is_same_v<RealOf<TestType>, double> ? 1e-12 : 5e-4;
  for (const auto& [in, out] : {std::pair{1, 1}, {3, 10}, {10, 3}, {17, 17}, {8, 40}, {33, 64}})
    for (std::size_t rows : {std::size_t(0), std::size_t(1), std::size_t(7), std::size_t(25)})
      check<TestType>(in, out, rows, tolerance);
}

TEMPLATE_TEST_CASE("the product of two maps does what they do one after the other", "[equivariant]",
                   double, float) {
  using R = TestType;
  const double tolerance = std::is_same_v<R, double> ? 1e-12 : 5e-4;
  RandomStream random(5);
  const int n_in = 7, n_middle = 19, n_out = 11;
  const auto map = [&](int in, int out) {
    std::vector<double> w(static_cast<std::size_t>(in * out));
    for (double& x : w) x = random.normal();
    Mixing<R> m(in, out);
    m.pack(w.data(), static_cast<std::size_t>(out), 0.3);
    return m;
  };
  Mixing<R> product(n_in, n_out);
  const auto tiles = [](int n) { return static_cast<std::size_t>(pack_count<R>(n)); };
  const std::size_t rows = 5;
  const auto x = random_packs<R>(rows * tiles(n_in), random);
  const auto y_bar = random_packs<R>(rows * tiles(n_out), random);
  const auto apply = [&](const Mixing<R>& m, const Buffer<Pack<R>>& from, bool transposed) {
    const std::size_t in = static_cast<std::size_t>(m.in_tiles()),
                      out = static_cast<std::size_t>(m.out_tiles());
    Buffer<Pack<R>> to(rows * (transposed ? in : out));
    if (transposed)
      m.template apply_transposed<R>(rows, {from.data(), 1, nullptr, out},
                                     {to.data(), 1, nullptr, in}, false);
    else
      m.template apply<R>(rows, {from.data(), 1, nullptr, in}, {to.data(), 1, nullptr, out}, false);
    return to;
  };
  const auto count_apart = [&](const Buffer<Pack<R>>& a, const Buffer<Pack<R>>& b, int width) {
    int apart = a.size() == b.size() ? 0 : 1;
    for (std::size_t k = 0; k < a.size(); ++k)
      for (int lane = 0; lane < Pack<R>::lanes; ++lane)
        if (static_cast<int>(k % tiles(width)) * Pack<R>::lanes + lane < width)
          apart += !(std::abs(a[k].lane(lane) - b[k].lane(lane)) < tolerance);
    return apart;
  };
  const Mixing<R> first = map(n_in, n_middle), second = map(n_middle, n_out);
  product.set_product(first, second);
  const auto middle = apply(first, x, false);
  CHECK(count_apart(apply(product, x, false), apply(second, middle, false), n_out) == 0);
  const auto middle_bar = apply(second, y_bar, true);
  CHECK(count_apart(apply(product, y_bar, true), apply(first, middle_bar, true), n_in) == 0);

  // Gradients of ȳ·y by both maps, set and added to.
  const auto gradient_of = [&](const Mixing<R>& m, const Buffer<Pack<R>>& in,
                               const Buffer<Pack<R>>& bar) {
    Buffer<Pack<R>> g(m.gradient_size());
    mix_gradient<R>(rows, {in.data(), 1, nullptr, static_cast<std::size_t>(m.in_tiles())}, m.n_in(),
                    {bar.data(), 1, nullptr, static_cast<std::size_t>(m.out_tiles())},
                    m.out_tiles(), g.data(), false);
    return g;
  };
  const auto of_product = gradient_of(product, x, y_bar);
  const auto of_first = gradient_of(first, x, middle_bar);
  const auto of_second = gradient_of(second, middle, y_bar);
  for (const bool add : {false, true}) {
    Buffer<Pack<R>> a(first.gradient_size(), Pack<R>(R(2))),
        b(second.gradient_size(), Pack<R>(R(3)));
    product.product_gradient(first, second, of_product.data(), a.data(), add, b.data(), add);
    int apart = 0;
    const auto compare = [&](const Buffer<Pack<R>>& found, const Buffer<Pack<R>>& expected,
                             R before, int n, int outs) {
      for (int c = 0; c < n; ++c)
        for (int o = 0; o < outs; ++o) {
          const std::size_t at = static_cast<std::size_t>(o / Pack<R>::lanes * n + c);
          const int lane = o % Pack<R>::lanes;
          apart += !(std::abs(found[at].lane(lane) - expected[at].lane(lane) -
                              (add ? before : R(0))) < tolerance);
        }
    };
    compare(a, of_first, R(2), n_in, n_middle);
    compare(b, of_second, R(3), n_middle, n_out);
    CHECK(apart == 0);
  }
}

TEST_CASE("the blocks of a map are padded apart", "[equivariant]") {
  RandomStream random(3);
  for (int block : {3, 10, 17}) {
    const int n_in = 5, blocks = 4, lanes = Pack<double>::lanes;
    std::vector<double> w(static_cast<std::size_t>(n_in * blocks * block));
    for (double& v : w) v = random.normal();
    Mixing<double> map(n_in, blocks, block);
    map.pack(w.data(), static_cast<std::size_t>(blocks * block), 1.0);
    const std::size_t tiles = static_cast<std::size_t>(map.out_tiles());
    const auto x = random_packs<double>(static_cast<std::size_t>(map.in_tiles()), random);
    Buffer<Pack<double>> y(tiles);
    map.apply<double>(1, {x.data(), 1, nullptr, 1}, {y.data(), 1, nullptr, tiles}, false);
    for (int tile = 0; tile < pack_count<double>(block); ++tile)
      for (int b = 0; b < blocks; ++b)
        for (int lane = 0; lane < lanes; ++lane) {
          const int c = tile * lanes + lane;
          double sum = 0.0;  // padding lanes are zero
          if (c < block)
            for (int i = 0; i < n_in; ++i)
              sum +=
                  lane_of(x.data(), i) * w[static_cast<std::size_t>((i * blocks + b) * block + c)];
          CHECK(std::abs(y[static_cast<std::size_t>(tile * blocks + b)].lane(lane) - sum) < 1e-13);
        }
  }
}

}  // namespace mixing_test
