// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/scf/anderson.hpp>
#include <leyden/scf/density_history.hpp>
#include <leyden/scf/linear_response.hpp>
#include <leyden/scf/map_response.hpp>

#include <cmath>
#include <string>

namespace leyden::inline LEYDEN_ABI {

/// Memory of one structure's self-consistent density, kept between calls.
template <std::floating_point R>
struct DensityMemory {
  // The problem, in real numbers
  SiteCoefficients<R> coefficients;
  std::vector<R> external;  // (n·size) v_ext, with the Fermi levels that are prescribed
  ChargeConstraints constraints;
  // The solution
  std::vector<R> p;            // (n·size)
  std::vector<R> fermi_level;  // (groups)
  std::vector<R> own_field;    // (n·in): P p + ηp, without external part and Fermi level
  ScfOutcome outcome;
  ChargeConstraints neutral;  // the same groups, without charge
  // Linearisation and scratch
  LawBlocks<R> blocks;
  LinearResponseMemory<R> response;
  AndersonMemory<R> anderson;
  std::vector<R> f, u, residual, trial, trial_field, step, step_field, gradient, nu, zero;
  std::vector<R> newton_step, newton_field;
  std::vector<R> moved;       // (n·size) by bonds, in the last density made of a field
  R dual = 0;                 // φ there, of a response
  DensityHistory<R> history;  // of the last calls, for warm starts
};

/// Finds the self-consistent density of one structure, in real numbers.
///
/// Energies (primal):   minimise χ·p + ½ηp² + φ(p) + ½pᵀKp + p·v_ext at prescribed charges.
/// Responses (dual):    p = ∂φ/∂u at u = −v: maximise D(p, μ) = −½pᵀ(K+η)p − φ(u) − μQ, a concave
///                      function whose maximum is the minimum of the primal problem.
/// Maps:                p = F(f(p)).
///
/// Responses and maps find the Fermi levels of prescribed charges anew for every density (a scalar
/// equation of the law alone), so each iterate has the right charge. Newton steps contain the
/// response of the Fermi level and its screening.
template <class Law, class S, std::floating_point R>
class DensitySolver {
  static constexpr LawForm form = Law::form;
  static constexpr bool energy = form == LawForm::energy;

 public:
  using Plan = typename S::template Plan<R>;
  using Scratch = typename LawSum<Law>::template Scratch<R>;

  DensitySolver(const LawSum<Law>& sum, const S& solver, const Plan& plan,
                const Geometry<R>& geometry, std::span<const double> widths,
                std::span<const double> receiver, const ScfOptions& options,
                DensityMemory<R>& memory, Scratch& scratch)
      : sum_(sum),
        solver_(solver),
        plan_(plan),
        geometry_(geometry),
        widths_(widths),
        receiver_(receiver),
        options_(options),
        m_(memory),
        scratch_(scratch),
        field_(solver, plan, sum.atoms, sum.out, receiver, memory.response.scratch),
        response_(sum, field_, memory.coefficients.eta, memory.constraints, memory.response) {}

  /// Sets memory.p, fermi_level, own_field and outcome. Coefficients, external and constraints are
  /// given in the memory. @throws ConvergenceError where options ask for it.
  void solve();

  /// Whether the field of memory.p is known to better than the tolerance, and that field Pp.
  bool knows_field() const { return recurrence(); }
  void field_of_charges(std::span<R> f) const {
    std::copy(m_.own_field.begin(), m_.own_field.end(), f.begin());
    const std::vector<R>& hardness = m_.coefficients.eta;
    for (std::size_t i = 0; i < hardness.size(); ++i) f[i] -= hardness[i] * m_.p[i];
  }

  /// Responses and maps: sets memory.fermi_level to where the density that memory.own_field makes
  /// has the charges that are prescribed. False when there is no such level.
  bool find_levels() {
    m_.fermi_level.assign(m_.constraints.size(), R(0));
    m_.trial.resize(unknowns());
    return density_of(m_.own_field, m_.trial);
  }
  /// Takes the linearisation at memory.p, for response().
  void linearize();
  /// −∂p/∂μ of all atoms at fixed density (n·size): what the law alone does. Responses and maps;
  /// after linearize().
  void bare_response(std::span<R> out) const {
    m_.step_field.assign(sum_.atoms * sum_.in, R(0));
    for (std::size_t i = 0; i < m_.step_field.size(); i += sum_.out) m_.step_field[i] = R(-1);
    std::fill(out.begin(), out.end(), R(0));
    m_.blocks.apply(sum_.bonds, m_.step_field.data(), out.data(), false);
  }
  const LinearResponse<Law, S, R>& response() const { return response_; }
  /// What a step of a map does to a change of memory.p. Valid until the next call.
  MapResponse<Law, S, R> map_response() {
    fill_blocks();
    return {sum_, response_, m_.constraints, m_.coefficients, m_.blocks, m_.f};
  }

  /// The full field at memory.p, with external part and Fermi levels: what the law sees.
  void full_field(std::span<const R> own, std::span<R> f) const;

 private:
  std::size_t unknowns() const { return sum_.atoms * sum_.out; }
  R level_of(std::size_t atom) const {
    const int g = m_.constraints.group[atom];
    return g < 0 ? R(0) : m_.fermi_level[static_cast<std::size_t>(g)];
  }

  void start();
  /// The law's own derivatives at memory.p.
  void fill_blocks();
  /// Whether what recurrences carry along is exact enough.
  bool recurrence() const { return tolerance() > R(1e5) * std::numeric_limits<R>::epsilon(); }
  bool record(R residual, R value);
  R tolerance() const;
  R krylov_goal(R norm) const;
  void minimize();
  [[noreturn]] void throw_no_minimum() const;
  void find_fixed_point();
  /// Energies: value, and gradient on the manifold of the charges with its multipliers.
  R minimized_energy(std::span<const R> p, std::span<const R> own, std::span<R> gradient) const;
  R project_gradient(std::span<R> gradient);
  /// Responses and maps: Fermi levels at which the density made of the field has its charge; sets
  /// `out` to it. False when there are none.
  bool density_of(std::span<const R> own, std::span<R> out);
  /// D(p, μ) of a response law at the field last used in density_of, which is that of p.
  R dual_energy(std::span<const R> p, std::span<const R> own) const;

  const LawSum<Law>& sum_;
  const S& solver_;
  const Plan& plan_;
  const Geometry<R>& geometry_;
  std::span<const double> widths_, receiver_;
  const ScfOptions& options_;
  DensityMemory<R>& m_;
  Scratch& scratch_;
  FieldOperator<S, R> field_;
  LinearResponse<Law, S, R> response_;
  bool bonds_see_levels_ = true;  // else Fermi levels and bonds do not change each other
};

}  // namespace leyden::inline LEYDEN_ABI

#include <leyden/scf/density_solver_impl.hpp>  // IWYU pragma: keep
