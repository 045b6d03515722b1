// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/direct.hpp>

#include "scf/laws.hpp"
#include "support/catch.hpp"

namespace engine_test {

namespace {

using namespace leyden_test;
using Catch::Matchers::WithinAbs;

// A cluster with random coefficients of some law, all of which depend on one number t, so that a
// derivative along t is one in everything at once.
template <class Law>
struct Cluster {
  Law law;
  Structure structure;
  std::vector<Vector3<double>> direction;
  NeighborList neighbors;
  std::vector<double> widths;
  SiteCoefficients<double> c, dc;
  std::vector<double> external, dexternal;
  ChargeConstraints constraints;
  std::vector<double> p_bar;
  ScfOptions options;
  double bond_cutoff = 0;

  explicit Cluster(Law l, int n = 7) : law(std::move(l)) {
    RandomStream random(8);
    for (int i = 0; i < n; ++i) {
      structure.positions.push_back({{1.4 * i, random.uniform(-1, 1), random.uniform(-1, 1)}});
      structure.atomic_numbers.push_back(1);
      direction.push_back({{random.normal(), random.normal(), random.normal()}});
      widths.push_back(random.uniform(0.7, 1.2));
    }
    neighbors.build(structure, 3.0, 0.0);
    Geometry<double> g;
    make_geometry(structure, neighbors, g);
    const auto un = static_cast<std::size_t>(n);
    const std::size_t atoms = un * static_cast<std::size_t>(law.atom_size());
    const std::size_t bonds =
        static_cast<std::size_t>(g.n_pairs) * static_cast<std::size_t>(law.bond_size());
    for (auto* x : {&c, &dc}) {
      x->assign(4 * un, atoms, bonds, Law::form != LawForm::map);
      for (auto* values : {&x->chi, &x->eta, &x->atoms, &x->bonds})
        for (double& value : *values)
          value = x == &c ? random.uniform(0.05, 0.3) : 0.3 * random.normal();
    }
    for (double& value : c.chi) value = 3.0 * random.normal();
    if (Law::form == LawForm::energy)
      for (double& value : c.eta) value += 1.0;
    for (std::size_t k = 0; k < 4 * un; ++k) {
      external.push_back(random.normal());
      dexternal.push_back(random.normal());
      p_bar.push_back(random.normal());
    }
    constraints.group.assign(un, 0);
    constraints.charge = {0.4};
    options.tolerance = 1e-13;
  }

  template <class T>
  T at(double x, double dx, double t) const {
    if constexpr (is_dual_v<T>)
      return {x + t * dx, dx};
    else
      return x + t * dx;
  }
  template <class T>
  std::vector<T> at(const std::vector<double>& x, const std::vector<double>& dx, double t) const {
    std::vector<T> out;
    for (std::size_t i = 0; i < x.size(); ++i) out.push_back(at<T>(x[i], dx[i], t));
    return out;
  }

  // The solution at t, and a scalar L = energy + p̄·p + 0.7 μ with its derivative by the adjoint.
  struct Result {
    std::vector<double> p, mu;
    double loss = 0, tangent = 0, adjoint = 0, energy = 0;
    ScfOutcome outcome;
  };
  template <class T>
  Result solve(double t) const {
    Structure s = structure;
    for (std::size_t i = 0; i < s.size(); ++i) s.positions[i] += t * direction[i];
    Geometry<double> real;
    make_geometry(s, neighbors, real);
    Geometry<T> g;
    if constexpr (is_dual_v<T>)
      make_geometry(s, neighbors, g, std::span<const Vector3<double>>(direction), nullptr);
    else
      make_geometry(s, neighbors, g);
    const Direct solver;
    Direct::Plan<double> real_plan;
    Direct::Plan<T> plan;
    solver.plan<double>(real, {1, widths}, 0.0, real_plan);
    solver.plan<T>(g, {1, widths}, T(0.0), plan);
    SiteCoefficients<T> coefficients;
    coefficients.chi = at<T>(c.chi, dc.chi, t);
    coefficients.eta = at<T>(c.eta, dc.eta, t);
    coefficients.atoms = at<T>(c.atoms, dc.atoms, t);
    coefficients.bonds = at<T>(c.bonds, dc.bonds, t);
    const std::vector<T> ext = at<T>(external, dexternal, t);
    using Engine = SelfConsistency<Law, Direct, T>;
    SelfConsistencyTape<Law, T> tape;
    tape.density.constraints = constraints;
    const typename Engine::System system{law, solver,       plan, real_plan, real,       widths,
                                         4,   coefficients, ext,  options,   bond_cutoff};
    Engine engine(system, tape);
    engine.solve();
    const std::size_t n = external.size();
    std::vector<T> shares(s.size(), T(0.0)), kp(n);
    engine.site_energies(shares);
    solver.apply<T>(plan, std::span<const T>(tape.p), std::span<T>(kp));
    T energy(0.0), loss;
    for (const T& x : shares) energy += x;
    for (std::size_t i = 0; i < n; ++i) energy += tape.p[i] * (kp[i] * 0.5 + ext[i]);
    loss = energy;
    for (std::size_t i = 0; i < n; ++i) loss += tape.p[i] * p_bar[i];
    for (const T& mu : tape.fermi_level) loss += mu * 0.7;

    Result out;
    for (const T& x : tape.p) out.p.push_back(value_of(x));
    for (const T& x : tape.fermi_level) out.mu.push_back(value_of(x));
    out.loss = value_of(loss);
    out.energy = value_of(energy);
    out.tangent = tangent_of(loss);
    out.outcome = tape.density.outcome;

    // dL/dt by the adjoint: everything that t moves.
    SiteCoefficients<T> c_bar;
    c_bar.assign(coefficients.chi.size(), coefficients.atoms.size(), coefficients.bonds.size(),
                 Law::form != LawForm::map);
    std::vector<T> total(n), field_bar(s.size() * engine.inputs());
    for (std::size_t i = 0; i < n; ++i) {
      total[i] = T(p_bar[i]);
      if (LawWithReadout<Law>) total[i] += kp[i] + ext[i];
    }
    const std::vector<T> mu_bar(tape.fermi_level.size(), T(0.7));
    engine.backward(T(1.0), std::span<const T>(total), std::span<const T>(mu_bar), c_bar,
                    std::span<T>(field_bar));
    GeometryGradient<T> gradient;
    gradient.reset(s.size());
    engine.field().gradient(field_bar, std::span<const T>(tape.p), T(1.0), gradient);
    solver.bilinear_gradient<T>(plan, std::span<const T>(tape.p), std::span<const T>(tape.p),
                                T(0.5), gradient);
    T sum(0.0);
    for (std::size_t i = 0; i < s.size(); ++i)
      for (int a = 0; a < 3; ++a) sum += gradient.positions[i][a] * direction[i][a];
    const auto add = [&](const std::vector<T>& bar, const std::vector<double>& d) {
      for (std::size_t k = 0; k < bar.size(); ++k) sum += bar[k] * d[k];
    };
    add(c_bar.chi, dc.chi);
    add(c_bar.eta, dc.eta);
    add(c_bar.atoms, dc.atoms);
    add(c_bar.bonds, dc.bonds);
    for (std::size_t i = 0; i < n; ++i) {
      T bar = tape.p[i];
      for (std::size_t k = i % 4; k < engine.inputs(); k += 4)
        bar += field_bar[i / 4 * engine.inputs() + k];
      sum += bar * dexternal[i];
    }
    out.adjoint = value_of(sum);
    second = tangent_of(sum);
    return out;
  }
  mutable double second = 0;  // d²L/dt², of the adjoint run on duals
};

template <class Law>
void check_derivatives(Cluster<Law> cluster) {
  using Cl = Cluster<Law>;
  const double h = 1e-4;
  const typename Cl::Result real = cluster.template solve<double>(0.0);
  const typename Cl::Result up = cluster.template solve<double>(h);
  const typename Cl::Result down = cluster.template solve<double>(-h);
  const typename Cl::Result dual = cluster.template solve<Dual<double>>(0.0);
  CHECK(real.outcome.status == ScfStatus::converged);
  double charge = 0;
  for (std::size_t i = 0; i < real.p.size(); i += 4) charge += real.p[i];
  if (cluster.constraints.size() == 1) CHECK_THAT(charge, WithinAbs(0.4, 1e-12));
  const double slope = (up.loss - down.loss) / (2 * h);
  // Differences: h² times third derivatives, which levels of width T make 1/T³ of.
  CHECK_THAT(real.adjoint, WithinAbs(slope, 1e-5 * (1 + std::abs(slope))));
  CHECK_THAT(dual.tangent, WithinAbs(real.adjoint, 1e-9 * (1 + std::abs(slope))));
  CHECK_THAT(dual.adjoint, WithinAbs(real.adjoint, 1e-9 * (1 + std::abs(slope))));
  // The adjoint on duals: the second derivative. (The direction moves linearly with t.)
  const double curvature = (up.adjoint - down.adjoint) / (2 * h);
  CHECK_THAT(cluster.second, WithinAbs(curvature, 1e-4 * (1 + std::abs(curvature))));
}

template <class Law>
void check_all_ways(const Cluster<Law>& cluster) {
  SECTION("dense") { check_derivatives(cluster); }
  SECTION("Krylov") {
    Cluster<Law> c = cluster;
    c.options.dense_limit = 0;
    check_derivatives(c);
  }
  SECTION("open to a reservoir") {
    Cluster<Law> c = cluster;
    c.constraints.group.assign(c.structure.size(), -1);
    c.constraints.charge.clear();
    check_derivatives(c);
  }
  SECTION("two groups") {
    for (int limit : {0, 400}) {
      Cluster<Law> c = cluster;
      c.options.dense_limit = limit;
      c.constraints.charge = {0.4, -0.2};
      for (std::size_t i : {1u, 2u, 5u}) c.constraints.group[i] = 1;
      check_derivatives(c);
      const auto r = c.template solve<double>(0.0);
      double q = 0;
      for (std::size_t i : {1u, 2u, 5u}) q += r.p[4 * i];
      CHECK_THAT(q, WithinAbs(-0.2, 1e-12));
    }
  }
  SECTION("mixing comes to the same density") {
    const auto newton = cluster.template solve<double>(0.0);
    for (ScfMethod method : {ScfMethod::anderson, ScfMethod::linear}) {
      Cluster<Law> c = cluster;
      c.options.method = method;
      c.options.tolerance = 1e-11;
      c.options.mixing = method == ScfMethod::linear ? 0.1 : 0.2;
      c.options.max_iterations = 20000;
      const auto r = c.template solve<double>(0.0);
      CHECK(r.outcome.status == ScfStatus::converged);
      CHECK(r.outcome.iterations > newton.outcome.iterations);
      for (std::size_t i = 0; i < r.p.size(); ++i) CHECK_THAT(r.p[i], WithinAbs(newton.p[i], 1e-9));
    }
  }
  SECTION("unrolled mixing has the implicit derivative as its limit") {
    Cluster<Law> c = cluster;
    c.options.differentiation = Differentiation::unrolled;
    c.options.unrolled_steps = 4000;
    c.options.mixing = 0.05;
    const auto unrolled = c.template solve<Dual<double>>(0.0);
    const auto implicit = cluster.template solve<Dual<double>>(0.0);
    CHECK_THAT(unrolled.tangent, WithinAbs(implicit.tangent, 1e-8));
    CHECK_THAT(unrolled.adjoint, WithinAbs(implicit.adjoint, 1e-8));
  }
}

}  // namespace

TEST_CASE("an energy of the multipoles is minimised, with exact derivatives", "[scf]") {
  check_all_ways(Cluster<ConvexLaw<LawForm::energy>>({}));
}
TEST_CASE("a response law is solved, with exact derivatives", "[scf]") {
  check_all_ways(Cluster<ConvexLaw<LawForm::response>>({}));
}
TEST_CASE("a map is brought to its fixed point, with exact derivatives", "[scf]") {
  check_all_ways(Cluster<MapLaw>({}));
}
TEST_CASE("a map that sees the potential on several widths", "[scf]") {
  check_all_ways(Cluster<MapLaw>(MapLaw{{0.9, 1.8}}));
}

TEST_CASE("pairs beyond the bonds' cutoff are no bonds", "[scf]") {
  const auto check = [](const auto& law) {
    for (const int limit : {0, 400}) {
      Cluster cluster(law);
      cluster.options.dense_limit = limit;
      Geometry<double> g;
      make_geometry(cluster.structure, cluster.neighbors, g);
      const auto size = static_cast<std::size_t>(law.bond_size());
      constexpr double cutoff = 2.2;
      std::size_t left_out = 0;
      const auto all = cluster.template solve<double>(0.0);
      for (std::size_t b = 0; b < g.pair_edge.size(); ++b)
        if (g.length[static_cast<std::size_t>(g.pair_edge[b])] >= cutoff) {
          ++left_out;
          for (std::size_t k = 0; k < size; ++k)
            cluster.c.bonds[b * size + k] = cluster.dc.bonds[b * size + k] = 0.0;
        }
      CHECK(left_out > 1);
      CHECK(left_out + 1 < g.pair_edge.size());
      const auto zero = cluster.template solve<double>(0.0);
      cluster.bond_cutoff = cutoff;
      const auto none = cluster.template solve<double>(0.0);
      double change = 0;
      for (std::size_t i = 0; i < none.p.size(); ++i) {
        CHECK_THAT(none.p[i], WithinAbs(zero.p[i], 1e-11));
        change = std::max(change, std::abs(none.p[i] - all.p[i]));
      }
      CHECK(change > 1e-4);
      CHECK_THAT(none.energy, WithinAbs(zero.energy, 1e-11));
      CHECK_THAT(none.adjoint, WithinAbs(zero.adjoint, 1e-9));
    }
  };
  check(ConvexLaw<LawForm::energy>{});
  check(ConvexLaw<LawForm::response>{});
  check(MapLaw{});
}

TEST_CASE("the energy of a response law is concave in the density; its gap bounds the error",
          "[scf]") {
  Cluster<ConvexLaw<LawForm::response>> cluster({});
  const auto exact = cluster.solve<double>(0.0);
  CHECK(exact.outcome.energy_bound < 1e-20);
  double last = -1e300;
  for (double energy : exact.outcome.energies) {  // Newton steps climb the dual function
    CHECK(energy >= last - 1e-12);
    last = energy;
  }
  cluster.options.method = ScfMethod::linear;
  cluster.options.mixing = 0.1;
  cluster.options.throw_on_failure = false;
  double previous_error = 0, previous_residual = 0;
  for (int iterations : {3, 10, 30, 60}) {
    cluster.options.max_iterations = iterations;
    const auto r = cluster.solve<double>(0.0);
    CHECK(r.outcome.status == ScfStatus::stalled);
    const double error = exact.energy - r.energy;
    CHECK(error >= 0.0);
    CHECK(error <= r.outcome.energy_bound);
    // Second order: a residual ten times smaller makes a hundred times less error.
    if (previous_error > 0)
      CHECK(error / previous_error < 2.0 * std::pow(r.outcome.residual / previous_residual, 1.7));
    previous_error = error;
    previous_residual = r.outcome.residual;
  }
}

}  // namespace engine_test
