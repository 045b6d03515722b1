// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/equivariant/feature_readout.hpp>

#include <array>
#include <vector>

using namespace leyden;

TEST_CASE("a readout knows the order of components that features have", "[equivariant]") {
  // One layer of each order, holding the same vectors (1, 2, 3) and (4, 5, 6) in (x, y, z).
  const std::vector<FeatureShape> shapes{{2, 1, HarmonicFrame::xyz}, {2, 1, HarmonicFrame::yzx}};
  const double vectors[2][3] = {{1, 2, 3}, {4, 5, 6}};
  std::vector<FeatureArray<double>> features(2), bars(2);
  for (std::size_t k = 0; k < 2; ++k) {
    features[k].resize(1, shapes[k]);
    bars[k].resize(1, shapes[k]);
    features[k].set_zero();
    bars[k].set_zero();
    for (int c = 0; c < 2; ++c)
      for (int m = 0; m < 3; ++m)
        features[k].set(0, c, 1 + m,
                        vectors[c][shapes[k].frame == HarmonicFrame::xyz ? m : (m + 1) % 3]);
  }
  FeatureReadout readout({.l = 1});
  ParameterLayout layout;
  readout.declare(layout, "", shapes, 1);
  readout.prepare(std::vector<double>{1, 10, 100, 1000});
  std::array<double, 3> out{};
  readout.forward<double>(features, 0, 0, out.data());
  // (1 + 100) v₀ + (10 + 1000) v₁, over √2, as (y, z, x); 1e-12 of some thousands.
  for (int m = 0; m < 3; ++m) {
    const int a = (m + 1) % 3;
    const double expected = (101 * vectors[0][a] + 1010 * vectors[1][a]) / std::sqrt(2.0);
    CHECK(std::abs(out[static_cast<std::size_t>(m)] - expected) < 1e-11);
  }
  const std::array<double, 3> bar{0.2, 0.3, 0.1};  // of (y, z, x)
  std::vector<double> gradient(layout.size());
  readout.pullback<double>(features, 0, 0, bar.data(), bars, gradient);
  for (int m = 0; m < 3; ++m) {
    CHECK(std::abs(bars[0].get(0, 0, 1 + m) - 0.1 * (1 + m) / std::sqrt(2.0)) < 1e-15);
    CHECK(std::abs(bars[1].get(0, 0, 1 + m) -
                   100 * bar[static_cast<std::size_t>(m)] / std::sqrt(2.0)) < 1e-13);
  }
  CHECK(std::abs(gradient[0] - 1.4 / std::sqrt(2.0)) < 1e-14);
  CHECK(std::abs(gradient[2] - 1.4 / std::sqrt(2.0)) < 1e-14);
}
