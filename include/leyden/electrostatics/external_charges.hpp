// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/error.hpp>
#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/direct_pairs.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

/// External charges: fixed points or Gaussians that polarise a system and feel its forces (the
/// classical surroundings of an embedded region, an electrode's image charges).
///
/// Their potential on each atom's multipoles, averaged with the atom's own Gaussian, is added to
/// v_ext, so that the energy is p·v_ext; among each other they have no energy here. In open space
/// it is the exact sum over pairs, O(atoms · charges). Where directions repeat, the charges repeat
/// with the cell, and the potential is that which the solver's own K gives between sources of the
/// enlarged system of atoms and charges: any solver and boundary serves that way, to its own
/// accuracy, if it serves the widths of the charges (points need one without own-atom terms).
namespace leyden::inline LEYDEN_ABI {

namespace detail {

/// @throws InputError for numbers that are not finite and negative widths.
inline void check_external_charges(std::span<const ExternalCharge> charges) {
  for (std::size_t k = 0; k < charges.size(); ++k) {
    const ExternalCharge& c = charges[k];
    const auto fail = [&](const std::string& what) {
      throw InputError("external charge " + std::to_string(k) + ": " + what);
    };
    for (int a = 0; a < 3; ++a)
      if (!std::isfinite(c.position[a])) fail("its position is not finite");
    if (!std::isfinite(c.charge)) fail("its charge is not finite");
    if (!(c.width >= 0) || !std::isfinite(c.width))
      fail("its width is " + std::to_string(c.width) +
           " Angstrom; it must be zero (a point) or positive");
  }
}

inline double sum_of_charges(std::span<const ExternalCharge> charges) {
  double sum = 0;
  for (const ExternalCharge& c : charges) sum += c.charge;
  return sum;
}

// External charges as packs, for exact sums in open space.
template <Number T>
struct ExternalPacks {
  using R = RealOf<T>;
  int packs = 0;
  bool one_width = true;
  Buffer<Pack<T>> coordinates;        // [pack][x, y, z]
  Buffer<Pack<T>> charges;            // [pack]; padding has none
  Buffer<Pack<R>> squared_widths;     // [pack]
  mutable Buffer<Pack<T>> gradients;  // [pack][x, y, z]

  void fill(std::span<const ExternalCharge> from, std::span<const Vector3<T>> positions) {
    constexpr int lanes = Pack<T>::lanes;
    const int count = static_cast<int>(from.size());
    packs = pack_count<T>(count);
    coordinates.resize(static_cast<std::size_t>(3 * packs));
    charges.resize(static_cast<std::size_t>(packs));
    squared_widths.resize(static_cast<std::size_t>(packs));
    one_width = true;
    for (int s = 0; s < packs * lanes; ++s) {
      const auto j = static_cast<std::size_t>(std::min(s, count - 1));
      const auto at = static_cast<std::size_t>(s / lanes);
      const int lane = s % lanes;
      for (std::size_t c = 0; c < 3; ++c)
        coordinates[3 * at + c].set_lane(lane, positions[j][static_cast<int>(c)]);
      charges[at].set_lane(lane, T(s < count ? static_cast<R>(from[j].charge) : R(0)));
      squared_widths[at].set_lane(lane, static_cast<R>(from[j].width * from[j].width));
      one_width = one_width && from[j].width == from[0].width;
    }
  }
};

// visit(atom, pack, r from the charges to the atom, B_0 … B_(Count − 1)) of all atoms and packs.
template <int Count, Number T, class Begin, class Visit, class End>
void for_each_external_pair(const ExternalPacks<T>& packs, std::span<const Vector3<T>> atoms,
                            std::span<const double> widths, Begin&& begin, Visit&& visit,
                            End&& end) {
  using R = RealOf<T>;
  // Two points: as narrow as makes no difference.
  const auto width_pair = [](Pack<R> sum) {
    const Pack<R> least(R(1e-8));
    return WidthPair<R>(Pack<R>(R(0.5)) / select_less(sum, least, least, sum));
  };
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    const Pack<T> x[3] = {Pack<T>(atoms[i][0]), Pack<T>(atoms[i][1]), Pack<T>(atoms[i][2])};
    const Pack<R> own(static_cast<R>(widths[i] * widths[i]));
    WidthPair<R> pair = width_pair(own + packs.squared_widths[0]);
    auto sums = begin(i);
    for (int k = 0; k < packs.packs; ++k) {
      const Pack<T>* at = packs.coordinates.data() + 3 * k;
      const Pack<T> r[3] = {x[0] - at[0], x[1] - at[1], x[2] - at[2]};
      const Pack<T> r2 = fma(r[0], r[0], fma(r[1], r[1], r[2] * r[2]));
      if (!packs.one_width)
        pair = width_pair(own + packs.squared_widths[static_cast<std::size_t>(k)]);
      Pack<T> radial[Count];
      pair_radial<PairRange::any, Count>(pair, r2, radial);
      visit(sums, k, r, radial);
    }
    end(i, sums);
  }
}

template <int L, Number T>
void add_external_potential(const ExternalPacks<T>& packs, std::span<const Vector3<T>> atoms,
                            std::span<const double> widths, int l_max, std::span<T> v) {
  constexpr int size = cartesian_size(L);
  struct Sums {
    Pack<T> v[size];
  };
  for_each_external_pair<2 * L + 1>(
      packs, atoms, widths, [](std::size_t) { return Sums(); },
      [&](Sums& s, int k, const Pack<T>* r, const Pack<T>* radial) {
        Pack<T> source[size] = {packs.charges[static_cast<std::size_t>(k)]};
        pair_potential<L, T>(r, radial, source, s.v);
      },
      [&](std::size_t i, const Sums& s) {
        const auto at = [&](int c) {
          return sum_lanes(s.v[c]) * static_cast<RealOf<T>>(units::coulomb);
        };
        store_cartesian<T>(l_max, at, true,
                           v.data() + i * static_cast<std::size_t>(multipole_size(l_max)));
      });
}

// Adds factor · the gradient of p·v on atoms, charges and strain.
template <int L, Number T>
void add_external_gradient(const ExternalPacks<T>& packs, std::span<const Vector3<T>> atoms,
                           std::span<const double> widths, const Buffer<Pack<T>>& p,
                           std::span<const Vector3<T>> positions, T factor,
                           GeometryGradient<T>& gradient, std::span<Vector3<T>> on_charges) {
  constexpr int size = cartesian_size(L), lanes = Pack<T>::lanes;
  factor *= T(static_cast<RealOf<T>>(units::coulomb));
  packs.gradients.assign(static_cast<std::size_t>(3 * packs.packs), Pack<T>());
  struct Sums {
    Pack<T> p[size], g[3];
  };
  for_each_external_pair<2 * L + 2>(
      packs, atoms, widths,
      [&](std::size_t i) {
        Sums s;
        for (int c = 0; c < size; ++c)
          s.p[c] = Pack<T>(lane_of(p.data() + static_cast<int>(i) / lanes * size + c,
                                   static_cast<int>(i) % lanes));
        return s;
      },
      [&](Sums& s, int k, const Pack<T>* r, const Pack<T>* radial) {
        Pack<T> source[size] = {packs.charges[static_cast<std::size_t>(k)]}, energy;
        const auto pair = pair_energy<L, T>(r, radial, s.p, source, energy);
        for (int c = 0; c < 3; ++c) {
          s.g[c] += pair.g[c];
          packs.gradients[static_cast<std::size_t>(3 * k + c)] -= pair.g[c];
        }
      },
      [&](std::size_t i, const Sums& s) {
        for (int c = 0; c < 3; ++c) {
          const T g = factor * sum_lanes(s.g[c]);
          gradient.positions[i][c] += g;
          for (int d = 0; d < 3; ++d) gradient.strain(d, c) += atoms[i][d] * g;
        }
      });
  for (std::size_t j = 0; j < on_charges.size(); ++j)
    for (int c = 0; c < 3; ++c) {
      const T g = factor * lane_of(packs.gradients.data() + static_cast<int>(j) / lanes * 3 + c,
                                   static_cast<int>(j) % lanes);
      on_charges[j][c] += g;
      for (int d = 0; d < 3; ++d) gradient.strain(d, c) += positions[j][d] * g;
    }
}

}  // namespace detail

/// The external charges of one structure in number type T, with all memory they need.
template <class S, Number T>
class ExternalCharges {
 public:
  /// @param source  of the atoms.
  /// @param displacement, strain  tangents for duals: the charges move by them like atoms do; empty
  ///   and null: zero.
  /// @param net_charge  of everything in the cell, external charges included.
  /// @throws what the solver throws for the enlarged system, where directions repeat.
  void plan(const S& solver, const Geometry<T>& geometry, SourceShape source,
            std::span<const ExternalCharge> charges, std::span<const Vector3<double>> displacement,
            const Matrix3<double>* strain, T net_charge);

  bool empty() const { return gradient_.empty(); }

  /// Adds the potential on the atoms' multipoles [V, V/Å …] to v_ext, (n·size).
  void add_potential(const S& solver, std::span<T> v_ext);

  /// Adds factor · ∂(p·v_ext)/∂(atoms, strain). The charges follow a strain. The gradient on the
  /// charges is kept for gradient().
  void add_gradient(const S& solver, std::span<const T> p, T factor, GeometryGradient<T>& gradient);

  /// (charges) ∂/∂(position of each external charge) of the last add_gradient() [eV/Å].
  std::span<const Vector3<T>> gradient() const { return gradient_; }

 private:
  bool open_ = true;
  int l_max_ = 0;
  std::vector<double> widths_;                 // atoms, and charges where directions repeat
  std::vector<Vector3<T>> atoms_, positions_;  // of atoms and of charges
  std::vector<Vector3<T>> gradient_;           // (charges)
  detail::ExternalPacks<T> packs_;             // open space
  std::vector<int> slots_;                     // scratch
  Buffer<Pack<T>> packed_;                     // scratch: multipoles
  Geometry<T> enlarged_;                       // atoms, then charges
  typename S::template Plan<T> plan_;          // of the enlarged system
  std::vector<T> fixed_, free_, result_;       // its multipoles: of charges, of atoms; scratch
  GeometryGradient<T> enlarged_gradient_;      // scratch
};

template <class S, Number T>
void ExternalCharges<S, T>::plan(const S& solver, const Geometry<T>& geometry, SourceShape source,
                                 std::span<const ExternalCharge> charges,
                                 std::span<const Vector3<double>> displacement,
                                 const Matrix3<double>* strain, T net_charge) {
  using R = RealOf<T>;
  gradient_.assign(charges.size(), Vector3<T>{});
  if (charges.empty()) return;
  l_max_ = source.l_max;
  open_ = !(geometry.periodic[0] || geometry.periodic[1] || geometry.periodic[2]);
  atoms_.assign(geometry.positions.begin(), geometry.positions.end());
  widths_.assign(source.widths.begin(), source.widths.end());
  positions_.resize(charges.size());
  for (std::size_t j = 0; j < charges.size(); ++j) {
    positions_[j] = vector_cast<T>(vector_cast<R>(charges[j].position));
    if constexpr (is_dual_v<T>) {
      Vector3<double> t{};
      if (strain != nullptr) t = charges[j].position * *strain;
      if (!displacement.empty()) t += displacement[j];
      for (int c = 0; c < 3; ++c) positions_[j][c].tangent = static_cast<R>(t[c]);
    }
  }
  if (open_) {
    packs_.fill(charges, positions_);
    return;
  }
  const auto size = static_cast<std::size_t>(source.size());
  enlarged_.cell = geometry.cell;
  enlarged_.periodic = geometry.periodic;
  enlarged_.positions.assign(atoms_.begin(), atoms_.end());
  enlarged_.positions.insert(enlarged_.positions.end(), positions_.begin(), positions_.end());
  fixed_.assign(enlarged_.positions.size() * size, T(R(0)));
  for (std::size_t j = 0; j < charges.size(); ++j) {
    widths_.push_back(charges[j].width);
    fixed_[(atoms_.size() + j) * size] = T(static_cast<R>(charges[j].charge));
  }
  solver.template plan<T>(enlarged_, SourceShape{l_max_, widths_}, net_charge, plan_);
}

template <class S, Number T>
void ExternalCharges<S, T>::add_potential(const S& solver, std::span<T> v_ext) {
  if (empty()) return;
  if (open_) {
    detail::with_degree(l_max_, [&](auto l) {
      detail::add_external_potential<l(), T>(packs_, atoms_, widths_, l_max_, v_ext);
    });
    return;
  }
  result_.resize(fixed_.size());
  solver.template apply<T>(plan_, std::span<const T>(fixed_), std::span<T>(result_));
  for (std::size_t k = 0; k < v_ext.size(); ++k) v_ext[k] += result_[k];
}

template <class S, Number T>
void ExternalCharges<S, T>::add_gradient(const S& solver, std::span<const T> p, T factor,
                                         GeometryGradient<T>& gradient) {
  if (empty()) return;
  std::fill(gradient_.begin(), gradient_.end(), Vector3<T>{});
  const std::size_t n = atoms_.size();
  if (open_) {
    slots_.resize(static_cast<std::size_t>(pack_count<T>(static_cast<int>(n)) * Pack<T>::lanes));
    for (std::size_t s = 0; s < slots_.size(); ++s) slots_[s] = s < n ? static_cast<int>(s) : -1;
    detail::pack_multipoles<T>(p, l_max_, slots_, packed_);
    detail::with_degree(l_max_, [&](auto l) {
      detail::add_external_gradient<l(), T>(packs_, atoms_, widths_, packed_, positions_, factor,
                                            gradient, gradient_);
    });
    return;
  }
  free_.assign(fixed_.size(), T(RealOf<T>(0)));
  std::copy(p.begin(), p.end(), free_.begin());
  enlarged_gradient_.reset(enlarged_.positions.size());
  solver.template bilinear_gradient<T>(plan_, std::span<const T>(free_), std::span<const T>(fixed_),
                                       factor, enlarged_gradient_);
  for (std::size_t i = 0; i < n; ++i) gradient.positions[i] += enlarged_gradient_.positions[i];
  for (std::size_t c = 0; c < 9; ++c) gradient.strain.data[c] += enlarged_gradient_.strain.data[c];
  for (std::size_t j = 0; j < gradient_.size(); ++j)
    gradient_[j] = enlarged_gradient_.positions[n + j];
}

}  // namespace leyden::inline LEYDEN_ABI
