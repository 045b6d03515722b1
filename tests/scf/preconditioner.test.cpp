// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/random.hpp>
#include <leyden/electrostatics/direct.hpp>
#include <leyden/electrostatics/reciprocal.hpp>
#include <leyden/scf/charge_inverse.hpp>
#include <leyden/scf/density_history.hpp>

#include "scf/laws.hpp"
#include "support/catch.hpp"

namespace preconditioner_test {

namespace {

using namespace leyden_test;

// A linearised law with random derivatives of all kinds on some atoms: charges and dipoles, bonds.
template <class Law, class S>
struct Linear {
  Law law;
  S solver;
  Geometry<double> geometry;
  std::vector<double> widths, hardness;
  ChargeConstraints constraints;
  typename S::template Plan<double> plan;
  LawBlocks<double> blocks;
  std::vector<double> field_scratch;
  LinearResponseMemory<double> memory;
  TwoLevelInverse<double> inverse;
  LawSum<Law> sum;
  FieldOperator<S, double> field;
  LinearResponse<Law, S, double> response;

  Linear(Law l, S s, const Structure& structure, double cutoff)
      : law(std::move(l)),
        solver(std::move(s)),
        sum{law, {}, structure.size(), 4 * std::max<std::size_t>(1, receiver().size()), 4},
        field(solver, plan, structure.size(), 4, receiver(), field_scratch),
        response(sum, field, hardness, constraints, memory) {
    RandomStream random(5);
    NeighborList list;
    list.build(structure, cutoff, 0.0);
    make_geometry(structure, list, geometry);
    sum.bonds = bonds_of(geometry);
    const std::size_t n = structure.size();
    for (std::size_t i = 0; i < n; ++i) widths.push_back(random.uniform(0.7, 1.2));
    solver.template plan<double>(geometry, {1, widths}, 0.0, plan);
    constraints.group.assign(n, -1);
    SiteCoefficients<double> c;
    c.assign(4 * n, n * static_cast<std::size_t>(law.atom_size()),
             static_cast<std::size_t>(geometry.n_pairs * law.bond_size()), true);
    for (auto* values : {&c.atoms, &c.bonds})
      for (double& value : *values) value = random.uniform(0.02, 0.2);
    if (Law::form != LawForm::map)
      for (std::size_t k = 0; k < 4 * n; ++k) hardness.push_back(random.uniform(0.5, 1.5));
    std::vector<double> at(n * sum.in);
    for (double& value : at) value = 0.3 * random.normal();
    typename LawSum<Law>::template Scratch<double> scratch;
    blocks.fill(sum, c, at.data(), scratch);
  }

  std::span<const double> receiver() const {
    if constexpr (Law::form == LawForm::map) return law.feature_widths();
    return {};
  }
  void build(const TwoLevelInverse<double>::Options& options) {
    inverse.build(geometry, sum, blocks, std::span<const double>(hardness), widths, receiver(),
                  options);
  }
  std::vector<double> random_vector(std::uint64_t seed) const {
    RandomStream random(seed);
    std::vector<double> x(4 * sum.atoms);
    for (double& value : x) value = random.normal();
    return x;
  }
  // ‖B M x − x‖/‖x‖, or of the transposes.
  double error(bool transpose) const {
    const std::vector<double> x = random_vector(1);
    std::vector<double> image(x.size()), back(x.size());
    response.apply(blocks, x, image, transpose);
    inverse.apply(image, back, transpose);
    double difference = 0, size = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      difference += (back[k] - x[k]) * (back[k] - x[k]);
      size += x[k] * x[k];
    }
    return std::sqrt(difference / size);
  }
  // Bᵀ is the transpose of B: y·Bx = x·Bᵀy; of energies B itself, and positive.
  void check_transpose() const {
    const std::vector<double> x = random_vector(2), y = random_vector(3);
    std::vector<double> bx(x.size()), by(x.size());
    inverse.apply(x, bx, false);
    inverse.apply(y, by, true);
    double left = 0, right = 0, own = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      left += y[k] * bx[k];
      right += x[k] * by[k];
      own += x[k] * bx[k];
    }
    // Rounding of sums of some hundred terms of order one.
    CHECK(std::abs(left - right) < 1e-11);
    if (Law::form == LawForm::energy) CHECK(own > 0.0);
  }
};

Structure cluster(int n) {
  RandomStream random(6);
  Structure s;
  for (int i = 0; i < n; ++i) {
    s.positions.push_back(
        {{1.9 * (i % 3) + 0.3 * random.normal(), 1.9 * (i / 3 % 3) + 0.3 * random.normal(),
          1.9 * (i / 9) + 0.3 * random.normal()}});
    s.atomic_numbers.push_back(1);
  }
  return s;
}

// With patches of all atoms the short-ranged part is inverted exactly, with an aggregate per atom
// the smooth part is: then M⁻¹ itself comes out, bonds, dipoles and widths included.
template <class Law>
void check_exact(const Law& law) {
  Linear<Law, Direct> system(law, Direct(), cluster(14), 20.0);
  TwoLevelInverse<double>::Options options;
  options.patches = {20.0, 3, 14, 14};
  options.aggregates.atoms = options.aggregates.least = 1;
  for (const double smoothness : {0.0, 2.0}) {  // Å of atoms: at least 1.5 of the widest
    options.aggregates.smoothness = smoothness;
    system.build(options);
    // Rounding times condition numbers of some hundred.
    CHECK(system.error(false) < 1e-10);
    CHECK(system.error(true) < 1e-10);
  }
  options.aggregates.least = 1000;  // patches alone
  system.build(options);
  CHECK(system.error(false) < 1e-10);
  system.check_transpose();
}

template <class Law>
void check_transposes(const Law& law) {
  TwoLevelInverse<double>::Options options;
  options.patches = {4.0, 3, 8, 6};
  options.aggregates.atoms = 6;
  Structure s = cluster(36);
  {
    Linear<Law, Direct> open(law, Direct(), s, 4.0);
    open.build(options);
    open.check_transpose();
    CHECK(open.error(false) < 0.5);  // worth having: zero would have 1
  }
  s.cell.vectors = {{6.1, 0, 0, 0.4, 5.9, 0, 0, 0.3, 8.2}};
  s.cell.periodic = {true, true, true};
  ReciprocalOptions reciprocal;
  reciprocal.accuracy = 1e-6;
  reciprocal.background = Background::uniform;
  Linear<Law, Reciprocal> bulk(law, Reciprocal(reciprocal), s, 4.0);
  bulk.build(options);
  bulk.check_transpose();
}

// ChargeInverse of M = K + hardness + second derivatives, for charges of some atoms in open space.
struct Charges {
  Geometry<double> geometry;
  std::vector<double> widths, hardness, local;
  Direct::Plan<double> plan;
  ChargeInverse<double> inverse;

  Charges(int n, double cutoff, const ChargeInverse<double>::Options& options) {
    const Structure s = cluster(n);
    NeighborList list;
    list.build(s, cutoff, 0.0);
    make_geometry(s, list, geometry);
    RandomStream random(8);
    for (int i = 0; i < n; ++i) {
      widths.push_back(random.uniform(0.7, 1.2));
      hardness.push_back(random.uniform(0.5, 1.5));
      local.push_back(random.uniform(0.1, 0.5));
    }
    Direct().plan<double>(geometry, {0, widths}, 0.0, plan);
    inverse.build(geometry, std::span<const double>(local), std::span<const double>(hardness),
                  widths, options);
  }
  std::vector<double> random_vector(std::uint64_t seed) const {
    RandomStream random(seed);
    std::vector<double> x(widths.size());
    for (double& value : x) value = random.normal();
    return x;
  }
  std::vector<double> apply(const std::vector<double>& x) const {
    std::vector<double> out(x.size());
    inverse.apply(x, out);
    return out;
  }
  double error() const {  // ‖B M x − x‖/‖x‖
    const std::vector<double> x = random_vector(1);
    std::vector<double> image(x.size());
    Direct().apply<double>(plan, x, image);
    for (std::size_t i = 0; i < x.size(); ++i) image[i] += (hardness[i] + local[i]) * x[i];
    const std::vector<double> back = apply(image);
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      difference += (back[i] - x[i]) * (back[i] - x[i]);
      size += x[i] * x[i];
    }
    return std::sqrt(difference / size);
  }
};

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// A metal with polarizable atoms: charges and dipoles follow the potential linearly.
struct Metal {
  static constexpr LawForm form = LawForm::response;
  static constexpr bool quadratic = true;
  static constexpr int atom_size() { return 2; }  // softness, polarizability
  static constexpr int bond_size() { return 0; }
  template <class T>
  T atom(const T* c, const T* x, T* dx, T* dc) const {
    T value{};
    for (int m = 0; m < 4; ++m) {
      const int k = m == 0 ? 0 : 1;
      value += c[k] * x[m] * x[m] * 0.5;
      dx[m] += c[k] * x[m];
      if (dc) dc[k] += x[m] * x[m] * 0.5;
    }
    return value;
  }
  template <class T>
  T bond(const T*, const T*, const T*, T*, T*, T*) const {
    return T{};
  }
};

// How often K is applied for a slab of side² · 4 atoms in a field along its normal.
template <class Law>
int applications(const Law& law, int side) {
  constexpr std::size_t size = Law::form == LawForm::energy ? 1 : 4;
  Structure s;
  RandomStream random(3);
  for (int i = 0; i < 4 * side * side; ++i) {
    Vector3<double> r{{2.6 * (i / 4 / side), 2.6 * (i / 4 % side), 2.6 * (i % 4)}};
    for (int a = 0; a < 3; ++a) r[a] += 0.1 * random.normal();
    s.positions.push_back(r);
    s.atomic_numbers.push_back(1);
  }
  const std::size_t n = s.size();
  const std::vector<double> widths(n, 0.8);
  NeighborList list;
  list.build(s, 6.5, 0.0);
  Geometry<double> g;
  make_geometry(s, list, g);
  const Direct solver;
  Direct::Plan<double> plan;
  solver.plan<double>(g, {size == 1 ? 0 : 1, widths}, 0.0, plan);
  SiteCoefficients<double> c;
  c.assign(size * n, n * static_cast<std::size_t>(law.atom_size()), 0, true);
  std::vector<double> external(size * n);
  for (std::size_t i = 0; i < n; ++i) {
    c.chi[i * size] = 0.3 * random.normal();
    external[i * size] = -0.3 * s.positions[i][2];
    for (std::size_t k = 0; k < c.atoms.size() / n; ++k)
      c.atoms[2 * i + k] = k == 0 ? random.uniform(2.0, 4.0) : random.uniform(0.05, 0.1);
  }
  ScfOptions options;
  options.dense_limit = 0;
  options.tolerance = 1e-8;
  SelfConsistencyTape<Law, double> tape;
  tape.density.constraints.group.assign(n, 0);
  tape.density.constraints.charge = {0.0};
  using Engine = SelfConsistency<Law, Direct, double>;
  const typename Engine::System system{law,    solver, plan, plan,     g,
                                       widths, size,   c,    external, options};
  Engine(system, tape).solve();
  CHECK(tape.density.outcome.status == ScfStatus::converged);
  return tape.density.outcome.operator_applications;
}

}  // namespace

TEST_CASE("the two-level inverse is exact where its parts are", "[scf]") {
  check_exact(ConvexLaw<LawForm::energy>{});
  check_exact(ConvexLaw<LawForm::response>{});
  check_exact(MapLaw{});
  check_exact(MapLaw{{0.9, 1.8}});
}

TEST_CASE("the transpose of the two-level inverse is its transpose", "[scf]") {
  check_transposes(ConvexLaw<LawForm::energy>{});
  check_transposes(ConvexLaw<LawForm::response>{});
  check_transposes(MapLaw{});
  check_transposes(MapLaw{{0.9, 1.8}});
}

TEST_CASE("the inverse for charges alone is exact where its parts are", "[scf]") {
  ChargeInverse<double>::Options options;
  options.patches = {20.0, 3, 14};
  options.aggregates.atoms = options.aggregates.least = 1;
  options.growth = 1000.0;
  // Floats' rounding times condition numbers of some ten.
  CHECK(Charges(14, 20.0, options).error() < 1e-5);
  options.aggregates.least = 1000;  // patches alone
  CHECK(Charges(14, 20.0, options).error() < 1e-5);
}

TEST_CASE("the inverse for charges alone is symmetric, positive and worth having", "[scf]") {
  ChargeInverse<double>::Options options;
  options.patches = {4.0, 3, 8};
  options.aggregates.atoms = 6;
  const Charges system(37, 4.0, options);  // the last batch of patches is not full
  CHECK(system.error() < 0.5);
  const std::vector<double> x = system.random_vector(2), y = system.random_vector(3);
  CHECK(std::abs(product(y, system.apply(x)) - product(x, system.apply(y))) < 1e-5);
  CHECK(product(x, system.apply(x)) > 0.0);
  // Any scale: residuals become small.
  std::vector<double> tiny = x;
  for (double& value : tiny) value *= 1e-60;
  CHECK(std::abs(product(y, system.apply(tiny)) * 1e60 - product(y, system.apply(x))) < 1e-5);
}

TEST_CASE("a history of densities continues polynomials and oscillations", "[scf]") {
  DensityHistory<double> line, curve, wave;
  const auto at = [](int step, double a, double b, double frequency) {
    const double t = 0.1 * step;
    std::vector<double> p;
    for (int i = 0; i < 5; ++i)
      p.push_back(i + a * i * t + b * (i - 2.0) * t * t +
                  (frequency > 0 ? std::cos(frequency * t + i) : 0.0));
    return p;
  };
  std::vector<double> p(5);
  const auto error = [&](const DensityHistory<double>& history, const std::vector<double>& next) {
    history.predict(p);
    double largest = 0;
    for (std::size_t i = 0; i < p.size(); ++i)
      largest = std::max(largest, std::abs(p[i] - next[i]));
    return largest;
  };
  for (int step = 0; step < 8; ++step) {
    line.add(at(step, 0.3, 0, 0));
    curve.add(at(step, 0.3, 0.2, 0));
    wave.add(at(step, 0, 0, 7.0));
    if (step == 1) CHECK(error(line, at(2, 0.3, 0, 0)) < 1e-14);
  }
  CHECK(error(line, at(8, 0.3, 0, 0)) < 1e-12);
  // Of the order of the damping of the fit, 1e-13, times its condition number.
  CHECK(error(curve, at(8, 0.3, 0.2, 0)) < 1e-8);
  CHECK(error(wave, at(8, 0, 0, 7.0)) < 1e-8);
  line.clear();
  CHECK(line.size() == 0);
  line.add(at(0, 0.3, 0, 0));
  CHECK(error(line, at(0, 0.3, 0, 0)) == 0.0);
}

TEST_CASE("iterations do not grow with a metal slab", "[scf]") {
  // Patches alone take 7 applications of K for 144 atoms and 11 for 2304.
  CHECK(applications(QuadraticLaw{}, 6) <= 7);
  CHECK(applications(QuadraticLaw{}, 24) <= 8);
  // A response with dipoles; larger ones by at most what the residual's norm gains with size.
  const int few = applications(Metal{}, 6);
  CHECK(few <= 16);
  CHECK(applications(Metal{}, 18) <= few + 2);
}

TEST_CASE("a preconditioner serves several steps until it is a bad one", "[scf]") {
  // Without hardness and bulk-like: not solved by the preconditioner alone.
  Structure s = cluster(60);
  const std::size_t n = s.size();
  const std::vector<double> widths(n, 0.8), external(n, 0.0);
  SiteCoefficients<double> c;
  c.assign(n, 0, 0, true);
  RandomStream random(4);
  for (std::size_t i = 0; i < n; ++i) c.chi[i] = random.normal();
  const Direct solver;
  Direct::Plan<double> plan;
  NeighborList list;
  Geometry<double> g;
  ScfOptions options;
  options.dense_limit = 0;
  options.tolerance = 1e-9;
  using Engine = SelfConsistency<QuadraticLaw, Direct, double>;
  SelfConsistencyTape<QuadraticLaw, double> warm, cold;
  for (auto* tape : {&warm, &cold}) {
    tape->density.constraints.group.assign(n, 0);
    tape->density.constraints.charge = {0.5};
  }
  const auto solve = [&](bool is_warm) {
    options.warm_start = is_warm;
    auto& tape = is_warm ? warm : cold;
    Engine({QuadraticLaw{}, solver, plan, plan, g, widths, 1, c, external, options}, tape).solve();
    CHECK(tape.density.outcome.status == ScfStatus::converged);
  };
  const auto check_step = [&] {
    list.build(s, 4.0, 0.0);
    make_geometry(s, list, g);
    solver.plan<double>(g, {0, widths}, 0.0, plan);
    solve(true);
    solve(false);
    // The residual of 1e-9 V through a softness of some units.
    for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(warm.p[i] - cold.p[i]) < 1e-8);
  };
  for (int step = 0; step < 4; ++step) {
    for (auto& r : s.positions)
      for (int a = 0; a < 3; ++a) r[a] += 0.002 * random.normal();
    check_step();
    CHECK(warm.density.response.inverse_uses == step + 1);
    CHECK(cold.density.response.inverse_uses == 1);
  }
  CHECK(warm.density.outcome.operator_applications < cold.density.outcome.operator_applications);
  // Another structure of as many atoms: right, and soon with a preconditioner of its own.
  std::reverse(s.positions.begin(), s.positions.end());
  std::swap_ranges(s.positions.begin(), s.positions.begin() + 10, s.positions.begin() + 31);
  check_step();
  check_step();
  CHECK(warm.density.response.inverse_uses == 1);
}

}  // namespace preconditioner_test
