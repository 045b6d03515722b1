// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/concepts.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <cstddef>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What the atoms see of the potential that multipoles make, f = P p: their own potential (P = K),
/// or its value and gradient averaged over Gaussians of given widths. f is atom-major,
/// [atom][width][lm].
template <class S, Number T>
class FieldOperator {
 public:
  using Plan = typename S::template Plan<T>;

  /// @param widths  Å; empty: the atoms' own potential.
  FieldOperator(const S& solver, const Plan& plan, std::size_t atoms, std::size_t size,
                std::span<const double> widths, std::vector<T>& scratch)
      : solver_(solver),
        plan_(plan),
        atoms_(atoms),
        size_(size),
        widths_(widths),
        scratch_(scratch) {}

  bool own() const { return widths_.empty(); }
  /// Numbers per atom.
  std::size_t count() const { return own() ? size_ : size_ * widths_.size(); }

  /// f = P p
  void apply(std::span<const T> p, std::span<T> f) const {
    if (own()) {
      solver_.template apply<T>(plan_, p, f);
      return;
    }
    if constexpr (has_features) {
      scratch_.resize(f.size());
      solver_.template features<T>(plan_, p, shape(), scratch_);
      for_each([&](std::size_t ours, std::size_t theirs) { f[ours] = scratch_[theirs]; });
    }
  }
  /// p̄ = Pᵀ f̄
  void transpose(std::span<const T> f_bar, std::span<T> p_bar) const {
    if (own()) {
      solver_.template apply<T>(plan_, f_bar, p_bar);
      return;
    }
    if constexpr (has_features) {
      load(f_bar);
      std::fill(p_bar.begin(), p_bar.end(), T(RealOf<T>(0)));
      solver_.template features_transpose<T>(plan_, scratch_, shape(), p_bar);
    }
  }
  /// Adds factor · ∂(f̄·Pp)/∂(positions, strain).
  void gradient(std::span<const T> f_bar, std::span<const T> p, T factor,
                GeometryGradient<T>& out) const {
    if (own()) {
      solver_.template bilinear_gradient<T>(plan_, f_bar, p, factor, out);
      return;
    }
    if constexpr (has_features) {
      load(f_bar);
      solver_.template feature_gradient<T>(plan_, scratch_, p, shape(), factor, out);
    }
  }

 private:
  static constexpr bool has_features =
      requires(const S& s, const Plan& plan, std::span<const T> p, std::span<T> f) {
    s.template features<T>(plan, p, PotentialFeatures{}, f);
  };

  PotentialFeatures shape() const {
    return {size_ == 1 ? 0 : size_ == 4 ? 1 : 2, widths_, SelfInteraction::included};
  }
  /// Visits (index here, index in the solver's order [width][atom][lm]).
  template <class Visit>
  void for_each(Visit&& visit) const {
    const std::size_t n_widths = widths_.size();
    for (std::size_t i = 0; i < atoms_; ++i)
      for (std::size_t w = 0; w < n_widths; ++w)
        for (std::size_t lm = 0; lm < size_; ++lm)
          visit((i * n_widths + w) * size_ + lm, (w * atoms_ + i) * size_ + lm);
  }
  void load(std::span<const T> f_bar) const {
    scratch_.resize(f_bar.size());
    for_each([&](std::size_t ours, std::size_t theirs) { scratch_[theirs] = f_bar[ours]; });
  }

  const S& solver_;
  const Plan& plan_;
  std::size_t atoms_, size_;
  std::span<const double> widths_;
  std::vector<T>& scratch_;
};

/// Whether a solver gives the potential on other widths than the atoms' own.
template <class S>
concept FeatureSolver = requires(const S& s, const typename S::template Plan<double>& plan,
                                 std::span<const double> p, std::span<double> f) {
  s.template features<double>(plan, p, PotentialFeatures{}, f);
};

}  // namespace leyden::inline LEYDEN_ABI
