// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/structure.hpp>
#include <leyden/core/error.hpp>
#include <leyden/descriptor/mace.hpp>

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>
#include <vector>

// Loads the golden MACE files of tests/data/mace, and the MACE within those of tests/data/polar:
// weights under their PyTorch names, structures and reference outputs.
namespace leyden_test {

inline std::vector<double> numbers(const nlohmann::json& tensor) {
  return tensor.at("data").get<std::vector<double>>();
}

struct GoldenMace {
  nlohmann::json file;

  explicit GoldenMace(const std::string& name, const std::string& folder = "mace") {
    std::ifstream in(std::string(LEYDEN_TEST_DATA) + "/" + folder + "/" + name + ".json");
    if (!in) throw leyden::InputError("no golden file named " + name);
    file = nlohmann::json::parse(in);
  }

  bool polar() const { return file.at("hyperparameters").contains("num_recursion_steps"); }
  bool nonlinear() const {
    return file.at("hyperparameters").at("interaction_cls").get<std::string>().find("NonLinear") !=
           std::string::npos;
  }

  leyden::MaceOptions options() const {
    const auto& h = file.at("hyperparameters");
    leyden::MaceOptions o;
    o.species = h.at("atomic_numbers").get<std::vector<int>>();
    o.cutoff = h.at("r_max");
    o.channels = std::stoi(h.at("hidden_irreps").get<std::string>());
    o.layers = h.at("num_interactions");
    o.radial_count = h.at("num_bessel");
    o.envelope_order = h.at("num_polynomial_cutoff");
    o.readout_width = std::stoi(h.at("MLP_irreps").get<std::string>());
    o.residual_first =
        !nonlinear() &&
        h.at("interaction_cls_first").get<std::string>().find("Residual") != std::string::npos;
    o.density_normalized =
        h.at("interaction_cls").get<std::string>().find("Density") != std::string::npos;
    const std::string frequencies = "radial_embedding.bessel_fn.bessel_weights";
    if (file.at("weights").contains(frequencies)) o.radial_frequencies = buffer(frequencies);
    if (h.value("distance_transform", "") == "Agnesi") {
      const std::string at = "radial_embedding.distance_transform.";
      o.distance_transform = {.kind = leyden::DistanceTransform::Kind::agnesi,
                              .a = buffer(at + "a")[0],
                              .q = buffer(at + "q")[0],
                              .p = buffer(at + "p")[0]};
    }
    if (h.value("pair_repulsion", false) && !polar()) {  // PolarMACE computes and drops it
      const std::vector<double> c = buffer("pair_repulsion_fn.c");
      o.repulsion = {.envelope_order = static_cast<int>(buffer("pair_repulsion_fn.p")[0]),
                     .screening_exponent = buffer("pair_repulsion_fn.a_exp")[0],
                     .screening_prefactor = buffer("pair_repulsion_fn.a_prefactor")[0],
                     .coefficients = {c[0], c[1], c[2], c[3]}};
    }
    if (nonlinear()) {
      o.radial_hidden = h.at("radial_MLP").get<std::vector<int>>();
      o.edge_channels = std::stoi(h.at("edge_irreps").get<std::string>());
      o.agnostic_product = h.at("use_agnostic_product");
      o.smooth_cutoff = !h.at("apply_cutoff").get<bool>();
    }
    if (polar()) {
      o.keep_last_irreps = true;
      o.frame = leyden::HarmonicFrame::yzx;
    }
    if (!nonlinear() && h.contains("edge_irreps")) {
      o.radial_hidden = h.at("radial_MLP").get<std::vector<int>>();
      o.edge_channels = std::stoi(h.at("edge_irreps").get<std::string>());
      o.agnostic_product = h.at("use_agnostic_product");
      o.envelope_on_messages = !h.at("apply_cutoff").get<bool>();
      o.keep_last_irreps = h.at("keep_last_layer_irreps");
      o.radial_kind = h.at("radial_type") == "gaussian"
                          ? leyden::RadialBasis::Kind::gaussian
                          : leyden::RadialBasis::Kind::chebyshev_of_distance;
    }
    if (h.value("distance_transform", "") == "Soft")
      o.distance_transform.kind = leyden::DistanceTransform::Kind::soft;
    o.average_neighbors = h.at("avg_num_neighbors");
    if (h.contains("num_heads")) {
      o.heads = h.at("num_heads");
      for (const auto& of_head : h.at("E0s"))
        for (const double e : of_head) o.atomic_energies.push_back(e);
      o.head_scales = h.at("scale").get<std::vector<double>>();
      o.head_shifts = h.at("shift").get<std::vector<double>>();
      return o;
    }
    o.atomic_energies = h.at("E0s").get<std::vector<double>>();
    o.scale = polar() ? h.at("atomic_inter_scale").at(0) : h.at("scale");
    o.shift = polar() ? h.at("atomic_inter_shift").at(0) : h.at("shift");
    return o;
  }

  std::vector<double> buffer(const std::string& name) const {
    return numbers(file.at("weights").at(name));
  }

  /// The weights in the order of a Mace's layout.
  std::vector<double> parameters(const leyden::ParameterLayout& layout) const {
    std::vector<double> values(layout.size());
    const int layers = file.at("hyperparameters").at("num_interactions");
    const auto copy = [&](const std::string& ours, const std::string& theirs) {
      const auto& info = layout.find(ours);
      const std::vector<double> w = numbers(file.at("weights").at(theirs));
      if (w.size() != info.slice.size)
        throw leyden::ModelError(theirs + " has another size than " + ours);
      std::copy(w.begin(), w.end(),
                values.begin() + static_cast<std::ptrdiff_t>(info.slice.offset));
    };
    copy("mace.embedding", "node_embedding.linear.weight");
    for (int k = 0; k < layers; ++k) {
      const std::string n = std::to_string(k);
      const std::string ours = "mace.layer" + n + ".", theirs = "interactions." + n + ".";
      copy(ours + "up", theirs + "linear_up.weight");
      const bool residual = nonlinear() || k > 0 || options().residual_first;
      copy(ours + (residual ? "skip" : "select"), theirs + "skip_tp.weight");
      if (nonlinear()) {
        for (const char* table : {"source", "target"})
          copy(ours + table, theirs + table + "_embedding.weight");
        for (const char* number : {"alpha", "beta"}) copy(ours + number, theirs + number);
        network(copy, ours + "radial", theirs + "conv_tp_weights", options().radial_hidden.size());
        network(copy, ours + "density", theirs + "density_fn", 1);
        copy(ours + "residual", theirs + "linear_res.weight");
        copy(ours + "mix", theirs + "linear_1.weight");
        copy(ours + "gated", theirs + "linear_2.weight");
      } else {
        for (int i = 0; i < 4; ++i)
          copy(ours + "radial" + std::to_string(i),
               theirs + "conv_tp_weights.layer" + std::to_string(i) + ".weight");
        copy(ours + "mix", theirs + "linear.weight");
        if (options().density_normalized)
          copy(ours + "density", theirs + "density_fn.layer0.weight");
      }
      for (int l = 0;; ++l) {
        const std::string product = ours + "product.L" + std::to_string(l) + ".nu";
        bool there = false;
        for (const auto& p : layout.entries()) there = there || p.name == product + "1";
        if (!there) break;
        const std::string contraction =
            "products." + n + ".symmetric_contractions.contractions." + std::to_string(l) + ".";
        const int correlation = file.at("hyperparameters").at("correlation");
        copy(product + std::to_string(correlation), contraction + "weights_max");
        for (int nu = correlation - 1; nu > 0; --nu)
          copy(product + std::to_string(nu),
               contraction + "weights." + std::to_string(correlation - 1 - nu));
      }
      copy(ours + "linear", "products." + n + ".linear.weight");
      if (k == 0 || k + 1 < layers) copy("mace.readout" + n, "readouts." + n + ".linear.weight");
    }
    if (layers == 1) return values;
    const std::string last = "readouts." + std::to_string(layers - 1) + ".";
    copy("mace.readout_hidden", last + "linear_1.weight");
    copy("mace.readout_last", last + "linear_2.weight");
    return values;
  }

  /// A network of normalised layers: torch counts activations and norms as layers too.
  template <class Copy>
  static void network(const Copy& copy, const std::string& ours, const std::string& theirs,
                      std::size_t hidden) {
    for (std::size_t i = 0; i <= hidden; ++i) {
      const std::string to = ours + std::to_string(i) + "/";
      const std::string linear = theirs + ".net." + std::to_string(3 * i);
      const std::string norm = theirs + ".net." + std::to_string(3 * i + 1);
      for (const char* part : {"weight", "bias"}) {
        copy(to + part, linear + "." + part);
        if (i < hidden) copy(to + "norm_" + part, norm + "." + part);
      }
    }
  }

  leyden::Structure structure(const std::string& name) const {
    const auto& s = file.at("structures").at(name);
    leyden::Structure out;
    out.atomic_numbers = s.at("numbers").get<std::vector<int>>();
    for (const auto& r : s.at("positions"))
      out.positions.push_back({{r[0].get<double>(), r[1].get<double>(), r[2].get<double>()}});
    for (int i = 0; i < 3; ++i) {
      const std::size_t k = static_cast<std::size_t>(i);
      out.cell.periodic[k] = s.at("pbc")[k].get<bool>();
      for (int j = 0; j < 3; ++j)
        out.cell.vectors(i, j) = s.at("cell")[k][static_cast<std::size_t>(j)].get<double>();
    }
    return out;
  }
  const nlohmann::json& outputs(const std::string& name) const {
    return file.at("structures").at(name).at("outputs");
  }
};

}  // namespace leyden_test
