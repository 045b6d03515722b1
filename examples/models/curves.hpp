// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "plots.hpp"
#include "svg.hpp"

// Curves of several models, and of a reference, in one frame: the figures of a study.
namespace examples {

/// Collects figures in the order of their first curve.
class Curves {
 public:
  /// How a series is drawn: models as lines with marks, what they are compared with in black.
  enum class Style { line, reference_line, reference_points };

  /// Adds `points` (x, y) to the series `name` of the figure `title`. The same series added again,
  /// with the same abscissas, is another seed: the line is the mean, bars are their range. Labels
  /// are those of the first call. `half_bars`: (points) half lengths of bars, in place of seeds.
  void add(const std::string& title, const std::string& x_label, const std::string& y_label,
           const std::string& name, Curve points, Style style = Style::line,
           std::vector<double> half_bars = {}) {
    if (points.empty()) return;
    auto figure = std::find_if(figures_.begin(), figures_.end(),
                               [&](const Figure& f) { return f.title == title; });
    if (figure == figures_.end())
      figure = figures_.insert(figures_.end(), Figure{title, x_label, y_label, {}});
    auto series = std::find_if(figure->series.begin(), figure->series.end(),
                               [&](const Series& s) { return s.name == name; });
    if (series == figure->series.end())
      series = figure->series.insert(figure->series.end(), Series{name, style, {}, {}});
    series->runs.push_back(std::move(points));
    series->half_bars = std::move(half_bars);
  }

  bool empty() const { return figures_.empty(); }

  /// All figures as HTML.
  std::string html() const {
    std::string text;
    for (const Figure& f : figures_)
      text.append("<figure>\n").append(draw(f)).append("</figure>\n");
    return text;
  }
  /// All numbers: figure, series, x, y, half of the bar.
  std::string csv() const {
    std::string text = "figure,series,x,y,half_bar\n";
    for (const Figure& f : figures_)
      for (const Series& s : f.series) {
        const Line line = mean(s);
        for (std::size_t k = 0; k < line.points.size(); ++k) {
          char numbers[96];
          std::snprintf(numbers, sizeof numbers, ",%.6g,%.6g,%.6g\n", line.points[k].first,
                        line.points[k].second, line.half_bars[k]);
          text.append("\"").append(f.title).append("\",\"").append(s.name).append("\"");
          text += numbers;
        }
      }
    return text;
  }

 private:
  struct Series {
    std::string name;
    Style style = Style::line;
    std::vector<Curve> runs;
    std::vector<double> half_bars;
  };
  struct Figure {
    std::string title, x_label, y_label;
    std::vector<Series> series;
  };
  struct Line {
    Curve points;
    std::vector<double> half_bars;
  };

  // Runs whose abscissas differ have no mean: the first stands for them.
  static Line mean(const Series& s) {
    Line line{s.runs[0], s.half_bars};
    line.half_bars.resize(line.points.size(), 0.0);
    std::vector<const Curve*> runs;
    for (const Curve& run : s.runs)
      if (run.size() == line.points.size() &&
          std::equal(run.begin(), run.end(), line.points.begin(),
                     [](const auto& a, const auto& b) { return a.first == b.first; }))
        runs.push_back(&run);
    if (runs.size() < 2) return line;
    for (std::size_t k = 0; k < line.points.size(); ++k) {
      double low = 1e300, high = -1e300, sum = 0.0;
      for (const Curve* run : runs) {
        const double y = (*run)[k].second;
        sum += y;
        low = std::min(low, y);
        high = std::max(high, y);
      }
      line.points[k].second = sum / static_cast<double>(runs.size());
      line.half_bars[k] = 0.5 * (high - low);
    }
    return line;
  }

  static std::string draw(const Figure& f) {
    std::vector<Line> lines;
    double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
    for (const Series& s : f.series) {
      lines.push_back(mean(s));
      const Line& line = lines.back();
      for (std::size_t k = 0; k < line.points.size(); ++k) {
        const auto& [x, y] = line.points[k];
        x0 = std::min(x0, x);
        x1 = std::max(x1, x);
        y0 = std::min(y0, y - line.half_bars[k]);
        y1 = std::max(y1, y + line.half_bars[k]);
      }
    }
    if (!(x1 > x0)) x1 = x0 + 1.0;
    if (!(y1 > y0)) y1 = y0 + 1.0;
    const double x_margin = 0.03 * (x1 - x0), y_margin = 0.05 * (y1 - y0);
    constexpr double width = 720, height = 380;
    Svg svg(width + 200, height, f.title);
    const Panel panel(svg, 80, 34, width - 100, height - 84,
                      Axis::linear(x0 - x_margin, x1 + x_margin, f.x_label),
                      Axis::linear(y0 - y_margin, y1 + y_margin, f.y_label));
    panel.axes(f.title);
    // Twice as many looks as colours: every other round is dashed.
    std::size_t next = 0;
    double below = 46;
    for (std::size_t k = 0; k < lines.size(); ++k) {
      const Series& s = f.series[k];
      const bool reference = s.style != Style::line;
      const std::string color = reference ? "#000" : plot_colors[next % plot_colors.size()];
      const bool dashed = !reference && (next / plot_colors.size()) % 2 == 1;
      if (!reference) ++next;
      std::string stroke = "fill=\"none\" stroke=\"" + color + "\" stroke-width=\"";
      stroke += reference ? "2.6\"" : "1.5\"";
      const std::string bars = stroke;
      if (dashed) stroke += " stroke-dasharray=\"6 3\"";
      const bool connected = s.style != Style::reference_points;
      // Marks show where the numbers are; many are a line already.
      const bool marked = !connected || lines[k].points.size() <= 24;
      std::vector<std::pair<double, double>> at;
      for (std::size_t i = 0; i < lines[k].points.size(); ++i) {
        const auto& [x, y] = lines[k].points[i];
        at.emplace_back(panel.px(x), panel.py(y));
        const double bar = lines[k].half_bars[i];
        if (bar > 0.0)
          svg.line(at.back().first, panel.py(y - bar), at.back().first, panel.py(y + bar), bars);
      }
      std::string fill = "fill=\"";
      fill.append(color).append("\"");
      if (connected) svg.polyline(at, stroke);
      if (marked)
        for (const auto& [x, y] : at) svg.circle(x, y, reference ? 3.6 : 2.4, fill);
      if (connected)
        svg.line(width - 8, below - 4, width + 14, below - 4, stroke);
      else
        svg.circle(width + 3, below - 4, 3.6, fill);
      svg.text(width + 20, below, s.name);
      below += 20;
    }
    return svg.str();
  }

  std::vector<Figure> figures_;
};

}  // namespace examples
