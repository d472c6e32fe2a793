# `make` lists the targets. Everything is installed inside the checkout: .venv and node_modules.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
NPM ?= npm
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Stamps: what is newer than its stamp is installed again, the rest is left alone.
PYTHON_READY := $(VENV)/.python-ready
NODE_READY := node_modules/.ready
READY := $(VENV)/.ready
PEERS := tests/gas/peers
PEERS_READY := $(PEERS)/node_modules/.ready
# Slither, Halmos and universalmutator pin other versions of what Ape pins: an environment of their own.
ANALYSIS := .venv-analysis
ANALYSIS_READY := $(ANALYSIS)/.ready

TESTS ?= tests
PYTEST_ARGS ?=
MUTATION_ARGS ?=
# every Solidity file of ours
SOLIDITY = $(shell find contracts interfaces -name "*.sol" -not -path "*/.cache/*" 2>/dev/null)

say = @printf "== %s\n" "$(1)"

.PHONY: help setup setup-analysis prove mutation coverage audit static doctor lock compile compile-ape size test lint lint-python lint-solidity format gas gas-ours figures bench-keeper replay-keeper chaos demo clean clean-all

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# ---------------------------------------------------------------------------------------------------------------- setup

setup: $(READY) ## install everything into .venv and node_modules; does nothing when nothing changed

doctor: ## say in one line what this machine lacks
	@missing() { echo "setup: $$1" >&2; exit 1; }; \
	command -v '$(PYTHON)' >/dev/null || missing "$(PYTHON) not found on PATH: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv), or make setup PYTHON=/path/to/python"; \
	'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || missing "$$(command -v '$(PYTHON)') is Python $$('$(PYTHON)' -c 'import platform; print(platform.python_version())'), 3.11 or newer is needed: make setup PYTHON=/path/to/python"; \
	'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null || missing "$$(command -v '$(PYTHON)') has no venv module: install it (Debian: apt-get install python3-venv)"; \
	command -v node >/dev/null || missing "node not found on PATH: install Node.js 18 or newer (Debian: apt-get install nodejs npm)"; \
	node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' || missing "$$(command -v node) is Node.js $$(node --version), 18 or newer is needed"; \
	command -v '$(NPM)' >/dev/null || missing "npm not found on PATH: install it (Debian: apt-get install npm)"

$(PYTHON_READY): requirements.lock
	@$(MAKE) doctor
	$(call say,Python: .venv from requirements.lock)
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || '$(PYTHON)' -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check "$$(sed -nE 's/^(uv==[^ ;]+).*/\1/p' requirements.lock)" || true
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock \
	  || { echo "uv could not install the lock, trying pip"; $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock; }
	@touch $@

$(NODE_READY): package-lock.json .npmrc
	@$(MAKE) doctor
	$(call say,npm: node_modules from package-lock.json)
	@$(NPM) ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

$(READY): $(PYTHON_READY) $(NODE_READY) ape-config.yaml closeout/toolchain/solc.py closeout/toolchain/solc_shim.cjs closeout/toolchain/link.py closeout/toolchain/settings.py
	$(call say,solc and Foundry)
	@$(BIN)/python -m closeout.toolchain.link
	@$(BIN)/python -m closeout.toolchain.solc
	@touch $@

# The peers that `make gas` measures, with their compilers: 125 MB that nothing else needs.
$(PEERS_READY): $(PEERS)/package-lock.json $(PEERS)/.npmrc
	@$(MAKE) doctor
	$(call say,npm: sources of the peers below $(PEERS))
	@cd $(PEERS) && $(NPM) ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

setup-analysis: $(ANALYSIS_READY) ## install Slither, Halmos and universalmutator into .venv-analysis

$(ANALYSIS_READY): requirements-analysis.lock $(READY)
	$(call say,analysers: .venv-analysis from requirements-analysis.lock)
	@test -x $(ANALYSIS)/bin/python || '$(PYTHON)' -m venv $(ANALYSIS)
	@$(BIN)/uv pip install --quiet --python $(ANALYSIS)/bin/python --require-hashes -r requirements-analysis.lock
	@touch $@

# npm's funding links are the only URLs left in its lock; without them a check for URLs is one grep.
STRIP_FUNDING := const fs = require("fs"), f = "package-lock.json", lock = JSON.parse(fs.readFileSync(f)); \
  for (const p of Object.values(lock.packages)) delete p.funding; fs.writeFileSync(f, JSON.stringify(lock, null, 2) + "\n")

lock: $(PYTHON_READY) ## resolve pyproject.toml anew into requirements.lock, and package.json into package-lock.json
	$(BIN)/uv pip compile pyproject.toml --group dev --extra cluster --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock
	$(BIN)/uv pip compile --group pyproject.toml:analysis --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-emit-find-links --quiet --output-file requirements-analysis.lock
	$(NPM) install --package-lock-only --no-audit --no-fund --loglevel=error
	node -e '$(STRIP_FUNDING)'
	cd $(PEERS) && $(NPM) install --package-lock-only --no-audit --no-fund --ignore-scripts --loglevel=error
	cd $(PEERS) && node -e '$(STRIP_FUNDING)'

# ------------------------------------------------------------------------------------------------------------- contracts

compile: setup ## compile the contracts, only what changed; artifacts go to .build/closeout.json
	@$(BIN)/python -m closeout.toolchain.compile

compile-ape: setup ## compile with Ape too, as `ape test` and `ape console` want it
	$(call say,ape compile)
	@# Ape looks at changed files only, not at what imports them: forced, or the Vault stays as it was when a library changes
	@$(BIN)/ape compile --force

size: compile ## contract sizes against the limit of 24 576 bytes (EIP-170)
	@$(BIN)/python -m closeout.toolchain.sizes

# ------------------------------------------------------------------------------------------------------- checks and tests

test: setup ## compile, lint and run the whole test suite
	$(call say,compile)
	@$(MAKE) compile size
	@$(MAKE) compile-ape
	@$(MAKE) lint
	$(call say,tests)
	@CLOSEOUT_EVIDENCE=1 $(BIN)/ape test $(TESTS) --durations=15 $(PYTEST_ARGS)

lint: lint-python lint-solidity ## ruff, mypy --strict, import-linter, solhint

lint-python: setup
	$(call say,ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	$(call say,mypy --strict)
	@$(BIN)/mypy
	$(call say,import-linter)
	@$(BIN)/lint-imports --no-logo

lint-solidity: setup
	$(call say,solhint)
	@test -z "$(SOLIDITY)" || node_modules/.bin/solhint --noPoster --disc $(SOLIDITY)

prove: setup-analysis ## z3 proves the theorems of docs/liquidation.md, Halmos what is packed, clamped and chosen
	$(call say,proofs)
	@$(BIN)/python -m closeout.audit.prove

mutation: setup-analysis ## mutants of contracts and model against the tests; stop it and go on as you like
	$(call say,mutation)
	@$(BIN)/python -m closeout.audit.mutation contracts $(MUTATION_ARGS)
	@$(BIN)/python -m closeout.audit.mutation model $(MUTATION_ARGS)

coverage: setup ## lines and branches of the contracts that the tests reach; HTML in .build/coverage/html
	$(call say,coverage)
	@$(BIN)/python -m closeout.audit.coverage

# A part that passed on these very sources is not run again: stop it and go on. What each printed stays in its log.
AUDIT := .build/audit
AUDIT_PARTS := static prove audit-tests coverage mutation
AUDITED = $(shell find contracts interfaces closeout tests config -type f -not -path "*/__pycache__/*" -not -path "*/.cache/*" -not -path "*/node_modules/*" 2>/dev/null)

audit: ## everything that takes longer: ten times the random cases, proofs, Slither, mutation, coverage; one table; -j2 runs two parts at once
	@failed=""; \
	$(MAKE) -k $(AUDIT_PARTS:%=$(AUDIT)/%) || failed=yes; \
	$(BIN)/python -m closeout.audit.evidence || failed=yes; \
	test -z "$$failed" || { for part in $(AUDIT_PARTS); do test -e $(AUDIT)/$$part || echo "failed: $$part, see $(AUDIT)/$$part.log" >&2; done; exit 1; }

$(AUDIT)/%: $(AUDITED) | setup-analysis compile
	@# a part is as old as its beginning: what changes meanwhile makes it run again
	@mkdir -p $(@D) && rm -f $@ && touch $@.running
	@$(MAKE) $* 2>&1 | tee $@.log; echo "== $*: passed in $$SECONDS s" | tee -a $@.log
	@mv $@.running $@

.PHONY: audit-tests
audit-tests: setup
	$(call say,tests: $${CLOSEOUT_TEST_SIZE:-10} times the random cases)
	@CLOSEOUT_EVIDENCE=1 CLOSEOUT_TEST_SIZE=$${CLOSEOUT_TEST_SIZE:-10} $(BIN)/python -m pytest -p no:ape_test $(TESTS) $(PYTEST_ARGS)

static: setup-analysis ## Slither over what is shipped: nothing open, every accepted finding argued
	$(call say,Slither)
	@$(BIN)/python -m closeout.audit.static

format: setup ## format Python and Solidity in place
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@test -z "$(SOLIDITY)" || node_modules/.bin/prettier --write --log-level warn $(SOLIDITY)

gas: setup $(PEERS_READY) ## our gas beside the peers' on one chain; writes tests/gas/snapshots.json
	$(call say,gas: of everybody on one chain)
	@$(BIN)/python -m tests.gas.compare

gas-ours: setup ## our gas alone, after a change; keeps the peers' figures in tests/gas/snapshots.json
	@$(BIN)/python -m tests.gas.compare --ours

FIGURES := tests/differential tests/unit/oracles/test_status_matrix.py tests/property tests/fork tests/gas/test_actions_gas.py tests/gas/test_close_outs_gas.py
figures: compile ## what tests measured: histories, regimes, overshoot, sets against the whole, gas; CLOSEOUT_TEST_SIZE=10 looks at more
	@$(BIN)/python -m pytest -p no:ape_test -q --figures -rN $(FIGURES) $(PYTEST_ARGS)

# --------------------------------------------------------------------------------------------------------------- keeper

bench-keeper: setup ## a block at 1 000 to 1 000 000 accounts beside one call per account; writes build/bench-keeper.json
	$(call say,keeper: benchmark)
	@$(BIN)/python -m tests.keeper.bench

# The price histories are not part of the project: two CSV files, columns as in the scenarios' comments.
PRICES_2020 ?=
PRICES_2021 ?=
DEPTH ?= 5000000
GAS_PRICE ?= 100

replay-keeper: setup ## what the keeper earns over both crashes: make replay-keeper PRICES_2020=a.csv PRICES_2021=b.csv [DEPTH=USD] [GAS_PRICE=gwei]
	@test -n "$(PRICES_2020)$(PRICES_2021)" || { echo "replay-keeper: PRICES_2020 and PRICES_2021 are empty, expected paths of price histories" >&2; exit 2; }
	@test -z "$(PRICES_2020)" || $(BIN)/python -m closeout.keeper.replay config/scenarios/crash-2020-03.yaml --prices "$(PRICES_2020)" --depth "$(DEPTH)" --gas-price "$(GAS_PRICE)"
	@test -z "$(PRICES_2021)" || $(BIN)/python -m closeout.keeper.replay config/scenarios/crash-2021-05.yaml --prices "$(PRICES_2021)" --depth "$(DEPTH)" --gas-price "$(GAS_PRICE)"

CHAOS_ACCOUNTS ?= 500

chaos: compile ## the keeper in a crash in which everything goes wrong, one thing after the other; prints the table
	$(call say,chaos: $(CHAOS_ACCOUNTS) accounts)
	@CLOSEOUT_CHAOS_ACCOUNTS=$(CHAOS_ACCOUNTS) $(BIN)/python -m pytest -p no:ape_test tests/chaos $(PYTEST_ARGS)

# ------------------------------------------------------------------------------------------------------------------ run

demo: setup ## play the demo scenario on a local chain; writes build/RESULT.json and build/report.html
	$(call say,scenario: compiles what it deploys first, where that changed)
	@mkdir -p build
	@$(BIN)/ape run scenario config/scenarios/demo.yaml --out build/RESULT.json --report build/report.html

# ---------------------------------------------------------------------------------------------------------------- clean

clean: ## remove what compiling and running left behind
	rm -rf .build build out cache contracts/.cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find closeout tests scripts bots -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

clean-all: clean ## and what setup installed
	rm -rf $(VENV) $(ANALYSIS) node_modules $(PEERS)/node_modules
