# shellcheck shell=bash
# Root folders with the Docker engine of another Debian release, for scripts/engine.sh, which sources this file after
# debian.sh. They are kept in .cache/engines and shared by every engine that runs from them.

# Debian sid's archive is signed for a week only, and a snapshot of it is older than that.
declare -A suite_options=([bookworm]='' [trixie]='' [sid]='--aptopt=Acquire::Check-Valid-Until "false"')
root_packages=docker.io,iptables,ca-certificates

# Prints the root folder of a suite; makes it first where there is none.
engine_root() {
  local suite=$1 cache root recipe
  if [[ ! -v suite_options[$suite] ]]; then
    echo "No engine can be made of the Debian release '$suite'; known: ${!suite_options[*]}." >&2
    return 1
  fi
  recipe=$(printf '%s\n' "$suite" "$root_packages" | sha256sum | cut -c1-12)
  cache=$(realpath --canonicalize-missing "$here/../.cache/engines")
  root=$cache/$suite-$recipe
  mkdir --parents "$cache"
  (
    flock --timeout 900 8
    [[ -d $root ]] || make_root "$suite" "$root"
  ) 8>"$cache/lock"
  echo "$root"
}

make_root() {
  local suite=$1 root=$2
  install_packages mmdebstrap 8>&- 9>&-
  echo "Making a Debian root folder with the engine of $suite; this takes about a minute." >&2
  rm --force --recursive "$root.part"
  mmdebstrap --quiet --variant=minbase ${suite_options[$suite]:+"${suite_options[$suite]}"} \
    --include="$root_packages" "$suite" "$root.part" </dev/null >&2
  mv "$root.part" "$root"
}

# Runs a program inside a root folder, in a mount namespace of its own: mounts end with the program, and its engine's
# folders have the same paths inside and outside.
#
# usage: run_in_root ROOT FOLDER… -- PROGRAM ARGUMENT…
run_in_root() {
  local root=$1 folder folders=()
  shift
  while [[ $1 != -- ]]; do
    folders+=("$1")
    shift
  done
  shift
  mount --bind "$root" "$root"
  for folder in proc sys dev tmp; do mount --rbind "/$folder" "$root/$folder"; done
  mount -t tmpfs tmpfs "$root/run"
  for folder in "${folders[@]}"; do
    mkdir --parents "$root$folder"
    mount --bind "$folder" "$root$folder"
  done
  # Not chroot alone: what enters the namespace of a container would begin at the machine's own root.
  cd "$root"
  pivot_root . mnt
  # shellcheck disable=SC2016  # the inner shell's
  exec chroot . /bin/sh -euc 'umount --lazy /mnt; exec "$@"' sh "$@"
}
