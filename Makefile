# One command set for people, hooks and CI.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
LOCK := infra/requirements/lock.txt

.PHONY: help setup lock demo test lint types contracts format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the environment in .venv from the hashed lock

$(STAMP): $(LOCK) pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked environment into .venv ..."
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync $(if $(CI),--quiet) --python $(BIN)/python --require-hashes --compile-bytecode $(LOCK)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python infra/openmp.py
	@touch $@

lock: ## Resolve the dependencies anew into the hashed lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --upgrade --output-file $(LOCK)

demo: setup ## Run the whole platform on a history [LOG=file] [MAPPING=file] [EXIT=1]
	@$(BIN)/workcast demo $(if $(LOG),--log '$(LOG)') $(if $(MAPPING),--mapping '$(MAPPING)') \
	  $(if $(EXIT),--exit)

test: setup ## Run every test, the integration tests on real servers included
	@$(BIN)/pytest

lint: setup ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## Check types
	@$(BIN)/mypy

contracts: setup ## Check that imports run one way
	@$(BIN)/lint-imports

format: setup ## Put the code into shape
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

clean: ## Remove the environment and the caches; never the state in .workcast
	@rm -rf .venv .ruff_cache .mypy_cache .pytest_cache .import_linter_cache .hypothesis
