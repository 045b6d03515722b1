#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains and compares four potentials on the data beside this file, and writes a report:
#   sh examples/quickstart.sh [--no-install] [--out DIR] [--epochs N] [--seed N] [--resume]
# On Debian and Ubuntu, missing packages are installed (as root or with sudo); --no-install only
# names them. The build stands in build/quickstart, the report in DIR (default: report).
# Ctrl-C saves what was done; the same command with --resume goes on from there.
set -eu

usage() {
  echo "usage: sh examples/quickstart.sh [--no-install] [--out DIR] [--epochs N] [--seed N]" \
       "[--resume]" >&2
  exit 2
}

install=yes
out=report
epochs=80
seed=1
resume=""
again="sh $0"
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install=no; again="$again $1" ;;
    --resume) resume=--resume ;;
    --out|--epochs|--seed)
      [ $# -ge 2 ] || usage
      case $1 in
        --out) out=$2 ;;
        --epochs) epochs=$2 ;;
        --seed) seed=$2 ;;
      esac
      again="$again $1 '$2'"
      shift ;;
    *) usage ;;
  esac
  shift
done

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/quickstart

. "$root/.cmake/packages.sh"
started=$(date +%s)
build_example quickstart "$build" "some five minutes"
echo "quickstart: compiled in $(($(date +%s) - started)) s"

# exec: Ctrl-C reaches the program alone, which saves and says how to go on.
exec "$build/examples/quickstart" "$root/examples/data/silica_vacancy.xyz" --out "$out" \
     --epochs "$epochs" --seed "$seed" --threads "${LEYDEN_JOBS:-2}" $resume \
     --resume-command "$again --resume"
