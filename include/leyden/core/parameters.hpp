// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/random.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Passes over all parameters take so many at a time, by the threads of an executor.
inline constexpr std::size_t parameters_of_block = 4096;

/// How a fresh slice is filled.
struct Initializer {
  enum class Kind { constant, normal };
  Kind kind = Kind::normal;
  double value = 1.0;  ///< the constant, or the standard deviation

  static constexpr Initializer constant(double v) { return {Kind::constant, v}; }
  static constexpr Initializer normal(double deviation) { return {Kind::normal, deviation}; }
};

/// Where a block finds its numbers in the flat parameter vector.
struct Slice {
  std::size_t offset = 0;
  std::size_t size = 0;

  template <class T>
  std::span<T> of(std::span<T> all) const {
    return all.subspan(offset, size);
  }
};

/// A named, shaped slice, as files and reports see it.
struct ParameterInfo {
  std::string name;
  std::vector<int> shape;  // row-major
  Slice slice;
  Initializer initializer;
  bool decays = false;  ///< takes part in weight decay
  bool trained = true;  ///< false: fixed numbers (buffers of the data, such as E0)
};

/// The table of contents of the flat parameter vector. Blocks add their slices when a model is
/// built; optimisers and files see this list and the vector, nothing else.
class ParameterLayout {
 public:
  /// Appends a slice. No axes: one number; an axis of zero: an empty slice.
  /// @throws ModelError when the name is taken or an axis is negative.
  Slice add(std::string name, std::vector<int> shape, Initializer initializer, bool decays = false,
            bool trained = true) {
    for (const auto& p : entries_)
      if (p.name == name) throw ModelError("parameter '" + name + "' is declared twice");
    std::size_t n = 1;
    for (int s : shape) {
      if (s < 0)
        throw ModelError("parameter '" + name + "' has an axis of " + std::to_string(s) +
                         "; sizes are zero or positive");
      n *= static_cast<std::size_t>(s);
    }
    const Slice slice{size_, n};
    size_ += n;
    entries_.push_back({std::move(name), std::move(shape), slice, initializer, decays, trained});
    return slice;
  }

  const std::vector<ParameterInfo>& entries() const { return entries_; }
  std::size_t size() const { return size_; }

  /// @throws ModelError when there is no slice of that name.
  const ParameterInfo& find(std::string_view name) const {
    for (const auto& p : entries_)
      if (p.name == name) return p;
    throw ModelError("no parameter is named '" + std::string(name) + "'");
  }

  /// Fresh values, the same for a seed on every machine. (size() numbers)
  std::vector<double> initial_values(std::uint64_t seed) const {
    std::vector<double> values(size_);
    RandomStream random(seed);
    for (const auto& p : entries_)
      for (std::size_t i = 0; i < p.slice.size; ++i)
        values[p.slice.offset + i] = p.initializer.kind == Initializer::Kind::constant
                                         ? p.initializer.value
                                         : p.initializer.value * random.normal();
    return values;
  }

 private:
  std::vector<ParameterInfo> entries_;
  std::size_t size_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI
