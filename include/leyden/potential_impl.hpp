// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/potential.hpp>

#include <algorithm>
#include <limits>
#include <string>

namespace leyden::inline LEYDEN_ABI {

template <class D, class Q, class S>
Potential<D, Q, S>::Potential(D descriptor, Q charge_model, S solver, std::uint64_t seed)
    : descriptor_(std::move(descriptor)),
      charge_model_(std::move(charge_model)),
      solver_(std::move(solver)) {
  descriptor_.declare(layout_);
  charge_model_.declare(layout_, descriptor_.feature_shapes(), descriptor_.species());
  if constexpr (requires { charge_model_.bond_cutoff(); })
    if (charge_model_.bond_cutoff() > descriptor_.cutoff())
      throw ModelError("Potential: the bonds of '" + std::string(Q::name) + "' end at " +
                       std::to_string(charge_model_.bond_cutoff()) +
                       " Å, the descriptor's edges at " + std::to_string(descriptor_.cutoff()) +
                       " Å; bonds are edges, so give bonds a smaller cutoff");
  parameters_ = layout_.initial_values(seed);
  descriptor_.prepare(parameters_);
  charge_model_.prepare(parameters_);
}

template <class D, class Q, class S>
template <Executor E>
void Potential<D, Q, S>::set_parameters(std::span<const double> parameters, const E& executor,
                                        bool training) {
  if (parameters.size() != layout_.size())
    throw ModelError("Potential::set_parameters: " + std::to_string(parameters.size()) +
                     " numbers are given; this potential has " + std::to_string(layout_.size()));
  for_each_block(
      executor, parameters.size(), parameters_of_block, [&](std::size_t begin, std::size_t end) {
        std::copy(parameters.data() + begin, parameters.data() + end, parameters_.data() + begin);
      });
  if constexpr (requires { descriptor_.prepare(parameters_, executor, training); })
    descriptor_.prepare(parameters_, executor, training);
  else
    descriptor_.prepare(parameters_);
  charge_model_.prepare(parameters_);
}

template <class D, class Q, class S>
std::vector<Slice> Potential<D, Q, S>::slices_at_once() const {
  std::vector<char> waits(layout_.size(), 0);
  if constexpr (requires { descriptor_.pending_slices(); })
    for (const Slice& s : descriptor_.pending_slices())
      std::ranges::fill(s.of(std::span(waits)), char{1});
  std::vector<Slice> slices;
  for (std::size_t k = 0; k < waits.size(); ++k) {
    if (waits[k]) continue;
    if (k == 0 || waits[k - 1]) slices.push_back({k, 0});
    ++slices.back().size;
  }
  return slices;
}

template <class D, class Q, class S>
void Potential<D, Q, S>::start(const Structure& structure, Workspace& workspace) const {
  const std::size_t n = structure.size();
  if (n == 0) throw InputError("Potential: the structure has no atoms");
  if (structure.atomic_numbers.size() != n)
    throw InputError("Potential: the structure has " + std::to_string(n) + " positions and " +
                     std::to_string(structure.atomic_numbers.size()) +
                     " atomic numbers; give one of each per atom");
  detail::check_external_charges(structure.external_charges);
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
  return {state.tape.features,  workspace.species, state.total_charge,
          state.external_field, &structure,        &state.geometry};
}

template <class D, class Q, class S>
double Potential<D, Q, S>::fill_constraints(const Structure& structure,
                                            ChargeConstraints& constraints,
                                            const Direction* direction) const {
  const std::size_t n = structure.size();
  bool free_charge = structure.fermi_level.has_value();
  for (const ChargeGroup& group : structure.groups)
    free_charge = free_charge || group.fermi_level.has_value();
  constexpr bool exchanges = [] {
    if constexpr (self_consistent_)
      return Q::exchanges_charge;
    else
      return false;
  }();
  if (!exchanges && (free_charge || !structure.groups.empty()))
    throw ModelError("Potential: the structure prescribes " +
                     std::string(free_charge ? "a Fermi level" : "charges of groups") +
                     ", but with '" + std::string(Q::name) +
                     "' the total charge does not respond to a potential; take a charge model that "
                     "exchanges charge, or give the total charge alone");
  constraints.group.assign(n, -1);
  constraints.charge.clear();
  double net = structure.total_charge;
  if (!exchanges) return net;
  int rest = -1;
  if (!structure.fermi_level) {
    rest = 0;
    constraints.charge.push_back(structure.total_charge);
  }
  std::fill(constraints.group.begin(), constraints.group.end(), rest);
  std::size_t left = n;
  for (const ChargeGroup& group : structure.groups) {
    int index = -1;
    if (!group.fermi_level) {
      index = static_cast<int>(constraints.charge.size());
      constraints.charge.push_back(group.total_charge);
      net += group.total_charge;
    }
    for (int atom : group.atoms) {
      if (atom < 0 || static_cast<std::size_t>(atom) >= n)
        throw InputError("Potential: a charge group names atom " + std::to_string(atom) +
                         "; the structure has " + std::to_string(n));
      for (const ChargeGroup& other : structure.groups)
        if (&other != &group &&
            std::find(other.atoms.begin(), other.atoms.end(), atom) != other.atoms.end())
          throw InputError("Potential: atom " + std::to_string(atom) + " is in two charge groups");
      constraints.group[static_cast<std::size_t>(atom)] = index;
      --left;
    }
    if (group.atoms.empty()) throw InputError("Potential: a charge group has no atoms");
  }
  if (left == 0 && rest == 0) {
    // Nobody is left to carry the structure's own charge.
    if (structure.total_charge != 0.0)
      throw InputError(
          "Potential: all atoms are in charge groups, so total_charge must be 0; it is " +
          std::to_string(structure.total_charge));
    constraints.charge.erase(constraints.charge.begin());
    for (int& g : constraints.group) g = g > 0 ? g - 1 : g;
  }
  constraints.tangent.assign(direction ? constraints.charge.size() : 0, 0.0);
  if (direction && rest == 0 && left > 0) constraints.tangent[0] = direction->total_charge;
  return free_charge ? std::numeric_limits<double>::quiet_NaN() : net;
}

template <class D, class Q, class S>
template <Number T>
void Potential<D, Q, S>::fill_external(const Structure& structure, State<T>& state,
                                       const Direction* direction) const {
  using R = RealOf<T>;
  const std::size_t n = structure.size();
  state.external.assign(n * size_, T(R(0)));
  if (has_field(state))
    external_potential<T>(state.geometry, state.external_field, structure.field_jump, Q::l_max,
                          state.external, default_field_clearance, field_images_);
  state.external_charges.add_potential(solver_, state.external);
  if (!structure.applied_potential.empty()) {
    if (structure.applied_potential.size() != n)
      throw InputError("Potential: " + std::to_string(structure.applied_potential.size()) +
                       " applied potentials are given for " + std::to_string(n) +
                       " atoms; give one per atom, or none");
    for (std::size_t i = 0; i < n; ++i)
      state.external[i * size_] += T(static_cast<R>(structure.applied_potential[i]));
  }
  if constexpr (is_dual_v<T>)
    if (direction)
      for (std::size_t i = 0; i < direction->applied_potential.size(); ++i)
        state.external[i * size_].tangent += static_cast<R>(direction->applied_potential[i]);
  if constexpr (self_consistent_) {
    // A prescribed Fermi level is a potential on every charge: the energy with it is the grand
    // potential E + μQ, and nothing else changes.
    std::vector<T>& level = state.external_bar;  // scratch here
    T own(static_cast<R>(structure.fermi_level.value_or(0.0)));
    if constexpr (is_dual_v<T>)
      if (direction && structure.fermi_level) own.tangent = static_cast<R>(direction->fermi_level);
    level.assign(n, own);
    for (const ChargeGroup& group : structure.groups)
      for (int atom : group.atoms)
        level[static_cast<std::size_t>(atom)] = T(static_cast<R>(group.fermi_level.value_or(0.0)));
    for (std::size_t i = 0; i < n; ++i) state.external[i * size_] += level[i];
  }
}

template <class D, class Q, class S>
template <Number T, class F>
void Potential<D, Q, S>::with_engine(Workspace& workspace, State<T>& state, F&& f) const {
  if constexpr (self_consistent_) {
    using Engine = SelfConsistency<detail::LawOf<Q>, S, T>;
    const auto law = charge_model_.law();
    double bond_cutoff = 0.0;
    if constexpr (requires { charge_model_.bond_cutoff(); })
      bond_cutoff = charge_model_.bond_cutoff();
    const typename Engine::System system{law,
                                         solver_,
                                         state.plan,
                                         workspace.real.plan,
                                         workspace.real.geometry,
                                         workspace.widths,
                                         size_,
                                         state.coefficients,
                                         state.external,
                                         scf_options_,
                                         bond_cutoff};
    Engine engine(system, state.scf);
    f(engine);
  }
}

template <class D, class Q, class S>
template <Number T, Executor E>
void Potential<D, Q, S>::forward(const Structure& structure, Workspace& workspace, State<T>& state,
                                 const Direction* direction, const E& executor) const {
  state.external_field = vector_cast<T>(vector_cast<RealOf<T>>(structure.external_field));
  state.total_charge = T(static_cast<RealOf<T>>(structure.total_charge));
  if constexpr (is_dual_v<T>)
    if (direction) {
      for (int j = 0; j < 3; ++j)
        state.external_field[j].tangent = static_cast<RealOf<T>>(direction->external_field[j]);
      state.total_charge.tangent = static_cast<RealOf<T>>(direction->total_charge);
    }
  if constexpr (requires { state.tape.training; }) state.tape.training = workspace.training;
  if constexpr (requires { descriptor_.forward(state.geometry, state.tape, executor); })
    descriptor_.forward(state.geometry, state.tape, executor);
  else
    descriptor_.forward(state.geometry, state.tape);
  if constexpr (size_ > 0) {
    using R = RealOf<T>;
    const std::size_t n = structure.size() * size_;
    double charge = fill_constraints(structure, state.scf.density.constraints, direction);
    state.multipoles.resize(n);
    state.own_potential.resize(n);
    state.site_energies.assign(structure.size(), T(R(0)));
    const ChargeInput<T> input = charge_input(structure, workspace, state);
    // Solvers judge the charge that there is: a model that does not conserve it makes its own.
    T net_charge(static_cast<R>(charge));
    if constexpr (Q::kind == ChargeKind::explicit_) {
      charge_model_.multipoles(input, std::span<T>(state.multipoles));
      if constexpr (!Q::conserves_charge) {
        net_charge = T(R(0));
        for (std::size_t i = 0; i < n; i += size_) net_charge += state.multipoles[i];
      }
    }
    const SourceShape source{Q::l_max, workspace.widths};
    net_charge += T(static_cast<R>(detail::sum_of_charges(structure.external_charges)));
    solver_.template plan<T>(state.geometry, source, net_charge, state.plan);
    state.external_charges.plan(
        solver_, state.geometry, source, structure.external_charges,
        direction ? std::span<const Vector3<double>>(direction->external_displacement)
                  : std::span<const Vector3<double>>(),
        &workspace.strain, net_charge);
    fill_external(structure, state, direction);
    if constexpr (self_consistent_) {
      if constexpr (is_dual_v<T>) {
        make_geometry(structure, workspace.neighbors, workspace.real.geometry);
        solver_.template plan<R>(workspace.real.geometry, source, value_of(net_charge),
                                 workspace.real.plan);
      }
      const auto law = charge_model_.law();
      const std::size_t atom_numbers = structure.size() * static_cast<std::size_t>(law.atom_size());
      const std::size_t bond_numbers = static_cast<std::size_t>(state.geometry.n_pairs) *
                                       static_cast<std::size_t>(law.bond_size());
      state.coefficients.assign(n, atom_numbers, bond_numbers, law.form != LawForm::map);
      charge_model_.sites(input, state.coefficients);
      with_engine(workspace, state, [&](auto& engine) {
        if (workspace.density.empty())
          engine.solve();
        else
          engine.look_at(workspace.density);
        engine.site_energies(state.site_energies);
        std::copy(state.scf.p.begin(), state.scf.p.end(), state.multipoles.begin());
        if (engine.field().own())
          std::copy(state.scf.own.begin(), state.scf.own.end(), state.own_potential.begin());
        else
          apply(state, executor);
      });
    } else {
      if constexpr (RecursiveChargeModel<Q>)
        charge_model_.template forward<T>(input, solver_, state.plan,
                                          std::span<T>(state.multipoles),
                                          std::span<T>(state.site_energies), state.recursion);
      if constexpr (ChargeModelWithFieldEnergies<Q>)
        if (has_field(state))
          charge_model_.field_energies(input, std::span<T>(state.site_energies));
      apply(state, executor);
    }
  }
}

template <class D, class Q, class S>
template <Number T, Executor E>
void Potential<D, Q, S>::backward(const Structure& structure, Workspace& workspace, State<T>& state,
                                  const detail::ExtraCotangents<T>& bar, bool geometry,
                                  std::span<double> parameter_gradient, const E& executor) const {
  using R = RealOf<T>;
  if (geometry) {
    state.gradient.reset(structure.size());
    state.total.reset(structure.size());
  }
  state.external_field_bar = {};
  if constexpr (size_ > 0) {
    const std::size_t n = state.multipoles.size();
    const std::span<const T> p = state.multipoles;
    state.edge_bar.assign(geometry ? state.geometry.vector.size() : 0, Vector3<T>{});
    const InputCotangents<T> input_bar{state.tape.feature_cotangents, state.edge_bar,
                                       parameter_gradient, geometry ? &state.gradient : nullptr,
                                       geometry ? &state.external_field_bar : nullptr};
    const ChargeInput<T> input = charge_input(structure, workspace, state);
    // dE/d(v_ext) at fixed multipoles, and whatever else reaches the multipoles through it.
    state.external_bar.resize(n);
    for (std::size_t i = 0; i < n; ++i) state.external_bar[i] = bar.energy * p[i];
    if constexpr (self_consistent_) {
      SiteCoefficients<T>& c_bar = state.coefficient_bar;
      c_bar.assign(state.coefficients.chi.size(), state.coefficients.atoms.size(),
                   state.coefficients.bonds.size(), !state.coefficients.chi.empty());
      constexpr bool readout = LawWithReadout<detail::LawOf<Q>>;
      state.multipole_bar.assign(readout || !bar.multipoles.empty() ? n : 0, T(R(0)));
      if (readout)
        for (std::size_t i = 0; i < n; ++i)
          state.multipole_bar[i] = bar.energy * (state.own_potential[i] + state.external[i]);
      if (!bar.multipoles.empty())
        for (std::size_t i = 0; i < n; ++i) state.multipole_bar[i] += bar.multipoles[i];
      const std::size_t levels = state.scf.fermi_level.size();
      const bool level = !structure.fermi_level && levels > free_groups(structure) &&
                         (value_of(bar.fermi_level) != R(0) || tangent_of(bar.fermi_level) != R(0));
      state.fermi_level_bar.assign(level ? levels : 0, T(R(0)));
      if (level) state.fermi_level_bar[0] = bar.fermi_level;
      with_engine(workspace, state, [&](auto& engine) {
        state.field_bar.resize(structure.size() * engine.inputs());
        if constexpr (is_map)
          if (bar.spectral_radius != 0.0 || !bar.bare_softness.empty()) {
            state.fermi_level_bar.resize(levels);
            engine.response_backward(bar.spectral_radius, bar.bare_softness, c_bar,
                                     std::span<T>(state.multipole_bar),
                                     std::span<T>(state.fermi_level_bar));
          }
        const std::span<const T> level_bar = state.fermi_level_bar;
        const std::span<T> field_bar = state.field_bar;
        if (workspace.density.empty())
          engine.backward(bar.energy, std::span<const T>(state.multipole_bar), level_bar, c_bar,
                          field_bar);
        else
          engine.backward_at(bar.energy, bar.residual, level_bar, c_bar, field_bar);
        for (std::size_t i = 0; i < structure.size(); ++i)
          for (std::size_t k = 0; k < engine.inputs(); ++k)
            state.external_bar[i * size_ + k % size_] += state.field_bar[i * engine.inputs() + k];
        if (!geometry) return;
        if (engine.field().own()) {
          for (std::size_t i = 0; i < n; ++i) state.field_bar[i] += bar.energy * R(0.5) * p[i];
          engine.field().gradient(state.field_bar, p, T(R(1)), state.gradient);
        } else {
          engine.field().gradient(state.field_bar, p, T(R(1)), state.gradient);
          add_field_gradient(state, bar.energy, executor);
        }
      });
      charge_model_.pullback(input, state.coefficients, c_bar, input_bar);
    } else {
      state.multipole_bar.resize(n);
      for (std::size_t i = 0; i < n; ++i) {
        state.multipole_bar[i] = bar.energy * (state.own_potential[i] + state.external[i]);
        if (!bar.multipoles.empty()) state.multipole_bar[i] += bar.multipoles[i];
      }
      if constexpr (RecursiveChargeModel<Q>)
        charge_model_.template backward<T>(input, solver_, state.plan,
                                           std::span<const T>(state.multipole_bar), bar.energy,
                                           state.recursion, input_bar);
      else
        charge_model_.pullback(input, std::span<const T>(state.multipole_bar), input_bar);
      // Also without a field: its derivative is the polarisation.
      if constexpr (ChargeModelWithFieldEnergies<Q>)
        if (geometry || has_field(state))
          charge_model_.field_energies_pullback(input, bar.energy, input_bar);
      if (geometry) add_field_gradient(state, bar.energy, executor);
    }
    if (geometry) {
      add_edge_gradient(state.geometry, std::span<const Vector3<T>>(state.edge_bar), state.total);
      const std::span<const T> q = state.external_bar;
      if (has_field(state))
        external_potential_gradient<T>(state.geometry, state.external_field, structure.field_jump,
                                       Q::l_max, q, T(R(1)), state.gradient,
                                       default_field_clearance, field_images_);
      external_potential_field_gradient<T>(state.geometry, state.external_field,
                                           structure.field_jump, Q::l_max, q,
                                           state.external_field_bar, 0.0, field_images_);
      state.external_charges.add_gradient(solver_, q, T(R(1)), state.gradient);
    }
  }
  state.tape.wants_edges = geometry;
  if constexpr (requires {
                  descriptor_.backward(state.geometry, state.tape, bar.energy, parameter_gradient,
                                       executor);
                })
    descriptor_.backward(state.geometry, state.tape, bar.energy, parameter_gradient, executor);
  else
    descriptor_.backward(state.geometry, state.tape, bar.energy, parameter_gradient);
  if (!geometry) return;
  add_edge_gradient(state.geometry, std::span<const Vector3<T>>(state.tape.edge_gradient),
                    state.total);
  for (std::size_t i = 0; i < state.gradient.positions.size(); ++i)
    for (int a = 0; a < 3; ++a)
      state.total.positions[i][a] += detail::widen(state.gradient.positions[i][a]);
  for (std::size_t k = 0; k < 9; ++k)
    state.total.strain.data[k] += detail::widen(state.gradient.strain.data[k]);
}

template <class D, class Q, class S>
const Prediction& Potential<D, Q, S>::evaluate(const Structure& structure, Workspace& workspace,
                                               Properties properties) const {
  return evaluate(structure, workspace, properties, SerialExecutor{});
}

template <class D, class Q, class S>
template <Executor E>
const Prediction& Potential<D, Q, S>::evaluate(const Structure& structure, Workspace& workspace,
                                               Properties properties, const E& executor) const {
  using T = real_type;
  start(structure, workspace);
  make_geometry(structure, workspace.neighbors, workspace.real.geometry);
  forward(structure, workspace, workspace.real, nullptr, executor);
  properties.stress = properties.stress && structure.cell.all_periodic();
  if (properties.forces || properties.stress)
    backward(structure, workspace, workspace.real, detail::ExtraCotangents<T>{}, true,
             std::span<double>(), executor);
  fill_prediction(structure, properties, workspace);
  Prediction& out = workspace.prediction;
  out.spectral_radius.reset();
  out.bare_softness.clear();
  if constexpr (is_map)
    if (properties.map_response)
      with_engine(workspace, workspace.real, [&](auto& engine) {
        out.spectral_radius = engine.find_response(out.bare_softness);
      });
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
    out.potentials.resize(n * size_);
    for (std::size_t k = 0; k < n * size_; ++k) {
      const double p = static_cast<double>(state.multipoles[k]);
      out.multipoles[k] = p;
      out.potentials[k] = static_cast<double>(state.own_potential[k]);
      out.atomic_energies[k / size_] += p * (0.5 * static_cast<double>(state.own_potential[k]) +
                                             static_cast<double>(state.external[k]));
    }
    for (std::size_t i = 0; i < n; ++i) {
      out.atomic_energies[i] += static_cast<double>(state.site_energies[i]);
      out.charges[i] = out.multipoles[i * size_];
      out.dipole += structure.positions[i] * out.charges[i];
      if constexpr (size_ >= 4)
        for (int m = 0; m < 3; ++m)
          out.dipole[(m + 1) % 3] += out.multipoles[i * size_ + 1 + static_cast<std::size_t>(m)];
    }
  }
  if constexpr (requires { state.recursion.spin_density(0); }) {
    const auto &up = state.recursion.spin_density(0), &down = state.recursion.spin_density(1);
    out.spins.resize(n);
    for (std::size_t i = 0; i < n; ++i)
      out.spins[i] = static_cast<double>(up[i * size_] - down[i * size_]);
  }
  out.energy = 0.0;
  for (double e : out.atomic_energies) out.energy += e;
  out.fermi_level.reset();
  out.group_fermi_levels.clear();
  out.density_residual.clear();
  out.field_axes = {};
  out.polarizability = {};
  out.born_charges.clear();
  if constexpr (self_consistent_) {
    out.scf = state.scf.density.outcome;
    if (!workspace.density.empty())
      for (const real_type r : state.scf.residual)
        out.density_residual.push_back(static_cast<double>(r));
    std::size_t next = 0;
    if (structure.fermi_level)
      out.fermi_level = structure.fermi_level;
    else if (state.scf.fermi_level.size() > free_groups(structure))
      out.fermi_level = static_cast<double>(state.scf.fermi_level[next++]);
    for (const ChargeGroup& group : structure.groups)
      out.group_fermi_levels.push_back(group.fermi_level
                                           ? *group.fermi_level
                                           : static_cast<double>(state.scf.fermi_level[next++]));
  }

  out.forces.resize(properties.forces ? n : 0);
  for (std::size_t i = 0; i < out.forces.size(); ++i) out.forces[i] = -state.total.positions[i];
  out.external_forces.assign(properties.forces ? structure.external_charges.size() : 0,
                             Vector3<double>{});
  if constexpr (size_ > 0)
    for (std::size_t j = 0; j < out.external_forces.size(); ++j)
      out.external_forces[j] = -vector_cast<double>(state.external_charges.gradient()[j]);
  out.stress = {};
  if (properties.stress) {
    const auto stress = stress_of(state);
    for (std::size_t k = 0; k < 9; ++k) out.stress.data[k] = stress.data[k];
  }
  out.polarization = {};
  if (size_ > 0 && (properties.forces || properties.stress))
    out.polarization = -vector_cast<double>(state.external_field_bar);
}

template <class D, class Q, class S>
Potential<D, Q, S>::GivenDensity::GivenDensity(const Structure& structure,
                                               std::span<const double> density, Workspace& w)
    : workspace(w) {
  if (structure.size() == 0 || density.size() != structure.size() * size_)
    throw InputError("Potential: a density of " + std::to_string(density.size()) +
                     " multipoles is given for " + std::to_string(structure.size()) + " atoms of " +
                     std::to_string(size_) + " components; give all of them");
  workspace.density = density;
}

template <class D, class Q, class S>
const Prediction& Potential<D, Q, S>::evaluate_at(
    const Structure& structure, std::span<const double> density, Workspace& workspace,
    Properties properties) const requires SelfConsistentChargeModel<Q> {
  const GivenDensity given(structure, density, workspace);
  return evaluate(structure, workspace, properties);
}

template <class D, class Q, class S>
void Potential<D, Q, S>::parameter_gradient_at(
    const Structure& structure, std::span<const double> density, const LossCotangents& cotangents,
    Workspace& workspace, std::span<double> gradient) const requires SelfConsistentChargeModel<Q> {
  const GivenDensity given(structure, density, workspace);
  parameter_gradient(structure, cotangents, workspace, gradient);
}

template <class D, class Q, class S>
template <Number T>
Matrix3<detail::Wide<T>> Potential<D, Q, S>::stress_of(const State<T>& state) {
  using Wide = detail::Wide<T>;
  Wide volume = detail::widen(determinant(state.geometry.cell));
  if (volume < Wide(0.0)) volume = -volume;
  Matrix3<Wide> stress;
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      stress(a, b) = (state.total.strain(a, b) + state.total.strain(b, a)) * 0.5 / volume;
  return stress;
}

template <class D, class Q, class S>
const DirectionalDerivative& Potential<D, Q, S>::directional_derivative(
    const Structure& structure, const Direction& direction, Workspace& workspace) const {
  using R = real_type;
  using T = Dual<R>;
  const std::size_t n = structure.size();
  const auto check = [&](std::size_t given, const char* what) {
    if (given != 0 && given != n)
      throw InputError("Potential::directional_derivative: " + std::to_string(given) + " " + what +
                       " are given for " + std::to_string(n) +
                       " atoms; give one per atom, or none");
  };
  check(direction.displacement.size(), "displacements");
  check(direction.applied_potential.size(), "applied potentials");
  const std::size_t m = structure.external_charges.size();
  if (!direction.external_displacement.empty() && direction.external_displacement.size() != m)
    throw InputError("Potential::directional_derivative: " +
                     std::to_string(direction.external_displacement.size()) +
                     " displacements of external charges are given; the structure has " +
                     std::to_string(m) + " external charges; give one each, or none");
  start(structure, workspace);
  auto& state = workspace.dual;
  workspace.displacement = direction.displacement;
  workspace.strain = direction.strain;
  make_geometry(structure, workspace.neighbors, state.geometry,
                std::span<const Vector3<double>>(workspace.displacement), &direction.strain);
  forward(structure, workspace, state, &direction);
  detail::ExtraCotangents<T> bar;
  backward(structure, workspace, state, bar, true, std::span<double>());

  DirectionalDerivative& out = workspace.derivative;
  const auto tangents = [](const std::vector<T>& from, std::vector<double>& to) {
    to.resize(from.size());
    for (std::size_t k = 0; k < from.size(); ++k) to[k] = static_cast<double>(from[k].tangent);
  };
  out.energy = 0.0;
  for (const T& e : state.tape.node_energies) out.energy += static_cast<double>(e.tangent);
  out.forces.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    for (int a = 0; a < 3; ++a) out.forces[i][a] = -state.total.positions[i][a].tangent;
  out.external_forces.assign(m, Vector3<double>{});
  if constexpr (size_ > 0)
    for (std::size_t j = 0; j < m; ++j)
      for (int a = 0; a < 3; ++a)
        out.external_forces[j][a] =
            -static_cast<double>(state.external_charges.gradient()[j][a].tangent);
  out.stress = {};
  if (structure.cell.all_periodic()) {
    const auto stress = stress_of(state);
    for (std::size_t k = 0; k < 9; ++k) out.stress.data[k] = stress.data[k].tangent;
  }
  out.polarization = {};
  out.fermi_level.reset();
  if constexpr (size_ > 0) {
    tangents(state.multipoles, out.multipoles);
    tangents(state.own_potential, out.potentials);
    out.charges.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      out.charges[i] = out.multipoles[i * size_];
      out.energy += static_cast<double>(state.site_energies[i].tangent);
    }
    for (std::size_t k = 0; k < n * size_; ++k)
      out.energy += static_cast<double>(
          (state.multipoles[k] * (state.own_potential[k] * R(0.5) + state.external[k])).tangent);
    for (int a = 0; a < 3; ++a)
      out.polarization[a] = -static_cast<double>(state.external_field_bar[a].tangent);
    if constexpr (self_consistent_) {
      if (structure.fermi_level)
        out.fermi_level = direction.fermi_level;
      else if (!state.scf.fermi_level.empty())
        out.fermi_level = static_cast<double>(state.scf.fermi_level[0].tangent);
    }
  }
  return out;
}

template <class D, class Q, class S>
const std::vector<double>& Potential<D, Q, S>::bare_softness(const Structure& structure,
                                                             Workspace& workspace) const
    requires(SelfConsistentChargeModel<Q>&& detail::LawOf<Q>::form != LawForm::energy) {
  evaluate(structure, workspace, {false, false});
  workspace.bare_response.resize(structure.size() * size_);
  with_engine(workspace, workspace.real,
              [&](auto& engine) { engine.bare_response(workspace.bare_response); });
  workspace.bare_softness.resize(structure.size());
  for (std::size_t i = 0; i < structure.size(); ++i)
    workspace.bare_softness[i] = static_cast<double>(workspace.bare_response[i * size_]);
  return workspace.bare_softness;
}

template <class D, class Q, class S>
template <Number T, class Convert>
void Potential<D, Q, S>::fill_extra(const Structure& structure, const LossCotangents& cotangents,
                                    Convert&& convert, State<T>& state,
                                    std::vector<T>& extra) const {
  // L = q̄·q + μ̄·(Σ q r + d) + v̄·Kp. Only parameters are differentiated, so positions and K, which
  // is symmetric, are constants here.
  extra.resize(structure.size() * size_);
  for (std::size_t i = 0; i < structure.size(); ++i) {
    extra[i * size_] = convert((cotangents.charges.empty() ? 0.0 : cotangents.charges[i]) +
                               dot(cotangents.dipole, structure.positions[i]));
    if constexpr (size_ >= 4)
      for (int m = 0; m < 3; ++m)
        extra[i * size_ + 1 + static_cast<std::size_t>(m)] =
            convert(cotangents.dipole[(m + 1) % 3]);
  }
  for (std::size_t k = 0; k < cotangents.multipoles.size(); ++k)
    extra[k] += convert(cotangents.multipoles[k]);
  if (cotangents.potentials.empty()) return;
  state.external_bar.resize(extra.size());  // scratch here
  state.field_bar.resize(extra.size());
  for (std::size_t k = 0; k < extra.size(); ++k)
    state.external_bar[k] = T(static_cast<RealOf<T>>(cotangents.potentials[k]));
  solver_.template apply<T>(state.plan, std::span<const T>(state.external_bar),
                            std::span<T>(state.field_bar));
  for (std::size_t k = 0; k < extra.size(); ++k)
    extra[k] += convert(static_cast<double>(value_of(state.field_bar[k])));
}

namespace detail {

/// Tells a descriptor, while it lives, that the gradient by parameters will be asked for, and where
/// to leave what is pending of it, if its tape has a place to say so.
template <class Tape, class Pending>
struct ExactEvaluation {
  ExactEvaluation(Tape& t, Pending* pending) : tape(t) { set(true, pending); }
  ~ExactEvaluation() { set(false, nullptr); }
  ExactEvaluation(const ExactEvaluation&) = delete;
  ExactEvaluation& operator=(const ExactEvaluation&) = delete;
  void set(bool exact, Pending* pending) {
    if constexpr (requires { tape.exact; }) tape.exact = exact;
    if constexpr (requires { tape.pending; }) tape.pending = pending;
  }
  Tape& tape;
};

}  // namespace detail

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
  check(cotangents.bare_softness.size(), "bare softness");
  if (!cotangents.multipoles.empty() && size_ > 0 && cotangents.multipoles.size() != n * size_)
    throw InputError(
        "Potential::parameter_gradient: " + std::to_string(cotangents.multipoles.size()) +
        " cotangents of multipoles are given for " + std::to_string(n) + " atoms of " +
        std::to_string(size_) + " components; give all of them, or none");
  if (!cotangents.potentials.empty() && size_ > 0 && cotangents.potentials.size() != n * size_)
    throw InputError(
        "Potential::parameter_gradient: " + std::to_string(cotangents.potentials.size()) +
        " cotangents of potentials are given for " + std::to_string(n) + " atoms of " +
        std::to_string(size_) + " components; give all of them, or none");
  if (!workspace.density.empty() && !cotangents.density_residual.empty() &&
      cotangents.density_residual.size() != n * size_)
    throw InputError(
        "Potential::parameter_gradient: " + std::to_string(cotangents.density_residual.size()) +
        " cotangents of the density's residual are given for " + std::to_string(n) + " atoms of " +
        std::to_string(size_) + " components; give all of them, or none");
  if (gradient.size() != layout_.size())
    throw InputError("Potential::parameter_gradient: the gradient has " +
                     std::to_string(gradient.size()) + " numbers; this potential has " +
                     std::to_string(layout_.size()) + " parameters");
  start(structure, workspace);

  const bool stress = structure.cell.all_periodic() && !(cotangents.stress == Matrix3<double>{});
  const bool charges =
      size_ > 0 &&
      (!cotangents.charges.empty() || !cotangents.multipoles.empty() ||
       !cotangents.potentials.empty() || !(cotangents.dipole == Vector3<double>{})) &&
      workspace.density.empty();
  const bool residual = !workspace.density.empty() && !cotangents.density_residual.empty();
  const bool level = self_consistent_ && cotangents.fermi_level != 0.0;
  const bool polarization = size_ > 0 && !(cotangents.polarization == Vector3<double>{});
  if (cotangents.forces.empty() && !stress && !polarization) {
    auto& state = workspace.real;
    const detail::ExactEvaluation exact(state.tape, workspace.pending);
    make_geometry(structure, workspace.neighbors, state.geometry);
    forward(structure, workspace, state);
    detail::ExtraCotangents<R> bar;
    bar.energy = static_cast<R>(cotangents.energy);
    bar.spectral_radius = cotangents.spectral_radius;
    bar.bare_softness = cotangents.bare_softness;
    if (level) bar.fermi_level = static_cast<R>(cotangents.fermi_level);
    if constexpr (size_ > 0)
      if (charges) {
        fill_extra(
            structure, cotangents, [](double x) { return static_cast<R>(x); }, state,
            workspace.real_extra);
        bar.multipoles = workspace.real_extra;
      }
    if (residual) {
      workspace.real_extra.clear();
      for (double x : cotangents.density_residual)
        workspace.real_extra.push_back(static_cast<R>(x));
      bar.residual = workspace.real_extra;
    }
    backward(structure, workspace, state, bar, false, gradient);
    return;
  }

  // With G(ε) the parameter gradient of (1 + ε Ē) E(x − εF̄, ε s, field − ε P̄) + ε q̄·q,
  // s = sym(σ̄)/V: dG/dε = Ē ∇E − F̄·∂∇E/∂x + s:∂∇E/∂strain − P̄·∂∇E/∂field + q̄·∇q, and
  // F = −∂E/∂x, σ = sym(∂E/∂strain)/V, P = −∂E/∂field.
  auto& state = workspace.dual;
  const detail::ExactEvaluation exact(state.tape, workspace.pending);
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
  workspace.strain = strain;
  make_geometry(structure, workspace.neighbors, state.geometry,
                std::span<const Vector3<double>>(workspace.displacement),
                stress ? &strain : nullptr);
  workspace.field_direction.external_field = -cotangents.polarization;
  forward(structure, workspace, state, polarization ? &workspace.field_direction : nullptr);
  detail::ExtraCotangents<T> bar;
  bar.energy = T(R(1), static_cast<R>(cotangents.energy));
  bar.spectral_radius = cotangents.spectral_radius;
  bar.bare_softness = cotangents.bare_softness;
  if (level) bar.fermi_level = T(R(0), static_cast<R>(cotangents.fermi_level));
  if constexpr (size_ > 0)
    if (charges) {
      fill_extra(
          structure, cotangents, [](double x) { return T(R(0), static_cast<R>(x)); }, state,
          workspace.dual_extra);
      bar.multipoles = workspace.dual_extra;
    }
  if (residual) {
    workspace.dual_extra.clear();
    for (double x : cotangents.density_residual)
      workspace.dual_extra.push_back(T(R(0), static_cast<R>(x)));
    bar.residual = workspace.dual_extra;
  }
  backward(structure, workspace, state, bar, false, gradient);
}

}  // namespace leyden::inline LEYDEN_ABI
