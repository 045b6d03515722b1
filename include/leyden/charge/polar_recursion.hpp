// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/polar_blocks.hpp>
#include <leyden/charge/spin_projection.hpp>
#include <leyden/charge/widths.hpp>
#include <leyden/electrostatics/external_field.hpp>
#include <leyden/electrostatics/multipoles.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What PolarRecursion is built from; names in brackets are those of PolarMACE's files.
struct PolarRecursionOptions {
  GaussianWidths widths = 1.5;  ///< Å, of the densities [atomic_multipoles_smearing_width]
  int feature_l_max = 1;        ///< 0: the potential; 1: its gradient as well [field_feature_max_l]
  std::vector<double> feature_widths{1.5, 3.0};  ///< Å [field_feature_widths]
  /// What features are divided by, (l, width), l outside; empty: one [field_feature_norms].
  std::vector<double> feature_norms;
  /// Whether features hold the potential of the atom's own density [field_si].
  SelfInteraction feature_self = SelfInteraction::excluded;
  int steps = 2;                              ///< [num_recursion_steps]
  bool shared_steps = false;                  ///< one set of weights for all steps
  FukuiShares fukui = FukuiShares::positive;  ///< published weights: signed_sum
  int fukui_width = 16;                       ///< hidden channels of the first Fukui numbers [MLP]
  std::vector<int> step_hidden{64, 64, 64};   ///< hidden layers of a step's network
  int readout_channels = 32;                  ///< of a step's gated readout
  bool local_electron_energy = true;          ///< [add_local_electron_energy]
  std::vector<int> energy_hidden{128, 128, 128};  ///< hidden layers of its network
  double initial_weights = 0.1;  ///< standard deviation of what makes densities and energies
};

/// The charge model of MACE-POLAR: two spin densities of Gaussian multipoles are read from the
/// features, then changed by a few learned steps that look at the potential each of them makes.
///
///     ρ = Σ_layers Linear(x),   then n times:   ρ_s += u_s(X, P[ρ], ρ),   P = features of K ρ_s
///                                                and half of the applied potential,
///
/// after each of which learned Fukui functions bring the electrons of each spin to their number,
/// Q_(α,β) = (Q ± S)/2, S = multiplicity − 1. The density is p = ρ_α + ρ_β. A local electron energy
/// of every atom, read from ρ and P, comes on top of ½ pᵀKp and the energy in the applied field.
/// Steps are plain unrolled functions with weights of their own: nothing is converged. With shared
/// weights the steps iterate one map, and a density that a step does not change is its fixed point.
///
/// Source: the PolarMACE model of ACEsuit/mace, restated from its formulas; Fukui projection after
/// Geerlings et al., Chem. Rev. 103, 1793 (2003).
///
/// All layers must have the same irreps. The field enters the potential features with positions
/// relative to the barycentre. By default positions are taken as given, also along periodic
/// directions, as the published models do: the result then depends on which image of an atom is
/// given. With FieldImages::between_planes it does not; see external_potential.
/// Potentials on single atoms (applied_potential) act on the energy of the density; the steps do
/// not see them.
///
/// Parameters are named charge/…; each slice keeps the order of numbers of the published files.
template <int L, FieldImages images = FieldImages::as_given>
class PolarRecursion {
  static_assert(L == 0 || L == 1, "PolarRecursion: l_max is 0 (charges) or 1 (and dipoles)");
  static constexpr std::size_t size = static_cast<std::size_t>((L + 1) * (L + 1));

 public:
  static constexpr std::string_view name =
      L == 0 ? "polar recursion, charges" : "polar recursion, charges and dipoles";
  static constexpr ChargeKind kind = ChargeKind::recursion;
  static constexpr int l_max = L;
  static constexpr bool conserves_charge = true;
  static constexpr FieldImages field_images = images;

  /// All memory of one structure.
  template <Number T>
  struct Tape {
    /// A density on its way: after the projection of each step.
    struct Stage {
      SpinDensities<T> density;
      SpinProjectionTape<T> projection;
    };
    struct Step {
      IrrepRows<T> density, potential;
      typename PolarUpdate<L>::template Tape<T> update;
    };
    std::vector<IrrepRows<T>> layers;
    IrrepRows<T> sources, features;  // Σ Linear(x): densities; X
    FukuiReadout::Tape<T> fukui;
    std::vector<Stage> stages;  // steps + 1
    std::vector<Step> steps;
    IrrepRows<T> density_sum;  // first and last density
    ElectronEnergy::Tape<T> energy;
    std::vector<Vector3<T>> positions;  // relative to the barycentre
    std::vector<T> potential;           // (widths, n, size of features)

    std::vector<IrrepRows<T>> layers_bar;
    IrrepRows<T> sources_bar, features_bar, fukui_bar, potential_bar, rows_bar, out_bar;
    SpinDensities<T> density_bar, first_density_bar;
    std::vector<T> field_bar;  // (n) of the applied potential
    Vector3<T> gradient_bar;   // of its gradient
    PolarScratch<T> scratch;

    /// Coefficients of the density of spin 0 (α) or 1 (β), (n·size).
    const std::vector<T>& spin_density(std::size_t spin) const {
      return stages.back().density[spin];
    }
  };

  explicit PolarRecursion(PolarRecursionOptions options = {}) : options_(std::move(options)) {}

  const PolarRecursionOptions& options() const { return options_; }

  /// @throws ModelError for options that make no sense, layers with different irreps, and features
  /// without l = 1 where there are dipoles.
  void declare(ParameterLayout& layout, std::span<const FeatureShape> shapes,
               std::span<const int> species);
  void prepare(std::span<const double> parameters);
  void widths(std::span<const int> species, std::span<double> out) const {
    options_.widths.fill(species, out);
  }

  /// Sets p (n·size), the total density, and site_energies (n), the local electron energies [eV].
  /// The input must have structure and geometry. The plan is that of the sources' widths.
  template <Number T, class S>
  void forward(const ChargeInput<T>& input, const S& solver,
               const typename S::template Plan<T>& plan, std::span<T> p, std::span<T> site_energies,
               Tape<T>& tape) const;

  /// Adds the cotangents of the last forward on this tape: those of p (p_bar, n·size) and of the
  /// sum of the site energies (energy_bar). What reaches the geometry through potentials and the
  /// field goes to bar.geometry; bar.external_field is added to.
  template <Number T, class S>
  void backward(const ChargeInput<T>& input, const S& solver,
                const typename S::template Plan<T>& plan, std::span<const T> p_bar, T energy_bar,
                Tape<T>& tape, InputCotangents<T> bar) const;

 private:
  PotentialFeatures feature_shape() const {
    return {options_.feature_l_max, options_.feature_widths, options_.feature_self};
  }
  const PolarUpdate<L>& update(int step) const {
    return updates_[options_.shared_steps ? 0 : static_cast<std::size_t>(step)];
  }
  /// Volts (and V/Å) to features.
  double feature_factor(int l, std::size_t width) const {
    const std::size_t n = options_.feature_widths.size();
    const double norm = options_.feature_norms.empty()
                            ? 1.0
                            : options_.feature_norms[static_cast<std::size_t>(l) * n + width];
    return receiver_normalization(l, options_.feature_widths[width]) / norm;
  }
  /// Visits (index in the solver's features, l, m, channel, factor) of an atom and a spin.
  template <class Visit>
  void for_each_feature(std::size_t n_atoms, std::size_t atom, int spin, Visit&& visit) const;

  template <Number T>
  void load_positions(const ChargeInput<T>& input, Tape<T>& tape) const;
  /// Densities into the first two channels of rows, and back (added).
  template <Number T>
  static void store_density(const SpinDensities<T>& density, IrrepRows<T>& rows);
  template <Number T>
  static void add_density(const IrrepRows<T>& rows, SpinDensities<T>& density);
  template <Number T, class S>
  void load_potential(const ChargeInput<T>& input, const S& solver,
                      const typename S::template Plan<T>& plan, const SpinDensities<T>& density,
                      IrrepRows<T>& rows, Tape<T>& tape) const;
  template <Number T, class S>
  void potential_backward(const S& solver, const typename S::template Plan<T>& plan,
                          const SpinDensities<T>& density, const IrrepRows<T>& rows_bar,
                          SpinDensities<T>& density_bar, Tape<T>& tape,
                          GeometryGradient<T>* geometry) const;
  template <Number T>
  void field_backward(const ChargeInput<T>& input, Tape<T>& tape,
                      const InputCotangents<T>& bar) const;

  PolarRecursionOptions options_;
  PolarShape shape_;
  RowChannels potential_channels_{};
  std::vector<IrrepLinear> sources_, mixers_;  // of each layer
  FukuiReadout fukui_;
  std::vector<PolarUpdate<L>> updates_;
  ElectronEnergy energy_;
};

static_assert(ChargeModel<PolarRecursion<0>>);
static_assert(ChargeModel<PolarRecursion<1>>);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/charge/polar_recursion_impl.hpp>
