// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/loss.hpp>

#include <array>
#include <cmath>

namespace leyden::inline LEYDEN_ABI {

/// V/Å: half the distance of the two fields that responses are differences of. What it neglects is
/// h²/6 of the third derivative by the field, 2e-5 of what saturates at 1 V/Å; what rounding and a
/// density found to 1e-10 add is 1e-8.
inline constexpr double response_field_step = 0.01;

/// Axes x, y, z along which a structure may have a field: those across all periodic lattice vectors
/// that have no plane to jump at (Structure::field_jump); all where a model takes fields
/// `everywhere` (Potential::takes_field_everywhere).
inline std::array<bool, 3> possible_field_axes(const Structure& structure, bool everywhere) {
  std::array<bool, 3> axes{true, true, true};
  for (std::size_t d = 0; d < 3 && !everywhere; ++d) {
    if (!structure.cell.periodic[d] || structure.field_jump[d]) continue;
    const Vector3<double> h = structure.cell.vectors.row(static_cast<int>(d));
    for (int a = 0; a < 3; ++a)
      if (std::abs(h[a]) > 1e-12 * norm(h)) axes[static_cast<std::size_t>(a)] = false;
  }
  return axes;
}

/// Whether the loss of these labels needs add_field_response().
inline bool needs_field_response(const Labels& labels, const LossWeights& weights) {
  return (weights.polarizability > 0.0 && labels.polarizability) ||
         (weights.born_charges > 0.0 && labels.born_charges);
}

namespace detail {
template <class Model, class Visit>
void for_each_field(const Structure& structure, double step, Visit&& visit) {
  const auto axes = possible_field_axes(structure, Model::takes_field_everywhere);
  Structure shifted = structure;
  for (int b = 0; b < 3; ++b)
    for (const double sign : {1.0, -1.0}) {
      if (!axes[static_cast<std::size_t>(b)]) continue;
      shifted.external_field = structure.external_field;
      shifted.external_field[b] += sign * step;
      visit(shifted, b, sign / (2.0 * step));
    }
}
}  // namespace detail

/// Sets field_axes, polarizability and born_charges of a prediction of this structure, as central
/// differences of the polarization −∂E/∂field and of the forces between two fields,
///
///   α_ab = (P_a(+h e_b) − P_a(−h e_b))/2h,   Z*_i,ab = (F_ib(+h e_a) − F_ib(−h e_a))/2h.
///
/// A difference, and not the exact derivative of observables.hpp, because then
/// add_field_response_gradient() is its exact gradient. Two evaluations an axis. Models without
/// charges have none of it.
/// @param prediction  may not be the workspace's own: that one is overwritten.
template <class Model>
void add_field_response(const Model& model, const Structure& structure,
                        typename Model::Workspace& workspace, Prediction& prediction,
                        double step = response_field_step) {
  prediction.field_axes = {};
  prediction.polarizability = {};
  prediction.born_charges.clear();
  if (Model::multipole_count == 0) return;
  prediction.field_axes = possible_field_axes(structure, Model::takes_field_everywhere);
  prediction.born_charges.assign(structure.size(), Matrix3<double>{});
  detail::for_each_field<Model>(structure, step, [&](const Structure& s, int b, double weight) {
    const Prediction& p = model.evaluate(s, workspace, {true, false});
    for (int a = 0; a < 3; ++a) prediction.polarizability(a, b) += weight * p.polarization[a];
    for (std::size_t i = 0; i < s.size(); ++i)
      for (int c = 0; c < 3; ++c) prediction.born_charges[i](b, c) += weight * p.forces[i][c];
  });
}

/// Adds the gradient by the parameters of a loss with these cotangents of polarizability and Born
/// charges (others are not looked at), exactly, for the differences above. Two gradients on dual
/// numbers an axis.
template <class Model>
void add_field_response_gradient(const Model& model, const Structure& structure,
                                 const LossCotangents& cotangents,
                                 typename Model::Workspace& workspace, std::span<double> gradient,
                                 double step = response_field_step) {
  if (Model::multipole_count == 0) return;
  const bool born = !cotangents.born_charges.empty();
  if (!born && cotangents.polarizability == Matrix3<double>{}) return;
  LossCotangents bar;
  detail::for_each_field<Model>(structure, step, [&](const Structure& s, int b, double weight) {
    for (int a = 0; a < 3; ++a) bar.polarization[a] = weight * cotangents.polarizability(a, b);
    bar.forces.clear();
    for (std::size_t i = 0; born && i < s.size(); ++i)
      bar.forces.push_back(weight * cotangents.born_charges[i].row(b));
    model.parameter_gradient(s, bar, workspace, gradient);
  });
}

}  // namespace leyden::inline LEYDEN_ABI
