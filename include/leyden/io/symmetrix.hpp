// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/model_file.hpp>

#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

/// A MACE of two layers as the evaluator symmetrix (github.com/wcwitt/symmetrix) keeps it, one JSON
/// file: radial functions as cubic splines, linear maps multiplied out, the product basis as
/// monomials. The result is a model of zoo::ShortRange (or any solver without charges) with
/// MaceOptions::radial_knots; it evaluates the same function and cannot be trained.
///
/// The monomials' coefficients are expressed in our couplings, which they must lie in.
///
/// @throws InputError for a file that is none or is damaged, density-normalised layers (A0_scaled,
/// A1_scaled), or monomials that no equivariant product makes.
inline ModelFile read_symmetrix(const std::string& path);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/io/symmetrix_impl.hpp>  // IWYU pragma: keep
#endif
