#!/bin/sh
# The whole test suite: installs the packages that are missing, builds the preset `release`, runs ctest.
#
#   sh tests/run.sh [OPTION...]          options go to ctest: -L unit, -R http_parser, -LE e2e
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

sh deploy/packages.sh build test
mkdir -p build
cmake --preset release --log-level=WARNING >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
cmake --build --preset release

# Tests that mount, limit or trace need root. (ctest ANDs several -LE, so a caller's own must be the only one.)
if [ "$(id -u)" != 0 ]; then
  case " $* " in
    *' -LE '* | *' --label-exclude '*) ;;
    *) echo 'run.sh: not root, leaving out the tests with the label root'; set -- -LE '^root$' "$@" ;;
  esac
fi

exec ctest --preset release --output-on-failure -j2 "$@" </dev/null
