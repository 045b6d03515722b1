// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/random.hpp>
#include <leyden/core/vector3.hpp>
#include <leyden/equivariant/spherical_harmonics.hpp>

#include <utility>
#include <vector>

namespace leyden_test {

using leyden::Matrix3;
using leyden::Vector3;

/// A random rotation (rows orthonormal, determinant 1), by Gram-Schmidt.
inline Matrix3<double> random_rotation(leyden::RandomStream& random) {
  const auto vector = [&] {
    return Vector3<double>{{random.normal(), random.normal(), random.normal()}};
  };
  Vector3<double> a = vector(), b = vector();
  a = a * (1.0 / norm(a));
  b = b - a * dot(a, b);
  b = b * (1.0 / norm(b));
  const Vector3<double> c = cross(a, b);
  Matrix3<double> m;
  for (int j = 0; j < 3; ++j) {
    m(0, j) = a[j];
    m(1, j) = b[j];
    m(2, j) = c[j];
  }
  return m;
}
inline Vector3<double> rotate(const Matrix3<double>& m, const Vector3<double>& r) {
  return {{dot(m.row(0), r), dot(m.row(1), r), dot(m.row(2), r)}};
}
inline Vector3<double> random_unit(leyden::RandomStream& random) {
  const Vector3<double> r{{random.normal(), random.normal(), random.normal()}};
  return r * (1.0 / norm(r));
}

template <int l_max>
std::vector<double> harmonics(const Vector3<double>& unit) {
  std::vector<double> y((l_max + 1) * (l_max + 1));
  leyden::spherical_harmonics<l_max>(unit[0], unit[1], unit[2], y.data());
  return y;
}

/// D with Y_l(R r) = D Y_l(r), row-major, fitted to harmonics at many points: no coupling
/// coefficient is used.
template <int l>
std::vector<double> rotation_matrix(const Matrix3<double>& rotation) {
  constexpr std::size_t n = 2 * l + 1;
  // Normal equations [G | Bᵀ], G = Σ Y Yᵀ, B = Σ Y(R r) Y(r)ᵀ: G Dᵀ = Bᵀ.
  double a[n][2 * n] = {};
  leyden::RandomStream random(99);
  for (int k = 0; k < 100; ++k) {
    const Vector3<double> r = random_unit(random);
    const auto y = harmonics<l>(r), z = harmonics<l>(rotate(rotation, r));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        a[i][j] += y[l * l + i] * y[l * l + j];
        a[i][n + j] += y[l * l + i] * z[l * l + j];
      }
  }
  for (std::size_t p = 0; p < n; ++p)  // Gauss-Jordan; G is positive definite
    for (std::size_t i = 0; i < n; ++i) {
      if (i == p) continue;
      const double f = a[i][p] / a[p][p];
      for (std::size_t j = 0; j < 2 * n; ++j) a[i][j] -= f * a[p][j];
    }
  std::vector<double> d(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) d[j * n + i] = a[i][n + j] / a[i][i];
  return d;
}

/// The block-diagonal D of l = 0 … 4 applied to a vector of lm components.
class HarmonicRotation {
 public:
  explicit HarmonicRotation(const Matrix3<double>& r)
      : d_{rotation_matrix<0>(r), rotation_matrix<1>(r), rotation_matrix<2>(r),
           rotation_matrix<3>(r), rotation_matrix<4>(r)} {}

  const std::vector<double>& matrix(int l) const { return d_[static_cast<std::size_t>(l)]; }
  /// v: 2l + 1 components of one l.
  std::vector<double> apply(int l, const double* v) const {
    const std::size_t n = static_cast<std::size_t>(2 * l + 1);
    std::vector<double> out(n, 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) out[i] += matrix(l)[i * n + j] * v[j];
    return out;
  }
  /// v: all components up to l_max.
  std::vector<double> apply_all(int l_max, const std::vector<double>& v) const {
    std::vector<double> out;
    for (int l = 0; l <= l_max; ++l)
      for (double x : apply(l, v.data() + l * l)) out.push_back(x);
    return out;
  }

 private:
  std::vector<std::vector<double>> d_;
};

}  // namespace leyden_test
