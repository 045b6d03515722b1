// CTEST:
// SPDX-License-Identifier: MIT
// How charge models differ: metals and insulators, fragments pulled apart, screening, a capacitor,
// a trap, hard bonds. Prints the numbers; with a folder as argument, writes a table (TSV) and a
// plot (SVG) for each, which docs/physics.md explains.
#include "scenes.hpp"

#include "../models/svg.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace physics;
using examples::Axis;

namespace {

// Colours that the colour-blind can tell apart (Okabe and Ito).
constexpr const char* colors[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"};

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool marks = false;   // dots too
  bool dashed = false;  // lets a curve below be seen
};

struct Figure {
  std::string file, title;
  Axis x, y;
  std::vector<Curve> curves;
};

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.flush();
  if (!file) throw InputError(path.string() + " cannot be written");
}

std::string plot(const Figure& figure) {
  examples::Svg svg(560, 390, figure.title);
  const examples::Panel panel(svg, 72, 34, 460, 270, figure.x, figure.y);
  panel.axes(figure.title);
  std::vector<std::pair<std::string, std::string>> names;
  for (std::size_t k = 0; k < figure.curves.size(); ++k) {
    const std::string color = colors[k % std::size(colors)];
    std::vector<std::pair<double, double>> points;
    for (const auto& [x, y] : figure.curves[k].points)
      points.emplace_back(panel.px(x), panel.py(y));
    svg.polyline(points, "fill=\"none\" stroke=\"" + color + "\" stroke-width=\"2\"" +
                             (figure.curves[k].dashed ? " stroke-dasharray=\"7 7\"" : ""));
    if (figure.curves[k].marks)
      for (const auto& [x, y] : points) svg.circle(x, y, 3, "fill=\"" + color + "\"");
    names.emplace_back(figure.curves[k].name, color);
  }
  // Two rows of names.
  const std::size_t half = names.size() > 2 ? (names.size() + 1) / 2 : names.size();
  examples::legend(svg, 72, 362, {names.begin(), names.begin() + static_cast<long>(half)}, true);
  examples::legend(svg, 72, 381, {names.begin() + static_cast<long>(half), names.end()}, true);
  return svg.str();
}

std::string table(const Figure& figure) {
  std::string text = "curve\t" + figure.x.label + "\t" + figure.y.label + "\n";
  char line[160];
  for (const Curve& curve : figure.curves)
    for (const auto& [x, y] : curve.points) {
      std::snprintf(line, sizeof line, "\t%.6g\t%.8g\n", x, y);
      text += curve.name + line;
    }
  return text;
}

template <class F>
Curve curve(std::string name, const std::vector<double>& xs, F&& f, bool marks = false) {
  Curve c{std::move(name), {}, marks, false};
  for (double x : xs) c.points.emplace_back(x, f(x));
  return c;
}
std::vector<double> range(double from, double to, int steps) {
  std::vector<double> out;
  for (int k = 0; k <= steps; ++k) out.push_back(from + (to - from) * k / steps);
  return out;
}

Figure chains() {
  const std::vector<double> lengths{8, 12, 16, 24, 32, 48, 64};
  Figure f{"polarizability",
           "Polarizability of a chain",
           Axis::log(7, 75, "sites"),
           Axis::log(4, 50000, "α/4πε₀ along the chain (Å³)"),
           {}};
  const auto add = [&](const std::string& name, const auto& model) {
    f.curves.push_back(curve(
        name, lengths, [&](double n) { return polarizability(model, static_cast<int>(n)); }, true));
    std::vector<double> y;
    for (const auto& point : f.curves.back().points) y.push_back(point.second);
    std::printf("polarizability, %s: N^%.2f\n", name.c_str(), exponent(lengths, y));
  };
  add("equilibration", chain_equilibration(2.0));
  add("levels, no gap", chain_levels(0.0));
  add("equilibration, hard", chain_equilibration(200.0));
  add("levels, gap 6 V", chain_levels(6.0));
  add("bond hardness", chain_bonds());
  f.curves.back().dashed = true;
  return f;
}

Figure dissociation() {
  Figure f{"dissociation",
           "Sodium and chlorine, pulled apart",
           Axis::linear(2, 12, "distance (Å)"),
           Axis::linear(-0.1, 1.6, "charge of sodium (e)"),
           {}};
  const auto add = [&](const std::string& name, const auto& model, double charge) {
    typename std::decay_t<decltype(model)>::Workspace workspace;
    f.curves.push_back(curve(name, range(2, 12, 80), [&](double r) {
      return model.evaluate(salt(r, charge), workspace, {false, false}).charges[0];
    }));
    std::printf("charge of sodium at 30 A, %s: %.6f e\n", name.c_str(),
                model.evaluate(salt(30.0, charge), workspace).charges[0]);
  };
  add("equilibration, NaCl", salt_equilibration(), 0.0);
  add("levels, NaCl", salt_levels(0.1), 0.0);
  add("equilibration, NaCl⁺", salt_equilibration(), 1.0);
  add("levels, NaCl⁺", salt_levels(0.1), 1.0);
  return f;
}

Figure screening() {
  Figure f{"screening",
           "A slab in a field of 0.1 V/Å",
           Axis::linear(-7, 7, "height (Å)"),
           Axis::linear(-0.7, 0.7, "potential at the atoms (V)"),
           {}};
  f.curves.push_back({"field alone", {{-6.25, 0.625}, {6.25, -0.625}}, false, false});
  const auto metal = potential_in_field(slab_metal());
  const auto insulator = potential_in_field(slab_insulator());
  f.curves.push_back({"metal (equilibration)", metal, true, false});
  f.curves.push_back({"insulator (bond hardness)", insulator, true, false});
  std::printf("potential over a slab in a field: 1.25 V alone, metal %.4f V, insulator %.4f V\n",
              metal.front().second - metal.back().second,
              insulator.front().second - insulator.back().second);
  std::printf("potential of a charge behind a plate, as a fraction: metal %.3f, insulator %.3f\n",
              transmission(plate_metal()), transmission(plate_insulator()));
  return f;
}

Figure capacitors() {
  Figure f{"capacitor",
           "Two metal slabs",
           Axis::linear(0, 3, "bias (V)"),
           Axis::linear(0, 0.004, "charge per area (e/Å²)"),
           {}};
  const auto model = slab_metal();
  for (double gap : {6.0, 8.0, 10.0, 14.0}) {
    f.curves.push_back(curve(
        "gap " + std::to_string(static_cast<int>(gap)) + " Å", range(0, 3, 6),
        [&](double bias) { return capacitor(model, gap, bias).charge_per_area; }, true));
    const Capacitor c = capacitor(model, gap, 1.0);
    std::printf("capacitor, gap %4.1f A: d_eff %.6f A, drop at 1 V %.4f V\n", gap,
                vacuum_permittivity / c.charge_per_area, c.potential_drop);
  }
  return f;
}

Figure traps() {
  const double size = 0.7;
  Figure f{"trap",
           "A level that fills",
           Axis::linear(-6, 3, "Fermi level (V)"),
           Axis::linear(-0.05, 0.75, "charge (e)"),
           {}};
  for (double temperature : {0.05, 0.2, 0.5}) {
    const auto model = trap(temperature, size, SelfInteraction::excluded);
    f.curves.push_back(curve("T = " + examples::format_number(temperature) + " V", range(-6, 3, 90),
                             [&](double level) { return charge_at(model, level); }));
    std::printf("step of 10-90 %% at T = %.2f V: %.5f V, 2 ln 9 T = %.5f V\n", temperature,
                step_width(model, size), 2 * std::log(9.0) * temperature);
  }
  const auto charged = trap(0.05, size, SelfInteraction::included);
  f.curves.push_back(curve("T = 0.05 V and charging energy", range(-6, 3, 90),
                           [&](double level) { return charge_at(charged, level); }));
  return f;
}

Figure hard_bonds() {
  Figure f{"hard_bonds",
           "Bonds that become hard",
           Axis::log(1e-4, 1.0, "bond softness (e/V)"),
           Axis::log(1e-4, 1.0, "difference to fixed charges (e)"),
           {}};
  const auto fixed = ion_fixed();
  decltype(fixed)::Workspace workspace;
  const std::vector<double> expected = fixed.evaluate(ions(), workspace).charges;
  std::vector<double> softness;
  for (int k = -16; k <= 0; ++k) softness.push_back(std::pow(10.0, 0.25 * k));
  f.curves.push_back(curve("largest difference", softness, [&](double s) {
    const auto model = ion_bonds(s);
    typename std::decay_t<decltype(model)>::Workspace other;
    const Prediction& p = model.evaluate(ions(), other);
    double difference = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      difference = std::max(difference, std::abs(p.charges[i] - expected[i]));
    return difference;
  }));
  std::printf("bonds of softness 1e-4 e/V: %.2e e from fixed charges\n",
              f.curves[0].points[0].second);
  return f;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    for (const Figure& figure :
         {chains(), dissociation(), screening(), capacitors(), traps(), hard_bonds()}) {
      const std::string svg = plot(figure), tsv = table(figure);
      if (count < 2) continue;
      const std::filesystem::path folder(arguments[1]);
      std::filesystem::create_directories(folder);
      write_file(folder / (figure.file + ".svg"), svg);
      write_file(folder / (figure.file + ".tsv"), tsv);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
