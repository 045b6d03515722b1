// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include "equivariant/rotations.hpp"

#include <array>
#include <vector>

namespace feature_frame_test {

using namespace leyden;

namespace {

// A readout of l = 2 with two channels of weights 1 and 10, and its gradients.
struct Quadrupole {
  std::vector<FeatureShape> shapes;
  ParameterLayout layout;
  FeatureReadout readout{{.l = 2}};
  std::vector<double> parameters;
  std::vector<FeatureArray<double>> features;

  explicit Quadrupole(std::vector<FeatureShape> of) : shapes(std::move(of)) {
    readout.declare(layout, "", shapes, 1);
    for (std::size_t k = 0; k < layout.size(); ++k) parameters.push_back(k % 2 == 0 ? 1.0 : 10.0);
    readout.prepare(parameters);
    features = zeros();
  }
  std::vector<FeatureArray<double>> zeros() const {
    std::vector<FeatureArray<double>> h(shapes.size());
    for (std::size_t k = 0; k < h.size(); ++k) {
      h[k].resize(1, shapes[k]);
      h[k].set_zero();
    }
    return h;
  }
  std::array<double, 5> out() const {
    std::array<double, 5> o{};
    readout.forward<double>(features, 0, 0, o.data());
    return o;
  }
};

// What harmonics are taken of in a frame.
Vector3<double> seen(const Vector3<double>& r, HarmonicFrame frame) {
  return frame == HarmonicFrame::xyz ? r : Vector3<double>{{r[1], r[2], r[0]}};
}

Matrix3<double> tensor(const std::array<double, 5>& coefficients) {
  double c[6] = {};
  for (std::size_t k = 0; k < 6; ++k)
    for (std::size_t m = 0; m < 5; ++m) c[k] += detail::quadrupole_tensor[k][m] * coefficients[m];
  return {{c[0], c[3], c[4], c[3], c[1], c[5], c[4], c[5], c[2]}};
}

}  // namespace

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

TEST_CASE("a readout gives quadrupoles in their order from features of each frame",
          "[equivariant]") {
  const HarmonicFrame frame = GENERATE(HarmonicFrame::xyz, HarmonicFrame::yzx);
  Quadrupole q({{2, 2, frame}});
  RandomStream random(4);
  std::array<double, 5> expected{};
  for (int c = 0; c < 2; ++c) {
    const Vector3<double> r = leyden_test::random_unit(random);
    const auto y = leyden_test::harmonics<2>(seen(r, frame));
    for (int lm = 0; lm < 9; ++lm) q.features[0].set(0, c, lm, y[static_cast<std::size_t>(lm)]);
    // √5 for component normalisation, 1/√2 for two channels.
    const double weight = (c == 0 ? 1.0 : 10.0) * std::sqrt(2.5);
    const double root3 = std::sqrt(3.0);
    expected[0] += weight * root3 * r[0] * r[1];
    expected[1] += weight * root3 * r[1] * r[2];
    expected[2] += weight * 0.5 * (3.0 * r[2] * r[2] - 1.0);
    expected[3] += weight * root3 * r[0] * r[2];
    expected[4] += weight * 0.5 * root3 * (r[0] * r[0] - r[1] * r[1]);
  }
  const auto out = q.out();
  for (std::size_t m = 0; m < 5; ++m) CHECK(std::abs(out[m] - expected[m]) < 1e-13);
}

TEST_CASE("quadrupoles of a readout turn with the features", "[equivariant]") {
  const HarmonicFrame frame = GENERATE(HarmonicFrame::xyz, HarmonicFrame::yzx);
  RandomStream random(6);
  const Matrix3<double> rotation = leyden_test::random_rotation(random);
  Matrix3<double> in_frame;  // the rotation of what harmonics are taken of
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      in_frame(i, j) =
          frame == HarmonicFrame::xyz ? rotation(i, j) : rotation((i + 1) % 3, (j + 1) % 3);
  const auto d = leyden_test::rotation_matrix<2>(in_frame);
  Quadrupole here({{2, 2, frame}}), turned({{2, 2, frame}});
  for (int c = 0; c < 2; ++c)
    for (int j = 0; j < 5; ++j) {
      const double x = random.normal();
      here.features[0].set(0, c, 4 + j, x);
      for (int i = 0; i < 5; ++i)
        turned.features[0].set(
            0, c, 4 + i,
            turned.features[0].get(0, c, 4 + i) + d[static_cast<std::size_t>(i * 5 + j)] * x);
    }
  Matrix3<double> transposed;
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) transposed(a, b) = rotation(b, a);
  const Matrix3<double> expected = rotation * tensor(here.out()) * transposed;
  const Matrix3<double> found = tensor(turned.out());
  // Some tens, and the fitted rotation matrix is good to 1e-14.
  for (std::size_t k = 0; k < 9; ++k) CHECK(std::abs(found.data[k] - expected.data[k]) < 1e-12);
}

TEST_CASE("the pullback of quadrupoles is the adjoint in both frames", "[equivariant]") {
  // Layers of both frames, and one without l = 2 between them.
  Quadrupole q({{2, 2, HarmonicFrame::xyz}, {2, 1}, {2, 2, HarmonicFrame::yzx}});
  REQUIRE(q.parameters.size() == 4);
  RandomStream random(8);
  for (std::size_t k = 0; k < 3; ++k)
    for (int c = 0; c < 2; ++c)
      for (int lm = 0; lm < q.shapes[k].lm_count(); ++lm)
        q.features[k].set(0, c, lm, random.normal());
  const std::array<double, 5> bar{0.3, -1.1, 0.7, 0.2, -0.6};
  auto h_bar = q.zeros();
  std::vector<double> gradient(4, 0.0);
  q.readout.pullback<double>(q.features, 0, 0, bar.data(), h_bar, gradient);
  const auto value = [&] {
    const auto out = q.out();
    double sum = 0.0;
    for (std::size_t m = 0; m < 5; ++m) sum += bar[m] * out[m];
    return sum;
  };
  // Linear in each feature and each weight: a step of one gives the derivative, up to rounding.
  const double start = value();
  for (std::size_t k = 0; k < 3; ++k)
    for (int c = 0; c < 2; ++c)
      for (int lm = 0; lm < q.shapes[k].lm_count(); ++lm) {
        const double x = q.features[k].get(0, c, lm);
        q.features[k].set(0, c, lm, x + 1.0);
        CHECK(std::abs(h_bar[k].get(0, c, lm) - (value() - start)) < 1e-12);
        q.features[k].set(0, c, lm, x);
      }
  for (std::size_t k = 0; k < 4; ++k) {
    std::vector<double> moved = q.parameters;
    moved[k] += 1.0;
    q.readout.prepare(moved);
    CHECK(std::abs(gradient[k] - (value() - start)) < 1e-12);
  }
}

}  // namespace feature_frame_test
