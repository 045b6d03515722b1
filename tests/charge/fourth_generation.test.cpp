// SPDX-License-Identifier: MIT
#include "charge/self_consistent_checks.hpp"

namespace fourth_generation_test {

namespace {
using namespace leyden_test;

FourthGenerationOptions options() {
  return make_options<FourthGeneration>(GaussianWidths(std::vector<double>{0.9, 0.6}));
}
using Fourth = Dissected<FourthGeneration>;
}  // namespace

TEST_CASE("gradients of the energy that is read out of charges", "[charge]") {
  const ChargeReadoutLaw law{3};
  check_function([&]<class T>(const T* c, const T* q, T* c_bar,
                              T* q_bar) { return law.readout(c, q, q, c_bar, q_bar, q_bar); },
                 random_vector(law.atom_size(), 1), random_vector(1, 2));
  double q = 0.3, q_bar = 0.0;
  const auto c = random_vector(law.atom_size(), 3);
  CHECK(law.atom(c.data(), &q, &q_bar, &q_bar) == 0.0);  // beyond χ and η nothing makes charges
  CHECK(q_bar == 0.0);
}

TEST_CASE("charges of the fourth generation are those of charge equilibration", "[charge]") {
  const Fourth m(options());
  using Equilibrated = Potential<ToyDescriptor, ChargeEquilibration, Direct>;
  Equilibrated other(ToyDescriptor({8, 1}), ChargeEquilibration(options().equilibration), Direct(),
                     7);
  std::vector<double> parameters(other.layout().size());
  for (const ParameterInfo& info : other.layout().entries()) {
    const auto& same = m.potential.layout().find(info.name);
    for (std::size_t k = 0; k < info.slice.size; ++k)
      parameters[info.slice.offset + k] = m.potential.parameters()[same.slice.offset + k];
  }
  other.set_parameters(parameters);
  Equilibrated::Workspace workspace;
  const Prediction p = other.evaluate(m.structure, workspace);
  for (std::size_t i = 0; i < p.charges.size(); ++i)
    CHECK_THAT(m.density()[i], WithinAbs(p.charges[i], 1e-11));

  // Their energy is another one.
  std::vector<double> k = m.field(m.density());
  for (std::size_t i = 0; i < k.size(); ++i) k[i] -= m.coefficients().eta[i] * m.density()[i];
  double energy = 0.5 * inner(m.density(), k);
  for (std::size_t i = 0; i < m.structure.size(); ++i) {
    double q_bar = 0.0;
    energy += m.law.readout(
        m.coefficients().atoms.data() + i * static_cast<std::size_t>(m.law.atom_size()),
        m.density().data() + i, static_cast<const double*>(nullptr), static_cast<double*>(nullptr),
        &q_bar, static_cast<double*>(nullptr));
  }
  CHECK_THAT(m.electronic_energy(), WithinAbs(energy, 1e-10));
  CHECK(std::abs(m.prediction.energy - p.energy) > 0.1);
}

TEST_CASE("the fourth generation refuses a negative number of terms", "[charge]") {
  FourthGenerationOptions o;
  o.terms = -1;
  ParameterLayout layout;
  const std::vector<FeatureShape> shapes{{4, 1}};
  const std::vector<int> species{8, 1};
  CHECK_THROWS_AS(FourthGeneration(o).declare(layout, shapes, species), ModelError);
}

}  // namespace fourth_generation_test
