// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/atoms/lattice.hpp>
#include <leyden/core/error.hpp>
#include <leyden/core/units.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/quadrupoles.hpp>
#include <leyden/potential.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

/// Charge density and electrostatic potential in space. Both are those of the Gaussian multipoles
/// alone: the potential of an applied field, −E·r, is the caller's to add.
namespace leyden::inline LEYDEN_ABI {

/// The charge density of a structure: Gaussian multipoles at atoms (electrostatics/multipoles.hpp).
struct GaussianMultipoles {
  Cell cell;
  std::vector<Vector3<double>> positions;  ///< (n) Å
  std::vector<double> widths;              ///< (n) Å
  int l_max = 0;
  std::vector<double> multipoles;  ///< (n·(l_max+1)²) e, e Å, e Å²

  double total_charge() const {
    const auto size = static_cast<std::size_t>((l_max + 1) * (l_max + 1));
    double sum = 0.0;
    for (std::size_t k = 0; k < multipoles.size(); k += size) sum += multipoles[k];
    return sum;
  }
};

/// The multipoles that a potential finds.
/// @throws ModelError for models without charges, and what evaluate() throws.
template <class P>
GaussianMultipoles gaussian_multipoles(const P& potential, const Structure& structure,
                                       typename P::Workspace& workspace) {
  if constexpr (P::multipole_count == 0) {
    throw ModelError("gaussian_multipoles: '" + std::string(P::charge_model_type::name) +
                     "' has no charges; take a potential with a charge model");
  } else {
    const Prediction& p = potential.evaluate(structure, workspace, {false, false});
    return {structure.cell, structure.positions, workspace.widths, P::charge_model_type::l_max,
            p.multipoles};
  }
}

namespace detail {

// Beyond this many widths a Gaussian is below 3e-18 of its height.
inline constexpr double gaussian_reach = 9.0;

inline void check_multipoles(const char* where, const GaussianMultipoles& m) {
  const std::size_t n = m.positions.size();
  check_sources(where, static_cast<int>(n), SourceShape{m.l_max, m.widths}, 2);
  if (m.multipoles.size() != n * static_cast<std::size_t>(multipole_size(m.l_max)))
    throw InputError(std::string(where) + ": " + std::to_string(m.multipoles.size()) +
                     " multipoles are given for " + std::to_string(n) + " atoms of l_max = " +
                     std::to_string(m.l_max) + "; give (l_max + 1)² per atom");
}

// q, then the Cartesian dipole, then the tensor of the quadrupole (xx, yy, zz, xy, xz, yz).
inline std::array<double, 10> cartesian_multipole(const GaussianMultipoles& m, std::size_t atom) {
  const auto size = static_cast<std::size_t>(multipole_size(m.l_max));
  const double* p = m.multipoles.data() + atom * size;
  std::array<double, 10> out{};
  out[0] = p[0];
  for (std::size_t lm = 1; lm < std::min<std::size_t>(size, 4); ++lm)
    out[static_cast<std::size_t>(1 + cartesian_of_coefficient[lm])] = p[lm];
  for (std::size_t lm = 4; lm < size; ++lm)
    for (std::size_t c = 0; c < 6; ++c) out[4 + c] += p[lm] * quadrupole_tensor[c][lm - 4];
  return out;
}

// d·x and x·M·x.
inline std::array<double, 2> project_multipole(const std::array<double, 10>& p,
                                               const Vector3<double>& x) {
  return {p[1] * x[0] + p[2] * x[1] + p[3] * x[2],
          p[4] * x[0] * x[0] + p[5] * x[1] * x[1] + p[6] * x[2] * x[2] +
              2 * (p[7] * x[0] * x[1] + p[8] * x[0] * x[2] + p[9] * x[1] * x[2])};
}

}  // namespace detail

/// ρ at each point [e/Å³], with all periodic images: analytic, no solver and no net charge needed.
/// The uniform background of a charged cell is not part of it. Points × atoms × images in reach.
///
/// @throws InputError for widths that are not positive, numbers that do not fit and cells whose
/// periodic vectors are dependent; ModelError for l_max > 2.
inline std::vector<double> charge_density(const GaussianMultipoles& m,
                                          std::span<const Vector3<double>> points) {
  detail::check_multipoles("charge_density", m);
  const CompactLattice lattice = compact_lattice(m.cell);
  std::vector<double> density(points.size(), 0.0);
  for (std::size_t i = 0; i < m.positions.size(); ++i) {
    const auto p = detail::cartesian_multipole(m, i);
    const double s2 = m.widths[i] * m.widths[i];
    const double reach = detail::gaussian_reach * m.widths[i];
    const double height = std::pow(2 * std::numbers::pi * s2, -1.5);
    std::array<double, 3> span{};  // in units of the basis
    for (int k = 0; k < lattice.n_periodic; ++k)
      span[static_cast<std::size_t>(k)] = reach / lattice.height(k);
    for (std::size_t at = 0; at < points.size(); ++at) {
      const Vector3<double> d = points[at] - m.positions[i];
      const Vector3<double> c = d * lattice.inverse;
      std::array<int, 3> low{}, high{};
      for (int k = 0; k < lattice.n_periodic; ++k) {
        const auto kk = static_cast<std::size_t>(k);
        low[kk] = static_cast<int>(std::ceil(-c[k] - span[kk]));
        high[kk] = static_cast<int>(std::floor(-c[k] + span[kk]));
      }
      for (int a = low[0]; a <= high[0]; ++a)
        for (int b = low[1]; b <= high[1]; ++b)
          for (int e = low[2]; e <= high[2]; ++e) {
            const Vector3<double> x = d + double(a) * lattice.basis.row(0) +
                                      double(b) * lattice.basis.row(1) +
                                      double(e) * lattice.basis.row(2);
            const double r2 = dot(x, x);
            if (r2 > reach * reach) continue;
            const auto [dipole, quadrupole] = detail::project_multipole(p, x);
            // M has no trace, so ½ M:∇∇ leaves ½ x·M·x/σ⁴.
            density[at] += (p[0] + dipole / s2 + 0.5 * quadrupole / (s2 * s2)) * height *
                           std::exp(-0.5 * r2 / s2);
          }
    }
  }
  return density;
}

/// The electrostatic potential at each point [V], averaged with a unit Gaussian of `width` [Å], in
/// the boundary and with the zero of the solver: the points are sources without charge. Every term
/// that a solver has is in it; an atom's own density always is.
///
/// Wave-vector solvers need finer waves for widths below the smallest of the atoms; without another
/// reason take that one. Points are served some hundred at a time; each time costs the plan of the
/// solver for atoms and points.
///
/// @throws what the solver's plan throws: ModelError for a boundary, net charge or l_max that it
/// does not serve, InputError for widths that are not positive.
template <class S>
std::vector<double> electrostatic_potential(const S& solver, const GaussianMultipoles& m,
                                            std::span<const Vector3<double>> points, double width) {
  static_assert(!std::is_same_v<S, NoElectrostatics>, "there is no potential without a solver");
  detail::check_multipoles("electrostatic_potential", m);
  const std::size_t n = m.positions.size(), step = std::max<std::size_t>(n, 128);
  const auto size = static_cast<std::size_t>(detail::multipole_size(m.l_max));
  std::vector<double> potential(points.size());
  Geometry<double> geometry;
  geometry.cell = m.cell.vectors;
  geometry.periodic = m.cell.periodic;
  typename S::template Plan<double> plan;
  std::vector<double> widths, p, v;
  for (std::size_t first = 0; first < points.size(); first += step) {
    const std::size_t count = std::min(step, points.size() - first);
    geometry.positions = m.positions;
    geometry.positions.insert(geometry.positions.end(), points.begin() + std::ptrdiff_t(first),
                              points.begin() + std::ptrdiff_t(first + count));
    geometry.atomic_numbers.assign(n + count, 0);
    geometry.first.assign(n + count + 1, 0);
    widths = m.widths;
    widths.resize(n + count, width);
    p = m.multipoles;
    p.resize((n + count) * size, 0.0);
    v.resize(p.size());
    solver.template plan<double>(geometry, SourceShape{m.l_max, widths}, m.total_charge(), plan);
    solver.template apply<double>(plan, std::span<const double>(p), std::span<double>(v));
    for (std::size_t k = 0; k < count; ++k) potential[first + k] = v[(n + k) * size];
  }
  return potential;
}

/// Averages over planes parallel to two repeating lattice vectors.
struct PlaneAverages {
  std::vector<double> density;    ///< e/Å³
  std::vector<double> potential;  ///< V
};

namespace detail {

// The normal of the planes of direction `axis`, on the side of that lattice vector, and the area.
struct PlaneSetting {
  Vector3<double> normal{};
  double area = 0.0;    // Å²
  double period = 0.0;  // Å along the normal; 0: open
};

inline PlaneSetting plane_setting(const char* where, const Cell& cell, int axis) {
  if (axis < 0 || axis > 2)
    throw InputError(std::string(where) + ": axis " + std::to_string(axis) +
                     " is asked for; it is the index of a lattice vector, 0, 1 or 2");
  for (int d = 0; d < 3; ++d)
    if (d != axis && !cell.periodic[static_cast<std::size_t>(d)])
      throw InputError(std::string(where) +
                       ": the structure does not repeat along lattice vector " + std::to_string(d) +
                       ", so planes across axis " + std::to_string(axis) +
                       " have no average; both other directions must repeat");
  compact_lattice(cell);  // refuses dependent vectors
  const Vector3<double> a = cell.vectors.row((axis + 1) % 3), b = cell.vectors.row((axis + 2) % 3);
  const Vector3<double> c = cross(a, b);
  PlaneSetting plane;
  plane.area = norm(c);
  const double along = dot(c, cell.vectors.row(axis)) / plane.area;
  plane.normal = ((along < 0 ? -1.0 : 1.0) / plane.area) * c;
  if (cell.periodic[static_cast<std::size_t>(axis)]) plane.period = std::abs(along);
  return plane;
}

}  // namespace detail

/// Averages of density and potential over planes across lattice vector `axis`, at `heights` [Å]
/// along their normal (the unit vector across the other two vectors, on the side of that one),
/// measured from the origin of the coordinates. Analytic in the plane and along it; the average of
/// the potential solves φ'' = −ρ/ε₀ as the solvers' boundaries have it:
///
/// - axis repeats (bulk): average zero; a net charge has a uniform background, which is not part of
///   the density given.
/// - axis is open (slab): φ(z) = −(1/2ε₀) ∫ |z − z'| ρ(z') dz', as Reciprocal.
///
/// Density and potential are both averaged with a Gaussian of `width` [Å] too; 0: not.
///
/// @throws InputError when one of the other two directions does not repeat, for an axis or width
/// that is none, and as charge_density.
inline PlaneAverages plane_averages(const GaussianMultipoles& m, int axis,
                                    std::span<const double> heights, double width = 0.0) {
  using std::numbers::pi;
  const char* where = "plane_averages";
  detail::check_multipoles(where, m);
  const auto plane = detail::plane_setting(where, m.cell, axis);
  if (!(width >= 0) || !std::isfinite(width))
    throw InputError("plane_averages: the width is " + std::to_string(width) +
                     " Angstrom; it must not be negative");
  PlaneAverages out{std::vector<double>(heights.size(), 0.0),
                    std::vector<double>(heights.size(), 0.0)};
  for (std::size_t i = 0; i < m.positions.size(); ++i) {
    const auto p = detail::cartesian_multipole(m, i);
    const auto along = detail::project_multipole(p, plane.normal);
    const double q = p[0], d = along[0], half = 0.5 * along[1];
    // The density along z is (q − d ∂ + ½M ∂²) g(z), g of width σ.
    const double s2 = m.widths[i] * m.widths[i] + width * width, s = std::sqrt(s2);
    const double reach = detail::gaussian_reach * s;
    const double peak = 1.0 / (std::sqrt(2 * pi) * s);
    const double origin = dot(plane.normal, m.positions[i]);
    for (std::size_t k = 0; k < heights.size(); ++k) {
      const double z = heights[k] - origin;
      const auto image = [&](double x) {
        const double t = x * x / s2;
        return (q + d * x / s2 + half * (t - 1) / s2) * peak * std::exp(-0.5 * t) / plane.area;
      };
      if (plane.period == 0.0) {
        // f(z) = ∫ |z − z'| g(z') dz', f' = erf, f'' = 2g.
        const double g = peak * std::exp(-0.5 * z * z / s2);
        const double slope = std::erf(z / (std::numbers::sqrt2 * s));
        out.density[k] += image(z);
        out.potential[k] -= 2 * pi * units::coulomb / plane.area *
                            (q * (z * slope + 2 * s2 * g) - d * slope + half * 2 * g);
        continue;
      }
      const double low = std::ceil((-z - reach) / plane.period);
      for (double c = low; z + c * plane.period <= reach; ++c)
        out.density[k] += image(z + c * plane.period);
      const double step = 2 * pi / plane.period;
      for (double w = step; w * s < detail::gaussian_reach; w += step)
        out.potential[k] += 8 * pi * units::coulomb / (plane.area * plane.period) *
                            std::exp(-0.5 * s2 * w * w) / (w * w) *
                            ((q - half * w * w) * std::cos(w * z) + d * w * std::sin(w * z));
    }
  }
  return out;
}

/// The potential above a slab minus that below it [V], above being where the normal of
/// plane_averages points: D/(ε₀ A), D the dipole along the normal. Without an applied field's part.
///
/// @throws InputError unless two directions repeat, and for a charged slab, outside of which the
/// potential is not constant.
inline double potential_drop(const GaussianMultipoles& m) {
  detail::check_multipoles("potential_drop", m);
  int open = -1, count = 0;
  for (int d = 0; d < 3; ++d)
    if (!m.cell.periodic[static_cast<std::size_t>(d)]) {
      open = d;
      ++count;
    }
  if (count != 1)
    throw InputError("potential_drop: " + std::to_string(3 - count) +
                     " directions of the structure repeat; a slab has two");
  const auto plane = detail::plane_setting("potential_drop", m.cell, open);
  double charge = 0.0, dipole = 0.0;
  for (std::size_t i = 0; i < m.positions.size(); ++i) {
    const auto p = detail::cartesian_multipole(m, i);
    charge += p[0];
    dipole +=
        p[0] * dot(plane.normal, m.positions[i]) + detail::project_multipole(p, plane.normal)[0];
  }
  if (!(std::abs(charge) <= 1e-6))
    throw InputError("potential_drop: the slab has a charge of " + std::to_string(charge) +
                     " e; the potential outside of a charged slab is not constant");
  return units::inverse_vacuum_permittivity * dipole / plane.area;
}

}  // namespace leyden::inline LEYDEN_ABI
