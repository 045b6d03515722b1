// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/thread_executor.hpp"

#include <leyden/core/parallel.hpp>

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace parallel_test {

using namespace leyden;

namespace {

// A sum stored by task and taken in task order.
template <class E>
double ordered_sum(const E& executor) {
  std::vector<double> parts(1000);
  executor.for_each(parts.size(), [&](std::size_t i, int) {
    for (int k = 1; k < 50; ++k) parts[i] += std::sin(static_cast<double>(i) + k) / k;
  });
  double sum = 0;
  for (const double p : parts) sum += p;
  return sum;
}

template <class E>
void check_contract(const E& executor) {
  CAPTURE(executor.concurrency());
  std::vector<std::atomic<int>> runs(257);
  std::atomic<bool> workers_in_range{true};
  executor.for_each(runs.size(), [&](std::size_t i, int worker) {
    ++runs[i];
    if (worker < 0 || worker >= executor.concurrency()) workers_in_range = false;
  });
  bool once = true;
  for (const auto& r : runs) once = once && r == 1;
  CHECK(once);
  CHECK(workers_in_range);

  executor.for_each(0, [&](std::size_t, int) { ++runs[0]; });
  CHECK(runs[0] == 1);

  CHECK(ordered_sum(executor) == ordered_sum(SerialExecutor{}));

  // Tasks 40, 41, … throw: those before have run, and the exception of task 40 comes out.
  std::vector<std::atomic<int>> ran(100);
  std::string text;
  try {
    executor.for_each(ran.size(), [&](std::size_t i, int) {
      ++ran[i];
      if (i >= 40) throw std::runtime_error("task " + std::to_string(i));
    });
  } catch (const std::runtime_error& e) {
    text = e.what();
  }
  CHECK(text == "task 40");
  bool all = true;
  for (std::size_t i = 0; i <= 40; ++i) all = all && ran[i] == 1;
  CHECK(all);
}

struct NotAnExecutor {
  int concurrency() const { return 1; }
};

}  // namespace

TEST_CASE("the serial executor keeps the contract", "[parallel]") {
  check_contract(SerialExecutor{});
  STATIC_REQUIRE_FALSE(Executor<NotAnExecutor>);
  STATIC_REQUIRE_FALSE(Executor<int>);
}

TEST_CASE("an executor of a user's own keeps the contract", "[parallel]") {
  STATIC_REQUIRE(Executor<leyden_test::ThreadExecutor>);
  for (const int threads : {1, 2, 3}) check_contract(leyden_test::ThreadExecutor(threads));
}

#if defined(_OPENMP)
TEST_CASE("OpenMP keeps the contract with one, two and three threads", "[parallel]") {
  for (const int threads : {1, 2, 3}) check_contract(OpenMPExecutor(threads));
  CHECK(OpenMPExecutor(0).concurrency() == 1);
}

TEST_CASE("no worker runs two tasks at a time", "[parallel]") {
  const OpenMPExecutor executor(3);
  std::vector<std::atomic<int>> busy(3);
  std::atomic<bool> shared{false};
  executor.for_each(300, [&](std::size_t i, int worker) {
    if (++busy[static_cast<std::size_t>(worker)] > 1) shared = true;
    volatile double x = 0;
    for (std::size_t k = 0; k < 100 + i; ++k) x = x + 1.0;
    --busy[static_cast<std::size_t>(worker)];
  });
  CHECK_FALSE(shared);
}
#endif

}  // namespace parallel_test
