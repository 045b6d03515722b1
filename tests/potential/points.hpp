// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/fourth_generation.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/charge/site.hpp>
#include <leyden/charge/split.hpp>
#include <leyden/core/random.hpp>
#include <leyden/potential.hpp>

#include "support/toy_descriptor.hpp"

#include <type_traits>

// Potentials and structures for the laws that every point of the design space fulfils.
namespace leyden_test {

using namespace leyden;

// Options of a self-consistent model with everything switched on.
template <class Q>
auto make_options(const GaussianWidths& widths) {
  auto options = Q().options();
  if constexpr (std::same_as<Q, FourthGeneration>)
    options.equilibration = {widths, 1.5, false, 0.3, 0.7};
  else
    options.widths = widths;
  options.initial_weights = 0.3;
  if constexpr (requires { options.charges; }) options.charges = {-0.4, 0.2};
  if constexpr (requires { options.bonds; }) options.bonds.cutoff = 2.8;
  if constexpr (requires { options.learned_base; }) options.learned_base = true;
  if constexpr (requires { options.bond_saturation; })
    options.bond_softness = options.bond_saturation = options.electronegativity = options.hardness =
        true;
  if constexpr (requires { options.bond_kinks; }) {
    options.bond_hardness = options.bond_sum_hardness = options.bond_kinks = true;
    options.wells = 1;
  }
  if constexpr (requires { options.bond_cross; }) {
    options.bond_transfer = options.bond_cross = true;
    options.terms = 2;
    options.feature_widths = {1.0, 1.7};
  }
  return options;
}

// Oxygen and hydrogen, with widths and parameters that are all different from their defaults.
template <class Q>
Q make_charge_model() {
  const GaussianWidths widths(std::vector<double>{0.9, 0.6});
  if constexpr (std::same_as<Q, NoCharges>) {
    return {};
  } else if constexpr (std::same_as<Q, FixedCharges> || std::same_as<Q, BasicFixedCharges<false>>) {
    return Q(FixedChargesOptions{{-0.8, 0.4}, widths, true});
  } else if constexpr (std::same_as<Q, ChargeEquilibration> ||
                       std::same_as<Q, PolarizableChargeEquilibration>) {
    return Q(ChargeEquilibrationOptions{widths, 1.5, false, 0.3, 0.7});
  } else if constexpr (SelfConsistentChargeModel<Q>) {
    return Q(make_options<Q>(widths));
  } else if constexpr (std::same_as<Q, SplitCharges<0>> || std::same_as<Q, SplitCharges<1>> ||
                       std::same_as<Q, SplitCharges<1, false>>) {
    return Q(SplitChargesOptions{widths, {-0.5, 0.25}, false, false, 0.3, 2.8});
  } else if constexpr (requires(const Q& q) { q.site(); }) {
    return Q(SiteChargesOptions{widths});
  } else {
    return Q(LocalMultipolesOptions{widths, {-0.5, 0.25}, false, 0.3});
  }
}

template <class P>
P make_potential(typename P::solver_type solver = typename P::solver_type()) {
  P p(typename P::descriptor_type({8, 1}), make_charge_model<typename P::charge_model_type>(),
      std::move(solver), 7);
  // Constants too must differ from their initial values: zero hides errors.
  std::vector<double> parameters(p.parameters().begin(), p.parameters().end());
  RandomStream random(11);
  for (double& x : parameters) x += 0.1 * random.normal();
  p.set_parameters(parameters);
  return p;
}

/// Atoms at random, none closer than 0.8 Å, in the box spanned by `vectors`.
inline Structure random_structure(const Matrix3<double>& vectors, std::array<bool, 3> periodic,
                                  std::size_t n, std::uint64_t seed) {
  Structure s;
  s.cell = {vectors, periodic};
  RandomStream random(seed);
  while (s.size() < n) {
    const Vector3<double> r =
        Vector3<double>{{random.uniform(), random.uniform(), random.uniform()}} * vectors;
    bool far = true;
    for (const auto& other : s.positions) {
      for (int k = 0; k < 27; ++k) {
        Vector3<double> d = r - other;
        for (int a = 0; a < 3; ++a) {
          const int shift = (a == 0 ? k : a == 1 ? k / 3 : k / 9) % 3 - 1;
          if (periodic[static_cast<std::size_t>(a)]) d += double(shift) * vectors.row(a);
        }
        far = far && norm(d) > 0.8;
      }
    }
    if (!far) continue;
    s.positions.push_back(r);
    s.atomic_numbers.push_back(s.size() % 3 == 1 ? 8 : 1);
  }
  return s;
}
inline Structure molecule() {
  Structure s = random_structure({{3.5, 0, 0, 0, 3.5, 0, 0, 0, 3.5}}, {}, 7, 3);
  s.cell = {};
  s.total_charge = 1.0;
  return s;
}
inline Structure crystal() {
  return random_structure({{4.4, 0.2, -0.3, 0.6, 4.1, 0.1, -0.4, 0.5, 4.7}}, {true, true, true}, 6,
                          5);
}

inline Matrix3<double> rotation() {
  // About a skew axis by 1.1 (Rodrigues).
  const Vector3<double> u{{2.0 / 7, 3.0 / 7, 6.0 / 7}};
  const double c = std::cos(1.1), s = std::sin(1.1);
  Matrix3<double> m;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) m(i, j) = (i == j ? c : 0.0) + (1 - c) * u[i] * u[j];
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    m(i, j) += s * u[k];
    m(j, i) -= s * u[k];
  }
  return m;
}

inline void strain(Structure& s, int a, int b, double e) {
  Matrix3<double> f = Matrix3<double>::identity();
  f(a, b) += 0.5 * e;
  f(b, a) += 0.5 * e;
  for (auto& r : s.positions) r = r * f;
  s.cell.vectors = s.cell.vectors * f;
}

/// Random cotangents of every prediction. @param size  multipoles per atom; 0: not of these.
inline LossCotangents random_cotangents(std::size_t n, std::uint64_t seed, std::size_t size = 0) {
  RandomStream random(seed);
  LossCotangents c;
  c.energy = random.normal();
  c.forces.resize(n);
  for (auto& f : c.forces) f = {{random.normal(), random.normal(), random.normal()}};
  for (double& x : c.stress.data) x = 10.0 * random.normal();
  c.charges.resize(n);
  for (double& q : c.charges) q = random.normal();
  c.dipole = {{random.normal(), random.normal(), random.normal()}};
  c.multipoles.resize(n * size);
  for (double& p : c.multipoles) p = random.normal();
  return c;
}

/// The linear loss that has these cotangents.
inline double linear_loss(const Prediction& p, const LossCotangents& c) {
  double l = c.energy * p.energy + dot(c.dipole, p.dipole);
  for (std::size_t i = 0; i < c.forces.size(); ++i) l += dot(c.forces[i], p.forces[i]);
  for (std::size_t i = 0; i < p.charges.size() && i < c.charges.size(); ++i)
    l += c.charges[i] * p.charges[i];
  for (std::size_t k = 0; k < c.multipoles.size(); ++k) l += c.multipoles[k] * p.multipoles[k];
  for (std::size_t k = 0; k < 9; ++k) l += c.stress.data[k] * p.stress.data[k];
  return l;
}

}  // namespace leyden_test
