// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/error.hpp>
#include <leyden/electrostatics/error_estimate.hpp>
#include <leyden/electrostatics/ewald.hpp>
#include <leyden/electrostatics/particle_mesh.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

/// Solvers made to an accuracy that is named, and checked.
namespace leyden::inline LEYDEN_ABI {

/// What a solver is tuned to.
struct TuningTarget {
  double force_error = 0.0;    ///< eV/Å, the root mean square error of forces that is allowed
  double cutoff = 0.0;         ///< Å, of pairs; 0: the cheapest of 4 … 12
  double feature_width = 0.0;  ///< as in ParticleMeshOptions
  Background background = Background::none;
  SelfInteraction self = SelfInteraction::included;
};

/// A solver's parameters and what they are expected to give.
template <class Options>
struct Tuned {
  Options options;
  double force_error = 0.0;  ///< eV/Å, the error estimate
  double seconds = 0.0;      ///< of one evaluation of energy and forces on one core: a model, for
                             ///< comparing parameters, made from figures of one machine
};

namespace detail {

// The fraction of the allowed error that estimates may reach: they hold for multipoles that do not
// know of each other, within some 25 %.
inline constexpr double tuning_margin = 0.5;

// Nanoseconds: per atom (and its P² rows of nodes), per node of the mesh, per neighbour; times what
// multipoles take more. Measured on one core with 512-bit vectors.
struct MeshCost {
  int l_max = 0;
  double seconds(double atoms, double nodes, int order, double neighbors) const {
    const double more[3] = {1.0, 2.0, 4.0};
    return 1e-9 * (atoms * more[l_max] * (30 + 1.2 * order * order + 2.5 * neighbors) + 6 * nodes);
  }
};

// A class of atoms of one width.
struct WidthStrength {
  double width = 0;
  SourceStrength strength;
};

inline std::vector<WidthStrength> strength_by_width(const SourceShape& source,
                                                    std::span<const double> p, double volume) {
  const auto size = static_cast<std::size_t>(source.size());
  std::vector<WidthStrength> out;
  for (std::size_t i = 0; i < source.widths.size(); ++i) {
    const auto found = std::find_if(out.begin(), out.end(), [&](const WidthStrength& w) {
      return w.width == source.widths[i];
    });
    WidthStrength& into =
        found != out.end() ? *found : out.emplace_back(WidthStrength{source.widths[i], {}});
    const SourceStrength one = source_strength(p.subspan(i * size, size), source.l_max, volume);
    into.strength.charges2 += one.charges2;
    into.strength.dipoles2 += one.dipoles2;
    into.strength.quadrupoles2 += one.quadrupoles2;
  }
  for (WidthStrength& w : out) {
    w.strength.volume = volume;
    w.strength.atoms = static_cast<double>(source.widths.size());
  }
  return out;
}

struct MeshCandidate {
  double spacing = 0, error = 0, nodes = 0;
};

inline std::array<int, 3> mesh_size(const Matrix3<double>& cell, double spacing, int order) {
  std::array<int, 3> size{};
  for (int d = 0; d < 3; ++d)
    size[static_cast<std::size_t>(d)] = MeshTransform<double>::good_size(
        std::max(static_cast<int>(std::ceil(norm(cell.row(d)) / spacing - 1e-9)), order));
  return size;
}

// Windows to choose from. Of prolate ones the best parameter depends on how close to Nyquist the
// kernel reaches.
inline std::vector<MeshWindow> mesh_windows(int l_max) {
  std::vector<MeshWindow> out;
  for (int order = std::max(MeshWindow::least_order, l_max + 3); order <= MeshWindow::most_order;
       ++order)
    out.emplace_back(MeshWindowKind::spline, order);
  for (int order = 6; order <= MeshWindow::most_order; ++order)
    for (const double c : {1.8, 2.0, 2.15, 2.3, 2.45, 2.6})
      out.emplace_back(MeshWindowKind::prolate, order, c * order);
  return out;
}

// The coarsest mesh that keeps the error with a window; no nodes when there is none.
inline MeshCandidate coarsest_mesh(const Matrix3<double>& cell, const Splitting& splitting,
                                   const SourceStrength& strength, const MeshWindow& window,
                                   double allowed) {
  const auto at = [&](double spacing) {
    const auto size = mesh_size(cell, spacing, window.order());
    return MeshCandidate{spacing, mesh_force_error(cell, size, window, splitting, strength, 500),
                         static_cast<double>(size[0]) * size[1] * size[2]};
  };
  double high = 1.3 * std::numbers::pi / splitting.k_max(1e-3), low = high / 24;
  MeshCandidate best = at(low);
  if (!(best.error <= allowed)) return {};
  while (high / low > 1.02) {
    const double middle = std::sqrt(low * high);
    const MeshCandidate here = at(middle);
    if (here.error <= allowed) {
      best = here;
      low = middle;
    } else {
      high = middle;
    }
  }
  return best;
}

// The cheapest of given windows and cutoffs.
inline Tuned<ParticleMeshOptions> tune_mesh(const Geometry<double>& geometry, SourceShape source,
                                            std::span<const double> p, const TuningTarget& target,
                                            std::span<const MeshWindow> windows,
                                            std::span<const double> cutoffs) {
  if (!(target.force_error > 0))
    throw ModelError("tune_particle_mesh: an allowed force error of " +
                     std::to_string(target.force_error) + " eV/Angstrom; it must be positive");
  const double allowed = tuning_margin * target.force_error;
  const auto [low, high] = std::minmax_element(source.widths.begin(), source.widths.end());
  const double narrowest = *low, widest = *high, atoms = static_cast<double>(geometry.n_atoms());

  Tuned<ParticleMeshOptions> best;
  best.seconds = std::numeric_limits<double>::infinity();
  const MeshCost cost{source.l_max};
  // Of fits and tails, which have to be better than the sum: a tenth of what is allowed, relative
  // to forces that are certainly smaller than those between the multipoles of neighbours 2 Å apart.
  const SourceStrength all = source_strength(p, source.l_max, 1.0);
  if (!(all.at(1.0) > 0))
    throw ModelError(
        "tune_particle_mesh: all multipoles are zero; give some as strong as they "
        "will be");
  const double accuracy = std::clamp(
      0.1 * target.force_error * atoms / (units::coulomb / 4 * all.at(1.0)), 1e-14, 1e-2);
  // mesh only: cutoff 0
  const auto attempt = [&](double cutoff) {
    const bool split = cutoff > 0;
    if (split && 2 * widest * mesh_gaussian_reach(0.1 * accuracy, source.l_max) > cutoff) return;
    BoundaryBox<double> box;
    const double reach = split ? cutoff
                               : mesh_gaussian_reach(accuracy, source.l_max) *
                                     std::hypot(widest, std::max(widest, target.feature_width)) *
                                     std::sqrt(2.0);
    make_box("tune_particle_mesh", geometry, reach, box);
    const double volume = std::abs(determinant(box.cell));
    const SourceStrength strength = source_strength(p, source.l_max, volume);
    double pairs2 = 0;  // squared errors of pairs and of the split
    if (split) {
      const auto classes = strength_by_width(source, p, volume);
      const Splitting any = Splitting::prolate(cutoff, 10);
      for (const auto& a : classes)
        for (const auto& b : classes) {
          const double e = pair_force_error(any, cutoff, a.width, b.width, a.strength, b.strength);
          pairs2 += e * e;
        }
      if (!(pairs2 < 0.25 * allowed * allowed)) return;
    }
    Splitting splitting = Splitting::gaussian(split ? 1.0 : 1 / (2 * narrowest));
    if (split) {
      // The smallest c whose own error is half of what is allowed.
      double from = 3, to = 60;
      if (wave_force_error(Splitting::prolate(cutoff, to), 1e9, strength) > 0.5 * allowed) return;
      while (to - from > 0.05) {
        const double c = 0.5 * (from + to);
        (wave_force_error(Splitting::prolate(cutoff, c), 1e9, strength) > 0.5 * allowed ? from
                                                                                        : to) = c;
      }
      splitting = Splitting::prolate(cutoff, to);
      const double waves = wave_force_error(splitting, 1e9, strength);
      pairs2 += waves * waves;
    }
    const double left = std::sqrt(allowed * allowed - pairs2);
    const double neighbors =
        split ? 4 * std::numbers::pi / 3 * std::pow(cutoff, 3) * atoms / volume : 0.0;
    for (const MeshWindow& window : windows) {
      const int order = window.order();
      if (cost.seconds(atoms, 0, order, neighbors) > best.seconds) continue;
      const auto mesh = coarsest_mesh(box.cell, splitting, strength, window, left);
      if (!(mesh.nodes > 0)) continue;
      const double seconds = cost.seconds(atoms, mesh.nodes, order, neighbors);
      const double error = std::hypot(mesh.error, std::sqrt(pairs2));
      if (seconds > best.seconds || (seconds == best.seconds && error >= best.force_error))
        continue;
      ParticleMeshOptions& o = best.options;
      o.accuracy = accuracy;
      o.splitting = split ? MeshSplitting::prolate : MeshSplitting::none;
      o.cutoff = split ? cutoff : o.cutoff;
      o.split_parameter = split ? splitting.parameter() : 0.0;
      o.window = window.kind() == MeshWindowKind::spline ? MeshWindowChoice::spline
                                                         : MeshWindowChoice::prolate;
      o.order = order;
      o.window_parameter = window.parameter();
      o.spacing = mesh.spacing;
      o.feature_width = target.feature_width;
      o.background = target.background;
      o.self = target.self;
      best.seconds = seconds;
      best.force_error = error;
    }
  };
  if (narrowest > 0) attempt(0.0);
  for (const double cutoff : cutoffs) attempt(cutoff);
  if (!(best.seconds < std::numeric_limits<double>::infinity()))
    throw ModelError("tune_particle_mesh: no parameters reach a force error of " +
                     number_text(target.force_error) +
                     " eV/Angstrom with this cutoff; allow more, or another cutoff");
  return best;
}

// Good enough to compare with: high orders and a wide cutoff, without looking for the cheapest.
inline ParticleMesh reference_mesh(const Geometry<double>& geometry, SourceShape source,
                                   std::span<const double> p, const TuningTarget& target) {
  const MeshWindow window(MeshWindowKind::spline, MeshWindow::most_order);
  const double cutoff = 9.0;
  return ParticleMesh(tune_mesh(geometry, source, p, target, {&window, 1}, {&cutoff, 1}).options);
}

}  // namespace detail

/// The cheapest ParticleMesh for a system of multipoles p.
///
/// Splits, windows, orders and spacings (and cutoffs, when none is given) are gone through, with
/// the errors of error_estimate.hpp. The result holds for systems like this one: composition,
/// density, sizes of multipoles and cell.
/// @param p (n·size) multipoles as strong as they will be
/// @throws ModelError when nothing keeps the error, for error ≤ 0 and multipoles that are all zero.
inline Tuned<ParticleMeshOptions> tune_particle_mesh(const Geometry<double>& geometry,
                                                     SourceShape source, std::span<const double> p,
                                                     const TuningTarget& target) {
  const std::vector<MeshWindow> windows = detail::mesh_windows(source.l_max);
  const std::array<double, 5> all{5.0, 6.0, 7.0, 9.0, 12.0};
  return detail::tune_mesh(geometry, source, p, target, windows,
                           target.cutoff > 0 ? std::span<const double>(&target.cutoff, 1)
                                             : std::span<const double>(all));
}

/// What a solver's forces were found to be off by.
struct Verification {
  double force_error = 0.0;  ///< eV/Å, root mean square over the atoms looked at
  double force = 0.0;        ///< eV/Å, that of the forces themselves
  int atoms = 0;             ///< that were looked at
};

/// Compares forces of two solvers on at most `most_atoms` atoms, evenly spaced in the list: give a
/// reference that is a hundred times tighter.
template <class Solver, class Reference>
Verification verify(const Solver& solver, const Reference& reference,
                    const Geometry<double>& geometry, SourceShape source, std::span<const double> p,
                    int most_atoms = 256) {
  const std::size_t n = geometry.positions.size();
  double charge = 0;
  for (std::size_t i = 0; i < n; ++i) charge += p[i * static_cast<std::size_t>(source.size())];
  const auto forces = [&](const auto& s) {
    typename std::remove_cvref_t<decltype(s)>::template Plan<double> plan;
    s.plan(geometry, source, charge, plan);
    GeometryGradient<double> gradient;
    gradient.reset(n);
    s.bilinear_gradient(plan, p, p, 0.5, gradient);
    return gradient.positions;
  };
  const auto found = forces(solver), expected = forces(reference);
  Verification out;
  const std::size_t stride = std::max<std::size_t>(1, n / static_cast<std::size_t>(most_atoms));
  for (std::size_t i = 0; i < n; i += stride) {
    const Vector3<double> off = found[i] - expected[i];
    out.force_error += dot(off, off);
    out.force += dot(expected[i], expected[i]);
    ++out.atoms;
  }
  out.force_error = std::sqrt(out.force_error / std::max(out.atoms, 1));
  out.force = std::sqrt(out.force / std::max(out.atoms, 1));
  return out;
}

/// Parameters whose error was measured.
struct VerifiedParticleMesh {
  Tuned<ParticleMeshOptions> tuned;
  Verification verification;  ///< against a sum a hundred times tighter
};

namespace detail {

template <class Reference>
VerifiedParticleMesh tune_against(const Reference& reference, double force,
                                  const Geometry<double>& geometry, SourceShape source,
                                  std::span<const double> p, double accuracy, TuningTarget target) {
  VerifiedParticleMesh out;
  const double asked = accuracy * force;
  target.force_error = asked;
  for (int turn = 0; turn < 4; ++turn) {
    out.tuned = tune_particle_mesh(geometry, source, p, target);
    out.verification = verify(ParticleMesh(out.tuned.options), reference, geometry, source, p);
    const double ratio = out.verification.force_error / asked;
    if (ratio >= 0.1 && ratio <= 1) return out;
    target.force_error *= std::clamp(0.5 / ratio, 0.05, 5.0);
  }
  if (out.verification.force_error > asked)
    throw ModelError("tune_and_verify: the error of forces stays at " +
                     number_text(out.verification.force_error) + " eV/Angstrom, " +
                     number_text(asked) + " were asked for; rounding or the cutoff limits it");
  return out;
}

}  // namespace detail

/// The cheapest ParticleMesh whose forces are off by less than `accuracy` times the forces
/// themselves (root mean squares), and by no less than a tenth of that: tuned, measured and, when
/// the system is not what estimates suppose, tuned again. Measured against Ewald's sum up to 1000
/// atoms, against a ParticleMesh beyond.
/// @param accuracy relative; target.force_error is not looked at
/// @throws ModelError as tune_particle_mesh(), and when no measured error is small enough
inline VerifiedParticleMesh tune_and_verify(const Geometry<double>& geometry, SourceShape source,
                                            std::span<const double> p, double accuracy,
                                            TuningTarget target = {}) {
  if (!(accuracy > 0 && accuracy < 0.5))
    throw ModelError("tune_and_verify: an accuracy of " + detail::number_text(accuracy) +
                     "; expected one between 0 and 0.5, relative to the forces");
  if (geometry.n_atoms() <= 1000) {
    EwaldOptions options;
    options.accuracy = std::clamp(0.01 * accuracy, 1e-13, 1e-5);
    options.background = target.background;
    options.self = target.self;
    const Ewald reference(options);
    const double force = verify(reference, reference, geometry, source, p).force;
    return detail::tune_against(reference, force, geometry, source, p, accuracy, target);
  }
  // How large forces are: from solvers ever better, until they tell.
  double force = 0;
  target.force_error = 1.0;
  for (int turn = 0; turn < 20; ++turn) {
    const ParticleMesh rough = detail::reference_mesh(geometry, source, p, target);
    force = verify(rough, rough, geometry, source, p).force;
    if (target.force_error <= 0.1 * force) break;
    target.force_error = std::min(0.05 * force, 0.1 * target.force_error);
  }
  target.force_error = 0.01 * accuracy * force;
  return detail::tune_against(detail::reference_mesh(geometry, source, p, target), force, geometry,
                              source, p, accuracy, target);
}

}  // namespace leyden::inline LEYDEN_ABI
