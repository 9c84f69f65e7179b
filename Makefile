# One command set for people, hooks and CI.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
LOCK := infra/requirements/lock.txt
PLATFORM_LOCK := infra/requirements/platform.txt
SERVING_LOCK := infra/requirements/serving.txt
# Spark has an environment of its own: the same lock and, on top of it, Spark's.
SPARK_BIN := .venv-spark/bin
SPARK_STAMP := .venv-spark/.installed
SPARK_LOCK := infra/requirements/spark.txt

# The images' locks hold no version that the lock of the tests does not hold.
LOCKED = --constraint $(LOCK) --universal --python-version 3.11 --generate-hashes --no-header \
  --quiet --upgrade
lock_extra = $(BIN)/python -c 'import tomllib; \
  extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
  print(*extras["$(1)"], sep="\n")' | $(BIN)/uv pip compile - $(LOCKED)
# Feast asks for them and serving imports none.
NOT_SERVED := mypy mypy-extensions librt ast-serialize types-greenlet \
  dask partd locket

# What the profiles ask of the core's own servers; .env may say the same for good.
IN_CONTAINERS = $(if $(PROFILES),COMPOSE_PROFILES='$(PROFILES)') \
  $(if $(filter spark,$(ENGINE)),WORKCAST_ENGINE=spark WORKCAST_TASK_IMAGE=workcast-spark:latest \
    WORKCAST_TASK_TARGET=spark) \
  $(if $(findstring scale,$(PROFILES)),WORKCAST_AIRFLOW_EXECUTOR=CeleryExecutor) \
  $(if $(findstring monitoring,$(PROFILES)),WORKCAST_STATSD_ADDRESS=statsd-exporter:9125 \
    WORKCAST_OTLP_ENDPOINT=http://otel-collector:4318)

# Where feature views are computed: `spark` takes the image with Spark.
ENGINE ?= duckdb

# Where `make demo` runs the platform: here, as processes, or compose, in containers.
TARGET ?= here

# Processes of pytest.
WORKERS ?= 2

.PHONY: help setup setup-spark lock demo demo-here demo-compose images secrets up test test-spark lint types contracts format clean

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

setup-spark: $(SPARK_STAMP) ## Make the environment with Spark in .venv-spark; bring Java where there is none
	@$(SPARK_BIN)/python infra/spark/java.py > /dev/null

$(SPARK_STAMP): $(STAMP) $(SPARK_LOCK)
	@test -x $(SPARK_BIN)/python || $(PYTHON) -m venv --without-pip .venv-spark
	@echo "Installing the locked environment with Spark into .venv-spark ..."
	@$(BIN)/uv pip sync --quiet --python $(SPARK_BIN)/python --require-hashes $(LOCK) $(SPARK_LOCK)
	@$(BIN)/uv pip install --quiet --python $(SPARK_BIN)/python --no-deps --no-build-isolation --editable .
	@$(SPARK_BIN)/python infra/openmp.py
	@touch $@

lock: ## Resolve the dependencies anew into the hashed locks
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --upgrade --output-file $(LOCK)
	@$(call lock_extra,spark) --output-file $(SPARK_LOCK)
	@$(call lock_extra,serving) $(addprefix --no-emit-package ,$(NOT_SERVED)) --output-file $(SERVING_LOCK)
	@$(BIN)/uv pip compile pyproject.toml --extra cluster $(LOCKED) --output-file $(PLATFORM_LOCK)

demo: demo-$(TARGET) ## Run the whole platform on a history [LOG=file] [MAPPING=file] [EXIT=1] [TARGET=compose [TASKS=n]]

demo-here: setup
	@$(BIN)/workcast demo $(if $(LOG),--log '$(LOG)') $(if $(MAPPING),--mapping '$(MAPPING)') \
	  $(if $(EXIT),--exit)

demo-compose: up
	@docker compose run --rm --no-deps $(foreach file,$(LOG) $(MAPPING),-v '$(abspath $(file)):/in/$(notdir $(file)):ro') \
	  workcast demo --attach $(if $(TASKS),--tasks $(TASKS)) $(if $(LOG),--log '/in/$(notdir $(LOG))') \
	  $(if $(MAPPING),--mapping '/in/$(notdir $(MAPPING))')
	@$(if $(EXIT),docker compose down,infra/compose/pages.sh)

images: ## Build the container images
	@docker compose --profile '*' build

secrets: ## Make the secrets of an installation in containers that are missing
	@$(PYTHON) infra/compose/make_secrets.py

up: secrets ## Start the platform in containers [PROFILES=monitoring,scale] [ENGINE=spark]
	@$(IN_CONTAINERS) docker compose up -d --wait

test: setup ## Run every test, the integration tests on real servers included [WORKERS=n]
	@$(BIN)/pytest -m 'not spark and not integration' --numprocesses $(WORKERS) --dist loadfile
	@# In the order of their folders: the longest, the benchmarks and the demo, begin early.
	@$(BIN)/pytest -m 'integration and not spark' --numprocesses $(WORKERS) --dist loadfile \
	  --no-loadscope-reorder

test-spark: setup-spark ## Run the tests on Spark: in one process, and on a cluster of processes
	@JAVA_HOME="$$($(SPARK_BIN)/python infra/spark/java.py)" $(SPARK_BIN)/pytest -m spark tests/spark

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
	@rm -rf .venv .venv-spark .ruff_cache .mypy_cache .pytest_cache .import_linter_cache .hypothesis
