// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
/// Solves a x = b in place by Gaussian elimination with partial pivoting; a is n × n and b n ×
/// columns, row-major; a is lost. Returns false for a singular matrix.
template <std::floating_point R>
bool eliminate(std::size_t n, R* a, R* b, std::size_t columns = 1) {
  const auto subtract = [](std::size_t count, R f, const R* from, R* to) {
    for (std::size_t j = 0; j < count; ++j) to[j] -= f * from[j];
  };
  constexpr std::size_t whole = 64 / sizeof(R);
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    if (!(std::abs(a[pivot * n + k]) > R(0))) return false;
    if (pivot != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + pivot * n);
      std::swap_ranges(b + k * columns, b + (k + 1) * columns, b + pivot * columns);
    }
    // Nobody reads what is left of the diagonal: whole vectors may begin there.
    const std::size_t first = (k + 1) / whole * whole;
    const R* const right = b + k * columns;
    const bool zero = std::all_of(right, right + columns, [](R x) { return x == R(0); });
    const R inverse = R(1) / a[k * n + k];
    for (std::size_t i = k + 1; i < n; ++i) {
      const R f = a[i * n + k] * inverse;
      if (f == R(0)) continue;
      subtract(n - first, f, a + k * n + first, a + i * n + first);
      if (!zero) subtract(columns, f, right, b + i * columns);
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j)
      subtract(columns, a[k * n + j], b + j * columns, b + k * columns);
    for (std::size_t c = 0; c < columns; ++c) b[k * columns + c] /= a[k * n + k];
  }
  return true;
}

/// Factorises a symmetric positive a = L Lᵀ in place (lower triangle, row-major). Returns false for
/// a matrix that is not positive.
template <std::floating_point R>
bool cholesky(std::size_t n, R* a) {
  for (std::size_t k = 0; k < n; ++k) {
    R* const row = a + k * n;
    for (std::size_t j = 0; j <= k; ++j) {
      R sum = row[j];
      const R* const other = a + j * n;
      for (std::size_t m = 0; m < j; ++m) sum -= row[m] * other[m];
      if (j < k)
        row[j] = sum / other[j];
      else if (sum > R(0))
        row[k] = std::sqrt(sum);
      else
        return false;
    }
  }
  return true;
}
}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
