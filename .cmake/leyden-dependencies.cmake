# SPDX-License-Identifier: MIT
# Finds what the headers need; used by the build and, installed beside it, by leydenConfig.cmake.
# Sets leyden_missing_dependencies to a sentence that says what to do, or to nothing.
# ARGN goes to find_package (GLOBAL: the targets are also for the folders above).
macro(leyden_find_dependencies)
  set(leyden_missing_dependencies "")

  # No version in the call: Eigen 5 refuses requests for 3.4, though it serves.
  find_package(Eigen3 CONFIG QUIET ${ARGN})
  if(NOT TARGET Eigen3::Eigen)
    string(APPEND leyden_missing_dependencies
           "leyden needs Eigen >= 3.4 (Debian, Ubuntu: apt-get install libeigen3-dev). ")
  elseif(Eigen3_VERSION VERSION_LESS 3.4)
    string(APPEND leyden_missing_dependencies
           "leyden needs Eigen >= 3.4 and found ${Eigen3_VERSION} in ${Eigen3_DIR}. ")
  endif()

  # The target `xsimd` of version 8 links xtl, which its Debian package does not install
  # (xtensor-stack/xsimd#869): only its include folders are taken over.
  find_package(xsimd CONFIG QUIET ${ARGN})
  if(NOT TARGET xsimd)
    string(APPEND leyden_missing_dependencies
           "leyden needs xsimd >= 8.1 (Debian, Ubuntu: apt-get install libxsimd-dev). ")
  elseif(xsimd_VERSION VERSION_LESS 8.1)
    string(APPEND leyden_missing_dependencies
           "leyden needs xsimd >= 8.1 and found ${xsimd_VERSION} in ${xsimd_DIR}. ")
  elseif(NOT TARGET leyden::xsimd)
    get_target_property(leyden_xsimd_folders xsimd INTERFACE_INCLUDE_DIRECTORIES)
    add_library(leyden::xsimd INTERFACE IMPORTED ${ARGN})
    set_target_properties(leyden::xsimd PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
                                                   "${leyden_xsimd_folders}")
  endif()

  # Only leyden/io reads model files.
  find_package(nlohmann_json CONFIG QUIET ${ARGN})

  # Threads: link leyden::openmp and pass an OpenMPExecutor.
  find_package(OpenMP QUIET COMPONENTS CXX ${ARGN})
  if(TARGET OpenMP::OpenMP_CXX AND NOT TARGET leyden::openmp)
    add_library(leyden::openmp INTERFACE IMPORTED ${ARGN})
    target_link_libraries(leyden::openmp INTERFACE OpenMP::OpenMP_CXX)
  endif()
endmacro()
