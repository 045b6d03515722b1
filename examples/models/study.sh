#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds one of the studies beside this folder and runs it: sh examples/models/study.sh NAME [options]
# On Debian and Ubuntu, missing packages are installed (as root or with sudo); --no-install only
# names them.
set -eu

name=$1
shift
install=yes
if [ "${1:-}" = --no-install ]; then
  install=no
  shift
fi

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=$root/build/studies

. "$root/.cmake/packages.sh"
need_compiler
need_command cmake cmake
need_command ninja ninja-build
need_package libeigen3-dev libxsimd-dev nlohmann-json3-dev
get_packages "$name" "$install"

echo "$name: compiling in $build (some ten minutes the first time)"
mkdir -p "$root/build"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLEYDEN_NATIVE=ON \
      -DLEYDEN_BUILD_TESTS=OFF -DLEYDEN_BUILD_BENCH=OFF -DLEYDEN_BUILD_EXAMPLES=ON \
      -DLEYDEN_INSTALL=OFF >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
cmake --build "$build" -j "${LEYDEN_JOBS:-2}" --target "leyden.examples.$name"

# exec: Ctrl-C reaches the program alone. Options given come after the defaults, and win.
exec "$build/examples/$name" --data "$root/examples/data" --out "report/$name" \
     --threads "${LEYDEN_JOBS:-2}" "$@"
