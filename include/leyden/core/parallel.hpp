// SPDX-License-Identifier: MIT
#pragma once

#include <leyden/config.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>

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
namespace detail {

/// Tasks 0 … n − 1 in shares of neighbours, one per worker. A worker takes its own first, so that
/// passes over the same data find it in the cache of the core that had it before, and then those
/// that others have not begun.
class TaskShares {
 public:
  TaskShares(std::size_t n, int workers)
      : count_(std::min(static_cast<std::size_t>(workers), shares_.size())) {
    for (std::size_t k = 0; k < count_; ++k) {
      shares_[k].next.store(k * n / count_, std::memory_order_relaxed);
      shares_[k].end = (k + 1) * n / count_;
    }
  }
  /// Runs what is left, as the given worker.
  template <class Run>
  void work(int worker, Run&& run) {
    for (std::size_t k = 0; k < count_; ++k) {
      Share& share = shares_[(static_cast<std::size_t>(worker) + k) % count_];
      for (;;) {
        const std::size_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        run(i);
      }
    }
  }

 private:
  struct alignas(64) Share {
    std::atomic<std::size_t> next;
    std::size_t end;
  };
  std::array<Share, 64> shares_;  // of more workers than that, the others only help
  std::size_t count_;
};

}  // namespace detail

/// OpenMP threads, each with tasks beside each other until it has to take those of others.
class OpenMPExecutor {
 public:
  explicit OpenMPExecutor(int threads = omp_get_max_threads())
      : threads_(threads < 1 ? 1 : threads) {}
  int concurrency() const { return threads_; }
  template <class Task>
  void for_each(std::size_t n, Task&& task) const {
    if (threads_ == 1 || n < 2) return SerialExecutor{}.for_each(n, task);
    std::exception_ptr error;
    std::size_t error_index = n;
    detail::TaskShares shares(n, threads_);
#pragma omp parallel num_threads(threads_)
    {
      const int worker = omp_get_thread_num();
      shares.work(worker, [&](std::size_t i) {
        try {
          task(i, worker);
        } catch (...) {
#pragma omp critical(leyden_executor_error)
          if (i < error_index) {
            error_index = i;
            error = std::current_exception();
          }
        }
      });
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  int threads_;
};
static_assert(Executor<OpenMPExecutor>);
#endif

}  // namespace leyden::inline LEYDEN_ABI
