// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/self_consistency.hpp>

#include <array>
#include <cmath>

// Small laws with all forms, atoms and bonds, for tests of the engine. Charges and dipoles.
namespace leyden_test {

using namespace leyden;

template <class T>
T softplus_of(T x) {
  using std::exp, std::log;
  return value_of(x) > 0 ? x + log(T(1.0) + exp(-x)) : log(T(1.0) + exp(x));
}
template <class T>
T logistic(T x) {
  using std::exp;
  return value_of(x) > 0 ? T(1.0) / (T(1.0) + exp(-x)) : exp(x) / (T(1.0) + exp(x));
}

/// A level w T ln(1 + exp((c + q-part + b·dipole part)/T)) on each atom and one on each bond's
/// difference: convex, so it serves as an energy and as a response.
template <LawForm law_form>
struct ConvexLaw {
  static constexpr LawForm form = law_form;
  static constexpr bool quadratic = false;
  static constexpr int atom_size() { return 6; }  // w, c, b(3), s
  static constexpr int bond_size() { return 2; }  // strength, offset
  static constexpr double temperature = 0.3;

  template <class T>
  T atom(const T* c, const T* x, T* dx, T* dc) const {
    T z = c[1] + x[0];
    for (int m = 0; m < 3; ++m) z += c[2 + m] * x[1 + m];
    z = z / temperature;
    const T f = logistic(z);
    T value = c[0] * softplus_of(z) * temperature;
    dx[0] += c[0] * f;
    for (int m = 0; m < 3; ++m) dx[1 + m] += c[0] * f * c[2 + m];
    for (int m = 0; m < 4; ++m) {
      value += c[5] * x[m] * x[m] * 0.5;
      dx[m] += c[5] * x[m];
      if (dc) dc[5] += x[m] * x[m] * 0.5;
    }
    if (dc) {
      dc[0] += softplus_of(z) * temperature;
      dc[1] += c[0] * f;
      for (int m = 0; m < 3; ++m) dc[2 + m] += c[0] * f * x[1 + m];
    }
    return value;
  }
  template <class T>
  T bond(const T* c, const T* xs, const T* xt, T* dxs, T* dxt, T* dc) const {
    const T z = (xs[0] - xt[0] + c[1]) / temperature;
    const T f = logistic(z);
    dxs[0] += c[0] * f;
    dxt[0] -= c[0] * f;
    if (dc) {
      dc[0] += softplus_of(z) * temperature;
      dc[1] += c[0] * f;
    }
    return c[0] * softplus_of(z) * temperature;
  }
};

/// p = p0 − s f + o tanh(b·f) + bonds, not a gradient; energy read out. With or without widths.
struct MapLaw {
  static constexpr LawForm form = LawForm::map;
  static constexpr bool quadratic = false;
  std::vector<double> widths;
  int in() const { return widths.empty() ? 4 : 4 * static_cast<int>(widths.size()); }
  int atom_size() const { return 4 + 1 + 4 + in() + 2; }  // p0, s, o, b, readout
  static constexpr int bond_size() { return 2; }
  std::span<const double> feature_widths() const { return widths; }

  template <class T>
  void atom(const T* c, const T* f, T* p) const {
    using std::tanh;
    T z{};
    for (int k = 0; k < in(); ++k) z += c[9 + k] * f[k];
    const T t = tanh(z);
    for (int m = 0; m < 4; ++m) p[m] += c[m] - c[4] * f[m] + c[5 + m] * t;
  }
  template <class T>
  void atom_pullback(const T* c, const T* f, const T* p_bar, T* c_bar, T* f_bar) const {
    using std::tanh;
    T z{};
    for (int k = 0; k < in(); ++k) z += c[9 + k] * f[k];
    const T t = tanh(z);
    T t_bar{};
    for (int m = 0; m < 4; ++m) {
      f_bar[m] -= c[4] * p_bar[m];
      t_bar += c[5 + m] * p_bar[m];
      if (c_bar) {
        c_bar[m] += p_bar[m];
        c_bar[4] -= f[m] * p_bar[m];
        c_bar[5 + m] += t * p_bar[m];
      }
    }
    const T z_bar = (T(1.0) - t * t) * t_bar;
    for (int k = 0; k < in(); ++k) {
      f_bar[k] += c[9 + k] * z_bar;
      if (c_bar) c_bar[9 + k] += f[k] * z_bar;
    }
  }
  template <class T>
  void bond(const T* c, const T* fs, const T* ft, T* ps, T* pt) const {
    const T flow = c[0] * (fs[0] - ft[0]) + c[1] * ft[1];
    ps[0] -= flow;
    pt[0] += flow * 0.9;
  }
  template <class T>
  void bond_pullback(const T* c, const T* fs, const T* ft, const T* ps, const T* pt, T* c_bar,
                     T* fs_bar, T* ft_bar) const {
    const T bar = pt[0] * 0.9 - ps[0];
    fs_bar[0] += c[0] * bar;
    ft_bar[0] -= c[0] * bar;
    ft_bar[1] += c[1] * bar;
    if (c_bar) {
      c_bar[0] += (fs[0] - ft[0]) * bar;
      c_bar[1] += ft[1] * bar;
    }
  }
  template <class T>
  T readout(const T* c, const T* p, const T* f, T* dc, T* dp, T* df) const {
    const T *a = c + 9 + in(), *b = a + 1;
    T* da = dc + 9 + in();
    T value{};
    for (int m = 0; m < 4; ++m) {
      value += *a * p[m] * f[m] + *b * p[m] * p[m] * p[m];
      da[0] += p[m] * f[m];
      da[1] += p[m] * p[m] * p[m];
      dp[m] += *a * f[m] + *b * 3.0 * p[m] * p[m];
      df[m] += *a * p[m];
    }
    return value;
  }
};

}  // namespace leyden_test
