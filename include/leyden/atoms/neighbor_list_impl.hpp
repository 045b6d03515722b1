// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/neighbor_list.hpp>

#include <string>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

inline void NeighborList::build(const Structure& structure, double cutoff, double skin) {
  if (!(cutoff > 0) || !(skin >= 0) || !std::isfinite(cutoff) || !std::isfinite(skin))
    throw InputError("NeighborList::build: cutoff " + std::to_string(cutoff) + " Å and skin " +
                     std::to_string(skin) + " Å; expected a positive and a non-negative number");
  const std::size_t n = structure.size();
  if (structure.atomic_numbers.size() != n)
    throw InputError("NeighborList::build: " + std::to_string(n) + " positions but " +
                     std::to_string(structure.atomic_numbers.size()) + " atomic numbers");
  current_ = false;
  cutoff_ = cutoff;
  skin_ = skin;
  atomic_numbers_ = structure.atomic_numbers;
  positions_ = structure.positions;
  cell_ = structure.cell;

  grid_.build(positions_, cell_, cutoff + skin);
  half_.clear();
  distances_computed_ =
      grid_.for_each_pair([&](int receiver, int sender, const std::array<int, 3>& shift, double) {
        half_.push_back({receiver, sender, shift});
      });
  if (half_.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2))
    throw InputError("NeighborList::build: more than 2^31 edges; the cutoff of " +
                     std::to_string(cutoff) + " Å is too large for this structure");
  sort_edges(n);
  current_ = true;
}

// Transposing twice sorts without comparisons: rows by sender first, then appended to the receivers
// in the order of senders.
inline void NeighborList::sort_edges(std::size_t n) {
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  first_.assign(n + 1, 0);
  for (const HalfEdge& h : half_) {
    ++first_[at(h.receiver) + 1];
    ++first_[at(h.sender) + 1];
  }
  for (std::size_t i = 0; i < n; ++i) first_[i + 1] += first_[i];
  const std::size_t edges = 2 * half_.size();
  by_sender_.resize(edges);
  sender_.resize(edges);
  pair_.resize(edges);
  shift_.resize(edges);

  // Every edge has its reverse, so the rows of senders are as long as those of receivers.
  cursor_.assign(first_.begin(), first_.end() - 1);
  for (std::size_t p = 0; p < half_.size(); ++p) {
    const HalfEdge& h = half_[p];
    const std::array<int, 3> back{-h.shift[0], -h.shift[1], -h.shift[2]};
    by_sender_[at(cursor_[at(h.sender)]++)] = {h.receiver, static_cast<int>(p), h.shift};
    by_sender_[at(cursor_[at(h.receiver)]++)] = {h.sender, static_cast<int>(p), back};
  }
  cursor_.assign(first_.begin(), first_.end() - 1);
  for (std::size_t s = 0; s < n; ++s) {
    for (int k = first_[s]; k < first_[s + 1]; ++k) {
      const SentEdge& edge = by_sender_[at(k)];
      const std::size_t e = at(cursor_[at(edge.receiver)]++);
      sender_[e] = static_cast<int>(s);
      pair_[e] = edge.pair;
      shift_[e] = edge.shift;
    }
  }
  // Several edges between the same two atoms: sort the shifts. Only small cells have many of them.
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t e = at(first_[r]); e < at(first_[r + 1]);) {
      std::size_t end = e + 1;
      while (end < at(first_[r + 1]) && sender_[end] == sender_[e]) ++end;
      for (std::size_t k = e + 1; k < end; ++k)
        for (std::size_t j = k; j > e && shift_[j] < shift_[j - 1]; --j) {
          std::swap(shift_[j], shift_[j - 1]);
          std::swap(pair_[j], pair_[j - 1]);
        }
      e = end;
    }
  renumber_.assign(half_.size(), -1);
  int next = 0;
  for (int& p : pair_) {
    int& number = renumber_[at(p)];
    if (number < 0) number = next++;
    p = number;
  }
}

inline bool NeighborList::update(const Structure& structure) {
  if (!(cutoff_ > 0))
    throw InputError("NeighborList::update: call build() first; it sets the cutoff and the skin");
  const double limit = 0.25 * skin_ * skin_;
  bool same = current_ && structure.atomic_numbers == atomic_numbers_ &&
              structure.size() == positions_.size() && structure.cell.periodic == cell_.periodic &&
              structure.cell.vectors == cell_.vectors;
  for (std::size_t i = 0; same && i < positions_.size(); ++i) {
    const Vector3<double> moved = structure.positions[i] - positions_[i];
    same = dot(moved, moved) <= limit;
  }
  if (!same) build(structure, cutoff_, skin_);
  return !same;
}

template <Number T>
void make_geometry(const Structure& structure, const NeighborList& list, Geometry<T>& geometry) {
  using R = RealOf<T>;
  const std::size_t n = structure.size();
  LEYDEN_EXPECTS(list.n_atoms() == static_cast<int>(n));
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  // The detour over R keeps double → float out of the constructors of T.
  const auto convert = [](const Vector3<double>& v) {
    return Vector3<T>{{T(static_cast<R>(v[0])), T(static_cast<R>(v[1])), T(static_cast<R>(v[2]))}};
  };
  const Matrix3<double>& h = structure.cell.vectors;

  geometry.atomic_numbers = structure.atomic_numbers;
  geometry.positions.resize(n);
  for (std::size_t i = 0; i < n; ++i) geometry.positions[i] = convert(structure.positions[i]);
  for (std::size_t k = 0; k < 9; ++k) geometry.cell.data[k] = T(static_cast<R>(h.data[k]));
  geometry.periodic = structure.cell.periodic;

  const std::size_t capacity = at(list.n_edges());
  geometry.first.resize(n + 1);
  geometry.sender.resize(capacity);
  geometry.receiver.resize(capacity);
  geometry.pair.resize(capacity);
  geometry.vector.resize(capacity);
  geometry.length.resize(capacity);
  geometry.pair_edge.resize(at(list.n_pairs()));
  geometry.first[0] = 0;

  // Pairs are numbered by first appearance, in the list and in the geometry; while edges are
  // written, pair_edge maps the list's numbers to the geometry's. A vector and its reverse come out
  // of the same instructions, which are odd in their arguments: exactly opposite.
  const double cutoff = list.cutoff();
  int seen = 0;
  int pairs = 0;
  std::size_t out = 0;
  for (std::size_t t = 0; t < n; ++t) {
    for (int e = list.first()[t]; e < list.first()[t + 1]; ++e) {
      const std::size_t k = at(e);
      const int p = list.pair()[k];
      const std::size_t s = at(list.sender()[k]);
      const std::array<int, 3>& shift = list.shift()[k];
      Vector3<double> r = structure.positions[t] - structure.positions[s];
      if ((shift[0] | shift[1] | shift[2]) != 0)
        for (int d = 0; d < 3; ++d)
          if (shift[at(d)] != 0) r -= static_cast<double>(shift[at(d)]) * h.row(d);
      const double length = norm(r);
      const bool kept = length < cutoff;
      if (p == seen) {
        ++seen;
        geometry.pair_edge[at(p)] = pairs;
        pairs += kept ? 1 : 0;
      }
      if (!kept) continue;
      geometry.sender[out] = static_cast<int>(s);
      geometry.receiver[out] = static_cast<int>(t);
      geometry.pair[out] = geometry.pair_edge[at(p)];
      geometry.vector[out] = convert(r);
      geometry.length[out] = T(static_cast<R>(length));
      ++out;
    }
    geometry.first[t + 1] = static_cast<int>(out);
  }
  geometry.n_pairs = pairs;
  geometry.pair_edge.resize(at(pairs));
  geometry.sender.resize(out);
  geometry.receiver.resize(out);
  geometry.pair.resize(out);
  geometry.vector.resize(out);
  geometry.length.resize(out);
  int next = 0;
  for (std::size_t e = 0; e < out; ++e)
    if (geometry.pair[e] == next) geometry.pair_edge[at(next++)] = static_cast<int>(e);
}

template <class R>
void make_geometry(const Structure& structure, const NeighborList& list,
                   Geometry<Dual<R>>& geometry, std::span<const Vector3<double>> displacement,
                   const Matrix3<double>* strain) {
  LEYDEN_EXPECTS(displacement.empty() || displacement.size() == structure.size());
  make_geometry(structure, list, geometry);
  if (displacement.empty() && strain == nullptr) return;
  const Matrix3<double> s = strain != nullptr ? *strain : Matrix3<double>{};
  const auto moved = [&](std::size_t i) {
    return displacement.empty() ? Vector3<double>{} : displacement[i];
  };
  for (std::size_t i = 0; i < structure.size(); ++i) {
    const Vector3<double> t = moved(i) + structure.positions[i] * s;
    for (int a = 0; a < 3; ++a) geometry.positions[i][a].tangent = static_cast<R>(t[a]);
  }
  const Matrix3<double> cell = structure.cell.vectors * s;
  for (std::size_t k = 0; k < 9; ++k) geometry.cell.data[k].tangent = static_cast<R>(cell.data[k]);
  for (int e = 0; e < geometry.n_edges(); ++e) {
    const std::size_t k = static_cast<std::size_t>(e);
    Vector3<double> r;
    for (int a = 0; a < 3; ++a) r[a] = static_cast<double>(geometry.vector[k][a].value);
    const Vector3<double> t = moved(static_cast<std::size_t>(geometry.receiver[k])) -
                              moved(static_cast<std::size_t>(geometry.sender[k])) + r * s;
    for (int a = 0; a < 3; ++a) geometry.vector[k][a].tangent = static_cast<R>(t[a]);
    geometry.length[k].tangent = static_cast<R>(dot(r, t) / norm(r));
  }
}

}  // namespace leyden::inline LEYDEN_ABI
