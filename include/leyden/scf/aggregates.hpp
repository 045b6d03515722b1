// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/scf/atom_boxes.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Atoms joined to aggregates with a charge and a dipole each, and the interaction of these as
/// wide Gaussians: what is smooth of the interaction of the atoms.
template <std::floating_point R>
class Aggregates {
 public:
  static constexpr std::size_t moments = 4;  // of an aggregate
  using Vector = Eigen::Matrix<R, Eigen::Dynamic, 1>;

  struct Size {
    std::size_t atoms = 32;   // in an aggregate, at least
    std::size_t most = 200;   // aggregates
    std::size_t least = 3;    // aggregates; fewer are none
    double smoothness = 1.0;  // combined width of two Gaussians in lengths of an aggregate
  };

  /// Sets all below. Returns the variance Å² of the smooth interaction (of both Gaussians
  /// together), or 0 where there are no aggregates: in small structures and wires.
  double build(const Geometry<R>& geometry, std::span<const double> widths,
               std::span<const double> receiver, const Size& size);

  std::size_t count() const { return boxes_.size(); }
  std::size_t unknowns() const { return count() * moments; }
  /// The aggregate of an atom.
  int of(std::size_t atom) const { return boxes_.box[atom]; }
  static Eigen::Index at(int aggregate, std::size_t moment) {
    return static_cast<Eigen::Index>(static_cast<std::size_t>(aggregate) * moments + moment);
  }
  /// Row of V: the moments of a coefficient (a charge or part of a dipole) of an atom.
  void translate(std::size_t atom, std::size_t component, R* row) const {
    for (std::size_t m = 0; m < moments; ++m) row[m] = m == component ? R(1) : R(0);
    if (component == 0)
      for (std::size_t m = 1; m < moments; ++m) row[m] = offset_[atom][cartesian_of_coefficient[m]];
  }
  /// out = Vᵀ x, of the first `coupled` of `size` coefficients per atom.
  void add_moments(std::span<const R> x, std::size_t coupled, std::size_t size, Vector& out) const;
  /// out += V e
  void spread_moments(const Vector& e, std::size_t coupled, std::size_t size,
                      std::span<R> out) const;
  /// C, (unknowns)²
  const std::vector<R>& kernel() const { return kernel_; }

 private:
  AtomBoxes<R> boxes_;
  std::vector<Vector3<R>> offset_;  // (n) from the centre of its aggregate
  std::vector<R> kernel_;
  Geometry<R> centres_;
  std::vector<double> centre_widths_;
  Direct::Plan<R> open_plan_;
  Reciprocal::Plan<R> periodic_plan_;
};

template <std::floating_point R>
double Aggregates<R>::build(const Geometry<R>& geometry, std::span<const double> widths,
                            std::span<const double> receiver, const Size& size) {
  const std::size_t n = static_cast<std::size_t>(geometry.n_atoms());
  const auto periodic = std::count(geometry.periodic.begin(), geometry.periodic.end(), true);
  if (n < size.atoms * size.least || periodic == 1) return 0.0;
  boxes_.build(geometry, std::max(size.atoms, n / size.most));
  const std::size_t count = boxes_.size();
  centres_.atomic_numbers.assign(count, 0);
  centres_.positions.assign(count, Vector3<R>{});
  centres_.cell = geometry.cell;
  centres_.periodic = geometry.periodic;
  centres_.first.assign(count + 1, 0);
  offset_.resize(n);
  double spread = 0;
  for (std::size_t a = 0; a < count; ++a) {
    const auto atoms = std::span<const int>(boxes_.atoms)
                           .subspan(boxes_.first[a], boxes_.first[a + 1] - boxes_.first[a]);
    Vector3<R> centre{};
    for (int i : atoms) centre += boxes_.positions[static_cast<std::size_t>(i)];
    centre = centre * (R(1) / static_cast<R>(atoms.size()));
    for (int i : atoms) {
      const Vector3<R> d = boxes_.positions[static_cast<std::size_t>(i)] - centre;
      offset_[static_cast<std::size_t>(i)] = d;
      spread += static_cast<double>(dot(d, d));
    }
    centres_.positions[a] = centre;
  }
  // A cube of side h has atoms at h²/4 from its centre, in the mean.
  double widest = 0;
  for (double w : widths) widest = std::max(widest, w);
  for (double w : receiver) widest = std::max(widest, w);
  const double side = 2.0 * std::sqrt(spread / static_cast<double>(n));
  const double length = std::max(size.smoothness * side, 1.5 * widest);
  centre_widths_.assign(count, length * std::numbers::sqrt2 / 2.0);
  const SourceShape source{1, centre_widths_};
  kernel_.resize(count * moments * count * moments);
  if (periodic == 0) {
    const Direct solver;
    solver.template plan<R>(centres_, source, R(0), open_plan_);
    solver.template assemble<R>(open_plan_, std::span<R>(kernel_));
  } else {
    ReciprocalOptions reciprocal;
    reciprocal.accuracy = 1e-3;  // what is smooth is not exact anyway
    reciprocal.background = Background::uniform;
    const Reciprocal solver(reciprocal);
    solver.template plan<R>(centres_, source, R(0), periodic_plan_);
    solver.template assemble<R>(periodic_plan_, std::span<R>(kernel_));
  }
  return length * length;
}

template <std::floating_point R>
void Aggregates<R>::add_moments(std::span<const R> x, std::size_t coupled, std::size_t size,
                                Vector& out) const {
  out.setZero(static_cast<Eigen::Index>(unknowns()));
  R row[moments];
  for (std::size_t i = 0; i < offset_.size(); ++i)
    for (std::size_t u = 0; u < coupled; ++u) {
      translate(i, u, row);
      for (std::size_t m = 0; m < moments; ++m) out[at(of(i), m)] += row[m] * x[i * size + u];
    }
}

template <std::floating_point R>
void Aggregates<R>::spread_moments(const Vector& e, std::size_t coupled, std::size_t size,
                                   std::span<R> out) const {
  R row[moments];
  for (std::size_t i = 0; i < offset_.size(); ++i)
    for (std::size_t u = 0; u < coupled; ++u) {
      translate(i, u, row);
      for (std::size_t m = 0; m < moments; ++m) out[i * size + u] += row[m] * e[at(of(i), m)];
    }
}

}  // namespace leyden::inline LEYDEN_ABI
