// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/mesh/window.hpp>
#include <leyden/electrostatics/splitting.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// How ParticleMesh divides K between pairs and the mesh.
enum class MeshSplitting {
  automatic,  ///< none when all Gaussians are broad, else prolate
  prolate,    ///< pairs within the cutoff, exactly; the coarsest mesh
  gaussian,   ///< Ewald's; pairs beyond the cutoff are dropped
  none,       ///< mesh only: no pairs, for broad Gaussians
};

enum class MeshWindowChoice { automatic, spline, prolate };

/// What ParticleMesh is asked for. Zeros and `automatic` follow from `accuracy`; numbers that are
/// given are taken as they are.
struct ParticleMeshOptions {
  /// The root mean square error of forces over that of forces, for disordered charges at the
  /// density of water (0.1 atoms per Å³). Dipoles and quadrupoles are served with the same numbers
  /// and a finer mesh.
  double accuracy = 1e-5;
  MeshSplitting splitting = MeshSplitting::automatic;
  double cutoff = 6.0;           ///< Å, of pairs
  double skin = 0.0;             ///< Å: pairs are listed anew when an atom has moved half of it
  double split_parameter = 0.0;  ///< prolate: c; Gaussian: α [1/Å]
  MeshWindowChoice window = MeshWindowChoice::automatic;
  int order = 0;                  ///< nodes of the window along each axis, 4 … 8
  double window_parameter = 0.0;  ///< c of a prolate window
  double spacing = 0.0;           ///< Å, at most, of the mesh along each lattice vector
  std::array<int, 3> size{};      ///< of the mesh; overrides the spacing
  Background background = Background::none;
  SelfInteraction self = SelfInteraction::included;
  /// Open directions, mesh only: the largest width of potential features that will be asked for
  /// [Å]; 0: that of the widest source. The box keeps room for the tails of such Gaussians.
  double feature_width = 0.0;
};

namespace detail {

// Options with all numbers filled in for given sources.
struct MeshSettings {
  bool mesh_only = false;
  Splitting::Kind kind = Splitting::Kind::prolate;
  double cutoff = 0;
  double parameter = 0;  // c or α
  MeshWindowKind window = MeshWindowKind::spline;
  int order = 6;
  double window_parameter = 0;
  double spacing = 0;

  friend bool operator==(const MeshSettings&, const MeshSettings&) = default;
};

// The x with (tail of the force between two Gaussian multipoles of width 1 beyond k = x) =
// accuracy, as in Reciprocal.
inline double mesh_gaussian_reach(double accuracy, int l_max) {
  const double fourth = l_max > 1 ? 0.5 : 0.0;
  double x2 = -std::log(accuracy);
  for (int i = 0; i < 50; ++i) x2 = std::log((1 + x2 + fourth * x2 * x2) / accuracy);
  return std::sqrt(x2);
}

// What a multipole of degree l scatters a wave with, by that of a charge: dipoles of 0.7 e Å (and
// quadrupoles likewise) beside a charge of 1 e.
inline double multipole_scattering(double k2, int l) {
  return l == 0 ? 1.0 : 1 + std::pow(k2 / 2.25, l);
}

/// The error that a window on a mesh of spacing h makes in the forces of uncorrelated multipoles,
/// of scattering s(k): the root of
///
///     ∫ dk f² s² ε² / ∫ dk f² s²,  ε² = Σ_m (U_m/U_0)² (s_m/s) (1 + k_m²/k²)
///
/// (the functional of Hockney and Eastwood for the influence function of influence.hpp, to first
/// order in the images m, along one axis at a time, averaged over directions; 1 beyond Nyquist).
class WindowError {
 public:
  explicit WindowError(const MeshWindow& window) {
    for (int i = 0; i <= points; ++i) {
      const double y = std::numbers::pi * i / points;
      const double u = window.transform(y);
      for (int m = 0; m < images; ++m) {
        const double ratio = window.transform(y + 2 * std::numbers::pi * shift(m)) / u;
        log_[static_cast<std::size_t>(i)][static_cast<std::size_t>(m)] =
            std::log(ratio * ratio + 1e-40);
      }
    }
  }

  // Σ over three axes of ε² at wave vector k, averaged over directions.
  double squared(double k, double h, int l) const {
    constexpr int directions = 8;
    double sum = 0;
    for (int i = 0; i < directions; ++i) {
      const double y = k * h * (i + 0.5) / directions;
      double here = 0;
      if (y < std::numbers::pi) {
        const double x = y / std::numbers::pi * points;
        const auto at = static_cast<std::size_t>(std::min(static_cast<int>(x), points - 1));
        const double by = x - static_cast<double>(at);
        for (int m = 0; m < images; ++m) {
          const auto image = static_cast<std::size_t>(m);
          const double moved = y + 2 * std::numbers::pi * shift(m);
          const double square = 1 + (moved * moved - y * y) / (k * k * h * h);
          here += std::exp((1 - by) * log_[at][image] + by * log_[at + 1][image]) *
                  multipole_scattering(square * k * k, l) / multipole_scattering(k * k, l) *
                  (1 + square);
        }
      } else {
        here = 1;
      }
      sum += std::min(here, 1.0) / directions;
    }
    return std::min(3 * sum, 1.0);
  }

 private:
  static constexpr int points = 40, images = 4;
  static double shift(int m) { return m < 2 ? m - 2 : m - 1; }
  std::array<std::array<double, images>, points + 1> log_{};
};

// ∫ dk f² s² weight(k)
template <class F, class Weight>
double integrate_squares(const F& f, double k_max, int l, const Weight& weight) {
  constexpr int steps = 32;
  double sum = 0;
  for (int i = 0; i < steps; ++i) {
    const double k = k_max * (i + 0.5) / steps, x = f(k);
    const double scattered = x * multipole_scattering(k * k, l);
    sum += scattered * scattered * weight(k) * k_max / steps;
  }
  return sum;
}

// The largest spacing that keeps the error below `accuracy`, 0 when no reasonable one does.
// `whole`: what the square of the error is relative to.
template <class F>
double largest_spacing(const WindowError& window, const F& f, double k_max, int l, double whole,
                       double accuracy) {
  const double least = 0.2 / k_max;
  double low = least, high = 2 * std::numbers::pi / k_max;
  for (int turn = 0; turn < 11; ++turn) {
    const double h = std::sqrt(low * high);
    const double error =
        integrate_squares(f, k_max, l, [&](double k) { return window.squared(k, h, l); });
    (error < accuracy * accuracy * whole ? low : high) = h;
  }
  return low > least ? low : 0.0;
}

// A model of the time per atom [ns] at 0.1 atoms per Å³: rows of nodes and transforms (measured).
inline double mesh_cost(int order, double spacing) {
  return 20 + 2.4 * order * order + 75 / (spacing * spacing * spacing);
}

/// @throws ModelError for options that make no sense, or Gaussians too broad for the cutoff.
inline MeshSettings choose_mesh(const ParticleMeshOptions& options, int l_max, double narrowest,
                                double widest) {
  MeshSettings s;
  // What the split or the tail leaves is small beside the mesh's error.
  const double share = 0.65 * options.accuracy;
  const double c = options.split_parameter > 0
                       ? options.split_parameter
                       : 4.5 - 2.05 * std::log10(options.accuracy) + 2 * l_max;
  const double x = mesh_gaussian_reach(options.accuracy, l_max);
  // Pairs of the widest Gaussians must look like points at the cutoff: erfc(g r_c).
  const bool narrow_enough = 2 * widest * x <= options.cutoff * 1.05;
  s.cutoff = options.cutoff;
  s.mesh_only = options.splitting == MeshSplitting::none ||
                (options.splitting == MeshSplitting::automatic && narrowest > 0 &&
                 (!narrow_enough || x / narrowest < 2 * c / options.cutoff));
  if (s.mesh_only && !(narrowest > 0))
    throw ModelError("ParticleMesh: points on the mesh alone; give them a width, or a splitting");
  if (!s.mesh_only && !narrow_enough)
    throw ModelError("ParticleMesh: Gaussians of width " + std::to_string(widest) +
                     " Angstrom reach beyond the cutoff of " + std::to_string(options.cutoff) +
                     " Angstrom; use a cutoff of at least " + std::to_string(2 * widest * x) +
                     " or MeshSplitting::none");
  s.kind = options.splitting == MeshSplitting::gaussian ? Splitting::Kind::gaussian
                                                        : Splitting::Kind::prolate;
  s.parameter = s.kind == Splitting::Kind::prolate ? c
                : options.split_parameter > 0
                    ? options.split_parameter
                    : std::sqrt(-std::log(0.3 * options.accuracy)) / options.cutoff;
  if (s.mesh_only) {
    s.kind = Splitting::Kind::prolate;
    s.cutoff = s.parameter = 0;
  }

  // The jump of a prolate window at its ends makes an error of some 1e-5 at c = 17 (measured), and
  // what the mesh leaves beyond depends on its spacing.
  const double sharp = options.window_parameter > 0
                           ? options.window_parameter
                           : std::max(9.0, 17.5 + 2.65 * std::log10(1e-5 / options.accuracy));

  // The kernel on the mesh, and what errors are relative to: for points, forces of disordered
  // charges, 6.5 <q²> n^(2/3) at 0.1 atoms per Å³.
  double k_max = 1.2 * x / std::max(narrowest, 1e-3);
  const auto gauss = [&](double k) { return std::exp(-narrowest * narrowest * k * k); };
  const auto choose = [&](const auto& f, double whole) {
    const bool fixed = options.spacing > 0 || options.size[0] > 0;
    double best = 0;
    for (int kind = 0; kind < 2; ++kind) {
      const auto window = kind == 0 ? MeshWindowKind::spline : MeshWindowKind::prolate;
      if (options.window == MeshWindowChoice::spline && kind != 0) continue;
      if (options.window == MeshWindowChoice::prolate && kind != 1) continue;
      const int least = std::max(kind == 0 ? MeshWindow::least_order : 6, l_max + 3);
      for (int order = least; order <= MeshWindow::most_order; ++order) {
        if (options.order > 0 && order != options.order) continue;
        if (fixed && (order != (options.order > 0 ? options.order : 6))) continue;
        double parameter = kind == 0 ? 0.0 : sharp;
        double h = !fixed ? 0.0 : options.spacing > 0 ? options.spacing : 1.0;
        for (int turn = 0; turn < 4 && h == 0; ++turn) {
          if (turn > 0) parameter += 2;
          h = largest_spacing(WindowError(MeshWindow(window, order, parameter)), f, k_max, l_max,
                              whole, share);
          if (kind == 0 || options.window_parameter > 0) break;
        }
        if (h == 0) continue;
        const double cost = mesh_cost(order, h);
        if (best != 0 && cost >= best) continue;
        best = cost;
        s.window = window;
        s.order = order;
        s.window_parameter = parameter;
        s.spacing = h;
      }
      if (fixed && best != 0) break;
    }
    if (best == 0)
      throw ModelError("ParticleMesh: no window of order " + std::to_string(options.order) +
                       " (0: any) reaches an accuracy of " + std::to_string(options.accuracy) +
                       " for multipoles of l_max = " + std::to_string(l_max) +
                       "; orders are l_max + 3 … 8 and at least 4 (prolate: 6)");
  };
  if (s.mesh_only) {
    choose(gauss, integrate_squares(gauss, k_max, l_max, [](double) { return 1.0; }));
    return s;
  }
  const Splitting split = s.kind == Splitting::Kind::prolate
                              ? Splitting::prolate(s.cutoff, s.parameter)
                              : Splitting::gaussian(s.parameter);
  k_max = split.k_max(0.1 * options.accuracy);
  choose([&](double k) { return split.factor(k * k); }, 5.3 * std::cbrt(0.1) * (1 + l_max));
  return s;
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
