// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/mace.hpp>
#include <leyden/design_space.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>

#include "potential/points.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>

// One line of the matrix for every solver and boundary of a charge model: what is measured, whether
// it is exact, or why physics has no such thing. Exact means: equal to central differences within
// their own error, which is stated with each cell's limit.
namespace leyden_matrix {

using namespace leyden;
using leyden_test::linear_loss;

struct Cell {
  enum class Kind { ok, miss, none } kind = Kind::none;
  std::string text;

  static Cell measured(double figure, double limit) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.1e", figure);
    return {figure <= limit ? Kind::ok : Kind::miss, buffer};
  }
  static Cell absent(std::string reason) { return {Kind::none, std::move(reason)}; }
  static Cell failed(const std::exception& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\t', ' ');
    std::replace(text.begin(), text.end(), '\n', ' ');
    return {Kind::miss, text.substr(0, 120)};
  }
  std::string line() const {
    return (kind == Kind::ok ? "ok " : kind == Kind::miss ? "miss " : "- ") + text;
  }
};

inline constexpr double step = 1e-4;  // Å and the like; differences are of fourth order

/// A central difference of fourth order: error h⁴ times a fifth derivative, and rounding of
/// 1e-16·|f|/h: both below 1e-8 of the forces here.
template <class F>
double difference(F&& f) {
  return (8.0 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12.0 * step);
}

using Descriptor = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;

template <class D = Descriptor>
D descriptor(MaceOptions options = {}) {
  options.species = {8, 1};
  options.cutoff = 3.0;
  options.channels = 6;
  options.radial_count = 4;
  options.radial_hidden = {6};
  options.readout_width = 3;
  options.average_neighbors = 8.0;
  return D(options);
}

/// A structure for each boundary, with the total charge that the tests use there.
inline Structure structure(std::string_view boundary) {
  Structure s;
  if (boundary == "molecule") {
    s = leyden_test::molecule();
  } else {
    s = leyden_test::crystal();
    if (boundary == "slab") {
      s.cell.periodic = {true, true, false};
      s.total_charge = 0.5;
    }
  }
  return s;
}

inline int misses = 0;  // of all that was printed

/// A part of the matrix, by the name that the program is called with.
struct Part {
  Part(const char* name, void (*print)()) { all()[name] = print; }
  static std::map<std::string, void (*)()>& all() {
    static std::map<std::string, void (*)()> parts;
    return parts;
  }
};

template <class P>
class Row {
 public:
  Row(P potential, std::string boundary) : potential_(std::move(potential)), boundary_(boundary) {
    if constexpr (SelfConsistentChargeModel<typename P::charge_model_type>) {
      ScfOptions options;
      options.tolerance = 1e-12;  // differences of the energy see the density's error
      potential_.set_scf_options(options);
    }
    structure_ = structure(boundary_);
    if (!P::charge_model_type::conserves_charge) structure_.total_charge = 0.0;
  }

  void print(const char* solver, const std::string& variant) {
    using Q = typename P::charge_model_type;
    const std::string cells[] = {cell([&] { return evaluates(); }),
                                 cell([&] { return forces(structure_); }),
                                 cell([&] { return stress(); }),
                                 cell([&] { return parameter_gradient(false); }),
                                 cell([&] { return parameter_gradient(true); }),
                                 cell([&] { return constant_charge(); }),
                                 cell([&] { return constant_level(); }),
                                 cell([&] { return responses(); })};
    std::printf("%s%s\t%s\t%s", std::string(Q::name).c_str(),
                (variant.empty() ? "" : " (" + variant + ")").c_str(), solver, boundary_.c_str());
    for (const std::string& text : cells) {
      std::printf("\t%s", text.c_str());
      if (text.compare(0, 4, "miss") == 0) ++misses;
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  using Q = typename P::charge_model_type;

  template <class F>
  static std::string cell(F&& f) {
    try {
      return f().line();
    } catch (const Error& error) {
      return Cell::failed(error).line();
    }
  }
  double energy(const Structure& s) {
    return potential_.evaluate(s, other_, {false, false}).energy;
  }

  /// Seconds per atom of a warm evaluation with forces, whose numbers are finite.
  Cell evaluates() {
    potential_.evaluate(structure_, workspace_);
    const auto start = std::chrono::steady_clock::now();
    int rounds = 0;
    double seconds = 0;
    while (seconds < 0.02) {
      potential_.evaluate(structure_, workspace_);
      ++rounds;
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    const Prediction& p = workspace_.prediction;
    bool finite = std::isfinite(p.energy) && p.scf.status == ScfStatus::converged;
    for (const auto& f : p.forces) finite = finite && std::isfinite(norm(f));
    Cell result = Cell::measured(seconds / rounds / static_cast<double>(structure_.size()), 1.0);
    result.text += " s/atom";
    if (!finite) result.kind = Cell::Kind::miss;
    return result;
  }

  /// Largest error of a force relative to the largest force.
  Cell forces(Structure s) {
    const std::vector<Vector3<double>> found = potential_.evaluate(s, workspace_).forces;
    double error = 0, scale = 0;
    for (std::size_t i = 0; i < s.size(); ++i)
      for (int a = 0; a < 3; ++a) {
        const double x = s.positions[i][a];
        const double expected = -difference([&](double h) {
          s.positions[i][a] = x + h;
          return energy(s);
        });
        s.positions[i][a] = x;
        error = std::max(error, std::abs(found[i][a] - expected));
        scale = std::max(scale, std::abs(expected));
      }
    return Cell::measured(error / scale, 1e-7);
  }

  Cell stress() {
    if (!structure_.cell.all_periodic())
      return Cell::absent("no volume: not periodic in all directions");
    const Matrix3<double> found = potential_.evaluate(structure_, workspace_).stress;
    const double volume = std::abs(determinant(structure_.cell.vectors));
    double error = 0, scale = 0;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b <= a; ++b) {
        const double expected = difference([&](double h) {
                                  Structure s = structure_;
                                  leyden_test::strain(s, a, b, h);
                                  return energy(s);
                                }) /
                                volume;
        error = std::max(error, std::abs(found(a, b) - expected));
        scale = std::max(scale, std::abs(expected));
      }
    return Cell::measured(error / scale, 1e-7);
  }

  /// Of a loss on energy, charges and dipole, or on everything with forces and stress: largest
  /// error relative to the largest derivative, over parameters of all slices.
  Cell parameter_gradient(bool with_forces) {
    LossCotangents loss = leyden_test::random_cotangents(structure_.size(), 21);
    if (!with_forces) {
      loss.forces.clear();
      loss.stress = {};
    }
    std::vector<double> found(potential_.layout().size(), 0.0);
    potential_.parameter_gradient(structure_, loss, workspace_, found);
    const std::vector<double> start(potential_.parameters().begin(), potential_.parameters().end());
    P moved = potential_;
    double error = 0, scale = 0;
    std::vector<std::size_t> chosen;  // up to three of every slice
    for (const ParameterInfo& info : potential_.layout().entries())
      for (std::size_t k = 0; k < info.slice.size; k += info.slice.size / 3 + 1)
        chosen.push_back(info.slice.offset + k);
    for (double g : found) scale = std::max(scale, std::abs(g));
    for (std::size_t k : chosen) {
      const double expected = difference([&](double h) {
        std::vector<double> x = start;
        x[k] += h;
        moved.set_parameters(x);
        return linear_loss(moved.evaluate(structure_, other_), loss);
      });
      error = std::max(error, std::abs(found[k] - expected));
    }
    return Cell::measured(error / scale, 1e-7);
  }

  Cell constant_charge() {
    if (!Q::conserves_charge)
      return Cell::absent("charges are read out atom by atom, their sum is what it is");
    const Prediction& p = potential_.evaluate(structure_, workspace_);
    double excess = -structure_.total_charge;
    for (double q : p.charges) excess += q;
    return Cell::measured(std::abs(excess), 1e-12);
  }

  /// Forces at a prescribed Fermi level are the derivative of the grand potential.
  Cell constant_level() {
    if constexpr (traits<P>.exchanges_charge) {
      if (boundary_ == "slab")
        return Cell::absent("a slab alone: without a counter charge its potential has no zero");
      Structure s = structure_;
      s.fermi_level = potential_.evaluate(s, workspace_).fermi_level.value_or(0.0) + 0.3;
      return forces(s);
    } else if constexpr (traits<P>.kind == ChargeKind::explicit_) {
      return Cell::absent("charges do not depend on a potential");
    } else {
      return Cell::absent("charge moves between atoms, the total does not follow a Fermi level");
    }
  }

  /// The derivative of charges, potentials, forces and polarisation along a direction in positions,
  /// applied potentials and (without repeating directions) the field: the largest error relative to
  /// the largest derivative.
  Cell responses() {
    RandomStream random(5);
    Direction d;
    for (std::size_t i = 0; i < structure_.size(); ++i) {
      d.displacement.push_back({{random.normal(), random.normal(), random.normal()}});
      d.applied_potential.push_back(random.normal());
    }
    if (!structure_.cell.any_periodic())
      d.external_field = {{random.normal(), random.normal(), random.normal()}};
    if (structure_.cell.any_periodic() && !structure_.cell.all_periodic())
      d.external_field[2] = structure_.cell.vectors(0, 2) == 0.0 ? 1.0 : 0.0;
    const DirectionalDerivative found =
        potential_.directional_derivative(structure_, d, workspace_);
    std::vector<double> expected, values;
    const auto sample = [&](const Prediction& p) {
      std::vector<double> out = p.multipoles;
      out.insert(out.end(), p.potentials.begin(), p.potentials.end());
      for (const auto& f : p.forces)
        for (int a = 0; a < 3; ++a) out.push_back(f[a]);
      if (!structure_.cell.any_periodic())
        for (int a = 0; a < 3; ++a) out.push_back(p.polarization[a]);
      return out;
    };
    std::vector<std::vector<double>> at;
    for (double h : {-2 * step, -step, step, 2 * step}) {
      Structure s = structure_;
      s.applied_potential.assign(s.size(), 0.0);
      for (std::size_t i = 0; i < s.size(); ++i) {
        s.positions[i] += h * d.displacement[i];
        s.applied_potential[i] = h * d.applied_potential[i];
      }
      s.external_field += h * d.external_field;
      at.push_back(sample(potential_.evaluate(s, other_)));
    }
    values = found.multipoles;
    values.insert(values.end(), found.potentials.begin(), found.potentials.end());
    for (const auto& f : found.forces)
      for (int a = 0; a < 3; ++a) values.push_back(f[a]);
    if (!structure_.cell.any_periodic())
      for (int a = 0; a < 3; ++a) values.push_back(found.polarization[a]);
    double error = 0, scale = 0;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const double slope = (8.0 * (at[2][k] - at[1][k]) - (at[3][k] - at[0][k])) / (12.0 * step);
      error = std::max(error, std::abs(values[k] - slope));
      scale = std::max(scale, std::abs(slope));
    }
    return Cell::measured(error / scale, 1e-7);
  }

  P potential_;
  std::string boundary_;
  Structure structure_;
  typename P::Workspace workspace_, other_;
};

/// All lines of a charge model; `variant` says which of its options are on.
template <class Q, class D>
void print_rows(const Q& model, const std::string& variant, const D& on) {
  const auto row = [&]<class S>(const S& solver, const char* boundary) {
    using P = Potential<D, Q, S>;
    P potential(on, model, solver, 7);
    std::vector<double> x(potential.parameters().begin(), potential.parameters().end());
    RandomStream random(11);
    for (double& value : x) value += 0.05 * random.normal();  // zeros hide errors
    potential.set_parameters(x);
    Row<P>(potential, boundary).print(std::string(S::name).c_str(), variant);
  };
#if defined(LEYDEN_MATRIX_SPLIT)  // the solvers that split K: programs of their own, for their size
  // Differences see the jump of pairs that cross the cutoff, which is as large as the accuracy.
  EwaldOptions ewald;
  ewald.accuracy = 1e-8;
  ewald.background = Background::uniform;
  ewald.feature_width = 2.0;  // the widest that a model here looks at
  ParticleMeshOptions mesh;
  mesh.accuracy = 1e-8;
  mesh.splitting = MeshSplitting::prolate;
  mesh.cutoff = 13.0;  // where the widest Gaussians of a model do not overlap
  mesh.background = Background::uniform;
  mesh.feature_width = 2.0;
  for (const char* boundary : {"molecule", "slab", "bulk"}) {
    row(Ewald(ewald), boundary);
    row(ParticleMesh(mesh), boundary);
  }
#else
  ReciprocalOptions reciprocal;
  reciprocal.background = Background::uniform;
  reciprocal.feature_width = 2.0;
  row(Direct(), "molecule");
  row(Reciprocal(reciprocal), "slab");
  row(Reciprocal(reciprocal), "bulk");
  if constexpr (Compatibility<D, Q, ReferenceElectrostatics>::value) {
    ReferenceElectrostaticsOptions reference;
    reference.self = SelfInteraction::included;
    for (const char* boundary : {"molecule", "slab", "bulk"})
      row(ReferenceElectrostatics(reference), boundary);
  }
#endif
}
template <class Q>
void print_rows(const Q& model, const std::string& variant = "") {
  print_rows(model, variant, descriptor());
}

}  // namespace leyden_matrix
