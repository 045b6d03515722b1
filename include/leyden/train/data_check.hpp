// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/dataset.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What may be wrong with training data, found before hours are spent on them.
struct DataReport {
  std::size_t frames = 0, atoms = 0;
  std::map<std::string, std::size_t> config_types, labels;  ///< how many frames have them
  DataStatistics statistics;
  double energy_spread = 0.0;         ///< eV/atom: root mean square of (E − Σ E0)/N − shift
  std::vector<std::string> warnings;  ///< one line each, with the frames it is about

  std::string text() const {
    char line[256];
    std::snprintf(line, sizeof line, "%zu structures, %zu atoms\n", frames, atoms);
    std::string out = line;
    const auto counts = [&](const char* what, const std::map<std::string, std::size_t>& map) {
      if (map.empty()) return;
      out += what;
      for (const auto& [name, count] : map)
        out +=
            " " + (name.empty() ? std::string("(none)") : name) + " " + std::to_string(count) + ",";
      out.back() = '\n';
    };
    counts("labels:", labels);
    if (config_types.size() > 1 && config_types.size() <= 20) counts("config_type:", config_types);
    out += "E0 by least squares (eV):";
    for (std::size_t s = 0; s < statistics.species.size(); ++s) {
      std::snprintf(line, sizeof line, " %d: %.4f", statistics.species[s],
                    statistics.atomic_energies[s]);
      out += line;
    }
    std::snprintf(line, sizeof line,
                  "\nenergies beside them %.1f meV/atom, force components %.0f meV/Å (root mean "
                  "square), %.1f neighbours\n",
                  1e3 * energy_spread, 1e3 * statistics.scale, statistics.average_neighbors);
    out += line;
    for (const std::string& w : warnings) out += "warning: " + w + "\n";
    return out;
  }
};

namespace detail {

/// "3, 5, 8 and 4 more": what is said of the frames of a warning.
inline std::string list_frames(const std::vector<std::size_t>& frames) {
  std::string text;
  const std::size_t shown = std::min<std::size_t>(frames.size(), 5);
  for (std::size_t k = 0; k < shown; ++k) text += (k ? ", " : "") + std::to_string(frames[k]);
  if (frames.size() > shown) text += " and " + std::to_string(frames.size() - shown) + " more";
  return text;
}

}  // namespace detail

/// Looks through the frames `indices`: labels that some frames lack, charges that do not sum to the
/// total charge, net forces, equal structures, energies and forces far from the rest, atoms that
/// nearly touch, dipoles along repeating directions, and species of which energies are fixed by
/// their sums only. @throws InputError when there are no frames.
template <class = void>
DataReport check_data(std::span<const Frame> frames, std::span<const std::size_t> indices,
                      double cutoff) {
  DataReport report;
  report.statistics = data_statistics(frames, indices, cutoff);
  report.frames = indices.size();
  std::map<std::string, std::vector<std::size_t>> findings;
  std::map<std::vector<double>, std::size_t> seen;
  std::vector<double> rest(indices.size(), 0.0);
  std::vector<double> force_norms;
  double squares = 0.0, energies = 0.0;
  const DataStatistics& s = report.statistics;
  NeighborList list;
  for (std::size_t at = 0; at < indices.size(); ++at) {
    const std::size_t k = indices[at];
    const Structure& structure = frames[k].structure;
    const Labels& labels = frames[k].labels;
    const double n = static_cast<double>(structure.size());
    report.atoms += structure.size();
    ++report.config_types[frames[k].config_type];
    const auto label = [&](const char* name, bool there) {
      if (there) ++report.labels[name];
    };
    label("energy", labels.energy.has_value());
    label("forces", labels.forces.has_value());
    label("stress", labels.stress.has_value());
    label("charges", labels.charges.has_value());
    label("dipole", labels.dipole.has_value());
    label("atomic_dipoles", labels.atomic_dipoles.has_value());
    label("fermi_level", labels.fermi_level.has_value());
    label("potentials", labels.potentials.has_value());
    label("polarizability", labels.polarizability.has_value());
    label("born_charges", labels.born_charges.has_value());

    if (labels.energy) {
      rest[at] = *labels.energy;
      for (int z : structure.atomic_numbers)
        rest[at] -= s.atomic_energies[static_cast<std::size_t>(
            std::lower_bound(s.species.begin(), s.species.end(), z) - s.species.begin())];
      rest[at] = rest[at] / n - s.shift;
      squares += rest[at] * rest[at];
      energies += 1.0;
    }
    if (labels.forces) {
      Vector3<double> net{};
      double largest = 0.0;
      for (const auto& f : *labels.forces) {
        net = net + f;
        largest = std::max(largest, norm(f));
      }
      if (norm(net) > 0.1 * std::sqrt(n))
        findings["forces that do not sum to zero (by more than 0.1 eV/Å per root of the atoms)"]
            .push_back(k);
      if (largest > 20.0 * std::max(s.scale, 1e-12))
        findings["a force of more than 20 times the root mean square"].push_back(k);
    }
    if (labels.charges) {
      double sum = -structure.total_charge;
      for (double q : *labels.charges) sum += q;
      if (std::abs(sum) > 0.02 + 1e-3 * n)
        findings["charges that do not sum to the total charge"].push_back(k);
    }
    if (labels.dipole)
      for (int a = 0; a < 3; ++a)
        for (std::size_t d = 0; d < 3; ++d)
          if (labels.dipole_mask[static_cast<std::size_t>(a)] && structure.cell.periodic[d] &&
              !structure.field_jump[d] &&
              std::abs(structure.cell.vectors.row(static_cast<int>(d))[a]) > 1e-6) {
            auto& of = findings
                ["a dipole along a repeating direction, which is known up to a quantum only (mask "
                 "it: config_dipole_weight)"];
            if (of.empty() || of.back() != k) of.push_back(k);
          }
    list.build(structure, 0.5);
    if (list.n_edges() > 0) findings["atoms nearer than 0.5 Å"].push_back(k);
    std::vector<double> fingerprint{structure.total_charge, structure.external_field[0],
                                    structure.external_field[1], structure.external_field[2]};
    for (const auto& r : structure.positions)
      fingerprint.insert(fingerprint.end(), r.data.begin(), r.data.end());
    if (const auto [first, fresh] = seen.emplace(std::move(fingerprint), k); !fresh)
      findings["a structure that is there before, in the same charge and field"].push_back(k);
  }
  if (energies > 0.0) report.energy_spread = std::sqrt(squares / energies);
  for (std::size_t at = 0; at < indices.size(); ++at)
    if (std::abs(rest[at]) > 6.0 * report.energy_spread && report.energy_spread > 0.0)
      findings["an energy of more than 6 times the root mean square"].push_back(indices[at]);

  for (const auto& [name, count] : report.labels)
    if (count < report.frames)
      report.warnings.push_back(std::to_string(report.frames - count) + " of " +
                                std::to_string(report.frames) + " structures have no " + name);
  for (const auto& [what, of] : findings)
    report.warnings.push_back(std::to_string(of.size()) +
                              (of.size() == 1 ? " structure has " : " structures have ") + what +
                              ": " + detail::list_frames(of));
  std::map<std::vector<int>, int> compositions;
  for (std::size_t k : indices) {
    std::vector<int> count(s.species.size());
    for (int z : frames[k].structure.atomic_numbers)
      ++count[static_cast<std::size_t>(std::lower_bound(s.species.begin(), s.species.end(), z) -
                                       s.species.begin())];
    ++compositions[count];
  }
  if (compositions.size() < s.species.size())
    report.warnings.push_back(
        std::to_string(compositions.size()) + " compositions do not fix the energies of " +
        std::to_string(s.species.size()) +
        " species: only sums of E0 mean something, and other compositions are out of reach");
  return report;
}

}  // namespace leyden::inline LEYDEN_ABI
