// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/descriptor/concepts.hpp>
#include <leyden/electrostatics/concepts.hpp>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

enum class Misfit {
  no,
  not_a_descriptor,
  not_a_charge_model,
  not_a_solver,
  solver_without_charges,
  charges_without_solver,
  site_functions_missing,
  features_too_low,
  solver_too_low,
};

template <class D, class Q, class S>
consteval Misfit misfit() {
  if constexpr (!Descriptor<D>) {
    return Misfit::not_a_descriptor;
  } else if constexpr (!ChargeModel<Q>) {
    return Misfit::not_a_charge_model;
  } else if constexpr (!ElectrostaticSolver<S>) {
    return Misfit::not_a_solver;
  } else {
    constexpr bool charges = Q::kind != ChargeKind::none;
    constexpr bool solver = !std::same_as<S, NoElectrostatics>;
    if (!charges && solver) return Misfit::solver_without_charges;
    if (charges && !solver) return Misfit::charges_without_solver;
    if (charges && !ExplicitChargeModel<Q> && !SelfConsistentChargeModel<Q> &&
        !RecursiveChargeModel<Q>)
      return Misfit::site_functions_missing;
    // What a policy does not state at compile time is checked when the potential is built.
    if constexpr (requires { D::feature_l_max; })
      if (charges && Q::l_max > D::feature_l_max) return Misfit::features_too_low;
    if constexpr (requires { S::l_max; })
      if (charges && Q::l_max > S::l_max) return Misfit::solver_too_low;
    return Misfit::no;
  }
}

constexpr std::string_view misfit_reason(Misfit m) {
  switch (m) {
    case Misfit::no:
      return "";
    case Misfit::not_a_descriptor:
      return "the first argument is not a Descriptor";
    case Misfit::not_a_charge_model:
      return "the second argument is not a ChargeModel";
    case Misfit::not_a_solver:
      return "the third argument is not an ElectrostaticSolver";
    case Misfit::solver_without_charges:
      return "there are no charges for the solver";
    case Misfit::charges_without_solver:
      return "the charges need an electrostatic solver";
    case Misfit::site_functions_missing:
      return "the charge model lacks its kind's functions";
    case Misfit::features_too_low:
      return "the features' l is below the multipoles'";
    case Misfit::solver_too_low:
      return "the solver's l is below the multipoles'";
  }
  return "";
}

}  // namespace detail

/// Whether a descriptor, a charge model and a solver make a potential, and if not, why. The only
/// place where combinations are ruled out at compile time; Potential and DesignSpace ask here.
template <class D, class Q, class S>
struct Compatibility {
  static constexpr bool value = detail::misfit<D, Q, S>() == detail::Misfit::no;
  static constexpr std::string_view reason = detail::misfit_reason(detail::misfit<D, Q, S>());
};

namespace detail {

// One sentence per misfit: a static_assert takes only literal text.
template <class D, class Q, class S>
struct RequireCompatible {
  static constexpr Misfit m = misfit<D, Q, S>();
  static_assert(m != Misfit::not_a_descriptor,
                "Potential<D, Q, S>: D is not a Descriptor; the functions it needs are listed in "
                "leyden/descriptor/concepts.hpp.");
  static_assert(m != Misfit::not_a_charge_model,
                "Potential<D, Q, S>: Q is not a ChargeModel; the functions it needs are listed in "
                "leyden/charge/concepts.hpp.");
  static_assert(m != Misfit::not_a_solver,
                "Potential<D, Q, S>: S is not an ElectrostaticSolver; the functions it needs are "
                "listed in leyden/electrostatics/concepts.hpp.");
  static_assert(m != Misfit::solver_without_charges,
                "Potential<D, Q, S>: NoCharges gives the electrostatic solver S nothing to do; "
                "take NoElectrostatics, or a charge model.");
  static_assert(m != Misfit::charges_without_solver,
                "Potential<D, Q, S>: the charge model Q needs an electrostatic solver; "
                "NoElectrostatics goes with NoCharges only.");
  static_assert(
      m != Misfit::site_functions_missing,
      "Potential<D, Q, S>: the charge model Q lacks the functions of its kind; explicit "
      "models need multipoles and pullback, self-consistent ones law, sites and pullback, see "
      "leyden/charge/concepts.hpp.");
  static_assert(m != Misfit::features_too_low,
                "Potential<D, Q, S>: the multipoles of Q need features of the same l, and the "
                "features of D stop below; raise the hidden l of D or lower l_max of Q.");
  static_assert(m != Misfit::solver_too_low,
                "Potential<D, Q, S>: the solver S does not serve multipoles as high as those of Q; "
                "take another solver or lower l_max of Q.");
  static constexpr bool value = true;  // the sentence above is the only error
};

}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
