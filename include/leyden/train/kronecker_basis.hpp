// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include <cstddef>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// Orthogonal matrices, one for each axis of a slice of parameters, whose Kronecker product is near
/// the eigenvectors of the second moment of its gradients: those of the moments of each axis, means
/// of G Gᵀ with G unfolded along the axis (Gupta, Koren, Singer, Shampoo, ICML 2018).
///
/// The numbers are the caller's, state_size() of them: per axis the moment, then the matrix.
class KroneckerBasis {
  using Matrix = Eigen::MatrixXd;
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  /// Entry (o, i, k) of a slice, i along the axis, is at (o · size + i) · inner + k.
  struct Axis {
    Eigen::Index size, inner;
    std::size_t outer, offset;

    std::size_t entries() const { return static_cast<std::size_t>(size * size); }
    std::size_t at(std::size_t o) const { return o * static_cast<std::size_t>(size * inner); }
    Eigen::Map<Matrix> moment(std::span<double> state) const {
      return {state.data() + offset, size, size};
    }
    Eigen::Map<Matrix> basis(std::span<double> state) const {
      return {state.data() + offset + entries(), size, size};
    }
    Eigen::Map<const Matrix> basis(std::span<const double> state) const {
      return {state.data() + offset + entries(), size, size};
    }
    template <class M>
    void multiply(const M& matrix, std::span<double> values) const {
      for (std::size_t o = 0; o < outer; ++o) {
        Eigen::Map<RowMajor> block(values.data() + at(o), size, inner);
        block = (matrix * block).eval();
      }
    }
  };

 public:
  /// @param shape    row-major
  /// @param longest  axes that are longer have no matrix, as those of one entry
  KroneckerBasis(std::span<const int> shape, int longest) {
    std::size_t outer = 1, inner = 1;
    for (int d : shape) inner *= static_cast<std::size_t>(d);
    if (inner == 0) return;
    for (int d : shape) {
      inner /= static_cast<std::size_t>(d);
      if (d > 1 && d <= longest) {
        axes_.push_back({d, static_cast<Eigen::Index>(inner), outer, state_size_});
        state_size_ += 2 * axes_.back().entries();
      }
      outer *= static_cast<std::size_t>(d);
    }
  }

  std::size_t state_size() const { return state_size_; }

  /// Each moment ← decay · moment + (1 − decay) G Gᵀ.
  void observe(std::span<const double> gradient, double decay, std::span<double> state) const {
    for (const Axis& axis : axes_) {
      Eigen::Map<Matrix> moment = axis.moment(state);
      moment *= decay;
      for (std::size_t o = 0; o < axis.outer; ++o) {
        const Eigen::Map<const RowMajor> g(gradient.data() + axis.at(o), axis.size, axis.inner);
        moment.noalias() += (1.0 - decay) * g * g.transpose();
      }
    }
  }
  /// The eigenvectors of the moments, that of the largest eigenvalue first. (This and renew() are
  /// templates so that only files that train compile these decompositions, for seconds.)
  template <class = void>
  void start(std::span<double> state) const {
    for (const Axis& axis : axes_) {
      const Eigen::SelfAdjointEigenSolver<Matrix> solver(axis.moment(state));
      axis.basis(state) = solver.eigenvectors().rowwise().reverse();
    }
  }
  /// One step of orthogonal iteration towards them. Columns keep their sign, so that moments along
  /// them keep their meaning.
  template <class = void>
  void renew(std::span<double> state) const {
    for (const Axis& axis : axes_) {
      Eigen::Map<Matrix> basis = axis.basis(state);
      const Eigen::HouseholderQR<Matrix> qr(axis.moment(state) * basis);
      Matrix next = qr.householderQ();
      for (Eigen::Index k = 0; k < axis.size; ++k)
        if (next.col(k).dot(basis.col(k)) < 0.0) next.col(k) *= -1.0;
      basis = next;
    }
  }
  /// The components of a slice along the basis.
  void turn(std::span<const double> state, std::span<double> values) const {
    for (const Axis& axis : axes_) axis.multiply(axis.basis(state).transpose(), values);
  }
  /// The slice with these components.
  void turn_back(std::span<const double> state, std::span<double> values) const {
    for (const Axis& axis : axes_) axis.multiply(axis.basis(state), values);
  }

 private:
  std::vector<Axis> axes_;
  std::size_t state_size_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI
