// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/lattice.hpp>
#include <leyden/core/error.hpp>
#include <leyden/core/pack.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

// Neighbours for sums over pairs in packs. Periodic images become atoms of a list of their own,
// sorted in space, so that a neighbour is one index and distances need no lattice vectors. Every
// atom has a row of its neighbours, in runs of one width class that fill whole packs.
namespace leyden::inline LEYDEN_ABI::detail {

struct NeighborRun {
  int first = 0;  // into the index, a multiple of the lanes
  int count = 0;  // neighbours; the index is filled up with the last one
  int sender_class = 0;
};

class PackedNeighbors {
 public:
  // All images within `reach` of each other. near_squared(receiver class, sender class): runs begin
  // with the neighbours closer than this. Allocates only to grow.
  // @throws InputError for positions or cells that have no answer.
  template <class NearSquared>
  void build(std::span<const Vector3<double>> positions, const Matrix3<double>& cell,
             const std::array<bool, 3>& periodic, double reach, std::span<const int> atom_class,
             int n_classes, int lanes, const NearSquared& near_squared);

  int n_rows() const { return static_cast<int>(row_image_.size()); }
  int n_images() const { return static_cast<int>(atom_.size()); }
  std::int64_t n_neighbors() const { return n_neighbors_; }
  int atom_of_image(int image) const { return atom_[static_cast<std::size_t>(image)]; }
  // Of the cell: image = position + shift·h.
  const std::array<int, 3>& shift(int image) const {
    return shift_[static_cast<std::size_t>(image)];
  }
  int row_image(int row) const { return row_image_[static_cast<std::size_t>(row)]; }
  int row_atom(int row) const { return atom_of_image(row_image(row)); }
  std::span<const NeighborRun> runs(int row) const {
    const auto k = static_cast<std::size_t>(row);
    return {runs_.data() + first_run_[k],
            static_cast<std::size_t>(first_run_[k + 1] - first_run_[k])};
  }
  const int* index() const { return index_.data(); }
  std::size_t index_size() const { return index_size_; }

 private:
  void make_images(std::span<const Vector3<double>> positions, const Matrix3<double>& cell,
                   const std::array<bool, 3>& periodic, double reach);
  void sort_images(double reach);
  std::size_t find_candidates(double x, double y, double z, double reach);
  void finish_run(int count, int sender_class, int lanes);
  void fill_run(const NeighborRun& run, int lanes);

  // Of images, in the order of bins.
  std::vector<int> atom_;
  std::vector<std::array<int, 3>> shift_;
  std::vector<double> x_, y_, z_;
  std::vector<int> row_image_, first_run_;
  std::vector<NeighborRun> runs_;
  Buffer<int> index_;
  std::size_t index_size_ = 0;
  std::int64_t n_neighbors_ = 0;

  struct Image {
    int atom;
    bool home;
    std::array<int, 3> shift;
    Vector3<double> position;
  };
  std::vector<Image> images_;         // scratch, as found
  std::vector<int> bin_, bin_first_;  // scratch and bins
  // Scratch.
  std::vector<int> cursor_, image_class_, candidate_, found_, key_, key_count_;
  std::vector<double> candidate_squared_, found_squared_, near_limit_;
  std::array<int, 3> bins_{};
  Vector3<double> low_{}, width_{}, inverse_width_{};  // of bins
};

inline void PackedNeighbors::make_images(std::span<const Vector3<double>> positions,
                                         const Matrix3<double>& cell,
                                         const std::array<bool, 3>& periodic, double reach) {
  const CompactLattice lattice = compact_lattice(Cell{cell, periodic});
  images_.clear();
  Vector3<double> margin{};
  double expected = static_cast<double>(positions.size());
  for (int k = 0; k < lattice.n_periodic; ++k) {
    margin[k] = reach / lattice.height(k) * (1 + 1e-12) + 1e-9;
    expected *= 1 + 2 * margin[k];
  }
  if (!(expected < std::numeric_limits<int>::max() / 8))
    throw InputError("ShortRange: " + std::to_string(positions.size()) + " atoms have " +
                     std::to_string(expected) +
                     " periodic images within reach of each other; check the units of the lattice "
                     "vectors or choose a shorter cutoff");
  for (std::size_t i = 0; i < positions.size(); ++i) {
    for (int a = 0; a < 3; ++a)
      if (!(std::abs(positions[i][a]) < 1e9))
        throw InputError("ShortRange: atom " + std::to_string(i) + " has the coordinate " +
                         std::to_string(positions[i][a]) +
                         " Angstrom; positions must be finite and below 1e9 Angstrom");
    const Vector3<double> f = positions[i] * lattice.inverse;
    std::array<int, 3> low{}, high{}, home{};
    for (int k = 0; k < lattice.n_periodic; ++k) {
      const auto kk = static_cast<std::size_t>(k);
      const double whole = std::floor(f[k]), part = f[k] - whole;
      home[kk] = -static_cast<int>(whole);
      low[kk] = home[kk] + static_cast<int>(std::ceil(-margin[k] - part));
      high[kk] = home[kk] + static_cast<int>(std::floor(1 + margin[k] - part));
    }
    std::array<int, 3> m{};
    for (m[0] = low[0]; m[0] <= high[0]; ++m[0])
      for (m[1] = low[1]; m[1] <= high[1]; ++m[1])
        for (m[2] = low[2]; m[2] <= high[2]; ++m[2]) {
          Vector3<double> r = positions[i];
          for (int k = 0; k < lattice.n_periodic; ++k)
            r += static_cast<double>(m[static_cast<std::size_t>(k)]) * lattice.basis.row(k);
          images_.push_back({static_cast<int>(i), m == home, lattice.cell_shift(m), r});
        }
  }
}

inline void PackedNeighbors::sort_images(double reach) {
  const std::size_t n = images_.size();
  Vector3<double> high{};
  for (std::size_t i = 0; i < n; ++i)
    for (int a = 0; a < 3; ++a) {
      const double x = images_[i].position[a];
      low_[a] = i == 0 ? x : std::min(low_[a], x);
      high[a] = i == 0 ? x : std::max(high[a], x);
    }
  // Bins of half the reach, larger ones when most would be empty.
  double edge = 0.5 * reach;
  const double limit = 4.0 * static_cast<double>(n) + 64;
  for (;; edge *= 1.26) {
    double total = 1;
    for (int a = 0; a < 3; ++a) {
      const double count = std::max(1.0, std::floor((high[a] - low_[a]) / edge));
      bins_[static_cast<std::size_t>(a)] = static_cast<int>(std::min(count, 1e9));
      width_[a] = std::max((high[a] - low_[a]) / count, 1e-3) * (1 + 1e-12);
      total *= count;
    }
    if (total <= limit) break;
  }
  for (int a = 0; a < 3; ++a) inverse_width_[a] = 1 / width_[a];
  const auto bin_along = [&](double x, int a) {
    return std::clamp(static_cast<int>((x - low_[a]) * inverse_width_[a]), 0,
                      bins_[static_cast<std::size_t>(a)] - 1);
  };
  bin_.resize(n);
  bin_first_.assign(static_cast<std::size_t>(bins_[0] * bins_[1] * bins_[2]) + 1, 0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto& r = images_[i].position;
    bin_[i] = (bin_along(r[0], 0) * bins_[1] + bin_along(r[1], 1)) * bins_[2] + bin_along(r[2], 2);
    ++bin_first_[static_cast<std::size_t>(bin_[i]) + 1];
  }
  for (std::size_t b = 1; b < bin_first_.size(); ++b) bin_first_[b] += bin_first_[b - 1];
  atom_.resize(n);
  shift_.resize(n);
  // Whole packs are read, also at the end.
  for (auto* coordinate : {&x_, &y_, &z_}) coordinate->assign(n + Pack<double>::lanes, 0.0);
  cursor_.assign(bin_first_.begin(), bin_first_.end());
  for (std::size_t i = 0; i < n; ++i) {
    const auto to = static_cast<std::size_t>(cursor_[static_cast<std::size_t>(bin_[i])]++);
    atom_[to] = images_[i].atom;
    shift_[to] = images_[i].shift;
    x_[to] = images_[i].position[0];
    y_[to] = images_[i].position[1];
    z_[to] = images_[i].position[2];
    bin_[i] = static_cast<int>(to);  // where the image went; its own bin is not needed again
  }
  row_image_.clear();
  for (std::size_t i = 0; i < n; ++i)
    if (images_[i].home) row_image_.push_back(bin_[i]);
  std::sort(row_image_.begin(), row_image_.end());
}

// Fills candidate_ and candidate_squared_ with all images in the bins that the sphere of `reach`
// about (x, y, z) touches. Bins along z follow each other in memory.
inline std::size_t PackedNeighbors::find_candidates(double x, double y, double z, double reach) {
  constexpr int lanes = Pack<double>::lanes;
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  const double limit = reach * reach;
  const auto bin_of = [&](double position, int a) {
    const double scaled = (position - low_[a]) * inverse_width_[a];
    return static_cast<int>(std::clamp(scaled, 0.0, static_cast<double>(bins_[at(a)] - 1)));
  };
  // From the centre to the nearer face of a bin, squared.
  const auto gap = [&](double centre, int bin, int a) {
    const double from = low_[a] + bin * width_[a] - centre;
    const double d = std::max(std::max(from, -from - width_[a]), 0.0);
    return d * d * (1 - 1e-9);
  };
  const Pack<double> px(x), py(y), pz(z);
  std::size_t total = 0;
  const int x1 = bin_of(x + reach, 0), y0 = bin_of(y - reach, 1), y1 = bin_of(y + reach, 1);
  for (int bx = bin_of(x - reach, 0); bx <= x1; ++bx) {
    const double rest_x = limit - gap(x, bx, 0);
    for (int by = y0; by <= y1; ++by) {
      const double rest = rest_x - gap(y, by, 1);
      if (rest <= 0) continue;
      const double extent = std::sqrt(rest);
      const int base = (bx * bins_[1] + by) * bins_[2];
      const int from = bin_first_[at(base + bin_of(z - extent, 2))];
      const int to = bin_first_[at(base + bin_of(z + extent, 2) + 1)];
      const std::size_t room = total + at(to - from + lanes);
      if (room > candidate_.size()) {
        candidate_.resize(2 * room);
        candidate_squared_.resize(2 * room);
      }
      // Whole packs: what is too much is overwritten by the next bins.
      for (int k = from; k < to; k += lanes) {
        const Pack<double> rx = Pack<double>::load(x_.data() + k) - px;
        const Pack<double> ry = Pack<double>::load(y_.data() + k) - py;
        const Pack<double> rz = Pack<double>::load(z_.data() + k) - pz;
        const std::size_t to_here = total + at(k - from);
        fma(rx, rx, fma(ry, ry, rz * rz)).store(candidate_squared_.data() + to_here);
        for (int l = 0; l < lanes; ++l) candidate_[to_here + at(l)] = k + l;
      }
      total += at(to - from);
    }
  }
  return total;
}

// A run at the end of the index.
inline void PackedNeighbors::finish_run(int count, int sender_class, int lanes) {
  runs_.push_back({static_cast<int>(index_size_), count, sender_class});
  n_neighbors_ += count;
  index_size_ += static_cast<std::size_t>((count + lanes - 1) / lanes * lanes);
  if (index_size_ > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2))
    throw InputError("ShortRange: more than 2^30 neighbours; choose a shorter cutoff");
}

inline void PackedNeighbors::fill_run(const NeighborRun& run, int lanes) {
  const int stop = run.first + run.count;
  for (int e = stop; e % lanes != 0; ++e)
    index_[static_cast<std::size_t>(e)] = index_[static_cast<std::size_t>(stop - 1)];
}

template <class NearSquared>
void PackedNeighbors::build(std::span<const Vector3<double>> positions, const Matrix3<double>& cell,
                            const std::array<bool, 3>& periodic, double reach,
                            std::span<const int> atom_class, int n_classes, int lanes,
                            const NearSquared& near_squared) {
  make_images(positions, cell, periodic, reach);
  sort_images(reach);
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  image_class_.resize(atom_.size());
  for (std::size_t k = 0; k < atom_.size(); ++k) image_class_[k] = atom_class[at(atom_[k])];
  first_run_.assign(1, 0);
  runs_.clear();
  index_size_ = 0;
  n_neighbors_ = 0;
  const double limit = reach * reach;
  // Keys: 2·class, plus one beyond `near`; the atom itself, which is found too, has the last.
  const int keys = 2 * n_classes;
  near_limit_.resize(at(n_classes));
  for (const int row : row_image_) {
    const std::size_t candidates = find_candidates(x_[at(row)], y_[at(row)], z_[at(row)], reach);
    if (n_classes == 1) {
      // One in two is a neighbour, at random: collected without a branch.
      const std::size_t room = index_size_ + candidates + at(lanes);
      if (room > index_.size()) index_.resize(room + room / 2);
      const double near = near_squared(0, 0);
      const int* candidate = candidate_.data();
      const double* squared = candidate_squared_.data();
      int* out = index_.data() + index_size_;
      std::size_t count = 0;
      if (near > 0)
        for (std::size_t k = 0; k < candidates; ++k) {
          out[count] = candidate[k];
          count += static_cast<std::size_t>(squared[k] < near) &
                   static_cast<std::size_t>(candidate[k] != row);
        }
      for (std::size_t k = 0; k < candidates; ++k) {
        out[count] = candidate[k];
        count += static_cast<std::size_t>(squared[k] < limit) &
                 static_cast<std::size_t>(squared[k] >= near) &
                 static_cast<std::size_t>(candidate[k] != row);
      }
      if (count > 0) {
        finish_run(static_cast<int>(count), 0, lanes);
        fill_run(runs_.back(), lanes);
      }
      first_run_.push_back(static_cast<int>(runs_.size()));
      continue;
    }
    if (candidates > found_.size()) {
      found_.resize(2 * candidates);
      found_squared_.resize(2 * candidates);
      key_.resize(2 * candidates);
    }
    std::size_t hits = 0;
    {
      const int* candidate = candidate_.data();
      const double* squared = candidate_squared_.data();
      int* found = found_.data();
      double* found_squared = found_squared_.data();
      for (std::size_t k = 0; k < candidates; ++k) {
        const double d = squared[k];
        found[hits] = candidate[k];
        found_squared[hits] = d;
        hits += d < limit ? 1 : 0;
      }
    }
    const int own = image_class_[at(row)];
    for (int c = 0; c < n_classes; ++c) near_limit_[at(c)] = near_squared(own, c);
    key_count_.assign(at(keys + 1), 0);
    for (std::size_t h = 0; h < hits; ++h) {
      const int sender = image_class_[at(found_[h])];
      const int key = 2 * sender + (found_squared_[h] < near_limit_[at(sender)] ? 0 : 1);
      key_[h] = found_[h] == row ? keys : key;
      ++key_count_[at(key_[h])];
    }
    const std::size_t room = index_size_ + hits + at(n_classes * lanes) + 1;
    if (room > index_.size()) index_.resize(room + room / 2);
    // Counts become places.
    for (int c = 0; c < n_classes; ++c) {
      const int near = key_count_[at(2 * c)], count = near + key_count_[at(2 * c + 1)];
      key_count_[at(2 * c)] = static_cast<int>(index_size_);
      key_count_[at(2 * c + 1)] = static_cast<int>(index_size_) + near;
      if (count > 0) finish_run(count, c, lanes);
    }
    key_count_[at(keys)] = static_cast<int>(index_size_);  // overwritten by the next row
    for (std::size_t h = 0; h < hits; ++h) index_[at(key_count_[at(key_[h])]++)] = found_[h];
    for (int k = first_run_.back(); k < static_cast<int>(runs_.size()); ++k)
      fill_run(runs_[at(k)], lanes);
    first_run_.push_back(static_cast<int>(runs_.size()));
  }
}

}  // namespace leyden::inline LEYDEN_ABI::detail
