// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/descriptor/element.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/potential.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

// Small systems in which charge models differ as metals, insulators and molecules do. Atoms see no
// surroundings (Elements) and parameters are put in by hand, so what one sees is the models
// themselves. The tests check these numbers, the example plots them.
namespace physics {

using namespace leyden;

template <class Q, class S>
using Model = Potential<Elements, Q, S>;

inline constexpr int site = 6, probe = 1;  // atomic numbers of what is nothing in particular
inline constexpr double vacuum_permittivity =
    1.0 / (12.566370614359172 * units::coulomb);  // e/(VÅ)

/// A model of these species whose parameters of the given names have the given values per species;
/// all others are as the options say.
template <class Q, class S>
Model<Q, S> make(std::vector<int> species, Q charges, S solver = S(),
                 const std::vector<std::pair<std::string, std::vector<double>>>& values = {},
                 double cutoff = 5.0) {
  Model<Q, S> model(Elements({.species = std::move(species), .cutoff = cutoff}), std::move(charges),
                    std::move(solver));
  std::vector<double> parameters(model.parameters().begin(), model.parameters().end());
  for (const auto& [name, value] : values) {
    const std::span<double> slice =
        model.layout().find(name).slice.of(std::span<double>(parameters));
    LEYDEN_EXPECTS(slice.size() == value.size());
    std::copy(value.begin(), value.end(), slice.begin());
  }
  model.set_parameters(parameters);
  return model;
}

/// y ~ x^exponent, by least squares of the logarithms.
inline double exponent(const std::vector<double>& x, const std::vector<double>& y) {
  const double n = static_cast<double>(x.size());
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const double a = std::log(x[k]), b = std::log(y[k]);
    sx += a, sy += b, sxx += a * a, sxy += a * b;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

// ---- A chain in a field.

inline constexpr double chain_spacing = 2.0;  // Å

inline Structure chain(int n) {
  Structure s;
  for (int i = 0; i < n; ++i) {
    s.atomic_numbers.push_back(site);
    s.positions.push_back({{chain_spacing * i, 0.0, 0.0}});
  }
  return s;
}
/// The polarizability along the chain, α/4πε₀ [Å³].
template <class P>
double polarizability(const P& model, int n) {
  typename P::Workspace workspace;
  Direction along;
  along.external_field = {{1.0, 0.0, 0.0}};
  return model.directional_derivative(chain(n), along, workspace).polarization[0] * units::coulomb;
}

inline auto chain_equilibration(double hardness) {
  return make<ChargeEquilibration, Direct>(
      {site},
      ChargeEquilibration({.widths = 1.0, .initial_hardness = hardness, .initial_weights = 0.0}));
}
inline auto chain_bonds() {
  BondHardnessOptions o;
  o.initial_weights = 0.0;
  o.initial_softness = 0.1;
  return make<BondHardness<0>, Direct>({site}, BondHardness<0>(o));
}
/// Two levels per atom, `gap`/2 below and above the Fermi level, and bonds.
inline auto chain_levels(double gap) {
  ResponseFunctionalOptions o;
  o.initial_weights = 0.0;
  o.temperature = 0.2;
  o.initial_level_size = 0.5;
  o.level_spread = gap;  // two levels start at half of it
  o.softness = false;
  o.bond_softness = true;
  o.initial_bond_softness = 0.1;
  return make<ResponseFunctional<0>, Direct>({site}, ResponseFunctional<0>(o));
}

// ---- Sodium and chlorine, pulled apart.

inline Structure salt(double distance, double total_charge) {
  Structure s;
  s.atomic_numbers = {11, 17};
  s.positions = {{{0.0, 0.0, 0.0}}, {{0.0, 0.0, distance}}};
  s.total_charge = total_charge;
  return s;
}
inline constexpr double salt_width = 1.5;                             // Å
inline const std::vector<double> salt_electronegativity{2.84, 8.28};  // V, (I + A)/2

inline auto salt_equilibration() {
  return make<ChargeEquilibration, Direct>(
      {11, 17},
      ChargeEquilibration({.widths = salt_width, .initial_hardness = 2.0, .initial_weights = 0.0}),
      Direct{}, {{"charge/electronegativity/bias", salt_electronegativity}});
}
/// Levels of one electron at minus the ionisation energy and minus the electron affinity; near each
/// other charge flows along a bond, driven by the same electronegativities.
inline auto salt_levels(double temperature) {
  ResponseFunctionalOptions o;
  o.widths = salt_width;
  o.initial_weights = 0.0;
  o.temperature = temperature;
  o.initial_level_size = 1.0;
  o.softness = false;
  o.electronegativity = true;
  o.bond_softness = true;
  o.initial_bond_softness = 0.2;
  o.bonds.cutoff = 5.0;
  // A level sees the potential less the electronegativity.
  const double na = salt_electronegativity[0], cl = salt_electronegativity[1];
  return make<ResponseFunctional<0>, Direct>(
      {11, 17}, ResponseFunctional<0>(o), Direct{},
      {{"charge/electronegativity/bias", salt_electronegativity},
       {"charge/base/bias", {-1.0, -1.0}},
       {"charge/level/0/position/bias", {na - 0.55, cl - 3.61}},
       {"charge/level/1/position/bias", {na - 5.14, cl - 12.97}}});
}

// ---- Slabs.

inline constexpr double slab_spacing = 2.5;  // Å, of a simple cubic lattice

/// `layers` layers of a simple cubic lattice upwards from z, (`side` × `side`) atoms each.
inline void add_slab(Structure& s, double z, int layers, int side) {
  for (int a = 0; a < 2; ++a) s.cell.vectors(a, a) = side * slab_spacing;
  s.cell.periodic = {true, true, false};
  for (int k = 0; k < layers; ++k)
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) {
        s.atomic_numbers.push_back(site);
        s.positions.push_back({{i * slab_spacing, j * slab_spacing, z + k * slab_spacing}});
      }
}
inline auto slab_metal() {
  return make<ChargeEquilibration, Reciprocal>(
      {site, probe},
      ChargeEquilibration({.widths = 1.0, .initial_hardness = 1.0, .initial_weights = 0.0}));
}
inline auto slab_insulator() {
  BondHardnessOptions o;
  o.initial_weights = 0.0;
  o.initial_softness = 0.1;
  o.formal_charges = true;
  return make<BondHardness<0>, Reciprocal>({site, probe}, BondHardness<0>(o));
}

/// Heights and the potential of everything there is, at the atoms of a slab of six layers in a
/// field of 0.1 V/Å along its normal.
template <class P>
std::vector<std::pair<double, double>> potential_in_field(const P& model) {
  Structure s;
  add_slab(s, -2.5 * slab_spacing, 6, 1);
  s.external_field = {{0.0, 0.0, 0.1}};
  typename P::Workspace workspace;
  const Prediction& p = model.evaluate(s, workspace, {false, false});
  std::vector<std::pair<double, double>> out;
  for (std::size_t i = 0; i < s.size(); ++i)
    out.emplace_back(s.positions[i][2], p.potentials[i] - s.external_field[2] * s.positions[i][2]);
  return out;
}

// ---- A charge above a plate.

inline auto plate_metal() {
  return make<ChargeEquilibration, Direct>(
      {site, probe},
      ChargeEquilibration({.widths = 1.0, .initial_hardness = 1.0, .initial_weights = 0.0}));
}
inline auto plate_insulator() {
  BondHardnessOptions o;
  o.initial_weights = 0.0;
  o.initial_softness = 0.1;
  o.formal_charges = true;
  return make<BondHardness<0>, Direct>({site, probe}, BondHardness<0>(o));
}
/// The potential of a charge of 0.1 e that is 3.5 Å above the middle of a plate, 3.5 Å below it, as
/// a fraction of what it is without the plate. A metal plate is grounded: its Fermi level is that
/// of nothing around it.
template <class P>
double transmission(const P& model) {
  constexpr bool metal = P::charge_model_type::exchanges_charge;
  double potential[2];
  for (int with_plate = 0; with_plate < 2; ++with_plate) {
    Structure s;
    const int side = 9, layers = with_plate ? 2 : 0;
    add_slab(s, 0.0, layers, side);
    s.cell = {};
    const int n = static_cast<int>(s.size());
    const double middle = (side / 2) * slab_spacing;
    s.atomic_numbers.insert(s.atomic_numbers.end(), 2, probe);
    s.positions.push_back({{middle, middle, slab_spacing + 3.5}});
    s.positions.push_back({{middle, middle, -3.5}});
    if (metal) {
      s.groups = {{{n}, 0.1, {}}, {{n + 1}, 0.0, {}}};
      if (with_plate) s.fermi_level = 0.0;
    } else {
      s.total_charge = 0.1;
      s.formal_charges.assign(s.size(), 0.0);
      s.formal_charges[static_cast<std::size_t>(n)] = 0.1;
    }
    typename P::Workspace workspace;
    potential[with_plate] = model.evaluate(s, workspace, {false, false}).potentials.back();
  }
  return potential[1] / potential[0];
}

// ---- Two slabs at different Fermi levels.

struct Capacitor {
  double charge_per_area = 0.0;  // e/Å², of the lower slab
  double potential_drop = 0.0;   // V, between the middle layers of the slabs
  double bias = 0.0;             // V, between the Fermi levels of the slabs
};
/// Two slabs of three layers, `gap` Å between their nearest atoms. Their Fermi levels are `bias`
/// apart and their charges opposite: together they are one system of charge zero, one half of which
/// is at an applied potential. (With both levels prescribed the total charge would be free, and a
/// slab has no lowest energy then: a charged sheet's potential falls without end.) With
/// `prescribed_charge` each slab is a charge group, and the bias is what follows.
template <class P>
Capacitor capacitor(const P& model, double gap, double bias, double prescribed_charge = 0.0) {
  Structure s;
  const double thickness = 2 * slab_spacing;
  add_slab(s, -gap / 2 - thickness, 3, 2);
  add_slab(s, gap / 2, 3, 2);
  const std::size_t half = s.size() / 2;
  if (prescribed_charge != 0.0) {
    s.groups.resize(2);
    for (std::size_t i = 0; i < 2 * half; ++i)
      s.groups[i / half].atoms.push_back(static_cast<int>(i));
    s.groups[0].total_charge = prescribed_charge;
    s.groups[1].total_charge = -prescribed_charge;
  } else {
    s.applied_potential.assign(s.size(), bias / 2);
    std::fill_n(s.applied_potential.begin(), half, -bias / 2);
  }
  typename P::Workspace workspace;
  const Prediction& p = model.evaluate(s, workspace, {false, false});
  Capacitor c;
  c.bias = prescribed_charge != 0.0 ? p.group_fermi_levels[1] - p.group_fermi_levels[0] : bias;
  const double area = 4 * slab_spacing * slab_spacing;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const bool lower = i < half,
               middle = std::abs(std::abs(s.positions[i][2]) - gap / 2 - slab_spacing) < 0.1;
    if (lower) c.charge_per_area += p.charges[i] / area;
    if (middle) c.potential_drop += (lower ? 0.25 : -0.25) * p.potentials[i];
  }
  return c;
}

// ---- A trap.

/// An atom with one level of `size` e at 0 V, at a Fermi level.
inline auto trap(double temperature, double size, SelfInteraction self) {
  ResponseFunctionalOptions o;
  o.initial_weights = 0.0;
  o.levels = 1;
  o.level_spread = 1.0;  // one level stands at 0
  o.temperature = temperature;
  o.initial_level_size = size;
  o.softness = false;
  return make<ResponseFunctional<0>, Direct>({site}, ResponseFunctional<0>(o), Direct(self),
                                             {{"charge/base/bias", {0.0}}});
}
template <class P>
double charge_at(const P& model, double fermi_level) {
  Structure s = chain(1);
  s.fermi_level = fermi_level;
  typename P::Workspace workspace;
  return model.evaluate(s, workspace, {false, false}).charges[0];
}
/// How far the Fermi level moves while the level fills from 10 % to 90 %.
template <class P>
double step_width(const P& model, double size) {
  const auto level_of = [&](double fraction) {  // charge falls with the Fermi level
    double low = -50.0, high = 50.0;
    for (int k = 0; k < 60; ++k) {
      const double middle = 0.5 * (low + high);
      (charge_at(model, middle) > fraction * size ? low : high) = middle;
    }
    return 0.5 * (low + high);
  };
  return level_of(0.1) - level_of(0.9);
}

// ---- Bonds that become hard.

/// Four ions with formal charges 0.8 and −0.8.
inline Structure ions() {
  Structure s;
  s.atomic_numbers = {11, 17, 11, 17};
  s.positions = {{{0.0, 0.1, 0.0}}, {{2.3, 0.0, 0.2}}, {{2.5, 2.4, 0.0}}, {{0.2, 2.2, -0.3}}};
  return s;
}
inline auto ion_bonds(double softness) {
  BondHardnessOptions o;
  o.initial_weights = 0.0;
  o.charges = {0.8, -0.8};
  o.initial_softness = softness;
  o.bonds.cutoff = 4.0;
  return make<BondHardness<0>, Direct>({11, 17}, BondHardness<0>(o), Direct{},
                                       {{"charge/electronegativity/bias", {2.84, 8.28}}});
}
inline auto ion_fixed() {
  return make<FixedCharges, Direct>({11, 17}, FixedCharges({{0.8, -0.8}, 1.0}));
}

}  // namespace physics
