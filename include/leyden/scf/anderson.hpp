// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/eliminate.hpp>
#include <leyden/scf/krylov.hpp>

#include <algorithm>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// History of Anderson mixing.
template <std::floating_point R>
struct AndersonMemory {
  std::vector<R> steps, changes;  // (history·n) differences of densities and of residuals
  std::vector<R> last_x, last_r;  // (n)
  std::vector<R> gram, weights;
  int stored = 0, next = 0;

  void restart() { stored = next = 0, last_x.clear(); }
};

/// One step of Anderson mixing: x ← x + βr − (ΔX + βΔR) γ with γ the least-squares solution of
/// ΔR γ = r. Anderson, J. ACM 12, 547 (1965); Walker and Ni, SIAM J. Numer. Anal. 49, 1715 (2011).
/// The normal equations are regularised at the level of their rounding error. Sums of x that all
/// residuals leave alone stay as they are.
template <std::floating_point R>
void anderson_step(std::span<R> x, std::span<const R> r, R beta, int history,
                   AndersonMemory<R>& m) {
  const std::size_t n = x.size();
  const std::size_t most = static_cast<std::size_t>(std::max(history, 1));
  m.steps.resize(most * n);
  m.changes.resize(most * n);
  if (m.last_x.size() == n) {
    const std::size_t at = static_cast<std::size_t>(m.next) * n;
    for (std::size_t i = 0; i < n; ++i) {
      m.steps[at + i] = x[i] - m.last_x[i];
      m.changes[at + i] = r[i] - m.last_r[i];
    }
    m.next = (m.next + 1) % static_cast<int>(most);
    m.stored = std::min(m.stored + 1, static_cast<int>(most));
  }
  m.last_x.assign(x.begin(), x.end());
  m.last_r.assign(r.begin(), r.end());
  const std::size_t k = static_cast<std::size_t>(m.stored);
  const auto change = [&](std::size_t j) {
    return std::span<const R>(m.changes).subspan(j * n, n);
  };
  // Columns scaled to one, so that old, large changes do not hide new, small ones.
  m.gram.assign(k * k + k, R(0));
  m.weights.assign(k, R(0));
  for (std::size_t i = 0; i < k; ++i) {
    m.gram[k * k + i] = detail::euclidean_norm<R>(change(i));
    if (!(m.gram[k * k + i] > R(0))) m.gram[k * k + i] = R(1);
  }
  const R* scale = m.gram.data() + k * k;
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j <= i; ++j)
      m.gram[i * k + j] = m.gram[j * k + i] =
          detail::dot_product<R>(change(i), change(j)) / (scale[i] * scale[j]);
    m.gram[i * k + i] += R(1e-13);
    m.weights[i] = detail::dot_product<R>(change(i), r) / scale[i];
  }
  if (k > 0 && !detail::eliminate(k, m.gram.data(), m.weights.data()))
    std::fill(m.weights.begin(), m.weights.end(), R(0));
  for (std::size_t i = 0; i < n; ++i) x[i] += beta * r[i];
  for (std::size_t j = 0; j < k; ++j) {
    const R gamma = m.weights[j] / scale[j];
    for (std::size_t i = 0; i < n; ++i)
      x[i] -= gamma * (m.steps[j * n + i] + beta * m.changes[j * n + i]);
  }
}

}  // namespace leyden::inline LEYDEN_ABI
