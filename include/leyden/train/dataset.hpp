// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/atoms/structure.hpp>
#include <leyden/core/error.hpp>
#include <leyden/core/random.hpp>

#include <Eigen/QR>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Which frames of a data set serve for what, as indices.
struct DataSplit {
  std::vector<std::size_t> train, validation, test;
};

/// How many frames each part gets.
struct SplitCounts {
  std::size_t train = 0, validation = 0, test = 0;
};

/// Takes the parts in turn from a shuffled list of 0 … n_frames − 1; the same for a seed on every
/// machine. @throws InputError when the counts exceed n_frames.
inline DataSplit split_dataset(std::size_t n_frames, SplitCounts counts, std::uint64_t seed) {
  const std::size_t wanted = counts.train + counts.validation + counts.test;
  if (wanted > n_frames)
    throw InputError("split_dataset: " + std::to_string(counts.train) + " + " +
                     std::to_string(counts.validation) + " + " + std::to_string(counts.test) +
                     " frames are asked for and the data have " + std::to_string(n_frames) +
                     "; ask for less");
  std::vector<std::size_t> order(n_frames);
  std::iota(order.begin(), order.end(), std::size_t{0});
  RandomStream(seed).shuffle(order);
  DataSplit split;
  std::size_t begin = 0;
  const auto take = [&](std::vector<std::size_t>& part, std::size_t count) {
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    part.assign(first, first + static_cast<std::ptrdiff_t>(count));
    begin += count;
  };
  take(split.train, counts.train);
  take(split.validation, counts.validation);
  take(split.test, counts.test);
  return split;
}

/// What a model takes from its training data before training.
struct DataStatistics {
  std::vector<int> species;             ///< atomic numbers, ascending
  std::vector<double> atomic_energies;  ///< (species) E0, eV
  double average_neighbors = 1.0;       ///< per atom within the cutoff
  double scale = 1.0;                   ///< eV/Å: root mean square of the force components
  double shift = 0.0;                   ///< eV: mean of (E − Σ E0)/N
  std::vector<double> mean_charges;     ///< (species) e; zero where no frame has charges
};

/// E0 by least squares of the energies on the composition, with the smallest norm where data of
/// too few compositions leave them open (then only their sums per frame mean something).
/// @param explained  eV, one for each of `indices`: what a model that these are added to has
///                   already; empty: nothing
/// @returns one energy per species, eV; zeros when no frame has an energy.
/// (This and what calls it are templates so that only who calls them compiles the decomposition.)
template <class = void>
std::vector<double> fit_atomic_energies(std::span<const Frame> frames,
                                        std::span<const std::size_t> indices,
                                        std::span<const int> species,
                                        std::span<const double> explained = {}) {
  std::vector<std::size_t> labelled;  // of `indices`
  for (std::size_t k = 0; k < indices.size(); ++k)
    if (frames[indices[k]].labels.energy) labelled.push_back(k);
  std::vector<double> energies(species.size(), 0.0);
  if (labelled.empty()) return energies;
  Eigen::MatrixXd counts = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(labelled.size()),
                                                 static_cast<Eigen::Index>(species.size()));
  Eigen::VectorXd total(static_cast<Eigen::Index>(labelled.size()));
  for (std::size_t row = 0; row < labelled.size(); ++row) {
    const Frame& frame = frames[indices[labelled[row]]];
    total[static_cast<Eigen::Index>(row)] =
        *frame.labels.energy - (explained.empty() ? 0.0 : explained[labelled[row]]);
    for (int z : frame.structure.atomic_numbers) {
      const auto s = std::find(species.begin(), species.end(), z) - species.begin();
      if (s < std::ssize(species)) counts(static_cast<Eigen::Index>(row), s) += 1.0;
    }
  }
  const Eigen::VectorXd solution = counts.completeOrthogonalDecomposition().solve(total);
  std::copy(solution.begin(), solution.end(), energies.begin());
  return energies;
}

/// Statistics of the frames `indices` at a cutoff [Å]. @throws InputError when there are no frames.
template <class = void>
DataStatistics data_statistics(std::span<const Frame> frames, std::span<const std::size_t> indices,
                               double cutoff) {
  if (indices.empty())
    throw InputError("data_statistics: there are no frames; give those of the training split");
  DataStatistics out;
  std::set<int> species;
  for (std::size_t k : indices)
    species.insert(frames[k].structure.atomic_numbers.begin(),
                   frames[k].structure.atomic_numbers.end());
  out.species.assign(species.begin(), species.end());
  out.atomic_energies = fit_atomic_energies(frames, indices, out.species);
  const auto index_of = [&](int z) {
    return static_cast<std::size_t>(std::lower_bound(out.species.begin(), out.species.end(), z) -
                                    out.species.begin());
  };

  double atoms = 0.0, edges = 0.0, force2 = 0.0, components = 0.0, residual = 0.0, energies = 0.0;
  std::vector<double> charge(out.species.size()), charged(out.species.size());
  NeighborList list;
  for (std::size_t k : indices) {
    const auto& [structure, labels, config_type, info] = frames[k];
    list.build(structure, cutoff);
    atoms += static_cast<double>(structure.size());
    edges += list.n_edges();
    if (labels.forces)
      for (const auto& f : *labels.forces) {
        force2 += dot(f, f);
        components += 3.0;
      }
    if (labels.energy) {
      double rest = *labels.energy;
      for (int z : structure.atomic_numbers) rest -= out.atomic_energies[index_of(z)];
      residual += rest / static_cast<double>(structure.size());
      energies += 1.0;
    }
    if (labels.charges)
      for (std::size_t i = 0; i < structure.size(); ++i) {
        charge[index_of(structure.atomic_numbers[i])] += (*labels.charges)[i];
        charged[index_of(structure.atomic_numbers[i])] += 1.0;
      }
  }
  out.average_neighbors = std::max(edges / atoms, 1e-3);
  if (force2 > 0.0) out.scale = std::sqrt(force2 / components);
  if (energies > 0.0) out.shift = residual / energies;
  for (std::size_t s = 0; s < charge.size(); ++s)
    out.mean_charges.push_back(charged[s] > 0.0 ? charge[s] / charged[s] : 0.0);
  return out;
}

}  // namespace leyden::inline LEYDEN_ABI
