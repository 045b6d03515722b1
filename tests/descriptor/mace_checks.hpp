// SPDX-License-Identifier: MIT
#pragma once

#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/core/error.hpp>
#include <leyden/descriptor/mace.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>

// What any MACE, and any ACE, must keep: derivatives, symmetries, floats, threads, memory.
namespace leyden_test {

using namespace leyden;

template <class Model>
MaceOptions options_of(int variant) {
  constexpr bool nonlinear = Model::shape.interaction == MaceInteraction::nonlinear;
  MaceOptions o;
  o.species = {8, 1, 14};
  o.cutoff = 3.2;
  // Gradients by parameters are those of the networks, not of tables: digits are compared.
  o.radial_tolerance = 0.0;
  o.channels = 5;  // no multiple of any number of lanes
  o.layers = 1 + variant % 3;
  o.residual_first = !nonlinear && variant % 2 == 1;
  if (nonlinear) {
    o.edge_channels = variant == 1 ? 0 : 3;
    o.smooth_cutoff = variant % 2 == 0;
    o.agnostic_product = variant != 3;
    o.keep_last_irreps = variant != 2;
    o.frame = variant % 2 == 0 ? HarmonicFrame::xyz : HarmonicFrame::yzx;
  }
  if (!nonlinear) {
    o.edge_channels = variant == 2 || variant == 5 ? 3 : 0;
    o.density_normalized = variant >= 2;
    o.envelope_on_messages = variant == 2 || variant == 4;
  }
  o.radial_kind = variant == 3   ? RadialBasis::Kind::chebyshev
                  : variant == 4 ? RadialBasis::Kind::gaussian
                  : variant == 5 ? RadialBasis::Kind::chebyshev_of_distance
                                 : RadialBasis::Kind::bessel;
  if (variant == 2) o.radial_frequencies = {0.9, 2.1, 2.8};
  o.distance_transform.kind = variant == 5   ? DistanceTransform::Kind::agnesi
                              : variant == 2 ? DistanceTransform::Kind::soft
                                             : DistanceTransform::Kind::none;
  if (variant == 2 || variant == 3) o.repulsion = ZblRepulsion{};
  if (variant == 3) o.covalent_radii = {0.8, 0.5, 1.2};
  if (variant == 4 || variant == 5) {
    o.heads = 3;
    o.head = variant == 4 ? 2 : 1;
    o.head_scales = {0.3, 1.4, 0.8};
    o.head_shifts = {0.1, -0.2, 0.3};
  }
  o.radial_count = 3;
  o.radial_hidden = {6, 5};
  o.readout_width = 3;
  o.average_neighbors = 5.0;
  o.atomic_energies = {-2.0, -0.5, -3.0};
  o.scale = 1.3;
  o.shift = 0.2;
  return o;
}

// What the checks build a model from; other descriptors have one of their own.
template <class Model>
struct CheckOptions {
  static MaceOptions of(int variant) { return options_of<Model>(variant); }
};

template <class Model>
struct Setup {
  using R = typename Model::real_type;
  Model model;
  ParameterLayout layout;
  std::vector<double> parameters;

  explicit Setup(int variant) : Setup(CheckOptions<Model>::of(variant)) {}
  explicit Setup(const decltype(CheckOptions<Model>::of(0))& options) : model(options) {
    model.declare(layout);
    parameters = layout.initial_values(7);
    // Nothing may hide behind a zero or a one that weights start with.
    RandomStream random(5);
    for (const auto& p : layout.entries()) {
      const auto ends = [&](const std::string& with) {
        return p.name.size() >= with.size() &&
               p.name.compare(p.name.size() - with.size(), with.size(), with) == 0;
      };
      double* w = parameters.data() + p.slice.offset;
      if (ends("alpha")) w[0] = 2.0;
      if (ends("beta")) w[0] = 0.7;
      if (ends("bias") || ends("norm_weight"))
        for (std::size_t k = 0; k < p.slice.size; ++k) w[k] += 0.3 * random.normal();
    }
    model.prepare(parameters);
  }
};

inline Structure crystal() {
  Structure s;
  s.atomic_numbers = {8, 1, 1, 14, 8};
  s.positions = {{{0.1, 0.2, 0.3}},
                 {{1.0, 0.1, 0.5}},
                 {{-0.3, 1.1, 0.2}},
                 {{2.3, 2.1, 1.9}},
                 {{1.4, 2.9, 0.6}}};
  s.cell.vectors.data = {4.1, 0.0, 0.2, 0.3, 4.4, 0.0, -0.2, 0.5, 4.0};
  s.cell.periodic = {true, true, true};
  return s;
}
inline Structure molecule() {
  Structure s = crystal();
  s.cell = {};
  return s;
}

template <Number T>
Geometry<T> geometry_of(const Structure& s, double cutoff) {
  NeighborList list;
  list.build(s, cutoff);
  Geometry<T> g;
  make_geometry(s, list, g);
  return g;
}
inline Geometry<Dual<double>> moved_geometry(const Structure& s, double cutoff,
                                             const std::vector<Vector3<double>>& displacement,
                                             const Matrix3<double>* strain = nullptr) {
  NeighborList list;
  list.build(s, cutoff);
  Geometry<Dual<double>> g;
  make_geometry<double>(s, list, g, displacement, strain);
  return g;
}

// The functional Σ_i c E_i + Σ h̄·h, h̄ a fixed pattern (or zero): its value and its derivatives.
inline constexpr double energy_factor = 0.7;
inline double pattern(int layer, int atom, int channel, int lm) {
  return 0.3 * std::sin(1.0 + 2.3 * layer + 1.1 * atom + 0.7 * channel + 1.9 * lm);
}
template <Number T, class F>
void each_feature(const std::vector<FeatureArray<T>>& features, F&& f) {
  for (std::size_t k = 0; k < features.size(); ++k)
    for (int i = 0; i < features[k].n_atoms(); ++i)
      for (int c = 0; c < features[k].shape().channels; ++c)
        for (int m = 0; m < features[k].lm_count(); ++m) f(static_cast<int>(k), i, c, m);
}

template <Number T>
struct Result {
  T value{};
  GeometryGradient<T> gradient;
  std::vector<double> parameters;  // of duals the tangents
};
template <class Model, Number T>
T value_of_functional(const Model& model, const Geometry<T>& g,
                      typename Model::template Tape<T>& tape, bool features) {
  using R = RealOf<T>;
  model.forward(g, tape);
  T sum(0);
  for (const T& e : tape.node_energies) sum += e * static_cast<R>(energy_factor);
  if (features)
    each_feature(tape.features, [&](int k, int i, int c, int m) {
      sum += tape.features[static_cast<std::size_t>(k)].get(i, c, m) *
             static_cast<R>(pattern(k, i, c, m));
    });
  return sum;
}
template <class Model, Number T>
Result<T> evaluate(const Model& model, const Geometry<T>& g, typename Model::template Tape<T>& tape,
                   bool features, std::size_t parameters) {
  using R = RealOf<T>;
  Result<T> r;
  r.value = value_of_functional(model, g, tape, features);
  if (features)
    each_feature(tape.features, [&](int k, int i, int c, int m) {
      tape.feature_cotangents[static_cast<std::size_t>(k)].set(
          i, c, m, T(static_cast<R>(pattern(k, i, c, m))));
    });
  r.parameters.assign(parameters, 0.0);
  model.backward(g, tape, T(static_cast<R>(energy_factor)), std::span<double>(r.parameters));
  if (!tape.wants_edges) return r;
  r.gradient.reset(static_cast<std::size_t>(g.n_atoms()));
  add_edge_gradient<T>(g, tape.edge_gradient, r.gradient);
  return r;
}
template <class Model>
Result<double> evaluate(const Setup<Model>& s, const Structure& structure, bool features) {
  typename Model::template Tape<double> tape;
  return evaluate(s.model, geometry_of<double>(structure, s.model.cutoff()), tape, features,
                  s.parameters.size());
}
template <class Model>
double value(const Setup<Model>& s, const Structure& structure, bool features) {
  typename Model::template Tape<double> tape;
  return value_of_functional(s.model, geometry_of<double>(structure, s.model.cutoff()), tape,
                             features);
}
template <class Model>
std::vector<double> node_energies(const Setup<Model>& s, const Structure& structure) {
  typename Model::template Tape<double> tape;
  s.model.forward(geometry_of<double>(structure, s.model.cutoff()), tape);
  return tape.node_energies;
}

inline std::vector<Vector3<double>> displacement(std::size_t n) {
  std::vector<Vector3<double>> d(n);
  RandomStream random(31);
  for (auto& v : d)
    for (int a = 0; a < 3; ++a) v[a] = random.normal();
  return d;
}
inline Structure moved(Structure s, const std::vector<Vector3<double>>& d, double h) {
  for (std::size_t i = 0; i < s.size(); ++i) s.positions[i] += d[i] * h;
  return s;
}
inline Structure strained(Structure s, const Matrix3<double>& e, double h) {
  for (auto& r : s.positions) r += (r * e) * h;
  Matrix3<double> change = s.cell.vectors * e;
  for (std::size_t k = 0; k < 9; ++k) s.cell.vectors.data[k] += h * change.data[k];
  return s;
}

// Central differences: h² times a third derivative (some 100) and rounding 1e-15 · |E| / h, both
// below 1e-8 times the size of what is differentiated; 1e-7 leaves a factor of ten.
inline constexpr double step = 1e-5;
inline constexpr double difference_tolerance = 1e-7;

inline bool near(double a, double b, double scale, double tolerance) {
  const bool ok = std::abs(a - b) <= tolerance * std::max(1.0, scale);
  if (!ok) UNSCOPED_INFO("got " << a << ", expected " << b << ", scale " << scale);
  return ok;
}
inline double size_of(const std::vector<Vector3<double>>& v) {
  double scale = 0.0;
  for (const auto& x : v) scale = std::max(scale, norm(x));
  return scale;
}

inline void check_equal(const std::vector<double>& a, const std::vector<double>& b,
                        double tolerance) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(near(a[i], b[i], std::abs(b[i]), tolerance));
}

template <class Model>
void check_derivatives(int variant, bool features) {
  CAPTURE(variant, features);
  Setup<Model> s(variant);
  const Structure structure = crystal();
  const Result<double> r = evaluate(s, structure, features);
  const double scale = size_of(r.gradient.positions);
  CHECK(scale > 1e-4);

  // Each component by differences, all together by a dual.
  for (std::size_t i = 0; i < structure.size(); i += 2)
    for (int a = 0; a < 3; ++a) {
      std::vector<Vector3<double>> one(structure.size());
      one[i][a] = 1.0;
      const double difference = (value(s, moved(structure, one, step), features) -
                                 value(s, moved(structure, one, -step), features)) /
                                (2 * step);
      CHECK(near(r.gradient.positions[i][a], difference, scale, difference_tolerance));
    }
  using D = Dual<double>;
  const auto d = displacement(structure.size());
  const Matrix3<double> strain{{0.3, -0.2, 0.1, 0.5, -0.4, 0.2, 0.1, -0.6, 0.7}};
  typename Model::template Tape<D> tape;
  double along = 0.0, strain_along = 0.0;
  for (std::size_t i = 0; i < d.size(); ++i) along += dot(d[i], r.gradient.positions[i]);
  for (std::size_t k = 0; k < 9; ++k) strain_along += strain.data[k] * r.gradient.strain.data[k];
  const auto g = moved_geometry(structure, s.model.cutoff(), d);
  CHECK(near(value_of_functional(s.model, g, tape, features).tangent, along, scale, 1e-11));
  const auto gs = moved_geometry(structure, s.model.cutoff(), {}, &strain);
  CHECK(near(value_of_functional(s.model, gs, tape, features).tangent, strain_along,
             std::abs(strain_along), 1e-11));
  CHECK(near(strain_along,
             (value(s, strained(structure, strain, step), features) -
              value(s, strained(structure, strain, -step), features)) /
                 (2 * step),
             std::abs(strain_along), 10 * difference_tolerance));  // strains move atoms by 4 Å · h

  // Three parameters of every slice.
  const auto geometry = geometry_of<double>(structure, s.model.cutoff());
  typename Model::template Tape<double> real_tape;
  double parameter_scale = 0.0;
  for (double x : r.parameters) parameter_scale = std::max(parameter_scale, std::abs(x));
  Setup<Model> other(variant);
  for (const auto& p : s.layout.entries())
    for (std::size_t k : {std::size_t(0), p.slice.size / 2, p.slice.size - 1}) {
      CAPTURE(p.name, k);
      double sides[2];
      for (int side = 0; side < 2; ++side) {
        auto w = s.parameters;
        w[p.slice.offset + k] += side == 0 ? step : -step;
        other.model.prepare(w);
        sides[side] = value_of_functional(other.model, geometry, real_tape, features);
      }
      CHECK(near(r.parameters[p.slice.offset + k], (sides[0] - sides[1]) / (2 * step),
                 parameter_scale, difference_tolerance));
    }

  // Duals through the adjoint: derivatives of both gradients along the displacement.
  const Result<D> second = evaluate(s.model, g, tape, features, s.parameters.size());
  const Result<double> up = evaluate(s, moved(structure, d, step), features),
                       down = evaluate(s, moved(structure, d, -step), features);
  double curvature = 0.0, mixed = 0.0;
  for (const auto& v : second.gradient.positions)
    for (int a = 0; a < 3; ++a) curvature = std::max(curvature, std::abs(v[a].tangent));
  for (double v : second.parameters) mixed = std::max(mixed, std::abs(v));
  CHECK(curvature > 1e-4);
  CHECK(mixed > 1e-4);
  for (std::size_t i = 0; i < structure.size(); ++i)
    for (int a = 0; a < 3; ++a) {
      CHECK(near(second.gradient.positions[i][a].value, r.gradient.positions[i][a], scale, 1e-12));
      CHECK(near(second.gradient.positions[i][a].tangent,
                 (up.gradient.positions[i][a] - down.gradient.positions[i][a]) / (2 * step),
                 curvature, difference_tolerance));
    }
  // Nobody asks for edges: the same gradient by parameters, and edges are left alone.
  tape.wants_edges = false;
  tape.edge_gradient.clear();
  const Result<D> blind = evaluate(s.model, g, tape, features, s.parameters.size());
  CHECK(tape.edge_gradient.empty());
  for (std::size_t k = 0; k < s.parameters.size(); ++k)
    CHECK(near(blind.parameters[k], second.parameters[k], mixed, 1e-12));
  std::size_t wrong = 0;
  for (std::size_t k = 0; k < s.parameters.size(); ++k) {
    const double difference = (up.parameters[k] - down.parameters[k]) / (2 * step);
    wrong += !near(second.parameters[k], difference, mixed, difference_tolerance);
  }
  CHECK(wrong == 0);
}

template <class Model>
void check_symmetries(int variant) {
  CAPTURE(variant);
  const Setup<Model> s(variant);
  const Structure structure = crystal();
  const std::vector<double> energies = node_energies(s, structure);
  const std::size_t n = structure.size();

  SECTION("rotation and mirror") {
    // An orthogonal matrix by two elementary rotations, then its mirror image.
    const double c = std::cos(0.7), t = std::sin(0.7), u = std::cos(1.9), v = std::sin(1.9);
    for (double sign : {1.0, -1.0}) {
      Matrix3<double> turn{{c, t, 0, -t, c, 0, 0, 0, 1}};
      turn = turn * Matrix3<double>{{1, 0, 0, 0, u, v, 0, -v, u}};
      for (double& x : turn.data) x *= sign;
      Structure turned = structure;
      for (auto& r : turned.positions) r = r * turn;
      turned.cell.vectors = structure.cell.vectors * turn;
      check_equal(node_energies(s, turned), energies, 1e-11);
      typename Model::template Tape<double> before, after;
      s.model.forward(geometry_of<double>(structure, s.model.cutoff()), before);
      s.model.forward(geometry_of<double>(turned, s.model.cutoff()), after);
      for (std::size_t k = 0; k < before.features.size(); ++k)
        for (int i = 0; i < static_cast<int>(n); ++i)
          for (int ch = 0; ch < 5; ++ch) {
            const auto& h = before.features[k];
            const auto& w = after.features[k];
            CHECK(near(w.get(i, ch, 0), h.get(i, ch, 0), 1.0, 1e-11));
            if (h.shape().l_max < 1) continue;
            const int x = h.shape().frame == HarmonicFrame::xyz ? 0 : 2;  // where x stands
            Vector3<double> vector;
            for (int a = 0; a < 3; ++a) vector[a] = h.get(i, ch, 1 + (x + a) % 3);
            vector = vector * turn;
            for (int a = 0; a < 3; ++a)
              CHECK(near(w.get(i, ch, 1 + (x + a) % 3), vector[a], 1.0, 1e-11));
          }
    }
  }
  SECTION("translation") {
    Structure far = structure;
    for (auto& r : far.positions) r += Vector3<double>{{1000.0, -1000.0, 1000.0}};
    // Positions of 1000 Å are rounded to 1e-13 Å; energies change by some eV/Å.
    check_equal(node_energies(s, far), energies, 1e-10);
  }
  SECTION("permutation") {
    Structure permuted = structure;
    for (std::size_t i = 0; i < n; ++i) {
      permuted.positions[i] = structure.positions[(i + 2) % n];
      permuted.atomic_numbers[i] = structure.atomic_numbers[(i + 2) % n];
    }
    const auto got = node_energies(s, permuted);
    for (std::size_t i = 0; i < n; ++i) CHECK(near(got[i], energies[(i + 2) % n], 1.0, 1e-12));
  }
  SECTION("another basis of the lattice") {
    Structure other = structure;
    other.cell.vectors = Matrix3<double>{{1, 1, 0, 0, 1, 0, -1, 0, 1}} * structure.cell.vectors;
    check_equal(node_energies(s, other), energies, 1e-11);
  }
  SECTION("supercell") {
    Structure twice = structure;
    for (std::size_t i = 0; i < n; ++i) {
      twice.positions.push_back(structure.positions[i] + structure.cell.vectors.row(1));
      twice.atomic_numbers.push_back(structure.atomic_numbers[i]);
    }
    for (int a = 0; a < 3; ++a) twice.cell.vectors(1, a) *= 2.0;
    std::vector<double> expected = energies;
    expected.insert(expected.end(), energies.begin(), energies.end());
    check_equal(node_energies(s, twice), expected, 1e-11);
  }
  SECTION("an isolated atom") {
    Structure pair;
    pair.atomic_numbers = {8, 8};
    pair.positions = {{{0, 0, 0}}, {{50, 0, 0}}};
    const auto r = evaluate(s, pair, false);
    for (const auto& g : r.gradient.positions) CHECK(g == Vector3<double>{});
    const auto two = node_energies(s, pair);
    CHECK(std::isfinite(two[0]));
    CHECK(two[0] == two[1]);
    Structure one = pair;
    one.atomic_numbers.pop_back();
    one.positions.pop_back();
    CHECK(near(node_energies(s, one)[0], two[0], 1.0, 1e-14));
  }
}

template <class Model, class Single>
void check_floats(int variant) {
  const Setup<Model> reference(variant);
  const Setup<Single> single(variant);
  const Structure structure = crystal();
  const auto expected = evaluate(reference, structure, true);
  typename Single::template Tape<float> tape;
  const auto got = evaluate(single.model, geometry_of<float>(structure, single.model.cutoff()),
                            tape, true, single.parameters.size());
  // 6e-8 per operation, some thousand operations deep and wide: 1e-5 of the largest.
  CHECK(near(double(got.value), expected.value, std::abs(expected.value), 1e-5));
  double scale = size_of(expected.gradient.positions), parameter_scale = 0.0;
  for (std::size_t i = 0; i < structure.size(); ++i)
    for (int a = 0; a < 3; ++a)
      CHECK(near(double(got.gradient.positions[i][a]), expected.gradient.positions[i][a], scale,
                 1e-5));
  for (double x : expected.parameters) parameter_scale = std::max(parameter_scale, std::abs(x));
  std::size_t wrong = 0;
  for (std::size_t k = 0; k < expected.parameters.size(); ++k)
    wrong += !near(double(got.parameters[k]), expected.parameters[k], parameter_scale, 1e-5);
  CHECK(wrong == 0);
}

template <class Model>
void check_threads(int variant) {
  const Setup<Model> s(variant);
  const Structure structures[2] = {crystal(), molecule()};
  Result<double> serial[2], parallel[2];
  for (int i = 0; i < 2; ++i) serial[i] = evaluate(s, structures[i], true);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([&, i] {
        for (int k = 0; k < 3; ++k) parallel[i] = evaluate(s, structures[i], true);
      });
  }
  for (int i = 0; i < 2; ++i) {
    CHECK(parallel[i].value == serial[i].value);
    CHECK(parallel[i].gradient.positions == serial[i].gradient.positions);
    CHECK(parallel[i].parameters == serial[i].parameters);
  }
}

template <class Model>
void check_memory(int variant) {
  const Setup<Model> s(variant);
  Structure small = molecule();
  small.positions.resize(3);
  small.atomic_numbers.resize(3);
  const Geometry<double> large_g = geometry_of<double>(crystal(), s.model.cutoff()),
                         small_g = geometry_of<double>(small, s.model.cutoff());
  typename Model::template Tape<double> tape;
  std::vector<double> gradient(s.parameters.size());
  const auto run = [&](const Geometry<double>& g) {
    s.model.forward(g, tape);
    s.model.backward(g, tape, 1.0, std::span<double>(gradient));
  };
  CHECK(leyden_test::allocations_of([&] { run(large_g); }) > 0);
  run(small_g);
  CHECK(leyden_test::allocations_of([&] { run(small_g); }) == 0);
  CHECK(leyden_test::allocations_of([&] {
          run(large_g);
          run(small_g);
          run(large_g);
        }) == 0);
}

}  // namespace leyden_test
