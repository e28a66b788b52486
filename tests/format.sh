#!/bin/sh
# Every C++ file has the form of .clang-format: fails and names the lines that have not. `sh tests/format.sh -i` mends.
set -eu

cd -- "$(dirname -- "$0")/.."
case ${1-} in
  '') set -- --dry-run -Werror ;;
  -i) set -- -i ;;
  *) echo 'format.sh: only -i is known' >&2; exit 64 ;;
esac

# safe.directory: in CI the checkout may belong to another user than the one who runs this. New files count too.
git -c safe.directory='*' ls-files -z --cached --others --exclude-standard -- '*.cc' '*.h' |
  xargs -0 -r clang-format-19 "$@"
[ "$1" = -i ] || echo 'format.sh: ok'
