// SPDX-License-Identifier: MIT
#include <leyden/train/dataset.hpp>

#include <algorithm>

#include "support/catch.hpp"

namespace dataset_test {

using namespace leyden;
using Catch::Matchers::WithinAbs;

namespace {

Frame frame_of(std::vector<int> numbers, double energy) {
  Frame f;
  f.structure.atomic_numbers = std::move(numbers);
  for (std::size_t i = 0; i < f.structure.atomic_numbers.size(); ++i)
    f.structure.positions.push_back({{1.0 * static_cast<double>(i), 0.0, 0.0}});
  f.labels.energy = energy;
  return f;
}

std::vector<std::size_t> all_of(const std::vector<Frame>& frames) {
  std::vector<std::size_t> indices(frames.size());
  for (std::size_t k = 0; k < indices.size(); ++k) indices[k] = k;
  return indices;
}

}  // namespace

TEST_CASE("a split has the asked sizes, no frame twice, and follows the seed") {
  const DataSplit a = split_dataset(50, {20, 10, 15}, 3);
  CHECK(a.train.size() == 20);
  CHECK(a.validation.size() == 10);
  CHECK(a.test.size() == 15);
  std::set<std::size_t> seen(a.train.begin(), a.train.end());
  seen.insert(a.validation.begin(), a.validation.end());
  seen.insert(a.test.begin(), a.test.end());
  CHECK(seen.size() == 45);
  CHECK(*seen.rbegin() < 50);

  CHECK(split_dataset(50, {20, 10, 15}, 3).train == a.train);
  CHECK(split_dataset(50, {20, 10, 15}, 4).train != a.train);
  CHECK_THROWS_AS(split_dataset(44, {20, 10, 15}, 3), InputError);
}

TEST_CASE("atomic energies are found where compositions tell them") {
  std::vector<Frame> frames{frame_of({8, 1, 1}, -7.0), frame_of({8, 8}, -10.0),
                            frame_of({1, 1}, -2.0)};
  const std::vector<int> species{1, 8};
  const auto e = fit_atomic_energies(frames, all_of(frames), species);
  // Rounding of a fit of three numbers.
  CHECK_THAT(e[0], WithinAbs(-1.0, 1e-12));
  CHECK_THAT(e[1], WithinAbs(-5.0, 1e-12));
}

TEST_CASE("atomic energies of one composition are those of the smallest norm") {
  // n = (2, 1), E = −5: the smallest solution is n E/|n|² = (−2, −1).
  std::vector<Frame> frames{frame_of({1, 1, 8}, -5.0), frame_of({8, 1, 1}, -5.0),
                            frame_of({1, 1, 1, 1, 8, 8}, -10.0)};
  const std::vector<int> species{1, 8};
  const auto e = fit_atomic_energies(frames, all_of(frames), species);
  CHECK_THAT(e[0], WithinAbs(-2.0, 1e-12));
  CHECK_THAT(e[1], WithinAbs(-1.0, 1e-12));
  // A species that does not occur leaves a column of zeros.
  const std::vector<int> more{1, 8, 14};
  CHECK(fit_atomic_energies(frames, all_of(frames), more)[2] == 0.0);
}

TEST_CASE("atomic energies make up for what a model misses") {
  std::vector<Frame> frames{frame_of({8, 1, 1}, -7.0), frame_of({1, 8}, 0.0),
                            frame_of({8, 8}, -10.0), frame_of({1, 1}, -2.0)};
  frames[1].labels.energy.reset();  // one that has no label, and explains nothing
  const std::vector<std::size_t> indices{3, 0, 1, 2};
  const std::vector<double> explained{-3.0, -4.0, 99.0, -2.0};
  const auto e = fit_atomic_energies(frames, indices, std::vector<int>{1, 8}, explained);
  CHECK_THAT(e[0], WithinAbs(0.5, 1e-12));
  CHECK_THAT(e[1], WithinAbs(-4.0, 1e-12));
}

TEST_CASE("statistics of a data set by hand") {
  std::vector<Frame> frames{frame_of({8, 1}, -3.0), frame_of({8, 1}, -5.0), frame_of({1}, 9.0)};
  frames[0].labels.forces = std::vector<Vector3<double>>{{{3.0, 0.0, 0.0}}, {{0.0, 0.0, 0.0}}};
  frames[1].labels.forces = std::vector<Vector3<double>>{{{0.0, 0.0, 0.0}}, {{0.0, 0.0, 0.0}}};
  frames[0].labels.charges = std::vector<double>{-0.5, 0.3};
  frames[1].labels.charges = std::vector<double>{-0.7, 0.4};
  const std::vector<std::size_t> first_two{0, 1};
  const DataStatistics s = data_statistics(frames, first_two, 1.5);
  CHECK(s.species == std::vector<int>{1, 8});
  CHECK(s.average_neighbors == 1.0);
  // Nine over twelve components.
  CHECK_THAT(s.scale, WithinAbs(std::sqrt(9.0 / 12.0), 1e-14));
  CHECK_THAT(s.atomic_energies[0] + s.atomic_energies[1], WithinAbs(-4.0, 1e-12));
  CHECK_THAT(s.shift, WithinAbs(0.0, 1e-12));
  CHECK_THAT(s.mean_charges[0], WithinAbs(0.35, 1e-14));
  CHECK_THAT(s.mean_charges[1], WithinAbs(-0.6, 1e-14));
  CHECK_THROWS_AS(data_statistics(frames, {}, 1.5), InputError);
}

}  // namespace dataset_test
