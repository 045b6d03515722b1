// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <algorithm>
#include <string>

namespace leyden::inline LEYDEN_ABI {

template <class D, class Q, class S>
Potential<D, Q, S>::Potential(D descriptor, Q charge_model, S solver, std::uint64_t seed)
    : descriptor_(std::move(descriptor)),
      charge_model_(std::move(charge_model)),
      solver_(std::move(solver)) {
  descriptor_.declare(layout_);
  charge_model_.declare(layout_, descriptor_.feature_shapes(), descriptor_.species());
  parameters_ = layout_.initial_values(seed);
  descriptor_.prepare(parameters_);
  charge_model_.prepare(parameters_);
}

template <class D, class Q, class S>
void Potential<D, Q, S>::set_parameters(std::span<const double> parameters) {
  if (parameters.size() != layout_.size())
    throw ModelError("Potential::set_parameters: " + std::to_string(parameters.size()) +
                     " numbers are given; this potential has " + std::to_string(layout_.size()));
  std::copy(parameters.begin(), parameters.end(), parameters_.begin());
  descriptor_.prepare(parameters_);
  charge_model_.prepare(parameters_);
}

template <class D, class Q, class S>
void Potential<D, Q, S>::start(const Structure& structure, Workspace& workspace) const {
  const std::size_t n = structure.size();
  if (n == 0) throw InputError("Potential: the structure has no atoms");
  if (structure.atomic_numbers.size() != n)
    throw InputError("Potential: the structure has " + std::to_string(n) + " positions and " +
                     std::to_string(structure.atomic_numbers.size()) +
                     " atomic numbers; give one of each per atom");
  const std::span<const int> known = species();
  workspace.species.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto found = std::find(known.begin(), known.end(), structure.atomic_numbers[i]);
    if (found == known.end()) {
      std::string list;
      for (int z : known) list += (list.empty() ? "" : ", ") + std::to_string(z);
      throw ModelError("Potential: atom " + std::to_string(i) + " has atomic number " +
                       std::to_string(structure.atomic_numbers[i]) + "; this potential knows " +
                       list);
    }
    workspace.species[i] = static_cast<int>(found - known.begin());
  }
  NeighborList& list = workspace.neighbors;
  if (list.cutoff() != cutoff() || list.skin() != workspace.skin)
    list.build(structure, cutoff(), workspace.skin);
  else
    list.update(structure);
  if constexpr (size_ > 0) {
    workspace.widths.resize(n);
    charge_model_.widths(workspace.species, workspace.widths);
  }
}

template <class D, class Q, class S>
template <Number T>
ChargeInput<T> Potential<D, Q, S>::charge_input(const Structure& structure,
                                                const Workspace& workspace,
                                                const State<T>& state) const {
  return {state.tape.features,
          workspace.species,
          static_cast<RealOf<T>>(structure.total_charge),
          vector_cast<T>(structure.external_field),
          &structure,
          &state.geometry};
}

template <class D, class Q, class S>
template <Number T>
void Potential<D, Q, S>::forward(const Structure& structure, Workspace& workspace,
                                 State<T>& state) const {
  descriptor_.forward(state.geometry, state.tape);
  if constexpr (size_ > 0) {
    using R = RealOf<T>;
    const std::size_t n = structure.size() * size_;
    const R charge = static_cast<R>(structure.total_charge);
    state.multipoles.resize(n);
    state.own_potential.resize(n);
    state.external.assign(n, T(R(0)));
    if (has_field(structure))
      external_potential<T>(state.geometry, structure.external_field, structure.field_jump,
                            Q::l_max, state.external);

    const ChargeInput<T> input = charge_input(structure, workspace, state);
    // Solvers judge the charge that there is: a model that does not conserve it makes its own.
    T net_charge(charge);
    if constexpr (Q::kind == ChargeKind::explicit_) {
      charge_model_.multipoles(input, std::span<T>(state.multipoles));
      if constexpr (!Q::conserves_charge) {
        net_charge = T(R(0));
        for (std::size_t i = 0; i < n; i += size_) net_charge += state.multipoles[i];
      }
    }
    solver_.template plan<T>(state.geometry, SourceShape{Q::l_max, workspace.widths}, net_charge,
                             state.plan);
    if constexpr (Q::kind == ChargeKind::variational) {
      state.coefficients.assign(n, 0, 0, true);
      charge_model_.sites(input, state.coefficients);
      state.fermi_level = DenseQuadratic::minimize<T>(
          solver_, state.plan, multipole_count, state.coefficients.chi, state.coefficients.eta,
          state.external, charge, state.multipoles, state.quadratic);
    }
    solver_.template apply<T>(state.plan, std::span<const T>(state.multipoles),
                              std::span<T>(state.own_potential));
  }
}

template <class D, class Q, class S>
template <Number T>
void Potential<D, Q, S>::backward(const Structure& structure, const Workspace& workspace,
                                  State<T>& state, const detail::ExtraCotangents<T>& bar,
                                  bool geometry, std::span<T> parameter_gradient) const {
  using R = RealOf<T>;
  if (geometry) state.gradient.reset(structure.size());
  if constexpr (size_ > 0) {
    const std::size_t n = state.multipoles.size();
    const std::span<const T> p = state.multipoles;
    state.edge_bar.assign(geometry ? state.geometry.vector.size() : 0, Vector3<T>{});
    const InputCotangents<T> input_bar{state.tape.feature_cotangents, state.edge_bar,
                                       parameter_gradient, geometry ? &state.gradient : nullptr};
    const ChargeInput<T> input = charge_input(structure, workspace, state);
    if constexpr (Q::kind == ChargeKind::explicit_) {
      state.multipole_bar.resize(n);
      for (std::size_t i = 0; i < n; ++i) {
        state.multipole_bar[i] = bar.energy * (state.own_potential[i] + state.external[i]);
        if (!bar.multipoles.empty()) state.multipole_bar[i] += bar.multipoles[i];
      }
      charge_model_.pullback(input, std::span<const T>(state.multipole_bar), input_bar);
    } else {
      // The energy is stationary in p (Hellmann-Feynman): only its explicit derivatives count.
      // A cotangent of p itself needs the adjoint solve.
      SiteCoefficients<T>& c_bar = state.coefficient_bar;
      c_bar.assign(n, 0, 0, true);
      for (std::size_t i = 0; i < n; ++i) {
        c_bar.chi[i] = bar.energy * p[i];
        c_bar.eta[i] = bar.energy * R(0.5) * p[i] * p[i];
      }
      if (!bar.multipoles.empty()) {
        state.lambda.resize(n);
        DenseQuadratic::adjoint<T>(solver_, state.plan, state.coefficients.eta, bar.multipoles,
                                   state.lambda, state.quadratic);
        for (std::size_t i = 0; i < n; ++i) {
          c_bar.chi[i] -= state.lambda[i];
          c_bar.eta[i] -= state.lambda[i] * p[i];
        }
        if (geometry) {
          const std::span<const T> lambda = state.lambda;
          solver_.template bilinear_gradient<T>(state.plan, lambda, p, T(R(-1)), state.gradient);
          if (has_field(structure))
            external_potential_gradient<T>(state.geometry, structure.external_field,
                                           structure.field_jump, Q::l_max, lambda, T(R(-1)),
                                           state.gradient);
        }
      }
      charge_model_.pullback(input, state.coefficients, c_bar, input_bar);
    }
    if (geometry) {
      add_edge_gradient(state.geometry, std::span<const Vector3<T>>(state.edge_bar),
                        state.gradient);
      solver_.template bilinear_gradient<T>(state.plan, p, p, bar.energy * R(0.5), state.gradient);
      if (has_field(structure))
        external_potential_gradient<T>(state.geometry, structure.external_field,
                                       structure.field_jump, Q::l_max, p, bar.energy,
                                       state.gradient);
    }
  }
  descriptor_.backward(state.geometry, state.tape, bar.energy, parameter_gradient);
  if (geometry)
    add_edge_gradient(state.geometry, std::span<const Vector3<T>>(state.tape.edge_gradient),
                      state.gradient);
}

template <class D, class Q, class S>
const Prediction& Potential<D, Q, S>::evaluate(const Structure& structure, Workspace& workspace,
                                               Properties properties) const {
  using T = real_type;
  start(structure, workspace);
  make_geometry(structure, workspace.neighbors, workspace.real.geometry);
  forward(structure, workspace, workspace.real);
  properties.stress = properties.stress && structure.cell.all_periodic();
  if (properties.forces || properties.stress)
    backward(structure, workspace, workspace.real, detail::ExtraCotangents<T>{}, true,
             std::span<T>());
  fill_prediction(structure, properties, workspace);
  return workspace.prediction;
}

template <class D, class Q, class S>
void Potential<D, Q, S>::fill_prediction(const Structure& structure, Properties properties,
                                         Workspace& workspace) const {
  const std::size_t n = structure.size();
  const auto& state = workspace.real;
  Prediction& out = workspace.prediction;

  out.atomic_energies.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    out.atomic_energies[i] =
        static_cast<double>(state.tape.node_energies[i]) +
        (state.tape.reference_energies.empty() ? 0.0 : state.tape.reference_energies[i]);
  out.dipole = {};
  if constexpr (size_ > 0) {
    out.charges.resize(n);
    out.multipoles.resize(n * size_);
    for (std::size_t k = 0; k < n * size_; ++k) {
      const double p = static_cast<double>(state.multipoles[k]);
      out.multipoles[k] = p;
      double share = p * (0.5 * static_cast<double>(state.own_potential[k]) +
                          static_cast<double>(state.external[k]));
      if constexpr (Q::kind == ChargeKind::variational)
        share += p * (static_cast<double>(state.coefficients.chi[k]) +
                      0.5 * static_cast<double>(state.coefficients.eta[k]) * p);
      out.atomic_energies[k / size_] += share;
    }
    for (std::size_t i = 0; i < n; ++i) {
      out.charges[i] = out.multipoles[i * size_];
      out.dipole += structure.positions[i] * out.charges[i];
      if constexpr (size_ >= 4)
        for (int m = 0; m < 3; ++m)
          out.dipole[(m + 1) % 3] += out.multipoles[i * size_ + 1 + static_cast<std::size_t>(m)];
    }
  }
  out.energy = 0.0;
  for (double e : out.atomic_energies) out.energy += e;
  if constexpr (Q::kind == ChargeKind::variational)
    out.fermi_level = static_cast<double>(state.fermi_level);
  else
    out.fermi_level.reset();

  out.forces.resize(properties.forces ? n : 0);
  for (std::size_t i = 0; i < out.forces.size(); ++i)
    out.forces[i] = -vector_cast<double>(state.gradient.positions[i]);
  out.stress = {};
  if (properties.stress) {
    const double volume = std::abs(determinant(structure.cell.vectors));
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        out.stress(a, b) = 0.5 *
                           (static_cast<double>(state.gradient.strain(a, b)) +
                            static_cast<double>(state.gradient.strain(b, a))) /
                           volume;
  }
}

template <class D, class Q, class S>
template <Number T, class Convert>
void Potential<D, Q, S>::fill_extra(const Structure& structure, const LossCotangents& cotangents,
                                    Convert&& convert, std::vector<T>& extra) const {
  // L = q̄·q + μ̄·(Σ q r + d). Only parameters are differentiated, so positions are constants here.
  extra.resize(structure.size() * size_);
  for (std::size_t i = 0; i < structure.size(); ++i) {
    extra[i * size_] = convert((cotangents.charges.empty() ? 0.0 : cotangents.charges[i]) +
                               dot(cotangents.dipole, structure.positions[i]));
    if constexpr (size_ >= 4)
      for (int m = 0; m < 3; ++m)
        extra[i * size_ + 1 + static_cast<std::size_t>(m)] =
            convert(cotangents.dipole[(m + 1) % 3]);
  }
}

template <class D, class Q, class S>
void Potential<D, Q, S>::parameter_gradient(const Structure& structure,
                                            const LossCotangents& cotangents, Workspace& workspace,
                                            std::span<double> gradient) const {
  using R = real_type;
  using T = Dual<R>;
  const std::size_t n = structure.size();
  const auto check = [&](std::size_t given, const char* what) {
    if (given != 0 && given != n)
      throw InputError("Potential::parameter_gradient: " + std::to_string(given) +
                       " cotangents of " + what + " are given for " + std::to_string(n) +
                       " atoms; give one per atom, or none");
  };
  check(cotangents.forces.size(), "forces");
  check(cotangents.charges.size(), "charges");
  if (gradient.size() != layout_.size())
    throw InputError("Potential::parameter_gradient: the gradient has " +
                     std::to_string(gradient.size()) + " numbers; this potential has " +
                     std::to_string(layout_.size()) + " parameters");
  start(structure, workspace);

  const bool stress = structure.cell.all_periodic() && !(cotangents.stress == Matrix3<double>{});
  const bool charges =
      size_ > 0 && (!cotangents.charges.empty() || !(cotangents.dipole == Vector3<double>{}));
  if (cotangents.forces.empty() && !stress) {
    auto& state = workspace.real;
    make_geometry(structure, workspace.neighbors, state.geometry);
    forward(structure, workspace, state);
    detail::ExtraCotangents<R> bar;
    bar.energy = static_cast<R>(cotangents.energy);
    if constexpr (size_ > 0)
      if (charges) {
        fill_extra(
            structure, cotangents, [](double x) { return static_cast<R>(x); },
            workspace.real_extra);
        bar.multipoles = workspace.real_extra;
      }
    state.parameter_gradient.assign(layout_.size(), R(0));
    backward(structure, workspace, state, bar, false, std::span<R>(state.parameter_gradient));
    for (std::size_t k = 0; k < gradient.size(); ++k)
      gradient[k] += static_cast<double>(state.parameter_gradient[k]);
    return;
  }

  // With G(ε) the parameter gradient of (1 + ε Ē) E(x − εF̄, ε s) + ε q̄·q, s = sym(σ̄)/V:
  // dG/dε = Ē ∇E − F̄·∂∇E/∂x + s:∂∇E/∂strain + q̄·∇q, and F = −∂E/∂x, σ = sym(∂E/∂strain)/V.
  auto& state = workspace.dual;
  workspace.displacement.resize(cotangents.forces.size());
  for (std::size_t i = 0; i < cotangents.forces.size(); ++i)
    workspace.displacement[i] = -cotangents.forces[i];
  Matrix3<double> strain{};
  if (stress) {
    const double volume = std::abs(determinant(structure.cell.vectors));
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        strain(a, b) = 0.5 * (cotangents.stress(a, b) + cotangents.stress(b, a)) / volume;
  }
  make_geometry(structure, workspace.neighbors, state.geometry,
                std::span<const Vector3<double>>(workspace.displacement),
                stress ? &strain : nullptr);
  forward(structure, workspace, state);
  detail::ExtraCotangents<T> bar;
  bar.energy = T(R(1), static_cast<R>(cotangents.energy));
  if constexpr (size_ > 0)
    if (charges) {
      fill_extra(
          structure, cotangents, [](double x) { return T(R(0), static_cast<R>(x)); },
          workspace.dual_extra);
      bar.multipoles = workspace.dual_extra;
    }
  state.parameter_gradient.assign(layout_.size(), T(R(0)));
  backward(structure, workspace, state, bar, false, std::span<T>(state.parameter_gradient));
  for (std::size_t k = 0; k < gradient.size(); ++k)
    gradient[k] += static_cast<double>(state.parameter_gradient[k].tangent);
}

}  // namespace leyden::inline LEYDEN_ABI
