// SPDX-License-Identifier: MIT
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/external_field.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "electrostatics/golden_case.hpp"

namespace golden_test {

// Numbers of the reference implementation; see tests/data/README.md.

using namespace electrostatics_test;
using nlohmann::json;

namespace {

// The reference's molecule: dipoles are pairs of charges a step h apart, distances in the
// denominator are softened by 1e-6 Å, and charges of one atom do not interact. Built from the
// charge kernel of Direct.
struct DisplacedCharges {
  System system;  // 4n charges: all atoms, then all atoms displaced along x, y, z
  std::vector<double> q;
  std::size_t n = 0;

  DisplacedCharges(const Case& c, double h) : n(c.n()) {
    const std::size_t size = c.l_max == 0 ? 1 : 4;
    for (int d = -1; d < 3; ++d)
      for (std::size_t i = 0; i < n; ++i) {
        Vector3<double> r = c.system.geometry.positions[i];
        const double* p = c.p.data() + i * size;
        double charge = 0;
        if (d >= 0) r[d] += h;
        if (d < 0) {
          charge = p[0];
          if (size == 4) charge -= (p[1] + p[2] + p[3]) / h;
        } else if (size == 4) {
          charge = p[d == 0 ? 3 : d] / h;
        }
        system.geometry.positions.push_back(r);
        system.widths.push_back(c.system.widths[i]);
        q.push_back(charge);
      }
  }

  double softened(double kernel, std::size_t a, std::size_t b) const {
    if (a % n == b % n) return 0;
    const double d = norm(system.geometry.positions[a] - system.geometry.positions[b]);
    return kernel * d / (d + 1e-6);
  }

  double energy() const {
    Direct::Plan<double> plan;
    Direct().plan(system.geometry, system.source(0), 0.0, plan);
    std::vector<double> k(16 * n * n);
    Direct().assemble(plan, k);
    double sum = 0;
    for (std::size_t a = 0; a < 4 * n; ++a)
      for (std::size_t b = 0; b < 4 * n; ++b)
        sum += 0.5 * q[a] * q[b] * softened(k[a * 4 * n + b], a, b);
    return sum;
  }

  // Potential averaged with a Gaussian of `width` at all 4n points.
  std::vector<double> potential(double width) const {
    Direct::Plan<double> plan;
    Direct().plan(system.geometry, system.source(0), 0.0, plan);
    const std::vector<double> widths{width};
    std::vector<double> unit(4 * n), column(4 * n), out(4 * n);
    for (std::size_t b = 0; b < 4 * n; ++b) {
      unit[b] = 1;
      Direct().features(plan, unit, PotentialFeatures{0, widths}, column);
      unit[b] = 0;
      for (std::size_t a = 0; a < 4 * n; ++a) out[a] += q[b] * softened(column[a], a, b);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("Reciprocal reproduces energies, forces and features of the reference") {
  for (const char* file : {"longrange_cubic.json", "longrange_triclinic.json"})
    for (const auto& [name, data] : cases(load(file)))
      for (const bool included : {false, true}) {
        const auto self = included ? SelfInteraction::included : SelfInteraction::excluded;
        const Case c(data, true);
        const Reciprocal solver({1e-10, c.k_cutoff, Background::uniform, self});
        Reciprocal::Plan<double> plan;
        solver.plan(c.system.geometry, c.source(), 0.0, plan);
        CHECK(plan.waves.vectors == data.at("n_wave_vectors").get<std::size_t>());
        INFO(file << " " << name << " self interaction " << included);
        const std::string suffix = included ? "self1" : "self0";
        // The reference integrates its own-atom constants numerically, to 2e-10.
        check_energy(solver, c, data.at("energy_" + suffix), 1e-9);
        check_features(solver, self, c, data.at("features_" + suffix), 1e-9);
      }
}

TEST_CASE("Direct reproduces the reference for charges up to its softened distance") {
  for (const auto& [name, data] : cases(load("longrange_molecule_realspace.json"))) {
    const Case c(data, false);
    if (c.l_max != 0) continue;
    INFO(name);
    const Direct solver(SelfInteraction::excluded);
    // The reference divides by d + 1e-6 Å: 1e-6 of pair energies at d = 1 Å; their derivatives
    // change by twice that.
    const json& expected = data.at("energy_self0");
    const auto v = potential(solver, c.system.geometry, c.source(), c.p);
    CHECK(deviation({0.5 * inner(c.p, v)}, {expected.at("energy")}) < 2e-6);
    CHECK(deviation(v, expected.at("dE_dmultipole")) < 2e-6);
    Direct::Plan<double> plan;
    solver.plan(c.system.geometry, c.source(), 0.0, plan);
    GeometryGradient<double> gradient;
    gradient.reset(c.n());
    solver.bilinear_gradient(plan, c.p, c.p, 0.5, gradient);
    CHECK(deviation(flat(gradient.positions, -1), expected.at("forces")) < 2e-6);
  }
}

TEST_CASE("the displaced charges of the reference, made of Direct's charges, reproduce it") {
  for (const auto& [name, data] : cases(load("longrange_molecule_realspace.json"))) {
    const Case c(data, false);
    INFO(name);
    // Charges of p/h = 50 e cancel to p: 1e-16 · 14 eV · 50² · pairs.
    CHECK(deviation({DisplacedCharges(c, 0.02).energy()}, {data.at("energy_self0").at("energy")}) <
          1e-9);

    const double h = 0.1;
    const DisplacedCharges charges(c, h);
    const std::vector<double> expected = data.at("features_self0").at("features");
    std::vector<double> got(expected.size());
    std::vector<std::vector<double>> potentials;
    for (const double width : c.widths) potentials.push_back(charges.potential(width));
    const std::size_t size = c.l_features == 0 ? 1 : 4;
    c.for_each_feature([&](std::size_t ours, std::size_t theirs, double factor) {
      const std::size_t lm = ours % size, i = (ours / size) % c.n(), w = ours / size / c.n();
      const auto& v = potentials[w];
      const auto axis = static_cast<std::size_t>(lm == 0 ? 0 : 1 + cartesian_of_coefficient[lm]);
      got[theirs] = factor * (lm == 0 ? v[i] : (v[axis * c.n() + i] - v[i]) / h);
    });
    CHECK(deviation(got, expected) < 1e-9);
  }
}

TEST_CASE("Direct differs from the reference's displaced charges by their step") {
  // Not an error of ours: with half the step, half of it remains.
  for (const auto& [name, data] : cases(load("longrange_molecule_realspace.json"))) {
    const Case c(data, false);
    if (c.l_max == 0) continue;
    const double exact = 0.5 * inner(c.p, potential(Direct(SelfInteraction::excluded),
                                                    c.system.geometry, c.source(), c.p));
    const double error = data.at("energy_self0").at("energy").get<double>() - exact;
    const double half = DisplacedCharges(c, 0.01).energy() - exact;
    INFO(name << ": exact " << exact << " eV, the reference differs by " << error
              << " eV, with half its step by " << half);
    CHECK(std::abs(error) > 1e-4);
    CHECK(std::abs(error) < 2e-2);
    CHECK(std::abs(half / error - 0.5) < 0.1);
  }
}

TEST_CASE("features of a uniform field are those of the reference") {
  for (const char* file : {"longrange_cubic.json", "longrange_molecule_realspace.json"})
    for (const auto& [name, data] : cases(load(file))) {
      Case c(data, false);  // the reference never wraps
      INFO(file << " " << name);
      Vector3<double> center;
      for (const auto& r : c.system.geometry.positions)
        center += (1.0 / static_cast<double>(c.n())) * r;
      for (auto& r : c.system.geometry.positions) r -= center;
      // The file's vector is the gradient of the potential, minus the physical field.
      const Vector3<double> gradient{data.at("external_field").at("field")};
      std::vector<double> v(4 * c.n());
      external_potential(c.system.geometry, -gradient, {}, 1, v);
      const std::vector<double> expected = data.at("external_field").at("features");
      std::vector<double> got(expected.size());
      const std::size_t size = c.l_features == 0 ? 1 : 4;
      c.for_each_feature([&](std::size_t ours, std::size_t theirs, double factor) {
        got[theirs] = factor * v[4 * ((ours / size) % c.n()) + ours % size];
      });
      CHECK(deviation(got, expected) < 1e-13);
    }
}

}  // namespace golden_test
