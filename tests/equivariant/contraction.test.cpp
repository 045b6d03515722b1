// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/equivariant/contraction.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace contraction_test {

using namespace leyden;

namespace {

constexpr int l_max = 2, l_out = 1, correlation = 4, species = 2;
constexpr int n_in = (l_max + 1) * (l_max + 1), n_out = (l_out + 1) * (l_out + 1);

std::shared_ptr<const std::vector<SymmetricContraction>> tables() {
  auto t = std::make_shared<std::vector<SymmetricContraction>>();
  for (int l = 0; l <= l_out; ++l) t->push_back(SymmetricContraction(l_max, l, correlation));
  return t;
}

template <class R>
struct Setup {
  int channels;
  std::shared_ptr<const std::vector<SymmetricContraction>> table = tables();
  ProductBasis<R> product;
  ParameterLayout layout;
  std::vector<double> parameters;
  std::vector<double> a, bar;  // [channel][lm]

  explicit Setup(int c) : channels(c), product(table, c, species, l_out) {
    product.declare(layout, "product");
    parameters = layout.initial_values(11);
    product.prepare(parameters);
    RandomStream random(12);
    a.resize(static_cast<std::size_t>(c * n_in));
    bar.resize(static_cast<std::size_t>(c * n_out));
    for (double& x : a) x = random.normal();
    for (double& x : bar) x = random.normal();
  }

  /// Equation 10 with the unsymmetrised tensors: [channel][lm].
  std::vector<double> reference(int z, const std::vector<double>& w,
                                const std::vector<double>& basis) const {
    std::vector<double> b(bar.size(), 0.0);
    for (int l = 0; l <= l_out; ++l)
      for (int nu = 1; nu <= correlation; ++nu) {
        const auto& t = (*table)[static_cast<std::size_t>(l)];
        const auto slice =
            layout.find("product.L" + std::to_string(l) + ".nu" + std::to_string(nu)).slice;
        for (int c = 0; c < channels; ++c)
          for (const auto& e : t.tensor(nu)) {
            double x = e.value * w[slice.offset + static_cast<std::size_t>(
                                                      (z * t.paths(nu) + e.path) * channels + c)];
            for (int i = 0; i < nu; ++i)
              x *= basis[static_cast<std::size_t>(c * n_in + e.k[static_cast<std::size_t>(i)])];
            b[static_cast<std::size_t>(c * n_out + l * l + e.m)] += x;
          }
      }
    return b;
  }
  double functional(int z, const std::vector<double>& w, const std::vector<double>& basis) const {
    const auto b = reference(z, w, basis);
    double sum = 0.0;
    for (std::size_t i = 0; i < b.size(); ++i) sum += b[i] * bar[i];
    return sum;
  }

  template <class T>
  static Buffer<Pack<T>> packs(const std::vector<double>& from, int tile, int channels, int n,
                               const std::vector<double>* tangent = nullptr) {
    Buffer<Pack<T>> p(static_cast<std::size_t>(n));
    for (int lane = 0; lane < Pack<T>::lanes; ++lane) {
      const int c = tile * Pack<T>::lanes + lane;
      for (int i = 0; i < n && c < channels; ++i) {
        const std::size_t k = static_cast<std::size_t>(c * n + i);
        T v(static_cast<RealOf<T>>(from[k]));
        if constexpr (is_dual_v<T>)
          if (tangent != nullptr) v.tangent = static_cast<RealOf<T>>((*tangent)[k]);
        p[static_cast<std::size_t>(i)].set_lane(lane, v);
      }
    }
    return p;
  }
};

template <class R>
void check_forward(double tolerance) {
  for (int channels : {3, 10, 17})
    for (int z = 0; z < species; ++z) {
      const Setup<R> s(channels);
      const auto expected = s.reference(z, s.parameters, s.a);
      double scale = 1.0, worst = 0.0;
      for (double x : expected) scale = std::max(scale, std::abs(x));
      for (int tile = 0; tile < pack_count<R>(channels); ++tile) {
        const auto a = s.template packs<R>(s.a, tile, channels, n_in);
        Buffer<Pack<R>> b(n_out);
        s.product.forward(z, tile, a.data(), b.data());
        for (int lane = 0; lane < Pack<R>::lanes; ++lane)
          for (int i = 0; i < n_out; ++i) {
            const int c = tile * Pack<R>::lanes + lane;
            const double want =
                c < channels ? expected[static_cast<std::size_t>(c * n_out + i)] : 0;
            worst =
                std::max(worst, std::abs(double(b[static_cast<std::size_t>(i)].lane(lane)) - want));
          }
      }
      CAPTURE(channels, z);
      CHECK(worst < tolerance * scale);
    }
}

}  // namespace

TEST_CASE("the product basis is the contraction of its tensors", "[equivariant]") {
  check_forward<double>(1e-13);
  check_forward<float>(2e-5);  // some hundred terms of 6e-8 each
}

TEST_CASE("the adjoint of the product basis is its derivative", "[equivariant]") {
  using D = Dual<double>;
  for (int channels : {3, 10, 17}) {
    CAPTURE(channels);
    const int z = 1;
    const Setup<double> s(channels);
    RandomStream random(13);
    std::vector<double> direction(s.a.size());
    for (double& x : direction) x = random.normal();

    ProductBasis<double>::Gradient gradient, dual_gradient;
    s.product.reset(gradient);
    s.product.reset(dual_gradient);
    double along = 0.0, tangent = 0.0;
    for (int tile = 0; tile < pack_count<double>(channels); ++tile) {
      const auto a = s.packs<double>(s.a, tile, channels, n_in);
      const auto bar = s.packs<double>(s.bar, tile, channels, n_out);
      const auto d = s.packs<double>(direction, tile, channels, n_in);
      Buffer<Pack<double>> a_bar(n_in), a_bar_only(n_in);
      s.product.backward(z, tile, a.data(), bar.data(), a_bar.data(), &gradient);
      s.product.backward<double>(z, tile, a.data(), bar.data(), a_bar_only.data(), nullptr);
      const auto dual_a = s.packs<D>(s.a, tile, channels, n_in, &direction);
      const auto dual_bar = s.packs<D>(s.bar, tile, channels, n_out);
      Buffer<Pack<D>> b(n_out), dual_a_bar(n_in);
      s.product.forward(z, tile, dual_a.data(), b.data());
      s.product.backward(z, tile, dual_a.data(), dual_bar.data(), dual_a_bar.data(),
                         &dual_gradient);
      for (std::size_t i = 0; i < n_in; ++i) {
        along += sum_lanes(a_bar[i] * d[i]);
        for (int lane = 0; lane < Pack<double>::lanes; ++lane)
          CHECK(a_bar[i].lane(lane) == a_bar_only[i].lane(lane));
      }
      for (std::size_t i = 0; i < n_out; ++i) tangent += sum_lanes(b[i].tangent * bar[i]);
    }
    const auto moved = [&](double h) {
      auto a = s.a;
      for (std::size_t i = 0; i < a.size(); ++i) a[i] += h * direction[i];
      return a;
    };
    // A cubic: the error of the difference is h² times its leading coefficient.
    const double h = 1e-5, scale = 1.0 + std::abs(along);
    CHECK(std::abs(along - tangent) < 1e-12 * scale);
    CHECK(std::abs(along - (s.functional(z, s.parameters, moved(h)) -
                            s.functional(z, s.parameters, moved(-h))) /
                               (2 * h)) < 1e-7 * scale);

    // The weights enter linearly: differences of any step are exact.
    std::vector<double> w_bar(s.parameters.size(), 0.5);
    std::vector<double> dual_w_bar(s.parameters.size());
    s.product.unpack_gradient(gradient, std::span<double>(w_bar));
    s.product.unpack_gradient(dual_gradient, std::span<double>(dual_w_bar));
    double size = 1.0;
    for (double x : w_bar) size = std::max(size, std::abs(x));
    const auto derivative = [&](std::size_t k, const std::vector<double>& a) {
      auto w = s.parameters;
      w[k] += 1.0;
      const double up = s.functional(z, w, a);
      w[k] -= 2.0;
      return (up - s.functional(z, w, a)) / 2.0;
    };
    for (std::size_t k = 0; k < w_bar.size(); k += channels == 3 ? 1 : 29) {
      CAPTURE(k);
      CHECK(std::abs(w_bar[k] - 0.5 - derivative(k, s.a)) < 1e-10 * size);
      const double second = (derivative(k, moved(h)) - derivative(k, moved(-h))) / (2 * h);
      CHECK(std::abs(dual_w_bar[k] - second) < 1e-6 * size);
    }
  }
}

}  // namespace contraction_test
