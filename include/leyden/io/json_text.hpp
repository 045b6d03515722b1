// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>

#include <cstdio>
#include <fstream>
#include <ios>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>

// What the readers and writers of this room share: whole files, and JSON whose errors say where.
namespace leyden::inline LEYDEN_ABI::detail {

using Json = nlohmann::json;

/// The start of a value, for the text of an error.
inline std::string shown(const Json& j) {
  std::string text = j.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

/// @throws InputError for what is no JSON, or an object that names a key twice.
inline Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(value.get_ref<const std::string&>()).second)
      throw InputError(where + ": the key " + shown(value) + " stands twice in one object");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& e) {
    throw InputError(where + " is no JSON (" + e.what() + ")");
  }
}

/// @throws InputError for text that is not UTF-8.
inline std::string json_text(const Json& j, const std::string& where, int indent = -1) {
  try {
    return j.dump(indent);
  } catch (const Json::exception& e) {
    throw InputError(where + " cannot be written (" + e.what() + ")");
  }
}

/// @throws InputError when it cannot be read.
inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError(path + " cannot be read; is it there?");
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) throw InputError(path + " cannot be read to its end");
  return bytes;
}

/// Writes beside the file's place, then moves: an interruption leaves the old or the new file.
/// @throws InputError when it cannot be written.
template <class Write>
void replace_file(const std::string& path, Write&& write) {
  const std::string temporary = path + ".tmp";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    write(file);
    file.flush();
    if (!file) {
      std::remove(temporary.c_str());
      throw InputError(temporary + " cannot be written; is there such a folder, and space?");
    }
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw InputError(path + " cannot be replaced");
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
#endif
