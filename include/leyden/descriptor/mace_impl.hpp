// SPDX-License-Identifier: MIT
#pragma once

// Bodies of descriptor/mace.hpp, out of class so that `extern template class Mace<…>` works.
#include <leyden/atoms/covalent_radii.hpp>
#include <leyden/core/error.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/equivariant/spherical_harmonics.hpp>

#include <cmath>
#include <tuple>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

/// `count` numbers, `stride` apart, into lanes, times a factor; and the adjoint.
template <std::floating_point R>
void fill_packs(Buffer<Pack<R>>& packs, const double* values, std::size_t count, std::size_t stride,
                double scale) {
  packs.assign(static_cast<std::size_t>(pack_count<R>(static_cast<int>(count))), Pack<R>());
  for (std::size_t i = 0; i < count; ++i)
    packs[i / Pack<R>::lanes].set_lane(static_cast<int>(i % Pack<R>::lanes),
                                       static_cast<R>(values[i * stride] * scale));
}
template <std::floating_point R>
void add_lanes(double* values, std::size_t count, std::size_t stride, const Buffer<Pack<R>>& packs,
               double scale) {
  for (std::size_t i = 0; i < count; ++i)
    values[i * stride] += lane_of(packs.data(), static_cast<int>(i)) * scale;
}

}  // namespace detail

template <MaceShape Shape, std::floating_point Real>
Mace<Shape, Real>::Mace(MaceOptions options) : options_(std::move(options)) {
  const auto require = [](bool ok, const char* what) {
    if (!ok) throw ModelError(std::string("Mace: ") + what);
  };
  require(!options_.species.empty(), "no species are given; list the atomic numbers of the data");
  require(options_.cutoff > 0, "the cutoff must be positive");
  require(options_.channels > 0 && options_.layers > 0, "channels and layers must be positive");
  require(options_.radial_count > 0, "the radial basis must have at least one function");
  require(options_.envelope_order >= 2, "the envelope's order must be at least 2");
  require(options_.readout_width > 0, "the readout must have at least one hidden unit");
  require(options_.average_neighbors > 0, "the average number of neighbours must be positive");
  require(options_.heads > 0 && options_.head >= 0 && options_.head < options_.heads,
          "there must be a head, and `head` one of them");
  require(options_.atomic_energies.empty() ||
              options_.atomic_energies.size() == options_.species.size() ||
              options_.atomic_energies.size() == heads() * options_.species.size(),
          "give one atomic energy per species, or one per head and species, or none");
  for (const auto* list : {&options_.head_scales, &options_.head_shifts})
    require(list->empty() || list->size() == heads(),
            "head_scales and head_shifts have one number per head, or none");
  require(options_.radial_kind != RadialBasis::Kind::gaussian || options_.radial_count > 1,
          "a Gaussian radial basis needs at least two functions");
  require(
      options_.radial_frequencies.empty() ||
          (options_.radial_kind == RadialBasis::Kind::bessel &&
           options_.radial_frequencies.size() == static_cast<std::size_t>(options_.radial_count)),
      "radial_frequencies are one per function of a Bessel basis, or none");
  require(
      options_.covalent_radii.empty() || options_.covalent_radii.size() == options_.species.size(),
      "give one covalent radius per species, or none");
  for (const double r : options_.covalent_radii) require(r > 0, "covalent radii must be positive");
  require(!options_.repulsion || options_.repulsion->envelope_order >= 2,
          "the order of the repulsion's envelope must be at least 2");
  require(!nonlinear || !options_.density_normalized,
          "density_normalized is for linear layers: nonlinear ones have a density of their own");
  const int kinds = static_cast<int>(options_.species.size());
  require(options_.radial_knots == 0 ||
              (options_.radial_knots > 1 && !nonlinear && !options_.density_normalized &&
               !options_.envelope_on_messages && kinds * (kinds + 1) / 2 <= max_table_types),
          "radial_knots are at least 2, for linear layers without density or envelope, and at most "
          "5 species");
  require(options_.training_knots == 0 || options_.training_knots > 1,
          "training_knots must be at least 2, or 0 for none");
  require(options_.edge_channels >= 0, "edge_channels must be positive, or 0 for all channels");
  if (nonlinear) {
    require(!options_.envelope_on_messages,
            "envelope_on_messages is for linear layers; nonlinear ones have smooth_cutoff");
    require(!options_.residual_first,
            "residual_first is for linear layers: nonlinear ones always pass their input on");
  } else {
    require(options_.smooth_cutoff,
            "messages of linear layers always fade at the cutoff; leave smooth_cutoff true, or "
            "take MaceInteraction::nonlinear");
  }
  basis_ = {options_.radial_kind,
            options_.radial_count,
            options_.envelope_order,
            options_.cutoff,
            nonlinear ? !options_.smooth_cutoff : !options_.envelope_on_messages,
            options_.radial_frequencies,
            options_.distance_transform};
  radii_ = options_.covalent_radii;
  if (radii_.empty())
    for (const int z : options_.species) radii_.push_back(covalent_radius(z));

  const int channels = options_.channels;
  const int species = static_cast<int>(options_.species.size());
  auto tables = std::make_shared<std::vector<SymmetricContraction>>();
  for (int l = 0; l <= Shape.hidden_l; ++l)
    tables->push_back(SymmetricContraction(Shape.l_max, l, Shape.correlation));

  std::size_t packed = 0;
  const auto add_map = [&](MapRange& range, Mixing<Real> map) {
    if (range.count++ == 0) range.begin = maps_.size();
    const std::size_t size = map.gradient_size();
    maps_.push_back({std::move(map), 0, 0, 1.0, packed});
    packed += size;
  };
  const auto per_l = [&](int l_max, int n_out) {
    MapRange range;
    for (int l = 0; l <= l_max; ++l) add_map(range, {channels, n_out});
    return range;
  };
  FeatureShape in{channels, 0, options_.frame};
  for (int k = 0; k < options_.layers; ++k) {
    Layer layer;
    layer.in = in;
    const bool all_irreps = k + 1 < options_.layers || options_.keep_last_irreps;
    layer.out = {channels, all_irreps ? Shape.hidden_l : 0, options_.frame};
    layer.residual = nonlinear || k > 0 || options_.residual_first;
    layer.edge_channels = k > 0 && options_.edge_channels > 0 ? options_.edge_channels : channels;
    layer.edge_l = std::min(in.l_max, edge_l);
    layer.up = per_l(layer.edge_l, layer.edge_channels);
    layer.linear = per_l(layer.out.l_max, channels);
    with_convolution(layer, [&]<class C>(C) {
      std::size_t offset = 0;
      for (const auto& path : C::paths) {
        const int blocks = blocks_of(path.l3);
        add_map(layer.path_maps, {layer.edge_channels, blocks, channels});
        layer.path_offsets.push_back(offset);
        offset += static_cast<std::size_t>(layer.edge_channels * blocks * channels);
      }
      if constexpr (nonlinear)
        layer.nonlinear = Nonlinear({options_.radial_count, options_.radial_hidden, species,
                                     channels, layer.edge_channels, C::path_count, Shape.l_max});
      else if (!splines())
        layer.radial = RadialPerceptron<Real>(options_.radial_count, options_.radial_hidden,
                                              C::path_count, layer.edge_channels);
    });
    layer.density = EdgeDensity<Real>(options_.radial_count);
    if (nonlinear) {
      for (int l = 0; l <= layer.edge_l; ++l)
        add_map(layer.residual_maps, {layer.edge_channels, blocks_of(l), channels});
      layer.gated = per_l(Shape.l_max, channels);
    }
    const int mapped_l = layer.residual ? std::min(in.l_max, layer.out.l_max) : Shape.l_max;
    for (int s = 0; s < (nonlinear ? 1 : species); ++s)
      layer.species_maps.push_back(per_l(mapped_l, channels));
    layer.product = ProductBasis<Real>(tables, channels, options_.agnostic_product ? 1 : species,
                                       layer.out.l_max);
    feature_shapes_.push_back(layer.out);
    in = layer.out;
    layers_.push_back(std::move(layer));
  }
  readouts_.resize(linear_readouts() * heads());
  if (has_hidden_readout()) {
    for (int h = 0; h < options_.heads; ++h)
      add_map(readout_hidden_, {channels, options_.readout_width});
    readout_last_.resize(heads());
  }
  if (Layer& first = layers_[0]; folded(0) && !first.residual)
    for (const MapRange& of_species : first.species_maps) {
      first.path_products.push_back(per_l(Shape.l_max, channels));
      for (std::size_t l = 0; l < of_species.count; ++l)
        products_.push_back({first.path_products.back().begin + l, first.path_maps.begin + l,
                             of_species.begin + l});
    }
}

template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::declare(ParameterLayout& layout) {
  const int c = options_.channels;
  const int z = static_cast<int>(options_.species.size());
  const auto weight = Initializer::normal(1.0);
  embedding_slice_ = layout.add("mace.embedding", {z, c}, weight);
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    Layer& layer = layers_[k];
    const std::string name = "mace.layer" + std::to_string(k) + ".";
    const auto count = [](const MapRange& m) { return static_cast<int>(m.count); };
    layer.up_slice =
        layout.add(name + "up", {count(layer.up), c, layer.edge_channels}, weight, true);
    if constexpr (nonlinear) {
      layer.nonlinear.declare(layout, name);
      const int blocks = Shape.l_max + count(layer.residual_maps);
      layer.residual_slice =
          layout.add(name + "residual", {blocks * layer.edge_channels * c}, weight, true);
      // The last path is one of l > 0: one block.
      layer.path_slice = layout.add(
          name + "mix", {static_cast<int>(layer.path_offsets.back()) + layer.edge_channels * c},
          weight, true);
      layer.gated_slice = layout.add(name + "gated", {count(layer.gated), c, c}, weight, true);
    } else {
      if (splines())
        layer.spline_slice = layout.add(name + "radial_spline",
                                        {z * (z + 1) / 2, count(layer.path_maps),
                                         layer.edge_channels, options_.radial_knots, 2},
                                        Initializer::normal(0.1));
      else
        layer.radial.declare(layout, name + "radial");
      if (options_.density_normalized) layer.density.declare(layout, name + "density");
      layer.path_slice =
          layout.add(name + "mix", {count(layer.path_maps), layer.edge_channels, c}, weight, true);
    }
    const int maps = static_cast<int>(layer.species_maps.size());
    layer.species_slice = layout.add(name + (layer.residual ? "skip" : "select"),
                                     {count(layer.species_maps[0]), c, maps, c}, weight, true);
    layer.product.declare(layout, name + "product");
    layer.linear_slice = layout.add(name + "linear", {count(layer.linear), c, c}, weight, true);
  }
  // [input][head]
  readout_slices_.clear();
  const auto add_readout = [&](const std::string& name, int inputs) {
    const std::vector<int> shape =
        heads() > 1 ? std::vector<int>{inputs, options_.heads} : std::vector<int>{inputs};
    readout_slices_.push_back(layout.add(name, shape, weight));
  };
  for (std::size_t k = 0; k < linear_readouts(); ++k)
    add_readout("mace.readout" + std::to_string(k), c);
  if (has_hidden_readout()) {
    const int hidden = options_.heads * options_.readout_width;  // a head's units side by side
    readout_hidden_slice_ = layout.add("mace.readout_hidden", {c, hidden}, weight);
    add_readout("mace.readout_last", hidden);
  }
  place_maps();
}

template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::place_maps() {
  const std::size_t c = static_cast<std::size_t>(options_.channels);
  const double fan_in = channel_scale();
  const auto place = [&](std::size_t map, std::size_t first, std::size_t stride, double scale) {
    maps_[map].first = first;
    maps_[map].row_stride = stride;
    maps_[map].scale = scale;
  };
  const auto place_per_l = [&](MapRange m, const Slice& slice, std::size_t n_out) {
    for (std::size_t l = 0; l < m.count; ++l)
      place(m.begin + l, slice.offset + l * c * n_out, n_out, fan_in);
  };
  for (const Layer& layer : layers_) {
    place_per_l(layer.up, layer.up_slice, static_cast<std::size_t>(layer.edge_channels));
    place_per_l(layer.linear, layer.linear_slice, c);
    place_per_l(layer.gated, layer.gated_slice, c);
    with_convolution(layer, [&]<class C>(C) {
      for (std::size_t p = 0; p < layer.path_maps.count; ++p)
        place(layer.path_maps.begin + p, layer.path_slice.offset + layer.path_offsets[p],
              static_cast<std::size_t>(blocks_of(C::paths[p].l3)) * c,
              path_scale<C>(layer, static_cast<int>(p)));
    });
    std::size_t offset = layer.residual_slice.offset;
    for (std::size_t l = 0; l < layer.residual_maps.count; ++l) {
      const std::size_t columns = static_cast<std::size_t>(blocks_of(static_cast<int>(l))) * c;
      const std::size_t inputs = static_cast<std::size_t>(layer.edge_channels);
      place(layer.residual_maps.begin + l, offset, columns,
            1.0 / std::sqrt(static_cast<double>(inputs)));
      offset += inputs * columns;
    }
    const std::size_t species = layer.species_maps.size();
    for (std::size_t s = 0; s < species; ++s)
      for (std::size_t l = 0; l < layer.species_maps[s].count; ++l)
        place(layer.species_maps[s].begin + l,
              layer.species_slice.offset + (l * c * species + s) * c, species * c,
              fan_in / std::sqrt(static_cast<double>(species)));
  }
  const std::size_t width = static_cast<std::size_t>(options_.readout_width);
  for (std::size_t h = 0; h < readout_hidden_.count; ++h)
    place(readout_hidden_.begin + h, readout_hidden_slice_.offset + h * width, heads() * width,
          fan_in);
}

template <MaceShape Shape, std::floating_point Real>
template <Executor E>
void Mace<Shape, Real>::prepare(std::span<const double> parameters, const E& executor,
                                bool training) {
  const std::size_t c = static_cast<std::size_t>(options_.channels);
  const std::size_t z = options_.species.size();
  const double fan_in = channel_scale();

  const std::span<const double> table = embedding_slice_.of(parameters);
  const std::size_t tiles = static_cast<std::size_t>(pack_count<Real>(options_.channels));
  embedding_.resize(z * tiles);
  for (std::size_t i = 0; i < table.size(); ++i)
    embedding_[i / c * tiles + i % c / Pack<Real>::lanes].set_lane(
        static_cast<int>(i % c % Pack<Real>::lanes),
        static_cast<Real>(table[i] / std::sqrt(static_cast<double>(z))));

  const std::size_t layers = layers_.size();
  executor.for_each(2 * layers + maps_.size() - products_.size(), [&](std::size_t i, int) {
    if (i >= 2 * layers) {
      ChannelMap& map = maps_[i - 2 * layers];
      map.weights.pack(parameters.data() + map.first, map.row_stride, map.scale);
      return;
    }
    Layer& layer = layers_[i % layers];
    if (i >= layers) return layer.product.prepare(parameters);
    if constexpr (nonlinear)
      layer.nonlinear.prepare(parameters);
    else if (!splines())
      layer.radial.prepare(parameters);
    if (options_.density_normalized) layer.density.prepare(parameters);
  });
  tables_ = nullptr;
  if ((options_.radial_tolerance > 0.0 || splines()) && !nonlinear &&
      table_types(layers_.size()) <= max_table_types && !(training && has_knots())) {
    tables_ = std::make_shared<Tables>();
    tables_->parameters.assign(parameters.begin(), parameters.end());
  }

  // Memory of knots that nobody else holds serves again.
  if (has_knots() && (knots_ == nullptr || knots_.use_count() > 1))
    knots_ = std::make_shared<Knots>();
  if (knots_ != nullptr) {
    knots_->once.emplace();
    knots_->below.emplace();
    knots_->first = training ? std::min<std::size_t>(knots_->lowest, knot_count()) : 0;
  }
  has_products_ = training;
  if (training) {
    const bool on_knots = knots_ != nullptr;
    if (on_knots) start_knots();
    // Both depend on the maps alone, and no thread has only the short tasks.
    constexpr std::size_t shares = shares_of_training;
    executor.for_each(shares, [&](std::size_t share, int) {
      for (std::size_t i = share; i < products_.size(); i += shares) {
        const MapProduct& p = products_[i];
        maps_[p.map].weights.set_product(maps_[p.first].weights, maps_[p.second].weights);
      }
      if (!on_knots) return;
      const std::size_t first = knots_->first, count = knot_count() - first;
      evaluate_knots(first + share * count / shares, first + (share + 1) * count / shares);
    });
    if (on_knots) std::call_once(*knots_->once, [] {});
  }

  const std::size_t width = static_cast<std::size_t>(options_.readout_width);
  for (std::size_t h = 0; h < heads(); ++h) {
    for (std::size_t k = 0; k < linear_readouts(); ++k)
      detail::fill_packs(readouts_[k * heads() + h], readout_slices_[k].of(parameters).data() + h,
                         c, heads(), fan_in);
    if (!has_hidden_readout()) continue;
    // Of the block of the head's own units: those of others are masked.
    detail::fill_packs(readout_last_[h],
                       readout_slices_.back().of(parameters).data() + h * width * heads() + h,
                       width, heads(), readout_last_scale());
  }
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::forward(const Geometry<T>& geometry, Tape<T>& tape,
                                const E& executor) const {
  const int n = geometry.n_atoms();
  sort_species(geometry, tape);
  tape.on_knots = locate_on_knots(geometry, tape);
  tape.tabulated = !tape.on_knots && locate_edges(geometry, tape, executor);
  evaluate_edges(geometry, tape, executor);

  tape.embedding.resize(n, {options_.channels, 0});
  for (int t = 0; t < tape.embedding.tiles(); ++t)
    for (int i = 0; i < n; ++i)
      *tape.embedding.at(t, i) = Pack<T>(embedding_[static_cast<std::size_t>(
          tape.species[static_cast<std::size_t>(i)] * tape.embedding.tiles() + t)]);

  tape.layers.resize(layers_.size());
  tape.features.resize(layers_.size());
  tape.feature_cotangents.resize(layers_.size());
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    tape.features[k].resize(n, layers_[k].out);
    tape.feature_cotangents[k].resize(n, layers_[k].out);
    tape.feature_cotangents[k].set_zero();
  }
  run_layers(geometry, tape, executor);
  read_out(geometry, tape);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::run_layers(const Geometry<T>& geometry, Tape<T>& tape,
                                   const E& executor) const {
  for (std::size_t k = 0; k < layers_.size(); ++k)
    forward_layer(geometry, k, k == 0 ? tape.embedding : tape.features[k - 1], tape.features[k],
                  tape, executor);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::backward(const Geometry<T>& geometry, Tape<T>& tape, T energy_cotangent,
                                 std::span<double> gradient, const E& executor) const {
  const int n = geometry.n_atoms();
  if (splines() && !gradient.empty())
    throw ModelError("Mace: radial functions that are splines (radial_knots) cannot be trained");
  if (tape.tabulated && !gradient.empty()) {
    // Tables know nothing of the parameters.
    tape.tabulated = false;
    evaluate_edges(geometry, tape, executor);
    run_layers(geometry, tape, executor);
  }
  if (!gradient.empty()) {
    tape.own_pending.clear();
    const ChannelMap& last = maps_.back();
    pending_of(tape).maps.resize(last.packed + last.weights.gradient_size());
    pending_of(tape).filled.resize(maps_.size());
  }
  read_out_backward(tape, energy_cotangent, gradient);
  tape.basis_bar.assign(tape.basis.size(), Pack<T>());
  tape.knots.distance_bar.assign(tape.on_knots && tape.wants_edges ? tape.knots.knot.size() : 0,
                                 Pack<T>());
  tape.harmonics_bar.assign(
      tape.wants_edges || tape.tabulated ? edge_groups(tape) * tape.harmonics.size() : 0, T(0));
  if constexpr (nonlinear) tape.edge.factor_bar.assign(tape.edge.factor.size(), T(0));
  tape.factor_bar.assign(tape.factor.size(), T(0));
  tape.embedding_bar.resize(n, {options_.channels, 0});
  tape.embedding_bar.set_zero();
  for (std::size_t k = layers_.size(); k-- > 0;)
    backward_layer(
        geometry, k, k == 0 ? tape.embedding : tape.features[k - 1], tape.feature_cotangents[k],
        k == 0 ? tape.embedding_bar : tape.feature_cotangents[k - 1], tape, gradient, executor);
  if (!gradient.empty()) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(options_.species.size()));
    for (int i = 0; i < n; ++i) {
      double* row = embedding_slice_.of(gradient).data() +
                    tape.species[static_cast<std::size_t>(i)] * options_.channels;
      for (int c = 0; c < options_.channels; ++c)
        row[c] += gradient_part(tape.embedding_bar.get(i, c, 0)) * scale;
    }
  }
  if (tape.pending == nullptr && !gradient.empty())
    add_pending(std::span(&tape.own_pending, 1), gradient, executor);
  if (!tape.wants_edges) return;
  pull_back_edges(geometry, tape, executor);
  if (options_.repulsion)
    options_.repulsion->template add_gradient<T>(
        geometry, options_.cutoff, tape.radius,
        energy_cotangent * static_cast<Real>(scale_of(head_of(tape))), tape.edge_gradient);
}

// ---- geometry of the edges ----

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::sort_species(const Geometry<T>& geometry, Tape<T>& tape) const {
  tape.species.resize(geometry.atomic_numbers.size());
  tape.atoms_of.resize(options_.species.size());
  tape.radius.resize(geometry.atomic_numbers.size());
  tape.all_atoms.clear();
  for (auto& list : tape.atoms_of) list.clear();
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    const int number = geometry.atomic_numbers[static_cast<std::size_t>(i)];
    std::size_t s = 0;
    while (s < options_.species.size() && options_.species[s] != number) ++s;
    if (s == options_.species.size())
      throw ModelError("atom " + std::to_string(i) + " has atomic number " +
                       std::to_string(number) + ", which the model was not built for");
    tape.species[static_cast<std::size_t>(i)] = static_cast<int>(s);
    tape.radius[static_cast<std::size_t>(i)] = radii_[s];
    tape.atoms_of[s].push_back(i);
    tape.all_atoms.push_back(i);
  }
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
std::size_t Mace<Shape, Real>::head_of(const Tape<T>& tape) const {
  const int head = tape.head < 0 ? options_.head : tape.head;
  if (head >= options_.heads)
    throw ModelError("Mace: head " + std::to_string(head) + " of a tape, but the model has " +
                     std::to_string(options_.heads) + ", counted from 0");
  return static_cast<std::size_t>(head);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::evaluate_edges(const Geometry<T>& geometry, Tape<T>& tape,
                                       const E& executor) const {
  const std::size_t tiles = static_cast<std::size_t>(pack_count<T>(options_.radial_count));
  const std::size_t pairs = needs_basis(tape) ? static_cast<std::size_t>(geometry.n_pairs) : 0;
  tape.basis.resize(pairs * tiles);
  tape.radial_values.resize(static_cast<std::size_t>(options_.radial_count));
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::size_t e = static_cast<std::size_t>(geometry.pair_edge[p]);
    basis_.values(geometry.length[e], tape.radial_values.data(), radii(geometry, e, tape));
    Pack<T>* row = tape.basis.data() + p * tiles;
    for (std::size_t t = 0; t < tiles; ++t) row[t] = Pack<T>();
    for (int b = 0; b < options_.radial_count; ++b)
      row[b / Pack<T>::lanes].set_lane(b % Pack<T>::lanes,
                                       tape.radial_values[static_cast<std::size_t>(b)]);
  }
  const std::size_t faded = options_.envelope_on_messages ? pairs : 0;
  tape.factor.resize(faded);
  tape.factor_slope.resize(faded);
  for (std::size_t p = 0; p < faded; ++p)
    std::tie(tape.factor[p], tape.factor_slope[p]) =
        basis_.envelope(geometry.length[static_cast<std::size_t>(geometry.pair_edge[p])]);
  tape.harmonics.resize(static_cast<std::size_t>(geometry.n_edges()) * lm_edge);
  for_each_block(executor, static_cast<std::size_t>(geometry.n_edges()), edges_of_block,
                 [&](std::size_t first, std::size_t last) {
                   for (std::size_t e = first; e < last; ++e) {
                     const Vector3<T> r = to_frame(geometry.vector[e]);
                     const T inverse = T(1) / geometry.length[e];
                     spherical_harmonics<Shape.l_max>(r[0] * inverse, r[1] * inverse,
                                                      r[2] * inverse,
                                                      tape.harmonics.data() + e * lm_edge);
                   }
                 });
  if constexpr (nonlinear)
    Nonlinear::scale_edges(geometry, basis_, options_.smooth_cutoff, lm_edge, tape.harmonics,
                           tape.edge);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
void Mace<Shape, Real>::pull_back_edges(const Geometry<T>& geometry, Tape<T>& tape,
                                        const E& executor) const {
  const std::size_t tiles = static_cast<std::size_t>(pack_count<T>(options_.radial_count));
  tape.edge_gradient.resize(static_cast<std::size_t>(geometry.n_edges()));
  const T* harmonics = tape.harmonics.data();
  if constexpr (nonlinear) {
    Nonlinear::unscale_edges(geometry, lm_edge, tape.harmonics_bar, tape.edge);
    harmonics = tape.edge.harmonics.data();
  }
  const std::size_t edges = tape.edge_gradient.size(), stride = edges * lm_edge;
  for_each_block(executor, edges, edges_of_block, [&](std::size_t first, std::size_t last) {
    for (std::size_t e = first; e < last; ++e) {
      T* bar = tape.harmonics_bar.data() + e * lm_edge;
      for (std::size_t g = 1; g < edge_groups(tape); ++g)
        for (std::size_t m = 0; m < lm_edge; ++m) bar[m] += bar[g * stride + m];
      tape.edge_gradient[e] = from_frame(spherical_harmonics_gradient<Shape.l_max>(
          to_frame(geometry.vector[e]), geometry.length[e], harmonics + e * lm_edge, bar));
      // With tables, what stands in the place of l = 0 is the cotangent of the distance.
      if (tape.tabulated)
        tape.edge_gradient[e] += geometry.vector[e] * (bar[0] / geometry.length[e]);
    }
  });
  if (tape.on_knots)
    for (std::size_t p = 0; p < tape.knots.knot.size(); ++p) {
      const std::size_t e = static_cast<std::size_t>(geometry.pair_edge[p]);
      tape.edge_gradient[e] +=
          geometry.vector[e] * (sum_lanes(tape.knots.distance_bar[p]) / geometry.length[e]);
    }
  const std::size_t pairs = needs_basis(tape) ? static_cast<std::size_t>(geometry.n_pairs) : 0;
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::size_t e = static_cast<std::size_t>(geometry.pair_edge[p]);
    for (int b = 0; b < options_.radial_count; ++b)
      tape.radial_values[static_cast<std::size_t>(b)] =
          lane_of(tape.basis_bar.data() + p * tiles, b);
    T dr = basis_.pullback(geometry.length[e], tape.radial_values.data(), radii(geometry, e, tape));
    if (!tape.factor.empty()) dr += tape.factor_bar[p] * tape.factor_slope[p];
    if constexpr (nonlinear) dr += tape.edge.factor_bar[p] * tape.edge.factor_slope[p];
    tape.edge_gradient[e] += geometry.vector[e] * (dr / geometry.length[e]);
  }
}

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/descriptor/mace_layer_impl.hpp>      // IWYU pragma: keep
#include <leyden/descriptor/mace_nonlinear_impl.hpp>  // IWYU pragma: keep
#include <leyden/descriptor/mace_tables_impl.hpp>     // IWYU pragma: keep
#include <leyden/descriptor/mace_training_impl.hpp>   // IWYU pragma: keep
