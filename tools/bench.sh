#!/usr/bin/env bash
# bench.sh [--part PART] [--full]: speed and growth against the limit of the wire and against peers, on a durable cluster that lives
# only as long as this script. Without --part it writes docs/benchmarks.md.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
tools/setup.sh --bench
tools/build.sh extension
locate
say "Building the runner and the benchmarks"
cargo build -q --release --locked -p campaign-runner -p bench --features bench/valgrind
create_cluster create_durable
SMTP_SINK_VERSION=$(<"$SMTP_SINK/version")
export CAMPAIGN_TEMPLATE_DB=campaign_template CAMPAIGN_RUNNER=$CARGO_TARGET_DIR/release/campaign-runner
export SMTP_SINK SMTP_SINK_VERSION
"$CARGO_TARGET_DIR/release/bench" --document docs/benchmarks.md "$@"
