// SPDX-License-Identifier: MIT
#include <leyden/charge/bond_hardness.hpp>
#include <leyden/charge/energy_functional.hpp>
#include <leyden/charge/fixed_point.hpp>
#include <leyden/charge/fourth_generation.hpp>
#include <leyden/charge/response.hpp>
#include <leyden/design_space.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "potential/points.hpp"
#include "support/catch.hpp"

namespace equivalences_test {

// Where models of different kinds are one and the same: charge equilibration as the minimum of an
// energy functional, as a fixed point, as a response functional, as what a 4G network reads out.
namespace {

using namespace leyden_test;
using Catch::Matchers::WithinAbs;

const GaussianWidths widths(std::vector<double>{0.9, 0.6});

template <class Q, class S>
using On = Potential<ToyDescriptor, Q, S>;

template <class S>
S solver() {
  if constexpr (std::same_as<S, Reciprocal>) {
    ReciprocalOptions options;
    options.background = Background::uniform;
    return Reciprocal(options);
  } else {
    return S();
  }
}
template <class S>
Structure sample() {
  Structure s = std::same_as<S, Direct> ? molecule() : crystal();
  s.total_charge = 0.4;
  return s;
}

/// Sets the numbers of a slice; the rest of the charge model's numbers are zero, the descriptor's
/// stay.
class Numbers {
 public:
  template <class P>
  explicit Numbers(const P& p) : values(p.parameters().begin(), p.parameters().end()) {
    for (const ParameterInfo& info : p.layout().entries())
      if (info.name.rfind("charge/", 0) == 0) fill(info, 0.0);
  }
  template <class P>
  Numbers& set(const P& p, const std::string& name, const std::vector<double>& to) {
    const ParameterInfo& info = p.layout().find(name);
    REQUIRE(info.slice.size == to.size());
    std::copy(to.begin(), to.end(),
              values.begin() + static_cast<std::ptrdiff_t>(info.slice.offset));
    return *this;
  }
  std::vector<double> values;

 private:
  void fill(const ParameterInfo& info, double x) {
    for (std::size_t k = 0; k < info.slice.size; ++k) values[info.slice.offset + k] = x;
  }
};

const std::vector<double> chi{1.3, -0.4}, eta{2.1, 3.7};  // V, eV/e², of O and H
std::vector<double> inverse_softplus_of(std::vector<double> x) {
  for (double& v : x) v = inverse_softplus(v);
  return x;
}
std::vector<double> base() { return {-chi[0] / eta[0], -chi[1] / eta[1]}; }
std::vector<double> softness() { return inverse_softplus_of({1 / eta[0], 1 / eta[1]}); }

template <class P>
Prediction predict(P& potential, const Numbers& numbers, const Structure& s) {
  potential.set_parameters(numbers.values);
  ScfOptions options;
  options.tolerance = 1e-13;
  potential.set_scf_options(options);
  typename P::Workspace workspace;
  return potential.evaluate(s, workspace);
}

void check_same(const Prediction& a, const Prediction& b, double energy_shift = 0.0) {
  CHECK_THAT(a.energy - energy_shift, WithinAbs(b.energy, 1e-10));
  for (std::size_t i = 0; i < a.charges.size(); ++i) {
    CHECK_THAT(a.charges[i], WithinAbs(b.charges[i], 1e-10));
    CHECK(norm(a.forces[i] - b.forces[i]) < 1e-10);
  }
  for (std::size_t k = 0; k < 9; ++k)
    CHECK_THAT(a.stress.data[k], WithinAbs(b.stress.data[k], 1e-10));
  if (a.fermi_level && b.fermi_level) CHECK_THAT(*a.fermi_level, WithinAbs(*b.fermi_level, 1e-10));
}

template <class S>
Prediction charge_equilibration(const Structure& s) {
  On<ChargeEquilibration, S> p(ToyDescriptor({8, 1}), ChargeEquilibration({widths}), solver<S>(),
                               7);
  Numbers n(p);
  n.set(p, "charge/electronegativity/bias", chi)
      .set(p, "charge/hardness/bias", inverse_softplus_of(eta));
  return predict(p, n, s);
}

/// ½η(q − a)², a = −χ/η, counts from q = a, not from zero: a constant per species.
double constant(const Structure& s) {
  double shift = 0;
  for (int z : s.atomic_numbers) {
    const std::size_t k = z == 8 ? 0 : 1;
    shift += 0.5 * chi[k] * chi[k] / eta[k];
  }
  return shift;
}

static_assert(traits<On<ChargeEquilibration, Direct>>.variational);
static_assert(traits<On<EnergyFunctional<0>, Direct>>.variational);
static_assert(traits<On<ResponseFunctional<0>, Direct>>.variational);
static_assert(!traits<On<FixedPoint<0>, Direct>>.variational);
static_assert(!traits<On<FourthGeneration, Direct>>.variational);
static_assert(!traits<On<BondHardness<0>, Direct>>.exchanges_charge);

}  // namespace

TEMPLATE_TEST_CASE("charge equilibration is an energy functional without further terms",
                   "[potential][equivalence]", Direct, Reciprocal) {
  EnergyFunctionalOptions options;
  options.widths = widths;
  options.kinks = 0;
  options.initial_hardness = 1.0;  // the scale of its softplus
  On<EnergyFunctional<0>, TestType> p(ToyDescriptor({8, 1}), EnergyFunctional<0>(options),
                                      solver<TestType>(), 7);
  On<ChargeEquilibration, TestType> q(ToyDescriptor({8, 1}), ChargeEquilibration({widths}),
                                      solver<TestType>(), 7);
  // The same parameters by the same names, with surroundings and all.
  REQUIRE(p.layout().size() == q.layout().size());
  std::vector<double> x(q.parameters().begin(), q.parameters().end());
  RandomStream random(5);
  for (double& value : x) value += 0.3 * random.normal();
  std::vector<double> y(x.size());
  for (const ParameterInfo& info : q.layout().entries()) {
    const Slice to = p.layout().find(info.name).slice;
    for (std::size_t k = 0; k < to.size; ++k) y[to.offset + k] = x[info.slice.offset + k];
  }
  p.set_parameters(y);
  q.set_parameters(x);
  typename decltype(p)::Workspace a;
  typename decltype(q)::Workspace b;
  const Structure s = sample<TestType>();
  check_same(p.evaluate(s, a), q.evaluate(s, b));
}

TEMPLATE_TEST_CASE("charge equilibration is a linear fixed point of softness 1/hardness",
                   "[potential][equivalence]", Direct, Reciprocal) {
  FixedPointOptions options;
  options.widths = widths;
  options.initial_softness = 1.0;  // the scale of its softplus
  options.readout_terms = 0;
  On<FixedPoint<0>, TestType> p(ToyDescriptor({8, 1}), FixedPoint<0>(options), solver<TestType>(),
                                7);
  Numbers n(p);
  n.set(p, "charge/base/bias", base())
      .set(p, "charge/softness/0/bias", softness())
      .set(p, "charge/energy/hardness/bias", eta);
  const Structure s = sample<TestType>();
  check_same(predict(p, n, s), charge_equilibration<TestType>(s), constant(s));
}

TEMPLATE_TEST_CASE("charge equilibration is a response functional with a quadratic dual",
                   "[potential][equivalence]", Direct, Reciprocal) {
  ResponseFunctionalOptions options;
  options.widths = widths;
  options.levels = 0;
  options.initial_softness = 1.0;  // the scale of its softplus
  On<ResponseFunctional<0>, TestType> p(ToyDescriptor({8, 1}), ResponseFunctional<0>(options),
                                        solver<TestType>(), 7);
  Numbers n(p);
  n.set(p, "charge/base/bias", base()).set(p, "charge/softness/bias", softness());
  const Structure s = sample<TestType>();
  check_same(predict(p, n, s), charge_equilibration<TestType>(s), constant(s));
}

TEMPLATE_TEST_CASE("a 4G network that reads out the energy of its charges is charge equilibration",
                   "[potential][equivalence]", Direct, Reciprocal) {
  FourthGenerationOptions options;
  options.equilibration.widths = widths;
  options.terms = 0;
  On<FourthGeneration, TestType> p(ToyDescriptor({8, 1}), FourthGeneration(options),
                                   solver<TestType>(), 7);
  Numbers n(p);
  n.set(p, "charge/electronegativity/bias", chi)
      .set(p, "charge/hardness/bias", inverse_softplus_of(eta))
      .set(p, "charge/energy/linear/bias", chi)
      .set(p, "charge/energy/hardness/bias", eta);
  const Structure s = sample<TestType>();
  check_same(predict(p, n, s), charge_equilibration<TestType>(s));
}

TEST_CASE("a fixed point without response is the local model", "[potential][equivalence]") {
  FixedPointOptions options;
  options.widths = widths;
  options.softness = options.polarizability = options.coupling = false;
  options.readout_terms = 0;
  On<FixedPoint<1>, Direct> p(ToyDescriptor({8, 1}), FixedPoint<1>(options), Direct(), 7);
  LocalMultipolesOptions local_options;
  local_options.widths = widths;
  On<LocalMultipoles<1>, Direct> q(ToyDescriptor({8, 1}), LocalMultipoles<1>(local_options),
                                   Direct(), 7);
  Numbers n(p), m(q);
  RandomStream random(5);
  for (const char* name : {"weight", "bias", "dipole/weight"}) {
    std::vector<double> x(q.layout().find(std::string("charge/") + name).slice.size);
    for (double& value : x) value = 0.3 * random.normal();
    m.set(q, std::string("charge/") + name, x);
    n.set(p, std::string("charge/base/") + name, x);
  }
  // Charges of a fixed point follow a Fermi level; one at which they are free is zero.
  Structure s = molecule();
  q.set_parameters(m.values);
  On<LocalMultipoles<1>, Direct>::Workspace workspace;
  const Prediction local = q.evaluate(s, workspace);
  s.fermi_level = 0.0;
  const Prediction found = predict(p, n, s);
  CHECK_THAT(found.energy, WithinAbs(local.energy, 1e-10));
  for (std::size_t k = 0; k < found.multipoles.size(); ++k)
    CHECK_THAT(found.multipoles[k], WithinAbs(local.multipoles[k], 1e-12));
  for (std::size_t i = 0; i < s.size(); ++i) CHECK(norm(found.forces[i] - local.forces[i]) < 1e-10);
}

TEST_CASE("infinitely hard bonds leave the formal charges", "[potential][equivalence]") {
  BondHardnessOptions options;
  options.widths = widths;
  options.charges = {-0.8, 0.4};
  On<FixedCharges, Direct> q(ToyDescriptor({8, 1}), FixedCharges({{-0.8, 0.4}, widths, false}),
                             Direct(), 7);
  const Structure s = molecule();
  On<FixedCharges, Direct>::Workspace workspace;
  const Prediction fixed = q.evaluate(s, workspace);
  double last = 1e300;
  for (double hardness : {1e2, 1e4, 1e6}) {
    options.initial_softness = 1.0 / hardness;  // κ → ∞ is σ → 0
    On<BondHardness<0>, Direct> p(ToyDescriptor({8, 1}), BondHardness<0>(options), Direct(), 7);
    Numbers n(p);
    const Prediction found = predict(p, n, s);
    double error = 0;
    for (std::size_t i = 0; i < s.size(); ++i)
      error = std::max(error, std::abs(found.charges[i] - fixed.charges[i]));
    CHECK(error < 0.02 * last);
    last = error;
  }
  CHECK(last < 1e-4);
}

}  // namespace equivalences_test
