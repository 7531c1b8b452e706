# The workshop. Each target says what it needs; `make help` lists them.
#
#   up     build everything and start a pod with its page on loopback   (make up ARGS="--listen 127.0.0.1:8420")
#   test   everything that must hold: formatting, lints, unit, doc, interop, console and browser tests
#   lint   formatting, clippy on every feature, and cargo-deny (licences, sources, advisories)
#   bench  this engine beside SQLite, oxigraph and DataScript            (make bench BENCH="--tuples 100000"), and then
#   bench-sync         two devices of one pod: first sync, equal pods    (make bench-sync BENCH="--tuples 100000")
#   bench-replication  beside hypercore, automerge, PouchDB and Yjs      (make bench-replication BENCH="--each 1")
#   bench-grants       what a change costs with up to 100,000 open grants
#   bench-timeline     the newest posts of 200 pods that are followed   (make bench-timeline BENCH="--pods 100")
#   bench-search       words in a million posts, beside SQLite FTS5     (make bench-search BENCH="--posts 100000")
#   fuzz   every fuzz target in turn                                     (make fuzz SECONDS_EACH=600 FILTER=codec)
#   soak   the random tests at full length, an hour or so

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up test lint bench bench-sync bench-replication bench-grants bench-timeline bench-search fuzz soak clean setup-test setup-up fmt clippy unit doc interop console console-test e2e deny nextest

# rustup's proxies look for toolchains under HOME. In a fresh HOME those toolchains still lie beside the proxies.
export PATH := $(HOME)/.cargo/bin:$(PATH)
ifneq ($(shell cargo --version >/dev/null 2>&1 && echo yes),yes)
  toolchains := $(realpath $(dir $(shell command -v cargo))../../.rustup)
  ifneq ($(toolchains),)
    export RUSTUP_HOME := $(toolchains)
  endif
endif

target := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
step := .ci/step
web := apps/console
web_sources := $(shell find $(web) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/e2e/*' 2>/dev/null)

help:
	@sed -n 's/^#   //p' Makefile

# --- use it

up: setup-up $(web)/dist/index.html
	cargo build --release -p rhizome
	$(target)/release/rhizome up $(ARGS)

# --- check it

# Clippy and the tests share one profile (dev), so build scripts and macros are built once. The peers of the benchmark
# (SQLite, oxigraph) are behind a feature and stay out of this; `make lint` and `make bench` build them.
test: setup-test fmt clippy unit doc interop console-test e2e

setup-test:
	@$(step) setup scripts/setup test
setup-up:
	@$(step) setup scripts/setup up

fmt:
	@$(step) formatting cargo fmt --all --check
clippy: $(web)/dist/index.html
	@$(step) clippy cargo clippy --workspace --all-targets --locked -- -D warnings

nextest:
	@cargo nextest --version >/dev/null 2>&1 \
	  || $(step) "install cargo-nextest" cargo install --locked cargo-nextest \
	  || echo "cargo-nextest cannot be installed here: cargo test runs the tests instead"

unit: nextest $(web)/dist/index.html
	@if cargo nextest --version >/dev/null 2>&1; \
	  then $(step) tests cargo nextest run --workspace --locked; \
	  else $(step) tests cargo test --workspace --locked --lib --bins --tests --no-fail-fast; fi
doc: $(web)/dist/index.html
	@$(step) doctests cargo test --workspace --locked --doc

# Beside other implementations: capabilities, of which each judges what the other mints; public files, which the tools of others read.
interop: $(web)/dist/index.html
	@$(step) "interop with iso-ucan" root/capability/interop/run
	@$(step) "interop with @ipld/car" pod/interop/run

console: $(web)/dist/index.html
$(web)/node_modules/.package-lock.json: $(web)/package-lock.json
	@cd $(web) && $(CURDIR)/$(step) "console packages" npm ci --no-audit --no-fund
	@touch $@
$(web)/dist/index.html: $(web)/node_modules/.package-lock.json $(web_sources)
	@cd $(web) && $(CURDIR)/$(step) "console build" npm run --silent build
	@touch $@
console-test: $(web)/node_modules/.package-lock.json
	@cd $(web) && $(CURDIR)/$(step) "console tests" npm test --silent

# The binary under the browser is the one the test build has just linked (`--tests` keeps the same features).
e2e: $(web)/dist/index.html
	@$(step) "binary for the browser tests" cargo build --workspace --bins --tests --locked
	@cd $(web) && RHIZOME_BIN=$(target)/debug/rhizome $(CURDIR)/$(step) "browser tests" npm run --silent e2e

lint: fmt deny $(web)/dist/index.html
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# The advisory database lives outside the registry: where it cannot be fetched, that one check is skipped and says so.
deny:
	@cargo deny --version >/dev/null 2>&1 || $(step) "install cargo-deny" cargo install --locked cargo-deny
	cargo deny --all-features check bans licenses sources
	@if cargo deny fetch db 2>/dev/null; then cargo deny --all-features check advisories; \
	  else echo "advisories: SKIPPED, the advisory database cannot be reached from here"; fi

# --- measure it, break it

bench:
	scripts/bench $(BENCH)
	BENCH_FEATURES="--features peers" scripts/bench-sync
	BENCH_FEATURES="--features peers" scripts/bench-replication
	BENCH_FEATURES="--features peers" scripts/bench-grants
	BENCH_FEATURES="--features peers" scripts/bench-timeline
	BENCH_FEATURES="--features peers" scripts/bench-search
bench-sync:
	scripts/bench-sync $(BENCH)
bench-replication:
	scripts/bench-replication $(BENCH)
bench-grants:
	scripts/bench-grants $(BENCH)
bench-timeline:
	scripts/bench-timeline $(BENCH)
bench-search:
	BENCH_FEATURES="--features peers" scripts/bench-search $(BENCH)
soak:
	scripts/soak

fuzz:
	scripts/fuzz $(or $(SECONDS_EACH),60) $(FILTER)

clean:
	cargo clean
	rm -rf $(web)/dist $(web)/node_modules bench/js/node_modules bench/replication/node_modules root/capability/interop/node_modules pod/interop/node_modules bench/data
