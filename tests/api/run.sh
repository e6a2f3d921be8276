#!/usr/bin/env bash
# run.sh DATABASE: asks a server of this database, an empty one with the extension, all that its own description allows, and
# what it does not, by schemathesis; the same requests each time. No answer may be a server error, a status that is not
# described, or of another form than described.
source "$(dirname -- "${BASH_SOURCE[0]}")/../../tools/lib.sh"
locate
database=$1
log=$RUN/api-server.log

quiet_sql() { PGOPTIONS='-c client_min_messages=error' sql "$database" "$@"; }

quiet_sql -c "create role campaign_api_login login in role campaign_server"
for file in sql/meetup/*.sql sql/meetup/demo/*.sql; do
  quiet_sql -v smtp_host=127.0.0.1 -v smtp_port=9 -f "$file" >/dev/null
done
quiet_sql -c "insert into campaign.setting (name, value) values ('public_url', 'https://mail.example.com')"
# One campaign with failed and uncertain recipients would need a runner: these wait for one, and never find it.
jobs=$(quiet_sql -c "
  select string_agg(format('\"%s\"', j.id), ', ')
  from public.events e
  cross join (values ('checked-in', 'thanks-for-coming'), ('no-show', 'we-missed-you')) as c (segment, template)
  cross join lateral campaign.start_campaign(c.segment, c.template, e.id) j")
event=$(quiet_sql -c "select id from public.events limit 1")
admin=$(quiet_sql -c "select token from campaign.create_api_token('admin', 'admin')")
reader=$(quiet_sql -c "select token from campaign.create_api_token('reader', 'reader')")

port=$(free_port)
PGDATABASE=$database PGUSER=campaign_api_login "$CARGO_TARGET_DIR/debug/campaign-runner" serve \
  --listen "127.0.0.1:$port" --docs true --rate 100000 >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
wait_for 15 "campaign-runner serve" "$log" in_use "$port"

# Half of the requests name what exists. That a value may be refused though it has the right type, no description can tell.
cat >"$RUN/schemathesis.toml" <<CONFIG
[dictionaries]
jobs = { values = [$jobs] }
events = { values = ["$event"] }
templates = { values = ["thanks-for-coming", "we-missed-you"] }
segments = { values = ["checked-in", "no-show"] }

[parameters]
"path.id" = { dictionary = "jobs", probability = 0.5 }
"path.name" = { dictionary = "segments", probability = 0.5 }
"path.template" = { dictionary = "templates", probability = 0.5 }
"query.event_id" = { dictionary = "events", probability = 0.5 }
"query.template_id" = { dictionary = "templates", probability = 0.5 }

[checks]
positive_data_acceptance.enabled = false

CONFIG

# ask TOKEN ROUNDS
ask() (
  cd "$RUN"
  # A stream of events has no end.
  NO_PROXY='*' "$SCHEMATHESIS/bin/st" --config-file schemathesis.toml --no-color run --warnings off "http://127.0.0.1:$port/api/openapi.json" \
    --header "Authorization: Bearer $1" --exclude-path '/api/campaigns/{id}/events' \
    --phases examples,coverage,fuzzing,stateful --max-examples "$2" --generation-deterministic --no-shrink \
    --request-timeout 30 --max-redirects 0 --continue-on-failure
)
# A reader may do less, and is told so.
{ ask "$admin" 100 && ask "$reader" 15; } || {
  tail -n 20 "$log" >&2
  die "the API does not keep to its description" "See above; the log of the server is $log"
}
if grep -q ' ERROR ' "$log"; then
  grep ' ERROR ' "$log" | tail -n 20 >&2
  die "the server has logged errors" "The log of the server is $log"
fi
