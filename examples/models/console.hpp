// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

// What the programs of this folder share at the terminal.
namespace examples {

using namespace leyden;

/// Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted with everything saved.
enum ExitCode : int { done = 0, failed = 1, wrong_use = 2, interrupted = 130 };

inline std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");
extern "C" inline void request_stop(int) { stop_requested = true; }
inline void stop_on_signals() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
}

inline std::string clock_text(double seconds) {
  const int s = static_cast<int>(seconds + 0.5);
  char text[32];
  std::snprintf(text, sizeof text, "%d:%02d", s / 60, s % 60);
  return text;
}

/// @throws InputError when it cannot be written.
inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.flush();
  if (!file) throw InputError(path.string() + " cannot be written");
}

/// One line that is rewritten on a terminal; otherwise a line now and then.
class ProgressLine {
 public:
  ProgressLine(std::string name, int epochs)
      : name_(std::move(name)), every_(std::max(1, epochs / 5)), terminal_(isatty(1) != 0) {}

  void operator()(const TrainingProgress& p) {
    using Clock = std::chrono::steady_clock;
    const bool last = p.finished && p.epoch == p.epochs;
    if (terminal_) {
      if (!last && Clock::now() < next_) return;
      next_ = Clock::now() + std::chrono::milliseconds(200);
    } else if (!p.finished || (p.epoch % every_ != 0 && !last && p.epoch != 1)) {
      return;
    }
    std::string terms;
    for (std::size_t k = 0; k < LossTerms::names.size(); ++k) {
      const double value = p.train.*LossTerms::members[k];
      char text[64];
      if (value > 0.0) {
        std::snprintf(text, sizeof text, " %s %.2e", LossTerms::names[k], value);
        terms += text;
      }
    }
    char text[320];
    std::snprintf(text, sizeof text, "%-26s epoch %3d/%d  loss:%s  %4.0f structures/s  %s left",
                  name_.c_str(), p.epoch, p.epochs, terms.c_str(), p.structures_per_second,
                  clock_text(p.seconds_left).c_str());
    if (terminal_)
      std::printf("\r\033[K%s%s", text, last ? "\n" : "");
    else
      std::printf("%s\n", text);
    std::fflush(stdout);
  }
  void interrupt() const {
    if (terminal_) std::printf("\n");
  }

 private:
  std::string name_;
  int every_;
  bool terminal_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace examples
