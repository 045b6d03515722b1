// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parallel.hpp>
#include <leyden/train/loss.hpp>

#include <Eigen/QR>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

struct LinearFitOptions {
  LossWeights weights{
      .energy = 1.0,
      .forces = 1.0};  ///< of energies, forces and stresses; charges and dipoles are not fitted
  /// How much a parameter's share in the predictions costs, see fit_linear(); a number without
  /// unit. Zero: least squares alone, with the smallest shares where the data leave them open.
  double ridge = 1e-8;
};

struct LinearFitReport {
  std::size_t unknowns = 0;   ///< fitted parameters
  std::size_t equations = 0;  ///< labelled numbers
  double initial_loss = 0.0;  ///< mean of structure_loss() with all fitted parameters zero
  double loss = 0.0;          ///< … with those found
};

namespace detail {

/// Least squares of any number of equations in the memory of one triangle: R of A = QR, and Qᵀy,
/// grow block by block.
class GrowingTriangle {
 public:
  explicit GrowingTriangle(Eigen::Index unknowns)
      : unknowns_(unknowns),
        rows_(Eigen::MatrixXd::Zero(unknowns + 1 + std::max<Eigen::Index>(unknowns, 256),
                                    unknowns + 1)),
        filled_(0) {}

  /// One equation Σ a_k x_k = y.
  void add(std::span<const double> a, double y) {
    if (filled_ == rows_.rows()) reduce();
    for (Eigen::Index k = 0; k < unknowns_; ++k) rows_(filled_, k) = a[static_cast<std::size_t>(k)];
    rows_(filled_++, unknowns_) = y;
  }
  /// R with Qᵀy as its last column and the norm of what no x explains in the last corner.
  Eigen::MatrixXd triangle() {
    reduce();
    return rows_.topRows(unknowns_ + 1).eval();
  }

 private:
  void reduce() {
    rows_.bottomRows(rows_.rows() - filled_).setZero();
    const Eigen::HouseholderQR<Eigen::Ref<Eigen::MatrixXd>> qr(rows_);
    filled_ = unknowns_ + 1;
    rows_.topRows(filled_).template triangularView<Eigen::StrictlyLower>().setZero();
    rows_.bottomRows(rows_.rows() - filled_).setZero();
  }

  Eigen::Index unknowns_;
  Eigen::MatrixXd rows_;
  Eigen::Index filled_;
};

/// The equations of one structure: rows of [a, y], weights and all.
struct FitRows {
  std::vector<double> numbers;  // [row][unknowns + 1]
  std::vector<double> gradient;
  LossCotangents cotangents;
};

}  // namespace detail

/// Fits the parameters that the energy is linear in, those whose names start with the descriptor's
/// `linear_prefix` (Ace), to energies, forces and stresses by regularised least squares:
///
///   min over θ of  mean of structure_loss(θ) + ridge Σ_k s_k θ_k²,
///
/// s_k the mean square that a unit of θ_k adds to the weighted predictions. Everything else the
/// model has stays: other parameters, E0, shift, repulsion of nuclei. It needs a potential without
/// charges; with them the energy is not linear.
///
/// The columns are the model's own parameter gradients: one real pass per energy, one pass on dual
/// numbers per component of a force or stress. Time goes with (equations · unknowns²), memory with
/// unknowns². Structures are shared among the executor's workers; the result does not depend on
/// how.
///
/// @param indices  which frames; labels without a weight, and stresses of what does not repeat in
///                 all directions, are skipped.
/// @throws InputError for no equations or an index beyond the frames, ModelError when the energy
/// turns out not to be linear in the parameters; errors of evaluate().
template <class Model, Executor E = SerialExecutor>
LinearFitReport fit_linear(Model& model, std::span<const Frame> frames,
                           std::span<const std::size_t> indices, LinearFitOptions options = {},
                           E executor = {}) {
  static_assert(Model::multipole_count == 0,
                "fit_linear: with charges the energy is not linear in any parameters; take "
                "NoCharges and NoElectrostatics, or the Trainer.");
  constexpr std::string_view prefix = Model::descriptor_type::linear_prefix;
  std::vector<std::size_t> at;  // of the unknowns in the parameters
  for (const ParameterInfo& p : model.layout().entries())
    if (std::string_view(p.name).substr(0, prefix.size()) == prefix)
      for (std::size_t k = 0; k < p.slice.size; ++k) at.push_back(p.slice.offset + k);
  for (const std::size_t k : indices)
    if (k >= frames.size())
      throw InputError("fit_linear: frame " + std::to_string(k) + " is asked for and there are " +
                       std::to_string(frames.size()));
  const std::vector<double> before(model.parameters().begin(), model.parameters().end());
  std::vector<double> parameters = before;
  for (const std::size_t k : at) parameters[k] = 0.0;
  model.set_parameters(parameters);

  const std::size_t unknowns = at.size(), width = unknowns + 1;
  std::vector<typename Model::Workspace> workspaces(
      static_cast<std::size_t>(executor.concurrency()));
  std::vector<detail::FitRows> rows(workspaces.size());
  std::vector<double> losses(rows.size());

  const auto loss_of = [&](std::size_t frame, auto& workspace) {
    const auto& [structure, labels, config_type, info] = frames[frame];
    return structure_loss(
               structure, labels,
               model.evaluate(structure, workspace, required_properties(labels, options.weights)),
               options.weights)
        .total();
  };
  // f(first, count): frames in groups of as many as there are workers.
  const auto in_groups = [&](auto&& f) {
    for (std::size_t first = 0; first < indices.size(); first += rows.size())
      f(first, std::min(rows.size(), indices.size() - first));
  };
  const auto mean_loss = [&] {
    double sum = 0.0;
    in_groups([&](std::size_t first, std::size_t count) {
      executor.for_each(count, [&](std::size_t task, int worker) {
        losses[task] = loss_of(indices[first + task], workspaces[static_cast<std::size_t>(worker)]);
      });
      for (std::size_t task = 0; task < count; ++task) sum += losses[task];
    });
    return sum / static_cast<double>(indices.size());
  };

  const auto make_rows = [&](std::size_t frame, auto& workspace, detail::FitRows& out) {
    const Structure& structure = frames[frame].structure;
    const Labels& labels = frames[frame].labels;
    const LossWeights& w = options.weights;
    const std::size_t n = structure.size();
    const double atoms = static_cast<double>(n);
    out.numbers.clear();
    const auto add = [&](double weight, double target) {
      out.gradient.assign(parameters.size(), 0.0);
      model.parameter_gradient(structure, out.cotangents, workspace, out.gradient);
      for (const std::size_t k : at) out.numbers.push_back(weight * out.gradient[k]);
      out.numbers.push_back(weight * target);
    };
    const Prediction zero =
        model.evaluate(structure, workspace, required_properties(labels, options.weights));
    out.cotangents = {};
    if (labels.energy && w.energy > 0.0) {
      out.cotangents.energy = 1.0;
      add(std::sqrt(w.energy) / atoms, *labels.energy - zero.energy);
      out.cotangents.energy = 0.0;
    }
    if (labels.forces && w.forces > 0.0) {
      out.cotangents.forces.assign(n, {});
      for (std::size_t i = 0; i < n; ++i)
        for (int a = 0; a < 3; ++a) {
          out.cotangents.forces[i][a] = 1.0;
          add(std::sqrt(w.forces / (3.0 * atoms)), (*labels.forces)[i][a] - zero.forces[i][a]);
          out.cotangents.forces[i][a] = 0.0;
        }
      out.cotangents.forces.clear();
    }
    if (labels.stress && w.stress > 0.0 && structure.cell.all_periodic())
      for (int a = 0; a < 3; ++a)
        for (int b = a; b < 3; ++b) {
          out.cotangents.stress = {};
          out.cotangents.stress(a, b) = 1.0;
          add(std::sqrt(w.stress * (a == b ? 1.0 : 2.0) / 9.0),
              0.5 * ((*labels.stress)(a, b) + (*labels.stress)(b, a)) - zero.stress(a, b));
        }
  };

  LinearFitReport report;
  report.unknowns = unknowns;
  detail::GrowingTriangle triangle(static_cast<Eigen::Index>(unknowns));
  in_groups([&](std::size_t first, std::size_t count) {
    executor.for_each(count, [&](std::size_t task, int worker) {
      make_rows(indices[first + task], workspaces[static_cast<std::size_t>(worker)], rows[task]);
    });
    for (std::size_t task = 0; task < count; ++task)
      for (std::size_t k = 0; k < rows[task].numbers.size(); k += width, ++report.equations)
        triangle.add(std::span(rows[task].numbers).subspan(k, unknowns),
                     rows[task].numbers[k + unknowns]);
  });
  if (report.equations == 0 || unknowns == 0) {
    model.set_parameters(before);
    throw InputError("fit_linear: " + std::to_string(report.equations) + " labels with a weight " +
                     "for " + std::to_string(unknowns) + " parameters named " +
                     std::string(prefix) + "…; both are needed");
  }
  report.initial_loss = mean_loss();

  // Columns of norm one, the ridge as further equations.
  const Eigen::Index size = static_cast<Eigen::Index>(unknowns);
  const Eigen::MatrixXd r = triangle.triangle();
  Eigen::VectorXd norms = r.topLeftCorner(size, size).colwise().norm();
  for (double& x : norms)
    if (x == 0.0) x = 1.0;  // no frame has it: zero is its solution
  Eigen::MatrixXd equations(2 * size, size);
  equations.topRows(size) = r.topLeftCorner(size, size) * norms.cwiseInverse().asDiagonal();
  equations.bottomRows(size) = std::sqrt(options.ridge) * Eigen::MatrixXd::Identity(size, size);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(2 * size);
  right.head(size) = r.col(size).head(size);
  const Eigen::VectorXd solution =
      Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd>(equations).solve(right);
  for (std::size_t k = 0; k < unknowns; ++k)
    parameters[at[k]] =
        solution[static_cast<Eigen::Index>(k)] / norms[static_cast<Eigen::Index>(k)];
  model.set_parameters(parameters);
  report.loss = mean_loss();

  const Eigen::VectorXd left =
      r.topLeftCorner(size, size) * norms.cwiseInverse().asDiagonal() * solution -
      r.col(size).head(size);
  const double promised =
      (left.squaredNorm() + r(size, size) * r(size, size)) / static_cast<double>(indices.size());
  const double tolerance = std::is_same_v<typename Model::real_type, double> ? 1e-6 : 1e-2;
  if (!(std::abs(report.loss - promised) <= tolerance * report.initial_loss)) {
    model.set_parameters(before);
    throw ModelError("fit_linear: the loss is " + std::to_string(report.loss) + " where " +
                     std::to_string(promised) + " follows from equations linear in " +
                     std::string(prefix) + "…; the energy is not linear in these parameters");
  }
  return report;
}

}  // namespace leyden::inline LEYDEN_ABI
