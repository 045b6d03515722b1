// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/features.hpp>

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Takes l = 2 of HarmonicFrame::xyz, whose polar axis is y (√3 xz, √3 xy, y² − (x² + z²)/2, √3 yz,
// (√3/2)(z² − x²)), to the order m = −2 … 2 of quadrupoles (polar axis z). Orthogonal.
inline constexpr double half_sqrt3 = 0.5 * std::numbers::sqrt3_v<double>;
inline constexpr std::array<std::array<double, 5>, 5> quadrupole_of_xyz{{
    {0, 1, 0, 0, 0},
    {0, 0, 0, 1, 0},
    {0, 0, -0.5, 0, half_sqrt3},
    {1, 0, 0, 0, 0},
    {0, 0, -half_sqrt3, 0, -0.5},
}};

}  // namespace detail

/// What a FeatureReadout reads, and how its weights start.
struct FeatureReadoutOptions {
  int l = 0;                     ///< 0: a scalar; 1: a vector; 2: a quadrupole
  bool species_weights = false;  ///< own weights for every species
  bool species_bias = false;     ///< adds a number per species; l = 0 only
  double initial_bias = 0.0;     ///< of every species
  double initial_weights = 0.1;  ///< standard deviation
};

/// An equivariant linear map from the features of all layers to one irrep of one atom:
///
///   out_m = Σ_layers 1/√C Σ_c W[layer][c] h[layer][c][l, m]  (+ b[species] for l = 0),
///
/// C the channels of the layer. Layers without this l are skipped. Parameters are `<prefix>weight`,
/// shaped (channels of all layers that have l) or (species, the same), and `<prefix>bias`,
/// (species).
///
/// Multipoles are ordered (y, z, x) and m = −2 … 2 with the polar axis z, and so is `out`; features
/// of l = 1 and 2 are ordered as their shape says: this class is the place where the one becomes
/// the other.
///
/// All functions work on one atom, so a charge model is a loop over atoms and needs no memory.
class FeatureReadout {
 public:
  static constexpr int most = 5;  ///< numbers that a readout can have

  FeatureReadout() = default;
  explicit FeatureReadout(FeatureReadoutOptions options) : options_(options) {}

  const FeatureReadoutOptions& options() const { return options_; }
  int size() const { return 2 * options_.l + 1; }

  /// @throws ModelError when no layer has this l, or l is not 0, 1 or 2.
  void declare(ParameterLayout& layout, std::string_view prefix,
               std::span<const FeatureShape> shapes, int n_species);
  void prepare(std::span<const double> parameters);

  /// Sets out[0 … 2l].
  template <Number T>
  void forward(std::span<const FeatureArray<T>> features, int atom, int species, T* out) const;

  /// The scalar of an l = 0 readout.
  template <Number T>
  T value(std::span<const FeatureArray<T>> features, int atom, int species) const {
    LEYDEN_EXPECTS(options_.l == 0);
    T out[most];
    forward(features, atom, species, out);
    return out[0];
  }

  /// Adds the cotangents of out[0 … 2l] to those of the features and of the parameters (the whole
  /// flat vector; empty: skipped).
  template <Number T>
  void pullback(std::span<const FeatureArray<T>> features, int atom, int species, const T* out_bar,
                std::span<FeatureArray<T>> feature_bar, std::span<double> parameter_gradient) const;

  template <Number T>
  void pullback(std::span<const FeatureArray<T>> features, int atom, int species, T out_bar,
                std::span<FeatureArray<T>> feature_bar,
                std::span<double> parameter_gradient) const {
    const T bar[most] = {out_bar};
    pullback(features, atom, species, bar, feature_bar, parameter_gradient);
  }

 private:
  struct Layer {
    std::size_t index = 0;  // in the descriptor's list
    int channels = 0;
    double scale = 1.0;
    std::size_t first_weight = 0;
    std::array<std::size_t, 2> first_pack{};  // double, float
    HarmonicFrame frame = HarmonicFrame::xyz;
  };

  template <std::floating_point R>
  static constexpr std::size_t which = std::same_as<R, double> ? 0 : 1;
  template <std::floating_point R>
  const Pack<R>* packs(const Layer& layer, int species) const {
    const std::size_t s = options_.species_weights ? static_cast<std::size_t>(species) : 0;
    const std::size_t at = s * packs_per_species_[which<R>] + layer.first_pack[which<R>];
    if constexpr (std::same_as<R, double>)
      return double_packs_.data() + at;
    else
      return float_packs_.data() + at;
  }
  /// Where component m of a scalar or of (y, z, x) stands in a layer. Those of l = 2 stay where
  /// they are: a layer that is_turned needs a matrix.
  int feature_index(const Layer& layer, int m) const {
    if (options_.l != 1) return options_.l * options_.l + m;
    return layer.frame == HarmonicFrame::xyz ? 1 + (m + 1) % 3 : 1 + m;
  }
  bool is_turned(const Layer& layer) const {
    return options_.l == 2 && layer.frame == HarmonicFrame::xyz;
  }

  FeatureReadoutOptions options_;
  std::vector<Layer> layers_;
  std::size_t weights_per_species_ = 0;
  std::array<std::size_t, 2> packs_per_species_{};
  Slice weight_slice_, bias_slice_;
  Buffer<Pack<double>> double_packs_;  // scaled weights, lanes beyond the channels zero
  Buffer<Pack<float>> float_packs_;
  std::vector<double> bias_;
};

inline void FeatureReadout::declare(ParameterLayout& layout, std::string_view prefix,
                                    std::span<const FeatureShape> shapes, int n_species) {
  const std::string name(prefix);
  if (options_.l < 0 || options_.l > 2)
    throw ModelError("FeatureReadout '" + name + "': l is " + std::to_string(options_.l) +
                     "; it can be 0, 1 or 2");
  layers_.clear();
  weights_per_species_ = 0;
  packs_per_species_ = {};
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    if (shapes[k].l_max < options_.l) continue;
    const int c = shapes[k].channels;
    layers_.push_back({k, c, 1.0 / std::sqrt(static_cast<double>(c)), weights_per_species_,
                       packs_per_species_, shapes[k].frame});
    weights_per_species_ += static_cast<std::size_t>(c);
    packs_per_species_[0] += static_cast<std::size_t>(pack_count<double>(c));
    packs_per_species_[1] += static_cast<std::size_t>(pack_count<float>(c));
  }
  if (layers_.empty())
    throw ModelError(
        "FeatureReadout '" + name +
        "': no layer of the descriptor has features of l = " + std::to_string(options_.l) +
        "; give the descriptor more hidden l or layers, or take a charge model with "
        "lower multipoles");
  const int weights = static_cast<int>(weights_per_species_);
  const auto start = Initializer::normal(options_.initial_weights);
  weight_slice_ = options_.species_weights
                      ? layout.add(name + "weight", {n_species, weights}, start, true)
                      : layout.add(name + "weight", {weights}, start, true);
  const std::size_t copies = options_.species_weights ? static_cast<std::size_t>(n_species) : 1;
  double_packs_.assign(copies * packs_per_species_[0], Pack<double>());
  float_packs_.assign(copies * packs_per_species_[1], Pack<float>());
  if (options_.l == 0 && options_.species_bias) {
    bias_slice_ =
        layout.add(name + "bias", {n_species}, Initializer::constant(options_.initial_bias));
    bias_.assign(static_cast<std::size_t>(n_species), 0.0);
  }
}

inline void FeatureReadout::prepare(std::span<const double> parameters) {
  const std::span<const double> w = weight_slice_.of(parameters);
  const std::size_t copies = w.size() / weights_per_species_;
  for (std::size_t s = 0; s < copies; ++s)
    for (const Layer& layer : layers_)
      for (int c = 0; c < layer.channels; ++c) {
        const double value =
            layer.scale *
            w[s * weights_per_species_ + layer.first_weight + static_cast<std::size_t>(c)];
        const auto set = [&]<class R>(Buffer<Pack<R>>& packs) {
          constexpr int lanes = Pack<R>::lanes;
          packs[s * packs_per_species_[which<R>] + layer.first_pack[which<R>] +
                static_cast<std::size_t>(c / lanes)]
              .set_lane(c % lanes, static_cast<R>(value));
        };
        set(double_packs_);
        set(float_packs_);
      }
  if (!bias_.empty()) {
    const std::span<const double> b = bias_slice_.of(parameters);
    bias_.assign(b.begin(), b.end());
  }
}

template <Number T>
void FeatureReadout::forward(std::span<const FeatureArray<T>> features, int atom, int species,
                             T* out) const {
  using R = RealOf<T>;
  std::array<T, 5> turned;  // what layers of the other polar axis give
  turned.fill(T(R(0)));
  for (int m = 0; m < size(); ++m) {
    Pack<T> sum, other;
    for (const Layer& layer : layers_) {
      Pack<T>& to = is_turned(layer) ? other : sum;
      Pack<T> part = to;  // in a register
      const int lm = feature_index(layer, m);
      const FeatureArray<T>& h = features[layer.index];
      const Pack<R>* w = packs<R>(layer, species);
      for (int t = 0; t < h.tiles(); ++t) part = fma(w[t], h.at(t, atom)[lm], part);
      to = part;
    }
    out[m] = bias_.empty() ? T(R(0)) : T(static_cast<R>(bias_[static_cast<std::size_t>(species)]));
    for (int lane = 0; lane < Pack<T>::lanes; ++lane) out[m] += sum.lane(lane);
    if (options_.l == 2)
      for (int lane = 0; lane < Pack<T>::lanes; ++lane)
        turned[static_cast<std::size_t>(m)] += other.lane(lane);
  }
  if (options_.l != 2) return;
  for (std::size_t m = 0; m < 5; ++m)
    for (std::size_t k = 0; k < 5; ++k)
      out[m] += turned[k] * static_cast<R>(detail::quadrupole_of_xyz[m][k]);
}

template <Number T>
void FeatureReadout::pullback(std::span<const FeatureArray<T>> features, int atom, int species,
                              const T* out_bar, std::span<FeatureArray<T>> feature_bar,
                              std::span<double> parameter_gradient) const {
  using R = RealOf<T>;
  const std::size_t s = options_.species_weights ? static_cast<std::size_t>(species) : 0;
  std::array<T, 5> turned;
  turned.fill(T(R(0)));
  if (options_.l == 2)
    for (std::size_t m = 0; m < 5; ++m)
      for (std::size_t k = 0; k < 5; ++k)
        turned[k] += out_bar[m] * static_cast<R>(detail::quadrupole_of_xyz[m][k]);
  for (const Layer& layer : layers_) {
    const T* layer_bar = is_turned(layer) ? turned.data() : out_bar;
    const FeatureArray<T>& h = features[layer.index];
    FeatureArray<T>& h_bar = feature_bar[layer.index];
    const Pack<R>* w = packs<R>(layer, species);
    for (int m = 0; m < size(); ++m) {
      const Pack<T> bar(layer_bar[m]);
      const int lm = feature_index(layer, m);
      for (int t = 0; t < h.tiles(); ++t) h_bar.at(t, atom)[lm] += w[t] * bar;
      if (parameter_gradient.empty()) continue;
      double* w_bar = weight_slice_.of(parameter_gradient).data() + s * weights_per_species_ +
                      layer.first_weight;
      const Pack<T> scaled(layer_bar[m] * static_cast<R>(layer.scale));
      for (int t = 0, c = 0; t < h.tiles(); ++t) {
        const Pack<R> part = gradient_part(scaled * h.at(t, atom)[lm]);
        for (int lane = 0; lane < Pack<R>::lanes && c < layer.channels; ++lane, ++c)
          w_bar[c] += part.lane(lane);
      }
    }
  }
  if (!parameter_gradient.empty() && !bias_.empty())
    bias_slice_.of(parameter_gradient)[static_cast<std::size_t>(species)] +=
        gradient_part(out_bar[0]);
}

}  // namespace leyden::inline LEYDEN_ABI
