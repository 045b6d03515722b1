// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/mixing.hpp>

#include <cstddef>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

// How channel maps see the irreps of feature arrays: as rows.
namespace detail {

/// Offsets of the rows (atom, m) of one irrep in an array of `stride` packs an atom.
inline void fill_rows(std::vector<int>& rows, const std::vector<int>& atoms, int stride, int first,
                      int count) {
  rows.clear();
  for (int atom : atoms)
    for (int m = 0; m < count; ++m) rows.push_back(atom * stride + first + m);
}

template <class P>
RowsView<P> rows_view(P* data, int n_atoms, int stride, const std::vector<int>& rows) {
  return {data, static_cast<std::size_t>(n_atoms) * static_cast<std::size_t>(stride), rows.data(),
          0};
}

/// The scalars of all atoms.
template <class P, class Array>
RowsView<P> scalar_rows(Array& x) {
  const std::size_t stride = static_cast<std::size_t>(x.lm_count());
  return {x.at(0, 0), static_cast<std::size_t>(x.n_atoms()) * stride, nullptr, stride};
}

}  // namespace detail

}  // namespace leyden::inline LEYDEN_ABI
