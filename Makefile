# Everything is done in the environment .venv of this folder, which the first command makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
LLM := $(VENV)/.llm

.DEFAULT_GOAL := help
.PHONY: help run shell migrate test test-llm lint types imports format bench torture clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "On Debian the module venv is a package of its own: apt-get install python3-venv"; \
		     rm -rf $(VENV); exit 1; }

$(READY): setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing what the service needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEV): setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(READY)

run: $(READY) ## start the service on http://127.0.0.1:8000 (settings come from the environment)
	@exec $(BIN)/gunicorn wsgi:app

shell: $(READY) ## a Python shell with the services of this space
	@$(BIN)/persona-tasks shell

migrate: $(READY) ## bring the database up to date
	@$(BIN)/persona-tasks migrate

test: $(DEV) lint types imports ## everything that must hold: lint, types, imports, tests
	@$(BIN)/python -m pytest -n 3 --dist worksteal -q

$(LLM): $(DEV)
	@echo "compiling a server of language models into $(VENV): this takes some minutes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[llm-test]'
	@touch $@

test-llm: $(LLM) ## ask a real model server; its model is tiny and random, nothing is downloaded
	@$(BIN)/python -m pytest -q -m live_llm tests/live_llm

lint: $(DEV) ## style, by ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV) ## types, by mypy in strict mode
	@$(BIN)/mypy

imports: $(DEV) ## the direction of imports, by import-linter
	@$(BIN)/lint-imports

format: $(DEV) ## put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(DEV) ## measure speed against peers in the same run; prints a table
	@$(BIN)/python -m tests.bench

torture: $(DEV) ## the long abuse: a thousand kills on each database
	@$(BIN)/python -m pytest -q -m torture tests/torture

clean: ## remove the environment and caches, never data
	@rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
