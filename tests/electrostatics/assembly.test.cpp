// SPDX-License-Identifier: MIT
#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <leyden/core/random.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include <algorithm>
#include <cmath>

namespace assembly_test {

using namespace leyden;

namespace {

// 11 atoms of three widths in a skew cell.
template <Number T>
struct System {
  Geometry<T> geometry;
  std::vector<double> widths;

  System() {
    RandomStream random(4);
    const Matrix3<double> cell{{5.5, 0.3, -0.4, 0.8, 6.1, 0.2, -0.5, 0.6, 5.2}};
    geometry.cell = matrix_cast<T>(cell);
    geometry.periodic = {true, true, true};
    for (int i = 0; i < 11; ++i) {
      Vector3<double> f{{random.uniform(), random.uniform(), random.uniform()}};
      geometry.positions.push_back(vector_cast<T>(f * cell));
      widths.push_back(0.8 + 0.2 * (i % 3));
    }
  }
};

// The largest difference to the columns that apply() gives, relative to the largest element.
template <Number T>
double deviation(int l_max, SelfInteraction self) {
  using R = RealOf<T>;
  const System<T> s;
  const Reciprocal solver({.background = Background::uniform, .self = self});
  Reciprocal::Plan<T> plan;
  solver.plan(s.geometry, SourceShape{l_max, s.widths}, T(R(0)), plan);
  const std::size_t n = s.widths.size() * static_cast<std::size_t>((l_max + 1) * (l_max + 1));
  std::vector<R> matrix(n * n);
  solver.assemble(plan, std::span<R>(matrix));
  double worst = 0.0, largest = 0.0;
  std::vector<T> unit(n), column(n);
  for (std::size_t j = 0; j < n; ++j) {
    std::fill(unit.begin(), unit.end(), T(R(0)));
    unit[j] = T(R(1));
    solver.apply(plan, std::span<const T>(unit), std::span<T>(column));
    for (std::size_t i = 0; i < n; ++i) {
      worst = std::max(worst, std::abs(double(matrix[i * n + j]) - double(value_of(column[i]))));
      largest = std::max(largest, std::abs(double(value_of(column[i]))));
    }
  }
  return worst / largest;
}

}  // namespace

TEST_CASE("the assembled matrix is K column by column", "[electrostatics]") {
  for (const int l_max : {0, 1, 2})
    for (const auto self : {SelfInteraction::included, SelfInteraction::excluded}) {
      CAPTURE(l_max);
      // Sums of some thousand terms in another order.
      CHECK(deviation<double>(l_max, self) < 1e-13);
      CHECK(deviation<Dual<double>>(l_max, self) < 1e-13);
      CHECK(deviation<float>(l_max, self) < 1e-5);
    }
}

TEST_CASE("assembling allocates nothing when warm", "[electrostatics]") {
  const System<double> s;
  const Reciprocal solver({.background = Background::uniform});
  Reciprocal::Plan<double> plan;
  solver.plan(s.geometry, SourceShape{1, s.widths}, 0.0, plan);
  std::vector<double> matrix(44 * 44);
  solver.assemble(plan, std::span<double>(matrix));
  CHECK(leyden_test::allocations_of([&] { solver.assemble(plan, std::span<double>(matrix)); }) ==
        0);
}

}  // namespace assembly_test
