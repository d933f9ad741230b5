# Verbs of this project. `make help` lists them; CI calls the same ones.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

DATA ?= ./windfire-data
FUZZ_SECONDS ?= 20
# Fuzz targets by name, default all; and how many run at once.
TARGETS ?=
JOBS ?= 1
CASES ?= 500
SEEDS ?= 200
SEED ?=
SIM ?=
AGENTS ?= 1000
DURATION ?= 60s
FLEET ?=
CLUSTER ?=
COMPARE ?=
# The platform whose programs `make sbom` describes; default: this machine's.
TARGET ?=
# Targets of Rust for which `make agent-static` builds; default: those in .ci/agent-static.
AGENT_TARGETS ?=
# What `make run` listens on; the defaults of the hub.
HTTP ?= 127.0.0.1:8008
QUIC ?= 0.0.0.0:5555
# Where `make install` puts the programs: for yourself, or with sudo for everybody.
PREFIX ?= $(if $(SUDO_USER),/usr/local,$(HOME)/.local)

CARGO ?= cargo
# One profile for everything, so that RocksDB is compiled once.
PROFILE := --release --locked
BIN := target/release
# What tests note: what was skipped, what was counted. Tests run in the folders of their packages, so it is a whole path.
NOTES := $(CURDIR)/target/test-notes

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

.PHONY: run
run: programs ## Build, then run a hub and an agent that reports this machine
	@DATA='$(DATA)' HTTP='$(HTTP)' QUIC='$(QUIC)' BIN='$(BIN)' bash .ci/run-here

.PHONY: cluster
cluster: programs ## Build, then run three brokers, three hubs and an agent; their data is removed at the end
	@bash .ci/nats
	@BIN='$(BIN)' bash .ci/cluster

.PHONY: install
install: $(if $(SUDO_USER),built,programs) ## Build, then put windfire and windfire-agent into PREFIX/bin (~/.local; with sudo /usr/local)
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' BIN='$(BIN)' bash .ci/install

.PHONY: uninstall
uninstall: ## Remove what `make install` made
	rm -f '$(DESTDIR)$(PREFIX)/bin/windfire' '$(DESTDIR)$(PREFIX)/bin/windfire-agent'

.PHONY: packages
packages: programs sbom ## Build, then make .deb, .rpm, tarball and wheels of hub and agent, in target/packages
	@BIN='$(BIN)' bash .ci/packages/make

.PHONY: packages-check
packages-check: programs sbom ## Check the packages: same bytes twice, lintian, rpmlint, and their life in a fresh Debian; as root
	@BIN='$(BIN)' bash .ci/packages/check

.PHONY: agent-static
agent-static: compilers ## Build agents that need no shared library, for AGENT_TARGETS, and say why where that cannot be done
	@bash .ci/agent-static $(AGENT_TARGETS)

.PHONY: packages-follow
packages-follow: packages ## Follow docs/install.md and docs/upgrade.md word by word in a fresh Debian; as root
	@bash .ci/packages/follow

.PHONY: packages-systemd
packages-systemd: packages ## Run the packages under the systemd of a fresh Debian: sandbox, reload, watchdog, stop; as root
	@bash .ci/packages/systemd

.PHONY: build
build: compilers ## Build everything, into target/release
	@bash .ci/build $(PROFILE)

.PHONY: test
test: build ## Run every test, and show at the end what was skipped and what was counted
	@bash .ci/nats
	@mkdir -p target && : >'$(NOTES)'
	TEST_NOTES='$(NOTES)' $(CARGO) test $(PROFILE) --workspace --exclude windfire-fuzz || \
		{ bash .ci/test-notes '$(NOTES)'; exit 1; }
	@BIN='$(BIN)' bash .ci/readme
	@bash .ci/web-test
	@bash .ci/api-fuzz 20
	@$(MAKE) sim SEEDS=60
	@$(MAKE) sim SEEDS=30 SIM=--cluster
	@bash .ci/test-notes '$(NOTES)'

.PHONY: readme
readme: build ## Follow README.md word by word
	@BIN='$(BIN)' bash .ci/readme

.PHONY: web
web: ## Build the panel
	@bash .ci/web

.PHONY: web-test
web-test: build ## Test the panel in a browser
	@bash .ci/web-test

.PHONY: api-fuzz
api-fuzz: build ## Ask every path of the API CASES odd things, and check every answer against /openapi.json
	@bash .ci/api-fuzz $(CASES)

.PHONY: lint
lint: tools ## Check format, clippy, documentation and who may import whom, and the scripts
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc $(PROFILE) --workspace --exclude windfire-fuzz --no-deps --document-private-items
	bash .ci/arrows
	bash .ci/loops
	python3 .ci/circles
	python3 .ci/manifests
	bash .ci/lines
	bash .ci/listed
	bash .ci/shell
	bash .ci/words
	python3 .ci/links
	bash .ci/web-lint

.PHONY: fmt
fmt: ## Format the Rust code
	$(CARGO) fmt --all

.PHONY: clean
clean: ## Remove everything that was built; data stays
	$(CARGO) clean
	rm -rf api/web/dist api/web/node_modules api/web/test-results api/web/playwright-report fuzz/artifacts fuzz/coverage .schemathesis

.PHONY: fuzz-corpora
fuzz-corpora: build ## Give each fuzz target its kept inputs and damaged copies of them
	$(CARGO) build $(PROFILE) -p windfire-fuzz
	@BIN='$(BIN)' bash .ci/fuzz-corpora 200

.PHONY: fuzz
fuzz: tools fuzz-tool build ## Run each fuzz target, or TARGETS, for FUZZ_SECONDS of processor time, JOBS at once
	@TARGETS='$(TARGETS)' JOBS='$(JOBS)' bash .ci/fuzz '$(FUZZ_SECONDS)'

.PHONY: sim
sim: build ## Simulate a fleet with faults for each of SEEDS seeds, or for SEED; options of the simulator in SIM
	$(CARGO) build $(PROFILE) -p windfire-fuzz --bin sim
	$(BIN)/sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(SIM)

LONG_FORM = bash .ci/long-form $(CARGO) test $(PROFILE) -p windfire-hub

.PHONY: soak
soak: build ## Run the long forms of the tests of trust: kills, power cuts, bad networks, simulated fleets; some hours
	KILLS=200 $(LONG_FORM) acked_reports_survive_kill_9_of_the_hub_exactly_once
	KILLS=50 $(LONG_FORM) faults_are_told_once_or_twice_though_the_hub_is_killed
	CUT_S=60 $(LONG_FORM) a_hub_that_is_cut_off_tells_only_that
	CUT_S=1200 $(LONG_FORM) a_hub_that_is_cut_off_tells_only_that
	INTERVALS=1 $(LONG_FORM) alertmanager_shows_what_fires
	LONG=120 $(LONG_FORM) the_panel_works_behind_nginx
	LONG=120 $(LONG_FORM) the_panel_works_behind_caddy
	$(BIN)/windfire-bench storm --agents 10000
	CUTS=50 $(LONG_FORM) acked_reports_survive_a_power_cut_exactly_once
	CUTS=20 $(LONG_FORM) readings_on_the_disk_of_a_spool_survive_a_power_cut_exactly_once
	CUTS=20 $(LONG_FORM) a_power_cut_while_a_spool_is_replayed_costs_no_reading
	OUTAGE_AGENTS=20 $(LONG_FORM) four_hours_of_outage_are_replayed_from_the_spool_exactly_once
	NETWORK_S=300 $(LONG_FORM) a_bad_network_costs_no_report
	FROZEN_S=60 $(LONG_FORM) a_disk_that_hangs_holds_up_no_answer
	DISK_ROUNDS=50 $(LONG_FORM) a_disk_whose_writes_fail_stops_acks_until_it_is_well
	DISK_ROUNDS=50 $(LONG_FORM) a_disk_that_turns_read_only_stops_acks_until_it_is_back
	DISK_ROUNDS=100 $(LONG_FORM) a_disk_that_is_slow_stalls_agents_and_loses_nothing
	DAMAGES=5 $(LONG_FORM) every_damaged_file_of_a_store_is_survived_or_named
	DAMAGES=5 $(LONG_FORM) an_agent_with_a_damaged_spool_sends_what_is_sound_and_says_what_is_lost
	ROUNDS=20 $(CARGO) test $(PROFILE) -p windfire-bench --test kill_9_at_any_named_point_loses_and_doubles_nothing -- --nocapture
	$(BIN)/windfire-bench fleet --agents 1000 --profile hostile --duration 240s
	$(BIN)/windfire-bench fleet --agents 2000 --profile flapping --kill-every 10m --duration 2h \
		--api details=2/s,details-304=5/s,list=5/s,history=2/s
	$(MAKE) sim SEEDS=10000
	$(MAKE) sim SEEDS=10000 SIM=--cluster
	$(MAKE) soak-cluster
	$(MAKE) packages-systemd

.PHONY: soak-cluster
soak-cluster: build ## Run the long forms of the tests of several hubs, and print a row for each fault; some hours, as root
	@bash .ci/nats
	@bash .ci/soak-cluster $(CARGO) test $(PROFILE) -p windfire-hub

.PHONY: bench
bench: tools ## Run the benchmarks, and compare with what `make bench-save` measured
	$(CARGO) bench --locked -p windfire-bench --benches -- --baseline-lenient saved

.PHONY: bench-save
bench-save: tools ## Run the benchmarks, and keep the figures for later comparison
	$(CARGO) bench --locked -p windfire-bench --benches -- --save-baseline saved

.PHONY: fleet
fleet: build ## Measure a hub under AGENTS agents for DURATION; more options of `windfire-bench fleet` in FLEET
	$(BIN)/windfire-bench fleet --agents $(AGENTS) --duration $(DURATION) $(FLEET)

.PHONY: bench-cluster
bench-cluster: build ## Measure three hubs and three brokers under agents, and then without them; options in CLUSTER
	@bash .ci/nats
	$(BIN)/windfire-bench cluster $(CLUSTER)

.PHONY: compare
compare: build ## Give the same work to a hub and to VictoriaMetrics, and print both figures; options in COMPARE
	@bash bench/compare $(COMPARE)

.PHONY: containers
containers: programs ## Lint the Dockerfiles, build both images with buildah, run them, and print their sizes
	@bash .ci/containers

.PHONY: helm
helm: ## Lint both charts, render them, and check the result against Kubernetes' schemas
	@bash .ci/helm

.PHONY: deny
deny: ## Check licences, sources, duplicates and advisories of dependencies
	@bash .ci/deny

.PHONY: gates
gates: tools ## Check the oldest Rust, unsafe code of dependencies, and the list of what is inside the programs
	@bash .ci/gates

.PHONY: msrv
msrv: tools ## Compile everything with the oldest Rust that Cargo.toml promises, if that can be had
	@python3 .ci/rust-version
	@bash .ci/msrv

.PHONY: sbom
sbom: ## Write what is inside hub and agent, for TARGET, into target/sbom (CycloneDX)
	@python3 .ci/sbom target/sbom $(TARGET)

# What people run, without the harness that tests need.
.PHONY: programs
programs: compilers
	@bash .ci/build $(PROFILE) -p windfire-hub -p windfire-agent

# Root builds nothing in somebody's clone.
.PHONY: built
built:
	@[ -x '$(BIN)/windfire' ] && [ -x '$(BIN)/windfire-agent' ] || \
		{ echo 'windfire: there is nothing to install yet: run "make install" without sudo, or "make run" before' >&2; exit 1; }

.PHONY: tools
tools: compilers ## Install what is missing and compile RocksDB, so that plain cargo works
	@$(CARGO) fetch --locked --quiet
	@bash .ci/rocksdb
	@bash .ci/nats

.PHONY: compilers
compilers:
	@bash .ci/install-tools

.PHONY: fuzz-tool
fuzz-tool:
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
