// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/units.hpp>
#include <leyden/electrostatics/mesh/window.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/splitting.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

/// A-priori errors of split Coulomb sums: the root mean square, over atoms, of the error of the
/// force on an atom [eV/Å], for multipoles that stand anywhere, independent of each other. They are
/// the exact averages of that model, summed or integrated numerically; nothing is asymptotic.
///
/// In an average over positions and orientations a multipole scatters a wave of length 2π/k with
/// |q + i k·d − ½ k·M·k|² → q² + k²|d|²/3 + k⁴ Tr M²/30, and the errors of different pairs add as
/// squares (Hockney and Eastwood, Computer Simulation Using Particles, §8-3; Kolafa and Perram,
/// Mol. Simul. 9, 351 (1992)).
namespace leyden::inline LEYDEN_ABI {

/// How strong a system's multipoles are, all atoms together.
struct SourceStrength {
  double atoms = 0;
  double volume = 0;        ///< Å³
  double charges2 = 0;      ///< Σ q², e²
  double dipoles2 = 0;      ///< Σ |d|², e² Å²
  double quadrupoles2 = 0;  ///< Σ Tr M², e² Å⁴

  /// What scatters a wave of squared length k2.
  double at(double k2) const { return charges2 + k2 * (dipoles2 / 3 + k2 * quadrupoles2 / 30); }
};

/// @param p (n·size) e, e Å, e Å²
inline SourceStrength source_strength(std::span<const double> p, int l_max, double volume) {
  const auto size = static_cast<std::size_t>(detail::multipole_size(l_max));
  SourceStrength out;
  out.atoms = static_cast<double>(p.size() / size);
  out.volume = volume;
  for (std::size_t i = 0; i < p.size(); i += size) {
    out.charges2 += p[i] * p[i];
    for (std::size_t m = 1; m < std::min<std::size_t>(size, 4); ++m)
      out.dipoles2 += p[i + m] * p[i + m];
    if (size < 9) continue;
    for (std::size_t c = 0; c < 6; ++c) {
      double tensor = 0;
      for (std::size_t m = 0; m < 5; ++m) tensor += p[i + 4 + m] * detail::quadrupole_tensor[c][m];
      out.quadrupoles2 += detail::second_derivative_weight[c] * tensor * tensor;
    }
  }
  return out;
}

namespace detail {

// ∫_low^high by Gauss-Legendre on `pieces` equal parts.
template <class F>
double integrate(const F& f, double low, double high, int pieces) {
  std::vector<double> node, weight;
  half_gauss_legendre(8, node, weight);
  const double half = (high - low) / (2 * pieces);
  double sum = 0;
  for (int piece = 0; piece < pieces; ++piece) {
    const double middle = low + (2 * piece + 1) * half;
    for (std::size_t i = 0; i < node.size(); ++i)
      sum += weight[i] * half * (f(middle + half * node[i]) + f(middle - half * node[i]));
  }
  return sum;
}

// (C²/V N) · 8 ∫ f² s² dk: waves that a sum leaves out.
template <class F>
double lost_waves(const F& f, double low, double high, const SourceStrength& s) {
  const double sum = integrate(
      [&](double k) {
        const double scattered = f(k) * s.at(k * k);
        return scattered * scattered;
      },
      low, high, 64);
  return units::coulomb * std::sqrt(8 * sum / (s.volume * s.atoms));
}

}  // namespace detail

/// The error of leaving out all waves beyond `k_cutoff`. Of a prolate split, which ends by itself,
/// that of ending there: waves up to six times its k_max count. That is exact for charges; the
/// forces between dipoles and quadrupoles jump at the cutoff, a sum over all waves would diverge,
/// and this is an estimate within a factor of two.
inline double wave_force_error(const Splitting& splitting, double k_cutoff,
                               const SourceStrength& strength) {
  if (splitting.kind() == Splitting::Kind::gaussian)
    return detail::lost_waves([&](double k) { return splitting.factor(k * k); }, k_cutoff,
                              std::hypot(k_cutoff, splitting.k_max(1e-20)), strength);
  // f = ∫_0^1 ψ(s) cos(k r_c s) ds / ∫_0^1 ψ goes on beyond c/r_c.
  const double c = splitting.parameter(), radius = splitting.cutoff();
  const Prolate psi(c);
  std::vector<double> node, weight;
  detail::half_gauss_legendre(40 + static_cast<int>(4 * c), node, weight);
  for (std::size_t i = 0; i < node.size(); ++i) weight[i] *= psi(node[i]) / psi.integral(1);
  const auto factor = [&](double k) {
    double sum = 0;
    for (std::size_t i = 0; i < node.size(); ++i) sum += weight[i] * std::cos(k * radius * node[i]);
    return sum;
  };
  return detail::lost_waves(factor, std::min(k_cutoff, c / radius), 6 * c / radius, strength);
}

/// The error of ending the sum over pairs at `cutoff`, of one width class with another one: what is
/// left there of S(r) = erf(gr)/r − L(r). A prolate split leaves nothing of points (widths 0).
inline double pair_force_error(const Splitting& splitting, double cutoff, double width_a,
                               double width_b, const SourceStrength& a, const SourceStrength& b) {
  // B_n of erfc(ar)/r by its recursion; `order` up to 5.
  const auto tail = [](double steep, double r, int order) {
    double value = std::erfc(steep * r) / r;
    double power = std::exp(-steep * steep * r * r) / steep * std::numbers::inv_sqrtpi_v<double>;
    for (int n = 0; n < order; ++n) {
      power *= 2 * steep * steep;
      value = ((2 * n + 1) * value + power) / (r * r);
    }
    return value;
  };
  const double width2 = width_a * width_a + width_b * width_b;
  const bool gaussian = splitting.kind() == Splitting::Kind::gaussian;
  const double alpha = splitting.parameter(), g = width2 > 0 ? 1 / std::sqrt(2 * width2) : 0;
  const double of_a[3] = {a.charges2, a.dipoles2 / 3, a.quadrupoles2 / 30};
  const double of_b[3] = {b.charges2, b.dipoles2 / 3, b.quadrupoles2 / 30};
  const auto density = [&](double r) {
    double sum = 0;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        if (of_a[i] == 0 || of_b[j] == 0) continue;
        const int order = i + j + 1;
        double s = 0;
        if (gaussian) s += tail(alpha, r, order);
        if (g > 0) s -= tail(g, r, order);
        s *= std::pow(r, order);
        sum += of_a[i] * of_b[j] * s * s;
      }
    return 4 * std::numbers::pi * r * r * sum;
  };
  const double slow = std::min(gaussian ? alpha : 1e300, g > 0 ? g : 1e300);
  if (!(slow < 1e300)) return 0.0;
  const double sum = detail::integrate(density, cutoff, std::hypot(cutoff, 6 / slow), 24);
  return units::coulomb * std::sqrt(sum / (a.volume * a.atoms));
}

namespace detail {

// The Fourier transforms of a window's derivatives of order 0 … 3 along one axis of a mesh, as they
// are evaluated: those of a window that ends with a jump leave the jump out. Over (2πi)^order, so
// that without jumps they are powers of the frequency times the first one.
//
// Kept are products of them: squares of the orders 0 … 3, and order 0 times order 1; of the wave
// itself and summed over its images.
struct WindowTransforms {
  struct Wave {
    double frequency = 0;  // waves per node spacing
    double transform[4] = {};
    double own[5] = {}, images[5] = {};
  };
  std::vector<Wave> waves;  // (nodes)

  WindowTransforms(const MeshWindow& window, int nodes) {
    // w, w', w'' at the upper end, t = −1 of the last node's polynomial.
    double end[3] = {};
    for (int k = 0; k <= window.degree(); ++k) {
      const double c = window.coefficient(k, window.order() - 1) * (k % 2 == 0 ? 1 : -1);
      end[0] += c;
      end[1] += 2 * k * c;
      end[2] += 4 * k * (k - 1) * c;
    }
    constexpr double two_pi = 2 * std::numbers::pi;
    waves.resize(static_cast<std::size_t>(nodes));
    for (int n = 0; n < nodes; ++n) {
      Wave& wave = waves[static_cast<std::size_t>(n)];
      wave.frequency = static_cast<double>(n - (2 * n > nodes ? nodes : 0)) / nodes;
      for (int m = -2; m <= 2; ++m) {
        const double x = wave.frequency + m, at_end = std::numbers::pi * x * window.order();
        double a[4];
        a[0] = window.transform(two_pi * x);
        a[1] = x * a[0] - 2 * end[0] * std::sin(at_end) / two_pi;
        a[2] = x * a[1] - 2 * end[1] * std::cos(at_end) / (two_pi * two_pi);
        a[3] = x * a[2] + 2 * end[2] * std::sin(at_end) / (two_pi * two_pi * two_pi);
        double* into = m == 0 ? wave.own : wave.images;
        for (int order = 0; order < 4; ++order) into[order] += a[order] * a[order];
        into[4] += a[0] * a[1];
        if (m == 0) std::copy(a, a + 4, wave.transform);
      }
    }
  }
};

// Squared norms of the tensors of derivatives of order 0 … 3 of a product of windows along three
// axes, summed over what `product` makes of picks per axis. Mixed derivatives along oblique axes
// count as if the axes were orthogonal from the second order on.
template <class Product>
void derivative_norms(const Matrix3<double>& metric, const Product& product, double* norm) {
  norm[0] = product(0, 0, 0);
  norm[1] = norm[2] = norm[3] = 0;
  for (int d = 0; d < 3; ++d) {
    int pick[3] = {};
    const auto with = [&](int a, int b, int c) {
      pick[d] = a;
      pick[(d + 1) % 3] = b;
      pick[(d + 2) % 3] = c;
      return product(pick[0], pick[1], pick[2]);
    };
    const int e = (d + 1) % 3, f = (d + 2) % 3;
    const double g = metric(d, d);
    norm[1] += g * with(1, 0, 0) + 2 * metric(e, f) * with(0, 4, 4);
    norm[2] += g * g * with(2, 0, 0) + 2 * metric(e, e) * metric(f, f) * with(0, 1, 1);
    norm[3] +=
        g * g *
        (g * with(3, 0, 0) + 3 * metric(e, e) * with(2, 1, 0) + 3 * metric(f, f) * with(2, 0, 1));
  }
  norm[3] += 6 * metric(0, 0) * metric(1, 1) * metric(2, 2) * product(1, 1, 1);
}

}  // namespace detail

/// The error of putting the waves of a split on a mesh: of the discrete set, of the images that the
/// window lets through, and of the influence function that best makes up for them (the functional
/// of Hockney and Eastwood for differentiated windows: Ballenegger, Cerdà and Holm, J. Chem. Theory
/// Comput. 8, 936 (2012)), over all waves of a small mesh and `samples` of a large one. What the
/// split leaves beyond its waves is not part of it: wave_force_error().
inline double mesh_force_error(const Matrix3<double>& cell, const std::array<int, 3>& nodes,
                               const MeshWindow& window, const Splitting& splitting,
                               const SourceStrength& strength, int samples = 4000) {
  const double of[3] = {strength.charges2, strength.dipoles2 / 3, strength.quadrupoles2 / 30};
  // Reciprocal lattice vectors times nodes: k = Σ g x, x in waves per node spacing.
  const Matrix3<double> inverse_cell = inverse(cell);
  Vector3<double> g[3];
  Matrix3<double> metric;
  for (int d = 0; d < 3; ++d)
    for (int j = 0; j < 3; ++j)
      g[d][j] = 2 * std::numbers::pi * inverse_cell(j, d) * nodes[static_cast<std::size_t>(d)];
  for (int d = 0; d < 3; ++d)
    for (int e = 0; e < 3; ++e) metric(d, e) = dot(g[d], g[e]);
  const detail::WindowTransforms axes[3] = {detail::WindowTransforms(window, nodes[0]),
                                            detail::WindowTransforms(window, nodes[1]),
                                            detail::WindowTransforms(window, nodes[2])};
  const double limit = splitting.k_max(1e-18);
  // Strengths with norms of derivatives: of sources, and from one order on of forces on receivers.
  const auto scattered = [&](const double* norm) {
    return of[0] * norm[0] + of[1] * norm[1] + of[2] * norm[2];
  };
  // The density of the squared error in wave n.
  const auto error_of = [&](const std::array<int, 3>& n) {
    const detail::WindowTransforms::Wave* w[3];
    Vector3<double> k;
    for (std::size_t d = 0; d < 3; ++d) {
      w[d] = &axes[d].waves[static_cast<std::size_t>(n[d])];
      k += g[d] * w[d]->frequency;
    }
    const double k2 = dot(k, k);
    if (k2 == 0 || k2 > limit * limit) return 0.0;
    const double kernel = 4 * std::numbers::pi / k2 * splitting.factor(k2);
    const double exact[4] = {1, k2, k2 * k2, k2 * k2 * k2};
    double own[4], images[4];
    detail::derivative_norms(
        metric, [&](int a, int b, int c) { return w[0]->own[a] * w[1]->own[b] * w[2]->own[c]; },
        own);
    // All products but that of the three own ones, without cancellation.
    detail::derivative_norms(
        metric,
        [&](int a, int b, int c) {
          const double x = w[0]->own[a], y = w[1]->own[b], z = w[2]->own[c];
          const double more_y = w[1]->images[b], more_z = w[2]->images[c];
          return w[0]->images[a] * (y + more_y) * (z + more_z) + x * more_y * (z + more_z) +
                 x * y * more_z;
        },
        images);
    if (own[0] < 1e-30) return kernel * kernel * scattered(exact) * scattered(exact + 1);
    // G = kernel/(U² (1 + x)(1 + y)): what it lacks in the wave itself, and what it does in images.
    const double x = images[0] / own[0], y = images[1] / (own[0] * k2);
    const double influence = kernel / (own[0] * (1 + x) * (1 + y));
    const double lack = kernel * (x + y + x * y) / ((1 + x) * (1 + y));
    double off[4] = {};  // of the wave's derivatives, squared, relative to the product
    Vector3<double> gradient_off;
    for (std::size_t d = 0; d < 3; ++d) {
      const double at = w[d]->frequency;
      const double* t = w[d]->transform;
      gradient_off += g[d] * (t[1] / t[0] - at);
      double power = at, scale = 1;
      for (int order = 2; order < 4; ++order) {
        power *= at;
        scale *= metric(static_cast<int>(d), static_cast<int>(d));
        const double o = t[order] / t[0] - power;
        off[order] += scale * metric(static_cast<int>(d), static_cast<int>(d)) * o * o;
      }
    }
    off[1] = dot(gradient_off, gradient_off);
    const double carried = influence * influence * own[0] * own[0];
    return lack * lack * scattered(exact) * scattered(exact + 1) +
           carried *
               (scattered(off) * scattered(exact + 1) + scattered(exact) * scattered(off + 1)) +
           influence * influence *
               (scattered(own + 1) * scattered(images) +
                scattered(images + 1) * (scattered(own) + scattered(images)));
  };
  const double total = static_cast<double>(nodes[0]) * nodes[1] * nodes[2];
  double sum = 0;
  std::array<int, 3> n{};
  if (total <= 2 * samples) {
    for (n[0] = 0; n[0] < nodes[0]; ++n[0])
      for (n[1] = 0; n[1] < nodes[1]; ++n[1])
        for (n[2] = 0; n[2] < nodes[2]; ++n[2]) sum += error_of(n);
  } else {
    // An additive recurrence that fills a cube evenly (Roberts, 2018).
    constexpr double step[3] = {0.8191725133961645, 0.6710436067037893, 0.5497004779019703};
    for (int i = 0; i < samples; ++i) {
      for (std::size_t d = 0; d < 3; ++d) {
        const double x = 0.5 + (i + 1) * step[d];
        n[d] = std::min(static_cast<int>((x - std::floor(x)) * nodes[d]), nodes[d] - 1);
      }
      sum += error_of(n);
    }
    sum *= total / samples;
  }
  return units::coulomb / strength.volume * std::sqrt(sum / strength.atoms);
}

}  // namespace leyden::inline LEYDEN_ABI
