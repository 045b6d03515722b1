// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include "support/catch.hpp"
#include "support/thread_executor.hpp"

#include <cmath>
#include <vector>

/// Random systems, and the laws that every electrostatic solver obeys.
namespace electrostatics_test {

using namespace leyden;

struct System {
  Geometry<double> geometry;
  std::vector<double> widths;
  SourceShape source(int l_max) const { return {l_max, widths}; }
};

/// Eleven atoms of three widths in a triclinic cell (or without one). One pair is closer than a
/// width, so that the near and the far branch of pair kernels both are used.
inline System random_system(bool periodic, std::uint64_t seed = 1) {
  RandomStream random(seed);
  System s;
  for (int i = 0; i < 11; ++i) {
    s.geometry.positions.push_back(
        {{random.uniform(0, 6), random.uniform(0, 6), random.uniform(0, 6)}});
    s.widths.push_back(i % 3 == 0 ? 0.8 : i % 3 == 1 ? 1.0 : 1.3);
  }
  s.geometry.positions[4] = s.geometry.positions[3];
  s.geometry.positions[4][1] += 0.3;
  if (periodic) {
    s.geometry.cell.data = {7, 0.3, -0.5, 1, 6.5, 0.4, -2, 0.7, 8};
    s.geometry.periodic = {true, true, true};
  }
  return s;
}

inline std::vector<double> random_numbers(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<double> out(n);
  for (double& x : out) x = random.normal();
  return out;
}

inline std::size_t coefficients(const System& s, int l_max) {
  return static_cast<std::size_t>(s.geometry.n_atoms() * (l_max + 1) * (l_max + 1));
}

template <class T>
T inner(const std::vector<double>& a, const std::vector<T>& b) {
  T sum(0);
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// max |a − b| / max(1, max |b|)
inline double deviation(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, scale = 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

/// K p.
template <class T = double, class Solver>
std::vector<T> potential(const Solver& solver, const Geometry<T>& geometry, SourceShape source,
                         const std::vector<double>& p) {
  typename Solver::template Plan<T> plan;
  solver.plan(geometry, source, T(0), plan);
  std::vector<T> from(p.begin(), p.end()), v(p.size());
  solver.apply(plan, from, v);
  return v;
}

/// All features of p.
template <class T = double, class Solver>
std::vector<T> features(const Solver& solver, const Geometry<T>& geometry, SourceShape source,
                        const std::vector<double>& p, const PotentialFeatures& shape) {
  typename Solver::template Plan<T> plan;
  solver.plan(geometry, source, T(0), plan);
  std::vector<T> from(p.begin(), p.end());
  std::vector<T> v(
      shape.widths.size() *
      static_cast<std::size_t>(geometry.n_atoms() * detail::multipole_size(shape.l_max)));
  solver.features(plan, from, shape, v);
  return v;
}

/// r → r + t u + r (t ε), cell alike.
struct Direction {
  std::vector<Vector3<double>> positions;
  Matrix3<double> strain{};
};

template <class T>
Geometry<T> moved(const Geometry<double>& from, const Direction& u, T t) {
  Geometry<T> g;
  g.periodic = from.periodic;
  const auto strained = [&](const Vector3<double>& r, int c) {
    return r[0] * u.strain(0, c) + r[1] * u.strain(1, c) + r[2] * u.strain(2, c);
  };
  for (std::size_t i = 0; i < from.positions.size(); ++i) {
    Vector3<T> r;
    for (int c = 0; c < 3; ++c)
      r[c] = T(from.positions[i][c]) + t * (u.positions[i][c] + strained(from.positions[i], c));
    g.positions.push_back(r);
  }
  for (int d = 0; d < 3; ++d)
    for (int c = 0; c < 3; ++c)
      g.cell(d, c) = T(from.cell(d, c)) + t * strained(from.cell.row(d), c);
  return g;
}

/// Checks an adjoint gradient of `value(geometry)` against duals (along a random direction of atoms
/// and strain) and central differences (each atom, each of nine strain components). `rounding` is
/// how many times larger than the result its terms are.
template <class Value>
void check_gradient(const Geometry<double>& geometry, const GeometryGradient<double>& gradient,
                    const Value& value, double rounding = 1) {
  const std::size_t n = geometry.positions.size();
  RandomStream random(11);
  Direction none;
  none.positions.resize(n);
  Direction u = none;
  double expected = 0, scale = 1;
  for (std::size_t i = 0; i < n; ++i)
    for (int c = 0; c < 3; ++c) {
      u.positions[i][c] = random.normal();
      expected += u.positions[i][c] * gradient.positions[i][c];
      scale = std::max(scale, std::abs(gradient.positions[i][c]));
    }
  for (std::size_t c = 0; c < 9; ++c) {
    u.strain.data[c] = random.normal();
    expected += u.strain.data[c] * gradient.strain.data[c];
    scale = std::max(scale, std::abs(gradient.strain.data[c]));
  }
  // Duals differ by rounding alone, about a hundred terms of size `scale`.
  const Dual<double> dual = value(moved(geometry, u, Dual<double>(0, 1)));
  CHECK(std::abs(dual.tangent - expected) < 1e-11 * scale * rounding);

  // Truncation h²/6 f''' with f''' up to 10 eV/Å³, and rounding 1e-14/h.
  const double h = 1e-4, tolerance = 1e-7 + 1e-10 * (rounding - 1);
  const auto difference = [&](const Direction& along) {
    return (value(moved(geometry, along, h)) - value(moved(geometry, along, -h))) / (2 * h);
  };
  for (std::size_t i = 0; i < n; i += 3)
    for (int c = 0; c < 3; ++c) {
      Direction one = none;
      one.positions[i][c] = 1;
      CHECK(std::abs(difference(one) - gradient.positions[i][c]) < tolerance);
    }
  for (std::size_t c = 0; c < 9; ++c) {
    Direction one = none;
    one.strain.data[c] = 1;
    // Strain moves the atoms by up to their coordinates, 8 Å: h counts more.
    CHECK(std::abs(difference(one) - gradient.strain.data[c]) < 50 * tolerance);
  }
}

/// aᵀKb: symmetric, positive, and its gradient three ways; second derivatives through duals.
template <class Solver>
void check_bilinear_laws(const Solver& solver, const System& s, int l_max, double rounding = 1) {
  using Plan = typename Solver::template Plan<double>;
  const std::size_t m = coefficients(s, l_max);
  const auto n = s.geometry.positions.size();
  const auto a = random_numbers(m, 2), b = random_numbers(m, 3);
  Plan plan;
  solver.plan(s.geometry, s.source(l_max), 0.0, plan);
  std::vector<double> ka(m), kb(m);
  solver.apply(plan, a, ka);
  solver.apply(plan, b, kb);
  // rounding of some 1e3 terms of 10 eV
  CHECK(std::abs(inner(a, kb) - inner(b, ka)) < 1e-11 * rounding);

  GeometryGradient<double> gradient;
  gradient.reset(n);
  solver.bilinear_gradient(plan, a, b, 1.0, gradient);
  check_gradient(
      s.geometry, gradient,
      [&](const auto& g) { return inner(a, potential(solver, g, s.source(l_max), b)); }, rounding);

  // a = b takes a short cut, and `factor` scales what is added.
  GeometryGradient<double> twice, once;
  twice.reset(n);
  once.reset(n);
  solver.bilinear_gradient(plan, a, a, 1.5, twice);
  const auto copy = a;
  solver.bilinear_gradient(plan, a, copy, 1.5, once);
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (int c = 0; c < 3; ++c)
      worst = std::max(worst, std::abs(twice.positions[i][c] - once.positions[i][c]));
  for (std::size_t c = 0; c < 9; ++c)
    worst = std::max(worst, std::abs(twice.strain.data[c] - once.strain.data[c]));
  CHECK(worst < 1e-11 * rounding);

  // Adjoint code on duals: the tangent of the gradient is the derivative of the gradient.
  Direction u;
  RandomStream random(5);
  for (std::size_t i = 0; i < n; ++i)
    u.positions.push_back({{random.normal(), random.normal(), random.normal()}});
  for (double& x : u.strain.data) x = 0.1 * random.normal();
  const auto gradient_at = [&]<class T>(const Geometry<T>& g) {
    typename Solver::template Plan<T> at;
    solver.plan(g, s.source(l_max), T(0), at);
    GeometryGradient<T> out;
    out.reset(n);
    const std::vector<T> ta(a.begin(), a.end()), tb(b.begin(), b.end());
    solver.bilinear_gradient(at, ta, tb, T(1), out);
    std::vector<T> flat;
    for (const auto& r : out.positions) flat.insert(flat.end(), r.data.begin(), r.data.end());
    flat.insert(flat.end(), out.strain.data.begin(), out.strain.data.end());
    return flat;
  };
  const double h = 1e-5;
  const auto dual = gradient_at(moved(s.geometry, u, Dual<double>(0, 1)));
  const auto plus = gradient_at(moved(s.geometry, u, h));
  const auto minus = gradient_at(moved(s.geometry, u, -h));
  std::vector<double> tangent, difference;
  for (std::size_t i = 0; i < dual.size(); ++i) {
    tangent.push_back(dual[i].tangent);
    difference.push_back((plus[i] - minus[i]) / (2 * h));
  }
  CHECK(deviation(tangent, difference) < 1e-7 + 1e-9 * (rounding - 1));  // h² and 1e-13/h
}

/// Features: transpose and gradient against the features themselves, both own-atom choices; of the
/// source's width they are K p.
template <class Solver>
void check_feature_laws(const Solver& solver, const System& s, int l_max, int l_features) {
  using Plan = typename Solver::template Plan<double>;
  const std::vector<double> widths{0.9, 1.4, 2.2};
  const std::size_t m = coefficients(s, l_max);
  const auto p = random_numbers(m, 6);
  const auto c = random_numbers(widths.size() * coefficients(s, l_features), 7);
  Plan plan;
  solver.plan(s.geometry, s.source(l_max), 0.0, plan);
  for (const auto self : {SelfInteraction::included, SelfInteraction::excluded}) {
    const PotentialFeatures shape{l_features, widths, self};
    const auto value = [&](const auto& g) {
      return inner(c, features(solver, g, s.source(l_max), p, shape));
    };
    std::vector<double> p_bar(m, 1.0);
    solver.features_transpose(plan, c, shape, p_bar);
    for (double& x : p_bar) x -= 1.0;  // it adds
    CHECK(std::abs(inner(p, p_bar) - value(s.geometry)) < 1e-11);
    if (self == SelfInteraction::excluded) continue;  // own-atom terms do not move
    GeometryGradient<double> gradient;
    gradient.reset(s.geometry.positions.size());
    solver.feature_gradient(plan, c, p, shape, 1.0, gradient);
    check_gradient(s.geometry, gradient, value);
  }
}

/// K of one width equals the features of that width.
template <class Solver>
void check_features_are_potentials(const Solver& solver, System s, int l_max = 1) {
  for (double& w : s.widths) w = 1.1;
  const std::vector<double> width{1.1};
  const auto p = random_numbers(coefficients(s, l_max), 8);
  CHECK(deviation(features(solver, s.geometry, s.source(l_max), p, PotentialFeatures{l_max, width}),
                  potential(solver, s.geometry, s.source(l_max), p)) < 1e-13);
}

/// The assembled K agrees with apply, is symmetric, and has a Cholesky factor.
template <class Solver>
void check_positive(const Solver& solver, const System& s, int l_max) {
  typename Solver::template Plan<double> plan;
  solver.plan(s.geometry, s.source(l_max), 0.0, plan);
  const std::size_t m = coefficients(s, l_max);
  std::vector<double> k(m * m);
  solver.assemble(plan, k);
  const auto p = random_numbers(m, 9);
  std::vector<double> v(m), kp(m);
  solver.apply(plan, p, v);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < m; ++j) kp[i] += k[i * m + j] * p[j];
  CHECK(deviation(kp, v) < 1e-13);
  double asymmetry = 0;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < m; ++j)
      asymmetry = std::max(asymmetry, std::abs(k[i * m + j] - k[j * m + i]));
  CHECK(asymmetry < 1e-13);
  double smallest_pivot = 1e9;
  for (std::size_t j = 0; j < m; ++j) {
    smallest_pivot = std::min(smallest_pivot, k[j * m + j]);
    REQUIRE(k[j * m + j] > 0);
    for (std::size_t i = j + 1; i < m; ++i) {
      const double f = k[i * m + j] / k[j * m + j];
      for (std::size_t q = j; q < m; ++q) k[i * m + q] -= f * k[j * m + q];
    }
  }
  INFO("smallest pivot " << smallest_pivot);
  CHECK(smallest_pivot > 1e-12);
}

/// Energies do not change under rotation (dipoles rotate), a shift by 1000 Å and permutation.
template <class Solver>
void check_symmetries(const Solver& solver, const System& s) {
  const int n = s.geometry.n_atoms();
  const auto p = random_numbers(coefficients(s, 1), 10);
  const auto energy = [&](const System& at, const std::vector<double>& with) {
    return 0.5 * inner(with, potential(solver, at.geometry, at.source(1), with));
  };
  const double reference = energy(s, p);

  // A rotation about x by 0.7, then about z by −1.1.
  const double c = std::cos(0.7), d = std::sin(0.7), e = std::cos(-1.1), f = std::sin(-1.1);
  const Matrix3<double> x{{1, 0, 0, 0, c, d, 0, -d, c}}, z{{e, f, 0, -f, e, 0, 0, 0, 1}};
  const Matrix3<double> rotation = x * z;
  System turned = s;
  std::vector<double> q = p;
  for (auto& r : turned.geometry.positions) r = r * rotation;
  turned.geometry.cell = s.geometry.cell * rotation;
  for (int i = 0; i < n; ++i) {
    double* at = q.data() + 4 * i;
    const Vector3<double> dipole = Vector3<double>{{at[3], at[1], at[2]}} * rotation;
    at[1] = dipole[1];
    at[2] = dipole[2];
    at[3] = dipole[0];
  }
  CHECK(std::abs(energy(turned, q) - reference) < 1e-11);

  System far = s;
  for (auto& r : far.geometry.positions) r += Vector3<double>{{1000, -1000, 1000}};
  CHECK(std::abs(energy(far, p) - reference) < 1e-9);  // positions are exact to 1e-13 Å only

  System reversed = s;
  std::vector<double> r(p.size());
  for (int i = 0; i < n; ++i) {
    const auto from = static_cast<std::size_t>(n - 1 - i), to = static_cast<std::size_t>(i);
    reversed.geometry.positions[to] = s.geometry.positions[from];
    reversed.widths[to] = s.widths[from];
    for (std::size_t lm = 0; lm < 4; ++lm) r[4 * to + lm] = p[4 * from + lm];
  }
  CHECK(std::abs(energy(reversed, r) - reference) < 1e-11);
}

/// Single precision is that of single precision: 1e-7 times some hundred terms.
template <class Solver>
void check_float(const Solver& solver, const System& s) {
  Geometry<float> g;
  g.periodic = s.geometry.periodic;
  g.cell = Matrix3<float>();
  for (std::size_t c = 0; c < 9; ++c) g.cell.data[c] = static_cast<float>(s.geometry.cell.data[c]);
  Geometry<double> rounded = s.geometry;
  for (auto& r : rounded.positions) {
    Vector3<float> f;
    for (int c = 0; c < 3; ++c) {
      f[c] = static_cast<float>(r[c]);
      r[c] = static_cast<double>(f[c]);
    }
    g.positions.push_back(f);
  }
  for (std::size_t c = 0; c < 9; ++c) rounded.cell.data[c] = static_cast<double>(g.cell.data[c]);
  std::vector<float> p;
  std::vector<double> pd;
  for (const double x : random_numbers(coefficients(s, 1), 12)) {
    p.push_back(static_cast<float>(x));
    pd.push_back(static_cast<double>(p.back()));
  }
  typename Solver::template Plan<float> plan;
  solver.plan(g, s.source(1), 0.0F, plan);
  std::vector<float> v(p.size());
  solver.apply(plan, p, v);
  GeometryGradient<float> gradient;
  gradient.reset(g.positions.size());
  solver.bilinear_gradient(plan, p, p, 0.5F, gradient);

  typename Solver::template Plan<double> exact;
  solver.plan(rounded, s.source(1), 0.0, exact);
  GeometryGradient<double> reference;
  reference.reset(g.positions.size());
  solver.bilinear_gradient(exact, pd, pd, 0.5, reference);
  std::vector<double> f, r;
  for (std::size_t i = 0; i < g.positions.size(); ++i)
    for (int c = 0; c < 3; ++c) {
      f.push_back(static_cast<double>(gradient.positions[i][c]));
      r.push_back(reference.positions[i][c]);
    }
  CHECK(deviation(f, r) < 1e-5);
  CHECK(deviation(std::vector<double>(v.begin(), v.end()),
                  potential(solver, rounded, s.source(1), pd)) < 1e-5);
}

/// The second call of everything allocates nothing. `count()` returns the allocations so far.
template <class Solver, class Count>
void check_no_allocation(const Solver& solver, const System& s, const Count& count) {
  const std::size_t m = coefficients(s, 1);
  const auto a = random_numbers(m, 13), b = random_numbers(m, 14);
  const std::vector<double> widths{1.2, 2.0};
  const PotentialFeatures shape{1, widths};
  const auto c = random_numbers(2 * m, 15);
  std::vector<double> v(m), w(2 * m);
  GeometryGradient<double> gradient;
  gradient.reset(s.geometry.positions.size());
  typename Solver::template Plan<double> plan;
  const auto everything = [&] {
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    solver.apply(plan, a, v);
    solver.bilinear_gradient(plan, a, b, 1.0, gradient);
    solver.bilinear_gradient(plan, a, a, 1.0, gradient);
    solver.features(plan, a, shape, w);
    solver.features_transpose(plan, c, shape, v);
    solver.feature_gradient(plan, c, a, shape, 1.0, gradient);
  };
  everything();
  const auto before = count();
  everything();
  CHECK(count() == before);
}

/// The system doubled along its lattice vectors (or unit vectors of 8 Å) in turn.
inline System doubled(System s, int times) {
  for (int copy = 0; copy < times; ++copy) {
    const int axis = copy % 3;
    const std::size_t n = s.widths.size();
    Vector3<double> step = s.geometry.cell.row(axis);
    if (!s.geometry.periodic[0]) {
      step = {};
      step[axis] = 8.0 * (1 + copy / 3);
    }
    for (std::size_t i = 0; i < n; ++i) {
      s.geometry.positions.push_back(s.geometry.positions[i] + step);
      s.widths.push_back(s.widths[i]);
    }
    for (int c = 0; c < 3; ++c) s.geometry.cell(axis, c) *= 2;
  }
  return s;
}

/// Everything by threads is the same to the last bit. The system must be large enough for several
/// blocks of work.
template <class Solver>
void check_threads(const Solver& solver, const System& s) {
  const std::size_t m = coefficients(s, 1);
  const auto a = random_numbers(m, 46), b = random_numbers(m, 47);
  const std::vector<double> widths{0.6, 1.1};
  const PotentialFeatures shape{1, widths};
  const auto c = random_numbers(2 * m, 48);
  const auto run = [&](auto&& executor) {
    typename Solver::template Plan<double> plan;
    solver.plan(s.geometry, s.source(1), 0.0, plan);
    GeometryGradient<double> g;
    g.reset(s.widths.size());
    std::vector<double> out(4 * m);
    const std::span<double> all(out);
    solver.apply(plan, a, all.first(m), executor);
    solver.features(plan, a, shape, all.subspan(m, 2 * m), executor);
    solver.features_transpose(plan, c, shape, all.subspan(3 * m, m), executor);
    out.push_back(solver.energy(plan, a, 1.0, g, executor));
    solver.bilinear_gradient(plan, a, b, 1.0, g, executor);
    solver.feature_gradient(plan, c, b, shape, 1.0, g, executor);
    for (const auto& r : g.positions)
      for (int d = 0; d < 3; ++d) out.push_back(r[d]);
    out.insert(out.end(), g.strain.data.begin(), g.strain.data.end());
    return out;
  };
  const std::vector<double> one = run(SerialExecutor{});
  for (const int threads : {2, 5}) CHECK(run(leyden_test::ThreadExecutor(threads)) == one);
}

}  // namespace electrostatics_test
