// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/site_readouts.hpp>

namespace leyden::inline LEYDEN_ABI {

/// Charges that minimise the energy of charge equilibration (the engine's χ and η), and another
/// energy that is read out of them:
///
///   e(q; c) = ε q + ½ κ q² + Σ_k o_k tanh(γ_k + β_k q).
///
/// Coefficients per atom: ε, κ, then o, γ, β of each term.
struct ChargeReadoutLaw {
  static constexpr LawForm form = LawForm::energy;
  static constexpr bool quadratic = true;

  int terms = 0;

  int atom_size() const { return 2 + 3 * terms; }
  static constexpr int bond_size() { return 0; }
  template <class T>
  T atom(const T*, const T*, T*, T*) const {
    return T{};
  }
  template <class T>
  T bond(const T*, const T*, const T*, T*, T*, T*) const {
    return T{};
  }
  /// Does not look at the potential f.
  template <class T>
  T readout(const T* c, const T* p, const T*, T* c_bar, T* p_bar, T*) const {
    using std::tanh;
    using R = RealOf<T>;
    const T& q = p[0];
    T e = (c[0] + c[1] * q * R(0.5)) * q;
    T q_bar = c[0] + c[1] * q;
    if (c_bar) {
      c_bar[0] += q;
      c_bar[1] += q * q * R(0.5);
    }
    for (int k = 0; k < terms; ++k) {
      const int at = 2 + 3 * k;
      const T th = tanh(c[at + 1] + c[at + 2] * q);
      const T z_bar = c[at] * (T(R(1)) - th * th);
      e += c[at] * th;
      q_bar += z_bar * c[at + 2];
      if (!c_bar) continue;
      c_bar[at] += th;
      c_bar[at + 1] += z_bar;
      c_bar[at + 2] += z_bar * q;
    }
    if (p_bar) p_bar[0] += q_bar;
    return e;
  }
};
static_assert(LawWithReadout<ChargeReadoutLaw>);

/// What FourthGeneration is built from.
struct FourthGenerationOptions {
  ChargeEquilibrationOptions equilibration;
  int terms = 4;                 ///< non-linear terms of the energy per atom
  double term_slope = 2.0;       ///< 1/e, initial β
  double initial_weights = 0.1;  ///< of the energy's readouts, standard deviation
};

/// Charges of charge equilibration, not their energy: E = Σ_i e(h_i, q_i) + ½ qᵀKq + q·v_ext.
/// Fourth-generation networks, Ko et al., Nat. Commun. 12, 398 (2021): there too
/// electronegativities and (element-wise) hardnesses only serve to make the charges, which train on
/// reference charges, and the short-range energy is a function of surroundings and charge. The form
/// of e is ChargeReadoutLaw, one hidden layer of q with weights from h.
///
/// The charges exist and are unique (η > 0). The energy is not stationary in them, so forces take
/// an adjoint solve; the gain over charge equilibration is an energy that is free.
///
/// Parameters: those of ChargeEquilibration; charge/energy/linear/…, charge/energy/hardness/…,
/// charge/energy/term/<k>/size/…, position/…, slope/…
class FourthGeneration {
  using Array = SiteReadouts::Array;

 public:
  static constexpr std::string_view name = "fourth generation";
  static constexpr ChargeKind kind = ChargeKind::variational;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = true;
  static constexpr bool exchanges_charge = true;

  explicit FourthGeneration(FourthGenerationOptions options = {})
      : options_(std::move(options)), charges_(options_.equilibration) {}

  const FourthGenerationOptions& options() const { return options_; }

  /// @throws ModelError as ChargeEquilibration, and for a negative number of terms.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species) {
    if (options_.terms < 0)
      throw ModelError("FourthGeneration: terms are " + std::to_string(options_.terms) +
                       "; they cannot be negative");
    charges_.declare(layout, shapes, species);
    energy_.clear();
    const SiteReadouts::Declaration d{layout, shapes, static_cast<int>(species.size()),
                                      options_.equilibration.species_weights,
                                      options_.initial_weights};
    energy_.scalar(d, "charge/energy/linear/", {Array::atoms, 0});
    energy_.scalar(d, "charge/energy/hardness/", {Array::atoms, 1});
    for (int k = 0; k < options_.terms; ++k) {
      const std::string term = "charge/energy/term/" + std::to_string(k) + "/";
      const int at = 2 + 3 * k;
      energy_.scalar(d, term + "size/", {Array::atoms, at});
      // Terms that start alike would learn alike.
      energy_.scalar(d, term + "position/", {Array::atoms, at + 1},
                     (2.0 * k + 1.0) / options_.terms - 1.0);
      energy_.scalar(d, term + "slope/", {Array::atoms, at + 2}, options_.term_slope);
    }
  }
  void prepare(std::span<const double> parameters) {
    charges_.prepare(parameters);
    energy_.prepare(parameters);
  }
  void widths(std::span<const int> species, std::span<double> out) const {
    charges_.widths(species, out);
  }

  ChargeReadoutLaw law() const { return {options_.terms}; }

  template <Number T>
  void sites(const ChargeInput<T>& input, SiteCoefficients<T>& out) const {
    charges_.sites(input, out);
    energy_.read(input, 1, law().atom_size(), out);
  }
  template <Number T>
  void pullback(const ChargeInput<T>& input, const SiteCoefficients<T>& coefficients,
                const SiteCoefficients<T>& cotangents, InputCotangents<T> bar) const {
    charges_.pullback(input, coefficients, cotangents, bar);
    energy_.pullback(input, 1, law().atom_size(), cotangents, bar);
  }

 private:
  FourthGenerationOptions options_;
  ChargeEquilibration charges_;
  SiteReadouts energy_;
};

static_assert(SelfConsistentChargeModel<FourthGeneration>);

}  // namespace leyden::inline LEYDEN_ABI
