// SPDX-License-Identifier: MIT
#pragma once

// Bodies of descriptor/mace.hpp: tables of radial functions, for evaluations that ask for no
// gradient by parameters.
#include <leyden/descriptor/mace.hpp>

#include <algorithm>
#include <cmath>

namespace leyden::inline LEYDEN_ABI {

/// Radial functions of one pair of species, sampled in double precision.
template <MaceShape Shape, std::floating_point Real>
struct Mace<Shape, Real>::TableSamples {
  using D = Dual<double>;
  std::vector<double> radius;          // Å
  std::vector<double> values, slopes;  // [function][channel][sample]
  RadialPerceptron<double> radial;
  std::vector<Mixing<double>> fold;  // per l: from radial functions to those of the atomic basis
  typename RadialPerceptron<double>::template Tape<D> tape;
  Buffer<Pack<D>> basis, out, folded;
};

template <MaceShape Shape, std::floating_point Real>
int Mace<Shape, Real>::table_types(std::size_t k) const {
  const int z = static_cast<int>(options_.species.size());
  if (folded(k)) return z * z;
  const bool by_pair =
      splines() || options_.distance_transform.kind != DistanceTransform::Kind::none;
  return by_pair ? z * (z + 1) / 2 : 1;
}

template <MaceShape Shape, std::floating_point Real>
int Mace<Shape, Real>::table_type(std::size_t k, int receiver, int sender) const {
  if (folded(k)) return receiver * static_cast<int>(options_.species.size()) + sender;
  return table_types(k) == 1 ? 0 : pair_of(receiver, sender);
}

template <MaceShape Shape, std::floating_point Real>
const typename Mace<Shape, Real>::Tables* Mace<Shape, Real>::tables() const {
  if (tables_ == nullptr) return nullptr;
  std::call_once(tables_->once, [this] { build_tables(*tables_); });
  return tables_->usable ? tables_.get() : nullptr;
}

template <MaceShape Shape, std::floating_point Real>
double Mace<Shape, Real>::table_error() const {
  const Tables* t = tables();
  return t == nullptr ? 0.0 : t->error;
}

template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::build_tables(Tables& tables) const {
  // What rounding to float leaves of slopes.
  const double tolerance = std::max(options_.radial_tolerance, sizeof(Real) == 4 ? 4e-6 : 1e-12);
  const int z = static_cast<int>(options_.species.size());
  int pieces = 24;
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    const Layer& layer = layers_[k];
    TableSamples samples;
    if (splines()) {
      pieces = options_.radial_knots - 1;  // which polynomials of a table meet exactly
    } else {
      samples.radial = RadialPerceptron<double>(layer.radial);
      samples.radial.prepare(tables.parameters);
    }
    const int functions = static_cast<int>(layer.path_maps.count), channels = layer.edge_channels;
    RadialTable<Real> table;
    double error = 0.0;
    for (;;) {
      table = RadialTable<Real>(table_types(k), functions, channels, table_first(), options_.cutoff,
                                pieces);
      double worst = 0.0, largest = 0.0;
      int next = 0;  // types come in order
      for (int i = 0; i < z; ++i)
        for (int j = 0; j < z; ++j) {
          const int type = table_type(k, i, j);
          if (type != next) continue;
          ++next;
          if (folded(k)) set_up_folding(i, j, tables.parameters, samples);
          samples.radius.clear();
          for (int s = 0; s < table.sample_count(); ++s) samples.radius.push_back(table.sample(s));
          sample_radial(k, i, j, tables, samples);
          for (int f = 0; f < functions; ++f)
            for (int c = 0; c < channels; ++c) {
              const std::ptrdiff_t at =
                  static_cast<std::ptrdiff_t>(f * channels + c) * table.sample_count();
              table.set(type, f, c, samples.values.data() + at, samples.slopes.data() + at, 1);
            }
          // Between the nodes, where slopes are worst.
          samples.radius.clear();
          const double width = (options_.cutoff - table_first()) / pieces;
          for (int p = 0; p < pieces; ++p)
            for (const double u : {0.13, 0.87})
              samples.radius.push_back(table_first() + (p + u) * width);
          sample_radial(k, i, j, tables, samples);
          const std::size_t count = samples.radius.size();
          for (int f = 0; f < functions; ++f)
            for (int c = 0; c < channels; ++c)
              for (std::size_t s = 0; s < count; ++s) {
                const double slope =
                    samples.slopes[static_cast<std::size_t>(f * channels + c) * count + s];
                largest = std::max(largest, std::abs(slope));
                worst =
                    std::max(worst, std::abs(table.at(type, f, c, samples.radius[s])[1] - slope));
              }
        }
      error = largest > 0.0 ? worst / largest : 0.0;
      if (!(error > tolerance) || pieces >= max_table_pieces || splines()) break;
      const double factor = std::pow(error / tolerance, 1.0 / (RadialTable<Real>::terms - 1));
      pieces =
          std::min(max_table_pieces, static_cast<int>(pieces * std::min(factor, 8.0) * 1.05) + 2);
    }
    tables.error = std::max(tables.error, error);
    tables.layers.push_back(std::move(table));
  }
  tables.usable = tables.error <= tolerance || splines();
  if (folded(0) && layers_[0].residual) {
    const std::size_t tiles = static_cast<std::size_t>(pack_count<Real>(options_.channels));
    tables.passed_on.assign(static_cast<std::size_t>(z) * tiles, Pack<Real>());
    for (std::size_t s = 0; s < static_cast<std::size_t>(z); ++s)
      maps_[layers_[0].species_maps[s].begin].weights.template apply<Real>(
          1, {embedding_.data() + s * tiles, 1, nullptr, tiles},
          {tables.passed_on.data() + s * tiles, 1, nullptr, tiles}, false);
  }
  tables.parameters = {};
}

// A[l] = Σ_e Y_e (select_i mix_l diag(up(h_j))) R_e[l]: what stands in brackets.
template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::set_up_folding(int receiver, int sender, std::span<const double> parameters,
                                       TableSamples& samples) const {
  const Layer& layer = layers_[0];
  const std::size_t c = static_cast<std::size_t>(options_.channels);
  const std::size_t maps = layer.species_maps.size();
  const double z = static_cast<double>(options_.species.size());
  const double fan_in = channel_scale();
  std::vector<double> sent(c, 0.0), dense(c * c), mapped(c * c);
  const double* h = embedding_slice_.of(parameters).data() + static_cast<std::size_t>(sender) * c;
  const double* up = layer.up_slice.of(parameters).data();
  for (std::size_t i = 0; i < c; ++i)
    for (std::size_t o = 0; o < c; ++o) sent[o] += h[i] * up[i * c + o] * fan_in / std::sqrt(z);
  samples.fold.clear();
  for (int l = 0; l <= Shape.l_max; ++l) {
    using C = Convolution<0, Shape.l_max>;
    const std::size_t kl = static_cast<std::size_t>(l);
    const double* mix = layer.path_slice.of(parameters).data() + layer.path_offsets[kl];
    const double scale = path_scale<C>(layer, l);
    for (std::size_t i = 0; i < c; ++i)
      for (std::size_t o = 0; o < c; ++o) dense[i * c + o] = sent[i] * scale * mix[i * c + o];
    if (!layer.residual) {
      const double* select = layer.species_slice.of(parameters).data() +
                             (kl * c * maps + static_cast<std::size_t>(receiver)) * c;
      const double select_scale = fan_in / std::sqrt(static_cast<double>(maps));
      std::fill(mapped.begin(), mapped.end(), 0.0);
      for (std::size_t i = 0; i < c; ++i)
        for (std::size_t m = 0; m < c; ++m) {
          const double a = dense[i * c + m] * select_scale;
          for (std::size_t o = 0; o < c; ++o) mapped[i * c + o] += a * select[m * maps * c + o];
        }
      dense.swap(mapped);
    }
    samples.fold.emplace_back(options_.channels, options_.channels);
    samples.fold.back().pack(dense.data(), c, 1.0);
  }
}

// Cubic splines from their values and slopes at the knots, in the layout of a radial network.
template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::sample_splines(std::size_t k, int pair, std::span<const double> parameters,
                                       TableSamples& samples) const {
  using D = Dual<double>;
  const std::size_t rows = samples.radius.size(), functions = layers_[k].path_maps.count;
  const std::size_t channels = static_cast<std::size_t>(layers_[k].edge_channels);
  const std::size_t knots = static_cast<std::size_t>(options_.radial_knots);
  const double width = options_.cutoff / (options_.radial_knots - 1);
  const double* all = layers_[k].spline_slice.of(parameters).data() +
                      static_cast<std::size_t>(pair) * functions * channels * knots * 2;
  samples.out.assign(
      static_cast<std::size_t>(pack_count<double>(layers_[k].edge_channels)) * rows * functions,
      Pack<D>());
  for (std::size_t r = 0; r < rows; ++r) {
    const double at = samples.radius[r] / width;
    const std::size_t left = std::min(static_cast<std::size_t>(at), knots - 2);
    const D u(at - static_cast<double>(left), 1.0 / width);
    const D v = D(1.0) - u;
    // Hermite's polynomials of values and slopes at both ends.
    const D value0 = v * v * (D(1.0) + u * 2.0), value1 = u * u * (D(1.0) + v * 2.0);
    const D slope0 = u * v * v * width, slope1 = -(u * u * v * width);
    for (std::size_t f = 0; f < functions; ++f)
      for (std::size_t c = 0; c < channels; ++c) {
        const double* knot = all + ((f * channels + c) * knots + left) * 2;
        samples.out[(c / Pack<double>::lanes * rows + r) * functions + f].set_lane(
            static_cast<int>(c % Pack<double>::lanes),
            value0 * knot[0] + slope0 * knot[1] + value1 * knot[2] + slope1 * knot[3]);
      }
  }
}

template <MaceShape Shape, std::floating_point Real>
void Mace<Shape, Real>::sample_radial(std::size_t k, int receiver, int sender, const Tables& tables,
                                      TableSamples& samples) const {
  using D = Dual<double>;
  const std::size_t rows = samples.radius.size();
  const std::size_t in_tiles = static_cast<std::size_t>(pack_count<double>(options_.radial_count));
  const int channels = layers_[k].edge_channels;
  const std::size_t tiles = static_cast<std::size_t>(pack_count<double>(channels));
  const std::size_t functions = layers_[k].path_maps.count;
  if (splines()) {
    sample_splines(k, pair_of(receiver, sender), tables.parameters, samples);
  } else {
    const double radii =
        radii_[static_cast<std::size_t>(receiver)] + radii_[static_cast<std::size_t>(sender)];
    samples.basis.assign(rows * in_tiles, Pack<D>());
    std::vector<D> values(static_cast<std::size_t>(options_.radial_count));
    for (std::size_t r = 0; r < rows; ++r) {
      basis_.values(D(samples.radius[r], 1.0), values.data(), radii);
      for (int b = 0; b < options_.radial_count; ++b)
        samples.basis[r * in_tiles + static_cast<std::size_t>(b / Pack<double>::lanes)].set_lane(
            b % Pack<double>::lanes, values[static_cast<std::size_t>(b)]);
    }
    samples.out.resize(tiles * rows * functions);
    samples.radial.template forward<D>(rows, samples.basis.data(), samples.out.data(),
                                       samples.tape);
  }
  const Pack<D>* out = samples.out.data();
  if (folded(k)) {
    samples.folded.resize(samples.out.size());
    for (std::size_t l = 0; l < functions; ++l)
      samples.fold[l].template apply<D>(
          rows, {samples.out.data() + l, rows * functions, nullptr, functions},
          {samples.folded.data() + l, rows * functions, nullptr, functions}, false);
    out = samples.folded.data();
  }
  samples.values.resize(functions * static_cast<std::size_t>(channels) * rows);
  samples.slopes.resize(samples.values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    D factor(1.0);
    if (options_.envelope_on_messages) factor = basis_.envelope(D(samples.radius[r], 1.0)).first;
    for (std::size_t f = 0; f < functions; ++f)
      for (int c = 0; c < channels; ++c) {
        const std::size_t tile = static_cast<std::size_t>(c / Pack<double>::lanes);
        const D value =
            out[(tile * rows + r) * functions + f].lane(c % Pack<double>::lanes) * factor;
        const std::size_t at =
            (f * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)) * rows + r;
        samples.values[at] = value.value;
        samples.slopes[at] = value.tangent;
      }
  }
}

// ---- evaluation ----

/// Whether all edges are in the tables.
template <MaceShape Shape, std::floating_point Real>
template <Number T, Executor E>
bool Mace<Shape, Real>::locate_edges(const Geometry<T>& geometry, Tape<T>& tape,
                                     const E& executor) const {
  const Tables* t = tape.exact && !splines() ? nullptr : tables();
  if (t == nullptr) return false;
  const Real first = static_cast<Real>(table_first());
  for (const T& r : geometry.length)
    if (value_of(r) < first) return false;
  tape.layers.resize(layers_.size());
  const std::size_t edges = geometry.sender.size();
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    auto& rows = tape.layers[k].table_row;
    auto& u = tape.layers[k].table_u;
    rows.resize(edges);
    u.resize(edges);
    for_each_block(executor, edges, edges_of_block, [&](std::size_t first_edge, std::size_t last) {
      for (std::size_t e = first_edge; e < last; ++e)
        t->layers[k].locate(
            table_type(k, tape.species[static_cast<std::size_t>(geometry.receiver[e])],
                       tape.species[static_cast<std::size_t>(geometry.sender[e])]),
            geometry.length[e], rows[e], u[e]);
    });
  }
  return true;
}

template <MaceShape Shape, std::floating_point Real>
template <class C, Number T>
auto Mace<Shape, Real>::tabulated_edges(const Geometry<T>& geometry, int atom,
                                        const LayerTape<T>& lt, const Tape<T>& tape) const {
  const std::size_t first =
      static_cast<std::size_t>(geometry.first[static_cast<std::size_t>(atom)]);
  return typename C::template Edges<T>{
      geometry.first[static_cast<std::size_t>(atom) + 1] - static_cast<int>(first),
      geometry.sender.data() + first, lt.table_row.data() + first, lt.table_u.data() + first,
      tape.harmonics.data() + first * lm_edge};
}

}  // namespace leyden::inline LEYDEN_ABI
