// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/softplus.hpp>
#include <leyden/equivariant/irrep_rows.hpp>

#include <array>
#include <cstddef>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// How learned Fukui numbers F_i become shares f_i of missing charge, Σ f_i = 1.
enum class FukuiShares {
  positive,  ///< f = softplus(F)/Σ softplus(F): always defined
  signed_sum  ///< f = F/ΣF, as published models do it: unbounded where ΣF comes near zero; a sum of
              ///< exactly zero divides by one
};

/// Coefficients of two spin densities, atom-major, (n·size) each.
template <Number T>
using SpinDensities = std::array<std::vector<T>, 2>;

/// What the projection keeps for its adjoint.
template <Number T>
struct SpinProjectionTape {
  std::array<std::vector<T>, 2> share;  // f_i
  std::array<T, 2> excess{};            // Q_s − Σ q_s before
  std::array<T, 2> sum{};               // what F was divided by
};

/// q_(i,s) += f_i^s (Q_s − Σ_j q_(j,s)): afterwards both densities hold their number of electrons
/// (charge of Fukui functions; Geerlings et al., Chem. Rev. 103, 1793 (2003)). F stands in the
/// l = 0 channels first + s of `fukui`.
template <Number T>
void project_spins(const IrrepRows<T>& fukui, int first, FukuiShares shares,
                   const std::array<detail::Wide<T>, 2>& target, std::size_t size,
                   SpinDensities<T>& density, SpinProjectionTape<T>& tape) {
  using W = detail::Wide<T>;
  const auto n = static_cast<std::size_t>(fukui.n_atoms);
  for (std::size_t s = 0; s < 2; ++s) {
    tape.share[s].resize(n);
    W sum(0.0), excess(target[s]);
    for (std::size_t i = 0; i < n; ++i) {
      T f = fukui.get(0, static_cast<int>(i), 0, first + static_cast<int>(s));
      if (shares == FukuiShares::positive) f = softplus(f);
      tape.share[s][i] = f;
      sum += detail::widen(f);
      excess -= detail::widen(density[s][i * size]);
    }
    if (value_of(sum) == 0.0) sum = W(1.0);
    tape.sum[s] = detail::narrow<T>(sum);
    tape.excess[s] = detail::narrow<T>(excess);
    for (std::size_t i = 0; i < n; ++i) {
      tape.share[s][i] /= tape.sum[s];
      density[s][i * size] += tape.share[s][i] * tape.excess[s];
    }
  }
}

/// Turns the cotangents of the projected densities into those of the densities before and sets the
/// cotangents of F in `fukui_bar`.
template <Number T>
void project_spins_backward(const IrrepRows<T>& fukui, int first, FukuiShares shares,
                            std::size_t size, const SpinProjectionTape<T>& tape,
                            SpinDensities<T>& density_bar, IrrepRows<T>& fukui_bar) {
  const auto n = static_cast<std::size_t>(fukui.n_atoms);
  for (std::size_t s = 0; s < 2; ++s) {
    detail::Wide<T> sum(0.0);
    for (std::size_t i = 0; i < n; ++i)
      sum += detail::widen(tape.share[s][i] * density_bar[s][i * size]);
    const T mean = detail::narrow<T>(sum);
    const T slope = tape.excess[s] / tape.sum[s];
    for (std::size_t i = 0; i < n; ++i) {
      T& bar = density_bar[s][i * size];
      bar -= mean;
      T f_bar = slope * bar;
      const int atom = static_cast<int>(i), channel = first + static_cast<int>(s);
      if (shares == FukuiShares::positive) f_bar *= sigmoid(fukui.get(0, atom, 0, channel));
      fukui_bar.set(0, atom, 0, channel, f_bar);
    }
  }
}

}  // namespace leyden::inline LEYDEN_ABI
