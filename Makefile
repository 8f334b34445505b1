# Everything needs only Python 3.11 to 3.13 and make. `make run` and `make test` are the two that matter.

VENV := .venv
INSTALLED := $(VENV)/installed
RUN := $(VENV)/bin/python
# MetricFlow has an environment of its own: nothing else needs it.
METRICS_VENV := .venv-metrics
METRICS_INSTALLED := $(METRICS_VENV)/installed
# Spark has one too; it also needs Java 17 or later.
SPARK_VENV := .venv-spark
SPARK_INSTALLED := $(SPARK_VENV)/installed
# DuckDB 2.0 in place of the one that is pinned.
DUCKDB2_VENV := .venv-duckdb2
DUCKDB2_INSTALLED := $(DUCKDB2_VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help setup run test test-quick test-duckdb2 proofs lint format dev bench clients pages superset metrics spark chaos load soak fuzz offline samples lock clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED) ## make the virtual environment from the hash-pinned lock

$(INSTALLED): requirements.lock pyproject.toml
	@python=""; \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	  if "$$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "no Python 3.11 to 3.13 found; name one with: make PYTHON=/path/to/python" >&2; exit 2; fi; \
	echo "setting up $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
	  -r requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $(INSTALLED)

run: setup ## run the nightly job once: check, build, audit, publish
	@$(RUN) -m city_index run

# Whole files go to one process, so that what a file makes for all its tests is made once; in the suite's own order.
TWO_FILES := --numprocesses 2 --dist loadfile --no-loadscope-reorder
test: setup ## run the whole test suite, two files at a time
	@$(RUN) -m pytest $(TWO_FILES)

test-quick: setup ## run the tests that take no rebuild
	@$(RUN) -m pytest -m "not slow" $(TWO_FILES)

test-duckdb2: $(DUCKDB2_INSTALLED) ## run the whole test suite on DuckDB 2.0, installed apart
	@$(DUCKDB2_VENV)/bin/python -m pytest $(TWO_FILES)

$(DUCKDB2_INSTALLED): requirements.lock clients/requirements/duckdb_2_0.txt | setup
	@echo "setting up $(DUCKDB2_VENV)"
	@$(RUN) -m venv --clear $(DUCKDB2_VENV)
	@for pins in requirements.lock clients/requirements/duckdb_2_0.txt; do \
	  $(DUCKDB2_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	    --require-hashes -r $$pins || exit 1; \
	done
	@$(DUCKDB2_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
	  --editable .
	@touch $(DUCKDB2_INSTALLED)

proofs: setup ## the slow proofs in their long form: hostile files and names, publications cut short
	@$(RUN) -m pytest --long -s tests/python/test_hostile_files.py tests/python/test_hostile_names.py
	@$(RUN) -m pytest --long -s tests/python/test_publishing.py -k cut_short

lint: setup ## check the style of Python and the compiled SQL
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

format: setup ## format the Python code
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

dev: setup ## dagster dev on 127.0.0.1:3000, with its history kept
	@DAGSTER_HOME="$$($(RUN) -c 'from city_index.settings import Settings; print(Settings.from_environment().dagster_home)')" && \
	export DAGSTER_HOME && umask 027 && mkdir -p "$$DAGSTER_HOME" && \
	{ [ -e "$$DAGSTER_HOME/dagster.yaml" ] || { cp dagster.yaml "$$DAGSTER_HOME/.dagster.yaml.tmp" && mv "$$DAGSTER_HOME/.dagster.yaml.tmp" "$$DAGSTER_HOME/dagster.yaml"; }; } && \
	exec $(RUN) -m dagster dev --host 127.0.0.1 --port 3000

metrics: $(METRICS_INSTALLED) ## ask the metrics of what is published through MetricFlow, and hold the answers against the tables
	@$(METRICS_VENV)/bin/python -m metrics

# halo, which mf draws its progress with, comes as source only.
$(METRICS_INSTALLED): metrics/requirements.txt | setup
	@echo "setting up $(METRICS_VENV)"
	@$(RUN) -m venv --clear $(METRICS_VENV)
	@$(METRICS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	  --no-binary halo --require-hashes -r metrics/requirements.txt
	@touch $(METRICS_INSTALLED)

spark: $(SPARK_INSTALLED) ## build the same models on Spark, and hold every table against DuckDB's; parity, and growth
	@$(RUN) -m spark

# PySpark comes as source only; what it is built with stands in the environment first, pinned like the rest.
$(SPARK_INSTALLED): spark/requirements.txt | setup
	@echo "setting up $(SPARK_VENV)"
	@$(RUN) -m venv $(SPARK_VENV)
	@sed -n '/^setuptools==/,/[^\\]$$/p' spark/requirements.txt > $(SPARK_VENV)/build.txt
	@$(SPARK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	  --require-hashes -r $(SPARK_VENV)/build.txt
	@$(SPARK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	  --no-binary pyspark --no-build-isolation --require-hashes -r spark/requirements.txt
	@touch $(SPARK_INSTALLED)

bench: setup ## ratios to the bare tools, side by side in one run: nights, scoring at three sizes, draws, landing, reading
	@$(RUN) -m benchmarks

clients: setup ## read what is published with DuckDB 1.1 to 2.0, SQLAlchemy, pandas and others, each installed apart
	@$(RUN) -m clients.prove_readers

pages: setup ## open the report in headless Chromium: search, filters, links, accessibility, pictures at three widths
	@$(RUN) -m clients.prove_pages

superset: setup ## install Apache Superset apart, and prove that it reads a release while the next one is published
	@$(RUN) -m clients.prove_superset

chaos: setup ## 500 kills with SIGKILL at every step; then every fault of disks, folders, files, clocks, Dagster, rivals
	@$(RUN) -m reliability.kills --long --write
	@$(RUN) -m reliability.faults --long --write

load: setup ## 32 processes read the published file while 50 releases are published; errors and ratios
	@$(RUN) -m reliability.load --long --write

soak: setup ## 200 nightly runs in a row with changing input; slopes of memory, files, storage and time
	@$(RUN) -m reliability.soak --long --write

fuzz: setup ## hostile files, framework trees, settings and arguments by the thousand (20 minutes)
	@$(RUN) -m reliability.fuzz --long --write

offline: setup ## make run and make test in a network namespace without a network, and what they tried to reach
	@$(RUN) -m reliability.offline --long --write

samples: setup ## write the seeds of synthetic hospitals and evidence anew
	@$(RUN) -m samples

lock: ## renew requirements.lock and the pins of the clients (needs uv); names no index host
	uv pip compile --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url --no-header \
	  --quiet --output-file requirements.lock pyproject.toml
	@for each in clients/requirements/*.in; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --quiet --output-file "$${each%.in}.txt" "$$each" || exit; \
	done

clean: ## remove the environments and caches; the state in var/ stays
	rm -rf $(VENV) $(METRICS_VENV) $(SPARK_VENV) $(DUCKDB2_VENV) .venv-clients target logs .pytest_cache .ruff_cache .hypothesis *.egg-info
