// SPDX-License-Identifier: MIT
#include "descriptor/mace_checks.hpp"

namespace mace_tables_test {

using namespace leyden;
using namespace leyden_test;

namespace {

using First = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}>;
using Single = Mace<MaceShape{.l_max = 2, .correlation = 2, .hidden_l = 1}, float>;

template <class Model = First>
Setup<Model> tabulated(int variant, double tolerance) {
  MaceOptions o = options_of<Model>(variant);
  o.radial_tolerance = tolerance;
  return Setup<Model>(o);
}

// The functional and its gradient by positions alone.
template <class Model, Number T>
Result<T> forces(const Model& model, const Geometry<T>& g, typename Model::template Tape<T>& tape) {
  return evaluate(model, g, tape, true, 0);
}

double largest_difference(const std::vector<Vector3<double>>& a,
                          const std::vector<Vector3<double>>& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, norm(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("tables of radial functions keep the accuracy they promise", "[mace][tables]") {
  // Variants: folded first layers, with and without residual; transforms, whose tables are of pairs
  // of species; densities and envelopes.
  const int variant = GENERATE(0, 1, 2, 3, 4, 5);
  CAPTURE(variant);
  const Setup<First> exact(variant);
  const Geometry<double> g = geometry_of<double>(crystal(), exact.model.cutoff());
  First::Tape<double> exact_tape;
  const auto expected = forces(exact.model, g, exact_tape);
  CHECK(!exact_tape.tabulated);
  CHECK(exact.model.table_error() == 0.0);
  const double scale = size_of(expected.gradient.positions);
  for (const double tolerance : {1e-5, 1e-9}) {
    const Setup<First> s = tabulated(variant, tolerance);
    CHECK(s.model.table_error() > 0.0);
    CHECK(s.model.table_error() <= tolerance);
    First::Tape<double> tape;
    const auto got = forces(s.model, g, tape);
    CHECK(tape.tabulated);
    // Errors of slopes are relative to the largest slope; a force is the difference of some ten.
    CHECK(largest_difference(got.gradient.positions, expected.gradient.positions) <
          30 * tolerance * scale);
    CHECK(std::abs(got.value - expected.value) < 30 * tolerance * std::abs(expected.value));
  }
}

TEST_CASE("forces of tables are the derivative of energies of tables", "[mace][tables]") {
  const int variant = GENERATE(0, 1, 2, 5);
  CAPTURE(variant);
  const Setup<First> s = tabulated(variant, 1e-4);  // pieces are wide: nothing is exact
  const Structure structure = crystal();
  const auto d = displacement(structure.size());
  First::Tape<double> tape;
  First::Tape<Dual<double>> dual_tape;
  const auto r = forces(s.model, geometry_of<double>(structure, s.model.cutoff()), tape);
  const double scale = size_of(r.gradient.positions);
  double along = 0.0;
  for (std::size_t i = 0; i < d.size(); ++i) along += dot(d[i], r.gradient.positions[i]);
  const auto second = forces(s.model, moved_geometry(structure, s.model.cutoff(), d), dual_tape);
  CHECK(dual_tape.tabulated);
  CHECK(near(second.value.tangent, along, scale, 1e-11));
  const auto up =
      forces(s.model, geometry_of<double>(moved(structure, d, step), s.model.cutoff()), tape);
  const auto down =
      forces(s.model, geometry_of<double>(moved(structure, d, -step), s.model.cutoff()), tape);
  CHECK(near(along, (up.value - down.value) / (2 * step), scale, difference_tolerance));
  double curvature = 0.0;
  for (const auto& v : second.gradient.positions)
    for (int a = 0; a < 3; ++a) curvature = std::max(curvature, std::abs(v[a].tangent));
  for (std::size_t i = 0; i < structure.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      CHECK(near(second.gradient.positions[i][a].value, r.gradient.positions[i][a], scale, 1e-12));
      CHECK(near(second.gradient.positions[i][a].tangent,
                 (up.gradient.positions[i][a] - down.gradient.positions[i][a]) / (2 * step),
                 curvature, difference_tolerance));
    }
}

TEST_CASE("gradients by parameters are those of the networks", "[mace][tables]") {
  const Setup<First> exact(2), s = tabulated(2, 1e-9);
  const Geometry<double> g = geometry_of<double>(crystal(), s.model.cutoff());
  First::Tape<double> tape, exact_tape, hinted;
  hinted.exact = true;
  const auto expected = evaluate(exact.model, g, exact_tape, true, s.parameters.size());
  const auto got = evaluate(s.model, g, tape, true, s.parameters.size());
  const auto same = evaluate(s.model, g, hinted, true, s.parameters.size());
  double scale = 0.0;
  for (double x : expected.parameters) scale = std::max(scale, std::abs(x));
  // The readouts' inputs are those of the tables.
  for (std::size_t k = 0; k < expected.parameters.size(); ++k)
    CHECK(near(got.parameters[k], expected.parameters[k], scale, 1e-8));
  CHECK(same.parameters == expected.parameters);
  CHECK(same.value == expected.value);
}

TEST_CASE("atoms closer than tables reach, and beyond the cutoff", "[mace][tables]") {
  const Setup<First> exact(1), s = tabulated(1, 1e-9);
  Structure pair;
  pair.atomic_numbers = {8, 1};
  for (const double r : {0.1, 0.31, 0.33, 3.19999, 3.2, 3.3}) {
    CAPTURE(r);
    pair.positions = {{{0, 0, 0}}, {{0, 0, r}}};
    // A list that reaches further than the model.
    const Geometry<double> g = geometry_of<double>(pair, 4.0);
    First::Tape<double> tape, exact_tape;
    const auto got = forces(s.model, g, tape), expected = forces(exact.model, g, exact_tape);
    CHECK(tape.tabulated == (r > 0.32));
    CHECK(near(got.value, expected.value, std::abs(expected.value), 1e-8));
    CHECK(largest_difference(got.gradient.positions, expected.gradient.positions) <
          1e-8 * std::max(1.0, size_of(expected.gradient.positions)));
  }
}

TEST_CASE("floats from tables, threads and memory", "[mace][tables]") {
  const Setup<First> exact(1);
  const Setup<Single> single = tabulated<Single>(1, 1e-9);
  CHECK(single.model.table_error() < 5e-6);
  const auto g = geometry_of<float>(crystal(), single.model.cutoff());
  Single::Tape<float> tape;
  const auto got = forces(single.model, g, tape);
  CHECK(tape.tabulated);
  First::Tape<double> exact_tape;
  const auto expected =
      forces(exact.model, geometry_of<double>(crystal(), exact.model.cutoff()), exact_tape);
  const double scale = size_of(expected.gradient.positions);
  for (std::size_t i = 0; i < crystal().size(); ++i)
    for (int a = 0; a < 3; ++a)
      CHECK(near(double(got.gradient.positions[i][a]), expected.gradient.positions[i][a], scale,
                 2e-5));

  // Tables are built once, by whoever comes first.
  const Setup<First> s = tabulated(1, 1e-9);
  std::vector<double> energies[4];
  {
    std::vector<std::jthread> threads;
    for (auto& e : energies) threads.emplace_back([&] { e = node_energies(s, crystal()); });
  }
  for (const auto& e : energies) CHECK(e == energies[0]);

  const auto large = geometry_of<double>(crystal(), s.model.cutoff());
  First::Tape<double> warm;
  const auto run = [&] {
    s.model.forward(large, warm);
    s.model.backward(large, warm, 1.0, std::span<double>());
  };
  run();
  CHECK(leyden_test::allocations_of(run) == 0);
}

}  // namespace mace_tables_test
