# SPDX-License-Identifier: MIT
# Sourced by scripts: makes sure that programs and Debian packages are there.
#
#   need_command COMMAND PACKAGE   notes PACKAGE as missing unless COMMAND is there
#   need_package PACKAGE …         notes those that are not installed (where dpkg can tell)
#   get_packages NAME yes|no       installs what is missing, as root or with sudo; with `no`, or where
#                                  it cannot, says what is missing and ends. NAME speaks.
#   build_example NAME BUILD TIME [FLAGS]
#                                  gets what an example needs ($install: yes|no) and compiles it for
#                                  this machine in the folder BUILD; TIME is told; FLAGS in place of
#                                  those of a release.
missing=""
need_command() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need_compiler() {
  if [ -n "${CXX:-}" ]; then need_command "${CXX%% *}" g++; else need_command c++ g++; fi
}
need_package() {
  command -v dpkg-query >/dev/null 2>&1 || return 0
  for package in "$@"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    case $state in "install ok installed") ;; *) missing="$missing $package" ;; esac
  done
}
get_packages() {
  [ -n "$missing" ] || return 0
  if [ "$2" = no ]; then
    echo "$1: missing:$missing" >&2
    echo "$1: apt-get install$missing" >&2
    exit 1
  fi
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "$1: missing (Debian's names):$missing; no apt-get here to install them" >&2
    exit 1
  fi
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    as_root="sudo"
    command -v sudo >/dev/null 2>&1 || {
      echo "$1: run as root or install sudo to get:$missing" >&2
      exit 1
    }
  fi
  echo "$1: installing$missing"
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  # shellcheck disable=SC2086  # a list of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}
build_example() {
  need_compiler
  need_command cmake cmake
  need_command ninja ninja-build
  need_package libeigen3-dev libxsimd-dev nlohmann-json3-dev
  # shellcheck disable=SC2154  # set by the script that sources this
  get_packages "$1" "$install"

  echo "$1: compiling in $2 ($3 the first time)"
  # shellcheck disable=SC2154
  mkdir -p "$root/build"
  cmake -S "$root" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLEYDEN_NATIVE=ON \
        -DLEYDEN_BUILD_TESTS=OFF -DLEYDEN_BUILD_BENCH=OFF -DLEYDEN_BUILD_EXAMPLES=ON \
        ${4:+"-DCMAKE_CXX_FLAGS_RELEASE=$4"} -DLEYDEN_INSTALL=OFF >"$2.log" 2>&1 || { cat "$2.log" >&2; exit 1; }
  cmake --build "$2" -j "${LEYDEN_JOBS:-2}" --target "leyden.examples.$1"
}
