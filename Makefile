# b2b-idp: `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(abspath $(VENV))/bin
ARGS   ?=
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test unit check docs bench fuzz instant-on clean system-parts

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name says; do \
	  printf '  %-10s %s\n' "$$name" "$$says"; done

# Debian ships python3 without ensurepip; root can put that right.
$(VENV)/.made:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv \
	  && $(PYTHON) -m venv $(VENV); }
	@touch $@

$(VENV)/.runs: $(VENV)/.made setup.cfg pyproject.toml
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.tests: $(VENV)/.runs
	$(BIN)/python -m pip install -q -e '.[test]'
	@touch $@

benchmarks/peer/node_modules/.made: benchmarks/peer/package-lock.json | system-parts
	-cd benchmarks/peer && npm ci --silent && touch node_modules/.made

system-parts: $(VENV)/.tests
	@tests/real/system-parts $(BIN)

demo: $(VENV)/.runs ## Run the whole world on loopback (ARGS="--once" exits after the three ways)
	$(BIN)/b2b-idp demo $(ARGS)

test: system-parts ## Run every test; missing system parts are installed when root on Debian, else their tests skipped
	$(BIN)/python -m pytest -q -n auto $(ARGS)

unit: $(VENV)/.tests ## Run the unit tests: they need nothing but Python and start nothing
	$(BIN)/python -m pytest -q -n auto --ignore tests/real --ignore tests/docs --ignore tests/demo $(ARGS)

check: $(VENV)/.tests ## Check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.runs ## Write the tables of the manual
	$(BIN)/python docs/tables.py

bench: benchmarks/peer/node_modules/.made ## Measure beside oidc-provider, Dex and Keycloak (ARGS: --quick, --only growth, --write)
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(VENV)/.tests ## Feed a million hostile inputs to each reader (ARGS: --inputs 10000, --write, names of targets)
	$(BIN)/python -m tests.fuzz $(ARGS)

instant-on: system-parts ## Count wrong answers of two servers, one whose replica is 30 s late (ARGS=10000)
	$(BIN)/python -m tests.real.instant_on $(ARGS)

clean: ## Remove all that was built and installed here
	rm -rf $(VENV) build dist *.egg-info tests/real/node_modules benchmarks/peer/node_modules \
	  .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
