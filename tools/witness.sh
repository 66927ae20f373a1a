#!/usr/bin/env bash
# Runs the settings' tests against LocalStack, and compares what fails with the list of known differences. It fails on any
# other failure, and on a known difference that is none any more.
set -euo pipefail
cd "$(dirname "$0")/.."
known=internal/guard/settings/testdata/witness.txt # TEST: why it differs
log=.tools/witness.log
echo "running the settings' tests against LocalStack (some minutes)"
ICAGUARD_WITNESS=1 go test -v -count=1 -timeout 1h -run '^TestSettings$' ./internal/guard/settings >"$log" 2>&1 || true

# Names of the tests with a verdict; a test that failed with one of its own subtests is not named twice.
verdicts() { sed -nE "s/^ +--- $1: TestSettings\/([^ ]+) \(.*/\1/p" "$log"; }
leaves() { awk '{all[$0]} END {for (a in all) {leaf = 1; for (b in all) if (index(b, a "/") == 1) leaf = 0; if (leaf) print a}}'; }
failed=$(verdicts FAIL | leaves | sort)
passed=$(verdicts PASS | wc -l)
differs=$(sed -E '/^(#|$)/d; s/: .*//' "$known" | sort)

if [ "$passed" -eq 0 ] || grep -qE '^(panic:|.*\[build failed\])' "$log"; then
  tail -n 30 "$log" >&2
  echo "the tests did not run to their end: $log" >&2
  exit 1
fi
new=$(comm -23 <(echo "$failed") <(echo "$differs"))
gone=$(comm -13 <(echo "$failed") <(echo "$differs"))
echo "$passed tests passed; known differences: $(echo "$differs" | grep -c .)"
[ -z "$new" ] || printf 'LocalStack answers otherwise, see %s:\n%s\n' "$log" "$new"
[ -z "$gone" ] || printf 'no difference any more, take it out of %s:\n%s\n' "$known" "$gone"
[ -z "$new$gone" ]
