// SPDX-License-Identifier: MIT
#include <leyden/atoms/elements.hpp>

#include "support/catch.hpp"

namespace elements_test {

using namespace leyden;

TEST_CASE("element symbols and numbers are inverse to each other", "[atoms]") {
  for (int z = 1; z <= 118; ++z) CHECK(atomic_number_of(element_symbol(z)) == z);
  CHECK(n_elements == 118);
}

TEST_CASE("well-known elements stand where chemists put them", "[atoms]") {
  CHECK(atomic_number_of("C") == 6);
  CHECK(atomic_number_of("Na") == 11);
  CHECK(atomic_number_of("Al") == 13);
  CHECK(atomic_number_of("K") == 19);
  CHECK(atomic_number_of("Fe") == 26);
  CHECK(atomic_number_of("Ag") == 47);
  CHECK(atomic_number_of("Xe") == 54);
  CHECK(atomic_number_of("W") == 74);
  CHECK(atomic_number_of("Au") == 79);
  CHECK(atomic_number_of("Pb") == 82);
  CHECK(atomic_number_of("U") == 92);
}

TEST_CASE("what is no element has no number and no symbol", "[atoms]") {
  for (const char* text : {"", "X", "NA", "na", "h", "Nax", "1", "H1", "Zz", "C ", "\xc3\x85"}) {
    CAPTURE(text);
    CHECK_FALSE(atomic_number_of(text).has_value());
  }
  for (const int z : {-1, 0, 119}) CHECK(element_symbol(z).empty());
}

}  // namespace elements_test
