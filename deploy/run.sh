#!/bin/sh
# Builds ringdrop and runs it here: installs the packages that are missing, builds build/release/ringdrop, says what to
# type next and starts the server on 127.0.0.1:8080 with its data in ./data of the checkout. A second run is quick.
#
#   sh deploy/run.sh [OPTION...]         options go to `ringdrop serve`; they win over the two defaults above
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

# What the caller names himself must not be given twice. A configuration file may name both.
listen=
own_listen=no
own_data_dir=no
previous=
for argument in "$@"; do
  case $argument in
    --listen=*) own_listen=yes listen=${listen:-${argument#--listen=}} ;;
    --listen) own_listen=yes ;;
    --data-dir | --data-dir=*) own_data_dir=yes ;;
    --config | --config=*) own_listen=yes own_data_dir=yes ;;
    *) [ "$previous" != --listen ] || listen=${listen:-$argument} ;;
  esac
  previous=$argument
done
[ "$own_data_dir" = yes ] || set -- --data-dir "$root/data" "$@"
[ "$own_listen" = yes ] || { listen=127.0.0.1:8080; set -- --listen "$listen" "$@"; }

sh "$root/deploy/packages.sh" build run
(
  cd "$root"
  [ -e build/release/ringdrop ] || echo 'run.sh: building; the first time takes some minutes'
  mkdir -p build
  cmake --preset release --log-level=WARNING >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
  cmake --build --preset release --target ringdrop
)

# Shown before the server starts: what it says itself comes below.
curl='curl'
case $listen in
  '') url=http://ADDRESS ;; # in the caller's configuration
  unix:*) url=http://localhost curl="curl --unix-socket ${listen#unix:}" ;;
  0.0.0.0:*) url=http://127.0.0.1:${listen##*:} ;;
  '[::]:'*) url="http://[::1]:${listen##*:}" ;;
  *) url=http://$listen ;;
esac
cat <<END

  ringdrop at $url/ - in another terminal:

    $curl -T FILE $url/             send a file; the answer is its link
    tar cz DIR | $curl -T - $url/dir.tgz
    $curl -OJ LINK                  get it back

  Ctrl-C stops the server: running transfers may finish, a second Ctrl-C does not wait for them.

END

# No cd: paths in the caller's options are his.
exec "$root/build/release/ringdrop" serve "$@"
