// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

namespace allocation_test {

using namespace leyden;

TEST_CASE("warm neighbour lists and geometries allocate nothing", "[atoms][allocation]") {
  RandomStream random(1);
  // A bulk (dense grid) and a gas without a cell (hashed grid).
  for (const bool periodic : {true, false}) {
    Structure s;
    const double size = periodic ? 12.0 : 300.0;
    s.cell.periodic = {periodic, periodic, periodic};
    for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = size;
    for (int i = 0; i < 150; ++i) {
      s.atomic_numbers.push_back(8);
      Vector3<double> r;
      for (int k = 0; k < 3; ++k) r[k] = random.uniform(0, size);
      s.positions.push_back(r);
      s.atomic_numbers.push_back(1);
      s.positions.push_back(r + Vector3<double>{{0.96, 0, 0}});
    }
    NeighborList list;
    Geometry<double> g;
    Geometry<Dual<float>> d;
    std::vector<Vector3<double>> u(s.size());
    const Matrix3<double> strain = Matrix3<double>::identity();
    const auto everything = [&] {
      list.build(s, 5.0, 0.5);
      list.update(s);
      make_geometry(s, list, g);
      make_geometry(s, list, d, u, &strain);
    };
    // The counter counts, or this test could not fail.
    CHECK(leyden_test::allocations_of(everything) > 10);
    CHECK(leyden_test::allocations_of(everything) == 0);
    CHECK(g.n_edges() > 0);
  }
}

}  // namespace allocation_test
