// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/charge/concepts.hpp>
#include <leyden/charge/softplus.hpp>
#include <leyden/equivariant/feature_readout.hpp>

#include <string>
#include <utility>

namespace leyden::inline LEYDEN_ABI {

/// Reads the coefficients of a law from the features, number by number: a list of readouts, each
/// with the place that it fills. A charge model declares the list; sites() and the adjoint follow
/// from it.
class SiteReadouts {
 public:
  enum class Array { chi, eta, atoms };
  struct Place {
    Array array;
    int index;  // within the numbers of one atom
  };
  /// What all readouts of a model share while it is declared.
  struct Declaration {
    ParameterLayout& layout;
    std::span<const FeatureShape> shapes;
    int n_species;
    bool species_weights;
    double initial_weights;
  };

  void clear() { entries_.clear(); }

  /// A number of any sign, b_z + w·h, b_z = initial at first; `per_species` (or none) is added as a
  /// constant.
  void scalar(const Declaration& d, const std::string& name, Place place, double initial = 0.0,
              std::vector<double> per_species = {}) {
    add(d, name, 0, Kind::scalar, place, 1, initial, 1.0, std::move(per_species));
  }
  /// A number of any sign, scale · (b_z + w·h), b_z = initial at first.
  void scaled(const Declaration& d, const std::string& name, Place place, double scale,
              double initial = 0.0) {
    add(d, name, 0, Kind::scalar, place, 1, initial, scale, {});
  }
  /// A positive number, initial · softplus(b_z + w·h) with softplus(b_z) = 1 at first, written to
  /// `copies` places.
  void positive(const Declaration& d, const std::string& name, Place place, double initial,
                int copies = 1) {
    if (!(initial > 0.0))
      throw ModelError("initial value of '" + name + "': it is " + std::to_string(initial) +
                       "; it must be positive");
    add(d, name, 0, Kind::positive, place, copies, inverse_softplus(1.0), initial, {});
  }
  /// A vector, scale · w·h of the l = 1 features, in the order (y, z, x).
  void vector(const Declaration& d, const std::string& name, Place place, double scale = 1.0) {
    add(d, name, 1, Kind::vector, place, 1, 0.0, scale, {});
  }

  void prepare(std::span<const double> parameters) {
    for (Entry& e : entries_) e.readout.prepare(parameters);
  }

  /// Sets the places of all atoms. @param size of chi and eta per atom  @param atom_size of the law
  template <Number T>
  void read(const ChargeInput<T>& input, int size, int atom_size, SiteCoefficients<T>& out) const {
    using R = RealOf<T>;
    for (const Entry& e : entries_)
      for (int i = 0; i < input.n_atoms(); ++i) {
        const int s = input.species_of(i);
        T* at = place(out, e, i, size, atom_size);
        e.readout.forward(input.features, i, s, at);
        if (e.kind == Kind::positive) at[0] = softplus(at[0]);
        for (int m = 0; m < e.readout.size(); ++m) at[m] = at[m] * static_cast<R>(e.scale);
        if (!e.per_species.empty())
          at[0] += T(static_cast<R>(e.per_species[static_cast<std::size_t>(s)]));
        for (int k = 1; k < e.copies; ++k) at[k] = at[0];
      }
  }

  /// Adds the cotangents of features and parameters.
  template <Number T>
  void pullback(const ChargeInput<T>& input, int size, int atom_size,
                const SiteCoefficients<T>& cotangents, InputCotangents<T> bar) const {
    using R = RealOf<T>;
    for (const Entry& e : entries_)
      for (int i = 0; i < input.n_atoms(); ++i) {
        const int s = input.species_of(i);
        const T* from = place(cotangents, e, i, size, atom_size);
        T out_bar[3];
        for (int m = 0; m < e.readout.size(); ++m) out_bar[m] = from[m];
        for (int k = 1; k < e.copies; ++k) out_bar[0] += from[k];
        for (T& x : out_bar) x = x * static_cast<R>(e.scale);
        if (e.kind == Kind::positive)
          out_bar[0] = out_bar[0] * sigmoid(e.readout.value(input.features, i, s));
        e.readout.pullback(input.features, i, s, &out_bar[0], bar.features, bar.parameters);
      }
  }

 private:
  enum class Kind { scalar, positive, vector };
  struct Entry {
    FeatureReadout readout;
    Kind kind;
    Place place;
    int copies;
    double scale;
    std::vector<double> per_species;
  };

  void add(const Declaration& d, const std::string& name, int l, Kind kind, Place place, int copies,
           double bias, double scale, std::vector<double> per_species) {
    FeatureReadoutOptions options;
    options.l = l;
    options.species_weights = d.species_weights;
    options.species_bias = l == 0;
    options.initial_bias = bias;
    options.initial_weights = d.initial_weights;
    Entry e{FeatureReadout(options), kind, place, copies, scale, std::move(per_species)};
    e.readout.declare(d.layout, name, d.shapes, d.n_species);
    entries_.push_back(std::move(e));
  }
  template <class C>  // SiteCoefficients, const or not
  static auto* place(C& c, const Entry& e, int atom, int size, int atom_size) {
    auto& all = e.place.array == Array::chi ? c.chi : e.place.array == Array::eta ? c.eta : c.atoms;
    const int stride = e.place.array == Array::atoms ? atom_size : size;
    return all.data() + static_cast<std::size_t>(atom * stride + e.place.index);
  }

  std::vector<Entry> entries_;
};

}  // namespace leyden::inline LEYDEN_ABI
