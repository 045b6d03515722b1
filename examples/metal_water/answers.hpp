// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/units.hpp>
#include <leyden/observables/maps.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../models/plots.hpp"
#include "../models/trainable.hpp"
#include "scenes.hpp"

// What models and the reference say of a structure, in one form, and what follows from that.
namespace examples {

/// Of a model or of the reference; charges are empty where there are none.
struct Answer {
  double energy = std::numeric_limits<double>::quiet_NaN();  ///< eV
  std::vector<double> charges;                               ///< (n) e
  double dipole = 0.0;                                       ///< e Å, along z
  std::optional<double> fermi_level;  ///< V; the potential of the field is zero on average
  std::vector<double> multipoles;     ///< of models: as in Prediction
};

inline Answer answer_of(const Structure& s, const Prediction& p) {
  Answer a{p.energy, p.charges, p.dipole[2], p.fermi_level, p.multipoles};
  // The potential of models is zero at z = 0, where that of the reference jumps.
  if (a.fermi_level) *a.fermi_level -= 0.5 * s.external_field[2] * height_of_cell(s);
  return a;
}
inline Answer answer_of(const Labels& labels) {
  return {*labels.energy, *labels.charges, (*labels.dipole)[2], labels.fermi_level, {}};
}

/// What a model says of structures; a NaN and no charges where it finds no density.
class Asked {
 public:
  explicit Asked(const Trainable& model) : model_(model) {}

  std::vector<Answer> operator()(const std::vector<Frame>& frames) {
    std::vector<Answer> out;
    try {
      const std::vector<Prediction> all = model_.predict(frames, {false, false});
      for (std::size_t k = 0; k < all.size(); ++k)
        out.push_back(answer_of(frames[k].structure, all[k]));
    } catch (const ConvergenceError&) {
      out.clear();
      for (const Frame& f : frames) {
        try {
          out.push_back(
              answer_of(f.structure, model_.predict(std::vector<Frame>{f}, {false, false})[0]));
        } catch (const ConvergenceError&) {
          out.emplace_back();
          ++failures_;
        }
      }
    }
    return out;
  }
  std::vector<Answer> operator()(const std::vector<Structure>& structures) {
    std::vector<Frame> frames(structures.size());
    for (std::size_t k = 0; k < frames.size(); ++k) frames[k].structure = structures[k];
    return (*this)(frames);
  }
  int failures() const { return failures_; }

 private:
  const Trainable& model_;
  int failures_ = 0;
};

/// One structure in a field, in the opposite one, and in none, by index.
struct FieldPair {
  std::size_t up = 0, down = 0, zero = 0;
  double field = 0.0;  ///< V/Å, positive
};

/// All pairs of opposite fields of equal structures that also stand without a field.
inline std::vector<FieldPair> field_pairs(const std::vector<Frame>& frames) {
  std::vector<FieldPair> out;
  for (std::size_t up = 0; up < frames.size(); ++up) {
    const Structure& s = frames[up].structure;
    if (!(s.external_field[2] > 0.0)) continue;
    FieldPair pair{.up = up, .field = s.external_field[2]};
    int found = 0;
    for (std::size_t k = 0; k < frames.size(); ++k) {
      if (frames[k].structure.positions != s.positions) continue;
      const double f = frames[k].structure.external_field[2];
      if (f == -pair.field) pair.down = k, found |= 1;
      if (f == 0.0) pair.zero = k, found |= 2;
    }
    if (found == 3) out.push_back(pair);
  }
  return out;
}

/// What a field does: half of the difference between up and down, which has no even orders.
struct FieldResponse {
  /// Å: polarizability over ε0 and the area. For a perfect conductor of thickness t in a cell of
  /// height L it is t L/(L − t), since the vacuum takes the whole voltage.
  double per_area = 0.0;
  std::vector<double> charges;                 ///< (n) e
  std::vector<double> multipoles;              ///< of models
  double energy_up = 0.0, energy_down = 0.0;   ///< eV, above that without the field
  std::optional<double> level_up, level_down;  ///< V
};

inline std::optional<FieldResponse> response(const Structure& s, double field, const Answer& up,
                                             const Answer& down, const Answer* zero = nullptr) {
  if (up.charges.empty() || down.charges.empty() || (zero && zero->charges.empty())) return {};
  FieldResponse r;
  r.per_area =
      units::inverse_vacuum_permittivity * (up.dipole - down.dipole) / (2.0 * field * area(s));
  for (std::size_t i = 0; i < up.charges.size(); ++i)
    r.charges.push_back(0.5 * (up.charges[i] - down.charges[i]));
  for (std::size_t i = 0; i < up.multipoles.size(); ++i)
    r.multipoles.push_back(0.5 * (up.multipoles[i] - down.multipoles[i]));
  if (zero) {
    r.energy_up = up.energy - zero->energy;
    r.energy_down = down.energy - zero->energy;
    if (up.fermi_level && down.fermi_level && zero->fermi_level) {
      r.level_up = *up.fermi_level - *zero->fermi_level;
      r.level_down = *down.fermi_level - *zero->fermi_level;
    }
  }
  return r;
}

/// e: the charge of the atoms of some groups.
template <class Wanted>
double charge_of(const std::vector<Group>& groups, const std::vector<double>& charges,
                 const Wanted& wanted) {
  double sum = 0.0;
  for (const Group& g : groups)
    if (wanted(g))
      for (std::size_t i : g.atoms) sum += charges[i];
  return sum;
}

/// %: how much of the charge that a field moves is on atoms of the metal, by absolute values.
inline double share_on_metal(const std::vector<Group>& groups, const std::vector<double>& moved) {
  double metal = 0.0, all = 0.0;
  for (const Group& g : groups)
    for (std::size_t i : g.atoms) {
      all += std::abs(moved[i]);
      if (g.metal) metal += std::abs(moved[i]);
    }
  return all > 0.0 ? 100.0 * metal / all : 0.0;
}

/// Å: the thickness t of a conductor with this t L/(L − t). Thicknesses of separate parts add, as
/// voltages do, where those of periodic dipoles do not.
inline double thickness(double per_area, double cell_height) {
  return per_area * cell_height / (cell_height + per_area);
}

/// Gaussian widths of the atoms of a model, from its specification.
/// @param species  atomic numbers that the model was made for, ascending
inline std::vector<double> widths_of(const Trainable& model, const std::vector<int>& species,
                                     const Structure& s) {
  const Json specification = model.specification();
  const Json& widths = specification.at("charge_model").at("options").at("widths");
  std::vector<double> out;
  for (int z : s.atomic_numbers) {
    const auto at = std::lower_bound(species.begin(), species.end(), z) - species.begin();
    out.push_back(widths.is_number()  ? widths.get<double>()
                  : widths.size() > 1 ? widths.at(static_cast<std::size_t>(at)).get<double>()
                                      : widths.at(0).get<double>());
  }
  return out;
}

/// V: the part of the potential that is odd in the field, averaged over planes at `heights`: that
/// of the charges that moved and that of the field.
inline std::vector<double> potential_in_field(const Structure& s, std::vector<double> widths,
                                              const FieldResponse& r, double field,
                                              const std::vector<double>& heights) {
  GaussianMultipoles m{s.cell, s.positions, std::move(widths), 0, r.multipoles};
  while (static_cast<std::size_t>((m.l_max + 1) * (m.l_max + 1)) * s.size() < r.multipoles.size())
    ++m.l_max;
  std::vector<double> potential = plane_averages(m, 2, heights).potential;
  for (std::size_t k = 0; k < heights.size(); ++k) potential[k] -= field * heights[k];
  return potential;
}

/// Which part of the charge that a surface sets against an ion is on its near half: the difference
/// of the two halves over minus the charge of the ion. One where all of it is near, zero where it
/// is spread. Empty without exactly one ion, or where it has less than 0.02 e.
/// @param bare  charges of the same metal without the ion, to be taken off; empty: not known
inline std::optional<double> screening_on_near_side(const Structure& s,
                                                    const std::vector<double>& charges,
                                                    const std::vector<double>& bare = {}) {
  const std::vector<Group> groups = groups_of(s);
  const Group* ion = nullptr;
  double middle = 0.0, layers = 0.0;
  for (const Group& g : groups) {
    if (g.metal) {
      middle += g.height;
      layers += 1.0;
    } else if (ion) {
      return std::nullopt;
    } else {
      ion = &g;
    }
  }
  if (!ion || charges.empty()) return std::nullopt;
  middle /= layers;
  const double q = charges[ion->atoms[0]];
  if (std::abs(q) < 0.02) return std::nullopt;
  const double up = ion->height > middle ? 1.0 : -1.0;
  double difference = 0.0;
  for (const Group& g : groups)
    if (g.metal)
      for (std::size_t i : g.atoms)
        difference +=
            (g.height > middle ? up : -up) * (charges[i] - (bare.empty() ? 0.0 : bare[i]));
  return -difference / q;
}

}  // namespace examples
