# SPDX-License-Identifier: MIT
# find_package(leyden): leyden::leyden, and leyden::openmp where the compiler has OpenMP.
include("${CMAKE_CURRENT_LIST_DIR}/leyden-dependencies.cmake")
leyden_find_dependencies()
if(leyden_missing_dependencies)
  set(leyden_FOUND FALSE)
  set(leyden_NOT_FOUND_MESSAGE "${leyden_missing_dependencies}")
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/leydenTargets.cmake")
