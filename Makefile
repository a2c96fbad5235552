# Every target sets up what it needs in .venv, by itself: Python >= 3.11 and make are enough.
# Another Python: make PYTHON=python3.12 test. More for the program: make demo ARGS="--help".

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?=
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
unexport PYTHONDONTWRITEBYTECODE # a command that compiles its libraries anew takes twice as long

VENV := .venv
BIN := $(VENV)/bin
# Two steps of the set-up: what the program needs, and on top of it what developers need.
OF_PYTHON := $(subst /,_,$(if $(PYTHON),-$(PYTHON)))
RUNTIME := $(VENV)/.runtime$(OF_PYTHON)
STAMP := $(VENV)/.set-up$(OF_PYTHON)

# What is linted and typed: the folders that are there.
CODE := $(wildcard src tests bench examples)

# Tests run side by side, two processes more than there are cores (tests/conftest.py) but not more than
# four: each test has folders and ports of its own, and some only wait for processes they started.
SIDE_BY_SIDE := -n auto --maxprocesses=4 --dist=worksteal

# Runs a command; prints what it said only if it failed.
quietly = out=$$($(1) 2>&1) || { printf '%s\n' "$$out" >&2; exit 1; }

.PHONY: help
help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 | \2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-15s%s\n", $$1, $$2}'

.PHONY: demo
demo: $(RUNTIME) ## simulated shop, pull, load, the three answers; works offline
	@$(BIN)/orderpull demo $(ARGS)

.PHONY: test
test: lint servers ## everything: lint, types, imports, all tests
	@$(MAKE) -j2 types all-tests

.PHONY: all-tests
all-tests: $(STAMP)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

.PHONY: servers
servers: ## what tests start (installs PostgreSQL and Chromium where they are missing and that may be)
	@scripts/servers

.PHONY: check
check: lint commits ## lint, types, imports, commit subjects and every test that is not marked slow
	@$(MAKE) -j2 types quick-tests

.PHONY: commits
commits: $(STAMP)
	@$(BIN)/python scripts/check-commits

.PHONY: quick-tests
quick-tests: $(STAMP)
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m "not slow" $(ARGS)

.PHONY: search
search: $(STAMP) ## the random searches and histories, the drills of verify and dry runs, ten times as many seeds (ORDERPULL_SEARCH=10)
	@ORDERPULL_SEARCH=$(or $(ORDERPULL_SEARCH),10) $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/sources/random tests/verify \
		tests/operate/test_dry_run.py tests/forget/test_random.py tests/stateful $(ARGS)

.PHONY: scale
scale: $(STAMP) servers ## a replay on a Spark cluster of two workers, with kills, over 2,000,000 versions of orders
	@ORDERPULL_SPARK_VERSIONS=$(or $(VERSIONS),2000000) $(BIN)/python -m pytest tests/spark/test_cluster.py $(ARGS)

.PHONY: bench
bench: $(STAMP) build/dlt_lean/.set-up ## orderpull beside dlt and a small reference: CPU, time and memory
	@PYTHONPATH=. $(BIN)/python -m bench.run $(ARGS)

build/dlt_lean/.set-up build/flame/.set-up: build/%/.set-up: bench/%/requirements.txt
	@$(BIN)/python -m venv build/$*
	@$(call quietly,scripts/install build/$* $< --compile)
	@touch $@

.PHONY: bench-plots
bench-plots: $(STAMP) ## draw docs/bench-*.svg from bench/results.json (make bench ARGS="--json ...")
	@PYTHONPATH=. $(BIN)/python -m bench.plots $(ARGS)

.PHONY: bench-flame
bench-flame: $(STAMP) build/flame/.set-up ## where a first load spends its time: docs/bench-flame.svg, by py-spy
	@PYTHONPATH=. $(BIN)/python -m bench.flame.draw $(ARGS)

.PHONY: bench-instructions
bench-instructions: $(STAMP) servers ## count the instructions of a fixed load (ARGS=--renew: write the budget)
	@PYTHONPATH=. $(BIN)/python -m bench.instructions $(ARGS)

.PHONY: bench-equal
bench-equal: $(STAMP) ## every table of two versions: OLD=checkout with its .venv
	@PYTHONPATH=. $(BIN)/python -m bench.equal $(OLD) $(ARGS)

.PHONY: bench-pages
bench-pages: $(STAMP) ## what the pages cost over ten million orders (needs 5 GB of disk, 15 minutes)
	@PYTHONPATH=. $(BIN)/python bench/pages.py $(ARGS)

.PHONY: bench-beside
bench-beside: $(STAMP) servers build/beside/.set-up ## the pages beside small Dash and Streamlit ones, in Chromium
	@PYTHONPATH=. $(BIN)/python bench/beside.py $(ARGS)

build/beside/.set-up: bench/dashboards/requirements.txt
	@$(BIN)/python -m venv build/beside
	@$(call quietly,build/beside/bin/python -m pip install --require-hashes -r $<)
	@touch $@

.PHONY: pictures
pictures: $(STAMP) servers ## take the pictures of the docs anew: the pages in Chromium, Tableau's dashboard
	@$(BIN)/python -m tests.docs.pictures
	@$(BIN)/python -m tests.tableau.picture

.PHONY: lambda-zip
lambda-zip: $(STAMP) ## the code for AWS Lambda: build/lambda/orderpull.zip (ARCH=arm64)
	@scripts/lambda-zip 3.13 $(or $(ARCH),x86_64)

# These pin much that orderpull has in other versions, so each has an environment of its own.
build/aws/%/.set-up: deploy/aws/lint/%.txt | $(STAMP)
	@$(BIN)/python -m venv build/aws/$*
	@$(call quietly,scripts/install build/aws/$* $<)
	@touch $@

OFFLINE := AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none SAM_CLI_TELEMETRY=0

TEMPLATES := deploy/aws/template.yaml deploy/aws/template-image.yaml

.PHONY: lint-aws
lint-aws: build/aws/sam/.set-up build/aws/checkov/.set-up ## cfn-lint, sam validate and checkov over deploy/aws; offline
	@build/aws/sam/bin/cfn-lint $(TEMPLATES)
	@for each in $(TEMPLATES); do \
		$(OFFLINE) build/aws/sam/bin/sam validate --lint --template $$each || exit 1; done
	@build/aws/checkov/bin/checkov $(addprefix --file ,$(TEMPLATES)) --framework cloudformation \
		--skip-download --compact --quiet

.PHONY: lint
lint: $(STAMP)
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --quiet --check $(CODE) || { \
		$(BIN)/ruff format --check $(CODE); echo "make format puts these right"; exit 1; }
	@$(call quietly,$(BIN)/lint-imports --no-logo)

.PHONY: types
types: $(STAMP)
	@$(BIN)/mypy --no-error-summary $(CODE)

.PHONY: format
format: $(STAMP) ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only $(CODE)
	@$(BIN)/ruff format --quiet $(CODE)

LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile pyproject.toml --quiet --system-certs \
	--python $(BIN)/python --universal --python-version 3.11 --generate-hashes \
	$(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: $(STAMP) ## write requirements/*.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	@$(LOCK) --output-file requirements/runtime.txt
	@$(LOCK) --all-extras --group dev --constraints requirements/runtime.txt --output-file requirements/dev.txt
	@$(LOCK) --extra age --extra kms --extra notify --extra oauth --extra otel --extra postgres --extra redshift --extra s3 --extra web \
		--constraints requirements/dev.txt --output-file requirements/container.txt
	@$(LOCK) --extra age --extra aws --extra notify --extra oauth --extra otel --extra postgres --extra redshift \
		--constraints requirements/dev.txt --output-file requirements/lambda.txt

.PHONY: lock-aws
lock-aws: $(STAMP) ## write deploy/aws/lint/*.txt anew
	@for each in sam checkov; do UV_CUSTOM_COMPILE_COMMAND="make lock-aws" $(BIN)/uv pip compile \
		deploy/aws/lint/$$each.in --quiet --python $(BIN)/python --universal --python-version 3.11 \
		--generate-hashes $(if $(UPGRADE),--upgrade) --output-file deploy/aws/lint/$$each.txt; done

.PHONY: lock-bench
lock-bench: $(STAMP) ## write bench/*/requirements.txt anew from requirements.in beside them
	@for each in dlt_lean flame; do UV_CUSTOM_COMPILE_COMMAND="make lock-bench" $(BIN)/uv pip compile \
		bench/$$each/requirements.in --quiet --python $(BIN)/python --universal --python-version 3.11 \
		--generate-hashes --no-annotate --constraints requirements/dev.txt \
		$(if $(UPGRADE),--upgrade) --output-file bench/$$each/requirements.txt || exit 1; done

.PHONY: clean
clean: ## remove .venv, caches and builds; never orders, landing or settings
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements/runtime.txt scripts/venv scripts/install scripts/link
	@PYTHON='$(PYTHON)' scripts/venv $(VENV)
	@echo "orderpull: installing its $$(grep -c == $<) packages into $(VENV)" >&2
	@$(call quietly,scripts/install $(VENV) $<)
	@scripts/link $(VENV)
	@touch $@

$(STAMP): requirements/dev.txt pyproject.toml $(RUNTIME)
	@echo "orderpull: installing the development packages into $(VENV)" >&2
	@$(call quietly,scripts/install $(VENV) $< --compile)
	@$(call quietly,$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .)
	@touch $@
