#!/usr/bin/env bash
# cluster.sh create | start FOLDER | stop FOLDER MODE | remove FOLDER: clusters for tests, on the loopback address.
# create starts one and prints "FOLDER PORT"; remove also removes what was made in FOLDER by a create with
# PG_CAMPAIGN_CLUSTERS=FOLDER. They need no disk: they survive the end of the server, not that of the machine.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
locate

create() {
  local port
  folder=$(mktemp -d "${PG_CAMPAIGN_CLUSTERS:-$PLACE}/test.XXXXXX")
  trap 'remove "$folder"' EXIT
  trap 'exit 130' INT TERM
  chmod 755 "$folder"
  new_cluster "$folder/data" "fsync = off" "full_page_writes = off" "max_connections = 200"
  port=$(free_port)
  echo "$port" >"$folder/port"
  start "$folder"
  trap - EXIT
  echo "$folder $port"
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
  create | start | stop | remove) "$@" ;;
  *) die "cluster.sh: expected create, start, stop or remove" ;;
esac
