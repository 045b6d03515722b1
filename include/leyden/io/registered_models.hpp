// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/model_file.hpp>

#include <concepts>
#include <string>

#if __has_include(<nlohmann/json.hpp>)

/// The potentials that load_potential knows without being told, as f(descriptor, charge model,
/// solver): short-ranged MACE of the published sizes, latent charges, multipoles and equilibrated
/// charges on top of it, MACE-POLAR, and ours.
// clang-format off
#define LEYDEN_REGISTERED_MODELS(f)                           \
  f(InvariantMace<double>, NoCharges, NoElectrostatics)       \
  f(InvariantMace<float>, NoCharges, NoElectrostatics)        \
  f(VectorMace<double>, NoCharges, NoElectrostatics)          \
  f(VectorMace<float>, NoCharges, NoElectrostatics)           \
  f(VectorMace<double>, LocalMultipoles<0>, Reciprocal)       \
  f(VectorMace<double>, LocalMultipoles<1>, ParticleMesh)     \
  f(VectorMace<double>, ChargeEquilibration, ParticleMesh)    \
  f(VectorMace<double>, ResponseFunctional<1>, ParticleMesh)  \
  f(PolarBackbone, PolarRecursion<1>, ReferenceElectrostatics)
// clang-format on

namespace leyden::inline LEYDEN_ABI {

template <class Real>
using InvariantMace = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 0}, Real>;
template <class Real>
using VectorMace = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 1}, Real>;
using PolarBackbone = zoo::PolarMace<>::descriptor_type;

namespace detail {
#define LEYDEN_POINT(D, Q, S) Points<Potential<D, Q, S>>,
using RegisteredLists = Concatenate<LEYDEN_REGISTERED_MODELS(LEYDEN_POINT) Points<>>;
#undef LEYDEN_POINT
}  // namespace detail

using RegisteredModels = detail::RegisteredLists::type;

// With the CMake option LEYDEN_COMPILED_MODELS these are compiled once, in the library
// leyden::models, and not in every program.
#if defined(LEYDEN_COMPILED_MODELS)
#define LEYDEN_EXTERN(D, Q, S) extern template class Potential<D, Q, S>;
LEYDEN_REGISTERED_MODELS(LEYDEN_EXTERN)
#undef LEYDEN_EXTERN
#endif

/// The potential of a file as one of RegisteredModels.
// A template, since compilers make what an inline function names whether it is called or not: ten
// seconds of each program that includes leyden.hpp.
template <std::same_as<Precision> P = Precision>
AnyPotential load_potential(const std::string& path, P precision = P::double_) {
  return load_potential<RegisteredModels>(path, precision);
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
