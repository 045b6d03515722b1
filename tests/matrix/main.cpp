// SPDX-License-Identifier: MIT
// Prints parts of the matrix by name; fails for a miss, or a name that there is not.
#include "matrix/matrix.hpp"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const auto found = leyden_matrix::Part::all().find(argv[i]);
    if (found == leyden_matrix::Part::all().end()) {
      std::fprintf(stderr, "matrix: there is no part '%s'\n", argv[i]);
      return 2;
    }
    found->second();
  }
  return leyden_matrix::misses > 0 ? 1 : 0;
}
