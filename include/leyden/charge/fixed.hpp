// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/formal_charges.hpp>
#include <leyden/charge/widths.hpp>

namespace leyden::inline LEYDEN_ABI {

/// What FixedCharges are built from.
struct FixedChargesOptions {
  std::vector<double> charges;  ///< e, one per species
  GaussianWidths widths;        ///< Å
  bool trained = false;         ///< adds a correction per species that training may change
  bool from_structure = false;  ///< takes Structure::formal_charges; `charges` may be empty then
};

/// A formal charge per species, q_i = q_z, or per atom as the structure states it: the baseline of
/// ionic systems (with smooth charges, the idea of the fixed-charge baseline of Baldwin et al.,
/// arXiv:2603.14700, family A).
///
/// With `shares_excess` what the charges lack of the total charge Q is spread evenly,
/// q_i = q_z + (Q − Σ q_z)/N, so the total charge is exact; without it Q is ignored. The parameter
/// `charge/correction` (species) exists when trained.
template <bool shares_excess>
class BasicFixedCharges {
 public:
  static constexpr std::string_view name = shares_excess ? "fixed" : "fixed, excess dropped";
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = shares_excess;

  explicit BasicFixedCharges(FixedChargesOptions options)
      : options_(std::move(options)), formal_(options_.charges, options_.from_structure) {}

  const FixedChargesOptions& options() const { return options_; }

  /// @throws ModelError when there is not one charge per species.
  void declare(ParameterLayout& layout, std::span<const FeatureShape>,
               std::span<const int> species) {
    if (options_.charges.empty() && !options_.from_structure && !species.empty())
      throw ModelError("FixedCharges: 0 charges are given for " + std::to_string(species.size()) +
                       " species; give one per species, in the descriptor's order");
    formal_.check_options("FixedCharges", species.size());
    options_.widths.check("FixedCharges", species.size());
    if (options_.trained)
      correction_ = layout.add("charge/correction", {static_cast<int>(species.size())},
                               Initializer::constant(0.0));
    corrections_.assign(species.size(), 0.0);
  }
  void prepare(std::span<const double> parameters) {
    if (!options_.trained) return;
    const std::span<const double> c = correction_.of(parameters);
    corrections_.assign(c.begin(), c.end());
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  /// @throws InputError when the structure's formal charges are asked for and missing, or not one
  /// per atom.
  template <Number T>
  void multipoles(const ChargeInput<T>& input, std::span<T> p) const {
    using R = RealOf<T>;
    formal_.check("FixedCharges", input);
    double formal = 0.0;
    for (std::size_t i = 0; i < p.size(); ++i) formal += charge(input, i);
    T shared{};
    if constexpr (shares_excess)
      shared = (input.total_charge - T(static_cast<R>(formal))) / static_cast<R>(input.n_atoms());
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = T(static_cast<R>(charge(input, i))) + shared;
  }

  template <Number T>
  void pullback(const ChargeInput<T>& input, std::span<const T> p_bar,
                InputCotangents<T> bar) const {
    if (bar.parameters.empty() || !options_.trained) return;
    T mean{};
    if constexpr (shares_excess) {
      for (const T& q_bar : p_bar) mean += q_bar;
      mean = mean / static_cast<RealOf<T>>(p_bar.size());
    }
    const std::span<double> gradient = correction_.of(bar.parameters);
    for (std::size_t i = 0; i < p_bar.size(); ++i)
      gradient[static_cast<std::size_t>(input.species[i])] += gradient_part(p_bar[i] - mean);
  }

 private:
  template <Number T>
  double charge(const ChargeInput<T>& input, std::size_t atom) const {
    return formal_.of(input, atom) + corrections_[static_cast<std::size_t>(input.species[atom])];
  }

  FixedChargesOptions options_;
  FormalCharges formal_;
  Slice correction_;
  std::vector<double> corrections_;  // (species)
};

using FixedCharges = BasicFixedCharges<true>;
static_assert(ExplicitChargeModel<FixedCharges>);
static_assert(ExplicitChargeModel<BasicFixedCharges<false>>);

}  // namespace leyden::inline LEYDEN_ABI
