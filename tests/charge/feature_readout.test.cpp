// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include "support/catch.hpp"

namespace feature_readout_test {

namespace {

using namespace leyden;
using Catch::Matchers::WithinAbs;

constexpr int atoms = 3, species = 2;
// The second layer has scalars only; 5 and 11 channels fill no whole register.
const std::vector<FeatureShape> shapes{{5, 1}, {11, 0}};

template <class T>
std::vector<FeatureArray<T>> random_features(std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<FeatureArray<T>> h(shapes.size());
  for (std::size_t k = 0; k < h.size(); ++k) {
    h[k].resize(atoms, shapes[k]);
    h[k].set_zero();
    for (int i = 0; i < atoms; ++i)
      for (int c = 0; c < shapes[k].channels; ++c)
        for (int lm = 0; lm < shapes[k].lm_count(); ++lm) {
          const double value = random.normal();
          h[k].set(i, c, lm, T(value));
          if constexpr (is_dual_v<T>) h[k].set(i, c, lm, T(value, random.normal()));
        }
  }
  return h;
}

struct Built {
  ParameterLayout layout;
  FeatureReadout readout;
  std::vector<double> parameters;
  explicit Built(FeatureReadoutOptions options) : readout(options) {
    layout.add("before", {3}, Initializer::constant(1.0));  // slices start anywhere
    readout.declare(layout, "test/", shapes, species);
    parameters = layout.initial_values(3);
    for (double& x : parameters) x += 0.5;
    readout.prepare(parameters);
  }
};

}  // namespace

TEST_CASE("the readout is the documented sum", "[charge][readout]") {
  const bool per_species = GENERATE(false, true);
  const int l = GENERATE(0, 1);
  const Built b({l, per_species, true, 0.25, 1.0});
  const auto h = random_features<double>(1);
  const std::span<const double> w =
      b.layout.find("test/weight").slice.of(std::span<const double>(b.parameters));
  const std::size_t per_copy = l == 0 ? 16 : 5;
  REQUIRE(w.size() == per_copy * (per_species ? 2 : 1));

  for (int i = 0; i < atoms; ++i)
    for (int s = 0; s < species; ++s) {
      double out[3];
      b.readout.forward<double>(h, i, s, out);
      const std::size_t first = per_species ? static_cast<std::size_t>(s) * per_copy : 0;
      // (y, z, x) of features stored (x, y, z)
      const int lm[] = {l == 0 ? 0 : 2, 3, 1};
      for (int m = 0; m < 2 * l + 1; ++m) {
        double sum = 0.0;
        for (std::size_t c = 0; c < 5; ++c)
          sum += w[first + c] * h[0].get(i, static_cast<int>(c), lm[m]) / std::sqrt(5.0);
        for (std::size_t c = 0; c < 11 && l == 0; ++c)
          sum += w[first + 5 + c] * h[1].get(i, static_cast<int>(c), 0) / std::sqrt(11.0);
        if (l == 0) sum += 0.75;  // 0.25 + 0.5
        CHECK_THAT(out[m], WithinAbs(sum, 1e-13));
      }
    }
}

TEST_CASE("the readout's pullback is its adjoint", "[charge][readout]") {
  const bool per_species = GENERATE(false, true);
  const int l = GENERATE(0, 1);
  Built b({l, per_species, true, 0.0, 1.0});
  const auto h = random_features<double>(1), u = random_features<double>(2);
  const int kinds[atoms] = {1, 0, 1};
  const double bar[3] = {0.3, -1.1, 0.7};

  auto h_bar = random_features<double>(3);
  const auto before = h_bar;
  std::vector<double> gradient(b.parameters.size(), 0.0);
  for (int i = 0; i < atoms; ++i) b.readout.pullback<double>(h, i, kinds[i], bar, h_bar, gradient);

  // The map is linear in features and in parameters: directions give its derivatives exactly.
  const auto value = [&](std::span<const FeatureArray<double>> x) {
    double sum = 0.0;
    for (int i = 0; i < atoms; ++i) {
      double out[3];
      b.readout.forward<double>(x, i, kinds[i], out);
      for (int m = 0; m < 2 * l + 1; ++m) sum += bar[m] * out[m];
    }
    return sum;
  };
  auto moved = h;
  double along_features = 0.0;
  for (std::size_t k = 0; k < h.size(); ++k)
    for (int i = 0; i < atoms; ++i)
      for (int c = 0; c < shapes[k].channels; ++c)
        for (int lm = 0; lm < shapes[k].lm_count(); ++lm) {
          moved[k].set(i, c, lm, h[k].get(i, c, lm) + u[k].get(i, c, lm));
          along_features += u[k].get(i, c, lm) * (h_bar[k].get(i, c, lm) - before[k].get(i, c, lm));
        }
  const double start = value(h);
  CHECK_THAT(along_features, WithinAbs(value(moved) - start, 1e-12));

  const std::vector<double> parameters = b.parameters;
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    std::vector<double> x = parameters;
    x[k] += 1.0;
    b.readout.prepare(x);
    CHECK_THAT(gradient[k], WithinAbs(value(h) - start, 1e-12));
  }
}

TEST_CASE("the readout runs on duals and in single precision", "[charge][readout]") {
  const Built b({1, true, false, 0.0, 1.0});
  const auto h = random_features<Dual<double>>(1);
  std::vector<FeatureArray<double>> value(2), tangent(2);
  std::vector<FeatureArray<float>> single(2);
  for (std::size_t k = 0; k < 2; ++k) {
    value[k].resize(atoms, shapes[k]);
    tangent[k].resize(atoms, shapes[k]);
    single[k].resize(atoms, shapes[k]);
    for (int i = 0; i < atoms; ++i)
      for (int c = 0; c < shapes[k].channels; ++c)
        for (int lm = 0; lm < shapes[k].lm_count(); ++lm) {
          value[k].set(i, c, lm, h[k].get(i, c, lm).value);
          tangent[k].set(i, c, lm, h[k].get(i, c, lm).tangent);
          single[k].set(i, c, lm, static_cast<float>(h[k].get(i, c, lm).value));
        }
  }
  Dual<double> out[3];
  double out_value[3], out_tangent[3];
  float out_single[3];
  b.readout.forward<Dual<double>>(h, 1, 1, out);
  b.readout.forward<double>(value, 1, 1, out_value);
  b.readout.forward<double>(tangent, 1, 1, out_tangent);
  b.readout.forward<float>(single, 1, 1, out_single);
  for (int m = 0; m < 3; ++m) {
    CHECK_THAT(out[m].value, WithinAbs(out_value[m], 1e-14));
    CHECK_THAT(out[m].tangent, WithinAbs(out_tangent[m], 1e-14));
    CHECK_THAT(static_cast<double>(out_single[m]), WithinAbs(out_value[m], 1e-5));
  }
}

TEST_CASE("a readout of an l that no layer has is refused", "[charge][readout]") {
  ParameterLayout layout;
  FeatureReadout readout({1, false, false, 0.0, 1.0});
  const std::vector<FeatureShape> scalars{{4, 0}};
  CHECK_THROWS_AS(readout.declare(layout, "x/", scalars, 1), ModelError);
}

}  // namespace feature_readout_test
