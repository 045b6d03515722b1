// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace leyden_test {

/// An executor as a user may write it, of plain threads. The thread sanitizer understands it;
/// GCC's OpenMP runtime it does not.
class ThreadExecutor {
 public:
  explicit ThreadExecutor(int threads) : threads_(threads) {}
  int concurrency() const { return threads_; }

  template <class Task>
  void for_each(std::size_t n, Task&& task) const {
    std::atomic<std::size_t> next{0};
    std::exception_ptr error;
    std::size_t error_index = n;
    std::mutex mutex;
    const auto work = [&](int worker) {
      for (std::size_t i = next++; i < n; i = next++) {
        try {
          task(i, worker);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (i < error_index) {
            error_index = i;
            error = std::current_exception();
          }
        }
      }
    };
    {
      std::vector<std::jthread> threads;
      for (int worker = 1; worker < threads_; ++worker) threads.emplace_back(work, worker);
      work(0);
    }
    if (error) std::rethrow_exception(error);
  }

 private:
  int threads_;
};

}  // namespace leyden_test
