// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/equivariant/convolution.hpp>

#include <cmath>
#include <vector>

namespace convolution_test {

using namespace leyden;

namespace {

template <class T>
T random_number(RandomStream& random) {
  if constexpr (is_dual_v<T>) {
    const RealOf<T> v = static_cast<RealOf<T>>(random.normal());
    return {v, static_cast<RealOf<T>>(random.normal())};
  } else {
    return static_cast<T>(random.normal());
  }
}
template <class T>
Buffer<Pack<T>> random_packs(std::size_t n, RandomStream& random) {
  Buffer<Pack<T>> p(n);
  for (auto& x : p)
    for (int i = 0; i < Pack<T>::lanes; ++i) x.set_lane(i, random_number<T>(random));
  return p;
}

// One receiver with five edges: two from one sender, and two of one pair (an image of itself).
constexpr int n_edges = 5, n_atoms = 4, n_pairs = 4;
constexpr int sender[n_edges] = {2, 0, 2, 3, 3};
constexpr int pair[n_edges] = {0, 3, 1, 2, 2};

template <class C, class T>
struct Setup {
  std::vector<T> y, coupled;
  Buffer<Pack<T>> radial, h, out, bar;
  typename C::Edges edges{n_edges, sender, pair};

  explicit Setup(std::uint64_t seed) {
    RandomStream random(seed);
    y.resize(n_edges * C::lm_edge);
    for (std::size_t i = 0; i < y.size(); ++i)
      y[i] = i % C::lm_edge == 0 ? T(1) : random_number<T>(random);
    radial = random_packs<T>(n_pairs * C::path_count, random);
    h = random_packs<T>(n_atoms * C::lm_in, random);
    bar = random_packs<T>(C::output_count, random);
    out.resize(C::output_count);
  }
  void forward() {
    coupled.resize(n_edges * C::coupled_count);
    for (std::size_t e = 0; e < n_edges; ++e)
      C::couple(y.data() + e * C::lm_edge, coupled.data() + e * C::coupled_count);
    C::forward(edges, coupled.data(), radial.data(), h.data(), out.data());
  }
  // L = Σ bar·out of all lanes.
  T functional() {
    forward();
    T sum(0);
    for (std::size_t i = 0; i < out.size(); ++i) sum += sum_lanes(out[i] * bar[i]);
    return sum;
  }
};

// The formula of the header, lane by lane.
template <class C, class T>
void check_forward(double tolerance) {
  Setup<C, T> s(2);
  s.forward();
  std::size_t at = 0;
  for (int p = 0; p < C::path_count; ++p) {
    const auto path = C::paths[static_cast<std::size_t>(p)];
    const auto w = wigner_3j_table(path.l1, path.l2, path.l3);
    for (int m3 = 0; m3 <= 2 * path.l3; ++m3, ++at)
      for (int lane = 0; lane < Pack<T>::lanes; ++lane) {
        T sum(0);
        for (int e = 0; e < n_edges; ++e)
          for (int m1 = 0; m1 <= 2 * path.l1; ++m1)
            for (int m2 = 0; m2 <= 2 * path.l2; ++m2) {
              const double c = std::sqrt(2.0 * path.l3 + 1.0) *
                               w[static_cast<std::size_t>(
                                   (m1 * (2 * path.l2 + 1) + m2) * (2 * path.l3 + 1) + m3)];
              sum +=
                  s.radial[static_cast<std::size_t>(pair[e] * C::path_count + p)].lane(lane) *
                  s.h[static_cast<std::size_t>(sender[e] * C::lm_in + path.l1 * path.l1 + m1)].lane(
                      lane) *
                  s.y[static_cast<std::size_t>(e * C::lm_edge + path.l2 * path.l2 + m2)] *
                  static_cast<RealOf<T>>(c);
            }
        const T got = s.out[at].lane(lane);
        CHECK(std::abs(value_of(got) - value_of(sum)) < tolerance);
        CHECK(std::abs(tangent_of(got) - tangent_of(sum)) < tolerance);
      }
  }
  CHECK(at == s.out.size());
}

// The functional is linear in each of radial, h and y, so with random tangents the dual number's
// tangent is the dot product of the three gradients with them.
template <class C>
void check_adjoint() {
  using D = Dual<double>;
  Setup<C, D> dual(3);
  for (auto& b : dual.bar) b.tangent = Pack<double>();
  Setup<C, double> s(3);
  for (std::size_t i = 0; i < s.y.size(); ++i) s.y[i] = dual.y[i].value;
  for (std::size_t i = 0; i < s.h.size(); ++i) s.h[i] = dual.h[i].value;
  for (std::size_t i = 0; i < s.radial.size(); ++i) s.radial[i] = dual.radial[i].value;
  for (std::size_t i = 0; i < s.bar.size(); ++i) s.bar[i] = dual.bar[i].value;

  Buffer<Pack<double>> radial_bar(s.radial.size()), h_bar(s.h.size());
  std::vector<double> y_bar(s.y.size(), 0.0);
  for (auto& r : radial_bar) r = Pack<double>(1.0);  // added to
  for (auto& r : h_bar) r = Pack<double>(1.0);
  C::backward(s.edges, s.y.data(), s.radial.data(), s.h.data(), s.bar.data(), radial_bar.data(),
              h_bar.data(), y_bar.data());
  Buffer<Pack<double>> radial_alone(s.radial.size(), Pack<double>(1.0)),
      h_alone(s.h.size(), Pack<double>(1.0));
  C::backward(s.edges, s.y.data(), s.radial.data(), s.h.data(), s.bar.data(), radial_alone.data(),
              h_alone.data(), static_cast<double*>(nullptr));
  for (int lane = 0; lane < Pack<double>::lanes; ++lane) {
    for (std::size_t i = 0; i < h_bar.size(); ++i)
      CHECK(std::abs(h_alone[i].lane(lane) - h_bar[i].lane(lane)) < 1e-13 * n_edges);
    for (std::size_t i = 0; i < radial_bar.size(); ++i)
      CHECK(std::abs(radial_alone[i].lane(lane) - radial_bar[i].lane(lane)) < 1e-13 * n_edges);
  }

  double along = 0.0, scale = 1.0;
  for (std::size_t i = 0; i < y_bar.size(); ++i) along += y_bar[i] * dual.y[i].tangent;
  for (std::size_t i = 0; i < h_bar.size(); ++i)
    along += sum_lanes((h_bar[i] - Pack<double>(1.0)) * dual.h[i].tangent);
  for (std::size_t i = 0; i < radial_bar.size(); ++i)
    along += sum_lanes((radial_bar[i] - Pack<double>(1.0)) * dual.radial[i].tangent);
  const D value = dual.functional();
  scale += std::abs(along) + std::abs(value.value);
  CHECK(std::abs(along - value.tangent) < 1e-12 * scale);

  // Single elements by differences: exact for a linear function, but for rounding.
  const double h = 1e-3;
  const auto slope = [&](auto&& change) {
    change(h);
    const double up = s.functional();
    change(-2 * h);
    const double down = s.functional();
    change(h);
    return (up - down) / (2 * h);
  };
  for (std::size_t i = 0; i < s.y.size(); i += 3) {
    if (i % C::lm_edge == 0) continue;  // the constant l = 0
    CHECK(std::abs(y_bar[i] - slope([&](double d) { s.y[i] += d; })) < 1e-10 * scale);
  }
  const auto lane_slope = [&](Pack<double>& p) {
    return slope([&](double d) { p.set_lane(0, p.lane(0) + d); });
  };
  for (std::size_t i = 0; i < s.h.size(); ++i)
    CHECK(std::abs(h_bar[i].lane(0) - 1.0 - lane_slope(s.h[i])) < 1e-10 * scale);
  for (std::size_t i = 0; i < s.radial.size(); ++i)
    CHECK(std::abs(radial_bar[i].lane(0) - 1.0 - lane_slope(s.radial[i])) < 1e-10 * scale);
}

}  // namespace

TEST_CASE("the convolution is its formula", "[equivariant]") {
  check_forward<Convolution<0, 3>, double>(1e-12);
  check_forward<Convolution<1, 3>, double>(1e-12);
  check_forward<Convolution<2, 2>, Dual<double>>(1e-12);
  check_forward<Convolution<1, 3>, float>(1e-4);
}

TEST_CASE("the adjoint of the convolution is its derivative", "[equivariant]") {
  check_adjoint<Convolution<0, 3>>();
  check_adjoint<Convolution<1, 3>>();
  check_adjoint<Convolution<2, 2>>();
}

TEST_CASE("an atom without edges receives nothing", "[equivariant]") {
  using C = Convolution<1, 3>;
  Setup<C, double> s(4);
  s.edges.count = 0;
  s.out.assign(s.out.size(), Pack<double>(5.0));
  C::forward<double>(s.edges, nullptr, s.radial.data(), s.h.data(), s.out.data());
  for (const auto& p : s.out)
    for (int i = 0; i < Pack<double>::lanes; ++i) CHECK(p.lane(i) == 0.0);
}

}  // namespace convolution_test
