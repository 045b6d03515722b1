#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares eleven potentials on a metal–water interface in electric fields, and writes a page of results:
#   sh examples/metal_water/run.sh [--no-install] [--out DIR] [--epochs N] [--seeds N] [--fast]
# --fast trains for seconds only, to see that it runs. A run that was stopped goes on with the same
# command.
exec sh "$(dirname -- "$0")/../models/study.sh" metal_water "$@"
