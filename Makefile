# b2b-idp: `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
SUDO_APT = apt-get install -y --no-install-recommends

.DEFAULT_GOAL := help
.PHONY: help demo test unit check bench clean system-parts

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  [ "$$(id -u)" = 0 ] && apt-get update -q && $(SUDO_APT) python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.runs: setup.cfg $(BIN)/python
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.tests: setup.cfg $(VENV)/.runs
	$(BIN)/python -m pip install -q -e .[test]
	@touch $@

demo: $(VENV)/.runs ## Run the whole world on loopback (ARGS="--once" exits after the three ways)
	$(BIN)/b2b-idp demo $(ARGS)

test: $(VENV)/.tests system-parts ## Run every test; missing system parts are installed when root on Debian
	$(BIN)/python -m pytest -q -n auto $(ARGS)

unit: $(VENV)/.tests ## Run the tests that need nothing but Python
	$(BIN)/python -m pytest -q -n auto --ignore tests/real $(ARGS)

check: $(VENV)/.tests ## Style, types, the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.tests system-parts ## Measure beside npm oidc-provider; prints ratios
	cd benchmarks/peer && npm ci --silent
	$(BIN)/python benchmarks/bench.py $(ARGS)

system-parts:
	@tests/real/system-parts

clean: ## Remove what was built
	rm -rf $(VENV) build dist *.egg-info tests/real/node_modules benchmarks/peer/node_modules
