// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// One number for each term of structure_loss(): values, weights, or thresholds.
struct LossTerms {
  double energy = 0.0;          ///< of (E − E*)/N, eV/atom
  double forces = 0.0;          ///< of each component, eV/Å
  double stress = 0.0;          ///< of each component, eV/Å³
  double charges = 0.0;         ///< of each atom, e
  double dipole = 0.0;          ///< of each unmasked component of (μ − μ*)/N, e Å/atom
  double atomic_dipoles = 0.0;  ///< of each component, e Å
  double total_charge = 0.0;    ///< of (Σ q_i − Q)/N, e/atom: of models that do not conserve it
  double fermi_level = 0.0;     ///< of μ − μ*, V
  /// Of each labelled component of Prediction::density_residual, summed over the components of an
  /// atom: e and e Å, or V and V/Å. Direct training only.
  double density_residual = 0.0;
  double potentials = 0.0;      ///< of each atom, V
  double polarizability = 0.0;  ///< of each component of (α − α*)/N, e Å²/V/atom
  double born_charges = 0.0;    ///< of each component, e
  double stability = 0.0;       ///< of what the spectral radius of a map is above its target
  double softness = 0.0;        ///< of each negative bare softness of an atom of a map, e/V

  static constexpr std::array<const char*, 14> names{
      "energy",         "forces",       "stress",      "charges",          "dipole",
      "atomic_dipoles", "total_charge", "fermi_level", "density_residual", "potentials",
      "polarizability", "born_charges", "stability",   "softness"};
  static constexpr std::array<double LossTerms::*, 14> members{
      &LossTerms::energy,       &LossTerms::forces,         &LossTerms::stress,
      &LossTerms::charges,      &LossTerms::dipole,         &LossTerms::atomic_dipoles,
      &LossTerms::total_charge, &LossTerms::fermi_level,    &LossTerms::density_residual,
      &LossTerms::potentials,   &LossTerms::polarizability, &LossTerms::born_charges,
      &LossTerms::stability,    &LossTerms::softness};

  double total() const {
    double sum = 0.0;
    for (const auto m : members) sum += this->*m;
    return sum;
  }
  LossTerms& operator+=(const LossTerms& o) {
    for (const auto m : members) this->*m += o.*m;
    return *this;
  }
  /// Term by term.
  LossTerms& operator*=(const LossTerms& o) {
    for (const auto m : members) this->*m *= o.*m;
    return *this;
  }
  LossTerms scaled(double f) const {
    LossTerms out = *this;
    for (const auto m : members) out.*m *= f;
    return out;
  }
  friend bool operator==(const LossTerms&, const LossTerms&) = default;
};

/// Weights of the terms, in the inverse squares of their units.
using LossWeights = LossTerms;

/// What evaluate() must be asked for so that the loss of these labels can be taken.
inline Properties required_properties(const Labels& labels, const LossWeights& weights) {
  return {weights.forces > 0.0 && labels.forces.has_value(),
          weights.stress > 0.0 && labels.stress.has_value(),
          weights.stability > 0.0 || weights.softness > 0.0};
}

namespace detail {

/// d², or beyond a positive `threshold` 2δ|d| − δ² (P. J. Huber, Ann. Math. Stat. 35, 73 (1964),
/// times two, so that both have the curvature of a square), and its slope.
inline double penalty(double d, double threshold, double& slope) {
  if (!(threshold > 0.0) || std::abs(d) <= threshold) {
    slope = 2.0 * d;
    return d * d;
  }
  slope = std::copysign(2.0 * threshold, d);
  return threshold * (2.0 * std::abs(d) - threshold);
}

}  // namespace detail

/// The loss of one structure of N atoms,
///
///   w_E f((E − E*)/N) + w_F Σ f(F − F*)/(3N) + w_σ Σ f(σ − σ*)/9 + w_q Σ f(q − q*)/N
///     + w_μ Σ_a m_a f((μ − μ*)_a/N) + w_d Σ f(d − d*)/(3N) + w_Q f((Σ q − Q)/N)
///     + w_μF f(μ_F − μ_F*) + w_p Σ f(r)/N + w_v Σ f(v − v*)/N + w_α Σ f((α − α*)/N)/9
///     + w_Z Σ f(Z − Z*)/(9N) + w_ρ f(max(ρ − ρ*, 0)) + w_s Σ f(min(s, 0))/N
///
/// with sums over atoms and components, m the dipole's mask, and f(x) = x², or Huber's function for
/// terms with a threshold. A term without a label, without a weight, or without a prediction
/// (charges of models that have none, stress of what is not periodic in all directions) is zero.
/// Polarizability and Born charges are predicted by add_field_response()
/// (train/field_response.hpp), for the axes that a field may have. Predictions at a given density
/// (Potential::evaluate_at) have the residual r of that density, of which the labelled components
/// count (charges; dipoles where atomic dipoles are labelled); what is a function of the density
/// alone (charges, dipoles) does not count then.
/// Of maps, the spectral radius ρ and the bare softness s need no labels (Prediction).
/// @param huber       thresholds, in the units of the terms; zero: none.
/// @param factor      multiplies the cotangents, e.g. 1/batch size.
/// @param stability_target  ρ*
/// @param cotangents  if given, is set to factor · dL/d(prediction); its memory is reused.
inline LossTerms structure_loss(const Structure& structure, const Labels& labels,
                                const Prediction& prediction, const LossWeights& weights,
                                double factor = 1.0, LossCotangents* cotangents = nullptr,
                                const LossTerms& huber = {}, double stability_target = 0.9) {
  LossTerms loss;
  const std::size_t n = structure.size();
  const double atoms = static_cast<double>(n);
  if (cotangents) {
    cotangents->energy = 0.0;
    cotangents->forces.clear();
    cotangents->stress = {};
    cotangents->charges.clear();
    cotangents->multipoles.clear();
    cotangents->dipole = {};
    cotangents->fermi_level = 0.0;
    cotangents->density_residual.clear();
    cotangents->spectral_radius = 0.0;
    cotangents->bare_softness.clear();
    cotangents->polarization = {};
    cotangents->potentials.clear();
    cotangents->polarizability = {};
    cotangents->born_charges.clear();
  }
  // Adds a difference to its term; returns what it adds to the cotangent.
  const auto add = [&](double LossTerms::*term, double weight, double difference) {
    double slope = 0.0;
    loss.*term += weight * detail::penalty(difference, huber.*term, slope);
    return factor * weight * slope;
  };

  if (labels.energy && weights.energy > 0.0) {
    const double bar =
        add(&LossTerms::energy, weights.energy, (prediction.energy - *labels.energy) / atoms);
    if (cotangents) cotangents->energy = bar / atoms;
  }
  if (labels.forces && weights.forces > 0.0 && prediction.forces.size() == n)
    for (std::size_t i = 0; i < n; ++i) {
      Vector3<double> bar;
      for (int a = 0; a < 3; ++a)
        bar[a] = add(&LossTerms::forces, weights.forces / (3.0 * atoms),
                     prediction.forces[i][a] - (*labels.forces)[i][a]);
      if (cotangents) cotangents->forces.push_back(bar);
    }
  if (labels.stress && weights.stress > 0.0 && structure.cell.all_periodic())
    for (std::size_t k = 0; k < 9; ++k) {
      const double bar = add(&LossTerms::stress, weights.stress / 9.0,
                             prediction.stress.data[k] - labels.stress->data[k]);
      if (cotangents) cotangents->stress.data[k] = bar;
    }
  if (labels.fermi_level && weights.fermi_level > 0.0 && prediction.fermi_level) {
    const double bar = add(&LossTerms::fermi_level, weights.fermi_level,
                           *prediction.fermi_level - *labels.fermi_level);
    if (cotangents) cotangents->fermi_level = bar;
  }
  if (prediction.spectral_radius && weights.stability > 0.0 &&
      *prediction.spectral_radius > stability_target) {
    const double bar = add(&LossTerms::stability, weights.stability,
                           *prediction.spectral_radius - stability_target);
    if (cotangents) cotangents->spectral_radius = bar;
  }
  if (prediction.bare_softness.size() == n && weights.softness > 0.0)
    for (std::size_t i = 0; i < n; ++i) {
      const double bar = add(&LossTerms::softness, weights.softness / atoms,
                             std::min(prediction.bare_softness[i], 0.0));
      if (cotangents) cotangents->bare_softness.push_back(bar);
    }
  if (prediction.charges.size() != n) return loss;
  const std::size_t size = prediction.multipoles.size() / n;
  if (!prediction.density_residual.empty()) {
    if (!(weights.density_residual > 0.0)) return loss;
    const std::size_t labelled = !labels.charges ? 0 : labels.atomic_dipoles && size >= 4 ? 4 : 1;
    if (cotangents) cotangents->density_residual.assign(n * size, 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = i * size; k < i * size + labelled; ++k) {
        const double bar = add(&LossTerms::density_residual, weights.density_residual / atoms,
                               prediction.density_residual[k]);
        if (cotangents) cotangents->density_residual[k] = bar;
      }
    return loss;
  }

  const bool charges = labels.charges && weights.charges > 0.0;
  double total_bar = 0.0;
  if (weights.total_charge > 0.0) {
    double total = -structure.total_charge;
    for (double q : prediction.charges) total += q;
    total_bar = add(&LossTerms::total_charge, weights.total_charge, total / atoms) / atoms;
  }
  if (charges || weights.total_charge > 0.0)
    for (std::size_t i = 0; i < n; ++i) {
      const double bar = charges ? add(&LossTerms::charges, weights.charges / atoms,
                                       prediction.charges[i] - (*labels.charges)[i])
                                 : 0.0;
      if (cotangents) cotangents->charges.push_back(bar + total_bar);
    }
  if (labels.dipole && weights.dipole > 0.0)
    for (int a = 0; a < 3; ++a) {
      if (!labels.dipole_mask[static_cast<std::size_t>(a)]) continue;
      const double bar = add(&LossTerms::dipole, weights.dipole,
                             (prediction.dipole[a] - (*labels.dipole)[a]) / atoms);
      if (cotangents) cotangents->dipole[a] = bar / atoms;
    }
  if (labels.atomic_dipoles && weights.atomic_dipoles > 0.0 && size >= 4) {
    if (cotangents) cotangents->multipoles.assign(n * size, 0.0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t m = 0; m < 3; ++m) {
        const std::size_t at = i * size + 1 + m;  // (y, z, x)
        const double bar = add(
            &LossTerms::atomic_dipoles, weights.atomic_dipoles / (3.0 * atoms),
            prediction.multipoles[at] - (*labels.atomic_dipoles)[i][static_cast<int>(m + 1) % 3]);
        if (cotangents) cotangents->multipoles[at] = bar;
      }
  }
  if (labels.potentials && weights.potentials > 0.0) {
    if (cotangents) cotangents->potentials.assign(n * size, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      const double bar = add(&LossTerms::potentials, weights.potentials / atoms,
                             prediction.potentials[i * size] - (*labels.potentials)[i]);
      if (cotangents) cotangents->potentials[i * size] = bar;
    }
  }
  const auto axis = [&](int a) { return prediction.field_axes[static_cast<std::size_t>(a)]; };
  if (labels.polarizability && weights.polarizability > 0.0)
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) {
        if (!axis(a) || !axis(b)) continue;
        const double bar =
            add(&LossTerms::polarizability, weights.polarizability / 9.0,
                (prediction.polarizability(a, b) - (*labels.polarizability)(a, b)) / atoms);
        if (cotangents) cotangents->polarizability(a, b) = bar / atoms;
      }
  if (labels.born_charges && weights.born_charges > 0.0 && prediction.born_charges.size() == n) {
    if (cotangents) cotangents->born_charges.assign(n, Matrix3<double>{});
    for (std::size_t i = 0; i < n; ++i)
      for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) {
          if (!axis(a)) continue;
          const double bar =
              add(&LossTerms::born_charges, weights.born_charges / (9.0 * atoms),
                  prediction.born_charges[i](a, b) - (*labels.born_charges)[i](a, b));
          if (cotangents) cotangents->born_charges[i](a, b) = bar;
        }
  }
  return loss;
}

}  // namespace leyden::inline LEYDEN_ABI
