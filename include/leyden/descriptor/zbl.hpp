// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/descriptor/radial.hpp>

#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The screened repulsion of nuclei of Ziegler, Biersack and Littmark (1985), cut off where the
/// covalent radii R touch:
///
///   V(r) = 14.3996 eV Å Z_s Z_t/r · Φ(r/a) · f_p(r; R_s + R_t),   a = 0.529 Å c/(Z_s^x + Z_t^x),
///   Φ(u) = Σ_k c_k exp(−b_k u),   b = 3.2, 0.9423, 0.4028, 0.2016,
///
/// f_p = polynomial_envelope. Each atom of a pair has one half. These are the constants of
/// ACEsuit/mace (14.3996 is e²/4πε0 to its digits), as its files hold them.
struct ZblRepulsion {
  int envelope_order = 6;                                               ///< p
  double screening_exponent = 0.3;                                      ///< x
  double screening_prefactor = 0.4543;                                  ///< c
  std::array<double, 4> coefficients{0.1818, 0.5099, 0.2802, 0.02817};  ///< c_k

  /// V and dV/dr of a pair. radii: R_s + R_t, Å.
  template <Number T>
  std::pair<T, T> pair(T r, int z_s, int z_t, double radii) const {
    using R = RealOf<T>;
    using std::exp;
    const auto [f, f_slope] = polynomial_envelope(r, radii, envelope_order);
    const double rate = (std::pow(z_s, screening_exponent) + std::pow(z_t, screening_exponent)) /
                        (screening_prefactor * 0.529);  // 1/a
    constexpr double decay[] = {3.2, 0.9423, 0.4028, 0.2016};
    T screening(0), slope(0);
    for (std::size_t k = 0; k < 4; ++k) {
      const T term = exp(r * static_cast<R>(-decay[k] * rate)) * static_cast<R>(coefficients[k]);
      screening += term;
      slope -= term * static_cast<R>(decay[k] * rate);
    }
    const T coulomb = T(static_cast<R>(14.3996 * z_s * z_t)) / r;
    return {coulomb * screening * f, coulomb * (screening * f_slope + f * (slope - screening / r))};
  }

  /// Adds the halves of all pairs below the cutoff to node_energies (n). radius: (n) Å.
  template <Number T>
  void add_energies(const Geometry<T>& geometry, double cutoff, std::span<const double> radius,
                    std::span<T> node_energies) const {
    each(geometry, cutoff, radius, [&](std::size_t, std::size_t s, std::size_t t, const auto& v) {
      const T half = v.first * RealOf<T>(0.5);
      node_energies[s] += half;
      node_energies[t] += half;
    });
  }
  /// Adds bar · dV/d(edge vector), V the sum of what add_energies adds, to edge_gradient (edges).
  template <Number T>
  void add_gradient(const Geometry<T>& geometry, double cutoff, std::span<const double> radius,
                    T bar, std::span<Vector3<T>> edge_gradient) const {
    each(geometry, cutoff, radius, [&](std::size_t e, std::size_t, std::size_t, const auto& v) {
      edge_gradient[e] += geometry.vector[e] * (bar * v.second / geometry.length[e]);
    });
  }

 private:
  // f(edge, sender, receiver, {V, dV/dr}) of every pair that touches.
  template <Number T, class F>
  void each(const Geometry<T>& geometry, double cutoff, std::span<const double> radius,
            F&& f) const {
    for (const int edge : geometry.pair_edge) {
      const std::size_t e = static_cast<std::size_t>(edge);
      const std::size_t s = static_cast<std::size_t>(geometry.sender[e]),
                        t = static_cast<std::size_t>(geometry.receiver[e]);
      const double radii = radius[s] + radius[t];
      const double r = static_cast<double>(value_of(geometry.length[e]));
      if (r < cutoff && r < radii)
        f(e, s, t,
          pair(geometry.length[e], geometry.atomic_numbers[s], geometry.atomic_numbers[t], radii));
    }
  }
};

}  // namespace leyden::inline LEYDEN_ABI
