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
///     responses, maps:  B (1 + A V E Vᵀ B),   W = VᵀB A V,  E = C (1 − W C)⁻¹
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
  bool couple(const LawBlocks<R>& blocks);
  // Energies:
  void couple_symmetric();
  void add_coupled(std::span<const R> x, Vector& out) const;       // out = Yᵀ x
  void spread(const Vector& e, R factor, std::span<R> out) const;  // out += factor Y e
  // Others:
  void couple_responses(const LawBlocks<R>& blocks);
  void add_responses(std::span<const R> x, Vector& out) const;     // out = (A V)ᵀ x
  void spread_responses(const Vector& e, std::span<R> out) const;  // out = A V e

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
  BondEnds bonds_;
  // Y by patches: which aggregates its core's rows touch, and (core·coupled) × (touched·moments).
  // Or A V by atoms: which aggregates each responds to, and (coupled) × (moments) for each of
  // these.
  std::vector<std::size_t> touched_first_, y_first_;
  std::vector<int> touched_;
  std::vector<R> y_;
  Eigen::PartialPivLU<Matrix> lu_;
  mutable Vector small_, other_;
  mutable std::vector<R> scratch_, scaled_scratch_;

  std::vector<int> slot_;
  std::vector<R> image_;  // scratch
};

/// Sets Y or A V, W and E. False when there is no E.
template <std::floating_point R>
bool TwoLevelInverse<R>::couple(const LawBlocks<R>& blocks) {
  const Eigen::Index dim = static_cast<Eigen::Index>(aggregates_.unknowns());
  touched_first_.assign(1, 0);
  y_first_.clear();
  touched_.clear();
  y_.clear();
  slot_.assign(aggregates_.count(), -1);
  gram_.setZero(dim, dim);
  if (symmetric_)
    couple_symmetric();
  else
    couple_responses(blocks);
  // E = C (1 ± W C)⁻¹, by (1 ± C Wᵀ) Eᵀ = C.
  const Eigen::Map<const Matrix> c(aggregates_.kernel().data(), dim, dim);
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

/// Y = G V and W = YᵀY.
template <std::floating_point R>
void TwoLevelInverse<R>::couple_symmetric() {
  const std::size_t s = local_.coupled();
  for (std::size_t p = 0; p < local_.patches(); ++p) {
    const typename LocalInverse<R>::Patch patch = local_.patch(p);
    const std::size_t begin = touched_.size(), rows = patch.core * s;
    for (int i : patch.atoms) {
      const int aggregate = aggregates_.of(static_cast<std::size_t>(i));
      int& slot = slot_[static_cast<std::size_t>(aggregate)];
      if (slot >= 0) continue;
      slot = static_cast<int>(touched_.size() - begin);
      touched_.push_back(aggregate);
    }
    const std::size_t width = (touched_.size() - begin) * moments;
    touched_first_.push_back(touched_.size());
    y_first_.push_back(y_.size());
    y_.resize(y_.size() + rows * width, R(0));
    R* const y = y_.data() + y_first_.back();
    const std::size_t stride = patch.atoms.size() * s;
    for (std::size_t a = 0; a < patch.atoms.size(); ++a) {
      const std::size_t atom = static_cast<std::size_t>(patch.atoms[a]);
      const std::size_t to =
          static_cast<std::size_t>(slot_[static_cast<std::size_t>(aggregates_.of(atom))]) * moments;
      for (std::size_t u = 0; u < s; ++u) {
        R v[moments];
        aggregates_.translate(atom, u, v);
        for (std::size_t r = 0; r < rows; ++r) {
          const R x = patch.rows[r * stride + a * s + u];
          for (std::size_t m = 0; m < moments; ++m) y[r * width + to + m] += x * v[m];
        }
      }
    }
    const auto touched = [&](std::size_t c) {
      return at(touched_[begin + c / moments], c % moments);
    };
    // The sum over rows first: W is in the order of aggregates.
    image_.assign(width * width, R(0));
    for (std::size_t r = 0; r < rows; ++r) {
      const R* const row = y + r * width;
      for (std::size_t c = 0; c < width; ++c)
        for (std::size_t d = 0; d < width; ++d) image_[c * width + d] += row[c] * row[d];
    }
    for (std::size_t c = 0; c < width; ++c)
      for (std::size_t d = 0; d < width; ++d)
        gram_(touched(d), touched(c)) += image_[c * width + d];
    for (std::size_t k = begin; k < touched_.size(); ++k)
      slot_[static_cast<std::size_t>(touched_[k])] = -1;
  }
}

/// A V, and W = Vᵀ B A V.
template <std::floating_point R>
void TwoLevelInverse<R>::couple_responses(const LawBlocks<R>& blocks) {
  const std::size_t s = local_.coupled(), size = local_.size(), in = blocks.in;
  const std::size_t joined = std::min(blocks.joined, s), widths = blocks.widths();
  for (std::size_t i = 0; i + 1 < bonds_.first.size(); ++i) {
    const std::size_t begin = touched_.size();
    // Rows of what the atom responds to at another.
    const auto add = [&](std::size_t other, const R* block, std::size_t count, std::size_t row,
                         std::size_t width) {
      const int aggregate = aggregates_.of(other);
      int& slot = slot_[static_cast<std::size_t>(aggregate)];
      if (slot < 0) {
        slot = static_cast<int>(touched_.size() - begin);
        touched_.push_back(aggregate);
        y_.resize(y_.size() + s * moments, R(0));
      }
      R* const to = y_.data() + (begin + static_cast<std::size_t>(slot)) * s * moments;
      for (std::size_t v = 0; v < count; ++v) {
        R moment[moments];
        aggregates_.translate(other, v, moment);
        for (std::size_t u = 0; u < count; ++u) {
          R x = R(0);
          for (std::size_t w = 0; w < widths; ++w) x += block[u * row + w * width + v];
          for (std::size_t m = 0; m < moments; ++m) to[u * moments + m] += x * moment[m];
        }
      }
    };
    add(i, blocks.atoms.data() + i * size * in, s, in, size);
    if (!blocks.bonds.empty())
      for (const BondEnds::End& end : bonds_.of(i)) {
        const std::size_t row = blocks.bond_row();
        add(i, blocks.bond_part(end.bond, end.side, end.side, 0), joined, row, blocks.joined);
        add(end.other, blocks.bond_part(end.bond, end.side, 1 - end.side, 0), joined, row,
            blocks.joined);
      }
    touched_first_.push_back(touched_.size());
    for (std::size_t k = begin; k < touched_.size(); ++k)
      slot_[static_cast<std::size_t>(touched_[k])] = -1;
  }
  for (std::size_t p = 0; p < local_.patches(); ++p) {
    const typename LocalInverse<R>::Patch patch = local_.patch(p);
    const std::size_t stride = patch.atoms.size() * s;
    const int* const core = patch.atoms.data() + patch.atoms.size() - patch.core;
    for (std::size_t first = 0; first < patch.core;) {
      // Vᵀ B of one aggregate's atoms in the core; most often these are all.
      const int aggregate = aggregates_.of(static_cast<std::size_t>(core[first]));
      image_.assign(moments * stride, R(0));
      std::size_t c = first;
      for (; c < patch.core; ++c) {
        const std::size_t atom = static_cast<std::size_t>(core[c]);
        if (aggregates_.of(atom) != aggregate) break;
        for (std::size_t u = 0; u < s; ++u) {
          R v[moments];
          aggregates_.translate(atom, u, v);
          const R* const row = patch.rows + (c * s + u) * stride;
          for (std::size_t m = 0; m < moments; ++m) {
            if (v[m] == R(0)) continue;
            for (std::size_t k = 0; k < stride; ++k) image_[m * stride + k] += v[m] * row[k];
          }
        }
      }
      first = c;
      for (std::size_t a = 0; a < patch.atoms.size(); ++a) {
        const std::size_t atom = static_cast<std::size_t>(patch.atoms[a]);
        for (std::size_t k = touched_first_[atom]; k < touched_first_[atom + 1]; ++k)
          for (std::size_t d = 0; d < moments; ++d)
            for (std::size_t m = 0; m < moments; ++m) {
              R sum = 0;
              for (std::size_t u = 0; u < s; ++u)
                sum += image_[m * stride + a * s + u] * y_[(k * s + u) * moments + d];
              gram_(at(aggregate, m), at(touched_[k], d)) += sum;
            }
      }
    }
  }
}

template <std::floating_point R>
template <class Law>
void TwoLevelInverse<R>::build(const Geometry<R>& geometry, const LawSum<Law>& sum,
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
  bonds_.build(blocks.bonds.empty() ? BondList{} : sum.bonds, sum.atoms);
  cores_.build(geometry, options.patches.core);
  const double smooth = aggregates_.build(geometry, widths, receiver, options.aggregates);
  const auto patches = [&](double variance) {
    local_.build(symmetric_, geometry, cores_, bonds_, of, hardness, widths, receiver, variance,
                 options.patches);
  };
  patches(smooth);
  coarse_ = smooth > 0 && couple(of);
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

template <std::floating_point R>
void TwoLevelInverse<R>::add_responses(std::span<const R> x, Vector& out) const {
  const std::size_t s = local_.coupled(), size = local_.size();
  out.setZero(static_cast<Eigen::Index>(aggregates_.unknowns()));
  for (std::size_t i = 0; i + 1 < touched_first_.size(); ++i)
    for (std::size_t k = touched_first_[i]; k < touched_first_[i + 1]; ++k) {
      const R* y = y_.data() + k * s * moments;
      for (std::size_t u = 0; u < s; ++u, y += moments)
        for (std::size_t m = 0; m < moments; ++m) out[at(touched_[k], m)] += y[m] * x[i * size + u];
    }
}

template <std::floating_point R>
void TwoLevelInverse<R>::spread_responses(const Vector& e, std::span<R> out) const {
  const std::size_t s = local_.coupled(), size = local_.size();
  std::fill(out.begin(), out.end(), R(0));
  for (std::size_t i = 0; i + 1 < touched_first_.size(); ++i)
    for (std::size_t k = touched_first_[i]; k < touched_first_[i + 1]; ++k) {
      const R* y = y_.data() + k * s * moments;
      for (std::size_t u = 0; u < s; ++u, y += moments)
        for (std::size_t m = 0; m < moments; ++m) out[i * size + u] += y[m] * e[at(touched_[k], m)];
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
    local_.columns(in, out);
    if (!coarse_) return;
    // Bᵀ (1 + V Eᵀ (A V)ᵀ Bᵀ)
    add_responses(out, small_);
    other_.noalias() = inverse_.transpose() * small_;
    scratch_.assign(in.begin(), in.end());
    aggregates_.spread_moments(other_, local_.coupled(), local_.size(), scratch_);
    local_.columns(scratch_, out);
  } else {
    local_.rows(in, out);
    if (!coarse_) return;
    aggregates_.add_moments(out, local_.coupled(), local_.size(), small_);
    other_.noalias() = inverse_ * small_;
    // B (1 + A V E Vᵀ B)
    scratch_.resize(in.size());
    scaled_scratch_.resize(in.size());
    spread_responses(other_, scratch_);
    local_.rows(scratch_, scaled_scratch_);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += scaled_scratch_[i];
  }
}

}  // namespace leyden::inline LEYDEN_ABI
