// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/descriptor/radial.hpp>
#include <leyden/descriptor/zbl.hpp>
#include <leyden/equivariant/features.hpp>

#include <optional>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// How a layer of a MACE makes its atomic basis; names in brackets are those of published files.
///
/// - linear: sums over neighbours, mixed [RealAgnosticInteractionBlock,
///   RealAgnosticResidualInteractionBlock; with density_normalized
///   RealAgnosticDensityInteractionBlock, RealAgnosticDensityResidualInteractionBlock];
/// - nonlinear: radial weights know both species, sums are divided by a learned density and gated
///   [RealAgnosticResidualNonLinearInteractionBlock].
enum class MaceInteraction { linear, nonlinear };

/// What the kernels of a MACE are compiled for.
struct MaceShape {
  int l_max = 3;        ///< highest l of the edges' harmonics and of the atomic basis, 1 … 4
  int correlation = 3;  ///< highest power of the atomic basis in the product, 1 … 4
  int hidden_l = 1;     ///< highest l of the messages between layers, 0 … 2
  MaceInteraction interaction = MaceInteraction::linear;
  int edge_l = -1;  ///< highest l of what is sent along edges; -1: hidden_l [edge_irreps]
};

/// What a MACE is built from; the numbers that training data decide have neutral defaults.
struct MaceOptions {
  std::vector<int> species{};  ///< atomic numbers; their order is that of the weights
  double cutoff = 5.0;         ///< Å
  int channels = 16;
  int layers = 2;
  RadialBasis::Kind radial_kind = RadialBasis::Kind::bessel;
  int radial_count = 8;
  std::vector<double> radial_frequencies{};  ///< of bessel, 1/Å; empty: n π/cutoff
  DistanceTransform distance_transform{};    ///< of what the radial basis sees
  int envelope_order = 5;
  std::vector<int> radial_hidden{64, 64, 64};
  /// Linear layers: 0, or the number of knots, at least 2, of cubic splines on 0 … cutoff that are
  /// the radial functions of each pair of species, in place of basis and network (at most 5
  /// species). They are evaluated, not trained.
  int radial_knots = 0;
  int readout_width = 16;
  bool residual_first = false;     ///< the first layer passes its input on (and mixes by species);
                                   ///< nonlinear layers always do
  double average_neighbors = 1.0;  ///< linear layers divide their sums by it
  /// Linear layers: … by 1 + a learned density instead (EdgeDensity).
  bool density_normalized = false;
  std::vector<double> atomic_energies{};  ///< E0 per species (of each head), eV; empty: zero
  double scale = 1.0;                     ///< eV
  double shift = 0.0;                     ///< eV per atom
  /// Readouts that share all layers. An evaluation uses that of the tape, or `head`.
  int heads = 1;
  int head = 0;                       ///< 0 … heads − 1
  std::vector<double> head_scales{};  ///< eV, per head; empty: scale
  std::vector<double> head_shifts{};  ///< eV per atom, per head; empty: shift
  /// Added to the site energies before they are scaled and shifted. Its envelope_order is that of
  /// the model in published files.
  std::optional<ZblRepulsion> repulsion{};
  /// R per species, Å, of the distance transform and the repulsion; empty: covalent_radius().
  std::vector<double> covalent_radii{};
  /// The product has one set of weights, not one per species [use_agnostic_product].
  bool agnostic_product = false;
  /// The last layer keeps l > 0 as well [keep_last_layer_irreps].
  bool keep_last_irreps = false;
  /// Order of components of l = 1; (y, z, x) is PolarMACE's.
  HarmonicFrame frame = HarmonicFrame::xyz;
  /// Layers after the first: channels of what is sent along edges; 0: all [edge_irreps].
  int edge_channels = 0;
  /// Nonlinear layers: messages fade at the cutoff [apply_cutoff = False]. Without it only the
  /// radial basis does [apply_cutoff = True]: a network with biases makes something of zeros, and
  /// the energy jumps where an atom crosses the cutoff. Linear layers always fade.
  bool smooth_cutoff = true;
  /// Linear layers, where no gradient by parameters is asked for: radial functions come from
  /// tables, whose slopes are off by at most this (float: 4e-6), relative to the largest of the
  /// layer; 0: no tables. Distances below a tenth of the cutoff or 0.4 Å, and models with tables
  /// for more than 16 pairs of species, use the radial networks themselves.
  double radial_tolerance = 1e-9;
  /// Linear layers whose networks read the distance alone: while training (Tape::training), radial
  /// functions are cubic between so many knots on 0 … cutoff, and gradients are those of the
  /// functions as interpolated. 0: the networks run for each pair of atoms.
  int training_knots = 96;
  /// Linear layers: messages have the envelope, and not the radial basis [apply_cutoff = False].
  bool envelope_on_messages = false;
};

}  // namespace leyden::inline LEYDEN_ABI
