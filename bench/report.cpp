// SPDX-License-Identifier: MIT
// The figures that the documentation quotes: one line each, tab-separated: name, value, unit,
// target. Times are CPU times of one thread, medians after a warm call. Usage: report [GROUP], see
// groups().
#include "support/mace_cost.hpp"
#include "support/measure.hpp"
#include "support/space.hpp"
#include "support/systems.hpp"

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/equivariant/spherical_harmonics.hpp>
#include <leyden/io/extxyz.hpp>

#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace leyden;
using leyden_bench::figure;
using leyden_bench::seconds_per_call;
using leyden_bench::water_like;

void machine() {
  figure("machine/peak/double", leyden_bench::peak_flops<double>() / 1e9, "GFLOP/s");
  figure("machine/peak/float", leyden_bench::peak_flops<float>() / 1e9, "GFLOP/s");
  figure("machine/memory bandwidth", leyden_bench::triad_bandwidth() / 1e9, "GB/s");
}

void neighbors() {
  for (int n : {192, 10000}) {
    const Structure s = water_like(n);
    NeighborList list;
    const double t = seconds_per_call([&] { list.build(s, 5.0); });
    figure("neighbors/build/" + std::to_string(n) + " atoms", 1e6 * t / n, "us/atom");
  }
}

void harmonics() {
  constexpr int edges = 10000;
  std::vector<double> y(edges * 16);
  double sum = 0.0;
  const double t = seconds_per_call([&] {
    for (int e = 0; e < edges; ++e) {
      const double c = e * 1e-4;
      spherical_harmonics<3>(c, 0.6, 0.8, y.data() + 16 * e);
    }
    sum += y.back();
  });
  figure("harmonics/l_max 3", 1e9 * t / edges + 0.0 * sum, "ns/edge");
}

// Runs tasks one after the other, as SerialExecutor, and keeps the time of each call.
class Stopwatch {
 public:
  int concurrency() const { return 1; }
  template <class Task>
  void for_each(std::size_t n, Task&& task) const {
    const double start = leyden_bench::cpu_seconds();
    for (std::size_t i = 0; i < n; ++i) task(i, 0);
    times_.push_back(leyden_bench::cpu_seconds() - start);
  }
  std::vector<double> take() const { return std::exchange(times_, {}); }

 private:
  mutable std::vector<double> times_;
};

// The kernels of a MACE of two linear layers with tables, in the order in which forward() and
// backward() hand them to an executor.
std::vector<const char*> kernels(int hidden_l, int paths, int species) {
  std::vector<const char*> out;
  const auto add = [&](const char* name, int count = 1) { out.insert(out.end(), count, name); };
  add("edges", 3);  // places in two tables, harmonics
  add("convolution");
  add("product");
  add("maps", hidden_l + 1);
  add("maps", hidden_l + 1);
  add("convolution");
  add("maps", paths);
  add("product");
  add("maps", 1 + species);
  add("maps", 1 + species);  // back
  add("product");
  add("maps", paths);
  add("convolution");
  add("maps", hidden_l + 1);
  add("maps", hidden_l + 1);
  add("product");
  add("convolution");
  add("edges");
  return out;
}

// Targets are those of a core of 122 GFLOP/s (double; float 247): times are compared through the
// peak of this machine.
template <MaceShape Shape, class Real>
void descriptor(const std::string& name, double target) {
  using M = Mace<Shape, Real>;
  using P = Potential<M, NoCharges, NoElectrostatics>;
  const double peak = leyden_bench::peak_flops<Real>();
  const double scale = peak / (std::same_as<Real, double> ? 122e9 : 247e9);
  const MaceOptions options{.species = {1, 8}, .channels = 128, .average_neighbors = 50.0};
  const P potential(M(options), NoCharges{}, NoElectrostatics{}, 1);
  const M& mace = potential.descriptor();
  const std::string of = "descriptor/" + name + "/";
  char limit[32];
  std::snprintf(limit, sizeof limit, "<= %g", target);
  for (const int n : {192, 648}) {
    const std::string here = of + std::to_string(n) + " atoms/";
    const Structure s = water_like(n);
    typename P::Workspace workspace;
    const double whole = seconds_per_call([&] { potential.evaluate(s, workspace); }, 9);
    figure(here + "energy, forces, stress", 1e6 * whole / n, "us/atom");
    figure(here + "energy, forces, stress, at the reference's peak", 1e6 * scale * whole / n,
           "us/atom", limit);
    NeighborList list;
    const double neighbors = seconds_per_call([&] { list.build(s, mace.cutoff()); });
    figure(here + "share of a new neighbour list", neighbors / (whole + neighbors), "", "<= 0.05");
    if (n == 648) continue;

    Geometry<Real> g;
    make_geometry(s, list, g);
    typename M::template Tape<Real> tape;
    const double forward = seconds_per_call([&] { mace.forward(g, tape); });
    figure(here + "forward", 1e6 * forward / n, "us/atom");
    std::map<std::string, double> parts;
    const int paths = Convolution<Shape.hidden_l, Shape.l_max>::path_count;
    const auto names = kernels(Shape.hidden_l, paths, 2);
    const Stopwatch stopwatch;
    constexpr int rounds = 9;
    double both = 0.0;
    for (int round = -1; round < rounds; ++round) {
      const double start = leyden_bench::cpu_seconds();
      mace.forward(g, tape, stopwatch);
      mace.backward(g, tape, Real(1), std::span<double>{}, stopwatch);
      const double all = leyden_bench::cpu_seconds() - start;
      const std::vector<double> times = stopwatch.take();
      if (times.size() != names.size()) {
        std::fprintf(stderr, "report: the kernels of Mace are others than kernels() says\n");
        return;
      }
      if (round < 0) continue;  // it warms the memory
      both += all;
      for (std::size_t k = 0; k < names.size(); ++k) parts[names[k]] += times[k];
    }
    const auto work = leyden_bench::mace_operations<Shape>(mace.options(), n, g.n_edges(),
                                                           g.n_pairs, RadialTable<Real>::terms);
    figure(here + "of peak", rounds * work.total() / both / peak, "");
    const std::pair<const char*, double> counted[] = {
        {"convolution", work.convolution}, {"maps", work.maps}, {"product", work.product}};
    for (const auto& [kernel, operations] : counted) {
      figure(here + kernel + "/share", parts[kernel] / both, "");
      figure(here + kernel + "/of peak", rounds * operations / parts[kernel] / peak, "", ">= 0.4");
    }
    figure(here + "edges/share", parts["edges"] / both, "");

    if constexpr (std::same_as<Real, double>) {
      Direction direction;
      direction.displacement.assign(s.size(), Vector3<double>{{0.1, 0.2, -0.3}});
      const double dual =
          seconds_per_call([&] { potential.directional_derivative(s, direction, workspace); }, 3);
      figure(here + "second derivatives over first", dual / whole, "", "<= 3");
      tape.exact = true;
      const double exact = seconds_per_call([&] {
        mace.forward(g, tape);
        mace.backward(g, tape, Real(1), std::span<double>{});
      });
      figure(here + "with radial networks", 1e6 * exact / n, "us/atom");
      figure(here + "error of tables, slopes", mace.table_error(), "", "<= 1e-6");
    }
  }
}

template <class Real>
using Large = Potential<Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 1}, Real>,
                        NoCharges, NoElectrostatics>;
template <class Real>
Large<Real> large(std::vector<int> species) {
  return Large<Real>(
      typename Large<Real>::descriptor_type(
          {.species = std::move(species), .channels = 128, .average_neighbors = 50.0}),
      NoCharges{}, NoElectrostatics{}, 1);
}

// Single precision against double.
void precision() {
  const auto compare = [](const std::string& name, const std::vector<Structure>& structures,
                          const std::vector<int>& species) {
    const auto exact = large<double>(species);
    const auto single = large<float>(species);
    Large<double>::Workspace a;
    Large<float>::Workspace b;
    double energy = 0, forces = 0, force_scale = 0, stress = 0, stress_scale = 0;
    for (const Structure& s : structures) {
      const Prediction& x = exact.evaluate(s, a);
      const Prediction& y = single.evaluate(s, b);
      energy = std::max(energy, std::abs(x.energy - y.energy) / static_cast<double>(s.size()));
      for (std::size_t i = 0; i < s.size(); ++i)
        for (int k = 0; k < 3; ++k) {
          forces += std::pow(x.forces[i][k] - y.forces[i][k], 2);
          force_scale += std::pow(x.forces[i][k], 2);
        }
      for (std::size_t k = 0; k < 9; ++k) {
        stress += std::pow(x.stress.data[k] - y.stress.data[k], 2);
        stress_scale += std::pow(x.stress.data[k], 2);
      }
    }
    const std::string of = "precision/" + name + "/";
    figure(of + "energy, largest error", energy, "eV/atom");
    figure(of + "forces, relative error", std::sqrt(forces / force_scale), "");
    figure(of + "stress, relative error", std::sqrt(stress / stress_scale), "");
  };
  std::vector<Structure> silica;
  for (const Frame& frame : read_extxyz("examples/data/silica_vacancy.xyz")) {
    if (silica.size() == 50) break;
    silica.push_back(frame.structure);
  }
  compare("silica, 50 structures", silica, {8, 14});
  compare("water, 192 atoms", {water_like(192)}, {1, 8});
  compare("water, 5184 atoms", {water_like(5184)}, {1, 8});
}

// One evaluation by two threads, and what it keeps.
void threads() {
  const auto potential = large<double>({1, 8});
  [[maybe_unused]] const auto seconds = [](auto&& f) {
    std::vector<double> times;
    for (int i = 0; i < 7; ++i) {
      const auto start = std::chrono::steady_clock::now();
      f();
      times.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return leyden_bench::median(times);
  };
  for (const int n : {192, 648, 10000}) {
    const Structure s = water_like(n);
    const std::string of = "threads/" + std::to_string(n) + " atoms/";
    Large<double>::Workspace workspace;
    potential.evaluate(s, workspace);
#if defined(_OPENMP)
    const double one = seconds([&] { potential.evaluate(s, workspace); });
    const double two = seconds([&] { potential.evaluate(s, workspace, {}, OpenMPExecutor(2)); });
    figure(of + "one thread over two", one / two, "");
#endif
    if (n < 10000) continue;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    figure(of + "peak memory of the program", static_cast<double>(usage.ru_maxrss) / n, "kB/atom",
           "<= 250");
  }
}

void descriptors() {
  descriptor<MaceShape{3, 3, 0}, double>("128x0e, double", 150);
  descriptor<MaceShape{3, 3, 0}, float>("128x0e, float", 75);
  descriptor<MaceShape{3, 3, 1}, double>("128x0e+128x1o, double", 300);
  descriptor<MaceShape{3, 3, 1}, float>("128x0e+128x1o, float", 150);
}

void solvers() {
  for (int n : {36, 192, 648}) {
    const Structure s = water_like(n);
    Geometry<double> g;
    NeighborList list;
    list.build(s, 1.0);
    make_geometry(s, list, g);
    const std::vector<double> widths(s.size(), 1.0);
    std::vector<double> p(s.size()), v(s.size());
    RandomStream random(3);
    for (double& x : p) x = random.normal();
    const Reciprocal solver({.background = Background::uniform});
    Reciprocal::Plan<double> plan;
    const SourceShape source{0, widths};
    const std::string name = "solver/reciprocal/" + std::to_string(n) + " atoms/";
    figure(name + "plan", 1e6 * seconds_per_call([&] { solver.plan(g, source, 0.0, plan); }) / n,
           "us/atom");
    const std::span<const double> q(p);
    figure(name + "apply",
           1e6 * seconds_per_call([&] { solver.apply(plan, q, std::span<double>(v)); }) / n,
           "us/atom");
    std::vector<double> matrix(s.size() * s.size());
    figure(name + "assemble",
           1e6 * seconds_per_call([&] { solver.assemble(plan, std::span<double>(matrix)); }) / n,
           "us/atom");
    GeometryGradient<double> gradient;
    gradient.reset(s.size());
    figure(name + "gradient",
           1e6 * seconds_per_call([&] { solver.bilinear_gradient(plan, q, q, 0.5, gradient); }) / n,
           "us/atom");
  }
}

void evaluate() {
  const Structure s = water_like(36);
  for_each_point<leyden_bench::Space>([&]<class P>(Point<P>) {
    const P potential = leyden_bench::make_point<P>();
    typename P::Workspace workspace;
    const double n = static_cast<double>(s.size());
    const double evaluation = seconds_per_call([&] { potential.evaluate(s, workspace); }, 21);
    const std::string name = "evaluate/" + std::string(traits<P>.charge_model);
    figure(name + "/energy, forces, stress", 1e6 * evaluation / n, "us/atom");
  });
}

void io() {
  Frame frame;
  frame.structure = water_like(192);
  frame.labels.energy = -1.0;
  frame.labels.forces = frame.structure.positions;
  const std::vector<Frame> frames(500, frame);
  std::string text;
  for (const Frame& f : frames) text += to_extxyz(f, {});
  ExtxyzOptions options;
  const double t = seconds_per_call([&] { parse_extxyz(text, "memory", options); }, 5);
  figure("io/extxyz/read and validate", static_cast<double>(text.size()) / t / 1e6, "MB/s",
         ">= 100");
}

struct Group {
  const char* name;
  void (*run)();
};
constexpr Group groups[] = {
    {"machine", machine},        {"neighbors", neighbors}, {"harmonics", harmonics},
    {"descriptor", descriptors}, {"precision", precision}, {"threads", threads},
    {"solver", solvers},         {"evaluate", evaluate},   {"io", io}};

}  // namespace

int main(int argc, char** argv) {
  bool found = false;
  for (const Group& group : groups)
    if (argc < 2 || std::strcmp(argv[1], group.name) == 0) {
      group.run();
      found = true;
    }
  if (found) return 0;
  std::fprintf(stderr, "report: no group '%s'; there are:", argv[1]);
  for (const Group& group : groups) std::fprintf(stderr, " %s", group.name);
  std::fprintf(stderr, "\n");
  return 2;
}
