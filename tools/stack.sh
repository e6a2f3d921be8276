#!/usr/bin/env bash
# stack.sh up|down|reset|status|psql: the private stack (PostgreSQL, mail catcher, runner, web server) of this checkout.
# What runs and where is in .run/env; data stays until reset.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
locate
DATA=$PLACE/data
MAILBOX=$RUN/mail

# value NAME: of .run/env
value() { sed -n "s/^$1=//p" "$RUN/env" 2>/dev/null || true; }

# What tells a process from a later one with the same number: the boot, and the tick of its start.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # the fields after the name, which may hold spaces
  set -- ${stat##*) }
  [[ $1 != Z ]] || return 1
  echo "$(cat /proc/sys/kernel/random/boot_id) ${20}"
}

# pid_of NAME: of the program that we started and that still runs; fails if there is none.
pid_of() {
  local pid started
  { read -r pid && read -r started; } 2>/dev/null <"$RUN/$1.pid" && [[ $(identity "$pid") == "$started" ]] && echo "$pid"
}

# spawn NAME COMMAND…: in the background, in a session of its own, so that a Ctrl-C does not reach it.
spawn() {
  local name=$1
  shift
  setsid "$@" >>"$RUN/$name.log" 2>&1 </dev/null 9>&- &
  printf '%s\n' "$!" "$(identity "$!")" >"$RUN/$name.pid"
}

alive_and() {
  local name=$1
  shift
  pid_of "$name" >/dev/null || { tail -n 20 "$RUN/$name.log" >&2; die "$name has ended" "Above: the end of $RUN/$name.log"; }
  "$@"
}

# end NAME SECONDS: asks it to end, and insists after that time.
end() {
  local pid deadline=$((SECONDS + $2))
  if pid=$(pid_of "$1"); then
    kill "$pid" 2>/dev/null || true
    while pid_of "$1" >/dev/null; do
      if ((SECONDS >= deadline)); then
        say "$1 does not end; killing it"
        kill -9 "$pid" 2>/dev/null || true
        deadline=$((SECONDS + 10))
      fi
      sleep 0.1
    done
  fi
  rm -f "$RUN/$1.pid"
}

admin() { sql -h 127.0.0.1 -p "$(value PGPORT)" -U postgres "$@"; }

runner_registered() { [[ $(admin campaign -c "select exists (select from campaign.runner where pid = $1)") == t ]]; }

up_postgresql() {
  local port
  cluster_runs "$DATA" && return
  say "Starting PostgreSQL"
  [[ -d $DATA ]] || new_cluster "$DATA" "cluster_name = 'pg_campaign'"
  port=$(free_port "$(value PGPORT)")
  start_cluster "$DATA" "$port"
  write_env "$port" "$(value SMTP_PORT)" "$(value HTTP_URL)"
}

up_database() {
  local build
  build=$(cat "$PREFIX$DEBIAN_SHARE"/extension/pg_campaign--*.sql | cksum)
  if [[ $(admin postgres -c "select exists (select from pg_database where datname = 'campaign')") == f ]]; then
    admin postgres -c "set client_min_messages = warning" -c "drop database if exists campaign_new" -c "create database campaign_new"
    admin campaign_new -c "create extension pg_campaign"
    admin postgres <<SQL
alter database campaign_new set search_path = "\$user", public, campaign;
do \$\$
begin
  if to_regrole('campaign_runner_login') is null then
    create role campaign_runner_login login in role campaign_runner;
  end if;
  if to_regrole('campaign_server_login') is null then
    create role campaign_server_login login in role campaign_server;
  end if;
end \$\$;
comment on database campaign_new is 'pg_campaign built as $build';
alter database campaign_new rename to campaign;
SQL
  elif [[ $(admin postgres -c "select shobj_description(oid, 'pg_database') from pg_database where datname = 'campaign'") != "pg_campaign built as $build" ]]; then
    say "The database was made by another build of the extension than the present one; 'make reset' makes a new one"
  fi
}

up_catcher() {
  local port
  pid_of mail-catcher >/dev/null && return
  say "Starting the mail catcher"
  port=$(free_port "$(value SMTP_PORT)")
  mkdir -p "$MAILBOX"
  write_env "$(value PGPORT)" "$port" "$(value HTTP_URL)"
  spawn mail-catcher "$CARGO_TARGET_DIR/release/mail-catcher" --listen "127.0.0.1:$port" --mailbox "$MAILBOX"
  wait_for 15 "mail-catcher" "$RUN/mail-catcher.log" alive_and mail-catcher in_use "$port"
}

up_runner() {
  pid_of campaign-runner >/dev/null && return
  say "Starting campaign-runner"
  spawn campaign-runner env PGHOST=127.0.0.1 PGPORT="$(value PGPORT)" PGUSER=campaign_runner_login PGDATABASE=campaign \
    "$CARGO_TARGET_DIR/release/campaign-runner" run
  wait_for 30 "campaign-runner" "$RUN/campaign-runner.log" \
    alive_and campaign-runner runner_registered "$(pid_of campaign-runner)"
}

up_server() {
  local port
  pid_of campaign-server >/dev/null && return
  say "Starting campaign-runner serve"
  port=$(value HTTP_URL)
  port=$(free_port "${port##*:}")
  write_env "$(value PGPORT)" "$(value SMTP_PORT)" "http://127.0.0.1:$port"
  spawn campaign-server env PGHOST=127.0.0.1 PGPORT="$(value PGPORT)" PGUSER=campaign_server_login PGDATABASE=campaign \
    "$CARGO_TARGET_DIR/release/campaign-runner" serve --listen "127.0.0.1:$port" --docs true
  wait_for 30 "campaign-runner serve" "$RUN/campaign-server.log" alive_and campaign-server in_use "$port"
  # Links of mails lead here, unless somebody has told otherwise. The port may be another one than last time.
  admin campaign -c "
    insert into campaign.setting (name, value) values ('public_url', '$(value HTTP_URL)')
    on conflict (name) do update set value = excluded.value where setting.value ~ '^http://127\.0\.0\.1:\d+\$'"
}

# write_env PGPORT SMTP_PORT HTTP_URL
write_env() {
  printf '%s\n' PGHOST=127.0.0.1 "PGPORT=$1" PGUSER=postgres PGDATABASE=campaign \
    SMTP_HOST=127.0.0.1 "SMTP_PORT=$2" "MAILBOX=$MAILBOX" "HTTP_URL=$3" >"$RUN/env.new"
  mv "$RUN/env.new" "$RUN/env"
}

up() {
  up_postgresql
  up_database
  up_catcher
  aim_demo
  up_runner
  up_server
}

# The catcher may have had to take another port than the one that the demo's relay names.
aim_demo() {
  admin campaign -c "
    update campaign.email_integrations
    set config = config || jsonb_build_object('port', $(value SMTP_PORT))
    where name = 'demo' and (config ->> 'port')::numeric <> $(value SMTP_PORT)"
}

# running: the names of what runs.
running() {
  if cluster_runs "$DATA"; then echo postgresql; fi
  if pid_of mail-catcher >/dev/null; then echo mail-catcher; fi
  if pid_of campaign-runner >/dev/null; then echo campaign-runner; fi
  if pid_of campaign-server >/dev/null; then echo campaign-server; fi
}

# down [NAME…]: stops these, or all, in the order in which nothing is missed.
down() {
  local names=" ${*:-campaign-server campaign-runner mail-catcher postgresql} "
  if [[ $names == *" campaign-server "* ]]; then end campaign-server 30; fi
  if [[ $names == *" campaign-runner "* ]]; then end campaign-runner 45; fi
  if [[ $names == *" mail-catcher "* ]]; then end mail-catcher 10; fi
  if [[ $names == *" postgresql "* ]] && cluster_runs "$DATA"; then stop_cluster "$DATA" fast; fi
}

reset() {
  down
  rm -rf -- "$PLACE" "$RUN"
}

status() {
  local names
  names=$(running)
  names=${names//$'\n'/, }
  say "Running: ${names:-nothing}"
  if [[ -n $names ]]; then cat "$RUN/env"; fi
}

psql() {
  cluster_runs "$DATA" || die "PostgreSQL is not running" "Start it with: make up"
  exec "$PG_BIN/psql" -h 127.0.0.1 -p "$(value PGPORT)" -U postgres campaign
}

# Two at a time would both start what is not there yet. What is started does not inherit the lock.
one_at_a_time() {
  exec 9>"$RUN/lock"
  flock 9
}

case ${1:-} in
  up | down | reset)
    one_at_a_time
    "$@"
    ;;
  running | status | psql) "$@" ;;
  *) die "stack.sh: expected up, down, reset, running, status or psql" ;;
esac
