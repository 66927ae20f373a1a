#!/usr/bin/env bash
# Runs each fuzz target of the module for FUZZTIME. The targets are those that the tests list; only one runs at a time,
# as go test does it. What breaks one is written under testdata/fuzz of its package, and make test repeats it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "building the tests (minutes, the first time)"
targets=$(go test -list '^Fuzz' ./... | awk '/^Fuzz/ {all[n++] = $1} /^ok/ {for (i = 0; i < n; i++) print $2, all[i]; n = 0}')
[ -n "$targets" ] || { echo "no fuzz target is found" >&2; exit 1; }
failed=
while read -r package target; do
  echo "== $target of $package"
  go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" -fuzzminimizetime 5s </dev/null || failed="$failed $target"
done <<<"$targets"
[ -z "$failed" ] || { echo "broken:$failed" >&2; exit 1; }
