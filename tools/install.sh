#!/usr/bin/env bash
# Installs the Debian packages of tools/packages.txt that are missing.   usage: tools/install.sh build|test
# Works as root and with sudo; asks the network only when something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

want=${1:?usage: tools/install.sh build|test}
sections=build
[ "$want" = test ] && sections="build test"

packages=()
section=
while read -r line; do
  case $line in
    '' | '#'*) ;;
    '['*']') section=${line//[\[\]]/} ;;
    *) case " $sections " in *" $section "*) packages+=("$line") ;; esac ;;
  esac
done < tools/packages.txt

# node and npm come from Debian only where there are none: beside a vendor's nodejs, apt refuses Debian's npm.
if [ "$want" = test ] && ! command -v npm > /dev/null; then packages+=(nodejs npm); fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get > /dev/null; then
  echo "millrace: these packages are missing and this system has no apt-get to install them: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "millrace: become root or install sudo, then run this again; missing packages: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! "${as_root[@]}" apt-get update -qq > "$log" 2>&1; then
  echo "millrace: the package lists cannot be fetched (no network?): $(grep -m1 -E '^(E|W):' "$log" || tail -n1 "$log")" >&2
  exit 1
fi
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > "$log" 2>&1; then
  echo "millrace: packages cannot be installed: $(grep -m1 '^E:' "$log" || tail -n1 "$log")" >&2
  exit 1
fi
