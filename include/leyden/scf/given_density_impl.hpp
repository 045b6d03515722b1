// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/eliminate.hpp>
#include <leyden/scf/self_consistency.hpp>

// The parts of SelfConsistency that look at a given density instead of finding one.
namespace leyden::inline LEYDEN_ABI {

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::look_at(std::span<const double> density) {
  DensityMemory<R>& d = tape_.density;
  const SiteCoefficients<T>& c = system_.coefficients;
  const std::size_t n = unknowns(), groups = constraints().size(), size = sum_.out;
  load();
  d.p.resize(n);
  for (std::size_t i = 0; i < n; ++i) d.p[i] = static_cast<R>(density[i]);
  detail::set_charges<R>(constraints(), size, d.p);
  tape_.p.resize(n);
  for (std::size_t i = 0; i < n; ++i) tape_.p[i] = T(d.p[i]);
  tape_.own.resize(fields());
  field_.apply(tape_.p, tape_.own);
  tape_.residual.assign(n, T{});
  tape_.fermi_level.assign(groups, T{});
  const auto sees = [&] {
    tape_.f = tape_.own;
    add_external(tape_.p, tape_.fermi_level, tape_.f);
  };
  sees();
  if constexpr (energy) {
    std::vector<T>& gradient = tape_.residual;
    for (std::size_t i = 0; i < n; ++i) gradient[i] = tape_.f[i] + c.chi[i] + c.eta[i] * tape_.p[i];
    sum_.template energy<T>(c, tape_.p.data(), gradient.data(), nullptr, T{}, nullptr,
                            tape_.scratch);
    project(gradient, tape_.fermi_level);
    for (T& level : tape_.fermi_level) level = -level;
    sees();
  } else {
    d.own_field.resize(fields());
    for (std::size_t i = 0; i < fields(); ++i) {
      d.own_field[i] = value_of(tape_.own[i]);
      if (!d.coefficients.eta.empty()) d.own_field[i] += d.coefficients.eta[i] * d.p[i];
    }
    if (!density_.find_levels())
      throw ConvergenceError(
          "self-consistent charges: at the density that is given no Fermi level gives the total "
          "charge; check that the charge can be held, and that the density is one of this "
          "structure");
    for (std::size_t g = 0; g < groups; ++g) tape_.fermi_level[g] = T(d.fermi_level[g]);
    sees();
    const auto respond = [&] {
      tape_.image.assign(n, T{});
      sum_.template respond<T>(c, tape_.f.data(), tape_.image.data(), tape_.u, tape_.scratch);
    };
    respond();
    if constexpr (is_dual_v<T>) {
      // The levels follow, so that charges stay.
      std::vector<T>& change = tape_.level_change;
      change.assign(groups, T{});
      for (std::size_t i = 0; i < sum_.atoms; ++i)
        if (const int g = constraints().group[i]; g >= 0)
          change[static_cast<std::size_t>(g)] -= T(R(0), tape_.image[i * size].tangent);
      find_level_slopes();
      solve_levels(false);
      for (std::size_t g = 0; g < groups; ++g) tape_.fermi_level[g].tangent = change[g].tangent;
      sees();
      respond();
    }
    for (std::size_t i = 0; i < n; ++i) tape_.residual[i] = tape_.image[i] - tape_.p[i];
  }

  R largest = 0;
  for (const T& r : tape_.residual) largest = std::max(largest, std::abs(value_of(r)));
  d.outcome.status = ScfStatus::converged;
  d.outcome.iterations = 0;
  d.outcome.operator_applications = 1;
  d.outcome.residual = static_cast<double>(largest);
  d.outcome.energy_bound = 0.0;
  d.outcome.residuals.assign(1, d.outcome.residual);
  d.outcome.energies.clear();
}

/// Takes the mean of the charges' part from each group, into `means`.
template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::project(std::span<T> x, std::span<T> means) const {
  for (std::size_t g = 0; g < means.size(); ++g) {
    T sum{};
    std::size_t members = 0;
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (constraints().group[i] == static_cast<int>(g)) {
        sum += x[i * sum_.out];
        ++members;
      }
    means[g] = sum * (R(1) / static_cast<R>(members));
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (constraints().group[i] == static_cast<int>(g)) x[i * sum_.out] -= means[g];
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::find_level_slopes() {
  const std::size_t groups = constraints().size(), size = sum_.out;
  tape_.level_slope.assign(groups * groups, T{});
  for (std::size_t g = 0; g < groups; ++g) {
    tape_.other.assign(unknowns(), T{});
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (constraints().group[i] == static_cast<int>(g)) tape_.other[i * size] = T(R(1));
    tape_.field_bar.assign(fields(), T{});
    sum_.template respond_pullback<T>(system_.coefficients, tape_.f.data(), tape_.other.data(),
                                      tape_.field_bar.data(), nullptr, tape_.u, tape_.constant,
                                      tape_.scratch);
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int h = constraints().group[i]; h >= 0)
        for (std::size_t k = 0; k < sum_.in; k += size)
          tape_.level_slope[g * groups + static_cast<std::size_t>(h)] +=
              tape_.field_bar[i * sum_.in + k];
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::solve_levels(bool transpose) {
  const std::size_t groups = constraints().size();
  std::vector<T>& x = tape_.level_change;
  const auto slope = [&](std::size_t g, std::size_t h) -> const T& {
    return tape_.level_slope[transpose ? h * groups + g : g * groups + h];
  };
  const auto solve = [&] {
    tape_.right.resize(groups * groups);
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t h = 0; h < groups; ++h) tape_.right[g * groups + h] = value_of(slope(g, h));
    // Where nothing responds, no level changes anything.
    if (!detail::eliminate<R>(groups, tape_.right.data(), tape_.groups.data()))
      std::fill(tape_.groups.begin(), tape_.groups.end(), R(0));
  };
  tape_.groups.resize(groups);
  for (std::size_t g = 0; g < groups; ++g) tape_.groups[g] = value_of(x[g]);
  solve();
  tape_.group_solution = tape_.groups;
  if constexpr (is_dual_v<T>) {
    for (std::size_t g = 0; g < groups; ++g) {
      tape_.groups[g] = x[g].tangent;
      for (std::size_t h = 0; h < groups; ++h)
        tape_.groups[g] -= slope(g, h).tangent * tape_.group_solution[h];
    }
    solve();
    for (std::size_t g = 0; g < groups; ++g) x[g] = T(tape_.group_solution[g], tape_.groups[g]);
  } else {
    for (std::size_t g = 0; g < groups; ++g) x[g] = tape_.group_solution[g];
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::backward_at(T energy_bar, std::span<const T> residual_bar,
                                             std::span<const T> fermi_level_bar,
                                             SiteCoefficients<T>& c_bar, std::span<T> field_bar) {
  const std::size_t n = unknowns(), groups = constraints().size(), size = sum_.out;
  energy_backward(energy_bar, fermi_level_bar, c_bar, field_bar);
  std::vector<T>& lambda = tape_.lambda;
  lambda.assign(n, T{});
  if (!residual_bar.empty()) std::copy(residual_bar.begin(), residual_bar.end(), lambda.begin());

  if constexpr (energy) {
    // Residuals and levels are linear in the gradient; law_backward() takes −λ of it.
    tape_.level_change.resize(groups);
    project(lambda, tape_.level_change);
    for (std::size_t g = 0; g < groups; ++g) {
      const auto members =
          std::count(constraints().group.begin(), constraints().group.end(), static_cast<int>(g));
      tape_.level_change[g] = tape_.level_bar[g] * (R(1) / static_cast<R>(members));
    }
    for (std::size_t i = 0; i < n; ++i) lambda[i] = -lambda[i];
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = constraints().group[i]; g >= 0)
        lambda[i * size] += tape_.level_change[static_cast<std::size_t>(g)];
  } else {
    if constexpr (form == LawForm::response) {
      // p·u − φ(u) is stationary where p = ∂φ/∂u only.
      for (std::size_t i = 0; i < n; ++i) {
        const T bar = energy_bar * tape_.residual[i];
        field_bar[i] += bar;
        if (c_bar.chi.empty()) continue;
        c_bar.chi[i] += bar;
        c_bar.eta[i] += bar * tape_.p[i];
      }
    }
    // n_g·F = Q_g holds with multipliers a_g: λ = r̄ + Σ a_g n_g.
    find_level_slopes();
    tape_.field_bar.assign(fields(), T{});
    sum_.template respond_pullback<T>(system_.coefficients, tape_.f.data(), lambda.data(),
                                      tape_.field_bar.data(), nullptr, tape_.u, tape_.image,
                                      tape_.scratch);
    tape_.level_change.resize(groups);
    for (std::size_t g = 0; g < groups; ++g) tape_.level_change[g] = -tape_.level_bar[g];
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = constraints().group[i]; g >= 0)
        for (std::size_t k = 0; k < sum_.in; k += size)
          tape_.level_change[static_cast<std::size_t>(g)] -= tape_.field_bar[i * sum_.in + k];
    solve_levels(true);
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = constraints().group[i]; g >= 0)
        lambda[i * size] += tape_.level_change[static_cast<std::size_t>(g)];
  }
  law_backward(c_bar, field_bar);
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::response_backward(double radius_bar,
                                                   std::span<const double> softness_bar,
                                                   SiteCoefficients<T>& c_bar, std::span<T> p_bar,
                                                   std::span<T> fermi_level_bar) {
  auto response = density_.map_response();
  SiteCoefficients<R> bar;
  bar.assign(0, c_bar.atoms.size(), c_bar.bonds.size(), false);
  std::vector<R> f_bar(fields(), R(0)), density_bar(unknowns());
  if (radius_bar != 0.0) {
    response.find_radius();
    response.radius_pullback(radius_bar, bar, f_bar);
  }
  if (!softness_bar.empty()) response.softness_pullback(softness_bar, bar, f_bar);
  const auto add = [](T& to, R x) {
    if constexpr (is_dual_v<T>)
      to.tangent += x;
    else
      to += x;
  };
  for (std::size_t k = 0; k < bar.atoms.size(); ++k) add(c_bar.atoms[k], bar.atoms[k]);
  for (std::size_t k = 0; k < bar.bonds.size(); ++k) add(c_bar.bonds[k], bar.bonds[k]);
  // The field follows the density and the levels.
  density_.response().field_transpose(f_bar, density_bar);
  for (std::size_t i = 0; i < unknowns(); ++i) add(p_bar[i], density_bar[i]);
  for (std::size_t i = 0; i < sum_.atoms; ++i)
    if (const int g = constraints().group[i]; g >= 0)
      for (std::size_t k = 0; k < sum_.in; k += sum_.out)
        add(fermi_level_bar[static_cast<std::size_t>(g)], f_bar[i * sum_.in + k]);
}

}  // namespace leyden::inline LEYDEN_ABI
