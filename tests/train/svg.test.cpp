// SPDX-License-Identifier: MIT
#include "../../examples/models/svg.hpp"

#include "support/catch.hpp"

namespace svg_test {

using namespace examples;

namespace {

/// Whether tags nest and close, attributes are quoted, and no stray & or < is left.
bool well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '&') {
      const std::size_t end = text.find(';', i);
      if (end == std::string::npos || end - i > 6) return false;
    }
    if (text[i] != '<') continue;
    const std::size_t end = text.find('>', i);
    if (end == std::string::npos) return false;
    const std::string tag = text.substr(i + 1, end - i - 1);
    if (tag.find('<') != std::string::npos || std::count(tag.begin(), tag.end(), '"') % 2 != 0)
      return false;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    i = end;
  }
  return open.empty();
}

}  // namespace

TEST_CASE("plots are well-formed") {
  Svg svg(300, 200, "a < b & \"c\"");
  Panel panel(svg, 50, 20, 200, 120, Axis::linear(-1.0, 3.0, "x < y"), Axis::log(0.5, 80.0, "z"));
  panel.axes("Title & more");
  svg.open_group("fill=\"#000\"");
  svg.circle(panel.px(0.0), panel.py(2.0), 2.0, "");
  svg.close_group();
  svg.polyline({{1.0, 2.0}, {3.0, 4.0}}, "fill=\"none\"");
  legend(svg, 10, 10, {{"<one>", "#123456"}}, true);
  const std::string text = svg.str();
  CHECK(well_formed(text));
  CHECK(text.find("a &lt; b &amp; &quot;c&quot;") != std::string::npos);
  CHECK(text.find("nan") == std::string::npos);
  // The checker sees faults.
  CHECK_FALSE(well_formed(text + "<g>"));
  CHECK_FALSE(well_formed("<a b=\"c></a>"));
  CHECK_FALSE(well_formed("<a>&</a>"));
}

TEST_CASE("ticks are round and inside") {
  const auto labels = [](const Axis& axis) {
    std::string all;
    for (const auto& [v, text] : axis.ticks()) {
      CHECK(axis.at(v) > -1e-3);
      CHECK(axis.at(v) < 1.0 + 1e-3);
      all += text + " ";
    }
    return all;
  };
  CHECK(labels(Axis::linear(-0.37, 0.41, "")) == "−0.2 0.0 0.2 0.4 ");
  CHECK(labels(Axis::linear(0.0, 100.0, "")) == "0 20 40 60 80 100 ");
  CHECK(labels(Axis::log(3.0, 60.0, "")) == "5 10 20 50 ");
  CHECK(labels(Axis::log(39.0, 105.0, "")) == "40 50 60 70 80 90 100 ");  // less than a decade
  CHECK(labels(Axis::log(0.8, 2000.0, "")) == "1 10 100 1000 ");
}

TEST_CASE("data at the rim and flat data have a place") {
  Svg svg(100, 100, "");
  const Panel panel(svg, 10, 10, 80, 80, Axis::linear(2.0, 2.0, ""), Axis::log(1.0, 10.0, ""));
  CHECK(panel.px(2.0) == 10.0);
  CHECK(panel.py(10.0) == 10.0);
  CHECK(panel.py(0.0) == 90.0);  // logarithm of nothing: the lower rim
}

TEST_CASE("small numbers on a logarithmic axis are powers of ten, with room between them") {
  const auto ticks = Axis::log(1e-13, 0.5, "residual").ticks();
  REQUIRE(ticks.size() <= 8);
  REQUIRE(ticks.size() >= 4);
  CHECK(power_of_ten(-12) == "10⁻¹²");
  CHECK(power_of_ten(7) == "10⁷");
  for (const auto& [value, label] : ticks) CHECK(label.size() < 12);
}

}  // namespace svg_test
