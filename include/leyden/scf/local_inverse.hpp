// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>
#include <leyden/scf/eliminate.hpp>
#include <leyden/scf/law_sum.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// A sparse approximate inverse of the equations of the charges, from the exact inverses of small
/// patches of atoms. The inverse of (hardness + Coulomb) is short-ranged, because charges screen
/// each other, although the Coulomb interaction is not; so the number of Krylov iterations with
/// this preconditioner does not grow with the system: metals do not slosh.
///
/// Energies (symmetric M): a factorised sparse approximate inverse Gᵀ G, positive by construction
/// (Kolotilin and Yeremin, SIAM J. Matrix Anal. Appl. 14, 45 (1993)). Responses and maps (M = I − A
/// P): each row of the inverse from its own patch. Within a patch the charges interact as in open
/// space, whatever the boundary is: far charges matter little, and the patch matrix stays positive.
///
/// Only the charges are coupled; the dipoles of each atom are inverted on their own.
template <std::floating_point R>
class LocalInverse {
 public:
  struct Options {
    double radius = 6.0;  // Å, at most the neighbour list's cutoff
    int max_atoms = 24;   // of a patch
  };

  /// @param blocks   derivatives of the law; `diagonal` (n·size·size) those of M within each atom
  /// @param hardness (n·size) or empty
  /// @param receiver widths per feature block (empty: own)
  template <class Law>
  void build(const Geometry<R>& geometry, const LawSum<Law>& sum, const LawBlocks<R>& blocks,
             std::span<const R> hardness, std::span<const double> widths,
             std::span<const double> receiver, Options options);

  /// out ≈ M⁻¹ in, or its transpose.
  void apply(std::span<const R> in, std::span<R> out, bool transpose) const;

 private:
  struct Member {
    int atom;
    R distance2;
    Vector3<R> at;
  };

  static R kernel(R r2, double s, double t) {
    const double a = 1.0 / std::sqrt(2.0 * (s * s + t * t)), r = std::sqrt(static_cast<double>(r2));
    const double limit = 2.0 * units::coulomb * a * std::numbers::inv_sqrtpi_v<double>;
    return static_cast<R>(a * r < 1e-4 ? limit : units::coulomb * std::erf(a * r) / r);
  }

  bool symmetric_ = false;
  std::size_t size_ = 1;
  std::vector<std::size_t> first_;  // (n + 1) rows
  std::vector<int> column_;
  std::vector<R> value_;
  std::vector<R> dipole_;  // (n·9) inverse blocks of the dipoles
  mutable std::vector<R> scratch_;

  std::vector<Member> members_;
  std::vector<int> local_;
  std::vector<R> matrix_, response_, rhs_;
};

template <std::floating_point R>
template <class Law>
void LocalInverse<R>::build(const Geometry<R>& geometry, const LawSum<Law>& sum,
                            const LawBlocks<R>& blocks, std::span<const R> hardness,
                            std::span<const double> widths, std::span<const double> receiver,
                            Options options) {
  constexpr bool energy = Law::form == LawForm::energy;
  const std::size_t n = sum.atoms, size = blocks.out, in = blocks.in;
  const std::size_t n_widths = receiver.empty() ? 1 : receiver.size();
  symmetric_ = energy;
  size_ = size;
  const auto eta = [&](std::size_t k) { return hardness.empty() ? R(0) : hardness[k]; };
  const auto width = [&](std::size_t atom, std::size_t w) {
    return receiver.empty() ? widths[atom] : receiver[w];
  };
  // The derivative of charge i by the potential (of any width) of atom j, or ∂²φ/∂q_i∂q_j.
  const auto bond_entry = [&](std::size_t bond, bool row_is_from, bool col_is_from, std::size_t w) {
    const std::size_t row = row_is_from ? 0 : size, col = (col_is_from ? 0 : in) + w * size;
    return blocks.bonds[bond * 4 * size * in + row * 2 * in + col];
  };

  first_.assign(1, 0);
  column_.clear();
  value_.clear();
  local_.assign(n, -1);
  const R limit2 = static_cast<R>(options.radius * options.radius);
  for (std::size_t i = 0; i < n; ++i) {
    members_.clear();
    for (int e = geometry.first[i]; e < geometry.first[i + 1]; ++e) {
      const std::size_t k = static_cast<std::size_t>(e);
      const int j = geometry.sender[k];
      const R d2 = dot(geometry.vector[k], geometry.vector[k]);
      if (static_cast<std::size_t>(j) == i || d2 > limit2) continue;
      if (energy && static_cast<std::size_t>(j) > i) continue;  // the factor is triangular
      members_.push_back({j, d2, -geometry.vector[k]});
    }
    std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) {
      return a.distance2 != b.distance2 ? a.distance2 < b.distance2 : a.atom < b.atom;
    });
    // Of several images the nearest; the atom itself stands last.
    std::size_t m = 0;
    for (const Member& member : members_) {
      if (static_cast<int>(m) + 1 >= options.max_atoms) break;
      int& slot = local_[static_cast<std::size_t>(member.atom)];
      if (slot >= 0) continue;
      slot = static_cast<int>(m);
      members_[m++] = member;
    }
    members_.resize(m);
    members_.push_back({static_cast<int>(i), R(0), {}});
    local_[i] = static_cast<int>(m);
    const std::size_t dim = m + 1;

    matrix_.assign(dim * dim, R(0));
    response_.assign(dim * dim, R(0));
    for (std::size_t w = 0; w < n_widths; ++w) {
      // The law's part of the patch for this width.
      std::fill(response_.begin(), response_.end(), R(0));
      for (std::size_t a = 0; a < dim; ++a) {
        const std::size_t atom = static_cast<std::size_t>(members_[a].atom);
        response_[a * dim + a] += blocks.atoms[atom * size * in + w * size];
        if (blocks.bonds.empty()) continue;
        for (int e = geometry.first[atom]; e < geometry.first[atom + 1]; ++e) {
          const std::size_t k = static_cast<std::size_t>(e);
          const std::size_t bond = static_cast<std::size_t>(geometry.pair[k]);
          const bool is_from = geometry.pair_edge[bond] != e;  // the atom receives edge e
          response_[a * dim + a] += bond_entry(bond, is_from, is_from, w);
          const int other = local_[static_cast<std::size_t>(geometry.sender[k])];
          if (other >= 0)
            response_[a * dim + static_cast<std::size_t>(other)] +=
                bond_entry(bond, is_from, !is_from, w);
        }
      }
      // K of the patch, and M.
      for (std::size_t a = 0; a < dim; ++a)
        for (std::size_t b = 0; b < dim; ++b) {
          const std::size_t ia = static_cast<std::size_t>(members_[a].atom);
          const std::size_t ib = static_cast<std::size_t>(members_[b].atom);
          const Vector3<R> d = members_[a].at - members_[b].at;
          R k = kernel(dot(d, d), width(ia, w), widths[ib]);
          if (a == b) k += eta(ia * size);
          if constexpr (energy) {
            matrix_[a * dim + b] += k + response_[a * dim + b];
          } else {
            for (std::size_t c = 0; c < dim; ++c)
              matrix_[c * dim + b] -= response_[c * dim + a] * k;
          }
        }
    }
    if constexpr (!energy)
      for (std::size_t a = 0; a < dim; ++a) matrix_[a * dim + a] += R(1);

    rhs_.assign(dim, R(0));
    rhs_[m] = R(1);
    if constexpr (!energy)  // a row of the inverse: Mᵀ y = e
      for (std::size_t a = 0; a < dim; ++a)
        for (std::size_t b = 0; b < a; ++b) std::swap(matrix_[a * dim + b], matrix_[b * dim + a]);
    bool good = detail::eliminate(dim, matrix_.data(), rhs_.data());
    for (R x : rhs_) good = good && std::isfinite(x);
    if constexpr (energy) {
      good = good && rhs_[m] > R(0);
      const R norm = good ? std::sqrt(rhs_[m]) : R(1);
      for (R& x : rhs_) x /= norm;
    }
    for (std::size_t a = 0; a < dim; ++a) {
      if (!good && a != m) continue;  // a patch without an inverse leaves its atom as it is
      column_.push_back(members_[a].atom);
      value_.push_back(good ? rhs_[a] : R(1));
    }
    first_.push_back(column_.size());
    for (const Member& member : members_) local_[static_cast<std::size_t>(member.atom)] = -1;
  }

  // Dipoles, each atom on its own.
  if (size < 4) return;
  dipole_.assign(n * 9, R(0));
  for (std::size_t i = 0; i < n; ++i) {
    R block[9] = {};
    for (std::size_t w = 0; w < n_widths; ++w) {
      const double s2 = width(i, w) * width(i, w) + widths[i] * widths[i];
      const R own = static_cast<R>(units::coulomb * std::sqrt(2.0 / std::numbers::pi) / 3.0 /
                                   (s2 * std::sqrt(s2)));
      for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t b = 0; b < 3; ++b) {
          const R law = blocks.atoms[i * size * in + (1 + a) * in + w * size + 1 + b];
          const R k = own + eta(i * size + 1 + b);
          if constexpr (energy)
            block[a * 3 + b] += law + (a == b ? k : R(0));
          else
            block[a * 3 + b] -= law * k;
        }
    }
    if constexpr (!energy)
      for (std::size_t a = 0; a < 3; ++a) block[a * 4] += R(1);
    for (std::size_t k = 0; k < 3; ++k) {
      R copy[9], unit[3] = {};
      std::copy(block, block + 9, copy);
      unit[k] = R(1);
      const bool good = detail::eliminate<R>(3, copy, unit);
      for (std::size_t a = 0; a < 3; ++a)
        dipole_[i * 9 + a * 3 + k] = good ? unit[a] : (a == k ? R(1) : R(0));
    }
  }
}

template <std::floating_point R>
void LocalInverse<R>::apply(std::span<const R> in, std::span<R> out, bool transpose) const {
  const std::size_t n = first_.size() - 1;
  std::fill(out.begin(), out.end(), R(0));
  const auto forward = [&](auto&& source, auto&& target) {
    for (std::size_t i = 0; i < n; ++i) {
      R sum = 0;
      for (std::size_t k = first_[i]; k < first_[i + 1]; ++k)
        sum += value_[k] * source(static_cast<std::size_t>(column_[k]));
      target(i) += sum;
    }
  };
  const auto backward = [&](auto&& source, auto&& target) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = first_[i]; k < first_[i + 1]; ++k)
        target(static_cast<std::size_t>(column_[k])) += value_[k] * source(i);
  };
  const auto given = [&](std::size_t i) { return in[i * size_]; };
  const auto result = [&](std::size_t i) -> R& { return out[i * size_]; };
  if (symmetric_) {
    scratch_.assign(n, R(0));
    const auto middle = [&](std::size_t i) -> R& { return scratch_[i]; };
    forward(given, middle);
    backward(middle, result);
  } else if (transpose) {
    backward(given, result);
  } else {
    forward(given, result);
  }
  if (size_ < 4) return;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t a = 0; a < 3; ++a)
      for (std::size_t b = 0; b < 3; ++b)
        out[i * size_ + 1 + a] +=
            dipole_[i * 9 + (transpose ? b * 3 + a : a * 3 + b)] * in[i * size_ + 1 + b];
}

}  // namespace leyden::inline LEYDEN_ABI
