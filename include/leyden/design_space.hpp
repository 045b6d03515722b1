// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <array>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// The three axes, as lists of types.
template <class... D>
struct Descriptors {};
template <class... Q>
struct ChargeModels {};
template <class... S>
struct Solvers {};

/// Potentials, as a list of types.
template <class... P>
struct Points {
  static constexpr std::size_t count = sizeof...(P);
};

/// Names one potential as a value: what for_each_point hands to its function.
template <class P>
struct Point {
  using type = P;
};

namespace detail {

template <class... Lists>
struct Concatenate;
template <>
struct Concatenate<> {
  using type = Points<>;
};
template <class... P>
struct Concatenate<Points<P...>> {
  using type = Points<P...>;
};
template <class... A, class... B, class... More>
struct Concatenate<Points<A...>, Points<B...>, More...> : Concatenate<Points<A..., B...>, More...> {
};

template <class D, class Q, class S>
using PointIfCompatible =
    std::conditional_t<Compatibility<D, Q, S>::value, Points<Potential<D, Q, S>>, Points<>>;

template <class D, class Q, class... S>
using WithSolvers = typename Concatenate<PointIfCompatible<D, Q, S>...>::type;

template <class D, class Solvers, class... Q>
struct WithChargeModels;
template <class D, class... S, class... Q>
struct WithChargeModels<D, Solvers<S...>, Q...> : Concatenate<WithSolvers<D, Q, S...>...> {};

template <class D, class Q, class S>
struct Product;
template <class... D, class... Q, class... S>
struct Product<Descriptors<D...>, ChargeModels<Q...>, Solvers<S...>>
    : Concatenate<typename WithChargeModels<D, Solvers<S...>, Q...>::type...> {
  static constexpr std::size_t count = sizeof...(D) * sizeof...(Q) * sizeof...(S);
};

}  // namespace detail

/// All combinations of the three axes that Compatibility allows. Naming a point does not
/// instantiate it.
template <class D, class Q, class S>
struct DesignSpace {
  using points = typename detail::Product<D, Q, S>::type;
  static constexpr std::size_t combinations = detail::Product<D, Q, S>::count;
  static constexpr std::size_t count = points::count;
};

/// Calls f(Point<P>) for every point:
///
///     for_each_point<Space>([]<class P>(Point<P>) { … });
template <class Space, class F>
constexpr void for_each_point(F&& f) {
  [&]<class... P>(Points<P...>) { (f(Point<P>{}), ...); }(typename Space::points{});
}

/// What is known of a point before it runs.
struct PointTraits {
  std::string_view descriptor, charge_model, solver;
  ChargeKind kind = ChargeKind::none;
  int l_max = 0;                  ///< highest multipole
  int feature_l_max = -1;         ///< of the descriptor, −1 when it is not known at compile time
  bool self_consistent = false;   ///< charges feel the potential that they make, to convergence
  bool variational = false;       ///< the energy is stationary in the charges
  bool conserves_charge = false;  ///< the charges sum to the total charge, exactly
  bool exchanges_charge = false;  ///< the total charge can follow a Fermi level
  bool responds = false;          ///< charges respond to an applied field at fixed positions
  BoundarySupport boundaries;
  std::string_view cost;  ///< of finding the charges, n atoms
};

namespace detail {
template <class D>
consteval int feature_l_max() {
  if constexpr (requires { D::feature_l_max; })
    return D::feature_l_max;
  else
    return -1;
}
template <class P>
struct TraitsOf;
template <class D, class Q, class S>
struct TraitsOf<Potential<D, Q, S>> {
  static constexpr bool self_consistent = SelfConsistentChargeModel<Q>;
  static constexpr bool variational() {
    if constexpr (self_consistent)
      return Q::kind == ChargeKind::variational && !LawWithReadout<LawOf<Q>>;
    else
      return false;
  }
  static constexpr bool exchanges_charge() {
    if constexpr (self_consistent)
      return Q::exchanges_charge;
    else
      return false;
  }
  static constexpr std::string_view cost() {
    switch (Q::kind) {
      case ChargeKind::none:
        return "0";
      case ChargeKind::explicit_:
        return "one application of K";
      case ChargeKind::recursion:
        return "one application of K per step";
      default:
        return LawOf<Q>::quadratic
                   ? "one linear solve: n^3/3, large systems 10 to 40 applications of K"
                   : "some linear solves: n^3/3, large systems 10 applications of K each";
    }
  }
  static constexpr PointTraits value{D::name,
                                     Q::name,
                                     S::name,
                                     Q::kind,
                                     Q::l_max,
                                     feature_l_max<D>(),
                                     self_consistent,
                                     variational(),
                                     Q::conserves_charge,
                                     exchanges_charge(),
                                     self_consistent || Q::kind == ChargeKind::recursion,
                                     S::boundaries,
                                     cost()};
};
}  // namespace detail

/// The traits of a potential type.
template <class P>
inline constexpr PointTraits traits = detail::TraitsOf<P>::value;

namespace detail {
template <class... P>
constexpr std::array<PointTraits, sizeof...(P)> table_of(Points<P...>) {
  return {traits<P>...};
}
}  // namespace detail

/// The traits of all points of a space, at compile time.
template <class Space>
inline constexpr std::array<PointTraits, Space::count> design_table =
    detail::table_of(typename Space::points{});

constexpr std::string_view to_string(ChargeKind kind) {
  switch (kind) {
    case ChargeKind::none:
      return "none";
    case ChargeKind::explicit_:
      return "explicit";
    case ChargeKind::variational:
      return "variational";
    case ChargeKind::fixed_point:
      return "fixed point";
    case ChargeKind::recursion:
      return "recursion";
  }
  return "";
}

}  // namespace leyden::inline LEYDEN_ABI
