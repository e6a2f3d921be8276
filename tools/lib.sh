# shellcheck shell=bash
# Sourced by the other scripts: where things lie, and the private PostgreSQL.
set -euo pipefail
umask 022

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$ROOT"
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
PGRX_VERSION=0.18.1
TOOLS=${PG_CAMPAIGN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pg_campaign/cargo-pgrx-$PGRX_VERSION}
# A mail server for tests: see setup.sh.
EXIM=$TOOLS/exim4
# Tests the REST API: see setup.sh.
SCHEMATHESIS=$TOOLS/schemathesis
# What benchmarks send to, and what they are compared with: see setup.sh.
SMTP_SINK=$TOOLS/smtp-sink
PEERS=$TOOLS/peers
DEBIAN_LIB=/usr/lib/postgresql/15
DEBIAN_SHARE=/usr/share/postgresql/15
RUN=$ROOT/.run
export HOME PATH CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
# With this, pgrx needs no `cargo pgrx init`, which would download PostgreSQL.
export PGRX_PG_CONFIG_PATH=$DEBIAN_LIB/bin/pg_config

say() { printf '==> %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  printf '       %s\n' "$@" >&2
  exit 1
}

# The cargo-pgrx of exactly the version of pgrx, which it insists on: one on the PATH, or ours.
cargo_pgrx() {
  local candidate
  for candidate in "$(command -v cargo-pgrx)" "$TOOLS/bin/cargo-pgrx"; do
    if [[ -x $candidate && $("$candidate" pgrx --version) == "cargo-pgrx $PGRX_VERSION" ]]; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

# PostgreSQL refuses to run as root.
as_server() {
  if [[ $(id -u) == 0 ]]; then
    (cd "$PLACE" && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

# Sets PLACE, the folder of the private installation and of its data: .run, or, where PostgreSQL's user cannot reach the
# checkout, one below /var/tmp that belongs to this checkout.
locate() {
  PLACE=$RUN
  if [[ $(id -u) == 0 ]] && ! runuser -u postgres -- test -x "$ROOT" 2>/dev/null; then
    PLACE=/var/tmp/pg_campaign-$(printf '%s' "$ROOT" | cksum | cut -d ' ' -f 1)
  fi
  mkdir -p "$RUN" "$PLACE"
  [[ -O $PLACE && ! -L $PLACE ]] ||
    die "$PLACE belongs to somebody else" "It is where the private PostgreSQL would be installed. Remove it, then try again."
  # shellcheck disable=SC2034 # used by the scripts that source this one
  PREFIX=$PLACE/prefix PG_BIN=$PLACE/prefix$DEBIAN_LIB/bin
}

in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port [WISHED]: the wished one if it is free, else any below the range that the kernel gives to clients.
free_port() {
  local port=${1:-}
  while [[ -z $port ]] || in_use "$port"; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
  done
  echo "$port"
}

# wait_for SECONDS WHAT LOG COMMAND…: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1)) what=$2 log=$3
  shift 3
  until "$@"; do
    if ((SECONDS >= end)); then
      tail -n 20 "$log" >&2 || true
      die "$what is not ready" "Above: the end of $log"
    fi
    sleep 0.1
  done
}

# new_cluster DATA SETTING…: trust, because it listens on the loopback address only and is for this machine's user.
new_cluster() {
  local data=$1
  shift
  rm -rf "$data.new"
  mkdir "$data.new"
  [[ $(id -u) != 0 ]] || chown postgres: "$data.new"
  as_server "$PG_BIN/initdb" -D "$data.new" -U postgres -A trust -E UTF8 --locale C.UTF-8 --no-sync >"$RUN/initdb.log" ||
    die "initdb failed" "See above and $RUN/initdb.log"
  printf '%s\n' "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" "$@" >>"$data.new/postgresql.conf"
  mv "$data.new" "$data"
}

# The postmaster works in its data folder: so a left-over pid file whose number went to another process is recognised.
cluster_runs() {
  local pid
  pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && [[ $(readlink "/proc/$pid/cwd") == "$1" ]]
}

# start_cluster DATA PORT
start_cluster() {
  if [[ -e $1/postmaster.pid ]] && ! cluster_runs "$1"; then
    rm -f "$1/postmaster.pid"
  fi
  as_server "$PG_BIN/pg_ctl" start -s -w -t 60 -D "$1" -l "$1/server.log" -o "-p $2" 9>&- || {
    tail -n 20 "$1/server.log" >&2 || true
    die "PostgreSQL does not start" "Above: the end of $1/server.log"
  }
}

# stop_cluster DATA MODE
stop_cluster() { as_server "$PG_BIN/pg_ctl" stop -s -w -t 60 -D "$1" -m "$2"; }

# create_cluster KIND: a cluster that lives only as long as the script, with a database to clone. KIND is a command of cluster.sh.
create_cluster() {
  local cluster
  trap 'exit 130' INT TERM
  cluster=$(tools/cluster.sh "$1")
  trap 'tools/cluster.sh remove "$PG_CAMPAIGN_CLUSTERS"' EXIT
  # Where tests make clusters of their own.
  export PG_CAMPAIGN_CLUSTERS=${cluster% *}
  export PGHOST=127.0.0.1 PGUSER=postgres PGPORT=${cluster##* }
  sql postgres -c "create database campaign_template"
  sql campaign_template -c "create extension pg_campaign"
}

sql() { "$PG_BIN/psql" -qAtX -v ON_ERROR_STOP=1 "$@"; }
