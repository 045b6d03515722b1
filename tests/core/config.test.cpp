// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <leyden/config.hpp>

#include <string>

namespace config_test {

#define LEYDEN_TEST_QUOTE_(x) #x
#define LEYDEN_TEST_QUOTE(x) LEYDEN_TEST_QUOTE_(x)

TEST_CASE("the inline namespace names version, instruction set and checks", "[config]") {
  const std::string abi = LEYDEN_TEST_QUOTE(LEYDEN_ABI);
  const std::string expected = "v" + std::to_string(LEYDEN_VERSION_MAJOR) + "_" +
                               std::to_string(LEYDEN_VERSION_MINOR) + "_" +
                               LEYDEN_TEST_QUOTE(LEYDEN_ISA) + (LEYDEN_CHECKED ? "_checked" : "");
  CHECK(abi == expected);
}

TEST_CASE("kernels are checked unless NDEBUG is set", "[config]") {
#if defined(NDEBUG)
  CHECK(LEYDEN_CHECKED == 0);
#else
  CHECK(LEYDEN_CHECKED == 1);
#endif
}

}  // namespace config_test
