// SPDX-License-Identifier: MIT
// What training costs beside evaluation; lines as those of report.cpp. Usage: training_report
// [PART]: published, steps, networks, soap, two_threads.
//
// Structures are those of examples/data (36 atoms of quartz with vacancies, labels of energy,
// forces and charges), the potentials those of examples/models. One "evaluation" is energy and
// forces of a potential whose parameters stay, as users run it: radial functions from tables. One
// "step" is all that Trainer does per structure: evaluation with the parameters of the batch
// (radial functions on knots, that are made anew for each batch), loss, exact gradient by energy,
// forces and charges, clipping, Adam, new parameters. Both new neighbour lists; validation is left
// out. All that is compared runs by turns, and the least time of each counts. Times are CPU times,
// but for two threads, which need a machine that does nothing else.
#include "support/measure.hpp"

#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/io/extxyz.hpp>
#include <leyden/potential.hpp>
#include <leyden/train/trainer.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace leyden;
using leyden_bench::cpu_seconds;
using leyden_bench::figure;

template <class Real>
using Small = Mace<MaceShape{.l_max = 2, .correlation = 3, .hidden_l = 1}, Real>;
using Large = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 1}>;

constexpr double cutoff = 4.5;  // Å
constexpr std::size_t structures = 16;

struct Data {
  std::vector<Frame> frames;
  std::vector<std::size_t> train;  // one more frame is there for validation
  DataStatistics statistics;
  double atoms = 0.0;  // per structure
};

Data read_data() {
  Data data;
  data.frames = read_extxyz("examples/data/silica_vacancy.xyz");
  data.frames.resize(structures + 1);
  data.train.resize(structures);
  std::iota(data.train.begin(), data.train.end(), std::size_t{0});
  data.statistics = data_statistics(data.frames, data.train, cutoff);
  for (std::size_t k : data.train)
    data.atoms += static_cast<double>(data.frames[k].structure.size()) / structures;
  return data;
}

template <class P>
P make_potential(const Data& data, int channels, int knots) {
  using S = typename P::solver_type;
  const DataStatistics& s = data.statistics;
  typename P::descriptor_type descriptor(
      {.species = s.species,
       .cutoff = cutoff,
       .channels = channels,
       .layers = 2,
       .radial_hidden = channels > 16 ? std::vector<int>{64, 64, 64} : std::vector<int>{32, 32},
       .average_neighbors = s.average_neighbors,
       .atomic_energies = s.atomic_energies,
       .scale = s.scale,
       .shift = s.shift,
       .keep_last_irreps = true,
       .training_knots = knots});
  const S solver = [] {
    if constexpr (std::same_as<S, Reciprocal>)
      return S({.accuracy = 1e-6, .background = Background::uniform});
    else
      return S{};
  }();
  P potential(std::move(descriptor), typename P::charge_model_type{}, solver, 1);
  ScfOptions scf;
  scf.tolerance = 1e-8;
  potential.set_scf_options(scf);
  return potential;
}

/// A potential in training: what one epoch costs without its validation.
template <class P, class E = SerialExecutor>
class Training {
 public:
  Training(const Data& data, const P& start, double learning_rate, int batch_size, E executor = {},
           OptimizerOptions::Kind kind = OptimizerOptions::Kind::adam)
      : model_(start),
        trainer_(model_, data.frames, data.train, {structures},
                 options(learning_rate, batch_size, kind), executor) {}

  const P& model() const { return model_; }

  /// Seconds per structure, by a clock.
  template <class Clock>
  double epoch(Clock&& clock) {
    const double start = clock();
    double end = start;
    trainer_.run(
        [&](const TrainingProgress& p) {
          if (p.finished == nullptr) end = clock();
        },
        nullptr, ++epochs_);
    return (end - start) / structures;
  }

 private:
  static TrainerOptions options(double learning_rate, int batch_size, OptimizerOptions::Kind kind) {
    TrainerOptions o;
    o.epochs = 100000;
    o.batch_size = batch_size;
    o.weights = {.energy = 40.0, .forces = 1.0, .charges = 40.0};
    o.optimizer.kind = kind;
    o.optimizer.learning_rate = learning_rate;
    return o;
  }

  P model_;
  Trainer<P, E> trainer_;
  int epochs_ = 0;
};

// Steps after some training, small enough to change nothing that costs time.
constexpr double learning = 0.005, holding = 1e-7;

template <class P>
P somewhat_trained(const Data& data, int channels, int knots) {
  Training<P> training(data, make_potential<P>(data, channels, knots), learning, 2);
  for (int i = 0; i < 4; ++i) training.epoch(cpu_seconds);
  return training.model();
}

template <class P>
double evaluation_of_all(const Data& data, const P& potential, typename P::Workspace& workspace) {
  const double start = cpu_seconds();
  for (std::size_t k : data.train)
    potential.evaluate(data.frames[k].structure, workspace, {true, false});
  return (cpu_seconds() - start) / structures;
}

/// Steps in batches of two and of four.
template <class P>
void steps(const Data& data, const std::string& name, int channels, int turns, const char* target) {
  const P potential = somewhat_trained<P>(data, channels, MaceOptions{}.training_knots);
  Training<P> two(data, potential, holding, 2), four(data, potential, holding, 4);
  typename P::Workspace workspace;
  evaluation_of_all(data, potential, workspace);
  two.epoch(cpu_seconds);
  four.epoch(cpu_seconds);
  double evaluation = 1e9, of_two = 1e9, of_four = 1e9;
  for (int i = 0; i < turns; ++i) {
    evaluation = std::min(evaluation, evaluation_of_all(data, potential, workspace));
    of_two = std::min(of_two, two.epoch(cpu_seconds));
    of_four = std::min(of_four, four.epoch(cpu_seconds));
  }
  const std::string of = "training/" + name + "/" + std::to_string(channels) + " channels/";
  figure(of + "evaluation", 1e6 * evaluation / data.atoms, "us/atom");
  figure(of + "step", 1e6 * of_two / data.atoms, "us/atom");
  figure(of + "steps", 1.0 / of_two, "structures/s");
  figure(of + "step over evaluation", of_two / evaluation, "", target);
  figure(of + "step over evaluation, batches of four", of_four / evaluation, "", target);
}

/// The shortest epochs of two trainings that take turns, after one of each that does not count.
template <class T>
std::pair<double, double> by_turns(T& first, T& second, double (*seconds)(), int turns) {
  first.epoch(seconds);
  second.epoch(seconds);
  double a = 1e9, b = 1e9;
  for (int i = 0; i < turns; ++i) {
    a = std::min(a, first.epoch(seconds));
    b = std::min(b, second.epoch(seconds));
  }
  return {a, b};
}

/// Steps of SOAP, which the programs of examples take, and of Adam, in batches of four. All epochs
/// count: some of SOAP's steps renew its bases.
template <class P>
void soap_steps(const Data& data, const std::string& name, int channels, int turns) {
  const P potential = somewhat_trained<P>(data, channels, MaceOptions{}.training_knots);
  Training<P> adam(data, potential, holding, 4);
  Training<P> soap(data, potential, holding, 4, {}, OptimizerOptions::Kind::soap);
  adam.epoch(cpu_seconds);
  soap.epoch(cpu_seconds);
  double a = 0.0, b = 0.0;
  for (int i = 0; i < turns; ++i) {
    a += adam.epoch(cpu_seconds);
    b += soap.epoch(cpu_seconds);
  }
  figure("training/" + name + "/" + std::to_string(channels) +
             " channels/step with SOAP over step, batches of four",
         b / a, "");
}

/// Root mean square difference between forces on knots and those of the radial networks, eV/Å.
template <class P>
double error_of_knots(const Data& data, const P& potential) {
  typename P::Workspace of_networks, on_knots;
  on_knots.training = true;
  double sum = 0.0, count = 0.0;
  for (std::size_t k : data.train) {
    const Structure& structure = data.frames[k].structure;
    const Prediction& exact = potential.evaluate(structure, of_networks, {true, false});
    const Prediction& interpolated = potential.evaluate(structure, on_knots, {true, false});
    for (std::size_t i = 0; i < structure.size(); ++i) {
      const Vector3<double> difference = interpolated.forces[i] - exact.forces[i];
      sum += dot(difference, difference);
    }
    count += 3.0 * static_cast<double>(structure.size());
  }
  return std::sqrt(sum / count);
}

/// Steps with radial functions on knots, and through the radial networks for each pair of atoms.
template <class P>
void radial_networks(const Data& data, const std::string& name, int channels, int turns) {
  const P potential = somewhat_trained<P>(data, channels, MaceOptions{}.training_knots);
  P networks = make_potential<P>(data, channels, 0);
  networks.set_parameters(potential.parameters());
  Training<P> with_knots(data, potential, holding, 2), with_networks(data, networks, holding, 2);
  const auto [a, b] = by_turns(with_knots, with_networks, cpu_seconds, turns);
  const std::string of = "training/" + name + "/" + std::to_string(channels) + " channels/";
  figure(of + "step without knots over step", b / a, "");
  figure(of + "forces on knots, error", 1e3 * error_of_knots(data, potential), "meV/Å");
}

#if defined(_OPENMP)
double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Two threads with a training of their own each, which share nothing: what the machine allows.
template <class P>
double side_by_side(Training<P>& first, Training<P>& second) {
  double seconds[2];
#pragma omp parallel for num_threads(2) schedule(static, 1)
  for (int i = 0; i < 2; ++i) seconds[i] = (i == 0 ? first : second).epoch(wall_seconds);
  return std::max(seconds[0], seconds[1]);
}

template <class P>
void two_threads(const Data& data, const std::string& name, int channels, int batch, int turns) {
  const P potential = somewhat_trained<P>(data, channels, MaceOptions{}.training_knots);
  using T = Training<P, OpenMPExecutor>;
  T one(data, potential, holding, batch, OpenMPExecutor(1));
  T two(data, potential, holding, batch, OpenMPExecutor(2));
  Training<P> a(data, potential, holding, batch), b(data, potential, holding, batch);
  double of_one = 1e9, of_two = 1e9, apart = 1e9;
  for (int i = 0; i <= turns; ++i) {
    const double times[] = {one.epoch(wall_seconds), two.epoch(wall_seconds), side_by_side(a, b)};
    if (i == 0) continue;  // memory is new
    of_one = std::min(of_one, times[0]);
    of_two = std::min(of_two, times[1]);
    apart = std::min(apart, times[2]);
  }
  const std::string of = "training/" + name + "/" + std::to_string(channels) +
                         " channels/batches of " + std::to_string(batch) + "/";
  figure(of + "steps, two threads", 1.0 / of_two, "structures/s");
  figure(of + "one thread over two", of_one / of_two, "", ">= 1.8");
  figure(of + "two trainings apart, what they gain", 2.0 * of_one / apart, "");
}
#endif

/// The size of published models of MACE.
void published_size(const Data& data) {
  using P = Potential<Large, NoCharges, NoElectrostatics>;
  const P potential = make_potential<P>(data, 128, 0);
  typename P::Workspace workspace;
  evaluation_of_all(data, potential, workspace);
  double least = 1e9;
  for (int i = 0; i < 5; ++i)
    least = std::min(least, evaluation_of_all(data, potential, workspace));
  figure("training/128x0e+128x1o, l_max 3, double/evaluation", 1e3 * least / data.atoms, "ms/atom",
         "PyTorch: 12 to 33");
}

template <class Q, class Real = double>
using Point = Potential<Small<Real>, Q, Reciprocal>;
using Multipoles = LocalMultipoles<1, ChargeConstraint::fukui>;

int turns_of(int channels) { return channels > 16 ? 20 : 40; }

void all_steps(const Data& data) {
  constexpr const char* explicit_target = "<= 4";
  constexpr const char* self_consistent_target = "<= 6";
  for (const int channels : {16, 64}) {
    const int turns = turns_of(channels);
    steps<Point<Multipoles>>(data, "local dipoles", channels, turns, explicit_target);
    steps<Point<Multipoles, float>>(data, "local dipoles, float", channels, turns, explicit_target);
    steps<Point<ChargeEquilibration>>(data, "charge equilibration", channels, turns,
                                      self_consistent_target);
    steps<Point<FixedPoint<1>>>(data, "fixed point", channels, turns, self_consistent_target);
    steps<Point<ResponseFunctional<1>>>(data, "response functional", channels, turns,
                                        self_consistent_target);
  }
}

void all_networks(const Data& data) {
  for (const int channels : {16, 64})
    radial_networks<Point<Multipoles>>(data, "local dipoles", channels, turns_of(channels));
}

void all_soap(const Data& data) {
  for (const int channels : {16, 64})
    soap_steps<Point<Multipoles>>(data, "local dipoles", channels, turns_of(channels));
}

void all_threads([[maybe_unused]] const Data& data) {
#if defined(_OPENMP)
  for (const int channels : {16, 64})
    for (const int batch : {2, 4, 8})
      two_threads<Point<Multipoles>>(data, "local dipoles", channels, batch,
                                     2 * turns_of(channels));
#endif
}

struct Part {
  const char* name;
  void (*run)(const Data&);
};
constexpr Part parts[] = {{"published", published_size},
                          {"steps", all_steps},
                          {"networks", all_networks},
                          {"soap", all_soap},
                          {"two_threads", all_threads}};

}  // namespace

int main(int argc, char** argv) {
  const Data data = read_data();
  bool found = false;
  for (const Part& part : parts)
    if (argc < 2 || std::strcmp(argv[1], part.name) == 0) {
      part.run(data);
      found = true;
    }
  if (found) return 0;
  std::fprintf(stderr, "training_report: no part '%s'; there are:", argv[1]);
  for (const Part& part : parts) std::fprintf(stderr, " %s", part.name);
  std::fprintf(stderr, "\n");
  return 2;
}
