#!/usr/bin/env bash
# Configures and builds one preset: a terminal shows how far it is, a log gets a line each half minute, a failure shows its errors.
#   usage: tools/build.sh PRESET [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: tools/build.sh PRESET [TARGET...]}
shift
log=build/$preset.log
mkdir -p build
start=$SECONDS

# The terminal's columns but one; 0: stdout is none.
width=0
if [ -t 1 ]; then
  size=$(stty size < /dev/tty 2> /dev/null || echo "24 80")
  width=$((${size##* } - 1))
fi

# Takes ninja's lines from stdin: all of them into the log; its progress, "[12/182] …", to where people look.
follow() {
  local line progress told=$SECONDS
  while IFS= read -r line; do
    printf '%s\n' "$line" >> "$log"
    [[ $line =~ ^\[[1-9][0-9]*/[0-9]+\] ]] || continue
    progress="${BASH_REMATCH[0]} ${line##* }"
    if [ "$width" -gt 0 ]; then
      printf '\r\033[K%s' "${progress:0:width}"
    elif ((SECONDS - told >= 30)); then
      told=$SECONDS
      printf '  %s after %d s\n' "${BASH_REMATCH[0]}" $((SECONDS - start))
    fi
  done
  if [ "$width" -gt 0 ]; then printf '\r\033[K'; fi
}

first=
[ -d "build/$preset" ] || first="the first time takes some minutes; "
echo "building ($preset; ${first}details in $log)"
if ! cmake --preset "$preset" > "$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "millrace: configuring failed; the whole output is in $log" >&2
  exit 1
fi
targets=()
[ $# -gt 0 ] && targets=(--target "$@")
if ! NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" "${targets[@]}" 2>&1 | follow; then
  grep -nE -A3 'error:|undefined reference|ninja: ' "$log" | cut -c1-300 | head -n 40 >&2 || true
  echo "millrace: the build failed; the whole output is in $log" >&2
  exit 1
fi
echo "built in $((SECONDS - start)) s"
