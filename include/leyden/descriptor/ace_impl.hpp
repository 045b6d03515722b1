// SPDX-License-Identifier: MIT
#pragma once

// Bodies of descriptor/ace.hpp.
#include <leyden/atoms/covalent_radii.hpp>
#include <leyden/core/error.hpp>
#include <leyden/descriptor/ace.hpp>
#include <leyden/equivariant/spherical_harmonics.hpp>

#include <string>

namespace leyden::inline LEYDEN_ABI {

template <AceShape Shape, std::floating_point Real>
Ace<Shape, Real>::Ace(AceOptions options) : options_(std::move(options)) {
  const auto require = [](bool ok, const char* what) {
    if (!ok) throw ModelError(std::string("Ace: ") + what);
  };
  require(!options_.species.empty(), "no species are given; list the atomic numbers of the data");
  require(options_.cutoff > 0, "the cutoff must be positive");
  require(options_.channels > 0, "there must be at least one channel");
  require(options_.radial_count > 0, "the radial basis must have at least one function");
  require(options_.radial_kind != RadialBasis::Kind::gaussian || options_.radial_count > 1,
          "a Gaussian radial basis needs at least two functions");
  require(
      options_.radial_frequencies.empty() ||
          (options_.radial_kind == RadialBasis::Kind::bessel &&
           options_.radial_frequencies.size() == static_cast<std::size_t>(options_.radial_count)),
      "radial_frequencies are one per function of a Bessel basis, or none");
  require(options_.envelope_order >= 2, "the envelope's order must be at least 2");
  require(options_.average_neighbors > 0, "the average number of neighbours must be positive");
  require(options_.atomic_energies.empty() ||
              options_.atomic_energies.size() == options_.species.size(),
          "give one atomic energy per species, or none");
  require(
      options_.covalent_radii.empty() || options_.covalent_radii.size() == options_.species.size(),
      "give one covalent radius per species, or none");
  for (const double r : options_.covalent_radii) require(r > 0, "covalent radii must be positive");
  require(!options_.repulsion || options_.repulsion->envelope_order >= 2,
          "the order of the repulsion's envelope must be at least 2");
  basis_ = {options_.radial_kind,
            options_.radial_count,
            options_.envelope_order,
            options_.cutoff,
            true,
            options_.radial_frequencies,
            options_.distance_transform};
  radii_ = options_.covalent_radii;
  if (radii_.empty())
    for (const int z : options_.species) radii_.push_back(covalent_radius(z));

  auto tables = std::make_shared<std::vector<SymmetricContraction>>();
  for (int l = 0; l <= (options_.features ? feature_l_max : 0); ++l)
    tables->push_back(SymmetricContraction(Shape.l_max, l, Shape.correlation));
  const int species = static_cast<int>(options_.species.size());
  radial_.assign(options_.species.size(),
                 Mixing<Real>(options_.radial_count, Shape.l_max + 1, options_.channels));
  energy_ = ProductBasis<Real>(tables, options_.channels, species, 0);
  if (options_.features) {
    features_ = ProductBasis<Real>(tables, options_.channels, species, feature_l_max);
    feature_shapes_ = {{options_.channels, feature_l_max}};
  }
}

template <AceShape Shape, std::floating_point Real>
void Ace<Shape, Real>::declare(ParameterLayout& layout) {
  const int species = static_cast<int>(options_.species.size());
  radial_slice_ =
      layout.add("ace.radial", {species, options_.radial_count, Shape.l_max + 1, options_.channels},
                 Initializer::normal(1.0));
  constant_slice_ =
      layout.add(std::string(linear_prefix) + "constant", {species}, Initializer::constant(0.0));
  energy_.declare(layout, std::string(linear_prefix.substr(0, linear_prefix.size() - 1)));
  if (options_.features) features_.declare(layout, "ace.features");
}

template <AceShape Shape, std::floating_point Real>
void Ace<Shape, Real>::prepare(std::span<const double> parameters) {
  const double* w = radial_slice_.of(parameters).data();
  for (Mixing<Real>& map : radial_) {
    map.pack(w, radial_row(), radial_scale());
    w += static_cast<std::size_t>(options_.radial_count) * radial_row();
  }
  constants_.clear();
  for (const double e : constant_slice_.of(parameters)) constants_.push_back(static_cast<Real>(e));
  energy_.prepare(parameters);
  if (options_.features) features_.prepare(parameters);
}

template <AceShape Shape, std::floating_point Real>
template <Number T>
void Ace<Shape, Real>::forward(const Geometry<T>& geometry, Tape<T>& tape) const {
  const int n = geometry.n_atoms();
  const std::size_t atoms = static_cast<std::size_t>(n);
  sort_species(geometry, tape);
  evaluate_edges(geometry, tape);

  tape.features.resize(feature_shapes_.size());
  tape.feature_cotangents.resize(feature_shapes_.size());
  for (std::size_t k = 0; k < feature_shapes_.size(); ++k) {
    tape.features[k].resize(n, feature_shapes_[k]);
    tape.feature_cotangents[k].resize(n, feature_shapes_[k]);
    tape.feature_cotangents[k].set_zero();
  }
  tape.atomic.resize(n, {options_.channels, Shape.l_max});
  tape.ones.assign(atoms, Pack<T>(T(Real(1))));
  tape.node_energies.assign(atoms, T(0));
  for (int i = 0; i < n; ++i) {
    const typename C::Edges edges = edges_of(geometry, tape, i);
    const std::ptrdiff_t first = geometry.first[static_cast<std::size_t>(i)];
    make_room(tape.coupled, static_cast<std::size_t>(edges.count * C::coupled_count));
    for (int e = 0; e < edges.count; ++e)
      C::couple(tape.harmonics.data() + (first + e) * lm_count,
                tape.coupled.data() + static_cast<std::ptrdiff_t>(e) * C::coupled_count);
    const int z = tape.species[static_cast<std::size_t>(i)];
    Pack<T> sum;
    for (int t = 0; t < tiles(); ++t) {
      Pack<T>* a = tape.atomic.at(t, i);
      C::forward(edges, tape.coupled.data(), tape.radial.data() + t * C::path_count,
                 tape.ones.data(), a);
      Pack<T> energy;
      energy_.forward(z, t, a, &energy);
      sum += energy;
      if (options_.features) features_.forward(z, t, a, tape.features[0].at(t, i));
    }
    tape.node_energies[static_cast<std::size_t>(i)] =
        sum_lanes(sum) * energy_scale() +
        T(constants_[static_cast<std::size_t>(z)] * static_cast<Real>(options_.scale));
  }
  if (options_.repulsion) {
    // Scaled like the rest: what add_energies adds to stands in these units already.
    tape.radial_values.assign(atoms, T(0));
    options_.repulsion->template add_energies<T>(geometry, options_.cutoff, tape.radius,
                                                 tape.radial_values);
    for (std::size_t i = 0; i < atoms; ++i)
      tape.node_energies[i] += tape.radial_values[i] * static_cast<Real>(options_.scale);
  }
  tape.reference_energies.assign(atoms, 0.0);
  for (std::size_t i = 0; i < atoms; ++i) {
    tape.node_energies[i] += T(static_cast<Real>(options_.shift));
    if (!options_.atomic_energies.empty())
      tape.reference_energies[i] =
          options_.atomic_energies[static_cast<std::size_t>(tape.species[i])];
  }
}

template <AceShape Shape, std::floating_point Real>
template <Number T>
void Ace<Shape, Real>::backward(const Geometry<T>& geometry, Tape<T>& tape, T energy_cotangent,
                                std::span<double> gradient) const {
  const int n = geometry.n_atoms();
  const bool weights = !gradient.empty();
  tape.atomic_bar.resize(n, tape.atomic.shape());
  tape.component_bar.resize(static_cast<std::size_t>(lm_count));
  tape.radial_bar.assign(tape.radial.size(), Pack<T>());
  tape.ones_bar.resize(tape.ones.size());
  tape.harmonics_bar.assign(tape.wants_edges ? tape.harmonics.size() : 0, T(0));
  if (weights) {
    energy_.reset(tape.energy_gradient);
    if (options_.features) features_.reset(tape.feature_gradient);
  }
  const Pack<T> energy_bar(energy_cotangent * energy_scale());
  for (int i = 0; i < n; ++i) {
    const int z = tape.species[static_cast<std::size_t>(i)];
    const typename C::Edges edges = edges_of(geometry, tape, i);
    const std::ptrdiff_t first = geometry.first[static_cast<std::size_t>(i)];
    for (int t = 0; t < tiles(); ++t) {
      const Pack<T>* a = tape.atomic.at(t, i);
      Pack<T>* a_bar = tape.atomic_bar.at(t, i);
      energy_.backward(z, t, a, &energy_bar, a_bar, weights ? &tape.energy_gradient : nullptr);
      if (options_.features) {
        features_.backward(z, t, a, tape.feature_cotangents[0].at(t, i), tape.component_bar.data(),
                           weights ? &tape.feature_gradient : nullptr);
        for (int m = 0; m < lm_count; ++m)
          a_bar[m] += tape.component_bar[static_cast<std::size_t>(m)];
      }
      C::backward(edges, tape.harmonics.data() + first * lm_count,
                  tape.radial.data() + t * C::path_count, tape.ones.data(), a_bar,
                  tape.radial_bar.data() + t * C::path_count, tape.ones_bar.data(),
                  tape.wants_edges ? tape.harmonics_bar.data() + first * lm_count : nullptr);
    }
    if (weights)
      constant_slice_.of(gradient)[static_cast<std::size_t>(z)] +=
          gradient_part(energy_cotangent) * options_.scale;
  }
  if (weights) {
    energy_.unpack_gradient(tape.energy_gradient, gradient);
    if (options_.features) features_.unpack_gradient(tape.feature_gradient, gradient);
  }
  pull_back_radial(geometry, tape, gradient);
  if (!tape.wants_edges) return;
  pull_back_edges(geometry, tape);
  if (options_.repulsion)
    options_.repulsion->template add_gradient<T>(
        geometry, options_.cutoff, tape.radius,
        energy_cotangent * static_cast<Real>(options_.scale), tape.edge_gradient);
}

// ---- edges ----

template <AceShape Shape, std::floating_point Real>
template <Number T>
void Ace<Shape, Real>::sort_species(const Geometry<T>& geometry, Tape<T>& tape) const {
  tape.species.resize(geometry.atomic_numbers.size());
  tape.radius.resize(geometry.atomic_numbers.size());
  for (std::size_t i = 0; i < tape.species.size(); ++i) {
    const int number = geometry.atomic_numbers[i];
    const auto found = std::find(options_.species.begin(), options_.species.end(), number);
    if (found == options_.species.end())
      throw ModelError("atom " + std::to_string(i) + " has atomic number " +
                       std::to_string(number) + ", which the model was not built for");
    tape.species[i] = static_cast<int>(found - options_.species.begin());
    tape.radius[i] = radii_[static_cast<std::size_t>(tape.species[i])];
  }
  const int row = tiles() * C::path_count, in = static_cast<int>(basis_tiles());
  for (auto* rows : {&tape.basis_rows, &tape.radial_rows, &tape.edge_rows}) {
    rows->resize(options_.species.size());
    for (auto& list : *rows) list.clear();
  }
  tape.edge_radial.resize(geometry.sender.size());
  for (int e = 0; e < geometry.n_edges(); ++e) {
    const std::size_t k = static_cast<std::size_t>(e);
    const std::size_t s =
        static_cast<std::size_t>(tape.species[static_cast<std::size_t>(geometry.sender[k])]);
    tape.basis_rows[s].push_back(geometry.pair[k] * in);
    tape.radial_rows[s].push_back(e * row);
    tape.edge_rows[s].push_back(e * in);
    tape.edge_radial[k] = e * tiles();
  }
}

template <AceShape Shape, std::floating_point Real>
template <Number T>
void Ace<Shape, Real>::evaluate_edges(const Geometry<T>& geometry, Tape<T>& tape) const {
  tape.basis.assign(static_cast<std::size_t>(geometry.n_pairs) * basis_tiles(), Pack<T>());
  tape.radial_values.resize(static_cast<std::size_t>(options_.radial_count));
  for (std::size_t p = 0; p < static_cast<std::size_t>(geometry.n_pairs); ++p) {
    const std::size_t e = static_cast<std::size_t>(geometry.pair_edge[p]);
    basis_.values(geometry.length[e], tape.radial_values.data(), radii(geometry, e, tape));
    Pack<T>* row = tape.basis.data() + p * basis_tiles();
    for (int b = 0; b < options_.radial_count; ++b)
      row[b / Pack<T>::lanes].set_lane(b % Pack<T>::lanes,
                                       tape.radial_values[static_cast<std::size_t>(b)]);
  }
  const std::size_t edges = geometry.sender.size();
  tape.harmonics.resize(edges * static_cast<std::size_t>(lm_count));
  for (std::size_t e = 0; e < edges; ++e) {
    const Vector3<T>& r = geometry.vector[e];
    const T inverse = T(1) / geometry.length[e];
    spherical_harmonics<Shape.l_max>(r[0] * inverse, r[1] * inverse, r[2] * inverse,
                                     tape.harmonics.data() + e * lm_count);
  }
  tape.radial.resize(edges * static_cast<std::size_t>(tiles() * C::path_count));
  for (std::size_t s = 0; s < radial_.size(); ++s)
    radial_[s].template apply<T>(tape.basis_rows[s].size(),
                                 {tape.basis.data(), 1, tape.basis_rows[s].data(), 0},
                                 {tape.radial.data(), 1, tape.radial_rows[s].data(), 0}, false);
}

template <AceShape Shape, std::floating_point Real>
template <Number T>
void Ace<Shape, Real>::pull_back_radial(const Geometry<T>& geometry, Tape<T>& tape,
                                        std::span<double> gradient) const {
  tape.edge_basis_bar.resize(geometry.sender.size() * basis_tiles());
  for (std::size_t s = 0; s < radial_.size(); ++s) {
    const std::size_t rows = tape.basis_rows[s].size();
    const RowsView<const Pack<T>> bar{tape.radial_bar.data(), 1, tape.radial_rows[s].data(), 0};
    radial_[s].template apply_transposed<T>(
        rows, bar, {tape.edge_basis_bar.data(), 1, tape.edge_rows[s].data(), 0}, false);
    if (gradient.empty()) continue;
    tape.weight_bar.resize(radial_[s].gradient_size());
    mix_gradient<T>(rows, {tape.basis.data(), 1, tape.basis_rows[s].data(), 0}, radial_[s].n_in(),
                    bar, radial_[s].out_tiles(), tape.weight_bar.data(), false);
    radial_[s].unpack_gradient(
        tape.weight_bar.data(),
        radial_slice_.of(gradient).data() +
            s * static_cast<std::size_t>(options_.radial_count) * radial_row(),
        radial_row(), radial_scale());
  }
  tape.basis_bar.assign(tape.basis.size(), Pack<T>());
  for (std::size_t e = 0; e < geometry.sender.size(); ++e)
    for (std::size_t t = 0; t < basis_tiles(); ++t)
      tape.basis_bar[static_cast<std::size_t>(geometry.pair[e]) * basis_tiles() + t] +=
          tape.edge_basis_bar[e * basis_tiles() + t];
}

template <AceShape Shape, std::floating_point Real>
template <Number T>
void Ace<Shape, Real>::pull_back_edges(const Geometry<T>& geometry, Tape<T>& tape) const {
  tape.edge_gradient.resize(geometry.sender.size());
  for (std::size_t e = 0; e < tape.edge_gradient.size(); ++e)
    tape.edge_gradient[e] = spherical_harmonics_gradient<Shape.l_max>(
        geometry.vector[e], geometry.length[e], tape.harmonics.data() + e * lm_count,
        tape.harmonics_bar.data() + e * lm_count);
  tape.radial_values.resize(static_cast<std::size_t>(options_.radial_count));
  for (std::size_t p = 0; p < static_cast<std::size_t>(geometry.n_pairs); ++p) {
    const std::size_t e = static_cast<std::size_t>(geometry.pair_edge[p]);
    for (int b = 0; b < options_.radial_count; ++b)
      tape.radial_values[static_cast<std::size_t>(b)] =
          lane_of(tape.basis_bar.data() + p * basis_tiles(), b);
    const T slope =
        basis_.pullback(geometry.length[e], tape.radial_values.data(), radii(geometry, e, tape));
    tape.edge_gradient[e] += geometry.vector[e] * (slope / geometry.length[e]);
  }
}

}  // namespace leyden::inline LEYDEN_ABI
