// SPDX-License-Identifier: MIT
#pragma once

// Bodies of descriptor/mace_nonlinear.hpp (edges, gate) and of descriptor/mace.hpp: the atomic
// basis of a nonlinear layer.
#include <leyden/descriptor/mace.hpp>
#include <leyden/descriptor/mace_nonlinear.hpp>
#include <leyden/descriptor/mace_rows.hpp>

namespace leyden::inline LEYDEN_ABI {

// ---- networks on edges ----

template <std::floating_point Real>
template <Number T>
void NonlinearInteraction<Real>::forward_edges(const Geometry<T>& geometry,
                                               const std::vector<int>& species,
                                               const Buffer<Pack<T>>& basis,
                                               const EdgeTape<T>& edge, Tape<T>& tape) const {
  using std::tanh;
  const std::size_t edges = static_cast<std::size_t>(geometry.n_edges());
  const std::size_t b = basis_tiles(), c = channel_tiles();
  tape.input.resize(edges * input_tiles());
  tape.rows.resize(edges);
  const auto species_of = [&](int atom) {
    return static_cast<std::size_t>(species[static_cast<std::size_t>(atom)]);
  };
  for (std::size_t e = 0; e < edges; ++e) {
    Pack<T>* row = tape.input.data() + e * input_tiles();
    const Pack<T>* radial = basis.data() + static_cast<std::size_t>(geometry.pair[e]) * b;
    const Pack<Real>* source = source_.data() + species_of(geometry.sender[e]) * c;
    const Pack<Real>* target = target_.data() + species_of(geometry.receiver[e]) * c;
    for (std::size_t t = 0; t < b; ++t) row[t] = radial[t];
    for (std::size_t t = 0; t < c; ++t) {
      row[b + t] = Pack<T>(source[t]);
      row[b + c + t] = Pack<T>(target[t]);
    }
    tape.rows[e] = static_cast<int>(e * edge_tiles());
  }
  tape.weights.resize(edges * edge_tiles() * static_cast<std::size_t>(shape_.paths));
  tape.density.resize(edges);
  weights_.template forward<T>(edges, tape.input.data(), tape.weights.data(), tape.weight_tape);
  density_.template forward<T>(edges, tape.input.data(), tape.density.data(), tape.density_tape);

  const std::size_t n = static_cast<std::size_t>(geometry.n_atoms());
  tape.density_sum.assign(n, T(0));
  tape.inverse.resize(n);
  for (std::size_t e = 0; e < edges; ++e) {
    const T g = tape.density[e].lane(0);
    tape.density_sum[static_cast<std::size_t>(geometry.receiver[e])] +=
        edge.factor[static_cast<std::size_t>(geometry.pair[e])] * tanh(g * g);
  }
  for (std::size_t i = 0; i < n; ++i)
    tape.inverse[i] = T(1) / (T(alpha_) + tape.density_sum[i] * beta_);
}

template <std::floating_point Real>
template <Number T>
void NonlinearInteraction<Real>::backward_edges(const Geometry<T>& geometry,
                                                const std::vector<int>& species,
                                                std::span<const T> denominator_bar,
                                                Buffer<Pack<T>>& basis_bar, Tape<T>& tape,
                                                EdgeTape<T>& edge,
                                                std::span<double> gradient) const {
  using std::tanh;
  const std::size_t edges = static_cast<std::size_t>(geometry.n_edges());
  const std::size_t b = basis_tiles(), c = channel_tiles();
  edge.density_bar.resize(edges);
  for (std::size_t e = 0; e < edges; ++e) {
    const std::size_t p = static_cast<std::size_t>(geometry.pair[e]);
    const T sum_bar = denominator_bar[static_cast<std::size_t>(geometry.receiver[e])] * beta_;
    const T g = tape.density[e].lane(0);
    const T d = tanh(g * g);
    edge.factor_bar[p] += sum_bar * d;
    edge.density_bar[e] = Pack<T>();
    edge.density_bar[e].set_lane(0, sum_bar * edge.factor[p] * (T(1) - d * d) * g * Real(2));
  }
  edge.input_bar.resize(tape.input.size());
  edge.other_input_bar.resize(tape.input.size());
  weights_.template backward<T>(edges, tape.input.data(), edge.weights_bar.data(),
                                edge.input_bar.data(), tape.weight_tape, gradient);
  density_.template backward<T>(edges, tape.input.data(), edge.density_bar.data(),
                                edge.other_input_bar.data(), tape.density_tape, gradient);
  edge.source_bar.assign(source_.size(), Pack<T>());
  edge.target_bar.assign(target_.size(), Pack<T>());
  const auto table_row = [&](int atom) {
    return static_cast<std::size_t>(species[static_cast<std::size_t>(atom)]) * c;
  };
  for (std::size_t e = 0; e < edges; ++e) {
    Pack<T>* bar = edge.input_bar.data() + e * input_tiles();
    const Pack<T>* other = edge.other_input_bar.data() + e * input_tiles();
    Pack<T>* radial = basis_bar.data() + static_cast<std::size_t>(geometry.pair[e]) * b;
    for (std::size_t t = 0; t < b; ++t) radial[t] += bar[t] + other[t];
    if (gradient.empty()) continue;
    Pack<T>* source = edge.source_bar.data() + table_row(geometry.sender[e]);
    Pack<T>* target = edge.target_bar.data() + table_row(geometry.receiver[e]);
    for (std::size_t t = 0; t < c; ++t) {
      source[t] += bar[b + t] + other[b + t];
      target[t] += bar[b + c + t] + other[b + c + t];
    }
  }
  if (gradient.empty()) return;
  const auto add_table = [&](const Slice& slice, const Buffer<Pack<T>>& packs) {
    const std::span<double> out = slice.of(gradient);
    for (int s = 0; s < shape_.species; ++s)
      for (int k = 0; k < shape_.channels; ++k)
        out[static_cast<std::size_t>(s * shape_.channels + k)] +=
            gradient_part(lane_of(packs.data() + static_cast<std::size_t>(s) * c, k)) *
            species_scale();
  };
  add_table(source_slice_, edge.source_bar);
  add_table(target_slice_, edge.target_bar);
  for (std::size_t i = 0; i < denominator_bar.size(); ++i) {
    alpha_slice_.of(gradient)[0] += gradient_part(denominator_bar[i]);
    beta_slice_.of(gradient)[0] += gradient_part(denominator_bar[i] * tape.density_sum[i]);
  }
}

// ---- gate ----

template <std::floating_point Real>
template <Number T>
void NonlinearInteraction<Real>::gate(Tape<T>& tape) const {
  const int n = tape.before.n_atoms();
  tape.after.resize(n, tape.before.shape());
  const std::size_t blocks = static_cast<std::size_t>(shape_.l_max + 1);
  for (int t = 0; t < tape.before.tiles(); ++t)
    for (int i = 0; i < n; ++i) {
      const Pack<T>* s =
          tape.scalars.data() +
          (static_cast<std::size_t>(i) * channel_tiles() + static_cast<std::size_t>(t)) * blocks;
      const Pack<T>* from = tape.before.at(t, i);
      Pack<T>* to = tape.after.at(t, i);
      to[0] = normalized_silu(s[0], Real(1));
      for (int l = 1; l <= shape_.l_max; ++l) {
        const Pack<T> g = switch_of(s[l]);
        for (int m = l * l; m < (l + 1) * (l + 1); ++m) to[m] = g * from[m];
      }
    }
}

template <std::floating_point Real>
template <Number T>
void NonlinearInteraction<Real>::gate_backward(const Tape<T>& tape, EdgeTape<T>& edge) const {
  const int n = tape.before.n_atoms();
  const std::size_t blocks = static_cast<std::size_t>(shape_.l_max + 1);
  edge.before_bar.resize(n, tape.before.shape());
  edge.scalars_bar.resize(tape.scalars.size());
  const Real inverse = static_cast<Real>(1.0 / sigmoid_normalization);
  for (int t = 0; t < tape.before.tiles(); ++t)
    for (int i = 0; i < n; ++i) {
      const std::size_t at =
          (static_cast<std::size_t>(i) * channel_tiles() + static_cast<std::size_t>(t)) * blocks;
      const Pack<T>* s = tape.scalars.data() + at;
      Pack<T>* s_bar = edge.scalars_bar.data() + at;
      const Pack<T>* from = tape.before.at(t, i);
      const Pack<T>* bar = edge.after_bar.at(t, i);
      Pack<T>* to = edge.before_bar.at(t, i);
      s_bar[0] = bar[0] * normalized_silu_derivative(s[0], Real(1));
      to[0] = Pack<T>();
      for (int l = 1; l <= shape_.l_max; ++l) {
        const Pack<T> g = switch_of(s[l]);
        Pack<T> g_bar{};
        for (int m = l * l; m < (l + 1) * (l + 1); ++m) {
          to[m] = g * bar[m];
          g_bar = fma(bar[m], from[m], g_bar);
        }
        // c s' = c s (1 − s) with g = c s
        s_bar[l] = g_bar * g * (Pack<T>(Real(1)) - g * inverse);
      }
    }
}

// ---- the atomic basis of a nonlinear layer ----

namespace detail {

/// Rows (atom, m) of one l before the gate: scalars and gates stand apart from l > 0.
template <class P, class Array>
RowsView<P> gate_rows(int l, P* scalars, Array& before, std::size_t blocks, int lm_count,
                      const std::vector<int>& rows) {
  if (l == 0) return {scalars, 1, nullptr, static_cast<std::size_t>(before.tiles()) * blocks};
  return rows_view<P>(before.at(0, 0), before.n_atoms(), lm_count, rows);
}

}  // namespace detail

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::forward_nonlinear(const Geometry<T>& geometry, const Layer& layer,
                                          LayerTape<T>& lt, Tape<T>& tape) const {
  const int n = geometry.n_atoms();
  const int tiles = lt.up.tiles();
  const std::size_t blocks = static_cast<std::size_t>(Shape.l_max + 1);
  auto& nl = lt.nonlinear;
  layer.nonlinear.forward_edges(geometry, tape.species, tape.basis, tape.edge, nl);
  nl.before.resize(n, {options_.channels, Shape.l_max, options_.frame});
  nl.scalars.resize(static_cast<std::size_t>(n * nl.before.tiles()) * blocks);
  for (int t = 0; t < nl.before.tiles(); ++t)
    for (int i = 0; i < n; ++i) nl.before.at(t, i)[0] = Pack<T>();

  with_convolution(layer, [&]<class C>(C) {
    lt.paths.resize(static_cast<std::size_t>(tiles * n) * C::output_count);
    for (int i = 0; i < n; ++i) {
      typename C::Edges edges = receiver_edges<C>(geometry, i);
      edges.pair = nl.rows.data() + geometry.first[static_cast<std::size_t>(i)];
      couple_edges<C>(geometry, i, i + 1, tape);
      const Pack<T> inverse(nl.inverse[static_cast<std::size_t>(i)]);
      for (int t = 0; t < tiles; ++t) {
        Pack<T>* out = lt.paths.data() + static_cast<std::ptrdiff_t>(t * n + i) * C::output_count;
        C::forward(edges, tape.coupled.data(), nl.weights.data() + t * C::path_count,
                   lt.up.at(t, 0), out);
        for (int m = 0; m < C::output_count; ++m) out[m] *= inverse;
      }
    }
    for (int l = 0; l <= layer.edge_l; ++l) {
      detail::fill_rows(tape.rows_in, tape.all_atoms, lt.up.lm_count(), l * l, 2 * l + 1);
      detail::fill_rows(tape.rows_out, tape.all_atoms, lm_edge, l * l, 2 * l + 1);
      maps_[layer.residual_maps.begin + static_cast<std::size_t>(l)].weights.template apply<T>(
          tape.rows_in.size(),
          detail::rows_view<const Pack<T>>(lt.up.at(0, 0), n, lt.up.lm_count(), tape.rows_in),
          detail::gate_rows<Pack<T>>(l, nl.scalars.data(), nl.before, blocks, lm_edge,
                                     tape.rows_out),
          false);
    }
    for (int p = 0; p < C::path_count; ++p) {
      const std::size_t kp = static_cast<std::size_t>(p);
      const int l = C::paths[kp].l3;
      const bool first_of_l = p == 0 || C::paths[kp - 1].l3 != l;
      detail::fill_rows(tape.rows_in, tape.all_atoms, C::output_count, C::offsets.output[kp],
                        2 * l + 1);
      detail::fill_rows(tape.rows_out, tape.all_atoms, lm_edge, l * l, 2 * l + 1);
      maps_[layer.path_maps.begin + kp].weights.template apply<T>(
          tape.rows_in.size(),
          detail::rows_view<const Pack<T>>(lt.paths.data(), n, C::output_count, tape.rows_in),
          detail::gate_rows<Pack<T>>(l, nl.scalars.data(), nl.before, blocks, lm_edge,
                                     tape.rows_out),
          !first_of_l || l <= layer.edge_l);
    }
  });
  layer.nonlinear.gate(nl);
  lt.basis.resize(n, nl.after.shape());
  mix_irreps<T>(layer.gated, false, nl.after, lt.basis, tape.all_atoms, tape, false);
}

template <MaceShape Shape, std::floating_point Real>
template <Number T>
void Mace<Shape, Real>::backward_nonlinear(const Geometry<T>& geometry, const Layer& layer,
                                           LayerTape<T>& lt, Tape<T>& tape,
                                           std::span<double> gradient) const {
  const int n = geometry.n_atoms();
  const int tiles = lt.up.tiles();
  const std::size_t blocks = static_cast<std::size_t>(Shape.l_max + 1);
  const bool weights = !gradient.empty();
  auto& nl = lt.nonlinear;
  auto& edge = tape.edge;

  edge.after_bar.resize(n, nl.after.shape());
  mix_irreps<T>(layer.gated, true, tape.basis_node_bar, edge.after_bar, tape.all_atoms, tape,
                false);
  if (weights) irreps_gradient<T>(layer.gated, nl.after, tape.basis_node_bar, tape.all_atoms, tape);
  layer.nonlinear.gate_backward(nl, edge);

  // The residual map.
  tape.up_bar.resize(n, lt.up.shape());
  for (int l = 0; l <= layer.edge_l; ++l) {
    detail::fill_rows(tape.rows_in, tape.all_atoms, lt.up.lm_count(), l * l, 2 * l + 1);
    detail::fill_rows(tape.rows_out, tape.all_atoms, lm_edge, l * l, 2 * l + 1);
    const auto bar = detail::gate_rows<const Pack<T>>(l, edge.scalars_bar.data(), edge.before_bar,
                                                      blocks, lm_edge, tape.rows_out);
    const std::size_t map = layer.residual_maps.begin + static_cast<std::size_t>(l);
    maps_[map].weights.template apply_transposed<T>(
        tape.rows_in.size(), bar,
        detail::rows_view(tape.up_bar.at(0, 0), n, lt.up.lm_count(), tape.rows_in), false);
    if (weights)
      map_gradient<T>(
          map, tape.rows_in.size(),
          detail::rows_view<const Pack<T>>(lt.up.at(0, 0), n, lt.up.lm_count(), tape.rows_in), bar,
          tape);
  }

  with_convolution(layer, [&]<class C>(C) {
    make_room(tape.paths_bar, lt.paths.size());
    for (int p = 0; p < C::path_count; ++p) {
      const std::size_t kp = static_cast<std::size_t>(p);
      const int l = C::paths[kp].l3;
      detail::fill_rows(tape.rows_in, tape.all_atoms, C::output_count, C::offsets.output[kp],
                        2 * l + 1);
      detail::fill_rows(tape.rows_out, tape.all_atoms, lm_edge, l * l, 2 * l + 1);
      const auto bar = detail::gate_rows<const Pack<T>>(l, edge.scalars_bar.data(), edge.before_bar,
                                                        blocks, lm_edge, tape.rows_out);
      const std::size_t map = layer.path_maps.begin + kp;
      maps_[map].weights.template apply_transposed<T>(
          tape.rows_in.size(), bar,
          detail::rows_view(tape.paths_bar.data(), n, C::output_count, tape.rows_in), false);
      if (weights)
        map_gradient<T>(
            map, tape.rows_in.size(),
            detail::rows_view<const Pack<T>>(lt.paths.data(), n, C::output_count, tape.rows_in),
            bar, tape);
    }
    edge.weights_bar.assign(nl.weights.size(), Pack<T>());
    edge.denominator_bar.assign(static_cast<std::size_t>(n), T(0));
    for (int i = 0; i < n; ++i) {
      const std::ptrdiff_t first = geometry.first[static_cast<std::size_t>(i)];
      typename C::Edges edges = receiver_edges<C>(geometry, i);
      edges.pair = nl.rows.data() + first;
      const T inverse = nl.inverse[static_cast<std::size_t>(i)];
      Pack<T> sum{};
      for (int t = 0; t < tiles; ++t) {
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(t * n + i) * C::output_count;
        Pack<T>* bar = tape.paths_bar.data() + at;
        for (int m = 0; m < C::output_count; ++m) {
          sum = fma(bar[m], lt.paths[static_cast<std::size_t>(at + m)], sum);
          bar[m] *= Pack<T>(inverse);
        }
        C::template backward<true>(edges, tape.harmonics.data() + first * lm_edge,
                                   nl.weights.data() + t * C::path_count, lt.up.at(t, 0), bar,
                                   edge.weights_bar.data() + t * C::path_count,
                                   tape.up_bar.at(t, 0), edge_bar(geometry, 0, i, tape));
      }
      // lt.paths are divided sums.
      edge.denominator_bar[static_cast<std::size_t>(i)] = -sum_lanes(sum) * inverse;
    }
  });
  layer.nonlinear.template backward_edges<T>(geometry, tape.species, edge.denominator_bar,
                                             tape.basis_bar, nl, edge, gradient);
}

}  // namespace leyden::inline LEYDEN_ABI
