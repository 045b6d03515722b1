// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <string_view>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// How a self-consistent density is searched for.
enum class ScfMethod {
  newton,    ///< Newton steps; linear systems by a dense factor or preconditioned Krylov iterations
  anderson,  ///< Anderson mixing (Pulay's DIIS): needs no derivatives of the law
  linear,    ///< plain mixing: the baseline
};

/// How derivatives of the converged density are found.
enum class Differentiation {
  implicit,  ///< one linear solve: exact
  unrolled,  ///< mixing steps of the derivative itself, `ScfOptions::unrolled_steps` of them
};

/// How the self-consistent density of one structure is found. Shared by all charge models.
struct ScfOptions {
  ScfMethod method = ScfMethod::newton;
  /// The largest component of the residual that counts as converged: p − F(v) in e and e Å, or,
  /// where an energy is minimised, its gradient on the manifold of the charges, in V and V/Å.
  double tolerance = 1e-10;
  int max_iterations = 100;
  double mixing = 0.2;    ///< linear mixing, and Anderson's first step
  int history = 8;        ///< of Anderson
  int dense_limit = 400;  ///< unknowns up to which Newton factorises a matrix
  /// Newton's linear systems are solved to this fraction of the SCF residual (Krylov only).
  double krylov_tolerance = 1e-2;
  int krylov_iterations = 300;
  bool throw_on_failure = true;  ///< ConvergenceError unless converged; else see the outcome
  /// Start from the last densities of the workspace, extrapolated. Results then depend on them
  /// within the tolerance; without it they depend on the structure alone.
  bool warm_start = false;
  /// With warm starts: calls that share a preconditioner of an energy's equations. One that makes
  /// iterations slow is replaced at once.
  int preconditioner_steps = 25;
  Differentiation differentiation = Differentiation::implicit;
  int unrolled_steps = 200;
};

enum class ScfStatus {
  converged,
  stalled,   ///< the residual is still above the tolerance
  diverged,  ///< it grew without bounds, or is not a number
};

constexpr std::string_view to_string(ScfStatus status) {
  switch (status) {
    case ScfStatus::converged:
      return "converged";
    case ScfStatus::stalled:
      return "stalled";
    case ScfStatus::diverged:
      return "diverged";
  }
  return "";
}

/// What the search for the density came to.
struct ScfOutcome {
  ScfStatus status = ScfStatus::converged;
  int iterations = 0;             ///< densities tried after the first
  int operator_applications = 0;  ///< of K (or of the features), real ones, derivatives included
  double residual = 0.0;          ///< as ScfOptions::tolerance
  /// eV, of response laws: how far the energy can lie below the converged one, ½ rᵀ(K + η)r with r
  /// the residual density: the gap between the dual function and the primal energy of p + r.
  double energy_bound = 0.0;
  std::vector<double> residuals;  ///< of the first density and after each iteration
  std::vector<double> energies;   ///< eV, likewise: what is minimised (or maximised, for responses)
};

}  // namespace leyden::inline LEYDEN_ABI
