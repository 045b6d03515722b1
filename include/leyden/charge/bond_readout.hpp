// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What happens to the numbers of a bond when its two ends are exchanged.
enum class BondSymmetry {
  symmetric,     ///< nothing
  antisymmetric  ///< they change sign
};

/// What a BondReadout reads, and how its weights start.
struct BondReadoutOptions {
  int outputs = 1;                                      ///< numbers per bond
  BondSymmetry symmetry = BondSymmetry::antisymmetric;  ///< under exchange of the ends
  int radial = 4;                                       ///< functions of the distance
  double cutoff = 3.0;           ///< Å; not above the descriptor's, whose edges bonds are
  bool species_weights = false;  ///< own weights for every species
  double initial_weights = 0.1;  ///< standard deviation
};

/// Learned numbers of every bond. A bond is an undirected pair of neighbours; its direction is that
/// of the directed edge `pair_edge[bond]`, from sender s to receiver t. For each output
///
///   y = Σ_n φ_n(r) [a_n(h_t) ± a_n(h_s) + b_n(z_t, z_s)],
///   φ_n(r) = (1 − x²)³ T_n(2x − 1),  x = r/cutoff,  n = 0 … radial − 1,
///
/// with a_n a linear readout of the scalar features of all layers (FeatureReadout), b_n a table per
/// pair of species with the same symmetry and T_n Chebyshev polynomials. y and its first two
/// derivatives vanish at the cutoff.
///
/// y is made of one *half* per end, half(t) = Σ_n φ_n(r) [a_n(h_t) + ½ b_n(z_t, z_s)] and
/// y = half(t) ± half(s), and a_n of an atom is read once for all of its bonds. So a loop over
/// atoms and their edges needs no memory beyond the stack, and costs O(atoms·channels + edges)
/// instead of O(bonds·channels).
///
/// Parameters: `<prefix><output>/<n>/weight` as in FeatureReadout and `<prefix>table`, (unordered
/// pairs of species, outputs, radial); of pairs z < z' only when antisymmetric, with the sign of
/// receiver z, sender z'.
class BondReadout {
 public:
  /// outputs · radial is at most this.
  static constexpr int max_terms = 32;

  BondReadout() = default;
  explicit BondReadout(BondReadoutOptions options) : options_(options) {}

  const BondReadoutOptions& options() const { return options_; }
  int outputs() const { return options_.outputs; }
  double cutoff() const { return options_.cutoff; }  ///< Å

  /// @throws ModelError for options out of range.
  void declare(ParameterLayout& layout, std::string_view prefix,
               std::span<const FeatureShape> shapes, int n_species);
  void prepare(std::span<const double> parameters);

  /// Calls f(edge, half) for every directed edge within the cutoff; half: (outputs). With e' the
  /// reverse of e, y in the direction of e is half(e) ± half(e').
  template <Number T, class F>
  void for_each_half(std::span<const FeatureArray<T>> features, const Geometry<T>& geometry,
                     std::span<const int> species, F&& f) const;

  /// The adjoint: f(edge, half, half_bar) sets the cotangents of the halves, (outputs). Adds to
  /// those of the features, of the edge vectors (edges; empty: skipped) and of the parameters (the
  /// whole flat vector; empty: skipped).
  template <Number T, class F>
  void for_each_half_pullback(std::span<const FeatureArray<T>> features,
                              const Geometry<T>& geometry, std::span<const int> species, F&& f,
                              std::span<FeatureArray<T>> feature_bar,
                              std::span<Vector3<T>> edge_bar,
                              std::span<double> parameter_gradient) const;

  /// Sets y, (bonds·outputs), zero beyond the cutoff.
  template <Number T>
  void forward(std::span<const FeatureArray<T>> features, const Geometry<T>& geometry,
               std::span<const int> species, std::span<T> y) const {
    std::fill(y.begin(), y.end(), T{});
    for_each_half(features, geometry, species, [&](std::size_t e, const T* half) {
      T* out = &y[bond_of(geometry, e)];
      for (int o = 0; o < options_.outputs; ++o)
        out[o] = reversed(geometry, e) ? out[o] - half[o] : out[o] + half[o];
    });
  }

  /// The adjoint of forward(), with the cotangents of y, (bonds·outputs).
  template <Number T>
  void pullback(std::span<const FeatureArray<T>> features, const Geometry<T>& geometry,
                std::span<const int> species, std::span<const T> y_bar,
                std::span<FeatureArray<T>> feature_bar, std::span<Vector3<T>> edge_bar,
                std::span<double> parameter_gradient) const {
    for_each_half_pullback(
        features, geometry, species,
        [&](std::size_t e, const T*, T* half_bar) {
          const T* in = &y_bar[bond_of(geometry, e)];
          for (int o = 0; o < options_.outputs; ++o)
            half_bar[o] = reversed(geometry, e) ? -in[o] : in[o];
        },
        feature_bar, edge_bar, parameter_gradient);
  }

 private:
  template <Number T>
  using Terms = std::array<T, static_cast<std::size_t>(max_terms)>;

  int terms() const { return options_.outputs * options_.radial; }
  /// Where the first number of the edge's bond stands.
  template <Number T>
  std::size_t bond_of(const Geometry<T>& geometry, std::size_t edge) const {
    return static_cast<std::size_t>(geometry.pair[edge]) *
           static_cast<std::size_t>(options_.outputs);
  }
  /// Whether the half of an edge counts negative.
  template <Number T>
  bool reversed(const Geometry<T>& geometry, std::size_t edge) const {
    return options_.symmetry == BondSymmetry::antisymmetric &&
           geometry.pair_edge[static_cast<std::size_t>(geometry.pair[edge])] !=
               static_cast<int>(edge);
  }
  /// φ_n and, if asked for, their slopes dφ_n/dr. r is inside the cutoff.
  template <Number T>
  void radial(T r, T* values, T* slopes) const;
  /// Half of b_n(receiver, sender): where it stands and with which sign (0: nowhere).
  struct Entry {
    std::size_t first = 0;
    int sign = 0;
  };
  Entry entry(int receiver, int sender) const {
    return entries_[static_cast<std::size_t>(receiver * n_species_ + sender)];
  }
  /// a_n(h_i) of all outputs.
  template <Number T>
  void project(std::span<const FeatureArray<T>> features, int atom, int species,
               Terms<T>& out) const {
    for (std::size_t k = 0; k < readouts_.size(); ++k)
      out[k] = readouts_[k].value(features, atom, species);
  }
  template <Number T>
  T term(const Terms<T>& projection, Entry at, std::size_t k) const {
    using R = RealOf<T>;
    if (at.sign == 0) return projection[k];
    return projection[k] + T(static_cast<R>(0.5 * at.sign * table_[at.first + k]));
  }

  BondReadoutOptions options_;
  int n_species_ = 0;
  std::vector<FeatureReadout> readouts_;  // (outputs·radial)
  Slice table_slice_;
  std::vector<double> table_;   // (pairs of species, outputs·radial)
  std::vector<Entry> entries_;  // (species, species)
};

inline void BondReadout::declare(ParameterLayout& layout, std::string_view prefix,
                                 std::span<const FeatureShape> shapes, int n_species) {
  const std::string name(prefix);
  if (options_.outputs < 1 || options_.radial < 1 || terms() > max_terms)
    throw ModelError("BondReadout '" + name + "': there are " + std::to_string(options_.outputs) +
                     " outputs and " + std::to_string(options_.radial) +
                     " radial functions; both must be positive and their product at most " +
                     std::to_string(max_terms));
  if (!(options_.cutoff > 0.0))
    throw ModelError("BondReadout '" + name + "': the cutoff is " +
                     std::to_string(options_.cutoff) + " Å; it must be positive");
  n_species_ = n_species;
  FeatureReadoutOptions readout;
  readout.species_weights = options_.species_weights;
  readout.initial_weights = options_.initial_weights;
  readouts_.clear();
  for (int o = 0; o < options_.outputs; ++o)
    for (int n = 0; n < options_.radial; ++n) {
      readouts_.emplace_back(readout);
      readouts_.back().declare(layout, name + std::to_string(o) + "/" + std::to_string(n) + "/",
                               shapes, n_species);
    }
  const bool antisymmetric = options_.symmetry == BondSymmetry::antisymmetric;
  entries_.assign(static_cast<std::size_t>(n_species * n_species), Entry{});
  int pairs = 0;
  for (int a = 0; a < n_species; ++a)
    for (int b = antisymmetric ? a + 1 : a; b < n_species; ++b, ++pairs) {
      const std::size_t first = static_cast<std::size_t>(pairs * terms());
      entries_[static_cast<std::size_t>(a * n_species + b)] = {first, 1};
      entries_[static_cast<std::size_t>(b * n_species + a)] = {first, antisymmetric ? -1 : 1};
    }
  table_slice_ = layout.add(name + "table", {pairs, options_.outputs, options_.radial},
                            Initializer::constant(0.0));
  table_.assign(static_cast<std::size_t>(pairs * terms()), 0.0);
}

inline void BondReadout::prepare(std::span<const double> parameters) {
  for (FeatureReadout& r : readouts_) r.prepare(parameters);
  const std::span<const double> b = table_slice_.of(parameters);
  std::copy(b.begin(), b.end(), table_.begin());
}

template <Number T>
void BondReadout::radial(T r, T* values, T* slopes) const {
  using R = RealOf<T>;
  const R inverse = static_cast<R>(1.0 / options_.cutoff);
  const T x = r * inverse, left = T(R(1)) - x * x;
  const T f = left * left * left, f_slope = left * left * x * (R(-6) * inverse);
  const T u = x * R(2) - T(R(1));
  T before = u, here(R(1)), slope_before(R(2) * inverse), slope_here(R(0));  // T_−1 = T_1
  for (int n = 0; n < options_.radial; ++n) {
    values[n] = f * here;
    if (slopes) slopes[n] = f_slope * here + f * slope_here;
    const T next = u * here * R(2) - before;
    const T slope_next = here * (R(4) * inverse) + u * slope_here * R(2) - slope_before;
    before = here;
    here = next;
    slope_before = slope_here;
    slope_here = slope_next;
  }
}

template <Number T, class F>
void BondReadout::for_each_half(std::span<const FeatureArray<T>> features,
                                const Geometry<T>& geometry, std::span<const int> species,
                                F&& f) const {
  using R = RealOf<T>;
  const std::size_t radials = static_cast<std::size_t>(options_.radial);
  Terms<T> projection, phi, half;
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    const std::size_t atom = static_cast<std::size_t>(i);
    bool projected = false;
    for (int edge = geometry.first[atom]; edge < geometry.first[atom + 1]; ++edge) {
      const std::size_t e = static_cast<std::size_t>(edge);
      if (!(value_of(geometry.length[e]) < static_cast<R>(options_.cutoff))) continue;
      if (!projected) project(features, i, species[atom], projection);
      projected = true;
      radial(geometry.length[e], phi.data(), static_cast<T*>(nullptr));
      const Entry at = entry(species[atom], species[static_cast<std::size_t>(geometry.sender[e])]);
      for (std::size_t o = 0, k = 0; o < static_cast<std::size_t>(options_.outputs); ++o) {
        half[o] = T{};
        for (std::size_t n = 0; n < radials; ++n, ++k) half[o] += phi[n] * term(projection, at, k);
      }
      f(e, static_cast<const T*>(half.data()));
    }
  }
}

template <Number T, class F>
void BondReadout::for_each_half_pullback(std::span<const FeatureArray<T>> features,
                                         const Geometry<T>& geometry, std::span<const int> species,
                                         F&& f, std::span<FeatureArray<T>> feature_bar,
                                         std::span<Vector3<T>> edge_bar,
                                         std::span<double> parameter_gradient) const {
  using R = RealOf<T>;
  const std::size_t radials = static_cast<std::size_t>(options_.radial);
  Terms<T> projection, projection_bar, phi, slope, half, half_bar;
  for (int i = 0; i < geometry.n_atoms(); ++i) {
    const std::size_t atom = static_cast<std::size_t>(i);
    bool projected = false;
    for (int edge = geometry.first[atom]; edge < geometry.first[atom + 1]; ++edge) {
      const std::size_t e = static_cast<std::size_t>(edge);
      if (!(value_of(geometry.length[e]) < static_cast<R>(options_.cutoff))) continue;
      if (!projected) {
        project(features, i, species[atom], projection);
        projection_bar.fill(T{});
      }
      projected = true;
      radial(geometry.length[e], phi.data(), slope.data());
      const Entry at = entry(species[atom], species[static_cast<std::size_t>(geometry.sender[e])]);
      for (std::size_t o = 0, k = 0; o < static_cast<std::size_t>(options_.outputs); ++o) {
        half[o] = T{};
        half_bar[o] = T{};
        for (std::size_t n = 0; n < radials; ++n, ++k) half[o] += phi[n] * term(projection, at, k);
      }
      f(e, static_cast<const T*>(half.data()), half_bar.data());
      T length_bar{};
      for (std::size_t o = 0, k = 0; o < static_cast<std::size_t>(options_.outputs); ++o)
        for (std::size_t n = 0; n < radials; ++n, ++k) {
          const T bar = half_bar[o] * phi[n];
          projection_bar[k] += bar;
          length_bar += half_bar[o] * slope[n] * term(projection, at, k);
          if (!parameter_gradient.empty() && at.sign != 0)
            table_slice_.of(parameter_gradient)[at.first + k] += gradient_part(bar) * 0.5 * at.sign;
        }
      if (edge_bar.empty()) continue;
      const T per_length = length_bar / geometry.length[e];
      for (int a = 0; a < 3; ++a) edge_bar[e][a] += per_length * geometry.vector[e][a];
    }
    if (!projected) continue;
    for (std::size_t k = 0; k < readouts_.size(); ++k)
      readouts_[k].pullback(features, i, species[atom], projection_bar[k], feature_bar,
                            parameter_gradient);
  }
}

}  // namespace leyden::inline LEYDEN_ABI
