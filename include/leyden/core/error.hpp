// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace leyden::inline LEYDEN_ABI {

/// Base of all errors thrown by leyden. The text says where, what was given, what was expected and
/// what to do. Kernels never throw: errors leave at the boundary, before work starts.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& text) : std::runtime_error(text) {}
};

/// Bad data: a structure, a file, a label.
class InputError : public Error {
 public:
  explicit InputError(const std::string& text) : Error(text) {}
};

/// A model that cannot be built or does not fit the structure: shapes, unknown species, missing
/// weights, a boundary condition that the solver does not have.
class ModelError : public Error {
 public:
  explicit ModelError(const std::string& text) : Error(text) {}
};

/// An iteration that was required to converge and did not.
class ConvergenceError : public Error {
 public:
  explicit ConvergenceError(const std::string& text) : Error(text) {}
};

namespace detail {
/// A number for the text of an error.
inline std::string number_text(double x) {
  std::string s = std::to_string(x);
  // Six decimals hide small numbers.
  if (x != 0 && (std::abs(x) < 1e-3 || std::abs(x) >= 1e9)) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.6g", x);
    s = buffer;
  }
  return s;
}
}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
