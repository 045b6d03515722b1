// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/descriptor/concepts.hpp>
#include <leyden/descriptor/mace_density.hpp>
#include <leyden/descriptor/mace_nonlinear.hpp>
#include <leyden/descriptor/mace_options.hpp>
#include <leyden/descriptor/radial.hpp>
#include <leyden/descriptor/radial_knots.hpp>
#include <leyden/equivariant/contraction.hpp>
#include <leyden/equivariant/convolution.hpp>
#include <leyden/equivariant/mixing.hpp>
#include <leyden/equivariant/perceptron.hpp>
#include <leyden/equivariant/tabulated_convolution.hpp>

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// MACE: higher-order equivariant message passing (Batatia et al., NeurIPS 2022), the function of
/// ScaleShiftMACE with the interaction blocks that MaceInteraction names, term by term and constant
/// by constant; weights are laid out as that code stores them.
///
///   h⁰ = embedding;  per layer: A = mix(Σ_e R_e ⊗ Y_e ⊗ up(h)),  B = product basis of A,
///   h ← linear(B) + skip_z(h);  E_i = E0_z + shift + scale (Σ_layers readout(h_i) + V_i),
///
/// V_i the repulsion of nuclei, if there is one.
/// Nonlinear layers make A as NonlinearInteraction says, and their skip does not know the species.
/// By default the last layer keeps scalars only, and l = 1 features are ordered (x, y, z); see
/// MaceOptions. Real is the type of the weights; evaluation runs on Real or Dual<Real>.
template <MaceShape Shape, std::floating_point Real = double>
class Mace {
  static_assert(Shape.l_max >= 1 && Shape.l_max <= 4, "Mace: l_max must be 1 to 4");
  static_assert(Shape.correlation >= 1 && Shape.correlation <= 4,
                "Mace: correlation must be 1 to 4");
  static_assert(Shape.edge_l >= -1 && Shape.edge_l <= Shape.hidden_l,
                "Mace: edge_l must be -1, or 0 to hidden_l");
  static_assert(Shape.hidden_l >= 0 && Shape.hidden_l <= 2 && Shape.hidden_l <= Shape.l_max,
                "Mace: hidden_l must be 0 to 2 and at most l_max");

 public:
  using real_type = Real;
  static constexpr std::string_view name = "mace";
  static constexpr int feature_l_max = Shape.hidden_l;
  static constexpr MaceShape shape = Shape;
  static constexpr bool nonlinear = Shape.interaction == MaceInteraction::nonlinear;
  using Nonlinear =
      std::conditional_t<nonlinear, NonlinearInteraction<Real>, detail::NoNonlinearInteraction>;

  template <Number T>
  struct LayerTape {
    FeatureArray<T> up;      // messages, [tile][atom][lm_in]
    Buffer<Pack<T>> radial;  // [tile][pair][path]
    // Between knots, where all tiles are too much for a cache: one at a time, made when wanted.
    bool radial_by_tile = false;
    typename RadialPerceptron<Real>::template Tape<T> perceptron;
    Buffer<Pack<T>> paths;    // convolution, [tile][atom][output]; with tables: Tape::paths_bar
    FeatureArray<T> mixed;    // A before the species-dependent map of a layer without residual
    FeatureArray<T> basis;    // A, [tile][atom][lm_edge]
    FeatureArray<T> product;  // B, [tile][atom][lm_out]
    typename Nonlinear::template Tape<T> nonlinear;
    typename EdgeDensity<Real>::template Tape<T> density;
    std::vector<int> table_row;  // RadialTable::locate of each edge
    std::vector<T> table_u;
  };

  /// Gradients by channel maps as they are packed, and cotangents of radial functions at their
  /// knots. Structures with the same parameters have their sum go back to the flat parameters, and
  /// through the radial networks, once for all of them: see Tape::pending.
  struct PendingGradient {
    std::vector<typename RadialKnots<Real>::Gradient> layers;
    Buffer<Pack<Real>> maps;   // one after the other
    std::vector<char> filled;  // (maps) whether there is anything

    void clear() {
      for (auto& layer : layers) layer.clear();
      filled.assign(filled.size(), 0);
    }
  };

  template <Number T>
  struct Tape : DescriptorTape<T> {
    int head = -1;  // the readout to use; -1: options().head
    /// forward() evaluates radial networks, not their tables. Worth setting when backward() will be
    /// asked for the gradient by parameters, which repeats a forward() from tables otherwise.
    bool exact = false;
    /// forward() and backward() interpolate radial functions between MaceOptions::training_knots
    /// knots, if the model has such.
    bool training = false;
    /// Where backward() adds what is pending of the gradient by parameters until add_pending();
    /// null: nothing is left to add.
    PendingGradient* pending = nullptr;
    bool tabulated = false;  // what the last forward() did
    bool on_knots = false;
    std::vector<LayerTape<T>> layers;
    std::vector<int> species;                // (n) index into species()
    std::vector<std::vector<int>> atoms_of;  // per species
    std::vector<int> all_atoms;
    std::vector<double> radius;  // (n) covalent, Å
    FeatureArray<T> embedding;
    FeatureArray<T> embedding_bar;
    Buffer<Pack<T>> basis, basis_bar, layer_basis_bar;  // radial basis, [pair][tile]
    std::vector<T> radial_values;                       // (radial_count)
    std::vector<T> harmonics;                           // [edge][lm_edge]
    std::vector<T> harmonics_bar;                       // [group][edge][lm_edge]
    std::vector<T> factor, factor_slope, factor_bar;    // envelope on messages, (pairs)
    std::vector<T> coupled;                             // [edge of some atoms][coupled]
    typename Nonlinear::template EdgeTape<T> edge;
    Buffer<Pack<T>> hidden;  // last readout's pre-activations, [atom][tile]
    typename RadialKnots<Real>::template Tape<T> knots;
    PendingGradient own_pending;
    // backward's scratch
    Buffer<Pack<T>> radial_bar, paths_bar, hidden_bar;
    Buffer<Pack<Real>> weight_bar;
    FeatureArray<T> up_bar, mixed_bar, basis_node_bar, product_bar;
    typename ProductBasis<Real>::Gradient product_gradient;
    std::vector<int> rows_in, rows_out;
  };

  /// @throws ModelError for options that make no sense.
  explicit Mace(MaceOptions options);

  const MaceOptions& options() const { return options_; }
  double cutoff() const { return options_.cutoff; }
  std::span<const int> species() const { return options_.species; }
  std::span<const FeatureShape> feature_shapes() const { return feature_shapes_; }

  void declare(ParameterLayout& layout);
  /// @param training  Evaluates what tapes in training would when first used, on all threads, and
  /// multiplies maps that follow one another; there are no tables then.
  template <Executor E = SerialExecutor>
  void prepare(std::span<const double> parameters, const E& executor = {}, bool training = false);

  /// What the executor's threads share: with tables of radial functions all that takes time, else
  /// the maps of channels. Results are the same to the last bit on any number of threads.
  /// @throws ModelError for an atom of an unknown species.
  template <Number T, Executor E = SerialExecutor>
  void forward(const Geometry<T>& geometry, Tape<T>& tape, const E& executor = {}) const;
  /// feature_cotangents are consumed: they end as the cotangents of everything that reads a
  /// feature. parameter_gradient is added to, of duals the tangents alone (gradient_part).
  /// @throws ModelError for a gradient by parameters when radial functions are splines.
  template <Number T, Executor E = SerialExecutor>
  void backward(const Geometry<T>& geometry, Tape<T>& tape, T energy_cotangent,
                std::span<double> parameter_gradient, const E& executor = {}) const;

  /// Adds what is pending of some structures to a gradient by parameters, which are those of the
  /// backward() before, and uses it up.
  template <Executor E = SerialExecutor>
  void add_pending(std::span<PendingGradient> pending, std::span<double> parameter_gradient,
                   const E& executor = {}) const;
  /// Parameters of whose gradient backward() leaves everything pending, with tapes in training.
  std::vector<Slice> pending_slices() const;

  /// The largest error of the tables of radial functions, by slope and relative to the largest
  /// slope of a layer; 0 when there are none (see MaceOptions::radial_tolerance). Builds them.
  double table_error() const;

 private:
  static constexpr int edge_l = Shape.edge_l < 0 ? Shape.hidden_l : Shape.edge_l;
  static constexpr int lm_edge = (Shape.l_max + 1) * (Shape.l_max + 1);

  // A map between channels, and where its weights are.
  struct ChannelMap {
    Mixing<Real> weights;
    std::size_t first = 0, row_stride = 0;  // of the flat parameters, [in][out]
    double scale = 1.0;                     // e3nn's 1/√fan-in
    std::size_t packed = 0;                 // in PendingGradient::maps
  };
  // Some of maps_: one per l of a feature array, per path or per head.
  struct MapRange {
    std::size_t begin = 0, count = 0;
  };
  // One of maps_ that is two others, one after the other.
  struct MapProduct {
    std::size_t map = 0, first = 0, second = 0;
  };
  struct Layer {
    FeatureShape in, out;
    bool residual = true;
    int edge_channels = 0, edge_l = 0;  // of what is sent
    MapRange up, linear;
    Slice up_slice, linear_slice;  // [l][channels in][channels out]
    RadialPerceptron<Real> radial;
    Slice spline_slice;  // [pair of species][path][channel][knot][value, slope by distance]
    MapRange path_maps;
    std::vector<std::size_t> path_offsets;  // in the slice
    Slice path_slice;
    // Skip (residual) or select (plain), one per species; the skip of nonlinear layers: one.
    std::vector<MapRange> species_maps;
    std::vector<MapRange> path_products;  // path_maps times species_maps, where training has them
    Slice species_slice;                  // [l][channels in][species][channels out]
    ProductBasis<Real> product;
    Nonlinear nonlinear;
    EdgeDensity<Real> density;  // of density-normalised layers
    // Of nonlinear layers: from h̃ to the gate, one per l of it, and after the gate.
    MapRange residual_maps, gated;
    Slice residual_slice, gated_slice;
  };

  // Radial functions of all layers as tables, built when first used after prepare().
  struct Tables {
    std::once_flag once;
    std::vector<double> parameters;  // until they are built
    std::vector<RadialTable<Real>> layers;
    // Per species: what a first layer that passes its input on adds to its output, [species][tile].
    Buffer<Pack<Real>> passed_on;
    bool usable = false;
    double error = 0.0;
  };
  static constexpr int max_table_types = 16;
  static constexpr int max_table_pieces = 1024;
  // The table of a first layer holds everything up to its atomic basis if it has few species:
  // embeddings and maps are those of a pair (receiver, sender).
  bool folded(std::size_t k) const {
    const std::size_t z = options_.species.size();
    return k == 0 && z * z <= max_table_types && !options_.density_normalized;
  }
  // What a layer without residual applies to its paths (one for each l, if they are products
  // already), one for each species.
  const std::vector<MapRange>& select_maps(const Layer& layer) const {
    return takes_products(layer) ? layer.path_products : layer.species_maps;
  }
  bool takes_products(const Layer& layer) const {
    return has_products_ && !layer.path_products.empty();
  }
  // Pairs of species, whatever their order.
  static int pair_of(int a, int b) {
    const int high = std::max(a, b);
    return high * (high + 1) / 2 + std::min(a, b);
  }
  bool splines() const { return options_.radial_knots > 0; }
  int table_types(std::size_t k) const;  // k: a layer
  int table_type(std::size_t k, int receiver, int sender) const;
  double table_first() const { return splines() ? 0.0 : std::min(0.4, 0.1 * options_.cutoff); }
  const Tables* tables() const;
  void build_tables(Tables& tables) const;
  struct TableSamples;
  void sample_radial(std::size_t k, int receiver, int sender, const Tables& tables,
                     TableSamples& samples) const;
  void sample_splines(std::size_t k, int pair, std::span<const double> parameters,
                      TableSamples& samples) const;
  void set_up_folding(int receiver, int sender, std::span<const double> parameters,
                      TableSamples& samples) const;
  // Whether values of the radial basis are wanted.
  template <Number T>
  bool needs_basis(const Tape<T>& tape) const {
    return !(tape.tabulated || tape.on_knots) || options_.density_normalized;
  }
  // Radial functions of all layers on knots, evaluated when first used after prepare().
  struct Knots {
    std::optional<std::once_flag> once, below;
    // In training, knots below those that pairs had in other steps wait for a pair that needs them.
    std::size_t first = 0;
    std::atomic<std::size_t> lowest = std::numeric_limits<std::size_t>::max();  // of all pairs
    std::vector<RadialKnots<Real>> layers;
  };
  // One network for all pairs of species, and nothing else that reads the radial basis.
  bool has_knots() const {
    return !nonlinear && options_.training_knots > 0 && !splines() &&
           options_.distance_transform.kind == DistanceTransform::Kind::none &&
           !options_.density_normalized && !options_.envelope_on_messages;
  }
  static constexpr std::size_t max_radial_bytes = std::size_t{1} << 20;
  const Knots& knots() const;
  /// What knots() does once: makes room, and takes the radial networks' values at knots
  /// begin … end − 1.
  void start_knots() const;
  void evaluate_knots(std::size_t begin, std::size_t end) const;
  std::size_t knot_count() const { return static_cast<std::size_t>(options_.training_knots); }
  // What depends on the maps of a training step comes in so many tasks.
  static constexpr std::size_t shares_of_training = 4;
  template <Number T>
  bool locate_on_knots(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T, Executor E>
  bool locate_edges(const Geometry<T>& geometry, Tape<T>& tape, const E& executor) const;
  template <Number T, Executor E>
  void run_layers(const Geometry<T>& geometry, Tape<T>& tape, const E& executor) const;
  template <class C, Number T>
  auto tabulated_edges(const Geometry<T>& geometry, int atom, const LayerTape<T>& lt,
                       const Tape<T>& tape) const;
  // With tables, threads share tiles of channels. Tiles of a group add to the cotangents of edges
  // one after the other, groups have an array each.
  static constexpr std::size_t max_groups = 4;
  static constexpr std::size_t rows_of_block = 1200, edges_of_block = 4096;
  std::size_t groups(int tiles) const {
    return std::min(max_groups, static_cast<std::size_t>(tiles));
  }
  template <Number T>
  std::size_t edge_groups(const Tape<T>& tape) const {
    return tape.tabulated ? groups(tape.embedding.tiles()) : 1;
  }
  template <Number T>
  static T* edge_bar(const Geometry<T>& geometry, std::size_t group, int atom, Tape<T>& tape) {
    if (tape.harmonics_bar.empty()) return nullptr;
    return tape.harmonics_bar.data() +
           (group * geometry.sender.size() +
            static_cast<std::size_t>(geometry.first[static_cast<std::size_t>(atom)])) *
               static_cast<std::size_t>(lm_edge);
  }

  // The convolution of a layer depends on whether what it sends has l > 0 at all.
  template <class F>
  static void with_convolution(const Layer& layer, F&& f) {
    if (layer.edge_l == 0)
      f(Convolution<0, Shape.l_max>{});
    else
      f(Convolution<edge_l, Shape.l_max>{});
  }
  template <class C>
  typename C::Edges receiver_edges(const auto& geometry, int atom) const {
    const std::size_t first =
        static_cast<std::size_t>(geometry.first[static_cast<std::size_t>(atom)]);
    return {geometry.first[static_cast<std::size_t>(atom) + 1] - static_cast<int>(first),
            geometry.sender.data() + first, geometry.pair.data() + first};
  }

  // e3nn's 1/√fan-in: of a channel map, of a path map (all paths into one l are its fan-in), …
  double channel_scale() const { return 1.0 / std::sqrt(static_cast<double>(options_.channels)); }
  // A first layer is read out linearly even when it is the last; later last layers have a hidden
  // one.
  bool has_hidden_readout() const { return options_.layers > 1; }
  std::size_t linear_readouts() const {
    return has_hidden_readout() ? static_cast<std::size_t>(options_.layers) - 1 : 1;
  }
  double readout_last_scale() const {
    return 1.0 / std::sqrt(static_cast<double>(options_.heads * options_.readout_width));
  }
  std::size_t heads() const { return static_cast<std::size_t>(options_.heads); }
  /// @throws ModelError when the tape names a head that there is not.
  template <Number T>
  std::size_t head_of(const Tape<T>& tape) const;
  double scale_of(std::size_t head) const {
    return options_.head_scales.empty() ? options_.scale : options_.head_scales[head];
  }
  double shift_of(std::size_t head) const {
    return options_.head_shifts.empty() ? options_.shift : options_.head_shifts[head];
  }
  bool divides_by_neighbors() const { return !nonlinear && !options_.density_normalized; }
  template <class C>
  double path_scale(const Layer& layer, int path) const {
    int into_l = 0;
    for (const auto& p : C::paths) into_l += p.l3 == C::paths[static_cast<std::size_t>(path)].l3;
    return 1.0 / std::sqrt(static_cast<double>(layer.edge_channels)) /
           std::sqrt(static_cast<double>(into_l)) /
           (divides_by_neighbors() ? options_.average_neighbors : 1.0);
  }
  // Blocks of channels that maps into l have: the scalars of a nonlinear layer are followed by the
  // gates of each l > 0.
  static constexpr int blocks_of(int l) { return nonlinear && l == 0 ? Shape.l_max + 1 : 1; }
  template <Number T>
  const std::vector<int>& atoms_of_map(const Layer& layer, std::size_t s,
                                       const Tape<T>& tape) const {
    return layer.species_maps.size() == 1 ? tape.all_atoms : tape.atoms_of[s];
  }
  // f(species of the product's weights, atoms).
  template <Number T, class F>
  void each_product_species(const Tape<T>& tape, F&& f) const {
    if (options_.agnostic_product) return f(0, tape.all_atoms);
    for (std::size_t s = 0; s < tape.atoms_of.size(); ++s) f(static_cast<int>(s), tape.atoms_of[s]);
  }
  // A vector in the order of components of the features, and back.
  template <Number T>
  Vector3<T> to_frame(const Vector3<T>& r) const {
    return options_.frame == HarmonicFrame::xyz ? r : Vector3<T>{{r[1], r[2], r[0]}};
  }
  template <Number T>
  Vector3<T> from_frame(const Vector3<T>& r) const {
    return options_.frame == HarmonicFrame::xyz ? r : Vector3<T>{{r[2], r[0], r[1]}};
  }
  // R_s + R_t of an edge.
  template <Number T>
  static double radii(const Geometry<T>& geometry, std::size_t e, const Tape<T>& tape) {
    return tape.radius[static_cast<std::size_t>(geometry.sender[e])] +
           tape.radius[static_cast<std::size_t>(geometry.receiver[e])];
  }
  template <Number T>
  void sort_species(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T, Executor E>
  void evaluate_edges(const Geometry<T>& geometry, Tape<T>& tape, const E& executor) const;
  template <Number T, Executor E>
  void pull_back_edges(const Geometry<T>& geometry, Tape<T>& tape, const E& executor) const;
  template <Number T, Executor E>
  void forward_layer(const Geometry<T>& geometry, std::size_t k, const FeatureArray<T>& in,
                     FeatureArray<T>& out, Tape<T>& tape, const E& executor) const;
  template <Number T, Executor E>
  void backward_layer(const Geometry<T>& geometry, std::size_t k, const FeatureArray<T>& in,
                      const FeatureArray<T>& out_bar, FeatureArray<T>& in_bar, Tape<T>& tape,
                      std::span<double> gradient, const E& executor) const;
  // From a layer's messages to its atomic basis A, and from tape.basis_node_bar to tape.up_bar.
  template <Number T, Executor E>
  void forward_linear(const Geometry<T>& geometry, std::size_t k, LayerTape<T>& lt, Tape<T>& tape,
                      const E& executor) const;
  template <Number T, Executor E>
  void backward_linear(const Geometry<T>& geometry, std::size_t k, LayerTape<T>& lt, Tape<T>& tape,
                       std::span<double> gradient, const E& executor) const;
  template <Number T>
  void forward_nonlinear(const Geometry<T>& geometry, const Layer& layer, LayerTape<T>& lt,
                         Tape<T>& tape) const;
  template <Number T>
  void backward_nonlinear(const Geometry<T>& geometry, const Layer& layer, LayerTape<T>& lt,
                          Tape<T>& tape, std::span<double> gradient) const;
  template <class C, Number T>
  void couple_edges(const Geometry<T>& geometry, int first_atom, int last_atom,
                    Tape<T>& tape) const;
  // Radial weights of a layer, all that fit into a cache, and those of one tile, [pair][path].
  template <Number T>
  void set_up_radial(std::size_t k, std::size_t pairs, Tape<T>& tape) const;
  template <Number T>
  const Pack<T>* radial_of_tile(std::size_t k, std::size_t tile, std::size_t tile_size,
                                Tape<T>& tape) const;
  // Radial weights [tile][pair][path] times the envelope; and the adjoint.
  template <Number T>
  static void fade_messages(std::size_t paths, Buffer<Pack<T>>& radial,
                            const std::vector<T>& factor);
  template <Number T>
  static void unfade_messages(std::size_t paths, const Buffer<Pack<T>>& radial,
                              Buffer<Pack<T>>& radial_bar, const std::vector<T>& factor,
                              std::vector<T>& factor_bar);
  template <Number T>
  void read_out(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void read_out_backward(Tape<T>& tape, T energy_cotangent, std::span<double> gradient) const;

  // y = map x (or the transposed map) for every l, on the rows of the listed atoms.
  template <Number T, Executor E = SerialExecutor>
  void mix_irreps(MapRange maps, bool transposed, const FeatureArray<T>& x, FeatureArray<T>& y,
                  const std::vector<int>& atoms, Tape<T>& tape, bool accumulate,
                  const E& executor = {}) const;
  // … for a map on any rows.
  template <Number T, Executor E>
  static void mix_blocks(const Mixing<Real>& map, bool transposed, std::size_t rows,
                         RowsView<const Pack<T>> x, RowsView<Pack<T>> y, bool accumulate,
                         const E& executor);
  // Gradients by weights of maps, left pending.
  template <Number T>
  void irreps_gradient(MapRange maps, const FeatureArray<T>& x, const FeatureArray<T>& y_bar,
                       const std::vector<int>& atoms, Tape<T>& tape) const;
  template <Number T>
  void map_gradient(std::size_t map, std::size_t rows, RowsView<const Pack<T>> x,
                    RowsView<const Pack<T>> y_bar, Tape<T>& tape) const;
  template <Number T>
  static PendingGradient& pending_of(Tape<T>& tape) {
    return tape.pending != nullptr ? *tape.pending : tape.own_pending;
  }
  void place_maps();

  MaceOptions options_;
  RadialBasis basis_;
  std::vector<double> radii_;  // per species, Å
  std::vector<FeatureShape> feature_shapes_;
  std::vector<Layer> layers_;
  std::vector<ChannelMap> maps_;  // of all layers, the hidden readouts, and products
  std::vector<MapProduct> products_;
  bool has_products_ = false;  // whether they are of the parameters
  Slice embedding_slice_;
  std::vector<Slice> readout_slices_;  // linear ones, then the second map of the hidden one
  Slice readout_hidden_slice_;
  Buffer<Pack<Real>> embedding_;  // [species][tile], scaled
  // Readouts of each head: linear ones [layer][head], packs of channels, scaled; the hidden one.
  std::vector<Buffer<Pack<Real>>> readouts_;
  MapRange readout_hidden_;
  std::vector<Buffer<Pack<Real>>> readout_last_;
  std::shared_ptr<Tables> tables_;  // null: none are wanted
  std::shared_ptr<Knots> knots_;
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/descriptor/mace_impl.hpp>  // IWYU pragma: keep
