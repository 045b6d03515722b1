// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/log_cosh.hpp>
#include <leyden/scf/law.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace leyden::inline LEYDEN_ABI {

/// A convex function of u = −v, the Legendre dual of an energy of the electrons:
///
///   φ_i(u) = a·u + ½ s u_q² + ½ α|u_d|² + Σ_k w_k T ln(1 + exp((c_k + b_k·u)/T))
///   φ_b    = ½ σ_b y² + w_b T_b ln cosh(y/T_b),              y = u_s − u_t + o_b (charges)
///
/// with s, α, w_k, σ_b, w_b ≥ 0 and b_k = (1, vector). Coefficients per atom: a (size), s, α,
/// then per level w, c and the vector; per bond: o, σ, w; each only where it is switched on.
template <int L>
struct ResponseLaw {
  static_assert(L == 0 || L == 1);
  static constexpr LawForm form = LawForm::response;
  static constexpr bool quadratic = false;
  static constexpr int size = (L + 1) * (L + 1);

  int levels = 0;
  bool softness = true;           ///< s
  bool polarizability = L == 1;   ///< α; L = 1 only
  bool level_dipoles = L == 1;    ///< vectors of b_k; L = 1 only
  double temperature = 0.5;       ///< T, V
  bool bond_softness = false;     ///< σ_b
  bool bond_saturation = false;   ///< w_b
  double bond_temperature = 1.0;  ///< T_b, V

  int softness_at() const { return size; }
  int polarizability_at() const { return size + softness; }
  int level_size() const { return 2 + (has_level_dipoles() ? 3 : 0); }
  int level_at(int k) const { return polarizability_at() + has_alpha() + k * level_size(); }
  int atom_size() const { return level_at(levels); }
  int bond_size() const {
    return bond_softness || bond_saturation ? 1 + bond_softness + bond_saturation : 0;
  }
  static constexpr int bond_components() { return 1; }
  static constexpr bool bonds_transfer() { return true; }
  bool has_alpha() const { return L == 1 && polarizability; }
  bool has_level_dipoles() const { return L == 1 && level_dipoles; }

  template <class T>
  T atom(const T* c, const T* u, T* u_bar, T* c_bar) const {
    using R = RealOf<T>;
    T e{};
    for (int m = 0; m < size; ++m) {
      e += c[m] * u[m];
      u_bar[m] += c[m];
      if (c_bar) c_bar[m] += u[m];
    }
    const auto square = [&](int at, int from, int to) {
      T u2{};
      for (int m = from; m < to; ++m) {
        u2 += u[m] * u[m];
        u_bar[m] += c[at] * u[m];
      }
      e += c[at] * u2 * R(0.5);
      if (c_bar) c_bar[at] += u2 * R(0.5);
    };
    if (softness) square(softness_at(), 0, 1);
    if (has_alpha()) square(polarizability_at(), 1, size);
    const R t = static_cast<R>(temperature);
    for (int k = 0; k < levels; ++k) {
      const int at = level_at(k);
      const T &w = c[at], *b = c + at + 2;
      T z = c[at + 1] + u[0];
      if (has_level_dipoles())
        for (int m = 0; m < 3; ++m) z += b[m] * u[1 + m];
      z = z / t;
      const T f = softplus(z) * t, n = sigmoid(z);
      e += w * f;
      const T z_bar = w * n;
      u_bar[0] += z_bar;
      if (c_bar) {
        c_bar[at] += f;
        c_bar[at + 1] += z_bar;
      }
      if (!has_level_dipoles()) continue;
      for (int m = 0; m < 3; ++m) {
        u_bar[1 + m] += z_bar * b[m];
        if (c_bar) c_bar[at + 2 + m] += z_bar * u[1 + m];
      }
    }
    return e;
  }

  template <class T>
  T bond(const T* c, const T* u_s, const T* u_t, T* s_bar, T* t_bar, T* c_bar) const {
    using std::tanh;
    using R = RealOf<T>;
    const T y = u_s[0] - u_t[0] + c[0];
    T e{}, y_bar{};
    if (bond_softness) {
      e += c[1] * y * y * R(0.5);
      y_bar += c[1] * y;
      if (c_bar) c_bar[1] += y * y * R(0.5);
    }
    if (bond_saturation) {
      const int at = 1 + bond_softness;
      const R t = static_cast<R>(bond_temperature);
      const T f = log_cosh(y / t) * t;
      e += c[at] * f;
      y_bar += c[at] * tanh(y / t);
      if (c_bar) c_bar[at] += f;
    }
    s_bar[0] += y_bar;
    t_bar[0] -= y_bar;
    if (c_bar) c_bar[0] += y_bar;
    return e;
  }

  /// The charge [e] that the bond moves from t to s, t_b = ∂φ_b/∂(u_s − u_t).
  template <class T>
  T transfer(const T* c, const T* u_s, const T* u_t) const {
    T s_bar[size] = {}, t_bar[size] = {};
    bond(c, u_s, u_t, s_bar, t_bar, static_cast<T*>(nullptr));
    return s_bar[0];
  }

  /// The energy [eV] of that transfer, which φ_b is the dual of: t_b (u_s − u_t) − φ_b. The least
  /// energy of a density p is a minimum over transfers, so any set of them bounds it from above:
  /// G(p) ≤ Σ_i conjugate(p_i less what bonds bring) + Σ_b transfer_energy.
  template <class T>
  T transfer_energy(const T* c, const T* u_s, const T* u_t) const {
    T s_bar[size] = {}, t_bar[size] = {};
    const T e = bond(c, u_s, u_t, s_bar, t_bar, static_cast<T*>(nullptr));
    return s_bar[0] * (u_s[0] - u_t[0]) - e;
  }

  /// The energy that φ_i is the dual of, G(p) = max_u (p·u − φ_i(u)) [eV], by Newton's method; u
  /// (size) is the first guess and becomes the maximiser. Infinite where no u is found: p is then
  /// out of the reach of the atom (say, a charge beyond its levels without softness s).
  double conjugate(const double* c, const double* p, double* u) const;
};
static_assert(SiteLaw<ResponseLaw<0>> && SiteLaw<ResponseLaw<1>>);

template <int L>
double ResponseLaw<L>::conjugate(const double* c, const double* p, double* u) const {
  const auto value = [&](const double* x, double* gradient) {
    std::fill(gradient, gradient + size, 0.0);
    double f = -atom(c, x, gradient, static_cast<double*>(nullptr));
    for (int m = 0; m < size; ++m) {
      f += p[m] * x[m];
      gradient[m] = p[m] - gradient[m];
    }
    return f;
  };
  std::vector<Dual<double>> wide(static_cast<std::size_t>(atom_size()));
  for (std::size_t k = 0; k < wide.size(); ++k) wide[k] = Dual<double>(c[k]);
  double g[size], trial[size], trial_g[size], step[size], h[size][size];
  double f = value(u, g);
  for (int iteration = 0; iteration < 200; ++iteration) {
    double norm2 = 0.0, largest = 0.0;
    for (int m = 0; m < size; ++m) norm2 += g[m] * g[m];
    if (std::sqrt(norm2) < 1e-13) return f;
    for (int k = 0; k < size; ++k) {  // the Hessian, column by column
      Dual<double> x[size], column[size] = {};
      for (int m = 0; m < size; ++m) x[m] = Dual<double>(u[m], m == k ? 1.0 : 0.0);
      atom(wide.data(), x, column, static_cast<Dual<double>*>(nullptr));
      for (int m = 0; m < size; ++m) h[m][k] = column[m].tangent;
      largest = std::max(largest, h[k][k]);
    }
    // Solved by Cholesky; the shift keeps it definite where levels are empty or full.
    for (int m = 0; m < size; ++m) h[m][m] += 1e-12 * largest + 1e-14;
    for (int j = 0; j < size; ++j) {
      for (int k = 0; k < j; ++k) h[j][j] -= h[j][k] * h[j][k];
      h[j][j] = std::sqrt(std::max(h[j][j], 1e-16));
      for (int i = j + 1; i < size; ++i) {
        for (int k = 0; k < j; ++k) h[i][j] -= h[i][k] * h[j][k];
        h[i][j] /= h[j][j];
      }
    }
    for (int i = 0; i < size; ++i) {
      step[i] = g[i];
      for (int k = 0; k < i; ++k) step[i] -= h[i][k] * step[k];
      step[i] /= h[i][i];
    }
    for (int i = size - 1; i >= 0; --i) {
      for (int k = i + 1; k < size; ++k) step[i] -= h[k][i] * step[k];
      step[i] /= h[i][i];
    }
    double slope = 0.0, length = 1.0;
    for (int m = 0; m < size; ++m) slope += g[m] * step[m];
    bool moved = false;
    for (int halving = 0; halving < 60 && !moved; ++halving, length *= 0.5) {
      for (int m = 0; m < size; ++m) trial[m] = u[m] + length * step[m];
      const double f_trial = value(trial, trial_g);
      double trial_norm2 = 0.0;
      for (int m = 0; m < size; ++m) trial_norm2 += trial_g[m] * trial_g[m];
      // Near the maximum values agree to rounding; there the gradient decides.
      moved = f_trial >= f + 1e-4 * length * slope || trial_norm2 < 0.81 * norm2;
      if (!moved) continue;
      std::copy(trial, trial + size, u);
      std::copy(trial_g, trial_g + size, g);
      f = f_trial;
    }
    if (!moved) return std::sqrt(norm2) < 1e-9 ? f : std::numeric_limits<double>::infinity();
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace leyden::inline LEYDEN_ABI
