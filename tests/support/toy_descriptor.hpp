// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/error.hpp>
#include <leyden/descriptor/concepts.hpp>

#include <array>
#include <cmath>
#include <string>
#include <vector>

// A descriptor small enough to be checked by eye: one layer of two-body sums,
//
//   h_i,c,0  = w_c Σ_j exp(−g_c r²/a²) f(r) s_z(j),     f(r) = (1 − r²/a²)³,
//   h_i,c,1m = w_c Σ_j exp(−g_c r²/a²) f(r) s_z(j) r_m / a   (x, y, z),
//   E_i      = e_z(i) + k Σ_c h_i,c,0²,
//
// with a the cutoff. Parameters: w (channels), s (species), e (species), k (1).
namespace leyden_test {

template <std::floating_point Real = double>
class BasicToyDescriptor {
 public:
  using real_type = Real;
  static constexpr std::string_view name = "toy";
  static constexpr int feature_l_max = 1;

  template <leyden::Number T>
  struct Tape : leyden::DescriptorTape<T> {};

  explicit BasicToyDescriptor(std::vector<int> species, double cutoff = 3.0, int channels = 8,
                              int l_max = 1)
      : species_(std::move(species)), cutoff_(cutoff), shapes_{{channels, l_max}} {}

  double cutoff() const { return cutoff_; }
  std::span<const int> species() const { return species_; }
  std::span<const leyden::FeatureShape> feature_shapes() const { return shapes_; }

  void declare(leyden::ParameterLayout& layout) {
    const int z = static_cast<int>(species_.size());
    channel_ = layout.add("toy/channel", {shapes_[0].channels}, leyden::Initializer::normal(1.0));
    sender_ = layout.add("toy/sender", {z}, leyden::Initializer::normal(1.0));
    energy_ = layout.add("toy/energy", {z}, leyden::Initializer::normal(1.0));
    stiffness_ = layout.add("toy/stiffness", {1}, leyden::Initializer::normal(0.3));
  }
  void prepare(std::span<const double> parameters) {
    parameters_.assign(parameters.begin(), parameters.end());
  }

  template <leyden::Number T>
  void forward(const leyden::Geometry<T>& geometry, Tape<T>& tape) const {
    const int n = geometry.n_atoms();
    tape.features.resize(1);
    tape.feature_cotangents.resize(1);
    tape.features[0].resize(n, shapes_[0]);
    tape.feature_cotangents[0].resize(n, shapes_[0]);
    tape.features[0].set_zero();
    tape.feature_cotangents[0].set_zero();
    tape.node_energies.resize(static_cast<std::size_t>(n));
    auto& h = tape.features[0];
    for (std::size_t e = 0; e < geometry.sender.size(); ++e) {
      const int i = geometry.receiver[e];
      const std::size_t s = species_of(geometry, geometry.sender[e]);
      for (int c = 0; c < shapes_[0].channels; ++c) {
        const T a = parameter<T>(channel_, c) * parameter<T>(sender_, s) *
                    radial(c, leyden::dot(geometry.vector[e], geometry.vector[e]))[0];
        add(h, i, c, 0, a);
        for (int m = 0; m < 3 && shapes_[0].l_max == 1; ++m)
          add(h, i, c, 1 + m, a * geometry.vector[e][m] / Real(cutoff_));
      }
    }
    for (int i = 0; i < n; ++i) {
      T sum{};
      for (int c = 0; c < shapes_[0].channels; ++c) sum += h.get(i, c, 0) * h.get(i, c, 0);
      tape.node_energies[static_cast<std::size_t>(i)] =
          sum * parameter<T>(stiffness_, 0) + parameter<T>(energy_, species_of(geometry, i));
    }
  }

  template <leyden::Number T>
  void backward(const leyden::Geometry<T>& geometry, Tape<T>& tape, T energy_bar,
                std::span<double> gradient) const {
    const auto& h = tape.features[0];
    auto& bar = tape.feature_cotangents[0];
    for (int i = 0; i < geometry.n_atoms(); ++i) {
      for (int c = 0; c < shapes_[0].channels; ++c) {
        const T x = h.get(i, c, 0);
        add(bar, i, c, 0, energy_bar * parameter<T>(stiffness_, 0) * Real(2) * x);
        if (!gradient.empty())
          stiffness_.of(gradient)[0] += leyden::gradient_part(energy_bar * x * x);
      }
      if (!gradient.empty())
        energy_.of(gradient)[species_of(geometry, i)] += leyden::gradient_part(energy_bar);
    }
    tape.edge_gradient.assign(geometry.sender.size(), leyden::Vector3<T>{});
    for (std::size_t e = 0; e < geometry.sender.size(); ++e) {
      const int i = geometry.receiver[e];
      const std::size_t s = species_of(geometry, geometry.sender[e]);
      const leyden::Vector3<T>& r = geometry.vector[e];
      for (int c = 0; c < shapes_[0].channels; ++c) {
        const auto [g, slope] = radial(c, leyden::dot(r, r));
        const T w = parameter<T>(channel_, c), z = parameter<T>(sender_, s);
        T g_bar = bar.get(i, c, 0);  // of w z g
        for (int m = 0; m < 3 && shapes_[0].l_max == 1; ++m) {
          g_bar += bar.get(i, c, 1 + m) * r[m] / Real(cutoff_);
          tape.edge_gradient[e][m] += bar.get(i, c, 1 + m) * w * z * g / Real(cutoff_);
        }
        for (int m = 0; m < 3; ++m)
          tape.edge_gradient[e][m] += g_bar * w * z * slope * Real(2) * r[m];
        if (!gradient.empty()) {
          channel_.of(gradient)[static_cast<std::size_t>(c)] +=
              leyden::gradient_part(g_bar * z * g);
          sender_.of(gradient)[s] += leyden::gradient_part(g_bar * w * g);
        }
      }
    }
  }

 private:
  template <class T>
  static void add(leyden::FeatureArray<T>& h, int atom, int channel, int lm, T x) {
    h.set(atom, channel, lm, h.get(atom, channel, lm) + x);
  }
  template <class T, class I>
  T parameter(const leyden::Slice& slice, I k) const {
    return T(static_cast<Real>(parameters_[slice.offset + static_cast<std::size_t>(k)]));
  }
  /// exp(−g u/a²) (1 − u/a²)³ and its derivative by u = r².
  template <class T>
  std::array<T, 2> radial(int channel, T u) const {
    using std::exp;
    const Real b = Real(1.0 / (cutoff_ * cutoff_));
    const Real g = Real(0.5 + 0.7 * channel) * b;
    const T f = T(Real(1)) - u * b, e = exp(-(u * g));
    return {e * f * f * f, e * f * f * (f * (-g) - T(Real(3) * b))};
  }
  template <class T>
  std::size_t species_of(const leyden::Geometry<T>& geometry, int atom) const {
    const int z = geometry.atomic_numbers[static_cast<std::size_t>(atom)];
    for (std::size_t s = 0; s < species_.size(); ++s)
      if (species_[s] == z) return s;
    throw leyden::ModelError("ToyDescriptor: unknown species " + std::to_string(z));
  }

  std::vector<int> species_;
  double cutoff_;
  std::vector<leyden::FeatureShape> shapes_;
  leyden::Slice channel_, sender_, energy_, stiffness_;
  std::vector<double> parameters_;
};

using ToyDescriptor = BasicToyDescriptor<double>;
static_assert(leyden::Descriptor<ToyDescriptor>);

}  // namespace leyden_test
