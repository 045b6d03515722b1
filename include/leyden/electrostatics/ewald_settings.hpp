// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/splitting.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace leyden::inline LEYDEN_ABI {

/// What Ewald is asked for. Zeros follow from `accuracy`; numbers that are given are taken as they
/// are.
struct EwaldOptions {
  /// The root mean square error of forces over that of forces, for multipoles of one kind at random
  /// places: what is left out of each of the two sums, which are integrated numerically (see
  /// ewald_settings.hpp), is as large as this over √2. Systems with long-ranged order are served
  /// better; forces that are small because sources screen each other, worse.
  double accuracy = 1e-6;
  /// Å, of pairs. 0: that at which pairs and waves cost about the same, not less than Gaussians
  /// need to end; or that of the geometry's edges, where it is near.
  double cutoff = 0.0;
  /// Å. With a skin the list of pairs is kept while no atom has moved more than half of it and the
  /// cell is the same.
  double skin = 0.0;
  Splitting::Kind splitting = Splitting::Kind::prolate;
  double split_parameter = 0.0;  ///< prolate: c; Gaussian: α [1/Å]
  double k_cutoff = 0.0;         ///< 1/Å; a prolate split has its own, c/cutoff, at most
  Background background = Background::none;
  SelfInteraction self = SelfInteraction::included;
  /// The largest width of potential features that will be asked for [Å]; 0: that of the widest
  /// source. A cutoff that is chosen leaves room for such Gaussians to end.
  double feature_width = 0.0;
};

namespace detail {

// Options with all numbers filled in.
struct EwaldSettings {
  Splitting::Kind kind = Splitting::Kind::prolate;
  double accuracy = 0;
  double cutoff = 0;
  double parameter = 0;
  double k_cutoff = 0;

  friend bool operator==(const EwaldSettings&, const EwaldSettings&) = default;
};

// How errors are estimated. Multipoles of degree l at random places, independent of each other,
// scatter waves ∝ k^l: a sum that leaves out waves beyond k_c makes mean square errors of forces
//
//     8 ρ ∫_(k_c)^∞ f² k^(4l) dk,     one that leaves out pairs beyond r_c
//     4π ρ ∫_(r_c)^∞ (B_(2l+1) r^(2l+2))² dr,
//
// B_n of S, with the same factor (Hockney and Eastwood, Computer Simulation Using Particles, §8-3;
// Kolafa and Perram, Mol. Simul. 9, 351 (1992)). Forces themselves have f = exp(−k²w²) in the
// first, for Gaussians of width w. Points are kept apart by their repulsion: for charges at
// distances beyond 1.3 Å, as in water, the mean square force 4πρ ∫ dr/r² is that of w = 0.5 Å.
struct EwaldError {
  int l = 0;
  double width = 0.5;

  // Σ of force squares over 8ρ.
  double whole() const {
    const double power = 2 * l + 0.5;
    return 0.5 * std::tgamma(power) / std::pow(2 * width * width, power);
  }

  // Relative error of waves beyond k_c.
  double waves(const Splitting& split, double k_c) const {
    const auto square = [&](double k) {
      const double f = split.factor(k * k);
      return f * f * std::pow(k, 4 * l);
    };
    return std::sqrt(integrate(square, k_c, std::hypot(k_c, split.k_max(1e-20))) / whole());
  }

  // Relative error of a prolate split's waves beyond its end c/r_c. There f = ∫_0^1 ψ(s) cos(k r_c
  // s) ds/∫_0^1 ψ goes on, of the order of its last value over k. To dipoles all further waves
  // matter equally, but the furthest only to pairs that are just at the cutoff: where to end is
  // what random systems show (l = 1, 2: at 0.4 and 0.2 c times the split's end; at least at 4
  // times).
  double prolate_end(double cutoff, double c) const {
    // f at the end is proportional to √c exp(−c); from c = 20 on, integrals would be rounding.
    const double safe = std::min(c, 20.0);
    const Prolate psi(safe);
    std::vector<double> node, weight;
    half_gauss_legendre(40 + static_cast<int>(2 * safe), node, weight);
    const double scale = 1 / psi.integral(1);
    for (std::size_t i = 0; i < node.size(); ++i) weight[i] *= psi(node[i]) * scale;
    const auto square = [&](double x) {
      double f = 0;
      for (std::size_t i = 0; i < node.size(); ++i) f += weight[i] * std::cos(safe * x * node[i]);
      return f * f * std::pow(x, 4 * l);
    };
    const double end = std::sqrt(c / safe) * std::exp(safe - c);
    const double last = std::max(4.0, l == 1 ? 0.4 * c : 0.2 * c);
    return end * std::sqrt(integrate(square, 1, last) * std::pow(c / cutoff, 4 * l + 1) / whole());
  }

  // Relative error of dropping pairs of erfc(αr)/r beyond r_c.
  double pairs(double alpha, double r_c) const {
    const auto square = [&](double r) {
      double b = std::erfc(alpha * r) / r;
      double power = std::exp(-alpha * alpha * r * r) / alpha * std::numbers::inv_sqrtpi_v<double>;
      for (int n = 0; n <= 2 * l; ++n) {
        power *= 2 * alpha * alpha;
        b = ((2 * n + 1) * b + power) / (r * r);
      }
      b *= std::pow(r, 2 * l + 2);
      return b * b;
    };
    const double sum = integrate(square, r_c, std::hypot(r_c, 6 / alpha));
    return std::sqrt(std::numbers::pi / 2 * sum / whole());
  }

 private:
  template <class F>
  static double integrate(const F& f, double low, double high) {
    constexpr int pieces = 160;  // Simpson
    const double h = (high - low) / pieces;
    double sum = f(low) + f(high);
    for (int i = 1; i < pieces; ++i) sum += (i % 2 == 0 ? 2 : 4) * f(low + i * h);
    return sum * h / 3;
  }
};

// Where a decreasing function falls below `target`.
template <class F>
double solve_decreasing(double low, double high, double target, const F& f) {
  for (int turn = 0; turn < 40 && high - low > 1e-4 * low; ++turn) {
    const double middle = 0.5 * (low + high);
    (f(middle) > target ? low : high) = middle;
  }
  return high;
}

// x with erfc(x) = accuracy.
inline double erfc_reach(double accuracy) {
  return solve_decreasing(0, 6.5, accuracy, [](double x) { return std::erfc(x); });
}

// The accuracy that the pairs' functions are asked for: it is relative to their largest values, at
// r = 0, not to what is left of them further out.
inline double pair_accuracy(double accuracy) { return std::max(0.01 * accuracy, 1e-15); }

/// The cutoff of pairs, before the split is chosen.
/// `volume`, `n_atoms`: of the box of waves.
inline double choose_ewald_cutoff(const EwaldOptions& options, double widest, double volume,
                                  int n_atoms) {
  if (options.cutoff > 0) return options.cutoff;
  const double t = std::max(widest, options.feature_width);
  // Slightly more, so that the pairs find no overlap at the accuracy.
  const double needed = 1.001 * erfc_reach(pair_accuracy(options.accuracy)) *
                        std::sqrt(2 * (std::max(widest, t) * std::max(widest, t) + t * t));
  // A neighbour costs about six times as much as a wave vector: with 4π/3 ρ r³ neighbours and
  // V (x/r)³/12π² waves, x = k_c r_c. In steps of 5 %, so that it seldom changes with the volume.
  const double x =
      3.0 - std::log(options.accuracy) * (options.splitting == Splitting::Kind::prolate ? 0.9 : 2);
  const double pi = std::numbers::pi;
  const double ratio =
      volume * x * x * x / (12 * pi * pi) / (6 * 4 * pi / 3 * std::max(n_atoms, 1) / volume);
  const double best = std::clamp(std::pow(ratio, 1.0 / 6), 3.0, 30.0);
  const double stepped = std::pow(1.05, std::round(std::log(best) / std::log(1.05)));
  return std::max(stepped, needed);
}

/// The split and the cutoff of waves for a cutoff of pairs.
inline EwaldSettings choose_ewald(const EwaldOptions& options, int l_max, double widest,
                                  double cutoff) {
  EwaldSettings s{options.splitting, options.accuracy, cutoff, options.split_parameter,
                  options.k_cutoff};
  EwaldError error;
  error.width = std::max(error.width, widest);
  const double share = options.accuracy / std::numbers::sqrt2_v<double>;
  const auto worst = [&](const auto& of) {
    double most = 0;
    for (int l = 0; l <= l_max; ++l) {
      error.l = l;
      most = std::max(most, of());
    }
    return most;
  };
  if (s.kind == Splitting::Kind::prolate) {
    // The error falls somewhat slower than exp(−c): secants.
    if (s.parameter == 0) {
      double c = 12, before = 0, last = 0, slope = -0.9;
      for (int turn = 0; turn < 12; ++turn) {
        const double excess = std::log(worst([&] { return error.prolate_end(cutoff, c); }) / share);
        if (turn > 0 && c != last) slope = std::clamp((excess - before) / (c - last), -1.1, -0.3);
        last = c;
        before = excess;
        c = std::clamp(c - excess / slope, 3.0, 60.0);
        if (std::abs(excess) < 0.02) break;
      }
      s.parameter = c;
    }
    const double end = s.parameter / cutoff;
    s.k_cutoff = s.k_cutoff > 0 ? std::min(s.k_cutoff, end) : end;
    return s;
  }
  if (s.parameter == 0)
    s.parameter = solve_decreasing(0.5 / cutoff, 8 / cutoff, share, [&](double alpha) {
      return worst([&] { return error.pairs(alpha, cutoff); });
    });
  if (s.k_cutoff == 0) {
    const Splitting split = Splitting::gaussian(s.parameter);
    s.k_cutoff = solve_decreasing(0.1 * s.parameter, 20 * s.parameter, share, [&](double k) {
      return worst([&] { return error.waves(split, k); });
    });
  }
  return s;
}

}  // namespace detail
}  // namespace leyden::inline LEYDEN_ABI
