// CTEST: bulk 1e-4 0.7 60
// SPDX-License-Identifier: MIT
// Which solver serves a boundary at an accuracy, what it costs and what error it was found to have:
//
//     choose_solver BOUNDARY ACCURACY [WIDTH [ATOMS]]
//
// BOUNDARY bulk, slab, wire or molecule; ACCURACY the root mean square error of forces relative to
// forces; WIDTH of all Gaussians in Å (0: point charges; 0.7 when left out); ATOMS (200), an ionic
// liquid at 0.1 atoms per Å³.
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/tuning.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace leyden;

namespace {

struct System {
  Geometry<double> geometry;
  std::vector<double> charges, widths;
  SourceShape source() const { return {0, widths}; }
};

System ionic_liquid(int n_periodic, int atoms, double width) {
  RandomStream random(1);
  Structure s;
  const double length = std::cbrt(atoms / 0.1);
  for (int d = 0; d < 3; ++d) {
    s.cell.vectors(d, d) = length;
    s.cell.periodic[static_cast<std::size_t>(d)] = d < n_periodic;
  }
  while (static_cast<int>(s.positions.size()) < atoms) {
    const Vector3<double> r{
        {length * random.uniform(), length * random.uniform(), length * random.uniform()}};
    bool free = true;
    for (const auto& other : s.positions) free = free && norm(r - other) > 1.2;
    if (!free) continue;
    s.positions.push_back(r);
    s.atomic_numbers.push_back(s.positions.size() % 2 == 0 ? 11 : 17);
  }
  System out;
  NeighborList list;
  list.build(s, 1.0);
  make_geometry(s, list, out.geometry);
  for (int i = 0; i < atoms; ++i) out.charges.push_back(i % 2 == 0 ? 1.0 : -1.0);
  if (atoms % 2 == 1) out.charges.back() = 0.0;
  out.widths.assign(static_cast<std::size_t>(atoms), width);
  return out;
}

// Seconds of one evaluation of energy and forces with its plan, warm.
template <class Solver>
double seconds(const Solver& solver, const System& s) {
  typename Solver::template Plan<double> plan;
  GeometryGradient<double> gradient;
  double best = 1e300;
  for (int turn = 0; turn < 4; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    gradient.reset(s.charges.size());
    solver.plan(s.geometry, s.source(), 0.0, plan);
    solver.energy(plan, s.charges, 1.0, gradient);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (turn > 0 && took.count() < best) best = took.count();
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) try {
  const char* names[] = {"molecule", "wire", "slab", "bulk"};
  int n_periodic = -1;
  for (int k = 0; argc > 1 && k < 4; ++k)
    if (std::strcmp(argv[1], names[k]) == 0) n_periodic = k;
  if (argc < 3 || n_periodic < 0) {
    std::fputs("usage: choose_solver bulk|slab|wire|molecule ACCURACY [WIDTH [ATOMS]]\n", stderr);
    return 2;
  }
  const double accuracy = std::atof(argv[2]), width = argc > 3 ? std::atof(argv[3]) : 0.7;
  const int atoms = argc > 4 ? std::atoi(argv[4]) : 200;
  const System s = ionic_liquid(n_periodic, atoms, width);
  const SelfInteraction self = width > 0 ? SelfInteraction::included : SelfInteraction::excluded;

  TuningTarget target;
  target.self = self;
  const VerifiedParticleMesh mesh =
      tune_and_verify(s.geometry, s.source(), s.charges, accuracy, target);
  const double force = mesh.verification.force;
  target.force_error = 1e-2 * accuracy * force;
  const ParticleMesh reference =
      ParticleMesh(tune_particle_mesh(s.geometry, s.source(), s.charges, target).options);

  std::printf("%d charges of width %g Angstrom, %s; forces of %.3g eV/Angstrom\n\n", atoms, width,
              argv[1], force);
  std::puts("| solver | parameters | us/atom | measured error of forces |\n|---|---|---|---|");
  std::string chosen;
  double best = 1e300;
  const auto row = [&](const char* name, const std::string& parameters, const auto& solver) {
    const double error =
        verify(solver, reference, s.geometry, s.source(), s.charges).force_error / force;
    const double took = seconds(solver, s);
    std::printf("| %s | %s | %.3g | %.2g |\n", name, parameters.c_str(), 1e6 * took / atoms, error);
    if (error > accuracy || took >= best) return;
    best = took;
    chosen = name;
  };
  const auto number = [](const char* format, double x) {
    char text[32];
    std::snprintf(text, sizeof text, format, x);
    return std::string(text);
  };
  const ParticleMeshOptions& o = mesh.tuned.options;
  row("ParticleMesh",
      (o.splitting == MeshSplitting::none
           ? std::string("mesh only")
           : "cutoff " + number("%.3g", o.cutoff) + ", c " + number("%.3g", o.split_parameter)) +
          ", order " + std::to_string(o.order) + ", spacing " + number("%.3g", o.spacing),
      ParticleMesh(o));
  EwaldOptions ewald;
  ewald.accuracy = accuracy;
  ewald.self = self;
  row("Ewald", "accuracy " + number("%.0e", accuracy), Ewald(ewald));
  // What pays for broad Gaussians alone.
  if (width > 0.3) {
    ReciprocalOptions waves;
    waves.accuracy = accuracy;
    row("Reciprocal", "accuracy " + number("%.0e", accuracy), Reciprocal(waves));
  }
  if (n_periodic == 0) row("Direct", "exact", Direct(self));
  std::printf("\nChosen: %s, %.3g us/atom\n", chosen.c_str(), 1e6 * best / atoms);
  return chosen.empty() ? 1 : 0;
} catch (const Error& e) {
  std::fprintf(stderr, "choose_solver: %s\n", e.what());
  return 1;
}
