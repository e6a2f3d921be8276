.DEFAULT_GOAL := help
.PHONY: help demo build up down reset status psql test test-unit test-sql test-isolation test-walks test-e2e test-docs test-api guards model chaos bench bench-full bench-cpu bench-opens bench-relay lint fmt

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## Send three campaigns to 181 invented people, with nothing prepared
	@tools/demo.sh

build: ## Install what is missing, build the extension, the runner and the mail catcher
	@tools/setup.sh
	@tools/build.sh extension
	@tools/build.sh programs

up: build ## Start PostgreSQL, the mail catcher, the runner and the web server in the background
	@tools/stack.sh up
	@tools/stack.sh status

down: ## Stop them; the data stays
	@tools/stack.sh down

reset: ## Stop them and delete the data
	@tools/stack.sh reset

status: ## Show what runs, and where
	@tools/stack.sh status

psql: ## Open psql as the superuser
	@tools/stack.sh psql

test: ## Run all checks and tests
	@tools/test.sh

test-unit: ## Run the unit tests
	@tools/test.sh unit

test-sql: ## Run the tests in SQL; FILE=tests/sql/… runs one
	@FILE='$(FILE)' tools/test.sh sql

test-isolation: ## Run the races of two sessions
	@tools/test.sh isolation

guards: ## Take the guards of the races out one by one: each race must fail; SPEC=… shows how one fails
	@SPEC='$(SPEC)' tools/test.sh guards

test-walks: ## Take random steps on the model and on PostgreSQL; PROPTEST_CASES=…, PROPTEST_RNG_SEED=…
	@tools/test.sh walks

test-e2e: ## Run the tests with real runners, PostgreSQL and SMTP
	@tools/test.sh e2e

test-docs: ## Run what the documents show in psql; UPDATE_DOCS=1 writes the outputs
	@UPDATE_DOCS='$(UPDATE_DOCS)' tools/test.sh docs

test-api: ## Ask the REST API what its description allows, and more
	@tools/test.sh api

model: ## Search all states of the protocol, with and without each of its guards (half an hour); GUARD=… shows one counterexample
	@cargo run -q --release --locked -p model $(GUARD)

chaos: ## Send campaigns under random faults and account for everybody; RUNS=50 SEED=… RUN=…
	@RUNS='$(or $(RUNS),50)' SEED='$(SEED)' CHAOS_RUN='$(RUN)' tools/test.sh chaos

bench: ## Measure speed and growth against the limit and against peers, into docs/benchmarks.md; PART=speed measures a part
	@tools/bench.sh $(if $(PART),--part $(PART))

bench-full: ## The same, and what takes long
	@tools/bench.sh --full

bench-cpu: ## Count the runner's instructions a mail, for each purpose
	@tools/bench.sh --part cpu

bench-opens: ## 5,000 opens and 100 clicks a second while a campaign is sent
	@tools/test.sh bench_opens

bench-relay: ## Simulate the relay of the first real run in four configurations; SEED=… varies its drops
	@SEED='$(SEED)' tools/test.sh bench_relay

lint: ## Check format and lints
	@tools/test.sh lint

fmt: ## Format the Rust code
	@cargo fmt --all
