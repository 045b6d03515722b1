// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/descriptor/concepts.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What Elements are built from.
struct ElementsOptions {
  std::vector<int> species = {};             ///< atomic numbers
  double cutoff = 5.0;                       ///< Å, of the neighbours that bonds are made of
  std::vector<double> atomic_energies = {};  ///< eV, E0 per species; empty: zero
};

/// The descriptor that sees no surroundings: one channel per species, one where the atom is of that
/// species and zero elsewhere, and E_i = E0_z + e_z. Vectors (l = 1) exist and are zero.
///
/// With it every charge model takes its classical form, with parameters per species: charge
/// equilibration that of Rappe and Goddard (J. Phys. Chem. 95, 3358 (1991)), bond hardness split
/// charge equilibration (Nistor et al., J. Chem. Phys. 125, 094108 (2006)), fixed charges those of
/// a force field. It is what learned features are to be measured against, and lets a charge model
/// be studied by itself: readouts take their species' bias when `initial_weights` is 0.
///
/// All dependence on positions is that of charges. Parameters: elements/energy (species).
template <std::floating_point Real = double>
class BasicElements {
 public:
  using real_type = Real;
  static constexpr std::string_view name = "elements";
  static constexpr int feature_l_max = 1;

  template <Number T>
  struct Tape : DescriptorTape<T> {
    std::vector<int> species;  // (n) index into species()
  };

  /// @throws ModelError for no species, a cutoff that is not positive or a wrong number of
  /// energies.
  explicit BasicElements(ElementsOptions options)
      : options_(std::move(options)),
        shapes_{{static_cast<int>(options_.species.size()), feature_l_max}} {
    if (options_.species.empty())
      throw ModelError("Elements: no species are given; list the atomic numbers of the data");
    if (!(options_.cutoff > 0.0))
      throw ModelError("Elements: the cutoff is " + std::to_string(options_.cutoff) +
                       " Å; it must be positive");
    const std::size_t given = options_.atomic_energies.size();
    if (given != 0 && given != options_.species.size())
      throw ModelError("Elements: " + std::to_string(given) + " atomic energies are given for " +
                       std::to_string(options_.species.size()) +
                       " species; give one per species, or none");
  }

  const ElementsOptions& options() const { return options_; }
  double cutoff() const { return options_.cutoff; }  ///< Å
  std::span<const int> species() const { return options_.species; }
  std::span<const FeatureShape> feature_shapes() const { return shapes_; }

  void declare(ParameterLayout& layout) {
    energy_ = layout.add("elements/energy", {static_cast<int>(options_.species.size())},
                         Initializer::constant(0.0));
  }
  void prepare(std::span<const double> parameters) {
    const std::span<const double> e = energy_.of(parameters);
    energies_.assign(e.begin(), e.end());
  }

  /// @throws ModelError for an atom of an unknown species.
  template <Number T>
  void forward(const Geometry<T>& geometry, Tape<T>& tape) const;
  template <Number T>
  void backward(const Geometry<T>& geometry, Tape<T>& tape, T energy_cotangent,
                std::span<double> parameter_gradient) const {
    tape.edge_gradient.assign(geometry.sender.size(), Vector3<T>{});
    if (parameter_gradient.empty()) return;
    for (int s : tape.species)
      energy_.of(parameter_gradient)[static_cast<std::size_t>(s)] +=
          gradient_part(energy_cotangent);
  }

 private:
  ElementsOptions options_;
  std::vector<FeatureShape> shapes_;
  Slice energy_;
  std::vector<double> energies_;  // (species)
};

template <std::floating_point Real>
template <Number T>
void BasicElements<Real>::forward(const Geometry<T>& geometry, Tape<T>& tape) const {
  const int n = geometry.n_atoms();
  const std::size_t atoms = static_cast<std::size_t>(n);
  tape.features.resize(1);
  tape.feature_cotangents.resize(1);
  for (auto* features : {&tape.features[0], &tape.feature_cotangents[0]}) {
    features->resize(n, shapes_[0]);
    features->set_zero();
  }
  tape.species.resize(atoms);
  tape.node_energies.resize(atoms);
  tape.reference_energies.resize(options_.atomic_energies.empty() ? 0 : atoms);
  for (std::size_t i = 0; i < atoms; ++i) {
    const int z = geometry.atomic_numbers[i];
    const auto found = std::find(options_.species.begin(), options_.species.end(), z);
    if (found == options_.species.end())
      throw ModelError("Elements: atom " + std::to_string(i) + " has atomic number " +
                       std::to_string(z) + ", which is not among the species; add it to them");
    const int s = static_cast<int>(found - options_.species.begin());
    tape.species[i] = s;
    tape.features[0].set(static_cast<int>(i), s, 0, T(Real(1)));
    const std::size_t at = static_cast<std::size_t>(s);
    tape.node_energies[i] = T(static_cast<Real>(energies_[at]));
    if (!options_.atomic_energies.empty())
      tape.reference_energies[i] = options_.atomic_energies[at];
  }
}

using Elements = BasicElements<double>;
static_assert(Descriptor<Elements>);

}  // namespace leyden::inline LEYDEN_ABI
