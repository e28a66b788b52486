#!/bin/sh
# Measures ringdrop beside its peers: installs the packages that are missing, builds the preset `release`, prints a table.
#
#   sh tests/bench/run.sh [--quick] [OPTION...] [CASE...]        see tests/bench/bench.py --help
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"

sh deploy/packages.sh build bench
mkdir -p build
cmake --preset release --log-level=WARNING >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
cmake --build --preset release --target ringdrop ringdrop-load small_durable durable_append hot_answers watchers >build/bench-build.log 2>&1 ||
  { cat build/bench-build.log >&2; exit 1; }
exec python3 tests/bench/bench.py "$@"
