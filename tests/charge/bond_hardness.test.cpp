// SPDX-License-Identifier: MIT
#include <Eigen/Dense>

#include "charge/self_consistent_checks.hpp"

namespace bond_hardness_test {

namespace {
using namespace leyden_test;

BondHardnessOptions options() {
  BondHardnessOptions o;
  o.widths = std::vector<double>{0.9, 0.6};
  o.charges = {-0.8, 0.4};
  o.initial_weights = 0.3;
  o.initial_softness = 0.3;
  o.bonds.cutoff = 2.5;
  return o;
}
using Bonds = Dissected<BondHardness<0>>;
}  // namespace

TEST_CASE("bond hardness is the split-charge model", "[charge]") {
  // The same minimum in the charges of the bonds: p = q⁰ + B t,
  //   E(t) = χ·p + v_ext·p + ½ p(K + η)p + Σ ½ t_b²/σ_b.
  const Bonds m(options());
  const auto& c = m.coefficients();
  const auto n = static_cast<Eigen::Index>(m.unknowns());
  const BondList bonds = bonds_of(m.workspace.real.geometry);
  std::vector<std::size_t> soft;
  for (std::size_t b = 0; b < bonds.size(); ++b)
    if (c.bonds[2 * b + 1] > 0.0) soft.push_back(b);
  REQUIRE(soft.size() >= 6);
  Eigen::MatrixXd a(n, n), incidence = Eigen::MatrixXd::Zero(n, Eigen::Index(soft.size()));
  Eigen::MatrixXd stiffness = Eigen::MatrixXd::Zero(incidence.cols(), incidence.cols());
  Eigen::VectorXd base(n), linear(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    base[i] = c.atoms[k];
    linear[i] = c.chi[k] + m.external()[k];
    for (Eigen::Index j = 0; j < n; ++j)
      a(i, j) = m.coulomb[static_cast<std::size_t>(i * n + j)] + (i == j ? c.eta[k] : 0.0);
  }
  for (Eigen::Index b = 0; b < incidence.cols(); ++b) {
    const std::size_t k = soft[static_cast<std::size_t>(b)];
    incidence(Eigen::Index(bonds.from(k)), b) += 1.0;
    incidence(Eigen::Index(bonds.to(k)), b) -= 1.0;
    stiffness(b, b) = 1.0 / c.bonds[2 * k + 1];
  }
  const Eigen::MatrixXd hessian = stiffness + incidence.transpose() * a * incidence;
  const Eigen::VectorXd t =
      hessian.ldlt().solve(-incidence.transpose() * (linear + a * base)).eval();
  const Eigen::VectorXd p = base + incidence * t;
  const double energy = linear.dot(p) + 0.5 * p.dot(a * p) + 0.5 * t.dot(stiffness * t);
  // 1/σ up to 1e5 near the cutoff costs digits.
  CHECK_THAT(m.electronic_energy(), WithinAbs(energy, 1e-9));
  double moved = 0.0;
  for (Eigen::Index i = 0; i < n; ++i) {
    CHECK_THAT(m.density()[static_cast<std::size_t>(i)], WithinAbs(p[i], 1e-9));
    moved = std::max(moved, std::abs(p[i] - base[i]));
  }
  CHECK(moved > 0.02);
}

TEST_CASE("base charges sum to the total charge, formal ones of the structure too", "[charge]") {
  auto o = options();
  o.formal_charges = o.learned_base = true;
  Structure s = molecule();
  s.formal_charges = {2.0, -1.0, 0.5, -2.0, 1.0, 0.0, 0.0};
  const Bonds m(o, s);
  double sum = 0.0;
  for (double q : m.coefficients().atoms) sum += q;
  CHECK_THAT(sum, WithinAbs(s.total_charge, 1e-14));
  CHECK_THAT(m.charge(m.density()), WithinAbs(s.total_charge, 1e-12));
  s.formal_charges = {1.0};
  CHECK_THROWS_WITH(Bonds(o, s), Catch::Matchers::ContainsSubstring("1 formal charges"));
}

TEST_CASE("charge does not go where no bond leads", "[charge]") {
  // Two waters, 8 Å apart, in a field that would pull charge from one to the other.
  Structure s;
  for (double x : {0.0, 8.0})
    for (int k = 0; k < 3; ++k) {
      s.atomic_numbers.push_back(k == 0 ? 8 : 1);
      s.positions.push_back({{x + (k == 1 ? 0.9 : 0.0), k == 2 ? 0.9 : 0.0, 0.1 * k}});
    }
  s.external_field = {{0.5, 0.0, 0.0}};
  const Bonds m(options(), s);
  for (std::size_t w = 0; w < 2; ++w) {
    double charge = 0.0;
    for (std::size_t k = 0; k < 3; ++k) charge += m.prediction.charges[3 * w + k];
    CHECK_THAT(charge, WithinAbs(0.0, 1e-12));
  }
  CHECK(std::abs(m.prediction.charges[1] - 0.4) > 1e-3);
}

TEST_CASE("bonds fade out with two continuous derivatives", "[charge]") {
  // Softness near the cutoff a: (1 − (r/a)²)³, so a thousandth of a away it is 8e-9.
  Structure s;
  s.atomic_numbers = {8, 1};
  const auto softness = [&](double r) {
    s.positions = {{{0, 0, 0}}, {{r, 0, 0}}};
    const Bonds m(options(), s);
    return m.coefficients().bonds.empty() ? 0.0 : m.coefficients().bonds[1];
  };
  CHECK(softness(1.0) > 0.05);
  CHECK(softness(2.5 * 0.999) < 1e-8);
  CHECK(softness(2.5 * 0.999) > 1e-10);
  CHECK(softness(2.5001) == 0.0);
}

}  // namespace bond_hardness_test
