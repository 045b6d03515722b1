// SPDX-License-Identifier: MIT
#include <leyden/charge/bond_readout.hpp>

#include "charge/explicit_checks.hpp"
#include "support/allocations.hpp"

namespace bond_readout_test {

namespace {
using namespace leyden_test;

BondReadout make(BondReadoutOptions options, std::vector<double>& parameters) {
  BondReadout model(options);
  ParameterLayout layout;
  model.declare(layout, "bond/", case_shapes, 2);
  parameters = layout.initial_values(3);
  RandomStream random(4);  // constants must differ from zero too
  for (double& x : parameters) x += 0.4 * random.normal();
  model.prepare(parameters);
  return model;
}

std::vector<double> weights(std::size_t n) {
  RandomStream random(9);
  std::vector<double> w(n);
  for (double& x : w) x = random.normal();
  return w;
}

template <class T>
std::vector<T> read(const BondReadout& model, const ChargeInput<T>& in) {
  std::vector<T> y(in.geometry->pair_edge.size() * static_cast<std::size_t>(model.outputs()));
  model.forward(in.features, *in.geometry, in.species, std::span<T>(y));
  return y;
}

}  // namespace

TEST_CASE("bond readouts have the derivatives that they say", "[charge]") {
  BondReadoutOptions options;
  options.symmetry = GENERATE(BondSymmetry::symmetric, BondSymmetry::antisymmetric);
  options.outputs = GENERATE(1, 3);
  options.species_weights = options.outputs == 3;
  const ExplicitCase c(true);
  std::vector<double> parameters;
  const BondReadout model = make(options, parameters);
  const auto w = weights(static_cast<std::size_t>(c.list.n_pairs()) *
                         static_cast<std::size_t>(options.outputs));
  check_adjoint(
      c, model, parameters,
      [&]<class T>(const BondReadout& m, const ChargeInput<T>& in) {
        const auto y = read(m, in);
        T sum{};
        for (std::size_t k = 0; k < y.size(); ++k) sum += y[k] * w[k];
        return sum;
      },
      [&]<class T>(const BondReadout& m, const ChargeInput<T>& in, InputCotangents<T> bar) {
        std::vector<T> y_bar(in.geometry->pair_edge.size() * static_cast<std::size_t>(m.outputs()));
        for (std::size_t k = 0; k < y_bar.size(); ++k) y_bar[k] = T(w[k]);
        m.pullback(in.features, *in.geometry, in.species, std::span<const T>(y_bar), bar.features,
                   bar.edges, bar.parameters);
      });
}

TEST_CASE("bond readouts are the formula", "[charge]") {
  BondReadoutOptions options;
  options.symmetry = GENERATE(BondSymmetry::symmetric, BondSymmetry::antisymmetric);
  const double sign = options.symmetry == BondSymmetry::symmetric ? 1.0 : -1.0;
  const ExplicitCase c(true);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  std::vector<double> parameters;
  const BondReadout model = make(options, parameters);
  const auto y = read(model, c.input(c.features, g, {}));

  ParameterLayout layout;
  BondReadout(options).declare(layout, "bond/", case_shapes, 2);
  const auto weight = [&](const std::string& name, std::size_t k) {
    return layout.find("bond/" + name).slice.of(std::span<const double>(parameters))[k];
  };
  int images = 0;
  for (std::size_t b = 0; b < y.size(); ++b) {
    const auto e = static_cast<std::size_t>(g.pair_edge[b]);
    const double x = g.length[e] / options.cutoff;
    double expected = 0.0;
    for (std::size_t n = 0; n < 4 && x < 1.0; ++n) {
      const auto read_atom = [&](int atom) {
        const std::string name = "0/" + std::to_string(n) + "/weight";
        double a = 0.0;
        for (std::size_t k = 0; k < 5; ++k)
          a += weight(name, k) * c.features[0].get(atom, int(k), 0) / std::sqrt(5.0);
        for (std::size_t k = 0; k < 3; ++k)
          a += weight(name, 5 + k) * c.features[1].get(atom, int(k), 0) / std::sqrt(3.0);
        return a;
      };
      const int t = g.receiver[e], s = g.sender[e];
      const int zt = c.species[std::size_t(t)], zs = c.species[std::size_t(s)];
      double table = 0.0;
      if (sign > 0)  // rows (0,0), (0,1), (1,1)
        table = weight("table", 4 * std::size_t(zt + zs) + n);
      else if (zt != zs)
        table = (zt < zs ? 1.0 : -1.0) * weight("table", n);
      const double phi = std::pow(1 - x * x, 3) * std::cos(double(n) * std::acos(2 * x - 1));
      expected += phi * (read_atom(t) + sign * read_atom(s) + table);
    }
    // Twelve terms of order one.
    CHECK_THAT(y[b], WithinAbs(expected, 1e-13));
    if (g.receiver[e] == g.sender[e]) {
      ++images;
      if (sign < 0) CHECK_THAT(y[b], WithinAbs(0.0, 1e-15));
    }
  }
  CHECK(images > 0);
}

TEST_CASE("bond readouts vanish smoothly at the cutoff", "[charge]") {
  std::vector<double> parameters;
  const BondReadout model = make({}, parameters);
  ExplicitCase c(false);
  c.structure.positions = {{{0, 0, 0}}, {{3.0, 0, 0}}, {{40, 0, 0}}, {{0, 60, 0}}};
  c.list.build(c.structure, 3.2);
  double last = 0.0;
  for (double delta : {0.1, 0.01, 0.001, -0.001}) {
    c.structure.positions[1][0] = 3.0 - delta;
    Geometry<double> g;
    make_geometry(c.structure, c.list, g);
    const auto y = read(model, c.input(c.features, g, {}));
    REQUIRE(y.size() == 1);
    if (delta < 0) {
      CHECK(y[0] == 0.0);
    } else {
      // (1 − x²)³ ≈ (2δ/a)³: a thousandth per step but for the factors that remain, here < 1.5.
      if (delta < 0.1) {
        CHECK(std::abs(y[0]) < 1.5e-3 * last);
        CHECK(std::abs(y[0]) > 0.0);
      }
      last = std::abs(y[0]);
    }
  }
}

TEST_CASE("bond readouts take no memory", "[charge]") {
  const ExplicitCase c(true);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  std::vector<double> parameters;
  const BondReadout model = make({}, parameters);
  const auto in = c.input(c.features, g, {});
  std::vector<double> y(g.pair_edge.size());
  ExplicitCotangents<double> bar(g, parameters.size());
  const auto v = bar.view();
  CHECK(allocations_of([&] {
          model.forward(in.features, g, in.species, std::span<double>(y));
          model.pullback(in.features, g, in.species, std::span<const double>(y), v.features,
                         v.edges, v.parameters);
        }) == 0);
}

TEST_CASE("bond readouts refuse options out of range", "[charge]") {
  ParameterLayout layout;
  BondReadoutOptions many;
  many.outputs = 9;
  CHECK_THROWS_AS(BondReadout(many).declare(layout, "a/", case_shapes, 2), ModelError);
  BondReadoutOptions none;
  none.cutoff = 0.0;
  CHECK_THROWS_AS(BondReadout(none).declare(layout, "b/", case_shapes, 2), ModelError);
}

}  // namespace bond_readout_test
