// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
/// Solves a x = b in place by Gaussian elimination with partial pivoting; a is n × n row-major.
/// Returns false for a singular matrix.
template <std::floating_point R>
bool eliminate(std::size_t n, R* a, R* b) {
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    if (!(std::abs(a[pivot * n + k]) > R(0))) return false;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + pivot * n);
      std::swap(b[k], b[pivot]);
    }
    for (std::size_t i = k + 1; i < n; ++i) {
      const R f = a[i * n + k] / a[k * n + k];
      if (f == R(0)) continue;
      for (std::size_t j = k + 1; j < n; ++j) a[i * n + j] -= f * a[k * n + j];
      b[i] -= f * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
  return true;
}
}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
