// SPDX-License-Identifier: MIT
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/descriptor/mace.hpp>
#include <leyden/electrostatics/reference.hpp>
#include <leyden/potential.hpp>

#include "golden_polar.hpp"
#include "support/catch.hpp"
#include "support/golden_mace.hpp"

#include <algorithm>
#include <cmath>

namespace polar_model_test {

// The whole PolarMACE against the reference: backbone, recursion, electrostatics, field.
namespace {

using namespace leyden;

// The reference integrates its own-atom constants numerically: 2e-10 of terms of some 10 eV,
// against differences of them. Compared relative to the largest number of each output.
constexpr double tolerance = 1e-9;

double deviation(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double scale = 1.0, worst = 0.0;
  for (double x : expected) scale = std::max(scale, std::abs(x));
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - expected[i]) / scale);
  return worst;
}
std::vector<double> flat(const std::vector<Vector3<double>>& vectors) {
  std::vector<double> out;
  for (const auto& v : vectors) out.insert(out.end(), v.data.begin(), v.data.end());
  return out;
}

constexpr MaceShape shape{
    .l_max = 2, .correlation = 2, .hidden_l = 1, .interaction = MaceInteraction::nonlinear};

template <int L>
void check(const std::string& file) {
  const leyden_test::GoldenPolar golden(file);
  const leyden_test::GoldenMace backbone(file, "polar");
  ReferenceElectrostaticsOptions electrostatics;
  electrostatics.k_cutoff = golden.k_cutoff();
  electrostatics.self = SelfInteraction::included;
  using Model = Potential<Mace<shape>, PolarRecursion<L>, ReferenceElectrostatics>;
  Model model(Mace<shape>(backbone.options()), PolarRecursion<L>(golden.options()),
              ReferenceElectrostatics(electrostatics));
  std::vector<double> parameters = backbone.parameters(model.layout());
  golden.set_parameters(model.layout(), parameters);
  model.set_parameters(parameters);
  typename Model::Workspace workspace;
  for (const auto& entry : golden.file.at("structures").items())
    for (const auto& item : entry.value().at("variants").items()) {
      const std::string name = entry.key(), variant = item.key();
      INFO(file << " " << name << " " << variant);
      const Structure structure = golden.structure(name, variant);
      const Prediction& p = model.evaluate(structure, workspace);
      const auto expected = [&](const char* key) { return golden.output(name, variant, key); };
      CHECK(deviation({p.energy}, expected("energy")) < tolerance);
      CHECK(deviation(flat(p.forces), expected("forces")) < tolerance);
      CHECK(deviation(p.charges, expected("charges")) < tolerance);
      CHECK(deviation(p.multipoles, expected("density_coefficients")) < tolerance);
      CHECK(deviation({p.dipole.data.begin(), p.dipole.data.end()}, expected("dipole")) <
            tolerance);
      double coulomb = 0.0, local = 0.0;
      for (std::size_t k = 0; k < p.multipoles.size(); ++k)
        coulomb += 0.5 * p.multipoles[k] * p.potentials[k];
      for (const double e : workspace.real.site_energies) local += e;
      CHECK(deviation({coulomb}, expected("electrostatic_energy")) < tolerance);
      CHECK(deviation({local}, expected("electron_energy")) < tolerance);
      const auto& real = workspace.real;
      constexpr std::size_t size = (L + 1) * (L + 1);
      std::vector<double> difference, both;
      for (std::size_t k = 0; k < p.multipoles.size(); ++k) {
        const double up = real.recursion.spin_density(0)[k];
        const double down = real.recursion.spin_density(1)[k];
        difference.push_back(up - down);
      }
      for (std::size_t i = 0; i < structure.size(); ++i)
        for (std::size_t s = 0; s < 2; ++s)
          for (std::size_t m = 0; m < size; ++m)
            both.push_back(real.recursion.spin_density(s)[i * size + m]);
      CHECK(deviation(p.spins, expected("spins")) < tolerance);
      CHECK(deviation(difference, expected("spin_density")) < tolerance);
      CHECK(deviation(both, expected("spin_charge_density")) < tolerance);
      double interaction = 0.0;
      std::vector<double> node_energies;
      for (std::size_t i = 0; i < structure.size(); ++i) {
        interaction += real.tape.node_energies[i];
        node_energies.push_back(real.tape.node_energies[i] + real.tape.reference_energies[i]);
      }
      CHECK(deviation({interaction}, expected("interaction_energy")) < tolerance);
      if (variant == "q0_s1")  // that of the backbone: the same for all variants
        CHECK(deviation(node_energies, expected("node_energy")) < tolerance);
      if (!structure.cell.all_periodic()) continue;
      CHECK(deviation({p.stress.data.begin(), p.stress.data.end()},
                      leyden_test::tensor(item.value().at("stress_exact_total"))) < tolerance);
    }
}

}  // namespace

TEST_CASE("PolarMACE with dipoles is the reference's function", "[charge][golden]") {
  check<1>("p1");
}
TEST_CASE("PolarMACE with charges is the reference's function", "[charge][golden]") {
  check<0>("p3");
}

}  // namespace polar_model_test
