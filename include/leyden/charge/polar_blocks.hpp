// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/equivariant/channel_products.hpp>
#include <leyden/equivariant/gate.hpp>
#include <leyden/equivariant/normed_perceptron.hpp>

#include <span>
#include <string>
#include <vector>

/// The networks of PolarRecursion: functions of one atom, run on all atoms at once.
namespace leyden::inline LEYDEN_ABI {

/// Sizes that all of them share.
struct PolarShape {
  int channels = 0;       ///< of the features, the same for each l = 0 … l_max
  int l_max = 0;          ///< of the features
  int n_widths = 0;       ///< potential features per spin and m
  int feature_l_max = 0;  ///< of potential features
  int density_l_max = 0;  ///< of the densities
  int n_species = 0;

  IrrepSlots features() const { return uniform_irreps(channels, l_max); }
  /// (n_widths × l …) of α, then of β.
  IrrepSlots potential() const { return spins(n_widths, feature_l_max); }
  /// (1 × l …) of α, then of β.
  IrrepSlots density() const { return spins(1, density_l_max); }

 private:
  static IrrepSlots spins(int copies, int l_max) {
    IrrepSlots slots;
    for (int s = 0; s < 2; ++s)
      for (int l = 0; l <= l_max; ++l) slots.add(copies, l);
    return slots;
  }
};

namespace detail {

// Inputs of a network that reads two groups of C channels, the second from a whole pack on.
inline std::vector<int> two_groups(int channels) {
  std::vector<int> places;
  for (int g = 0; g < 2; ++g)
    for (int c = 0; c < channels; ++c) places.push_back(g * whole_tiles(channels) + c);
  return places;
}
inline int two_groups_channels(int channels) { return whole_tiles(channels) + channels; }
template <Number T>
std::size_t second_group(int channels) {
  return static_cast<std::size_t>(whole_tiles(channels) / Pack<T>::lanes);
}
template <Number T>
std::size_t two_groups_tiles(int channels) {
  return static_cast<std::size_t>(pack_count<T>(two_groups_channels(channels)));
}

}  // namespace detail

/// One vector of channels per species, W[z]/√(number of species): a linear map of the one-hot
/// species. One slice, (species, channels).
class SpeciesRows {
 public:
  SpeciesRows() = default;
  SpeciesRows(int n_species, int channels) : n_species_(n_species), channels_(channels) {}

  void declare(ParameterLayout& layout, const std::string& prefix) {
    weight_ =
        layout.add(prefix + "weight", {n_species_, channels_}, Initializer::normal(1.0), true);
  }
  void prepare(std::span<const double> parameters) {
    fill(double_, weight_.of(parameters));
    fill(float_, weight_.of(parameters));
  }
  /// Writes the pack_count(channels) packs of a species.
  template <Number T>
  void forward(int species, Pack<T>* out) const {
    const int tiles = pack_count<T>(channels_);
    const auto* from = table<RealOf<T>>().data() + static_cast<std::ptrdiff_t>(species) * tiles;
    for (int t = 0; t < tiles; ++t) out[t] = Pack<T>(from[t]);
  }
  template <Number T>
  void backward(int species, const Pack<T>* out_bar, std::span<double> parameter_gradient) const {
    const std::span<double> bar = weight_.of(parameter_gradient);
    for (int c = 0; c < channels_; ++c)
      bar[static_cast<std::size_t>(species * channels_ + c)] +=
          gradient_part(lane_of(out_bar, c)) * scale();
  }

 private:
  double scale() const { return 1.0 / std::sqrt(n_species_); }
  template <std::floating_point R>
  const Buffer<Pack<R>>& table() const {
    if constexpr (std::same_as<R, double>)
      return double_;
    else
      return float_;
  }
  template <std::floating_point R>
  void fill(Buffer<Pack<R>>& to, std::span<const double> from) const {
    const int tiles = pack_count<R>(channels_);
    to.assign(static_cast<std::size_t>(n_species_ * tiles), Pack<R>());
    for (int z = 0; z < n_species_; ++z)
      for (int c = 0; c < channels_; ++c)
        to[static_cast<std::size_t>(z * tiles + c / Pack<R>::lanes)].set_lane(
            c % Pack<R>::lanes,
            static_cast<R>(scale() * from[static_cast<std::size_t>(z * channels_ + c)]));
  }

  int n_species_ = 0, channels_ = 0;
  Slice weight_;
  Buffer<Pack<double>> double_;
  Buffer<Pack<float>> float_;
};

/// What the blocks' adjoints work in, shared by all of them.
template <Number T>
struct PolarScratch {
  RowMapScratch<T> rows;
  IrrepRows<T> mixed_bar, scaled_bar;
  std::array<IrrepRows<T>, 2> before_bar, gated_bar;
  Buffer<Pack<T>> network_bar, factor_bar;
};

/// The first Fukui numbers, two per atom: linear → c silu → linear + b → c silu → linear + b, from
/// the scalars of the last layer.
class FukuiReadout {
 public:
  template <Number T>
  struct Tape {
    std::array<IrrepRows<T>, 2> before, after;
    IrrepRows<T> out;
  };

  FukuiReadout() = default;
  FukuiReadout(const PolarShape& shape, int width) {
    IrrepSlots hidden, out;
    hidden.add(width, 0);
    out.add(2, 0);
    gate_.channels = width;
    linear_ = {IrrepLinear(shape.features(), hidden), IrrepLinear(hidden, hidden, true),
               IrrepLinear(hidden, out, true)};
  }
  void declare(ParameterLayout& layout, const std::string& prefix) {
    for (std::size_t k = 0; k < 3; ++k)
      linear_[k].declare(layout, prefix + std::to_string(k) + "/");
  }
  void prepare(std::span<const double> parameters) {
    for (auto& l : linear_) l.prepare(parameters);
  }

  template <Number T>
  void forward(const IrrepRows<T>& x, Tape<T>& tape) const {
    for (std::size_t k = 0; k < 2; ++k) {
      linear_[k].forward(k == 0 ? x : tape.after[0], tape.before[k], false);
      gate_.forward(tape.before[k], tape.after[k]);
    }
    linear_[2].forward(tape.after[1], tape.out, false);
  }
  template <Number T>
  void backward(const IrrepRows<T>& x, const IrrepRows<T>& out_bar, IrrepRows<T>& x_bar,
                Tape<T>& tape, std::span<double> parameter_gradient,
                PolarScratch<T>& scratch) const {
    for (std::size_t k = 3; k-- > 0;) {
      const IrrepRows<T>& in = k == 0 ? x : tape.after[k - 1];
      IrrepRows<T>& in_bar = k == 0 ? x_bar : scratch.gated_bar[k - 1];
      if (k > 0) in_bar.assign_zero(in.n_atoms, in.channels);
      linear_[k].backward(in, k == 2 ? out_bar : scratch.before_bar[k], &in_bar, parameter_gradient,
                          scratch.rows);
      if (k > 0) gate_.backward(tape.before[k - 1], in_bar, scratch.before_bar[k - 1]);
    }
  }

 private:
  Gate<0> gate_;
  std::array<IrrepLinear, 3> linear_;
};

/// One step of the recursion: from features X, potential features P and densities ρ of an atom the
/// change of its densities and two Fukui numbers,
///
///     M = Linear(P) + Linear(X) + Linear(ρ),   g = network(⟨X, M⟩, species),
///     out = readout(X ⊙ W g),   readout: linear, gate, linear, gate, linear.
///
/// `out` holds, for l = 0, the channels (α, β, Fα, Fβ), for l = 1 (α, β).
template <int L>
class PolarUpdate {
 public:
  template <Number T>
  struct Tape {
    IrrepRows<T> mixed, mapped, scaled;
    Buffer<Pack<T>> invariants, factor;  // inputs and outputs of the network
    NormedPerceptron::Tape<T> network;
    ChannelScaling::Tape<T> scaling;
    std::array<IrrepRows<T>, 2> before, gated;
    IrrepRows<T> out;
  };

  PolarUpdate() = default;
  PolarUpdate(const PolarShape& shape, const std::vector<int>& hidden, int readout_channels)
      : channels_(shape.channels),
        potential_(shape.potential(), shape.features()),
        features_(shape.features(), shape.features()),
        density_(shape.density(), shape.features()),
        dot_(shape.channels, shape.l_max),
        species_(shape.n_species, shape.channels),
        network_(detail::two_groups(shape.channels), detail::two_groups_channels(shape.channels),
                 hidden, shape.channels),
        scaling_(shape.channels, shape.l_max),
        gate_{readout_channels} {
    IrrepSlots out = shape.density();
    out.add(2, 0);
    readout_ = {IrrepLinear(shape.features(), gate_.before()),
                IrrepLinear(gate_.after(), gate_.before(), true),
                IrrepLinear(gate_.after(), out, true)};
  }

  void declare(ParameterLayout& layout, const std::string& prefix, double initial_weights) {
    potential_.declare(layout, prefix + "potential/");
    features_.declare(layout, prefix + "features/");
    density_.declare(layout, prefix + "density/");
    dot_.declare(layout, prefix + "dot/");
    species_.declare(layout, prefix + "species/");
    network_.declare(layout, prefix + "network/");
    scaling_.declare(layout, prefix + "scaling/");
    for (std::size_t k = 0; k < 3; ++k)
      readout_[k].declare(layout, prefix + "readout" + std::to_string(k) + "/",
                          k == 2 ? initial_weights : 1.0);
  }
  void prepare(std::span<const double> parameters) {
    potential_.prepare(parameters);
    features_.prepare(parameters);
    density_.prepare(parameters);
    dot_.prepare(parameters);
    species_.prepare(parameters);
    network_.prepare(parameters);
    scaling_.prepare(parameters);
    for (auto& r : readout_) r.prepare(parameters);
  }

  /// Sets tape.out.
  template <Number T>
  void forward(const IrrepRows<T>& x, const IrrepRows<T>& potential, const IrrepRows<T>& density,
               std::span<const int> species, Tape<T>& tape) const {
    const std::size_t n = species.size(), stride = detail::two_groups_tiles<T>(channels_);
    potential_.forward(potential, tape.mixed, false);
    features_.forward(x, tape.mixed, true);
    density_.forward(density, tape.mixed, true);
    tape.invariants.assign(n * stride, Pack<T>());
    dot_.forward(x, tape.mixed, tape.mapped, tape.invariants.data(), stride);
    for (std::size_t i = 0; i < n; ++i)
      species_.template forward<T>(
          species[i], tape.invariants.data() + i * stride + detail::second_group<T>(channels_));
    tape.factor.resize(n * x.tiles(0));
    network_.template forward<T>(n, tape.invariants.data(), tape.factor.data(), tape.network);
    scaling_.forward(x, tape.factor.data(), tape.scaled, tape.scaling);
    for (std::size_t k = 0; k < 2; ++k) {
      readout_[k].forward(k == 0 ? tape.scaled : tape.gated[0], tape.before[k], false);
      gate_.forward(tape.before[k], tape.gated[k]);
    }
    readout_[2].forward(tape.gated[1], tape.out, false);
  }

  /// Adds to x_bar, potential_bar and density_bar.
  template <Number T>
  void backward(const IrrepRows<T>& x, const IrrepRows<T>& potential, const IrrepRows<T>& density,
                std::span<const int> species, const IrrepRows<T>& out_bar, IrrepRows<T>& x_bar,
                IrrepRows<T>& potential_bar, IrrepRows<T>& density_bar, Tape<T>& tape,
                std::span<double> parameter_gradient, PolarScratch<T>& scratch) const {
    const std::size_t n = species.size(), stride = detail::two_groups_tiles<T>(channels_);
    for (std::size_t k = 3; k-- > 0;) {
      const IrrepRows<T>& in = k == 0 ? tape.scaled : tape.gated[k - 1];
      IrrepRows<T>& in_bar = k == 0 ? scratch.scaled_bar : scratch.gated_bar[k - 1];
      in_bar.assign_zero(in.n_atoms, in.channels);
      readout_[k].backward(in, k == 2 ? out_bar : scratch.before_bar[k], &in_bar,
                           parameter_gradient, scratch.rows);
      if (k > 0) gate_.backward(tape.before[k - 1], in_bar, scratch.before_bar[k - 1]);
    }
    scratch.factor_bar.resize(tape.factor.size());
    scratch.network_bar.resize(tape.invariants.size());
    scaling_.backward(x, tape.factor.data(), scratch.scaled_bar, x_bar, scratch.factor_bar.data(),
                      tape.scaling, parameter_gradient, scratch.rows);
    network_.template backward<T>(n, tape.invariants.data(), scratch.factor_bar.data(),
                                  scratch.network_bar.data(), tape.network, parameter_gradient);
    if (!parameter_gradient.empty())
      for (std::size_t i = 0; i < n; ++i)
        species_.template backward<T>(
            species[i],
            scratch.network_bar.data() + i * stride + detail::second_group<T>(channels_),
            parameter_gradient);
    scratch.mixed_bar.assign_zero(x.n_atoms, x.channels);
    dot_.backward(x, tape.mixed, tape.mapped, scratch.network_bar.data(), stride, x_bar,
                  scratch.mixed_bar, parameter_gradient, scratch.rows);
    potential_.backward(potential, scratch.mixed_bar, &potential_bar, parameter_gradient,
                        scratch.rows);
    features_.backward(x, scratch.mixed_bar, &x_bar, parameter_gradient, scratch.rows);
    density_.backward(density, scratch.mixed_bar, &density_bar, parameter_gradient, scratch.rows);
  }

 private:
  int channels_ = 0;
  IrrepLinear potential_, features_, density_;
  ChannelDot dot_;
  SpeciesRows species_;
  NormedPerceptron network_;
  ChannelScaling scaling_;
  Gate<L> gate_;
  std::array<IrrepLinear, 3> readout_;
};

/// The local electron energy: network(⟨x, Linear_b(ρ)⟩, ⟨x, Linear_b(P)⟩) of every atom [eV].
class ElectronEnergy {
 public:
  template <Number T>
  struct Tape {
    std::array<IrrepRows<T>, 2> raised, mapped;  // of ρ, of P
    Buffer<Pack<T>> invariants, out;
    NormedPerceptron::Tape<T> network;
  };

  ElectronEnergy() = default;
  ElectronEnergy(const PolarShape& shape, const std::vector<int>& hidden)
      : channels_(shape.channels),
        raise_{IrrepLinear(shape.density(), shape.features(), true),
               IrrepLinear(shape.potential(), shape.features(), true)},
        dot_{ChannelDot(shape.channels, shape.l_max), ChannelDot(shape.channels, shape.l_max)},
        network_(detail::two_groups(shape.channels), detail::two_groups_channels(shape.channels),
                 hidden, 1) {}

  void declare(ParameterLayout& layout, const std::string& prefix, double initial_weights) {
    const char* const names[2] = {"density", "potential"};
    for (std::size_t k = 0; k < 2; ++k) {
      raise_[k].declare(layout, prefix + names[k] + "/");
      dot_[k].declare(layout, prefix + names[k] + "_dot/");
    }
    network_.declare(layout, prefix + "network/", initial_weights);
  }
  void prepare(std::span<const double> parameters) {
    for (auto& r : raise_) r.prepare(parameters);
    for (auto& d : dot_) d.prepare(parameters);
    network_.prepare(parameters);
  }

  template <Number T>
  void forward(const IrrepRows<T>& x, const IrrepRows<T>& density, const IrrepRows<T>& potential,
               std::span<T> energies, Tape<T>& tape) const {
    const std::size_t n = energies.size(), stride = detail::two_groups_tiles<T>(channels_);
    tape.invariants.assign(n * stride, Pack<T>());
    tape.out.resize(n);
    for (std::size_t k = 0; k < 2; ++k) {
      raise_[k].forward(k == 0 ? density : potential, tape.raised[k], false);
      dot_[k].forward(x, tape.raised[k], tape.mapped[k],
                      tape.invariants.data() + k * detail::second_group<T>(channels_), stride);
    }
    network_.template forward<T>(n, tape.invariants.data(), tape.out.data(), tape.network);
    for (std::size_t i = 0; i < n; ++i) energies[i] = tape.out[i].lane(0);
  }

  /// energy_bar: of the sum of all energies. Adds to x_bar, density_bar and potential_bar.
  template <Number T>
  void backward(const IrrepRows<T>& x, const IrrepRows<T>& density, const IrrepRows<T>& potential,
                T energy_bar, IrrepRows<T>& x_bar, IrrepRows<T>& density_bar,
                IrrepRows<T>& potential_bar, Tape<T>& tape, std::span<double> parameter_gradient,
                PolarScratch<T>& scratch) const {
    const std::size_t n = tape.out.size(), stride = detail::two_groups_tiles<T>(channels_);
    Pack<T> bar{};
    bar.set_lane(0, energy_bar);
    scratch.factor_bar.assign(n, bar);
    scratch.network_bar.resize(tape.invariants.size());
    network_.template backward<T>(n, tape.invariants.data(), scratch.factor_bar.data(),
                                  scratch.network_bar.data(), tape.network, parameter_gradient);
    for (std::size_t k = 0; k < 2; ++k) {
      scratch.mixed_bar.assign_zero(x.n_atoms, x.channels);
      dot_[k].backward(x, tape.raised[k], tape.mapped[k],
                       scratch.network_bar.data() + k * detail::second_group<T>(channels_), stride,
                       x_bar, scratch.mixed_bar, parameter_gradient, scratch.rows);
      raise_[k].backward(k == 0 ? density : potential, scratch.mixed_bar,
                         k == 0 ? &density_bar : &potential_bar, parameter_gradient, scratch.rows);
    }
  }

 private:
  int channels_ = 0;
  std::array<IrrepLinear, 2> raise_;
  std::array<ChannelDot, 2> dot_;
  NormedPerceptron network_;
};

}  // namespace leyden::inline LEYDEN_ABI
