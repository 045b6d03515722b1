// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Just enough of SVG for plots: panels with axes, points, lines, bars and a legend.
namespace examples {

/// Text with the characters that XML reserves written as entities.
inline std::string escape_xml(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

/// A coordinate: two decimals, without trailing zeros.
inline std::string format_number(double v, int digits = 2) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, v);
  std::string s = text;
  if (s.find('.') != std::string::npos) {
    s.erase(s.find_last_not_of('0') + 1);
    if (s.back() == '.') s.pop_back();
  }
  return s == "-0" ? "0" : s;
}

/// "10⁻⁸"
inline std::string power_of_ten(int exponent) {
  static constexpr const char* digits[]{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = "10";
  if (exponent < 0) text += "⁻";
  for (char c : std::to_string(std::abs(exponent))) text += digits[c - '0'];
  return text;
}

/// A range of data and its round ticks.
struct Axis {
  double low = 0.0, high = 1.0;
  bool logarithmic = false;
  std::string label;

  /// Position in the range: 0 … 1.
  double at(double v) const {
    if (logarithmic) return std::log(v / low) / std::log(high / low);
    return (v - low) / (high - low);
  }
  static Axis linear(double low, double high, std::string label) {
    if (!(high > low)) high = low + 1.0;
    return {low, high, false, std::move(label)};
  }
  static Axis log(double low, double high, std::string label) {
    low = std::max(low, 1e-12);
    if (!(high > 1.5 * low)) high = 1.5 * low;
    return {low, high, true, std::move(label)};
  }

  /// About `wanted` round numbers within the range, and how to write them.
  std::vector<std::pair<double, std::string>> ticks(int wanted = 5) const {
    std::vector<std::pair<double, std::string>> out;
    // Less than a decade: the same round numbers as on a linear axis.
    if (logarithmic && high / low >= 10.0) {
      const bool few = high / low < 100.0;
      const int first = static_cast<int>(std::floor(std::log10(low)));
      // Every so many decades, so that labels have room.
      const int stride = (static_cast<int>(std::log10(high / low)) + 5) / 6;
      for (int e = first; std::pow(10.0, e) <= high; ++e)
        for (int m : {1, 2, 5}) {
          const double v = m * std::pow(10.0, e);
          if (v >= low * 0.999 && v <= high * 1.001 && (m == 1 || few) && e % stride == 0)
            out.emplace_back(v, e < -4 ? power_of_ten(e) : format_number(v, std::max(0, -e)));
        }
      return out;
    }
    const double raw = (high - low) / wanted;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    const double mantissa = raw / power;
    const double step = power * (mantissa < 1.5 ? 1 : mantissa < 3.5 ? 2 : mantissa < 7.5 ? 5 : 10);
    const int digits = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
    for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1.0) {
      char text[32];
      std::snprintf(text, sizeof text, "%.*f", digits, k * step + 0.0);
      std::string s = text;
      if (s.find_first_not_of("-0.") == std::string::npos && s[0] == '-') s.erase(0, 1);
      if (s[0] == '-') s.replace(0, 1, "−");
      out.emplace_back(k * step, s);
    }
    return out;
  }
};

/// An SVG document.
class Svg {
 public:
  Svg(double width, double height, std::string_view title) : width_(width), height_(height) {
    body_ = "<title>" + escape_xml(title) + "</title>\n";
  }

  void text(double x, double y, std::string_view s, std::string_view attributes = "") {
    body_ += "<text x=\"" + format_number(x) + "\" y=\"" + format_number(y) + "\" " +
             std::string(attributes) + ">" + escape_xml(s) + "</text>\n";
  }
  void line(double x1, double y1, double x2, double y2, std::string_view attributes) {
    body_ += "<line x1=\"" + format_number(x1) + "\" y1=\"" + format_number(y1) + "\" x2=\"" +
             format_number(x2) + "\" y2=\"" + format_number(y2) + "\" " + std::string(attributes) +
             "/>\n";
  }
  void rectangle(double x, double y, double w, double h, std::string_view attributes) {
    body_ += "<rect x=\"" + format_number(x) + "\" y=\"" + format_number(y) + "\" width=\"" +
             format_number(w) + "\" height=\"" + format_number(h) + "\" " +
             std::string(attributes) + "/>\n";
  }
  void circle(double x, double y, double r, std::string_view attributes) {
    body_ += "<circle cx=\"" + format_number(x) + "\" cy=\"" + format_number(y) + "\" r=\"" +
             format_number(r) + "\" " + std::string(attributes) + "/>\n";
  }
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view attributes) {
    body_ += "<polyline points=\"";
    for (const auto& [x, y] : points) body_ += format_number(x) + "," + format_number(y) + " ";
    body_ += "\" " + std::string(attributes) + "/>\n";
  }
  void open_group(std::string_view attributes) { body_ += "<g " + std::string(attributes) + ">\n"; }
  void close_group() { body_ += "</g>\n"; }

  std::string str() const {
    const std::string w = format_number(width_), h = format_number(height_);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + w + " " + h +
           "\" width=\"" + w + "\" height=\"" + h +
           "\" font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\" font-size=\"12\" "
           "fill=\"#333\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n" +
           body_ + "</svg>\n";
  }

 private:
  double width_, height_;
  std::string body_;
};

/// A framed plot area at (left, top) of a document, in pixels.
class Panel {
 public:
  Panel(Svg& svg, double left, double top, double width, double height, Axis x, Axis y)
      : svg_(svg),
        left_(left),
        top_(top),
        width_(width),
        height_(height),
        x_(std::move(x)),
        y_(std::move(y)) {}

  double px(double v) const { return left_ + width_ * std::clamp(x_.at(v), -0.02, 1.02); }
  double py(double v) const {
    return top_ +
           height_ * (1.0 - std::clamp(v > 0 || !y_.logarithmic ? y_.at(v) : 0.0, -0.02, 1.02));
  }

  /// Grid, ticks, labels and title. Before the data. `y_labels`: not needed right of another panel
  /// with the same axis.
  void axes(std::string_view title, bool y_labels = true, int x_ticks = 5, int y_ticks = 5) const {
    const std::string grid = "stroke=\"#e8e8e8\" stroke-width=\"1\"";
    for (const auto& [v, label] : x_.ticks(x_ticks)) {
      svg_.line(px(v), top_, px(v), top_ + height_, grid);
      svg_.text(px(v), top_ + height_ + 17, label, "text-anchor=\"middle\" font-size=\"11\"");
    }
    for (const auto& [v, label] : y_.ticks(y_ticks)) {
      svg_.line(left_, py(v), left_ + width_, py(v), grid);
      if (y_labels) svg_.text(left_ - 7, py(v) + 4, label, "text-anchor=\"end\" font-size=\"11\"");
    }
    svg_.rectangle(left_, top_, width_, height_,
                   "fill=\"none\" stroke=\"#999\" stroke-width=\"1\"");
    svg_.text(left_ + width_ / 2, top_ - 9, title,
              "text-anchor=\"middle\" font-size=\"13\" font-weight=\"bold\"");
    svg_.text(left_ + width_ / 2, top_ + height_ + 36, x_.label, "text-anchor=\"middle\"");
    if (y_labels && !y_.label.empty()) {
      const std::string x = format_number(left_ - 48), y = format_number(top_ + height_ / 2);
      svg_.text(left_ - 48, top_ + height_ / 2, y_.label,
                "text-anchor=\"middle\" transform=\"rotate(-90 " + x + " " + y + ")\"");
    }
  }

 private:
  Svg& svg_;
  double left_, top_, width_, height_;
  Axis x_, y_;
};

/// A row of coloured marks with names, starting at (x, y).
inline void legend(Svg& svg, double x, double y,
                   const std::vector<std::pair<std::string, std::string>>& entries,
                   bool lines = false) {
  for (const auto& [name, color] : entries) {
    if (lines)
      svg.line(x, y - 4, x + 18, y - 4, "stroke=\"" + color + "\" stroke-width=\"2.5\"");
    else
      svg.circle(x + 9, y - 4, 4.5, "fill=\"" + color + "\"");
    svg.text(x + 24, y, name);
    x += 44 + 6.6 * static_cast<double>(name.size());
  }
}

}  // namespace examples
