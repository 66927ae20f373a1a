#!/usr/bin/env bash
# The RoleSessionName prefix is the proof of a lab's identity: no log, message, report or error may hold it. Every test
# that has a prefix uses this one; what the tests and the functions that they run printed is searched for it.
set -euo pipefail
canary=prefix-that-must-not-be-printed
log=$1
grep -q . "$log" || { echo "$log is empty: nothing was searched" >&2; exit 1; }
if grep -n "$canary" "$log" | cut -c1-300; then
  echo "the session-name prefix stands in the output of the tests (see above)" >&2
  exit 1
fi
echo "the session-name prefix stands nowhere in $(wc -l <"$log") lines of output"
