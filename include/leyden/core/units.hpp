// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <numbers>

/// Units: energy eV, length Å, charge e (positive for missing electrons), potential V, field V/Å,
/// force eV/Å, stress eV/Å³ (positive tensile).
namespace leyden::inline LEYDEN_ABI::units {

/// 1/ε₀ in V Å / e; ε₀ = 5.526349406e-3 e/(V Å) (CODATA 2014: 8.854187817e-12 F/m and
/// e = 1.6021766208e-19 C). Published weights were trained with this value; that of CODATA 2018 is
/// smaller by 9e-9.
inline constexpr double inverse_vacuum_permittivity = 1.0 / 5.526349406e-3;

/// Coulomb constant 1/(4π ε₀) in eV Å / e² (14.3996…).
inline constexpr double coulomb = inverse_vacuum_permittivity / (4.0 * std::numbers::pi);

/// 1 eV/Å³ in GPa (CODATA 2018: e = 1.602176634e-19 C, exact).
inline constexpr double gigapascal_per_ev_per_cubic_angstrom = 160.2176634;

/// 1 Debye in e Å (1e-21 C m²/s divided by c and e, both exact in the SI).
inline constexpr double electron_angstrom_per_debye = 0.20819433270;

}  // namespace leyden::inline LEYDEN_ABI::units
