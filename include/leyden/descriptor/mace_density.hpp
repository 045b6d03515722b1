// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/atoms/geometry.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/equivariant/features.hpp>

#include <cmath>
#include <concepts>
#include <string>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What density-normalised layers of a MACE divide sums over neighbours by, in place of an average
/// number of neighbours:
///
///   1 + ρ_t,   ρ_t = Σ_{e → t} f_e tanh(u_e²),   u_e = Σ_n v_n b_n(r_e)/√count,
///
/// b the radial basis, f the envelope if b is without (else 1) and v learned
/// (RealAgnosticDensityInteractionBlock of ACEsuit/mace).
template <std::floating_point Real>
class EdgeDensity {
 public:
  template <Number T>
  struct Tape {
    std::vector<T> argument;     // u, (pairs)
    std::vector<T> inverse;      // 1/(1 + ρ), (n)
    std::vector<T> density_bar;  // (n), backward's scratch
  };

  EdgeDensity() = default;
  explicit EdgeDensity(int radial_count) : radial_count_(radial_count) {}

  void declare(ParameterLayout& layout, const std::string& name) {
    slice_ = layout.add(name, {radial_count_}, Initializer::normal(1.0));
  }
  void prepare(std::span<const double> parameters) {
    const std::span<const double> v = slice_.of(parameters);
    weights_.assign(tiles(), Pack<Real>());
    for (int n = 0; n < radial_count_; ++n)
      weights_[static_cast<std::size_t>(n / lanes)].set_lane(
          n % lanes, static_cast<Real>(v[static_cast<std::size_t>(n)] * scale()));
  }

  /// basis: [pair][tile]; factor: f, (pairs) or empty.
  template <Number T>
  void forward(const Geometry<T>& geometry, const Buffer<Pack<T>>& basis,
               const std::vector<T>& factor, Tape<T>& tape) const {
    using std::tanh;
    const std::size_t pairs = static_cast<std::size_t>(geometry.n_pairs);
    tape.argument.resize(pairs);
    for (std::size_t p = 0; p < pairs; ++p) {
      Pack<T> sum;
      for (std::size_t t = 0; t < tiles(); ++t) sum = fma(weights_[t], basis[p * tiles() + t], sum);
      tape.argument[p] = sum_lanes(sum);
    }
    tape.inverse.assign(static_cast<std::size_t>(geometry.n_atoms()), T(1));
    for (std::size_t e = 0; e < geometry.pair.size(); ++e) {
      const std::size_t p = static_cast<std::size_t>(geometry.pair[e]);
      const T u = tape.argument[p];
      tape.inverse[static_cast<std::size_t>(geometry.receiver[e])] +=
          factor.empty() ? tanh(u * u) : factor[p] * tanh(u * u);
    }
    for (T& x : tape.inverse) x = T(1) / x;
  }

  /// Divides an atomic basis.
  template <Number T>
  static void normalize(FeatureArray<T>& a, const Tape<T>& tape) {
    for (int t = 0; t < a.tiles(); ++t)
      for (int i = 0; i < a.n_atoms(); ++i) {
        const Pack<T> inverse(tape.inverse[static_cast<std::size_t>(i)]);
        for (int m = 0; m < a.lm_count(); ++m) a.at(t, i)[m] *= inverse;
      }
  }

  /// The adjoint of both. a: what normalize left; a_bar: in, its cotangent, out, that of what
  /// normalize was given; basis_bar, factor_bar and gradient (unless empty) are added to.
  template <Number T>
  void backward(const Geometry<T>& geometry, const Buffer<Pack<T>>& basis, const FeatureArray<T>& a,
                FeatureArray<T>& a_bar, const std::vector<T>& factor, Buffer<Pack<T>>& basis_bar,
                std::vector<T>& factor_bar, Tape<T>& tape, std::span<double> gradient) const {
    using std::tanh;
    tape.density_bar.assign(tape.inverse.size(), T(0));
    for (int t = 0; t < a.tiles(); ++t)
      for (int i = 0; i < a.n_atoms(); ++i) {
        const T inverse = tape.inverse[static_cast<std::size_t>(i)];
        Pack<T> sum;
        for (int m = 0; m < a.lm_count(); ++m) {
          sum = fma(a_bar.at(t, i)[m], a.at(t, i)[m], sum);
          a_bar.at(t, i)[m] *= Pack<T>(inverse);
        }
        tape.density_bar[static_cast<std::size_t>(i)] -= sum_lanes(sum) * inverse;
      }
    for (std::size_t e = 0; e < geometry.pair.size(); ++e) {
      const std::size_t p = static_cast<std::size_t>(geometry.pair[e]);
      const T u = tape.argument[p];
      const T d = tanh(u * u);
      T bar_d = tape.density_bar[static_cast<std::size_t>(geometry.receiver[e])];
      if (!factor.empty()) {
        factor_bar[p] += bar_d * d;
        bar_d *= factor[p];
      }
      const T u_bar = bar_d * (T(1) - d * d) * u * Real(2);
      for (std::size_t t = 0; t < tiles(); ++t) {
        Pack<T>& bar = basis_bar[p * tiles() + t];
        bar = fma(weights_[t], Pack<T>(u_bar), bar);
      }
      if (gradient.empty()) continue;
      for (int n = 0; n < radial_count_; ++n)
        slice_.of(gradient)[static_cast<std::size_t>(n)] +=
            gradient_part(u_bar * lane_of(basis.data() + p * tiles(), n)) * scale();
    }
  }

 private:
  static constexpr int lanes = Pack<Real>::lanes;
  std::size_t tiles() const { return static_cast<std::size_t>(pack_count<Real>(radial_count_)); }
  double scale() const { return 1.0 / std::sqrt(radial_count_); }

  int radial_count_ = 0;
  Slice slice_;
  Buffer<Pack<Real>> weights_;
};

}  // namespace leyden::inline LEYDEN_ABI
