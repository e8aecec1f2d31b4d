#!/usr/bin/env bash
# Brings the Debian programs that the tests compare the product with: what writes a value or packs a file in the tests is
# never the product itself. A second run finds everything and takes no time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/debian.sh
source "$here/debian.sh"

# Writers of encodings, packers, the server of the store's second dialect, a registry and its passwords, a remote login,
# a browser.
install_packages git python3 python3-pip python3-setuptools python3-wheel jq xxd zip zstd xz-utils bzip2 postgresql \
  docker-registry apache2-utils openssh-server openssh-client git-lfs chromium
