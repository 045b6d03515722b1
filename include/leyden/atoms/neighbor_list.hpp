// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/cell_grid.hpp>
#include <leyden/atoms/geometry.hpp>

namespace leyden::inline LEYDEN_ABI {

/// All directed pairs of atoms closer than cutoff + skin, as compressed rows of receivers.
///
/// Edges follow the convention of atoms/geometry.hpp: r_e = r_receiver − (r_sender + shift·h), with
/// positions as given (not wrapped). An atom is a neighbour of its own images, and a small cell
/// gives the same two atoms several edges. Edges are sorted by receiver, then sender, then shift.
/// Each edge and its reverse share a number `pair`, counted in the order of first appearance.
///
/// Edges at the very rim (rounding) may be in the list or not; make_geometry() cuts exactly.
/// Building is O(N) in time and memory and reuses all buffers.
class NeighborList {
 public:
  /// @param cutoff, skin  Å; positive and non-negative.
  /// @throws InputError for a bad cutoff, lattice or position, or more than 2³¹ edges.
  void build(const Structure& structure, double cutoff, double skin = 0.0);

  /// Brings the list up to date with the cutoff and skin of the last build(). The list is kept
  /// while no atom has moved more than skin/2 since it was built and the cell, the periodicity and
  /// the species are the same.
  /// @returns whether it was rebuilt.
  bool update(const Structure& structure);

  double cutoff() const { return cutoff_; }
  double skin() const { return skin_; }
  int n_atoms() const { return static_cast<int>(atomic_numbers_.size()); }
  int n_edges() const { return static_cast<int>(sender_.size()); }
  int n_pairs() const { return static_cast<int>(half_.size()); }

  std::span<const int> first() const { return first_; }                 // (n + 1)
  std::span<const int> sender() const { return sender_; }               // (edges)
  std::span<const std::array<int, 3>> shift() const { return shift_; }  // (edges)
  std::span<const int> pair() const { return pair_; }                   // (edges)

  /// How many distances the last build computed: the measure of its work.
  std::int64_t distances_computed() const { return distances_computed_; }

 private:
  struct HalfEdge {
    int receiver, sender;
    std::array<int, 3> shift;
  };
  struct SentEdge {
    int receiver, pair;
    std::array<int, 3> shift;
  };
  void sort_edges(std::size_t n);

  double cutoff_ = 0, skin_ = 0;
  CellGrid grid_;
  std::vector<HalfEdge> half_;       // (pairs)
  std::vector<SentEdge> by_sender_;  // (edges)
  std::vector<int> cursor_;          // (n) scratch
  std::vector<int> renumber_;        // (pairs) scratch
  std::vector<int> first_, sender_, pair_;
  std::vector<std::array<int, 3>> shift_;
  std::int64_t distances_computed_ = 0;
  // What the list was built for; not current after a build that threw.
  bool current_ = false;
  std::vector<int> atomic_numbers_;
  std::vector<Vector3<double>> positions_;
  Cell cell_;
};

/// Fills a geometry with the edges strictly within the list's cutoff (the skin is left out). Which
/// edges these are and their vectors are decided in double, so every number type sees the same
/// ones; tangents are zero. An edge and its reverse have exactly opposite vectors.
///
/// The structure must be one that the list is up to date with. Allocates nothing once `geometry` is
/// large enough.
template <Number T>
void make_geometry(const Structure& structure, const NeighborList& list, Geometry<T>& geometry);

/// As above, with the tangent of moving the atoms by `displacement` [(n) Å, or empty: zero] and
/// straining everything by `strain` (r → r + ε r·s, h → h + ε h·s; null: zero). The tangent of a
/// position is displacement + r·s.
template <class R>
void make_geometry(const Structure& structure, const NeighborList& list,
                   Geometry<Dual<R>>& geometry, std::span<const Vector3<double>> displacement,
                   const Matrix3<double>* strain);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/atoms/neighbor_list_impl.hpp>
