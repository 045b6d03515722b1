// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/core/pack.hpp>
#include <leyden/core/parallel.hpp>
#include <leyden/core/parameters.hpp>
#include <leyden/train/kronecker_basis.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace leyden::inline LEYDEN_ABI {

/// What a gradient of the given norm is to be multiplied with, so that its norm is at most
/// `maximum`; zero or less: no limit.
inline double clip_factor(double norm, double maximum) {
  return !(maximum > 0.0) || norm <= maximum ? 1.0 : maximum / norm;
}

/// What the learning rate and the gradient of a step are multiplied with.
struct StepFactors {
  double rate = 1.0, gradient = 1.0;
};

/// Slices whose names begin with `prefix`, and what is different for them. Of several groups that
/// fit a slice, the last counts.
struct ParameterGroup {
  std::string prefix;
  double rate_factor = 1.0;              ///< of the learning rate; zero: not trained
  std::optional<double> weight_decay{};  ///< in place of the common one, also where none is usual
  friend bool operator==(const ParameterGroup&, const ParameterGroup&) = default;
};

struct OptimizerOptions {
  enum class Kind {
    adam,                ///< AdamW, or AMSGrad with `amsgrad`
    schedule_free_adam,  ///< needs no schedule but warm-up; its average is what is validated
    soap,   ///< Adam along the eigenvectors of the gradients' moments: fewer steps, each dearer
    lbfgs,  ///< all structures at once, with a line search: for small problems
  };
  Kind kind = Kind::adam;
  double learning_rate = 0.01;  ///< lbfgs: the largest step along a direction is 1, whatever this
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;  ///< decoupled, on slices whose `decays` is set; not for lbfgs
  bool amsgrad = false;       ///< adam: the second moment never falls
  double basis_decay = 0.95;  ///< soap: of the moments whose eigenvectors are the basis
  int basis_interval = 10;    ///< soap: steps between two bases
  int longest_axis = 256;     ///< soap: longer axes of parameters have no basis
  int history = 20;           ///< lbfgs: pairs of steps that are remembered
  std::vector<ParameterGroup> groups{};
};

/// All that an optimiser remembers, for files.
struct OptimizerState {
  std::int64_t steps = 0;
  std::vector<double> first, second;  // (parameters) moments; schedule-free: first is z
  std::vector<double> largest;        // (parameters) of amsgrad; schedule-free: the average x
  double weight_sum = 0.0;            // schedule-free: Σ rate²
  /// lbfgs: Δparameters and Δgradient of past steps in turn, oldest first.
  std::vector<std::vector<double>> history;
  /// soap: per slice what its KroneckerBasis needs. `second` is along the basis.
  std::vector<std::vector<double>> bases;
};

namespace detail {

/// Learning-rate factor and weight decay of every slice of a layout, in its order.
struct SliceRates {
  std::vector<double> factor, decay;

  /// @throws InputError for a group that no slice belongs to.
  SliceRates(const ParameterLayout& layout, const OptimizerOptions& options) {
    std::vector<bool> used(options.groups.size());
    for (const auto& p : layout.entries()) {
      factor.push_back(p.trained ? 1.0 : 0.0);
      decay.push_back(p.decays ? options.weight_decay : 0.0);
      for (std::size_t g = 0; g < options.groups.size(); ++g) {
        const ParameterGroup& group = options.groups[g];
        if (p.name.compare(0, group.prefix.size(), group.prefix) != 0) continue;
        used[g] = true;
        if (p.trained) factor.back() = group.rate_factor;
        if (group.weight_decay) decay.back() = *group.weight_decay;
      }
    }
    for (std::size_t g = 0; g < used.size(); ++g)
      if (!used[g]) {
        std::string names;
        for (const auto& p : layout.entries()) names += (names.empty() ? "" : ", ") + p.name;
        throw InputError("optimizer: no parameter begins with '" + options.groups[g].prefix +
                         "'; there are: " + names);
      }
  }
};

}  // namespace detail

/// The update of parameters from gradients.
///
/// - Adam (Kingma, Ba, ICLR 2015) with decoupled weight decay (Loshchilov, Hutter, ICLR 2019) and
///   AMSGrad (Reddi, Kale, Kumar, ICLR 2018; as in PyTorch, the largest second moment is taken
///   before the correction of its bias).
/// - Schedule-free AdamW (Defazio et al., NeurIPS 2024, algorithm 1): gradients are taken at
///   y = (1 − β1) z + β1 x, z makes the steps, and x, their average with weights rate², is the
///   result.
/// - SOAP (Vyas et al., ICLR 2025, algorithm 3): AdamW of the components of gradients along the
///   bases of their slices (KroneckerBasis). The first gradient makes the first bases and no step.
/// - L-BFGS (Nocedal, Wright, Numerical Optimization, 2nd ed., algorithm 7.4): direction() and
///   remember(), between which the trainer searches along the line.
///
/// Slices that are not trained stay as they are.
class Optimizer {
 public:
  using Kind = OptimizerOptions::Kind;

  /// @throws InputError for a group that no parameter belongs to, or options that make no sense.
  Optimizer(const ParameterLayout& layout, OptimizerOptions options,
            std::span<const double> parameters)
      : layout_(layout), options_(std::move(options)), rates_(layout, options_) {
    const std::size_t n = layout.size();
    for (std::size_t k = 0; k < layout.entries().size(); ++k) {
      const Slice& s = layout.entries()[k].slice;
      for (std::size_t at = 0; at < s.size; at += parameters_of_block)
        blocks_.push_back(
            {k, s.offset + at, s.offset + std::min(s.size, at + parameters_of_block)});
    }
    if (options_.kind == Kind::lbfgs) return;
    state_.second.assign(n, 0.0);
    if (options_.kind == Kind::schedule_free_adam) {
      state_.first.assign(parameters.begin(), parameters.end());
      state_.largest = state_.first;
    } else {
      state_.first.assign(n, 0.0);
      if (options_.kind == Kind::soap) {
        if (options_.basis_interval < 1)
          throw InputError("optimizer: basis_interval is " +
                           std::to_string(options_.basis_interval) + "; it must be at least 1");
        for (const auto& p : layout.entries()) {
          bases_.emplace_back(p.shape, options_.longest_axis);
          state_.bases.emplace_back(bases_.back().state_size());
        }
      } else if (options_.amsgrad) {
        state_.largest.assign(n, 0.0);
      }
    }
  }

  const OptimizerOptions& options() const { return options_; }
  const OptimizerState& state() const { return state_; }
  /// @throws ModelError when the state has another size.
  void set_state(OptimizerState state) {
    bool same =
        state.first.size() == state_.first.size() && state.second.size() == state_.second.size() &&
        state.largest.size() == state_.largest.size() && state.bases.size() == state_.bases.size();
    for (std::size_t k = 0; same && k < state.bases.size(); ++k)
      same = state.bases[k].size() == state_.bases[k].size();
    for (const auto& h : state.history) same = same && h.size() == layout_.size();
    if (!same)
      throw ModelError("Optimizer::set_state: the state is of " +
                       std::to_string(state.first.size()) +
                       " parameters, or of another variant; this optimiser has " +
                       std::to_string(layout_.size()));
    state_ = std::move(state);
  }
  /// Schedule-free: the averaged parameters, which are the result. Empty for the others.
  std::span<const double> average() const {
    if (options_.kind != Kind::schedule_free_adam) return {};
    return state_.largest;
  }

  /// The norm of all trained entries; entries that are not trained are set to zero.
  template <Executor E = SerialExecutor>
  double mask(std::span<double> gradient, const E& executor = {}) const {
    std::vector<double> squares(blocks_.size());
    executor.for_each(blocks_.size(), [&](std::size_t block, int) {
      const auto [slice, begin, end] = blocks_[block];
      if (!(rates_.factor[slice] > 0.0)) {
        std::fill(gradient.data() + begin, gradient.data() + end, 0.0);
        return;
      }
      P sum;
      for_each_pack(begin, end, [&](auto&& read, auto&&) {
        const P g = read(gradient);
        sum = fma(g, g, sum);
      });
      squares[block] = sum_lanes(sum);
    });
    return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
  }

  struct NothingAfter {
    void operator()(std::size_t, std::size_t) const {}
  };
  /// One step; not for lbfgs. (parameters) each. after(begin, end) is called when these parameters
  /// have their new values, by the thread that has them at hand.
  /// (A template, as is what it calls of KroneckerBasis.)
  template <Executor E = SerialExecutor, class After = NothingAfter>
  void step(std::span<double> parameters, std::span<const double> gradient,
            StepFactors factors = {}, const E& executor = {}, const After& after = {}) {
    ++state_.steps;
    if (options_.kind == Kind::soap)
      return step_along_bases(parameters, gradient, factors, executor, after);
    const double t = static_cast<double>(state_.steps);
    const P inverse1(1.0 / (1.0 - std::pow(options_.beta1, t)));
    const P inverse2(1.0 / (1.0 - std::pow(options_.beta2, t)));
    const double common = options_.learning_rate * factors.rate;
    const P scale(factors.gradient);
    const bool schedule_free = options_.kind == Kind::schedule_free_adam;
    double share = 0.0;
    if (schedule_free) {
      state_.weight_sum += common * common;
      share = state_.weight_sum > 0.0 ? common * common / state_.weight_sum : 0.0;
    }
    executor.for_each(blocks_.size(), [&](std::size_t block, int) {
      const auto [slice, begin, end] = blocks_[block];
      const double rate = common * rates_.factor[slice], decay = rates_.decay[slice];
      if (!(rate > 0.0)) return after(begin, end);
      for_each_pack(begin, end, [&](auto&& read, auto&& write) {
        const P g = scale * read(gradient), x = read(parameters);
        P v = P(options_.beta2) * read(state_.second) + P(1.0 - options_.beta2) * g * g;
        write(v, state_.second);
        if (schedule_free) {
          const P z = read(state_.first) -
                      P(rate) * (g / (sqrt(v * inverse2) + P(options_.epsilon)) + P(decay) * x);
          P mean = read(state_.largest);
          mean += P(share) * (z - mean);
          write(z, state_.first);
          write(mean, state_.largest);
          write(P(1.0 - options_.beta1) * z + P(options_.beta1) * mean, parameters);
          return;
        }
        const P m = P(options_.beta1) * read(state_.first) + P(1.0 - options_.beta1) * g;
        write(m, state_.first);
        if (options_.amsgrad) {
          v = max(v, read(state_.largest));
          write(v, state_.largest);
        }
        write(P(1.0 - rate * decay) * x -
                  P(rate) * inverse1 * m / (sqrt(v * inverse2) + P(options_.epsilon)),
              parameters);
      });
      after(begin, end);
    });
  }

  /// lbfgs: −H·gradient with the inverse Hessian of what is remembered; of a masked gradient.
  std::vector<double> direction(std::span<const double> gradient) const {
    std::vector<double> d(gradient.size());
    for (std::size_t k = 0; k < d.size(); ++k) d[k] = -gradient[k];
    const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
      double sum = 0.0;
      for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
      return sum;
    };
    const auto& h = state_.history;
    std::vector<double> alpha(h.size() / 2);
    for (std::size_t i = h.size() / 2; i-- > 0;) {
      alpha[i] = dot(h[2 * i], d) / dot(h[2 * i], h[2 * i + 1]);
      for (std::size_t k = 0; k < d.size(); ++k) d[k] -= alpha[i] * h[2 * i + 1][k];
    }
    if (!h.empty()) {
      const auto& s = h[h.size() - 2];
      const auto& y = h.back();
      const double scale = dot(s, y) / dot(y, y);
      for (double& x : d) x *= scale;
    }
    for (std::size_t i = 0; i < h.size() / 2; ++i) {
      const double beta = dot(h[2 * i + 1], d) / dot(h[2 * i], h[2 * i + 1]);
      for (std::size_t k = 0; k < d.size(); ++k) d[k] += (alpha[i] - beta) * h[2 * i][k];
    }
    return d;
  }
  /// lbfgs: a step and the change of the gradient over it. Not kept when the curvature along it is
  /// not positive.
  void remember(std::vector<double> step, std::vector<double> gradient_change) {
    ++state_.steps;
    double sy = 0.0, yy = 0.0;
    for (std::size_t k = 0; k < step.size(); ++k) {
      sy += step[k] * gradient_change[k];
      yy += gradient_change[k] * gradient_change[k];
    }
    if (!(sy > 1e-12 * yy)) return;
    auto& h = state_.history;
    h.push_back(std::move(step));
    h.push_back(std::move(gradient_change));
    while (h.size() > 2 * static_cast<std::size_t>(options_.history))
      h.erase(h.begin(), h.begin() + 2);
  }
  /// lbfgs: starts again from the steepest descent.
  void forget() { state_.history.clear(); }

 private:
  using P = Pack<double>;
  /// f(read, write) for the numbers begin … end − 1, as many at a time as a pack holds: read(array)
  /// and write(pack, array) at that place. (Compilers leave loops with roots and divisions a number
  /// at a time.)
  template <class F>
  static void for_each_pack(std::size_t begin, std::size_t end, F&& f) {
    constexpr std::size_t lanes = P::lanes;
    std::size_t k = begin;
    for (; k + lanes <= end; k += lanes)
      f([&](const auto& from) { return P::load(&from[k]); },
        [&](P x, auto&& to) { x.store(&to[k]); });
    if (k == end) return;
    f(
        [&](const auto& from) {
          P x;
          for (std::size_t i = k; i < end; ++i) x.set_lane(static_cast<int>(i - k), from[i]);
          return x;
        },
        [&](P x, auto&& to) {
          for (std::size_t i = k; i < end; ++i) to[i] = x.lane(static_cast<int>(i - k));
        });
  }

  template <Executor E, class After>
  void step_along_bases(std::span<double> parameters, std::span<const double> gradient,
                        StepFactors factors, const E& executor, const After& after) {
    const bool begins = state_.steps == 1;
    const double t = static_cast<double>(state_.steps - 1);
    const P inverse1(1.0 / (1.0 - std::pow(options_.beta1, t)));
    const P inverse2(1.0 / (1.0 - std::pow(options_.beta2, t)));
    scratch_.resize(static_cast<std::size_t>(executor.concurrency()));
    executor.for_each(bases_.size(), [&](std::size_t s, int worker) {
      Scratch& scratch = scratch_[static_cast<std::size_t>(worker)];
      std::vector<double>&g = scratch.gradient, &turned = scratch.turned, &step = scratch.step;
      const ParameterInfo& p = layout_.entries()[s];
      const double rate = options_.learning_rate * factors.rate * rates_.factor[s];
      const KroneckerBasis& basis = bases_[s];
      const std::span<double> bases = state_.bases[s];
      g.clear();
      for (const double x : p.slice.of(gradient)) g.push_back(factors.gradient * x);
      if (begins) {
        basis.observe(g, 0.0, bases);
        basis.start(bases);
      }
      const std::size_t begin = p.slice.offset, end = begin + p.slice.size;
      if (begins || !(rate > 0.0)) return after(begin, end);
      const std::span<double> x = p.slice.of(parameters);
      const std::span<double> first = p.slice.of(std::span(state_.first));
      const std::span<double> second = p.slice.of(std::span(state_.second));
      for (std::size_t k = 0; k < g.size(); ++k)
        first[k] = options_.beta1 * first[k] + (1.0 - options_.beta1) * g[k];
      turned.assign(g.begin(), g.end());
      step.assign(first.begin(), first.end());
      basis.turn(bases, turned);
      basis.turn(bases, step);
      for_each_pack(0, g.size(), [&](auto&& read, auto&& write) {
        const P t = read(turned);
        const P v = P(options_.beta2) * read(second) + P(1.0 - options_.beta2) * t * t;
        write(v, second);
        write(read(step) * inverse1 / (sqrt(v * inverse2) + P(options_.epsilon)), step);
      });
      basis.turn_back(bases, step);
      for (std::size_t k = 0; k < g.size(); ++k)
        x[k] = (1.0 - rate * rates_.decay[s]) * x[k] - rate * step[k];
      basis.observe(g, options_.basis_decay, bases);
      if (state_.steps % options_.basis_interval == 0) basis.renew(bases);
      after(begin, end);
    });
  }

  ParameterLayout layout_;
  OptimizerOptions options_;
  detail::SliceRates rates_;
  OptimizerState state_;
  std::vector<KroneckerBasis> bases_;  // soap: per slice
  struct Block {
    std::size_t slice, begin, end;
  };
  std::vector<Block> blocks_;  // of one slice each
  struct Scratch {
    std::vector<double> gradient, turned, step;
  };
  std::vector<Scratch> scratch_;  // soap: per worker
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

  /// Begins an update, all parts of which take this d.
  double next_decay() {
    const double t = static_cast<double>(steps_++);
    return std::min(decay_, (1.0 + t) / (10.0 + t));
  }
  /// Numbers begin … end − 1 of an update.
  void update(std::span<const double> parameters, std::size_t begin, std::size_t end, double d) {
    for (std::size_t k = begin; k < end; ++k)
      values_[k] = d * values_[k] + (1.0 - d) * parameters[k];
  }

 private:
  std::vector<double> values_;
  double decay_;
  std::int64_t steps_ = 0;
};

}  // namespace leyden::inline LEYDEN_ABI
