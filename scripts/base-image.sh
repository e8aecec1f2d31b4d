#!/usr/bin/env bash
# Puts the base images of the demo and the tests into the engine that scripts/engine.sh finds or starts, without pulling anything:
# traceless-base:bookworm and its small relatives, which scripts/base-images.ts describes.
#
# The root file systems come from Debian's packages and are kept in .cache, with the wheels of setuptools and wheel that
# the local package index serves. What exists already is left as it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/debian.sh
source "$here/debian.sh"

suite=bookworm
# The -whl packages hold the wheels that pip's build isolation asks the index for.
packages=python3,python3-pip,python3-setuptools,python3-wheel,python3-setuptools-whl,python3-wheel-whl,git,ca-certificates
# What slim images leave out too: nobody reads it in a container, and it is a quarter of the bytes.
without=(/usr/share/{doc,info,locale,man}/'*')
# A changed recipe gives other file names and so new images.
recipe=$(printf '%s\n' "$suite" "$packages" "${without[@]}" | sha256sum | cut -c1-12)

cache=$(realpath --canonicalize-missing "$here/../.cache")
python=$cache/python-$recipe.tar
tiny=$cache/tiny.tar
wheels=$cache/wheels
# Not in the Python base, because most of what is tested needs none of it: what `traceless-base:ssh` has on top.
extras=(openssh-client libfido2-1 libcbor0.8 libedit2 libbsd0 libmd0 git-lfs)
debs=$cache/debs-$(printf '%s\n' "$suite" "${extras[@]}" | sha256sum | cut -c1-12)

mkdir --parents "$cache"
exec 9>"$cache/lock"
flock --timeout 600 9

# The fixtures serve repositories with it.
command -v git >/dev/null || install_packages git

if [[ ! -s $python ]]; then
  install_packages mmdebstrap
  echo "Making a Debian root file system with Python; this takes about half a minute." >&2
  mmdebstrap --quiet --variant=minbase --include="$packages" "${without[@]/#/--dpkgopt=path-exclude=}" \
    "$suite" "$python.part.tar" </dev/null >&2
  mv "$python.part.tar" "$python"
fi

if [[ ! -s $wheels/complete ]]; then
  rm --force --recursive "$wheels"
  mkdir --parents "$wheels"
  tar --extract --file="$python" --directory="$wheels" --strip-components=4 --wildcards './usr/share/python-wheels/*.whl'
  ls "$wheels" >"$wheels/complete"
fi

if [[ ! -s $debs/complete ]]; then
  rm --force --recursive "$debs"
  mkdir --parents "$debs"
  download_packages "$debs" "${extras[@]}"
  ls "$debs" >"$debs/complete"
fi

if [[ ! -s $tiny ]]; then
  install_packages busybox-static
  root=$(mktemp --directory)
  trap 'rm --force --recursive "$root"' EXIT
  mkdir --parents "$root"/{bin,etc,dev,proc,sys,root,run} "$root/var/empty"
  mkdir --mode=1777 "$root/tmp"
  cp "$(command -v busybox)" "$root/bin/busybox"
  "$root/bin/busybox" --list | while read -r applet; do [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"; done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  tar --create --file="$tiny.part" --directory="$root" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name .
  mv "$tiny.part" "$tiny"
fi

engine=$("$here/engine.sh" 9>&-)
export "${engine?}"
cd "$here/.."
exec node_modules/.bin/tsx scripts/base-images.ts "$recipe" "$python" "$tiny" "$debs" 9>&-
