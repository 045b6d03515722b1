// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/mesh/spread.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <vector>

namespace window_test {

using namespace leyden;

namespace {

std::vector<MeshWindow> windows() {
  std::vector<MeshWindow> all;
  for (int order = 4; order <= 8; ++order) all.emplace_back(MeshWindowKind::spline, order);
  for (int order = 6; order <= 8; ++order) all.emplace_back(MeshWindowKind::prolate, order);
  return all;
}

// All weights of a point at u along each axis, by the kernels' own path.
template <int P, int D, class T>
detail::NodeWeights<P, D, T> weights(const MeshWindow& window, const T& t) {
  detail::WindowTable<RealOf<T>> table;
  table.fill(window);
  const T at[3] = {t, t, t};
  detail::NodeWeights<P, D, T> w;
  w.evaluate(table, at);
  return w;
}

template <class Visit>
void with_order(int order, const Visit& visit) {
  if (order == 4) visit(std::integral_constant<int, 4>());
  if (order == 5) visit(std::integral_constant<int, 5>());
  if (order == 6) visit(std::integral_constant<int, 6>());
  if (order == 7) visit(std::integral_constant<int, 7>());
  if (order == 8) visit(std::integral_constant<int, 8>());
}

constexpr int size[3] = {9, 10, 12};

// A site of the padded mesh from mesh coordinates in 0 … size.
template <class T>
detail::MeshSite<T> site_at(const detail::PaddedMesh& shape, int order, const T* u) {
  detail::MeshSite<T> site;
  int node[3];
  for (int d = 0; d < 3; ++d) {
    const T from = u[d] - T(0.5 * order);
    const double floor = std::floor(value_of(from));
    site.t[d] = (from - T(floor)) * 2.0 - T(1.0);
    node[d] = static_cast<int>(floor) + 1 + shape.before;
  }
  site.first = node[0] * shape.plane() + node[1] * shape.row() + node[2];
  return site;
}

}  // namespace

TEST_CASE("MeshWindow: weights sum to one, and the transform is that of the window") {
  for (const MeshWindow& w : windows()) {
    INFO("order " << w.order() << " kind " << static_cast<int>(w.kind()) << " degree "
                  << w.degree());
    // Splines sum to one exactly; prolate windows up to U at the mesh's frequencies, which fall as
    // the jump at their ends over the frequency. They are fitted to a hundredth of that jump.
    const bool spline = w.kind() == MeshWindowKind::spline;
    const double jump = w(0.5 * w.order() - 1e-12);
    double images = 1e-14;
    for (int m = 1; m < 60; ++m) images += 2 * std::abs(w.transform(2 * std::numbers::pi * m));
    for (double x = 0; x < 1; x += 0.1) {
      double sum = 0;
      for (int j = -5; j <= 5; ++j) sum += w(j - x);
      CHECK(std::abs(sum - 1) < (spline ? 1e-14 : images));
      CHECK(std::abs(w(x) - w(-x)) < (spline ? 1e-14 : 0.02 * jump));
    }
    CHECK(w(0.5 * w.order() + 1e-9) == 0);
    CHECK(std::abs(w.transform(0) - 1) < 1e-14);
    // The midpoint rule of a function that is smooth but at its ends.
    for (const double y : {0.7, 2.0, 3.1, 7.0}) {
      const int steps = 20000;
      double sum = 0;
      for (int i = 0; i < steps; ++i) {
        const double x = w.order() * ((i + 0.5) / steps - 0.5);
        sum += w(x) * std::cos(y * x) * w.order() / steps;
      }
      CHECK(std::abs(w.transform(y) - sum) < 1e-8);
    }
  }
}

TEST_CASE("MeshWindow: derivatives of splines cancel between nodes to the last digits") {
  // What a constant potential does to quadrupoles: values of a window of order 1 in t, rounded
  // once.
  for (int order = MeshWindow::least_order; order <= MeshWindow::most_order; ++order) {
    const MeshWindow window(MeshWindowKind::spline, order);
    for (int power = 1; power < order; ++power) {
      double sum = 0, size = 0;
      for (int j = 0; j < order; ++j) {
        sum += window.coefficient(power, j);
        size += std::abs(window.coefficient(power, j));
      }
      CHECK(std::abs(sum) <= 2 * std::numeric_limits<double>::epsilon() * size);
    }
  }
}

TEST_CASE("MeshWindow: a prolate window is its own transform, a spline a power of sinc") {
  // ∫ψ(s) exp(icsx) ds ∝ ψ(x): U(y) = ψ(y P/2c)/ψ(0) up to the fit, 1e-2 ψ(1)/ψ(0).
  for (const int order : {6, 7, 8}) {
    const MeshWindow w(MeshWindowKind::prolate, order);
    const Prolate psi(w.parameter());
    for (const double x : {0.1, 0.5, 0.9})
      CHECK(std::abs(w.transform(2 * w.parameter() * x / order) - psi(x) / psi(0)) <
            0.1 * psi(1) / psi(0));
  }
  CHECK(std::abs(MeshWindow(MeshWindowKind::spline, 5).transform(1.3) -
                 std::pow(std::sin(0.65) / 0.65, 5)) < 1e-15);
  CHECK_THROWS_AS(MeshWindow(MeshWindowKind::spline, 3), ModelError);
  CHECK_THROWS_AS(MeshWindow(MeshWindowKind::prolate, 9), ModelError);
  CHECK_THROWS_AS(MeshWindow(MeshWindowKind::prolate, 8, -1.0), ModelError);
}

TEST_CASE("NodeWeights: windows and their derivatives, by duals and by differences") {
  for (const MeshWindow& window : windows())
    with_order(window.order(), [&](auto order) {
      constexpr int P = order();
      for (const double t : {-0.99, -0.3, 0.0, 0.8}) {
        const auto w = weights<P, 3, double>(window, t);
        const auto dual = weights<P, 3, Dual<double>>(window, {t, 1.0});
        const auto single = weights<P, 1, float>(window, static_cast<float>(t));
        const double h = 1e-5;
        const auto plus = weights<P, 3, double>(window, t + h);
        const auto minus = weights<P, 3, double>(window, t - h);
        for (int j = 0; j < P; ++j) {
          CHECK(std::abs(w.number[0][0][j] - window(j + 0.5 - 0.5 * P - 0.5 * t)) < 1e-14);
          // Sums of some ten terms of size one.
          CHECK(std::abs(static_cast<double>(single.number[0][0][j]) - w.number[0][0][j]) < 1e-6);
          for (int d = 0; d <= 3; ++d) {
            CHECK(w.number[1][d][j] == w.number[0][d][j]);
            CHECK(lane_of(w.z[d], j) == w.number[0][d][j]);
            const Dual<double> z = lane_of(dual.z[d], j);
            // t is twice the coordinate that derivatives belong to.
            const double slope = (plus.number[0][d][j] - minus.number[0][d][j]) / (2 * h);
            CHECK(std::abs(z.value - w.number[0][d][j]) < 1e-14 * (1 + std::abs(z.value)));
            CHECK(std::abs(z.tangent - slope) < 1e-7);  // h² times fifth derivatives of 1e2
            if (d < 3) CHECK(std::abs(z.tangent - 0.5 * w.number[0][d + 1][j]) < 1e-13);
          }
        }
      }
    });
}

TEST_CASE("Mesh: spreading and gathering are transposes, to the last wrapped node") {
  // A multipole's mesh density against a field φ is Σ (q + e·∂ + ½N:∂∂) of what is gathered.
  RandomStream random(3);
  for (const int order : {4, 7, 8})
    with_order(order, [&](auto p) {
      constexpr int P = p();
      const MeshWindow window(MeshWindowKind::spline, P);
      detail::WindowTable<double> table;
      table.fill(window);
      const detail::PaddedMesh shape({size[0], size[1], size[2]}, {size[0], size[1], size[2]}, P);
      const std::size_t total = 9 * 10 * 12;
      std::vector<double> field(total), density(total);
      for (double& x : field) x = random.normal();
      detail::MeshField<double> padded, values;
      padded.value.assign(shape.total(), 0.0);
      values.value.assign(shape.total(), 1e300);  // unfold sets all that is read
      for (int x = 0; x < shape.padded[0]; ++x)
        detail::unfold_plane(shape, field.data(), x, values.value.data());
      double expected = 0;
      for (int atom = 0; atom < 20; ++atom) {
        double u[3], m[10];
        for (int d = 0; d < 3; ++d) u[d] = atom == 0 ? size[d] - 1e-9 : random.uniform(0, size[d]);
        if (atom == 1) u[0] = u[1] = u[2] = 0;
        for (double& x : m) x = random.normal();
        const auto site = site_at(shape, P, u);
        detail::NodeWeights<P, 2, double> w;
        w.evaluate(table, site.t);
        const auto at = static_cast<std::size_t>(site.first);
        detail::spread_multipole<P, 2, double>(w, m, detail::MeshRow<double>(padded, at),
                                               shape.plane(), shape.row());
        double f[10];
        detail::gather_derivatives<P, 0, 2, double>(w, detail::MeshRow<double>(values, at),
                                                    shape.plane(), shape.row(), f);
        for (int c = 0; c < 10; ++c) expected += m[c] * f[c];

        // The gathered value and slope against the plain triple sum.
        double plain = 0;
        for (int i = 0; i < size[0]; ++i)
          for (int j = 0; j < size[1]; ++j)
            for (int k = 0; k < size[2]; ++k) {
              double weight = 1;
              const int node[3] = {i, j, k};
              for (int d = 0; d < 3; ++d) {
                double sum = 0;
                for (int image = -1; image <= 1; ++image)
                  sum += window(node[d] + image * size[d] - u[d]);
                weight *= sum;
              }
              plain += weight * field[static_cast<std::size_t>((i * size[1] + j) * size[2] + k)];
            }
        CHECK(std::abs(f[0] - plain) < 1e-13);
      }
      for (int i = 0; i < size[0]; ++i)
        detail::fold_plane(shape, padded.value.data(), i, density.data());
      double inner = 0;
      for (std::size_t i = 0; i < total; ++i) inner += density[i] * field[i];
      CHECK(std::abs(inner - expected) < 1e-11);  // some 1e4 terms of size one
    });
}

}  // namespace window_test
