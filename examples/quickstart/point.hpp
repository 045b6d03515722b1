// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// The compared potentials behind an interface that is no template: each is compiled in a file of
// its own, and two cores compile two at a time.
namespace quickstart {

/// What all points share.
struct Settings {
  leyden::DataStatistics statistics;
  double cutoff = 4.5;  ///< Å
  std::uint64_t seed = 0;
  int threads = 1;
};

class Point {
 public:
  using Progress = std::function<void(const leyden::TrainingProgress&)>;

  virtual ~Point() = default;
  virtual std::string name() const = 0;  ///< for people
  virtual std::string file() const = 0;  ///< for file names
  virtual const leyden::ParameterLayout& layout() const = 0;
  virtual std::vector<double> parameters() const = 0;

  /// Once, before the rest. The frames must outlive the point.
  virtual void start(std::span<const leyden::Frame> frames, const leyden::DataSplit& split,
                     const leyden::TrainerOptions& options) = 0;
  virtual void restore(const leyden::TrainingState& state) = 0;
  virtual leyden::TrainingOutcome train(const Progress& progress,
                                        const std::atomic<bool>& stop) = 0;
  virtual leyden::TrainingState state() const = 0;
  virtual const std::vector<leyden::EpochRecord>& records() const = 0;
  /// The best parameters are the point's from here on.
  virtual void finish() = 0;
  virtual std::vector<leyden::Prediction> predict(std::span<const leyden::Frame> frames,
                                                  const std::vector<std::size_t>& indices) = 0;
};

std::unique_ptr<Point> make_short_range(const Settings& settings);
std::unique_ptr<Point> make_fixed_charges(const Settings& settings);
std::unique_ptr<Point> make_local_multipoles(const Settings& settings);
std::unique_ptr<Point> make_charge_equilibration(const Settings& settings);

}  // namespace quickstart
