// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <type_traits>

// Open directions in sums over wave vectors.
//
// Atoms that are within D of each other along the open directions, and densities that reach t
// further, need the Coulomb kernel up to D + t there. Cut off at R ≥ D + t, in a box so long that
// images are beyond R + t, its Fourier transform makes a sum over wave vectors in which nothing is
// approximated but what tails leave outside (Rozzi et al., Phys. Rev. B 73, 205119 (2006); Sohier
// et al., Phys. Rev. B 96, 075448 (2017)). With K and G the lengths of k along and across the
// periodic directions, k² = K² + G²:
//
//     molecule, sphere of radius R:     4π/k² (1 − cos kR)                         k = 0: 2πR²
//     wire, cylinder of radius R:       4π/k² (1 + GR J_1(GR) K_0(KR) − KR J_0(GR) K_1(KR))
//               K = 0, 2 ln(R/ρ):       4π/G² (1 − J_0(GR))             k = 0: πR² − 2 ln(R) A
//     slab, |z| < R, length 2R:         4π/k² (1 − exp(−KR) cos GR)                k = 0: −2πR²
//
// A is the area of the wire's box across it: the term makes the potential of a line of one charge
// per length −2 ln(ρ), ρ in Å, where the cut-off kernel alone gives 2 ln(R/ρ). That of a plane is
// −2π|z|. These say where potentials of net charges have their zero; no background is needed.
namespace leyden::inline LEYDEN_ABI {

/// A kernel and its derivative with respect to strain [Å²].
template <Number T>
struct KernelValue {
  T value{};
  Matrix3<T> strain{};
};

/// The periodic box in which wave vectors k = 2π n h^(−T) are summed, and the Coulomb kernel in it:
/// for bulk the cell and 4π/k². Otherwise the periodic lattice vectors and, orthogonal to them and
/// to each other, normals times lengths, with the kernels above.
template <Number T>
struct BoundaryBox {
  Matrix3<T> cell{};               ///< Å, rows
  std::array<bool, 3> periodic{};  ///< of the box's rows; they come first
  int n_periodic = 3;
  Vector3<T> origin{};  ///< Å, the middle of the atoms along open directions: may be subtracted
  double radius = 0;    ///< Å, R

  /// The kernel [Å²] at k [1/Å] of integer indices n; zero for k = 0 of bulk.
  T kernel(const Vector3<T>& k, const std::array<int, 3>& n) const {
    Wide slope;
    return narrow(evaluate(k, n, slope, false));
  }

  /// The same, and x with ∂(kernel)/∂ε_ab = x k_a k_b for components a, b along the periodic
  /// directions, at constant n.
  T kernel_with_slope(const Vector3<T>& k, const std::array<int, 3>& n, T& slope) const {
    Wide x;
    const Wide value = evaluate(k, n, x, true);
    slope = narrow(x);
    return narrow(value);
  }

  /// The same as a matrix: ∂(kernel)/∂ε, nothing along open directions.
  KernelValue<T> kernel_with_strain(const Vector3<T>& k, const std::array<int, 3>& n) const {
    KernelValue<T> out;
    T slope;
    out.value = kernel_with_slope(k, n, slope);
    const Vector3<T> along = periodic_part(k);
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) out.strain(a, b) = slope * along[a] * along[b];
    return out;
  }

  /// k without its components along normals.
  Vector3<T> periodic_part(Vector3<T> k) const {
    for (int d = n_periodic; d < 3; ++d) {
      const Vector3<T> c = cell.row(d);
      k -= c * (dot(c, k) / dot(c, c));
    }
    return n_periodic == 0 ? Vector3<T>{} : k;
  }

  /// Completes a strain derivative of which the components along periodic directions are right,
  /// from  moved_ab = Σ_i r_ia ∂E/∂r_ib  and  turned_ab = Σ_i d_ia ∂E/∂d_ib  (of quadrupoles
  /// likewise). A strain that moves atoms in proportion to their height along a normal leaves the
  /// lattice as it is; one that tilts the lattice differs from it by a rotation, under which
  /// energies of rotated multipoles stay.
  void complete_strain(const Matrix3<T>& moved, const Matrix3<T>& turned,
                       Matrix3<T>& strain) const {
    if (n_periodic == 3) return;
    if (n_periodic == 0) {
      strain = moved;
      return;
    }
    Matrix3<T> plane = Matrix3<T>::identity(), open{}, tilted;
    for (int d = n_periodic; d < 3; ++d) {
      const Vector3<T> c = cell.row(d);
      const T inverse_square = T(RealOf<T>(1)) / dot(c, c);
      for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) open(a, b) += c[a] * c[b] * inverse_square;
    }
    for (std::size_t c = 0; c < 9; ++c) plane.data[c] -= open.data[c];
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) tilted(a, b) = moved(b, a) + turned(b, a) - turned(a, b);
    strain = plane * strain * plane;
    strain += open * moved;
    strain += plane * tilted * open;
  }

 private:
  using R = RealOf<T>;
  using Wide = std::conditional_t<is_dual_v<T>, Dual<double>, double>;

  static Wide widen(const T& x) {
    if constexpr (is_dual_v<T>)
      return {static_cast<double>(x.value), static_cast<double>(x.tangent)};
    else
      return static_cast<double>(x);
  }
  static T narrow(const Wide& x) {
    if constexpr (is_dual_v<T>)
      return {static_cast<R>(x.value), static_cast<R>(x.tangent)};
    else
      return static_cast<R>(x);
  }

  Wide evaluate(const Vector3<T>& k, const std::array<int, 3>& n, Wide& slope,
                bool with_slope) const;
  Wide bessel_factor(const Wide& along, double across, Wide& slope) const;
};

namespace detail {

// K_0 and K_1 to a few 1e-16 of them, x > 0.01: the trapezoidal rule for ∫ exp(−x cosh t) cosh(νt),
// whose error is exp(−π²/h).
inline std::array<double, 2> bessel_k(double x) {
  constexpr double h = 0.2;
  std::array<double, 2> sum{0.5 * std::exp(-x), 0.5 * std::exp(-x)};
  for (int i = 1;; ++i) {
    const double c = std::cosh(i * h), e = std::exp(-x * c);
    sum[0] += e;
    sum[1] += e * c;
    if (x * (c - 1) > 45) break;
  }
  return {h * sum[0], h * sum[1]};
}
// K_0' = −K_1, K_1' = −K_0 − K_1/x
inline std::array<Dual<double>, 2> bessel_k(Dual<double> x) {
  const auto k = bessel_k(x.value);
  return {Dual<double>(k[0], -k[1] * x.tangent),
          Dual<double>(k[1], -(k[0] + k[1] / x.value) * x.tangent)};
}

// The smallest unit · 1.05ⁿ, n > 0, that is not less than `least` ≥ unit. Such steps make the set
// of wave vectors a constant of small displacements; where it changes, the energy changes by the
// accuracy of the sum alone.
inline double stepped_length(double least, double unit) {
  const double steps = std::ceil(std::log(least / unit) / std::log(1.05) + 1e-9);
  return unit * std::pow(1.05, std::max(steps, 1.0));
}

}  // namespace detail

// k²/4π times the kernel of a wire, and as `slope` −∂/∂(K²) of it, twice.
template <Number T>
auto BoundaryBox<T>::bessel_factor(const Wide& along, double across, Wide& slope) const -> Wide {
  using std::sqrt;
  slope = Wide(0.0);
  const double x = across * radius;
  const Wide y = sqrt(along) * radius;
  if (value_of(y) > 60 + std::log1p(x)) return Wide(1.0);
  const double j0 = ::j0(x), j1 = ::j1(x);
  const auto k = detail::bessel_k(y);
  slope = (k[1] * (x * j1) / y - k[0] * j0) * (radius * radius);
  return Wide(1.0) + k[0] * (x * j1) - y * k[1] * j0;
}

template <Number T>
auto BoundaryBox<T>::evaluate(const Vector3<T>& k, const std::array<int, 3>& n, Wide& slope,
                              bool with_slope) const -> Wide {
  using std::exp;
  using std::sqrt;
  using std::numbers::pi;
  slope = Wide(0.0);
  if (n_periodic == 3) {
    if (n[0] == 0 && n[1] == 0 && n[2] == 0) return Wide(0.0);
    const Wide k2 = widen(dot(k, k)), value = Wide(4 * pi) / k2;
    if (with_slope) slope = value * 2.0 / k2;
    return value;
  }
  // Normals do not change their lengths: G is a constant.
  double across2 = 0, area = 1;
  for (int d = n_periodic; d < 3; ++d) {
    const Vector3<T> c = cell.row(d);
    const double length2 = value_of(widen(dot(c, c)));
    const double g = 2 * pi * n[static_cast<std::size_t>(d)];
    across2 += g * g / length2;
    area *= std::sqrt(length2);
  }
  const bool flat = (n_periodic < 1 || n[0] == 0) && (n_periodic < 2 || n[1] == 0);
  const double across = std::sqrt(across2), r2 = radius * radius;
  const bool odd = n_periodic == 2 && n[2] % 2 != 0;
  if (flat) {
    if (across2 == 0)
      return Wide(n_periodic == 0   ? 2 * pi * r2
                  : n_periodic == 1 ? pi * r2 - 2 * std::log(radius) * area
                                    : -2 * pi * r2);
    const double cut = n_periodic == 0   ? std::cos(across * radius)
                       : n_periodic == 1 ? ::j0(across * radius)
                                         : (odd ? -1 : 1);
    return Wide(4 * pi / across2 * (1 - cut));
  }
  const Vector3<T> in = periodic_part(k);
  const Wide along2 = widen(dot(in, in)), k2 = along2 + Wide(across2);
  Wide factor, change;  // of factor, −2 ∂/∂(K²)
  if (n_periodic == 1) {
    factor = bessel_factor(along2, across, change);
  } else {
    const Wide along = sqrt(along2);
    const Wide cut = exp(along * -radius) * (odd ? -1.0 : 1.0);
    factor = Wide(1.0) - cut;
    change = -(cut * radius / along);
  }
  const Wide value = factor * (4 * pi) / k2;
  if (with_slope) slope = (value * 2.0 + change * (4 * pi)) / k2;
  return value;
}

/// The box for densities that reach `reach` [Å] beyond the atoms: for pairs, the distance at which
/// their interaction is that of points. Lengths along normals follow from the values of positions
/// in steps of 5 %; a wire's normals lie as close as they can to the x axis (to y for a wire along
/// x).
/// @throws InputError for periodic vectors that are not independent and for positions that are not
/// finite.
template <Number T>
void make_box(const char* where, const Geometry<T>& geometry, double reach, BoundaryBox<T>& box) {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(reach > 0);
  box.n_periodic = 0;
  box.cell = {};
  box.origin = {};
  box.radius = 0;
  box.periodic = {};
  Vector3<T> vector[3];
  // A slab's two vectors in the order in which they follow the open one.
  int open = 2;
  for (int d = 0; d < 3; ++d)
    if (!geometry.periodic[static_cast<std::size_t>(d)]) open = d;
  for (int i = 0; i < 3; ++i) {
    const int d = (open + 1 + i) % 3;
    if (geometry.periodic[static_cast<std::size_t>(d)])
      vector[box.n_periodic++] = geometry.cell.row(d);
  }
  for (int d = 0; d < box.n_periodic; ++d) box.periodic[static_cast<std::size_t>(d)] = true;
  if (box.n_periodic == 3) {
    box.cell = geometry.cell;
    return;
  }
  const auto unit = [](const Vector3<T>& v) { return v * (T(R(1)) / norm(v)); };
  Vector3<T> normal[3];
  if (box.n_periodic == 2) {
    const Vector3<T> c = cross(vector[0], vector[1]);
    const R area = value_of(norm(c));
    if (!(area > R(1e-9) * value_of(norm(vector[0])) * value_of(norm(vector[1]))) ||
        !std::isfinite(area))
      throw InputError(std::string(where) +
                       ": the two periodic lattice vectors of the slab have no area; they must be "
                       "finite and linearly independent");
    normal[2] = unit(c);
  } else if (box.n_periodic == 1) {
    const R length = value_of(norm(vector[0]));
    if (!(length > R(0)) || !std::isfinite(length))
      throw InputError(std::string(where) +
                       ": the periodic lattice vector of the wire has no length; it must be finite "
                       "and not zero");
    const Vector3<T> axis = unit(vector[0]);
    const int closest = std::abs(value_of(axis[0])) < R(0.8) ? 0 : 1;
    normal[1] = axis * -axis[closest];
    normal[1][closest] += T(R(1));
    normal[1] = unit(normal[1]);
    normal[2] = cross(axis, normal[1]);
  } else {
    for (int d = 0; d < 3; ++d) normal[d][d] = T(R(1));
  }

  double extent[3] = {}, middle[3] = {}, diagonal2 = 0, farthest2 = 0;
  const auto height = [&](std::size_t i, int d) {
    return static_cast<double>(value_of(dot(normal[d], geometry.positions[i])));
  };
  for (int d = box.n_periodic; d < 3; ++d) {
    double low = 0, high = 0;
    for (std::size_t i = 0; i < geometry.positions.size(); ++i) {
      const double h = height(i, d);
      if (!std::isfinite(h))
        throw InputError(std::string(where) + ": the position of atom " + std::to_string(i) +
                         " is not finite");
      low = i == 0 ? h : std::min(low, h);
      high = i == 0 ? h : std::max(high, h);
    }
    extent[d] = high - low;
    middle[d] = 0.5 * (low + high);
    diagonal2 += extent[d] * extent[d];
    box.origin += normal[d] * T(static_cast<R>(middle[d]));
  }
  for (std::size_t i = 0; i < geometry.positions.size(); ++i) {
    double sum = 0;
    for (int d = box.n_periodic; d < 3; ++d) {
      const double h = height(i, d) - middle[d];
      sum += h * h;
    }
    farthest2 = std::max(farthest2, sum);
  }
  // No two atoms are further apart across the periodic directions than this.
  const double apart = std::sqrt(std::min(diagonal2, 4 * farthest2));
  box.radius = detail::stepped_length(apart + reach, reach);
  for (int d = 0; d < 3; ++d) {
    Vector3<T> row = vector[d];
    if (d >= box.n_periodic) {
      const double length = box.n_periodic == 2
                                ? 2 * box.radius
                                : detail::stepped_length(box.radius + extent[d] + reach, 2 * reach);
      row = normal[d] * T(static_cast<R>(length));
    }
    for (int j = 0; j < 3; ++j) box.cell(d, j) = row[j];
  }
}

}  // namespace leyden::inline LEYDEN_ABI
