// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/structure.hpp>
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/equivariant/features.hpp>

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>
#include <vector>

// Loads the golden PolarMACE files of tests/data/polar.
namespace leyden_test {

inline std::vector<double> tensor(const nlohmann::json& t) {
  return t.at("data").get<std::vector<double>>();
}

struct GoldenPolar {
  nlohmann::json file;

  explicit GoldenPolar(const std::string& name) {
    std::ifstream in(std::string(LEYDEN_TEST_DATA) + "/polar/" + name + ".json");
    if (!in) throw leyden::InputError("no golden file named " + name);
    file = nlohmann::json::parse(in);
  }
  const nlohmann::json& hyperparameters() const { return file.at("hyperparameters"); }
  double k_cutoff() const { return file.at("kspace_cutoff"); }
  int layers() const { return hyperparameters().at("num_interactions"); }
  leyden::FeatureShape feature_shape() const {
    return {std::stoi(hyperparameters().at("hidden_irreps").get<std::string>()), 1,
            leyden::HarmonicFrame::yzx};
  }
  std::vector<int> species() const {
    return hyperparameters().at("atomic_numbers").get<std::vector<int>>();
  }

  leyden::PolarRecursionOptions options() const {
    const auto& h = hyperparameters();
    leyden::PolarRecursionOptions o;
    o.widths = h.at("atomic_multipoles_smearing_width").get<double>();
    o.feature_l_max = h.at("field_feature_max_l");
    o.feature_widths = h.at("field_feature_widths").get<std::vector<double>>();
    if (!h.at("field_feature_norms").is_null())
      o.feature_norms = h.at("field_feature_norms").get<std::vector<double>>();
    o.feature_self =
        h.at("field_si") ? leyden::SelfInteraction::included : leyden::SelfInteraction::excluded;
    o.steps = h.at("num_recursion_steps");
    o.fukui = leyden::FukuiShares::signed_sum;
    o.fukui_width = std::stoi(h.at("MLP_irreps").get<std::string>());
    o.local_electron_energy = h.at("add_local_electron_energy");
    return o;
  }

  /// Writes the weights of the charge model into the flat vector.
  void set_parameters(const leyden::ParameterLayout& layout, std::vector<double>& values) const {
    const auto copy = [&](const std::string& ours, const std::string& theirs) {
      const auto& info = layout.find("charge/" + ours);
      const std::vector<double> w = tensor(file.at("weights").at(theirs));
      if (w.size() != info.slice.size)
        throw leyden::ModelError(theirs + " has another size than " + ours);
      std::copy(w.begin(), w.end(),
                values.begin() + static_cast<std::ptrdiff_t>(info.slice.offset));
    };
    const auto both = [&](const std::string& ours, const std::string& theirs) {
      copy(ours + "/weight", theirs + ".weight");
      copy(ours + "/bias", theirs + ".bias");
    };
    const auto network = [&](const std::string& ours, const std::string& theirs, int hidden) {
      for (int k = 0; k <= hidden; ++k) {
        const std::string to = ours + "/" + std::to_string(k);
        both(to, theirs + ".net." + std::to_string(3 * k));
        if (k == hidden) break;
        const std::string norm = theirs + ".net." + std::to_string(3 * k + 1);
        copy(to + "/norm_weight", norm + ".weight");
        copy(to + "/norm_bias", norm + ".bias");
      }
    };
    for (int t = 0; t < layers(); ++t) {
      const std::string n = std::to_string(t);
      copy("source" + n + "/weight", "lr_source_maps." + n + ".linear.weight");
      copy("mix" + n + "/weight", "layer_feature_mixer.linears." + n + ".weight");
    }
    copy("fukui0/weight", "fukui_source_map.linear_1.weight");
    both("fukui1", "fukui_source_map.linear_mid");
    both("fukui2", "fukui_source_map.linear_2");
    const leyden::PolarRecursionOptions o = options();
    for (int k = 0; k < o.steps; ++k) {
      const std::string to = "step" + std::to_string(k) + "/";
      const std::string from = "field_dependent_charges_maps." + std::to_string(k) + ".";
      copy(to + "potential/weight", from + "potential_embedding.potential_linear.weight");
      copy(to + "features/weight", from + "potential_embedding.node_feats_linear.weight");
      copy(to + "density/weight", from + "potential_embedding.charge_embedding.weight");
      copy(to + "dot/weight", from + "dot_products.weight");
      copy(to + "species/weight", from + "source_embedding.weight");
      network(to + "network", from + "nonlinearity", static_cast<int>(o.step_hidden.size()));
      copy(to + "scaling/weight", from + "tp_out.weight");
      copy(to + "readout0/weight", from + "readout.linear_1.weight");
      both(to + "readout1", from + "readout.linear_mid");
      both(to + "readout2", from + "readout.linear_2");
    }
    if (!o.local_electron_energy) return;
    both("energy/density", "local_electron_energy.linear_up_q");
    both("energy/potential", "local_electron_energy.linear_up_v");
    copy("energy/density_dot/weight", "local_electron_energy.dot_products_q.weight");
    copy("energy/potential_dot/weight", "local_electron_energy.dot_products_v.weight");
    network("energy/network", "local_electron_energy.mlp",
            static_cast<int>(o.energy_hidden.size()));
  }

  /// A structure with the cell, charge, spin and field of a variant (fields there are ∇V).
  leyden::Structure structure(const std::string& name, const std::string& variant) const {
    const auto& s = file.at("structures").at(name);
    const auto& v = s.at("variants").at(variant);
    leyden::Structure out;
    out.atomic_numbers = s.at("numbers").get<std::vector<int>>();
    for (const auto& r : s.at("positions"))
      out.positions.push_back({{r[0].get<double>(), r[1].get<double>(), r[2].get<double>()}});
    for (std::size_t i = 0; i < 3; ++i) out.cell.periodic[i] = s.at("pbc")[i].get<bool>();
    const std::vector<double> cell = tensor(v.at("cell_used"));
    for (std::size_t i = 0; i < 9; ++i) out.cell.vectors.data[i] = cell[i];
    out.total_charge = v.at("total_charge");
    out.spin_multiplicity = v.at("total_spin_multiplicity");
    for (std::size_t i = 0; i < 3; ++i)
      out.external_field.data[i] = -v.at("external_field")[i].get<double>();
    return out;
  }
  std::vector<double> output(const std::string& name, const std::string& variant,
                             const std::string& key) const {
    return tensor(file.at("structures").at(name).at("variants").at(variant).at("outputs").at(key));
  }
  /// The features of all layers; they do not depend on the variant.
  std::vector<leyden::FeatureArray<double>> features(const std::string& name) const {
    const std::vector<double> h = output(name, "q0_s1", "node_feats");
    const int n = static_cast<int>(file.at("structures").at(name).at("numbers").size());
    const int channels = feature_shape().channels;
    std::vector<leyden::FeatureArray<double>> out(static_cast<std::size_t>(layers()));
    std::size_t at = 0;
    for (auto& layer : out) {
      layer.resize(n, feature_shape());
      layer.set_zero();
    }
    for (int i = 0; i < n; ++i)
      for (auto& layer : out)
        for (int l = 0; l < 2; ++l)
          for (int c = 0; c < channels; ++c)
            for (int m = 0; m <= 2 * l; ++m) layer.set(i, c, l * l + m, h[at++]);
    if (at != h.size()) throw leyden::ModelError("the features of " + name + " have another size");
    return out;
  }
};

}  // namespace leyden_test
