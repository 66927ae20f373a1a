#!/usr/bin/env bash
# Of a log of `go test -v`, what the failed tests said: the lines before each verdict, without those of tests that passed and
# without the functions' own JSON lines, which are most of the log. A package that did not compile has no test to name.
set -euo pipefail
log=$1
grep -vE '^(===|ok|PASS|\{)|^\s*(--- PASS|\{")' "$log" | grep -E -B 60 '^\s*--- FAIL|^(FAIL|panic:)|\[build failed\]' | tail -n 300
