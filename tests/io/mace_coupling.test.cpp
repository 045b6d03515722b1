// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/io/mace_coupling.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace mace_coupling_test {

namespace {

using namespace leyden;

constexpr int l_max = 2, correlation = 3, channels = 3, species = 2;
constexpr std::size_t basis = (l_max + 1) * (l_max + 1);

// What a file of another program holds: paths mixed and doubled, in another order, with factors of
// each product permuted; and weights of those paths.
struct Foreign {
  Tensor coupling, weights;
};
Foreign foreign(const SymmetricContraction& ours, int l, int nu, std::size_t extra,
                RandomStream& random) {
  const std::size_t own = static_cast<std::size_t>(ours.paths(nu)), paths = own + extra;
  std::vector<double> mix(own * paths);
  for (double& x : mix) x = random.normal();
  const std::string suffix = "L" + std::to_string(l) + ".nu" + std::to_string(nu);
  Foreign f{{"coupling." + suffix, {static_cast<std::size_t>(2 * l + 1)}, {}},
            {"mace.layer0.product." + suffix, {species, paths, channels}, {}}};
  f.coupling.shape.insert(f.coupling.shape.end(), static_cast<std::size_t>(nu), basis);
  f.coupling.shape.push_back(paths);
  std::size_t size = 1;
  for (const std::size_t s : f.coupling.shape) size *= s;
  f.coupling.values.assign(size, 0.0);
  for (const SymmetricContraction::Element& e : ours.tensor(nu)) {
    std::size_t at = static_cast<std::size_t>(e.m);
    for (int axis = nu; axis-- > 0;)  // axes in the opposite order
      at = at * basis + static_cast<std::size_t>(e.k[static_cast<std::size_t>(axis)]);
    for (std::size_t p = 0; p < paths; ++p)
      f.coupling.values[at * paths + p] +=
          e.value * mix[static_cast<std::size_t>(e.path) * paths + p];
  }
  f.weights.values.resize(species * paths * channels);
  for (double& w : f.weights.values) w = random.normal();
  return f;
}

// Coefficients of all monomials of a contraction with weights, (m, sorted k) -> [species][channel].
using Coefficients = std::map<std::array<int, 5>, std::vector<double>>;
Coefficients coefficients(const Tensor& coupling, const Tensor& weights, int nu) {
  const std::size_t paths = coupling.shape.back();
  Coefficients out;
  for (std::size_t i = 0; i < coupling.values.size(); ++i) {
    std::size_t rest = i / paths;
    std::array<int, 5> key{};
    for (int axis = 0; axis < nu; ++axis, rest /= basis)
      key[static_cast<std::size_t>(1 + axis)] = static_cast<int>(rest % basis);
    key[0] = static_cast<int>(rest);
    std::sort(key.begin() + 1, key.begin() + 1 + nu);
    std::vector<double>& c = out[key];
    c.resize(species * channels);
    for (std::size_t z = 0; z < species; ++z)
      for (std::size_t k = 0; k < channels; ++k)
        c[z * channels + k] +=
            coupling.values[i] * weights.values[(z * paths + i % paths) * channels + k];
  }
  return out;
}

Tensor own_tensor(const SymmetricContraction& ours, int l, int nu) {
  const std::size_t paths = static_cast<std::size_t>(ours.paths(nu));
  Tensor t{"", {static_cast<std::size_t>(2 * l + 1)}, {}};
  t.shape.insert(t.shape.end(), static_cast<std::size_t>(nu), basis);
  t.shape.push_back(paths);
  std::size_t size = 1;
  for (const std::size_t s : t.shape) size *= s;
  t.values.assign(size, 0.0);
  for (const SymmetricContraction::Element& e : ours.tensor(nu)) {
    std::size_t at = static_cast<std::size_t>(e.m);
    for (int axis = 0; axis < nu; ++axis)
      at = at * basis + static_cast<std::size_t>(e.k[static_cast<std::size_t>(axis)]);
    t.values[at * paths + static_cast<std::size_t>(e.path)] += e.value;
  }
  return t;
}

}  // namespace

TEST_CASE("weights of other couplings become ours: the same polynomials", "[io]") {
  RandomStream random(5);
  for (int l = 0; l <= 2; ++l) {
    const SymmetricContraction ours(l_max, l, correlation);
    for (int nu = 1; nu <= correlation; ++nu)
      for (const std::size_t extra : {0u, 2u}) {
        INFO("l " << l << ", nu " << nu << ", " << extra << " paths more");
        const Foreign f = foreign(ours, l, nu, extra, random);
        std::vector<Tensor> tensors{f.weights, f.coupling};
        detail::express_coupling("file", l_max, correlation, tensors);
        REQUIRE(tensors.size() == 1);
        REQUIRE(
            tensors[0].shape ==
            std::vector<std::size_t>{species, static_cast<std::size_t>(ours.paths(nu)), channels});
        const Coefficients expected = coefficients(f.coupling, f.weights, nu);
        const Coefficients found = coefficients(own_tensor(ours, l, nu), tensors[0], nu);
        double largest = 0, error = 0;
        for (const auto& [key, row] : expected) {
          const auto at = found.find(key);
          REQUIRE(at != found.end());
          for (std::size_t k = 0; k < row.size(); ++k) {
            largest = std::max(largest, std::abs(row[k]));
            error = std::max(error, std::abs(row[k] - at->second[k]));
          }
        }
        CHECK(largest > 1e-3);
        CHECK(error < 1e-12 * largest);
      }
  }
}

TEST_CASE("couplings that are not equivariant, misshapen or not used are refused", "[io]") {
  RandomStream random(6);
  const SymmetricContraction ours(l_max, 1, correlation);
  const Foreign f = foreign(ours, 1, 2, 0, random);
  const auto refused = [](std::vector<Tensor> tensors) {
    CHECK_THROWS_AS(detail::express_coupling("file", l_max, correlation, tensors), InputError);
  };
  Foreign bad = f;
  bad.coupling.values[7] += 1e-3;
  refused({bad.weights, bad.coupling});
  bad = f;
  bad.coupling.shape[1] = basis - 1;
  refused({bad.weights, bad.coupling});
  bad = f;
  bad.weights.shape[1] += 1;
  refused({bad.weights, bad.coupling});
  bad = f;
  bad.coupling.name = "coupling.L7.nu2";
  refused({bad.weights, bad.coupling});
}

}  // namespace mace_coupling_test
