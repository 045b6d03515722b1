#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures what every charge model does with every solver and boundary, one tab-separated line each:
#   ok FIGURE    it was measured and is right: relative errors against finite differences, the error
#                of the total charge in e, seconds per atom of a warm evaluation
#   miss FIGURE  it was measured and is not right, or failed with the error that is shown
#   - REASON     physics has no such thing
# Usage: sh tests/matrix.sh [--no-install]. Builds in build/tests.
set -eu

install=yes
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    *) echo "usage: sh tests/matrix.sh [--no-install]" >&2; exit 2 ;;
  esac
done

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/tests

. "$root/.cmake/packages.sh"
need_compiler
need_command cmake cmake
need_command ninja ninja-build
need_command python3 python3
need_package libeigen3-dev libxsimd-dev catch2 nlohmann-json3-dev
get_packages tests/matrix.sh "$install" >&2

{
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLEYDEN_BUILD_TESTS=ON \
        -DLEYDEN_BUILD_EXAMPLES=ON
  cmake --build "$build" -j "${LEYDEN_JOBS:-2}" --target leyden.matrix leyden.matrix_split
} >&2

printf 'charge model\tsolver\tboundary\tevaluates\tforces exact\tstress exact\t'
printf 'parameter gradient exact\tforce-loss gradient exact\tconstant Q\tconstant Fermi level\t'
printf 'response properties\n'
status=0
for model in explicit split equilibration fourth_generation bond_hardness energy_functional \
             fixed_point polar_recursion response; do
  for program in leyden.matrix leyden.matrix_split; do
    "$build/tests/$program" "$model" || status=1
  done
done
exit $status
