// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/direct.hpp>
#include <leyden/scf/law_sum.hpp>

#include "charge/law_checks.hpp"
#include "potential/points.hpp"

// A molecule with a self-consistent charge model, taken apart: K as a matrix, the coefficients of
// the law, what they make of any density.
namespace leyden_test {

template <class Q>
struct Dissected {
  using P = Potential<ToyDescriptor, Q, Direct>;
  using Law = detail::LawOf<Q>;
  static constexpr std::size_t size = static_cast<std::size_t>((Q::l_max + 1) * (Q::l_max + 1));

  P potential;
  Structure structure = molecule();
  typename P::Workspace workspace;
  Prediction prediction;
  Law law;
  std::vector<double> coulomb;  // (n·size)²

  template <class Options>
  explicit Dissected(const Options& options, Structure s = molecule())
      : potential(ToyDescriptor({8, 1}), Q(options), Direct(), 7),
        structure(std::move(s)),
        law(potential.charge_model().law()) {
    evaluate();
  }
  void evaluate() {
    prediction = potential.evaluate(structure, workspace);
    coulomb.resize(unknowns() * unknowns());
    potential.solver().assemble(workspace.real.plan, std::span<double>(coulomb));
  }

  std::size_t unknowns() const { return structure.size() * size; }
  const SiteCoefficients<double>& coefficients() const { return workspace.real.coefficients; }
  const std::vector<double>& external() const { return workspace.real.external; }
  std::vector<double> density() const { return prediction.multipoles; }

  /// Kp, with ηp where the model has η.
  std::vector<double> field(const std::vector<double>& p) const {
    std::vector<double> v(unknowns(), 0.0);
    for (std::size_t i = 0; i < v.size(); ++i) {
      for (std::size_t j = 0; j < v.size(); ++j) v[i] += coulomb[i * v.size() + j] * p[j];
      if (!coefficients().eta.empty()) v[i] += coefficients().eta[i] * p[i];
    }
    return v;
  }
  /// φ(x) of all atoms and bonds, and its gradient.
  double phi(const std::vector<double>& x, std::vector<double>& gradient) const {
    const LawSum<Law> sum{law, bonds_of(workspace.real.geometry), structure.size(), size, size};
    typename LawSum<Law>::template Scratch<double> scratch;
    gradient.assign(x.size(), 0.0);
    return sum.template energy<double>(coefficients(), x.data(), gradient.data(), nullptr, 0.0,
                                       nullptr, scratch);
  }
  double charge(const std::vector<double>& p) const {
    double q = 0.0;
    for (std::size_t i = 0; i < p.size(); i += size) q += p[i];
    return q;
  }
  /// The energy without that of the descriptor.
  double electronic_energy() const {
    double e = prediction.energy;
    for (double local : workspace.real.tape.node_energies) e -= local;
    return e;
  }
};

/// ∂Q/∂μ at a prescribed Fermi level, by differences.
template <class D>
double charge_response(D& d, double level) {
  const double h = 1e-3;
  d.structure.fermi_level = level + h;
  d.evaluate();
  const double up = d.charge(d.density());
  d.structure.fermi_level = level - h;
  d.evaluate();
  return (up - d.charge(d.density())) / (2.0 * h);
}

}  // namespace leyden_test
