// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/electrostatics/particle_mesh.hpp>
#include <leyden/electrostatics/particle_mesh_setup.hpp>

namespace leyden::inline LEYDEN_ABI {

namespace detail {

// Potentials of the sources' coefficients p at the receivers: out holds those of the receivers'
// channels one after the other, `stride` apart.
template <Number T, Executor E>
void mesh_potential(const ParticleMeshPlan<T>& plan, const MeshLayer<T>& sources,
                    std::span<const T> p, std::size_t source_stride, const MeshLayer<T>& receivers,
                    std::span<T> out, std::size_t stride, const E& executor) {
  auto& scratch = plan.scratch;
  MeshSpectrum<T>& structure = scratch.spectrum[0];
  spread_layer<T>(plan, sources, p, source_stride, structure, nullptr, executor);
  const bool in_place = receivers.channels.size() == 1;
  MeshSpectrum<T>& target = in_place ? structure : scratch.work;
  std::size_t at = 0;
  for (const MeshChannel<T>& channel : receivers.channels) {
    target.resize(plan.transform.spectrum_size());
    for_each_plane(plan, executor, [&](std::size_t first, int count) {
      scale_spectrum(plan.influence.weight, structure, first, count, target);
      if (channel.factor != nullptr) scale_spectrum(*channel.factor, target, first, count, target);
    });
    make_field(plan, target, executor);
    gather_potential<T>(plan, receivers.l_max, channel.first, channel.last, out.subspan(at),
                        executor);
    at += stride;
  }
}

template <Number T>
bool one_square(const MeshLayer<T>& layer) {
  for (const auto& channel : layer.channels)
    if (channel.square != layer.channels[0].square) return false;
  return true;
}

// aᵀLb; adds factor times its gradient. `same`: a and b are one.
template <Number T, Executor E>
T mesh_gradient(const ParticleMeshPlan<T>& plan, const MeshLayer<T>& of_a, std::span<const T> a,
                std::size_t stride_a, const MeshLayer<T>& of_b, std::span<const T> b,
                std::size_t stride_b, bool same, const T& factor, GeometryGradient<T>& gradient,
                const E& executor) {
  using R = RealOf<T>;
  auto& scratch = plan.scratch;
  const MeshInfluence<T>& g = plan.influence;
  fill_influence_strain(plan.box, plan.split ? &*plan.split : nullptr, g);
  StrainSource<T> source;
  const bool uniform = one_square(of_a) && one_square(of_b);
  if (uniform) source.widening = static_cast<R>(of_a.channels[0].square + of_b.channels[0].square);
  if (plan.split && plan.split->kind() == Splitting::Kind::gaussian)
    source.widening = static_cast<R>(1 / (2 * plan.split->parameter() * plan.split->parameter()));

  spread_layer<T>(plan, of_a, a, stride_a, scratch.spectrum[0],
                  uniform ? nullptr : &scratch.broadened[0], executor);
  if (!same)
    spread_layer<T>(plan, of_b, b, stride_b, scratch.spectrum[1],
                    uniform ? nullptr : &scratch.broadened[1], executor);
  const MeshSpectrum<T>& spectrum_a = scratch.spectrum[0];
  const MeshSpectrum<T>& spectrum_b = scratch.spectrum[same ? 0 : 1];
  if (!uniform) {
    source.broadened_a = &scratch.broadened[0];
    source.broadened_b = &scratch.broadened[same ? 0 : 1];
  }
  scratch.plane_sums.resize(static_cast<std::size_t>(g.size[0]));
  executor.for_each(scratch.plane_sums.size(), [&](std::size_t i, int) {
    MeshWaves<T>::template sum_plane<true>(g, plan.row_tables, spectrum_a, spectrum_b, source,
                                           static_cast<int>(i), scratch.plane_sums[i]);
  });
  MeshSums<T> sums;
  for (const MeshSums<T>& plane : scratch.plane_sums) {
    sums.energy += plane.energy;
    sums.strain += plane.strain;
  }

  AtomSums<T> atoms;
  const T times = same ? factor * R(2) : factor;
  for (std::size_t set = 0; set < (same ? 1U : 2U); ++set) {
    const MeshLayer<T>& receivers = set == 0 ? of_a : of_b;
    const std::span<const T> p = set == 0 ? a : b;
    MeshSpectrum<T>& structure = scratch.spectrum[same ? 0 : 1 - set];
    MeshSpectrum<T>& target = receivers.channels.size() == 1 ? structure : scratch.work;
    std::size_t at = 0;
    for (const MeshChannel<T>& channel : receivers.channels) {
      target.resize(plan.transform.spectrum_size());
      for_each_plane(plan, executor, [&](std::size_t first, int count) {
        scale_spectrum(g.weight, structure, first, count, target);
        if (channel.factor != nullptr)
          scale_spectrum(*channel.factor, target, first, count, target);
      });
      make_field(plan, target, executor);
      gather_gradient<T>(plan, receivers.l_max, p.subspan(at), channel.first, channel.last, times,
                         plan.positions, gradient, atoms, executor);
      at += set == 0 ? stride_a : stride_b;
    }
  }

  const auto narrow = [](const WideOf<T>& x) {
    if constexpr (is_dual_v<T>)
      return T(static_cast<R>(x.value), static_cast<R>(x.tangent));
    else
      return static_cast<R>(x);
  };
  const T energy = narrow(sums.energy);
  Matrix3<T> strain;
  for (int c = 0; c < 3; ++c)
    for (int d = 0; d < 3; ++d) {
      WideOf<T> s = sums.strain(c, d);
      if (c == d) s -= sums.energy;
      strain(c, d) = factor * narrow(s) - atoms.turned(c, d);
    }
  if (g.open) plan.box.complete_strain(atoms.moved, atoms.turned, strain);
  gradient.strain += strain;
  return energy;
}

// Σ q and Σ q σ² of coefficients p.
template <Number T>
struct UniformCharge {
  T charge{}, spread{};

  void add(std::span<const T> p, std::size_t size, std::span<const double> widths) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      charge += p[i * size];
      spread += p[i * size] * static_cast<RealOf<T>>(widths[i] * widths[i]);
    }
  }
  void add(std::span<const T> p, std::size_t size, std::size_t n, double width) {
    for (std::size_t i = 0; i < n; ++i) charge += p[i * size];
    spread += charge * static_cast<RealOf<T>>(width * width);
  }
};

// The potential that makes the average of the short-ranged part's zero, at charges of width σ with
// `square` = σ²: −(C/V) Σ_j q_j ∫ S_ij d³r, bulk with a splitting; else none.
template <Number T>
T uniform_potential(const ParticleMeshPlan<T>& plan, const UniformCharge<T>& source,
                    double square) {
  using R = RealOf<T>;
  if (!plan.split || plan.influence.open) return T(R(0));
  const double two_pi = 2 * std::numbers::pi;
  return -plan.influence.prefactor *
         (source.charge * static_cast<R>(plan.split->neutralising() - two_pi * square) -
          source.spread * static_cast<R>(two_pi));
}

template <Number T>
T uniform_energy(const ParticleMeshPlan<T>& plan, const UniformCharge<T>& a,
                 const UniformCharge<T>& b) {
  using R = RealOf<T>;
  if (!plan.split || plan.influence.open) return T(R(0));
  return -plan.influence.prefactor *
         (a.charge * b.charge * static_cast<R>(plan.split->neutralising()) -
          (a.spread * b.charge + a.charge * b.spread) * static_cast<R>(2 * std::numbers::pi));
}

// Of a split mesh, the mesh sees features of all widths alike: their sum.
template <Number T>
std::span<const T> summed_features(const ParticleMeshPlan<T>& plan, std::span<const T> cotangent,
                                   std::size_t stride) {
  if (!plan.split || cotangent.size() == stride) return cotangent;
  std::vector<T>& sum = plan.scratch.feature_sum;
  sum.assign(cotangent.begin(), cotangent.begin() + static_cast<std::ptrdiff_t>(stride));
  for (std::size_t at = stride; at < cotangent.size(); ++at) sum[at % stride] += cotangent[at];
  return sum;
}

// @throws ModelError also for features wider than an open box has room for.
template <Number T>
void check_mesh_features(const ParticleMeshPlan<T>& plan, const ParticleMeshOptions& options,
                         const PotentialFeatures& shape) {
  check_features("ParticleMesh", shape, 2);
  for (const double width : shape.widths) {
    if (shape.l_max + 3 > plan.settings.order)
      throw ModelError("ParticleMesh: features of l_max = " + std::to_string(shape.l_max) +
                       " need a window of order " + std::to_string(shape.l_max + 3));
    if (plan.split || !plan.influence.open ||
        width <= std::max(plan.chosen[2], options.feature_width))
      continue;
    throw ModelError("ParticleMesh: a potential feature of width " + std::to_string(width) +
                     " Angstrom asked for with open directions, whose box has room for widths up "
                     "to " +
                     std::to_string(std::max(plan.chosen[2], options.feature_width)) +
                     "; give ParticleMeshOptions::feature_width");
  }
}

}  // namespace detail

inline ParticleMesh::ParticleMesh(ParticleMeshOptions options) : options_(options) {
  const auto fail = [](const std::string& what, double given, const char* expected) {
    throw ModelError("ParticleMesh: " + what + " of " + std::to_string(given) + " given; " +
                     expected);
  };
  const auto& o = options_;
  if (!(o.accuracy > 0 && o.accuracy < 0.1))
    fail("an accuracy", o.accuracy, "expected a relative error of forces between 0 and 0.1");
  if (!(o.cutoff > 0) || !std::isfinite(o.cutoff))
    fail("a cutoff", o.cutoff, "expected a positive length in Angstrom");
  if (!(o.spacing >= 0) || !std::isfinite(o.spacing))
    fail("a spacing", o.spacing, "it must be positive, or 0 to follow from the accuracy");
  if (!(o.split_parameter >= 0) || !std::isfinite(o.split_parameter))
    fail("a split_parameter", o.split_parameter, "it must be positive, or 0 to follow");
  if (!(o.feature_width >= 0) || !std::isfinite(o.feature_width))
    fail("a feature_width", o.feature_width, "it must be positive, or 0");
  for (const int n : o.size)
    if (n < 0 || (n == 0) != (o.size[0] == 0)) fail("a mesh size", n, "give three, or none");
}

template <Number T>
void ParticleMesh::plan(const Geometry<T>& geometry, SourceShape source,
                        std::type_identity_t<T> total_charge, Plan<T>& plan) const {
  const bool bulk = geometry.periodic[0] && geometry.periodic[1] && geometry.periodic[2];
  detail::check_mesh_sources(geometry.n_atoms(), source, options_.self);
  if (bulk && options_.background == Background::none && std::abs(value_of(total_charge)) > 1e-6)
    throw ModelError("ParticleMesh: the periodic cell has a charge of " +
                     std::to_string(value_of(total_charge)) +
                     " e, whose energy is infinite; choose Background::uniform to neutralise it "
                     "with a uniform background, or give a neutral cell");
  detail::fill_plan(options_, geometry, source, plan);
  if (plan.n_atoms > 0 && plan.pairs)
    plan.pairs->plan(geometry, source, total_charge, plan.pair_plan);
}

template <Number T, Executor E>
void ParticleMesh::apply(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                         std::type_identity_t<std::span<T>> v, const E& executor) const {
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  LEYDEN_EXPECTS(p.size() == static_cast<std::size_t>(plan.n_atoms) * size);
  if (plan.n_atoms == 0) return;
  std::vector<T>& result = plan.scratch.result;  // p and v may be the same memory
  result.resize(p.size());
  const auto& sources = detail::source_layer(plan, 0);
  const auto& receivers = detail::source_layer(plan, 1);
  detail::mesh_potential<T>(plan, sources, p, 0, receivers, result, 0, executor);
  detail::UniformCharge<T> charge;
  charge.add(p, size, plan.widths);
  for (std::size_t i = 0; i < plan.widths.size(); ++i)
    result[i * size] += detail::uniform_potential(plan, charge, plan.widths[i] * plan.widths[i]);
  if (plan.settings.mesh_only && options_.self == SelfInteraction::excluded)
    detail::add_own_potential<T>(plan.widths, plan.l_max, -1, p, std::span<T>(result));
  if (plan.pairs) plan.pairs->add_potential(plan.pair_plan, p, std::span<T>(result), executor);
  std::copy(result.begin(), result.end(), v.begin());
}

template <Number T, Executor E>
T ParticleMesh::energy(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                       std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                       const E& executor) const {
  using R = RealOf<T>;
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0) return T(R(0));
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const auto& layer = detail::source_layer(plan, 0);
  T twice = detail::mesh_gradient<T>(plan, layer, p, 0, layer, p, 0, true, factor * R(0.5),
                                     gradient, executor);
  detail::UniformCharge<T> charge;
  charge.add(p, size, plan.widths);
  const T uniform = detail::uniform_energy(plan, charge, charge);
  twice += uniform;
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= factor * uniform * R(0.5);
  if (plan.settings.mesh_only && options_.self == SelfInteraction::excluded)
    for (std::size_t at = 0; at < p.size(); ++at) {
      const double w = plan.widths[at / size];
      const int l = degree_of_coefficient(static_cast<int>(at % size));
      twice -= p[at] * p[at] * static_cast<R>(self_interaction(l, w, w));
    }
  twice *= T(R(0.5));
  if (plan.pairs) twice += plan.pairs->energy(plan.pair_plan, p, factor, gradient, executor);
  return twice;
}

template <Number T, Executor E>
void ParticleMesh::bilinear_gradient(const Plan<T>& plan,
                                     std::type_identity_t<std::span<const T>> a,
                                     std::type_identity_t<std::span<const T>> b,
                                     std::type_identity_t<T> factor, GeometryGradient<T>& gradient,
                                     const E& executor) const {
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0) return;
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const bool same = a.data() == b.data();
  const auto& of_a = detail::source_layer(plan, 0);
  const auto& of_b = same ? of_a : detail::source_layer(plan, 1);
  detail::mesh_gradient<T>(plan, of_a, a, 0, of_b, b, 0, same, factor, gradient, executor);
  detail::UniformCharge<T> charge_a, charge_b;
  charge_a.add(a, size, plan.widths);
  charge_b.add(b, size, plan.widths);
  const T uniform = factor * detail::uniform_energy(plan, charge_a, charge_b);
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= uniform;
  if (plan.pairs) plan.pairs->bilinear_gradient(plan.pair_plan, a, b, factor, gradient, executor);
}

template <Number T>
void ParticleMesh::assemble(const Plan<T>& plan,
                            std::type_identity_t<std::span<RealOf<T>>> matrix) const {
  detail::assemble_by_columns(*this, plan, matrix);
}

template <Number T, Executor E>
void ParticleMesh::features(const Plan<T>& plan, std::type_identity_t<std::span<const T>> p,
                            const PotentialFeatures& shape, std::type_identity_t<std::span<T>> out,
                            const E& executor) const {
  detail::check_mesh_features(plan, options_, shape);
  if (plan.n_atoms == 0) return;
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const auto out_size = static_cast<std::size_t>(detail::multipole_size(shape.l_max));
  const std::size_t n = plan.widths.size(), stride = n * out_size;
  const auto& sources = detail::source_layer(plan, 0);
  const auto& receivers = detail::feature_layer(plan, shape);
  detail::mesh_potential<T>(plan, sources, p, 0, receivers, out, stride, executor);
  detail::UniformCharge<T> charge;
  charge.add(p, size, plan.widths);
  for (std::size_t w = shape.widths.size(); w-- > 0;) {
    if (plan.split && w > 0) std::copy_n(out.begin(), stride, out.subspan(w * stride).begin());
    const T uniform = detail::uniform_potential(plan, charge, shape.widths[w] * shape.widths[w]);
    for (std::size_t i = 0; i < n; ++i) out[w * stride + i * out_size] += uniform;
  }
  if (plan.settings.mesh_only && shape.self == SelfInteraction::excluded)
    detail::add_own_features<T>(plan.widths, plan.l_max, shape, RealOf<T>(-1), p, out);
  if (plan.pairs) plan.pairs->add_features(plan.pair_plan, p, shape, out, executor);
}

template <Number T, Executor E>
void ParticleMesh::features_transpose(const Plan<T>& plan,
                                      std::type_identity_t<std::span<const T>> cotangent,
                                      const PotentialFeatures& shape,
                                      std::type_identity_t<std::span<T>> p_bar,
                                      const E& executor) const {
  detail::check_mesh_features(plan, options_, shape);
  if (plan.n_atoms == 0) return;
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const auto in_size = static_cast<std::size_t>(detail::multipole_size(shape.l_max));
  const std::size_t n = plan.widths.size(), stride = n * in_size;
  const auto& receivers = detail::source_layer(plan, 0);
  const auto& sources = detail::feature_layer(plan, shape);
  std::vector<T>& result = plan.scratch.result;
  result.resize(p_bar.size());
  detail::mesh_potential<T>(plan, sources, detail::summed_features(plan, cotangent, stride), stride,
                            receivers, result, 0, executor);
  detail::UniformCharge<T> charge;
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::UniformCharge<T> one;
    one.add(cotangent.subspan(w * stride, stride), in_size, n, shape.widths[w]);
    charge.charge += one.charge;
    charge.spread += one.spread;
  }
  for (std::size_t i = 0; i < n; ++i)
    result[i * size] += detail::uniform_potential(plan, charge, plan.widths[i] * plan.widths[i]);
  for (std::size_t i = 0; i < p_bar.size(); ++i) p_bar[i] += result[i];
  if (plan.settings.mesh_only && shape.self == SelfInteraction::excluded)
    detail::add_own_features_transpose<T>(plan.widths, plan.l_max, shape, RealOf<T>(-1), cotangent,
                                          p_bar);
  if (plan.pairs) plan.pairs->features_transpose(plan.pair_plan, cotangent, shape, p_bar, executor);
}

template <Number T, Executor E>
void ParticleMesh::feature_gradient(const Plan<T>& plan,
                                    std::type_identity_t<std::span<const T>> cotangent,
                                    std::type_identity_t<std::span<const T>> p,
                                    const PotentialFeatures& shape, std::type_identity_t<T> factor,
                                    GeometryGradient<T>& gradient, const E& executor) const {
  detail::check_mesh_features(plan, options_, shape);
  LEYDEN_EXPECTS(gradient.positions.size() == static_cast<std::size_t>(plan.n_atoms));
  if (plan.n_atoms == 0 || shape.widths.empty()) return;
  const auto size = static_cast<std::size_t>(detail::multipole_size(plan.l_max));
  const auto in_size = static_cast<std::size_t>(detail::multipole_size(shape.l_max));
  const std::size_t n = plan.widths.size(), stride = n * in_size;
  const auto& sources = detail::source_layer(plan, 0);
  const auto& receivers = detail::feature_layer(plan, shape);
  detail::mesh_gradient<T>(plan, receivers, detail::summed_features(plan, cotangent, stride),
                           stride, sources, p, 0, false, factor, gradient, executor);
  detail::UniformCharge<T> of_p, of_features;
  of_p.add(p, size, plan.widths);
  for (std::size_t w = 0; w < shape.widths.size(); ++w) {
    detail::UniformCharge<T> one;
    one.add(cotangent.subspan(w * stride, stride), in_size, n, shape.widths[w]);
    of_features.charge += one.charge;
    of_features.spread += one.spread;
  }
  const T uniform = factor * detail::uniform_energy(plan, of_p, of_features);
  for (int c = 0; c < 3; ++c) gradient.strain(c, c) -= uniform;
  if (plan.pairs)
    plan.pairs->feature_gradient(plan.pair_plan, cotangent, p, shape, factor, gradient, executor);
}

static_assert(ElectrostaticSolver<ParticleMesh>);

}  // namespace leyden::inline LEYDEN_ABI
