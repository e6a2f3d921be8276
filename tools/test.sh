#!/usr/bin/env bash
# test.sh [STAGE…]: lint, unit, sql, isolation, guards, walks, e2e, api, docs, chaos (default: all). FILE=tests/sql/…/….sql runs that one
# pgTAP file. SPEC=… takes the guards of that spec of tests/isolation out, and shows what differs.
# UPDATE_DOCS=1 makes docs write the outputs that the documents show, instead of comparing them.
# PROPTEST_CASES and PROPTEST_RNG_SEED vary the random walks.
# bench_opens and bench_relay are not of all: benchmarks; SEED varies the random part of bench_relay.
# RUNS=… makes chaos so many runs, one family of faults after the other, and from 50 write docs/guarantee.md; by default few runs
# have all faults. SEED makes their schedules those of an earlier time, CHAOS_RUN is the only one of them.
# All but lint and unit run against a cluster that lives only as long as this script.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# All that is built for tests is built for all of these: else dependencies are built anew wherever packages want other features of them.
# The runner that the tests start is built alone, as it is when it is installed.
ALL=(--locked --workspace --exclude pg_campaign)

lint() {
  cargo fmt --all --check
  cargo clippy -q "${ALL[@]}" --all-targets -- -D warnings
  # Not default targets, so not of "all".
  cargo clippy -q "${ALL[@]}" --test campaign --test documents --test walks -- -D warnings
  # In the profile of the package, whose dependencies are built already.
  cargo clippy -q --locked --release -p pg_campaign -- -D warnings
}

unit() { cargo test -q "${ALL[@]}"; }

# One pgTAP file in its own clone of the template.
sql_file() {
  local database output status=0
  database=test_$BASHPID
  sql postgres -c "create database $database template campaign_template_pgtap"
  output=$(pg_prove --psql-bin "$PG_BIN/psql" -d "$database" "$1" 2>&1) || status=1
  sql postgres -c "drop database $database with (force)"
  if ((status == 0)); then
    echo "ok   $1"
  else
    printf 'FAIL %s\n%s\n' "$1" "$output"
  fi
  return $status
}

sql_tests() {
  local files=${FILE:-$(find tests/sql -mindepth 2 -name '*.sql' | sort)}
  [[ -n $files ]] || die "no test in tests/sql"
  sql postgres -c "create database campaign_template_pgtap template campaign_template"
  sql campaign_template_pgtap -c "create extension pgtap"
  export -f sql sql_file
  export PG_BIN
  # shellcheck disable=SC2016 # expanded by the inner shell
  xargs -d '\n' -n 1 -P 2 bash -c 'sql_file "$1"' - <<<"$files"
}

api() {
  cargo build -q --locked -p campaign-runner
  sql postgres -c "create database api template campaign_template"
  tests/api/run.sh api
}

docs() {
  cargo build -q --locked -p campaign-runner
  PATH=$PG_BIN:$PATH CAMPAIGN_TEMPLATE_DB=campaign_template cargo test -q "${ALL[@]}" --test documents
}

isolation() {
  sql postgres -c "create database races template campaign_template"
  sql races -c "create extension pgtap"
  tests/isolation/run.sh races
}

guards() {
  sql postgres -c "create database guarded template campaign_template"
  sql guarded -c "create extension pgtap"
  tests/isolation/guards.sh guarded ${SPEC:+"$SPEC"}
}

walks() { CAMPAIGN_TEMPLATE_DB=campaign_template cargo test -q "${ALL[@]}" --test walks; }

e2e() {
  cargo build -q --locked -p campaign-runner
  export CAMPAIGN_TEMPLATE_DB=campaign_template PG_BIN EXIM
  # They wait more than they work.
  local threads=$(($(nproc) * 3 / 2))
  cargo test -q "${ALL[@]}" --test campaign -- --test-threads "$threads"
  say "Test: e2e, without notifications"
  # Less those of servers, which listen for the progress of campaigns only: that is in api and api_events; those in which the
  # database is away or another one, which silences notifications anyway; and those of real MTAs.
  local skipped=(api_limits:: bad_days:: failover:: restore:: clients:: tracking:: unsubscribe:: mta::)
  CAMPAIGN_RUNNER_NOTIFY=false cargo test -q "${ALL[@]}" --test campaign -- --test-threads "$threads" "${skipped[@]/#/--skip=}"
}

chaos() {
  local runs=(--all-at-once --runs 6)
  if [[ -n ${RUNS:-} ]]; then
    runs=(--runs "$RUNS")
    if ((RUNS >= 50)) && [[ -z ${CHAOS_RUN:-} ]]; then runs+=(--document docs/guarantee.md); fi
  fi
  cargo build -q --locked -p campaign-runner
  cargo build -q "${ALL[@]}" --bin chaos
  export PG_BIN CAMPAIGN_RUNNER=$CARGO_TARGET_DIR/debug/campaign-runner
  FAKETIME_LIBRARY=$(dpkg -L libfaketime | grep '/libfaketimeMT\.so\.1$')
  export FAKETIME_LIBRARY
  "$CARGO_TARGET_DIR/debug/chaos" "${runs[@]}" ${SEED:+--seed "$SEED"} ${CHAOS_RUN:+--run "$CHAOS_RUN"} --logs "$CARGO_TARGET_DIR/chaos"
}

bench_opens() {
  export CAMPAIGN_TEMPLATE_DB=campaign_template
  cargo build -q --release --locked -p campaign-runner
  cargo bench -q --locked -p e2e --bench opens
}

bench_relay() {
  export CAMPAIGN_TEMPLATE_DB=campaign_template
  cargo build -q --release --locked -p campaign-runner
  cargo bench -q --locked -p e2e --bench relay
}

stages=("$@")
if ((${#stages[@]} == 0)); then
  stages=(lint unit sql isolation guards walks e2e api docs chaos)
fi
tools/setup.sh --test
tools/build.sh extension
locate
if [[ " ${stages[*]} " =~ \ (sql|isolation|guards|walks|e2e|api|docs|chaos|bench_opens|bench_relay)\  ]]; then
  create_cluster create
fi

failed=()
for stage in "${stages[@]}"; do
  [[ $stage =~ ^(lint|unit|sql|isolation|guards|walks|e2e|api|docs|chaos|bench_opens|bench_relay)$ ]] || die "test.sh: no stage $stage" "There are: lint unit sql isolation guards walks e2e api docs chaos bench_opens bench_relay"
  say "Test: $stage"
  # Not `if !`: that would switch errexit off inside the stage.
  set +e
  (
    set -e
    if [[ $stage == sql ]]; then sql_tests; else "$stage"; fi
  )
  status=$?
  set -e
  ((status == 0)) || failed+=("$stage")
done
if ((${#failed[@]})); then
  say "FAILED: ${failed[*]}"
  exit 1
fi
say "Passed: ${stages[*]}"
