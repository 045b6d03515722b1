# SPDX-License-Identifier: MIT
# What our own programs are compiled with. Nothing here reaches users.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, ..." FORCE)
endif()

# -std=c++20, not gnu++20.
set(CMAKE_CXX_EXTENSIONS OFF)

include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-march=native LEYDEN_HAS_MARCH_NATIVE)

add_library(leyden_development INTERFACE)
target_link_libraries(leyden_development INTERFACE leyden::leyden)
# Threads are ours to hand out: Eigen shall not start its own.
target_compile_definitions(leyden_development INTERFACE EIGEN_DONT_PARALLELIZE)
target_compile_options(leyden_development INTERFACE -Wall -Wextra -Wpedantic -Wconversion
                                                    -Wnon-virtual-dtor)
# g++ 12 warns inside its own AVX-512 header (gcc.gnu.org/PR105593), and of bounds inside of the
# standard library's sorts of a few elements, which do not reach there: sanitizers watch these.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(leyden_development INTERFACE -Wno-maybe-uninitialized
                                                      -Wno-uninitialized -Wno-array-bounds)
endif()
if(LEYDEN_WERROR)
  target_compile_options(leyden_development INTERFACE -Werror)
endif()

add_library(leyden_native INTERFACE)
if(LEYDEN_NATIVE AND LEYDEN_HAS_MARCH_NATIVE)
  target_compile_options(leyden_native INTERFACE -march=native)
endif()

# Our executables: warnings, this machine's instructions, threads, JSON.
function(leyden_executable target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE leyden_development leyden_native
                                          $<TARGET_NAME_IF_EXISTS:leyden::openmp>)
endfunction()
