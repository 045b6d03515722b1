// SPDX-License-Identifier: MIT
// Compiled twice, for two instruction sets, into one program.
#include <leyden/core/pack.hpp>
#include <leyden/core/pack.hpp>  // twice in one file, too

int LEYDEN_TEST_FUNCTION() {
  // Called through a pointer: an inline function that the linker has to choose.
  int (*volatile count)(int) = &leyden::pack_count<double>;
  return count(64);
}
