// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/softplus.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include <array>
#include <string>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// Where bonds end.
struct BondRange {
  /// Å: coefficients go to zero here, with two continuous derivatives. It must not exceed the
  /// descriptor's cutoff: bonds are pairs of its neighbours.
  double cutoff = 3.0;
};

/// Reads the coefficients of bonds, number by number, as SiteReadouts those of atoms:
///
///   scalar:   scale · x · f(r),       x = w·(h_s + h_t) + b_zs + b_zt + c₁ r/a + c₂ (r/a)²
///   positive: initial · softplus(x) · f(r),                       f(r) = (1 − (r/a)²)³,
///
/// with a the cutoff and h the scalar features of both ends: the same in both directions of a bond.
class BondReadouts {
 public:
  struct Declaration {
    ParameterLayout& layout;
    std::span<const FeatureShape> shapes;
    int n_species;
    double initial_weights;
    BondRange range;
  };

  void clear() { entries_.clear(); }

  /// A number of any sign, zero at first but for the weights; `index` of the bond's coefficients.
  void scalar(const Declaration& d, const std::string& name, int index, double scale) {
    add(d, name, false, index, scale, 0.0);
  }
  /// A number ≥ 0, initial · f(r) at first but for the weights.
  void positive(const Declaration& d, const std::string& name, int index, double initial) {
    if (!(initial > 0.0))
      throw ModelError("initial value of '" + name + "': it is " + std::to_string(initial) +
                       "; it must be positive");
    add(d, name, true, index, initial, inverse_softplus(1.0));
  }

  void prepare(std::span<const double> parameters) {
    for (Entry& e : entries_) {
      e.readout.prepare(parameters);
      const auto c = e.radial.of(parameters);
      e.c = {c[0], c[1]};
    }
  }

  /// Sets the coefficients of all bonds, (bonds·bond_size); beyond the cutoff they are left alone
  /// (zero).
  template <Number T>
  void read(const ChargeInput<T>& input, int bond_size, std::span<T> bonds) const {
    using R = RealOf<T>;
    for (const Entry& e : entries_)
      for (std::size_t b = 0; b < input.geometry->pair_edge.size(); ++b) {
        const Bond<T> bond(input, b, range_.cutoff);
        if (!bond.inside) continue;
        const T x = argument(e, input, bond);
        bonds[place(b, bond_size, e)] =
            (e.positive ? softplus(x) : x) * bond.envelope * static_cast<R>(e.scale);
      }
  }

  /// Adds the cotangents of features, edges and parameters.
  template <Number T>
  void pullback(const ChargeInput<T>& input, int bond_size, std::span<const T> bonds_bar,
                InputCotangents<T> bar) const {
    using R = RealOf<T>;
    for (const Entry& e : entries_)
      for (std::size_t b = 0; b < input.geometry->pair_edge.size(); ++b) {
        const Bond<T> bond(input, b, range_.cutoff);
        if (!bond.inside) continue;
        const T x = argument(e, input, bond);
        const T out_bar = bonds_bar[place(b, bond_size, e)] * static_cast<R>(e.scale);
        const T x_bar = out_bar * bond.envelope * (e.positive ? sigmoid(x) : T(R(1)));
        for (int end : {bond.from, bond.to})
          e.readout.pullback(input.features, end, input.species_of(end), x_bar, bar.features,
                             bar.parameters);
        if (!bar.parameters.empty()) {
          const std::span<T> c_bar = e.radial.of(bar.parameters);
          c_bar[0] += x_bar * bond.ratio;
          c_bar[1] += x_bar * bond.ratio * bond.ratio;
        }
        if (bar.edges.empty()) continue;
        const T slope = T(static_cast<R>(e.c[0])) + bond.ratio * static_cast<R>(2.0 * e.c[1]);
        const T ratio_bar =
            x_bar * slope + out_bar * (e.positive ? softplus(x) : x) * bond.envelope_slope;
        const T per_vector = ratio_bar / (bond.length * static_cast<R>(range_.cutoff));
        for (int a = 0; a < 3; ++a)
          bar.edges[bond.edge][a] += per_vector * input.geometry->vector[bond.edge][a];
      }
  }

 private:
  struct Entry {
    FeatureReadout readout;
    bool positive;
    int index;
    double scale;
    Slice radial;
    std::array<double, 2> c{};
  };
  template <Number T>
  struct Bond {
    std::size_t edge;
    int from, to;
    T length, ratio, envelope{}, envelope_slope{};  // slope: by ratio = r/a
    bool inside;

    Bond(const ChargeInput<T>& input, std::size_t b, double cutoff)
        : edge(static_cast<std::size_t>(input.geometry->pair_edge[b])),
          from(input.geometry->sender[edge]),
          to(input.geometry->receiver[edge]),
          length(input.geometry->length[edge]),
          ratio(length / static_cast<RealOf<T>>(cutoff)),
          inside(ratio < T(RealOf<T>(1))) {
      const T left = T(RealOf<T>(1)) - ratio * ratio;
      envelope = left * left * left;
      envelope_slope = left * left * ratio * RealOf<T>(-6);
    }
  };

  template <Number T>
  T argument(const Entry& e, const ChargeInput<T>& input, const Bond<T>& bond) const {
    using R = RealOf<T>;
    T x = (T(static_cast<R>(e.c[0])) + bond.ratio * static_cast<R>(e.c[1])) * bond.ratio;
    for (int end : {bond.from, bond.to})
      x += e.readout.value(input.features, end, input.species_of(end));
    return x;
  }
  static std::size_t place(std::size_t bond, int bond_size, const Entry& e) {
    return bond * static_cast<std::size_t>(bond_size) + static_cast<std::size_t>(e.index);
  }

  void add(const Declaration& d, const std::string& name, bool positive, int index, double scale,
           double bias) {
    if (!(d.range.cutoff > 0.0))
      throw ModelError("bonds of '" + name + "': their cutoff is " +
                       std::to_string(d.range.cutoff) + " Å; it must be positive");
    range_ = d.range;
    FeatureReadoutOptions options;
    options.species_bias = true;
    options.initial_bias = 0.5 * bias;  // of both ends
    options.initial_weights = d.initial_weights;
    Entry e{FeatureReadout(options), positive, index, scale, {}, {}};
    e.readout.declare(d.layout, name, d.shapes, d.n_species);
    e.radial = d.layout.add(name + "radial", {2}, Initializer::constant(0.0));
    entries_.push_back(std::move(e));
  }

  BondRange range_;
  std::vector<Entry> entries_;
};

}  // namespace leyden::inline LEYDEN_ABI
