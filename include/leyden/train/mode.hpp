// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/loss.hpp>

namespace leyden::inline LEYDEN_ABI {

/// At which density a self-consistent model is trained, and how it is differentiated.
enum class TrainingMode {
  implicit,  ///< at its own, by the implicit function theorem: exact
  unrolled,  ///< at its own, by mixing steps of the derivative (ScfOptions::unrolled_steps)
  direct,    ///< at the reference density: nothing is iterated and nothing is solved
};

/// The reference density of a structure, (n·(l_max+1)²) as Prediction::multipoles: charges and
/// atomic dipoles of the labels. What has no label is zero: dipoles without a label make no field.
/// @param size  coefficients per atom.
/// @throws InputError when there are no charges.
inline void reference_density(const Labels& labels, std::size_t size,
                              std::vector<double>& density) {
  if (!labels.charges)
    throw InputError(
        "direct training: a structure has no charges; label all structures with charges, or train "
        "at the model's own density (implicit)");
  const std::size_t n = labels.charges->size();
  density.assign(n * size, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    density[i * size] = (*labels.charges)[i];
    if (size < 4 || !labels.atomic_dipoles) continue;
    for (std::size_t m = 0; m < 3; ++m)  // (y, z, x)
      density[i * size + 1 + m] = (*labels.atomic_dipoles)[i][static_cast<int>(m + 1) % 3];
  }
}

/// The weights of direct training. At a density held fixed, forces are those of the model only
/// where its energy is `stationary` (Potential::stationary); elsewhere they are not trained on.
inline LossWeights direct_weights(LossWeights weights, bool stationary) {
  if (!stationary) weights.forces = weights.stress = 0.0;
  return weights;
}

}  // namespace leyden::inline LEYDEN_ABI
