#!/usr/bin/env bash
# cluster.sh create | start FOLDER | stop FOLDER MODE | remove FOLDER | standby FOLDER | promote STANDBY FOLDER: clusters for tests,
# on the loopback address. create starts one and prints "FOLDER PORT"; remove also removes what was made in FOLDER by a create with
# PG_CAMPAIGN_CLUSTERS=FOLDER. standby starts a standby of one, and prints the same of it; promote lets it take the place of its
# primary, which has been stopped, also on its port. They need no disk: they survive the end of the server, not that of the machine.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
locate

# in_new_folder COMMAND…: the command makes $folder/data.
in_new_folder() {
  local port
  folder=$(mktemp -d "${PG_CAMPAIGN_CLUSTERS:-$PLACE}/test.XXXXXX")
  trap 'remove "$folder"' EXIT
  trap 'exit 130' INT TERM
  chmod 755 "$folder"
  "$@"
  port=$(free_port)
  echo "$port" >"$folder/port"
  start "$folder"
  trap - EXIT
  echo "$folder $port"
}

new_data() { new_cluster "$folder/data" "fsync = off" "full_page_writes = off" "max_connections = 200"; }

create() { in_new_folder new_data; }

copied_data() {
  mkdir -m 700 "$folder/data"
  [[ $(id -u) != 0 ]] || chown postgres: "$folder/data"
  as_server "$PG_BIN/pg_basebackup" -h 127.0.0.1 -p "$(<"$1/port")" -U postgres -D "$folder/data" -R -c fast --no-sync
}

standby() { in_new_folder copied_data "$1"; }

promote() {
  as_server "$PG_BIN/pg_ctl" promote -s -w -t 60 -D "$1/data"
  stop "$1" fast
  cp "$2/port" "$1/port"
  start "$1"
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
  create | start | stop | remove | standby | promote) "$@" ;;
  *) die "cluster.sh: expected create, start, stop, remove, standby or promote" ;;
esac
