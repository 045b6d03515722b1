#!/bin/sh
# Prints the figures that the documentation quotes, one line each, tab-separated:
# name, value, unit, target. Usage: sh bench/report.sh [GROUP]
# Groups: those of bench/report.cpp (machine neighbors harmonics descriptor precision threads
# solver evaluate io), of
# bench/scf_report.cpp (convergence slabs cost dynamics), of bench/electrostatics_report.cpp (mesh
# million alone broad multipoles direct waves fft equilibration peers tuning; `electrostatics`: all
# of them), of bench/training_report.cpp (published steps networks soap two_threads; `training`:
# all of them) and `compile` (seconds to compile one full point). `peers` runs LAMMPS (lmp) where
# it is, `fft` compares with FFTW where it is (apt-get install lammps libfftw3-dev).
set -eu
cd "$(dirname "$0")/.."
group=${1:-}

if [ -z "$group" ] || [ "$group" = compile ]; then
  object=$(mktemp)
  trap 'rm -f "$object"' EXIT
  start=$(date +%s.%N)
  "${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -march=native -Iinclude \
    $(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3) \
    -c bench/support/one_point.cpp -o "$object"
  end=$(date +%s.%N)
  printf 'compile/one full point\t%s\ts\t<= 60\n' \
    "$(echo "$start $end" | awk '{printf "%.1f", $2 - $1}')"
  [ "$group" = compile ] && exit 0
fi

build=build/bench
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DLEYDEN_BUILD_TESTS=OFF \
  -DLEYDEN_BUILD_EXAMPLES=OFF >&2
case $group in
  convergence | slabs | cost | dynamics) programs=scf_report ;;
  training)
    programs=training_report
    group=
    ;;
  published | steps | networks | soap | two_threads) programs=training_report ;;
  electrostatics)
    programs=electrostatics_report
    group=
    ;;
  mesh | million | alone | broad | multipoles | direct | waves | fft | equilibration | peers | tuning)
    programs=electrostatics_report
    ;;
  '') programs='report scf_report electrostatics_report training_report' ;;
  *) programs=report ;;
esac
for program in $programs; do
  cmake --build "$build" --target "leyden.bench.$program" >&2
done
for program in $programs; do
  "$build/bench/leyden.bench.$program" ${group:+"$group"}
done
