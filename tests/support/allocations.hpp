// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

// Counts heap allocations of this thread: tests of "a warm call does not allocate". The counting
// operators new stand in allocations.cpp, which every test executable links.
namespace leyden_test {

std::size_t allocation_count();

/// How many allocations a call makes.
template <class Call>
std::size_t allocations_of(Call&& call) {
  const std::size_t before = allocation_count();
  call();
  return allocation_count() - before;
}

}  // namespace leyden_test
