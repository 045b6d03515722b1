// SPDX-License-Identifier: MIT
#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/charge/polar_recursion.hpp>
#include <leyden/electrostatics/reciprocal.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <string>

namespace polar_test {

// Laws and derivatives of the recursion, on random features in a small skew cell.
namespace {

using namespace leyden;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

const std::vector<int> numbers{8, 1};
const std::vector<int> species{0, 1, 1, 0};
constexpr FeatureShape shape{5, 1, HarmonicFrame::yzx};  // 5: not a whole number of packs
constexpr int layers = 2;

PolarRecursionOptions small_options() {
  PolarRecursionOptions o;
  o.widths = std::vector<double>{0.9, 0.7};
  o.feature_widths = {0.8, 1.3};
  o.feature_norms = {4.0, 3.0, 0.5, 0.7};
  o.fukui_width = 3;
  o.step_hidden = {7, 6};
  o.readout_channels = 3;
  o.energy_hidden = {9};
  o.initial_weights = 1.0;
  return o;
}

Structure small_structure() {
  Structure s;
  s.atomic_numbers = {8, 1, 1, 8};
  s.positions = {{{0.1, 0.2, 0.3}}, {{1.1, 0.1, 0.5}}, {{0.2, 1.4, 1.2}}, {{2.0, 1.9, 1.6}}};
  s.cell.vectors = {{4.1, 0.2, 0.0, -0.3, 3.8, 0.4, 0.5, 0.1, 4.4}};
  s.cell.periodic = {true, true, true};
  s.total_charge = 1.0;
  s.spin_multiplicity = 2.0;
  s.external_field = {{0.3, -0.2, 0.4}};
  return s;
}

Reciprocal small_solver() {
  ReciprocalOptions o;
  o.k_cutoff = 5.0;
  o.background = Background::uniform;
  return Reciprocal(o);
}

// Features, one number after the other: (layer, atom, channel, lm).
std::size_t feature_count() { return layers * species.size() * 5 * 4; }
template <class Visit>
void for_each_feature(Visit&& visit) {
  std::size_t at = 0;
  for (std::size_t t = 0; t < layers; ++t)
    for (int i = 0; i < static_cast<int>(species.size()); ++i)
      for (int c = 0; c < shape.channels; ++c)
        for (int lm = 0; lm < shape.lm_count(); ++lm) visit(t, i, c, lm, at++);
}
std::vector<double> random_features(std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<double> h(feature_count());
  for (double& x : h) x = random.normal();
  return h;
}
template <Number T>
std::vector<FeatureArray<T>> feature_arrays() {
  std::vector<FeatureArray<T>> out(layers);
  for (auto& f : out) {
    f.resize(static_cast<int>(species.size()), shape);
    f.set_zero();
  }
  return out;
}

template <int L, FieldImages images = FieldImages::as_given>
struct Fixture {
  static constexpr std::size_t size = static_cast<std::size_t>((L + 1) * (L + 1));
  PolarRecursion<L, images> model;
  ParameterLayout layout;
  std::vector<double> parameters;
  Reciprocal solver = small_solver();

  explicit Fixture(const PolarRecursionOptions& options = small_options(), std::uint64_t seed = 5)
      : model(options) {
    model.declare(layout, std::vector<FeatureShape>(layers, shape), numbers);
    parameters = layout.initial_values(seed);
    // Biases and norms start at constants: move them, so that every parameter matters.
    RandomStream random(seed + 1);
    for (double& p : parameters) p += 0.1 * random.normal();
    model.prepare(parameters);
  }
};

// One evaluation and what its adjoint gives, for Σ weight·p + energy weight · Σ energies.
template <int L, Number T, FieldImages images = FieldImages::as_given>
struct Run {
  using Model = Fixture<L, images>;
  Geometry<T> geometry;
  std::vector<FeatureArray<T>> features = feature_arrays<T>();
  std::vector<FeatureArray<T>> features_bar = feature_arrays<T>();
  std::vector<double> widths;
  std::vector<T> p, energies, p_bar;
  std::vector<double> parameters_bar;  // of duals the tangents
  T energy_bar{};
  GeometryGradient<T> gradient;
  Reciprocal::Plan<T> plan;
  typename PolarRecursion<L, images>::template Tape<T> tape;
  Vector3<T> field, field_bar;
  T charge{};

  void start(const Model& f, const Structure& s, const std::vector<double>& h) {
    const std::size_t n = s.size();
    NeighborList list;
    list.build(s, 1.0);
    make_geometry(s, list, geometry);
    for_each_feature([&](std::size_t t, int i, int c, int lm, std::size_t at) {
      features[t].set(i, c, lm, T(static_cast<RealOf<T>>(h[at])));
    });
    for (int a = 0; a < 3; ++a) field[a] = T(static_cast<RealOf<T>>(s.external_field[a]));
    charge = T(static_cast<RealOf<T>>(s.total_charge));
    widths.resize(n);
    f.model.widths(species, widths);
    p.resize(n * Model::size);
    energies.resize(n);
    p_bar.resize(p.size());
    for (std::size_t k = 0; k < p_bar.size(); ++k)
      p_bar[k] = T(static_cast<RealOf<T>>(std::cos(1.0 + 2.3 * static_cast<double>(k))));
    energy_bar = T(RealOf<T>(0.7));
  }
  ChargeInput<T> input(const Structure& s) const {
    return {features, species, charge, field, &s, &geometry};
  }
  void forward(const Model& f, const Structure& s) {
    f.solver.template plan<T>(geometry, SourceShape{L, widths}, charge, plan);
    f.model.template forward<T>(input(s), f.solver, plan, std::span<T>(p), std::span<T>(energies),
                                tape);
  }
  void backward(const Model& f, const Structure& s) {
    parameters_bar.assign(f.parameters.size(), 0.0);
    for (auto& b : features_bar) b.set_zero();
    gradient.reset(s.size());
    field_bar = {};
    f.model.template backward<T>(input(s), f.solver, plan, std::span<const T>(p_bar), energy_bar,
                                 tape, {features_bar, {}, parameters_bar, &gradient, &field_bar});
  }
  T objective() const {
    T sum{};
    for (std::size_t k = 0; k < p.size(); ++k) sum += p_bar[k] * p[k];
    for (const T& e : energies) sum += energy_bar * e;
    return sum;
  }
};

template <int L>
double objective(const Fixture<L>& f, const Structure& s, const std::vector<double>& h) {
  Run<L, double> run;
  run.start(f, s, h);
  run.forward(f, s);
  return run.objective();
}

// A direction in the space of positions, strains, features and parameters.
struct Direction {
  std::vector<Vector3<double>> positions;
  Matrix3<double> strain{};
  Vector3<double> field{};
  std::vector<double> features, parameters;
};
Direction random_direction(std::size_t n_parameters, std::uint64_t seed) {
  RandomStream random(seed);
  Direction d;
  d.positions.resize(species.size());
  for (auto& r : d.positions)
    for (int a = 0; a < 3; ++a) r[a] = random.normal();
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b <= a; ++b) d.strain(a, b) = d.strain(b, a) = 0.3 * random.normal();
  for (int a = 0; a < 3; ++a) d.field[a] = random.normal();
  d.features.resize(feature_count());
  for (double& x : d.features) x = random.normal();
  d.parameters.resize(n_parameters);
  for (double& x : d.parameters) x = random.normal();
  return d;
}

// Everything moved by `step` along the direction. Strain leaves the field.
template <int L>
void move(Fixture<L>& f, Structure& s, std::vector<double>& h, const Direction& d, double step) {
  Matrix3<double> deformation = Matrix3<double>::identity();
  for (std::size_t k = 0; k < 9; ++k) deformation.data[k] += step * d.strain.data[k];
  s.cell.vectors = s.cell.vectors * deformation;
  for (std::size_t i = 0; i < s.size(); ++i)
    s.positions[i] = s.positions[i] * deformation + d.positions[i] * step;
  s.external_field += d.field * step;
  for (std::size_t k = 0; k < h.size(); ++k) h[k] += step * d.features[k];
  for (std::size_t k = 0; k < f.parameters.size(); ++k) f.parameters[k] += step * d.parameters[k];
  f.model.prepare(f.parameters);
}

template <int L, Number T>
T along(const Run<L, T>& run, const Direction& d) {
  T sum{};
  for (int a = 0; a < 3; ++a) sum += run.field_bar[a] * d.field[a];
  for (std::size_t i = 0; i < d.positions.size(); ++i)
    for (int a = 0; a < 3; ++a) sum += run.gradient.positions[i][a] * d.positions[i][a];
  for (std::size_t k = 0; k < 9; ++k) sum += run.gradient.strain.data[k] * d.strain.data[k];
  for_each_feature([&](std::size_t t, int i, int c, int lm, std::size_t at) {
    sum += run.features_bar[t].get(i, c, lm) * d.features[at];
  });
  for (std::size_t k = 0; k < d.parameters.size(); ++k) {
    const double part = run.parameters_bar[k] * d.parameters[k];
    if constexpr (is_dual_v<T>)
      sum.tangent += part;
    else
      sum += part;
  }
  return sum;
}

template <int L>
void check_derivatives(const PolarRecursionOptions& options) {
  const Fixture<L> f(options);
  const Structure s = small_structure();
  const std::vector<double> h = random_features(3);
  Direction d = random_direction(f.parameters.size(), 11);

  Run<L, double> run;
  run.start(f, s, h);
  run.forward(f, s);
  run.backward(f, s);
  const double adjoint = along(run, d);

  // Backward may be called again on the same forward.
  const auto first = run.parameters_bar;
  run.backward(f, s);
  CHECK(first == run.parameters_bar);

  // Central differences of fourth order: truncation step⁴ ~ 1e-14 relative to derivatives of order
  // five, rounding 1e-16·|L|/step.
  const double step = 5e-5;
  const auto moved = [&](double by) {
    Fixture<L> g(options);
    Structure t = s;
    std::vector<double> k = h;
    move(g, t, k, d, by);
    return objective(g, t, k);
  };
  const double difference =
      (8.0 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12.0 * step);
  CHECK(std::abs(adjoint - difference) < 1e-8 * std::max(1.0, std::abs(adjoint)));

  // Each part alone, so that none hides behind another.
  for (int part = 0; part < 5; ++part) {
    Direction one = d;
    if (part != 0)
      for (auto& r : one.positions) r = {};
    if (part != 1) one.strain = {};
    if (part != 2) std::fill(one.features.begin(), one.features.end(), 0.0);
    if (part != 4) one.field = {};
    if (part != 3) std::fill(one.parameters.begin(), one.parameters.end(), 0.0);
    INFO("part " << part);
    const auto by = [&](double x) {
      Fixture<L> g(options);
      Structure t = s;
      std::vector<double> k = h;
      move(g, t, k, one, x);
      return objective(g, t, k);
    };
    const double expected =
        (8.0 * (by(step) - by(-step)) - (by(2 * step) - by(-2 * step))) / (12.0 * step);
    const double got = along(run, one);
    CHECK(std::abs(got) > 1e-3);
    CHECK(std::abs(got - expected) < 1e-8 * std::max(1.0, std::abs(expected)));
  }

  // Dual numbers: parameters are real, so the direction moves the rest.
  std::fill(d.parameters.begin(), d.parameters.end(), 0.0);
  Run<L, Dual<double>> dual;
  dual.start(f, s, h);
  NeighborList list;
  list.build(s, 1.0);
  make_geometry(s, list, dual.geometry, std::span<const Vector3<double>>(d.positions), &d.strain);
  for_each_feature([&](std::size_t t, int i, int c, int lm, std::size_t at) {
    dual.features[t].set(i, c, lm, Dual<double>{h[at], d.features[at]});
  });
  for (int a = 0; a < 3; ++a) dual.field[a].tangent = d.field[a];
  dual.forward(f, s);
  CHECK(std::abs(dual.objective().tangent - along(run, d)) <
        1e-12 * std::max(1.0, std::abs(along(run, d))) * 100);  // sums of 1e3 terms

  // The adjoint on duals: second derivatives, among them those of forces by parameters.
  dual.backward(f, s);
  Direction other = random_direction(f.parameters.size(), 12);
  const auto slope = [&](double by) {
    Fixture<L> g(options);
    Structure t = s;
    std::vector<double> k = h;
    move(g, t, k, d, by);
    Run<L, double> r;
    r.start(g, t, k);
    r.forward(g, t);
    r.backward(g, t);
    // dE/dε at the moved point is with respect to a further strain, while `dual` differentiates the
    // same adjoint: both are the adjoint's own numbers, so they may be compared one by one.
    return along(r, other);
  };
  const double second =
      (8.0 * (slope(step) - slope(-step)) - (slope(2 * step) - slope(-2 * step))) / (12.0 * step);
  CHECK(std::abs(along(dual, other).tangent - second) <
        1e-7 * std::max(1.0, std::abs(second)));  // rounding of gradients / step
  // Gradients by parameters keep no value (gradient_part), all others do.
  std::fill(other.parameters.begin(), other.parameters.end(), 0.0);
  CHECK(std::abs(along(dual, other).value - along(run, other)) <
        1e-10 * std::max(1.0, std::abs(along(run, other))));
}

}  // namespace

TEST_CASE("the recursion's adjoint agrees with differences and dual numbers", "[charge]") {
  check_derivatives<1>(small_options());
  PolarRecursionOptions o = small_options();
  o.fukui = FukuiShares::signed_sum;
  o.shared_steps = true;
  o.feature_self = SelfInteraction::included;
  check_derivatives<1>(o);
  o.feature_l_max = 1;
  o.local_electron_energy = false;
  o.shared_steps = false;
  o.steps = 3;
  check_derivatives<0>(o);
}

TEST_CASE("each spin density holds its number of electrons after every step", "[charge]") {
  for (const FukuiShares shares : {FukuiShares::positive, FukuiShares::signed_sum}) {
    PolarRecursionOptions o = small_options();
    o.fukui = shares;
    const Fixture<1> f(o);
    Structure s = small_structure();
    s.total_charge = -2.0;
    s.spin_multiplicity = 3.0;
    Run<1, double> run;
    run.start(f, s, random_features(4));
    run.forward(f, s);
    CHECK(run.tape.stages.size() == 3);
    for (const auto& stage : run.tape.stages)
      for (std::size_t spin = 0; spin < 2; ++spin) {
        double q = 0.0, scale = 1.0;
        for (std::size_t i = 0; i < species.size(); ++i) {
          q += stage.density[spin][4 * i];
          scale = std::max(scale, std::abs(stage.density[spin][4 * i]));
        }
        // (−2 + 2)/2 and (−2 − 2)/2; rounding of a few sums
        CHECK_THAT(q, WithinAbs(spin == 0 ? 0.0 : -2.0, 1e-14 * scale));
      }
    for (std::size_t k = 0; k < run.p.size(); ++k)
      CHECK(run.p[k] == run.tape.spin_density(0)[k] + run.tape.spin_density(1)[k]);
  }
}

TEST_CASE("the recursion carries the tangent of the total charge", "[charge]") {
  const Fixture<1> f;
  Structure s = small_structure();
  const std::vector<double> h = random_features(4);
  Run<1, Dual<double>> run;
  run.start(f, s, h);
  run.charge.tangent = 1.0;
  run.forward(f, s);
  const double step = 1e-4;
  s.total_charge += step;
  const double up = objective(f, s, h);
  s.total_charge -= 2.0 * step;
  const double down = objective(f, s, h);
  // truncation step², rounding 1e-16/step
  CHECK_THAT(run.objective().tangent, WithinAbs((up - down) / (2.0 * step), 1e-5));
  CHECK(std::abs(run.objective().tangent) > 0.1);
}

TEST_CASE("Fukui numbers that cancel are harmless where they are guarded", "[charge]") {
  IrrepRows<double> rows;
  rows.resize(2, {2});
  for (int s = 0; s < 2; ++s) {
    rows.set(0, 0, 0, s, 1.5);
    rows.set(0, 1, 0, s, -1.5);
  }
  const auto project = [&](FukuiShares shares) {
    SpinDensities<double> density{std::vector<double>{0.1, 0.2}, std::vector<double>{0.0, 0.0}};
    SpinProjectionTape<double> tape;
    project_spins(rows, 0, shares, {1.0, 1.0}, 1, density, tape);
    return density;
  };
  // A sum of exactly zero divides by one: nothing is said to be shared, charge is not conserved.
  const auto raw = project(FukuiShares::signed_sum);
  CHECK_THAT(raw[0][0], WithinAbs(0.1 + 0.7 * 1.5, 1e-15));
  CHECK_THAT(raw[0][1], WithinAbs(0.2 - 0.7 * 1.5, 1e-15));
  const auto guarded = project(FukuiShares::positive);
  const double share = softplus(1.5) / (softplus(1.5) + softplus(-1.5));
  CHECK_THAT(guarded[0][0], WithinAbs(0.1 + 0.7 * share, 1e-15));
  CHECK_THAT(guarded[1][0] + guarded[1][1], WithinAbs(1.0, 1e-15));
}

namespace {

// x → x·R for row vectors; multipoles and l = 1 features are ordered (y, z, x).
Matrix3<double> some_rotation() {
  const double a = 0.7, b = -1.1;
  const Matrix3<double> z{{std::cos(a), std::sin(a), 0, -std::sin(a), std::cos(a), 0, 0, 0, 1}};
  const Matrix3<double> x{{1, 0, 0, 0, std::cos(b), std::sin(b), 0, -std::sin(b), std::cos(b)}};
  return z * x;
}
Vector3<double> rotated_vector(const Vector3<double>& yzx, const Matrix3<double>& rotation) {
  const Vector3<double> v = Vector3<double>{{yzx[2], yzx[0], yzx[1]}} * rotation;
  return {{v[1], v[2], v[0]}};
}
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double d = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) d = std::max(d, std::abs(a[k] - b[k]));
  return d;
}

}  // namespace

TEST_CASE("the recursion turns with the structure and does not see where it stands", "[charge]") {
  const Fixture<1> f;
  const Structure s = small_structure();
  const std::vector<double> h = random_features(7);
  Run<1, double> run;
  run.start(f, s, h);
  run.forward(f, s);
  // Sums over 400 wave vectors in another order, through three layers of networks.
  constexpr double tolerance = 1e-11;

  Structure turned = s;
  const Matrix3<double> rotation = some_rotation();
  turned.cell.vectors = s.cell.vectors * rotation;
  turned.external_field = s.external_field * rotation;
  for (auto& r : turned.positions)
    r = r * rotation + Vector3<double>{{3.0, -1.0, 2.0}};  // moved as well
  std::vector<double> turned_h = h;
  for (std::size_t k = 0; k < h.size(); k += 4) {
    const Vector3<double> v = rotated_vector({{h[k + 1], h[k + 2], h[k + 3]}}, rotation);
    for (int m = 0; m < 3; ++m) turned_h[k + 1 + static_cast<std::size_t>(m)] = v[m];
  }
  Run<1, double> other;
  other.start(f, turned, turned_h);
  other.forward(f, turned);
  std::vector<double> expected = run.p;
  for (std::size_t k = 0; k < expected.size(); k += 4) {
    const Vector3<double> v =
        rotated_vector({{run.p[k + 1], run.p[k + 2], run.p[k + 3]}}, rotation);
    for (int m = 0; m < 3; ++m) expected[k + 1 + static_cast<std::size_t>(m)] = v[m];
  }
  CHECK(difference(other.p, expected) < tolerance);
  CHECK(difference(other.energies, run.energies) < tolerance);
  CHECK(difference(other.p, run.p) > 0.01);

  // Atoms 1 and 2 are of the same species.
  Structure swapped = s;
  std::swap(swapped.positions[1], swapped.positions[2]);
  std::vector<double> swapped_h = h;
  const std::size_t per_atom = 20;
  for (std::size_t t = 0; t < layers; ++t)
    for (std::size_t k = 0; k < per_atom; ++k)
      std::swap(swapped_h[(4 * t + 1) * per_atom + k], swapped_h[(4 * t + 2) * per_atom + k]);
  other.start(f, swapped, swapped_h);
  other.forward(f, swapped);
  expected = run.p;
  for (std::size_t m = 0; m < 4; ++m) std::swap(expected[4 + m], expected[8 + m]);
  CHECK(difference(other.p, expected) < tolerance);
}

TEST_CASE("rows of features do not depend on their frame", "[charge]") {
  FeatureArray<double> yzx, xyz;
  yzx.resize(2, {3, 2, HarmonicFrame::yzx});
  xyz.resize(2, {3, 2, HarmonicFrame::xyz});
  yzx.set_zero();
  xyz.set_zero();
  for (int lm = 0; lm < 9; ++lm) {
    const int other[9] = {0, 2, 3, 1, 4, 5, 6, 7, 8};  // of y, z, x in (x, y, z)
    yzx.set(1, 2, lm, 10.0 + lm);
    xyz.set(1, 2, other[lm], 10.0 + lm);
  }
  IrrepRows<double> a, b;
  load_rows(yzx, a);
  load_rows(xyz, b);
  CHECK(a.get(1, 1, 0, 2) == 11.0);
  for (int l = 0; l <= 2; ++l)
    for (int m = 0; m <= 2 * l; ++m) CHECK(a.get(l, 1, m, 2) == b.get(l, 1, m, 2));
  add_rows(a, xyz);
  for (int lm = 0; lm < 9; ++lm)
    CHECK(xyz.get(1, 2, lm) == 2.0 * (lm == 1   ? 13.0
                                      : lm == 2 ? 11.0
                                      : lm == 3 ? 12.0
                                                : 10.0 + lm));
}

TEST_CASE("a field between its planes does not see the image of an atom", "[charge]") {
  const std::vector<double> h = random_features(7);
  Structure s = small_structure();
  s.cell.vectors = {{4.1, 0, 0, 0, 3.8, 0, 0, 0, 12.0}};
  s.external_field = {{0.0, 0.0, 0.4}};
  s.field_jump[2] = 0.6;
  Structure moved = s;
  moved.positions[1] += s.cell.vectors.row(2);
  const auto change = [&]<FieldImages images>() {
    const Fixture<1, images> f;
    const auto density = [&](const Structure& at) {
      Run<1, double, images> run;
      run.start(f, at, h);
      run.forward(f, at);
      return run.p;
    };
    return difference(density(s), density(moved));
  };
  CHECK(change.template operator()<FieldImages::between_planes>() < 1e-11);  // rounding of phases
  CHECK(change.template operator()<FieldImages::as_given>() > 1e-4);
}

TEST_CASE("shared steps are one map, and where they end is its fixed point", "[charge]") {
  PolarRecursionOptions o = small_options();
  o.shared_steps = true;
  // No norms: the map is smooth and nearly linear. With this seed it happens to contract.
  o.step_hidden = {};
  o.initial_weights = 0.3;
  const Structure s = small_structure();
  const std::vector<double> h = random_features(3);
  const auto stages = [&](int steps) {
    o.steps = steps;
    const Fixture<0> f(o, 131);
    Run<0, double> run;
    run.start(f, s, h);
    run.forward(f, s);
    return run.tape.stages;
  };
  const auto path = stages(200);
  const auto change = [&](std::size_t a, std::size_t b) {
    return std::max(difference(path[a].density[0], path[b].density[0]),
                    difference(path[a].density[1], path[b].density[1]));
  };
  CHECK(change(0, 1) > 0.01);
  CHECK(change(0, 200) > 0.1);
  CHECK(change(199, 200) < 1e-12);
  // Fewer steps are the beginning of the same path.
  const auto shorter = stages(3);
  for (std::size_t k = 0; k < 4; ++k) CHECK(shorter[k].density == path[k].density);

  // Own weights that are all the same are shared weights.
  o.steps = 2;
  o.shared_steps = false;
  Fixture<0> own(o, 131);
  const Fixture<0> shared = [&] {
    PolarRecursionOptions q = o;
    q.shared_steps = true;
    return Fixture<0>(q, 131);
  }();
  for (const auto& info : own.layout.entries()) {
    std::string from = info.name;
    if (const std::size_t at = from.find("step1"); at != std::string::npos) from[at + 4] = '0';
    const Slice source = shared.layout.find(from).slice;
    std::copy_n(shared.parameters.begin() + static_cast<std::ptrdiff_t>(source.offset), source.size,
                own.parameters.begin() + static_cast<std::ptrdiff_t>(info.slice.offset));
  }
  own.model.prepare(own.parameters);
  Run<0, double> run;
  run.start(own, s, h);
  run.forward(own, s);
  CHECK(run.tape.spin_density(0) == path[2].density[0]);
}

TEST_CASE("the recursion in single precision", "[charge]") {
  const Fixture<1> f;
  const Structure s = small_structure();
  const std::vector<double> h = random_features(8);
  Run<1, double> exact;
  exact.start(f, s, h);
  exact.forward(f, s);
  exact.backward(f, s);
  Run<1, float> run;
  run.start(f, s, h);
  run.forward(f, s);
  run.backward(f, s);
  // 1e-7 times the gain of steps whose potentials are of 10 V.
  for (std::size_t k = 0; k < run.p.size(); ++k) CHECK_THAT(run.p[k], WithinAbs(exact.p[k], 3e-5));
  double charge = 0.0;
  for (std::size_t k = 0; k < run.p.size(); k += 4) charge += static_cast<double>(run.p[k]);
  CHECK_THAT(charge, WithinAbs(1.0, 2e-6));
  double difference = 0.0, scale = 0.0;
  for (std::size_t k = 0; k < run.parameters_bar.size(); ++k) {
    difference = std::max(
        difference, std::abs(static_cast<double>(run.parameters_bar[k]) - exact.parameters_bar[k]));
    scale = std::max(scale, std::abs(exact.parameters_bar[k]));
  }
  CHECK(difference < 1e-4 * scale);
}

TEST_CASE("a warm recursion does not allocate and skips what is not asked for", "[charge]") {
  const Fixture<1> f;
  const Structure s = small_structure();
  Run<1, double> run;
  run.start(f, s, random_features(9));
  run.forward(f, s);
  run.backward(f, s);
  const double first_weight = run.features_bar[0].get(1, 2, 3);
  const auto once = [&] {
    run.forward(f, s);
    for (auto& b : run.features_bar) b.set_zero();
    run.gradient.reset(s.size());
    f.model.backward<double>(
        run.input(s), f.solver, run.plan, run.p_bar, run.energy_bar, run.tape,
        {run.features_bar, {}, run.parameters_bar, &run.gradient, &run.field_bar});
  };
  CHECK(leyden_test::allocations_of(once) == 0);

  for (auto& b : run.features_bar) b.set_zero();
  f.model.backward<double>(run.input(s), f.solver, run.plan, run.p_bar, run.energy_bar, run.tape,
                           {run.features_bar, {}, {}, nullptr, nullptr});
  CHECK(run.features_bar[0].get(1, 2, 3) == first_weight);
}

TEST_CASE("the recursion refuses what it cannot be built from", "[charge]") {
  const auto declare = [](const PolarRecursionOptions& o, std::vector<FeatureShape> shapes) {
    ParameterLayout layout;
    PolarRecursion<1>(o).declare(layout, shapes, numbers);
  };
  const std::vector<FeatureShape> good(2, shape);
  PolarRecursionOptions o = small_options();
  CHECK_NOTHROW(declare(o, good));
  CHECK_THROWS_WITH(declare(o, {{5, 1}, {5, 0}}), ContainsSubstring("different irreps"));
  CHECK_THROWS_WITH(declare(o, {{5, 0}, {5, 0}}), ContainsSubstring("up to l = 0"));
  CHECK_THROWS_WITH(declare(o, {}), ContainsSubstring("no layers"));
  o.steps = 0;
  CHECK_THROWS_WITH(declare(o, good), ContainsSubstring("0 steps"));
  o = small_options();
  o.feature_norms = {1.0};
  CHECK_THROWS_WITH(declare(o, good), ContainsSubstring("give 4"));
  o.feature_norms = {1.0, 1.0, 0.0, 1.0};
  CHECK_THROWS_WITH(declare(o, good), ContainsSubstring("divides"));
  o = small_options();
  o.feature_widths = {};
  CHECK_THROWS_WITH(declare(o, good), ContainsSubstring("no feature_widths"));
  o = small_options();
  o.feature_l_max = 2;
  CHECK_THROWS_WITH(declare(o, good), ContainsSubstring("l_max = 2"));
  o = small_options();
  o.step_hidden = {4, 0};
  CHECK_THROWS_WITH(declare(o, good), ContainsSubstring("hidden layer"));
}

}  // namespace polar_test
