// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/constraint.hpp>
#include <leyden/charge/widths.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What SiteCharges are built from, beside their Site.
struct SiteChargesOptions {
  GaussianWidths widths;  ///< Å
};

/// An explicit charge model made of a function of one atom: the short way to one of your own.
///
/// Site has `name` (in model files the model's as well) and, like any charge model, declare and
/// prepare; and
/// - charge(input, atom): the charge of an atom [e],
/// - pullback(input, atom, q̄, h̄, parameter_gradient): adds the cotangents for one atom; an empty
///   gradient is skipped.
/// Both are const templates on the number type. A Site with options() that it can be built from is
/// saved and read with them (io/model_kinds.hpp).
///
/// With ChargeConstraint::uniform every atom adds an equal share of what the site's charges lack of
/// the total charge Q: q_i ← q_i + (Q − Σq)/N.
template <class Site, ChargeConstraint constraint = ChargeConstraint::none>
class SiteCharges {
  static_assert(constraint == ChargeConstraint::none || constraint == ChargeConstraint::uniform,
                "SiteCharges: the constraint is none or uniform; learned shares are those of "
                "LocalMultipoles");

 public:
  static constexpr std::string_view name = Site::name;
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = constraint != ChargeConstraint::none;

  explicit SiteCharges(SiteChargesOptions options = {}, Site site = {})
      : site_(std::move(site)), options_(std::move(options)) {}

  const Site& site() const { return site_; }
  const SiteChargesOptions& options() const { return options_; }

  /// @throws ModelError for a wrong number of widths, and what the site throws.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    options_.widths.check(name, species.size());
    site_.declare(layout, shapes, species);
  }
  void prepare(std::span<const double> parameters) { site_.prepare(parameters); }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  template <Number T>
  void multipoles(const ChargeInput<T>& input, std::span<T> p) const {
    T excess(input.total_charge);
    for (int i = 0; i < input.n_atoms(); ++i) {
      p[static_cast<std::size_t>(i)] = site_.charge(input, i);
      excess -= p[static_cast<std::size_t>(i)];
    }
    if constexpr (conserves_charge) {
      const T share = excess / static_cast<RealOf<T>>(input.n_atoms());
      for (T& q : p) q += share;
    }
  }
  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                InputCotangents<T> bar) const {
    T mean{};
    if constexpr (conserves_charge) {
      for (const T& q_bar : p_bar) mean += q_bar;
      mean = mean / static_cast<RealOf<T>>(input.n_atoms());
    }
    for (int i = 0; i < input.n_atoms(); ++i)
      site_.pullback(input, i, p_bar[static_cast<std::size_t>(i)] - mean, bar.features,
                     bar.parameters);
  }

 private:
  Site site_;
  SiteChargesOptions options_;
};

}  // namespace leyden::inline LEYDEN_ABI
