# Everything a person or a machine does with this checkout. `make help` lists it.

PYTHON ?= python3
VENV ?= .venv
PYTEST_WORKERS ?= 2
SEED ?= 1
SIZE ?= 500000

PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST = $(VENV)/bin/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help run test check simulate soak bench mutate format chromium clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.made-run ## start the workbench on http://127.0.0.1:8311 (installs into .venv the first time)
	@exec $(VENV)/bin/joy311 workbench

test: $(VENV)/.made-dev chromium ## run every test (installs what the tests need)
	$(PYTEST) -n $(PYTEST_WORKERS) --dist loadfile

check: $(VENV)/.made-dev ## format, lint, types and the walls between the rooms
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PYTEST) -q tests/test_architecture.py

simulate: $(VENV)/.made-dev ## run the long form of the simulations
	$(PYTEST) -n $(PYTEST_WORKERS) -m long

soak: $(VENV)/.made-dev ## kill the whole journey at 200 random instants and compare with what was promised
	$(VENV)/bin/python -m tests.journeys.kill_journey --kills 200 --seed $(SEED)

bench: $(VENV)/.made-dev ## measure against what is possible here; SIZE=10000000 for the whole campaign
	$(VENV)/bin/python benchmarks/sts_one.py
	$(VENV)/bin/python benchmarks/meter.py 1
	$(VENV)/bin/python benchmarks/security_module.py
	$(VENV)/bin/python benchmarks/sale.py
	$(VENV)/bin/python benchmarks/sts_bulk.py
	$(VENV)/bin/python benchmarks/campaign.py $(SIZE)

mutate: $(VENV)/.made-dev ## change what tokens rest on, one operator or number at a time, and see that a test notices
	$(PIP) --editable '.[all,dev,mutation]'
	$(VENV)/bin/python -m tests.mutate

format: $(VENV)/.made-dev ## let ruff format and mend what it can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## remove .venv and every cache
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Three stamps in a chain, so that two targets of `make -j` never install at once and a second start installs nothing.
$(VENV)/.made-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "joy311 needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make a virtual environment. On Debian type: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.made-run: pyproject.toml constraints.txt | $(VENV)/.made-venv
	@echo "Installing joy311 into $(VENV): a minute or two, this once."
	$(PIP) --editable '.[all]'
	@touch $@

$(VENV)/.made-dev: $(VENV)/.made-run
	@echo "Installing what the tests need into $(VENV)."
	$(PIP) --editable '.[all,dev]'
	@touch $@

chromium:
	@command -v chromium >/dev/null 2>&1 || { \
	  if ! command -v apt-get >/dev/null 2>&1; then become=absent; \
	  elif [ "$$(id -u)" = 0 ]; then become=; \
	  elif sudo -n true 2>/dev/null; then become="sudo -n"; \
	  else become=absent; fi; \
	  if [ "$$become" = absent ]; then \
	    echo "The browser tests need chromium. Type: sudo apt-get update && sudo apt-get install -y chromium" >&2; exit 1; \
	  fi; \
	  $$become apt-get update -q && $$become env DEBIAN_FRONTEND=noninteractive apt-get install -y -q chromium; }
