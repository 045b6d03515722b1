// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/equivariant/tabulated_convolution.hpp>

#include <cmath>
#include <vector>

namespace tabulated_convolution_test {

using namespace leyden;

namespace {

constexpr double first = 0.3, last = 4.1;
constexpr int types = 2, atoms = 4, edge_count = 6;

// sin((f + 1) r + c) (r − r_c)³, and its slope.
double value(int type, int f, int c, double r) {
  const double x = r - last;
  return std::sin((0.4 * f + 1.0) * r + c + type) * x * x * x * 0.1;
}
double slope(int type, int f, int c, double r) {
  const double x = r - last, w = 0.4 * f + 1.0;
  return (std::cos(w * r + c + type) * w * x * x * x + std::sin(w * r + c + type) * 3 * x * x) *
         0.1;
}
template <class R>
RadialTable<R> table_of(int functions, int channels, int pieces) {
  RadialTable<R> table(types, functions, channels, first, last, pieces);
  std::vector<double> values(static_cast<std::size_t>(table.sample_count())), slopes(values);
  for (int t = 0; t < types; ++t)
    for (int f = 0; f < functions; ++f)
      for (int c = 0; c < channels; ++c) {
        for (int s = 0; s < table.sample_count(); ++s) {
          values[static_cast<std::size_t>(s)] = value(t, f, c, table.sample(s));
          slopes[static_cast<std::size_t>(s)] = slope(t, f, c, table.sample(s));
        }
        table.set(t, f, c, values.data(), slopes.data(), 1);
      }
  return table;
}

// One receiver; the last edge is beyond the table.
template <class C, class T>
struct Setup {
  using R = RealOf<T>;
  RadialTable<R> table = table_of<R>(C::path_count, Pack<R>::lanes, 40);
  std::vector<int> sender{2, 0, 2, 3, 1, 0}, type{0, 1, 0, 1, 0, 1}, row;
  std::vector<T> r, u, y, edge_bar;
  Buffer<Pack<T>> h, bar, out, h_bar;

  Setup() : row(edge_count), u(edge_count) {
    RandomStream random(11);
    const auto number = [&] {
      const double v = random.normal(), t = random.normal();
      if constexpr (is_dual_v<T>)
        return T(static_cast<R>(v), static_cast<R>(t));
      else
        return static_cast<T>(v);
    };
    const double lengths[edge_count] = {0.9, 1.7, 2.2, 3.0, 3.9, 4.3};
    for (double x : lengths) r.push_back(T(static_cast<R>(x)) + number() * R(0.01));
    for (int i = 0; i < edge_count * C::lm_edge; ++i)
      y.push_back(i % C::lm_edge == 0 ? T(R(1)) : number());
    h.resize(atoms * C::lm_in);
    bar.resize(C::output_count);
    for (auto* packs : {&h, &bar})
      for (auto& p : *packs)
        for (int i = 0; i < Pack<T>::lanes; ++i) p.set_lane(i, number());
    out.resize(C::output_count);
  }
  typename C::template Edges<T> edges() {
    for (std::size_t e = 0; e < edge_count; ++e) table.locate(type[e], r[e], row[e], u[e]);
    return {edge_count, sender.data(), row.data(), u.data(), y.data()};
  }
  void forward() { C::template forward<T>(edges(), table.tile(0), h.data(), out.data()); }
  void backward() {
    h_bar.assign(h.size(), Pack<T>(T(R(1))));  // added to
    edge_bar.assign(y.size(), T(R(1)));
    C::template backward<T>(edges(), table.tile(0), table.slope_factor(), h.data(), bar.data(),
                            h_bar.data(), edge_bar.data());
  }
};

template <class C, class T>
void check_forward(double tolerance) {
  Setup<C, T> s;
  s.forward();
  // The plain convolution of the same weights.
  using Plain = typename C::Base;
  Buffer<Pack<T>> radial(edge_count * C::path_count), out(C::output_count);
  std::vector<T> coupled(edge_count * Plain::coupled_count);
  std::vector<int> pair;
  for (std::size_t e = 0; e < edge_count; ++e) {
    pair.push_back(static_cast<int>(e));
    Plain::couple(s.y.data() + e * C::lm_edge, coupled.data() + e * Plain::coupled_count);
    for (int p = 0; p < C::path_count; ++p)
      for (int c = 0; c < Pack<T>::lanes; ++c) {
        using R = RealOf<T>;
        const double x = static_cast<double>(value_of(s.r[e]));
        const double v = x < last ? value(s.type[e], p, c, x) : 0.0;
        T number = T(static_cast<R>(v));
        if constexpr (is_dual_v<T>)
          number.tangent =
              x < last ? static_cast<R>(slope(s.type[e], p, c, x)) * s.r[e].tangent : R(0);
        radial[e * C::path_count + static_cast<std::size_t>(p)].set_lane(c, number);
      }
  }
  Plain::forward({edge_count, s.sender.data(), pair.data()}, coupled.data(), radial.data(),
                 s.h.data(), out.data());
  for (std::size_t i = 0; i < out.size(); ++i)
    for (int c = 0; c < Pack<T>::lanes; ++c) {
      CHECK(std::abs(value_of(s.out[i].lane(c)) - value_of(out[i].lane(c))) < tolerance);
      CHECK(std::abs(tangent_of(s.out[i].lane(c)) - tangent_of(out[i].lane(c))) < 10 * tolerance);
    }
}

// L = Σ bar·out: its derivative along the tangents of r, y and h, by duals and by the adjoint; then
// the derivative of the adjoint by differences.
template <class C>
void check_adjoint() {
  using D = Dual<double>;
  Setup<C, D> dual;
  for (auto& b : dual.bar) b.tangent = Pack<double>();
  const auto shifted = [&](double h) {
    Setup<C, double> s;
    for (std::size_t e = 0; e < edge_count; ++e) s.r[e] = dual.r[e].value + h * dual.r[e].tangent;
    for (std::size_t i = 0; i < s.y.size(); ++i) s.y[i] = dual.y[i].value + h * dual.y[i].tangent;
    for (std::size_t i = 0; i < s.h.size(); ++i)
      s.h[i] = dual.h[i].value + Pack<double>(h) * dual.h[i].tangent;
    for (std::size_t i = 0; i < s.bar.size(); ++i) s.bar[i] = dual.bar[i].value;
    s.backward();
    return s;
  };
  const Setup<C, double> s = shifted(0.0);
  double along = 0.0;
  for (std::size_t i = 0; i < s.y.size(); ++i)
    along += (s.edge_bar[i] - 1.0) *
             (i % C::lm_edge == 0 ? dual.r[i / C::lm_edge].tangent : dual.y[i].tangent);
  for (std::size_t i = 0; i < s.h.size(); ++i)
    along += sum_lanes((s.h_bar[i] - Pack<double>(1.0)) * dual.h[i].tangent);
  dual.forward();
  D sum(0.0);
  for (std::size_t i = 0; i < dual.out.size(); ++i) sum += sum_lanes(dual.out[i] * dual.bar[i]);
  CHECK(std::abs(sum.tangent - along) < 1e-12 * (std::abs(along) + std::abs(sum.value) + 1.0));

  dual.backward();
  // Differences: h² times a third derivative, and rounding 1e-16 of some 10 over h.
  const double h = 1e-5;
  const auto up = shifted(h), down = shifted(-h);
  for (std::size_t i = 0; i < s.edge_bar.size(); ++i) {
    CHECK(std::abs(dual.edge_bar[i].value - s.edge_bar[i]) < 1e-11);
    CHECK(std::abs(dual.edge_bar[i].tangent - (up.edge_bar[i] - down.edge_bar[i]) / (2 * h)) <
          1e-6);
  }
  for (std::size_t i = 0; i < s.h_bar.size(); ++i)
    CHECK(std::abs(dual.h_bar[i].tangent.lane(0) -
                   (up.h_bar[i].lane(0) - down.h_bar[i].lane(0)) / (2 * h)) < 1e-6);
}

}  // namespace

TEST_CASE("a radial table is its function, more so with more pieces", "[equivariant]") {
  double before = 1.0;
  for (const int pieces : {4, 8, 16}) {
    const RadialTable<double> table = table_of<double>(3, 11, pieces);
    double worst = 0.0;
    for (int k = 0; k < 200; ++k) {
      const double r = first + (last - first) * k / 199.0;
      for (const int c : {0, 10}) {
        const auto [v, d] = table.at(1, 2, c, r);
        worst = std::max({worst, std::abs(v - value(1, 2, c, r)), std::abs(d - slope(1, 2, c, r))});
      }
    }
    CHECK(worst < before / 60);  // slopes of degree 7: 2^7 at last
    before = worst;
  }
  CHECK(before < 1e-8);
  const RadialTable<double> table = table_of<double>(1, 1, 4);
  for (const double r : {last, 5.0, 1e30}) {
    const auto [v, d] = table.at(0, 0, 0, r);
    CHECK(v == 0.0);
    CHECK(d == 0.0);
  }
  // Values and slopes are continuous.
  const double joint = table.sample(2 * (RadialTable<double>::nodes - 1));
  const auto left = table.at(0, 0, 0, joint - 1e-12), right = table.at(0, 0, 0, joint + 1e-12);
  CHECK(std::abs(left[0] - right[0]) < 1e-10);
  CHECK(std::abs(left[1] - right[1]) < 1e-10);
  CHECK(std::isnan(table.at(0, 0, 0, std::nan(""))[0]));
}

TEST_CASE("a tabulated convolution is the convolution of what the table holds", "[equivariant]") {
  check_forward<TabulatedConvolution<0, 3>, double>(1e-8);
  check_forward<TabulatedConvolution<1, 3>, double>(1e-8);
  check_forward<TabulatedConvolution<2, 2>, Dual<double>>(1e-7);
  check_forward<TabulatedConvolution<1, 3>, float>(1e-4);
}

TEST_CASE("the adjoint of a tabulated convolution is its derivative", "[equivariant]") {
  check_adjoint<TabulatedConvolution<0, 3>>();
  check_adjoint<TabulatedConvolution<1, 3>>();
  check_adjoint<TabulatedConvolution<2, 2>>();
}

TEST_CASE("what is sent can be one in every channel", "[equivariant]") {
  using C = TabulatedConvolution<0, 3>;
  using Ones = TabulatedConvolution<0, 3, true>;
  Setup<C, double> s;
  for (auto& p : s.h) p = Pack<double>(1.0);
  s.forward();
  s.backward();
  Setup<Ones, double> ones;
  ones.y = s.y;
  ones.r = s.r;
  ones.bar = s.bar;
  ones.forward();
  ones.backward();
  for (std::size_t i = 0; i < s.out.size(); ++i) CHECK(s.out[i].lane(0) == ones.out[i].lane(0));
  for (std::size_t i = 0; i < s.edge_bar.size(); ++i)
    CHECK(std::abs(s.edge_bar[i] - ones.edge_bar[i]) < 1e-12);
}

TEST_CASE("sums over lanes of many packs", "[equivariant]") {
  const auto check = [](auto zero, auto count) {
    using R = decltype(zero);
    constexpr int n = decltype(count)::value;
    RandomStream random(3);
    Buffer<Pack<R>> packs(n);
    R out[n];
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < Pack<R>::lanes; ++k)
        packs[static_cast<std::size_t>(i)].set_lane(k, static_cast<R>(random.normal()));
      out[i] = R(i);
    }
    add_lane_sums<n>(packs.data(), out);
    for (int i = 0; i < n; ++i) {
      double sum = i;
      for (int k = 0; k < Pack<R>::lanes; ++k)
        sum += static_cast<double>(packs[static_cast<std::size_t>(i)].lane(k));
      CHECK(std::abs(static_cast<double>(out[i]) - sum) < (sizeof(R) == 8 ? 1e-13 : 1e-5));
    }
  };
  check(0.0, std::integral_constant<int, 16>());
  check(0.0F, std::integral_constant<int, 16>());
  check(0.0, std::integral_constant<int, 25>());
  check(0.0F, std::integral_constant<int, 25>());
  check(0.0, std::integral_constant<int, 9>());
}

}  // namespace tabulated_convolution_test
