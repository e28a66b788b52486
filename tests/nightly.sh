#!/bin/sh
# What takes hours and finds what the suite's minute does not: crashes of the simulated world, kill -9 and power cuts of
# the real binary; and whether each case of the benchmark runs at all. Prints the seed of what fails; exits 1 when
# anything did.
#
#   sh deploy/packages.sh nightly
#   sh tests/nightly.sh          needs the preset `release` built (sh tests/run.sh), and root for the power cuts
#
# RINGDROP_CRASHES (5000), RINGDROP_KILLS (300), RINGDROP_POWER_CUTS (100 of each file system), RINGDROP_QEMU_CUTS (100),
# RINGDROP_CUTS (2000) change the numbers.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1
ringdrop=build/release/ringdrop
[ -x "$ringdrop" ] || { echo "nightly.sh: no $ringdrop: sh tests/run.sh builds it" >&2; exit 1; }
export RINGDROP_CRASHES="${RINGDROP_CRASHES:-5000}" RINGDROP_KILLS="${RINGDROP_KILLS:-300}"
export RINGDROP_POWER_CUTS="${RINGDROP_POWER_CUTS:-100}" RINGDROP_CUTS="${RINGDROP_CUTS:-2000}"
export RINGDROP_QEMU_CUTS="${RINGDROP_QEMU_CUTS:-100}"

failures=
stage() {
  name=$1
  shift
  echo "=== $name: $*"
  if "$@" </dev/null; then echo "=== $name: ok"; else echo "=== $name: FAILED"; failures="$failures $name"; fi
}

stage crashes build/release/tests/sim/sim_tests '-tc=after a power*'
stage soak build/release/tests/sim/sim_soak_tests
stage kills python3 tests/e2e/kill_test.py --ringdrop "$ringdrop"
stage cuts python3 tests/e2e/cuts_test.py --ringdrop "$ringdrop"
stage power python3 tests/e2e/power_cut_test.py --ringdrop "$ringdrop"
stage qemu python3 tests/qemu/power_cut.py --ringdrop "$ringdrop"
stage bench sh tests/bench/run.sh --quick

[ -z "$failures" ] || { echo "nightly.sh: failed:$failures" >&2; exit 1; }
