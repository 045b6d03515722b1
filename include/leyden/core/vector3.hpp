// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/dual.hpp>

#include <array>
#include <cmath>
#include <cstddef>

namespace leyden::inline LEYDEN_ABI {

/// A Cartesian vector (x, y, z) of any number type.
template <class T>
struct Vector3 {
  std::array<T, 3> data{};

  constexpr T& operator[](int i) { return data[static_cast<std::size_t>(i)]; }
  constexpr const T& operator[](int i) const { return data[static_cast<std::size_t>(i)]; }

  constexpr Vector3& operator+=(const Vector3& b) {
    for (int i = 0; i < 3; ++i) (*this)[i] += b[i];
    return *this;
  }
  constexpr Vector3& operator-=(const Vector3& b) {
    for (int i = 0; i < 3; ++i) (*this)[i] -= b[i];
    return *this;
  }
  friend constexpr Vector3 operator+(Vector3 a, const Vector3& b) { return a += b; }
  friend constexpr Vector3 operator-(Vector3 a, const Vector3& b) { return a -= b; }
  friend constexpr Vector3 operator-(const Vector3& a) { return {{-a[0], -a[1], -a[2]}}; }
  friend constexpr Vector3 operator*(const Vector3& a, const T& s) {
    return {{a[0] * s, a[1] * s, a[2] * s}};
  }
  friend constexpr Vector3 operator*(const T& s, const Vector3& a) { return a * s; }
  friend constexpr bool operator==(const Vector3&, const Vector3&) = default;
};

/// A 3×3 matrix, m(row, column). A cell has its lattice vectors as rows.
template <class T>
struct Matrix3 {
  std::array<T, 9> data{};

  constexpr T& operator()(int i, int j) { return data[static_cast<std::size_t>(3 * i + j)]; }
  constexpr const T& operator()(int i, int j) const {
    return data[static_cast<std::size_t>(3 * i + j)];
  }
  constexpr Vector3<T> row(int i) const { return {{(*this)(i, 0), (*this)(i, 1), (*this)(i, 2)}}; }
  constexpr Matrix3& operator+=(const Matrix3& b) {
    for (std::size_t i = 0; i < 9; ++i) data[i] += b.data[i];
    return *this;
  }
  friend constexpr bool operator==(const Matrix3&, const Matrix3&) = default;

  static constexpr Matrix3 identity() {
    Matrix3 m;
    for (int i = 0; i < 3; ++i) m(i, i) = T(1);
    return m;
  }
};

template <class T>
constexpr T dot(const Vector3<T>& a, const Vector3<T>& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
template <class T>
constexpr Vector3<T> cross(const Vector3<T>& a, const Vector3<T>& b) {
  return {{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}};
}
template <class T>
T norm(const Vector3<T>& a) {
  using std::sqrt;
  return sqrt(dot(a, a));
}
/// Row vector times matrix: fractional coordinates times a cell give a position.
template <class T>
constexpr Vector3<T> operator*(const Vector3<T>& a, const Matrix3<T>& m) {
  Vector3<T> r;
  for (int j = 0; j < 3; ++j) r[j] = a[0] * m(0, j) + a[1] * m(1, j) + a[2] * m(2, j);
  return r;
}
template <class T>
constexpr Matrix3<T> operator*(const Matrix3<T>& a, const Matrix3<T>& b) {
  Matrix3<T> r;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) r(i, j) += a(i, k) * b(k, j);
  return r;
}
template <class T>
constexpr T determinant(const Matrix3<T>& m) {
  return dot(m.row(0), cross(m.row(1), m.row(2)));
}
/// Inverse by the adjugate; the caller makes sure that the determinant is not zero.
template <class T>
constexpr Matrix3<T> inverse(const Matrix3<T>& m) {
  const Vector3<T> c0 = cross(m.row(1), m.row(2));
  const Vector3<T> c1 = cross(m.row(2), m.row(0));
  const Vector3<T> c2 = cross(m.row(0), m.row(1));
  const T d = dot(m.row(0), c0);
  Matrix3<T> r;
  for (int i = 0; i < 3; ++i) {
    r(i, 0) = c0[i] / d;
    r(i, 1) = c1[i] / d;
    r(i, 2) = c2[i] / d;
  }
  return r;
}
/// Converts between number types, e.g. double to Dual<double> with zero tangent.
template <class T, class U>
constexpr Vector3<T> vector_cast(const Vector3<U>& a) {
  return {{T(a[0]), T(a[1]), T(a[2])}};
}
template <class T, class U>
constexpr Matrix3<T> matrix_cast(const Matrix3<U>& a) {
  Matrix3<T> r;
  for (std::size_t i = 0; i < 9; ++i) r.data[i] = T(a.data[i]);
  return r;
}

}  // namespace leyden::inline LEYDEN_ABI
