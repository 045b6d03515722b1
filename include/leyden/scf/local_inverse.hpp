// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/scf/atom_boxes.hpp>
#include <leyden/scf/eliminate.hpp>
#include <leyden/scf/krylov.hpp>
#include <leyden/scf/law_sum.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// A sparse approximate inverse of the equations of charges and dipoles, from the exact inverses of
/// small patches of atoms: a few atoms of a box, the core, with their surroundings. The inverse of
/// (hardness + Coulomb) is short-ranged, because charges screen each other, although the Coulomb
/// interaction is not.
///
/// Energies (symmetric M): a factorised sparse approximate inverse Gᵀ G, positive by construction
/// (Kolotilin and Yeremin, SIAM J. Matrix Anal. Appl. 14, 45 (1993)); patches hold what stands
/// before the core. Responses and maps (M = I − A P): the rows of the core from its patch's
/// inverse. Within a patch the multipoles interact as in open space, whatever the boundary is: far
/// charges matter little, and the patch matrix stays positive. What is smooth on the scale of a
/// patch can be left out of the interaction, see `smooth`.
///
/// Higher multipoles than dipoles are left as they are.
template <std::floating_point R>
class LocalInverse {
 public:
  struct Options {
    double radius = 6.0;            // Å, at most the neighbour list's cutoff
    std::size_t core = 4;           // atoms
    std::size_t charges = 40;       // atoms of a patch
    std::size_t with_dipoles = 20;  // atoms of a patch, where they have dipoles
  };

  /// The atoms of a patch, the core's last, and its rows of the inverse (or of G): (core·coupled) ×
  /// (atoms·coupled).
  struct Patch {
    std::span<const int> atoms;
    std::size_t core;
    const R* rows;
  };

  /// @param symmetric whether M is (an energy's): ∂²φ + η + K; else I − A (P + η)
  /// @param cores    boxes of atoms
  /// @param bonds    of each atom
  /// @param blocks   derivatives of the law
  /// @param hardness (n·size) or empty
  /// @param receiver widths per feature block (empty: own)
  /// @param smooth   the interaction of Gaussians of this variance Å² (of both together) is left
  /// out
  ///                 (0: nothing is); at least that of the atoms' own
  void build(bool symmetric, const Geometry<R>& geometry, const AtomBoxes<R>& cores,
             const BondEnds& bonds, const LawBlocks<R>& blocks, std::span<const R> hardness,
             std::span<const double> widths, std::span<const double> receiver, double smooth,
             const Options& options);

  std::size_t size() const { return size_; }        // coefficients per atom
  std::size_t coupled() const { return coupled_; }  // of them, those that patches couple
  std::size_t patches() const { return core_.size(); }
  Patch patch(std::size_t p) const {
    return {std::span<const int>(member_).subspan(first_[p], first_[p + 1] - first_[p]), core_[p],
            value_.data() + row_[p]};
  }

  /// out = B in, B = G for energies.
  void rows(std::span<const R> in, std::span<R> out) const;
  /// out = Bᵀ in
  void columns(std::span<const R> in, std::span<R> out) const;

 private:
  static constexpr int lanes = Pack<R>::lanes;
  struct Member {
    int atom;
    R distance2;
    Vector3<R> at;
  };

  void collect(const Geometry<R>& geometry, const AtomBoxes<R>& cores, std::size_t p, bool earlier,
               const Options& options);
  /// K of the patch, (atoms·coupled)² row-major, as seen by atoms of a given width.
  template <class Width>
  void interaction(Width&& receiver, std::span<const double> widths, double smooth);
  void law_blocks(const BondEnds& bonds, const LawBlocks<R>& blocks, std::size_t width);

  std::size_t size_ = 1, coupled_ = 1;
  std::vector<std::size_t> first_, row_, core_;
  std::vector<int> member_;
  std::vector<R> value_;
  mutable std::vector<R> gathered_, result_;

  std::vector<Member> members_;
  std::vector<int> local_;
  std::vector<R> matrix_, response_, kernel_, unit_;
};

template <std::floating_point R>
void LocalInverse<R>::collect(const Geometry<R>& geometry, const AtomBoxes<R>& cores, std::size_t p,
                              bool earlier, const Options& options) {
  const std::size_t core = cores.first[p + 1] - cores.first[p];
  const int* const own = cores.atoms.data() + cores.first[p];
  const R limit2 = static_cast<R>(options.radius * options.radius);
  members_.clear();
  for (std::size_t c = 0; c < core; ++c) {
    const std::size_t i = static_cast<std::size_t>(own[c]);
    for (int e = geometry.first[i]; e < geometry.first[i + 1]; ++e) {
      const std::size_t k = static_cast<std::size_t>(e),
                        j = static_cast<std::size_t>(geometry.sender[k]);
      const std::size_t box = static_cast<std::size_t>(cores.box[j]);
      const R d2 = dot(geometry.vector[k], geometry.vector[k]);
      if (d2 > limit2 || box == p || (earlier && box > p)) continue;
      // Of several images the nearest.
      const Member member{static_cast<int>(j), d2, cores.positions[i] - geometry.vector[k]};
      int& slot = local_[j];
      if (slot < 0) {
        slot = static_cast<int>(members_.size());
        members_.push_back(member);
      } else if (d2 < members_[static_cast<std::size_t>(slot)].distance2) {
        members_[static_cast<std::size_t>(slot)] = member;
      }
    }
  }
  for (const Member& m : members_) local_[static_cast<std::size_t>(m.atom)] = -1;
  std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) {
    return a.distance2 != b.distance2 ? a.distance2 < b.distance2 : a.atom < b.atom;
  });
  const std::size_t most = coupled_ == 1 ? options.charges : options.with_dipoles;
  members_.resize(std::min(members_.size(), most - std::min(most, core)));
  for (std::size_t c = 0; c < core; ++c)
    members_.push_back({own[c], R(0), cores.positions[static_cast<std::size_t>(own[c])]});
  for (std::size_t a = 0; a < members_.size(); ++a)
    local_[static_cast<std::size_t>(members_[a].atom)] = static_cast<int>(a);
}

template <std::floating_point R>
template <class Width>
void LocalInverse<R>::interaction(Width&& receiver, std::span<const double> widths, double smooth) {
  using P = Pack<R>;
  const std::size_t dim = members_.size(), s = coupled_, stride = dim * s;
  kernel_.resize(stride * stride);
  const P b = P(static_cast<R>(smooth > 0 ? 1.0 / std::sqrt(2.0 * smooth) : 1.0));
  for (std::size_t i = 0; i < dim; ++i) {
    const double t = receiver(static_cast<std::size_t>(members_[i].atom));
    for (std::size_t first = 0; first < dim; first += static_cast<std::size_t>(lanes)) {
      P r[3], a, near[3], far[3];
      for (int lane = 0; lane < lanes; ++lane) {
        const std::size_t j = std::min(first + static_cast<std::size_t>(lane), dim - 1);
        const double w = widths[static_cast<std::size_t>(members_[j].atom)];
        const Vector3<R> d = members_[i].at - members_[j].at;
        for (int c = 0; c < 3; ++c) r[c].set_lane(lane, d[c]);
        a.set_lane(lane, static_cast<R>(1.0 / std::sqrt(2.0 * (w * w + t * t))));
      }
      const P r2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
      detail::gaussian_kernel<R, 3>(r2, a, near);
      if (smooth > 0) {
        detail::gaussian_kernel<R, 3>(r2, b, far);
        for (int n = 0; n < 3; ++n) near[n] -= far[n];
      }
      for (int lane = 0; lane < lanes; ++lane) {
        const std::size_t j = first + static_cast<std::size_t>(lane);
        if (j >= dim) break;
        R* const k = kernel_.data() + i * s * stride + j * s;
        const R b0 = near[0].lane(lane), b1 = near[1].lane(lane), b2 = near[2].lane(lane);
        k[0] = b0;
        if (s < 4) continue;
        for (std::size_t u = 1; u < 4; ++u) {
          const R ru = r[cartesian_of_coefficient[u]].lane(lane);
          k[u] = ru * b1;
          k[u * stride] = -ru * b1;
          for (std::size_t v = 1; v < 4; ++v)
            k[u * stride + v] =
                (u == v ? b1 : R(0)) - ru * r[cartesian_of_coefficient[v]].lane(lane) * b2;
        }
      }
    }
  }
}

/// The law's part of the patch for one width, (atoms·coupled)².
template <std::floating_point R>
void LocalInverse<R>::law_blocks(const BondEnds& bonds, const LawBlocks<R>& blocks,
                                 std::size_t width) {
  const std::size_t dim = members_.size(), s = coupled_, stride = dim * s, in = blocks.in;
  response_.assign(stride * stride, R(0));
  const auto add = [&](std::size_t a, std::size_t b, const R* block, std::size_t count,
                       std::size_t row) {
    for (std::size_t u = 0; u < count; ++u)
      for (std::size_t v = 0; v < count; ++v)
        response_[(a * s + u) * stride + b * s + v] += block[u * row + v];
  };
  const std::size_t joined = std::min(blocks.joined, s), row = blocks.bond_row();
  for (std::size_t a = 0; a < dim; ++a) {
    const std::size_t atom = static_cast<std::size_t>(members_[a].atom);
    add(a, a, blocks.atoms.data() + atom * size_ * in + width * size_, s, in);
    if (blocks.bonds.empty()) continue;
    for (const BondEnds::End& end : bonds.of(atom)) {
      add(a, a, blocks.bond_part(end.bond, end.side, end.side, width), joined, row);
      if (const int other = local_[end.other]; other >= 0)
        add(a, static_cast<std::size_t>(other),
            blocks.bond_part(end.bond, end.side, 1 - end.side, width), joined, row);
    }
  }
}

template <std::floating_point R>
void LocalInverse<R>::build(bool symmetric, const Geometry<R>& geometry, const AtomBoxes<R>& cores,
                            const BondEnds& bonds, const LawBlocks<R>& blocks,
                            std::span<const R> hardness, std::span<const double> widths,
                            std::span<const double> receiver, double smooth,
                            const Options& options) {
  size_ = blocks.out;
  coupled_ = size_ < 4 ? 1 : 4;
  const std::size_t s = coupled_, n_widths = receiver.empty() ? 1 : receiver.size();
  first_.assign(1, 0);
  row_.clear();
  core_.clear();
  member_.clear();
  value_.clear();
  local_.assign(static_cast<std::size_t>(geometry.n_atoms()), -1);
  for (std::size_t p = 0; p < cores.size(); ++p) {
    collect(geometry, cores, p, symmetric, options);
    const std::size_t dim = members_.size(), stride = dim * s;
    const std::size_t core = cores.first[p + 1] - cores.first[p], outer = (dim - core) * s;
    matrix_.assign(stride * stride, R(0));
    if (!symmetric)
      for (std::size_t a = 0; a < stride; ++a) matrix_[a * stride + a] = R(1);
    for (std::size_t w = 0; w < n_widths; ++w) {
      interaction([&](std::size_t atom) { return receiver.empty() ? widths[atom] : receiver[w]; },
                  widths, smooth);
      if (!hardness.empty())
        for (std::size_t a = 0; a < stride; ++a)
          kernel_[a * stride + a] +=
              hardness[static_cast<std::size_t>(members_[a / s].atom) * size_ + a % s];
      law_blocks(bonds, blocks, w);
      if (symmetric) {
        for (std::size_t k = 0; k < matrix_.size(); ++k) matrix_[k] += kernel_[k] + response_[k];
      } else {
        for (std::size_t a = 0; a < stride; ++a)
          for (std::size_t b = 0; b < stride; ++b) {
            const R x = response_[a * stride + b];
            if (x == R(0)) continue;
            R* const to = matrix_.data() + a * stride;
            const R* const from = kernel_.data() + b * stride;
            for (std::size_t k = 0; k < stride; ++k) to[k] -= x * from[k];
          }
      }
    }
    // The core's rows, as columns: of the factor L⁻¹ for energies, else of the inverse.
    const std::size_t rows = core * s;
    unit_.assign(stride * rows, R(0));
    for (std::size_t k = 0; k < rows; ++k) unit_[(outer + k) * rows + k] = R(1);
    bool good;
    if (symmetric) {
      good = detail::cholesky(stride, matrix_.data());
      if (good)  // Lᵀ y = e
        for (std::size_t k = stride; k-- > 0;) {
          for (std::size_t c = 0; c < rows; ++c) unit_[k * rows + c] /= matrix_[k * stride + k];
          for (std::size_t j = 0; j < k; ++j)
            for (std::size_t c = 0; c < rows; ++c)
              unit_[j * rows + c] -= matrix_[k * stride + j] * unit_[k * rows + c];
        }
    } else {
      for (std::size_t a = 0; a < stride; ++a)
        for (std::size_t b = 0; b < a; ++b)
          std::swap(matrix_[a * stride + b], matrix_[b * stride + a]);
      good = detail::eliminate(stride, matrix_.data(), unit_.data(), rows);
    }
    for (R x : unit_) good = good && std::isfinite(x);
    for (const Member& m : members_) local_[static_cast<std::size_t>(m.atom)] = -1;
    // A patch without an inverse leaves its atoms as they are.
    const std::size_t skipped = good ? 0 : dim - core;
    for (std::size_t a = skipped; a < dim; ++a) member_.push_back(members_[a].atom);
    first_.push_back(member_.size());
    core_.push_back(core);
    row_.push_back(value_.size());
    for (std::size_t k = 0; k < rows; ++k)
      for (std::size_t a = skipped * s; a < stride; ++a)
        value_.push_back(good ? unit_[a * rows + k] : (a == outer + k ? R(1) : R(0)));
  }
}

template <std::floating_point R>
void LocalInverse<R>::rows(std::span<const R> in, std::span<R> out) const {
  const std::size_t s = coupled_;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % size_ < s ? R(0) : in[i];
  for (std::size_t p = 0; p < patches(); ++p) {
    const Patch patch = this->patch(p);
    const std::size_t dim = patch.atoms.size(), outer = dim - patch.core;
    gathered_.resize(dim * s);
    for (std::size_t a = 0; a < dim; ++a)
      for (std::size_t u = 0; u < s; ++u)
        gathered_[a * s + u] = in[static_cast<std::size_t>(patch.atoms[a]) * size_ + u];
    const R* row = patch.rows;
    for (std::size_t c = 0; c < patch.core; ++c)
      for (std::size_t u = 0; u < s; ++u, row += dim * s) {
        out[static_cast<std::size_t>(patch.atoms[outer + c]) * size_ + u] =
            detail::dot_product(row, gathered_.data(), dim * s);
      }
  }
}

template <std::floating_point R>
void LocalInverse<R>::columns(std::span<const R> in, std::span<R> out) const {
  const std::size_t s = coupled_;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % size_ < s ? R(0) : in[i];
  for (std::size_t p = 0; p < patches(); ++p) {
    const Patch patch = this->patch(p);
    const std::size_t dim = patch.atoms.size(), outer = dim - patch.core;
    gathered_.assign(dim * s, R(0));
    const R* row = patch.rows;
    for (std::size_t c = 0; c < patch.core; ++c)
      for (std::size_t u = 0; u < s; ++u, row += dim * s) {
        const R x = in[static_cast<std::size_t>(patch.atoms[outer + c]) * size_ + u];
        for (std::size_t k = 0; k < dim * s; ++k) gathered_[k] += row[k] * x;
      }
    for (std::size_t a = 0; a < dim; ++a)
      for (std::size_t u = 0; u < s; ++u)
        out[static_cast<std::size_t>(patch.atoms[a]) * size_ + u] += gathered_[a * s + u];
  }
}

}  // namespace leyden::inline LEYDEN_ABI
