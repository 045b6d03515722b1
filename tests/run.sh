#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds and runs all tests: sh tests/run.sh [--no-install]
# On Debian and Ubuntu, missing packages are installed (as root or with sudo); --no-install only
# names them. The build stands in build/tests.
set -eu

install=yes
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    *) echo "usage: sh tests/run.sh [--no-install]" >&2; exit 2 ;;
  esac
done

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/tests

. "$root/.cmake/packages.sh"
need_compiler
need_command cmake cmake
need_command ninja ninja-build
need_command python3 python3
need_command clang-format clang-format
need_package libeigen3-dev libxsimd-dev catch2 nlohmann-json3-dev libbenchmark-dev
get_packages tests/run.sh "$install"

jobs=${LEYDEN_JOBS:-2}
# Warnings are errors where the project checks itself, never for users.
werror=OFF
if [ "${CI:-}" = true ]; then werror=ON; fi
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLEYDEN_BUILD_TESTS=ON \
      -DLEYDEN_BUILD_EXAMPLES=ON -DLEYDEN_WERROR=$werror
# -k 0: one run shows every error.
cmake --build "$build" -j "$jobs" -- -k 0
cd "$build"
exec ctest --output-on-failure -j "$jobs"
