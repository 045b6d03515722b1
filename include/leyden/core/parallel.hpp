// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace leyden::inline LEYDEN_ABI {

/// Runs tasks 0 … n − 1. leyden never creates threads by itself: callers pass an executor.
///
/// A task gets its index and the number of the worker that runs it (0 … concurrency() − 1), which
/// picks a workspace. Which worker runs a task is not fixed, so results must be stored by task;
/// sums are then taken in task order, and do not depend on the thread count. The first exception by
/// task order is rethrown after all running tasks have ended; tasks behind it may not run.
template <class E>
concept Executor = requires(const E& e, std::size_t n, void (*task)(std::size_t, int)) {
  { e.concurrency() } -> std::convertible_to<int>;
  e.for_each(n, task);
};

/// The calling thread does all the work.
struct SerialExecutor {
  int concurrency() const { return 1; }
  template <class Task>
  void for_each(std::size_t n, Task&& task) const {
    for (std::size_t i = 0; i < n; ++i) task(i, 0);
  }
};
static_assert(Executor<SerialExecutor>);

/// f(first, last) for blocks of `size` of the numbers 0 … n − 1: the same blocks on any number of
/// threads.
template <Executor E, class F>
void for_each_block(const E& executor, std::size_t n, std::size_t size, F&& f) {
  executor.for_each((n + size - 1) / size, [&](std::size_t block, int) {
    f(block * size, block * size + size < n ? block * size + size : n);
  });
}

#if defined(_OPENMP)
/// OpenMP threads, tasks handed out one by one.
class OpenMPExecutor {
 public:
  explicit OpenMPExecutor(int threads = omp_get_max_threads())
      : threads_(threads < 1 ? 1 : threads) {}
  int concurrency() const { return threads_; }
  template <class Task>
  void for_each(std::size_t n, Task&& task) const {
    std::exception_ptr error;
    std::size_t error_index = n;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_)
    for (std::size_t i = 0; i < n; ++i) {
      try {
        task(i, omp_get_thread_num());
      } catch (...) {
#pragma omp critical(leyden_executor_error)
        if (i < error_index) {
          error_index = i;
          error = std::current_exception();
        }
      }
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  int threads_;
};
static_assert(Executor<OpenMPExecutor>);
#endif

}  // namespace leyden::inline LEYDEN_ABI
