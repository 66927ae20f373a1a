#!/usr/bin/env bash
# Says plainly which of the three languages is missing or too old. Everything else is installed by make.
set -u
missing=0

need() { # name, found version or empty, least version, where to get it
  local name=$1 found=$2 least=$3 where=$4
  if [ -z "$found" ]; then
    echo "missing: $name $least or newer ($where)" >&2
    missing=1
  elif [ "$(printf '%s\n%s\n' "$least" "$found" | sort -V | head -n 1)" != "$least" ]; then
    echo "too old: $name $found, needed is $least or newer ($where)" >&2
    missing=1
  fi
}

need Go "$(go env GOVERSION 2>/dev/null | sed 's/^go//')" 1.26.0 https://go.dev/dl
need Node.js "$(node --version 2>/dev/null | sed 's/^v//')" 20.0.0 https://nodejs.org
need npm "$(npm --version 2>/dev/null)" 10.0.0 "comes with Node.js"
need Python "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)" 3.10.0 https://www.python.org
if command -v python3 >/dev/null && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "missing: Python's venv module (on Debian and Ubuntu: apt install python3-venv)" >&2
  missing=1
fi
exit $missing
