// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What several models of one kind, trained from different seeds, say together. Their spread is the
/// standard deviation among them: an estimate of how unsure they are, not of all they may miss.
struct Committee {
  std::vector<Prediction> mean;              ///< (structures)
  std::vector<double> energy_spread;         ///< (structures) eV
  std::vector<std::vector<double>> forces;   ///< (structures)(n) eV/Å: √Σ_a var(F_ia)
  std::vector<std::vector<double>> charges;  ///< (structures)(n) e

  /// Root mean square over structures and atoms, eV/atom and eV/Å.
  double energy_spread_per_atom() const {
    double sum = 0.0;
    for (std::size_t k = 0; k < mean.size(); ++k) {
      const double x = energy_spread[k] / static_cast<double>(mean[k].forces.empty()
                                                                  ? mean[k].atomic_energies.size()
                                                                  : mean[k].forces.size());
      sum += x * x;
    }
    return mean.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(mean.size()));
  }
  double force_spread() const {
    double sum = 0.0, count = 0.0;
    for (const auto& structure : forces)
      for (double f : structure) {
        sum += f * f;
        count += 1.0;
      }
    return count > 0.0 ? std::sqrt(sum / count) : 0.0;
  }
};

/// Means and spreads of the members' predictions of the same structures. What means of vectors are
/// not taken of (multipoles, potentials, the search for the density) is that of the first member.
/// @throws InputError when there are no members or they predict different structures.
inline Committee combine(std::span<const std::vector<Prediction>> members) {
  if (members.empty()) throw InputError("combine: a committee needs at least one member");
  for (const auto& m : members)
    if (m.size() != members[0].size())
      throw InputError("combine: members predict " + std::to_string(m.size()) + " and " +
                       std::to_string(members[0].size()) + " structures");
  const double count = static_cast<double>(members.size());
  // Mean and variance of get(prediction) over the members.
  const auto moments = [&](std::size_t k, auto&& get) {
    double mean = 0.0, squares = 0.0;
    for (const auto& m : members) mean += get(m[k]) / count;
    for (const auto& m : members) squares += (get(m[k]) - mean) * (get(m[k]) - mean) / count;
    return std::pair{mean, squares};
  };
  Committee out;
  out.mean = members[0];
  out.energy_spread.resize(out.mean.size());
  out.forces.resize(out.mean.size());
  out.charges.resize(out.mean.size());
  for (std::size_t k = 0; k < out.mean.size(); ++k) {
    Prediction& p = out.mean[k];
    for (const auto& m : members)
      if (m[k].forces.size() != p.forces.size() || m[k].charges.size() != p.charges.size())
        throw InputError("combine: members predict structure " + std::to_string(k) +
                         " with different numbers of forces or charges");
    const auto [energy, variance] = moments(k, [](const Prediction& q) { return q.energy; });
    p.energy = energy;
    out.energy_spread[k] = std::sqrt(variance);
    out.forces[k].assign(p.forces.size(), 0.0);
    for (std::size_t i = 0; i < p.forces.size(); ++i) {
      double sum = 0.0;
      for (int a = 0; a < 3; ++a) {
        const auto [f, v] = moments(k, [&](const Prediction& q) { return q.forces[i][a]; });
        p.forces[i][a] = f;
        sum += v;
      }
      out.forces[k][i] = std::sqrt(sum);
    }
    for (std::size_t s = 0; s < 9; ++s)
      p.stress.data[s] = moments(k, [&](const Prediction& q) { return q.stress.data[s]; }).first;
    for (int a = 0; a < 3; ++a) {
      p.dipole[a] = moments(k, [&](const Prediction& q) { return q.dipole[a]; }).first;
      p.polarization[a] = moments(k, [&](const Prediction& q) { return q.polarization[a]; }).first;
    }
    out.charges[k].assign(p.charges.size(), 0.0);
    for (std::size_t i = 0; i < p.charges.size(); ++i) {
      const auto [q, v] = moments(k, [&](const Prediction& x) { return x.charges[i]; });
      p.charges[i] = q;
      out.charges[k][i] = std::sqrt(v);
    }
    if (p.fermi_level)
      p.fermi_level =
          moments(k, [](const Prediction& q) { return q.fermi_level.value_or(0.0); }).first;
  }
  return out;
}

}  // namespace leyden::inline LEYDEN_ABI
