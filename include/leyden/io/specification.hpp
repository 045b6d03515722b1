// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/vector3.hpp>
#include <leyden/io/json_text.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<nlohmann/json.hpp>)

// How plain structs become JSON and back. A struct says once what it holds,
//
//     template <class V>
//     void fields(V& v, MyOptions& o) {
//       v("cutoff", o.cutoff);
//       v("kind", o.kind);
//     }
//
// and an enum lists its names, `constexpr EnumNames<E, n> names(E) { return {…}; }`, both found by
// their argument's namespace.
namespace leyden::inline LEYDEN_ABI {

template <class E, std::size_t n>
using EnumNames = std::array<std::pair<E, std::string_view>, n>;

namespace detail {

// Numbers of anything (channels, layers, atoms) in a file; sums of their products stay in range.
inline constexpr int max_file_integer = 1 << 20;

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T>
struct IsArray : std::false_type {};
template <class T, std::size_t n>
struct IsArray<std::array<T, n>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
Json to_json(const T& value);
template <class T>
void from_json(const Json& j, T& value, const std::string& where);

/// Makes an object of what fields() names.
struct FieldWriter {
  Json object = Json::object();
  template <class T>
  void operator()(const char* key, T& value) {
    object[key] = to_json(value);
  }
};

/// Sets what fields() names from an object; what the object does not have keeps its value.
/// @throws InputError for a value of a wrong type; and, by finish(), for keys that nobody asked
/// for.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object())
      throw InputError(where_ + " is " + shown(object) + "; an object was expected");
  }
  /// Whether the object has a single number under this key.
  bool has_number(const char* key) const {
    const auto found = object_.find(key);
    return found != object_.end() && found->is_number();
  }
  template <class T>
  void operator()(const char* key, T& value) {
    known_.insert(key);
    if (const auto found = object_.find(key); found != object_.end())
      from_json(*found, value, where_ + "." + key);
  }
  void finish() const {
    for (const auto& [key, value] : object_.items())
      if (!known_.contains(key))
        throw InputError(where_ + " has the unknown key " + shown(Json(key)));
  }

 private:
  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
};

template <class T>
Json to_json(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [e, name] : names(T{}))
      if (e == value) return Json(std::string(name));
    return Json();
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return Json(value);
  } else if constexpr (IsOptional<T>::value) {
    return value ? to_json(*value) : Json();
  } else if constexpr (IsVector<T>::value || IsArray<T>::value) {
    Json list = Json::array();
    for (const auto& x : value) list.push_back(to_json<typename T::value_type>(x));
    return list;
  } else if constexpr (IsMap<T>::value) {
    Json object = Json::object();
    for (const auto& [key, x] : value) object[key] = to_json(x);
    return object;
  } else if constexpr (std::is_same_v<T, Json>) {
    return value;
  } else if constexpr (std::is_same_v<T, Vector3<double>>) {
    return Json{value[0], value[1], value[2]};
  } else {
    FieldWriter writer;
    T copy = value;  // the one list of fields is of a mutable struct
    fields(writer, copy);
    return std::move(writer.object);
  }
}

template <class T>
void from_json(const Json& j, T& value, const std::string& where) {
  const auto require = [&](bool ok, const char* expected) {
    if (!ok) throw InputError(where + " is " + shown(j) + "; " + expected + " was expected");
  };
  if constexpr (std::is_enum_v<T>) {
    std::string list;
    for (const auto& [e, name] : names(T{})) {
      if (j == name) {
        value = e;
        return;
      }
      list += (list.empty() ? "" : ", ") + std::string(name);
    }
    require(false, ("one of " + list).c_str());
  } else if constexpr (std::is_same_v<T, bool>) {
    require(j.is_boolean(), "true or false");
    value = j.get<bool>();
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    require(j.is_number_unsigned(), "a count");
    value = j.get<T>();
  } else if constexpr (std::is_integral_v<T>) {
    require(j.is_number_integer(), "a whole number");
    const bool in_range = j.is_number_unsigned() ? j.get<std::uint64_t>() <= max_file_integer
                                                 : j.get<std::int64_t>() >= -max_file_integer;
    require(in_range, "a number of a size that makes sense");
    value = static_cast<T>(j.get<std::int64_t>());
  } else if constexpr (std::is_floating_point_v<T>) {
    require(j.is_number(), "a number");
    value = static_cast<T>(j.get<double>());
    require(std::isfinite(value), "a finite number");
  } else if constexpr (std::is_same_v<T, std::string>) {
    require(j.is_string(), "text");
    value = j.get<std::string>();
  } else if constexpr (IsOptional<T>::value) {
    value.reset();
    if (!j.is_null()) from_json(j, value.emplace(), where);
  } else if constexpr (IsVector<T>::value || IsArray<T>::value) {
    require(j.is_array(), "a list");
    if constexpr (IsVector<T>::value)
      value.resize(j.size());
    else
      require(j.size() == value.size(), "a list of another length");
    for (std::size_t i = 0; i < value.size(); ++i) {
      typename T::value_type x{};
      from_json(j[i], x, where + "[" + std::to_string(i) + "]");
      value[i] = std::move(x);
    }
  } else if constexpr (IsMap<T>::value) {
    require(j.is_object(), "an object");
    for (const auto& [key, x] : j.items()) from_json(x, value[key], where + "." + key);
  } else if constexpr (std::is_same_v<T, Json>) {
    value = j;
  } else if constexpr (std::is_same_v<T, Vector3<double>>) {
    std::array<double, 3> x{};
    from_json(j, x, where);
    value = Vector3<double>{{x[0], x[1], x[2]}};
  } else {
    FieldReader reader(j, where);
    fields(reader, value);
    reader.finish();
  }
}

}  // namespace detail

/// Sets what a JSON object names of a struct that has fields(); the rest keeps its value. `where`
/// stands for the object in errors. @throws InputError for unknown keys and values of a wrong type.
template <class T>
void read_options(const nlohmann::json& object, T& options, const std::string& where) {
  detail::from_json(object, options, where);
}
/// All options of a struct that has fields().
template <class T>
nlohmann::json write_options(const T& options) {
  return detail::to_json(options);
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
