// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/aggregates.hpp>
#include <leyden/scf/charge_inverse.hpp>
#include <leyden/scf/local_inverse.hpp>

#include <Eigen/Core>
#include <Eigen/LU>

#include <limits>

namespace leyden::inline LEYDEN_ABI {

/// The preconditioner of the equations of the density: patches for what is near, aggregates for
/// what is far.
///
/// The interaction is split at the length Σ into a short-ranged part, whose equations L the patches
/// of LocalInverse invert (L⁻¹ ≈ B), and the smooth rest, the interaction of Gaussians of combined
/// variance Σ². That is taken between aggregates of atoms: V translates the multipoles of atoms
/// into a charge and a dipole at the aggregate's centre, and C is K of these, at their widths and
/// in the structure's boundary. The sum L + V C Vᵀ (energies) or L − A V C Vᵀ (responses, maps) is
/// inverted by the formula of Sherman, Morrison and Woodbury, with a dense matrix for the
/// aggregates:
///
///     energies:         Gᵀ (1 − Y E Yᵀ) G,    Y = G V,   E = C (1 + YᵀY C)⁻¹
///     responses, maps:  B + Y E Vᵀ B,         Y = B A V,  E = C (1 − VᵀY C)⁻¹
///
/// Responses without bonds are brought into the form of energies, 1 + S K = S (S⁻¹ + K) with
/// S = −A, which is better approximated: it stays positive.
///
/// The patches alone would make far charges screen each other too little, the less the larger a
/// structure is.
template <std::floating_point R>
class TwoLevelInverse {
 public:
  struct Options {
    typename LocalInverse<R>::Options patches;
    typename Aggregates<R>::Size aggregates;
    typename ChargeInverse<R>::Options charges;  // of charges alone
  };

  /// @param blocks   derivatives of the law
  /// @param hardness (n·size) or empty
  /// @param receiver widths per feature block (empty: own)
  template <class Law>
  void build(const Geometry<R>& geometry, const LawSum<Law>&, const LawBlocks<R>& blocks,
             std::span<const R> hardness, std::span<const double> widths,
             std::span<const double> receiver, const Options& options);

  /// out ≈ M⁻¹ in, or its transpose.
  void apply(std::span<const R> in, std::span<R> out, bool transpose) const;

 private:
  using Matrix = Eigen::Matrix<R, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<R, Eigen::Dynamic, 1>;
  static constexpr std::size_t moments = Aggregates<R>::moments;

  static Eigen::Index at(int aggregate, std::size_t moment) {
    return Aggregates<R>::at(aggregate, moment);
  }
  bool couple(const Geometry<R>& geometry, const LawBlocks<R>& blocks);
  void add_coupled(std::span<const R> x, Vector& out) const;       // out = Yᵀ x
  void spread(const Vector& e, R factor, std::span<R> out) const;  // out += factor Y e

  void invert_softness(const LawBlocks<R>& blocks);
  void apply_symmetric(std::span<const R> in, std::span<R> out) const;

  bool symmetric_ = false;
  bool scaled_ = false;     // a response in its energy's form
  LawBlocks<R> stiffness_;  // S⁻¹
  bool coarse_ = false;
  bool charges_ = false;  // charges alone, without bonds
  ChargeInverse<R> charge_inverse_;
  AtomBoxes<R> cores_;
  Aggregates<R> aggregates_;
  LocalInverse<R> local_;
  Matrix gram_, inverse_;  // W, E
  // Y by patches: which aggregates its core's rows touch, and (core·coupled) × (touched·moments).
  std::vector<std::size_t> touched_first_, y_first_;
  std::vector<int> touched_;
  std::vector<R> y_;
  Eigen::PartialPivLU<Matrix> lu_;
  mutable Vector small_, other_;
  mutable std::vector<R> scratch_, scaled_scratch_;

  std::vector<int> slot_;
  std::vector<R> image_;
};

/// Sets Y, W and E. False when there is no E.
template <std::floating_point R>
bool TwoLevelInverse<R>::couple(const Geometry<R>& geometry, const LawBlocks<R>& blocks) {
  const std::size_t count = aggregates_.count(), dim = count * moments;
  const std::size_t s = local_.coupled(), size = local_.size(), in = blocks.in;
  touched_first_.assign(1, 0);
  y_first_.clear();
  touched_.clear();
  y_.clear();
  slot_.assign(count, -1);
  gram_.setZero(static_cast<Eigen::Index>(dim), static_cast<Eigen::Index>(dim));
  for (std::size_t p = 0; p < local_.patches(); ++p) {
    const typename LocalInverse<R>::Patch patch = local_.patch(p);
    const std::size_t begin = touched_.size(), rows = patch.core * s;
    const auto touch = [&](std::size_t atom) {
      int& slot = slot_[static_cast<std::size_t>(aggregates_.of(atom))];
      if (slot >= 0) return;
      slot = static_cast<int>(touched_.size() - begin);
      touched_.push_back(aggregates_.of(atom));
    };
    for (int i : patch.atoms) {
      const std::size_t atom = static_cast<std::size_t>(i);
      touch(atom);
      if (symmetric_ || blocks.bonds.empty()) continue;
      for (int e = geometry.first[atom]; e < geometry.first[atom + 1]; ++e)
        touch(static_cast<std::size_t>(geometry.sender[static_cast<std::size_t>(e)]));
    }
    const std::size_t width = (touched_.size() - begin) * moments;
    touched_first_.push_back(touched_.size());
    // V, or A V, of the patch.
    image_.assign(patch.atoms.size() * s * width, R(0));
    const auto add = [&](std::size_t a, std::size_t from, const R* block, std::size_t block_width) {
      R* const to =
          image_.data() + a * s * width +
          static_cast<std::size_t>(slot_[static_cast<std::size_t>(aggregates_.of(from))]) * moments;
      for (std::size_t v = 0; v < s; ++v) {
        R row[moments];
        aggregates_.translate(from, v, row);
        for (std::size_t u = 0; u < s; ++u) {
          R x = R(0);
          if (block)
            for (std::size_t w = v; w < in; w += size) x += block[u * block_width + w];
          else if (u == v)
            x = R(1);
          if (x == R(0)) continue;
          for (std::size_t m = 0; m < moments; ++m) to[u * width + m] += x * row[m];
        }
      }
    };
    for (std::size_t a = 0; a < patch.atoms.size(); ++a) {
      const std::size_t atom = static_cast<std::size_t>(patch.atoms[a]);
      if (symmetric_) {
        add(a, atom, nullptr, 0);
        continue;
      }
      add(a, atom, blocks.atoms.data() + atom * size * in, in);
      if (blocks.bonds.empty()) continue;
      for (int e = geometry.first[atom]; e < geometry.first[atom + 1]; ++e) {
        const std::size_t k = static_cast<std::size_t>(e);
        const std::size_t bond = static_cast<std::size_t>(geometry.pair[k]);
        const std::size_t end = geometry.pair_edge[bond] != e ? 0 : 1;
        const R* const row = blocks.bonds.data() + bond * 4 * size * in + end * size * 2 * in;
        add(a, atom, row + end * in, 2 * in);
        add(a, static_cast<std::size_t>(geometry.sender[k]), row + (1 - end) * in, 2 * in);
      }
    }
    y_first_.push_back(y_.size());
    y_.resize(y_.size() + rows * width, R(0));
    R* const y = y_.data() + y_first_.back();
    const std::size_t stride = patch.atoms.size() * s;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < stride; ++k) {
        const R x = patch.rows[r * stride + k];
        for (std::size_t c = 0; c < width; ++c) y[r * width + c] += x * image_[k * width + c];
      }
    // W += YᵀY, or VᵀY.
    const auto touched = [&](std::size_t c) {
      return at(touched_[begin + c / moments], c % moments);
    };
    for (std::size_t r = 0; r < rows; ++r) {
      const R* const row = y + r * width;
      if (symmetric_) {
        for (std::size_t c = 0; c < width; ++c)
          for (std::size_t d = 0; d < width; ++d) gram_(touched(d), touched(c)) += row[d] * row[c];
      } else {
        const std::size_t atom =
            static_cast<std::size_t>(patch.atoms[patch.atoms.size() - patch.core + r / s]);
        R v[moments];
        aggregates_.translate(atom, r % s, v);
        for (std::size_t c = 0; c < width; ++c)
          for (std::size_t m = 0; m < moments; ++m)
            gram_(at(aggregates_.of(atom), m), touched(c)) += v[m] * row[c];
      }
    }
    for (std::size_t k = begin; k < touched_.size(); ++k)
      slot_[static_cast<std::size_t>(touched_[k])] = -1;
  }
  // E = C (1 ± W C)⁻¹, by (1 ± C Wᵀ) Eᵀ = C.
  const Eigen::Map<const Matrix> c(aggregates_.kernel().data(), static_cast<Eigen::Index>(dim),
                                   static_cast<Eigen::Index>(dim));
  inverse_.noalias() = c * gram_.transpose();
  if (!symmetric_) inverse_ = -inverse_;
  inverse_.diagonal().array() += R(1);
  lu_.compute(inverse_);
  inverse_.noalias() = lu_.solve(c);
  for (Eigen::Index i = 0; i < inverse_.rows(); ++i)
    for (Eigen::Index j = 0; j < i; ++j) {
      if (symmetric_)  // but for rounding it is so
        inverse_(i, j) = inverse_(j, i) = R(0.5) * (inverse_(i, j) + inverse_(j, i));
      else
        std::swap(inverse_(i, j), inverse_(j, i));
    }
  return inverse_.allFinite();
}

template <std::floating_point R>
template <class Law>
void TwoLevelInverse<R>::build(const Geometry<R>& geometry, const LawSum<Law>&,
                               const LawBlocks<R>& blocks, std::span<const R> hardness,
                               std::span<const double> widths, std::span<const double> receiver,
                               const Options& options) {
  scaled_ = Law::form == LawForm::response && blocks.bonds.empty();
  symmetric_ = Law::form == LawForm::energy || scaled_;
  if (scaled_) invert_softness(blocks);
  const LawBlocks<R>& of = scaled_ ? stiffness_ : blocks;
  charges_ = symmetric_ && blocks.out == 1 && blocks.bonds.empty();
  if (charges_) {
    charge_inverse_.build(geometry, of.atoms, hardness, widths, options.charges);
    return;
  }
  cores_.build(geometry, options.patches.core);
  const double smooth = aggregates_.build(geometry, widths, receiver, options.aggregates);
  const auto patches = [&](double variance) {
    local_.build(symmetric_, geometry, cores_, of, hardness, widths, receiver, variance,
                 options.patches);
  };
  patches(smooth);
  coarse_ = smooth > 0 && couple(geometry, of);
  if (smooth > 0 && !coarse_) patches(0.0);
}

template <std::floating_point R>
void TwoLevelInverse<R>::add_coupled(std::span<const R> x, Vector& out) const {
  const std::size_t s = local_.coupled(), size = local_.size();
  out.setZero(static_cast<Eigen::Index>(aggregates_.count() * moments));
  for (std::size_t p = 0; p < local_.patches(); ++p) {
    const typename LocalInverse<R>::Patch patch = local_.patch(p);
    const int* const core = patch.atoms.data() + patch.atoms.size() - patch.core;
    const std::size_t begin = touched_first_[p], width = (touched_first_[p + 1] - begin) * moments;
    const R* y = y_.data() + y_first_[p];
    for (std::size_t r = 0; r < patch.core * s; ++r, y += width) {
      const std::size_t atom = static_cast<std::size_t>(core[r / s]);
      const R value = x[atom * size + r % s];
      for (std::size_t c = 0; c < width; ++c)
        out[at(touched_[begin + c / moments], c % moments)] += y[c] * value;
    }
  }
}

template <std::floating_point R>
void TwoLevelInverse<R>::spread(const Vector& e, R factor, std::span<R> out) const {
  const std::size_t s = local_.coupled(), size = local_.size();
  for (std::size_t p = 0; p < local_.patches(); ++p) {
    const typename LocalInverse<R>::Patch patch = local_.patch(p);
    const int* const core = patch.atoms.data() + patch.atoms.size() - patch.core;
    const std::size_t begin = touched_first_[p], width = (touched_first_[p + 1] - begin) * moments;
    const R* y = y_.data() + y_first_[p];
    for (std::size_t r = 0; r < patch.core * s; ++r, y += width) {
      R sum = 0;
      for (std::size_t c = 0; c < width; ++c)
        sum += y[c] * e[at(touched_[begin + c / moments], c % moments)];
      const std::size_t atom = static_cast<std::size_t>(core[r / s]);
      out[atom * size + r % s] += factor * sum;
    }
  }
}

/// S = −A of each atom, inverted. What does not respond gets a stiffness that is large, not
/// infinite.
template <std::floating_point R>
void TwoLevelInverse<R>::invert_softness(const LawBlocks<R>& blocks) {
  const std::size_t size = blocks.out, area = size * size;
  stiffness_.in = stiffness_.out = size;
  stiffness_.bonds.clear();
  stiffness_.atoms.resize(blocks.atoms.size());
  R largest = 0;
  for (std::size_t k = 0; k < blocks.atoms.size(); k += area)
    for (std::size_t u = 0; u < size; ++u)
      largest = std::max(largest, std::abs(blocks.atoms[k + u * (size + 1)]));
  const R least = std::max(largest, R(1e-3)) * std::sqrt(std::numeric_limits<R>::epsilon());
  for (std::size_t k = 0; k < blocks.atoms.size(); k += area) {
    scratch_.resize(area);
    R* const inverse = stiffness_.atoms.data() + k;
    for (std::size_t u = 0; u < size; ++u)
      for (std::size_t v = 0; v < size; ++v) {
        scratch_[u * size + v] = -blocks.atoms[k + u * size + v] + (u == v ? least : R(0));
        inverse[u * size + v] = u == v ? R(1) : R(0);
      }
    if (!detail::eliminate(size, scratch_.data(), inverse, size))
      for (std::size_t u = 0; u < area; ++u) inverse[u] = u % (size + 1) == 0 ? R(1) / least : R(0);
    for (std::size_t u = 0; u < size; ++u)  // but for rounding it is so
      for (std::size_t v = 0; v < u; ++v)
        inverse[u * size + v] = inverse[v * size + u] =
            R(0.5) * (inverse[u * size + v] + inverse[v * size + u]);
  }
}

template <std::floating_point R>
void TwoLevelInverse<R>::apply_symmetric(std::span<const R> in, std::span<R> out) const {
  if (charges_) return charge_inverse_.apply(in, out);
  scratch_.resize(in.size());
  local_.rows(in, scratch_);
  if (coarse_) {
    add_coupled(scratch_, small_);
    other_.noalias() = inverse_ * small_;
    spread(other_, R(-1), scratch_);
  }
  local_.columns(scratch_, out);
}

template <std::floating_point R>
void TwoLevelInverse<R>::apply(std::span<const R> in, std::span<R> out, bool transpose) const {
  if (scaled_) {
    // (1 + S K)⁻¹ = (S⁻¹ + K)⁻¹ S⁻¹
    scaled_scratch_.assign(in.size(), R(0));
    if (transpose) {
      apply_symmetric(in, scaled_scratch_);
      std::fill(out.begin(), out.end(), R(0));
      stiffness_.apply({}, scaled_scratch_.data(), out.data(), false);
    } else {
      stiffness_.apply({}, in.data(), scaled_scratch_.data(), false);
      apply_symmetric(scaled_scratch_, out);
    }
  } else if (symmetric_) {
    apply_symmetric(in, out);
  } else if (transpose) {
    if (!coarse_) return local_.columns(in, out);
    add_coupled(in, small_);
    other_.noalias() = inverse_.transpose() * small_;
    scratch_.assign(in.begin(), in.end());
    aggregates_.spread_moments(other_, local_.coupled(), local_.size(), scratch_);
    local_.columns(scratch_, out);
  } else {
    local_.rows(in, out);
    if (!coarse_) return;
    aggregates_.add_moments(out, local_.coupled(), local_.size(), small_);
    other_.noalias() = inverse_ * small_;
    spread(other_, R(1), out);
  }
}

}  // namespace leyden::inline LEYDEN_ABI
