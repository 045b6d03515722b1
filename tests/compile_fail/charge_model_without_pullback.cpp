// SPDX-License-Identifier: MIT
// EXPECT-ERROR: the charge model Q lacks the functions of its kind; explicit models
// EXPECT-ERROR: explicit models need multipoles and pullback
#include <leyden/charge/concepts.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/potential.hpp>

#include "../support/toy_descriptor.hpp"

using namespace leyden;

struct Unfinished {
  static constexpr std::string_view name = "unfinished";
  static constexpr ChargeKind kind = ChargeKind::explicit_;
  static constexpr int l_max = 0;
  static constexpr bool conserves_charge = false;
  void declare(ParameterLayout&, std::span<const FeatureShape>, std::span<const int>) {}
  void prepare(std::span<const double>) {}
  void widths(std::span<const int>, std::span<double>) const {}
  template <class T>
  void multipoles(const ChargeInput<T>&, std::span<T>) const {}
#if !LEYDEN_MUST_NOT_COMPILE
  template <class T>
  void pullback(const ChargeInput<T>&, std::span<const T>, InputCotangents<T>) const {}
#endif
};

// What the class demands when it is named, before any member is used.
static_assert(sizeof(Potential<leyden_test::ToyDescriptor, Unfinished, Direct>) > 0);
