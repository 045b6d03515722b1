// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/train/trainer.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace quickstart {

/// Collects the test predictions of the compared models and writes tables, plots and a page.
/// Everything written is the same for the same predictions: there are no times in it.
class Report {
 public:
  Report(std::span<const leyden::Frame> frames, std::vector<std::size_t> test,
         const leyden::DataStatistics& statistics);

  void add(std::string name, std::size_t parameters, std::vector<leyden::Prediction> predictions,
           std::vector<leyden::EpochRecord> records);

  std::string markdown() const;  ///< the table
  /// table.md, table.csv, predictions.csv, *.svg, index.html. @throws InputError.
  void write(const std::filesystem::path& folder) const;

 private:
  struct Row {
    std::string name;
    std::size_t parameters = 0;
    std::vector<leyden::Prediction> predictions;  // (test)
    std::vector<leyden::EpochRecord> records;
  };
  /// Energy less the atomic energies, eV/atom: what models are to learn.
  double relative_energy(std::size_t test_index, double energy) const;
  leyden::PredictionErrors errors(const Row& row, const double* total_charge) const;
  std::vector<std::string> table_cells(const Row& row, std::size_t state) const;

  std::string csv() const;
  std::string predictions_csv() const;
  std::string parity(const std::string& quantity) const;
  std::string learning_curves() const;
  std::string charge_histograms() const;
  std::string html(const std::vector<std::pair<std::string, std::string>>& figures) const;

  std::span<const leyden::Frame> frames_;
  std::vector<std::size_t> test_;
  leyden::DataStatistics statistics_;
  std::vector<double> states_;  // total charges that occur, ascending
  std::vector<Row> rows_;       // the mean predictor first
};

}  // namespace quickstart
