// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// The text layer of extended XYZ: numbers, quoted values, comment lines. Knows no atoms.
namespace leyden::inline LEYDEN_ABI::detail::extxyz {

/// A place in a file, for errors.
struct Place {
  std::string_view file;
  std::size_t line;  // 1-based

  [[noreturn]] void fail(const std::string& text) const {
    throw InputError(std::string(file) + ":" + std::to_string(line) + ": " + text);
  }
};

/// Text of a file in an error: not too long, no control characters.
inline std::string shown(std::string_view s) {
  std::string out = "'";
  for (const char c : s.substr(0, 40))
    out += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return out + (s.size() > 40 ? "…'" : "'");
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
constexpr bool is_space(char c) { return is_blank(c) || c == '\n'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline const char* end_of_token(const char* p, const char* end) {
  while (p < end && !is_space(*p)) ++p;
  return p;
}

/// Any number that from_chars knows, and what Fortran writes: +1, 1.0D-3.
inline bool read_any_number(std::string_view token, double& out) {
  if (!token.empty() && token[0] == '+') token.remove_prefix(1);
  if (token.empty() || token.size() > 64 || token[0] == '+') return false;
  char buffer[64];
  std::memcpy(buffer, token.data(), token.size());
  // Not for "nan(d…)" or "inf": those are refused later by name, as not finite.
  for (std::size_t i = 1; i < token.size(); ++i)
    if ((buffer[i] == 'd' || buffer[i] == 'D') && (is_digit(buffer[i - 1]) || buffer[i - 1] == '.'))
      buffer[i] = 'e';
  const char* end = buffer + token.size();
  const auto result = std::from_chars(buffer, end, out);
  return result.ec == std::errc() && result.ptr == end;
}

/// Reads the number at p and moves p behind it; the number must end at white space or `end`.
///
/// Decimals of up to 2⁵³ in digits with a power of ten up to 22 are two exact doubles and one
/// rounding (Clinger, PLDI 1990), everything else goes to from_chars; both are correctly rounded.
inline bool read_number(const char*& p, const char* end, double& out) {
  static constexpr double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const char* s = p;
  const bool negative = s < end && *s == '-';
  if (negative) ++s;
  std::uint64_t mantissa = 0;
  const char* start = s;
  while (s < end && is_digit(*s)) mantissa = mantissa * 10 + static_cast<unsigned>(*s++ - '0');
  auto digits = s - start;
  std::ptrdiff_t exponent = 0;
  if (s < end && *s == '.') {
    const char* fraction = ++s;
    while (s < end && is_digit(*s)) mantissa = mantissa * 10 + static_cast<unsigned>(*s++ - '0');
    exponent = fraction - s;
    digits += s - fraction;
  }
  // 19 digits fit into 64 bits.
  const bool simple = digits > 0 && digits <= 19 && (s == end || is_space(*s)) &&
                      mantissa <= (std::uint64_t{1} << 53) && exponent >= -22;
  if (simple) {
    const double value = static_cast<double>(mantissa) / power[-exponent];
    out = negative ? -value : value;
    p = s;
    return true;
  }
  const char* last = end_of_token(p, end);
  if (!read_any_number({p, static_cast<std::size_t>(last - p)}, out)) return false;
  p = last;
  return true;
}

inline std::optional<std::int64_t> read_integer(std::string_view s) {
  std::int64_t value = 0;
  const auto result = std::from_chars(s.data(), s.data() + s.size(), value);
  if (s.empty() || result.ec != std::errc() || result.ptr != s.data() + s.size()) return {};
  return value;
}

/// T, F, true, false, 1, 0 in any spelling that is in use.
inline std::optional<bool> read_bool(std::string_view s) {
  if (s == "T" || s == "t" || s == "1" || s == "true" || s == "True" || s == "TRUE") return true;
  if (s == "F" || s == "f" || s == "0" || s == "false" || s == "False" || s == "FALSE")
    return false;
  return {};
}

/// One key=value of a comment line. The value is without its quotes (but with its
/// brackets) and not yet unescaped.
struct KeyValue {
  std::string_view key, raw;
  bool quoted = false;
  bool bare = false;  ///< a key alone

  std::string value() const {
    if (!quoted || raw.find('\\') == raw.npos) return std::string(raw);
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 1 == raw.size()) {
        out += raw[i];
        continue;
      }
      const char next = raw[++i];
      if (next == 'n')
        out += '\n';
      else if (next == '\\' || next == '"' || next == '\'')
        out += next;
      else
        (out += '\\') += next;
    }
    return out;
  }
};

/// Splits a comment line: key=value, key="…", key='…', key={…}, key=[…], and bare keys (true).
inline void split_comment(std::string_view line, Place place, std::vector<KeyValue>& out) {
  out.clear();
  std::size_t i = 0;
  const auto skip_blanks = [&] {
    while (i < line.size() && is_blank(line[i])) ++i;
  };
  const auto quoted = [&](std::string_view what) {
    const char quote = line[i];
    const std::size_t start = ++i;
    while (i < line.size() && line[i] != quote)
      i += line[i] == '\\' ? std::size_t{2} : std::size_t{1};
    if (i >= line.size())
      place.fail("the quote of " + std::string(what) +
                 " is not closed: " + shown(line.substr(start - 1)));
    return line.substr(start, i++ - start);
  };
  const auto bracketed = [&](std::string_view key) {
    const char open = line[i];
    const char close = open == '{' ? '}' : ']';
    const std::size_t start = i;
    int depth = 0;
    for (; i < line.size(); ++i) {
      depth += line[i] == open ? 1 : line[i] == close ? -1 : 0;
      if (depth == 0) return line.substr(start, ++i - start);
    }
    place.fail("the bracket of key " + shown(key) + " is not closed");
  };
  for (skip_blanks(); i < line.size(); skip_blanks()) {
    KeyValue kv;
    if (line[i] == '"' || line[i] == '\'') {
      kv.key = quoted("a key");
    } else {
      const std::size_t start = i;
      while (i < line.size() && !is_blank(line[i]) && line[i] != '=') ++i;
      kv.key = line.substr(start, i - start);
    }
    if (kv.key.empty()) place.fail("a value without a key: " + shown(line.substr(i)));
    const std::size_t after_key = i;
    skip_blanks();
    if (i < line.size() && line[i] == '=') {
      ++i;
      skip_blanks();
      if (i < line.size() && (line[i] == '"' || line[i] == '\'')) {
        kv.raw = quoted("key " + shown(kv.key));
        kv.quoted = true;
      } else if (i < line.size() && (line[i] == '{' || line[i] == '[')) {
        kv.raw = bracketed(kv.key);
      } else {
        const std::size_t start = i;
        while (i < line.size() && !is_blank(line[i])) ++i;
        kv.raw = line.substr(start, i - start);
      }
    } else {
      i = after_key;
      kv.raw = "T";
      kv.bare = true;
    }
    bool known = false;
    for (const KeyValue& other : out) {
      if (other.key != kv.key) continue;
      // The comment of a plain XYZ file is prose, which may repeat a word.
      if (!kv.bare || !other.bare) place.fail("key " + shown(kv.key) + " is given twice");
      known = true;
    }
    if (!known) out.push_back(kv);
  }
}

/// The words of an array in any notation: "1 2 3", [1, 2, 3], _JSON [[1, 2], [3, 4]].
inline std::vector<std::string_view> words_of(std::string_view value) {
  std::vector<std::string_view> words;
  const auto separates = [](char c) {
    return is_space(c) || c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
  };
  for (std::size_t i = 0; i < value.size();) {
    if (separates(value[i])) {
      ++i;
      continue;
    }
    const std::size_t start = i;
    while (i < value.size() && !separates(value[i])) ++i;
    words.push_back(value.substr(start, i - start));
  }
  if (!words.empty() && words.front() == "_JSON") words.erase(words.begin());
  return words;
}

/// Exactly `count` finite numbers.
inline std::vector<double> numbers_of(const KeyValue& kv, std::size_t count, Place place) {
  const auto words = words_of(kv.raw);
  if (words.size() != count)
    place.fail("key " + shown(kv.key) + " has " + std::to_string(words.size()) +
               " values; expected " + std::to_string(count));
  std::vector<double> numbers;
  for (const std::string_view word : words) {
    double x = 0;
    if (!read_any_number(word, x))
      place.fail("key " + shown(kv.key) + ": " + shown(word) + " is not a number");
    if (!std::isfinite(x))
      place.fail("key " + shown(kv.key) + " is " + shown(word) +
                 "; it must be finite. Leave the key out where there is no label");
    numbers.push_back(x);
  }
  return numbers;
}

struct Property {
  std::string_view name;
  char type;
  std::size_t columns;
};

/// Where a frame stands in the text, with its comment line split.
struct FrameText {
  std::size_t line;   // of the atom count, 1-based
  std::size_t atoms;  // the count
  std::size_t begin;  // offset of the first atom's line
  std::vector<KeyValue> keys;
  std::vector<Property> properties;
};

inline std::vector<Property> split_properties(std::string_view value, Place place) {
  std::vector<Property> out;
  const auto fail = [&](const std::string& what) {
    place.fail("key 'Properties': " + what +
               "; expected name:type:count triples with types S, I, R, L, e.g. "
               "species:S:1:pos:R:3");
  };
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    const std::size_t colon = value.find(':', start);
    parts.push_back(value.substr(start, colon - start));
    if (colon == value.npos) break;
    start = colon + 1;
  }
  if (parts.size() % 3 != 0) fail(std::to_string(parts.size()) + " fields");
  for (std::size_t i = 0; i < parts.size(); i += 3) {
    const auto count = read_integer(parts[i + 2]);
    if (parts[i].empty()) fail("a column without a name");
    if (parts[i + 1].size() != 1 || std::string_view("SIRL").find(parts[i + 1][0]) == parts[i].npos)
      fail("the type of " + shown(parts[i]) + " is " + shown(parts[i + 1]));
    if (!count || *count < 1 || *count > 100000)
      fail("the count of " + shown(parts[i]) + " is " + shown(parts[i + 2]));
    for (const Property& p : out)
      if (p.name == parts[i]) fail("the column " + shown(parts[i]) + " is there twice");
    out.push_back({parts[i], parts[i + 1][0], static_cast<std::size_t>(*count)});
  }
  return out;
}

// Finds the frames; no number of an atom is read here.
inline std::vector<FrameText> index_frames(std::string_view text, std::string_view file) {
  std::vector<FrameText> frames;
  std::size_t at = 0;
  std::size_t line = 0;
  // The next line without its end; false at the end of the text.
  const auto next_line = [&](std::string_view& out) {
    if (at >= text.size()) return false;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out = text.substr(at, end - at);
    at = end + 1;
    ++line;
    return true;
  };
  std::string_view current;
  while (next_line(current)) {
    while (!current.empty() && is_blank(current.back())) current.remove_suffix(1);
    while (!current.empty() && is_blank(current.front())) current.remove_prefix(1);
    if (current.empty()) continue;
    const Place place{file, line};
    const auto count = read_integer(current);
    if (!count || *count < 0)
      place.fail("expected the number of atoms of frame " + std::to_string(frames.size()) +
                 ", found " + shown(current) +
                 (frames.empty() ? std::string("; is this an extended XYZ file?")
                                 : "; is the number of atoms in line " +
                                       std::to_string(frames.back().line) + " wrong?"));
    FrameText frame{line, static_cast<std::size_t>(*count), 0, {}, {}};
    if (!next_line(current)) place.fail("the file ends before the comment line of this frame");
    const Place comment{file, line};
    split_comment(current, comment, frame.keys);
    frame.properties = {{"species", 'S', 1}, {"pos", 'R', 3}};
    for (const KeyValue& kv : frame.keys)
      if (kv.key == "Properties" || kv.key == "properties")
        frame.properties = split_properties(kv.raw, comment);
    frame.begin = at;
    for (std::size_t i = 0; i < frame.atoms; ++i)
      if (!next_line(current))
        place.fail("the frame is truncated: " + std::to_string(frame.atoms) +
                   " atoms expected, the file ends after " + std::to_string(i));
    frames.push_back(std::move(frame));
  }
  return frames;
}

/// The whole file. @throws InputError when it cannot be read.
inline std::string read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw InputError(path + ": cannot open the file for reading");
  std::string text;
  // One large read when the size is known; pipes are read in pieces.
  std::size_t size = 0;
  if (std::fseek(file, 0, SEEK_END) == 0) {
    const long end = std::ftell(file);
    // A directory can be opened and claims to be of the largest size there is.
    if (end > 0 && end < std::numeric_limits<long>::max()) size = static_cast<std::size_t>(end);
    std::rewind(file);
  }
  for (std::size_t done = 0;;) {
    text.resize(done + std::max<std::size_t>(size + 1, 1 << 16));
    const std::size_t got = std::fread(text.data() + done, 1, text.size() - done, file);
    done += got;
    size = 0;
    if (done < text.size()) {
      text.resize(done);
      break;
    }
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) throw InputError(path + ": cannot read the file");
  return text;
}

}  // namespace leyden::inline LEYDEN_ABI::detail::extxyz
