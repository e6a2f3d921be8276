#!/usr/bin/env bash
# cluster.sh create [SIZE] | create_durable | start FOLDER | stop FOLDER MODE | remove FOLDER | standby FOLDER | promote STANDBY FOLDER:
# clusters for tests, on the loopback address. create starts one and prints "FOLDER PORT"; with a SIZE, FOLDER/small is a disk of this
# size, seen by its server only and gone with it. remove also removes what was made in FOLDER by a create with
# PG_CAMPAIGN_CLUSTERS=FOLDER. standby starts a standby of one, and prints the same of it; promote lets it take the place of its primary,
# which has been stopped, also on its port. They need no disk: they survive the end of the server, not that of the machine. The one of
# create_durable, for benchmarks, survives both.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
locate

# in_new_folder STARTING COMMAND…: the command makes $folder/data, the other one starts the server.
in_new_folder() {
  local starting=$1 port
  shift
  folder=$(mktemp -d "${PG_CAMPAIGN_CLUSTERS:-$PLACE}/test.XXXXXX")
  trap 'remove "$folder"' EXIT
  trap 'exit 130' INT TERM
  chmod 755 "$folder"
  "$@"
  port=$(free_port)
  echo "$port" >"$folder/port"
  "$starting" "$folder"
  trap - EXIT
  echo "$folder $port"
}

new_data() { new_cluster "$folder/data" "fsync = off" "full_page_writes = off" "max_connections = 200"; }

create() {
  size=${1:-}
  in_new_folder "start${size:+_with_small_disk}" new_data
}

# No checkpoint falls into a measurement: else figures would be those of when it did.
durable_data() {
  new_cluster "$folder/data" "max_connections = 200" "shared_buffers = 2GB" "max_wal_size = 16GB" "checkpoint_timeout = 1h"
}

create_durable() { in_new_folder start durable_data; }

copied_data() {
  mkdir -m 700 "$folder/data"
  [[ $(id -u) != 0 ]] || chown postgres: "$folder/data"
  as_server "$PG_BIN/pg_basebackup" -h 127.0.0.1 -p "$(<"$1/port")" -U postgres -D "$folder/data" -R -c fast --no-sync
}

standby() { in_new_folder start copied_data "$1"; }

promote() {
  as_server "$PG_BIN/pg_ctl" promote -s -w -t 60 -D "$1/data"
  stop "$1" fast
  cp "$2/port" "$1/port"
  start "$1"
}

# A mount needs root: ours, that of a user namespace, or sudo's. PostgreSQL refuses to be root, there too.
start_with_small_disk() {
  local owner=0 outer inner
  if [[ $(id -u) == 0 ]]; then
    owner=$(id -u postgres) outer=(unshare --mount) inner=(runuser -u postgres --)
  elif unshare --map-root-user --mount true 2>/dev/null; then
    outer=(unshare --map-root-user --mount) inner=(unshare --user "--map-user=$(id -u)" "--map-group=$(id -g)")
  else
    owner=$(id -u) outer=(sudo unshare --mount) inner=(runuser -u "$(id -un)" --)
  fi
  mkdir "$1/small"
  # shellcheck disable=SC2016 # expanded by the inner shell
  "${outer[@]}" sh -c 'mount -t tmpfs -o "$1" small "$2" && cd "$2" && shift 2 && exec "$@"' - "size=$size,mode=700,uid=$owner" "$1/small" \
    "${inner[@]}" "$PG_BIN/pg_ctl" start -s -w -t 60 -D "$1/data" -l "$1/data/server.log" -o "-p $(<"$1/port")" ||
    die "a server with a small disk does not start" "It needs root, sudo, or user namespaces (unshare --map-root-user --mount)."
}

start() { start_cluster "$1/data" "$(<"$1/port")"; }

stop() { stop_cluster "$1/data" "$2"; }

remove() {
  local data
  for data in "$1"/data "$1"/test.*/data; do
    if cluster_runs "$data"; then stop_cluster "$data" immediate; fi
  done
  rm -rf -- "$1"
}

case ${1:-} in
  create | create_durable | start | stop | remove | standby | promote) "$@" ;;
  *) die "cluster.sh: expected create, create_durable, start, stop, remove, standby or promote" ;;
esac
