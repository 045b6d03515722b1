// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/json_text.hpp>
#include <leyden/io/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Bytes are little-endian in the file.
static_assert(std::endian::native == std::endian::little,
              "safetensors files are read and written on little-endian machines only");

inline constexpr std::size_t max_safetensors_header = 100'000'000;  // that of the format's own code

inline std::string tensor_text(const std::string& where, const std::string& name) {
  return where + ", tensor '" + name + "': ";
}

// Elements of a shape. @throws InputError when they are more than could be addressed.
inline std::size_t element_count(const std::string& where, const std::vector<std::size_t>& shape) {
  std::size_t n = 1;
  for (const std::size_t s : shape) {
    if (s != 0 && n > std::numeric_limits<std::size_t>::max() / 16 / s)
      throw InputError(where + "its shape has more elements than could be addressed");
    n *= s;
  }
  return n;
}

template <class Stored>
std::vector<double> stored_values(std::string_view bytes) {
  std::vector<double> values(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored x;
    std::memcpy(&x, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<double>(x);
  }
  return values;
}

inline std::size_t unsigned_number(const std::string& where, const Json& j, const char* what) {
  if (!j.is_number_unsigned())
    throw InputError(where + std::string(what) + " is " + shown(j) + "; a count was expected");
  return j.get<std::size_t>();
}

}  // namespace detail

inline SafeTensors parse_safetensors(std::string_view bytes, const std::string& where) {
  using detail::Json;
  const auto require = [&](bool ok, const std::string& what) {
    if (!ok) throw InputError(where + " is no whole safetensors file: " + what);
  };
  require(bytes.size() >= 8, "it has " + std::to_string(bytes.size()) + " bytes");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  require(length <= detail::max_safetensors_header && length <= bytes.size() - 8,
          "its header claims " + std::to_string(length) + " bytes of the " +
              std::to_string(bytes.size() - 8) + " that follow");
  const std::string_view data = bytes.substr(8 + length);
  const Json header = detail::parse_json(bytes.substr(8, length), where + ", header");
  require(header.is_object(), "its header is no JSON object");

  struct Entry {
    std::size_t begin, end, size;
    Tensor tensor;
  };
  SafeTensors out;
  std::vector<Entry> entries;
  for (const auto& [name, j] : header.items()) {
    if (name == "__metadata__") {
      require(j.is_object(), "its __metadata__ is no JSON object");
      for (const auto& [key, text] : j.items()) {
        require(text.is_string(), "'" + key + "' of its __metadata__ is no text");
        out.metadata[key] = text.get<std::string>();
      }
      continue;
    }
    const std::string here = detail::tensor_text(where, name);
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!j.is_object() || !j.contains(key)) throw InputError(here + "there is no '" + key + "'");
    const Json &type = j["dtype"], &shape = j["shape"], &offsets = j["data_offsets"];
    const std::size_t size = type == "F64" ? 8 : type == "F32" ? 4 : 0;
    if (size == 0)
      throw InputError(here + "its type is " + detail::shown(type) + "; F64 and F32 are read");
    if (!shape.is_array()) throw InputError(here + "its shape is " + detail::shown(shape));
    Entry e{0, 0, size, {name, {}, {}}};
    for (const Json& s : shape)
      e.tensor.shape.push_back(detail::unsigned_number(here, s, "an axis"));
    if (!offsets.is_array() || offsets.size() != 2)
      throw InputError(here + "its offsets are " + detail::shown(offsets) + ", not a pair");
    e.begin = detail::unsigned_number(here, offsets[0], "its first offset");
    e.end = detail::unsigned_number(here, offsets[1], "its second offset");
    if (e.begin > e.end || e.end > data.size())
      throw InputError(here + "bytes " + std::to_string(e.begin) + " to " + std::to_string(e.end) +
                       " are none of the file's " + std::to_string(data.size()) + " bytes of data");
    const std::size_t count = detail::element_count(here, e.tensor.shape);
    if (count * size != e.end - e.begin)
      throw InputError(here + "its shape asks for " + std::to_string(count * size) +
                       " bytes, its offsets have " + std::to_string(e.end - e.begin));
    entries.push_back(std::move(e));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::size_t reached = 0;
  for (Entry& e : entries) {
    const std::string here = detail::tensor_text(where, e.tensor.name);
    if (e.begin != reached)
      throw InputError(here + "its data begin at byte " + std::to_string(e.begin) + ", " +
                       (e.begin < reached ? "within those of another" : "after a gap from") +
                       (e.begin < reached ? "" : " byte " + std::to_string(reached)));
    reached = e.end;
    const std::string_view own = data.substr(e.begin, e.end - e.begin);
    e.tensor.values =
        e.size == 8 ? detail::stored_values<double>(own) : detail::stored_values<float>(own);
    for (std::size_t i = 0; i < e.tensor.values.size(); ++i)
      if (!std::isfinite(e.tensor.values[i]))
        throw InputError(here + "number " + std::to_string(i) + " is not finite");
    out.tensors.push_back(std::move(e.tensor));
  }
  require(reached == data.size(),
          std::to_string(data.size() - reached) + " bytes at its end belong to no tensor");
  return out;
}

inline SafeTensors read_safetensors(const std::string& path) {
  return parse_safetensors(detail::read_file(path), path);
}

inline void write_safetensors(const std::string& path, const SafeTensors& content) {
  using detail::Json;
  Json header = Json::object();
  for (const auto& [key, text] : content.metadata) header["__metadata__"][key] = text;
  std::size_t offset = 0;
  for (const Tensor& t : content.tensors) {
    const std::string here = detail::tensor_text(path, t.name);
    if (header.contains(t.name) || t.name == "__metadata__")
      throw InputError(here + "its name is taken");
    if (detail::element_count(here, t.shape) != t.values.size())
      throw InputError(here + "its shape does not fit its " + std::to_string(t.values.size()) +
                       " numbers");
    for (std::size_t i = 0; i < t.values.size(); ++i)
      if (!std::isfinite(t.values[i]))
        throw InputError(here + "number " + std::to_string(i) + " is not finite");
    const std::size_t end = offset + 8 * t.values.size();
    header[t.name] = {{"dtype", "F64"}, {"shape", t.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = detail::json_text(header, path);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data begin at a multiple of eight
  detail::replace_file(path, [&](auto& file) {
    const std::uint64_t length = text.size();
    file.write(reinterpret_cast<const char*>(&length), 8);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const Tensor& t : content.tensors)
      file.write(reinterpret_cast<const char*>(t.values.data()),
                 static_cast<std::streamsize>(8 * t.values.size()));
  });
}

inline std::string checksum(std::span<const Tensor> tensors) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](const void* bytes, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i)
      hash = (hash ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3u;
  };
  for (const Tensor& t : tensors) {
    add(t.name.data(), t.name.size() + 1);  // the zero ends the name
    for (const std::uint64_t s : t.shape) add(&s, 8);
    add(t.values.data(), 8 * t.values.size());
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
