// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Reading and writing need nlohmann-json, which only this room uses.
#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

/// A named array of a safetensors file.
struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;  ///< row-major; empty: one number
  std::vector<double> values;
};

/// The content of a safetensors file (format of huggingface/safetensors): named arrays and a table
/// of texts. Numbers are kept as double; files may hold F64 or F32.
struct SafeTensors {
  std::map<std::string, std::string> metadata;
  std::vector<Tensor> tensors;  ///< in the order of their data

  /// Null when there is none of that name.
  const Tensor* find(std::string_view name) const {
    for (const Tensor& t : tensors)
      if (t.name == name) return &t;
    return nullptr;
  }
};

/// The file is written beside its place and then moved there, all numbers as F64.
/// @throws InputError when it cannot be written, a name is used twice, a number is not finite or a
/// shape does not fit its numbers.
inline void write_safetensors(const std::string& path, const SafeTensors& content);

/// Nothing that the file says is believed before it is checked: the lengths against those of the
/// file, types, shapes (overflow included), and offsets, which must cover the data without gap or
/// overlap; and each number, which must be finite.
/// @throws InputError that says what is wrong with the file.
inline SafeTensors read_safetensors(const std::string& path);

/// The same of bytes in memory; `where` names them in errors.
inline SafeTensors parse_safetensors(std::string_view bytes, const std::string& where);

/// FNV-1a of names, shapes and the bits of all numbers, as 16 hexadecimal digits: guards against
/// accidents, not against intent.
inline std::string checksum(std::span<const Tensor> tensors);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/io/safetensors_impl.hpp>  // IWYU pragma: keep
#endif
