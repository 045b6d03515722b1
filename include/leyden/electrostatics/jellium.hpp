// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/units.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <cmath>
#include <numbers>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Where the jellium of a slab is: between two planes across the slab's normal n, the unit vector
/// along h_a × h_b of the periodic lattice vectors in cyclic order (z for vectors x, y).
struct JelliumOptions {
  double center = 0.0;  ///< Å: r·n of its middle
  double width = 0.0;   ///< Å, > 0
};

/// A slab solver with a compensating jellium: a uniform charge between two planes that always has
/// minus the net charge Q of the atoms, and moves with neither. So slabs may have any charge, and
/// may be at a constant Fermi level without a counter charge in the structure.
///
/// With u the potential coefficients of a jellium of unit charge at the atoms, n the vector that
/// picks their charges and u_jj the jellium's own potential, averaged over itself, the energy
/// ½ pᵀKp − Q u·p + ½ Q² u_jj is the quadratic form of
///
///     K' = K − u nᵀ − n uᵀ + u_jj n nᵀ
///
/// which is positive: everything in it is neutral. Potentials K'p have their zero at the average
/// over the jellium, and so has a Fermi level. A Gaussian of width σ at height h = r·n − center
/// feels
///
///     u(h) = −(2πC/(A w)) [G(h + w/2) − G(h − w/2)],  G'' = erf(z/√2σ),  u_jj = −2πC w/(3A)
///
/// (A: the cell's area): the average of −2πC|z|/A, the potential of a plane of unit charge. The
/// jellium ignores a strain across the planes: center and width are lengths. Atoms may be in it.
template <ElectrostaticSolver S>
class WithJellium {
 public:
  static constexpr std::string_view name = "slab with jellium";
  static constexpr BoundarySupport boundaries{false, false, true};

  /// @throws ModelError for a width that is not positive.
  explicit WithJellium(S solver = S(), JelliumOptions options = {0.0, 1.0})
      : solver_(std::move(solver)), options_(options) {
    if (!(options.width > 0) || !std::isfinite(options.width) || !std::isfinite(options.center))
      throw ModelError("WithJellium: the jellium is " + std::to_string(options.width) +
                       " Angstrom wide around " + std::to_string(options.center) +
                       "; the width must be positive and both must be finite");
  }

  const S& solver() const { return solver_; }
  const JelliumOptions& options() const { return options_; }

  template <Number T>
  struct Plan {
    using number_type = T;
    int n_atoms = 0;
    int l_max = 0;
    typename S::template Plan<T> solver;
    Vector3<T> normal{};
    T area{};
    T own{};                                         // u_jj [V]
    std::vector<Vector3<T>> positions;               // (n)
    std::vector<std::array<T, 4>> u;                 // (n) u, u', u'', u''' along the normal
    std::vector<T> coefficients;                     // (n·size) u as coefficients
    mutable std::array<std::vector<T>, 2> assembly;  // scratch
  };

  /// @throws ModelError unless two directions repeat; and what the solver throws.
  template <Number T>
  void plan(const Geometry<T>& geometry, SourceShape source, std::type_identity_t<T> total_charge,
            Plan<T>& plan) const;

  /// v = K'p; (n·size) each.
  template <Number T>
  void apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
             std::type_identity_t<std::span<T>> v) const;

  /// Adds factor · ∂(aᵀK'b)/∂(positions, strain).
  template <Number T>
  void bilinear_gradient(const Plan<T>& plan, std::type_identity_t<std::span<const T>> a,
                         std::type_identity_t<std::span<const T>> b, std::type_identity_t<T> factor,
                         GeometryGradient<T>& gradient) const;

  /// The real part of K', row-major (n·size)².
  template <Number T>
  void assemble(const Plan<T>& plan, std::type_identity_t<std::span<RealOf<T>>> matrix) const {
    detail::assemble_by_columns(*this, plan, matrix);
  }

 private:
  // Q and u·p
  template <Number T>
  static std::array<T, 2> overlaps(const Plan<T>& plan, std::span<const T> p) {
    const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
    std::array<T, 2> out{};
    for (std::size_t k = 0; k < p.size(); ++k) {
      if (k % size == 0) out[0] += p[k];
      out[1] += plan.coefficients[k] * p[k];
    }
    return out;
  }

  S solver_;
  JelliumOptions options_;
};

namespace detail {

// G, G', G'', G''', G'''' of a Gaussian of width σ: G'' = erf(z/√2σ).
template <Number T>
std::array<T, 5> plane_moments(const T& z, double width) {
  using std::erf;
  using std::exp;
  using R = RealOf<T>;
  const R s = static_cast<R>(width);
  std::array<T, 5> g;
  g[2] = erf(z * (std::numbers::sqrt2_v<R> / (R(2) * s)));
  g[3] = exp(z * z * (R(-0.5) / (s * s))) *
         (std::numbers::sqrt2_v<R> * std::numbers::inv_sqrtpi_v<R> / s);
  g[4] = -z * g[3] * (R(1) / (s * s));
  g[1] = z * g[2] + g[3] * (s * s);
  g[0] = ((z * z + T(s * s)) * g[2] + z * g[3] * (s * s)) * R(0.5);
  return g;
}

// The Cartesian multipoles of coefficients: q, d·n, ½ M:nn, and what their contraction with a
// potential along n changes by with n: d u' + M n u''.
template <Number T>
struct AlongNormal {
  T charge{}, dipole{}, quadrupole{};
  Vector3<T> d{}, mn{};

  AlongNormal(int l_max, const T* p, const Vector3<T>& n) {
    using R = RealOf<T>;
    charge = p[0];
    for (int lm = 1; lm < std::min(multipole_size(l_max), 4); ++lm)
      d[cartesian_of_coefficient[static_cast<std::size_t>(lm)]] = p[lm];
    dipole = dot(d, n);
    if (l_max < 2) return;
    std::array<T, 6> m{};
    for (std::size_t c = 0; c < 6; ++c)
      for (std::size_t k = 0; k < 5; ++k)
        m[c] += p[4 + k] * static_cast<R>(quadrupole_tensor[c][k]);
    times_vector(m.data(), n.data.data(), mn.data.data());
    quadrupole = dot(mn, n) * R(0.5);
  }
};

}  // namespace detail

template <ElectrostaticSolver S>
template <Number T>
void WithJellium<S>::plan(const Geometry<T>& geometry, SourceShape source,
                          std::type_identity_t<T> total_charge, Plan<T>& plan) const {
  using R = RealOf<T>;
  int open = -1, periodic = 0;
  for (int d = 0; d < 3; ++d) {
    if (geometry.periodic[static_cast<std::size_t>(d)])
      ++periodic;
    else
      open = d;
  }
  if (periodic != 2)
    throw ModelError("WithJellium: " + std::to_string(periodic) +
                     " lattice directions repeat; jellium compensates the charge of slabs, with "
                     "two. Mark the direction across the slab as not periodic");
  solver_.template plan<T>(geometry, source, total_charge, plan.solver);
  plan.n_atoms = geometry.n_atoms();
  plan.l_max = source.l_max;
  const Vector3<T> across =
      cross(geometry.cell.row((open + 1) % 3), geometry.cell.row((open + 2) % 3));
  plan.area = norm(across);
  for (int c = 0; c < 3; ++c) plan.normal[c] = across[c] / plan.area;
  const R w = static_cast<R>(options_.width);
  const T unit = T(static_cast<R>(-2 * std::numbers::pi * units::coulomb)) / plan.area;
  plan.own = unit * (w / R(3));
  plan.positions.assign(geometry.positions.begin(), geometry.positions.end());
  const auto n = static_cast<std::size_t>(plan.n_atoms);
  const auto size = static_cast<std::size_t>(source.size());
  plan.u.resize(n);
  plan.coefficients.resize(n * size);
  for (std::size_t i = 0; i < n; ++i) {
    const T h = dot(plan.positions[i], plan.normal) - T(static_cast<R>(options_.center));
    const auto above = detail::plane_moments(h + T(w / R(2)), source.widths[i]);
    const auto below = detail::plane_moments(h - T(w / R(2)), source.widths[i]);
    std::array<T, 4>& u = plan.u[i];
    for (std::size_t k = 0; k < 4; ++k) u[k] = unit * (above[k] - below[k]) * (R(1) / w);
    const Vector3<T>& m = plan.normal;
    constexpr int first[6] = {0, 1, 2, 0, 0, 1}, second[6] = {0, 1, 2, 1, 2, 2};
    detail::store_cartesian<T>(
        source.l_max,
        [&](int c) {
          if (c == 0) return u[0];
          if (c < 4) return m[c - 1] * u[1];
          return m[first[c - 4]] * m[second[c - 4]] * u[2];
        },
        false, plan.coefficients.data() + i * size);
  }
}

template <ElectrostaticSolver S>
template <Number T>
void WithJellium<S>::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                           std::type_identity_t<std::span<T>> v) const {
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const auto [charge, energy] = overlaps<T>(plan, p);
  solver_.template apply<T>(plan.solver, p, v);
  for (std::size_t k = 0; k < v.size(); ++k) {
    v[k] -= plan.coefficients[k] * charge;
    if (k % size == 0) v[k] += plan.own * charge - energy;
  }
}

template <ElectrostaticSolver S>
template <Number T>
void WithJellium<S>::bilinear_gradient(const Plan<T>& plan,
                                       std::type_identity_t<std::span<const T>> a,
                                       std::type_identity_t<std::span<const T>> b,
                                       std::type_identity_t<T> factor,
                                       GeometryGradient<T>& gradient) const {
  solver_.template bilinear_gradient<T>(plan.solver, a, b, factor, gradient);
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const auto [qa, ua] = overlaps<T>(plan, a);
  const auto [qb, ub] = overlaps<T>(plan, b);
  // J = −(u·a) Q_b − Q_a (u·b) + u_jj Q_a Q_b, with u and u_jj as 1/A.
  const Vector3<T>& n = plan.normal;
  Vector3<T> of_normal{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(plan.n_atoms); ++i) {
    const std::array<T, 4>& u = plan.u[i];
    const detail::AlongNormal<T> pa(plan.l_max, a.data() + i * size, n);
    const detail::AlongNormal<T> pb(plan.l_max, b.data() + i * size, n);
    const auto slope = [&](const detail::AlongNormal<T>& p) {
      return p.charge * u[1] + p.dipole * u[2] + p.quadrupole * u[3];
    };
    const T h = -factor * (slope(pa) * qb + slope(pb) * qa);
    for (int c = 0; c < 3; ++c) {
      gradient.positions[i][c] += h * n[c];
      of_normal[c] += h * plan.positions[i][c] - factor * ((pa.d[c] * u[1] + pa.mn[c] * u[2]) * qb +
                                                           (pb.d[c] * u[1] + pb.mn[c] * u[2]) * qa);
      for (int d = 0; d < 3; ++d) gradient.strain(d, c) += plan.positions[i][d] * h * n[c];
    }
  }
  // dn = −ε n + n (n·εn), dA = A (tr ε − n·εn)
  const T area = factor * (ua * qb + qa * ub - plan.own * qa * qb);  // −J: J goes as 1/A
  const T along = dot(of_normal, n);
  for (int c = 0; c < 3; ++c)
    for (int d = 0; d < 3; ++d) {
      gradient.strain(c, d) += (along - area) * n[c] * n[d] - of_normal[c] * n[d];
      if (c == d) gradient.strain(c, d) += area;
    }
}

}  // namespace leyden::inline LEYDEN_ABI
