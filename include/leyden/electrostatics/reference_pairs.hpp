// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/units.hpp>
#include <leyden/electrostatics/reference_moments.hpp>

#include <cmath>
#include <numbers>
#include <span>
#include <vector>

// The pair sums of the reference for molecules: a dipole is charges at r and at r + h along x, y,
// z, and the gradient of a potential the difference over the same step, so that sources and
// receivers are the same linear map of their coefficients.
namespace leyden::inline LEYDEN_ABI::detail {

inline constexpr double reference_energy_step = 0.02;  // Å
inline constexpr double reference_feature_step = 0.1;  // Å
inline constexpr double reference_softening = 1e-6;    // Å

// [atom][at r, and at r + h along x, y, z] of coefficients; `points` is 1 without dipoles.
template <Number T>
void displaced_charges(std::span<const T> p, int l_max, int points, double step,
                       std::vector<T>& out) {
  using R = RealOf<T>;
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  const std::size_t n = p.size() / size, count = static_cast<std::size_t>(points);
  const R inverse = static_cast<R>(1 / step);
  out.assign(n * count, T(0));
  for (std::size_t i = 0; i < n; ++i) {
    T* at = out.data() + count * i;
    at[0] = p[size * i];
    if (l_max == 0) continue;
    const Vector3<T> d = dipole_of(p.data() + size * i);
    at[0] -= (d[0] + d[1] + d[2]) * inverse;
    for (int c = 0; c < 3; ++c) at[c + 1] = d[c] * inverse;
  }
}

// The transpose: adds the coefficients of potentials at the points.
template <Number T>
void add_displaced_potential(std::span<const T> potential, int l_max, int points, double step,
                             std::span<T> v) {
  using R = RealOf<T>;
  const auto size = static_cast<std::size_t>(multipole_size(l_max));
  const std::size_t n = v.size() / size;
  const R inverse = static_cast<R>(1 / step);
  for (std::size_t i = 0; i < n; ++i) {
    const T* at = potential.data() + static_cast<std::size_t>(points) * i;
    v[size * i] += at[0];
    for (std::size_t lm = 1; lm < size; ++lm)
      v[size * i + lm] += (at[1 + cartesian_of_coefficient[lm]] - at[0]) * inverse;
  }
}

template <Number T>
struct SoftenedKernel {
  T value, slope_over_d;  // f(d) and f'(d)/d
};

// C erf(g d)/(d + 1e-6).
template <bool WithSlope, Number T>
SoftenedKernel<T> softened_kernel(const T& r2, double g) {
  using std::erf;
  using std::exp;
  using std::sqrt;
  using R = RealOf<T>;
  if (value_of(r2) == R(0)) return {T(0), T(0)};
  const T d = sqrt(r2);
  const T inverse = T(R(1)) / (d + T(static_cast<R>(reference_softening)));
  const T value = erf(d * static_cast<R>(g)) * inverse * static_cast<R>(units::coulomb);
  if constexpr (!WithSlope) {
    return {value, T(0)};
  } else {
    constexpr double two = 2 * std::numbers::inv_sqrtpi_v<double> * units::coulomb;
    const T slope =
        exp(r2 * static_cast<R>(-g * g)) * static_cast<R>(two * g) * inverse - value * inverse;
    return {value, slope / d};
  }
}

inline double pair_exponent(double s, double t) { return 1 / std::sqrt(2 * (s * s + t * t)); }

template <Number T>
Vector3<T> displaced(Vector3<T> r, int receiver, int source, double step) {
  using R = RealOf<T>;
  if (receiver > 0) r[receiver - 1] += T(static_cast<R>(step));
  if (source > 0) r[source - 1] -= T(static_cast<R>(step));
  return r;
}

// The kernel between all points of two atoms, [receiver][source]. Points that are displaced alike
// are as far from each other as the atoms.
template <bool WithSlope, Number T>
void pair_table(const Vector3<T>& r, int points, double step, double g,
                SoftenedKernel<T> (*table)[4]) {
  const SoftenedKernel<T> alike = softened_kernel<WithSlope>(dot(r, r), g);
  for (int a = 0; a < points; ++a)
    for (int b = 0; b < points; ++b) {
      const Vector3<T> s = displaced(r, a, b, step);
      table[a][b] = a == b ? alike : softened_kernel<WithSlope>(dot(s, s), g);
    }
}

// potential (set) at all points, of charges at all points. receiver_width(i), source_width(j).
template <Number T, class ReceiverWidth, class SourceWidth>
void displaced_potential(std::span<const Vector3<T>> positions, int points, double step,
                         std::span<const T> charges, const ReceiverWidth& receiver_width,
                         const SourceWidth& source_width, std::vector<T>& potential) {
  const auto count = static_cast<std::size_t>(points);
  potential.assign(charges.size(), T(0));
  SoftenedKernel<T> table[4][4];
  for (std::size_t i = 0; i < positions.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const double at_i = pair_exponent(receiver_width(i), source_width(j));
      const double at_j = pair_exponent(receiver_width(j), source_width(i));
      const T *qi = charges.data() + count * i, *qj = charges.data() + count * j;
      T *vi = potential.data() + count * i, *vj = potential.data() + count * j;
      const Vector3<T> r = positions[i] - positions[j];
      pair_table<false>(r, points, step, at_i, table);
      for (int a = 0; a < points; ++a)
        for (int b = 0; b < points; ++b) vi[a] += table[a][b].value * qj[b];
      if (at_j != at_i) pair_table<false>(r, points, step, at_j, table);
      for (int a = 0; a < points; ++a)
        for (int b = 0; b < points; ++b) vj[b] += table[a][b].value * qi[a];
    }
}

// Adds factor · ∂/∂(positions, strain) of Σ_(i≠j) receivers_i K sources_j.
template <Number T, class ReceiverWidth, class SourceWidth>
void add_displaced_gradient(std::span<const Vector3<T>> positions, int points, double step,
                            std::span<const T> receivers, const ReceiverWidth& receiver_width,
                            std::span<const T> sources, const SourceWidth& source_width, T factor,
                            GeometryGradient<T>& gradient) {
  const auto count = static_cast<std::size_t>(points);
  SoftenedKernel<T> table[4][4];
  for (std::size_t i = 0; i < positions.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const double at_i = pair_exponent(receiver_width(i), source_width(j));
      const double at_j = pair_exponent(receiver_width(j), source_width(i));
      const T *ri = receivers.data() + count * i, *rj = receivers.data() + count * j;
      const T *si = sources.data() + count * i, *sj = sources.data() + count * j;
      const Vector3<T> r = positions[i] - positions[j];
      Vector3<T> f{};
      const auto add = [&](const auto& product) {
        for (int a = 0; a < points; ++a)
          for (int b = 0; b < points; ++b)
            f += displaced(r, a, b, step) * (table[a][b].slope_over_d * product(a, b));
      };
      pair_table<true>(r, points, step, at_i, table);
      if (at_i == at_j) {
        add([&](int a, int b) { return ri[a] * sj[b] + rj[b] * si[a]; });
      } else {
        add([&](int a, int b) { return ri[a] * sj[b]; });
        pair_table<true>(r, points, step, at_j, table);
        add([&](int a, int b) { return rj[b] * si[a]; });
      }
      f = f * factor;
      gradient.positions[i] += f;
      gradient.positions[j] -= f;
      for (int c = 0; c < 3; ++c)
        for (int d = 0; d < 3; ++d) gradient.strain(c, d) += r[c] * f[d];
    }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
