// SPDX-License-Identifier: MIT
#include <leyden/io/model_file.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <string>

namespace converted_test {

// Files that the converter of examples/convert made of the reference's weights: their self tests
// are what the reference says. They are made when the tests are built
// (tests/tools/convert_golden.py).
namespace {

using namespace leyden;

using Plain = Mace<MaceShape{.l_max = 3, .correlation = 3, .hidden_l = 0}>;
using Residual = Mace<MaceShape{}>;
using Pairs = Mace<MaceShape{.l_max = 3, .correlation = 2, .hidden_l = 1}>;
using Polar = Mace<MaceShape{
    .l_max = 2, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear}>;
using Gated = Mace<MaceShape{
    .l_max = 2, .correlation = 3, .hidden_l = 1, .interaction = MaceInteraction::nonlinear}>;
using List = Points<zoo::ShortRange<Plain>, zoo::ShortRange<Residual>, zoo::ShortRange<Pairs>,
                    zoo::ShortRange<Gated>, zoo::LatentEwald<Residual>,
                    zoo::PolarMace<Polar, ReferenceElectrostatics>,
                    Potential<Polar, PolarRecursion<0>, ReferenceElectrostatics>>;

ModelFile file(const std::string& name) {
  return read_model(std::string(LEYDEN_CONVERTED_MODELS) + "/" + name + ".safetensors");
}

}  // namespace

TEST_CASE("converted checkpoints pass their self tests: the reference's numbers", "[io][golden]") {
  for (const char* name : {"a1", "a2", "a4", "a5", "a6", "a7", "les", "p1", "p3"}) {
    const ModelFile model = file(name);
    const SelfTestReport report = validate_model(load_potential<List>(model), model);
    INFO(name << ": energy " << report.energy << ", forces " << report.forces << ", charges "
              << report.charges);
    CHECK(report.passed);
    CHECK(report.energy < 1e-9);
    CHECK(report.forces < 2e-9);  // of tables of radial functions
    CHECK(report.charges < 1e-9);
  }
}

TEST_CASE("latent charges of a converted checkpoint come on top of its energy", "[io]") {
  const AnyPotential latent = load_potential<List>(file("latent"));
  const ModelFile short_ranged = file("a2");
  const AnyPotential bare = load_potential<List>(short_ranged);
  const Structure& s = short_ranged.description.self_test->structure;
  AnyPotential::Workspace a = latent.workspace(), b = bare.workspace();
  const Prediction& with = latent.evaluate(s, a);
  double coulomb = 0.0, moved = 0.0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    coulomb += 0.5 * with.charges[i] * with.potentials[i];
    moved += std::abs(with.charges[i]);
  }
  CHECK(moved > 0.01);
  const double energy = bare.evaluate(s, b).energy;
  CHECK(std::abs(with.energy - energy - coulomb) < 1e-10 * std::abs(energy));
}

}  // namespace converted_test
