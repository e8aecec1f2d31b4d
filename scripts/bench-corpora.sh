#!/usr/bin/env bash
# Brings what `npm run bench -- leak` measures with, all of it below .cache/bench, and prints nothing on stdout:
#
#   python.tar   a Debian root file system with Python and its documentation, about 300 MB
#   mixed.tar    over 1 GB: compilers' libraries, headers, documentation, a Java runtime, Node modules, random bytes
#   small.tar    100,000 small files
#   hyperscan    bench/leak/hyperscan.c, compiled
#
# and installs the peers that Debian has. A second run finds everything and takes no time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/debian.sh
source "$here/debian.sh"

install_packages ripgrep libhyperscan-dev gcc libc6-dev mmdebstrap python3

cache=$(realpath --canonicalize-missing "$here/../.cache")
bench=$cache/bench
mkdir --parents "$bench"
exec 9>"$bench/lock"
flock --timeout 900 9

if [[ ! -s $bench/python.tar ]]; then
  mmdebstrap --quiet --variant=minbase --include=python3,python3-pip,python3-setuptools,git,ca-certificates \
    bookworm "$bench/python.part.tar" </dev/null >&2
  mv "$bench/python.part.tar" "$bench/python.tar"
fi

if [[ ! -s $bench/mixed.tar ]]; then
  echo "Making a root file system of over 1 GB; this takes about two minutes." >&2
  mmdebstrap --quiet --variant=minbase \
    --include=python3,python3-doc,llvm-14-dev,openjdk-17-jre-headless,npm,linux-headers-amd64,python3-numpy \
    bookworm "$bench/mixed.part.tar" </dev/null >&2
  random=$(mktemp --directory)
  trap 'rm --force --recursive "$random"' EXIT
  head --bytes=150M /dev/urandom >"$random/random"
  tar --append --file="$bench/mixed.part.tar" --directory="$random" random
  mv "$bench/mixed.part.tar" "$bench/mixed.tar"
fi

if [[ ! -s $bench/small.tar ]]; then
  python3 "$here/../bench/leak/small-files.py" "$bench/python.tar" "$bench/small.part.tar"
  mv "$bench/small.part.tar" "$bench/small.tar"
fi

if [[ ! $bench/hyperscan -nt $here/../bench/leak/hyperscan.c ]]; then
  gcc -O2 -Wall -Wextra -o "$bench/hyperscan" "$here/../bench/leak/hyperscan.c" -lhs
fi
