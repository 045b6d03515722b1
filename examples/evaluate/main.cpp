// CTEST: ../report/ctest_train data/silica_vacancy.xyz --out ../report/ctest_train/out.xyz
// AFTER: train
// MODELS
// SPDX-License-Identifier: MIT
// Evaluates trained models on structures, and compares them with labels where there are some:
//   evaluate MODEL.safetensors [MODEL ...] DATA.xyz [--out FILE.xyz] [--threads N]
// Several models are a committee: predictions are their means, and spreads stand beside them. The
// folder of a training stands for all its models.
#include <leyden/io/extxyz.hpp>
#include <leyden/train/committee.hpp>
#include <leyden/train/errors.hpp>

#include <cstdlib>

#include "../models/console.hpp"
#include "../models/trainable.hpp"

using namespace leyden;
using namespace examples;

namespace {

int usage() {
  std::fprintf(stderr,
               "usage: evaluate MODEL.safetensors [MODEL ...] DATA.xyz [--out FILE.xyz] "
               "[--threads N]\n");
  return wrong_use;
}

/// Folders of trainings become the models in them, in alphabetical order.
std::vector<std::string> models_of(const std::vector<std::string>& names) {
  std::vector<std::string> models;
  for (const std::string& name : names) {
    if (!std::filesystem::is_directory(name)) {
      models.push_back(name);
      continue;
    }
    std::vector<std::string> found;
    const std::filesystem::path folder = std::filesystem::path(name) / "models";
    if (std::filesystem::is_directory(folder))
      for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".safetensors") found.push_back(entry.path().string());
    if (found.empty()) throw InputError(folder.string() + " has no models");
    std::sort(found.begin(), found.end());
    models.insert(models.end(), found.begin(), found.end());
  }
  return models;
}

int run(const std::vector<std::string>& models, const std::string& path, const std::string& out,
        int threads) {
  const std::vector<Frame> frames = read_extxyz(path);
  std::vector<std::vector<Prediction>> predictions;
  for (const std::string& name : models)
    predictions.push_back(load_model(name, threads)->predict(frames, {true, true}));
  const Committee committee = combine(predictions);

  std::vector<std::size_t> all(frames.size());
  for (std::size_t k = 0; k < all.size(); ++k) all[k] = k;
  const NamedErrors rows = errors_by_config_type(frames, all, committee.mean);
  std::printf("%zu structures, %zu model%s\n%s", frames.size(), models.size(),
              models.size() == 1 ? "" : "s", errors_to_text(rows).c_str());
  if (models.size() > 1)
    std::printf("spread of the committee: %.1f meV/atom, %.1f meV/Å\n",
                1e3 * committee.energy_spread_per_atom(), 1e3 * committee.force_spread());
  if (out.empty()) return done;

  // The labels of the written frames are the predictions, under keys of their own.
  std::vector<Frame> written = frames;
  for (std::size_t k = 0; k < frames.size(); ++k) {
    const Prediction& p = committee.mean[k];
    Labels labels;
    labels.energy = p.energy;
    labels.forces = p.forces;
    if (frames[k].structure.cell.all_periodic()) labels.stress = p.stress;
    if (!p.charges.empty()) {
      labels.charges = p.charges;
      labels.dipole = p.dipole;
    }
    labels.fermi_level = p.fermi_level;
    written[k].labels = labels;
    if (models.size() > 1)
      written[k].info["leyden_energy_spread"] = std::to_string(committee.energy_spread[k]);
  }
  write_extxyz(out, written, {"leyden_"});
  std::printf("predictions: %s\n", out.c_str());
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  std::string out;
  int threads = 2;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--out" && i + 1 < argc)
      out = argv[++i];
    else if (key == "--threads" && i + 1 < argc)
      threads = std::atoi(argv[++i]);
    else if (key.empty() || key[0] == '-')
      return usage();
    else
      files.push_back(key);
  }
  if (files.size() < 2 || threads < 1) return usage();
  const std::string data = files.back();
  files.pop_back();
  try {
    return run(models_of(files), data, out, threads);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "evaluate: %s\n", e.what());
    return failed;
  }
}
