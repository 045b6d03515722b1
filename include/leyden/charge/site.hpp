// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/widths.hpp>

namespace leyden::inline LEYDEN_ABI {

/// An explicit charge model made of a function of one atom: the short way to one of your own.
///
/// Site has `name` and, like any charge model, declare and prepare; and
/// - charge(input, atom): the charge of an atom [e],
/// - pullback(input, atom, q̄, h̄, parameter_gradient): adds the cotangents for one atom; an empty
///   gradient is skipped.
/// Both are const templates on the number type.
template <class Site>
class SiteCharges {
 public:
  static constexpr std::string_view name = Site::name;
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = false;

  explicit SiteCharges(Site site = {}, GaussianWidths widths = {})
      : site_(std::move(site)), widths_(std::move(widths)) {}

  const Site& site() const { return site_; }

  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    widths_.check(name, species.size());
    site_.declare(layout, shapes, species);
  }
  void prepare(std::span<const double> parameters) { site_.prepare(parameters); }
  void widths(std::span<const int> species, std::span<double> out) const {
    widths_.fill(species, out);
  }

  template <Number T>
  void multipoles(const ChargeInput<T>& input, std::span<T> p) const {
    for (int i = 0; i < input.n_atoms(); ++i)
      p[static_cast<std::size_t>(i)] = site_.charge(input, i);
  }
  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                InputCotangents<T> bar) const {
    for (int i = 0; i < input.n_atoms(); ++i)
      site_.pullback(input, i, p_bar[static_cast<std::size_t>(i)], bar.features, bar.parameters);
  }

 private:
  Site site_;
  GaussianWidths widths_;
};

}  // namespace leyden::inline LEYDEN_ABI
