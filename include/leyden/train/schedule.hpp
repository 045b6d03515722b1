// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace leyden::inline LEYDEN_ABI {

struct ScheduleOptions {
  enum class Kind { constant, cosine, plateau };
  Kind kind = Kind::constant;
  std::int64_t warmup_steps = 0;  ///< the rate rises linearly over these
  double final_factor = 0.01;     ///< cosine: where it ends; plateau: where it stops falling
  double plateau_factor = 0.5;    ///< the rate is multiplied by this …
  int patience = 5;               ///< … after more than so many epochs …
  double threshold = 1e-3;        ///< … without a relative gain of this
};

/// All that a schedule remembers, for files.
struct ScheduleState {
  double factor = 1.0;                                    ///< of the plateau
  double best = std::numeric_limits<double>::infinity();  ///< validation loss
  int waited = 0;                                         ///< epochs without a gain
};

/// The factor of the learning rate.
class Schedule {
 public:
  /// @param total_steps  where the cosine ends.
  Schedule(ScheduleOptions options, std::int64_t total_steps)
      : options_(options), total_(total_steps) {}

  const ScheduleState& state() const { return state_; }
  void set_state(const ScheduleState& state) { state_ = state; }

  /// @param step  0 … total_steps − 1.
  double factor(std::int64_t step) const {
    if (step < options_.warmup_steps)
      return static_cast<double>(step + 1) / static_cast<double>(options_.warmup_steps);
    if (options_.kind == ScheduleOptions::Kind::plateau) return state_.factor;
    if (options_.kind == ScheduleOptions::Kind::constant) return 1.0;
    const double span =
        static_cast<double>(std::max<std::int64_t>(total_ - options_.warmup_steps, 1));
    const double x = std::min(static_cast<double>(step - options_.warmup_steps) / span, 1.0);
    return options_.final_factor +
           (1.0 - options_.final_factor) * 0.5 * (1.0 + std::cos(std::numbers::pi * x));
  }

  /// Forgets the best loss: what comes is measured otherwise.
  void restart() {
    state_.best = std::numeric_limits<double>::infinity();
    state_.waited = 0;
  }

  void after_epoch(double validation_loss) {
    if (validation_loss < state_.best * (1.0 - options_.threshold)) {
      state_.best = validation_loss;
      state_.waited = 0;
    } else if (++state_.waited > options_.patience) {
      state_.factor = std::max(state_.factor * options_.plateau_factor, options_.final_factor);
      state_.waited = 0;
    }
  }

 private:
  ScheduleOptions options_;
  std::int64_t total_;
  ScheduleState state_;
};

}  // namespace leyden::inline LEYDEN_ABI
