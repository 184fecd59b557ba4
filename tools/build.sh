#!/usr/bin/env bash
# Configures and builds one preset, quietly: a line when it starts, a line when it is done, everything when it fails.
#   usage: tools/build.sh PRESET [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: tools/build.sh PRESET [TARGET...]}
shift
log=build/$preset.log
mkdir -p build
start=$SECONDS
echo "building ($preset; the first time takes some minutes; details in $log)"
if ! cmake --preset "$preset" > "$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "millrace: configuring failed; the whole output is in $log" >&2
  exit 1
fi
targets=()
[ $# -gt 0 ] && targets=(--target "$@")
if ! cmake --build --preset "$preset" "${targets[@]}" >> "$log" 2>&1; then
  grep -nE 'error:|FAILED' "$log" | head -n 30 >&2 || true
  echo "millrace: the build failed; the whole output is in $log" >&2
  exit 1
fi
echo "built in $((SECONDS - start)) s"
