// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/lattice.hpp>

#include <cstdint>
#include <span>

namespace leyden::inline LEYDEN_ABI {

/// Atoms sorted into bins of the search radius: finds all close pairs in O(N).
///
/// Bins follow the compact basis of the lattice, so skewed and tiny cells, partly periodic systems
/// and atoms outside of the cell need no special case. Memory is O(N) whatever the extent: when
/// most bins would be empty, the occupied ones are found by hashing. Buffers are kept.
class CellGrid {
 public:
  /// Sorts the atoms. O(N).
  /// @throws InputError for a bad radius, lattice or positions that are not finite.
  void build(std::span<const Vector3<double>> positions, const Cell& cell, double radius);

  /// Calls visit(receiver, sender, shift, squared distance) once for each unordered pair
  /// (periodic images included) that is closer than the radius; pairs beyond it by rounding alone
  /// may be visited too. The vector is r_receiver − (r_sender + shift·h). The order is fixed.
  /// @returns the number of distances that were computed.
  template <class Visit>
  std::int64_t for_each_pair(Visit&& visit) const;

 private:
  static constexpr std::int64_t max_bins_along = std::int64_t{1} << 20;

  int find(std::int64_t key) const;
  void number_bins(std::size_t n);

  CompactLattice lattice_;
  double radius_ = 0;                              // with the rounding allowance
  std::array<std::int64_t, 3> bins_{};             // along each basis vector
  std::array<std::int64_t, 3> range_{};            // how many bins the radius reaches over
  bool dense_ = true;                              // bin number = key
  std::vector<std::int64_t> key_;                  // (n) of each atom
  std::vector<int> bin_;                           // (n) number of each atom's bin
  std::vector<int> bin_first_;                     // (bins + 1) into the sorted arrays
  std::vector<std::int64_t> bin_key_;              // (bins), hashed grids only
  std::vector<int> table_;                         // hash table of bin numbers, −1: empty
  std::vector<int> cursor_;                        // (bins) scratch
  std::vector<int> atom_;                          // (n) sorted
  std::vector<std::array<int, 3>> wrap_;           // (n) sorted; position = wrapped + wrap·basis
  std::vector<Vector3<double>> wrapped_;           // (n) sorted
  std::vector<Vector3<double>> unsorted_;          // (n) wrapped positions
  std::vector<std::array<int, 3>> unsorted_wrap_;  // (n)
};

namespace detail {

inline std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

inline std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace detail

inline int CellGrid::find(std::int64_t key) const {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t h = detail::mix_bits(static_cast<std::uint64_t>(key)) & mask;;
       h = (h + 1) & mask)
    if (table_[h] < 0 || bin_key_[static_cast<std::size_t>(table_[h])] == key) return table_[h];
}

inline void CellGrid::number_bins(std::size_t n) {
  const double total =
      static_cast<double>(bins_[0]) * static_cast<double>(bins_[1]) * static_cast<double>(bins_[2]);
  dense_ = total <= 8.0 * static_cast<double>(n) + 64.0;
  bin_.resize(n);
  if (dense_) {
    for (std::size_t i = 0; i < n; ++i) bin_[i] = static_cast<int>(key_[i]);
    bin_first_.assign(static_cast<std::size_t>(total) + 1, 0);
    return;
  }
  std::size_t size = 16;
  while (size < 2 * n) size *= 2;
  table_.assign(size, -1);
  bin_key_.clear();
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t h = detail::mix_bits(static_cast<std::uint64_t>(key_[i])) & (size - 1);
    while (table_[h] >= 0 && bin_key_[static_cast<std::size_t>(table_[h])] != key_[i])
      h = (h + 1) & (size - 1);
    if (table_[h] < 0) {
      table_[h] = static_cast<int>(bin_key_.size());
      bin_key_.push_back(key_[i]);
    }
    bin_[i] = table_[h];
  }
  bin_first_.assign(bin_key_.size() + 1, 0);
}

inline void CellGrid::build(std::span<const Vector3<double>> positions, const Cell& cell,
                            double radius) {
  const std::size_t n = positions.size();
  if (!(radius > 0) || !std::isfinite(radius))
    throw InputError("CellGrid: the search radius must be positive and finite, not " +
                     std::to_string(radius) + " Å");
  if (n > static_cast<std::size_t>(std::numeric_limits<int>::max() / 16))
    throw InputError("CellGrid: too many atoms (" + std::to_string(n) + ")");
  lattice_ = compact_lattice(cell);
  double largest = 0;
  for (const Vector3<double>& r : positions)
    for (int a = 0; a < 3; ++a) {
      // Written so that NaN fails; beyond 1e12 Å a double no longer resolves 1e-4 Å.
      if (!(std::abs(r[a]) < 1e12))
        throw InputError("CellGrid: atom " + std::to_string(&r - positions.data()) +
                         " has the coordinate " + std::to_string(r[a]) +
                         " Å; positions must be finite and below 1e12 Å");
      largest = std::max(largest, std::abs(r[a]));
    }
  for (int k = 0; k < 3; ++k)
    for (int d = 0; d < 3; ++d) {
      const double t = lattice_.transform[static_cast<std::size_t>(k)][static_cast<std::size_t>(d)];
      if (t != 0) largest = std::max(largest, std::abs(t) * norm(cell.vectors.row(d)));
    }
  // Wrapping and the images' offsets each round at the size of the largest number in them.
  radius_ = radius + 64 * std::numeric_limits<double>::epsilon() * (largest + radius);

  unsorted_.resize(n);
  unsorted_wrap_.resize(n);
  key_.resize(n);
  Vector3<double> low{}, high{};
  for (std::size_t i = 0; i < n; ++i) {
    const Vector3<double> f = positions[i] * lattice_.inverse;
    for (int k = 0; k < 3; ++k) {
      low[k] = i == 0 ? f[k] : std::min(low[k], f[k]);
      high[k] = i == 0 ? f[k] : std::max(high[k], f[k]);
    }
  }
  // Bins of half the radius would halve the candidates, but the shorter scans take longer
  // (measured). Bins below atomic size would be empty.
  const double target = std::max(radius_, 1.5);
  Vector3<double> bins_per_unit{};
  for (int k = 0; k < 3; ++k) {
    const std::size_t kk = static_cast<std::size_t>(k);
    const bool periodic = k < lattice_.n_periodic;
    if (periodic) low[k] = 0;
    const double extent = (periodic ? 1.0 : high[k] - low[k]) * lattice_.height(k);
    double count = std::floor(extent / target);
    count = std::clamp(count, 1.0, static_cast<double>(max_bins_along));
    bins_[kk] = static_cast<std::int64_t>(count);
    bins_per_unit[k] = periodic ? count : (extent > 0 ? count / (high[k] - low[k]) : 0.0);
    const double reach = extent > 0 ? std::ceil(radius_ * count / extent) : 0.0;
    // Without images there is nothing beyond the last bin.
    if (periodic && !(reach < 1e4))
      throw InputError("CellGrid: the cell is " + std::to_string(lattice_.height(k)) +
                       " Å thin, the search radius " + std::to_string(radius) +
                       " Å; check the units of the lattice vectors");
    range_[kk] = static_cast<std::int64_t>(periodic ? reach : std::min(reach, count - 1));
  }
  Vector3<double> farthest{};
  for (std::size_t i = 0; i < n; ++i) {
    const Vector3<double> f = positions[i] * lattice_.inverse;
    Vector3<double> offset{};
    std::int64_t key = 0;
    for (int k = 0; k < 3; ++k) {
      const std::size_t kk = static_cast<std::size_t>(k);
      double whole = 0;
      if (k < lattice_.n_periodic) {
        whole = std::floor(f[k]);
        if (std::abs(whole) > 1e8)
          throw InputError("CellGrid: atom " + std::to_string(i) +
                           " is more than 1e8 lattice vectors away from the cell");
        offset += whole * lattice_.basis.row(k);
        farthest[k] = std::max(farthest[k], std::abs(whole));
      }
      unsorted_wrap_[i][kk] = static_cast<int>(whole);
      const auto bin = static_cast<std::int64_t>((f[k] - whole - low[k]) * bins_per_unit[k]);
      key = key * bins_[kk] + std::clamp(bin, std::int64_t{0}, bins_[kk] - 1);
    }
    unsorted_[i] = positions[i] - offset;
    key_[i] = key;
  }
  for (int d = 0; d < 3; ++d) {
    double shift = 0;
    for (int k = 0; k < 3; ++k) {
      const std::size_t kk = static_cast<std::size_t>(k);
      const double images = static_cast<double>(range_[kk] / bins_[kk] + 1);
      shift += (2 * farthest[k] + images) *
               std::abs(lattice_.transform[kk][static_cast<std::size_t>(d)]);
    }
    if (shift > std::numeric_limits<int>::max())
      throw InputError(
          "CellGrid: the cell is so skewed and atoms are so far away from it that lattice shifts "
          "exceed 2^31; wrap the atoms into the cell or choose shorter lattice vectors");
  }
  number_bins(n);
  for (std::size_t i = 0; i < n; ++i) ++bin_first_[static_cast<std::size_t>(bin_[i]) + 1];
  for (std::size_t b = 1; b < bin_first_.size(); ++b) bin_first_[b] += bin_first_[b - 1];
  cursor_.assign(bin_first_.begin(), bin_first_.end() - 1);
  atom_.resize(n);
  wrap_.resize(n);
  wrapped_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(cursor_[static_cast<std::size_t>(bin_[i])]++);
    atom_[k] = static_cast<int>(i);
    wrap_[k] = unsorted_wrap_[i];
    wrapped_[k] = unsorted_[i];
  }
}

template <class Visit>
std::int64_t CellGrid::for_each_pair(Visit&& visit) const {
  std::int64_t tested = 0;
  const double limit = radius_ * radius_;
  const bool periodic2 = lattice_.n_periodic == 3;
  const int n_bins = static_cast<int>(bin_first_.size()) - 1;

  // All pairs of receivers [a0, a1) and senders [b0, b1) displaced by m; within one bin b > a.
  const auto scan = [&](int a0, int a1, int b0, int b1, const std::array<int, 3>& m, bool self) {
    Vector3<double> offset{};
    for (int k = 0; k < lattice_.n_periodic; ++k)
      offset += static_cast<double>(m[static_cast<std::size_t>(k)]) * lattice_.basis.row(k);
    for (int a = a0; a < a1; ++a) {
      const auto ka = static_cast<std::size_t>(a);
      const Vector3<double> centre = wrapped_[ka] - offset;
      // One pair in seven is close, at random: collecting them without a branch saves a quarter of
      // the time.
      constexpr int chunk = 64;
      std::array<int, chunk> close;
      std::array<double, chunk> close_squared;
      int start = self ? a + 1 : b0;
      tested += b1 - start;
      for (; start < b1; start += chunk) {
        const int stop = std::min(start + chunk, b1);
        std::size_t hits = 0;
        for (int b = start; b < stop; ++b) {
          const Vector3<double> r = centre - wrapped_[static_cast<std::size_t>(b)];
          const double squared = dot(r, r);
          close[hits] = b;
          close_squared[hits] = squared;
          hits += squared < limit ? 1 : 0;
        }
        for (std::size_t h = 0; h < hits; ++h) {
          const auto kb = static_cast<std::size_t>(close[h]);
          std::array<int, 3> shift{};
          for (std::size_t k = 0; k < 3; ++k) shift[k] = m[k] + wrap_[ka][k] - wrap_[kb][k];
          if ((shift[0] | shift[1] | shift[2]) != 0) shift = lattice_.cell_shift(shift);
          visit(atom_[ka], atom_[kb], shift, close_squared[h]);
        }
      }
    }
  };

  // Half of all bin offsets: those after zero in lexicographic order, and the bin itself.
  for (int bin = 0; bin < n_bins; ++bin) {
    const int a0 = bin_first_[static_cast<std::size_t>(bin)];
    const int a1 = bin_first_[static_cast<std::size_t>(bin) + 1];
    if (a0 == a1) continue;
    const std::int64_t key = dense_ ? bin : bin_key_[static_cast<std::size_t>(bin)];
    const std::array<std::int64_t, 3> b{key / (bins_[1] * bins_[2]), key / bins_[2] % bins_[1],
                                        key % bins_[2]};
    for (std::int64_t o0 = 0; o0 <= range_[0]; ++o0) {
      const std::int64_t m0 = detail::floor_divide(b[0] + o0, bins_[0]);
      if (m0 != 0 && lattice_.n_periodic < 1) break;
      for (std::int64_t o1 = o0 == 0 ? 0 : -range_[1]; o1 <= range_[1]; ++o1) {
        const std::int64_t m1 = detail::floor_divide(b[1] + o1, bins_[1]);
        if (m1 != 0 && lattice_.n_periodic < 2) continue;
        const std::int64_t row =
            ((b[0] + o0 - m0 * bins_[0]) * bins_[1] + (b[1] + o1 - m1 * bins_[1])) * bins_[2];
        const bool own_row = o0 == 0 && o1 == 0;
        std::int64_t from = own_row ? b[2] : b[2] - range_[2];
        std::int64_t to = b[2] + range_[2];
        if (!periodic2) {
          from = std::max<std::int64_t>(from, 0);
          to = std::min(to, bins_[2] - 1);
        }
        // Bins of one image follow each other in memory: one long scan for each.
        while (from <= to) {
          const std::int64_t m2 = detail::floor_divide(from, bins_[2]);
          const std::int64_t last = std::min(to, (m2 + 1) * bins_[2] - 1);
          const std::array<int, 3> m{static_cast<int>(m0), static_cast<int>(m1),
                                     static_cast<int>(m2)};
          const std::int64_t k0 = row + from - m2 * bins_[2];
          const std::int64_t k1 = row + last - m2 * bins_[2];
          const bool self = own_row && from == b[2];
          if (dense_) {
            scan(a0, a1, bin_first_[static_cast<std::size_t>(k0)],
                 bin_first_[static_cast<std::size_t>(k1) + 1], m, self);
          } else {
            for (std::int64_t k = k0; k <= k1; ++k) {
              const int other = find(k);
              if (other < 0) continue;
              scan(a0, a1, bin_first_[static_cast<std::size_t>(other)],
                   bin_first_[static_cast<std::size_t>(other) + 1], m, self && k == k0);
            }
          }
          from = last + 1;
        }
      }
    }
  }
  return tested;
}

}  // namespace leyden::inline LEYDEN_ABI
