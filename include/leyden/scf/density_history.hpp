// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/eliminate.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The densities of the last steps of molecular dynamics and what they say of the next one.
///
/// Linear prediction: the change p_t − p_(t−1) is fitted to those before it (least squares over all
/// atoms), and the same coefficients take the known changes one step ahead. That continues straight
/// lines and polynomials, and oscillations that atoms have in common exactly, and weighs the
/// rounding that converged densities carry by itself. (Makhoul, Proc. IEEE 63, 561 (1975).)
template <std::floating_point R>
class DensityHistory {
 public:
  static constexpr std::size_t most = 7;  // changes

  /// Numbers of a density; 0: nothing is known.
  std::size_t size() const { return last_.size(); }
  void clear() {
    last_.clear();
    count_ = 0;
  }

  /// Takes in a converged density.
  void add(std::span<const R> p) {
    if (p.size() != last_.size()) {
      last_.assign(p.begin(), p.end());
      count_ = 0;
      return;
    }
    // The oldest one makes room.
    std::rotate(change_.begin(), change_.end() - 1, change_.end());
    for (std::size_t k = most; k-- > 1;)
      for (std::size_t j = most; j-- > 1;) gram_[k][j] = gram_[k - 1][j - 1];
    std::vector<R>& change = change_[0];
    change.resize(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      change[i] = p[i] - last_[i];
      last_[i] = p[i];
    }
    count_ = std::min(count_ + 1, most);
    for (std::size_t k = 0; k < count_; ++k) {
      double sum = 0;
      for (std::size_t i = 0; i < p.size(); ++i)
        sum += static_cast<double>(change[i]) * static_cast<double>(change_[k][i]);
      gram_[0][k] = gram_[k][0] = sum;
    }
  }

  /// The density to be expected next.
  void predict(std::span<R> p) const {
    std::array<double, most> a{};
    fit(a);
    std::copy(last_.begin(), last_.end(), p.begin());
    for (std::size_t k = 0; k < count_; ++k) {
      if (a[k] == 0.0) continue;
      const R factor = static_cast<R>(a[k]);
      for (std::size_t i = 0; i < p.size(); ++i) p[i] += factor * change_[k][i];
    }
  }

 private:
  // change_[0] ≈ Σ_k a_k change_[k + 1]
  void fit(std::array<double, most>& a) const {
    if (count_ == 1) a[0] = 1.0;  // a straight line
    if (count_ < 2) return;
    const std::size_t n = count_ - 1;
    std::array<double, most * most> matrix{};
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t j = 0; j < n; ++j) matrix[k * n + j] = gram_[k + 1][j + 1];
      // Changes that are alike, or none, leave coefficients open.
      matrix[k * n + k] += 1e-13 * matrix[k * n + k] + 1e-300;
      a[k] = gram_[0][k + 1];
    }
    if (!detail::eliminate(n, matrix.data(), a.data())) a = {};
    for (double& x : a)
      if (!(std::abs(x) < 1e3)) x = 0.0;
  }

  std::vector<R> last_;
  std::array<std::vector<R>, most> change_;  // the newest first
  std::array<std::array<double, most>, most> gram_{};
  std::size_t count_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI
