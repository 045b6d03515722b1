// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/electrostatics/reference.hpp>

#include "golden_polar.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>

namespace polar_golden_test {

// The recursion alone, fed with the reference's features: densities, spins and energies.
namespace {

using namespace leyden;
using leyden_test::GoldenPolar;

// The reference integrates its own-atom constants numerically (2e-10 of terms up to 10 V).
constexpr double tolerance = 1e-9;

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e300;
  double d = 0.0, scale = 1.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    d = std::max(d, std::abs(a[k] - b[k]));
    scale = std::max(scale, std::abs(b[k]));
  }
  return d / scale;
}

template <int L, class S>
void check(const std::string& file, const S& solver, const std::vector<std::string>& structures) {
  const GoldenPolar golden(file);
  PolarRecursion<L> model(golden.options());
  ParameterLayout layout;
  const std::vector<FeatureShape> shapes(static_cast<std::size_t>(golden.layers()),
                                         golden.feature_shape());
  const std::vector<int> numbers = golden.species();
  model.declare(layout, shapes, numbers);
  std::vector<double> parameters(layout.size(), 1e300);  // all must be set
  golden.set_parameters(layout, parameters);
  model.prepare(parameters);
  const auto size = static_cast<std::size_t>((L + 1) * (L + 1));
  typename PolarRecursion<L>::template Tape<double> tape;
  typename S::template Plan<double> plan;

  for (const std::string& name : structures)
    for (const auto& item : golden.file.at("structures").at(name).at("variants").items()) {
      const std::string variant = item.key();
      INFO(file << " " << name << " " << variant);
      const Structure structure = golden.structure(name, variant);
      const std::size_t n = structure.size();
      NeighborList list;
      list.build(structure, 3.0);
      Geometry<double> geometry;
      make_geometry(structure, list, geometry);
      std::vector<int> species;
      for (const int z : structure.atomic_numbers)
        species.push_back(
            static_cast<int>(std::find(numbers.begin(), numbers.end(), z) - numbers.begin()));
      std::vector<double> widths(n), p(n * size), energies(n), v(n * size);
      model.widths(species, widths);
      const auto features = golden.features(name);
      solver.template plan<double>(geometry, SourceShape{L, widths}, structure.total_charge, plan);
      model.template forward<double>({features, species, structure.total_charge,
                                      structure.external_field, &structure, &geometry},
                                     solver, plan, std::span<double>(p),
                                     std::span<double>(energies), tape);
      const auto expected = [&](const char* key) { return golden.output(name, variant, key); };
      CHECK(distance(p, expected("density_coefficients")) < tolerance);
      std::vector<double> spins, both, dipole(3, 0.0);
      for (std::size_t i = 0; i < n; ++i) {
        spins.push_back(tape.spin_density(0)[i * size] - tape.spin_density(1)[i * size]);
        for (std::size_t s = 0; s < 2; ++s)
          for (std::size_t m = 0; m < size; ++m) both.push_back(tape.spin_density(s)[i * size + m]);
        for (int a = 0; a < 3; ++a)
          dipole[static_cast<std::size_t>(a)] += p[i * size] * structure.positions[i][a];
        for (std::size_t m = 1; m < size; ++m) dipole[m % 3] += p[i * size + m];
      }
      CHECK(distance(spins, expected("spins")) < tolerance);
      CHECK(distance(both, expected("spin_charge_density")) < tolerance);
      CHECK(distance(dipole, expected("dipole")) < tolerance);
      double local = 0.0, coulomb = 0.0;
      for (const double e : energies) local += e;
      solver.template apply<double>(plan, p, v);
      for (std::size_t k = 0; k < p.size(); ++k) coulomb += 0.5 * p[k] * v[k];
      CHECK(distance({local}, expected("electron_energy")) < tolerance);
      CHECK(distance({coulomb}, expected("electrostatic_energy")) < tolerance);
    }
}

}  // namespace

TEST_CASE("the recursion on the reference's features gives its densities and energies",
          "[charge][golden]") {
  for (const std::string file : {"p1", "p3"}) {
    const double k_cutoff = GoldenPolar(file).k_cutoff();
    ReciprocalOptions bulk;
    bulk.k_cutoff = k_cutoff;
    bulk.background = Background::uniform;
    ReferenceElectrostaticsOptions all;
    all.k_cutoff = k_cutoff;
    all.self = SelfInteraction::included;
    const auto run = [&](const auto& solver, const std::vector<std::string>& structures) {
      if (file == "p1")
        check<1>(file, solver, structures);
      else
        check<0>(file, solver, structures);
    };
    run(Reciprocal(bulk), {"sio2_12", "quartz_triclinic_9"});
    run(ReferenceElectrostatics(all),
        {"sio2_12", "quartz_triclinic_9", "quartz_slab_TTF", "water"});
  }
}

}  // namespace polar_golden_test
