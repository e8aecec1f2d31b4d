#!/usr/bin/env bash
# The engine suite on every engine that Debian has, one after another, each in a root folder of its own:
#
#   scripts/engines.sh test [FILE…]   starts them, runs the suite (or these files of it) on each, prints a matrix
#   scripts/engines.sh start          starts all of them, side by side, and prints where they are
#   scripts/engines.sh stop           stops those that were started here
#
# Their data stands in .engine, their root folders and the results in .cache/engines.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

# Debian release and image store: 20.10, 26.1, 28.5 with overlay2 and 28.5 with containerd's store.
engines=('bookworm ' 'trixie ' 'sid ' 'sid containerd')
# What an engine can do to a build or a container. The other files are about pip, PostgreSQL, documents and the like.
suite=(test/engine/build-*.test.ts test/engine/{doors,publish,remote,run}.test.ts)

each() {
  local entry
  for entry in "${engines[@]}"; do
    export TRACELESS_ENGINE_SUITE=${entry% *} TRACELESS_ENGINE_STORE=${entry#* }
    "$@"
  done
}

start() {
  local host
  host=$(scripts/engine.sh)
  echo "$TRACELESS_ENGINE_SUITE${TRACELESS_ENGINE_STORE:+ $TRACELESS_ENGINE_STORE}: $host"
}

run_suite() {
  local result="$results/$TRACELESS_ENGINE_SUITE${TRACELESS_ENGINE_STORE:+-$TRACELESS_ENGINE_STORE}" host
  host=$(scripts/engine.sh)
  scripts/base-image.sh
  # Failures are in the result; the other engines are to be tried all the same.
  env "$host" node_modules/.bin/vitest run --project engine --reporter=default --reporter=json \
    --outputFile.json="$result.json" "${suite[@]}" || true
  echo "$host" >"$result.host"
}

case ${1:-} in
  test)
    shift
    (($# == 0)) || suite=("$@")
    scripts/test-tools.sh
    results=$(realpath --canonicalize-missing .cache/engines/results)
    rm --force --recursive "$results"
    mkdir --parents "$results"
    each run_suite
    node_modules/.bin/tsx scripts/engine-matrix.ts "$results"
    ;;
  start) each start ;;
  stop) each scripts/engine.sh stop ;;
  *)
    echo "usage: scripts/engines.sh test [FILE…] | start | stop" >&2
    exit 2
    ;;
esac
