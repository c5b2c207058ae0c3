# make run     install into .venv and open peergos_collab (a scripted tour without a terminal)
# make test    install with the test tools, then lint, types, import contracts and all tests
# make lint    only lint, types and import contracts
# make bench   the measures, as a table and as JSON in benchmarks/results
# make pins    write constraints.txt anew from the newest versions that fit pyproject.toml
# make clean   remove what these made

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
WORKERS := 2

# Compiled files are kept: tests and measures start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

# 3.11 first: the pins in constraints.txt are tested with it most.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& command -v "$$p" && break; done)

PACKAGES := peergos_collab transports tui
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint bench pins clean
.DEFAULT_GOAL := run

run: $(VENV)/.run
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/pgc; else exec $(BIN)/pgc demo; fi

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(PACKAGES)
	$(BIN)/lint-imports

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

pins:
	rm -rf build/pins
	"$(PYTHON)" -m venv build/pins
	build/pins/bin/python -m pip install --quiet hatchling
	build/pins/bin/python -m pip install --quiet --no-build-isolation --editable '.[test]'
	{ grep '^#' constraints.txt; build/pins/bin/python -m pip freeze --exclude-editable; } >constraints.new
	mv constraints.new constraints.txt
	rm -rf build/pins

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Needs Python 3.11 or newer with venv and pip (on Debian: python3 and python3-venv)." >&2; \
		echo "Name one that was not found so:  make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	"$(PYTHON)" -m venv $(VENV)

# The build backend comes first and under the same pins, so that nothing is built with other versions.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) ..."
	@$(PIP) hatchling
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing with the test tools into $(VENV) ..."
	@$(PIP) hatchling
	@$(PIP) --no-build-isolation --editable '.[test]'
	@touch $@ $(VENV)/.run
