// SPDX-License-Identifier: MIT
#include <leyden/charge/local.hpp>
#include <leyden/charge/none.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/potential.hpp>

#include "support/catch.hpp"
#include "support/thread_executor.hpp"

#include <type_traits>
#include <vector>

namespace threads_test {

namespace {

using namespace leyden;

Structure crystal(int side) {
  Structure s;
  RandomStream random(4);
  for (int x = 0; x < side; ++x)
    for (int y = 0; y < side; ++y)
      for (int z = 0; z < side; ++z) {
        s.atomic_numbers.push_back((x + y + z) % 3 == 0 ? 8 : 1);
        s.positions.push_back({{1.9 * x + 0.2 * random.normal(), 1.9 * y + 0.2 * random.normal(),
                                1.9 * z + 0.2 * random.normal()}});
      }
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = 1.9 * side;
  s.cell.periodic = {true, true, true};
  return s;
}

std::vector<double> numbers(const Prediction& p) {
  std::vector<double> out{p.energy};
  for (const auto& f : p.forces) out.insert(out.end(), f.data.begin(), f.data.end());
  out.insert(out.end(), p.stress.data.begin(), p.stress.data.end());
  out.insert(out.end(), p.multipoles.begin(), p.multipoles.end());
  out.insert(out.end(), p.atomic_energies.begin(), p.atomic_energies.end());
  return out;
}

template <class P>
void check_same_bits(const P& potential, const Structure& s) {
  typename P::Workspace own;
  const std::vector<double> one = numbers(potential.evaluate(s, own));
  for (const int threads : {2, 3, 5}) {
    typename P::Workspace workspace;
    const leyden_test::ThreadExecutor executor(threads);
    for (int i = 0; i < 2; ++i)  // warm, too
      CHECK(numbers(potential.evaluate(s, workspace, {}, executor)) == one);
  }
}

MaceOptions options(int channels) {
  MaceOptions o;
  o.species = {1, 8};
  o.cutoff = 4.0;
  o.channels = channels;
  o.radial_hidden = {8};
  o.average_neighbors = 20.0;
  return o;
}

}  // namespace

// 512 atoms and 40 channels: more than one block of rows and of edges, and an uneven number of
// tiles.
TEST_CASE("an evaluation by threads gives the same bits: tables, networks, layers of both kinds",
          "[potential]") {
  using D = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;
  const Structure s = crystal(8);
  SECTION("tables") {
    check_same_bits(Potential<D, NoCharges, NoElectrostatics>(D(options(40)), {}, {}, 3), s);
  }
  SECTION("tables of later layers only, and a map by species") {
    MaceOptions o = options(40);
    o.density_normalized = true;
    check_same_bits(Potential<D, NoCharges, NoElectrostatics>(D(o), {}, {}, 3), s);
  }
  SECTION("networks") {
    MaceOptions o = options(10);
    o.radial_tolerance = 0.0;
    check_same_bits(Potential<D, NoCharges, NoElectrostatics>(D(o), {}, {}, 3), s);
  }
  SECTION("single precision, charges and dipoles") {
    using F = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}, float>;
    ReciprocalOptions solver;
    solver.accuracy = 1e-5;
    solver.background = Background::uniform;
    check_same_bits(Potential<F, LocalMultipoles<1>, Reciprocal>(
                        F(options(40)), LocalMultipoles<1>(), Reciprocal(solver), 3),
                    s);
  }
  SECTION("nonlinear layers") {
    using N = Mace<MaceShape{
        .l_max = 2, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear}>;
    check_same_bits(Potential<N, NoCharges, NoElectrostatics>(N(options(10)), {}, {}, 3), s);
  }
}

TEST_CASE("the memory of an evaluation fits systems of 100,000 atoms", "[potential]") {
  // The model of 128 channels, l <= 1: 24 GiB hold 100,000 atoms at 250 kB each.
  using D = Mace<MaceShape{}>;
  MaceOptions o = options(128);
  o.cutoff = 5.0;
  const Potential<D, NoCharges, NoElectrostatics> potential(D(o), {}, {}, 3);
  Potential<D, NoCharges, NoElectrostatics>::Workspace workspace;
  Structure s = crystal(6);
  for (auto& r : s.positions) r = r * (2.154 / 1.9);  // 0.1 atoms per cubic Angstrom
  for (int d = 0; d < 3; ++d) s.cell.vectors(d, d) = 2.154 * 6;
  potential.evaluate(s, workspace);
  const auto& tape = workspace.real.tape;
  REQUIRE(tape.tabulated);
  double bytes = 0.0;
  const auto add = [&](const auto& buffer) {
    bytes += static_cast<double>(buffer.size() * sizeof(buffer[0]));
  };
  const auto add_features = [&](const auto& array) {
    bytes += static_cast<double>(array.tiles()) * array.n_atoms() * array.lm_count() *
             static_cast<double>(sizeof(Pack<double>));
  };
  for (const auto& layer : tape.layers) {
    for (const auto* array : {&layer.up, &layer.mixed, &layer.basis, &layer.product})
      add_features(*array);
    add(layer.radial);
    add(layer.paths);
    add(layer.table_row);
    add(layer.table_u);
  }
  for (const auto* list : {&tape.features, &tape.feature_cotangents})
    for (const auto& array : *list) add_features(array);
  for (const auto* array : {&tape.embedding, &tape.embedding_bar, &tape.up_bar, &tape.mixed_bar,
                            &tape.basis_node_bar, &tape.product_bar})
    add_features(*array);
  for (const auto* buffer : {&tape.basis, &tape.basis_bar, &tape.paths_bar, &tape.radial_bar})
    add(*buffer);
  add(tape.harmonics);
  add(tape.harmonics_bar);
  add(tape.edge_gradient);
  const auto& geometry = workspace.real.geometry;
  add(geometry.vector);
  add(geometry.length);
  add(geometry.sender);
  add(geometry.receiver);
  add(geometry.pair);
  const double per_atom = bytes / static_cast<double>(s.size());
  INFO("bytes per atom: " << per_atom);
  CHECK(per_atom < 180e3);
}

}  // namespace threads_test
