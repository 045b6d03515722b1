// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/scf/density_solver.hpp>

#include <optional>

namespace leyden::inline LEYDEN_ABI {

/// Memory of SelfConsistency in number type T.
template <class Law, Number T>
struct SelfConsistencyTape {
  using R = RealOf<T>;
  DensityMemory<R> density;
  typename LawSum<Law>::template Scratch<R> real_scratch;
  typename LawSum<Law>::template Scratch<T> scratch;
  std::vector<T> p;            // (n·size)
  std::vector<T> fermi_level;  // (groups)
  std::vector<T> f;            // (n·in): what the law sees
  std::vector<T> own;          // (n·in): Pp alone
  std::vector<T> lambda, nu, u, image, total_bar, level_bar, field_bar, other, constant;
  std::vector<T> residual;                   // (n·size) of a given density
  std::vector<T> level_slope, level_change;  // (groups²), (groups) of the charges by the levels
  std::vector<T> feature_scratch;
  std::vector<int> bonds;  // the pairs that are bonds, where not all are
  std::vector<R> right, solution, groups, group_solution;
};

/// The self-consistent density of one structure and its derivatives, for any law, any solver and
/// real or dual numbers.
///
/// Derivatives are those of the converged density (implicit function theorem): along a direction
/// (duals) one linear solve, for cotangents of the density one adjoint solve, and none for the
/// energy of variational laws, which is stationary (Hellmann and Feynman).
template <class Law, class S, Number T>
class SelfConsistency {
  using R = RealOf<T>;
  static constexpr LawForm form = Law::form;
  static constexpr bool energy = form == LawForm::energy;
  static constexpr bool readout = LawWithReadout<Law>;

 public:
  /// Geometry and plans are given in T and in real numbers (the same ones where T is real).
  struct System {
    const Law& law;
    const S& solver;
    const typename S::template Plan<T>& plan;
    const typename S::template Plan<R>& real_plan;
    const Geometry<R>& geometry;
    std::span<const double> widths;  // (n) Å
    std::size_t size;                // coefficients per atom
    const SiteCoefficients<T>& coefficients;
    std::span<const T> external;  // (n·size) v_ext, with prescribed Fermi levels
    const ScfOptions& options;
    double bond_cutoff = 0.0;  // Å, where bonds end; 0: all pairs of the geometry are bonds
  };

  /// @param tape  holds the constraints in tape.density.constraints
  SelfConsistency(const System& system, SelfConsistencyTape<Law, T>& tape)
      : system_(system),
        tape_(tape),
        sum_{system.law, bonds_of(system.geometry, system.bond_cutoff, tape.bonds),
             static_cast<std::size_t>(system.geometry.n_atoms()), inputs(system.law, system.size),
             system.size},
        field_(system.solver, system.plan, sum_.atoms, system.size, receiver(system.law),
               tape.feature_scratch),
        density_(sum_, system.solver, system.real_plan, system.geometry, system.widths,
                 receiver(system.law), system.options, tape.density, tape.real_scratch) {}

  /// Finds the density: tape.p, tape.fermi_level, tape.f and tape.density.outcome.
  void solve();

  /// Adds each atom's share of the energy beyond ½pᵀKp + p·v_ext to `shares` (n).
  void site_energies(std::span<T> shares);

  /// Cotangents of coefficients (added) and of the field Pp (set, (n·in)), for a cotangent of the
  /// summed site energies and of the multipoles: the whole dE/dp for laws with a readout, else only
  /// what is asked beside the energy (empty: nothing), and of the Fermi levels (empty: nothing).
  ///
  /// The field's cotangent w stands for w·d(Pp + v_ext) at fixed p, the derivative through P's
  /// geometry.
  void backward(T energy_bar, std::span<const T> p_bar, std::span<const T> fermi_level_bar,
                SiteCoefficients<T>& c_bar, std::span<T> field_bar);

  /// Looks at a given density p (n·size) instead: sets tape.p to it (its charges moved evenly to
  /// what is prescribed), tape.fermi_level, tape.f and tape.residual,
  ///
  ///   energies:         ∂E/∂p, with the mean of each group's charges taken off (minus it is the
  ///                     group's Fermi level),
  ///   responses, maps:  F(f[p]) − p, with the Fermi levels at which F has its charges.
  ///
  /// site_energies() are then those of p. @throws ConvergenceError where no Fermi level gives F the
  /// charges that are prescribed.
  void look_at(std::span<const double> density);

  /// What backward() is to solve(), after look_at(): p is a constant, so nothing is solved for. The
  /// cotangent of the residual may be empty.
  void backward_at(T energy_bar, std::span<const T> residual_bar,
                   std::span<const T> fermi_level_bar, SiteCoefficients<T>& c_bar,
                   std::span<T> field_bar);

  /// −∂p/∂μ at fixed density (n·size), of responses and maps on real numbers; after solve().
  void bare_response(std::span<R> out) {
    density_.linearize();
    density_.bare_response(out);
  }

  /// Of maps, after solve() or look_at(): the spectral radius of a step at prescribed charges
  /// (MapResponse), and the bare softness of each atom (n), e/V.
  double find_response(std::vector<double>& bare_softness) {
    auto response = density_.map_response();
    bare_softness.resize(sum_.atoms);
    response.bare_softness(bare_softness);
    return response.find_radius();
  }
  /// Adds what cotangents of these two are to the coefficients, to the multipoles (n·size) and to
  /// the Fermi levels (groups), before backward(): as values, or as tangents of duals.
  void response_backward(double radius_bar, std::span<const double> softness_bar,
                         SiteCoefficients<T>& c_bar, std::span<T> p_bar,
                         std::span<T> fermi_level_bar);

  const FieldOperator<S, T>& field() const { return field_; }
  std::size_t inputs() const { return sum_.in; }

 private:
  static std::span<const double> receiver(const Law& law) {
    if constexpr (form == LawForm::map) {
      if constexpr (requires { law.feature_widths(); }) return law.feature_widths();
    }
    return {};
  }
  static std::size_t inputs(const Law& law, std::size_t size) {
    const std::span<const double> widths = receiver(law);
    return widths.empty() ? size : size * widths.size();
  }
  std::size_t unknowns() const { return sum_.atoms * sum_.out; }
  std::size_t fields() const { return sum_.atoms * sum_.in; }
  const ChargeConstraints& constraints() const { return tape_.density.constraints; }

  /// The problem in real numbers.
  void load();
  /// What backward() starts from: ∂E/∂(coefficients, field) at fixed density, dE/dp of readouts in
  /// tape.total_bar, and the cotangents of the Fermi levels.
  void energy_backward(T energy_bar, std::span<const T> fermi_level_bar, SiteCoefficients<T>& c_bar,
                       std::span<T> field_bar);
  /// Adds what the adjoint tape.lambda of the equations of the density stands for.
  void law_backward(SiteCoefficients<T>& c_bar, std::span<T> field_bar);
  /// Sets tape.level_slope, ∂(charge of group g that the field makes)/∂(level of group h), at
  /// tape.f. Responses and maps.
  void find_level_slopes();
  /// Solves level_slope x = b (or its transpose) for b in tape.level_change, in place.
  void solve_levels(bool transpose);

  /// What the law sees of a density: Pp + ηp + χ + v_ext + μ (energies: without η and χ).
  void see(std::span<const T> p, std::span<const T> levels, std::vector<T>& f);
  /// Adds all of it but Pp.
  void add_external(std::span<const T> p, std::span<const T> levels, std::span<T> f) const;
  void project(std::span<T> x, std::span<T> means) const;
  void solve_tangent();
  /// M x + aν = b (or transposed), real numbers, to the accuracy of the density.
  void solve_linear(std::span<const R> b, std::span<const R> c, std::span<R> x, std::span<R> nu,
                    bool transpose);
  void solve_unrolled(std::span<const R> b, std::span<const R> c, std::span<R> x, std::span<R> nu,
                      bool transpose);
  /// Mᵀλ in T into `out`, and a_g·λ into `levels`; for energies M is symmetric.
  void apply_transpose(std::span<const T> lambda, std::span<T> out, std::span<T> levels);

  const System& system_;
  SelfConsistencyTape<Law, T>& tape_;
  LawSum<Law> sum_;
  FieldOperator<S, T> field_;
  DensitySolver<Law, S, R> density_;
};

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::see(std::span<const T> p, std::span<const T> levels,
                                     std::vector<T>& f) {
  f.resize(fields());
  if constexpr (is_dual_v<T>) {
    field_.apply(p, f);
  } else if (density_.knows_field()) {
    density_.field_of_charges(f);
  } else {
    field_.apply(p, f);
  }
  tape_.own = f;
  add_external(p, levels, f);
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::add_external(std::span<const T> p, std::span<const T> levels,
                                              std::span<T> f) const {
  const SiteCoefficients<T>& c = system_.coefficients;
  const bool quadratic = form == LawForm::response && !c.chi.empty();
  for (std::size_t i = 0; i < sum_.atoms; ++i) {
    const int g = constraints().group[i];
    for (std::size_t k = 0; k < sum_.in; ++k) {
      const std::size_t lm = k % sum_.out, at = i * sum_.out + lm;
      T& value = f[i * sum_.in + k];
      value += system_.external[at];
      if (lm == 0 && g >= 0) value += levels[static_cast<std::size_t>(g)];
      if (quadratic) value += c.chi[at] + c.eta[at] * p[at];
    }
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::load() {
  DensityMemory<R>& d = tape_.density;
  const auto values = [](const std::vector<T>& from, std::vector<R>& to) {
    to.resize(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = value_of(from[i]);
  };
  values(system_.coefficients.chi, d.coefficients.chi);
  values(system_.coefficients.eta, d.coefficients.eta);
  values(system_.coefficients.atoms, d.coefficients.atoms);
  values(system_.coefficients.bonds, d.coefficients.bonds);
  d.external.resize(unknowns());
  for (std::size_t i = 0; i < unknowns(); ++i) d.external[i] = value_of(system_.external[i]);
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::solve() {
  DensityMemory<R>& d = tape_.density;
  load();
  density_.solve();

  const std::size_t groups = constraints().size();
  tape_.p.resize(unknowns());
  tape_.fermi_level.resize(groups);
  for (std::size_t i = 0; i < unknowns(); ++i) tape_.p[i] = T(d.p[i]);
  for (std::size_t g = 0; g < groups; ++g) tape_.fermi_level[g] = T(d.fermi_level[g]);
  if constexpr (is_dual_v<T>) solve_tangent();
  see(tape_.p, tape_.fermi_level, tape_.f);
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::solve_linear(std::span<const R> b, std::span<const R> c,
                                              std::span<R> x, std::span<R> nu, bool transpose) {
  if (system_.options.differentiation == Differentiation::unrolled) {
    solve_unrolled(b, c, x, nu, transpose);
    return;
  }
  // As accurate as the density: it is the point where the derivative is taken.
  R size = detail::euclidean_norm<R>(b);
  for (R value : c) size += std::abs(value);
  const R accuracy = std::max(static_cast<R>(system_.options.tolerance),
                              R(1e2) * std::numeric_limits<R>::epsilon());
  density_.response().solve(tape_.density.blocks, b, c, x, nu, transpose, accuracy * size,
                            system_.options);
}

/// What differentiating damped mixing steps gives, step by step.
template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::solve_unrolled(std::span<const R> b, std::span<const R> c,
                                                std::span<R> x, std::span<R> nu, bool transpose) {
  const LinearResponse<Law, S, R>& response = density_.response();
  DensityMemory<R>& d = tape_.density;
  const std::size_t n = x.size();
  std::fill(x.begin(), x.end(), R(0));
  std::fill(nu.begin(), nu.end(), R(0));
  d.trial.resize(n);
  for (int step = 0; step < system_.options.unrolled_steps; ++step) {
    response.apply(d.blocks, x, d.trial, transpose);
    for (std::size_t i = 0; i < n; ++i) d.trial[i] = b[i] - d.trial[i];
    response.border(d.trial, x, c, nu, transpose);
    for (std::size_t i = 0; i < n; ++i) {
      R scale = R(1);
      if constexpr (energy) {
        const std::size_t atom = i / sum_.out, lm = i % sum_.out;
        const double s = system_.widths[atom];
        scale = R(1) /
                (d.coefficients.eta[i] + static_cast<R>(self_interaction(lm == 0 ? 0 : 1, s, s)));
      }
      d.trial[i] *= static_cast<R>(system_.options.mixing) * scale;
    }
    for (std::size_t i = 0; i < n; ++i) x[i] += d.trial[i];
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::solve_tangent() {
  density_.linearize();
  const std::size_t n = unknowns(), groups = constraints().size();
  tape_.right.resize(n);
  tape_.solution.resize(n);
  tape_.groups.assign(groups, R(0));
  for (std::size_t g = 0; g < constraints().tangent.size(); ++g)
    tape_.groups[g] = static_cast<R>(constraints().tangent[g]);
  tape_.group_solution.resize(groups);
  // The equations at the constant solution: their tangent is what the solution's must cancel.
  see(tape_.p, tape_.fermi_level, tape_.f);
  if constexpr (energy) {
    const SiteCoefficients<T>& c = system_.coefficients;
    tape_.image = tape_.f;
    for (std::size_t i = 0; i < n; ++i) tape_.image[i] += c.chi[i] + c.eta[i] * tape_.p[i];
    sum_.template energy<T>(c, tape_.p.data(), tape_.image.data(), nullptr, T{}, nullptr,
                            tape_.scratch);
    for (std::size_t i = 0; i < n; ++i) tape_.right[i] = -tangent_of(tape_.image[i]);
  } else {
    tape_.image.assign(n, T{});
    sum_.template respond<T>(system_.coefficients, tape_.f.data(), tape_.image.data(), tape_.u,
                             tape_.scratch);
    for (std::size_t i = 0; i < n; ++i) tape_.right[i] = tangent_of(tape_.image[i]);
  }
  solve_linear(tape_.right, tape_.groups, tape_.solution, tape_.group_solution, false);
  if constexpr (is_dual_v<T>) {
    for (std::size_t i = 0; i < n; ++i) tape_.p[i].tangent = tape_.solution[i];
    for (std::size_t g = 0; g < groups; ++g) tape_.fermi_level[g].tangent = tape_.group_solution[g];
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::site_energies(std::span<T> shares) {
  const SiteCoefficients<T>& c = system_.coefficients;
  const std::size_t size = sum_.out;
  if constexpr (readout) {
    // Gradients are not wanted here, but a law always gives them.
    tape_.scratch.real.assign(sum_.ca() + sum_.in + size, T{});
    T* const sink = tape_.scratch.real.data();
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      shares[i] += sum_.law.readout(c.atoms.data() + i * sum_.ca(), tape_.p.data() + i * size,
                                    tape_.f.data() + i * sum_.in, sink, sink + sum_.ca(),
                                    sink + sum_.ca() + size);
  } else if constexpr (energy) {
    tape_.image.assign(unknowns(), T{});
    sum_.template energy<T>(c, tape_.p.data(), tape_.image.data(), shares.data(), T{}, nullptr,
                            tape_.scratch);
    for (std::size_t k = 0; k < unknowns(); ++k)
      shares[k / size] += tape_.p[k] * (c.chi[k] + c.eta[k] * tape_.p[k] * R(0.5));
  } else if constexpr (form == LawForm::response) {
    // G(p) = p·u − φ(u) with its energy of second order in the residual, and the atom's own terms.
    tape_.u.resize(unknowns());
    for (std::size_t k = 0; k < unknowns(); ++k) tape_.u[k] = -tape_.f[k];
    tape_.image.assign(unknowns(), T{});
    tape_.other.assign(sum_.atoms, T{});
    sum_.template energy<T>(c, tape_.u.data(), tape_.image.data(), tape_.other.data(), T{}, nullptr,
                            tape_.scratch);
    for (std::size_t i = 0; i < sum_.atoms; ++i) shares[i] -= tape_.other[i];
    for (std::size_t k = 0; k < unknowns(); ++k) {
      T term = tape_.p[k] * tape_.u[k];
      if (!c.chi.empty()) term += tape_.p[k] * (c.chi[k] + c.eta[k] * tape_.p[k] * R(0.5));
      shares[k / size] += term;
    }
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::apply_transpose(std::span<const T> lambda, std::span<T> out,
                                                 std::span<T> levels) {
  const SiteCoefficients<T>& c = system_.coefficients;
  std::fill(levels.begin(), levels.end(), T{});
  if constexpr (energy) {
    field_.apply(lambda, out);
    for (std::size_t i = 0; i < unknowns(); ++i) out[i] += c.eta[i] * lambda[i];
    sum_.template second<T>(c, tape_.p.data(), lambda.data(), out.data(), T{}, nullptr,
                            tape_.scratch);
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = constraints().group[i]; g >= 0)
        levels[static_cast<std::size_t>(g)] += lambda[i * sum_.out];
  } else {
    tape_.field_bar.assign(fields(), T{});
    sum_.template respond_pullback<T>(c, tape_.f.data(), lambda.data(), tape_.field_bar.data(),
                                      nullptr, tape_.u, tape_.image, tape_.scratch);
    field_.transpose(tape_.field_bar, out);
    if (form == LawForm::response && !c.eta.empty())
      for (std::size_t i = 0; i < unknowns(); ++i) out[i] += c.eta[i] * tape_.field_bar[i];
    for (std::size_t i = 0; i < unknowns(); ++i) out[i] = lambda[i] - out[i];
    for (std::size_t i = 0; i < sum_.atoms; ++i)
      if (const int g = constraints().group[i]; g >= 0)
        for (std::size_t k = 0; k < sum_.in; k += sum_.out)
          levels[static_cast<std::size_t>(g)] -= tape_.field_bar[i * sum_.in + k];
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::energy_backward(T energy_bar, std::span<const T> fermi_level_bar,
                                                 SiteCoefficients<T>& c_bar,
                                                 std::span<T> field_bar) {
  const SiteCoefficients<T>& c = system_.coefficients;
  const std::size_t n = unknowns(), groups = constraints().size(), size = sum_.out;
  std::fill(field_bar.begin(), field_bar.end(), T{});
  std::vector<T>& total = tape_.total_bar;
  total.assign(n, T{});
  tape_.level_bar.assign(groups, T{});
  if (!fermi_level_bar.empty())
    for (std::size_t g = 0; g < groups; ++g) tape_.level_bar[g] = fermi_level_bar[g];

  if constexpr (readout) {
    std::vector<T>& local = tape_.scratch.real;
    for (std::size_t i = 0; i < sum_.atoms; ++i) {
      local.assign(sum_.ca() + size + sum_.in, T{});
      T* const dc = local.data();
      T* const dp = dc + sum_.ca();
      T* const df = dp + size;
      sum_.law.readout(c.atoms.data() + i * sum_.ca(), tape_.p.data() + i * size,
                       tape_.f.data() + i * sum_.in, dc, dp, df);
      for (std::size_t k = 0; k < sum_.ca(); ++k)
        c_bar.atoms[i * sum_.ca() + k] += energy_bar * dc[k];
      for (std::size_t k = 0; k < size; ++k) total[i * size + k] += energy_bar * dp[k];
      for (std::size_t k = 0; k < sum_.in; ++k) field_bar[i * sum_.in + k] = energy_bar * df[k];
      if (const int g = constraints().group[i]; g >= 0)
        for (std::size_t k = 0; k < sum_.in; k += size)
          tape_.level_bar[static_cast<std::size_t>(g)] += field_bar[i * sum_.in + k];
    }
  } else {
    // Stationary in the density: only the explicit derivatives count.
    const T factor = energy ? energy_bar : -energy_bar;
    tape_.image.assign(n, T{});
    if constexpr (energy) {
      sum_.template energy<T>(c, tape_.p.data(), tape_.image.data(), nullptr, factor, &c_bar,
                              tape_.scratch);
    } else {
      tape_.u.resize(n);
      for (std::size_t k = 0; k < n; ++k) tape_.u[k] = -tape_.f[k];
      sum_.template energy<T>(c, tape_.u.data(), tape_.image.data(), nullptr, factor, &c_bar,
                              tape_.scratch);
    }
    for (std::size_t k = 0; k < c_bar.chi.size(); ++k) {
      c_bar.chi[k] += energy_bar * tape_.p[k];
      c_bar.eta[k] += energy_bar * tape_.p[k] * tape_.p[k] * R(0.5);
    }
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::law_backward(SiteCoefficients<T>& c_bar, std::span<T> field_bar) {
  const SiteCoefficients<T>& c = system_.coefficients;
  const std::size_t n = unknowns();
  const std::vector<T>& lambda = tape_.lambda;
  if constexpr (energy) {
    sum_.template second<T>(c, tape_.p.data(), lambda.data(), nullptr, T(R(-1)), &c_bar,
                            tape_.scratch);
    for (std::size_t i = 0; i < n; ++i) {
      field_bar[i] -= lambda[i];
      c_bar.chi[i] -= lambda[i];
      c_bar.eta[i] -= lambda[i] * tape_.p[i];
    }
  } else {
    tape_.field_bar.assign(fields(), T{});
    sum_.template respond_pullback<T>(c, tape_.f.data(), lambda.data(), tape_.field_bar.data(),
                                      &c_bar, tape_.u, tape_.image, tape_.scratch);
    for (std::size_t k = 0; k < fields(); ++k) field_bar[k] += tape_.field_bar[k];
    for (std::size_t i = 0; i < c_bar.chi.size(); ++i) {
      c_bar.chi[i] += tape_.field_bar[i];
      c_bar.eta[i] += tape_.field_bar[i] * tape_.p[i];
    }
  }
}

template <class Law, class S, Number T>
void SelfConsistency<Law, S, T>::backward(T energy_bar, std::span<const T> p_bar,
                                          std::span<const T> fermi_level_bar,
                                          SiteCoefficients<T>& c_bar, std::span<T> field_bar) {
  const std::size_t n = unknowns(), groups = constraints().size();
  energy_backward(energy_bar, fermi_level_bar, c_bar, field_bar);
  std::vector<T>& total = tape_.total_bar;
  if (!p_bar.empty())
    for (std::size_t i = 0; i < n; ++i) total[i] += p_bar[i];
  if constexpr (readout) {
    tape_.image.resize(n);
    field_.transpose(std::span<const T>(field_bar), std::span<T>(tape_.image));
    for (std::size_t i = 0; i < n; ++i) total[i] += tape_.image[i];
  }

  if (!readout && p_bar.empty() && fermi_level_bar.empty()) return;
  if constexpr (!is_dual_v<T>) density_.linearize();  // duals have done it
  tape_.right.resize(n);
  tape_.solution.resize(n);
  tape_.groups.resize(groups);
  tape_.group_solution.resize(groups);
  for (std::size_t i = 0; i < n; ++i) tape_.right[i] = value_of(total[i]);
  for (std::size_t g = 0; g < groups; ++g) tape_.groups[g] = value_of(tape_.level_bar[g]);
  solve_linear(tape_.right, tape_.groups, tape_.solution, tape_.group_solution, true);
  tape_.lambda.resize(n);
  for (std::size_t i = 0; i < n; ++i) tape_.lambda[i] = T(tape_.solution[i]);
  if constexpr (is_dual_v<T>) {
    tape_.constant.resize(n);
    tape_.nu.resize(groups);
    apply_transpose(tape_.lambda, tape_.constant, tape_.nu);
    for (std::size_t i = 0; i < n; ++i)
      tape_.right[i] = total[i].tangent - tape_.constant[i].tangent;
    for (std::size_t g = 0; g < groups; ++g)
      tape_.groups[g] = tape_.level_bar[g].tangent - tape_.nu[g].tangent;
    solve_linear(tape_.right, tape_.groups, tape_.solution, tape_.group_solution, true);
    for (std::size_t i = 0; i < n; ++i) tape_.lambda[i].tangent = tape_.solution[i];
  }
  law_backward(c_bar, field_bar);
}

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/scf/given_density_impl.hpp>  // IWYU pragma: keep
