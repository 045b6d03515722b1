// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/law.hpp>

#include <span>

namespace leyden::inline LEYDEN_ABI {

/// The multipoles that an atom makes of the potential it sees, f = [width][lm] (one width: the
/// potential itself), and the energy that is read out of both:
///
///   F_q = p0_q + Σ_w (−s f_q + a·f_d) + Σ_k o_kq tanh z_k
///   F_d = p0_d + Σ_w (−α f_d + b f_q) + Σ_k o_kd tanh z_k,     z_k = γ_k + Σ_w (β_kq f_q +
///   β_kd·f_d) bonds: F_q,s += Σ_w m (f_q,t − f_q,s) − x f_q,t,  F_d,s −= Σ_w x_d f_d,t;  the same
///   with s ↔ t e = ε·δ + ½ h_q δ_q² + ½ h_d |δ_d|² + Σ_w (g_q δ_q f_q + g_d δ_d·f_d)
///       + Σ_r o_r tanh(γ_r + q + β_r·d + Σ_w λ_r f_q),         δ = p − p0
///
/// with s, α, m ≥ 0; coefficients of the sums over w are those of a width. Terms of dipoles only
/// where L = 1. Coefficients per atom in the order p0; per width s, α, a, b; per k γ, o, and per
/// width β; then ε, h, per width g; per r o, γ, β and per width λ. Per bond and width: m, x, x_d.
template <int L>
struct MapLaw {
  static_assert(L == 0 || L == 1);
  static constexpr LawForm form = LawForm::map;
  static constexpr bool quadratic = false;
  static constexpr int size = (L + 1) * (L + 1);

  std::span<const double> features;  ///< widths [Å]; empty: own potential
  bool softness = true;              ///< s
  bool polarizability = L == 1;      ///< α
  bool coupling = L == 1;            ///< a, b
  int terms = 0;                     ///< k
  int readout_terms = 0;             ///< r
  bool bond_transfer = false;        ///< m
  bool bond_cross = false;           ///< x, x_d

  std::span<const double> feature_widths() const { return features; }
  int widths() const { return features.empty() ? 1 : static_cast<int>(features.size()); }
  bool has_alpha() const { return L == 1 && polarizability; }
  bool has_coupling() const { return L == 1 && coupling; }

  int linear_size() const { return softness + has_alpha() + (has_coupling() ? 6 : 0); }
  int linear_at(int w) const { return size + w * linear_size(); }
  int alpha_at(int w) const { return linear_at(w) + softness; }
  int coupling_at(int w) const { return alpha_at(w) + has_alpha(); }
  int term_size() const { return 1 + size + widths() * size; }
  int term_at(int k) const { return linear_at(widths()) + k * term_size(); }
  int readout_at() const { return term_at(terms); }
  int hardness_at() const { return readout_at() + size; }
  int mixed_at(int w) const { return hardness_at() + (1 + w) * (L + 1); }
  int readout_term_size() const { return 1 + size + widths(); }
  int readout_term_at(int r) const { return mixed_at(widths()) + r * readout_term_size(); }
  int atom_size() const { return readout_term_at(readout_terms); }
  int bond_stride() const { return bond_transfer + (bond_cross ? 1 + L : 0); }
  int bond_size() const { return widths() * bond_stride(); }
  int bond_components() const { return bond_cross ? size : 1; }
  bool bonds_transfer() const { return !bond_cross; }

  template <class T>
  void atom(const T* c, const T* f, T* p) const {
    using std::tanh;
    for (int m = 0; m < size; ++m) p[m] += c[m];
    for (int w = 0; w < widths(); ++w) {
      const T* v = f + w * size;
      if (softness) p[0] -= c[linear_at(w)] * v[0];
      for (int m = 1; m < size; ++m) {
        if (has_alpha()) p[m] -= c[alpha_at(w)] * v[m];
        if (!has_coupling()) continue;
        p[0] += c[coupling_at(w) + m - 1] * v[m];
        p[m] += c[coupling_at(w) + 2 + m] * v[0];
      }
    }
    for (int k = 0; k < terms; ++k) {
      const int at = term_at(k);
      const T th = tanh(argument(c + at, f));
      for (int m = 0; m < size; ++m) p[m] += c[at + 1 + m] * th;
    }
  }

  template <class T>
  void atom_pullback(const T* c, const T* f, const T* p_bar, T* c_bar, T* f_bar) const {
    using std::tanh;
    const auto add = [&](int at, const T& x) {
      if (c_bar) c_bar[at] += x;
    };
    for (int m = 0; m < size; ++m) add(m, p_bar[m]);
    for (int w = 0; w < widths(); ++w) {
      const T* v = f + w * size;
      T* v_bar = f_bar + w * size;
      if (softness) {
        v_bar[0] -= c[linear_at(w)] * p_bar[0];
        add(linear_at(w), -(v[0] * p_bar[0]));
      }
      for (int m = 1; m < size; ++m) {
        if (has_alpha()) {
          v_bar[m] -= c[alpha_at(w)] * p_bar[m];
          add(alpha_at(w), -(v[m] * p_bar[m]));
        }
        if (!has_coupling()) continue;
        const int a = coupling_at(w) + m - 1, b = coupling_at(w) + 2 + m;
        v_bar[m] += c[a] * p_bar[0];
        v_bar[0] += c[b] * p_bar[m];
        add(a, v[m] * p_bar[0]);
        add(b, v[0] * p_bar[m]);
      }
    }
    for (int k = 0; k < terms; ++k) {
      const int at = term_at(k);
      const T th = tanh(argument(c + at, f));
      T z_bar{};
      for (int m = 0; m < size; ++m) {
        z_bar += c[at + 1 + m] * p_bar[m];
        add(at + 1 + m, th * p_bar[m]);
      }
      z_bar = z_bar * (T(RealOf<T>(1)) - th * th);
      add(at, z_bar);
      for (int j = 0; j < widths() * size; ++j) {
        f_bar[j] += c[at + 1 + size + j] * z_bar;
        add(at + 1 + size + j, f[j] * z_bar);
      }
    }
  }

  template <class T>
  void bond(const T* c, const T* f_s, const T* f_t, T* p_s, T* p_t) const {
    for (int w = 0; w < widths(); ++w) {
      const T *at = c + w * bond_stride(), *s = f_s + w * size, *t = f_t + w * size;
      if (bond_transfer) {
        const T moved = at[0] * (t[0] - s[0]);
        p_s[0] += moved;
        p_t[0] -= moved;
      }
      if (!bond_cross) continue;
      for (int m = 0; m < size; ++m) {
        const T& x = at[bond_transfer + (m > 0)];
        p_s[m] -= x * t[m];
        p_t[m] -= x * s[m];
      }
    }
  }

  template <class T>
  void bond_pullback(const T* c, const T* f_s, const T* f_t, const T* s_bar, const T* t_bar,
                     T* c_bar, T* f_s_bar, T* f_t_bar) const {
    for (int w = 0; w < widths(); ++w) {
      const int first = w * bond_stride(), v = w * size;
      if (bond_transfer) {
        const T difference = s_bar[0] - t_bar[0];
        f_t_bar[v] += c[first] * difference;
        f_s_bar[v] -= c[first] * difference;
        if (c_bar) c_bar[first] += (f_t[v] - f_s[v]) * difference;
      }
      if (!bond_cross) continue;
      for (int m = 0; m < size; ++m) {
        const int at = first + bond_transfer + (m > 0);
        f_t_bar[v + m] -= c[at] * s_bar[m];
        f_s_bar[v + m] -= c[at] * t_bar[m];
        if (c_bar) c_bar[at] -= f_t[v + m] * s_bar[m] + f_s[v + m] * t_bar[m];
      }
    }
  }

  template <class T>
  T readout(const T* c, const T* p, const T* f, T* c_bar, T* p_bar, T* f_bar) const {
    using std::tanh;
    using R = RealOf<T>;
    const auto add = [&](int at, const T& x) {
      if (c_bar) c_bar[at] += x;
    };
    const auto add_p = [&](int m, const T& x) {
      if (p_bar) p_bar[m] += x;
    };
    const auto add_f = [&](int j, const T& x) {
      if (f_bar) f_bar[j] += x;
    };
    T e{};
    for (int m = 0; m < size; ++m) {
      const T d = p[m] - c[m];
      const int linear = readout_at() + m, hard = hardness_at() + (m > 0);
      T d_bar = c[linear] + c[hard] * d;
      e += (c[linear] + c[hard] * d * R(0.5)) * d;
      add(linear, d);
      add(hard, d * d * R(0.5));
      for (int w = 0; w < widths(); ++w) {
        const int g = mixed_at(w) + (m > 0), j = w * size + m;
        e += c[g] * d * f[j];
        d_bar += c[g] * f[j];
        add(g, d * f[j]);
        add_f(j, c[g] * d);
      }
      add_p(m, d_bar);
      add(m, -d_bar);
    }
    for (int r = 0; r < readout_terms; ++r) {
      const int at = readout_term_at(r), lambda = at + 1 + size;
      T z = c[at + 1] + p[0];
      for (int m = 1; m < size; ++m) z += c[at + 1 + m] * p[m];
      for (int w = 0; w < widths(); ++w) z += c[lambda + w] * f[w * size];
      const T th = tanh(z);
      e += c[at] * th;
      add(at, th);
      const T z_bar = c[at] * (T(R(1)) - th * th);
      add(at + 1, z_bar);
      add_p(0, z_bar);
      for (int m = 1; m < size; ++m) {
        add(at + 1 + m, z_bar * p[m]);
        add_p(m, z_bar * c[at + 1 + m]);
      }
      for (int w = 0; w < widths(); ++w) {
        add(lambda + w, z_bar * f[w * size]);
        add_f(w * size, z_bar * c[lambda + w]);
      }
    }
    return e;
  }

 private:
  /// z of a term whose coefficients begin at c: γ, o, β.
  template <class T>
  T argument(const T* c, const T* f) const {
    T z = c[0];
    for (int j = 0; j < widths() * size; ++j) z += c[1 + size + j] * f[j];
    return z;
  }
};
static_assert(LawWithReadout<MapLaw<0>> && LawWithReadout<MapLaw<1>>);

}  // namespace leyden::inline LEYDEN_ABI
