// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <string>
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

/// Errors of predictions, by quantity, in the units of tables: energy meV/atom, force components
/// meV/Å, stress components meV/Å³, charges me, dipole components me Å.
struct PredictionErrors {
  ErrorSum energy, forces, stress, charges, dipole;

  static constexpr std::array<const char*, 5> names{
      "energy (meV/atom)", "forces (meV/Å)", "stress (meV/Å³)", "charges (me)", "dipole (me Å)"};
  std::array<const ErrorSum*, 5> sums() const {
    return {&energy, &forces, &stress, &charges, &dipole};
  }

  PredictionErrors& operator+=(const PredictionErrors& o) {
    energy += o.energy;
    forces += o.forces;
    stress += o.stress;
    charges += o.charges;
    dipole += o.dipole;
    return *this;
  }
  /// What the structure has no label for, or the model no prediction, does not count.
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
    if (prediction.charges.size() != n) return;
    if (labels.charges)
      for (std::size_t i = 0; i < n; ++i)
        charges.add(1e3 * (prediction.charges[i] - (*labels.charges)[i]));
    if (labels.dipole)
      for (int a = 0; a < 3; ++a)
        if (labels.dipole_mask[static_cast<std::size_t>(a)])
          dipole.add(1e3 * (prediction.dipole[a] - (*labels.dipole)[a]));
  }
};

/// A number of a table: fixed digits, or a dash when there were no values.
inline std::string format_error(const ErrorSum& sum, bool absolute = false, int digits = 1) {
  if (sum.count == 0.0) return "–";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, absolute ? sum.mae() : sum.rmse());
  return text;
}

/// Rows of named errors, RMSE and MAE of every quantity that any row has.
inline std::string errors_to_markdown(
    const std::vector<std::pair<std::string, PredictionErrors>>& rows) {
  std::string head = "| model |", rule = "| --- |";
  std::array<bool, 5> used{};
  for (std::size_t k = 0; k < used.size(); ++k) {
    for (const auto& row : rows) used[k] = used[k] || row.second.sums()[k]->count > 0.0;
    if (!used[k]) continue;
    head += std::string(" RMSE ") + PredictionErrors::names[k] + " | MAE |";
    rule += " ---: | ---: |";
  }
  std::string text = head + "\n" + rule + "\n";
  for (const auto& [name, errors] : rows) {
    text += "| " + name + " |";
    for (std::size_t k = 0; k < used.size(); ++k)
      if (used[k])
        text += " " + format_error(*errors.sums()[k]) + " | " +
                format_error(*errors.sums()[k], true) + " |";
    text += "\n";
  }
  return text;
}

/// The same as comma-separated values; empty where a model does not predict.
inline std::string errors_to_csv(
    const std::vector<std::pair<std::string, PredictionErrors>>& rows) {
  std::string text =
      "model,energy_rmse_meV_per_atom,energy_mae,forces_rmse_meV_per_A,forces_mae,"
      "stress_rmse_meV_per_A3,stress_mae,charges_rmse_me,charges_mae,dipole_rmse_me_A,dipole_mae\n";
  for (const auto& [name, errors] : rows) {
    // Quoted: names may have commas.
    text += '"' + name + '"';
    for (const ErrorSum* sum : errors.sums()) {
      const bool none = sum->count == 0.0;
      text += "," + (none ? std::string() : format_error(*sum, false, 4)) + "," +
              (none ? std::string() : format_error(*sum, true, 4));
    }
    text += "\n";
  }
  return text;
}

}  // namespace leyden::inline LEYDEN_ABI
