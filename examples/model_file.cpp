// SPDX-License-Identifier: MIT
// Writes a model to a file, reads it as one of a list of types, checks it, and uses it.
// Usage: model_file [FILE]; without one, a temporary file is written and removed.
// CTEST:
#include <leyden/io/model_file.hpp>

#include <cstdio>
#include <filesystem>

using namespace leyden;

// [list]
// What this program can read: one line per potential.
using Models = Points<zoo::ShortRange<Mace<MaceShape{.l_max = 2, .hidden_l = 1}>>,
                      zoo::LocalMace<Mace<MaceShape{.l_max = 2, .hidden_l = 1}>, Reciprocal>>;
// [list]

int main(int argc, char** argv) {
  const std::string path =
      argc > 1 ? argv[1]
               : (std::filesystem::temp_directory_path() / "leyden_model.safetensors").string();
  try {
    using Model = zoo::LocalMace<Mace<MaceShape{.l_max = 2, .hidden_l = 1}>, Reciprocal>;
    MaceOptions options;
    options.species = {1, 8};
    options.channels = 8;
    const Model model(Model::descriptor_type(options), LocalMultipoles<1>(), Reciprocal(), 42);
    // [save]
    ModelDescription description;
    description.name = "local dipoles, not trained";
    description.seed = 42;
    save_potential(path, model, description);
    // [save]
    // [load]
    const ModelFile file = read_model(path);
    const AnyPotential potential = load_potential<Models>(file);
    const SelfTestReport report = validate_model(potential, file);
    std::printf("%s: %s, %s, %s; self test %s (energy %.1e, forces %.1e, charges %.1e)\n",
                file.description.name.c_str(), potential.traits().descriptor.data(),
                potential.traits().charge_model.data(), potential.traits().solver.data(),
                report.passed ? "passed" : "failed", report.energy, report.forces, report.charges);

    Structure water;
    water.atomic_numbers = {8, 1, 1};
    water.positions = {{{0.0, 0.0, 0.0}}, {{0.96, 0.0, 0.0}}, {{-0.24, 0.93, 0.0}}};
    AnyPotential::Workspace workspace = potential.workspace();
    const Prediction& p = potential.evaluate(water, workspace);
    std::printf("energy %.6f eV, dipole %.4f e Angstrom\n", p.energy, norm(p.dipole));
    // [load]
    if (argc < 2) std::remove(path.c_str());
    return report.passed ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "model_file: %s\n", error.what());
    return 1;
  }
}
