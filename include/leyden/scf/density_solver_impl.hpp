// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/density_solver.hpp>

#include <limits>

namespace leyden::inline LEYDEN_ABI {

namespace detail {
template <class R>
R largest(std::span<const R> x) {
  R most = 0;
  for (R value : x) {
    const R size = std::abs(value);
    if (!(size <= most)) most = size;  // also takes what is not a number
    if (std::isnan(most)) return most;
  }
  return most;
}
/// Moves the charges of each group evenly to what is prescribed.
template <class R>
void set_charges(const ChargeConstraints& constraints, std::size_t size, std::span<R> p) {
  for (std::size_t g = 0; g < constraints.size(); ++g) {
    R missing = static_cast<R>(constraints.charge[g]);
    std::size_t members = 0;
    for (std::size_t i = 0; i < constraints.group.size(); ++i)
      if (constraints.group[i] == static_cast<int>(g)) {
        missing -= p[i * size];
        ++members;
      }
    for (std::size_t i = 0; i < constraints.group.size(); ++i)
      if (constraints.group[i] == static_cast<int>(g))
        p[i * size] += missing / static_cast<R>(members);
  }
}
}  // namespace detail

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::full_field(std::span<const R> own, std::span<R> f) const {
  const std::size_t in = sum_.in, size = sum_.out;
  for (std::size_t i = 0; i < sum_.atoms; ++i) {
    const R level = level_of(i);
    for (std::size_t k = 0; k < in; ++k) {
      const std::size_t lm = k % size;
      f[i * in + k] = own[i * in + k] + m_.external[i * size + lm] + (lm == 0 ? level : R(0));
      if (!m_.coefficients.chi.empty()) f[i * in + k] += m_.coefficients.chi[i * size + lm];
    }
  }
}

template <class Law, class S, std::floating_point R>
R DensitySolver<Law, S, R>::tolerance() const {
  // Rounding of sums of potentials that largely cancel.
  const R floor = R(64) * std::numeric_limits<R>::epsilon() * (R(1) + detail::largest<R>(m_.p));
  return std::max(static_cast<R>(options_.tolerance), floor);
}

/// To which norm a Newton step is solved, of a residual of this norm. A quadratic law needs one
/// step, so it is taken to the end at once: to components of a thirtieth of the tolerance, because
/// the largest counts. Never to no step.
template <class Law, class S, std::floating_point R>
R DensitySolver<Law, S, R>::krylov_goal(R norm) const {
  const R end = R(0.03) * tolerance() * std::sqrt(static_cast<R>(unknowns()));
  const R part = static_cast<R>(options_.krylov_tolerance) * norm;
  return std::min(Law::quadratic ? end : std::max(part, end), R(0.1) * norm);
}

/// Notes a residual; whether the search is over.
template <class Law, class S, std::floating_point R>
bool DensitySolver<Law, S, R>::record(R residual, R value) {
  ScfOutcome& out = m_.outcome;
  out.residual = static_cast<double>(residual);
  out.residuals.push_back(out.residual);
  out.energies.push_back(static_cast<double>(value));
  out.iterations = static_cast<int>(out.residuals.size()) - 1;
  if (!std::isfinite(residual) || residual > R(1e8)) {
    out.status = ScfStatus::diverged;
    return true;
  }
  if (residual <= tolerance()) {
    out.status = ScfStatus::converged;
    return true;
  }
  out.status = ScfStatus::stalled;
  return out.iterations >= options_.max_iterations;
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::start() {
  const std::size_t n = unknowns();
  m_.own_field.resize(sum_.atoms * sum_.in);
  if (options_.warm_start && m_.history.size() == n) {
    m_.p.resize(n);
    m_.history.predict(m_.p);
    if (m_.fermi_level.size() != m_.constraints.size())
      m_.fermi_level.assign(m_.constraints.size(), R(0));
  } else {
    m_.fermi_level.assign(m_.constraints.size(), R(0));
    m_.p.assign(n, R(0));
    if constexpr (!energy) {
      std::fill(m_.own_field.begin(), m_.own_field.end(), R(0));
      m_.trial.resize(n);
      if (density_of(m_.own_field, m_.trial)) m_.p = m_.trial;
    }
  }
  detail::set_charges<R>(m_.constraints, sum_.out, m_.p);
  if (std::all_of(m_.p.begin(), m_.p.end(), [](R x) { return x == R(0); }))
    std::fill(m_.own_field.begin(), m_.own_field.end(), R(0));
  else
    response_.field(m_.p, m_.own_field);
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::solve() {
  ScfOutcome& out = m_.outcome;
  out.residuals.clear();
  out.energies.clear();
  m_.response.applications = 0;
  m_.response.prepared = false;
  m_.neutral.group = m_.constraints.group;
  m_.neutral.charge.assign(m_.constraints.size(), 0.0);
  bonds_see_levels_ = !sum_.bonds_transfer();
  for (std::size_t b = 0; b < sum_.bonds.size() && !bonds_see_levels_; ++b)
    bonds_see_levels_ =
        m_.constraints.group[sum_.bonds.from(b)] != m_.constraints.group[sum_.bonds.to(b)];
  m_.anderson.restart();
  start();
  if constexpr (energy)
    minimize();
  else
    find_fixed_point();
  if constexpr (form == LawForm::response) {
    m_.trial_field.resize(m_.residual.size());
    response_.field(m_.residual, m_.trial_field);
    out.energy_bound =
        0.5 * static_cast<double>(detail::dot_product<R>(m_.residual, m_.trial_field));
  }
  out.operator_applications = m_.response.applications;
  if (out.status == ScfStatus::converged && options_.warm_start)
    m_.history.add(m_.p);
  else
    m_.history.clear();
  if (out.status != ScfStatus::converged && options_.throw_on_failure)
    throw ConvergenceError(
        "self-consistent charges: " + std::string(to_string(out.status)) + " after " +
        std::to_string(out.iterations) + " iterations, residual " +
        detail::number_text(out.residual) + " where " + detail::number_text(options_.tolerance) +
        " is asked for; allow more iterations or another method, check that no two atoms coincide "
        "and that the charge can be held, or set throw_on_failure to false and look at the "
        "outcome");
}

template <class Law, class S, std::floating_point R>
R DensitySolver<Law, S, R>::minimized_energy(std::span<const R> p, std::span<const R> own,
                                             std::span<R> gradient) const {
  R value = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const R linear = m_.coefficients.chi[i] + m_.external[i];
    value += p[i] * (linear + R(0.5) * own[i]);
    gradient[i] = linear + own[i];
  }
  return value + sum_.template energy<R>(m_.coefficients, p.data(), gradient.data(), nullptr, R(0),
                                         nullptr, scratch_);
}

/// Takes the mean of the charges' part from each group: minus it is the Fermi level.
template <class Law, class S, std::floating_point R>
R DensitySolver<Law, S, R>::project_gradient(std::span<R> gradient) {
  const ChargeConstraints& c = m_.constraints;
  for (std::size_t g = 0; g < c.size(); ++g) {
    R mean = 0;
    std::size_t members = 0;
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (c.group[i] == static_cast<int>(g)) {
        mean += gradient[i * sum_.out];
        ++members;
      }
    mean /= static_cast<R>(members);
    m_.fermi_level[g] = -mean;
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (c.group[i] == static_cast<int>(g)) gradient[i * sum_.out] -= mean;
  }
  return detail::largest<R>(gradient);
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::minimize() {
  const std::size_t n = unknowns(), groups = m_.constraints.size();
  m_.gradient.resize(n);
  m_.residual.resize(n);
  m_.step.resize(n);
  m_.step_field.resize(n);
  m_.trial.resize(n);
  m_.trial_field.resize(n);
  m_.nu.resize(groups);
  m_.zero.assign(groups, R(0));
  R value = minimized_energy(m_.p, m_.own_field, m_.gradient);
  R residual = project_gradient(m_.gradient);
  bool first = true;
  while (!record(residual, value)) {
    for (std::size_t i = 0; i < n; ++i) m_.residual[i] = -m_.gradient[i];
    bool newton = options_.method == ScfMethod::newton;
    if (newton || first) m_.blocks.fill(sum_, m_.coefficients, m_.p.data(), scratch_);
    if (newton) {
      newton =
          response_.factorize(m_.blocks, solver_, plan_, geometry_, widths_, receiver_, options_);
      if (newton) {
        const R norm = detail::euclidean_norm<R>(m_.residual);
        const R goal = krylov_goal(norm);
        const KrylovResult solved =
            response_.solve(m_.blocks, m_.residual, m_.zero, m_.step, m_.nu, false, goal, options_,
                            Law::quadratic ? R(0.7) * tolerance() : R(0));
        newton = solved.residual <= 0.5 * static_cast<double>(norm);
      }
      if constexpr (Law::quadratic)
        if (!newton) throw_no_minimum();
    }
    if (!newton) {
      // A step along the gradient, scaled by the curvature of each coefficient.
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t atom = i / sum_.out, lm = i % sum_.out;
        const double s = widths_[atom];
        const R curvature =
            std::abs(m_.blocks.atoms[atom * sum_.out * sum_.out + lm * (sum_.out + 1)]) +
            m_.coefficients.eta[i] + static_cast<R>(self_interaction(lm == 0 ? 0 : 1, s, s));
        m_.step[i] = m_.residual[i] / curvature;
      }
      detail::set_charges<R>(m_.neutral, sum_.out, m_.step);
      if (options_.method == ScfMethod::anderson) {
        m_.trial = m_.p;
        anderson_step<R>(m_.trial, m_.step, static_cast<R>(options_.mixing), options_.history,
                         m_.anderson);
        for (std::size_t i = 0; i < n; ++i) m_.step[i] = m_.trial[i] - m_.p[i];
      } else if (options_.method == ScfMethod::linear) {
        for (R& x : m_.step) x *= static_cast<R>(options_.mixing);
      }
    }
    if (newton)
      response_.solution_field(m_.blocks, m_.residual, m_.step, m_.nu, recurrence(), m_.step_field);
    else
      response_.field(m_.step, m_.step_field);
    const R slope = detail::dot_product<R>(m_.gradient, m_.step);
    const R noise = R(1e3) * std::numeric_limits<R>::epsilon() * (R(1) + std::abs(value));
    R t = 1;
    for (int halving = 0;; ++halving) {
      for (std::size_t i = 0; i < n; ++i) {
        m_.trial[i] = m_.p[i] + t * m_.step[i];
        m_.trial_field[i] = m_.own_field[i] + t * m_.step_field[i];
      }
      const R trial_value = minimized_energy(m_.trial, m_.trial_field, m_.gradient);
      const bool searched = newton || options_.method == ScfMethod::newton;
      if (!searched || halving == 30 || trial_value <= value + R(1e-4) * t * slope + noise) {
        value = trial_value;
        break;
      }
      t *= R(0.5);
    }
    m_.p.swap(m_.trial);
    m_.own_field.swap(m_.trial_field);
    detail::set_charges<R>(m_.constraints, sum_.out, m_.p);  // rounding
    residual = project_gradient(m_.gradient);
    first = false;
  }
  // A start that is stationary already may be a maximum.
  if (Law::quadratic && first && m_.outcome.status == ScfStatus::converged &&
      !options_.warm_start) {
    m_.blocks.fill(sum_, m_.coefficients, m_.p.data(), scratch_);
    if (!response_.factorize(m_.blocks, solver_, plan_, geometry_, widths_, receiver_, options_))
      throw_no_minimum();
  }
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::throw_no_minimum() const {
  throw ConvergenceError(
      "self-consistent charges: K + hardness is not positive definite for " +
      std::to_string(unknowns()) +
      " unknowns, so charges have no minimum; use a solver with self-interaction, larger Gaussian "
      "widths or a larger hardness, and check that no two atoms coincide. (A slab alone at a "
      "prescribed Fermi level has none either: it needs a counter charge.)");
}

template <class Law, class S, std::floating_point R>
bool DensitySolver<Law, S, R>::density_of(std::span<const R> own, std::span<R> out) {
  const ChargeConstraints& c = m_.constraints;
  const std::size_t groups = c.size(), size = sum_.out, in = sum_.in;
  m_.f.resize(sum_.atoms * in);
  // What bonds move does not change with a level that is common to their ends, nor does it count
  // for the charge of a group that both belong to.
  using Part = typename LawSum<Law>::Part;
  const Part part = bonds_see_levels_ ? Part::all : Part::atoms;
  full_field(own, m_.f);
  m_.moved.assign(out.size(), R(0));
  R moved = 0;
  if (part == Part::atoms && sum_.has_bonds())
    moved = sum_.template respond<R>(m_.coefficients, m_.f.data(), m_.moved.data(), m_.u, scratch_,
                                     Part::bonds);
  const auto respond = [&] {
    std::copy(m_.moved.begin(), m_.moved.end(), out.begin());
    m_.dual = moved + sum_.template respond<R>(m_.coefficients, m_.f.data(), out.data(), m_.u,
                                               scratch_, part);
  };
  respond();
  if (groups == 0) return true;
  const auto excess = [&](std::size_t g) {
    R sum = -static_cast<R>(c.charge[g]);
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (c.group[i] == static_cast<int>(g)) sum += out[i * size];
    return sum;
  };
  // dQ_g/dμ_g = n_g·A ∂f/∂μ_g, by the adjoint of the law.
  const auto slope = [&](std::size_t g) {
    m_.step.assign(sum_.atoms * size, R(0));
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (c.group[i] == static_cast<int>(g)) m_.step[i * size] = R(1);
    m_.step_field.assign(sum_.atoms * in, R(0));
    sum_.template respond_pullback<R>(m_.coefficients, m_.f.data(), m_.step.data(),
                                      m_.step_field.data(), nullptr, m_.u, m_.gradient, scratch_,
                                      part);
    R sum = 0;
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (c.group[i] == static_cast<int>(g))
        for (std::size_t k = 0; k < in; k += size) sum += m_.step_field[i * in + k];
    return sum;
  };
  const R exact =
      R(8) * std::numeric_limits<R>::epsilon() * (R(1) + std::sqrt(static_cast<R>(sum_.atoms)));
  constexpr R far = R(1e5);  // V: no chemistry lies beyond
  // Bonds between groups couple them: group by group, again until all are right.
  for (int cycle = 0; cycle < 100; ++cycle) {
    bool all = true;
    for (std::size_t g = 0; g < groups; ++g) {
      R low = -far, high = far;  // charge falls as the level rises
      R reach = R(1);
      R& level = m_.fermi_level[g];
      for (int it = 0; it < 200; ++it) {
        const R e = excess(g);
        if (!std::isfinite(e)) return false;
        if (std::abs(e) <= exact) break;
        all = false;
        (e > R(0) ? low : high) = level;
        const R d = slope(g);
        R move = d < R(0) ? -e / d : (e > R(0) ? reach : -reach);
        if (std::abs(move) > reach) {
          move = move > R(0) ? reach : -reach;
          reach *= R(2);
        }
        R next = level + move;
        if (!(next > low && next < high)) next = R(0.5) * (low + high);
        if (next == level || std::abs(next) >= R(0.99) * far) break;
        level = next;
        full_field(own, m_.f);
        respond();
      }
      if (std::abs(excess(g)) > std::max(R(1e-6), R(10) * exact)) return false;
    }
    if (all || groups == 1) break;
  }
  detail::set_charges<R>(c, size, out);  // rounding
  return true;
}

template <class Law, class S, std::floating_point R>
R DensitySolver<Law, S, R>::dual_energy(std::span<const R> p, std::span<const R> own) const {
  if constexpr (form == LawForm::response) {
    R value = -m_.dual;
    value -= R(0.5) * detail::dot_product<R>(p, own);
    for (std::size_t g = 0; g < m_.constraints.size(); ++g)
      value -= m_.fermi_level[g] * static_cast<R>(m_.constraints.charge[g]);
    return value;
  } else {
    return R(0);
  }
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::find_fixed_point() {
  const std::size_t n = unknowns(), fields = sum_.atoms * sum_.in, groups = m_.constraints.size();
  m_.residual.resize(n);
  m_.trial.resize(n);
  m_.trial_field.resize(fields);
  m_.nu.resize(groups);
  m_.zero.assign(groups, R(0));
  // Of a density and its field: p_out − p into m_.residual.
  const auto look = [&](std::span<const R> p, std::span<const R> own) -> R {
    if (!density_of(own, m_.residual)) return std::numeric_limits<R>::quiet_NaN();
    for (std::size_t i = 0; i < n; ++i) m_.residual[i] -= p[i];
    return detail::largest<R>(m_.residual);
  };
  R residual = look(m_.p, m_.own_field);
  R value = dual_energy(m_.p, m_.own_field);
  int failures = 0;
  while (!record(residual, value)) {
    if (options_.method != ScfMethod::newton) {
      if (options_.method == ScfMethod::anderson)
        anderson_step<R>(m_.p, m_.residual, static_cast<R>(options_.mixing), options_.history,
                         m_.anderson);
      else
        for (std::size_t i = 0; i < n; ++i)
          m_.p[i] += static_cast<R>(options_.mixing) * m_.residual[i];
      detail::set_charges<R>(m_.constraints, sum_.out, m_.p);
      response_.field(m_.p, m_.own_field);
      residual = look(m_.p, m_.own_field);
      value = dual_energy(m_.p, m_.own_field);
      continue;
    }
    full_field(m_.own_field, m_.f);
    m_.blocks.fill(sum_, m_.coefficients, m_.f.data(), scratch_);
    response_.factorize(m_.blocks, solver_, plan_, geometry_, widths_, receiver_, options_);
    std::vector<R>& newton_step = m_.newton_step;
    std::vector<R>& newton_field = m_.newton_field;
    newton_step.resize(n);
    newton_field.resize(fields);
    const R norm = detail::euclidean_norm<R>(m_.residual);
    const R goal = krylov_goal(norm);
    response_.solve(m_.blocks, m_.residual, m_.zero, newton_step, m_.nu, false, goal, options_);
    response_.solution_field(m_.blocks, m_.residual, newton_step, m_.nu, true, newton_field);
    // The dual function rises along a Newton step of a response law; for maps the residual falls.
    R slope = 0;
    if constexpr (form == LawForm::response)
      slope = detail::dot_product<R>(newton_field, m_.residual);
    const R noise = R(1e3) * std::numeric_limits<R>::epsilon() * (R(1) + std::abs(value));
    const R old_residual = residual;
    R t = 1;
    bool accepted = false;
    for (int halving = 0; halving < 25 && !accepted; ++halving, t *= R(0.5)) {
      for (std::size_t i = 0; i < n; ++i) m_.trial[i] = m_.p[i] + t * newton_step[i];
      for (std::size_t i = 0; i < fields; ++i)
        m_.trial_field[i] = m_.own_field[i] + t * newton_field[i];
      residual = look(m_.trial, m_.trial_field);
      if (!std::isfinite(residual)) continue;
      accepted = residual < (R(1) - R(1e-4) * t) * old_residual;
      if constexpr (form == LawForm::response) {
        const R trial_value = dual_energy(m_.trial, m_.trial_field);
        accepted = trial_value >= value + R(1e-4) * t * slope - noise;
        if (accepted) value = trial_value;
      }
    }
    failures = accepted ? 0 : failures + 1;
    if (!std::isfinite(residual)) {
      record(residual, value);
      return;
    }
    m_.p.swap(m_.trial);
    m_.own_field.swap(m_.trial_field);
    detail::set_charges<R>(m_.constraints, sum_.out, m_.p);  // rounding
    if (failures >= 3) {
      record(residual, value);
      return;
    }
  }
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::fill_blocks() {
  if constexpr (energy) {
    m_.blocks.fill(sum_, m_.coefficients, m_.p.data(), scratch_);
  } else {
    m_.f.resize(sum_.atoms * sum_.in);
    full_field(m_.own_field, m_.f);
    m_.blocks.fill(sum_, m_.coefficients, m_.f.data(), scratch_);
  }
}

template <class Law, class S, std::floating_point R>
void DensitySolver<Law, S, R>::linearize() {
  fill_blocks();
  response_.factorize(m_.blocks, solver_, plan_, geometry_, widths_, receiver_, options_);
}

}  // namespace leyden::inline LEYDEN_ABI
