// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/polar_recursion.hpp>

#include <algorithm>
#include <string>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

inline void check_polar_options(const PolarRecursionOptions& o) {
  const auto refuse = [](const std::string& what) { throw ModelError("PolarRecursion: " + what); };
  if (o.steps < 1) refuse(std::to_string(o.steps) + " steps are given; there must be at least one");
  if (o.feature_l_max < 0 || o.feature_l_max > 1)
    refuse("potential features of l_max = " + std::to_string(o.feature_l_max) +
           " asked for; there are 0 and 1");
  if (o.feature_widths.empty()) refuse("no feature_widths are given; give at least one");
  for (const double width : o.feature_widths)
    if (!(width > 0.0))
      refuse("a feature width is " + std::to_string(width) + " Angstrom; it must be positive");
  const std::size_t norms = o.feature_widths.size() * static_cast<std::size_t>(o.feature_l_max + 1);
  if (!o.feature_norms.empty() && o.feature_norms.size() != norms)
    refuse(std::to_string(o.feature_norms.size()) + " feature_norms are given; give " +
           std::to_string(norms) + ", one per l and width, or none");
  for (const double norm : o.feature_norms)
    if (!(norm != 0.0)) refuse("a feature norm is " + std::to_string(norm) + "; it divides");
  if (o.fukui_width < 1 || o.readout_channels < 1)
    refuse("fukui_width and readout_channels must be positive");
  for (const auto* hidden : {&o.step_hidden, &o.energy_hidden})
    for (const int width : *hidden)
      if (width < 1) refuse("a hidden layer has " + std::to_string(width) + " channels");
}

}  // namespace detail

template <int L, FieldImages images>
void PolarRecursion<L, images>::declare(ParameterLayout& layout,
                                        std::span<const FeatureShape> shapes,
                                        std::span<const int> species) {
  detail::check_polar_options(options_);
  options_.widths.check("PolarRecursion", species.size());
  if (shapes.empty()) throw ModelError("PolarRecursion: the descriptor has no layers of features");
  for (const FeatureShape& s : shapes)
    if (s.channels != shapes[0].channels || s.l_max != shapes[0].l_max ||
        s.frame != shapes[0].frame)
      throw ModelError(
          "PolarRecursion: the layers of the descriptor have different irreps; give all of them "
          "the same channels, l and frame, also the last one");
  if (shapes[0].l_max < L || shapes[0].l_max > max_row_l)
    throw ModelError("PolarRecursion: the features go up to l = " +
                     std::to_string(shapes[0].l_max) + "; it needs l = " + std::to_string(L) +
                     " and serves l = " + std::to_string(max_row_l) + " at most");
  shape_ = {shapes[0].channels,
            shapes[0].l_max,
            static_cast<int>(options_.feature_widths.size()),
            options_.feature_l_max,
            L,
            static_cast<int>(species.size())};
  potential_channels_ = shape_.potential().channels;
  sources_.clear();
  mixers_.clear();
  updates_.clear();
  for (std::size_t t = 0; t < shapes.size(); ++t) {
    const std::string layer = std::to_string(t) + "/";
    sources_.emplace_back(shape_.features(), shape_.density());
    sources_.back().declare(layout, "charge/source" + layer, options_.initial_weights);
    mixers_.emplace_back(shape_.features(), shape_.features());
    mixers_.back().declare(layout, "charge/mix" + layer);
  }
  fukui_ = FukuiReadout(shape_, options_.fukui_width);
  fukui_.declare(layout, "charge/fukui");
  for (int k = 0; k < (options_.shared_steps ? 1 : options_.steps); ++k) {
    updates_.emplace_back(shape_, options_.step_hidden, options_.readout_channels);
    updates_.back().declare(layout, "charge/step" + std::to_string(k) + "/",
                            options_.initial_weights);
  }
  if (!options_.local_electron_energy) return;
  energy_ = ElectronEnergy(shape_, options_.energy_hidden);
  energy_.declare(layout, "charge/energy/", options_.initial_weights);
}

template <int L, FieldImages images>
void PolarRecursion<L, images>::prepare(std::span<const double> parameters) {
  for (auto& s : sources_) s.prepare(parameters);
  for (auto& m : mixers_) m.prepare(parameters);
  fukui_.prepare(parameters);
  for (auto& u : updates_) u.prepare(parameters);
  if (options_.local_electron_energy) energy_.prepare(parameters);
}

template <int L, FieldImages images>
template <class Visit>
void PolarRecursion<L, images>::for_each_feature(std::size_t n_atoms, std::size_t atom, int spin,
                                                 Visit&& visit) const {
  const int lf = options_.feature_l_max;
  const auto fs = static_cast<std::size_t>((lf + 1) * (lf + 1));
  const std::size_t n_widths = options_.feature_widths.size();
  for (std::size_t w = 0; w < n_widths; ++w)
    for (int l = 0; l <= lf; ++l) {
      const double factor = feature_factor(l, w);
      const int channel = spin * static_cast<int>(n_widths) + static_cast<int>(w);
      for (int m = 0; m <= 2 * l; ++m)
        visit((w * n_atoms + atom) * fs + static_cast<std::size_t>(l * l + m), l, m, channel,
              factor);
    }
}

template <int L, FieldImages images>
template <Number T>
void PolarRecursion<L, images>::load_positions(const ChargeInput<T>& input, Tape<T>& tape) const {
  using R = RealOf<T>;
  const Geometry<T>& geometry = *input.geometry;
  const detail::FieldPlanes planes = detail::field_planes_of(
      geometry, input.external_field, input.structure->field_jump, default_field_clearance, images);
  tape.positions.resize(geometry.positions.size());
  Vector3<detail::Wide<T>> sum{};
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    Vector3<T>& r = tape.positions[static_cast<std::size_t>(i)];
    r = detail::between_planes(geometry, planes, i);
    for (int a = 0; a < 3; ++a) sum[a] += detail::widen(r[a]);
  }
  const R share = R(1) / static_cast<R>(geometry.n_atoms());
  Vector3<T> mean;
  for (int a = 0; a < 3; ++a) mean[a] = detail::narrow<T>(sum[a]) * share;
  for (Vector3<T>& r : tape.positions) r -= mean;
}

template <int L, FieldImages images>
template <Number T>
void PolarRecursion<L, images>::store_density(const SpinDensities<T>& density, IrrepRows<T>& rows) {
  for (int s = 0; s < 2; ++s)
    for (int i = 0; i < rows.n_atoms; ++i) {
      const T* from =
          density[static_cast<std::size_t>(s)].data() + static_cast<std::size_t>(i) * size;
      for (int l = 0; l <= L; ++l)
        for (int m = 0; m <= 2 * l; ++m) rows.set(l, i, m, s, from[l * l + m]);
    }
}

template <int L, FieldImages images>
template <Number T>
void PolarRecursion<L, images>::add_density(const IrrepRows<T>& rows, SpinDensities<T>& density) {
  for (int s = 0; s < 2; ++s)
    for (int i = 0; i < rows.n_atoms; ++i) {
      T* to = density[static_cast<std::size_t>(s)].data() + static_cast<std::size_t>(i) * size;
      for (int l = 0; l <= L; ++l)
        for (int m = 0; m <= 2 * l; ++m) to[l * l + m] += rows.get(l, i, m, s);
    }
}

template <int L, FieldImages images>
template <Number T, class S>
void PolarRecursion<L, images>::load_potential(const ChargeInput<T>& input, const S& solver,
                                               const typename S::template Plan<T>& plan,
                                               const SpinDensities<T>& density, IrrepRows<T>& rows,
                                               Tape<T>& tape) const {
  using R = RealOf<T>;
  const std::size_t n = tape.positions.size();
  const auto fs =
      static_cast<std::size_t>((options_.feature_l_max + 1) * (options_.feature_l_max + 1));
  tape.potential.resize(options_.feature_widths.size() * n * fs);
  rows.assign_zero(static_cast<int>(n), potential_channels_);
  // Half of −E·r and −E: each spin sees its share of the applied potential.
  const Vector3<T> half = input.external_field * T(R(-0.5));
  for (int s = 0; s < 2; ++s) {
    solver.template features<T>(plan, std::span<const T>(density[static_cast<std::size_t>(s)]),
                                feature_shape(), std::span<T>(tape.potential));
    for (std::size_t i = 0; i < n; ++i) {
      const T applied = dot(half, tape.positions[i]);
      for_each_feature(n, i, s, [&](std::size_t at, int l, int m, int channel, double factor) {
        const T own =
            l == 0 ? applied : half[cartesian_of_coefficient[static_cast<std::size_t>(m + 1)]];
        rows.set(l, static_cast<int>(i), m, channel,
                 (tape.potential[at] + own) * static_cast<R>(factor));
      });
    }
  }
}

template <int L, FieldImages images>
template <Number T, class S>
void PolarRecursion<L, images>::potential_backward(const S& solver,
                                                   const typename S::template Plan<T>& plan,
                                                   const SpinDensities<T>& density,
                                                   const IrrepRows<T>& rows_bar,
                                                   SpinDensities<T>& density_bar, Tape<T>& tape,
                                                   GeometryGradient<T>* geometry) const {
  using R = RealOf<T>;
  const std::size_t n = tape.positions.size();
  for (int s = 0; s < 2; ++s) {
    for (std::size_t i = 0; i < n; ++i)
      for_each_feature(n, i, s, [&](std::size_t at, int l, int m, int channel, double factor) {
        const T bar = rows_bar.get(l, static_cast<int>(i), m, channel) * static_cast<R>(factor);
        tape.potential[at] = bar;
        if (l == 0)
          tape.field_bar[i] += bar;
        else
          tape.gradient_bar[cartesian_of_coefficient[static_cast<std::size_t>(m + 1)]] += bar;
      });
    const auto spin = static_cast<std::size_t>(s);
    const std::span<const T> bar = tape.potential;
    solver.template features_transpose<T>(plan, bar, feature_shape(),
                                          std::span<T>(density_bar[spin]));
    if (geometry != nullptr)
      solver.template feature_gradient<T>(plan, bar, std::span<const T>(density[spin]),
                                          feature_shape(), T(R(1)), *geometry);
  }
}

template <int L, FieldImages images>
template <Number T>
void PolarRecursion<L, images>::field_backward(const ChargeInput<T>& input, Tape<T>& tape,
                                               const InputCotangents<T>& bar) const {
  using R = RealOf<T>;
  const Vector3<T> half = input.external_field * T(R(-0.5));
  const std::size_t n = tape.positions.size();
  if (bar.external_field != nullptr) {
    Vector3<T>& field = *bar.external_field;
    for (int a = 0; a < 3; ++a) {
      T moment = tape.gradient_bar[a];
      for (std::size_t i = 0; i < n; ++i) moment += tape.positions[i][a] * tape.field_bar[i];
      field[a] -= moment * R(0.5);
    }
  }
  if (bar.geometry == nullptr) return;
  GeometryGradient<T>& geometry = *bar.geometry;
  detail::Wide<T> sum(0.0);
  for (const T& b : tape.field_bar) sum += detail::widen(b);
  const T mean = detail::narrow<T>(sum) * (R(1) / static_cast<R>(n));
  for (std::size_t i = 0; i < n; ++i) {
    geometry.positions[i] += half * (tape.field_bar[i] - mean);
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        geometry.strain(a, b) += tape.positions[i][a] * half[b] * tape.field_bar[i];
  }
}

template <int L, FieldImages images>
template <Number T, class S>
void PolarRecursion<L, images>::forward(const ChargeInput<T>& input, const S& solver,
                                        const typename S::template Plan<T>& plan, std::span<T> p,
                                        std::span<T> site_energies, Tape<T>& tape) const {
  using R = RealOf<T>;
  const auto n = static_cast<std::size_t>(input.n_atoms());
  const auto steps = static_cast<std::size_t>(options_.steps);
  const detail::Wide<T> charge = detail::widen(input.total_charge);
  const double spin = input.structure->spin_multiplicity - 1.0;
  const std::array<detail::Wide<T>, 2> target{(charge + spin) * 0.5, (charge - spin) * 0.5};

  load_positions(input, tape);
  tape.layers.resize(sources_.size());
  for (std::size_t t = 0; t < sources_.size(); ++t) {
    load_rows(input.features[t], tape.layers[t]);
    sources_[t].forward(tape.layers[t], tape.sources, t > 0);
    mixers_[t].forward(tape.layers[t], tape.features, t > 0);
  }
  tape.stages.resize(steps + 1);
  tape.steps.resize(steps);
  auto& first = tape.stages[0];
  for (auto& density : first.density) density.assign(n * size, T(R(0)));
  add_density(tape.sources, first.density);
  fukui_.forward(tape.layers.back(), tape.fukui);
  project_spins(tape.fukui.out, 0, options_.fukui, target, size, first.density, first.projection);

  for (std::size_t k = 0; k < steps; ++k) {
    auto& step = tape.steps[k];
    auto& next = tape.stages[k + 1];
    step.density.assign_zero(input.n_atoms(), tape.sources.channels);
    store_density(tape.stages[k].density, step.density);
    load_potential(input, solver, plan, tape.stages[k].density, step.potential, tape);
    update(static_cast<int>(k))
        .forward(tape.features, step.potential, step.density, input.species, step.update);
    for (std::size_t s = 0; s < 2; ++s)
      next.density[s].assign(tape.stages[k].density[s].begin(), tape.stages[k].density[s].end());
    add_density(step.update.out, next.density);
    project_spins(step.update.out, 2, options_.fukui, target, size, next.density, next.projection);
  }

  const SpinDensities<T>& last = tape.stages.back().density;
  for (std::size_t k = 0; k < n * size; ++k) p[k] = last[0][k] + last[1][k];
  if (!options_.local_electron_energy) {
    std::fill(site_energies.begin(), site_energies.end(), T(R(0)));
    return;
  }
  SpinDensities<T>& sum = tape.density_bar;
  for (std::size_t s = 0; s < 2; ++s) {
    sum[s].resize(n * size);
    for (std::size_t k = 0; k < n * size; ++k) sum[s][k] = first.density[s][k] + last[s][k];
  }
  tape.density_sum.assign_zero(input.n_atoms(), tape.sources.channels);
  store_density(sum, tape.density_sum);
  energy_.forward(tape.layers.back(), tape.density_sum, tape.steps.back().potential, site_energies,
                  tape.energy);
}

template <int L, FieldImages images>
template <Number T, class S>
void PolarRecursion<L, images>::backward(const ChargeInput<T>& input, const S& solver,
                                         const typename S::template Plan<T>& plan,
                                         std::span<const T> p_bar, T energy_bar, Tape<T>& tape,
                                         InputCotangents<T> bar) const {
  using R = RealOf<T>;
  const int n = input.n_atoms();
  const RowChannels channels = tape.features.channels;
  PolarScratch<T>& scratch = tape.scratch;
  const std::size_t n_layers = tape.layers.size();
  tape.layers_bar.resize(n_layers);
  for (auto& layer : tape.layers_bar) layer.assign_zero(n, channels);
  tape.features_bar.assign_zero(n, channels);
  tape.potential_bar.assign_zero(n, potential_channels_);
  tape.field_bar.assign(static_cast<std::size_t>(n), T(R(0)));
  tape.gradient_bar = {};
  for (std::size_t s = 0; s < 2; ++s) {
    tape.density_bar[s].assign(p_bar.begin(), p_bar.end());
    tape.first_density_bar[s].assign(p_bar.size(), T(R(0)));
  }

  if (options_.local_electron_energy) {
    tape.rows_bar.assign_zero(n, tape.density_sum.channels);
    energy_.backward(tape.layers.back(), tape.density_sum, tape.steps.back().potential, energy_bar,
                     tape.layers_bar.back(), tape.rows_bar, tape.potential_bar, tape.energy,
                     bar.parameters, scratch);
    add_density(tape.rows_bar, tape.density_bar);
    add_density(tape.rows_bar, tape.first_density_bar);
  }

  for (std::size_t k = tape.steps.size(); k-- > 0;) {
    auto& step = tape.steps[k];
    const auto& stage = tape.stages[k];
    tape.out_bar.assign_zero(n, step.update.out.channels);
    project_spins_backward(step.update.out, 2, options_.fukui, size, tape.stages[k + 1].projection,
                           tape.density_bar, tape.out_bar);
    store_density(tape.density_bar, tape.out_bar);
    tape.rows_bar.assign_zero(n, step.density.channels);
    update(static_cast<int>(k))
        .backward(tape.features, step.potential, step.density, input.species, tape.out_bar,
                  tape.features_bar, tape.potential_bar, tape.rows_bar, step.update, bar.parameters,
                  scratch);
    add_density(tape.rows_bar, tape.density_bar);
    potential_backward(solver, plan, stage.density, tape.potential_bar, tape.density_bar, tape,
                       bar.geometry);
    tape.potential_bar.assign_zero(n, tape.potential_bar.channels);
  }
  field_backward(input, tape, bar);

  for (std::size_t s = 0; s < 2; ++s)
    for (std::size_t k = 0; k < p_bar.size(); ++k)
      tape.density_bar[s][k] += tape.first_density_bar[s][k];
  tape.fukui_bar.assign_zero(n, tape.fukui.out.channels);
  project_spins_backward(tape.fukui.out, 0, options_.fukui, size, tape.stages[0].projection,
                         tape.density_bar, tape.fukui_bar);
  fukui_.backward(tape.layers.back(), tape.fukui_bar, tape.layers_bar.back(), tape.fukui,
                  bar.parameters, scratch);
  tape.sources_bar.assign_zero(n, tape.sources.channels);
  store_density(tape.density_bar, tape.sources_bar);
  for (std::size_t t = 0; t < n_layers; ++t) {
    sources_[t].backward(tape.layers[t], tape.sources_bar, &tape.layers_bar[t], bar.parameters,
                         scratch.rows);
    mixers_[t].backward(tape.layers[t], tape.features_bar, &tape.layers_bar[t], bar.parameters,
                        scratch.rows);
    add_rows(tape.layers_bar[t], bar.features[t]);
  }
}

}  // namespace leyden::inline LEYDEN_ABI
