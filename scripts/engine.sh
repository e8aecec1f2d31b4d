#!/usr/bin/env bash
# Finds a Docker engine, or starts one of our own.
#
#   scripts/engine.sh         prints one line on stdout, DOCKER_HOST=…; everything else goes to stderr
#   scripts/engine.sh stop    stops the engine this script started, and no other
#
# An engine that answers at $DOCKER_HOST or at /var/run/docker.sock is used and left alone. Otherwise Debian's docker.io
# is installed and started with its own data folder (.engine, or $TRACELESS_ENGINE_DIR), its own socket, no bridge and no
# packet filter rules. It outlives this script and is found again by the next run.
#
# TRACELESS_ENGINE_SUITE=bookworm|trixie|sid asks for the engine of another Debian release instead, whatever else answers, and
# TRACELESS_ENGINE_STORE=containerd for its containerd image store. scripts/engines.sh runs all of them side by side.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/debian.sh
source "$here/debian.sh"
# shellcheck source=scripts/engine-root.sh
source "$here/engine-root.sh"

suite=${TRACELESS_ENGINE_SUITE:-}
store=${TRACELESS_ENGINE_STORE:-}
engine_dir=$(realpath --canonicalize-missing "${TRACELESS_ENGINE_DIR:-$here/../.engine${suite:+/$suite}${store:+-$store}}")
# A unix socket's path has at most 107 bytes (unix(7)) and containerd appends to it, so sockets do not stand below the
# repository, which may lie deep. /run is also emptied at boot, when a pid file would name a stranger.
run_dir=/run/traceless-$(printf %s "$engine_dir" | sha256sum | cut -c1-12)
pid_file=$run_dir/pid
own_host=unix://$run_dir/docker.sock
log=$engine_dir/dockerd.log
start_limit_seconds=60
stop_limit_seconds=30

# True where an engine answers /_ping. Node asks, because a fresh machine need not have curl.
answers() {
  # shellcheck disable=SC2016  # the dollars are JavaScript's
  PING_HOST=$1 node --input-type=module --eval '
    import { get as plain } from "node:http"
    import { get as secure } from "node:https"
    import { readFileSync } from "node:fs"
    const { protocol, pathname, hostname, port } = new URL(process.env.PING_HOST)
    const pem = (name) => readFileSync(`${process.env.DOCKER_CERT_PATH ?? `${process.env.HOME}/.docker`}/${name}.pem`)
    const path = "/_ping"
    const timeout = 3000
    const done = (response) => process.exit(response.statusCode === 200 ? 0 : 1)
    const request =
      protocol === "unix:" ? plain({ socketPath: pathname, path, timeout }, done)
      : protocol !== "tcp:" ? process.exit(1)
      : process.env.DOCKER_TLS_VERIFY
        ? secure({ hostname, port: port || 2376, path, timeout, ca: pem("ca"), cert: pem("cert"), key: pem("key") }, done)
        : plain({ hostname, port: port || 2375, path, timeout }, done)
    request.on("error", () => process.exit(1)).on("timeout", () => process.exit(1))
  ' </dev/null >/dev/null 2>&1
}

# Prints the pid of our engine; false where it does not run. A number in a file is not enough to end a process by.
own_pid() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep --quiet --line-regexp --fixed-strings -- "--pidfile=$pid_file" || return 1
  echo "$pid"
}

found() {
  echo "DOCKER_HOST=$1"
  exit 0
}

find_foreign() {
  [[ -z $suite ]] || return 0
  if [[ -n ${DOCKER_HOST:-} ]]; then
    if answers "$DOCKER_HOST"; then found "$DOCKER_HOST"; fi
    echo "No engine answers at DOCKER_HOST; looking for another one." >&2
  fi
  if [[ -S /var/run/docker.sock ]] && answers unix:///var/run/docker.sock; then found unix:///var/run/docker.sock; fi
}

# Two runs at once must not start two engines: whoever comes second waits here and then finds the first one's.
lock() {
  if ((EUID != 0)); then
    echo "No Docker engine answers, and starting one needs root. Start one yourself, or set DOCKER_HOST." >&2
    exit 1
  fi
  mkdir --parents "$run_dir"
  chmod 0700 "$run_dir"
  exec 9>"$run_dir/lock"
  flock --timeout 300 9
}

start() {
  local root cache launcher=()
  if [[ -n $suite ]]; then
    root=$(engine_root "$suite")
    # Base images are made with packages that stand there.
    cache=$(realpath --canonicalize-missing "$here/../.cache")
    # shellcheck disable=SC2016  # the inner shell's
    launcher=(unshare --mount --propagation=private bash -euc 'source "$0"; run_in_root "$@"'
      "$here/engine-root.sh" "$root" "$engine_dir" "$run_dir" "$cache" --)
  else
    command -v dockerd >/dev/null || install_packages docker.io iptables 9>&-
    # Debian's package starts a system-wide engine where an init system runs.
    find_foreign
  fi
  mkdir --parents "$engine_dir"
  rm --force "$pid_file"
  printf '{"features":{"containerd-snapshotter":%s}}\n' "$([[ $store == containerd ]] && echo true || echo false)" \
    >"$engine_dir/daemon.json"
  # Every descriptor is cut off, the lock and the caller's stdout too: `$(make engine)` ends when its pipe closes.
  setsid --fork nohup "${launcher[@]}" \
    dockerd --config-file="$engine_dir/daemon.json" --data-root="$engine_dir/data" --exec-root="$run_dir/exec" \
    --pidfile="$pid_file" --host="$own_host" --iptables=false --ip6tables=false --bridge=none \
    </dev/null >"$log" 2>&1 9>&-
  echo "Starting a Docker engine; its log is $log" >&2
}

wait_until_it_answers() {
  local deadline=$((SECONDS + start_limit_seconds))
  until answers "$own_host"; do
    if ((SECONDS >= deadline)) || grep --quiet '^failed to start daemon' "$log"; then
      echo "The engine does not answer. The end of its log:" >&2
      tail --lines=20 "$log" >&2
      exit 1
    fi
    sleep 0.2
  done
}

stop() {
  local pid
  if ! pid=$(own_pid); then
    echo "No engine of ours runs." >&2
    return 0
  fi
  kill -TERM "$pid"
  local deadline=$((SECONDS + stop_limit_seconds))
  while own_pid >/dev/null; do
    if ((SECONDS >= deadline)); then
      echo "The engine (process $pid) did not stop within $stop_limit_seconds s." >&2
      return 1
    fi
    sleep 0.2
  done
  unmount_leftovers
  rm --force --recursive "$run_dir/exec" "$pid_file"
  echo "The engine has stopped." >&2
}

# An engine that has run a container leaves its network namespace mounted, and a mounted file cannot be removed.
unmount_leftovers() {
  local mounted
  awk -v run="$run_dir/" -v data="$engine_dir/" 'index($5, run) == 1 || index($5, data) == 1 { print $5 }' \
    /proc/self/mountinfo | tac | while read -r mounted; do umount "$mounted"; done
}

case ${1:-start} in
  start)
    find_foreign
    lock
    own_pid >/dev/null || start
    wait_until_it_answers
    found "$own_host"
    ;;
  stop)
    lock
    stop
    ;;
  *)
    echo "usage: scripts/engine.sh [start|stop]" >&2
    exit 2
    ;;
esac
