// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Weights of the terms of structure_loss(), in the inverse units of each term.
struct LossWeights {
  double energy = 1.0;   ///< atom²/eV²
  double forces = 1.0;   ///< Å²/eV²
  double stress = 0.0;   ///< Å⁶/eV²
  double charges = 0.0;  ///< 1/e²
  double dipole = 0.0;   ///< atom²/(e Å)²
};

/// A loss by terms, weights included.
struct LossTerms {
  double energy = 0.0, forces = 0.0, stress = 0.0, charges = 0.0, dipole = 0.0;

  double total() const { return energy + forces + stress + charges + dipole; }
  LossTerms& operator+=(const LossTerms& o) {
    energy += o.energy;
    forces += o.forces;
    stress += o.stress;
    charges += o.charges;
    dipole += o.dipole;
    return *this;
  }
  LossTerms scaled(double f) const {
    return {f * energy, f * forces, f * stress, f * charges, f * dipole};
  }
};

/// What evaluate() must be asked for so that the loss of these labels can be taken.
inline Properties required_properties(const Labels& labels, const LossWeights& weights) {
  return {weights.forces > 0.0 && labels.forces.has_value(),
          weights.stress > 0.0 && labels.stress.has_value()};
}

/// The loss of one structure of N atoms,
///
///   w_E ((E − E*)/N)² + w_F Σ|F − F*|²/(3N) + w_σ |σ − σ*|²/9 + w_q Σ(q − q*)²/N
///     + w_μ |m∘(μ − μ*)|²/N²          (m: the dipole's mask)
///
/// A term without a label, without a weight, or without a prediction (charges of models that have
/// none, stress of what is not periodic in all directions) is zero.
/// @param factor      multiplies the cotangents, e.g. 1/batch size.
/// @param cotangents  if given, is set to factor · dL/d(prediction); its memory is reused.
inline LossTerms structure_loss(const Structure& structure, const Labels& labels,
                                const Prediction& prediction, const LossWeights& weights,
                                double factor = 1.0, LossCotangents* cotangents = nullptr) {
  LossTerms loss;
  const std::size_t n = structure.size();
  const double atoms = static_cast<double>(n);
  if (cotangents) {
    cotangents->energy = 0.0;
    cotangents->forces.clear();
    cotangents->stress = {};
    cotangents->charges.clear();
    cotangents->dipole = {};
  }
  if (labels.energy && weights.energy > 0.0) {
    const double d = (prediction.energy - *labels.energy) / atoms;
    loss.energy = weights.energy * d * d;
    if (cotangents) cotangents->energy = factor * 2.0 * weights.energy * d / atoms;
  }
  if (labels.forces && weights.forces > 0.0 && prediction.forces.size() == n) {
    const double w = weights.forces / (3.0 * atoms);
    for (std::size_t i = 0; i < n; ++i) {
      const auto d = prediction.forces[i] - (*labels.forces)[i];
      loss.forces += w * dot(d, d);
      if (cotangents) cotangents->forces.push_back(factor * 2.0 * w * d);
    }
  }
  if (labels.stress && weights.stress > 0.0 && structure.cell.all_periodic()) {
    const double w = weights.stress / 9.0;
    for (std::size_t k = 0; k < 9; ++k) {
      const double d = prediction.stress.data[k] - labels.stress->data[k];
      loss.stress += w * d * d;
      if (cotangents) cotangents->stress.data[k] = factor * 2.0 * w * d;
    }
  }
  if (labels.charges && weights.charges > 0.0 && prediction.charges.size() == n) {
    const double w = weights.charges / atoms;
    for (std::size_t i = 0; i < n; ++i) {
      const double d = prediction.charges[i] - (*labels.charges)[i];
      loss.charges += w * d * d;
      if (cotangents) cotangents->charges.push_back(factor * 2.0 * w * d);
    }
  }
  if (labels.dipole && weights.dipole > 0.0 && prediction.charges.size() == n) {
    const double w = weights.dipole / (atoms * atoms);
    for (int a = 0; a < 3; ++a) {
      if (!labels.dipole_mask[static_cast<std::size_t>(a)]) continue;
      const double d = prediction.dipole[a] - (*labels.dipole)[a];
      loss.dipole += w * d * d;
      if (cotangents) cotangents->dipole[a] = factor * 2.0 * w * d;
    }
  }
  return loss;
}

}  // namespace leyden::inline LEYDEN_ABI
