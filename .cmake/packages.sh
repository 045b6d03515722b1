# SPDX-License-Identifier: MIT
# Sourced by scripts: makes sure that programs and Debian packages are there.
#
#   need_command COMMAND PACKAGE   notes PACKAGE as missing unless COMMAND is there
#   need_package PACKAGE …         notes those that are not installed (where dpkg can tell)
#   get_packages NAME yes|no       installs what is missing, as root or with sudo; with `no`, or where
#                                  it cannot, says what is missing and ends. NAME speaks.
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
