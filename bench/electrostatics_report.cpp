// SPDX-License-Identifier: MIT
// What electrostatics costs and how accurate it is; lines as those of report.cpp. Times are CPU
// times of one thread: medians of many short runs, whatever is compared by turns. Neighbour lists
// are made before the clock starts; atoms move a little between calls. Usage: electrostatics_report
// [GROUP], see groups().
#include "support/electrostatics_systems.hpp"
#include "support/fft_figures.hpp"
#include "support/lammps_peer.hpp"
#include "support/measure.hpp"

#include <leyden/core/units.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/tuning.hpp>
#include <leyden/scf/law.hpp>
#include <leyden/scf/self_consistency.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace leyden;
using leyden_bench::cpu_seconds;
using leyden_bench::energy_gradient;
using leyden_bench::figure;
using leyden_bench::LammpsPeer;
using leyden_bench::LammpsSettings;
using leyden_bench::median;
using leyden_bench::Multipoles;
using leyden_bench::water_charges;

constexpr double accuracy = 1e-5;  // relative, of forces
constexpr double skin = 0.1;       // Å: lists last while atoms move by half of it

struct Times {
  double middle = 0, least = 0;
};

/// CPU seconds of one call of every function, by turns, in `rounds` runs of about `budget` seconds
/// each (at least one call), after one call that warms the memory.
template <class... F>
std::array<Times, sizeof...(F)> by_turns(int rounds, double budget, F&&... functions) {
  constexpr std::size_t n = sizeof...(F);
  std::array<std::vector<double>, n> times;
  std::array<int, n> calls{};
  const auto turn = [&](std::size_t i, auto& f) {
    const int count = std::max(1, calls[i]);
    const double start = cpu_seconds();
    for (int k = 0; k < count; ++k) f();
    const double t = (cpu_seconds() - start) / count;
    if (calls[i] > 0) times[i].push_back(t);
    calls[i] = std::clamp(static_cast<int>(budget / std::max(t, 1e-9)), 1, 100000);
  };
  for (int round = 0; round <= rounds; ++round) {
    std::size_t i = 0;
    (turn(i++, functions), ...);
  }
  std::array<Times, n> out;
  for (std::size_t i = 0; i < n; ++i)
    out[i] = {median(times[i]), *std::min_element(times[i].begin(), times[i].end())};
  return out;
}

std::string atoms_name(std::size_t n) { return std::to_string(n) + " atoms"; }

SelfInteraction self_of(const Multipoles& s) {
  return s.widths[0] > 0 ? SelfInteraction::included : SelfInteraction::excluded;
}

/// The cheapest mesh at a measured error of at most `accuracy`. cutoff 0: any, or mesh only.
VerifiedParticleMesh tuned_mesh(const Multipoles& s, double cutoff) {
  TuningTarget target;
  target.cutoff = cutoff;
  target.self = self_of(s);
  VerifiedParticleMesh out = tune_and_verify(s.geometry, s.source(), s.p, accuracy, target);
  out.tuned.options.skin = skin;
  return out;
}
double relative_error(const VerifiedParticleMesh& mesh) {
  return mesh.verification.force_error / mesh.verification.force;
}

/// A ParticleMesh on a system whose atoms move to and fro.
struct MeshRun {
  const Multipoles& system;
  Geometry<double> moved;
  ParticleMesh solver;
  ParticleMesh::Plan<double> plan;
  GeometryGradient<double> gradient;
  bool there = false;
  double sum = 0;

  MeshRun(const Multipoles& s, const ParticleMeshOptions& options)
      : system(s), moved(s.geometry), solver(options) {
    moved = s.moved(0.1 * skin);
    gradient.reset(s.atoms());
    solver.plan(s.geometry, s.source(), 0.0, plan);
  }
  const Geometry<double>& next() {
    there = !there;
    return there ? moved : system.geometry;
  }
  /// Energy, forces and stress of new positions.
  void evaluate() {
    solver.plan(next(), system.source(), 0.0, plan);
    sum += solver.energy(plan, system.p, 1.0, gradient);
  }
  void pairs() { sum += plan.pairs->energy(plan.pair_plan, system.p, 1.0, gradient); }
  std::string settings() const {
    const MeshSettings& s = plan.settings;
    const auto& size = plan.influence.size;
    char text[200];
    std::snprintf(text, sizeof text, "%s window of order %d, mesh of %d x %d x %d, c = %.1f",
                  s.window == MeshWindowKind::spline ? "spline" : "prolate", s.order, size[0],
                  size[1], size[2], s.parameter);
    return text;
  }
  using MeshSettings = leyden::detail::MeshSettings;
};

void print_settings(const std::string& name, const MeshRun& run) {
  std::fprintf(stderr, "%s: %s\n", name.c_str(), run.settings().c_str());
}

constexpr const char* mesh_targets[] = {"<= 0.5", "<= 0.5", "<= 0.6", "<= 0.8"};

/// What a ParticleMesh of points takes, in parts. Bulk, pairs within 6 Å.
void mesh_figures(const Multipoles& s, const ParticleMeshOptions& options, int rounds,
                  const char* target) {
  MeshRun run(s, options);
  const std::string name = "mesh/" + atoms_name(s.atoms());
  print_settings(name, run);
  const auto t = by_turns(
      rounds, 0.02, [&] { run.evaluate(); }, [&] { run.pairs(); },
      [&] { run.solver.plan(run.next(), s.source(), 0.0, run.plan); });
  const double scale = 1e6 / static_cast<double>(s.atoms());
  figure(name, t[0].middle * scale, "us/atom", target);
  figure(name + "/shortest", t[0].least * scale, "us/atom");
  figure(name + "/pairs", t[1].middle * scale, "us/atom");
  figure(name + "/placing atoms", t[2].middle * scale, "us/atom");
  figure(name + "/spreading, transforms, gathering",
         (t[0].middle - t[1].middle - t[2].middle) * scale, "us/atom");
}

void mesh() {
  const int sides[] = {10, 20, 40};
  for (std::size_t k = 0; k < 3; ++k) {
    const Multipoles s = water_charges(sides[k]);
    const VerifiedParticleMesh found = tuned_mesh(s, 6.0);
    figure("mesh/" + atoms_name(s.atoms()) + "/relative error of forces", relative_error(found), "",
           "<= 1e-5");
    mesh_figures(s, found.tuned.options, k == 2 ? 9 : 25, mesh_targets[k]);
  }
}

/// With the parameters of 64,000 atoms: the error does not depend on the number. In a process of
/// its own, whose memory is counted.
void million() {
  const VerifiedParticleMesh found = tuned_mesh(water_charges(40), 6.0);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return;
  if (child == 0) {
    const Multipoles s = water_charges(100);
    mesh_figures(s, found.tuned.options, 5, mesh_targets[3]);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    figure("mesh/" + atoms_name(s.atoms()) + "/peak memory",
           static_cast<double>(usage.ru_maxrss) * 1024e-9, "GB", "<= 2");
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::fprintf(stderr, "mesh/1000000 atoms: failed\n");
}

/// What is not pairs, with a split at 10 Å.
void alone() {
  for (const int side : {10, 20, 40}) {
    const Multipoles s = water_charges(side);
    const VerifiedParticleMesh found = tuned_mesh(s, 10.0);
    MeshRun run(s, found.tuned.options);
    run.plan.pairs.reset();
    const std::string name = "mesh alone/" + atoms_name(s.atoms());
    print_settings(name, run);
    const auto t = by_turns(side == 40 ? 9 : 25, 0.02, [&] {
      leyden::detail::place_mesh(run.plan, run.next());
      run.sum += run.solver.energy(run.plan, s.p, 1.0, run.gradient);
    });
    const double scale = 1e9 / static_cast<double>(s.atoms());
    figure(name, t[0].middle * scale, "ns/atom", side == 20 ? "<= 150" : "");
    figure(name + "/shortest", t[0].least * scale, "ns/atom");
    figure(name + "/relative error of forces", relative_error(found), "", "<= 1e-5");
  }
}

/// Gaussians of 1.5 Å: no pairs.
void broad() {
  for (const int side : {10, 20}) {
    const Multipoles s = water_charges(side, 0, 1.5);
    const VerifiedParticleMesh found = tuned_mesh(s, 0.0);
    MeshRun run(s, found.tuned.options);
    const std::string name = "broad Gaussians/" + atoms_name(s.atoms());
    print_settings(name, run);
    const auto t = by_turns(25, 0.02, [&] { run.evaluate(); });
    const double scale = 1e9 / static_cast<double>(s.atoms());
    figure(name, t[0].middle * scale, "ns/atom", "<= 200");
    figure(name + "/shortest", t[0].least * scale, "ns/atom");
    figure(name + "/relative error of forces", relative_error(found), "", "<= 1e-5");
  }
}

/// Dipoles and quadrupoles by charges, each at its own best parameters.
void multipoles() {
  std::vector<Multipoles> systems;
  for (int l = 0; l <= 2; ++l) systems.push_back(water_charges(20, l));
  std::vector<VerifiedParticleMesh> found;
  for (const Multipoles& s : systems) found.push_back(tuned_mesh(s, 6.0));
  MeshRun a(systems[0], found[0].tuned.options), b(systems[1], found[1].tuned.options),
      c(systems[2], found[2].tuned.options);
  print_settings("multipoles/l <= 1", b);
  print_settings("multipoles/l <= 2", c);
  const auto t = by_turns(
      15, 0.02, [&] { a.evaluate(); }, [&] { b.evaluate(); }, [&] { c.evaluate(); },
      [&] { b.pairs(); }, [&] { c.pairs(); });
  for (std::size_t l = 1; l <= 2; ++l) {
    const std::string name = "multipoles/l <= " + std::to_string(l);
    figure(name, t[l].middle / t[0].middle, "of charges", l == 1 ? "<= 2" : "<= 4");
    figure(name + "/shortest", t[l].least / t[0].least, "of charges");
    figure(name + "/time", t[l].middle * 1e6 / 8000, "us/atom");
    figure(name + "/pairs", t[l + 2].middle * 1e6 / 8000, "us/atom");
    figure(name + "/relative error of forces", relative_error(found[l]), "", "<= 1e-5");
  }
}

/// Energy and forces of new positions.
void direct() {
  for (const double width : {0.0, 1.0})
    for (int l = 0; l <= 2; ++l) {
      const Multipoles s = leyden_bench::random_molecule(1000, l, width);
      const Direct solver(self_of(s));
      Direct::Plan<double> plan;
      GeometryGradient<double> gradient;
      gradient.reset(s.atoms());
      const auto t = by_turns(25, 0.01, [&] {
        solver.plan(s.geometry, s.source(), 0.0, plan);
        solver.energy(plan, s.p, 1.0, gradient);
      });
      const std::string name = std::string("direct/1000 ") +
                               (width > 0 ? "Gaussians/" : "points/") + "l <= " + std::to_string(l);
      figure(name, t[0].middle * 1e9 / (0.5 * 1000 * 999), "ns/pair", l == 0 ? "<= 1" : "");
      figure(name + "/shortest", t[0].least * 1e9 / (0.5 * 1000 * 999), "ns/pair");
    }
}

/// Sums over wave vectors, one of each pair ±k counted.
void waves() {
  for (int l = 0; l <= 2; ++l) {
    const Multipoles s = water_charges(9, l, 1.0);
    const Reciprocal solver({.accuracy = 1e-6});
    Reciprocal::Plan<double> plan;
    solver.plan(s.geometry, s.source(), 0.0, plan);
    GeometryGradient<double> gradient;
    gradient.reset(s.atoms());
    std::vector<double> v(s.p.size());
    const auto t = by_turns(
        25, 0.01, [&] { solver.energy(plan, s.p, 1.0, gradient); },
        [&] { solver.apply(plan, s.p, std::span<double>(v)); },
        [&] {
          solver.plan(s.geometry, s.source(), 0.0, plan);
          solver.energy(plan, s.p, 1.0, gradient);
        });
    const double scale =
        1e9 / (static_cast<double>(plan.waves.vectors) * static_cast<double>(s.atoms()));
    const std::string name = "waves/" + atoms_name(s.atoms()) + "/l <= " + std::to_string(l);
    figure(name + "/energy and forces", t[0].middle * scale, "ns/(k atom)", l == 0 ? "<= 0.5" : "");
    figure(name + "/energy and forces, shortest", t[0].least * scale, "ns/(k atom)");
    figure(name + "/with the plan", t[2].middle * scale, "ns/(k atom)");
    figure(name + "/potential", t[1].middle * scale, "ns/(k atom)");
  }
  // Pairs and waves, at the cutoff that the solver chooses.
  const Multipoles s = water_charges(6);
  EwaldOptions options;
  options.self = SelfInteraction::excluded;
  options.accuracy = 1e-12;
  const auto exact = energy_gradient(Ewald(options), s);
  // The largest accuracy that keeps the error.
  double error = 0;
  for (options.accuracy = 2e-5; options.accuracy > 1e-7; options.accuracy *= 0.8) {
    error = leyden_bench::compare_forces(energy_gradient(Ewald(options), s), exact).relative();
    if (error <= accuracy) break;
  }
  const Ewald solver(options);
  Ewald::Plan<double> plan;
  GeometryGradient<double> gradient;
  gradient.reset(s.atoms());
  solver.plan(s.geometry, s.source(), 0.0, plan);
  const auto t = by_turns(
      25, 0.01, [&] { solver.energy(plan, s.p, 1.0, gradient); },
      [&] {
        solver.plan(s.geometry, s.source(), 0.0, plan);
        solver.energy(plan, s.p, 1.0, gradient);
      });
  figure("Ewald/216 atoms", 1e3 * t[0].middle, "ms", "<= 0.5");
  figure("Ewald/216 atoms/shortest", 1e3 * t[0].least, "ms");
  figure("Ewald/216 atoms/with plan and neighbours", 1e3 * t[1].middle, "ms");
  figure("Ewald/216 atoms/relative error of forces", error, "", "<= 1e-5");
}

void fft() {
  leyden_bench::fft_figures([](const std::string& name, double value, const char* unit) {
    const bool ratio = name.find("against FFTW") != std::string::npos;
    figure(name, value, unit, ratio ? "<= 1.5" : "");
  });
}

double quantile(std::vector<double> x, double q) {
  if (x.empty()) return 0.0;
  std::sort(x.begin(), x.end());
  return x[static_cast<std::size_t>(q * static_cast<double>(x.size() - 1) + 0.5)];
}

/// A hundred systems of every kind, at accuracies of 1e-3 … 1e-10.
void tuning() {
  constexpr int systems = 100;
  std::vector<double> ratios;
  int thrown = 0, inside = 0;
  double seconds = 0;
  for (int k = 0; k < systems; ++k) {
    RandomStream random(static_cast<std::uint64_t>(100 + k));
    const int n_periodic = std::min(3, static_cast<int>(random.below(6)));  // half in bulk
    // Boxes with room around them take long.
    const int atoms = 30 + static_cast<int>(random.below(n_periodic == 3 ? 121 : 41));
    const int l_max = static_cast<int>(random.below(3));
    const double width = random.uniform() < 0.25 ? 0.0 : random.uniform(0.3, 1.5);
    const double asked = std::pow(10.0, -random.uniform(3.0, 10.0));
    const Multipoles s = leyden_bench::random_multipoles(random, atoms, l_max, width, n_periodic);
    TuningTarget target;
    target.self = self_of(s);
    const double start = cpu_seconds();
    double ratio = 0;
    std::string what;
    try {
      const VerifiedParticleMesh found =
          tune_and_verify(s.geometry, s.source(), s.p, asked, target);
      ratio = relative_error(found) / asked;
      ratios.push_back(ratio);
      inside += ratio >= 0.1 && ratio <= 1.0 ? 1 : 0;
    } catch (const std::exception& error) {
      ++thrown;
      what = error.what();
    }
    const double taken = cpu_seconds() - start;
    seconds += taken;
    if (ratio < 0.1 || ratio > 1.0)
      std::fprintf(stderr,
                   "tuning: system %d, %d atoms, l_max %d, width %.2f, %d periodic, accuracy %.1e: "
                   "%s, %.3g (%.1f s)\n",
                   k, atoms, l_max, width, n_periodic, asked, what.c_str(), ratio, taken);
  }
  figure("tuning/100 systems/measured over asked, least", quantile(ratios, 0.0), "", ">= 0.1");
  figure("tuning/100 systems/measured over asked, median", quantile(ratios, 0.5), "");
  figure("tuning/100 systems/measured over asked, most", quantile(ratios, 1.0), "", "<= 1");
  figure("tuning/100 systems/between 0.1 and 1", inside, "", "100");
  figure("tuning/100 systems/refused", thrown, "", "0");
  figure("tuning/100 systems/time of each", seconds / systems, "s");
}

/// The forces of LAMMPS against ours that are a hundred times as accurate.
double lammps_error(const LammpsPeer& peer, const LammpsSettings& settings,
                    const std::vector<Vector3<double>>& gradient) {
  auto forces = peer.forces(settings);
  if (forces.empty()) return 1.0;
  for (auto& f : forces) f = -units::coulomb * f;
  return leyden_bench::compare_forces(forces, gradient).relative();
}

/// Energy and forces of pppm by turns with ours, both at the accuracy, each at its best parameters.
void peers() {
  if (!LammpsPeer::installed()) {
    std::fprintf(stderr, "peers: no lmp on the path (apt-get install lammps); left out\n");
    return;
  }
  const auto exact = [](const Multipoles& s) {
    TuningTarget target;
    target.self = SelfInteraction::excluded;
    target.force_error = 0.01 * accuracy * 5.0;  // forces are some 5 eV/Å
    return energy_gradient(leyden::detail::reference_mesh(s.geometry, s.source(), s.p, target), s);
  };
  // Settings that reach the accuracy, found on 8000 atoms; others were slower in every trial.
  struct Found {
    LammpsSettings settings;
    double seconds;
  };
  std::vector<Found> found;
  {
    const Multipoles s = water_charges(20);
    const auto gradient = exact(s);
    const LammpsPeer peer(s);
    const LammpsSettings candidates[] = {{6.0, 3e-6, 7, "ik"},
                                         {8.0, 3e-6, 7, "ik"},
                                         {8.0, 3e-6, 7, "ad"},
                                         {10.0, 3e-6, 5, "ik"},
                                         {10.0, 3e-6, 7, "ad"}};
    for (LammpsSettings settings : candidates) {
      double error = 1;
      while (settings.accuracy > 5e-7) {
        error = lammps_error(peer, settings, gradient);
        if (error <= accuracy) break;
        settings.accuracy *= std::clamp(0.9 * accuracy / error, 0.3, 0.9);
      }
      if (error > accuracy) continue;
      std::vector<double> times;
      for (int turn = 0; turn < 3; ++turn) times.push_back(peer.times(settings, 4).whole());
      found.push_back({settings, median(times)});
      std::fprintf(stderr, "peers: pppm %.2g, order %d %s, cutoff %g: error %.2g, %.0f ns/atom\n",
                   settings.accuracy, settings.order, settings.derivative, settings.cutoff, error,
                   1e9 * found.back().seconds / 8000);
    }
  }
  if (found.empty()) return;
  const auto best = [&](auto&& wanted) {
    std::optional<Found> out;
    for (const Found& f : found)
      if (wanted(f) && (!out || f.seconds < out->seconds)) out = f;
    return out;
  };
  const auto compare = [&](int side, const LammpsSettings& settings, const std::string& kind) {
    const Multipoles s = water_charges(side);
    const LammpsPeer peer(s);
    MeshRun run(s, tuned_mesh(s, 6.0).tuned.options);
    std::vector<double> ours, pair, kspace, whole;
    for (int turn = 0; turn < 6; ++turn) {
      const double start = cpu_seconds();
      const int calls = std::max(1, 64000 / static_cast<int>(s.atoms()));
      for (int k = 0; k < calls; ++k) run.evaluate();
      if (turn > 0) ours.push_back((cpu_seconds() - start) / calls);
      const LammpsPeer::Times t = peer.times(settings, std::max(2, calls / 4));
      if (turn == 0) continue;
      pair.push_back(t.pair);
      kspace.push_back(t.kspace);
      whole.push_back(t.whole());
    }
    const double scale = 1e6 / static_cast<double>(s.atoms());
    const std::string name = "peers/" + atoms_name(s.atoms()) + "/LAMMPS pppm, " + kind;
    figure(name + "/relative error of forces", lammps_error(peer, settings, exact(s)), "");
    figure(name + "/pairs", median(pair) * scale, "us/atom");
    figure(name + "/mesh", median(kspace) * scale, "us/atom");
    figure(name + "/both", median(whole) * scale, "us/atom");
    figure("peers/" + atoms_name(s.atoms()) + "/ours beside " + kind, median(ours) * scale,
           "us/atom");
    figure(name + "/over ours", median(whole) / median(ours), "");
  };
  const auto fastest = best([](const Found&) { return true; });
  for (const int side : {10, 20, 40}) compare(side, fastest->settings, "fastest");
  const auto same = best([](const Found& f) { return f.settings.cutoff == 6.0; });
  if (same) compare(20, same->settings, "6 A");
  // The mesh alone.
  const auto wide = best([](const Found& f) { return f.settings.cutoff == 10.0; });
  if (!wide) return;
  const Multipoles s = water_charges(20);
  const LammpsPeer peer(s);
  MeshRun run(s, tuned_mesh(s, 10.0).tuned.options);
  run.plan.pairs.reset();
  std::vector<double> ours, theirs;
  for (int turn = 0; turn < 5; ++turn) {
    const double start = cpu_seconds();
    for (int k = 0; k < 10; ++k) {
      leyden::detail::place_mesh(run.plan, run.next());
      run.solver.energy(run.plan, s.p, 1.0, run.gradient);
    }
    ours.push_back((cpu_seconds() - start) / 10);
    theirs.push_back(peer.times(wide->settings, 4).kspace);
  }
  figure("peers/8000 atoms/LAMMPS pppm, 10 A/mesh", median(theirs) * 1e6 / 8000, "us/atom");
  figure("peers/8000 atoms/LAMMPS pppm, 10 A/mesh over ours", median(theirs) / median(ours), "");
}

/// Charge equilibration of water-like atoms in bulk: hardnesses and electronegativities of H and O
/// (Rappé and Goddard), Gaussians of 0.35 and 0.63 Å, to a residual of 1e-5 V.
void equilibration() {
  using Engine = SelfConsistency<QuadraticLaw, ParticleMesh, double>;
  for (const int side : {10, 20, 40}) {
    Multipoles s = water_charges(side);
    const std::size_t n = s.atoms();
    SiteCoefficients<double> c;
    c.assign(n, 0, 0, true);
    for (std::size_t i = 0; i < n; ++i) {
      const bool oxygen = s.p[i] < 0;
      s.geometry.atomic_numbers[i] = oxygen ? 8 : 1;
      s.widths[i] = oxygen ? 0.63 : 0.35;
      c.chi[i] = oxygen ? 8.741 : 4.528;
      c.eta[i] = oxygen ? 4.32 : 5.04;
    }
    ParticleMeshOptions mesh;
    mesh.accuracy = accuracy;
    mesh.skin = skin;
    const ParticleMesh solver(mesh);
    ParticleMesh::Plan<double> plan;
    const std::vector<double> external(n, 0.0);
    const QuadraticLaw law;
    ScfOptions options;
    options.dense_limit = 0;
    options.tolerance = 1e-5;
    SelfConsistencyTape<QuadraticLaw, double> tape;
    tape.density.constraints.group.assign(n, 0);
    tape.density.constraints.charge = {0.0};
    // Atoms swing by 0.05 Å, 40 steps a period.
    std::vector<Vector3<double>> amplitude(n);
    RandomStream random(5);
    for (auto& a : amplitude)
      for (int d = 0; d < 3; ++d) a[d] = 0.05 * random.normal();
    Structure structure;
    structure.atomic_numbers = s.geometry.atomic_numbers;
    structure.cell = {s.geometry.cell, s.geometry.periodic};
    structure.positions = s.geometry.positions;
    NeighborList list;
    Geometry<double> g;
    const auto move = [&](int step) {
      const double phase = std::sin(2 * std::numbers::pi * step / 40.0);
      for (std::size_t i = 0; i < n; ++i)
        structure.positions[i] = s.geometry.positions[i] + phase * amplitude[i];
      list.build(structure, 6.0);
      make_geometry(structure, list, g);
    };
    // The neighbours are made before: the first call of the plan makes its own.
    const auto solve = [&](bool warm, double& seconds) {
      options.warm_start = warm;
      solver.plan(g, {0, s.widths}, 0.0, plan);
      const double start = cpu_seconds();
      solver.plan(g, {0, s.widths}, 0.0, plan);
      const Engine::System system{law, solver, plan, plan, g, s.widths, 1, c, external, options};
      Engine(system, tape).solve();
      seconds = cpu_seconds() - start;
    };
    const int steps = side == 40 ? 5 : 9;
    std::vector<double> cold, warm, cold_k, warm_k;
    double seconds = 0;
    for (int step = -1; step < steps; ++step) {
      move(step);
      solve(false, seconds);
      if (step < 0) continue;
      cold.push_back(seconds);
      cold_k.push_back(tape.density.outcome.operator_applications);
    }
    for (int step = -3; step < steps; ++step) {
      move(step);
      solve(true, seconds);
      if (step < 0) continue;
      warm.push_back(seconds);
      warm_k.push_back(tape.density.outcome.operator_applications);
    }
    std::vector<double> v(n);
    const auto t = by_turns(9, 0.02, [&] { solver.apply(plan, tape.p, std::span<double>(v)); });
    const double scale = 1e6 / static_cast<double>(n);
    const std::string name = "equilibration/" + atoms_name(n);
    figure(name + "/cold", median(cold) * scale, "us/atom", side == 20 ? "<= 8" : "");
    figure(name + "/cold, applications of K", median(cold_k), "");
    figure(name + "/warm", median(warm) * scale, "us/atom", side == 20 ? "<= 2" : "");
    figure(name + "/warm, applications of K", median(warm_k), "");
    figure(name + "/one application of K", t[0].middle * scale, "us/atom");
  }
}

struct Group {
  const char* name;
  void (*run)();
};
constexpr Group groups[] = {{"mesh", mesh},
                            {"million", million},
                            {"alone", alone},
                            {"broad", broad},
                            {"multipoles", multipoles},
                            {"direct", direct},
                            {"waves", waves},
                            {"fft", fft},
                            {"equilibration", equilibration},
                            {"peers", peers},
                            {"tuning", tuning}};

}  // namespace

int main(int argc, char** argv) {
  bool found = false;
  for (const Group& group : groups)
    if (argc < 2 || std::strcmp(argv[1], group.name) == 0) {
      group.run();
      found = true;
    }
  if (found) return 0;
  std::fprintf(stderr, "electrostatics_report: no group '%s'; there are:", argv[1]);
  for (const Group& group : groups) std::fprintf(stderr, " %s", group.name);
  std::fprintf(stderr, "\n");
  return 2;
}
