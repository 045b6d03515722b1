// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/neighbor_list.hpp>
#include <leyden/charge/concepts.hpp>
#include <leyden/core/random.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <vector>

// Everything that a function of a ChargeInput can depend on, and what its adjoint must fulfil.
namespace leyden_test {

using namespace leyden;
using Catch::Matchers::WithinAbs;

inline const std::vector<FeatureShape> case_shapes{{5, 1}, {3, 0}};

/// Features that do not depend on the geometry, so that each derivative is seen alone. The crystal
/// is small: atoms are bonded to their own images, and to several images of others.
struct ExplicitCase {
  Structure structure;
  std::vector<int> species;
  std::vector<FeatureArray<double>> features;
  NeighborList list;

  explicit ExplicitCase(bool periodic, double cutoff = 3.2) {
    structure.cell.vectors = {{2.9, 0.2, -0.3, 0.6, 3.1, 0.1, -0.4, 0.5, 3.3}};
    structure.cell.periodic = {periodic, periodic, periodic};
    structure.positions = {
        {{0.1, 0.2, 0.3}}, {{1.4, 0.3, 1.2}}, {{0.2, 1.7, 1.9}}, {{2.1, 1.9, 0.2}}};
    structure.atomic_numbers = {8, 1, 1, 8};
    structure.total_charge = 0.7;
    structure.external_field = {{0.3, -0.2, 0.4}};
    species = {0, 1, 1, 0};
    RandomStream random(5);
    for (const FeatureShape& shape : case_shapes) {
      features.emplace_back();
      features.back().resize(4, shape);
      features.back().set_zero();
      for (int i = 0; i < 4; ++i)
        for (int c = 0; c < shape.channels; ++c)
          for (int lm = 0; lm < shape.lm_count(); ++lm)
            features.back().set(i, c, lm, random.normal());
    }
    list.build(structure, cutoff);
  }
  template <Number T>
  ChargeInput<T> input(const std::vector<FeatureArray<T>>& h, const Geometry<T>& g,
                       const Vector3<T>& field) const {
    return {h, species, static_cast<RealOf<T>>(structure.total_charge), field, &structure, &g};
  }
};

/// A direction in everything, and the number of parameters.
struct ExplicitDirection {
  std::vector<FeatureArray<double>> features;
  std::vector<Vector3<double>> displacement;
  Matrix3<double> strain{};
  Vector3<double> field{};
  std::vector<double> parameters;

  ExplicitDirection(const ExplicitCase& c, std::size_t n_parameters) : features(c.features) {
    RandomStream random(6);
    for (auto& h : features)
      for (int i = 0; i < h.n_atoms(); ++i)
        for (int k = 0; k < h.shape().channels; ++k)
          for (int lm = 0; lm < h.lm_count(); ++lm) h.set(i, k, lm, random.normal());
    for (std::size_t i = 0; i < c.structure.size(); ++i)
      displacement.push_back({{random.normal(), random.normal(), random.normal()}});
    for (int a = 0; a < 3; ++a)
      for (int b = a; b < 3; ++b) strain(a, b) = strain(b, a) = 0.3 * random.normal();
    field = {{random.normal(), random.normal(), random.normal()}};
    parameters.resize(n_parameters);
    for (double& x : parameters) x = random.normal();
  }
};

/// All cotangents, and their product with a direction.
template <Number T>
struct ExplicitCotangents {
  std::vector<FeatureArray<T>> features;
  std::vector<Vector3<T>> edges;
  std::vector<double> parameters;  // of duals the tangents
  GeometryGradient<T> geometry;
  Vector3<T> field{};

  ExplicitCotangents(const Geometry<T>& g, std::size_t n_parameters)
      : features(case_shapes.size()), edges(g.vector.size()), parameters(n_parameters) {
    for (std::size_t k = 0; k < features.size(); ++k) {
      features[k].resize(g.n_atoms(), case_shapes[k]);
      features[k].set_zero();
    }
    geometry.reset(g.positions.size());
  }
  InputCotangents<T> view() { return {features, edges, parameters, &geometry, &field}; }

  T along(const ExplicitDirection& d, const Geometry<T>& g, bool with_parameters) {
    GeometryGradient<T> all = geometry;
    add_edge_gradient(g, std::span<const Vector3<T>>(edges), all);
    T sum{};
    for (std::size_t k = 0; k < features.size(); ++k)
      for (int i = 0; i < features[k].n_atoms(); ++i)
        for (int c = 0; c < case_shapes[k].channels; ++c)
          for (int lm = 0; lm < case_shapes[k].lm_count(); ++lm)
            sum += features[k].get(i, c, lm) * d.features[k].get(i, c, lm);
    for (std::size_t i = 0; i < d.displacement.size(); ++i)
      for (int a = 0; a < 3; ++a) sum += all.positions[i][a] * d.displacement[i][a];
    for (std::size_t k = 0; k < 9; ++k) sum += all.strain.data[k] * d.strain.data[k];
    for (int a = 0; a < 3; ++a) sum += field[a] * d.field[a];
    if (with_parameters)
      for (std::size_t k = 0; k < parameters.size(); ++k) sum += T(parameters[k] * d.parameters[k]);
    return sum;
  }
};

/// value(model, input) → T and adjoint(model, input, cotangents of the value 1): along a random
/// direction in features, positions, strain, field and parameters, the adjoint, dual numbers and
/// central differences agree, to first and (adjoint on duals) to second order.
template <class Model, class Value, class Adjoint>
void check_adjoint(const ExplicitCase& c, Model model, const std::vector<double>& parameters,
                   Value&& value, Adjoint&& adjoint) {
  using D = Dual<double>;
  const ExplicitDirection d(c, parameters.size());

  // At x + e·direction; the list stays as it is.
  const auto shifted = [&](double e, auto&& f) {
    Structure s = c.structure;
    for (std::size_t i = 0; i < s.size(); ++i)
      s.positions[i] += e * (d.displacement[i] + s.positions[i] * d.strain);
    const Matrix3<double> turned = s.cell.vectors * d.strain;
    for (std::size_t k = 0; k < 9; ++k) s.cell.vectors.data[k] += e * turned.data[k];
    Geometry<double> g;
    make_geometry(s, c.list, g);
    std::vector<FeatureArray<double>> h = c.features;
    for (std::size_t k = 0; k < h.size(); ++k)
      for (int i = 0; i < h[k].n_atoms(); ++i)
        for (int q = 0; q < h[k].shape().channels; ++q)
          for (int lm = 0; lm < h[k].lm_count(); ++lm)
            h[k].set(i, q, lm, h[k].get(i, q, lm) + e * d.features[k].get(i, q, lm));
    return f(c.input(h, g, c.structure.external_field + e * d.field), g);
  };
  const auto with_parameters = [&](double e) {
    std::vector<double> x = parameters;
    for (std::size_t k = 0; k < x.size(); ++k) x[k] += e * d.parameters[k];
    model.prepare(x);
  };

  // First order: everything at once.
  model.prepare(parameters);
  double slope = 0.0, slope_inputs = 0.0;
  shifted(0.0, [&](const ChargeInput<double>& in, const Geometry<double>& g) {
    ExplicitCotangents<double> bar(g, parameters.size());
    adjoint(model, in, bar.view());
    slope = bar.along(d, g, true);
    slope_inputs = bar.along(d, g, false);
    // Cotangents that are not asked for are skipped, and the others are the same.
    ExplicitCotangents<double> few(g, parameters.size());
    adjoint(model, in, InputCotangents<double>{few.features, {}, {}});
    for (std::size_t k = 0; k < few.features.size(); ++k)
      CHECK(few.features[k].get(1, 2, 0) == bar.features[k].get(1, 2, 0));
  });
  REQUIRE(std::abs(slope) > 1e-3);
  REQUIRE(std::abs(slope - slope_inputs) > 1e-3);
  const double h = 1e-5;
  double side[2];
  for (int k = 0; k < 2; ++k) {
    const double e = k == 0 ? h : -h;
    with_parameters(e);
    side[k] = shifted(e, [&](const ChargeInput<double>& in, const Geometry<double>&) {
      return value(model, in);
    });
  }
  // Differences: h² times a third derivative (some 1e2 here), and 1e-16/h of rounding.
  const double scale = 1.0 + std::abs(slope);
  CHECK_THAT(slope, WithinAbs((side[0] - side[1]) / (2 * h), 1e-7 * scale));

  // Dual numbers along the inputs: the same slope to rounding; the adjoint's tangents are the
  // differences of the adjoint, for the parameters one by one.
  model.prepare(parameters);
  Geometry<D> g;
  make_geometry(c.structure, c.list, g, std::span<const Vector3<double>>(d.displacement),
                &d.strain);
  std::vector<FeatureArray<D>> features(c.features.size());
  for (std::size_t k = 0; k < features.size(); ++k) {
    features[k].resize(c.features[k].n_atoms(), case_shapes[k]);
    features[k].set_zero();
    for (int i = 0; i < features[k].n_atoms(); ++i)
      for (int q = 0; q < case_shapes[k].channels; ++q)
        for (int lm = 0; lm < case_shapes[k].lm_count(); ++lm)
          features[k].set(i, q, lm, {c.features[k].get(i, q, lm), d.features[k].get(i, q, lm)});
  }
  Vector3<D> field;
  for (int a = 0; a < 3; ++a) field[a] = {c.structure.external_field[a], d.field[a]};
  const ChargeInput<D> in = c.input(features, g, field);
  const D y = value(model, in);
  CHECK_THAT(y.tangent, WithinAbs(slope_inputs, 1e-12 * scale));
  ExplicitCotangents<D> bar(g, parameters.size());
  adjoint(model, in, bar.view());
  std::vector<double> ahead, behind;
  const auto gradient_at = [&](double e, std::vector<double>& out) {
    return shifted(e, [&](const ChargeInput<double>& at, const Geometry<double>& geometry) {
      ExplicitCotangents<double> b(geometry, parameters.size());
      adjoint(model, at, b.view());
      out = b.parameters;
      return b.along(d, geometry, false);
    });
  };
  gradient_at(h, ahead);
  gradient_at(-h, behind);
  double largest = 0.0;
  for (std::size_t k = 0; k < ahead.size(); ++k) {
    const double difference = (ahead[k] - behind[k]) / (2 * h);
    largest = std::max(largest, std::abs(difference));
    CHECK_THAT(bar.parameters[k], WithinAbs(difference, 1e-6 * scale));
  }
  CHECK(largest > 1e-3);
  // And so are those of all other cotangents.
  std::vector<double> unused;
  const double curvature = bar.along(d, g, false).tangent;
  const double expected = (gradient_at(h, unused) - gradient_at(-h, unused)) / (2 * h);
  CHECK_THAT(curvature, WithinAbs(expected, 1e-6 * (1.0 + std::abs(expected))));
}

}  // namespace leyden_test
