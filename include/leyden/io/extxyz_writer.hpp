// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/elements.hpp>
#include <leyden/io/extxyz.hpp>
#include <leyden/io/extxyz_text.hpp>

#include <algorithm>
#include <cstdio>

namespace leyden::inline LEYDEN_ABI {

namespace detail::extxyz {

inline void put(std::string& out, double x) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, x);
  out.append(buffer, result.ptr);
}

template <class Numbers>
void put_all(std::string& out, const Numbers& numbers) {
  for (std::size_t k = 0; k < numbers.size(); ++k) {
    if (k > 0) out += ' ';
    put(out, numbers[k]);
  }
}

// A quoted word, quotes left out where they are not needed.
inline void put_word(std::string& out, std::string_view s) {
  const auto special = [](char c) {
    return is_space(c) || std::string_view("\"'\\{}[]=,").find(c) != std::string_view::npos;
  };
  if (!s.empty() && std::none_of(s.begin(), s.end(), special)) {
    out += s;
    return;
  }
  out += '"';
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  out += '"';
}

}  // namespace detail::extxyz

inline std::string to_extxyz(const Frame& frame, const ExtxyzWriteOptions& options) {
  using namespace detail::extxyz;
  const Structure& s = frame.structure;
  const Labels& l = frame.labels;
  const std::size_t n = s.size();
  const auto check = [&](std::size_t size, const char* what) {
    if (size != n)
      throw InputError("to_extxyz: " + std::to_string(n) + " positions but " +
                       std::to_string(size) + " " + what);
  };
  check(s.atomic_numbers.size(), "atomic numbers");
  if (l.forces) check(l.forces->size(), "forces");
  if (l.charges) check(l.charges->size(), "charges");
  if (l.atomic_dipoles) check(l.atomic_dipoles->size(), "atomic dipoles");
  if (l.potentials) check(l.potentials->size(), "potentials");
  if (l.born_charges) check(l.born_charges->size(), "Born charges");
  const auto is_name = [](std::string_view key) {
    return std::none_of(key.begin(), key.end(), [](char c) {
      return is_space(c) || std::string_view("\"'=:").find(c) != std::string_view::npos;
    });
  };
  if (!is_name(options.prefix))
    throw InputError("to_extxyz: the prefix " + shown(options.prefix) +
                     " cannot be part of a key: no white space, quotes, '=' or ':'");

  std::string out = std::to_string(n) + "\n";
  std::vector<std::string> written;
  const auto key = [&](const std::string& name) {
    if (!written.empty()) out += ' ';
    written.push_back(name);
    out += name + "=";
  };
  const auto numbers = [&](const std::string& name, const auto& values) {
    key(name);
    out += '"';
    put_all(out, values);
    out += '"';
  };
  const Matrix3<double> zero{};
  if (s.cell.any_periodic() || !(s.cell.vectors == zero)) numbers("Lattice", s.cell.vectors.data);
  key("Properties");
  out += "species:S:1:pos:R:3";
  if (l.forces) out += ":" + options.prefix + "forces:R:3";
  if (l.charges) out += ":" + options.prefix + "charges:R:1";
  if (l.atomic_dipoles) out += ":" + options.prefix + "atomic_dipoles:R:3";
  if (l.potentials) out += ":" + options.prefix + "potentials:R:1";
  if (l.born_charges) out += ":" + options.prefix + "born_charges:R:9";
  const auto number = [&](const std::string& name, const std::optional<double>& value) {
    if (!value) return;
    key(name);
    put(out, *value);
  };
  number(options.prefix + "energy", l.energy);
  if (l.stress) numbers(options.prefix + "stress", l.stress->data);
  if (l.dipole) numbers(options.prefix + "dipole", l.dipole->data);
  if (l.dipole_mask != std::array<bool, 3>{true, true, true})
    numbers("config_dipole_weight",
            std::array<double, 3>{l.dipole_mask[0] ? 1.0 : 0.0, l.dipole_mask[1] ? 1.0 : 0.0,
                                  l.dipole_mask[2] ? 1.0 : 0.0});
  number(options.prefix + "fermi_level", l.fermi_level);
  if (l.polarizability) numbers(options.prefix + "polarizability", l.polarizability->data);
  // Always there, so that no key of `info` can be taken for them when the file is read again.
  number("total_charge", s.total_charge);
  numbers("external_field", s.external_field.data);
  if (!s.external_charges.empty()) {
    std::vector<double> values;
    for (const ExternalCharge& c : s.external_charges)
      values.insert(values.end(), {c.position[0], c.position[1], c.position[2], c.charge, c.width});
    numbers("external_charges", values);
  }
  if (!frame.config_type.empty()) {
    key("config_type");
    put_word(out, frame.config_type);
  }
  key("pbc");
  out += '"';
  for (std::size_t d = 0; d < 3; ++d) {
    if (d > 0) out += ' ';
    out += s.cell.periodic[d] ? 'T' : 'F';
  }
  out += '"';
  for (const auto& [name, value] : frame.info) {
    if (std::find(written.begin(), written.end(), name) != written.end()) continue;
    if (name.empty()) throw InputError("to_extxyz: a key of info is empty");
    out += ' ';
    put_word(out, name);
    out += '=';
    put_word(out, value);
  }
  out += '\n';

  for (std::size_t i = 0; i < n; ++i) {
    const std::string_view symbol = element_symbol(s.atomic_numbers[i]);
    if (symbol.empty())
      throw InputError("to_extxyz: atom " + std::to_string(i) + " has the atomic number " +
                       std::to_string(s.atomic_numbers[i]) + "; expected 1 to 118");
    out += symbol;
    out += ' ';
    put_all(out, s.positions[i].data);
    if (l.forces) {
      out += ' ';
      put_all(out, (*l.forces)[i].data);
    }
    if (l.charges) {
      out += ' ';
      put(out, (*l.charges)[i]);
    }
    if (l.atomic_dipoles) {
      out += ' ';
      put_all(out, (*l.atomic_dipoles)[i].data);
    }
    if (l.potentials) {
      out += ' ';
      put(out, (*l.potentials)[i]);
    }
    if (l.born_charges) {
      out += ' ';
      put_all(out, (*l.born_charges)[i].data);
    }
    out += '\n';
  }
  return out;
}

inline void write_extxyz(const std::string& path, std::span<const Frame> frames,
                         const ExtxyzWriteOptions& options) {
  // All text is made before the file is touched: an error leaves what was there.
  std::string text;
  for (const Frame& frame : frames) text += to_extxyz(frame, options);
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw InputError(path + ": cannot open the file for writing");
  const bool complete = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !complete)
    throw InputError(path + ": cannot write the file; is the disk full?");
}

}  // namespace leyden::inline LEYDEN_ABI
