// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/log_cosh.hpp>
#include <leyden/scf/law.hpp>

namespace leyden::inline LEYDEN_ABI {

/// An energy of the multipoles beyond χ·p + ½ηp²:
///
///   φ_i(p) = Σ_k w_k t ln cosh(z_k/t) + Σ_m o_m tanh(z_m/t),      z = γ + q + β·d
///   φ_b(p) = ½ κ_b (q_s − q_t)² + ½ λ_b (q_s + q_t)² + w_b t ln cosh((q_s − q_t)/t)
///
/// with w_k, κ_b, λ_b, w_b ≥ 0: all convex and ≥ 0 but the wells o_m, which are bounded by |o_m|.
/// Coefficients per atom: w, γ (and β) of each kink, then o, γ (and β) of each well; per bond: κ,
/// λ, w; each only where it is switched on.
template <int L>
struct EnergyLaw {
  static_assert(L == 0 || L == 1);
  static constexpr LawForm form = LawForm::energy;
  static constexpr bool quadratic = false;
  static constexpr int size = (L + 1) * (L + 1);

  int kinks = 0;
  int wells = 0;
  bool dipoles = L == 1;           ///< vectors β; L = 1 only
  double width = 0.2;              ///< t, e
  bool bond_hardness = false;      ///< κ_b
  bool bond_sum_hardness = false;  ///< λ_b
  bool bond_kinks = false;         ///< w_b

  bool has_dipoles() const { return L == 1 && dipoles; }
  int term_size() const { return 2 + (has_dipoles() ? 3 : 0); }
  int kink_at(int k) const { return k * term_size(); }
  int well_at(int k) const { return (kinks + k) * term_size(); }
  int atom_size() const { return (kinks + wells) * term_size(); }
  int bond_size() const { return bond_hardness + bond_sum_hardness + bond_kinks; }
  static constexpr int bond_components() { return 1; }

  template <class T>
  T atom(const T* c, const T* p, T* p_bar, T* c_bar) const {
    using std::tanh;
    using R = RealOf<T>;
    const R t = static_cast<R>(width);
    T e{};
    for (int k = 0; k < kinks + wells; ++k) {
      const int at = k * term_size();
      const T &w = c[at], *b = c + at + 2;
      T z = c[at + 1] + p[0];
      if (has_dipoles())
        for (int m = 0; m < 3; ++m) z += b[m] * p[1 + m];
      z = z / t;
      const T th = tanh(z);
      const bool kink = k < kinks;
      const T f = kink ? log_cosh(z) * t : th;
      const T z_bar = kink ? w * th : w * (T(R(1)) - th * th) / t;
      e += w * f;
      p_bar[0] += z_bar;
      if (c_bar) {
        c_bar[at] += f;
        c_bar[at + 1] += z_bar;
      }
      if (!has_dipoles()) continue;
      for (int m = 0; m < 3; ++m) {
        p_bar[1 + m] += z_bar * b[m];
        if (c_bar) c_bar[at + 2 + m] += z_bar * p[1 + m];
      }
    }
    return e;
  }

  template <class T>
  T bond(const T* c, const T* p_s, const T* p_t, T* s_bar, T* t_bar, T* c_bar) const {
    using std::tanh;
    using R = RealOf<T>;
    const R t = static_cast<R>(width);
    const T difference = p_s[0] - p_t[0], sum = p_s[0] + p_t[0];
    T e{}, difference_bar{}, sum_bar{};
    int at = 0;
    const auto add = [&](const T& f, const T& slope, T& bar) {
      e += c[at] * f;
      bar += c[at] * slope;
      if (c_bar) c_bar[at] += f;
      ++at;
    };
    if (bond_hardness) add(difference * difference * R(0.5), difference, difference_bar);
    if (bond_sum_hardness) add(sum * sum * R(0.5), sum, sum_bar);
    if (bond_kinks) add(log_cosh(difference / t) * t, tanh(difference / t), difference_bar);
    s_bar[0] += sum_bar + difference_bar;
    t_bar[0] += sum_bar - difference_bar;
    return e;
  }
};
static_assert(SiteLaw<EnergyLaw<0>> && SiteLaw<EnergyLaw<1>>);

}  // namespace leyden::inline LEYDEN_ABI
