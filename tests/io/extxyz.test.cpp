// SPDX-License-Identifier: MIT
#include <leyden/core/random.hpp>
#include <leyden/io/extxyz.hpp>

#include "support/catch.hpp"
#include "support/scratch_file.hpp"

#include <cstdio>

namespace extxyz_test {

namespace {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;

const std::string data = std::string(LEYDEN_TEST_DATA) + "/extxyz/";

// One hydrogen molecule with the given comment line and atoms.
std::string text(const std::string& comment, const std::string& atoms = "H 0 0 0\nH 0 0 0.74\n") {
  return "2\n" + comment + "\n" + atoms;
}

std::vector<Frame> parse(const std::string& s, const ExtxyzOptions& options = {}) {
  return parse_extxyz(s, "file.xyz", options);
}

std::string error_of(const std::string& s, const ExtxyzOptions& options = {}) {
  try {
    parse(s, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

const std::string columns = "Properties=species:S:1:pos:R:3";
const std::string box = "Lattice=\"10 0 0 0 10 0 0 0 10\" ";

}  // namespace

TEST_CASE("extxyz: all notations of values and columns", "[io]") {
  ExtxyzOptions options;
  const auto frames = read_extxyz(data + "all_notations.xyz", options);
  REQUIRE(frames.size() == 2);
  const Frame& f = frames[0];
  const Structure& s = f.structure;
  CHECK(s.atomic_numbers == std::vector<int>{8, 1});
  CHECK(s.positions[0] == Vector3<double>{{0.0, 0.1, -0.2}});
  CHECK(s.positions[1] == Vector3<double>{{9.5, 1.0, 2.0}});
  CHECK(s.cell.vectors == Matrix3<double>{{10, 0, 0, 0.5, 11, 0, 0, 0, 12}});
  CHECK(s.cell.periodic == std::array<bool, 3>{true, true, false});
  CHECK(s.total_charge == -1);
  CHECK(s.external_field == Vector3<double>{{0, 0, 0.25}});
  CHECK(f.labels.energy == -1.25);
  CHECK(f.labels.fermi_level == -4.5);
  CHECK(f.labels.dipole == Vector3<double>{{0.5, -0.25, 1.5}});
  CHECK(f.labels.dipole_mask == std::array<bool, 3>{true, false, true});
  CHECK(f.labels.stress == Matrix3<double>{{1e-3, 6e-4, 5e-4, 6e-4, 2e-3, 4e-4, 5e-4, 4e-4, 3e-3}});
  REQUIRE(f.labels.forces.has_value());
  CHECK((*f.labels.forces)[1] == Vector3<double>{{-0.5, 0.5, -1.25}});
  CHECK(f.labels.charges == std::vector<double>{-0.75, 0.75});
  CHECK(f.config_type == "a \"quoted\" name");
  const std::map<std::string, std::string> info{{"note", "single \"quotes\""},
                                                {"matrix", "[[1,2],[3,4]]"},
                                                {"braces", "{1 2 3}"},
                                                {"bare", "T"},
                                                {"spaced", "7"},
                                                {"backslash", "a\\b"}};
  CHECK(f.info == info);

  const Frame& g = frames[1];
  CHECK(g.structure.atomic_numbers == std::vector<int>{26});
  CHECK(g.structure.cell.periodic == std::array<bool, 3>{false, false, false});
  CHECK(g.labels.energy == -0.5);
  CHECK(g.info.at("energy") == "3.0");  // not the label: REF_energy is there
  CHECK_FALSE(g.labels.forces.has_value());
  CHECK_FALSE(g.labels.dipole.has_value());
}

TEST_CASE("extxyz: plain XYZ, Windows line ends, lower-case lattice, virials", "[io]") {
  const auto plain = read_extxyz(data + "plain.xyz");
  REQUIRE(plain.size() == 1);
  CHECK(plain[0].structure.positions[1] == Vector3<double>{{0, 0, 0.74}});
  CHECK_FALSE(plain[0].structure.cell.any_periodic());
  const auto windows = read_extxyz(data + "windows.xyz");
  REQUIRE(windows.size() == 1);
  CHECK(windows[0].structure.cell.all_periodic());
  REQUIRE(windows[0].labels.stress.has_value());
  // −virial / 27 Å³, one division
  CHECK((*windows[0].labels.stress)(0, 0) == 2.7 / 27);
  CHECK((*windows[0].labels.stress)(1, 1) == 5.4 / 27);
  CHECK((*windows[0].labels.stress)(2, 2) == -1.0);
}

TEST_CASE("extxyz: periodicity", "[io]") {
  const auto periodic = [](const std::string& comment) {
    return parse(text(comment + " " + columns))[0].structure.cell.periodic;
  };
  using Flags = std::array<bool, 3>;
  CHECK(periodic("") == Flags{false, false, false});
  CHECK(periodic(box) == Flags{true, true, true});
  CHECK(periodic(box + "pbc=\"1 0 1\"") == Flags{true, false, true});
  CHECK(periodic(box + "pbc=\"T F T\"") == Flags{true, false, true});
  CHECK(periodic(box + "pbc=[True, False, False]") == Flags{true, false, false});
  CHECK(periodic("pbc=\"F F F\"") == Flags{false, false, false});
  CHECK_THAT(error_of(text("pbc=\"T F F\"")),
             ContainsSubstring("file.xyz:2: ") && ContainsSubstring("no Lattice"));
  CHECK_THAT(error_of(text(box + "pbc=\"T F\"")), ContainsSubstring("has 2 values; expected 3"));
  CHECK_THAT(error_of(text(box + "pbc=\"T F 2\"")), ContainsSubstring("'2' is not T or F"));
}

TEST_CASE("extxyz: usual names come in their order of preference, one for the whole file", "[io]") {
  const std::string first = text("energy=1 dft_energy=2 " + columns);
  const std::string second = text("REF_energy=3 energy=4 " + columns);
  CHECK(parse(first)[0].labels.energy == 1.0);
  const auto frames = parse(first + second);
  // Energies of two origins are not mixed.
  CHECK_FALSE(frames[0].labels.energy.has_value());
  CHECK(frames[0].info.at("energy") == "1");
  CHECK(frames[1].labels.energy == 3.0);
  ExtxyzOptions options;
  options.keys.energy = "dft_energy";
  const auto chosen = parse(first + second, options);
  CHECK(chosen[0].labels.energy == 2.0);
  CHECK_FALSE(chosen[1].labels.energy.has_value());
  CHECK(chosen[1].info.at("REF_energy") == "3");

  const std::string two = columns + ":initial_charges:R:1:hirshfeld:R:1";
  const std::string atoms = "H 0 0 0 1 2\nH 0 0 0.74 3 4\n";
  CHECK(parse(text(two, atoms))[0].labels.charges == std::vector<double>{2, 4});
  options = {};
  options.keys.charges = "initial_charges";
  CHECK(parse(text(two, atoms), options)[0].labels.charges == std::vector<double>{1, 3});
}

TEST_CASE("extxyz: a charge or field under two names in one file is not taken for zero", "[io]") {
  const std::string file = text("total_charge=1") + text("charge=-1");
  CHECK_THAT(error_of(file), ContainsSubstring("file.xyz:6: key 'charge' gives the total_charge"));
  ExtxyzOptions options;
  options.keys.total_charge = "charge";
  const auto frames = parse(file, options);
  CHECK(frames[0].structure.total_charge == 0);
  CHECK(frames[1].structure.total_charge == -1);
  CHECK_THAT(error_of(text("external_field=\"0 0 1\"") + text("REF_external_field=\"0 0 1\"")),
             ContainsSubstring("gives the external_field"));
  CHECK(parse(text("charge=2") + text(""))[1].structure.total_charge == 0);
}

TEST_CASE("extxyz: the sign of the field, and where it jumps", "[io]") {
  const std::string file = text(box + "external_field=\"0 0 0.5\" " + columns);
  CHECK_THAT(error_of(file), ContainsSubstring("file.xyz:1, frame 0: ") &&
                                 ContainsSubstring("periodic direction 2"));
  ExtxyzOptions options;
  options.field_jump_at = 0.0;
  Structure s = parse(file, options)[0].structure;
  CHECK(s.external_field == Vector3<double>{{0, 0, 0.5}});
  CHECK_FALSE(s.field_jump[0].has_value());
  CHECK_FALSE(s.field_jump[1].has_value());
  CHECK(s.field_jump[2] == 0.0);
  options.field_sign = FieldSign::potential_gradient;
  s = parse(file, options)[0].structure;
  CHECK(s.external_field == Vector3<double>{{0, 0, -0.5}});
  CHECK(s.field_jump[2] == 0.0);
  CHECK_FALSE(
      parse(text("external_field=\"0 0 1\""), options)[0].structure.field_jump[2].has_value());
}

TEST_CASE("extxyz: stress and virials must agree", "[io]") {
  const std::string nine = "=\"1 0 0 0 1 0 0 0 1\" ";
  const auto stress_of = [&](const std::string& keys, const ExtxyzOptions& options = {}) {
    return (*parse(text(box + keys + columns), options)[0].labels.stress)(0, 0);
  };
  CHECK(stress_of("stress" + nine) == 1.0);
  CHECK(stress_of("virial" + nine) == -1e-3);
  const std::string both = "stress=\"-1e-3 0 0 0 -1e-3 0 0 0 -1e-3\" virial" + nine;
  CHECK(stress_of(both) == -1e-3);
  const std::string opposite = "stress=\"1e-3 0 0 0 1e-3 0 0 0 1e-3\" virial" + nine;
  CHECK_THAT(error_of(text(box + opposite + columns)),
             ContainsSubstring("file.xyz:2: keys 'stress' and 'virial' disagree"));
  ExtxyzOptions options;  // naming one is the way out
  options.keys.stress = "stress";
  CHECK(stress_of(opposite, options) == 1e-3);
  options = {};
  options.keys.virials = "virial";
  CHECK(stress_of(opposite, options) == -1e-3);
  CHECK_THAT(error_of(text("virial" + nine + columns)),
             ContainsSubstring("without three periodic directions"));
  CHECK_THAT(error_of(text(box + "stress=\"1 2 3 4 5\"")), ContainsSubstring("has 5 values"));
}

TEST_CASE("extxyz: keys that are asked for must be there", "[io]") {
  const std::string file = text("energy=1 " + columns);
  ExtxyzOptions options;
  options.require = {"energy"};
  CHECK_NOTHROW(parse(file, options));
  options.require = {"energy", "forces", "charges"};
  CHECK_THAT(error_of(file, options), ContainsSubstring("file.xyz: ") &&
                                          ContainsSubstring("'forces'") &&
                                          ContainsSubstring("dft_forces"));
  options.require = {"stress"};
  CHECK(error_of(file, options) != "no error");
  CHECK(error_of(text(box + "virial=\"1 0 0 0 1 0 0 0 1\""), options) == "no error");
  options.require = {"enrgy"};
  CHECK_THAT(error_of(file, options), ContainsSubstring("cannot require 'enrgy'"));
  options = {};
  options.keys.energy = "REF_energy";
  CHECK_THAT(error_of(file, options),
             ContainsSubstring("'REF_energy'") && ContainsSubstring("given for energy"));
  options = {};
  options.keys.charges = "energy";  // a key is no column
  CHECK_THAT(error_of(file, options), ContainsSubstring("column 'energy'"));
}

TEST_CASE("extxyz: errors name file, line and column", "[io]") {
  const std::string forces = columns + ":forces:R:3";
  const auto fails = [](const std::string& s, const std::string& where, const std::string& what) {
    CHECK_THAT(error_of(s), ContainsSubstring(where) && ContainsSubstring(what));
  };
  fails("two\n", "file.xyz:1: ", "'two'");
  fails("-1\n", "file.xyz:1: ", "'-1'");
  fails("2", "file.xyz:1: ", "before the comment line");
  fails("2\n\nH 0 0 0\n", "file.xyz:1: ", "2 atoms expected, the file ends after 1");
  fails("99999999999999\n\nH 0 0 0\n", "file.xyz:1: ", "truncated");
  fails("1\n\nH 0 0 0\nH 0 0 0.74\n", "file.xyz:4: ", "line 1 wrong?");
  fails("3\n\nH 0 0 0\nH 0 0 0.74\n1\n\nH 0 0 0\n", "file.xyz:7: ", "line 1 wrong?");
  fails(text("", "H 0 0\nH 0 0 1\n"), "file.xyz:3: ", "only 3 columns, 'pos' is missing");
  fails(text("", "H 0 0 0\nH 0 0 1 7\n"), "file.xyz:4: ", "beginning with '7'");
  fails(text("", "H 0 0 0\nH 0 x 1\n"), "file.xyz:4: ", "column 'pos': 'x' is not a number");
  fails(text("", "H 0 0 0\nH 0 1,5 1\n"), "file.xyz:4: ", "'1,5'");
  fails(text("", "H 0 0 0\nH 0 1.2.3 1\n"), "file.xyz:4: ", "'1.2.3'");
  fails(text("", "H 0 0 0\nH 0 - 1\n"), "file.xyz:4: ", "'-' is not");
  fails(text("", "H 0 0 0\nH 0 . 1\n"), "file.xyz:4: ", "'.' is not");
  fails(text("", "H 0 0 0\nH 0 1e999 1\n"), "file.xyz:4: ", "'1e999'");
  fails(text("", "H 0 0 0\nQq 0 0 1\n"), "file.xyz:4: ", "'Qq' is not an element");
  fails(text(forces, "H 0 0 0 0 0 nan\nH 0 0 1 0 0 0\n"),
        "file.xyz:3: ", "column 'forces' is 'nan'; it must be finite");
  fails(text(forces, "H 0 0 0 0 0 0\nH 0 0 1 0 -inf 0\n"), "file.xyz:4: ", "finite");
  fails(text("Properties=Z:I:1:pos:R:3", "1 0 0 0\n119 0 0 1\n"), "file.xyz:4: ", "'119'");
  fails(text("Properties=species:S:1"), "file.xyz:2: ", "no column 'pos'");
  fails(text("Properties=pos:R:3"), "file.xyz:2: ", "neither the column 'species'");
  fails(text("Properties=species:S:1:pos:R"), "file.xyz:2: ", "5 fields");
  fails(text("Properties=species:S:1:pos:F:3"), "file.xyz:2: ", "the type of 'pos' is 'F'");
  fails(text("Properties=species:S:1:pos:R:0"), "file.xyz:2: ", "the count of 'pos' is '0'");
  fails(text("Properties=species:S:1:pos:R:2"), "file.xyz:2: ", "column 'pos' is R:2");
  fails(text(columns + ":forces:S:3"), "file.xyz:2: ", "column 'forces' is S:3");
  fails(text(columns + ":charges:R:2"), "file.xyz:2: ", "column 'charges' is R:2");
  fails(text(columns + ":pos:R:3"), "file.xyz:2: ", "'pos' is there twice");
  fails(text("Lattice=\"1 2 3\""), "file.xyz:2: ", "has 3 values; expected 9");
  fails(text("Lattice=\"1 0 0 0 1 0 0 0 a\""), "file.xyz:2: ", "key 'Lattice': 'a'");
  fails(text(box + "lattice=\"1 0 0 0 1 0 0 0 1\""), "file.xyz:2: ", "lattice is given twice");
  fails(text("energy=abc"), "file.xyz:2: ", "key 'energy': 'abc' is not a number");
  fails(text("energy=nan"), "file.xyz:2: ", "key 'energy' is 'nan'");
  fails(text("energy=1 energy=2"), "file.xyz:2: ", "key 'energy' is given twice");
  fails(text("dipole=\"1 2\""), "file.xyz:2: ", "key 'dipole' has 2 values; expected 3");
  fails(text("total_charge="), "file.xyz:2: ", "key 'total_charge' has 0 values");
  fails(text("note=\"open"), "file.xyz:2: ", "not closed");
  fails(text("note=[[1,2]"), "file.xyz:2: ", "bracket of key 'note' is not closed");
  fails(text("=3"), "file.xyz:2: ", "without a key");
  fails(text("", "H 0 0 0\nH 0 0 0.01\n"), "file.xyz:1, frame 0: ", "0.01");
  CHECK_THROWS_WITH(read_extxyz(data + "missing.xyz"),
                    ContainsSubstring("missing.xyz: cannot open"));
  CHECK_THROWS_AS(read_extxyz(data), InputError);  // a directory
  ExtxyzOptions options;
  options.validate = false;
  CHECK(error_of(text("", "H 0 0 0\nH 0 0 0.01\n"), options) == "no error");
}

TEST_CASE("extxyz: numbers are read correctly rounded", "[io]") {
  RandomStream random(1);
  const auto reads_as_strtod = [](const char* s) {
    const char* p = s;
    double x = 0;
    const bool ok = detail::extxyz::read_number(p, s + std::char_traits<char>::length(s), x);
    CAPTURE(s);
    REQUIRE(ok);
    REQUIRE(*p == '\0');
    REQUIRE(x == std::strtod(s, nullptr));
    REQUIRE(std::signbit(x) == std::signbit(std::strtod(s, nullptr)));
  };
  for (const char* s :
       {"0", "-0.0", "1", "-1.", ".5", "9007199254740992", "9007199254740993", "0.3", "1e22",
        "1e23", "123456789012345678901234567890", "0.00000000000000000000000012345",
        "1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "99999999999999999999.5",
        "18446744073709551616", "0.1000000000000000055511151231257827"})
    reads_as_strtod(s);
  for (int i = 0; i < 3000; ++i) {
    char buffer[64];
    const double x = random.normal() * std::pow(10.0, random.uniform(-30, 30));
    std::snprintf(buffer, sizeof buffer, i % 2 == 0 ? "%.*e" : "%.*g",
                  static_cast<int>(random.below(20)), x);
    reads_as_strtod(buffer);
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(random.below(18)),
                  100 * random.normal());
    reads_as_strtod(buffer);
  }
}

TEST_CASE("extxyz: what is written is read back exactly", "[io]") {
  RandomStream random(2);
  const auto number = [&] { return random.normal() * std::pow(10.0, random.uniform(-12, 6)); };
  const auto vector = [&] { return Vector3<double>{{number(), number(), number()}}; };
  std::vector<Frame> frames;
  for (int k = 0; k < 8; ++k) {
    Frame f;
    const std::size_t n = 1 + random.below(9);
    Structure& s = f.structure;
    for (std::size_t i = 0; i < n; ++i) {
      s.atomic_numbers.push_back(1 + static_cast<int>(random.below(118)));
      s.positions.push_back(vector());
    }
    if (k % 2 == 0)
      for (double& x : s.cell.vectors.data) x = number();
    if (k % 4 == 0) s.cell.periodic = {true, false, true};
    if (k % 3 == 0) {
      s.total_charge = number();
      s.external_field = vector();
      s.external_charges = {{vector(), number(), 0.0}, {vector(), number(), std::abs(number())}};
      f.config_type = "several words, \"quoted\" = {odd}\n\\n";
      f.labels.dipole_mask = {false, true, false};
    }
    if (k % 2 == 1) {
      Labels& l = f.labels;
      l.energy = number();
      l.fermi_level = number();
      l.dipole = vector();
      l.stress.emplace();
      for (double& x : l.stress->data) x = number();
      l.forces.emplace();
      l.charges.emplace();
      l.atomic_dipoles.emplace();
      for (std::size_t i = 0; i < n; ++i) {
        l.forces->push_back(vector());
        l.charges->push_back(number());
        l.atomic_dipoles->push_back(vector());
      }
      for (double& x : l.polarizability.emplace().data) x = number();
      l.potentials.emplace();
      l.born_charges.emplace(n);
      for (std::size_t i = 0; i < n; ++i) {
        l.potentials->push_back(number());
        for (double& x : (*l.born_charges)[i].data) x = number();
      }
    }
    f.info = {{"charge", "5"}, {"a key", "_JSON [[1, 2]]"}, {"empty", ""}, {"energy", "text"}};
    frames.push_back(f);
  }
  const ScratchFile scratch("extxyz.xyz");
  const std::string& path = scratch.path();
  ExtxyzOptions options;
  options.validate = false;  // random cells may be left-handed
  for (const std::string prefix : {"REF_", "leyden_", ""}) {
    CAPTURE(prefix);
    if (prefix.empty())
      for (Frame& f : frames) f.info.erase("energy");  // no prefix, no room for another energy
    write_extxyz(path, frames, {prefix});
    options.keys = {};
    options.keys.energy = prefix + "energy";
    options.keys.forces = prefix + "forces";
    options.keys.stress = prefix + "stress";
    options.keys.charges = prefix + "charges";
    options.keys.atomic_dipoles = prefix + "atomic_dipoles";
    options.keys.dipole = prefix + "dipole";
    options.keys.potentials = prefix + "potentials";
    options.keys.polarizability = prefix + "polarizability";
    options.keys.born_charges = prefix + "born_charges";
    options.keys.fermi_level = prefix + "fermi_level";
    if (prefix == "REF_") options.keys = {};
    const auto back = read_extxyz(path, options);
    REQUIRE(back.size() == frames.size());
    for (std::size_t k = 0; k < frames.size(); ++k) {
      const Frame &a = frames[k], &b = back[k];
      CHECK(a.structure.atomic_numbers == b.structure.atomic_numbers);
      CHECK(a.structure.positions == b.structure.positions);
      CHECK(a.structure.cell.vectors == b.structure.cell.vectors);
      CHECK(a.structure.cell.periodic == b.structure.cell.periodic);
      CHECK(a.structure.total_charge == b.structure.total_charge);
      CHECK(a.structure.external_field == b.structure.external_field);
      REQUIRE(a.structure.external_charges.size() == b.structure.external_charges.size());
      for (std::size_t j = 0; j < a.structure.external_charges.size(); ++j) {
        const ExternalCharge &c = a.structure.external_charges[j],
                             &d = b.structure.external_charges[j];
        CHECK(c.position == d.position);
        CHECK(c.charge == d.charge);
        CHECK(c.width == d.width);
      }
      CHECK(a.labels.energy == b.labels.energy);
      CHECK(a.labels.forces == b.labels.forces);
      CHECK(a.labels.stress == b.labels.stress);
      CHECK(a.labels.charges == b.labels.charges);
      CHECK(a.labels.atomic_dipoles == b.labels.atomic_dipoles);
      CHECK(a.labels.dipole == b.labels.dipole);
      CHECK(a.labels.dipole_mask == b.labels.dipole_mask);
      CHECK(a.labels.potentials == b.labels.potentials);
      CHECK(a.labels.polarizability == b.labels.polarizability);
      CHECK(a.labels.born_charges == b.labels.born_charges);
      CHECK(a.labels.fermi_level == b.labels.fermi_level);
      CHECK(a.config_type == b.config_type);
      CHECK(a.info == b.info);
    }
  }
}

TEST_CASE("extxyz: the writer refuses what could not be read", "[io]") {
  Frame f;
  f.structure.atomic_numbers = {1};
  f.structure.positions = {{{0, 0, 0}}};
  CHECK_THROWS_WITH(to_extxyz(f, {"my key "}), ContainsSubstring("'my key '"));
  f.labels.forces.emplace(2);
  CHECK_THROWS_WITH(to_extxyz(f), ContainsSubstring("1 positions but 2 forces"));
  f.labels.forces.reset();
  f.labels.charges.emplace(3);
  CHECK_THROWS_WITH(to_extxyz(f), ContainsSubstring("3 charges"));
  f.labels.charges.reset();
  f.info = {{"", "x"}};
  CHECK_THROWS_AS(to_extxyz(f), InputError);
  f.info.clear();
  f.structure.atomic_numbers = {0};
  CHECK_THROWS_WITH(to_extxyz(f), ContainsSubstring("atomic number 0"));
  f.structure.atomic_numbers = {1};
  CHECK_THROWS_WITH(write_extxyz("/nonexistent/directory/file.xyz", std::vector<Frame>{f}),
                    ContainsSubstring("cannot open the file for writing"));
}

TEST_CASE("extxyz: the report says what each key became", "[io]") {
  ExtxyzReport report;
  read_extxyz(data + "all_notations.xyz", {}, &report);
  CHECK(report.frames == 2);
  CHECK(report.atoms == 3);
  const auto entry = [&](const std::string& key) {
    for (const auto& e : report.entries)
      if (e.key == key) return e;
    return ExtxyzReport::Entry{};
  };
  CHECK(entry("REF_energy").meaning == "energy");
  CHECK(entry("REF_energy").frames == 2);
  CHECK(entry("energy").meaning.empty());
  CHECK(entry("energy").frames == 1);
  CHECK(entry("REF_forces").meaning == "forces");
  CHECK(entry("REF_forces").column);
  CHECK(entry("born").frames == 1);
  CHECK(entry("born").meaning.empty());
  CHECK(entry("Lattice").meaning == "structure");
  CHECK(entry("pos").frames == 2);
  CHECK_THAT(report.text(), ContainsSubstring("all_notations.xyz: 2 frames, 3 atoms\n") &&
                                ContainsSubstring("born") && ContainsSubstring("not used"));
}

TEST_CASE("extxyz: every prefix and every damaged byte is read or refused", "[io]") {
  std::string whole;
  for (const char* name : {"all_notations.xyz", "plain.xyz", "windows.xyz"}) {
    std::FILE* file = std::fopen((data + name).c_str(), "rb");
    REQUIRE(file != nullptr);
    char buffer[4096];
    whole.append(buffer, std::fread(buffer, 1, sizeof buffer, file));
    std::fclose(file);
  }
  int read = 0, refused = 0;
  const auto attempt = [&](const std::string& s) {
    try {
      // An exact copy, so that a checker of memory sees one byte too far.
      const std::vector<char> exact(s.begin(), s.end());
      parse_extxyz({exact.data(), exact.size()}, "damaged");
      ++read;
    } catch (const InputError&) {
      ++refused;
    }
  };
  for (std::size_t n = 0; n <= whole.size(); ++n) attempt(whole.substr(0, n));
  // Nothing, whole frames, and frames whose last number is shortened are files too.
  CHECK(read > 5);
  CHECK(refused > 500);
  RandomStream random(3);
  const std::string bytes = "\n\r\t \"'\\={}[]:,.0-9eENT\x01\xff";
  for (int i = 0; i < 3000; ++i) {
    std::string s = whole;
    for (std::size_t k = 0; k < 1 + random.below(3); ++k)
      s[random.below(s.size())] = bytes[random.below(bytes.size())];
    attempt(s);
  }
  attempt(std::string("1\n\0\nH 0 0 0\n", 12));
}

TEST_CASE("extxyz: external charges are five numbers each, and checked", "[io]") {
  const auto read = [](const std::string& charges) {
    return parse_extxyz("1\nexternal_charges=\"" + charges + "\" pbc=\"F F F\"\nO 0 0 0\n", "text");
  };
  const auto frames = read("1 2 3 -0.5 0 4 5 6 0.5 0.7");
  REQUIRE(frames[0].structure.external_charges.size() == 2);
  CHECK(frames[0].structure.external_charges[1].width == 0.7);
  CHECK_THROWS_AS(read("1 2 3 -0.5"), InputError);
  CHECK_THROWS_AS(read("1 2 3 -0.5 -1"), InputError);  // a negative width, by validate()
}

}  // namespace extxyz_test
