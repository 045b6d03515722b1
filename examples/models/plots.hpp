// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "svg.hpp"

// Plots of one training: SVG text.
namespace examples {

using namespace leyden;

inline constexpr std::array<const char*, 8> plot_colors{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                        "#e69f00", "#56b4e9", "#7a5c00", "#555555"};

using Curve = std::vector<std::pair<double, double>>;
using NamedCurves = std::vector<std::pair<std::string, Curve>>;

/// Lines over one abscissa in one frame; logarithmic ordinates show positive values only.
inline std::string plot_lines(const std::string& title, const NamedCurves& curves,
                              const std::string& x_label, const std::string& y_label,
                              bool logarithmic, bool points = false) {
  double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
  for (const auto& [name, curve] : curves)
    for (const auto& [x, y] : curve) {
      if (logarithmic && !(y > 0.0)) continue;
      x0 = std::min(x0, x);
      x1 = std::max(x1, x);
      y0 = std::min(y0, y);
      y1 = std::max(y1, y);
    }
  if (!(y1 >= y0)) x0 = y0 = 0.1, x1 = y1 = 1.0;
  const double margin = 0.05 * (y1 - y0);
  Svg svg(640, 420, title);
  const Panel panel(svg, 80, 34, 530, 290, Axis::linear(x0, x1, x_label),
                    logarithmic ? Axis::log(y0 / 1.2, y1 * 1.2, y_label)
                                : Axis::linear(y0 - margin, y1 + margin, y_label));
  panel.axes(title);
  std::vector<std::pair<std::string, std::string>> names;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    const std::string color = plot_colors[k % plot_colors.size()];
    std::vector<std::pair<double, double>> line;
    for (const auto& [x, y] : curves[k].second)
      if (!logarithmic || y > 0.0) line.emplace_back(panel.px(x), panel.py(y));
    svg.polyline(line, "fill=\"none\" stroke=\"" + color + "\" stroke-width=\"1.6\"");
    if (points)
      for (const auto& [x, y] : line) svg.circle(x, y, 3.0, "fill=\"" + color + "\"");
    names.emplace_back(curves[k].first, color);
  }
  for (std::size_t k = 0; k < names.size(); k += 4)
    legend(svg, 80, 382 + 18 * static_cast<double>(k / 4),
           {names.begin() + static_cast<std::ptrdiff_t>(k),
            names.begin() + static_cast<std::ptrdiff_t>(std::min(k + 4, names.size()))},
           true);
  return svg.str();
}

/// Loss of training and validation by epoch.
inline std::string plot_learning(const std::vector<EpochRecord>& records) {
  NamedCurves curves{{"training", {}}, {"validation", {}}};
  for (const EpochRecord& r : records) {
    curves[0].second.emplace_back(r.epoch, r.train.total());
    curves[1].second.emplace_back(r.epoch, r.validation.total());
  }
  return plot_lines("Learning curves", curves, "epoch", "loss", true);
}

/// Shares of the terms in the training loss, weights included.
inline std::string plot_balance(const std::vector<EpochRecord>& records) {
  NamedCurves curves;
  for (std::size_t k = 0; k < LossTerms::names.size(); ++k) {
    Curve curve;
    bool any = false;
    for (const EpochRecord& r : records) {
      const double term = r.train.*LossTerms::members[k];
      any = any || term > 0.0;
      curve.emplace_back(r.epoch, r.train.total() > 0.0 ? 100.0 * term / r.train.total() : 0.0);
    }
    if (any) curves.emplace_back(LossTerms::names[k], std::move(curve));
  }
  return plot_lines("Balance of the loss", curves, "epoch", "share of the loss (%)", false);
}

/// Validation errors by epoch: RMSE of every quantity.
inline std::string plot_errors(const std::vector<EpochRecord>& records) {
  NamedCurves curves;
  for (std::size_t k = 0; k < PredictionErrors::names.size(); ++k) {
    Curve curve;
    for (const EpochRecord& r : records)
      if ((r.errors.*PredictionErrors::members[k]).count > 0.0)
        curve.emplace_back(r.epoch, (r.errors.*PredictionErrors::members[k]).rmse());
    if (!curve.empty()) curves.emplace_back(PredictionErrors::names[k], std::move(curve));
  }
  return plot_lines("Validation errors", curves, "epoch", "RMSE", true);
}

/// Predictions against labels. values: pairs (label, prediction).
inline std::string plot_parity(const std::string& title, const Curve& values,
                               const std::string& unit) {
  double low = 1e300, high = -1e300;
  for (const auto& [x, y] : values) {
    low = std::min({low, x, y});
    high = std::max({high, x, y});
  }
  if (!(high >= low)) low = 0.0, high = 1.0;
  const double margin = 0.04 * std::max(high - low, 1e-9);
  Svg svg(460, 470, title);
  const Panel panel(svg, 84, 34, 350, 350,
                    Axis::linear(low - margin, high + margin, "reference (" + unit + ")"),
                    Axis::linear(low - margin, high + margin, "model (" + unit + ")"));
  panel.axes(title);
  svg.line(panel.px(low), panel.py(low), panel.px(high), panel.py(high),
           "stroke=\"#999\" stroke-width=\"1\"");
  svg.open_group("fill=\"#0072b2\" fill-opacity=\"0.45\"");
  // A few thousand points show as much as all.
  const std::size_t stride = std::max<std::size_t>(1, values.size() / 4000);
  for (std::size_t k = 0; k < values.size(); k += stride)
    svg.circle(panel.px(values[k].first), panel.py(values[k].second), 1.8, "");
  svg.close_group();
  return svg.str();
}

/// Parity plots of all quantities that have labels and predictions, by file name. Energies are per
/// atom and less the atomic energies.
inline std::map<std::string, std::string> plot_parities(std::span<const Frame> frames,
                                                        std::span<const std::size_t> indices,
                                                        std::span<const Prediction> predictions,
                                                        const DataStatistics& statistics) {
  Curve energy, forces, charges, dipole, level;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const Frame& f = frames[indices[k]];
    const Prediction& p = predictions[k];
    const std::size_t n = f.structure.size();
    if (f.labels.energy) {
      double atoms = 0.0;
      for (int z : f.structure.atomic_numbers) {
        const auto at = std::lower_bound(statistics.species.begin(), statistics.species.end(), z);
        if (at != statistics.species.end() && *at == z)
          atoms +=
              statistics.atomic_energies[static_cast<std::size_t>(at - statistics.species.begin())];
      }
      const double count = static_cast<double>(n);
      energy.emplace_back((*f.labels.energy - atoms) / count, (p.energy - atoms) / count);
    }
    if (f.labels.forces && p.forces.size() == n)
      for (std::size_t i = 0; i < n; ++i)
        for (int a = 0; a < 3; ++a) forces.emplace_back((*f.labels.forces)[i][a], p.forces[i][a]);
    if (f.labels.charges && p.charges.size() == n)
      for (std::size_t i = 0; i < n; ++i)
        charges.emplace_back((*f.labels.charges)[i], p.charges[i]);
    if (f.labels.dipole && p.charges.size() == n)
      for (int a = 0; a < 3; ++a)
        if (f.labels.dipole_mask[static_cast<std::size_t>(a)])
          dipole.emplace_back((*f.labels.dipole)[a], p.dipole[a]);
    if (f.labels.fermi_level && p.fermi_level)
      level.emplace_back(*f.labels.fermi_level, *p.fermi_level);
  }
  std::map<std::string, std::string> plots;
  const auto add = [&](const char* file, const char* title, const Curve& values, const char* unit) {
    if (!values.empty()) plots[file] = plot_parity(title, values, unit);
  };
  add("parity_energy", "Energy", energy, "eV/atom");
  add("parity_forces", "Forces", forces, "eV/Å");
  add("parity_charges", "Charges", charges, "e");
  add("parity_dipole", "Dipole", dipole, "e Å");
  add("parity_fermi_level", "Fermi level", level, "V");
  return plots;
}

/// Iterations of the search for the density, of each structure; empty for models without one.
inline std::string plot_scf(std::span<const Prediction> predictions) {
  std::map<int, int> counts;
  for (const Prediction& p : predictions)
    if (p.scf.iterations > 0) ++counts[p.scf.iterations];
  if (counts.empty()) return {};
  Curve curve;
  for (int i = counts.begin()->first; i <= counts.rbegin()->first; ++i)
    curve.emplace_back(i, counts.contains(i) ? counts[i] : 0);
  return plot_lines("Iterations of the density", {{"structures", curve}}, "iterations",
                    "structures", false, true);
}

/// Residuals by iteration, of the structures that took the most.
inline std::string plot_convergence(std::span<const Prediction> predictions) {
  std::vector<const Prediction*> order;
  for (const Prediction& p : predictions)
    if (!p.scf.residuals.empty()) order.push_back(&p);
  if (order.empty()) return {};
  std::stable_sort(order.begin(), order.end(), [](const Prediction* a, const Prediction* b) {
    return a->scf.residuals.size() > b->scf.residuals.size();
  });
  NamedCurves curves;
  for (std::size_t k = 0; k < std::min<std::size_t>(order.size(), 4); ++k) {
    Curve curve;
    for (std::size_t i = 0; i < order[k]->scf.residuals.size(); ++i)
      curve.emplace_back(static_cast<double>(i), order[k]->scf.residuals[i]);
    curves.emplace_back("slowest " + std::to_string(k + 1), std::move(curve));
  }
  return plot_lines("Convergence of the density", curves, "iteration", "residual (e, V)", true,
                    true);
}

}  // namespace examples
