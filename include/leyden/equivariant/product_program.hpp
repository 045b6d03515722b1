// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/product_basis.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Polynomials in the atomic basis in an order that shares factors: monomials of one output are
/// sorted into runs with a common pair A[a] A[b], whose other factors are summed before the pair is
/// multiplied with them:
///
///   B = Σ w A[a] + Σ_runs A[a] A[b] (w + Σ w A[c] + Σ w A[c] A[d]).
///
/// A cubic term then costs one multiply-add there and two in the adjoint. Pairs are chosen greedily
/// to make few runs.
class ProductProgram {
 public:
  struct Run {
    int a, b;
    bool square;  ///< has the monomial A[a] A[b] itself
    int cubic, quartic;
  };
  struct Component {
    int linear, runs;
  };

  /// Appends an output. Returns, per monomial, the place of its coefficient.
  std::vector<int> add(const std::vector<SymmetricContraction::Monomial>& monomials) {
    Component component{0, 0};
    std::vector<int> place(monomials.size(), -1);
    const auto put = [&](std::size_t k) { place[k] = size_++; };
    for (std::size_t k = 0; k < monomials.size(); ++k)
      if (monomials[k].degree == 1) {
        put(k);
        factors_.push_back(monomials[k].a);
        ++component.linear;
      }
    const int width = [&] {
      int largest = 0;
      for (const auto& m : monomials)
        for (int i = 0; i < m.degree; ++i)
          largest = std::max(largest, indices(m)[static_cast<std::size_t>(i)]);
      return largest + 1;
    }();
    std::vector<int> count(static_cast<std::size_t>(width * width));
    for (;;) {
      // The pair that most of what is left has.
      std::fill(count.begin(), count.end(), 0);
      for (std::size_t k = 0; k < monomials.size(); ++k)
        if (place[k] < 0)
          each_pair(monomials[k], [&](int a, int b, int, int) {
            ++count[static_cast<std::size_t>(a * width + b)];
          });
      std::size_t best = 0;
      for (std::size_t k = 0; k < count.size(); ++k)
        if (count[k] > count[best]) best = k;
      if (count.empty() || count[best] == 0) break;
      Run run{static_cast<int>(best) / width, static_cast<int>(best) % width, false, 0, 0};
      for (int degree = 2; degree <= 4; ++degree)
        for (std::size_t k = 0; k < monomials.size(); ++k) {
          if (place[k] >= 0 || monomials[k].degree != degree) continue;
          bool found = false;
          each_pair(monomials[k], [&](int a, int b, int c, int d) {
            if (found || a != run.a || b != run.b) return;
            found = true;
            if (degree > 2) factors_.push_back(c);
            if (degree > 3) factors_.push_back(d);
          });
          if (!found) continue;
          put(k);
          if (degree == 2) run.square = true;
          if (degree == 3) ++run.cubic;
          if (degree == 4) ++run.quartic;
        }
      runs_.push_back(run);
      ++component.runs;
    }
    components_.push_back(component);
    return place;
  }

  /// Coefficients of all outputs.
  int size() const { return size_; }
  const std::vector<Component>& components() const { return components_; }
  const Run* runs() const { return runs_.data(); }
  /// a of linear terms, c of cubic ones, c and d of quartic ones, in order.
  const int* factors() const { return factors_.data(); }

 private:
  static std::array<int, 4> indices(const SymmetricContraction::Monomial& m) {
    return {m.a, m.b, m.c, m.d};
  }
  // f(a, b, the other factors) for each different pair of factors.
  template <class F>
  static void each_pair(const SymmetricContraction::Monomial& m, F&& f) {
    const std::array<int, 4> k = indices(m);
    const std::size_t n = static_cast<std::size_t>(m.degree);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i + 1; j < n; ++j) {
        if ((i > 0 && k[i - 1] == k[i]) || (j > i + 1 && k[j - 1] == k[j])) continue;
        std::array<int, 2> rest{0, 0};
        std::size_t r = 0;
        for (std::size_t q = 0; q < n; ++q)
          if (q != i && q != j) rest[r++] = k[q];
        f(k[i], k[j], rest[0], rest[1]);
      }
  }

  int size_ = 0;
  std::vector<Component> components_;
  std::vector<Run> runs_;
  std::vector<int> factors_;
};

}  // namespace leyden::inline LEYDEN_ABI
