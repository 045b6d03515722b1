// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/boundary_box.hpp>

#include "electrostatics/laws.hpp"

namespace boundary_box_test {

using namespace electrostatics_test;
using std::numbers::pi;

namespace {

// Eleven atoms and `periodic` directions.
Geometry<double> geometry_of(std::array<bool, 3> periodic) {
  Geometry<double> g = random_system(true).geometry;
  g.periodic = periodic;
  return g;
}

const std::array<std::array<bool, 3>, 8> all_boundaries{{{true, true, true},
                                                         {true, true, false},
                                                         {false, true, true},
                                                         {true, false, true},
                                                         {true, false, false},
                                                         {false, true, false},
                                                         {false, false, true},
                                                         {false, false, false}}};

template <class T>
Vector3<T> wave_vector(const BoundaryBox<T>& box, const std::array<int, 3>& n) {
  const Matrix3<T> inverse_cell = inverse(box.cell);
  Vector3<T> k;
  for (int d = 0; d < 3; ++d)
    for (int j = 0; j < 3; ++j)
      k[j] += inverse_cell(j, d) * (2 * pi * n[static_cast<std::size_t>(d)]);
  return k;
}

// ∫_0^end by Gauss-Legendre with five points on `pieces` parts.
template <class F>
double integral(double end, int pieces, const F& f) {
  constexpr double x[] = {0, 0.5384693101056831, 0.9061798459386640};
  constexpr double w[] = {0.5688888888888889, 0.4786286704993665, 0.2369268850561891};
  const double h = end / (2 * pieces);
  double sum = 0;
  for (int i = 0; i < pieces; ++i) {
    const double m = (2 * i + 1) * h;
    sum += w[0] * f(m);
    for (int j = 1; j < 3; ++j) sum += w[j] * (f(m + h * x[j]) + f(m - h * x[j]));
  }
  return sum * h;
}

}  // namespace

TEST_CASE("BoundaryBox: kernels are transforms of the Coulomb kernel cut off") {
  const auto check = [](const BoundaryBox<double>& box, const std::array<int, 3>& n,
                        double expected) {
    const double value = box.kernel(wave_vector(box, n), n);
    INFO(n[0] << " " << n[1] << " " << n[2] << ": " << value << " for " << expected);
    // of terms of 4π/k² or R², and the quadrature's error
    CHECK(std::abs(value - expected) < 1e-9 * (1 + std::abs(expected)));
  };
  BoundaryBox<double> box;
  make_box("test", geometry_of({false, false, false}), 4.0, box);
  for (const std::array<int, 3>& n : {std::array{0, 0, 0}, {1, 0, 0}, {0, -2, 1}, {3, 2, -5}}) {
    const double k = norm(wave_vector(box, n));
    check(box, n, integral(box.radius, 400, [&](double r) {
            return 4 * pi * r * (k > 0 ? std::sin(k * r) / (k * r) : 1);
          }));
  }
  make_box("test", geometry_of({true, true, false}), 4.0, box);
  const double half_area = 0.5 * norm(cross(box.cell.row(0), box.cell.row(1)));
  REQUIRE(half_area > 1);
  for (const std::array<int, 3>& n :
       {std::array{0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {1, 0, 0}, {1, -1, 3}}) {
    const Vector3<double> k = wave_vector(box, n);
    const double along = norm(box.periodic_part(k));
    const double across = std::sqrt(std::max(0.0, dot(k, k) - along * along));
    check(box, n, 2 * integral(box.radius, 400, [&](double z) {
                    const double f = n[0] == 0 && n[1] == 0 ? -2 * pi * z
                                                            : 2 * pi / along * std::exp(-along * z);
                    return f * std::cos(across * z);
                  }));
  }
#if defined(__cpp_lib_math_special_functions)
  make_box("test", geometry_of({false, true, false}), 4.0, box);
  const double length = norm(box.cell.row(0));
  for (const std::array<int, 3>& n :
       {std::array{0, 1, 0}, {0, 2, -3}, {1, 0, 0}, {1, 2, 1}, {-2, 0, 5}}) {
    const double along = 2 * pi * std::abs(n[0]) / length;
    const double across =
        std::hypot(2 * pi * n[1] / norm(box.cell.row(1)), 2 * pi * n[2] / norm(box.cell.row(2)));
    // ρ = R s², against the logarithm at ρ = 0
    check(box, n, integral(1, 400, [&](double s) {
            const double rho = box.radius * s * s;
            const double f = n[0] == 0 ? 2 * std::log(box.radius / rho)
                                       : 2 * std::cyl_bessel_k(0.0, along * rho);
            return 2 * pi * rho * f * std::cyl_bessel_j(0.0, across * rho) * 2 * box.radius * s;
          }));
  }
#endif
  // 2 ln(R/ρ) − 2 ln R, the first part in a disk, the second everywhere
  make_box("test", geometry_of({true, false, false}), 4.0, box);
  check(box, {0, 0, 0},
        integral(1, 4000, [&](double s) {
          const double rho = box.radius * s * s;
          return 2 * pi * rho * 2 * std::log(box.radius / rho) * 2 * box.radius * s;
        }) - 2 * std::log(box.radius) * norm(box.cell.row(1)) * norm(box.cell.row(2)));
}

TEST_CASE("BoundaryBox: Bessel functions") {
  // Abramowitz and Stegun, table 9.8, and mpmath's digits.
  CHECK(std::abs(detail::bessel_k(1.0)[0] - 0.42102443824070834) < 1e-15);
  CHECK(std::abs(detail::bessel_k(1.0)[1] - 0.60190723019723458) < 1e-15);
  CHECK(std::abs(detail::bessel_k(10.0)[0] / 1.7780062316167652e-05 - 1) < 1e-14);
  CHECK(std::abs(detail::bessel_k(0.1)[0] - 2.4270690247020166) < 1e-14);
  CHECK(std::abs(detail::bessel_k(0.1)[1] - 9.8538447808706057) < 1e-13);
}

TEST_CASE("BoundaryBox: slopes by duals and differences") {
  for (const auto& periodic : all_boundaries) {
    const Geometry<double> from = geometry_of(periodic);
    BoundaryBox<double> box;
    make_box("test", from, 4.0, box);
    Direction u;
    u.positions.resize(from.positions.size());
    RandomStream random(3);
    // Along periodic directions: P ε P.
    Matrix3<double> strain, plane;
    for (double& x : strain.data) x = random.normal();
    for (int b = 0; b < 3; ++b) {
      Vector3<double> unit;
      unit[b] = 1;
      const Vector3<double> p = box.periodic_part(unit);
      for (int a = 0; a < 3; ++a) plane(a, b) = p[a];
    }
    u.strain = plane * strain * plane;
    // What matters is the lattice's strain; atoms stay, so that the box does not step.
    const auto value = [&]<class T>(T t, const std::array<int, 3>& n) {
      Geometry<T> g = moved(from, u, t);
      for (std::size_t i = 0; i < g.positions.size(); ++i)
        g.positions[i] = vector_cast<T>(from.positions[i]);
      BoundaryBox<T> at;
      make_box("test", g, 4.0, at);
      T slope;
      std::array<T, 2> out{at.kernel_with_slope(wave_vector(at, n), n, slope), T(0)};
      out[1] = slope;
      return out;
    };
    for (const std::array<int, 3>& n :
         {std::array{0, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 0}, {1, 2, 1}, {2, 0, -3}}) {
      const auto exact = box.kernel_with_strain(wave_vector(box, n), n);
      CHECK(exact.value == box.kernel(wave_vector(box, n), n));
      double along = 0;
      for (std::size_t c = 0; c < 9; ++c) along += exact.strain.data[c] * u.strain.data[c];
      const auto dual = value(Dual<double>(0, 1), n);
      const double scale = 1 + std::abs(exact.value);
      CHECK(std::abs(dual[0].value - exact.value) < 1e-13 * scale);
      CHECK(std::abs(dual[0].tangent - along) < 1e-11 * scale);
      const double h = 1e-4;
      for (std::size_t c = 0; c < 2; ++c) {
        const double difference = (value(h, n)[c] - value(-h, n)[c]) / (2 * h);
        // h² times a third derivative of 10 to 100 times the value
        CHECK(std::abs(dual[c].tangent - difference) < 1e-5 * (1 + std::abs(dual[c].value)));
      }
    }
  }
}

TEST_CASE("BoundaryBox: atoms and tails fit, in orthogonal boxes that change in steps") {
  for (const auto& periodic : all_boundaries) {
    Geometry<double> g = geometry_of(periodic);
    const double reach = 5;
    BoundaryBox<double> box;
    make_box("test", g, reach, box);
    int expected = 0;
    for (const bool p : periodic) expected += p ? 1 : 0;
    CHECK(box.n_periodic == expected);
    CHECK(determinant(box.cell) > 0);
    for (int d = 0; d < 3; ++d) {
      CHECK(box.periodic[static_cast<std::size_t>(d)] == (d < expected));
      if (d < expected) continue;
      const Vector3<double> c = box.cell.row(d);
      for (int e = 0; e < d; ++e) CHECK(std::abs(dot(c, box.cell.row(e))) < 1e-12 * dot(c, c));
      for (const auto& r : g.positions)
        for (const auto& s : g.positions) {
          const double apart = dot(c, r - s) / norm(c);
          CHECK(norm(c) - apart > box.radius + reach - 1e-9);
          CHECK(norm(r - s - box.periodic_part(r - s)) + reach < box.radius + 1e-9);
        }
      // Not far larger than needed.
      CHECK(norm(c) < 1.06 * (2 * reach + 2 * std::sqrt(3.0) * 8));
    }
    if (expected == 3) continue;
    std::vector<double> seen;
    for (int step = 0; step < 300; ++step) {
      g.positions[2] += Vector3<double>{{0.02, 0.013, -0.017}};
      make_box("test", g, reach, box);
      if (seen.empty() || box.radius != seen.back()) seen.push_back(box.radius);
    }
    CHECK(seen.size() < 12);
  }
}

TEST_CASE("BoundaryBox: what has no box is refused") {
  BoundaryBox<double> box;
  Geometry<double> g = geometry_of({true, false, true});
  for (int j = 0; j < 3; ++j) g.cell(2, j) = 2 * g.cell(0, j);
  CHECK_THROWS_AS(make_box("test", g, 4.0, box), InputError);
  g = geometry_of({true, false, false});
  for (int j = 0; j < 3; ++j) g.cell(0, j) = 0;
  CHECK_THROWS_AS(make_box("test", g, 4.0, box), InputError);
  g = geometry_of({true, false, false});
  g.positions[1][1] = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(make_box("test", g, 4.0, box), InputError);
}

}  // namespace boundary_box_test
