// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/io/model_file.hpp>

#include <algorithm>
#include <cmath>

#if __has_include(<nlohmann/json.hpp>)

namespace leyden::inline LEYDEN_ABI {

namespace detail {

inline constexpr int model_format = 1;
inline constexpr const char* model_format_name = "leyden potential";

/// What of a structure a self test keeps.
template <class V>
void structure_fields(V& v, Structure& s) {
  v("atomic_numbers", s.atomic_numbers);
  v("positions", s.positions);
  std::array<Vector3<double>, 3> rows{s.cell.vectors.row(0), s.cell.vectors.row(1),
                                      s.cell.vectors.row(2)};
  v("cell", rows);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) s.cell.vectors(i, j) = rows[static_cast<std::size_t>(i)][j];
  v("periodic", s.cell.periodic);
  v("total_charge", s.total_charge);
  v("spin_multiplicity", s.spin_multiplicity);
  v("formal_charges", s.formal_charges);
  v("external_field", s.external_field);
}

}  // namespace detail

template <class V>
void fields(V& v, Structure& s) {
  detail::structure_fields(v, s);
}
template <class V>
void fields(V& v, SelfTest& t) {
  v("structure", t.structure);
  v("energy", t.energy);
  v("forces", t.forces);
  v("charges", t.charges);
}

namespace detail {

/// A few atoms for a self test, in a box that repeats along the first `periodic` directions: one of
/// each of the first species, near each other.
inline Structure small_structure(std::span<const int> species, double cutoff, int periodic) {
  Structure s;
  const std::size_t n = std::clamp<std::size_t>(species.size(), 2, 8);
  const double edge = 0.4 * cutoff;
  for (std::size_t i = 0; i < n; ++i) {
    s.atomic_numbers.push_back(species[i % species.size()]);
    // Corners of a box, each a little off.
    const auto off = [i](int k) { return 0.05 * std::sin(1.7 * static_cast<double>(i) + k); };
    s.positions.push_back({{edge * (static_cast<double>(i & 1u) + off(0)),
                            edge * (static_cast<double>(i >> 1 & 1u) + off(1)),
                            edge * (static_cast<double>(i >> 2 & 1u) + off(2))}});
  }
  for (int k = 0; k < 3; ++k) {
    s.cell.vectors(k, k) = 2.1 * edge;
    s.cell.periodic[static_cast<std::size_t>(k)] = k < periodic;
  }
  return s;
}

template <class P>
void fill_self_test(SelfTest& test, const P& potential) {
  typename P::Workspace workspace;
  const Prediction& p = potential.evaluate(test.structure, workspace);
  test.energy = p.energy;
  test.forces = p.forces;
  test.charges = p.charges;
}

/// The first that the potential evaluates of a bulk, a slab and a molecule: not every solver serves
/// all, nor a net charge everywhere. @throws what the last one throws.
template <class P>
SelfTest small_self_test(const P& potential) {
  for (const int periodic : {3, 2, 0}) {
    SelfTest test{small_structure(potential.species(), potential.cutoff(), periodic), 0.0, {}, {}};
    try {
      fill_self_test(test, potential);
      return test;
    } catch (const ModelError&) {
      if (periodic == 0) throw;
    }
  }
  return {};
}

/// The tensors of a file in the order of a layout.
/// @throws InputError for one that is missing, of another shape, or that nobody asked for.
inline std::vector<double> ordered_values(const std::string& where,
                                          const std::vector<Tensor>& tensors,
                                          const ParameterLayout& layout) {
  std::map<std::string_view, const Tensor*> by_name;
  for (const Tensor& t : tensors) by_name[t.name] = &t;
  std::vector<double> values(layout.size());
  for (const ParameterInfo& p : layout.entries()) {
    const auto found = by_name.find(p.name);
    if (found == by_name.end())
      throw InputError(where + " has no tensor '" + p.name + "', which the model needs");
    const Tensor& t = *found->second;
    // Converters may write the numbers of any shape in one row.
    const bool one_row = t.shape.size() == 1 && t.shape[0] == p.slice.size;
    if (!one_row &&
        !std::equal(t.shape.begin(), t.shape.end(), p.shape.begin(), p.shape.end(),
                    [](std::size_t a, int b) { return a == static_cast<std::size_t>(b); }))
      throw InputError(tensor_text(where, t.name) + "its shape is " + shown(Json(t.shape)) +
                       "; the model has " + shown(Json(p.shape)));
    std::copy(t.values.begin(), t.values.end(),
              values.begin() + static_cast<std::ptrdiff_t>(p.slice.offset));
    by_name.erase(found);
  }
  if (!by_name.empty())
    throw InputError(tensor_text(where, std::string(by_name.begin()->first)) +
                     "the model has no such parameter");
  return values;
}

inline const Json& part(const ModelFile& file, const char* key) {
  const auto found = file.specification.find(key);
  if (found == file.specification.end() || !found->is_object())
    throw InputError(file.path + ": its specification has no '" + key + "'");
  for (const auto& [k, value] : found->items())
    if (k != "kind" && ((k != "shape" && k != "options") || !value.is_object()))
      throw InputError(file.path + ", " + key + ": '" + k +
                       "' is none of kind, shape and options, or no object");
  return *found;
}
template <class P>
struct PartsOf;
template <class D, class Q, class S>
struct PartsOf<Potential<D, Q, S>> {
  static bool match(const ModelFile& file) {
    return is_kind<D>(part(file, "descriptor")) && is_kind<Q>(part(file, "charge_model")) &&
           is_kind<S>(part(file, "solver"));
  }
  template <class P>
  static P make(const ModelFile& file, const char* key) {
    return ModelKind<P>::make(part(file, key).value("options", Json::object()),
                              file.path + ", " + key, file.numbers());
  }
  static Potential<D, Q, S> build(const ModelFile& file) {
    Potential<D, Q, S> potential(make<D>(file, "descriptor"), make<Q>(file, "charge_model"),
                                 make<S>(file, "solver"));
    ScfOptions scf;
    if (file.specification.contains("scf"))
      from_json(file.specification["scf"], scf, file.path + ", scf");
    potential.set_scf_options(scf);
    std::vector<Tensor> tensors = file.tensors;
    if constexpr (requires { D::shape.hidden_l; })
      express_coupling(file.path, D::shape.l_max, D::shape.correlation, tensors);
    potential.set_parameters(ordered_values(file.path, tensors, potential.layout()));
    return potential;
  }
};

/// Potential<…> as it is written in C++, or what is unknown about it.
inline std::string wanted_type(const ModelFile& file, bool single) {
  const auto known = [&](const char* key, std::string type) {
    if (type.empty())
      throw InputError(file.path + ": its " + std::string(key) + " is of the kind " +
                       shown(part(file, key).value("kind", Json())) +
                       ", which this version of leyden does not have");
    return type;
  };
  return "Potential<" + known("descriptor", descriptor_spelling(part(file, "descriptor"), single)) +
         ", " + known("charge_model", spelling(spellings, part(file, "charge_model"))) + ", " +
         known("solver", spelling(solver_spellings, part(file, "solver"))) + ">";
}

}  // namespace detail

template <class D, class Q, class S>
detail::Json potential_specification(const Potential<D, Q, S>& potential) {
  return {{"descriptor", detail::policy_to_json(potential.descriptor())},
          {"charge_model", detail::policy_to_json(potential.charge_model())},
          {"solver", detail::policy_to_json(potential.solver())},
          {"scf", detail::to_json(potential.scf_options())}};
}

template <class D, class Q, class S>
void save_potential(const std::string& path, const Potential<D, Q, S>& potential,
                    ModelDescription description) {
  using detail::Json;
  SafeTensors file;
  for (const ParameterInfo& p : potential.layout().entries()) {
    const std::span<const double> values = p.slice.of(potential.parameters());
    file.tensors.push_back({p.name,
                            std::vector<std::size_t>(p.shape.begin(), p.shape.end()),
                            {values.begin(), values.end()}});
  }
  if (description.self_test)
    detail::fill_self_test(*description.self_test, potential);
  else
    description.self_test = detail::small_self_test(potential);
  Json specification = potential_specification(potential);
  specification.update(
      Json{{"format_version", detail::model_format},
           {"leyden_version", {LEYDEN_VERSION_MAJOR, LEYDEN_VERSION_MINOR, LEYDEN_VERSION_PATCH}},
           {"name", description.name},
           {"units", {{"length", "angstrom"}, {"energy", "eV"}, {"charge", "e"}}},
           {"seed", description.seed},
           {"training", description.training},
           {"checksum", checksum(file.tensors)},
           {"self_test", detail::to_json(*description.self_test)}});
  file.metadata["format"] = detail::model_format_name;
  file.metadata["specification"] = detail::json_text(specification, path);
  write_safetensors(path, file);
}

inline ModelFile read_model(const std::string& path) {
  using detail::Json;
  SafeTensors content = read_safetensors(path);
  if (content.metadata["format"] != detail::model_format_name)
    throw InputError(path +
                     " is a safetensors file, but no leyden potential; see "
                     "examples/convert for how other models become one");
  ModelFile file{path, {}, {}, std::move(content.tensors)};
  file.specification = detail::parse_json(content.metadata["specification"], path + ", metadata");
  const Json& j = file.specification;
  if (!j.is_object()) throw InputError(path + ": its specification is no object");
  int version = 0;
  detail::from_json(j.value("format_version", Json()), version, path + ", format_version");
  if (version != detail::model_format)
    throw InputError(path + " has format version " + std::to_string(version) +
                     "; this program reads " + std::to_string(detail::model_format));
  const Json units = j.value("units", Json());
  if (units != Json{{"length", "angstrom"}, {"energy", "eV"}, {"charge", "e"}})
    throw InputError(path + ": its units are " + detail::shown(units) +
                     "; angstrom, eV and e are read");
  if (j.value("checksum", Json()) != checksum(file.tensors))
    throw InputError(path + ": its tensors have the checksum " + checksum(file.tensors) +
                     ", but were written with " + detail::shown(j.value("checksum", Json())) +
                     "; the file is damaged");
  const auto read = [&](const char* key, auto& value) {
    if (const auto found = j.find(key); found != j.end())
      detail::from_json(*found, value, path + ", " + key);
  };
  read("name", file.description.name);
  read("seed", file.description.seed);
  read("self_test", file.description.self_test);
  if (const auto found = j.find("training"); found != j.end()) {
    if (!found->is_object()) throw InputError(path + ": its 'training' is no object");
    for (const auto& [key, text] : found->items())
      detail::from_json(text, file.description.training[key], path + ", training." + key);
  }
  static constexpr std::string_view known[] = {
      "format_version", "leyden_version", "name",     "units",
      "descriptor",     "charge_model",   "solver",   "scf",
      "seed",           "training",       "checksum", "self_test"};
  for (const auto& [key, value] : j.items())
    if (std::find(std::begin(known), std::end(known), key) == std::end(known))
      throw InputError(path + ": its specification has the unknown key " +
                       detail::shown(Json(key)));
  return file;
}

template <class P>
bool holds(const ModelFile& file) {
  return detail::PartsOf<P>::match(file);
}

template <class P>
P load_point(const ModelFile& file) {
  if (!holds<P>(file))
    throw InputError(file.path + " holds a " +
                     detail::wanted_type(file, std::same_as<typename P::real_type, float>) +
                     ", not the potential that was asked for");
  return detail::PartsOf<P>::build(file);
}

template <class List>
AnyPotential load_potential(const ModelFile& file, Precision precision) {
  const bool single = precision == Precision::single;
  std::optional<AnyPotential> found;
  [&]<class... P>(Points<P...>) {
    const auto attempt = [&]<class Q>(Point<Q>) {
      if (found || std::same_as<typename Q::real_type, float> != single ||
          !detail::PartsOf<Q>::match(file))
        return;
      found.emplace(detail::PartsOf<Q>::build(file));
    };
    (attempt(Point<P>{}), ...);
  }(List{});
  if (!found)
    throw InputError(file.path + " needs " + detail::wanted_type(file, single) +
                     ", which is not among the " + std::to_string(List::count) +
                     " potentials that this program was compiled for; add it to the list of "
                     "load_potential<Points<...>>");
  return *std::move(found);
}

inline SelfTestReport validate_model(const AnyPotential& potential, const ModelFile& file) {
  if (!file.description.self_test) throw InputError(file.path + " has no self test");
  const SelfTest& test = *file.description.self_test;
  AnyPotential::Workspace workspace = potential.workspace();
  const Prediction& p = potential.evaluate(test.structure, workspace);
  if (test.forces.size() != p.forces.size() || test.charges.size() != p.charges.size())
    throw InputError(file.path + ": its self test expects " + std::to_string(test.forces.size()) +
                     " forces and " + std::to_string(test.charges.size()) + " charges of " +
                     std::to_string(p.forces.size()) + " atoms");
  SelfTestReport report;
  report.tolerance = potential.single_precision() ? 1e-4 : 1e-8;
  report.energy = std::abs(p.energy - test.energy) / std::max(1.0, std::abs(test.energy));
  // The largest so far; a NaN stays, and passes nothing.
  const auto raise = [](double& largest, double x) {
    if (x > largest || std::isnan(x)) largest = x;
  };
  double largest = 1.0;
  for (std::size_t i = 0; i < p.forces.size(); ++i)
    for (int k = 0; k < 3; ++k) {
      raise(largest, std::abs(test.forces[i][k]));
      raise(report.forces, std::abs(p.forces[i][k] - test.forces[i][k]));
    }
  report.forces /= largest;
  for (std::size_t i = 0; i < p.charges.size(); ++i)
    raise(report.charges, std::abs(p.charges[i] - test.charges[i]));
  report.passed = report.energy <= report.tolerance && report.forces <= report.tolerance &&
                  report.charges <= report.tolerance;
  return report;
}

}  // namespace leyden::inline LEYDEN_ABI
#endif
