#!/usr/bin/env bash
# run.sh DATABASE [SPEC…]: races of two sessions, by PostgreSQL's isolation tester; all of the schedule, or those named. DATABASE has
# pg_campaign and pgtap, and is the test's to write in; the server is found by PGHOST, PGPORT, PGUSER. What differed is shown.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
database=${1:?usage: run.sh DATABASE [SPEC…]}
shift
output=$(mktemp -d)
trap 'rm -rf -- "$output"' EXIT

if (($# == 0)); then
  set -- --schedule=schedule
fi
psql -Xq -v ON_ERROR_STOP=1 -d "$database" -f ../sql/_protocol.sql -f ../sql/_tokens.sql >/dev/null 2>&1
status=0
/usr/lib/postgresql/15/lib/pgxs/src/test/isolation/pg_isolation_regress --use-existing --dbname="$database" \
  --host="$PGHOST" --port="$PGPORT" --user="$PGUSER" --inputdir=. --outputdir="$output" "$@" || status=$?
((status == 0)) || cat -- "$output/regression.diffs"
exit "$status"
