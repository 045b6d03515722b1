// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/bond_readout.hpp>
#include <leyden/charge/concepts.hpp>
#include <leyden/charge/softplus.hpp>

#include <string>

namespace leyden::inline LEYDEN_ABI {

/// Where bonds end, and how their numbers depend on the distance.
struct BondRange {
  /// Å: coefficients go to zero here, with two continuous derivatives. It must not exceed the
  /// descriptor's cutoff: bonds are pairs of its neighbours.
  double cutoff = 3.0;
  int radial = 4;  ///< functions of the distance, see BondReadout
};

/// The coefficients of bonds, as SiteReadouts are those of atoms: numbers y of a symmetric
/// BondReadout, made
///
///   scalar:   scale · y,
///   positive: initial · softplus(b + y) · f(r),   softplus(b) = 1,   f(r) = (1 − (r/a)²)³,
///
/// the same in both directions of a bond. Parameters as BondReadout's, its outputs in the order in
/// which numbers are added.
class BondReadouts {
 public:
  void clear() { entries_.clear(); }

  /// A number of any sign; `index` of the bond's coefficients.
  void scalar(int index, double scale) { entries_.push_back({false, index, scale}); }
  /// A number ≥ 0, initial · f(r) at first but for the weights. `what` names it in the error.
  void positive(const char* what, int index, double initial) {
    if (!(initial > 0.0))
      throw ModelError(std::string("bonds: the initial ") + what + " is " +
                       std::to_string(initial) + "; it must be positive");
    entries_.push_back({true, index, initial});
  }
  /// After all numbers are added. @throws ModelError as BondReadout.
  void declare(ParameterLayout& layout, std::string_view prefix,
               std::span<const FeatureShape> shapes, int n_species, double initial_weights,
               BondRange range) {
    if (entries_.empty()) return;
    BondReadoutOptions options;
    options.outputs = static_cast<int>(entries_.size());
    options.symmetry = BondSymmetry::symmetric;
    options.radial = range.radial;
    options.cutoff = range.cutoff;
    options.initial_weights = initial_weights;
    readout_ = BondReadout(options);
    readout_.declare(layout, prefix, shapes, n_species);
  }
  void prepare(std::span<const double> parameters) {
    if (!entries_.empty()) readout_.prepare(parameters);
  }

  /// Sets the coefficients of all bonds, (bonds·bond_size), which are zero before.
  template <Number T>
  void read(const ChargeInput<T>& input, int bond_size, std::span<T> bonds) const {
    using R = RealOf<T>;
    if (entries_.empty()) return;
    const Geometry<T>& g = *input.geometry;
    readout_.for_each_half<T>(input.features, g, input.species, [&](std::size_t e, const T* half) {
      for (std::size_t k = 0; k < entries_.size(); ++k)
        bonds[place(static_cast<std::size_t>(g.pair[e]), bond_size, k)] += half[k];
    });
    for (std::size_t b = 0; b < g.pair_edge.size(); ++b) {
      T left;
      const bool in = inside(g, b, left);
      for (std::size_t k = 0; k < entries_.size(); ++k) {
        T& y = bonds[place(b, bond_size, k)];
        if (!in) {
          y = T{};
          continue;
        }
        if (entries_[k].positive)
          y = softplus(y + T(static_cast<R>(inverse_softplus(1.0)))) * left * left * left;
        y = y * static_cast<R>(entries_[k].scale);
      }
    }
  }

  /// Adds the cotangents of features, edges and parameters. @param bonds what read() made
  template <Number T>
  void pullback(const ChargeInput<T>& input, int bond_size, std::span<const T> bonds,
                std::span<const T> bonds_bar, InputCotangents<T> bar) const {
    using R = RealOf<T>;
    using std::exp;
    if (entries_.empty()) return;
    const Geometry<T>& g = *input.geometry;
    readout_.for_each_half_pullback<T>(
        input.features, g, input.species,
        [&](std::size_t e, const T*, T* half_bar) {
          const auto b = static_cast<std::size_t>(g.pair[e]);
          T left;
          if (!inside(g, b, left)) return;
          for (std::size_t k = 0; k < entries_.size(); ++k) {
            const std::size_t at = place(b, bond_size, k);
            half_bar[k] = bonds_bar[at] * static_cast<R>(entries_[k].scale);
            if (!entries_[k].positive) continue;
            // The slope of s = softplus(x) is 1 − e^(−s).
            const T f = left * left * left;
            const T s = bonds[at] / (f * static_cast<R>(entries_[k].scale));
            half_bar[k] = half_bar[k] * f * (T(R(1)) - exp(-s));
          }
        },
        bar.features, bar.edges, bar.parameters);
    if (bar.edges.empty()) return;
    for (std::size_t b = 0; b < g.pair_edge.size(); ++b) {
      T left;
      if (!inside(g, b, left)) continue;
      T sum{};  // Σ c̄ c: all have the same envelope
      for (std::size_t k = 0; k < entries_.size(); ++k)
        if (entries_[k].positive) {
          const std::size_t at = place(b, bond_size, k);
          sum += bonds_bar[at] * bonds[at];
        }
      const auto e = static_cast<std::size_t>(g.pair_edge[b]);
      // d ln f/dr / r = −6 / (a² (1 − (r/a)²))
      const T slope = sum * static_cast<R>(-6.0 / (readout_.cutoff() * readout_.cutoff())) / left;
      for (int a = 0; a < 3; ++a) bar.edges[e][a] += slope * g.vector[e][a];
    }
  }

 private:
  struct Entry {
    bool positive;
    int index;
    double scale;
  };
  std::size_t place(std::size_t bond, int bond_size, std::size_t k) const {
    return bond * static_cast<std::size_t>(bond_size) + static_cast<std::size_t>(entries_[k].index);
  }
  /// Sets 1 − (r/a)². At the very rim the envelope is zero but for rounding, and left out.
  template <Number T>
  bool inside(const Geometry<T>& g, std::size_t bond, T& left) const {
    using R = RealOf<T>;
    const T ratio =
        g.length[static_cast<std::size_t>(g.pair_edge[bond])] / static_cast<R>(readout_.cutoff());
    left = T(R(1)) - ratio * ratio;
    return left > T(R(1e-10));
  }

  BondReadout readout_;
  std::vector<Entry> entries_;
};

}  // namespace leyden::inline LEYDEN_ABI
