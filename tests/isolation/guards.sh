#!/usr/bin/env bash
# guards.sh DATABASE [SPEC…]: proves that each spec tests something. A patch in guards/ takes out one guard that its spec is about; the spec
# must pass before it and differ after it. DATABASE has pg_campaign and pgtap, and is cloned for each patch; the server is found by
# PGHOST, PGPORT, PGUSER. Of specs that are named, it is shown what differed.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
database=${1:?usage: guards.sh DATABASE [SPEC…]}
shift
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
# Seconds after which a step that waits for ever is cancelled, which is a difference.
export PGISOLATIONTIMEOUT=10
export database work show=${*:+yes}

complain() {
  local line
  printf 'FAIL %s: %s\n' "$1" "$2"
  shift 2
  for line in "$@"; do printf '%s\n' "$line"; done
  return 1
}

# in_clone CLONE SQL SPEC: runs the spec where SQL (a file) was loaded. 0: as expected, 1: differs, 2: it could not be run.
in_clone() {
  local status=0
  psql -Xq -v ON_ERROR_STOP=1 -d postgres -c "create database $1 template $database" &&
    psql -Xq -v ON_ERROR_STOP=1 -d "$1" -f "$2" || status=2
  if ((status == 0)); then
    ./run.sh "$1" "$3" || status=$?
  fi
  psql -Xq -d postgres -c "drop database if exists $1 with (force)"
  return "$status"
}

# The objects of the files that the patch changes, as SQL that puts them in the place of the old ones.
without_guard() {
  local patch=$PWD/$1 tree=$2 file
  mkdir -p "$tree"
  cp -r ../../sql "$tree/sql"
  (cd "$tree" && patch -s -p1 --fuzz=0 --no-backup-if-mismatch <"$patch") || return 1
  for file in $(changed_files "$1"); do
    sed -E 's/^create (function|view|trigger) /create or replace \1 /' "$tree/$file"
  done >"$tree/load.sql"
}

changed_files() { sed -n 's|^+++ b/\(sql/[^[:space:]]*\).*|\1|p' "$1"; }

try_guard() {
  local patch=$1 spec output status=0 clone=guard_$BASHPID tree=$work/$BASHPID
  spec=$(basename -- "$patch" .patch)
  spec=${spec%.[0-9]}
  output=$(without_guard "$patch" "$tree" 2>&1) || complain "$patch" "it no longer applies to sql/" "$output" || return 1
  output=$(in_clone "$clone" "$tree/load.sql" "$spec" 2>&1) || status=$?
  rm -rf -- "$tree"
  if ((status == 0)); then
    complain "$patch" "$spec passes without this guard"
  elif ((status == 2)) || [[ $output == *'test process exited with'* || $output != *$'\n@@ '* ]]; then
    complain "$patch" "$spec could not be run" "$output"
  else
    echo "ok   $patch"
    [[ -z $show ]] || printf '%s\n' "$output"
  fi
}

try_spec() {
  local spec=$1 output
  output=$(in_clone "spec_$BASHPID" /dev/null "$spec" 2>&1) || complain "$spec" "it fails with all guards in place" "$output" || return 1
  echo "ok   $spec"
}

# A spec names its guards in its head, each with its file, and each has a patch that changes that file.
check_head() {
  local spec=$1 heads named patched
  shift
  heads=$(grep '^# Guard: ' "specs/$spec.spec")
  named=$(grep -oE 'sql/[0-9a-z_]+\.sql' <<<"$heads" | sort -u)
  patched=$(for patch in "$@"; do changed_files "$patch"; done | sort -u)
  [[ -n $named && $named == "$patched" && $(wc -l <<<"$heads") == "$#" ]] ||
    complain "$spec" "the guards in its head are not those that its patches take out" "$heads" "patches: $*" "${patched//$'\n'/ }"
}

failed=0
shopt -s nullglob
specs=("$@")
if ((${#specs[@]} == 0)); then
  specs=(specs/*.spec)
  specs=("${specs[@]#specs/}")
  specs=("${specs[@]%.spec}")
  for patch in guards/*.patch; do
    spec=$(basename -- "$patch" .patch)
    [[ -e specs/${spec%.[0-9]}.spec ]] || complain "$patch" "there is no such spec" || failed=1
  done
  diff <(sed -n 's/^test: //p' schedule | sort) <(printf '%s\n' "${specs[@]}" | sort) || complain schedule "it does not name all specs" || failed=1
fi
jobs=()
for spec in "${specs[@]}"; do
  [[ -e specs/$spec.spec ]] || complain "$spec" "there is no such spec"
  patches=(guards/"$spec"{.patch,.[0-9].patch})
  check_head "$spec" "${patches[@]}" || failed=1
  jobs+=("try_spec $spec")
  for patch in "${patches[@]}"; do
    jobs+=("try_guard $patch")
  done
done

export -f complain in_clone without_guard changed_files try_guard try_spec
# Most of the time is waiting, for locks and the tester's looks at them.
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\n' "${jobs[@]}" | xargs -d '\n' -n 1 -P 4 bash -c 'set -eo pipefail; $1' - || failed=1
exit "$failed"
