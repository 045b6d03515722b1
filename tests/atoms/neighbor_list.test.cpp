// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace {

using namespace leyden;

using Key = std::tuple<int, int, std::array<int, 3>>;  // receiver, sender, shift

// All directed edges by looking at every image that could be within the cutoff.
std::vector<Key> brute_force(const Structure& s, double cutoff) {
  // The distance of the lattice planes bounds the shifts; atoms may be outside of the cell.
  Matrix3<double> h = s.cell.vectors;
  std::array<int, 3> limit{};
  for (int d = 0; d < 3; ++d) {
    if (!s.cell.periodic[static_cast<std::size_t>(d)]) {
      for (int j = 0; j < 3; ++j) h(d, j) = 0;
    }
  }
  for (int d = 0; d < 3; ++d) {
    if (!s.cell.periodic[static_cast<std::size_t>(d)]) continue;
    // Height of this vector over the plane (or line) of the other periodic ones, by Gram-Schmidt.
    std::vector<Vector3<double>> basis;
    for (int k = 0; k < 3; ++k) {
      if (k == d || !s.cell.periodic[static_cast<std::size_t>(k)]) continue;
      Vector3<double> v = h.row(k);
      for (const auto& b : basis) v -= dot(v, b) * b;
      basis.push_back((1.0 / norm(v)) * v);
    }
    Vector3<double> up = h.row(d);
    for (const auto& b : basis) up -= dot(up, b) * b;
    const double height = norm(up);
    double spread = 0;
    for (const auto& a : s.positions)
      for (const auto& b : s.positions) spread = std::max(spread, norm(a - b));
    limit[static_cast<std::size_t>(d)] =
        static_cast<int>(std::ceil((cutoff + spread) / height)) + 1;
  }
  std::vector<Key> edges;
  for (int t = 0; t < static_cast<int>(s.size()); ++t)
    for (int u = 0; u < static_cast<int>(s.size()); ++u)
      for (int i = -limit[0]; i <= limit[0]; ++i)
        for (int j = -limit[1]; j <= limit[1]; ++j)
          for (int k = -limit[2]; k <= limit[2]; ++k) {
            if (t == u && i == 0 && j == 0 && k == 0) continue;
            Vector3<double> r =
                s.positions[static_cast<std::size_t>(t)] - s.positions[static_cast<std::size_t>(u)];
            if (i != 0) r -= static_cast<double>(i) * h.row(0);
            if (j != 0) r -= static_cast<double>(j) * h.row(1);
            if (k != 0) r -= static_cast<double>(k) * h.row(2);
            if (norm(r) < cutoff) edges.push_back({t, u, {i, j, k}});
          }
  return edges;
}

// The edges of a list within its cutoff, and all promises about order, pairs and vectors.
std::vector<Key> checked_edges(const Structure& s, const NeighborList& list, Geometry<double>& g) {
  make_geometry(s, list, g);
  std::vector<Key> edges;
  for (int t = 0; t < list.n_atoms(); ++t)
    for (int e = list.first()[static_cast<std::size_t>(t)];
         e < list.first()[static_cast<std::size_t>(t) + 1]; ++e) {
      const auto k = static_cast<std::size_t>(e);
      const int u = list.sender()[k];
      Vector3<double> r =
          s.positions[static_cast<std::size_t>(t)] - s.positions[static_cast<std::size_t>(u)];
      for (int d = 0; d < 3; ++d) {
        const int m = list.shift()[k][static_cast<std::size_t>(d)];
        if (m != 0) r -= static_cast<double>(m) * s.cell.vectors.row(d);
      }
      if (!(norm(r) < list.cutoff())) continue;
      const auto out = edges.size();
      edges.push_back({t, u, list.shift()[k]});
      REQUIRE(out < static_cast<std::size_t>(g.n_edges()));
      REQUIRE(g.receiver[out] == t);
      REQUIRE(g.sender[out] == u);
      // The same subtractions, but a compiler may fuse them differently: a few roundings.
      const double rounding = 1e-15 * (norm(s.positions[static_cast<std::size_t>(t)]) + 100.0);
      REQUIRE(norm(g.vector[out] - r) <= rounding);
      REQUIRE(std::abs(g.length[out] - norm(r)) <= rounding);
    }
  REQUIRE(std::is_sorted(edges.begin(), edges.end()));
  REQUIRE(edges.size() == static_cast<std::size_t>(g.n_edges()));
  REQUIRE(g.first.size() == s.size() + 1);
  REQUIRE(g.first.back() == g.n_edges());
  REQUIRE(2 * g.n_pairs == g.n_edges());
  REQUIRE(g.pair_edge.size() == static_cast<std::size_t>(g.n_pairs));
  std::vector<int> count(static_cast<std::size_t>(g.n_pairs), 0);
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const auto p = static_cast<std::size_t>(g.pair[e]);
    ++count[p];
    const auto f = static_cast<std::size_t>(g.pair_edge[p]);
    if (e == f) continue;
    const auto& [t, u, m] = edges[e];
    REQUIRE(edges[f] == Key{u, t, {-m[0], -m[1], -m[2]}});
    REQUIRE(g.vector[e] == -g.vector[f]);
  }
  REQUIRE(std::all_of(count.begin(), count.end(), [](int c) { return c == 2; }));
  return edges;
}

Structure random_structure(RandomStream& random, std::size_t n, double size, unsigned pbc,
                           double skew) {
  Structure s;
  for (int d = 0; d < 3; ++d) {
    s.cell.periodic[static_cast<std::size_t>(d)] = (pbc >> d & 1) != 0;
    if (!s.cell.periodic[static_cast<std::size_t>(d)] && random.uniform() < 0.5) continue;  // zero
    for (int j = 0; j < 3; ++j)
      s.cell.vectors(d, j) = d == j ? size * random.uniform(0.8, 1.2) : random.uniform(-skew, skew);
  }
  for (std::size_t i = 0; i < n; ++i) {
    s.atomic_numbers.push_back(1 + static_cast<int>(i % 3));
    Vector3<double> r;
    // From −0.7 to 1.7 cells: many atoms outside.
    for (int j = 0; j < 3; ++j) r[j] = size * random.uniform(-0.7, 1.7);
    s.positions.push_back(r);
  }
  return s;
}

}  // namespace

TEST_CASE("neighbour list equals brute force for every periodicity and cell size", "[atoms]") {
  NeighborList list;
  Geometry<double> g;
  RandomStream random(1);
  for (unsigned pbc = 0; pbc < 8; ++pbc) {
    for (const double size : {1.7, 4.0, 11.0}) {  // cutoff up to three times the cell
      for (const double skew : {0.0, 0.4 * size}) {
        const std::size_t n = size < 2 ? 2 : 9;
        const Structure s = random_structure(random, n, size, pbc, skew);
        const double cutoff = 5.0;
        const double skin = random.uniform() < 0.5 ? 0.0 : 0.6;
        list.build(s, cutoff, skin);
        CAPTURE(pbc, size, skew, skin);
        CHECK(checked_edges(s, list, g) == brute_force(s, cutoff));
      }
    }
  }
}
