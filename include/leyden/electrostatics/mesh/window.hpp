// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/pack.hpp>
#include <leyden/electrostatics/prolate.hpp>

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What carries a point to the nodes of a mesh.
enum class MeshWindowKind {
  spline,   ///< cardinal B-spline: sums to one, C^(order − 2), decays as k^(−order)
  prolate,  ///< ψ_c(2x/order): the best concentrated one; pays from order 7, close to Nyquist
};

namespace detail {

// Coefficients of 1, t, … t^degree of the polynomial through f at the Chebyshev nodes of [−1, 1].
template <class F>
void interpolate(const F& f, int degree, std::vector<double>& out) {
  const int n = degree + 1;
  std::vector<long double> chebyshev(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    const double angle = std::numbers::pi * (i + 0.5) / n;
    const double value = f(std::cos(angle));
    for (int k = 0; k < n; ++k)
      chebyshev[static_cast<std::size_t>(k)] +=
          (k == 0 ? 1.0L : 2.0L) / n * value * static_cast<long double>(std::cos(k * angle));
  }
  // T_(k+1) = 2 t T_k − T_(k−1)
  std::vector<long double> sum(chebyshev.size()), t0(chebyshev.size()), t1(chebyshev.size()),
      t2(chebyshev.size());
  t0[0] = 1;
  if (n > 1) t1[1] = 1;
  for (std::size_t k = 0; k < chebyshev.size(); ++k) {
    for (std::size_t i = 0; i <= k; ++i) sum[i] += chebyshev[k] * t0[i];
    for (std::size_t i = 0; i < t2.size(); ++i) t2[i] = (i > 0 ? 2 * t1[i - 1] : 0) - t0[i];
    t0 = t1;
    t1 = t2;
  }
  out.assign(sum.begin(), sum.end());
}

}  // namespace detail

/// A window w(x) of unit integral that reaches `order` nodes of a mesh of unit spacing: w = 0 for
/// |x| ≥ order/2. A point at u touches the nodes first … first + order − 1, first = ⌊u − order/2⌋
/// + 1; the weight of node first + j is a polynomial in t = 2 (u − order/2 − ⌊u − order/2⌋) − 1.
///
/// The windows follow Essmann et al., J. Chem. Phys. 103, 8577 (1995) (splines), and Liang et al.,
/// arXiv:2505.09727 (prolate functions).
class MeshWindow {
 public:
  static constexpr int least_order = 4, most_order = 8;

  MeshWindow() : MeshWindow(MeshWindowKind::spline, 6) {}
  /// `c` is the parameter of ψ_c; 0: π·order/2·(2 − 1/upsampling) of a mesh near Nyquist. Splines
  /// have none. @throws ModelError for an order outside of 4 … 8 or a negative c.
  MeshWindow(MeshWindowKind kind, int order, double c = 0) : kind_(kind), order_(order) {
    if (order < least_order || order > most_order)
      throw ModelError("MeshWindow: an order of " + std::to_string(order) +
                       " given; expected 4 … 8 nodes along each axis");
    if (!(c >= 0) || !std::isfinite(c))
      throw ModelError("MeshWindow: a prolate parameter of " + std::to_string(c) +
                       " given; it must be positive, or 0 for the usual one");
    if (kind == MeshWindowKind::spline) {
      degree_ = order - 1;
      set_spline();
      return;
    }
    c_ = c > 0 ? c : default_parameter(order);
    const Prolate psi(c_);
    // Polynomials as exact as the jump of ψ_c at its ends makes sense of.
    const auto profile = [&](double x) { return psi(2 * x / order_) / psi(0); };
    const double tolerance = std::max(1e-14, 1e-2 * std::abs(profile(0.5 * order_)));
    for (degree_ = order; degree_ < 20; ++degree_) {
      fit(profile);
      double worst = 0;
      for (int i = 0; i <= 40 * order_; ++i) {
        const double x = 0.5 * order_ * (i / (20.0 * order_) - 1);
        const double inside = std::min(std::max(x, -0.5 * order_ + 1e-12), 0.5 * order_ - 1e-12);
        worst = std::max(worst, std::abs((*this)(inside) / (*this)(0) - profile(inside)));
      }
      if (worst < tolerance) break;
    }
  }

  MeshWindowKind kind() const { return kind_; }
  int order() const { return order_; }
  int degree() const { return degree_; }
  double parameter() const { return c_; }
  /// The coefficient of t^power of node j.
  double coefficient(int power, int j) const {
    return coefficients_[static_cast<std::size_t>(power * order_ + j)];
  }

  /// The usual c for meshes close to the Nyquist limit (upsampling 1.2: Barnett et al., SIAM J.
  /// Sci. Comput. 41, C479 (2019)).
  static double default_parameter(int order) {
    return std::numbers::pi * order * (1 - 1 / (2 * 1.2)) - 0.05;
  }

  /// w(x)
  double operator()(double x) const {
    const double s = -x - 0.5 * order_;  // node 0 minus x
    const double floor = std::floor(s);
    const int j = -static_cast<int>(floor) - 1;
    if (j < 0 || j >= order_) return 0;
    const double t = 2 * (s - floor) - 1;
    double sum = 0;
    for (int k = degree_; k >= 0; --k) sum = sum * t + coefficient(k, j);
    return sum;
  }
  /// The Fourier transform U(y) = ∫ w(x) cos(y x) dx; U(0) = 1.
  double transform(double y) const {
    if (kind_ == MeshWindowKind::spline) {
      const double half = 0.5 * y;
      return std::pow(std::abs(half) < 1e-8 ? 1.0 : std::sin(half) / half, order_);
    }
    double sum = 0;
    for (std::size_t i = 0; i < quadrature_.size(); i += 2)
      sum += quadrature_[i + 1] * std::cos(y * quadrature_[i]);
    return sum;
  }

 private:
  // The pieces of the cardinal spline, by its recurrence on their coefficients: derivatives of high
  // orders cancel between nodes, and interpolated values do not have the digits for that.
  void set_spline() {
    const std::size_t n = static_cast<std::size_t>(order_);
    using Piece = std::array<long double, most_order>;  // coefficients of 1, t, …
    std::array<Piece, most_order> last{}, next;
    last[0][0] = 1;
    for (std::size_t order = 2; order <= n; ++order) {
      next = {};
      // Piece j: x = j + (1 − t)/2 from the spline's start.
      const auto add = [&](Piece& to, const Piece& from, long double constant, long double slope) {
        for (std::size_t k = 0; k + 1 < order; ++k) {
          to[k] += constant * from[k] / static_cast<long double>(order - 1);
          to[k + 1] += slope * from[k] / static_cast<long double>(order - 1);
        }
      };
      for (std::size_t j = 0; j < order; ++j) {
        const long double x = static_cast<long double>(j) + 0.5L;
        if (j + 1 < order) add(next[j], last[j], x, -0.5L);
        if (j > 0) add(next[j], last[j - 1], static_cast<long double>(order) - x, 0.5L);
      }
      last = next;
    }
    coefficients_.assign(n * n, 0.0);
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < n; ++k)
        coefficients_[k * n + j] = static_cast<double>(last[j][k]);
    set_quadrature();
  }

  template <class F>
  void fit(const F& profile) {
    coefficients_.assign(static_cast<std::size_t>((degree_ + 1) * order_), 0.0);
    std::vector<double> polynomial;
    for (int j = 0; j < order_; ++j) {
      detail::interpolate([&](double t) { return profile(j + 1 - 0.5 * order_ - 0.5 * (t + 1)); },
                          degree_, polynomial);
      for (int k = 0; k <= degree_; ++k)
        coefficients_[static_cast<std::size_t>(k * order_ + j)] =
            polynomial[static_cast<std::size_t>(k)];
    }
    // ∫ w, exactly: odd powers of t vanish.
    double integral = 0;
    for (int j = 0; j < order_; ++j)
      for (int k = 0; k <= degree_; k += 2) integral += coefficient(k, j) / (k + 1);
    for (double& x : coefficients_) x /= integral;
    set_quadrature();
  }

  void set_quadrature() {
    std::vector<double> node, weight;
    detail::half_gauss_legendre(8, node, weight);
    quadrature_.clear();
    for (int j = 0; 2 * j < order_; ++j)
      for (std::size_t i = 0; i < 2 * node.size(); ++i) {
        // Half of the window, one node spacing at a time from its end.
        const double high = 0.5 * order_ - j, low = std::max(0.0, high - 1);
        const double half = 0.5 * (high - low), at = i % 2 == 0 ? node[i / 2] : -node[i / 2];
        const double x = 0.5 * (high + low) + half * at;
        quadrature_.push_back(x);
        quadrature_.push_back(2 * half * weight[i / 2] * (*this)(x));
      }
  }

  MeshWindowKind kind_ = MeshWindowKind::spline;
  int order_ = 6;
  int degree_ = 0;
  double c_ = 0;
  std::vector<double> coefficients_;  // [power][node]
  std::vector<double> quadrature_;    // [x, 2 w(x) dx] of half of the window
};

namespace detail {

/// The polynomials of a window as packs over nodes.
template <std::floating_point R>
struct WindowTable {
  int degree = 0;
  int packs = 0;
  Buffer<Pack<R>> coefficients;  // [power][packs]

  void fill(const MeshWindow& window) {
    degree = window.degree();
    packs = pack_count<R>(window.order());
    coefficients.assign(static_cast<std::size_t>((degree + 1) * packs), Pack<R>());
    for (int k = 0; k <= degree; ++k)
      for (int j = 0; j < window.order(); ++j)
        coefficients[static_cast<std::size_t>(k * packs + j / Pack<R>::lanes)].set_lane(
            j % Pack<R>::lanes, static_cast<R>(window.coefficient(k, j)));
  }
};

/// w and its derivatives up to the D-th with respect to the point, at all nodes of three axes.
/// Those of x and y are kept as numbers (they multiply whole rows), those of z as packs.
template <int P, int D, Number T>
struct NodeWeights {
  using R = RealOf<T>;
  static constexpr int packs = (P + Pack<R>::lanes - 1) / Pack<R>::lanes;
  static constexpr int slots = packs * Pack<R>::lanes;
  // Tangents need one derivative more.
  static constexpr int computed = is_dual_v<T> ? D + 1 : D;

  alignas(64) R number[2][computed + 1][slots];
  Pack<T> z[D + 1][packs];
  R tangent[2];  // of the point's x and y

  // The d-th derivative at node i of axis 0 or 1.
  LEYDEN_ALWAYS_INLINE Pack<T> row(int axis, int d, int i) const {
    if constexpr (is_dual_v<T>)
      return Pack<T>(Pack<R>(number[axis][d][i]), Pack<R>(number[axis][d + 1][i] * tangent[axis]));
    else
      return Pack<T>(number[axis][d][i]);
  }

  // t: the three coordinates within the node spacing, −1 … 1 (a tangent is that of t).
  LEYDEN_ALWAYS_INLINE void evaluate(const WindowTable<R>& table, const T* t) {
    Pack<R> v[3][computed + 1][packs], at[3];
    for (int a = 0; a < 3; ++a) at[a] = Pack<R>(value_of(t[a]));
    const Pack<R>* c = table.coefficients.data() + table.degree * packs;
    for (int a = 0; a < 3; ++a)
      for (int n = 0; n < packs; ++n) {
        v[a][0][n] = c[n];
        for (int d = 1; d <= computed; ++d) v[a][d][n] = Pack<R>();
      }
    // Horner with its derivatives: v_d is the d-th Taylor coefficient at t.
    for (int k = table.degree - 1; k >= 0; --k) {
      c -= packs;
      for (int a = 0; a < 3; ++a)
        for (int n = 0; n < packs; ++n) {
          for (int d = computed; d >= 1; --d) v[a][d][n] = fma(v[a][d][n], at[a], v[a][d - 1][n]);
          v[a][0][n] = fma(v[a][0][n], at[a], c[n]);
        }
    }
    R scale(1);
    for (int d = 0; d <= computed; ++d) {
      if (d > 0) scale *= R(2 * d);
      for (int a = 0; a < 2; ++a)
        for (int n = 0; n < packs; ++n)
          (v[a][d][n] * Pack<R>(scale)).store(number[a][d] + n * Pack<R>::lanes);
      if (d <= D || is_dual_v<T>)
        for (int n = 0; n < packs; ++n) v[2][d][n] *= Pack<R>(scale);
    }
    for (int d = 0; d <= D; ++d)
      for (int n = 0; n < packs; ++n) {
        if constexpr (is_dual_v<T>)
          z[d][n] = Pack<T>(v[2][d][n], v[2][d + 1][n] * Pack<R>(t[2].tangent * R(0.5)));
        else
          z[d][n] = v[2][d][n];
      }
    for (int a = 0; a < 2; ++a) tangent[a] = tangent_of(t[a]) * R(0.5);
  }
};

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
