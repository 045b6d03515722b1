#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds one of the studies beside this folder and runs it: sh examples/models/study.sh NAME [options]
# On Debian and Ubuntu, missing packages are installed (as root or with sudo); --no-install only
# names them.
set -eu

name=$1
shift
install=yes
# --fast only sees that everything runs: two thirds of the time to compile.
flags="" folder=studies
case " $* " in *" --fast "*) flags="-O1 -DNDEBUG" folder=studies_fast ;; esac
if [ "${1:-}" = --no-install ]; then
  install=no
  shift
fi

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
build=$root/build/$folder

. "$root/.cmake/packages.sh"
build_example "$name" "$build" "some five minutes" "$flags"

# exec: Ctrl-C reaches the program alone. Options given come after the defaults, and win.
exec "$build/examples/$name" --data "$root/examples/data" --out "report/$name" \
     --threads "${LEYDEN_JOBS:-2}" "$@"
