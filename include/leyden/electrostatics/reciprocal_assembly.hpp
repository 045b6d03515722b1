// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/reciprocal_kernels.hpp>

// The dense matrix of K. A wave vector adds w (a aᵀ + b bᵀ), a and b the real and imaginary parts
// of the structure factors of unit multipoles: the sum over wave vectors is a product of a tall
// matrix with itself, taken a block of its rows at a time, lower triangle only.
namespace leyden::inline LEYDEN_ABI::detail {

template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> value_pack(const Pack<R>& p) {
  return p;
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<R> value_pack(const Pack<Dual<R>>& p) {
  return p.value;
}

// product[j][i] += Σ_r sign_r rows[r][i] rows[r][j] for packs j of columns and columns i up to
// them. (The kernel of a wire has negative weights.)
template <std::floating_point R>
void add_squared_rows(const Buffer<Pack<R>>& rows, std::span<const R> sign, int packs,
                      Buffer<Pack<R>>& product) {
  const int count = static_cast<int>(sign.size());
  constexpr int lanes = Pack<R>::lanes, block = lanes < 8 ? lanes : 8;
  const auto columns = static_cast<std::size_t>(packs) * lanes;
  for (int j = 0; j < packs; ++j) {
    Pack<R>* target = product.data() + static_cast<std::size_t>(j) * columns;
    for (int i = 0; i < (j + 1) * lanes; i += block) {
      Pack<R> sum[block];
      for (int q = 0; q < block; ++q) sum[q] = target[i + q];
      const Pack<R>* row = rows.data();
      for (int r = 0; r < count; ++r, row += packs) {
        const Pack<R> b = row[j] * Pack<R>(sign[static_cast<std::size_t>(r)]);
        const Pack<R>& a = row[i / lanes];
        for (int q = 0; q < block; ++q) sum[q] = fma(Pack<R>(a.lane(i % lanes + q)), b, sum[q]);
      }
      for (int q = 0; q < block; ++q) target[i + q] = sum[q];
    }
  }
}

// matrix: (n·size)², row-major, set to the real part of K with self-interaction.
template <Number T>
void assemble_reciprocal(const ReciprocalPlan<T>& plan, std::span<RealOf<T>> matrix) {
  using R = RealOf<T>;
  constexpr int lanes = Pack<R>::lanes;
  constexpr int most_rows = 96;
  const int size = multipole_size(plan.l_max);
  const int packs = size * plan.packs;  // a component's packs of atoms, then the next component's
  const auto columns = static_cast<std::size_t>(packs) * lanes;
  auto& rows = plan.assembly_rows;
  auto& product = plan.assembly_product;
  rows.resize(static_cast<std::size_t>(most_rows * packs));
  product.assign(static_cast<std::size_t>(packs) * columns, Pack<R>());

  std::array<R, most_rows> sign{};
  int count = 0;
  const auto add = [&] {
    add_squared_rows<R>(rows, std::span<const R>(sign.data(), static_cast<std::size_t>(count)),
                        packs, product);
    count = 0;
  };
  RowScratch<T>& scratch = row_scratch(plan, 1)[0];
  for (const WaveRow& row : plan.waves.rows) {
    row_phases(plan, row, scratch);
    for (int m = 0; m <= row.reach; ++m)
      for (int side = 0; side < 2; ++side) {
        const std::size_t slot = row.first + static_cast<std::size_t>(2 * m + side);
        const R weight = value_of(plan.weight[slot]);
        if (weight == R(0)) continue;
        sign[static_cast<std::size_t>(count)] = sign[static_cast<std::size_t>(count + 1)] =
            weight > R(0) ? R(1) : R(-1);
        R moment[5] = {};
        if (size == 9)
          for (std::size_t m = 0; m < 5; ++m) {
            const Vector3<T>& k = plan.k[slot];
            constexpr int first[6] = {0, 1, 2, 0, 0, 1}, second[6] = {0, 1, 2, 1, 2, 2};
            for (std::size_t c = 0; c < 6; ++c)
              moment[m] -= static_cast<R>(second_derivative_weight[c] * quadrupole_tensor[c][m]) *
                           value_of(k[first[c]]) * value_of(k[second[c]]);
          }
        Pack<R>* re = rows.data() + count * packs;
        Pack<R>* im = re + packs;
        const Pack<T>* table = plan.phases[2].data() + 2 * m * plan.packs;
        for (const WidthSegment& segment : plan.segments) {
          const R factor =
              std::sqrt(std::abs(weight)) * value_of(plan.width_factors[segment.factor + slot]);
          for (int i = segment.first; i < segment.last; ++i) {
            Pack<R> c = value_pack(scratch.phase[static_cast<std::size_t>(2 * i)]);
            Pack<R> s = value_pack(scratch.phase[static_cast<std::size_t>(2 * i + 1)]);
            const Pack<R> by[2] = {value_pack(table[2 * i]), value_pack(table[2 * i + 1])};
            rotate<R>(c, s, by, side == 1);
            re[i] = c * Pack<R>(factor);
            im[i] = s * Pack<R>(-factor);
            // A unit dipole along a is −i k_a times a unit charge; order y, z, x.
            for (int lm = 1; lm < std::min(size, 4); ++lm) {
              const Pack<R> k(value_of(plan.k[slot][lm % 3]));
              re[lm * plan.packs + i] = im[i] * k;
              im[lm * plan.packs + i] = -(re[i] * k);
            }
            // A unit quadrupole is −R_m(k)/3 times one.
            for (int m = 0; m < size - 4; ++m) {
              const Pack<R> f(moment[m]);
              re[(4 + m) * plan.packs + i] = re[i] * f;
              im[(4 + m) * plan.packs + i] = im[i] * f;
            }
          }
        }
        count += 2;
        if (count == most_rows) add();
      }
  }
  add();

  const std::size_t n = static_cast<std::size_t>(plan.n_atoms * size);
  const std::size_t slots = static_cast<std::size_t>(plan.packs) * lanes;
  const auto index = [&](std::size_t column) -> std::ptrdiff_t {
    const int atom = plan.slot_atom[column % slots];
    return atom < 0 ? -1 : atom * size + static_cast<std::ptrdiff_t>(column / slots);
  };
  for (std::size_t j = 0; j < columns; ++j) {
    const std::ptrdiff_t b = index(j);
    if (b < 0) continue;
    for (std::size_t i = 0; i <= j; ++i) {
      const std::ptrdiff_t a = index(i);
      if (a < 0) continue;
      R value = product[(j / lanes) * columns + i].lane(static_cast<int>(j % lanes));
      if (plan.open && j < slots) value += value_of(plan.zero_weight);  // k = 0: charges alone
      matrix[static_cast<std::size_t>(a) * n + static_cast<std::size_t>(b)] = value;
      matrix[static_cast<std::size_t>(b) * n + static_cast<std::size_t>(a)] = value;
    }
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
