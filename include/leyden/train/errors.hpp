// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Running sums of the errors of one quantity.
struct ErrorSum {
  double squares = 0.0, absolutes = 0.0, count = 0.0;

  void add(double difference) {
    squares += difference * difference;
    absolutes += std::abs(difference);
    count += 1.0;
  }
  ErrorSum& operator+=(const ErrorSum& o) {
    squares += o.squares;
    absolutes += o.absolutes;
    count += o.count;
    return *this;
  }
  /// Zero when nothing was added.
  double rmse() const { return count > 0.0 ? std::sqrt(squares / count) : 0.0; }
  double mae() const { return count > 0.0 ? absolutes / count : 0.0; }
};

/// Errors of predictions, by quantity, in the units of tables.
struct PredictionErrors {
  ErrorSum energy, forces, stress, charges, dipole, atomic_dipoles, total_charge, fermi_level,
      potentials, polarizability, born_charges;

  static constexpr std::array<const char*, 11> names{
      "energy (meV/atom)", "forces (meV/Å)",
      "stress (meV/Å³)",   "charges (me)",
      "dipole (me Å)",     "atomic dipoles (me Å)",
      "total charge (me)", "Fermi level (meV)",
      "potentials (mV)",   "polarizability (me Å²/V/atom)",
      "Born charges (me)"};
  /// For files: no blanks, ASCII.
  static constexpr std::array<const char*, 11> keys{
      "energy_meV_per_atom", "forces_meV_per_A",
      "stress_meV_per_A3",   "charges_me",
      "dipole_me_A",         "atomic_dipoles_me_A",
      "total_charge_me",     "fermi_level_meV",
      "potentials_mV",       "polarizability_me_A2_per_V_per_atom",
      "born_charges_me"};
  static constexpr std::array<ErrorSum PredictionErrors::*, 11> members{
      &PredictionErrors::energy,       &PredictionErrors::forces,
      &PredictionErrors::stress,       &PredictionErrors::charges,
      &PredictionErrors::dipole,       &PredictionErrors::atomic_dipoles,
      &PredictionErrors::total_charge, &PredictionErrors::fermi_level,
      &PredictionErrors::potentials,   &PredictionErrors::polarizability,
      &PredictionErrors::born_charges};

  PredictionErrors& operator+=(const PredictionErrors& o) {
    for (const auto m : members) this->*m += o.*m;
    return *this;
  }
  /// What the structure has no label for, or the model no prediction, does not count. The total
  /// charge counts when it is missed by more than rounding. Charges of Potential::evaluate_at() are
  /// no predictions.
  void add(const Structure& structure, const Labels& labels, const Prediction& prediction) {
    const std::size_t n = structure.size();
    if (labels.energy)
      energy.add(1e3 * (prediction.energy - *labels.energy) / static_cast<double>(n));
    if (labels.forces && prediction.forces.size() == n)
      for (std::size_t i = 0; i < n; ++i)
        for (int a = 0; a < 3; ++a)
          forces.add(1e3 * (prediction.forces[i][a] - (*labels.forces)[i][a]));
    if (labels.stress && structure.cell.all_periodic())
      for (std::size_t k = 0; k < 9; ++k)
        stress.add(1e3 * (prediction.stress.data[k] - labels.stress->data[k]));
    if (labels.fermi_level && prediction.fermi_level)
      fermi_level.add(1e3 * (*prediction.fermi_level - *labels.fermi_level));
    if (prediction.charges.size() != n || !prediction.density_residual.empty()) return;
    double missed = -structure.total_charge;
    for (double q : prediction.charges) missed += q;
    if (std::abs(missed) > 1e-4) total_charge.add(1e3 * missed);
    if (labels.charges)
      for (std::size_t i = 0; i < n; ++i)
        charges.add(1e3 * (prediction.charges[i] - (*labels.charges)[i]));
    if (labels.dipole)
      for (int a = 0; a < 3; ++a)
        if (labels.dipole_mask[static_cast<std::size_t>(a)])
          dipole.add(1e3 * (prediction.dipole[a] - (*labels.dipole)[a]));
    const std::size_t size = prediction.multipoles.size() / n;
    if (labels.atomic_dipoles && size >= 4)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t m = 0; m < 3; ++m)
          atomic_dipoles.add(1e3 * (prediction.multipoles[i * size + 1 + m] -
                                    (*labels.atomic_dipoles)[i][static_cast<int>(m + 1) % 3]));
    if (labels.potentials)
      for (std::size_t i = 0; i < n; ++i)
        potentials.add(1e3 * (prediction.potentials[i * size] - (*labels.potentials)[i]));
    const auto axis = [&](int a) { return prediction.field_axes[static_cast<std::size_t>(a)]; };
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) {
        if (labels.polarizability && axis(a) && axis(b))
          polarizability.add(1e3 *
                             (prediction.polarizability(a, b) - (*labels.polarizability)(a, b)) /
                             static_cast<double>(n));
        if (labels.born_charges && axis(a) && prediction.born_charges.size() == n)
          for (std::size_t i = 0; i < n; ++i)
            born_charges.add(1e3 *
                             (prediction.born_charges[i](a, b) - (*labels.born_charges)[i](a, b)));
      }
  }
};

using NamedErrors = std::vector<std::pair<std::string, PredictionErrors>>;

/// Errors of predictions of the frames `indices`, in their order: of all, then of each
/// `config_type`, if there are several, in alphabetical order.
inline NamedErrors errors_by_config_type(std::span<const Frame> frames,
                                         std::span<const std::size_t> indices,
                                         std::span<const Prediction> predictions) {
  PredictionErrors all;
  std::map<std::string, PredictionErrors> by_type;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const Frame& frame = frames[indices[k]];
    PredictionErrors one;
    one.add(frame.structure, frame.labels, predictions[k]);
    all += one;
    by_type[frame.config_type.empty() ? "(no config_type)" : frame.config_type] += one;
  }
  NamedErrors rows{{"all", all}};
  if (by_type.size() > 1) rows.insert(rows.end(), by_type.begin(), by_type.end());
  return rows;
}

/// A number of a table: fixed digits, or a dash when there were no values.
inline std::string format_error(const ErrorSum& sum, bool absolute = false, int digits = 1) {
  if (sum.count == 0.0) return "–";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, absolute ? sum.mae() : sum.rmse());
  return text;
}

namespace detail {

/// Which quantities any row has.
inline std::array<bool, PredictionErrors::names.size()> used_quantities(const NamedErrors& rows) {
  std::array<bool, PredictionErrors::names.size()> used{};
  for (std::size_t k = 0; k < used.size(); ++k)
    for (const auto& row : rows)
      used[k] = used[k] || (row.second.*PredictionErrors::members[k]).count > 0.0;
  return used;
}

}  // namespace detail

/// Rows of named errors, RMSE and MAE of every quantity that any row has.
inline std::string errors_to_markdown(const NamedErrors& rows, const std::string& what = "model") {
  // += and not +: g++ 12 warns, wrongly, of overlapping copies.
  std::string head = "| ", rule = "| --- |";
  head += what;
  head += " |";
  const auto used = detail::used_quantities(rows);
  for (std::size_t k = 0; k < used.size(); ++k) {
    if (!used[k]) continue;
    head += std::string(" RMSE ") + PredictionErrors::names[k] + " | MAE |";
    rule += " ---: | ---: |";
  }
  std::string text = head + "\n" + rule + "\n";
  for (const auto& [name, errors] : rows) {
    text += "| ";
    text += name;
    text += " |";
    for (std::size_t k = 0; k < used.size(); ++k)
      if (used[k]) {
        const ErrorSum& sum = errors.*PredictionErrors::members[k];
        for (const bool absolute : {false, true}) {
          text += " ";
          text += format_error(sum, absolute);
          text += " |";
        }
      }
    text += "\n";
  }
  return text;
}

/// The same for a terminal: columns of one width, RMSE/MAE.
inline std::string errors_to_text(const NamedErrors& rows) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  const auto used = detail::used_quantities(rows);
  // Characters, not bytes: names of units are not ASCII.
  const auto length = [](std::string_view s) {
    return static_cast<std::size_t>(
        std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  };
  const auto pad = [&](std::string& line, std::string_view cell, std::size_t to) {
    line.append(to > length(cell) ? to - length(cell) : 0, ' ');
    line += cell;
  };
  std::string text(width, ' ');
  for (std::size_t k = 0; k < used.size(); ++k)
    if (used[k]) pad(text, PredictionErrors::names[k], 24);
  text += "   (RMSE / MAE)\n";
  for (const auto& [name, errors] : rows) {
    std::string line = name + std::string(width - name.size(), ' ');
    for (std::size_t k = 0; k < used.size(); ++k) {
      if (!used[k]) continue;
      const ErrorSum& sum = errors.*PredictionErrors::members[k];
      pad(line, format_error(sum) + " / " + format_error(sum, true), 24);
    }
    text += line + "\n";
  }
  return text;
}

/// The same as comma-separated values; empty where a model does not predict.
inline std::string errors_to_csv(const NamedErrors& rows, const std::string& what = "model") {
  std::string text = what;
  for (const char* key : PredictionErrors::keys)
    for (const char* kind : {"_rmse", "_mae"}) {
      text += ",";
      text += key;
      text += kind;
    }
  text += "\n";
  for (const auto& [name, errors] : rows) {
    // Quoted: names may have commas.
    text += '"';
    text += name;
    text += '"';
    for (const auto m : PredictionErrors::members)
      for (const bool absolute : {false, true}) {
        text += ",";
        if ((errors.*m).count > 0.0) text += format_error(errors.*m, absolute, 4);
      }
    text += "\n";
  }
  return text;
}

}  // namespace leyden::inline LEYDEN_ABI
