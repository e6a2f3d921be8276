#!/usr/bin/env bash
# demo.sh: sends the three campaigns of a meetup from a private stack, which it leaves as it found it.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

tools/setup.sh
tools/build.sh extension
tools/build.sh programs
locate

mapfile -t before < <(tools/stack.sh running)

put_back() {
  local name ours=()
  trap '' INT TERM
  while IFS= read -r name; do
    [[ " ${before[*]} " == *" $name "* ]] || ours+=("$name")
  done < <(tools/stack.sh running)
  if ((${#ours[@]})); then
    say "Stopping what the demo started"
    tools/stack.sh down "${ours[@]}"
  fi
}
trap put_back EXIT
trap 'exit 130' INT TERM

tools/stack.sh up
while IFS= read -r line; do
  export "${line?}"
done <"$RUN/env"
say "Loading the meetup"
for file in sql/meetup/*.sql sql/meetup/demo/*.sql; do
  PGOPTIONS='-c client_min_messages=warning' sql -v smtp_host="$SMTP_HOST" -v smtp_port="$SMTP_PORT" -f "$file" >/dev/null
done
"$CARGO_TARGET_DIR/release/campaign-runner" demo
