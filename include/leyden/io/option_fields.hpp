// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/equilibration.hpp>
#include <leyden/charge/fixed.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/fourth_generation.hpp>
#include <leyden/charge/local.hpp>
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/charge/site.hpp>
#include <leyden/charge/split.hpp>
#include <leyden/descriptor/ace_options.hpp>
#include <leyden/descriptor/element.hpp>
#include <leyden/descriptor/mace_options.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/ewald_settings.hpp>
#include <leyden/electrostatics/jellium.hpp>
#include <leyden/electrostatics/particle_mesh_settings.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>
#include <leyden/io/specification.hpp>
#include <leyden/scf/outcome.hpp>

#if __has_include(<nlohmann/json.hpp>)

// What the options of all policies are called in model files; see specification.hpp. Keys are the
// members' names: renaming a member must not rename its key.
namespace leyden::inline LEYDEN_ABI {

constexpr EnumNames<MaceInteraction, 2> names(MaceInteraction) {
  return {{{MaceInteraction::linear, "linear"}, {MaceInteraction::nonlinear, "nonlinear"}}};
}
constexpr EnumNames<RadialBasis::Kind, 4> names(RadialBasis::Kind) {
  return {{{RadialBasis::Kind::bessel, "bessel"},
           {RadialBasis::Kind::chebyshev, "chebyshev"},
           {RadialBasis::Kind::gaussian, "gaussian"},
           {RadialBasis::Kind::chebyshev_of_distance, "chebyshev_of_distance"}}};
}
constexpr EnumNames<DistanceTransform::Kind, 3> names(DistanceTransform::Kind) {
  return {{{DistanceTransform::Kind::none, "none"},
           {DistanceTransform::Kind::agnesi, "agnesi"},
           {DistanceTransform::Kind::soft, "soft"}}};
}
constexpr EnumNames<HarmonicFrame, 2> names(HarmonicFrame) {
  return {{{HarmonicFrame::xyz, "xyz"}, {HarmonicFrame::yzx, "yzx"}}};
}
constexpr EnumNames<SelfInteraction, 2> names(SelfInteraction) {
  return {{{SelfInteraction::included, "included"}, {SelfInteraction::excluded, "excluded"}}};
}
constexpr EnumNames<Background, 2> names(Background) {
  return {{{Background::none, "none"}, {Background::uniform, "uniform"}}};
}
constexpr EnumNames<FukuiShares, 2> names(FukuiShares) {
  return {{{FukuiShares::positive, "positive"}, {FukuiShares::signed_sum, "signed_sum"}}};
}
constexpr EnumNames<Splitting::Kind, 2> names(Splitting::Kind) {
  return {{{Splitting::Kind::gaussian, "gaussian"}, {Splitting::Kind::prolate, "prolate"}}};
}
constexpr EnumNames<MeshSplitting, 4> names(MeshSplitting) {
  return {{{MeshSplitting::automatic, "automatic"},
           {MeshSplitting::prolate, "prolate"},
           {MeshSplitting::gaussian, "gaussian"},
           {MeshSplitting::none, "none"}}};
}
constexpr EnumNames<MeshWindowChoice, 3> names(MeshWindowChoice) {
  return {{{MeshWindowChoice::automatic, "automatic"},
           {MeshWindowChoice::spline, "spline"},
           {MeshWindowChoice::prolate, "prolate"}}};
}
constexpr EnumNames<ScfMethod, 3> names(ScfMethod) {
  return {{{ScfMethod::newton, "newton"},
           {ScfMethod::anderson, "anderson"},
           {ScfMethod::linear, "linear"}}};
}
constexpr EnumNames<Differentiation, 2> names(Differentiation) {
  return {{{Differentiation::implicit, "implicit"}, {Differentiation::unrolled, "unrolled"}}};
}

// ---- descriptors ----

template <class V>
void fields(V& v, DistanceTransform& o) {
  v("kind", o.kind);
  v("a", o.a);
  v("q", o.q);
  v("p", o.p);
  v("alpha", o.alpha);
}
template <class V>
void fields(V& v, ZblRepulsion& o) {
  v("envelope_order", o.envelope_order);
  v("screening_exponent", o.screening_exponent);
  v("screening_prefactor", o.screening_prefactor);
  v("coefficients", o.coefficients);
}
template <class V>
void fields(V& v, MaceOptions& o) {
  v("species", o.species);
  v("cutoff", o.cutoff);
  v("channels", o.channels);
  v("layers", o.layers);
  v("radial_kind", o.radial_kind);
  v("radial_count", o.radial_count);
  v("radial_frequencies", o.radial_frequencies);
  v("distance_transform", o.distance_transform);
  v("envelope_order", o.envelope_order);
  v("radial_hidden", o.radial_hidden);
  v("radial_knots", o.radial_knots);
  v("readout_width", o.readout_width);
  v("residual_first", o.residual_first);
  v("average_neighbors", o.average_neighbors);
  v("density_normalized", o.density_normalized);
  v("atomic_energies", o.atomic_energies);
  v("scale", o.scale);
  v("shift", o.shift);
  v("heads", o.heads);
  v("head", o.head);
  v("head_scales", o.head_scales);
  v("head_shifts", o.head_shifts);
  v("repulsion", o.repulsion);
  v("covalent_radii", o.covalent_radii);
  v("agnostic_product", o.agnostic_product);
  v("keep_last_irreps", o.keep_last_irreps);
  v("frame", o.frame);
  v("edge_channels", o.edge_channels);
  v("smooth_cutoff", o.smooth_cutoff);
  v("radial_tolerance", o.radial_tolerance);
  v("training_knots", o.training_knots);
  v("envelope_on_messages", o.envelope_on_messages);
}
template <class V>
void fields(V& v, AceOptions& o) {
  v("species", o.species);
  v("cutoff", o.cutoff);
  v("channels", o.channels);
  v("radial_kind", o.radial_kind);
  v("radial_count", o.radial_count);
  v("radial_frequencies", o.radial_frequencies);
  v("distance_transform", o.distance_transform);
  v("envelope_order", o.envelope_order);
  v("average_neighbors", o.average_neighbors);
  v("features", o.features);
  v("atomic_energies", o.atomic_energies);
  v("scale", o.scale);
  v("shift", o.shift);
  v("repulsion", o.repulsion);
  v("covalent_radii", o.covalent_radii);
}
template <class V>
void fields(V& v, ElementsOptions& o) {
  v("species", o.species);
  v("cutoff", o.cutoff);
  v("atomic_energies", o.atomic_energies);
}

// ---- charge models ----

template <class V>
void fields(V& v, BondRange& o) {
  v("cutoff", o.cutoff);
  v("radial", o.radial);
}
/// One width for all, or one per species; a number stands for a list of one.
template <class V>
void width_field(V& v, GaussianWidths& widths) {
  if constexpr (requires { v.has_number("widths"); })
    if (v.has_number("widths")) {
      double all = 0.0;
      v("widths", all);
      widths = all;
      return;
    }
  std::vector<double> values = widths.values();
  v("widths", values);
  widths = GaussianWidths(std::move(values));
}
template <class V>
void fields(V& v, FixedChargesOptions& o) {
  v("charges", o.charges);
  width_field(v, o.widths);
  v("trained", o.trained);
  v("from_structure", o.from_structure);
}
template <class V>
void fields(V& v, SiteChargesOptions& o) {
  width_field(v, o.widths);
}
template <class V>
void fields(V& v, LocalMultipolesOptions& o) {
  width_field(v, o.widths);
  v("charges", o.charges);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
}
template <class V>
void fields(V& v, SplitChargesOptions& o) {
  width_field(v, o.widths);
  v("charges", o.charges);
  v("from_structure", o.from_structure);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
  v("cutoff", o.cutoff);
  v("radial", o.radial);
}
template <class V>
void fields(V& v, ChargeEquilibrationOptions& o) {
  width_field(v, o.widths);
  v("initial_hardness", o.initial_hardness);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
  v("initial_polarizability", o.initial_polarizability);
}
template <class V>
void fields(V& v, FourthGenerationOptions& o) {
  v("equilibration", o.equilibration);
  v("terms", o.terms);
  v("term_slope", o.term_slope);
  v("initial_weights", o.initial_weights);
}
template <class V>
void fields(V& v, BondHardnessOptions& o) {
  width_field(v, o.widths);
  v("charges", o.charges);
  v("formal_charges", o.formal_charges);
  v("learned_base", o.learned_base);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
  v("initial_softness", o.initial_softness);
  v("initial_hardness", o.initial_hardness);
  v("initial_polarizability", o.initial_polarizability);
  v("bonds", o.bonds);
}
template <class V>
void fields(V& v, EnergyFunctionalOptions& o) {
  width_field(v, o.widths);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
  v("initial_hardness", o.initial_hardness);
  v("initial_polarizability", o.initial_polarizability);
  v("kinks", o.kinks);
  v("initial_kink", o.initial_kink);
  v("kink_spread", o.kink_spread);
  v("wells", o.wells);
  v("charge_width", o.charge_width);
  v("dipoles", o.dipoles);
  v("bond_hardness", o.bond_hardness);
  v("initial_bond_hardness", o.initial_bond_hardness);
  v("bond_sum_hardness", o.bond_sum_hardness);
  v("initial_bond_sum_hardness", o.initial_bond_sum_hardness);
  v("bond_kinks", o.bond_kinks);
  v("initial_bond_kink", o.initial_bond_kink);
  v("bonds", o.bonds);
}
template <class V>
void fields(V& v, FixedPointOptions& o) {
  width_field(v, o.widths);
  v("charges", o.charges);
  v("feature_widths", o.feature_widths);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
  v("softness", o.softness);
  v("initial_softness", o.initial_softness);
  v("polarizability", o.polarizability);
  v("initial_polarizability", o.initial_polarizability);
  v("coupling", o.coupling);
  v("coupling_scale", o.coupling_scale);
  v("terms", o.terms);
  v("term_slope", o.term_slope);
  v("term_scale", o.term_scale);
  v("bond_transfer", o.bond_transfer);
  v("initial_bond_transfer", o.initial_bond_transfer);
  v("bond_cross", o.bond_cross);
  v("bonds", o.bonds);
  v("readout_terms", o.readout_terms);
}
template <class V>
void fields(V& v, PolarRecursionOptions& o) {
  width_field(v, o.widths);
  v("feature_l_max", o.feature_l_max);
  v("feature_widths", o.feature_widths);
  v("feature_norms", o.feature_norms);
  v("feature_self", o.feature_self);
  v("steps", o.steps);
  v("shared_steps", o.shared_steps);
  v("fukui", o.fukui);
  v("fukui_width", o.fukui_width);
  v("step_hidden", o.step_hidden);
  v("readout_channels", o.readout_channels);
  v("local_electron_energy", o.local_electron_energy);
  v("energy_hidden", o.energy_hidden);
  v("initial_weights", o.initial_weights);
}
template <class V>
void fields(V& v, ResponseFunctionalOptions& o) {
  width_field(v, o.widths);
  v("charges", o.charges);
  v("species_weights", o.species_weights);
  v("initial_weights", o.initial_weights);
  v("levels", o.levels);
  v("temperature", o.temperature);
  v("initial_level_size", o.initial_level_size);
  v("level_spread", o.level_spread);
  v("level_dipoles", o.level_dipoles);
  v("softness", o.softness);
  v("initial_softness", o.initial_softness);
  v("polarizability", o.polarizability);
  v("initial_polarizability", o.initial_polarizability);
  v("electronegativity", o.electronegativity);
  v("hardness", o.hardness);
  v("initial_hardness", o.initial_hardness);
  v("bond_softness", o.bond_softness);
  v("initial_bond_softness", o.initial_bond_softness);
  v("bond_saturation", o.bond_saturation);
  v("initial_bond_saturation", o.initial_bond_saturation);
  v("bond_temperature", o.bond_temperature);
  v("bonds", o.bonds);
}
template <class V>
void fields(V& v, ScfOptions& o) {
  v("method", o.method);
  v("tolerance", o.tolerance);
  v("max_iterations", o.max_iterations);
  v("mixing", o.mixing);
  v("history", o.history);
  v("dense_limit", o.dense_limit);
  v("krylov_tolerance", o.krylov_tolerance);
  v("krylov_iterations", o.krylov_iterations);
  v("throw_on_failure", o.throw_on_failure);
  v("warm_start", o.warm_start);
  v("preconditioner_steps", o.preconditioner_steps);
  v("differentiation", o.differentiation);
  v("unrolled_steps", o.unrolled_steps);
}

// ---- solvers ----

template <class V>
void fields(V& v, DirectOptions& o) {
  v("self", o.self);
  v("memory", o.memory);
}
template <class V>
void fields(V& v, ReciprocalOptions& o) {
  v("accuracy", o.accuracy);
  v("k_cutoff", o.k_cutoff);
  v("background", o.background);
  v("self", o.self);
  v("feature_width", o.feature_width);
}
template <class V>
void fields(V& v, EwaldOptions& o) {
  v("accuracy", o.accuracy);
  v("cutoff", o.cutoff);
  v("skin", o.skin);
  v("splitting", o.splitting);
  v("split_parameter", o.split_parameter);
  v("k_cutoff", o.k_cutoff);
  v("background", o.background);
  v("self", o.self);
  v("feature_width", o.feature_width);
}
template <class V>
void fields(V& v, ParticleMeshOptions& o) {
  v("accuracy", o.accuracy);
  v("splitting", o.splitting);
  v("cutoff", o.cutoff);
  v("skin", o.skin);
  v("split_parameter", o.split_parameter);
  v("window", o.window);
  v("order", o.order);
  v("window_parameter", o.window_parameter);
  v("spacing", o.spacing);
  v("size", o.size);
  v("background", o.background);
  v("self", o.self);
  v("feature_width", o.feature_width);
}
template <class V>
void fields(V& v, ReferenceElectrostaticsOptions& o) {
  v("k_cutoff", o.k_cutoff);
  v("k_cutoff_factor", o.k_cutoff_factor);
  v("smallest_feature_width", o.smallest_feature_width);
  v("feature_l_max", o.feature_l_max);
  v("self", o.self);
  v("boundary_corrections", o.boundary_corrections);
  v("periodic_molecules", o.periodic_molecules);
  v("replace_open_vectors", o.replace_open_vectors);
}
template <class V>
void fields(V& v, JelliumOptions& o) {
  v("center", o.center);
  v("width", o.width);
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
