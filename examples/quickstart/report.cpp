// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <leyden/atoms/elements.hpp>

#include <fstream>
#include <set>

#include "../models/console.hpp"
#include "../models/svg.hpp"

using namespace leyden;
using namespace examples;

namespace quickstart {

namespace {

// Colours that the colour-blind can tell apart (Okabe and Ito).
constexpr std::array<const char*, 5> model_colors{"#8a8a8a", "#e69f00", "#0072b2", "#cc79a7",
                                                  "#009e73"};
constexpr std::array<const char*, 4> state_colors{"#0072b2", "#e69f00", "#d55e00", "#8a8a8a"};

std::string charge_text(double q) {
  const std::string digits = format_number(q, 1);
  return q > 0 ? "+" + digits : q < 0 ? "−" + digits.substr(1) : "0";
}

const char* state_color(std::size_t k) { return state_colors[std::min<std::size_t>(k, 3)]; }
const char* model_color(std::size_t k) { return model_colors[k % model_colors.size()]; }

}  // namespace

Report::Report(std::span<const Frame> frames, std::vector<std::size_t> test,
               const DataStatistics& statistics)
    : frames_(frames), test_(std::move(test)), statistics_(statistics) {
  std::set<double> states;
  for (std::size_t k : test_) states.insert(frames_[k].structure.total_charge);
  states_.assign(states.begin(), states.end());

  std::vector<Prediction> means;
  for (std::size_t k : test_) {
    Prediction p;
    const Structure& s = frames_[k].structure;
    p.energy = statistics_.shift * static_cast<double>(s.size());
    p.forces.assign(s.size(), {});
    for (int z : s.atomic_numbers) {
      const auto species = std::find(statistics_.species.begin(), statistics_.species.end(), z) -
                           statistics_.species.begin();
      p.energy += statistics_.atomic_energies.at(static_cast<std::size_t>(species));
      p.charges.push_back(statistics_.mean_charges.at(static_cast<std::size_t>(species)));
    }
    means.push_back(std::move(p));
  }
  add("Mean of the training data", 0, std::move(means), {});
}

void Report::add(std::string name, std::size_t parameters, std::vector<Prediction> predictions,
                 std::vector<EpochRecord> records) {
  rows_.push_back({std::move(name), parameters, std::move(predictions), std::move(records)});
}

double Report::relative_energy(std::size_t test_index, double energy) const {
  const Structure& s = frames_[test_[test_index]].structure;
  for (int z : s.atomic_numbers)
    for (std::size_t k = 0; k < statistics_.species.size(); ++k)
      if (statistics_.species[k] == z) energy -= statistics_.atomic_energies[k];
  return energy / static_cast<double>(s.size());
}

PredictionErrors Report::errors(const Row& row, const double* total_charge) const {
  PredictionErrors sum;
  for (std::size_t k = 0; k < test_.size(); ++k) {
    const Frame& frame = frames_[test_[k]];
    if (total_charge == nullptr || frame.structure.total_charge == *total_charge)
      sum.add(frame.structure, frame.labels, row.predictions[k]);
  }
  return sum;
}

// [energy, forces, charges] of all (state = 0) or of one charge state.
std::vector<std::string> Report::table_cells(const Row& row, std::size_t state) const {
  const PredictionErrors e = errors(row, state == 0 ? nullptr : &states_[state - 1]);
  return {format_error(e.energy), format_error(e.forces), format_error(e.charges)};
}

std::string Report::markdown() const {
  std::string text = "Root mean square errors on " + std::to_string(test_.size()) +
                     " test structures.\n\n| model | parameters | energy (meV/atom) | forces "
                     "(meV/Å) | charges (me) "
                     "|\n| --- | ---: | ---: | ---: | ---: |\n";
  for (const Row& row : rows_) {
    text += "| " + row.name + " | " +
            (row.parameters ? std::to_string(row.parameters) : std::string("–")) + " |";
    for (const std::string& cell : table_cells(row, 0)) text += " " + cell + " |";
    text += "\n";
  }
  text +=
      "\nBy the charge of the cell: energy (meV/atom) / forces (meV/Å) / charges (me).\n\n| model "
      "|";
  std::string rule = "| --- |";
  for (std::size_t s = 0; s < states_.size(); ++s) {
    const auto count = std::count_if(test_.begin(), test_.end(), [&](std::size_t k) {
      return frames_[k].structure.total_charge == states_[s];
    });
    text += " " + charge_text(states_[s]) + " e (" + std::to_string(count) + ") |";
    rule += " ---: |";
  }
  text += "\n" + rule + "\n";
  for (const Row& row : rows_) {
    text += "| " + row.name + " |";
    for (std::size_t s = 1; s <= states_.size(); ++s) {
      const auto c = table_cells(row, s);
      text += " " + c[0] + " / " + c[1] + " / " + c[2] + " |";
    }
    text += "\n";
  }
  return text;
}

std::string Report::csv() const {
  std::string text =
      "model,parameters,total_charge,structures,energy_rmse_meV_per_atom,energy_mae_meV_per_atom,"
      "forces_rmse_meV_per_A,forces_mae_meV_per_A,charges_rmse_me,charges_mae_me\n";
  for (const Row& row : rows_)
    for (std::size_t s = 0; s <= states_.size(); ++s) {
      const PredictionErrors e = errors(row, s == 0 ? nullptr : &states_[s - 1]);
      const std::string state = s == 0 ? "all" : format_number(states_[s - 1], 3);
      text.append(row.name).append(",").append(std::to_string(row.parameters)).append(",");
      text.append(state).append(",").append(format_number(e.energy.count, 0));
      for (const ErrorSum* sum : {&e.energy, &e.forces, &e.charges})
        for (bool absolute : {false, true}) {
          text += ",";
          if (sum->count > 0) text += format_error(*sum, absolute, 4);
        }
      text += "\n";
    }
  return text;
}

std::string Report::predictions_csv() const {
  std::string text = "model,frame,total_charge,quantity,atom,reference,predicted\n";
  char line[256];
  for (const Row& row : rows_)
    for (std::size_t k = 0; k < test_.size(); ++k) {
      const Frame& frame = frames_[test_[k]];
      const Prediction& p = row.predictions[k];
      const auto put = [&](const char* quantity, const std::string& atom, double a, double b) {
        std::snprintf(line, sizeof line, ",%zu,%g,%s,%s,%.6f,%.6f\n", test_[k],
                      frame.structure.total_charge, quantity, atom.c_str(), a, b);
        text += row.name + line;
      };
      put("energy_eV", "", *frame.labels.energy, p.energy);
      for (std::size_t i = 0; i < frame.structure.size(); ++i) {
        const std::string atom = std::to_string(i);
        constexpr std::array<const char*, 3> components{"force_x_eV_per_A", "force_y_eV_per_A",
                                                        "force_z_eV_per_A"};
        for (int a = 0; a < 3; ++a)
          put(components[static_cast<std::size_t>(a)], atom, (*frame.labels.forces)[i][a],
              p.forces[i][a]);
        if (!p.charges.empty()) put("charge_e", atom, (*frame.labels.charges)[i], p.charges[i]);
      }
    }
  return text;
}

std::string Report::parity(const std::string& quantity) const {
  struct Item {
    double x, y;
    std::size_t state;
  };
  const double to_milli = quantity == "energy" ? 1e3 : 1.0;
  std::vector<std::vector<Item>> panels;
  std::vector<const Row*> shown;
  double low = 1e300, high = -1e300;
  for (std::size_t r = 1; r < rows_.size(); ++r) {
    const Row& row = rows_[r];
    std::vector<Item> items;
    for (std::size_t k = 0; k < test_.size(); ++k) {
      const Frame& frame = frames_[test_[k]];
      const Prediction& p = row.predictions[k];
      const auto state = static_cast<std::size_t>(
          std::find(states_.begin(), states_.end(), frame.structure.total_charge) -
          states_.begin());
      const auto put = [&](double x, double y) {
        items.push_back({to_milli * x, to_milli * y, state});
        low = std::min({low, to_milli * x, to_milli * y});
        high = std::max({high, to_milli * x, to_milli * y});
      };
      if (quantity == "energy") {
        put(relative_energy(k, *frame.labels.energy), relative_energy(k, p.energy));
      } else if (quantity == "forces") {
        for (std::size_t i = 0; i < p.forces.size(); ++i)
          for (int a = 0; a < 3; ++a) put((*frame.labels.forces)[i][a], p.forces[i][a]);
      } else {
        for (std::size_t i = 0; i < p.charges.size(); ++i)
          put((*frame.labels.charges)[i], p.charges[i]);
      }
    }
    if (items.empty()) continue;
    panels.push_back(std::move(items));
    shown.push_back(&row);
  }
  const double margin = 0.04 * (high - low);
  low -= margin;
  high += margin;

  const std::string unit = quantity == "energy"   ? "energy (meV/atom)"
                           : quantity == "forces" ? "force (eV/Å)"
                                                  : "charge (e)";
  const double side = 210, gap = 26, left = 76, top = 66;
  const double count = static_cast<double>(panels.size());
  Svg svg(left + count * side + (count - 1) * gap + 24, top + side + 54, "Parity of " + quantity);
  std::vector<std::pair<std::string, std::string>> marks;
  for (std::size_t s = 0; s < states_.size(); ++s)
    marks.emplace_back("cell charge " + charge_text(states_[s]) + " e", state_color(s));
  legend(svg, left, 24, marks);
  for (std::size_t k = 0; k < panels.size(); ++k) {
    Panel panel(svg, left + static_cast<double>(k) * (side + gap), top, side, side,
                Axis::linear(low, high, "reference " + unit),
                Axis::linear(low, high, "predicted " + unit));
    panel.axes(shown[k]->name, k == 0, 4, 5);
    svg.line(panel.px(low), panel.py(low), panel.px(high), panel.py(high),
             "stroke=\"#777\" stroke-width=\"1\" stroke-dasharray=\"4 3\"");
    const bool few = quantity == "energy";
    // Groups share their style: thousands of points stay small.
    for (std::size_t s = 0; s < states_.size(); ++s) {
      svg.open_group(std::string("fill=\"") + state_color(s) + "\" fill-opacity=\"" +
                     (few ? "0.8" : "0.45") + "\"");
      for (const Item& i : panels[k])
        if (i.state == s) svg.circle(panel.px(i.x), panel.py(i.y), few ? 3.2 : 1.7, "");
      svg.close_group();
    }
    const PredictionErrors e = errors(*shown[k], nullptr);
    const ErrorSum& sum = quantity == "energy"   ? e.energy
                          : quantity == "forces" ? e.forces
                                                 : e.charges;
    const std::string rmse = quantity == "energy"   ? " meV/atom"
                             : quantity == "forces" ? " meV/Å"
                                                    : " me";
    svg.text(panel.px(low) + 9, panel.py(high) + 18, "RMSE " + format_error(sum) + rmse,
             "font-size=\"11\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\"");
  }
  return svg.str();
}

std::string Report::learning_curves() const {
  struct Quantity {
    const char* title;
    const char* label;
    ErrorSum PredictionErrors::*sum;
  };
  const std::array<Quantity, 3> quantities{
      {{"Energy", "RMSE (meV/atom)", &PredictionErrors::energy},
       {"Forces", "RMSE (meV/Å)", &PredictionErrors::forces},
       {"Charges", "RMSE (me)", &PredictionErrors::charges}}};
  const double width = 250, height = 220, gap = 82, left = 76, top = 66;
  Svg svg(left + 3 * width + 2 * gap + 24, top + height + 54, "Learning curves");
  std::vector<std::pair<std::string, std::string>> marks;
  for (std::size_t r = 1; r < rows_.size(); ++r) marks.emplace_back(rows_[r].name, model_color(r));
  legend(svg, left, 24, marks, true);
  for (std::size_t q = 0; q < quantities.size(); ++q) {
    double low = 1e300, high = 0.0, epochs = 1.0;
    for (const Row& row : rows_)
      for (const EpochRecord& r : row.records) {
        const ErrorSum& sum = r.errors.*quantities[q].sum;
        epochs = std::max(epochs, static_cast<double>(r.epoch));
        if (sum.count == 0.0) continue;
        low = std::min(low, sum.rmse());
        high = std::max(high, sum.rmse());
      }
    if (low > high) continue;
    Panel panel(svg, left + static_cast<double>(q) * (width + gap), top, width, height,
                Axis::linear(0.0, epochs, "epoch"),
                Axis::log(low / 1.15, high * 1.15, quantities[q].label));
    panel.axes(quantities[q].title);
    for (std::size_t r = 1; r < rows_.size(); ++r) {
      std::vector<std::pair<double, double>> points;
      for (const EpochRecord& record : rows_[r].records) {
        const ErrorSum& sum = record.errors.*quantities[q].sum;
        if (sum.count > 0.0) points.emplace_back(panel.px(record.epoch), panel.py(sum.rmse()));
      }
      if (!points.empty())
        svg.polyline(points, std::string("fill=\"none\" stroke=\"") + model_color(r) +
                                 "\" stroke-width=\"1.8\" stroke-linejoin=\"round\"");
    }
  }
  return svg.str();
}

std::string Report::charge_histograms() const {
  const double width = 210, height = 140, gap = 34, left = 76, top = 66, row_gap = 88;
  std::vector<std::size_t> shown;
  for (std::size_t r = 1; r < rows_.size(); ++r)
    if (!rows_[r].predictions.empty() && !rows_[r].predictions[0].charges.empty())
      shown.push_back(r);
  const double columns = static_cast<double>(std::max<std::size_t>(shown.size(), 1));
  const double lines = static_cast<double>(statistics_.species.size());
  Svg svg(left + columns * width + (columns - 1) * gap + 24,
          top + lines * height + (lines - 1) * row_gap + 54, "Histograms of charges");
  legend(svg, left, 24, {{"reference", "#b9c4cf"}});
  legend(svg, left + 120, 24, {{"predicted", "#d55e00"}}, true);
  constexpr int bins = 40;
  for (std::size_t s = 0; s < statistics_.species.size(); ++s) {
    const auto collect = [&](const Row* row) {
      std::vector<double> values;
      for (std::size_t k = 0; k < test_.size(); ++k) {
        const Frame& frame = frames_[test_[k]];
        const auto& charges = row ? row->predictions[k].charges : *frame.labels.charges;
        for (std::size_t i = 0; i < frame.structure.size(); ++i)
          if (frame.structure.atomic_numbers[i] == statistics_.species[s])
            values.push_back(charges[i]);
      }
      return values;
    };
    const std::vector<double> reference = collect(nullptr);
    if (reference.empty()) continue;
    // The range of the reference, and of the predictions but for their rarest hundredths.
    double low = *std::min_element(reference.begin(), reference.end());
    double high = *std::max_element(reference.begin(), reference.end());
    for (std::size_t r : shown) {
      std::vector<double> values = collect(&rows_[r]);
      std::sort(values.begin(), values.end());
      low = std::min(low, values[values.size() / 100]);
      high = std::max(high, values[values.size() - 1 - values.size() / 100]);
    }
    const double margin = 0.04 * std::max(high - low, 0.01);
    low -= margin;
    high += margin;
    const auto bin = [&](const std::vector<double>& values) {
      std::vector<double> shares(bins, 0.0);
      for (double v : values) {
        const double at = (v - low) / (high - low) * bins;
        if (at >= 0.0 && at < bins)
          shares[static_cast<std::size_t>(at)] += 100.0 / static_cast<double>(values.size());
      }
      return shares;
    };
    std::vector<std::vector<double>> all{bin(reference)};
    for (std::size_t r : shown) all.push_back(bin(collect(&rows_[r])));
    double highest = *std::max_element(all[0].begin(), all[0].end());
    for (const auto& shares : all)
      highest = std::max(highest, std::min(*std::max_element(shares.begin(), shares.end()),
                                           2.5 * *std::max_element(all[0].begin(), all[0].end())));
    for (std::size_t c = 0; c < shown.size(); ++c) {
      const std::string species =
          std::string(element_symbol(statistics_.species[s])) + " charge (e)";
      Panel panel(svg, left + static_cast<double>(c) * (width + gap),
                  top + static_cast<double>(s) * (height + row_gap), width, height,
                  Axis::linear(low, high, species),
                  Axis::linear(0.0, 1.08 * highest, "share of atoms (%)"));
      panel.axes(rows_[shown[c]].name, c == 0, 3, 4);
      std::vector<std::pair<double, double>> outline;
      for (int b = 0; b < bins; ++b) {
        const double x0 = panel.px(low + (high - low) * b / bins);
        const double x1 = panel.px(low + (high - low) * (b + 1) / bins);
        const double y0 = panel.py(0.0);
        const double y = panel.py(all[0][static_cast<std::size_t>(b)]);
        if (y0 - y > 0.0) svg.rectangle(x0, y, x1 - x0 - 0.4, y0 - y, "fill=\"#b9c4cf\"");
        const double v =
            panel.py(std::min(all[c + 1][static_cast<std::size_t>(b)], 1.08 * highest));
        outline.emplace_back(x0, v);
        outline.emplace_back(x1, v);
      }
      svg.polyline(outline, "fill=\"none\" stroke=\"#d55e00\" stroke-width=\"1.6\"");
    }
  }
  return svg.str();
}

std::string Report::html(const std::vector<std::pair<std::string, std::string>>& figures) const {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>leyden: four potentials on one data set</title>\n<style>\n"
      "body{font:16px/1.55 Helvetica,Arial,'Liberation Sans',sans-serif;color:#222;background:#fff;"
      "max-width:1040px;margin:2.5rem auto;padding:0 1.2rem}\n"
      "h1{font-size:1.7rem;margin:0 0 .4rem}h2{font-size:1.15rem;margin:2.4rem 0 .6rem}\n"
      "p{max-width:46rem}table{border-collapse:collapse;margin:1rem 0;font-size:.95rem}\n"
      "th,td{padding:.42rem .9rem;text-align:right;border-bottom:1px solid #e4e4e4;"
      "font-variant-numeric:tabular-nums}\n"
      "th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid #444;"
      "font-weight:600}\n"
      "td.best{font-weight:700;color:#006b4f}figure{margin:1rem 0;overflow-x:auto}"
      "svg{max-width:100%;height:auto}\n</style>\n</head>\n<body>\n"
      "<h1>Four potentials on one data set</h1>\n<p>The same descriptor (a small MACE), the same "
      "structures, the same number of steps and the same seed; only the charge model differs. "
      "Errors are root mean squares on " +
      std::to_string(test_.size()) +
      " structures that none of the models saw. The best of a column is bold.</p>\n";

  for (std::size_t s = 0; s <= states_.size(); ++s) {
    page += s == 0 ? std::string("<h2>All test structures</h2>\n")
                   : "<h2>Cell charge " + charge_text(states_[s - 1]) + " e</h2>\n";
    page +=
        "<table>\n<thead><tr><th>model</th><th>parameters</th><th>energy (meV/atom)</th>"
        "<th>forces (meV/Å)</th><th>charges (me)</th></tr></thead>\n<tbody>\n";
    std::vector<std::array<const ErrorSum*, 3>> sums;
    std::vector<PredictionErrors> errors_of;
    for (const Row& row : rows_)
      errors_of.push_back(errors(row, s == 0 ? nullptr : &states_[s - 1]));
    for (const PredictionErrors& e : errors_of) sums.push_back({&e.energy, &e.forces, &e.charges});
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      page += "<tr><td>" + escape_xml(rows_[r].name) + "</td><td>" +
              (rows_[r].parameters ? std::to_string(rows_[r].parameters) : std::string("–")) +
              "</td>";
      for (std::size_t c = 0; c < 3; ++c) {
        const std::string mine = format_error(*sums[r][c]);
        bool best = sums[r][c]->count > 0.0;
        for (const auto& other : sums)
          best = best && (other[c]->count == 0.0 || other[c]->rmse() >= sums[r][c]->rmse());
        page += (best ? "<td class=\"best\">" : "<td>") + mine + "</td>";
      }
      page += "</tr>\n";
    }
    page += "</tbody>\n</table>\n";
  }
  for (const auto& [title, svg] : figures)
    page += "<h2>" + escape_xml(title) + "</h2>\n<figure>\n" + svg + "</figure>\n";
  return page +
         "<p>Energies in plots are less the atomic energies fitted to the training structures. "
         "Learning curves are of the validation structures. Trained models stand in "
         "<code>models/</code>, all predictions in <code>predictions.csv</code>.</p>\n"
         "</body>\n</html>\n";
}

void Report::write(const std::filesystem::path& folder) const {
  write_file(folder / "table.md", markdown());
  write_file(folder / "table.csv", csv());
  write_file(folder / "predictions.csv", predictions_csv());
  const std::vector<std::array<std::string, 3>> figures{
      {"parity_energy", "Energy", parity("energy")},
      {"parity_forces", "Forces", parity("forces")},
      {"parity_charges", "Charges", parity("charges")},
      {"charge_histograms", "Distribution of charges", charge_histograms()},
      {"learning_curves", "Learning curves", learning_curves()}};
  std::vector<std::pair<std::string, std::string>> shown;
  for (const auto& [file, title, svg] : figures) {
    write_file(folder / (file + ".svg"), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + svg);
    shown.emplace_back(title, svg);
  }
  write_file(folder / "index.html", html(shown));
}

}  // namespace quickstart
