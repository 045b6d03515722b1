// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/reciprocal_setup.hpp>

// Slabs: two periodic directions, the third open.
//
// The Coulomb kernel of a wave vector q in the plane, (2π/q) exp(−q|z|), is needed for |z| up to
// some R only. Cut off there, its Fourier transform in a box of length L = 2R along the normal is
//
//     4π/k² (1 − exp(−qR) cos(k_z R))        (sin(k_z R) = 0 for all k_z of the box)
//     4π/k_z² (1 − cos(k_z R))               for q = 0, where the kernel is −2π|z|
//     −2πR²                                  for k = 0
//
// and images along the normal are beyond R: nothing is approximated but what Gaussian tails leave
// outside (Rozzi et al., Phys. Rev. B 73, 205119 (2006); Sohier et al., Phys. Rev. B 96, 075448
// (2017)). The potential is that of −2π|z| at q = 0, so a charged slab needs no background.
namespace leyden::inline LEYDEN_ABI::detail {

// The open direction of a slab, −1 when there are not two periodic directions.
inline int open_direction(const std::array<bool, 3>& periodic) {
  int open = -1;
  for (int d = 0; d < 3; ++d)
    if (!periodic[static_cast<std::size_t>(d)]) {
      if (open >= 0) return -1;
      open = d;
    }
  return open;
}

// The length of the box for atoms within `extent` of each other along the normal and tails of
// `reach`. Steps of 5 % make the set of wave vectors a constant of small displacements; where it
// changes, the energy changes by the accuracy of the sum alone.
inline double slab_length(double extent, double reach) {
  const double least = 2 * reach;
  const double steps = std::ceil(std::log((extent + reach) / reach) / std::log(1.05) + 1e-9);
  return least * std::pow(1.05, steps);
}

// The box of a slab: the two periodic vectors, then the normal times its length. Sets the slab's
// part of the plan. @throws InputError for periodic vectors without an area.
template <Number T>
Matrix3<T> slab_cell(const char* where, const Geometry<T>& geometry, int open, double reach,
                     ReciprocalPlan<T>& plan) {
  using R = RealOf<T>;
  Matrix3<T> cell;
  const Vector3<T> a = geometry.cell.row((open + 1) % 3), b = geometry.cell.row((open + 2) % 3);
  const Vector3<T> c = cross(a, b);
  const T area = norm(c);
  if (!(value_of(area) > R(1e-9) * value_of(norm(a)) * value_of(norm(b))) ||
      !std::isfinite(value_of(area)))
    throw InputError(std::string(where) +
                     ": the two periodic lattice vectors of the slab have no area; they must be "
                     "finite and linearly independent");
  plan.normal = c * (T(R(1)) / area);
  R low{}, high{};
  plan.height.resize(plan.slot_atom.size());
  bool first = true;
  for (std::size_t slot = 0; slot < plan.slot_atom.size(); ++slot) {
    const int i = plan.slot_atom[slot];
    plan.height[slot] =
        i < 0 ? T(0) : dot(plan.normal, geometry.positions[static_cast<std::size_t>(i)]);
    if (i < 0) continue;
    const R h = value_of(plan.height[slot]);
    low = first ? h : std::min(low, h);
    high = first ? h : std::max(high, h);
    first = false;
  }
  for (std::size_t slot = 0; slot < plan.slot_atom.size(); ++slot)
    if (plan.slot_atom[slot] >= 0) plan.height[slot] -= T((low + high) / R(2));
  plan.slab_length = slab_length(static_cast<double>(high - low), reach);
  for (int j = 0; j < 3; ++j) {
    cell(0, j) = a[j];
    cell(1, j) = b[j];
    cell(2, j) = plan.normal[j] * static_cast<R>(plan.slab_length);
  }
  return cell;
}

// Turns the weights of 4πC/k² into those of the slab.
template <Number T>
void truncate_weights(ReciprocalPlan<T>& plan) {
  using std::exp;
  using std::sqrt;
  using R = RealOf<T>;
  const R radius = static_cast<R>(plan.slab_length / 2);
  plan.zero_weight = plan.prefactor * (-radius * radius / R(4));
  for (const WaveRow& row : plan.waves.rows) {
    const Vector3<T> q =
        plan.g[0] * T(static_cast<R>(row.n1)) + plan.g[1] * T(static_cast<R>(row.n2));
    const bool flat = row.n1 == 0 && row.n2 == 0;
    const T length = flat ? T(0) : sqrt(dot(q, q));
    const T decay = flat ? T(R(1)) : exp(length * -radius);
    for (int m = 0; m <= row.reach; ++m)
      for (int side = 0; side < 2; ++side) {
        if (!row.inside(m, side)) continue;
        const auto slot = row.first + static_cast<std::size_t>(2 * m + side);
        const T k2 = dot(plan.k[slot], plan.k[slot]);
        const T cut = row.n3(m, side) % 2 == 0 ? decay : -decay;  // exp(−qR) cos(k_z R)
        plan.weight[slot] = plan.prefactor * (T(R(1)) - cut) / k2;
        plan.strain_weight[slot] = plan.weight[slot] * R(2) / k2;
        if (!flat) plan.strain_weight[slot] -= plan.prefactor * cut * radius / (length * k2);
      }
  }
}

// The strain derivative of a slab from the part of it that acts in the plane, with
//   moved_b = Σ_i z_i ∂E/∂r_ib   and   turned_ab = Σ_i d_ia ∂E/∂d_ib.
// A strain that moves atoms in proportion to their height leaves the lattice as it is; one that
// tilts the plane differs from it by a rotation, under which energies of rotated dipoles stay.
template <Number T>
void complete_slab_strain(const Vector3<T>& normal, const Vector3<T>& moved,
                          const Matrix3<T>& turned, Matrix3<T>& strain) {
  Matrix3<T> plane;
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) plane(a, b) = T(RealOf<T>(a == b ? 1 : 0)) - normal[a] * normal[b];
  strain = plane * strain * plane;
  Vector3<T> tilt;
  for (int a = 0; a < 3; ++a) {
    tilt[a] = moved[a];
    for (int c = 0; c < 3; ++c) tilt[a] += normal[c] * (turned(c, a) - turned(a, c));
  }
  tilt -= normal * dot(tilt, normal);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) strain(a, b) += normal[a] * moved[b] + tilt[a] * normal[b];
}

}  // namespace leyden::inline LEYDEN_ABI::detail
