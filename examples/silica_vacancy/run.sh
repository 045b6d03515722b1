#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares eleven potentials on charged oxygen vacancies in SiO2, and writes a page of results:
#   sh examples/silica_vacancy/run.sh [--no-install] [--out DIR] [--epochs N] [--seeds N] [--fast]
# --fast trains for seconds only, to see that it runs. A run that was stopped goes on with the same
# command.
exec sh "$(dirname -- "$0")/../models/study.sh" silica_vacancy "$@"
