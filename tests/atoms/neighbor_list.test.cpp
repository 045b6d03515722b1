// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace neighbor_list_test {

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

TEST_CASE("one atom is a neighbour of its own images", "[atoms]") {
  Structure s;
  s.atomic_numbers = {29};
  s.positions = {{{0.3, -8.0, 77.0}}};
  s.cell.periodic = {true, true, true};
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = 2.0;
  NeighborList list;
  list.build(s, 2.0001);
  CHECK(list.n_edges() == 6);
  CHECK(list.n_pairs() == 3);
  list.build(s, 2.0);  // the cutoff itself is outside
  Geometry<double> g;
  make_geometry(s, list, g);
  CHECK(g.n_edges() == 0);
  list.build(s, 6.0);  // three times the cell
  CHECK(checked_edges(s, list, g) == brute_force(s, 6.0));
}

TEST_CASE("neighbour list of nothing, of one atom, and of a plane without a third vector",
          "[atoms]") {
  Structure s;
  NeighborList list;
  Geometry<double> g;
  list.build(s, 5.0);
  make_geometry(s, list, g);
  CHECK(g.first == std::vector<int>{0});
  CHECK(g.n_edges() == 0);
  s.atomic_numbers = {1};
  s.positions = {{{1e4, 0, 0}}};
  list.build(s, 5.0);
  make_geometry(s, list, g);
  CHECK(g.first == std::vector<int>{0, 0});
  s.cell.periodic = {true, false, true};
  s.cell.vectors = {{3, 0, 0, 0, 0, 0, 0, 1, 3}};
  list.build(s, 5.0);
  CHECK(checked_edges(s, list, g) == brute_force(s, 5.0));
  CHECK(g.n_edges() > 0);
}

TEST_CASE("neighbour list is invariant under translation", "[atoms]") {
  RandomStream random(2);
  NeighborList list;
  Geometry<double> g;
  for (unsigned pbc = 0; pbc < 8; ++pbc) {
    Structure s = random_structure(random, 12, 6.0, pbc, 2.0);
    list.build(s, 5.0);
    const auto edges = checked_edges(s, list, g);
    const std::vector<double> lengths = g.length;
    for (Vector3<double>& r : s.positions) r += Vector3<double>{{1000.0, -1000.0, 1000.0}};
    list.build(s, 5.0);
    CHECK(checked_edges(s, list, g) == edges);
    REQUIRE(g.length.size() == lengths.size());
    // Positions near 1000 Å are rounded to 1e-13 Å.
    for (std::size_t e = 0; e < lengths.size(); ++e)
      CHECK(std::abs(g.length[e] - lengths[e]) < 1e-12);
  }
}

TEST_CASE("neighbour list follows a permutation of the atoms", "[atoms]") {
  RandomStream random(3);
  NeighborList list;
  Geometry<double> g;
  const Structure s = random_structure(random, 15, 6.0, 7, 2.0);
  std::vector<int> order(s.size());
  std::iota(order.begin(), order.end(), 0);
  random.shuffle(order);
  Structure p = s;
  for (std::size_t i = 0; i < s.size(); ++i)
    p.positions[i] = s.positions[static_cast<std::size_t>(order[i])];
  list.build(s, 5.0);
  const auto edges = checked_edges(s, list, g);
  list.build(p, 5.0);
  auto back = checked_edges(p, list, g);
  for (auto& [t, u, m] : back) {
    t = order[static_cast<std::size_t>(t)];
    u = order[static_cast<std::size_t>(u)];
  }
  std::sort(back.begin(), back.end());
  CHECK(back == edges);
}

TEST_CASE("neighbour distances do not depend on the choice of lattice vectors", "[atoms]") {
  RandomStream random(4);
  NeighborList list;
  Geometry<double> g;
  for (const int skew : {1, 7, 300}) {  // b → b + skew·a and so on: 300 makes 2000 Å long vectors
    const Structure s = random_structure(random, 10, 6.0, 7, 1.5);
    list.build(s, 5.0);
    checked_edges(s, list, g);
    std::vector<double> expected = g.length;
    const auto work = list.distances_computed();
    Structure t = s;
    const auto add = [&](int to, int from, int times) {
      for (int j = 0; j < 3; ++j)
        t.cell.vectors(to, j) += static_cast<double>(times) * t.cell.vectors(from, j);
    };
    add(1, 0, skew);
    add(2, 1, -1);
    add(2, 0, skew);
    list.build(t, 5.0);
    checked_edges(t, list, g);
    std::sort(expected.begin(), expected.end());
    std::vector<double> lengths = g.length;
    std::sort(lengths.begin(), lengths.end());
    REQUIRE(lengths.size() == expected.size());
    // Sums of vectors of 6 Å · skew² at most, rounded.
    for (std::size_t e = 0; e < lengths.size(); ++e)
      CHECK(std::abs(lengths[e] - expected[e]) < 1e-14 * 10.0 * skew * skew + 1e-13);
    // The compact basis is found again: a skewed cell costs no more than a straight one. Bases of
    // equal quality may differ, hence the factor.
    CHECK(list.distances_computed() < 2 * work);
  }
}

TEST_CASE("skin: a kept list gives the geometry of a fresh one while atoms move", "[atoms]") {
  RandomStream random(5);
  Structure s = random_structure(random, 40, 9.0, 3, 2.0);
  NeighborList kept, fresh;
  Geometry<double> a, b;
  kept.build(s, 4.0, 0.8);
  int rebuilt = 0;
  const int steps = 60;
  for (int step = 0; step < steps; ++step) {
    for (Vector3<double>& r : s.positions)
      for (int k = 0; k < 3; ++k) r[k] += random.uniform(-0.06, 0.06);
    rebuilt += kept.update(s) ? 1 : 0;
    fresh.build(s, 4.0);
    make_geometry(s, kept, a);
    make_geometry(s, fresh, b);
    REQUIRE(a.first == b.first);
    REQUIRE(a.sender == b.sender);
    REQUIRE(a.pair == b.pair);
    REQUIRE(a.pair_edge == b.pair_edge);
    REQUIRE(a.vector == b.vector);
    REQUIRE(a.length == b.length);
  }
  // A random walk of 0.06 Å steps leaves 0.4 Å now and then, not at every step.
  CHECK(rebuilt > 1);
  CHECK(rebuilt < steps / 2);
}

TEST_CASE("update rebuilds for exactly what the list depends on", "[atoms]") {
  RandomStream random(6);
  const Structure s = random_structure(random, 8, 6.0, 7, 1.0);
  NeighborList list;
  CHECK_THROWS_AS(list.update(s), InputError);
  list.build(s, 4.0, 0.5);
  CHECK_FALSE(list.update(s));
  Structure t = s;
  t.positions[3][1] += 0.2499;
  CHECK_FALSE(list.update(t));
  t.positions[3][1] += 0.0002;
  CHECK(list.update(t));
  CHECK_FALSE(list.update(t));
  t.cell.vectors(2, 0) += 1e-3;
  CHECK(list.update(t));
  t.cell.periodic[1] = false;
  CHECK(list.update(t));
  t.atomic_numbers[0] = 79;
  CHECK(list.update(t));
  t.positions.pop_back();
  t.atomic_numbers.pop_back();
  CHECK(list.update(t));
  CHECK(list.n_atoms() == 7);
  CHECK_FALSE(list.update(t));
  // A build that fails leaves nothing behind that could be kept.
  Structure bad = t;
  bad.cell.vectors = {};
  bad.cell.periodic = {true, false, false};
  CHECK_THROWS_AS(list.update(bad), InputError);
  CHECK_THROWS_AS(list.update(bad), InputError);
  CHECK(list.update(t));
  list.build(t, 4.0);  // without a skin, only the same positions keep it
  CHECK_FALSE(list.update(t));
  t.positions[0][0] += 1e-9;
  CHECK(list.update(t));
}

TEST_CASE("the work of a build grows with the number of atoms, whatever their extent", "[atoms]") {
  NeighborList list;
  RandomStream random(8);
  const auto work = [&](std::size_t n, bool periodic, double far_away) {
    const double size = std::cbrt(static_cast<double>(n) / 0.1);
    Structure s;
    s.cell.periodic = {periodic, periodic, periodic};
    for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = size;
    for (std::size_t i = 0; i < n; ++i) {
      s.atomic_numbers.push_back(8);
      Vector3<double> r;
      for (int k = 0; k < 3; ++k) r[k] = random.uniform(0, size);
      if (i % 2 == 1) r[0] += far_away;
      s.positions.push_back(r);
    }
    list.build(s, 5.0);
    return static_cast<double>(list.distances_computed()) / static_cast<double>(n);
  };
  // Half the neighbours in the sphere are 26, half of those in three bins cubed 169, more when the
  // box is no multiple of the cutoff. All pairs would be 1000 and 4000.
  CHECK(work(2000, true, 0) < 250);
  CHECK(work(8000, true, 0) < 250);
  CHECK(work(2000, false, 0) < 250);
  // Two drops, so far apart that a dense grid of bins would not fit into memory.
  CHECK(work(2000, false, 1e6) < 250);
  CHECK(work(2000, false, 1e6) > 20);
}

TEST_CASE("two atoms a million Å apart", "[atoms]") {
  Structure s;
  s.atomic_numbers = {1, 1, 1};
  s.positions = {{{0, 0, 0}}, {{1e6, -1e6, 1e6}}, {{1e6, -1e6, 1e6 + 0.7}}};
  NeighborList list;
  list.build(s, 5.0);
  CHECK(list.n_edges() == 2);
  CHECK(list.sender()[0] == 2);
}

TEST_CASE("neighbour list refuses what it cannot bin", "[atoms]") {
  using Catch::Matchers::ContainsSubstring;
  NeighborList list;
  Structure s;
  s.atomic_numbers = {1};
  s.positions = {{{0, 0, 0}}};
  CHECK_THROWS_WITH(list.build(s, 0.0), ContainsSubstring("cutoff 0.0"));
  CHECK_THROWS_WITH(list.build(s, 5.0, -1.0), ContainsSubstring("skin -1.0"));
  s.positions[0][1] = std::nan("");
  CHECK_THROWS_WITH(list.build(s, 5.0), ContainsSubstring("atom 0"));
  s.positions[0][1] = 1e13;
  CHECK_THROWS_AS(list.build(s, 5.0), InputError);
  s.positions[0][1] = 0;
  s.cell.periodic = {true, false, false};
  CHECK_THROWS_WITH(list.build(s, 5.0), ContainsSubstring("linearly independent"));
  s.cell.vectors = {{1, 2, 3, 2, 4, 6, 0, 0, 1}};
  CHECK_NOTHROW(list.build(s, 5.0));  // the second vector does not repeat
  s.cell.periodic = {true, true, true};
  CHECK_THROWS_WITH(list.build(s, 5.0), ContainsSubstring("linearly independent"));
  s.cell.vectors = {{1e-4, 0, 0, 0, 9, 0, 0, 0, 9}};
  CHECK_THROWS_WITH(list.build(s, 5.0), ContainsSubstring("thin"));
  s.cell.vectors = {{9, 0, 0, 9e5, 9, 0, 0, 0, 9}};
  CHECK_NOTHROW(list.build(s, 5.0));
  s.positions[0][1] = 1e5;
  CHECK_THROWS_WITH(list.build(s, 5.0), ContainsSubstring("so skewed"));
  s.atomic_numbers.clear();
  CHECK_THROWS_WITH(list.build(s, 5.0), ContainsSubstring("0 atomic numbers"));
}

}  // namespace neighbor_list_test
