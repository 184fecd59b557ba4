#!/usr/bin/env bash
# Plants one fault of planted/ into a copy of this tree, builds the scenarios there and runs them until one is red.
#   tests/scenario/plant.sh NAME [FOLDER]     NAME: of planted/NAME.patch; FOLDER: where the copy is made (a new one of /tmp)
# Exit 0: a scenario turned red, as it should.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
name=$1
copy=${2:-$(mktemp -d /tmp/millrace-planted-XXXXXX)}
git -C "$root" worktree add --detach --force "$copy" HEAD > /dev/null
trap 'git -C "$root" worktree remove --force "$copy"' EXIT
git -C "$copy" apply "$root/tests/scenario/planted/$name.patch"
cmake -S "$copy" --preset quick > /dev/null
cmake --build "$copy/build/quick" --target scenario_test > /dev/null
if "$copy/build/quick/scenario_test" --gtest_filter='Ten/*' --gtest_break_on_failure=0 > "$copy/out" 2>&1; then
  echo "planted $name: every scenario is green, and should not be" >&2
  exit 1
fi
grep -A3 -E '^seed [0-9]+, step' "$copy/out"
