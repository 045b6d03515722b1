// SPDX-License-Identifier: MIT
#include <leyden/io/model_file.hpp>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"

#include <cmath>
#include <cstdlib>
#include <string>

namespace model_file_test {

namespace {

using namespace leyden;
using Json = detail::Json;

using Charges = LocalMultipoles<0, ChargeConstraint::uniform>;
using Other = Potential<Elements, FixedCharges, Reciprocal>;
using Charged = Potential<Elements, Charges, Reciprocal>;
using Single = Potential<BasicElements<float>, Charges, Reciprocal>;
using List = Points<Other, Charged, Single>;

Charged charged() {
  LocalMultipolesOptions charges;
  charges.widths = std::vector<double>{0.9, 1.2};
  charges.initial_weights = 0.3;
  ReciprocalOptions solver;
  solver.background = Background::uniform;
  Charged p(Elements({.species = {1, 8}, .cutoff = 4.0}), Charges(charges), Reciprocal(solver), 5);
  ScfOptions scf;
  scf.tolerance = 1e-9;
  p.set_scf_options(scf);
  return p;
}

// A charge model of a user, with options of its own.
struct OwnSite {
  static constexpr std::string_view name = "a user's own";
  struct Options {
    double largest = 1.0;
  };
  OwnSite() = default;
  explicit OwnSite(Options o) : own(o) {}
  const Options& options() const { return own; }
  Options own;
};
template <class V>
void fields(V& v, OwnSite::Options& o) {
  v("largest", o.largest);
}

const ScratchFile scratch("model_file.safetensors");
const std::string& path = scratch.path();

/// The saved file with one thing changed; `fix` recomputes the checksum. Returns the error's text.
template <class Change>
std::string refusal(Change&& change) {
  save_potential(path, charged());
  SafeTensors content = read_safetensors(path);
  Json j = Json::parse(content.metadata.at("specification"));
  change(j, content);
  content.metadata["specification"] = j.dump();
  write_safetensors(path, content);
  try {
    load_potential<List>(path);
  } catch (const InputError& e) {
    return e.what();
  } catch (const ModelError& e) {
    return e.what();
  }
  return {};
}
template <class Change>
std::string specification_refusal(Change&& change) {
  return refusal([&](Json& j, SafeTensors&) { change(j); });
}

bool says(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a model file gives back the potential that was saved", "[io]") {
  const Charged saved = charged();
  ModelDescription description;
  description.name = "test";
  description.seed = 5;
  description.training["energy_key"] = "REF_energy";
  save_potential(path, saved, description);

  const ModelFile file = read_model(path);
  CHECK(file.description.name == "test");
  CHECK(file.description.seed == 5);
  CHECK(file.description.training == description.training);
  const AnyPotential any = load_potential<List>(file);
  const Charged* found = any.get_if<Charged>();
  REQUIRE(found != nullptr);
  CHECK(any.get_if<Other>() == nullptr);
  CHECK(std::vector<double>(any.parameters().begin(), any.parameters().end()) ==
        std::vector<double>(saved.parameters().begin(), saved.parameters().end()));
  CHECK(found->scf_options().tolerance == 1e-9);
  CHECK(found->charge_model().options().widths.values() == std::vector<double>{0.9, 1.2});
  CHECK(found->charge_model().options().initial_weights == 0.3);
  CHECK(found->solver().options().background == Background::uniform);
  CHECK(any.cutoff() == 4.0);
  CHECK(any.species().size() == 2);
  CHECK(any.traits().charge_model == "local charges, uniform shift");

  // The same numbers, and the self test that proves it.
  REQUIRE(file.description.self_test.has_value());
  const SelfTestReport report = validate_model(any, file);
  CHECK(report.passed);
  CHECK(report.energy == 0.0);
  CHECK(report.forces == 0.0);
  CHECK(report.charges == 0.0);
  const Structure& s = file.description.self_test->structure;
  Charged::Workspace own;
  AnyPotential::Workspace workspace = any.workspace();
  CHECK(any.evaluate(s, workspace).energy == saved.evaluate(s, own).energy);
  const AnyPotential other = load_potential<List>(file);
  CHECK_THROWS_AS(other.evaluate(s, workspace), ModelError);

  // In single precision, of the same file.
  const AnyPotential single = load_potential<List>(file, Precision::single);
  CHECK(single.single_precision());
  const SelfTestReport rough = validate_model(single, file);
  CHECK(rough.passed);
  CHECK(rough.energy > 0.0);

  CHECK_THROWS_AS(load_point<Other>(file), InputError);
  const Charged typed = load_point<Charged>(file);
  CHECK(typed.parameters().size() == saved.parameters().size());
}

TEST_CASE("a self test fails when the numbers are others", "[io]") {
  save_potential(path, charged());
  ModelFile file = read_model(path);
  const AnyPotential any = load_potential<List>(file);
  SelfTest& test = *file.description.self_test;
  for (double* number : {&test.energy, &test.forces[1][2], &test.charges[0]}) {
    const double before = *number;
    *number = before + 1e-6;
    CHECK_FALSE(validate_model(any, file).passed);
    *number = before + std::nan("");
    CHECK_FALSE(validate_model(any, file).passed);
    *number = before;
  }
  CHECK(validate_model(any, file).passed);
  test.forces.pop_back();
  CHECK_THROWS_AS(validate_model(any, file), InputError);
  file.description.self_test.reset();
  CHECK_THROWS_AS(validate_model(any, file), InputError);
}

TEST_CASE("a charge model of one's own is written with all its options", "[io]") {
  using Free = SiteCharges<OwnSite>;
  using Shared = SiteCharges<OwnSite, ChargeConstraint::uniform>;
  SiteChargesOptions options;
  options.widths = std::vector<double>{0.9, 1.2};
  const Json written = detail::policy_to_json(Shared(options, OwnSite({.largest = 0.25})));
  CHECK(written["kind"] == "a user's own");
  CHECK(detail::is_kind<Shared>(written));
  CHECK_FALSE(detail::is_kind<Free>(written));
  CHECK(detail::is_kind<Free>(detail::policy_to_json(Free())));

  const Shared read = ModelKind<Shared>::make(written["options"], "file", 10);
  CHECK(read.options().widths.values() == std::vector<double>{0.9, 1.2});
  CHECK(read.site().options().largest == 0.25);
  const Shared plain = ModelKind<Shared>::make(Json::object(), "file", 10);
  CHECK(plain.site().options().largest == 1.0);
  CHECK_THROWS_AS(ModelKind<Shared>::make({{"site", {{"smallest", 1}}}}, "file", 10), InputError);
  CHECK_THROWS_AS(ModelKind<Shared>::make({{"sites", 1}}, "file", 10), InputError);
}

TEST_CASE("an unknown point names the type to add", "[io]") {
  CHECK(says(specification_refusal([](Json& j) {
               j["solver"] = {{"kind", "ewald"}};
             }),
             "needs Potential<Elements, LocalMultipoles<0, ChargeConstraint::uniform>, Ewald>, "
             "which is not among the 3"));
  const std::string mace = specification_refusal([](Json& j) {
    j["descriptor"] = {{"kind", "mace"}, {"shape", {{"l_max", 2}, {"hidden_l", 0}}}};
    j["charge_model"] = {{"kind", "polar recursion, charges"},
                         {"shape", {{"field_images", "between_planes"}}}};
  });
  INFO(mace);
  CHECK(says(mace,
             "Potential<Mace<MaceShape{.l_max = 2, .correlation = 3, .hidden_l = 0}>, "
             "PolarRecursion<0, FieldImages::between_planes>, Reciprocal>"));
  CHECK(says(specification_refusal([](Json& j) { j["charge_model"]["kind"] = "magic"; }),
             "of the kind \"magic\", which this version of leyden does not have"));
}

TEST_CASE("model files that are wrong are refused, and say why", "[io]") {
  CHECK(refusal([](Json&, SafeTensors&) {}).empty());

  SECTION("specification") {
    CHECK(says(specification_refusal([](Json& j) { j["format_version"] = 2; }),
               "format version 2; this program reads 1"));
    CHECK(says(specification_refusal([](Json& j) { j["format_version"] = "1"; }),
               "a whole number was expected"));
    CHECK(says(specification_refusal([](Json& j) { j["units"]["energy"] = "Ry"; }), "units"));
    CHECK(says(specification_refusal([](Json& j) { j["surprise"] = 1; }), "unknown key"));
    CHECK(says(specification_refusal([](Json& j) { j.erase("solver"); }), "has no 'solver'"));
    CHECK(says(specification_refusal([](Json& j) { j["solver"]["extra"] = 1; }), "'extra'"));
    CHECK(says(specification_refusal([](Json& j) { j["solver"]["options"] = 1; }), "no object"));
    CHECK(says(specification_refusal([](Json& j) { j["training"]["a"] = 1; }), "training.a"));
    CHECK(says(specification_refusal([](Json& j) {
                 j["self_test"]["forces"] = {{1, 2}};
               }),
               "self_test.forces[0]"));
    CHECK(says(specification_refusal([](Json& j) { j = 3; }), "no object"));
  }
  SECTION("options") {
    const auto with = [](const char* part, const char* key, Json value) {
      return specification_refusal([&](Json& j) { j[part]["options"][key] = value; });
    };
    CHECK(says(with("charge_model", "initial_weights", "soft"),
               "charge_model.initial_weights is \"soft\"; a number was expected"));
    CHECK(says(with("charge_model", "widths", Json{1.0, -1.0}), "must be positive"));
    CHECK(says(with("charge_model", "widths", Json{1.0, 1.0, 1.0}), "3 widths"));
    CHECK(says(with("charge_model", "widhts", Json{1.0}), "unknown key \"widhts\""));
    CHECK(says(with("descriptor", "species", Json{1, 8.5}), "species[1] is 8.5"));
    CHECK(says(with("descriptor", "species", 1), "a list was expected"));
    CHECK(says(with("descriptor", "cutoff", -1), "must be positive"));
    CHECK(says(with("solver", "background", "grey"), "one of none, uniform was expected"));
    CHECK(says(with("solver", "accuracy", true), "a number was expected"));
    CHECK(says(specification_refusal([](Json& j) { j["scf"]["max_iterations"] = 1e30; }),
               "a whole number was expected"));
    CHECK(says(
        specification_refusal([](Json& j) { j["scf"]["max_iterations"] = 9223372036854775807; }),
        "of a size that makes sense"));
  }
  SECTION("tensors") {
    const auto with = [](auto&& change) {
      return refusal([&](Json& j, SafeTensors& content) {
        change(content.tensors);
        j["checksum"] = checksum(content.tensors);
      });
    };
    CHECK(says(refusal([](Json&, SafeTensors& c) { c.tensors[0].values[0] += 1e-15; }),
               "the file is damaged"));
    CHECK(says(refusal([](Json& j, SafeTensors&) { j.erase("checksum"); }), "damaged"));
    CHECK(says(with([](auto& t) { t.pop_back(); }), "which the model needs"));
    CHECK(says(with([](auto& t) {
                 t.push_back({"more", {1}, {0.0}});
               }),
               "'more': the model has no such parameter"));
    CHECK(says(with([](auto& t) { t[0].shape = {1, t[0].values.size()}; }), "its shape is"));
    CHECK(with([](auto& t) { t[0].shape = {t[0].values.size()}; }).empty());
    CHECK(says(refusal([](Json&, SafeTensors& c) { c.metadata["format"] = "else"; }),
               "no leyden potential"));
  }
}

TEST_CASE("counts in a file are bounded by the numbers that it has", "[io]") {
  using Model = Potential<Mace<MaceShape{.l_max = 1, .correlation = 1, .hidden_l = 0}>, NoCharges,
                          NoElectrostatics>;
  MaceOptions options;
  options.species = {1};
  options.channels = 2;
  options.radial_count = 2;
  options.radial_hidden = {2};
  options.readout_width = 2;
  save_potential(path, Model(Model::descriptor_type(options), NoCharges(), NoElectrostatics()));
  CHECK(validate_model(AnyPotential(load_point<Model>(path)), read_model(path)).passed);
  const SafeTensors saved = read_safetensors(path);
  for (const char* key :
       {"channels", "layers", "radial_count", "readout_width", "heads", "edge_channels"}) {
    SafeTensors content = saved;
    Json j = Json::parse(content.metadata.at("specification"));
    j["descriptor"]["options"][key] = 1000000;
    content.metadata["specification"] = j.dump();
    write_safetensors(path, content);
    INFO(key);
    CHECK_THROWS_AS(load_point<Model>(path), InputError);
  }
}

}  // namespace model_file_test
