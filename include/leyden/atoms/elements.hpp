// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace leyden::inline LEYDEN_ABI {

/// The chemical elements' symbols; index z − 1.
inline constexpr std::array<std::string_view, 118> element_symbols{
    "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na", "Mg", "Al", "Si", "P",
    "S",  "Cl", "Ar", "K",  "Ca", "Sc", "Ti", "V",  "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn",
    "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo", "Tc", "Ru", "Rh",
    "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I",  "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd",
    "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W",  "Re",
    "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th",
    "Pa", "U",  "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db",
    "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og"};

inline constexpr int n_elements = static_cast<int>(element_symbols.size());

/// The symbol of an atomic number; empty when there is no such element.
constexpr std::string_view element_symbol(int atomic_number) {
  if (atomic_number < 1 || atomic_number > n_elements) return {};
  return element_symbols[static_cast<std::size_t>(atomic_number - 1)];
}

namespace detail {

// One slot for each pair of an upper-case letter and a lower-case letter or nothing.
constexpr std::size_t symbol_slot(std::string_view symbol) {
  const auto upper = static_cast<unsigned char>(symbol[0] - 'A');
  const auto lower = symbol.size() == 2 ? static_cast<unsigned char>(symbol[1] - 'a' + 1) : 0u;
  return std::size_t{upper} * 27 + lower;
}

inline constexpr std::array<unsigned char, 26 * 27> number_of_symbol = [] {
  std::array<unsigned char, 26 * 27> table{};
  for (int z = 1; z <= n_elements; ++z)
    table[symbol_slot(element_symbol(z))] = static_cast<unsigned char>(z);
  return table;
}();

}  // namespace detail

/// The atomic number of a symbol as chemists write it ("Na"; not "NA" or "na").
constexpr std::optional<int> atomic_number_of(std::string_view symbol) {
  if (symbol.empty() || symbol.size() > 2 || symbol[0] < 'A' || symbol[0] > 'Z') return {};
  if (symbol.size() == 2 && (symbol[1] < 'a' || symbol[1] > 'z')) return {};
  const int z = detail::number_of_symbol[detail::symbol_slot(symbol)];
  return z > 0 ? std::optional<int>(z) : std::nullopt;
}

static_assert(atomic_number_of("H") == 1 && atomic_number_of("Og") == 118);

}  // namespace leyden::inline LEYDEN_ABI
