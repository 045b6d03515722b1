// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/particle_mesh_passes.hpp>

// How a plan of a particle mesh is filled.
namespace leyden::inline LEYDEN_ABI::detail {

inline void check_mesh_sources(int n_atoms, const SourceShape& source, SelfInteraction self) {
  if (self == SelfInteraction::included) return check_sources("ParticleMesh", n_atoms, source, 2);
  // Points are fine: what differs from check_sources is that zero is a width.
  if (source.l_max < 0 || source.l_max > 2)
    throw ModelError("ParticleMesh: multipoles of l_max = " + std::to_string(source.l_max) +
                     " given; this solver serves charges (0) up to l = 2");
  if (source.widths.size() != static_cast<std::size_t>(n_atoms))
    throw ModelError("ParticleMesh: " + std::to_string(source.widths.size()) +
                     " widths given for " + std::to_string(n_atoms) + " atoms; give one per atom");
  for (std::size_t i = 0; i < source.widths.size(); ++i)
    if (!(source.widths[i] >= 0) || !std::isfinite(source.widths[i]))
      throw InputError("ParticleMesh: the Gaussian width of atom " + std::to_string(i) + " is " +
                       std::to_string(source.widths[i]) +
                       " Angstrom; it must be positive, or zero for a point");
}

// @throws InputError for a cell without volume.
template <Number T>
void check_volume(const Matrix3<T>& cell) {
  double edges = 1;
  for (int d = 0; d < 3; ++d) edges *= static_cast<double>(value_of(norm(cell.row(d))));
  const double volume = std::abs(static_cast<double>(value_of(determinant(cell))));
  if (!(volume > 1e-9 * edges) || !std::isfinite(volume))
    throw InputError(
        "ParticleMesh: the cell has no volume; its periodic lattice vectors must be finite and "
        "linearly independent");
}

// Settings, window and split; true when they are new.
template <Number T>
bool choose_settings(const ParticleMeshOptions& options, int l_max, std::span<const double> widths,
                     ParticleMeshPlan<T>& plan) {
  const auto [low, high] = std::minmax_element(widths.begin(), widths.end());
  const std::array<double, 3> key{static_cast<double>(l_max), *low, *high};
  if (plan.ready && key == plan.chosen) return false;
  plan.ready = false;
  plan.chosen = key;
  plan.settings = choose_mesh(options, l_max, *low, *high);
  const MeshSettings& s = plan.settings;
  plan.window = MeshWindow(s.window, s.order, s.window_parameter);
  plan.table.fill(plan.window);
  plan.influence.size = {};
  plan.split.reset();
  plan.pairs.reset();
  if (!s.mesh_only) {
    plan.split = s.kind == Splitting::Kind::prolate ? Splitting::prolate(s.cutoff, s.parameter)
                                                    : Splitting::gaussian(s.parameter);
    ShortRangeOptions pairs;
    pairs.accuracy = 0.1 * options.accuracy;
    pairs.cutoff = s.kind == Splitting::Kind::prolate ? 0.0 : s.cutoff;
    pairs.self = options.self;
    pairs.skin = options.skin;
    plan.pairs.emplace(*plan.split, pairs);
  }
  return true;
}

// Classes of width, of mesh only; true when they are new.
template <Number T>
bool group_classes(std::span<const double> widths, ParticleMeshPlan<T>& plan) {
  if (!plan.settings.mesh_only) {
    const bool changed = !plan.class_widths.empty();
    plan.class_widths.clear();
    plan.class_of.clear();
    return changed;
  }
  bool changed = false;
  auto& classes = plan.class_widths;
  std::size_t found = 0;
  double last = 0;
  for (;;) {
    double next = 0;
    for (const double w : widths)
      if (w > last && (next == 0 || w < next)) next = w;
    if (next == 0) break;
    if (found == classes.size()) classes.push_back(0);
    changed = changed || classes[found] != next;
    classes[found++] = last = next;
  }
  changed = changed || classes.size() != found;
  classes.resize(found);
  plan.class_of.resize(widths.size());
  for (std::size_t i = 0; i < widths.size(); ++i)
    plan.class_of[i] = static_cast<int>(
        std::lower_bound(classes.begin(), classes.end(), widths[i]) - classes.begin());
  return changed;
}

template <Number T>
bool same_numbers(const Matrix3<T>& a, const Matrix3<T>& b) {
  for (std::size_t c = 0; c < 9; ++c)
    if (value_of(a.data[c]) != value_of(b.data[c]) ||
        tangent_of(a.data[c]) != tangent_of(b.data[c]))
      return false;
  return true;
}

// The size of the mesh; true when it is new.
template <Number T>
bool choose_size(const ParticleMeshOptions& options, ParticleMeshPlan<T>& plan) {
  std::array<int, 3> size{};
  double total = 1;
  for (std::size_t d = 0; d < 3; ++d) {
    const double length =
        static_cast<double>(value_of(norm(plan.box.cell.row(static_cast<int>(d)))));
    const double nodes = std::ceil(length / plan.settings.spacing - 1e-9);
    if (!(nodes < 1e5))
      total = 1e12;
    else
      size[d] = options.size[0] > 0 ? options.size[d]
                                    : MeshTransform<RealOf<T>>::good_size(
                                          std::max(static_cast<int>(nodes), plan.settings.order));
    if (size[d] < plan.settings.order)
      throw ModelError("ParticleMesh: a mesh of " + std::to_string(size[d]) +
                       " nodes along a direction; the window needs at least " +
                       std::to_string(plan.settings.order));
    total *= size[d];
  }
  if (!(total < 4e9))
    throw ModelError("ParticleMesh: a spacing of " + std::to_string(plan.settings.spacing) +
                     " Angstrom in this cell needs more than 4e9 nodes; use broader Gaussians, a "
                     "larger cutoff or a lower accuracy");
  if (size == plan.influence.size) return false;
  plan.influence.size = size;
  for (std::size_t d = 0; d < 3; ++d) plan.influence.axes[d].fill(plan.window, size[d]);
  MeshWaves<T>::fill_tables(plan.influence, plan.row_tables);
  return true;
}

// The atoms on the mesh of a box and size that are known.
template <Number T>
void place_mesh(ParticleMeshPlan<T>& plan, const Geometry<T>& geometry) {
  using R = RealOf<T>;
  const Matrix3<T> inverse_cell = inverse(plan.box.cell);
  for (int d = 0; d < 3; ++d)
    for (int c = 0; c < 3; ++c)
      plan.to_mesh(c, d) =
          inverse_cell(c, d) * static_cast<R>(plan.influence.size[static_cast<std::size_t>(d)]);
  place_sites<T>(geometry.positions, inverse_cell, plan.box.periodic, plan.class_of,
                 std::max<int>(1, static_cast<int>(plan.class_widths.size())), plan.influence.size,
                 plan.settings.order, plan.sites);
  plan.transform.plan(plan.influence.size, plan.sites.shape.filled);
  plan.positions.clear();
  if (plan.box.n_periodic < 3)
    plan.positions.assign(geometry.positions.begin(), geometry.positions.end());
}

template <Number T>
void fill_plan(const ParticleMeshOptions& options, const Geometry<T>& geometry,
               const SourceShape& source, ParticleMeshPlan<T>& plan) {
  plan.n_atoms = geometry.n_atoms();
  plan.l_max = source.l_max;
  plan.widths.assign(source.widths.begin(), source.widths.end());
  if (plan.n_atoms == 0) return;
  bool fresh = choose_settings(options, source.l_max, source.widths, plan);
  const bool classes_changed = group_classes(source.widths, plan);

  // How far f or the Gaussians make L differ from 1/r.
  const MeshSettings& s = plan.settings;
  const double x = mesh_gaussian_reach(options.accuracy, source.l_max);
  const double widest = plan.chosen[2], receiver = std::max(widest, options.feature_width);
  const double reach = s.mesh_only ? x * std::sqrt(2 * (widest * widest + receiver * receiver))
                       : s.kind == Splitting::Kind::prolate ? s.cutoff
                                                            : x / s.parameter;
  make_box("ParticleMesh", geometry, reach, plan.box);
  check_volume(plan.box.cell);
  fresh = choose_size(options, plan) || fresh;

  place_mesh(plan, geometry);
  if (fresh || !plan.ready || plan.table_radius != plan.box.radius ||
      !same_numbers(plan.table_cell, plan.box.cell)) {
    fresh = true;
    plan.table_cell = plan.box.cell;
    plan.table_radius = plan.box.radius;
    fill_influence(plan.box, plan.split ? &*plan.split : nullptr, plan.influence);
    plan.scratch.feature_widths.clear();
  }
  if (fresh || classes_changed) {
    plan.class_factors.resize(plan.class_widths.size());
    for (std::size_t c = 0; c < plan.class_widths.size(); ++c)
      fill_width_factor(plan.influence, plan.class_widths[c], plan.class_factors[c]);
  }
  plan.ready = true;
}

// The atoms with their own widths.
template <Number T>
const MeshLayer<T>& source_layer(const ParticleMeshPlan<T>& plan, std::size_t set) {
  MeshLayer<T>& layer = plan.scratch.layers[set];
  layer.l_max = plan.l_max;
  layer.channels.clear();
  for (std::size_t c = 0; c < plan.class_widths.size(); ++c)
    layer.channels.push_back({static_cast<int>(c), static_cast<int>(c) + 1, &plan.class_factors[c],
                              plan.class_widths[c] * plan.class_widths[c]});
  if (layer.channels.empty()) layer.channels.push_back({0, 1, nullptr, 0});
  return layer;
}

// All atoms, once per feature width; of a split mesh, once for all of them.
template <Number T>
const MeshLayer<T>& feature_layer(const ParticleMeshPlan<T>& plan, const PotentialFeatures& shape) {
  auto& scratch = plan.scratch;
  MeshLayer<T>& layer = scratch.layers[2];
  layer.l_max = shape.l_max;
  layer.channels.clear();
  const int classes = std::max<int>(1, static_cast<int>(plan.class_widths.size()));
  if (plan.split) {
    layer.channels.push_back({0, classes, nullptr, 0});
    return layer;
  }
  if (!std::equal(shape.widths.begin(), shape.widths.end(), scratch.feature_widths.begin(),
                  scratch.feature_widths.end())) {
    scratch.feature_widths.assign(shape.widths.begin(), shape.widths.end());
    scratch.feature_factors.resize(shape.widths.size());
    for (std::size_t w = 0; w < shape.widths.size(); ++w)
      fill_width_factor(plan.influence, shape.widths[w], scratch.feature_factors[w]);
  }
  for (std::size_t w = 0; w < shape.widths.size(); ++w)
    layer.channels.push_back(
        {0, classes, &scratch.feature_factors[w], shape.widths[w] * shape.widths[w]});
  return layer;
}

}  // namespace leyden::inline LEYDEN_ABI::detail
