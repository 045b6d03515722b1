// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/laws.hpp"
#include "support/allocations.hpp"

namespace particle_mesh_test {

using namespace electrostatics_test;

namespace {

// A fixed mesh: finite differences do not meet a change of its size. The laws hold for any.
ParticleMesh fixed_mesh(MeshSplitting splitting, int order = 8,
                        MeshWindowChoice window = MeshWindowChoice::spline,
                        std::array<int, 3> size = {16, 14, 18}) {
  ParticleMeshOptions o;
  o.accuracy = 1e-6;
  o.splitting = splitting;
  o.order = order;
  o.window = window;
  o.size = size;
  o.cutoff = 12;  // the widest Gaussians reach 10 Å
  o.background = Background::uniform;
  return ParticleMesh(o);
}

// Of some accuracy, all else automatic.
ParticleMesh accurate(double accuracy, MeshSplitting splitting = MeshSplitting::automatic,
                      double cutoff = 6) {
  ParticleMeshOptions o;
  o.accuracy = accuracy;
  o.splitting = splitting;
  o.cutoff = cutoff;
  o.background = Background::uniform;
  return ParticleMesh(o);
}

const Reciprocal exact({1e-15, 0.0, Background::uniform, SelfInteraction::included});

System narrow_system(bool periodic) {
  System s = random_system(periodic);
  for (std::size_t i = 0; i < s.widths.size(); ++i)
    s.widths[i] = 0.35 + 0.1 * static_cast<double>(i % 3);
  return s;
}

// The root mean square error of the gradient of aᵀKb, relative to the gradient; and of its strain
// derivative, to the largest component.
struct Errors {
  double force = 0, strain = 0, potential = 0;
};
template <class A, class B>
Errors compare(const A& solver, const B& reference, const System& s, int l_max,
               const std::vector<double>& a, const std::vector<double>& b) {
  const std::size_t n = s.geometry.positions.size();
  typename A::template Plan<double> plan;
  typename B::template Plan<double> other;
  solver.plan(s.geometry, s.source(l_max), 0.0, plan);
  reference.plan(s.geometry, s.source(l_max), 0.0, other);
  GeometryGradient<double> g, r;
  g.reset(n);
  r.reset(n);
  solver.bilinear_gradient(plan, a, b, 1.0, g);
  reference.bilinear_gradient(other, a, b, 1.0, r);
  Errors e;
  double sum = 0, largest = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (int c = 0; c < 3; ++c) {
      e.force += std::pow(g.positions[i][c] - r.positions[i][c], 2);
      sum += r.positions[i][c] * r.positions[i][c];
    }
  e.force = std::sqrt(e.force / sum);
  for (std::size_t c = 0; c < 9; ++c) {
    e.strain = std::max(e.strain, std::abs(g.strain.data[c] - r.strain.data[c]));
    largest = std::max(largest, std::abs(r.strain.data[c]));
  }
  e.strain /= largest;
  std::vector<double> v(a.size()), w(a.size());
  solver.apply(plan, a, v);
  reference.apply(other, a, w);
  e.potential = deviation(v, w);
  return e;
}

template <class A, class B>
void check_close(const A& solver, const B& reference, const System& s, int l_max, double tolerance,
                 double strain_tolerance) {
  const std::size_t m = coefficients(s, l_max);
  const Errors e =
      compare(solver, reference, s, l_max, random_numbers(m, 31), random_numbers(m, 32));
  INFO("l_max " << l_max << ": force " << e.force << ", strain " << e.strain << ", potential "
                << e.potential);
  CHECK(e.force < tolerance);
  CHECK(e.strain < strain_tolerance);
  CHECK(e.potential < tolerance);
}

}  // namespace

TEST_CASE("ParticleMesh: derivatives by adjoint, duals and differences agree") {
  for (const int l_max : {0, 1, 2}) {
    check_bilinear_laws(fixed_mesh(MeshSplitting::none), random_system(true), l_max);
    if (l_max != 1)
      check_bilinear_laws(fixed_mesh(MeshSplitting::prolate), random_system(true), l_max);
    if (l_max == 1)
      check_bilinear_laws(fixed_mesh(MeshSplitting::gaussian), random_system(true), l_max);
  }
  // One width for all: another path through the sums over wave vectors.
  System one = random_system(true);
  for (double& w : one.widths) w = 1.1;
  check_bilinear_laws(fixed_mesh(MeshSplitting::none, 7), one, 1);
}

TEST_CASE("ParticleMesh: features, their transpose and gradient agree") {
  for (const auto splitting : {MeshSplitting::none, MeshSplitting::prolate}) {
    // Finite strains move wave vectors across the end of prolate f, and pairs across the cutoff: so
    // accurate that this is below what differences see.
    ParticleMeshOptions o = fixed_mesh(splitting, 8).options();
    o.accuracy = 1e-9;
    o.cutoff = 22;  // features are wide
    o.split_parameter = splitting == MeshSplitting::prolate ? 32 : 0;
    const ParticleMesh mesh(o);
    System s = random_system(true);
    for (const auto& [l_max, l_features] : {std::pair{0, 2}, {2, 1}, {2, 0}}) {
      if (splitting == MeshSplitting::prolate && l_max > 0 && l_features != 1) continue;
      check_feature_laws(mesh, s, l_max, l_features);
    }
    check_features_are_potentials(mesh, s, 2);
  }
}

TEST_CASE("ParticleMesh: a mesh alone converges to the sum over wave vectors") {
  // Narrowest width 0.8 Å. Order 8: the error falls as h^8.
  const System s = random_system(true);
  for (const int l_max : {0, 1, 2}) {
    double before = 1;
    for (const int n : {16, 32}) {
      const auto mesh =
          fixed_mesh(MeshSplitting::none, 8, MeshWindowChoice::spline, {n, n, n + n / 4});
      const std::size_t m = coefficients(s, l_max);
      const auto a = random_numbers(m, 31), b = random_numbers(m, 32);
      const Errors e = compare(mesh, exact, s, l_max, a, b);
      INFO("l_max " << l_max << " n " << n << ": " << e.force << " " << e.strain);
      if (n == 32) CHECK(e.force < before / 100);
      before = e.force;
    }
  }
  System broad = s;
  for (double& w : broad.widths) w *= 2;
  const auto fine = fixed_mesh(MeshSplitting::none, 8, MeshWindowChoice::spline, {48, 48, 54});
  check_close(fine, exact, broad, 0, 1e-10, 1e-10);
  check_close(fine, exact, broad, 1, 1e-9, 1e-9);
  check_close(fine, exact, broad, 2, 1e-8, 1e-8);
}

TEST_CASE("ParticleMesh: the accuracy that is asked for is reached") {
  // Eleven random atoms are no liquid: a factor 5 for that. Strain feels the jump of prolate splits
  // more than forces do.
  for (const double accuracy : {1e-3, 1e-5, 1e-6})
    for (const int l_max : {0, 1, 2}) {
      const double few = 5 * accuracy, more = 20 * accuracy;
      check_close(accurate(accuracy, MeshSplitting::none), exact, random_system(true), l_max, few,
                  more);
      check_close(accurate(accuracy, MeshSplitting::prolate), exact, narrow_system(true), l_max,
                  few, 10 * more);
      if (accuracy > 2e-6)
        check_close(accurate(accuracy, MeshSplitting::gaussian), exact, narrow_system(true), l_max,
                    few, more);
    }
}

TEST_CASE("ParticleMesh: automatic settings") {
  const auto plan_of = [](const ParticleMesh& mesh, const System& s) {
    ParticleMesh::Plan<double> plan;
    mesh.plan(s.geometry, s.source(0), 0.0, plan);
    return plan.settings;
  };
  System s = random_system(true);
  for (double& w : s.widths) w = 1.5;
  CHECK(plan_of(accurate(1e-5), s).mesh_only);
  for (double& w : s.widths) w = 0.4;
  CHECK(!plan_of(accurate(1e-5), s).mesh_only);
  CHECK(plan_of(accurate(1e-4), s).spacing > plan_of(accurate(1e-6), s).spacing);
}

TEST_CASE("ParticleMesh: prolate windows obey the laws, and are accurate") {
  check_bilinear_laws(fixed_mesh(MeshSplitting::prolate, 7, MeshWindowChoice::prolate),
                      random_system(true), 1, 1e3);
  ParticleMeshOptions o = accurate(1e-5, MeshSplitting::prolate).options();
  o.window = MeshWindowChoice::prolate;
  for (const int l_max : {0, 1})
    check_close(ParticleMesh(o), exact, narrow_system(true), l_max, 5e-5, 1e-3);
}

TEST_CASE("ParticleMesh: slabs, wires and molecules are those of the plain sum") {
  for (const auto periodic : {std::array{true, true, false},
                              {true, false, true},
                              {false, true, false},
                              {false, false, true},
                              {false, false, false}}) {
    INFO("periodic " << periodic[0] << periodic[1] << periodic[2]);
    for (const int l_max : {0, 2}) {
      if (l_max == 0 && periodic[2]) continue;
      System broad = random_system(true), narrow = narrow_system(true);
      broad.geometry.periodic = narrow.geometry.periodic = periodic;
      const Reciprocal plain({.accuracy = 1e-9});
      check_close(accurate(1e-6, MeshSplitting::none), plain, broad, l_max, 5e-6, 2e-5);
      check_close(accurate(1e-6, MeshSplitting::prolate), plain, narrow, l_max, 5e-6, 2e-4);
    }
  }
  System molecule = narrow_system(false);
  check_close(accurate(1e-6, MeshSplitting::gaussian), Direct(), molecule, 1, 5e-6, 2e-5);
}

TEST_CASE("ParticleMesh: derivatives with open directions") {
  for (const auto periodic :
       {std::array{true, true, false}, {false, true, false}, {false, false, false}}) {
    INFO("periodic " << periodic[0] << periodic[1] << periodic[2]);
    System s = random_system(true);
    s.geometry.periodic = periodic;
    for (double& w : s.widths) w += 0.7;
    ParticleMeshOptions o;
    o.accuracy = 1e-4;  // of the box; the mesh is finer
    o.splitting = MeshSplitting::none;
    o.window = MeshWindowChoice::spline;
    o.order = 8;
    const bool molecule = !periodic[1];
    o.spacing = molecule ? 1.0 : 0.45;
    // Strain components that tilt the lattice are those of a rotation, under which the mesh's
    // energy is constant only to its accuracy: some 1e-9 at this spacing. Molecules have none.
    check_bilinear_laws(ParticleMesh(o), s, 1, molecule ? 10 : 1e3);
  }
}

TEST_CASE("ParticleMesh: the energy in one pass") {
  for (const auto splitting : {MeshSplitting::none, MeshSplitting::prolate})
    for (const auto self : {SelfInteraction::included, SelfInteraction::excluded}) {
      System s = narrow_system(true);
      for (double& w : s.widths) w += 0.4;
      ParticleMeshOptions o = fixed_mesh(splitting).options();
      o.self = self;
      const ParticleMesh mesh(o);
      const auto p = random_numbers(coefficients(s, 1), 41);
      ParticleMesh::Plan<double> plan;
      mesh.plan(s.geometry, s.source(1), 0.0, plan);
      GeometryGradient<double> once, twice;
      once.reset(p.size() / 4);
      twice.reset(p.size() / 4);
      const double energy = mesh.energy(plan, p, 3.0, once);
      mesh.bilinear_gradient(plan, p, p, 1.5, twice);
      CHECK(std::abs(energy - 0.5 * inner(p, potential(mesh, s.geometry, s.source(1), p))) <
            1e-12 * std::abs(energy) + 1e-11);
      for (std::size_t i = 0; i < once.positions.size(); ++i)
        for (int c = 0; c < 3; ++c)
          CHECK(std::abs(once.positions[i][c] - twice.positions[i][c]) < 1e-10);
      for (std::size_t c = 0; c < 9; ++c)
        CHECK(std::abs(once.strain.data[c] - twice.strain.data[c]) < 1e-9);
    }
}

TEST_CASE("ParticleMesh: own-atom terms, points and charged cells") {
  // Points differ from Gaussians far narrower than any distance by their own-atom terms alone.
  System points = random_system(true), narrow = points;
  for (std::size_t i = 0; i < points.widths.size(); ++i) {
    points.widths[i] = 0;
    narrow.widths[i] = 0.02;
  }
  ParticleMeshOptions o = accurate(1e-7, MeshSplitting::prolate).options();
  o.self = SelfInteraction::excluded;
  const ParticleMesh mesh(o);
  auto p = random_numbers(coefficients(points, 1), 42);
  const auto a = potential(mesh, points.geometry, points.source(1), p);
  auto b = potential(mesh, narrow.geometry, narrow.source(1), p);
  // A charge in the background: the average of the potential is that of the Gaussians.
  double charge = 0, volume = std::abs(determinant(points.geometry.cell));
  for (std::size_t i = 0; i < p.size(); i += 4) charge += p[i];
  for (std::size_t i = 0; i < b.size(); i += 4)
    b[i] -= 4 * std::numbers::pi * units::coulomb * charge * 0.02 * 0.02 / volume;
  CHECK(deviation(a, b) < 1e-9);

  // Where the split is made does not matter, charged or not, with features of any width.
  const System s = narrow_system(true);
  p = random_numbers(coefficients(s, 2), 43);
  const std::vector<double> widths{0.3, 0.5};
  for (const auto self : {SelfInteraction::included, SelfInteraction::excluded}) {
    const PotentialFeatures shape{2, widths, self};
    const auto reference = features(exact, s.geometry, s.source(2), p, shape);
    for (const double cutoff : {5.0, 7.0})
      CHECK(deviation(features(accurate(1e-6, MeshSplitting::prolate, cutoff), s.geometry,
                               s.source(2), p, shape),
                      reference) < 2e-6);
    CHECK(
        deviation(features(accurate(1e-6, MeshSplitting::none), s.geometry, s.source(2), p, shape),
                  reference) < 2e-6);
  }
  ParticleMesh::Plan<double> plan;
  CHECK_THROWS_AS(ParticleMesh().plan(s.geometry, s.source(0), 1.0, plan), ModelError);
  CHECK_THROWS_AS(ParticleMesh().plan(points.geometry, points.source(0), 0.0, plan), InputError);
}

TEST_CASE("ParticleMesh: translation, rotation and supercells within the accuracy") {
  const System s = narrow_system(true);
  const auto mesh = accurate(1e-6, MeshSplitting::prolate);
  const auto p = random_numbers(coefficients(s, 1), 44);
  const auto energy = [&](const System& at, const std::vector<double>& q) {
    return 0.5 * inner(q, potential(mesh, at.geometry, at.source(1), q));
  };
  const double reference = energy(s, p);
  System moved = s;
  for (auto& r : moved.geometry.positions) r += Vector3<double>{{0.23, 0.19, -0.31}};
  // Energies of 1e2 eV, of which the mesh carries a few.
  CHECK(std::abs(energy(moved, p) - reference) < 1e-5 * std::abs(reference));
  for (auto& r : moved.geometry.positions) r += Vector3<double>{{1000, -2000, 3000}};
  CHECK(std::abs(energy(moved, p) - reference) < 1e-5 * std::abs(reference));

  System turned = s;
  auto q = p;
  const double c = std::cos(0.7), d = std::sin(0.7);
  const Matrix3<double> rotation{{c, d, 0, -d, c, 0, 0, 0, 1}};
  turned.geometry.cell = s.geometry.cell * rotation;
  for (std::size_t i = 0; i < s.widths.size(); ++i) {
    turned.geometry.positions[i] = s.geometry.positions[i] * rotation;
    double* at = q.data() + 4 * i;
    const Vector3<double> dipole = Vector3<double>{{at[3], at[1], at[2]}} * rotation;
    at[3] = dipole[0];
    at[1] = dipole[1];
    at[2] = dipole[2];
  }
  // Mesh and cell turn alike: to rounding.
  CHECK(std::abs(energy(turned, q) - reference) < 1e-9);

  System doubled = s;
  auto pp = p;
  for (std::size_t i = 0; i < s.widths.size(); ++i) {
    doubled.geometry.positions.push_back(s.geometry.positions[i] + s.geometry.cell.row(2));
    doubled.widths.push_back(s.widths[i]);
  }
  for (int k = 0; k < 3; ++k) doubled.geometry.cell(2, k) *= 2;
  pp.insert(pp.end(), p.begin(), p.end());
  CHECK(std::abs(energy(doubled, pp) - 2 * reference) < 1e-5 * std::abs(reference));
}

TEST_CASE("ParticleMesh: K is positive; single precision; memory") {
  System one = random_system(true);
  for (double& w : one.widths) w = 1.0;
  check_positive(fixed_mesh(MeshSplitting::none), one, 0);
  check_float(fixed_mesh(MeshSplitting::none), random_system(true));
  check_float(fixed_mesh(MeshSplitting::prolate), random_system(true));
  ParticleMeshOptions o = fixed_mesh(MeshSplitting::prolate).options();
  o.cutoff = 16;
  for (const auto splitting : {MeshSplitting::none, MeshSplitting::prolate}) {
    o.splitting = splitting;
    check_no_allocation(ParticleMesh(o), random_system(true), leyden_test::allocation_count);
  }
}

TEST_CASE("ParticleMesh: a plan is used again for other cells, widths and boundaries") {
  // What a plan keeps must not show: fresh plans give the same numbers.
  ParticleMesh::Plan<double> kept;
  const auto mesh = accurate(1e-4);
  System s = random_system(true);
  for (int step = 0; step < 8; ++step) {
    if (step == 1) s.geometry.cell(0, 0) += 0.1;
    if (step == 2) s.geometry.cell(2, 1) -= 0.3;
    if (step == 3) s.widths[0] = 0.9;
    if (step == 4) s.geometry.periodic[1] = false;
    if (step == 5) s = narrow_system(true);
    if (step == 6) s = narrow_system(false);
    if (step == 7) s = random_system(true);
    const int l_max = step % 3;
    const auto p = random_numbers(coefficients(s, l_max), 45);
    mesh.plan(s.geometry, s.source(l_max), 0.0, kept);
    ParticleMesh::Plan<double> fresh;
    mesh.plan(s.geometry, s.source(l_max), 0.0, fresh);
    std::vector<double> v(p.size()), w(p.size());
    mesh.apply(kept, p, v);
    mesh.apply(fresh, p, w);
    CHECK(deviation(v, w) < 1e-14);
    GeometryGradient<double> g, r;
    g.reset(s.widths.size());
    r.reset(s.widths.size());
    CHECK(mesh.energy(kept, p, 1.0, g) == mesh.energy(fresh, p, 1.0, r));
    for (std::size_t c = 0; c < 9; ++c) CHECK(std::abs(g.strain.data[c] - r.strain.data[c]) < 1e-9);
  }
}

TEST_CASE("ParticleMesh: results do not depend on the number of threads") {
  // Enough atoms for several slabs and blocks.
  System s = doubled(random_system(true, 5), 3);
  check_threads(accurate(1e-5, MeshSplitting::none), s);
  s.widths.assign(s.widths.size(), 0.3);
  check_threads(accurate(1e-5, MeshSplitting::prolate), s);
}

}  // namespace particle_mesh_test
