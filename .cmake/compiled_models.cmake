# SPDX-License-Identifier: MIT
# The library leyden::models: each of LEYDEN_REGISTERED_MODELS (leyden/io/registered_models.hpp) in a
# file of its own. Programs that link it see them as `extern template`. They must be compiled for the
# same instruction set: otherwise the names differ, and the linker says so.
find_package(nlohmann_json CONFIG REQUIRED)
file(READ include/leyden/io/registered_models.hpp text)
# Not by lines: the backslashes at their ends would join them.
string(REGEX MATCHALL "\n +f\\([^\n\\]*\\)" points "${text}")
set(sources)
foreach(point IN LISTS points)
  string(REGEX REPLACE "^\n +f\\((.*)\\)$" "\\1" point "${point}")
  list(LENGTH sources number)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/models/model${number}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT
"#include <leyden/io/registered_models.hpp>
namespace leyden::inline LEYDEN_ABI {
template class Potential<@point@>;
}
" @ONLY)
  list(APPEND sources ${source})
endforeach()
add_library(leyden_models STATIC ${sources})
add_library(leyden::models ALIAS leyden_models)
set_target_properties(leyden_models PROPERTIES EXPORT_NAME models)
target_link_libraries(leyden_models PUBLIC leyden nlohmann_json::nlohmann_json)
target_compile_definitions(leyden_models INTERFACE LEYDEN_COMPILED_MODELS)
if(LEYDEN_NATIVE)
  target_compile_options(leyden_models PUBLIC -march=native)
endif()
