// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/electrostatics/gaussian_kernel.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

// Atoms in packs, and the order in which pairs of an atom and a pack are visited.
namespace leyden::inline LEYDEN_ABI::detail {

// What the slots of some packs and a tile of packs do to each other: results of both, [pack][…].
template <Number T>
struct DirectBlock {
  int first_slot = 0, last_slot = 0;  // of the rows
  int tile = 0;                       // first pack of the tile
  Buffer<Pack<T>> rows, columns;      // results of the slots' packs and of the tile's
  T energy{};
  std::array<std::vector<int>, 3> lists;  // scratch: packs by PairRange
};

template <Number T>
struct DirectPlan {
  using number_type = T;
  using R = RealOf<T>;
  int n_atoms = 0;
  int l_max = 0;
  int packs = 0;
  std::vector<double> widths;        // (n)
  std::vector<int> slot_atom;        // (packs · lanes); −1: padding
  Buffer<Pack<T>> coordinates;       // [pack][x, y, z], from the middle of all atoms
  std::vector<double> class_widths;  // of packs whose atoms are equally wide
  std::vector<int> pack_class;       // (packs); −1: the lanes differ
  Buffer<Pack<R>> squared_widths;    // [pack]
  Buffer<WidthPair<R>> pairs;        // [class][class]
  Buffer<Pack<R>> boxes;             // [pack / lanes][lowest x, y, z, highest, largest width²]

  mutable std::vector<DirectBlock<T>> blocks;      // scratch
  mutable Buffer<WidthPair<R>> feature_pairs;      // scratch: [class] with a receiver's width
  mutable Buffer<Pack<T>> a, b, out;               // scratch: multipoles and results as packs
  mutable std::array<std::vector<T>, 2> assembly;  // scratch
  mutable std::vector<T> result;                   // scratch
  // B_0 … B_(2 l_max) of an atom and the packs from its own on, once apply() has made them
  mutable bool stored = false;
  mutable std::vector<std::size_t> row_first;  // (slots)
  mutable std::array<Buffer<Pack<T>>, 5> radial;
  std::vector<int> scratch;
  std::vector<Vector3<double>> real;  // scratch: positions
};

// More widths than this are not worth packs of their own.
inline constexpr std::size_t most_direct_classes = 16;

// Orders atoms so that each `lanes` of them are close: cuts along the longest side, at a multiple
// of `lanes`, until packs are left.
inline void bisect_into_packs(std::span<int> atoms, std::span<const Vector3<double>> positions,
                              int lanes) {
  while (atoms.size() > static_cast<std::size_t>(lanes)) {
    Vector3<double> low = positions[static_cast<std::size_t>(atoms[0])], high = low;
    for (const int i : atoms)
      for (int c = 0; c < 3; ++c) {
        const double x = positions[static_cast<std::size_t>(i)][c];
        low[c] = std::min(low[c], x);
        high[c] = std::max(high[c], x);
      }
    int axis = 0;
    for (int c = 1; c < 3; ++c)
      if (high[c] - low[c] > high[axis] - low[axis]) axis = c;
    const std::size_t l = static_cast<std::size_t>(lanes);
    const std::size_t cut = (atoms.size() / l + 1) / 2 * l;
    if (cut >= atoms.size()) return;
    // Ties are broken by index: the order depends on the positions alone.
    std::nth_element(atoms.begin(), atoms.begin() + static_cast<std::ptrdiff_t>(cut), atoms.end(),
                     [&](int i, int j) {
                       const double x = positions[static_cast<std::size_t>(i)][axis];
                       const double y = positions[static_cast<std::size_t>(j)][axis];
                       return x != y ? x < y : i < j;
                     });
    bisect_into_packs(atoms.first(cut), positions, lanes);
    atoms = atoms.subspan(cut);
  }
}

template <Number T>
void sort_direct_plan(const std::vector<Vector3<T>>& positions, DirectPlan<T>& plan) {
  using R = RealOf<T>;
  std::vector<Vector3<double>>& real = plan.real;
  constexpr int lanes = Pack<T>::lanes;
  const auto n = static_cast<std::size_t>(plan.n_atoms);
  real.resize(n);
  Vector3<double> low, high;
  for (std::size_t i = 0; i < n; ++i) {
    for (int c = 0; c < 3; ++c) {
      real[i][c] = static_cast<double>(value_of(positions[i][c]));
      low[c] = i == 0 ? real[i][c] : std::min(low[c], real[i][c]);
      high[c] = i == 0 ? real[i][c] : std::max(high[c], real[i][c]);
    }
  }
  const Vector3<double> middle = (low + high) * 0.5;

  std::vector<double>& widths = plan.class_widths;
  widths.clear();
  for (const double w : plan.widths) {
    if (widths.size() > most_direct_classes) break;
    if (std::find(widths.begin(), widths.end(), w) == widths.end()) widths.push_back(w);
  }
  // Points never share a pack with Gaussians: their functions differ.
  const bool mixed = widths.size() > most_direct_classes;
  if (mixed) widths.assign(1, 0.0);
  plan.slot_atom.clear();
  plan.pack_class.clear();
  const auto add_class = [&](int index, auto&& belongs) {
    plan.scratch.clear();
    for (std::size_t i = 0; i < n; ++i)
      if (belongs(plan.widths[i])) plan.scratch.push_back(static_cast<int>(i));
    bisect_into_packs(plan.scratch, real, lanes);
    plan.slot_atom.insert(plan.slot_atom.end(), plan.scratch.begin(), plan.scratch.end());
    while (plan.slot_atom.size() % static_cast<std::size_t>(lanes) != 0)
      plan.slot_atom.push_back(-1);
    plan.pack_class.resize(plan.slot_atom.size() / static_cast<std::size_t>(lanes), index);
  };
  for (std::size_t c = 0; c < widths.size(); ++c)
    add_class(static_cast<int>(c), [&](double w) { return w == widths[c]; });
  if (mixed) add_class(-1, [](double w) { return w != 0; });

  plan.packs = static_cast<int>(plan.pack_class.size());
  const auto packs = static_cast<std::size_t>(plan.packs);
  plan.coordinates.resize(3 * packs);
  plan.squared_widths.resize(packs);
  const int blocks = pack_count<R>(plan.packs);
  // Blocks are filled up with packs that are nowhere.
  plan.boxes.assign(static_cast<std::size_t>(7 * blocks), Pack<R>(R(0)));
  const double outside = 10 * (norm(high - low) + 10);  // where padding is: far from every atom
  for (int k = 0; k < plan.packs; ++k) {
    Vector3<double> lowest, highest;
    double widest = 0;
    double first_width = 0;
    for (int lane = 0; lane < lanes; ++lane) {
      const int i = plan.slot_atom[static_cast<std::size_t>(k * lanes + lane)];
      Pack<T>* r = plan.coordinates.data() + 3 * k;
      if (i < 0) {
        r[0].set_lane(lane, T(static_cast<R>(outside + k * lanes + lane)));
        for (int c = 1; c < 3; ++c) r[c].set_lane(lane, T(R(0)));
        plan.squared_widths[static_cast<std::size_t>(k)].set_lane(
            lane, static_cast<R>(first_width * first_width));
        continue;
      }
      const auto at = static_cast<std::size_t>(i);
      const double w = plan.widths[at];
      if (lane == 0) first_width = w;
      widest = std::max(widest, w * w);
      plan.squared_widths[static_cast<std::size_t>(k)].set_lane(lane, static_cast<R>(w * w));
      for (int c = 0; c < 3; ++c) {
        r[c].set_lane(lane, positions[at][c] - T(static_cast<R>(middle[c])));
        const double x = real[at][c] - middle[c];
        lowest[c] = lane == 0 ? x : std::min(lowest[c], x);
        highest[c] = lane == 0 ? x : std::max(highest[c], x);
      }
    }
    Pack<R>* box = plan.boxes.data() + 7 * (k / lanes);
    for (int c = 0; c < 3; ++c) {
      box[c].set_lane(k % lanes, static_cast<R>(lowest[c]));
      box[3 + c].set_lane(k % lanes, static_cast<R>(highest[c]));
    }
    box[6].set_lane(k % lanes, static_cast<R>(widest));
  }
  plan.pairs.resize(widths.size() * widths.size());
  for (std::size_t c = 0; c < widths.size(); ++c)
    for (std::size_t d = 0; d < widths.size(); ++d) {
      const double sum = 2 * (widths[c] * widths[c] + widths[d] * widths[d]);
      if (sum > 0)
        plan.pairs[c * widths.size() + d] = WidthPair<R>(Pack<R>(static_cast<R>(1 / sum)));
    }
}

// Packs are visited in tiles whose data stay in the first-level cache; a multiple of all lanes.
inline constexpr int direct_tile = 48;

// Sorts the packs of a tile that are behind the slot's own into lists by the range of their pairs
// with it. The sum of the squared widths of a pair is base + max(floor, that of the pack).
template <int Count, Number T>
void sort_by_range(const DirectPlan<T>& plan, DirectBlock<T>& block, int slot, double base,
                   double floor) {
  using R = RealOf<T>;
  constexpr int lanes = Pack<R>::lanes;
  const int own = slot / lanes, lane = slot % lanes;
  Pack<R> x[3];
  for (int c = 0; c < 3; ++c) {
    const T at = plan.coordinates[static_cast<std::size_t>(3 * own + c)].lane(lane);
    x[c] = Pack<R>(value_of(at));
  }
  std::array<int, 3> count{};
  std::array<int*, 3> lists;
  for (std::size_t l = 0; l < 3; ++l) {
    block.lists[l].resize(direct_tile);
    lists[l] = block.lists[l].data();
  }
  const int first = std::max(block.tile, own + 1);
  const int last = std::min(block.tile + direct_tile, plan.packs);
  const Pack<R> zero(R(0)), b(static_cast<R>(base)), f(static_cast<R>(floor));
  const Pack<R> near(static_cast<R>(2 * distant_beyond));
  const Pack<R> far(static_cast<R>(2 * points_beyond<R>(Count)));
  alignas(64) R range[Pack<R>::lanes];
  for (int k = first / lanes * lanes; k < last; k += lanes) {
    const Pack<R>* box = plan.boxes.data() + 7 * (k / lanes);
    Pack<R> r2 = zero;
    for (int c = 0; c < 3; ++c) {
      const Pack<R> gap = min(x[c] - box[c], zero) + min(box[3 + c] - x[c], zero);
      r2 = fma(gap, gap, r2);
    }
    const Pack<R> sum = b + select_less(f, box[6], box[6], f);
    const int begin = std::max(k, first), end = std::min(k + lanes, last);
    if (!any_less(r2, far * sum)) {
      for (int j = begin; j < end; ++j) lists[2][count[2]++] = j;
      continue;
    }
    select_less(r2, near * sum, zero, select_less(r2, far * sum, Pack<R>(R(1)), Pack<R>(R(2))))
        .store(range);
    for (int j = begin; j < end; ++j) {
      const auto l = static_cast<std::size_t>(range[j - k]);
      lists[l][count[l]++] = j;
    }
  }
  for (std::size_t l = 0; l < 3; ++l) block.lists[l].resize(static_cast<std::size_t>(count[l]));
}

// The vectors from the atoms of pack k to the one at x.
template <Number T>
LEYDEN_ALWAYS_INLINE Pack<T> pair_vectors(const DirectPlan<T>& plan, const Pack<T>* x, int k,
                                          Pack<T>* r) {
  const Pack<T>* at = plan.coordinates.data() + 3 * k;
  for (int c = 0; c < 3; ++c) r[c] = x[c] - at[c];
  return fma(r[0], r[0], fma(r[1], r[1], r[2] * r[2]));
}
template <Number T>
void load_slot(const DirectPlan<T>& plan, int slot, Pack<T>* x) {
  for (int c = 0; c < 3; ++c)
    x[c] = Pack<T>(plan.coordinates[static_cast<std::size_t>(3 * (slot / Pack<T>::lanes) + c)].lane(
        slot % Pack<T>::lanes));
}

// Lanes behind the given one from x, `other` in the rest.
template <std::floating_point R>
LEYDEN_ALWAYS_INLINE Pack<R> behind_lane(int lane, Pack<R> x, R other) {
  constexpr auto numbers = [] {
    std::array<R, Pack<R>::lanes> n{};
    for (std::size_t k = 0; k < n.size(); ++k) n[k] = static_cast<R>(k);
    return n;
  }();
  return select_less(Pack<R>(static_cast<R>(lane)), Pack<R>::load(numbers.data()), x,
                     Pack<R>(other));
}
template <class R>
LEYDEN_ALWAYS_INLINE Pack<Dual<R>> behind_lane(int lane, Pack<Dual<R>> x, R other) {
  return {behind_lane(lane, x.value, other), behind_lane(lane, x.tangent, R(0))};
}

// Pairs within a slot's own pack are those with lanes behind it (padding has no multipoles). The
// others get a harmless distance, and radial functions of zero.
template <Number T>
LEYDEN_ALWAYS_INLINE void mask_own_pack(int slot, Pack<T>* r, Pack<T>& r2) {
  using R = RealOf<T>;
  const int lane = slot % Pack<T>::lanes;
  for (int c = 0; c < 3; ++c) r[c] = behind_lane(lane, r[c], R(c == 0 ? 1e3 : 0));
  r2 = behind_lane(lane, r2, R(1e6));
}
template <int Count, Number T>
LEYDEN_ALWAYS_INLINE void mask_radial(int slot, Pack<T>* radial) {
  for (int n = 0; n < Count; ++n)
    radial[n] = behind_lane(slot % Pack<T>::lanes, radial[n], RealOf<T>(0));
}

template <PairRange Range, int Count, Number T>
LEYDEN_ALWAYS_INLINE void direct_radial(const DirectPlan<T>& plan, int slot, int k, Pack<T> r2,
                                        Pack<T>* radial) {
  using R = RealOf<T>;
  const int ci = plan.pack_class[static_cast<std::size_t>(slot / Pack<T>::lanes)];
  const int cj = plan.pack_class[static_cast<std::size_t>(k)];
  if (Range == PairRange::points || (ci >= 0 && cj >= 0)) {
    const auto classes = static_cast<int>(plan.class_widths.size());
    const int at = Range == PairRange::points ? 0 : ci * classes + cj;
    pair_radial<Range, Count>(plan.pairs[static_cast<std::size_t>(at)], r2, radial);
  } else {
    const Pack<R> si(plan.squared_widths[static_cast<std::size_t>(slot / Pack<T>::lanes)].lane(
        slot % Pack<T>::lanes));
    const Pack<R> sum = si + plan.squared_widths[static_cast<std::size_t>(k)];
    pair_radial<Range, Count>(WidthPair<R>(Pack<R>(R(0.5)) / sum), r2, radial);
  }
}

// All pairs of slots in blocks: the slots of a tile's packs with the packs of the same or of a
// later tile. work(block) fills rows and columns, of `size` packs per pack, and the energy; they
// are added to plan.out in the order of the blocks, with any number of threads. Returns the energy.
template <Number T, Executor E, class Work>
T for_each_direct_block(const DirectPlan<T>& plan, int size, const E& executor, const Work& work) {
  constexpr int lanes = Pack<T>::lanes;
  const int tiles = (plan.packs + direct_tile - 1) / direct_tile;
  const auto count = static_cast<std::size_t>(tiles * (tiles + 1) / 2);
  plan.out.assign(static_cast<std::size_t>(size * plan.packs), Pack<T>());
  T energy{};
  const auto run = [&](DirectBlock<T>& block, int row, int column) {
    const int last = std::min((row + 1) * direct_tile, plan.packs);
    block.first_slot = row * direct_tile * lanes;
    block.last_slot = last * lanes;
    block.tile = column * direct_tile;
    const int width = std::min(direct_tile, plan.packs - block.tile);
    block.rows.assign(static_cast<std::size_t>(size * (last - row * direct_tile)), Pack<T>());
    block.columns.assign(static_cast<std::size_t>(size * width), Pack<T>());
    block.energy = T{};
    work(block);
  };
  const auto add = [&](const DirectBlock<T>& block) {
    energy += block.energy;
    const auto to = [&](int pack) { return plan.out.data() + size * pack; };
    for (std::size_t k = 0; k < block.rows.size(); ++k)
      to(block.first_slot / lanes)[k] += block.rows[k];
    for (std::size_t k = 0; k < block.columns.size(); ++k) to(block.tile)[k] += block.columns[k];
  };
  if (executor.concurrency() == 1) {
    if (plan.blocks.empty()) plan.blocks.resize(1);
    for (int column = 0; column < tiles; ++column)
      for (int row = 0; row <= column; ++row) {
        run(plan.blocks[0], row, column);
        add(plan.blocks[0]);
      }
    return energy;
  }
  if (plan.blocks.size() < count) plan.blocks.resize(count);
  executor.for_each(count, [&](std::size_t k, int) {
    int column = 0, first = 0;
    while (first + column + 1 <= static_cast<int>(k)) first += ++column;
    run(plan.blocks[k], static_cast<int>(k) - first, column);
  });
  for (std::size_t k = 0; k < count; ++k) add(plan.blocks[k]);
  return energy;
}

// visit(slot, whether the slot's own pack is in the tile).
template <Number T, class Visit>
void for_each_slot(const DirectPlan<T>& plan, const DirectBlock<T>& block, Visit&& visit) {
  for (int slot = block.first_slot; slot < block.last_slot; ++slot)
    if (plan.slot_atom[static_cast<std::size_t>(slot)] >= 0)
      visit(slot, slot / Pack<T>::lanes >= block.tile);
}

// sums = row.begin(slot), row.pair(sums, pack, r, B_0 … B_(Count − 1)), row.end(slot, sums) until
// all pairs of a block have been visited once; the order depends on positions and widths alone.
// (Sums are local, so that they stay in registers.)
template <int Count, Number T, class Row>
void for_each_direct_row(const DirectPlan<T>& plan, DirectBlock<T>& block, const Row& row) {
  constexpr int lanes = Pack<T>::lanes;
  for_each_slot(plan, block, [&](int slot, bool own) {
    const int i = plan.slot_atom[static_cast<std::size_t>(slot)];
    const double width = plan.widths[static_cast<std::size_t>(i)];
    sort_by_range<Count>(plan, block, slot, width * width, 0.0);
    Pack<T> x[3];
    load_slot(plan, slot, x);
    auto sums = row.begin(slot);
    if (own) {
      Pack<T> r[3], radial[Count];
      Pack<T> r2 = pair_vectors(plan, x, slot / lanes, r);
      mask_own_pack(slot, r, r2);
      if (width == 0) {
        direct_radial<PairRange::points, Count>(plan, slot, slot / lanes, r2, radial);
      } else {
        direct_radial<PairRange::any, Count>(plan, slot, slot / lanes, r2, radial);
      }
      mask_radial<Count>(slot, radial);
      row.pair(sums, slot / lanes, r, radial);
    }
    const auto run = [&](auto range) {
      for (const int k : block.lists[static_cast<std::size_t>(range())]) {
        Pack<T> r[3], radial[Count];
        const Pack<T> r2 = pair_vectors(plan, x, k, r);
        direct_radial<range(), Count>(plan, slot, k, r2, radial);
        row.pair(sums, k, r, radial);
      }
    };
    run(std::integral_constant<PairRange, PairRange::any>());
    run(std::integral_constant<PairRange, PairRange::distant>());
    run(std::integral_constant<PairRange, PairRange::points>());
    row.end(slot, sums);
  });
}

}  // namespace leyden::inline LEYDEN_ABI::detail
