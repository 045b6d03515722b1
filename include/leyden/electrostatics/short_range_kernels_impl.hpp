// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack_lanes.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/core/unroll.hpp>
#include <leyden/electrostatics/direct_pairs.hpp>
#include <leyden/electrostatics/multipoles.hpp>
#include <leyden/electrostatics/short_range_plan.hpp>

#include <array>

// Sums over the packed neighbours of short_range_neighbors.hpp. Images stand in memory as rows of
// position and multipoles, whole groups of four numbers.
namespace leyden::inline LEYDEN_ABI::detail {

inline constexpr int record_stride(int l, int vectors) {
  return (3 + vectors * cartesian_size(l) + 3) / 4 * 4;
}

// p as Cartesian components of degree l: [atom][q, x, y, z, xx … yz]; zero beyond l_max.
template <Number T>
void cartesian_multipoles(std::span<const T> p, int l_max, int l, int n, std::vector<T>& out) {
  using R = RealOf<T>;
  const auto from_size = static_cast<std::size_t>(multipole_size(l_max));
  const auto size = static_cast<std::size_t>(cartesian_size(l));
  out.assign(static_cast<std::size_t>(n) * size, T(0));
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const T* from = p.data() + i * from_size;
    T* to = out.data() + i * size;
    to[0] = from[0];
    if (l == 0) continue;
    for (std::size_t lm = 1; lm < std::min<std::size_t>(from_size, 4); ++lm)
      to[1 + cartesian_of_coefficient[lm]] = from[lm];
    if (l == 1 || from_size < 9) continue;
    for (std::size_t c = 0; c < 6; ++c)
      for (std::size_t m = 0; m < 5; ++m)
        to[4 + c] += from[4 + m] * static_cast<R>(quadrupole_tensor[c][m]);
  }
}

template <int L, int Vectors, Number T>
void fill_records(const ShortRangePlan<T>& plan) {
  using R = RealOf<T>;
  constexpr int stride = record_stride(L, Vectors), size = cartesian_size(L);
  const auto images = static_cast<std::size_t>(plan.neighbors.n_images());
  const auto fill = [&](Buffer<R>& records, const auto& part) {
    records.resize(images * stride);
    for (std::size_t k = 0; k < images; ++k) {
      R* to = records.data() + k * stride;
      for (int c = 0; c < 3; ++c) to[c] = part(plan.image_positions[k][c]);
      const int atom = plan.neighbors.atom_of_image(static_cast<int>(k));
      for (int v = 0; v < Vectors; ++v) {
        const T* from = plan.cartesian[v].data() + atom * size;
        for (int c = 0; c < size; ++c) to[3 + v * size + c] = part(from[c]);
      }
      for (int c = 3 + Vectors * size; c < stride; ++c) to[c] = R(0);
    }
  };
  fill(plan.records, [](const T& x) { return value_of(x); });
  if constexpr (is_dual_v<T>) fill(plan.record_tangents, [](const T& x) { return x.tangent; });
}

template <int Stride, Number T>
LEYDEN_ALWAYS_INLINE void load_record(const ShortRangePlan<T>& plan, const int* index,
                                      Pack<T>* out) {
  using R = RealOf<T>;
  unroll<Stride / 4>([&](auto group) __attribute__((always_inline)) {
    constexpr int c = 4 * group();
    if constexpr (is_dual_v<T>) {
      Pack<R> value[4], tangent[4];
      load_rows<Stride>(plan.records.data() + c, index, value);
      load_rows<Stride>(plan.record_tangents.data() + c, index, tangent);
      unroll<4>([&](auto k)
                    __attribute__((always_inline)) { out[c + k] = Pack<T>(value[k], tangent[k]); });
    } else {
      load_rows<Stride>(plan.records.data() + c, index, out + c);
    }
  });
}

// A number of a record in all lanes.
template <int Stride, Number T>
LEYDEN_ALWAYS_INLINE Pack<T> uniform_record(const ShortRangePlan<T>& plan, int image, int c) {
  const auto at = static_cast<std::size_t>(image) * Stride + static_cast<std::size_t>(c);
  if constexpr (is_dual_v<T>) {
    return Pack<T>(T(plan.records[at], plan.record_tangents[at]));
  } else {
    return Pack<T>(plan.records[at]);
  }
}

// 1 in the first `count` lanes.
template <class R>
LEYDEN_ALWAYS_INLINE Pack<R> first_lanes(int count) {
  constexpr int lanes = Pack<R>::lanes;
  static constexpr auto ones = [] {
    std::array<R, 2 * lanes> a{};
    for (std::size_t i = 0; i < lanes; ++i) a[i] = R(1);
    return a;
  }();
  return Pack<R>::load(ones.data() + lanes - count);
}

template <Number T>
LEYDEN_ALWAYS_INLINE Pack<T> squared_length(const Pack<T>* r) {
  return fma(r[0], r[0], fma(r[1], r[1], r[2] * r[2]));
}

// Rows of atoms are worked on in blocks of this many. Every block has sums of its own, added in
// their order: results do not depend on the number of threads.
inline constexpr int rows_of_block = 64;

// block(first row, last row, number).
template <Number T, Executor E, class Block>
void for_each_row_block(const ShortRangePlan<T>& plan, const E& executor, const Block& block) {
  const int rows = plan.neighbors.n_rows();
  executor.for_each(static_cast<std::size_t>((rows + rows_of_block - 1) / rows_of_block),
                    [&](std::size_t k, int) {
                      const int first = static_cast<int>(k) * rows_of_block;
                      block(first, std::min(first + rows_of_block, rows), k);
                    });
}

// Visits rows first … last − 1 and, in them, packs of neighbours: begin(row, image), then
// visit(run, index, lanes in use (all: lanes), r, record), end(row).
template <int L, int Vectors, Number T, class Begin, class Visit, class End>
LEYDEN_ALWAYS_INLINE void for_each_neighbor_pack(const ShortRangePlan<T>& plan, int first, int last,
                                                 const Begin& begin, const Visit& visit,
                                                 const End& end) {
  constexpr int stride = record_stride(L, Vectors), lanes = Pack<T>::lanes;
  const int* index = plan.neighbors.index();
  for (int row = first; row < last; ++row) {
    const int image = plan.neighbors.row_image(row);
    const Pack<T> x = uniform_record<stride>(plan, image, 0);
    const Pack<T> y = uniform_record<stride>(plan, image, 1);
    const Pack<T> z = uniform_record<stride>(plan, image, 2);
    begin(row, image);
    for (const NeighborRun& run : plan.neighbors.runs(row)) {
      const int stop = run.first + run.count;
      for (int at = run.first; at < stop; at += lanes) {
        Pack<T> record[stride];
        load_record<stride>(plan, index + at, record);
        if (stop - at < lanes) {  // the last lanes repeat a neighbour, and carry nothing
          const Pack<RealOf<T>> mask = first_lanes<RealOf<T>>(stop - at);
          unroll<Vectors * cartesian_size(L)>([&](auto c) __attribute__((always_inline)) {
            record[3 + c] = record[3 + c] * mask;
          });
        }
        const Pack<T> r[3] = {x - record[0], y - record[1], z - record[2]};
        visit(run, at, r, record + 3);
      }
    }
    end(row);
  }
}

template <int First, int Last, Number T>
LEYDEN_ALWAYS_INLINE void cut_radial(const ShortRangePlan<T>& plan,
                                     const RadialTable<RealOf<T>>& table, int orders, double cutoff,
                                     Pack<T> r2, Pack<T>* b) {
  using R = RealOf<T>;
  radial_functions<First, Last>(table, orders, r2, b);
  if (!plan.cut) return;
  const Pack<R> limit(static_cast<R>(cutoff * cutoff)), zero;
  unroll<Last - First + 1>([&](auto k) __attribute__((always_inline)) {
    constexpr int n = First + k();
    if constexpr (is_dual_v<T>) {
      b[n] = Pack<T>(select_less(r2.value, limit, b[n].value, zero),
                     select_less(r2.value, limit, b[n].tangent, zero));
    } else {
      b[n] = select_less(r2, limit, b[n], zero);
    }
  });
}

// Which table serves a pair: one function, however tables are numbered, so that there is one
// kernel.
template <class R>
struct RadialTables {
  const RadialTable<R>* first;
  int by_receiver, by_sender;
  LEYDEN_ALWAYS_INLINE const RadialTable<R>& operator()(int receiver, int sender) const {
    return first[receiver * by_receiver + sender * by_sender];
  }
};

template <int L, bool Kept, Number T>
void short_range_potential_of_rows(const ShortRangePlan<T>& plan, int first, int last,
                                   double cutoff, int orders, RadialTables<RealOf<T>> tables,
                                   bool keep) {
  constexpr int size = cartesian_size(L), functions = 2 * L + 1, lanes = Pack<T>::lanes;
  Pack<T> v[size];
  int receiver = 0;
  for_each_neighbor_pack<L, 1, T>(
      plan, first, last,
      [&](int row, int) __attribute__((always_inline)) {
        receiver = plan.atom_class[static_cast<std::size_t>(plan.neighbors.row_atom(row))];
        unroll<size>([&](auto c) __attribute__((always_inline)) { v[c] = Pack<T>(); });
      },
      [&](const NeighborRun& run, int at, const Pack<T>* r,
          const Pack<T>* source) __attribute__((always_inline)) {
        Pack<T> radial[functions];
        Pack<T>* kept = plan.radial.data() + (at / lanes) * functions;
        if constexpr (Kept) {
          unroll<functions>([&](auto n) __attribute__((always_inline)) { radial[n] = kept[n]; });
        } else {
          cut_radial<0, functions - 1>(plan, tables(receiver, run.sender_class), orders, cutoff,
                                       squared_length<T>(r), radial);
          if (keep)
            unroll<functions>([&](auto n) __attribute__((always_inline)) { kept[n] = radial[n]; });
        }
        pair_potential<L, T>(r, radial, source, v);
      },
      [&](int row) __attribute__((always_inline)) {
        T* to = plan.sums.data() + plan.neighbors.row_atom(row) * size;
        unroll<size>([&](auto c) __attribute__((always_inline)) { to[c] = sum_lanes(v[c]); });
      });
}

// Potentials at all atoms of the multipoles in plan.cartesian[0], of degree L, as Cartesian sums in
// plan.sums. Radial functions are read from plan.radial when they are `kept`, otherwise written
// there when `keep` says so.
template <int L, bool Kept, Number T, Executor E>
void short_range_potential(const ShortRangePlan<T>& plan, double cutoff, int orders,
                           RadialTables<RealOf<T>> tables, bool keep, const E& executor) {
  fill_records<L, 1, T>(plan);
  plan.sums.resize(static_cast<std::size_t>(plan.n_atoms * cartesian_size(L)));
  for_each_row_block(plan, executor, [&](int first, int last, std::size_t) {
    short_range_potential_of_rows<L, Kept, T>(plan, first, last, cutoff, orders, tables, keep);
  });
}

// Adds plan.sums of degree `degree` to coefficients of l_max.
template <Number T>
void add_sums(const ShortRangePlan<T>& plan, int degree, int l_max, std::span<T> v) {
  const int from = cartesian_size(degree), size = multipole_size(l_max);
  for (int i = 0; i < plan.n_atoms; ++i) {
    const T* sums = plan.sums.data() + i * from;
    store_cartesian<T>(
        l_max, [&](int c) { return sums[c]; }, true, v.data() + i * size);
  }
}

// The sums of all blocks; work(first row, last row, sums of the block). ½ Σ r g over directed pairs
// is Σ over pairs.
template <Number T, Executor E, class Work>
T sum_row_blocks(const ShortRangePlan<T>& plan, T factor, GeometryGradient<T>& gradient,
                 const E& executor, const Work& work) {
  const auto rows = static_cast<std::size_t>(plan.neighbors.n_rows());
  plan.block_sums.resize((rows + rows_of_block - 1) / rows_of_block);
  for_each_row_block(plan, executor, [&](int first, int last, std::size_t k) {
    work(first, last, plan.block_sums[k]);
  });
  T energy(0);
  Matrix3<T> strain{};
  for (const ShortRangeSums<T>& sums : plan.block_sums) {
    energy += sums.energy;
    strain += sums.strain;
  }
  const T half = factor * RealOf<T>(0.5);
  for (std::size_t c = 0; c < 9; ++c) gradient.strain.data[c] += half * strain.data[c];
  return energy;
}

template <int L, bool Symmetric, Number T>
void short_range_gradient_of_rows(const ShortRangePlan<T>& plan, int first, int last, double cutoff,
                                  int orders, RadialTables<RealOf<T>> forward,
                                  RadialTables<RealOf<T>> backward, T factor,
                                  GeometryGradient<T>& gradient, ShortRangeSums<T>& sums) {
  constexpr int size = cartesian_size(L), functions = 2 * L + 2;
  constexpr int stride = record_stride(L, 2);
  Pack<T> strain[9] = {}, sum[3], a[size], b[size];
  const Pack<T> none[size] = {};
  int receiver = 0;
  for_each_neighbor_pack<L, 2, T>(
      plan, first, last,
      [&](int row, int image) __attribute__((always_inline)) {
        receiver = plan.atom_class[static_cast<std::size_t>(plan.neighbors.row_atom(row))];
        unroll<3>([&](auto c) __attribute__((always_inline)) { sum[c] = Pack<T>(); });
        unroll<size>([&](auto c) __attribute__((always_inline)) {
          a[c] = uniform_record<stride>(plan, image, 3 + c);
          b[c] = uniform_record<stride>(plan, image, 3 + size + c);
        });
      },
      [&](const NeighborRun& run, int, const Pack<T>* r, const Pack<T>* source)
          __attribute__((always_inline)) {
            const Pack<T> r2 = squared_length<T>(r);
            Pack<T> radial[functions];
            PairGradient<T> pair;
            cut_radial<1, functions - 1>(plan, forward(receiver, run.sender_class), orders, cutoff,
                                         r2, radial);
            if constexpr (Symmetric) {
              pair = pair_gradient<L, T>(r, radial, a, b, source, source + size);
            } else {
              pair = pair_gradient<L, T>(r, radial, a, none, none, source + size);
              cut_radial<1, functions - 1>(plan, backward(receiver, run.sender_class), orders,
                                           cutoff, r2, radial);
              const PairGradient<T> other = pair_gradient<L, T>(r, radial, none, b, source, none);
              unroll<3>([&](auto c) __attribute__((always_inline)) { pair.g[c] += other.g[c]; });
            }
            unroll<3>([&](auto c) __attribute__((always_inline)) {
              sum[c] += pair.g[c];
              unroll<3>([&](auto d) __attribute__((always_inline)) {
                strain[3 * d + c] = fma(r[d], pair.g[c], strain[3 * d + c]);
              });
            });
          },
      [&](int row) __attribute__((always_inline)) {
        auto& to = gradient.positions[static_cast<std::size_t>(plan.neighbors.row_atom(row))];
        unroll<3>([&](auto c)
                      __attribute__((always_inline)) { to[c] += factor * sum_lanes(sum[c]); });
      });
  unroll<9>([&](auto c)
                __attribute__((always_inline)) { sums.strain.data[c()] = sum_lanes(strain[c]); });
}

// Adds factor · ∂(aᵀSb) with a, b = plan.cartesian[0], [1]. forward(receiver class, sender class)
// is the table of a at the receiver and b at the sender, backward that of b at the receiver and a
// at the sender.
template <int L, bool Symmetric, Number T, Executor E>
void short_range_gradient(const ShortRangePlan<T>& plan, double cutoff, int orders,
                          RadialTables<RealOf<T>> forward, RadialTables<RealOf<T>> backward,
                          T factor, GeometryGradient<T>& gradient, const E& executor) {
  fill_records<L, 2, T>(plan);
  sum_row_blocks(
      plan, factor, gradient, executor, [&](int first, int last, ShortRangeSums<T>& sums) {
        short_range_gradient_of_rows<L, Symmetric, T>(plan, first, last, cutoff, orders, forward,
                                                      backward, factor, gradient, sums);
      });
}

template <int L, Number T>
void short_range_energy_of_rows(const ShortRangePlan<T>& plan, int first, int last, double cutoff,
                                int orders, RadialTables<RealOf<T>> table, T factor,
                                GeometryGradient<T>& gradient, ShortRangeSums<T>& sums) {
  using R = RealOf<T>;
  constexpr int size = cartesian_size(L), functions = 2 * L + 2;
  constexpr int stride = record_stride(L, 1);
  Pack<T> strain[9] = {}, sum[3], v[size], p[size];
  T energy(0);
  int receiver = 0;
  for_each_neighbor_pack<L, 1, T>(
      plan, first, last,
      [&](int row, int image) __attribute__((always_inline)) {
        receiver = plan.atom_class[static_cast<std::size_t>(plan.neighbors.row_atom(row))];
        unroll<3>([&](auto c) __attribute__((always_inline)) { sum[c] = Pack<T>(); });
        unroll<size>([&](auto c) __attribute__((always_inline)) { v[c] = Pack<T>(); });
        unroll<size>([&](auto c) __attribute__((always_inline)) {
          p[c] = uniform_record<stride>(plan, image, 3 + c);
        });
      },
      [&](const NeighborRun& run, int, const Pack<T>* r, const Pack<T>* source)
          __attribute__((always_inline)) {
            Pack<T> radial[functions];
            cut_radial<0, functions - 1>(plan, table(receiver, run.sender_class), orders, cutoff,
                                         squared_length<T>(r), radial);
            if constexpr (L == 0) {
              // Forces of a pair lie along r; factors of q_i wait for the end of the row or the
              // sum.
              v[0] = fma(radial[0], source[0], v[0]);
              const Pack<T> f = radial[1] * source[0] * p[0];
              const Pack<T> g[3] = {f * r[0], f * r[1], f * r[2]};
              unroll<3>([&](auto c) __attribute__((always_inline)) { sum[c] -= g[c]; });
              constexpr int first[6] = {0, 0, 0, 1, 1, 2}, second[6] = {0, 1, 2, 1, 2, 2};
              unroll<6>([&](auto k) __attribute__((always_inline)) {
                strain[k] = fma(r[first[k]], g[second[k]], strain[k]);
              });
            } else {
              pair_potential<L, T>(r, radial, source, v);
              // ½ aᵀSb with a = b is half of both orders: one order.
              Pack<T> g[3];
              if constexpr (L == 2) {
                add_quadrupole_gradient<T>(r, radial, p, source, g);
              } else {
                const Pack<T> none[size] = {};
                const PairGradient<T> pair = pair_gradient<L, T>(r, radial, p, none, none, source);
                unroll<3>([&](auto c) __attribute__((always_inline)) { g[c] = pair.g[c]; });
              }
              unroll<3>([&](auto c) __attribute__((always_inline)) {
                sum[c] += g[c];
                unroll<3>([&](auto d) __attribute__((always_inline)) {
                  strain[3 * d + c] = fma(r[d], g[c], strain[3 * d + c]);
                });
              });
            }
          },
      [&](int row) __attribute__((always_inline)) {
        const int atom = plan.neighbors.row_atom(row);
        const T* own = plan.cartesian[0].data() + atom * size;
        unroll<size>([&](auto c) __attribute__((always_inline)) {
          constexpr auto pair = static_cast<std::size_t>(c() < 4 ? 0 : c() - 4);
          constexpr double weight = c() < 4 ? 1.0 : second_derivative_weight[pair];
          energy += own[c] * sum_lanes(v[c]) * static_cast<R>(weight);
        });
        auto& to = gradient.positions[static_cast<std::size_t>(atom)];
        unroll<3>([&](auto c)
                      __attribute__((always_inline)) { to[c] += factor * sum_lanes(sum[c]); });
      });
  sums.energy = energy;
  if constexpr (L == 0) {
    constexpr int place[9] = {0, 1, 2, 1, 3, 4, 2, 4, 5};
    unroll<9>([&](auto c) __attribute__((always_inline)) {
      sums.strain.data[c()] = -sum_lanes(strain[place[c]]);
    });
  } else {
    unroll<9>([&](auto c)
                  __attribute__((always_inline)) { sums.strain.data[c()] = sum_lanes(strain[c]); });
  }
}

// ½ pᵀSp of different atoms and its gradient, p = plan.cartesian[0].
template <int L, Number T, Executor E>
T short_range_energy(const ShortRangePlan<T>& plan, double cutoff, int orders,
                     RadialTables<RealOf<T>> table, T factor, GeometryGradient<T>& gradient,
                     const E& executor) {
  fill_records<L, 1, T>(plan);
  return RealOf<T>(0.5) * sum_row_blocks(plan, factor, gradient, executor,
                                         [&](int first, int last, ShortRangeSums<T>& sums) {
                                           short_range_energy_of_rows<L, T>(plan, first, last,
                                                                            cutoff, orders, table,
                                                                            factor, gradient, sums);
                                         });
}

}  // namespace leyden::inline LEYDEN_ABI::detail
