// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "svg.hpp"

// What is expected of models, and whether their numbers say so.
namespace examples {

/// A quantity of a model compared with a limit.
struct ClaimTest {
  std::string quantity;
  bool below = true;  ///< the value must be below the limit; else above it
  double limit = 0.0;

  bool holds(double value) const { return below ? value < limit : value > limit; }
};

/// Three digits; what is zero but for rounding is zero.
inline std::string number_text(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", std::abs(x) < 1e-12 ? 0.0 : x);
  return text;
}

/// A mean and its spread, to one digit of the spread (two where that is 1) or three of the mean,
/// whichever are fewer.
inline std::string number_text(double mean, double spread) {
  const auto exponent = [](double x) { return static_cast<int>(std::floor(std::log10(x))); };
  if (!(spread > 1e-12)) return number_text(mean) + " ± 0";
  const int of_spread = exponent(spread);
  int decimals = (spread < 2.0 * std::pow(10.0, of_spread) ? 1 : 0) - of_spread;
  if (std::abs(mean) > 1e-12) decimals = std::min(decimals, 2 - exponent(std::abs(mean)));
  char text[64];
  std::snprintf(text, sizeof text, "%.*f ± %.*f", std::max(decimals, 0), mean,
                std::max(decimals, 0), spread);
  return text;
}

/// A sentence about models that numbers confirm or refute. It holds for a model when all tests do.
struct Claim {
  std::string statement;            ///< a main clause, without a full stop
  std::vector<std::string> models;  ///< titles of those it is about; empty: all
  std::vector<ClaimTest> tests;
  bool only = false;  ///< ... and it is said to hold for no other model
};

/// The value of a quantity for the model of a number; empty where it has none.
using ClaimValue = std::function<std::optional<double>(std::size_t, const std::string&)>;

/// HTML list of claims: the test, the verdict, and who it is about with their numbers.
inline std::string judge(const std::vector<Claim>& claims, const std::vector<std::string>& titles,
                         const ClaimValue& value) {
  std::string text;
  for (const Claim& claim : claims) {
    std::vector<std::string> hold, fail, unknown, others;
    std::size_t asked = 0;
    for (std::size_t m = 0; m < titles.size(); ++m) {
      bool about = claim.models.empty();
      for (const std::string& title : claim.models) about = about || title == titles[m];
      bool known = true, holds = true;
      std::string numbers, last;
      for (const ClaimTest& test : claim.tests) {
        const auto v = value(m, test.quantity);
        if (!v) {
          known = false;
          break;
        }
        holds = holds && test.holds(*v);
        if (test.quantity != last)
          numbers.append(numbers.empty() ? "" : "; ").append(number_text(*v));
        last = test.quantity;
      }
      std::string name = titles[m];
      if (known) name.append(" (").append(numbers).append(")");
      asked += about;
      if (about)
        (!known ? unknown : holds ? hold : fail).push_back(name);
      else if (known && holds)
        others.push_back(name);
    }
    if (asked == 0 || hold.size() + fail.size() == 0) continue;
    const auto listed = [](const std::vector<std::string>& names) {
      std::string all;
      for (const std::string& n : names) all.append(all.empty() ? "" : ", ").append(n);
      return escape_xml(all);
    };
    std::string tests;
    for (const ClaimTest& test : claim.tests) {
      char limit[32];
      std::snprintf(limit, sizeof limit, " %s %g", test.below ? "<" : ">", test.limit);
      tests.append(tests.empty() ? "" : "; ").append(test.quantity).append(limit);
    }
    const bool confirmed = fail.empty() && !(claim.only && !others.empty());
    text.append("<li>").append(escape_xml(claim.statement)).append(" [");
    text.append(escape_xml(tests)).append("]: <b>");
    text += confirmed ? "confirmed" : hold.empty() ? "refuted" : "confirmed in part";
    text += "</b>.";
    if (!hold.empty()) text.append(" True of ").append(listed(hold)).append(".");
    if (!fail.empty()) text.append(" Not true of ").append(listed(fail)).append(".");
    if (!unknown.empty()) text.append(" No such number: ").append(listed(unknown)).append(".");
    if (!others.empty()) text.append(" Also true of ").append(listed(others)).append(".");
    text += "</li>\n";
  }
  return text.empty() ? text : "<ul>\n" + text + "</ul>\n";
}

}  // namespace examples
