# Two commands for everyone: `make demo` and `make test`. Both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINTS := constraints.txt

.PHONY: help demo test lint audit docs bench fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   set up, then run the whole idea on real photographs -> runs/demo/report.html"
	@echo "make test   set up, then run the tests"
	@echo "make lint   set up, then check style and types"
	@echo "make audit  set up, then look the pinned packages up among known vulnerabilities"
	@echo "make docs   set up, then build the documentation -> site/index.html"
	@echo "make bench  set up, then measure speed (minutes)"
	@echo "make fuzz   set up, then damaged files, kills and full disks (hours); goes on where it stopped"
	@echo "make clean  remove .venv and runs/"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "demagnify needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (once; PyTorch is large, this takes a few minutes) ..."
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) install --progress-bar on -c $(CONSTRAINTS) -e '.[research]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) install --progress-bar on -c $(CONSTRAINTS) -e '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run
	$(BIN)/demagnify demo --output runs/demo

test: $(VENV)/.dev
	$(BIN)/demagnify assets --fetch-all || echo "some assets are missing: the tests that need them will be skipped"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/.dev
	$(PIP) install --quiet -c $(CONSTRAINTS) pip-audit || true
	$(BIN)/python .ci/audit.py

docs: $(VENV)/.dev
	$(BIN)/zensical build --clean --strict

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run_all.py

FUZZ_ARGS ?= --cases 10000
MACHINE_ARGS ?= --kills 100
PLACES_ARGS ?= --cases 3
fuzz: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_campaign.py --log runs/fuzz.jsonl $(FUZZ_ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_machine.py --log runs/machine.jsonl $(MACHINE_ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz_places.py --log runs/places.jsonl $(PLACES_ARGS)

clean:
	rm -rf $(VENV) runs site
