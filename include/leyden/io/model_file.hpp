// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/any_potential.hpp>
#include <leyden/io/mace_coupling.hpp>
#include <leyden/io/model_kinds.hpp>
#include <leyden/io/safetensors.hpp>
#include <leyden/version.hpp>

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

// Reading and writing need nlohmann-json, which only this room uses.
#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

/// A structure and what the model said of it when it was saved, so that wherever the file is read
/// its numbers can be checked.
struct SelfTest {
  Structure structure;
  double energy = 0.0;                  ///< eV
  std::vector<Vector3<double>> forces;  ///< (n) eV/Å
  std::vector<double> charges;          ///< (n) e; empty for models without charges
};

/// What a model file says beside its numbers.
struct ModelDescription {
  std::string name;        ///< free text
  std::uint64_t seed = 0;  ///< of the initial values
  /// How it was trained: keys of the data, level of theory, … free text.
  std::map<std::string, std::string> training;
  std::optional<SelfTest> self_test;
};

/// One trained model: a safetensors file whose metadata hold a versioned JSON specification
/// (docs/model_files.md). Nothing in it can execute.
struct ModelFile {
  std::string path;
  ModelDescription description;
  detail::Json specification;
  std::vector<Tensor> tensors;
  std::size_t numbers() const {
    std::size_t n = 0;
    for (const Tensor& t : tensors) n += t.values.size();
    return n;
  }
};

/// Writes a potential with its parameters. The description's self test is filled from its structure
/// (a few atoms of the model's species when there is none).
/// @throws InputError when the file cannot be written or a parameter is not finite; ModelError and
/// ConvergenceError when the self test's structure cannot be evaluated.
template <class D, class Q, class S>
void save_potential(const std::string& path, const Potential<D, Q, S>& potential,
                    ModelDescription description = {});

/// @throws InputError for a file that is none, was written by a newer version, or whose tensors are
/// not those that its checksum was taken of.
inline ModelFile read_model(const std::string& path);

/// What a model file says of a potential's parts: their kinds, shapes and options.
template <class D, class Q, class S>
detail::Json potential_specification(const Potential<D, Q, S>& potential);

/// Whether load_point<P> can read the file.
template <class P>
bool holds(const ModelFile& file);

/// The potential of a file as what the caller knows it to be.
/// @throws InputError when the file holds another one, naming it, or when its options or tensors do
/// not fit.
template <class P>
P load_point(const ModelFile& file);
template <class P>
P load_point(const std::string& path) {
  return load_point<P>(read_model(path));
}

enum class Precision { double_, single };

/// The potential of a file as one of a list of types, Points<Potential<…>, …> (design_space.hpp).
/// @throws InputError as load_point; for one that is not in the list, it names the type to add.
template <class List>
AnyPotential load_potential(const ModelFile& file, Precision precision = Precision::double_);
template <class List>
AnyPotential load_potential(const std::string& path, Precision precision = Precision::double_) {
  return load_potential<List>(read_model(path), precision);
}

/// How far a potential is from its file's self test: the largest differences, energies and forces
/// relative to the larger of the largest number expected and 1 (eV, eV/Å), charges in e.
struct SelfTestReport {
  double energy = 0.0, forces = 0.0, charges = 0.0;
  double tolerance = 0.0;  ///< 1e-8; in single precision 1e-4
  bool passed = false;
};

/// Evaluates the self test of a file. @throws InputError when it has none; else as evaluate().
inline SelfTestReport validate_model(const AnyPotential& potential, const ModelFile& file);

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/io/model_file_impl.hpp>  // IWYU pragma: keep
#endif
