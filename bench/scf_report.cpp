// SPDX-License-Identifier: MIT
// How self-consistency converges and what it costs; lines as those of report.cpp. Usage:
// scf_report [GROUP]: convergence, slabs, cost, dynamics.
#include "support/measure.hpp"
#include "support/models.hpp"
#include "support/space.hpp"
#include "support/systems.hpp"

#include <leyden/electrostatics/particle_mesh.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace leyden;
using leyden_bench::figure;
using leyden_bench::seconds_per_call;
using leyden_bench::SmallMace;
using leyden_bench::water_like;

/// Between 8 and 40 atoms at random in a triclinic cell, none closer than 0.8 Å.
Structure random_structure(std::uint64_t seed) {
  RandomStream random(seed);
  Structure s;
  const int n = 8 + static_cast<int>(random.uniform() * 33.0);
  const double length = std::cbrt(n / 0.06);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      s.cell.vectors(a, b) = a == b ? length : 0.15 * length * random.uniform(-1, 1);
  s.cell.periodic = {true, true, true};
  while (static_cast<int>(s.size()) < n) {
    const Vector3<double> f{{random.uniform(), random.uniform(), random.uniform()}};
    const Vector3<double> r = f * s.cell.vectors;
    bool far = true;
    for (const auto& other : s.positions)
      for (int k = 0; k < 27 && far; ++k) {
        Vector3<double> d = r - other;
        const int shift[3] = {k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1};
        for (int a = 0; a < 3; ++a) d += static_cast<double>(shift[a]) * s.cell.vectors.row(a);
        far = norm(d) > 0.8;
      }
    if (!far) continue;
    s.positions.push_back(r);
    s.atomic_numbers.push_back(s.size() % 3 == 1 ? 8 : 1);
  }
  return s;
}

/// Charge models start near zero charges; these have something to do.
template <class P>
void randomize_charges(P& potential) {
  std::vector<double> x(potential.parameters().begin(), potential.parameters().end());
  RandomStream random(17);
  for (const ParameterInfo& info : potential.layout().entries())
    if (info.name.rfind("charge/", 0) == 0)
      for (double& value : info.slice.of(std::span<double>(x))) value += 0.3 * random.normal();
  potential.set_parameters(x);
}

double quantile(std::vector<int> x, double q) {
  if (x.empty()) return 0.0;
  std::sort(x.begin(), x.end());
  return x[static_cast<std::size_t>(q * static_cast<double>(x.size() - 1) + 0.5)];
}

/// Random structures and random parameters, to a residual of 1e-8.
void convergence() {
  constexpr int structures = 1000;
  leyden_bench::for_each_self_consistent_model([&]<class Q>(const Q& model, const char* name) {
    using P = Potential<SmallMace, Q, Reciprocal>;
    ReciprocalOptions reciprocal;
    reciprocal.background = Background::uniform;
    reciprocal.accuracy = 1e-6;  // the sum is exact for what it is; this is about iterations
    P potential(SmallMace({.species = {8, 1}, .channels = 8, .average_neighbors = 30.0}), model,
                Reciprocal(reciprocal), 3);
    typename P::Workspace workspace;
    for (const bool level : {false, true}) {
      if (level && !Q::exchanges_charge) continue;
      for (const ScfMethod method : {ScfMethod::newton, ScfMethod::anderson, ScfMethod::linear}) {
        ScfOptions options;
        options.method = method;
        options.tolerance = 1e-8;
        options.max_iterations = method == ScfMethod::linear ? 400 : 100;
        options.throw_on_failure = false;
        potential.set_scf_options(options);
        // The baselines are slow: fewer structures.
        const int count = method == ScfMethod::newton ? structures : structures / 10;
        std::vector<int> iterations;
        int converged = 0;
        for (int k = 0; k < count; ++k) {
          RandomStream random(static_cast<std::uint64_t>(1000 + k));
          if (k % 50 == 0) {
            std::vector<double> x =
                potential.layout().initial_values(static_cast<std::uint64_t>(k + 1));
            for (double& value : x) value += 0.1 * random.normal();
            potential.set_parameters(x);
          }
          Structure s = random_structure(static_cast<std::uint64_t>(k + 1));
          s.total_charge = std::floor(random.uniform(-1.0, 2.0));
          if (level) s.fermi_level = random.uniform(-2.0, 2.0);
          const Prediction& p = potential.evaluate(s, workspace, {false, false});
          converged += p.scf.status == ScfStatus::converged ? 1 : 0;
          iterations.push_back(p.scf.iterations);
        }
        const std::string prefix = "convergence/" + std::string(name) +
                                   (level ? "/constant Fermi level/" : "/constant charge/") +
                                   (method == ScfMethod::newton     ? "Newton"
                                    : method == ScfMethod::anderson ? "Anderson"
                                                                    : "mixing");
        const bool bar = method == ScfMethod::newton;
        figure(prefix + "/converged", 100.0 * converged / count, "%", bar ? "100" : "");
        figure(prefix + "/iterations median", quantile(iterations, 0.5), "", bar ? "<= 8" : "");
        figure(prefix + "/iterations 95 %", quantile(iterations, 0.95), "", bar ? "<= 15" : "");
      }
    }
  });
}

/// A metal slab in a field: charges without hardness in open space.
void slabs() {
  for (const int side : {5, 16, 50}) {
    Structure s;
    RandomStream random(3);
    constexpr double spacing = 2.6;
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j)
        for (int k = 0; k < 4; ++k) {
          Vector3<double> r{{spacing * i, spacing * j, spacing * k}};
          for (int a = 0; a < 3; ++a) r[a] += 0.1 * random.normal();
          s.positions.push_back(r);
          s.atomic_numbers.push_back(1);
        }
    const std::size_t n = s.size();
    const std::vector<double> widths(n, 0.8);
    NeighborList list;
    list.build(s, 6.5, 0.0);
    Geometry<double> g;
    make_geometry(s, list, g);
    const Direct solver;
    Direct::Plan<double> plan;
    solver.plan<double>(g, {0, widths}, 0.0, plan);
    SiteCoefficients<double> c;
    c.assign(n, 0, 0, true);
    std::vector<double> external(n);
    for (std::size_t i = 0; i < n; ++i) {
      c.chi[i] = 0.3 * random.normal();
      external[i] = -0.3 * s.positions[i][2];
    }
    ScfOptions options;
    options.dense_limit = 0;
    options.tolerance = 1e-8;
    SelfConsistencyTape<QuadraticLaw, double> tape;
    tape.density.constraints.group.assign(n, 0);
    tape.density.constraints.charge = {0.0};
    const QuadraticLaw law;
    using Engine = SelfConsistency<QuadraticLaw, Direct, double>;
    const Engine::System system{law, solver, plan, plan, g, widths, 1, c, external, options};
    Engine(system, tape).solve();
    figure("slabs/" + std::to_string(n) + " atoms/applications of K",
           tape.density.outcome.operator_applications, "");
  }
}

/// What finding the charges and their adjoint costs beside the descriptor.
void cost() {
  for (const int n : {192, 648, 1995})
    leyden_bench::for_each_self_consistent_model([&]<class Q>(const Q& model, const char* name) {
      using D = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 1}>;
      const D descriptor({.species = {8, 1}, .channels = 64, .average_neighbors = 50.0});
      const Structure s = water_like(n);
      ParticleMeshOptions mesh;
      mesh.background = Background::uniform;
      mesh.accuracy = 1e-6;
      using Local = Potential<D, NoCharges, NoElectrostatics>;
      using Full = Potential<D, Q, ParticleMesh>;
      const Local local(descriptor, {}, {}, 1);
      Full full(descriptor, model, ParticleMesh(mesh), 1);
      ScfOptions options;
      options.tolerance = 1e-8;
      full.set_scf_options(options);
      randomize_charges(full);
      typename Local::Workspace a;
      typename Full::Workspace b;
      // By turns, so that what else the machine does meets both.
      std::vector<double> bases, alls;
      for (int round = 0; round < 7; ++round) {
        bases.push_back(seconds_per_call([&] { local.evaluate(s, a); }, 1));
        alls.push_back(seconds_per_call([&] { full.evaluate(s, b); }, 1));
      }
      const double base = leyden_bench::median(bases), all = leyden_bench::median(alls);
      const std::string prefix = "cost/" + std::to_string(n) + " atoms/" + name;
      figure(prefix + "/over the descriptor", (all - base) / base, "", "<= 1");
      figure(prefix + "/applications of K", b.prediction.scf.operator_applications, "");
    });
}

/// Molecular dynamics at constant energy with the density of the last steps as the start: atoms of
/// a crystal, tethered to their sites so that random parameters cannot melt it.
void dynamics() {
  constexpr int n = 48, steps = 4000;
  constexpr double timestep = 0.5;             // fs
  constexpr double acceleration = 9.6485e-3;   // Å/fs² per eV/(Å amu)
  constexpr double mass = 16.0, tether = 4.0;  // amu, eV/Å²
  leyden_bench::for_each_self_consistent_model([&]<class Q>(const Q& model, const char* name) {
    using P = Potential<SmallMace, Q, Reciprocal>;
    ReciprocalOptions reciprocal;
    reciprocal.background = Background::uniform;
    P potential(SmallMace({.species = {8, 1}, .channels = 8, .average_neighbors = 30.0}), model,
                Reciprocal(reciprocal), 3);
    ScfOptions options;
    options.tolerance = 1e-6;
    options.warm_start = true;
    potential.set_scf_options(options);
    randomize_charges(potential);
    typename P::Workspace workspace;
    Structure s = water_like(n);
    const std::vector<Vector3<double>> sites = s.positions;
    RandomStream random(4);
    std::vector<Vector3<double>> v(s.size());
    // 300 K: sqrt(kT/m)
    const double thermal = std::sqrt(0.025852 * acceleration / mass);
    for (auto& x : v)
      x = {{thermal * random.normal(), thermal * random.normal(), thermal * random.normal()}};
    std::vector<Vector3<double>> f(s.size());
    std::vector<double> energy;
    std::vector<int> iterations;
    const auto forces = [&] {
      const Prediction& p = potential.evaluate(s, workspace);
      for (std::size_t i = 0; i < s.size(); ++i)
        f[i] = p.forces[i] - tether * (s.positions[i] - sites[i]);
    };
    const auto kick = [&] {
      for (std::size_t i = 0; i < s.size(); ++i)
        v[i] += (0.5 * timestep * acceleration / mass) * f[i];
    };
    forces();
    for (int step = 0; step < steps; ++step) {
      kick();
      for (std::size_t i = 0; i < s.size(); ++i) s.positions[i] += timestep * v[i];
      forces();
      kick();
      double e = workspace.prediction.energy;
      for (std::size_t i = 0; i < s.size(); ++i) {
        const Vector3<double> u = s.positions[i] - sites[i];
        e += 0.5 * tether * dot(u, u) + 0.5 * mass / acceleration * dot(v[i], v[i]);
      }
      energy.push_back(e / n);
      if (step >= 2) iterations.push_back(workspace.prediction.scf.iterations);
    }
    // The slope of a straight line through the energies.
    double sum_t = 0, sum_e = 0, sum_tt = 0, sum_te = 0;
    const double count = static_cast<double>(energy.size());
    for (std::size_t k = 0; k < energy.size(); ++k) {
      const double t = static_cast<double>(k) * timestep * 1e-3;  // ps
      sum_t += t;
      sum_e += energy[k];
      sum_tt += t * t;
      sum_te += t * energy[k];
    }
    const double slope = (count * sum_te - sum_t * sum_e) / (count * sum_tt - sum_t * sum_t);
    const std::string prefix = "dynamics/" + std::string(name);
    figure(prefix + "/energy drift", std::abs(slope), "eV/atom/ps", "<= 1e-6");
    figure(prefix + "/warm iterations, most", quantile(iterations, 1.0), "", "<= 3");
  });
}

struct Group {
  const char* name;
  void (*run)();
};
constexpr Group groups[] = {
    {"convergence", convergence}, {"slabs", slabs}, {"cost", cost}, {"dynamics", dynamics}};

}  // namespace

int main(int argc, char** argv) {
  bool found = false;
  for (const Group& group : groups)
    if (argc < 2 || std::strcmp(argv[1], group.name) == 0) {
      group.run();
      found = true;
    }
  if (found) return 0;
  std::fprintf(stderr, "scf_report: no group '%s'; there are: convergence, slabs, cost, dynamics\n",
               argv[1]);
  return 2;
}
