// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/parameters.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// The norm of all trained entries; entries of untrained slices are set to zero.
inline double mask_untrained(const ParameterLayout& layout, std::span<double> gradient) {
  double squares = 0.0;
  for (const auto& p : layout.entries())
    for (double& g : p.slice.of(gradient)) {
      if (!p.trained) g = 0.0;
      squares += g * g;
    }
  return std::sqrt(squares);
}

/// Scales a gradient of the given norm down to `maximum`; zero or less: no limit.
inline void clip_gradient(std::span<double> gradient, double norm, double maximum) {
  if (!(maximum > 0.0) || norm <= maximum) return;
  for (double& g : gradient) g *= maximum / norm;
}

struct AdamOptions {
  double learning_rate = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;  ///< decoupled, on slices whose `decays` is set
  bool amsgrad = false;       ///< the second moment never falls
};

/// All that an Adam remembers, for files.
struct AdamState {
  std::int64_t steps = 0;
  std::vector<double> first, second;  // (parameters)
  std::vector<double> largest;        // (parameters) with amsgrad, else empty
};

/// Adam (Kingma, Ba, ICLR 2015) with decoupled weight decay (Loshchilov, Hutter, ICLR 2019) and
/// AMSGrad (Reddi, Kale, Kumar, ICLR 2018; as in PyTorch, the largest second moment is taken before
/// the correction of its bias). Slices that are not trained stay as they are.
class Adam {
 public:
  Adam(const ParameterLayout& layout, AdamOptions options) : layout_(layout), options_(options) {
    state_.first.assign(layout.size(), 0.0);
    state_.second.assign(layout.size(), 0.0);
    if (options.amsgrad) state_.largest.assign(layout.size(), 0.0);
  }

  const AdamOptions& options() const { return options_; }
  const AdamState& state() const { return state_; }
  /// @throws ModelError when the state has another size.
  void set_state(AdamState state) {
    const std::size_t n = layout_.size();
    if (state.first.size() != n || state.second.size() != n ||
        state.largest.size() != (options_.amsgrad ? n : 0))
      throw ModelError("Adam::set_state: the state is of " + std::to_string(state.first.size()) +
                       " parameters, or of another variant; this optimiser has " +
                       std::to_string(n));
    state_ = std::move(state);
  }

  /// One step with the learning rate times `rate_factor`. (parameters) each.
  void step(std::span<double> parameters, std::span<const double> gradient,
            double rate_factor = 1.0) {
    ++state_.steps;
    const double rate = options_.learning_rate * rate_factor;
    const double t = static_cast<double>(state_.steps);
    const double correction1 = 1.0 - std::pow(options_.beta1, t);
    const double correction2 = 1.0 - std::pow(options_.beta2, t);
    for (const auto& p : layout_.entries()) {
      if (!p.trained) continue;
      const double keep = p.decays ? 1.0 - rate * options_.weight_decay : 1.0;
      for (std::size_t k = p.slice.offset; k < p.slice.offset + p.slice.size; ++k) {
        double& m = state_.first[k];
        double& v = state_.second[k];
        m = options_.beta1 * m + (1.0 - options_.beta1) * gradient[k];
        v = options_.beta2 * v + (1.0 - options_.beta2) * gradient[k] * gradient[k];
        double second = v;
        if (options_.amsgrad) second = state_.largest[k] = std::max(state_.largest[k], v);
        parameters[k] =
            keep * parameters[k] -
            rate * (m / correction1) / (std::sqrt(second / correction2) + options_.epsilon);
      }
    }
  }

 private:
  ParameterLayout layout_;
  AdamOptions options_;
  AdamState state_;
};

/// An exponential moving average of the parameters: mean ← d·mean + (1 − d)·parameters, where d
/// grows from 0.1 to `decay` over the first steps, min(decay, (1 + t)/(10 + t)), so that the start
/// is forgotten.
class ParameterAverage {
 public:
  ParameterAverage(std::span<const double> parameters, double decay)
      : values_(parameters.begin(), parameters.end()), decay_(decay) {}

  std::span<const double> values() const { return values_; }
  std::int64_t steps() const { return steps_; }
  /// @throws ModelError when the size changes.
  void set_state(std::vector<double> values, std::int64_t steps) {
    if (values.size() != values_.size())
      throw ModelError("ParameterAverage::set_state: " + std::to_string(values.size()) +
                       " numbers are given for " + std::to_string(values_.size()) + " parameters");
    values_ = std::move(values);
    steps_ = steps;
  }

  void update(std::span<const double> parameters) {
    const double t = static_cast<double>(steps_++);
    const double d = std::min(decay_, (1.0 + t) / (10.0 + t));
    for (std::size_t k = 0; k < values_.size(); ++k)
      values_[k] = d * values_[k] + (1.0 - d) * parameters[k];
  }

 private:
  std::vector<double> values_;
  double decay_;
  std::int64_t steps_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI
