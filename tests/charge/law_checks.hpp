// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/random.hpp>
#include <leyden/scf/law.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <vector>

// What all laws fulfil: their gradients are those of their values, on plain, dual and nested dual
// numbers, and are added to what is there.
namespace leyden_test {

using namespace leyden;
using Catch::Matchers::WithinAbs;

inline std::vector<double> random_vector(int n, std::uint64_t seed, double scale = 1.0) {
  RandomStream random(seed);
  std::vector<double> v(static_cast<std::size_t>(n));
  for (double& x : v) x = scale * random.normal();
  return v;
}
inline double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double s = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// One function of (c, x) with gradients, on any number type: value(c, x, c̄, x̄).
/// Derivatives along a direction by central differences, duals and gradients agree, first and
/// second.
template <class F>
void check_function(F&& function, const std::vector<double>& c, const std::vector<double>& x) {
  using D = Dual<double>;
  const auto dc = random_vector(static_cast<int>(c.size()), 91);
  const auto dx = random_vector(static_cast<int>(x.size()), 92);
  const auto evaluate = [&]<class T>(const std::vector<T>& at_c, const std::vector<T>& at_x,
                                     std::vector<T>& c_bar, std::vector<T>& x_bar) {
    c_bar.assign(at_c.size(), T{});
    x_bar.assign(at_x.size(), T{});
    return function(at_c.data(), at_x.data(), c_bar.data(), x_bar.data());
  };
  std::vector<double> c_bar, x_bar;
  evaluate(c, x, c_bar, x_bar);
  const double slope = inner(c_bar, dc) + inner(x_bar, dx);

  // Central differences of second order: error h² ~ 1e-8, and 1e-16/h of rounding.
  const double h = 1e-5;
  const auto shifted = [&](double e, std::vector<double>& cb, std::vector<double>& xb) {
    std::vector<double> c1 = c, x1 = x;
    for (std::size_t i = 0; i < c.size(); ++i) c1[i] += e * dc[i];
    for (std::size_t i = 0; i < x.size(); ++i) x1[i] += e * dx[i];
    return evaluate(c1, x1, cb, xb);
  };
  std::vector<double> cp, xp, cm, xm;
  const double difference = (shifted(h, cp, xp) - shifted(-h, cm, xm)) / (2.0 * h);
  CHECK_THAT(slope, WithinAbs(difference, 2e-7 * (1.0 + std::abs(difference))));

  std::vector<D> c1, x1, c1_bar, x1_bar;
  for (std::size_t i = 0; i < c.size(); ++i) c1.push_back({c[i], dc[i]});
  for (std::size_t i = 0; i < x.size(); ++i) x1.push_back({x[i], dx[i]});
  const D value = evaluate(c1, x1, c1_bar, x1_bar);
  CHECK_THAT(value.tangent, WithinAbs(slope, 1e-11 * (1.0 + std::abs(slope))));
  for (std::size_t i = 0; i < c.size(); ++i) {
    const double d = (cp[i] - cm[i]) / (2.0 * h);
    CHECK_THAT(c1_bar[i].tangent, WithinAbs(d, 2e-6 * (1.0 + std::abs(d))));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = (xp[i] - xm[i]) / (2.0 * h);
    CHECK_THAT(x1_bar[i].tangent, WithinAbs(d, 2e-6 * (1.0 + std::abs(d))));
  }

  // Nested: the second derivative along the direction, from the value and from the gradient.
  std::vector<Dual<D>> c2, x2, c2_bar, x2_bar;
  for (std::size_t i = 0; i < c.size(); ++i) c2.push_back({D(c[i], dc[i]), D(dc[i])});
  for (std::size_t i = 0; i < x.size(); ++i) x2.push_back({D(x[i], dx[i]), D(dx[i])});
  const Dual<D> nested = evaluate(c2, x2, c2_bar, x2_bar);
  double curvature = 0.0;
  for (std::size_t i = 0; i < c.size(); ++i) curvature += c1_bar[i].tangent * dc[i];
  for (std::size_t i = 0; i < x.size(); ++i) curvature += x1_bar[i].tangent * dx[i];
  CHECK_THAT(nested.tangent.tangent, WithinAbs(curvature, 1e-10 * (1.0 + std::abs(curvature))));
}

/// An energy or response law at random coefficients (the functions are defined for all signs).
template <class Law>
void check_law(const Law& law, int size, std::uint64_t seed) {
  const auto c = random_vector(law.atom_size(), seed), b = random_vector(law.bond_size(), seed + 1);
  const auto x = random_vector(2 * size, seed + 2);
  const std::vector<double> x_s(x.begin(), x.begin() + size);
  check_function([&]<class T>(const T* at_c, const T* at_x, T* c_bar,
                              T* x_bar) { return law.atom(at_c, at_x, x_bar, c_bar); },
                 c, x_s);
  if (law.bond_size() > 0)
    check_function(
        [&]<class T>(const T* at_c, const T* at_x, T* c_bar, T* x_bar) {
          return law.bond(at_c, at_x, at_x + size, x_bar, x_bar + size, c_bar);
        },
        b, x);
  // Gradients are added, and those of the coefficients are not needed.
  std::vector<double> fresh(x.size(), 0.0), added(x.size(), 2.0), c_bar(c.size(), 0.0);
  law.atom(c.data(), x.data(), fresh.data(), static_cast<double*>(nullptr));
  law.atom(c.data(), x.data(), added.data(), c_bar.data());
  for (int m = 0; m < size; ++m)
    CHECK_THAT(added[static_cast<std::size_t>(m)] - fresh[static_cast<std::size_t>(m)],
               WithinAbs(2.0, 1e-14));
}

/// The Hessian in x of an atom's φ is positive semidefinite: dᵀHd ≥ 0 for random d.
template <class F>
double smallest_curvature(F&& function, int n, std::uint64_t seed) {
  using D = Dual<double>;
  double smallest = 1e300;
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    const auto x = random_vector(n, seed + 3 * trial, 2.0), d = random_vector(n, seed + 7 * trial);
    std::vector<D> xd, x_bar(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) xd.push_back({x[i], d[i]});
    function(xd.data(), x_bar.data());
    double curvature = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) curvature += d[i] * x_bar[i].tangent;
    smallest = std::min(smallest, curvature);
  }
  return smallest;
}

}  // namespace leyden_test
