# shellcheck shell=bash
# Debian packages for the other scripts, which source this file. Needs root only when something is missing.

# Installs the named packages that dpkg does not show as installed. Prints nothing on stdout.
install_packages() {
  local package missing=()
  for package in "$@"; do
    # shellcheck disable=SC2016  # the format is dpkg's own, not the shell's
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return 0
  if ((EUID != 0)); then
    echo "These Debian packages are missing, and installing them needs root: ${missing[*]}" >&2
    return 1
  fi
  echo "Installing from Debian: ${missing[*]}" >&2
  renewing apt_install "${missing[@]}"
}

# A package list that is older than the archive names files that are gone: it is renewed only then, or when there is none.
# One of our scripts at a time, as apt does not wait for another one that renews it.
renewing() (
  exec 8>/run/lock/traceless-apt
  flock --timeout 600 8
  "$@" 2>/dev/null || { apt-get update -qq >&2 && "$@"; }
)

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

# Downloads the named packages, and nothing that they need, to a folder.
download_packages() {
  local folder=$1
  shift
  echo "Downloading from Debian: $*" >&2
  renewing apt_download "$folder" "$@"
}

# apt's own user could not write to a folder of ours.
apt_download() {
  (cd "$1" && apt-get download -qq -o APT::Sandbox::User=root "${@:2}" </dev/null >/dev/null)
}
