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

# What is missing, as Debian packages.
missing=""
need_command() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
if [ -n "${CXX:-}" ]; then need_command "${CXX%% *}" g++; else need_command c++ g++; fi
need_command cmake cmake
need_command ninja ninja-build
need_command python3 python3
need_command clang-format clang-format
if command -v dpkg-query >/dev/null 2>&1; then
  for package in libeigen3-dev libxsimd-dev catch2 nlohmann-json3-dev libbenchmark-dev \
                 libcli11-dev; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    case $state in "install ok installed") ;; *) missing="$missing $package" ;; esac
  done
fi

if [ -n "$missing" ]; then
  if [ "$install" = no ]; then
    echo "tests/run.sh: missing:$missing" >&2
    echo "tests/run.sh: apt-get install$missing" >&2
    exit 1
  fi
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "tests/run.sh: missing (Debian's names):$missing; no apt-get here to install them" >&2
    exit 1
  fi
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    as_root="sudo"
    command -v sudo >/dev/null 2>&1 || {
      echo "tests/run.sh: run as root or install sudo to get:$missing" >&2
      exit 1
    }
  fi
  echo "tests/run.sh: installing$missing"
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  # shellcheck disable=SC2086  # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

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
