# SPDX-License-Identifier: MIT
# cmake -D MODE=... -D SOURCE=... -D BUILD=... -D WORK=... -D GENERATOR=... -D COMPILER=... -P run.cmake
# Builds and runs a user's project. MODE: find_package, add_subdirectory, missing_dependency.
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(configure ${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${WORK}/build -G ${GENERATOR}
              -DCMAKE_CXX_COMPILER=${COMPILER})

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGV}")
    message(FATAL_ERROR "${command}\n${out}")
  endif()
endfunction()

if(MODE STREQUAL "add_subdirectory")
  list(APPEND configure -DLEYDEN_SOURCE=${SOURCE})
else()
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
  # Only what was installed: not the folder we build in.
  list(APPEND configure -DCMAKE_PREFIX_PATH=${WORK}/prefix
       -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
endif()

if(MODE STREQUAL "missing_dependency")
  execute_process(COMMAND ${configure} -DCMAKE_DISABLE_FIND_PACKAGE_xsimd=ON
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(result EQUAL 0 OR NOT out MATCHES "apt-get install libxsimd-dev")
    message(FATAL_ERROR "a missing xsimd is not explained:\n${out}")
  endif()
  return()
endif()

run(${configure})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
if(EXISTS ${WORK}/build/consumer_openmp)
  run(${WORK}/build/consumer_openmp)
endif()
