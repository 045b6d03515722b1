// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/aggregates.hpp>
#include <leyden/scf/charge_patches.hpp>

#include <Eigen/Core>
#include <Eigen/LU>

namespace leyden::inline LEYDEN_ABI {

/// TwoLevelInverse of charges without bonds, of energies (symmetric M): the same formula, made to
/// cost less than one application of K.
///
///     Gᵀ (1 − Y E Yᵀ) G,   Y = G V,   E = C (1 + W C)⁻¹ = (1 + C W)⁻¹ C,   W = YᵀY
///
/// Neither Y nor E are formed: the patches are applied twice, and (1 + C W) is factorised.
template <std::floating_point R>
class ChargeInverse {
 public:
  struct Options {
    typename ChargePatches<R>::Options patches;
    typename Aggregates<R>::Size aggregates;
    /// At most so many aggregates per cube root of the number of atoms: their dense matrix then
    /// costs as much per atom whatever the size.
    double growth = 5.0;
  };

  /// @param local    (n) second derivatives of the law
  /// @param hardness (n) or empty
  void build(const Geometry<R>& geometry, std::span<const R> local, std::span<const R> hardness,
             std::span<const double> widths, const Options& options);

  /// out ≈ M⁻¹ in
  void apply(std::span<const R> in, std::span<R> out) const;

 private:
  using Matrix = Eigen::Matrix<R, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<R, Eigen::Dynamic, 1>;
  static constexpr std::size_t moments = Aggregates<R>::moments;

  bool couple();

  AtomBoxes<R> cores_;
  Aggregates<R> aggregates_;
  ChargePatches<R> patches_;
  bool coarse_ = false;
  Matrix gram_;  // W
  Eigen::PartialPivLU<Matrix> lu_;
  std::vector<int> slot_, touched_;
  std::vector<float> y_;
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic> product_;
  mutable Vector small_, other_;
  mutable std::vector<float> in_, middle_, out_;
  mutable std::vector<R> wide_;
};

template <std::floating_point R>
void ChargeInverse<R>::build(const Geometry<R>& geometry, std::span<const R> local,
                             std::span<const R> hardness, std::span<const double> widths,
                             const Options& options) {
  cores_.build(geometry, options.patches.core);
  typename Aggregates<R>::Size size = options.aggregates;
  const double n = static_cast<double>(geometry.n_atoms());
  size.most =
      std::min(size.most, static_cast<std::size_t>(std::ceil(options.growth * std::cbrt(n))));
  const double smooth = aggregates_.build(geometry, widths, {}, size);
  const auto patches = [&](double variance) {
    patches_.build(geometry, cores_, local, hardness, widths, variance, options.patches);
  };
  patches(smooth);
  coarse_ = smooth > 0 && couple();
  if (smooth > 0 && !coarse_) patches(0.0);
}

/// Sets W and factorises 1 + C W. False when that is not possible.
template <std::floating_point R>
bool ChargeInverse<R>::couple() {
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto dim = static_cast<Eigen::Index>(aggregates_.unknowns());
  slot_.assign(aggregates_.count(), -1);
  gram_.setZero(dim, dim);
  patches_.visit([&](std::span<const int> atoms, std::size_t core, auto&& row) {
    touched_.clear();
    for (const int i : atoms) {
      const int a = aggregates_.of(static_cast<std::size_t>(i));
      int& slot = slot_[static_cast<std::size_t>(a)];
      if (slot >= 0) continue;
      slot = static_cast<int>(touched_.size());
      touched_.push_back(a);
    }
    const std::size_t width = touched_.size() * moments;
    y_.assign(core * width, 0.0f);
    for (std::size_t k = 0; k < atoms.size(); ++k) {
      const std::size_t atom = static_cast<std::size_t>(atoms[k]);
      const auto slot =
          static_cast<std::size_t>(slot_[static_cast<std::size_t>(aggregates_.of(atom))]);
      R v[moments];
      aggregates_.translate(atom, 0, v);
      for (std::size_t c = 0; c < core; ++c) {
        const float x = row(c, k);
        for (std::size_t m = 0; m < moments; ++m)
          y_[c * width + slot * moments + m] += x * static_cast<float>(v[m]);
      }
    }
    const Eigen::Map<const Rows> y(y_.data(), static_cast<Eigen::Index>(core),
                                   static_cast<Eigen::Index>(width));
    product_.noalias() = y.transpose() * y;
    for (std::size_t a = 0; a < touched_.size(); ++a)
      for (std::size_t b = 0; b < touched_.size(); ++b)
        gram_.template block<4, 4>(Aggregates<R>::at(touched_[a], 0),
                                   Aggregates<R>::at(touched_[b], 0)) +=
            product_
                .template block<4, 4>(static_cast<Eigen::Index>(a * moments),
                                      static_cast<Eigen::Index>(b * moments))
                .template cast<R>();
    for (const int a : touched_) slot_[static_cast<std::size_t>(a)] = -1;
  });
  const Eigen::Map<const Matrix> c(aggregates_.kernel().data(), dim, dim);
  Matrix& matrix = gram_;
  // Eigen's product takes a temporary of its own.
  matrix = (c * gram_).eval();
  matrix.diagonal().array() += R(1);
  if (!matrix.allFinite()) return false;
  lu_.compute(matrix);
  return lu_.matrixLU().allFinite() && lu_.matrixLU().diagonal().cwiseAbs().minCoeff() > R(0);
}

template <std::floating_point R>
void ChargeInverse<R>::apply(std::span<const R> in, std::span<R> out) const {
  const std::size_t n = in.size();
  in_.resize(n + 1);
  middle_.resize(n + 1);
  out_.resize(n + 1);
  // Residuals of any size: floats have the digits, not the range.
  R largest = 0;
  for (R x : in) largest = std::max(largest, std::abs(x));
  const R scale = largest > R(0) ? largest : R(1);
  for (std::size_t i = 0; i < n; ++i) in_[i] = static_cast<float>(in[i] / scale);
  in_[n] = 0.0f;
  patches_.rows(in_, middle_);
  patches_.columns(middle_, out_);
  if (coarse_) {
    wide_.resize(n);
    for (std::size_t i = 0; i < n; ++i) wide_[i] = static_cast<R>(out_[i]);
    aggregates_.add_moments(wide_, 1, 1, small_);
    const Eigen::Map<const Matrix> c(aggregates_.kernel().data(), small_.size(), small_.size());
    other_.noalias() = c * small_;
    small_ = lu_.solve(other_);
    std::fill(wide_.begin(), wide_.end(), R(0));
    aggregates_.spread_moments(small_, 1, 1, wide_);
    for (std::size_t i = 0; i < n; ++i) in_[i] = static_cast<float>(wide_[i]);
    in_[n] = 0.0f;
    std::vector<float>& image = in_;
    patches_.rows(image, middle_);
    patches_.columns(middle_, image);
    for (std::size_t i = 0; i < n; ++i) out_[i] -= image[i];
  }
  for (std::size_t i = 0; i < n; ++i) out[i] = scale * static_cast<R>(out_[i]);
}

}  // namespace leyden::inline LEYDEN_ABI
