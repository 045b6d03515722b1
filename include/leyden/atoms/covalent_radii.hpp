// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/elements.hpp>

namespace leyden::inline LEYDEN_ABI {

/// The single-bond radius of an element [Å] (Cordero et al., Dalton Trans. 2008, 2832, table 2, low
/// spin where there are two, sp³ for carbon); 0.2 for elements without one.
constexpr double covalent_radius(int atomic_number) {
  constexpr double radii[] = {
      0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11,  // H–Si
      1.07, 1.05, 1.02, 1.06, 2.03, 1.76, 1.70, 1.60, 1.53, 1.39, 1.39, 1.32, 1.26, 1.24,  // P–Ni
      1.32, 1.22, 1.22, 1.20, 1.19, 1.20, 1.20, 1.16, 2.20, 1.95, 1.90, 1.75, 1.64, 1.54,  // Cu–Mo
      1.47, 1.46, 1.42, 1.39, 1.45, 1.44, 1.42, 1.39, 1.39, 1.38, 1.39, 1.40, 2.44, 2.15,  // Tc–Ba
      2.07, 2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96, 1.94, 1.92, 1.92, 1.89, 1.90, 1.87,  // La–Yb
      1.87, 1.75, 1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32, 1.45, 1.46, 1.48, 1.40,  // Lu–Po
      1.50, 1.50, 2.60, 2.21, 2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80, 1.69};  // At–Cm
  constexpr int count = static_cast<int>(sizeof(radii) / sizeof(radii[0]));
  static_assert(count == 96);
  return atomic_number >= 1 && atomic_number <= count ? radii[atomic_number - 1] : 0.2;
}

static_assert(covalent_radius(1) == 0.31 && covalent_radius(8) == 0.66 &&
              covalent_radius(14) == 1.11 && covalent_radius(55) == 2.44 &&
              covalent_radius(79) == 1.36 && covalent_radius(97) == 0.2);

}  // namespace leyden::inline LEYDEN_ABI
