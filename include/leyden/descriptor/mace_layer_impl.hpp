// SPDX-License-Identifier: MIT
#pragma once

// Bodies of descriptor/mace.hpp: one layer and the readouts.
#include <leyden/descriptor/mace.hpp>
#include <leyden/descriptor/mace_rows.hpp>

#include <utility>

namespace leyden::inline LEYDEN_ABI {

// ---- one layer ----

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::forward_layer(const Geometry<T>& geometry, std::size_t k,
                                      const FeatureArray<T>& in, FeatureArray<T>& out,
                                      Tape<T>& tape, const E& executor) const {
  const Layer& layer = layers_[k];
  LayerTape<T>& lt = tape.layers[k];
  const int n = geometry.n_atoms();
  const bool from_species = tape.tabulated && folded(k);

  if (!from_species) {
    lt.up.resize(n, {layer.edge_channels, layer.edge_l, layer.in.frame});
    mix_irreps<T>(layer.up, false, in, lt.up, tape.all_atoms, tape, false, executor);
  }
  if constexpr (nonlinear)
    forward_nonlinear(geometry, layer, lt, tape);
  else
    forward_linear(geometry, k, lt, tape, executor);

  lt.product.resize(n, layer.out);
  executor.for_each(static_cast<std::size_t>(in.tiles()), [&](std::size_t tile, int) {
    const int t = static_cast<int>(tile);
    each_product_species(tape, [&](int s, const std::vector<int>& atoms) {
      layer.product.template forward<T>(s, t, atoms, lt.basis.at(t, 0), lt.product.at(t, 0));
    });
  });
  mix_irreps<T>(layer.linear, false, lt.product, out, tape.all_atoms, tape, false, executor);
  if (!layer.residual) return;
  if (from_species) {
    const std::size_t tiles = static_cast<std::size_t>(out.tiles());
    const Pack<Real>* h = tables_->passed_on.data();
    for (int t = 0; t < out.tiles(); ++t)
      for (int i = 0; i < n; ++i)
        out.at(t, i)[0] +=
            Pack<T>(h[static_cast<std::size_t>(tape.species[static_cast<std::size_t>(i)]) * tiles +
                      static_cast<std::size_t>(t)]);
    return;
  }
  for (std::size_t s = 0; s < layer.species_maps.size(); ++s)
    mix_irreps<T>(layer.species_maps[s], false, in, out, atoms_of_map(layer, s, tape), tape, true,
                  executor);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::backward_layer(const Geometry<T>& geometry, std::size_t k,
                                       const FeatureArray<T>& in, const FeatureArray<T>& out_bar,
                                       FeatureArray<T>& in_bar, Tape<T>& tape,
                                       std::span<double> gradient, const E& executor) const {
  const Layer& layer = layers_[k];
  LayerTape<T>& lt = tape.layers[k];
  const int n = geometry.n_atoms();
  const int tiles = in.tiles();
  const bool weights = !gradient.empty();
  const bool below = k > 0 || weights;  // embeddings do not depend on positions
  // h = linear(B) + skip(h)
  tape.product_bar.resize(n, layer.out);
  mix_irreps<T>(layer.linear, true, out_bar, tape.product_bar, tape.all_atoms, tape, false,
                executor);
  if (weights) irreps_gradient<T>(layer.linear, lt.product, out_bar, tape.all_atoms, tape);
  if (layer.residual && below)
    for (std::size_t s = 0; s < layer.species_maps.size(); ++s) {
      const std::vector<int>& atoms = atoms_of_map(layer, s, tape);
      mix_irreps<T>(layer.species_maps[s], true, out_bar, in_bar, atoms, tape, true, executor);
      if (weights) irreps_gradient<T>(layer.species_maps[s], in, out_bar, atoms, tape);
    }

  // B = product basis of A
  tape.basis_node_bar.resize(n, {options_.channels, Shape.l_max});
  if (weights) layer.product.reset(tape.product_gradient);
  // Each tile has its own part of the gradient by weights.
  executor.for_each(static_cast<std::size_t>(tiles), [&](std::size_t tile, int) {
    const int t = static_cast<int>(tile);
    each_product_species(tape, [&](int s, const std::vector<int>& atoms) {
      layer.product.template backward<T>(s, t, atoms, lt.basis.at(t, 0), tape.product_bar.at(t, 0),
                                         tape.basis_node_bar.at(t, 0),
                                         weights ? &tape.product_gradient : nullptr);
    });
  });
  if (weights) layer.product.unpack_gradient(tape.product_gradient, gradient);

  if constexpr (nonlinear)
    backward_nonlinear(geometry, layer, lt, tape, gradient);
  else
    backward_linear(geometry, k, lt, tape, gradient, executor);
  if (!below) return;

  mix_irreps<T>(layer.up, true, tape.up_bar, in_bar, tape.all_atoms, tape, true, executor);
  if (weights) irreps_gradient<T>(layer.up, in, tape.up_bar, tape.all_atoms, tape);
}

template <MaceShape Shape, std::floating_point Real>
template <class C, Number T>
void Mace<Shape, Real>::couple_edges(const Geometry<T>& geometry, int first_atom, int last_atom,
                                     Tape<T>& tape) const {
  const int first = geometry.first[static_cast<std::size_t>(first_atom)];
  const int count = geometry.first[static_cast<std::size_t>(last_atom)] - first;
  make_room(tape.coupled, static_cast<std::size_t>(count * C::coupled_count));
  for (int e = 0; e < count; ++e)
    C::couple(tape.harmonics.data() + static_cast<std::ptrdiff_t>(first + e) * lm_edge,
              tape.coupled.data() + static_cast<std::ptrdiff_t>(e) * C::coupled_count);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::set_up_radial(std::size_t k, std::size_t pairs, Tape<T>& tape) const {
  const Layer& layer = layers_[k];
  LayerTape<T>& lt = tape.layers[k];
  const std::size_t tiles = static_cast<std::size_t>(lt.up.tiles());
  const std::size_t tile_size = pairs * layer.path_maps.count;
  lt.radial_by_tile = tape.on_knots && tiles * tile_size * sizeof(Pack<T>) > max_radial_bytes;
  if (!tape.on_knots) {
    lt.radial.resize(tiles * tile_size);
    layer.radial.template forward<T>(pairs, tape.basis.data(), lt.radial.data(), lt.perceptron);
    if (!tape.factor.empty()) fade_messages(layer.path_maps.count, lt.radial, tape.factor);
    return;
  }
  make_room(lt.radial, lt.radial_by_tile ? tile_size : tiles * tile_size);
  if (!lt.radial_by_tile)
    for (std::size_t t = 0; t < tiles; ++t)
      knots().layers[k].forward(t, tape.knots, lt.radial.data() + t * tile_size);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
const Pack<T>* Mace<Shape, Real>::radial_of_tile(std::size_t k, std::size_t tile,
                                                 std::size_t tile_size, Tape<T>& tape) const {
  Pack<T>* radial = tape.layers[k].radial.data();
  if (!tape.layers[k].radial_by_tile) return radial + tile * tile_size;
  knots().layers[k].forward(tile, tape.knots, radial);
  return radial;
}

// ---- the atomic basis of a linear layer ----

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::forward_linear(const Geometry<T>& geometry, std::size_t k, LayerTape<T>& lt,
                                       Tape<T>& tape, const E& executor) const {
  const Layer& layer = layers_[k];
  const int n = geometry.n_atoms();
  const std::size_t pairs = static_cast<std::size_t>(geometry.n_pairs);
  if (tape.tabulated && folded(k)) {
    using C = TabulatedConvolution<0, Shape.l_max, true>;
    lt.basis.resize(n, {options_.channels, Shape.l_max});
    executor.for_each(static_cast<std::size_t>(lt.basis.tiles()), [&](std::size_t tile, int) {
      const int t = static_cast<int>(tile);
      for (int i = 0; i < n; ++i)
        C::template forward<T>(tabulated_edges<C>(geometry, i, lt, tape),
                               tables_->layers[k].tile(t), nullptr, lt.basis.at(t, i));
    });
    return;
  }
  with_convolution(layer, [&]<class C>(C) {
    const int tiles = lt.up.tiles();
    const bool products = takes_products(layer);
    FeatureArray<T>& mixed = layer.residual ? lt.basis : lt.mixed;
    mixed.resize(n, {options_.channels, Shape.l_max});
    Pack<T>* paths = mixed.at(0, 0);
    if (!products) {
      // Without a gradient by weights nobody asks for them again.
      Buffer<Pack<T>>& buffer = tape.tabulated ? tape.paths_bar : lt.paths;
      make_room(buffer, static_cast<std::size_t>(tiles * n) * C::output_count);
      paths = buffer.data();
    }
    if (tape.tabulated) {
      using Tabulated = TabulatedConvolution<C::l_sent, Shape.l_max>;
      executor.for_each(static_cast<std::size_t>(tiles), [&](std::size_t tile, int) {
        const int t = static_cast<int>(tile);
        for (int i = 0; i < n; ++i)
          Tabulated::template forward<T>(
              tabulated_edges<Tabulated>(geometry, i, lt, tape), tables_->layers[k].tile(t),
              lt.up.at(t, 0), paths + static_cast<std::ptrdiff_t>(t * n + i) * C::output_count);
      });
    } else {
      set_up_radial(k, pairs, tape);
      // Where each tile needs the memory of the others, it goes through all atoms at once.
      const int block = lt.radial_by_tile ? n : 1;
      for (int first = 0; first < n; first += block) {
        couple_edges<C>(geometry, first, first + block, tape);
        for (int t = 0; t < tiles; ++t) {
          const Pack<T>* radial =
              radial_of_tile(k, static_cast<std::size_t>(t), pairs * C::path_count, tape);
          const T* coupled = tape.coupled.data();
          for (int i = first; i < first + block; ++i) {
            const typename C::Edges edges = receiver_edges<C>(geometry, i);
            C::forward(edges, coupled, radial, lt.up.at(t, 0),
                       paths + static_cast<std::ptrdiff_t>(t * n + i) * C::output_count);
            coupled += static_cast<std::ptrdiff_t>(edges.count) * C::coupled_count;
          }
        }
      }
    }
    // All paths into one l mix into its channels.
    const int apart = products ? 0 : C::path_count;
    for (int p = 0; p < apart; ++p) {
      const int l = C::paths[static_cast<std::size_t>(p)].l3;
      const bool first_of_l = p == 0 || C::paths[static_cast<std::size_t>(p - 1)].l3 != l;
      detail::fill_rows(tape.rows_in, tape.all_atoms, C::output_count,
                        C::offsets.output[static_cast<std::size_t>(p)], 2 * l + 1);
      detail::fill_rows(tape.rows_out, tape.all_atoms, lm_edge, l * l, 2 * l + 1);
      mix_blocks<T>(maps_[layer.path_maps.begin + static_cast<std::size_t>(p)].weights, false,
                    tape.rows_in.size(),
                    detail::rows_view<const Pack<T>>(paths, n, C::output_count, tape.rows_in),
                    detail::rows_view(mixed.at(0, 0), n, lm_edge, tape.rows_out), !first_of_l,
                    executor);
    }
    if (options_.density_normalized) {
      layer.density.template forward<T>(geometry, tape.basis, tape.factor, lt.density);
      layer.density.template normalize<T>(mixed, lt.density);
    }
  });
  if (!layer.residual) {
    lt.basis.resize(n, {options_.channels, Shape.l_max});
    for (std::size_t s = 0; s < layer.species_maps.size(); ++s)
      mix_irreps<T>(select_maps(layer)[s], false, lt.mixed, lt.basis, tape.atoms_of[s], tape, false,
                    executor);
  }
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::backward_linear(const Geometry<T>& geometry, std::size_t k,
                                        LayerTape<T>& lt, Tape<T>& tape, std::span<double> gradient,
                                        const E& executor) const {
  const Layer& layer = layers_[k];
  const int n = geometry.n_atoms();
  // f(group, tile) of all tiles, groups side by side.
  const auto each_tile = [&](int count, auto&& f) {
    const std::size_t all = static_cast<std::size_t>(count), parts = groups(count);
    executor.for_each(parts, [&](std::size_t g, int) {
      for (std::size_t t = g * all / parts; t < (g + 1) * all / parts; ++t)
        f(g, static_cast<int>(t));
    });
  };
  if (tape.tabulated && folded(k)) {
    using C = TabulatedConvolution<0, Shape.l_max, true>;
    const RadialTable<Real>& table = tables_->layers[k];
    each_tile(lt.basis.tiles(), [&](std::size_t g, int t) {
      for (int i = 0; i < n; ++i)
        C::template backward<T>(tabulated_edges<C>(geometry, i, lt, tape), table.tile(t),
                                table.slope_factor(), nullptr, tape.basis_node_bar.at(t, i),
                                nullptr, edge_bar(geometry, g, i, tape));
    });
    return;
  }
  const int tiles = lt.up.tiles();
  const std::size_t pairs = static_cast<std::size_t>(geometry.n_pairs);
  const bool weights = !gradient.empty();
  FeatureArray<T>* mixed_bar = &tape.basis_node_bar;
  if (!layer.residual) {
    tape.mixed_bar.resize(n, {options_.channels, Shape.l_max});
    for (std::size_t s = 0; s < layer.species_maps.size(); ++s) {
      const MapRange maps = select_maps(layer)[s];
      const std::vector<int>& atoms = tape.atoms_of[s];
      mix_irreps<T>(maps, true, tape.basis_node_bar, tape.mixed_bar, atoms, tape, false, executor);
      if (weights) irreps_gradient<T>(maps, lt.mixed, tape.basis_node_bar, atoms, tape);
    }
    mixed_bar = &tape.mixed_bar;
  }
  if (options_.density_normalized)
    layer.density.template backward<T>(geometry, tape.basis, layer.residual ? lt.basis : lt.mixed,
                                       *mixed_bar, tape.factor, tape.basis_bar, tape.factor_bar,
                                       lt.density, gradient);

  with_convolution(layer, [&]<class C>(C) {
    const bool products = takes_products(layer);
    if (!products) make_room(tape.paths_bar, static_cast<std::size_t>(tiles * n) * C::output_count);
    Pack<T>* paths_bar = products ? mixed_bar->at(0, 0) : tape.paths_bar.data();
    const int apart = products ? 0 : C::path_count;
    for (int p = 0; p < apart; ++p) {
      const std::size_t kp = static_cast<std::size_t>(p);
      const int l = C::paths[kp].l3;
      detail::fill_rows(tape.rows_in, tape.all_atoms, C::output_count, C::offsets.output[kp],
                        2 * l + 1);
      detail::fill_rows(tape.rows_out, tape.all_atoms, lm_edge, l * l, 2 * l + 1);
      const auto bar =
          detail::rows_view<const Pack<T>>(mixed_bar->at(0, 0), n, lm_edge, tape.rows_out);
      const std::size_t map = layer.path_maps.begin + kp;
      mix_blocks<T>(maps_[map].weights, true, tape.rows_in.size(), bar,
                    detail::rows_view(paths_bar, n, C::output_count, tape.rows_in), false,
                    executor);
      if (weights)
        map_gradient<T>(
            map, tape.rows_in.size(),
            detail::rows_view<const Pack<T>>(lt.paths.data(), n, C::output_count, tape.rows_in),
            bar, tape);
    }
    tape.up_bar.resize(n, lt.up.shape());
    tape.up_bar.set_zero();
    if (tape.tabulated) {
      using Tabulated = TabulatedConvolution<C::l_sent, Shape.l_max>;
      const RadialTable<Real>& table = tables_->layers[k];
      each_tile(tiles, [&](std::size_t g, int t) {
        for (int i = 0; i < n; ++i)
          Tabulated::template backward<T>(
              tabulated_edges<Tabulated>(geometry, i, lt, tape), table.tile(t),
              table.slope_factor(), lt.up.at(t, 0),
              paths_bar + static_cast<std::ptrdiff_t>(t * n + i) * C::output_count,
              tape.up_bar.at(t, 0), edge_bar(geometry, g, i, tape));
      });
      return;
    }
    // Knots take a tile while it is in cache, and its memory serves all.
    const std::size_t tile_size = pairs * C::path_count;
    tape.radial_bar.assign(tape.on_knots ? 0 : lt.radial.size(), Pack<T>());
    typename RadialKnots<Real>::Gradient* knot_gradient = nullptr;
    if (tape.on_knots && weights) {
      PendingGradient& pending = pending_of(tape);
      pending.layers.resize(layers_.size());
      knot_gradient = &pending.layers[k];
    }
    for (int t = 0; t < tiles; ++t) {
      const std::size_t tile = static_cast<std::size_t>(t);
      const Pack<T>* radial = radial_of_tile(k, tile, tile_size, tape);
      Pack<T>* bar = tape.on_knots ? knots().layers[k].out_bar(tape.knots)
                                   : tape.radial_bar.data() + tile * tile_size;
      for (int i = 0; i < n; ++i) {
        const std::ptrdiff_t first = geometry.first[static_cast<std::size_t>(i)];
        C::backward(receiver_edges<C>(geometry, i), tape.harmonics.data() + first * lm_edge, radial,
                    lt.up.at(t, 0),
                    paths_bar + static_cast<std::ptrdiff_t>(t * n + i) * C::output_count, bar,
                    tape.up_bar.at(t, 0), edge_bar(geometry, 0, i, tape));
      }
      if (tape.on_knots) knots().layers[k].backward(tile, tape.knots, knot_gradient);
    }
  });
  if (tape.tabulated || tape.on_knots) return;
  if (!tape.factor.empty())
    unfade_messages(layer.path_maps.count, lt.radial, tape.radial_bar, tape.factor,
                    tape.factor_bar);
  tape.layer_basis_bar.resize(tape.basis.size());
  layer.radial.template backward<T>(pairs, tape.basis.data(), tape.radial_bar.data(),
                                    tape.wants_edges ? tape.layer_basis_bar.data() : nullptr,
                                    lt.perceptron, gradient);
  if (!tape.wants_edges) return;
  for (std::size_t i = 0; i < tape.basis_bar.size(); ++i)
    tape.basis_bar[i] += tape.layer_basis_bar[i];
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::fade_messages(std::size_t paths, Buffer<Pack<T>>& radial,
                                      const std::vector<T>& factor) {
  for (std::size_t i = 0; i < radial.size(); ++i)
    radial[i] *= Pack<T>(factor[i / paths % factor.size()]);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::unfade_messages(std::size_t paths, const Buffer<Pack<T>>& radial,
                                        Buffer<Pack<T>>& radial_bar, const std::vector<T>& factor,
                                        std::vector<T>& factor_bar) {
  for (std::size_t i = 0; i < radial.size(); ++i) {
    // What the factor was multiplied with is lost where it is zero; its slope is zero there too.
    const std::size_t p = i / paths % factor.size();
    if (value_of(factor[p]) != Real(0))
      factor_bar[p] += sum_lanes(radial[i] * radial_bar[i]) / factor[p];
    radial_bar[i] *= Pack<T>(factor[p]);
  }
}

// ---- readouts ----

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::read_out(const Geometry<T>& geometry, Tape<T>& tape) const {
  const std::size_t n = tape.species.size();
  const std::size_t head = head_of(tape);
  tape.node_energies.assign(n, T(0));
  for (std::size_t k = 0; k < linear_readouts(); ++k) {
    const Buffer<Pack<Real>>& w = readouts_[k * heads() + head];
    for (std::size_t i = 0; i < n; ++i) {
      Pack<T> sum;
      for (std::size_t t = 0; t < w.size(); ++t)
        sum = fma(w[t], *tape.features[k].at(static_cast<int>(t), static_cast<int>(i)), sum);
      tape.node_energies[i] += sum_lanes(sum);
    }
  }
  if (has_hidden_readout()) {
    const Buffer<Pack<Real>>& last = readout_last_[head];
    const std::size_t tiles = last.size();
    tape.hidden.resize(n * tiles);
    maps_[readout_hidden_.begin + head].weights.template apply<T>(
        n, detail::scalar_rows<const Pack<T>>(std::as_const(tape.features.back())),
        {tape.hidden.data(), 1, nullptr, tiles}, false);
    for (std::size_t i = 0; i < n; ++i) {
      Pack<T> sum;
      for (std::size_t t = 0; t < tiles; ++t)
        sum = fma(last[t], normalized_silu(tape.hidden[i * tiles + t], Real(1)), sum);
      tape.node_energies[i] += sum_lanes(sum);
    }
  }
  if (options_.repulsion)
    options_.repulsion->template add_energies<T>(geometry, options_.cutoff, tape.radius,
                                                 tape.node_energies);
  const Real scale = static_cast<Real>(scale_of(head)), shift = static_cast<Real>(shift_of(head));
  for (T& energy : tape.node_energies) energy = energy * scale + T(shift);
  tape.reference_energies.assign(n, 0.0);
  if (options_.atomic_energies.empty()) return;
  const std::size_t z = options_.species.size();
  const std::size_t first = options_.atomic_energies.size() > z ? head * z : 0;
  for (std::size_t i = 0; i < n; ++i)
    tape.reference_energies[i] =
        options_.atomic_energies[first + static_cast<std::size_t>(tape.species[i])];
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::read_out_backward(Tape<T>& tape, T energy_cotangent,
                                          std::span<double> gradient) const {
  const std::size_t n = tape.species.size();
  const std::size_t head = head_of(tape);
  const T bar = energy_cotangent * static_cast<Real>(scale_of(head));
  const bool weights = !gradient.empty();
  const double fan_in = channel_scale();
  for (std::size_t k = 0; k < linear_readouts(); ++k) {
    const Buffer<Pack<Real>>& w = readouts_[k * heads() + head];
    tape.weight_bar.assign(w.size(), Pack<Real>());
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t t = 0; t < w.size(); ++t) {
        const int tile = static_cast<int>(t), atom = static_cast<int>(i);
        Pack<T>& h_bar = *tape.feature_cotangents[k].at(tile, atom);
        h_bar = fma(w[t], Pack<T>(bar), h_bar);
        tape.weight_bar[t] =
            fma_gradient_part(*tape.features[k].at(tile, atom), Pack<T>(bar), tape.weight_bar[t]);
      }
    if (weights)
      detail::add_lanes(readout_slices_[k].of(gradient).data() + head,
                        static_cast<std::size_t>(options_.channels), heads(), tape.weight_bar,
                        fan_in);
  }
  if (!has_hidden_readout()) return;
  const FeatureArray<T>& features = tape.features.back();
  const Buffer<Pack<Real>>& last = readout_last_[head];
  const std::size_t tiles = last.size();
  const std::size_t width = static_cast<std::size_t>(options_.readout_width);
  tape.hidden_bar.resize(n * tiles);
  tape.weight_bar.assign(tiles, Pack<Real>());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t t = 0; t < tiles; ++t) {
      const Pack<T> x = tape.hidden[i * tiles + t];
      tape.hidden_bar[i * tiles + t] =
          last[t] * (normalized_silu_derivative(x, Real(1)) * Pack<T>(bar));
      tape.weight_bar[t] =
          fma_gradient_part(normalized_silu(x, Real(1)), Pack<T>(bar), tape.weight_bar[t]);
    }
  if (weights)
    detail::add_lanes(readout_slices_.back().of(gradient).data() + head * width * heads() + head,
                      width, heads(), tape.weight_bar, readout_last_scale());
  const RowsView<const Pack<T>> hidden_bar{tape.hidden_bar.data(), 1, nullptr, tiles};
  const std::size_t hidden = readout_hidden_.begin + head;
  maps_[hidden].weights.template apply_transposed<T>(
      n, hidden_bar, detail::scalar_rows<Pack<T>>(tape.feature_cotangents.back()), true);
  if (weights)
    map_gradient<T>(hidden, n, detail::scalar_rows<const Pack<T>>(features), hidden_bar, tape);
}

// ---- rows of irreps through channel maps ----

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::mix_blocks(const Mixing<Real>& map, bool transposed, std::size_t rows,
                                   RowsView<const Pack<T>> x, RowsView<Pack<T>> y, bool accumulate,
                                   const E& executor) {
  const auto from = [](auto view, std::size_t first) {
    if (view.offsets != nullptr)
      view.offsets += first;
    else
      view.data += first * view.row_stride;
    return view;
  };
  for_each_block(executor, rows, rows_of_block, [&](std::size_t first, std::size_t last) {
    if (transposed)
      map.template apply_transposed<T>(last - first, from(x, first), from(y, first), accumulate);
    else
      map.template apply<T>(last - first, from(x, first), from(y, first), accumulate);
  });
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::mix_irreps(MapRange maps, bool transposed, const FeatureArray<T>& x,
                                   FeatureArray<T>& y, const std::vector<int>& atoms, Tape<T>& tape,
                                   bool accumulate, const E& executor) const {
  const int n = x.n_atoms();
  // Irreps of y that no map reaches are zero.
  if (!accumulate)
    for (int t = 0; t < y.tiles(); ++t)
      for (int i : atoms)
        for (int m = static_cast<int>(maps.count * maps.count); m < y.lm_count(); ++m)
          y.at(t, i)[m] = Pack<T>();
  for (std::size_t k = 0; k < maps.count; ++k) {
    const int l = static_cast<int>(k);
    detail::fill_rows(tape.rows_in, atoms, x.lm_count(), l * l, 2 * l + 1);
    detail::fill_rows(tape.rows_out, atoms, y.lm_count(), l * l, 2 * l + 1);
    mix_blocks<T>(maps_[maps.begin + k].weights, transposed, tape.rows_in.size(),
                  detail::rows_view(x.at(0, 0), n, x.lm_count(), tape.rows_in),
                  detail::rows_view(y.at(0, 0), n, y.lm_count(), tape.rows_out), accumulate,
                  executor);
  }
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::irreps_gradient(MapRange maps, const FeatureArray<T>& x,
                                        const FeatureArray<T>& y_bar, const std::vector<int>& atoms,
                                        Tape<T>& tape) const {
  const int n = x.n_atoms();
  for (std::size_t k = 0; k < maps.count; ++k) {
    const int l = static_cast<int>(k);
    detail::fill_rows(tape.rows_in, atoms, x.lm_count(), l * l, 2 * l + 1);
    detail::fill_rows(tape.rows_out, atoms, y_bar.lm_count(), l * l, 2 * l + 1);
    map_gradient<T>(maps.begin + k, tape.rows_in.size(),
                    detail::rows_view(x.at(0, 0), n, x.lm_count(), tape.rows_in),
                    detail::rows_view(y_bar.at(0, 0), n, y_bar.lm_count(), tape.rows_out), tape);
  }
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::map_gradient(std::size_t map, std::size_t rows, RowsView<const Pack<T>> x,
                                     RowsView<const Pack<T>> y_bar, Tape<T>& tape) const {
  const Mixing<Real>& weights = maps_[map].weights;
  PendingGradient& pending = pending_of(tape);
  mix_gradient<T>(rows, x, weights.n_in(), y_bar, weights.out_tiles(),
                  pending.maps.data() + maps_[map].packed, pending.filled[map] != 0);
  pending.filled[map] = 1;
}

}  // namespace leyden::inline LEYDEN_ABI
