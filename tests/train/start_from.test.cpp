// SPDX-License-Identifier: MIT
// What examples/models/trainable.hpp makes of a model file that training goes on from.
#include "../../examples/models/trainable.hpp"
#include "support/catch.hpp"

namespace start_from_test {

using namespace leyden;
using namespace examples;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

namespace {

/// Knows oxygen and silicon, and predicts 1 eV per atom.
class OneElectronvolt : public Trainable {
 public:
  explicit OneElectronvolt(const ModelFile& file) : specification_(file.specification) {}

  Json specification() const override { return specification_; }
  std::vector<Prediction> predict(std::span<const Frame> frames,
                                  const std::vector<std::size_t>& indices,
                                  Properties) const override {
    std::vector<Prediction> out(indices.size());
    for (std::size_t k = 0; k < indices.size(); ++k)
      out[k].energy = static_cast<double>(frames[indices[k]].structure.size());
    return out;
  }

  // Nobody asks for these.
  std::string key() const override { return {}; }
  std::string title() const override { return {}; }
  const ParameterLayout& layout() const override { return layout_; }
  std::vector<double> parameters() const override { return {}; }
  void set_parameters(std::span<const double>) override {}
  void start(std::span<const Frame>, const std::vector<std::size_t>&,
             const std::vector<std::size_t>&, const TrainerOptions&) override {}
  void restore(const TrainingState&) override {}
  TrainingOutcome train(const Progress&, const std::atomic<bool>&) override {
    return TrainingOutcome::finished;
  }
  TrainingState state() const override { return {}; }
  const std::vector<EpochRecord>& records() const override { return records_; }
  void use_best_parameters() override {}
  void save(const std::string&, const ModelDescription&) const override {}

 private:
  Json specification_;
  ParameterLayout layout_;
  std::vector<EpochRecord> records_;
};

/// Holds any file whose charge model is "known".
ModelEntry entry() {
  return {"known", "A known potential", nullptr,
          [](const ModelFile& file, int) -> std::unique_ptr<Trainable> {
            if (file.specification["charge_model"]["kind"] != "known") return nullptr;
            return std::make_unique<OneElectronvolt>(file);
          }};
}

ModelFile file_with(std::vector<double> atomic_energies) {
  ModelFile file;
  file.path = "model.safetensors";
  file.specification["charge_model"]["kind"] = "known";
  file.specification["descriptor"]["options"] = {{"species", {8, 14}},
                                                 {"atomic_energies", atomic_energies}};
  return file;
}

Frame frame_of(std::vector<int> atomic_numbers, double energy) {
  Frame frame;
  frame.structure.positions.resize(atomic_numbers.size());
  frame.structure.atomic_numbers = std::move(atomic_numbers);
  frame.labels.energy = energy;
  return frame;
}

std::vector<double> energies_of(const ModelFile& file) {
  return file.specification["descriptor"]["options"]["atomic_energies"];
}

// Of the other level of theory: −10 eV per oxygen, −20 eV per silicon. The last is not trained on.
const std::vector<Frame> frames{frame_of({8, 8, 14}, -40.0), frame_of({8, 14, 14}, -50.0),
                                frame_of({8}, 1000.0)};
const std::vector<std::size_t> train{0, 1};

}  // namespace

TEST_CASE("a start from another level of theory has atomic energies of that level") {
  const std::vector<double> found =
      energies_of(start_from(entry(), file_with({1.0, 2.0}), frames, train, 1));
  // The model has 1 eV of each atom already.
  REQUIRE(found.size() == 2);
  CHECK_THAT(found[0], WithinAbs(1.0 - 11.0, 1e-10));
  CHECK_THAT(found[1], WithinAbs(2.0 - 21.0, 1e-10));
}

TEST_CASE("a start shifts the atomic energies of each head alike") {
  const std::vector<double> found =
      energies_of(start_from(entry(), file_with({1.0, 2.0, 3.0, 5.0}), frames, train, 1));
  REQUIRE(found.size() == 4);
  CHECK_THAT(found[0], WithinAbs(-10.0, 1e-10));
  CHECK_THAT(found[1], WithinAbs(-19.0, 1e-10));
  CHECK_THAT(found[2], WithinAbs(-8.0, 1e-10));
  CHECK_THAT(found[3], WithinAbs(-16.0, 1e-10));
}

TEST_CASE("a start without atomic energies gets some") {
  const std::vector<double> found =
      energies_of(start_from(entry(), file_with({}), frames, train, 1));
  REQUIRE(found.size() == 2);
  CHECK_THAT(found[0], WithinAbs(-11.0, 1e-10));
  CHECK_THAT(found[1], WithinAbs(-21.0, 1e-10));
}

TEST_CASE("a start keeps everything else of its file") {
  ModelFile file = file_with({1.0, 2.0});
  file.specification["descriptor"]["options"]["channels"] = 7;
  file.tensors.emplace_back();
  const ModelFile found = start_from(entry(), file, frames, train, 1);
  CHECK(found.specification["descriptor"]["options"]["channels"] == 7);
  CHECK(found.tensors.size() == 1);
}

TEST_CASE("a start from another potential is refused") {
  ModelFile file = file_with({1.0, 2.0});
  file.specification["charge_model"]["kind"] = "other";
  REQUIRE_THROWS_WITH(
      start_from(entry(), file, frames, train, 1),
      ContainsSubstring("model.safetensors") && ContainsSubstring("A known potential"));
}

}  // namespace start_from_test
