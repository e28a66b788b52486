#!/bin/sh
# The one place that lists the Debian packages ringdrop needs.
#
#   sh deploy/packages.sh LIST...        LIST: build, run, test, bench, ci, nightly
#
# Installs what is missing, as root or by sudo; when nothing is, it asks dpkg alone and takes no time.
set -eu

build='g++ cmake ninja-build ccache pkg-config liburing-dev libsqlite3-dev node-llhttp nlohmann-json3-dev doctest-dev
  libtomlplusplus-dev libfmt-dev libspdlog-dev libcli11-dev libssl-dev libxxhash-dev libwslay-dev'
run='curl'
test='curl wget aria2 python3 python3-requests python3-aiohttp python3-tuspy python3-websockets procps git
  nginx caddy openssl chromium e2fsprogs xfsprogs strace'
# What ringdrop is measured against, and the limits of disk and loopback.
bench='nginx python3 python3-aiohttp python3-aiofiles python3-uvloop fio iperf3 curl e2fsprogs openssl'
# llvm-19 is for llvm-symbolizer: without it a sanitizer's report has no names.
ci='clang-19 libclang-rt-19-dev llvm-19 clang-format-19'
# A machine that can be switched off, for tests/nightly.sh.
nightly='qemu-system-x86 busybox-static cpio kmod'

say() { echo "packages.sh: $*" >&2; }

# Node.js is often there from elsewhere, as a package that conflicts with Debian's npm: the commands count, and nothing is
# installed over what is no Debian package.
if ! command -v node >/dev/null; then
  test="$test nodejs npm"
elif ! command -v npm >/dev/null; then
  case $(dpkg-query -W -f '${Version}' nodejs 2>/dev/null || true) in
    *+dfsg*) test="$test npm" ;;
    *) case " $* " in *' test '*) say 'node without npm, and not from Debian: the tests with the label node are skipped' ;; esac ;;
  esac
fi

[ $# -gt 0 ] || { say 'give a list: build, run, test, bench, ci or nightly'; exit 64; }
wanted=
for list in "$@"; do
  case $list in
    build) wanted="$wanted $build" ;;
    run) wanted="$wanted $run" ;;
    test) wanted="$wanted $test" ;;
    bench) wanted="$wanted $bench" ;;
    ci) wanted="$wanted $ci" ;;
    nightly) wanted="$wanted $nightly" ;;
    *) say "no list is called $list: build, run, test, bench, ci or nightly"; exit 64 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  say 'this is no Debian: going on, and hoping that it has what these Debian packages bring:'
  echo "$wanted" | xargs >&2
  exit 0
fi

# dpkg-query fails when a package is unknown to it, which is what we ask.
# shellcheck disable=SC2086  # the list is to be split
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null || true)
missing=
for package in $wanted; do
  case "
$installed
" in
    *"
$package installed
"*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  say "missing:$missing"
  say 'neither root nor sudo here. As root, run:'
  say "  apt-get install --no-install-recommends$missing"
  exit 1
fi

say "installing$missing"
# `env`, since sudo drops the variable otherwise. Another apt at work (a fresh cloud machine's own) is waited for.
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}
# Quiet while all is well; the whole story when not.
log=$(mktemp)
policy=
trap '$as_root rm -f "$log" $policy' EXIT
trap 'exit 1' HUP INT TERM
# The tests start the proxies themselves: as services they would have port 80, now and after each boot.
services=
for service in nginx caddy; do
  case " $missing " in *" $service "*) services="$services $service.service" ;; esac
done
if [ -n "$services" ] && [ ! -e /usr/sbin/policy-rc.d ]; then
  policy=/usr/sbin/policy-rc.d
  printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null # 101: this action is not allowed
  $as_root chmod 755 $policy
fi
# shellcheck disable=SC2086  # the list is to be split
if ! { apt update && apt install --no-install-recommends $missing; } >"$log" 2>&1; then
  cat "$log" >&2
  say "apt-get could not install$missing"
  exit 1
fi
if [ -n "$services" ] && command -v systemctl >/dev/null; then
  # shellcheck disable=SC2086
  $as_root systemctl --quiet disable $services >"$log" 2>&1 || { cat "$log" >&2; say "could not disable$services"; }
fi
