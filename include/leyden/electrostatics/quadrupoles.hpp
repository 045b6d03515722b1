// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <array>
#include <cmath>
#include <numbers>

// Quadrupoles as coefficients and as Cartesian tensors. Coefficients are ordered m = −2 … 2 and
// belong to R_m = √3 xy, √3 yz, (3z² − r²)/2, √3 xz, (√3/2)(x² − y²), i.e. √(4π/5) r² Y_2m: the
// coefficient is the moment ∫ρ R_m [e Å²], made by the density (1/3) Σ_m p_m R_m(∇) times the
// Gaussian. The tensor M, symmetric and without trace, is that with which the density is
// ½ M_ab ∂_a∂_b; it is kept as xx, yy, zz, xy, xz, yz.
namespace leyden::inline LEYDEN_ABI::detail {

// The numbers of an atom when dipoles and quadrupoles are Cartesian: q, x, y, z, xx … yz.
inline constexpr int cartesian_size(int l_max) { return l_max == 0 ? 1 : l_max == 1 ? 4 : 10; }

inline constexpr double inverse_sqrt3 = std::numbers::inv_sqrt3_v<double>;

// How the coefficients m = −2 … 2 make the tensor.
inline constexpr std::array<std::array<double, 5>, 6> quadrupole_tensor{{
    {0, 0, -1.0 / 3, 0, inverse_sqrt3},
    {0, 0, -1.0 / 3, 0, -inverse_sqrt3},
    {0, 0, 2.0 / 3, 0, 0},
    {inverse_sqrt3, 0, 0, 0, 0},
    {0, 0, 0, inverse_sqrt3, 0},
    {0, inverse_sqrt3, 0, 0, 0},
}};

// A component of ½ M:H for second derivatives H: off-diagonal ones stand for two.
inline constexpr std::array<double, 6> second_derivative_weight{0.5, 0.5, 0.5, 1, 1, 1};

// y = M x.
template <class P>
inline void times_vector(const P* m, const P* x, P* y) {
  y[0] = m[0] * x[0] + m[3] * x[1] + m[4] * x[2];
  y[1] = m[3] * x[0] + m[1] * x[1] + m[5] * x[2];
  y[2] = m[4] * x[0] + m[5] * x[1] + m[2] * x[2];
}

// M:N
template <class P>
inline P double_product(const P* m, const P* n) {
  const P off = m[3] * n[3] + m[4] * n[4] + m[5] * n[5];
  return m[0] * n[0] + m[1] * n[1] + m[2] * n[2] + off + off;
}

}  // namespace leyden::inline LEYDEN_ABI::detail
