// SPDX-License-Identifier: MIT
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/split.hpp>
#include <leyden/electrostatics/external_field.hpp>

#include "charge/explicit_checks.hpp"
#include "charge/own_site.hpp"
#include "support/allocations.hpp"

namespace split_test {

namespace {
using namespace leyden_test;

template <class Q>
std::vector<double> prepared(Q& model) {
  ParameterLayout layout;
  model.declare(layout, case_shapes, std::vector<int>{8, 1});
  std::vector<double> parameters = layout.initial_values(3);
  RandomStream random(4);  // constants must differ from zero too
  for (double& x : parameters) x += 0.4 * random.normal();
  model.prepare(parameters);
  return parameters;
}
template <class Q, class T>
std::vector<T> multipoles(const Q& model, const ChargeInput<T>& in) {
  std::vector<T> p(in.species.size() * (Q::l_max + 1) * (Q::l_max + 1));
  model.multipoles(in, std::span<T>(p));
  return p;
}
template <class T>
std::vector<T> weights(std::size_t n) {
  RandomStream random(9);
  std::vector<T> w;
  for (std::size_t i = 0; i < n; ++i) w.push_back(T(random.normal()));
  return w;
}

SplitChargesOptions options() {
  SplitChargesOptions o;
  o.charges = {-0.8, 0.5};
  o.initial_weights = 0.3;
  return o;
}

// A linear function of the multipoles.
const auto linear = []<class Q, class T>(const Q& m, const ChargeInput<T>& in) {
  const auto p = multipoles(m, in);
  const auto w = weights<T>(p.size());
  T sum{};
  for (std::size_t k = 0; k < p.size(); ++k) sum += p[k] * w[k];
  return sum;
};
const auto linear_adjoint = []<class Q, class T>(const Q& m, const ChargeInput<T>& in,
                                                 InputCotangents<T> bar) {
  const auto w = weights<T>(in.species.size() * (Q::l_max + 1) * (Q::l_max + 1));
  m.pullback(in, std::span<const T>(w), bar);
};

}  // namespace

TEMPLATE_TEST_CASE("explicit multipoles have the derivatives that they say", "[charge]",
                   SplitCharges<0>, SplitCharges<1>, (SplitCharges<1, false>)) {
  TestType model(options());
  const auto parameters = prepared(model);
  check_adjoint(ExplicitCase(true), model, parameters, linear, linear_adjoint);
  check_adjoint(ExplicitCase(false), model, parameters, linear, linear_adjoint);
}

TEST_CASE("softness shares have the derivatives that they say", "[charge]") {
  LocalMultipolesOptions o;
  o.initial_weights = 0.3;
  LocalMultipoles<1, ChargeConstraint::softness> model(o);
  const auto parameters = prepared(model);
  check_adjoint(ExplicitCase(true), model, parameters, linear, linear_adjoint);

  // Shares depend on the species alone, are positive and sum to one.
  const ExplicitCase c(true);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  auto in = c.input(c.features, g, {});
  const auto p = multipoles(model, in);
  in.total_charge += 2.0;
  const auto more = multipoles(model, in);
  const auto gained = [&](std::size_t i) { return more[4 * i] - p[4 * i]; };
  CHECK_THAT(gained(0) + gained(1) + gained(2) + gained(3), WithinAbs(2.0, 1e-14));
  CHECK_THAT(gained(0), WithinAbs(gained(3), 1e-14));
  CHECK_THAT(gained(1), WithinAbs(gained(2), 1e-14));
  CHECK(gained(0) > 0.0);
  CHECK(gained(1) > 0.0);
  CHECK(std::abs(gained(0) - gained(1)) > 1e-3);
}

TEST_CASE("charges of one's own have the derivatives that they say", "[charge]") {
  SiteCharges<OwnSite> free;
  check_adjoint(ExplicitCase(true), free, prepared(free), linear, linear_adjoint);
  SiteCharges<OwnSite, ChargeConstraint::uniform> model;
  check_adjoint(ExplicitCase(true), model, prepared(model), linear, linear_adjoint);

  // What is lacking of the total charge is shared evenly.
  prepared(free), prepared(model);
  const ExplicitCase c(true);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  const auto in = c.input(c.features, g, {});
  const auto q = multipoles(model, in), without = multipoles(free, in);
  double sum = 0.0;
  for (std::size_t i = 0; i < 4; ++i) {
    sum += q[i];
    CHECK_THAT(q[i] - without[i], WithinAbs(q[0] - without[0], 1e-14));
  }
  CHECK_THAT(sum, WithinAbs(0.7, 1e-14));
  CHECK(std::abs(q[0] - without[0]) > 1e-3);
}

TEST_CASE("split charges move charge and make none", "[charge]") {
  const ExplicitCase c(true);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  const auto in = c.input(c.features, g, {});
  const auto sum_of = [&](auto model) {
    prepared(model);
    const auto p = multipoles(model, in);
    double sum = 0.0, moved = 0.0;
    for (std::size_t i = 0; i < 4; ++i) {
      sum += p[4 * i];
      moved = std::max(moved, std::abs(p[4 * i] - (c.species[i] == 0 ? -0.8 : 0.5)));
    }
    CHECK(moved > 0.1);
    return sum;
  };
  // Rounding of some hundred transfers.
  CHECK_THAT(sum_of(SplitCharges<1>(options())), WithinAbs(0.7, 1e-14));
  CHECK_THAT(sum_of(SplitCharges<1, false>(options())), WithinAbs(-0.6, 1e-14));
}

TEST_CASE("polarisation and field energies have the derivatives that they say", "[charge]") {
  SplitCharges<1> model(options());
  const auto parameters = prepared(model);
  const Vector3<double> u{{0.7, -0.4, 1.1}};
  const bool periodic = GENERATE(true, false);
  const auto as = [&]<class T>(T) { return Vector3<T>{{T(u[0]), T(u[1]), T(u[2])}}; };
  check_adjoint(
      ExplicitCase(periodic), model, parameters,
      [&]<class T>(const SplitCharges<1>& m, const ChargeInput<T>& in) {
        const auto p = multipoles(m, in);
        return dot(as(T{}), m.polarization(in, std::span<const T>(p)));
      },
      [&]<class T>(const SplitCharges<1>& m, const ChargeInput<T>& in, InputCotangents<T> bar) {
        std::vector<T> p_bar(16);
        m.polarization_pullback(in, as(T{}), std::span<T>(p_bar), bar);
        for (std::size_t i = 0; i < 4; ++i) CHECK(value_of(p_bar[4 * i]) == 0.0);
        m.pullback(in, std::span<const T>(p_bar), bar);
      });
  if (periodic)
    check_adjoint(
        ExplicitCase(true), model, parameters,
        []<class T>(const SplitCharges<1>& m, const ChargeInput<T>& in) {
          std::vector<T> e(4);
          m.field_energies(in, std::span<T>(e));
          return e[0] + e[1] + e[2] + e[3];
        },
        []<class T>(const SplitCharges<1>& m, const ChargeInput<T>& in, InputCotangents<T> bar) {
          m.field_energies_pullback(in, T(1.0), bar);
        });
}

TEST_CASE("the energy in a field is that of the polarisation", "[charge]") {
  SplitCharges<1> model(options());
  prepared(model);
  const bool periodic = GENERATE(true, false);
  const ExplicitCase c(periodic);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  const auto in = c.input(c.features, g, c.structure.external_field);
  const auto p = multipoles(model, in);
  std::vector<double> v(16), e(4, 0.0);
  external_potential<double>(g, in.external_field, {}, 1, v, 0.0, FieldImages::as_given);
  double energy = 0.0;
  for (std::size_t k = 0; k < 16; ++k) energy += p[k] * v[k];
  model.field_energies(in, std::span<double>(e));
  const double bonds = e[0] + e[1] + e[2] + e[3];
  if (periodic)
    CHECK(std::abs(bonds) > 1e-2);
  else
    CHECK_THAT(bonds, WithinAbs(0.0, 1e-14));  // positions subtract exactly but for rounding
  const auto polarization = model.polarization(in, std::span<const double>(p));
  CHECK_THAT(energy + bonds, WithinAbs(-dot(in.external_field, polarization), 1e-13));
}

TEST_CASE("polarisation knows no images but by formal charges", "[charge]") {
  SplitChargesOptions o = options();
  SplitCharges<1> model(o);
  prepared(model);
  ExplicitCase c(true);
  const auto polarization = [&] {
    Geometry<double> g;
    NeighborList list;
    list.build(c.structure, 3.2);
    make_geometry(c.structure, list, g);
    const auto in = c.input(c.features, g, {});
    const auto p = multipoles(model, in);
    return model.polarization(in, std::span<const double>(p));
  };
  const auto before = polarization();
  // (Q − Σf)/N = (0.7 + 0.6)/4 goes with the formal charge of an atom.
  const double moved = 0.5 + 1.3 / 4;
  const auto shift = c.structure.cell.vectors.row(1) - c.structure.cell.vectors.row(2);
  c.structure.positions[2] += shift;
  const auto after = polarization();
  for (int a = 0; a < 3; ++a) CHECK_THAT(after[a] - before[a], WithinAbs(moved * shift[a], 1e-13));
}

TEST_CASE("formal charges of a structure are read, and missed", "[charge]") {
  using Catch::Matchers::ContainsSubstring;
  ExplicitCase c(true);
  c.structure.formal_charges = {-1.0, 0.4, 0.3, -0.2};
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  const auto in = c.input(c.features, g, {});
  const std::vector<double> widths{1.0, 1.0};

  BasicFixedCharges<false> fixed({{}, widths, false, true});
  prepared(fixed);
  CHECK(multipoles(fixed, in) == c.structure.formal_charges);
  FixedCharges shared({{}, widths, false, true});
  prepared(shared);
  const auto q = multipoles(shared, in);
  // Four atoms take up 0.7 − (−0.5).
  for (std::size_t i = 0; i < 4; ++i)
    CHECK_THAT(q[i], WithinAbs(c.structure.formal_charges[i] + 0.3, 1e-15));
  SplitChargesOptions o = options();
  o.from_structure = true;
  SplitCharges<0> split(o);
  const auto parameters = prepared(split);
  const auto with = multipoles(split, in);
  SplitCharges<0> other(options());
  prepared(other);
  const auto without = multipoles(other, in);
  // The transfers are the same.
  for (std::size_t i = 0; i < 4; ++i)
    CHECK_THAT(with[i] - without[i], WithinAbs(c.structure.formal_charges[i] + 0.3 -
                                                   ((c.species[i] == 0 ? -0.8 : 0.5) + 1.3 / 4),
                                               1e-14));
  FixedCharges trained({{}, widths, true, true});
  const auto corrections = prepared(trained);
  const auto corrected = multipoles(trained, in);
  CHECK_THAT(corrected[0] - corrected[1], WithinAbs(-1.4 + corrections[0] - corrections[1], 1e-14));

  c.structure.formal_charges.clear();
  CHECK_THROWS_AS(multipoles(fixed, in), InputError);
  CHECK_THROWS_WITH(multipoles(fixed, in), ContainsSubstring("has no formal_charges"));
  CHECK_THROWS_WITH(multipoles(split, in), ContainsSubstring("SplitCharges"));
  c.structure.formal_charges = {1.0, 2.0};
  CHECK_THROWS_WITH(multipoles(fixed, in), ContainsSubstring("2 formal_charges are given"));
  ParameterLayout layout;
  CHECK_THROWS_AS(
      FixedCharges({{}, widths, false}).declare(layout, case_shapes, std::vector<int>{8, 1}),
      ModelError);
  SplitChargesOptions one = options();
  one.charges = {1.0};
  CHECK_THROWS_AS(SplitCharges<0>(one).declare(layout, case_shapes, std::vector<int>{8, 1}),
                  ModelError);
}

TEST_CASE("split charges take no memory", "[charge]") {
  SplitCharges<1> model(options());
  const auto parameters = prepared(model);
  const ExplicitCase c(true);
  Geometry<double> g;
  make_geometry(c.structure, c.list, g);
  const auto in = c.input(c.features, g, c.structure.external_field);
  ExplicitCotangents<double> bar(g, parameters.size());
  const auto v = bar.view();
  std::vector<double> p(16), e(4);
  CHECK(allocations_of([&] {
          model.multipoles(in, std::span<double>(p));
          model.pullback(in, std::span<const double>(p), v);
          model.field_energies(in, std::span<double>(e));
          model.field_energies_pullback(in, 1.0, v);
          model.polarization(in, std::span<const double>(p));
        }) == 0);
}

}  // namespace split_test
