// SPDX-License-Identifier: MIT
#pragma once

#include "potential/points.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <thread>

// What every point of the design space fulfils, whatever its policies are.
namespace leyden_test {

using Catch::Matchers::WithinAbs;

/// Central differences with step h have an error of h² times a third derivative (10 … 100 here)
/// plus rounding 1e-16 · |E| / h: about 1e-8 at h = 1e-5, and below 1e-6 relative to what is
/// tested.
inline constexpr double difference_step = 1e-5;

/// Forces and stress are the derivatives of the energy.
template <class P>
void check_forces_and_stress(const P& potential, const Structure& structure) {
  typename P::Workspace workspace, other;
  const Prediction p = potential.evaluate(structure, workspace);
  REQUIRE(p.forces.size() == structure.size());
  const double h = difference_step;
  double scale = 0.1;
  for (const auto& f : p.forces) scale = std::max(scale, norm(f));
  for (std::size_t i = 0; i < structure.size(); i += 2)
    for (int a = 0; a < 3; ++a) {
      Structure s = structure;
      s.positions[i][a] += h;
      const double up = potential.evaluate(s, other, {false, false}).energy;
      s.positions[i][a] -= 2 * h;
      const double down = potential.evaluate(s, other, {false, false}).energy;
      CHECK_THAT(p.forces[i][a], WithinAbs((down - up) / (2 * h), 1e-7 * scale));
    }
  if (!structure.cell.all_periodic()) {
    CHECK(p.stress == Matrix3<double>{});
    return;
  }
  const double volume = determinant(structure.cell.vectors);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) {
      Structure s = structure;
      strain(s, a, b, h);
      const double up = potential.evaluate(s, other, {false, false}).energy;
      s = structure;
      strain(s, a, b, -h);
      const double down = potential.evaluate(s, other, {false, false}).energy;
      // dE/dε in eV is some ten times a force.
      CHECK_THAT(p.stress(a, b) * volume, WithinAbs((up - down) / (2 * h), 1e-6 * scale));
    }
}

/// dL/dθ of a loss on everything, against central differences in every parameter (or every
/// stride-th). Returns the largest error relative to the largest derivative.
template <class P>
double parameter_gradient_error(P potential, const Structure& structure,
                                const LossCotangents& cotangents, std::size_t stride = 1) {
  typename P::Workspace workspace;
  std::vector<double> gradient(potential.layout().size(), 0.0);
  potential.parameter_gradient(structure, cotangents, workspace, gradient);
  const std::vector<double> start(potential.parameters().begin(), potential.parameters().end());
  double scale = 0.0, error = 0.0;
  for (double g : gradient) scale = std::max(scale, std::abs(g));
  for (std::size_t k = 0; k < start.size(); k += stride) {
    const double h = difference_step;
    double loss[2];
    for (int side = 0; side < 2; ++side) {
      std::vector<double> x = start;
      x[k] += side == 0 ? h : -h;
      potential.set_parameters(x);
      loss[side] = linear_loss(potential.evaluate(structure, workspace), cotangents);
    }
    error = std::max(error, std::abs(gradient[k] - (loss[0] - loss[1]) / (2 * h)));
  }
  return error / scale;
}

template <class P>
void check_parameter_gradient(const P& potential, const Structure& structure) {
  const LossCotangents all =
      random_cotangents(structure.size(), 21, static_cast<std::size_t>(P::multipole_count));
  // Measured below 1e-10, which is the rounding of the differences.
  CHECK(parameter_gradient_error(potential, structure, all) < 1e-8);
  // Without forces and stress the pass runs on real numbers.
  LossCotangents first = all;
  first.forces.clear();
  first.stress = {};
  CHECK(parameter_gradient_error(potential, structure, first) < 1e-8);
  // It adds.
  typename P::Workspace workspace;
  std::vector<double> once(potential.layout().size(), 0.0), twice = once;
  potential.parameter_gradient(structure, all, workspace, once);
  for (int k = 0; k < 2; ++k) potential.parameter_gradient(structure, all, workspace, twice);
  for (std::size_t k = 0; k < once.size(); ++k)
    CHECK_THAT(twice[k], WithinAbs(2 * once[k], 1e-13 * (1 + std::abs(once[k]))));
}

/// The derivative along a direction in all inputs, against central differences.
template <class P>
void check_directional_derivative(const P& potential, const Structure& structure) {
  RandomStream random(33);
  Direction d;
  const std::size_t n = structure.size();
  const auto vector = [&] {
    return Vector3<double>{{random.normal(), random.normal(), random.normal()}};
  };
  for (std::size_t i = 0; i < n; ++i) {
    d.displacement.push_back(vector());
    d.applied_potential.push_back(random.normal());
  }
  if (!structure.cell.any_periodic()) d.external_field = vector();
  if (structure.cell.all_periodic())
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b <= a; ++b) d.strain(a, b) = d.strain(b, a) = 0.1 * random.normal();
  if (P::charge_model_type::conserves_charge && !structure.cell.any_periodic())
    d.total_charge = random.normal();
  Prediction side[2];
  const double h = difference_step;
  typename P::Workspace workspace;
  for (int k = 0; k < 2; ++k) {
    const double t = k == 0 ? h : -h;
    Structure s = structure;
    s.applied_potential.assign(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      // Strain acts on the positions, displacements come on top.
      s.positions[i] += t * (structure.positions[i] * d.strain) + t * d.displacement[i];
      s.applied_potential[i] = t * d.applied_potential[i];
    }
    const Matrix3<double> change = s.cell.vectors * d.strain;
    for (std::size_t k = 0; k < 9; ++k) s.cell.vectors.data[k] += t * change.data[k];
    s.external_field += t * d.external_field;
    if constexpr (P::charge_model_type::kind != ChargeKind::explicit_)
      s.total_charge += t * d.total_charge;
    side[k] = potential.evaluate(s, workspace);
  }
  if constexpr (P::charge_model_type::kind == ChargeKind::explicit_) d.total_charge = 0.0;
  const DirectionalDerivative& found = potential.directional_derivative(structure, d, workspace);
  const auto difference = [&](auto&& value) { return (value(side[0]) - value(side[1])) / (2 * h); };
  double scale = 1.0;
  for (const auto& f : found.forces) scale = std::max(scale, norm(f));
  CHECK_THAT(found.energy, WithinAbs(difference([](const auto& p) { return p.energy; }),
                                     1e-7 * (scale + std::abs(found.energy))));
  for (std::size_t i = 0; i < n; ++i)
    for (int a = 0; a < 3; ++a)
      CHECK_THAT(
          found.forces[i][a],
          WithinAbs(difference([&](const auto& p) { return p.forces[i][a]; }), 1e-6 * scale));
  for (std::size_t k = 0; k < 9; ++k)
    CHECK_THAT(
        found.stress.data[k],
        WithinAbs(difference([&](const auto& p) { return p.stress.data[k]; }), 1e-6 * scale));
  for (std::size_t k = 0; k < side[0].multipoles.size(); ++k) {
    CHECK_THAT(found.multipoles[k],
               WithinAbs(difference([&](const auto& p) { return p.multipoles[k]; }), 1e-6 * scale));
    CHECK_THAT(found.potentials[k],
               WithinAbs(difference([&](const auto& p) { return p.potentials[k]; }), 1e-6 * scale));
  }
  for (int a = 0; a < 3; ++a)
    CHECK_THAT(
        found.polarization[a],
        WithinAbs(difference([&](const auto& p) { return p.polarization[a]; }), 1e-6 * scale));
}

/// Charges sum to the total charge, shares to the energy, multipoles begin with charges.
template <class P>
void check_sums(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const Prediction& p = potential.evaluate(structure, workspace);
  double charge = 0.0, energy = 0.0;
  for (double q : p.charges) charge += q;
  for (double e : p.atomic_energies) energy += e;
  if (P::charge_model_type::conserves_charge)
    CHECK_THAT(charge, WithinAbs(structure.total_charge, 1e-12));
  CHECK_THAT(energy, WithinAbs(p.energy, 1e-12 * (1.0 + std::abs(energy))));
  CHECK(p.multipoles.size() == structure.size() * P::multipole_count);
  CHECK(p.charges.size() == (P::multipole_count > 0 ? structure.size() : 0));
}

/// The same physics seen differently. Rounding is that of sums over some hundred terms of the
/// energy's size, and in positions at 1000 Å of 1e-13 Å.
template <class P>
void check_symmetries(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const Prediction p = potential.evaluate(structure, workspace);
  double scale = 1.0;
  for (const auto& f : p.forces) scale = std::max(scale, norm(f));
  const std::size_t n = structure.size();
  const double tolerance = 1e-10 * scale;

  SECTION("rotation and inversion") {
    for (double sign : {1.0, -1.0}) {
      Matrix3<double> m = rotation();
      for (double& x : m.data) x *= sign;
      Structure s = structure;
      for (auto& r : s.positions) r = r * m;
      s.cell.vectors = s.cell.vectors * m;
      s.external_field = s.external_field * m;
      const Prediction q = potential.evaluate(s, workspace);
      CHECK_THAT(q.energy, WithinAbs(p.energy, tolerance));
      for (std::size_t i = 0; i < n; ++i) CHECK(norm(q.forces[i] - p.forces[i] * m) < tolerance);
      CHECK(norm(q.dipole - p.dipole * m) < tolerance);
      Matrix3<double> transposed;
      for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) transposed(a, b) = m(b, a);
      const Matrix3<double> turned = transposed * p.stress * m;
      for (std::size_t k = 0; k < 9; ++k)
        CHECK_THAT(q.stress.data[k], WithinAbs(turned.data[k], tolerance));
    }
  }
  SECTION("translation by 1000 Å") {
    Structure s = structure;
    s.external_field = {};
    const Prediction here = potential.evaluate(s, workspace);
    for (auto& r : s.positions) r += {{1000.0, -1000.0, 1000.0}};
    const Prediction q = potential.evaluate(s, workspace);
    CHECK_THAT(q.energy, WithinAbs(here.energy, tolerance));
    for (std::size_t i = 0; i < n; ++i) CHECK(norm(q.forces[i] - here.forces[i]) < 1e-9 * scale);
    for (std::size_t k = 0; k < 9; ++k)
      CHECK_THAT(q.stress.data[k], WithinAbs(here.stress.data[k], 1e-9 * scale));
  }
  SECTION("order of the atoms") {
    Structure s = structure;
    std::reverse(s.positions.begin(), s.positions.end());
    std::reverse(s.atomic_numbers.begin(), s.atomic_numbers.end());
    const Prediction q = potential.evaluate(s, workspace);
    CHECK_THAT(q.energy, WithinAbs(p.energy, tolerance));
    for (std::size_t i = 0; i < n; ++i) CHECK(norm(q.forces[n - 1 - i] - p.forces[i]) < tolerance);
    for (std::size_t i = 0; i < p.charges.size(); ++i)
      CHECK_THAT(q.charges[n - 1 - i], WithinAbs(p.charges[i], tolerance));
  }
  if (!structure.cell.all_periodic()) return;
  SECTION("lattice basis and images of atoms") {
    Structure s = structure;
    for (int b = 0; b < 3; ++b) s.cell.vectors(1, b) += s.cell.vectors(0, b);
    s.positions[2] += 2.0 * s.cell.vectors.row(1) - s.cell.vectors.row(2);
    const Prediction q = potential.evaluate(s, workspace);
    CHECK_THAT(q.energy, WithinAbs(p.energy, tolerance));
    for (std::size_t i = 0; i < n; ++i) CHECK(norm(q.forces[i] - p.forces[i]) < tolerance);
    for (std::size_t k = 0; k < 9; ++k)
      CHECK_THAT(q.stress.data[k], WithinAbs(p.stress.data[k], tolerance));
  }
  SECTION("supercell") {
    Structure s = structure;
    for (std::size_t i = 0; i < n; ++i) {
      s.positions.push_back(structure.positions[i] + structure.cell.vectors.row(1));
      s.atomic_numbers.push_back(structure.atomic_numbers[i]);
    }
    for (int b = 0; b < 3; ++b) s.cell.vectors(1, b) *= 2.0;
    s.total_charge *= 2.0;
    const Prediction q = potential.evaluate(s, workspace);
    CHECK_THAT(q.energy, WithinAbs(2.0 * p.energy, 2 * tolerance));
    for (std::size_t i = 0; i < n; ++i) CHECK(norm(q.forces[i] - p.forces[i]) < tolerance);
    for (std::size_t k = 0; k < 9; ++k)
      CHECK_THAT(q.stress.data[k], WithinAbs(p.stress.data[k], tolerance));
  }
}

/// Two threads with a workspace each get the serial numbers, bit by bit.
template <class P>
void check_threads(const P& potential, const Structure& structure) {
  typename P::Workspace serial;
  std::vector<Structure> frames(6, structure);
  std::vector<double> expected, found(frames.size());
  for (std::size_t k = 0; k < frames.size(); ++k) {
    frames[k].positions[k % structure.size()][0] += 0.05;
    expected.push_back(potential.evaluate(frames[k], serial).forces[0][0]);
  }
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      typename P::Workspace own;
      for (std::size_t k = t; k < frames.size(); k += 2)
        found[k] = potential.evaluate(frames[k], own).forces[0][0];
    });
  for (auto& t : threads) t.join();
  CHECK(found == expected);
}

/// Nothing is allocated by the second call.
template <class P>
void check_allocations(const P& potential, const Structure& structure) {
  typename P::Workspace workspace;
  const LossCotangents cotangents =
      random_cotangents(structure.size(), 22, static_cast<std::size_t>(P::multipole_count));
  std::vector<double> gradient(potential.layout().size(), 0.0);
  Structure moved = structure;
  moved.positions[0][1] += 1.0;  // more than the skin: the list is built anew
  const auto work = [&] {
    for (const Structure* s : {&structure, static_cast<const Structure*>(&moved)}) {
      potential.evaluate(*s, workspace);
      potential.parameter_gradient(*s, cotangents, workspace, gradient);
    }
  };
  work();
  CHECK(allocations_of(work) == 0);
}

template <class P>
void check_all(const P& potential, const Structure& structure) {
  SECTION("forces and stress") { check_forces_and_stress(potential, structure); }
  SECTION("parameter gradient") { check_parameter_gradient(potential, structure); }
  SECTION("derivative along a direction") { check_directional_derivative(potential, structure); }
  SECTION("sums") { check_sums(potential, structure); }
  SECTION("threads") { check_threads(potential, structure); }
  SECTION("allocations") { check_allocations(potential, structure); }
  check_symmetries(potential, structure);
}

}  // namespace leyden_test
