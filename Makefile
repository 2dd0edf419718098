# Everything runs in .venv, which is made from requirements.lock (names, versions and hashes; no address of an index).
# uv lives in an environment of its own, because the lock does not hold the installer.
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
RELEASE := 1.0.0
DOCUMENTS := 20000
SYNCED := .venv/.synced

.DEFAULT_GOAL := help
.PHONY: help release test lint format verify-release lock bench bench-stages clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

release: $(SYNCED) ## Build the release in dist/ from seeds/; an unchanged release stays untouched.
	@$(BIN)/python tools/rebuild.py seeds dist $(RELEASE)

# More processes than cores, because much of the time tests wait, and files in the order that tests/conftest.py gives them.
test: $(SYNCED) ## Run the tests.
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(SYNCED) ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(SYNCED) ## Rewrite the code in the project's format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

verify-release: $(SYNCED) ## Build the committed release again and compare it byte for byte, changing nothing.
	$(BIN)/python tools/rebuild.py --check seeds dist $(RELEASE)

bench: $(SYNCED) ## Find near-duplicates as the peers do, side by side: make bench DOCUMENTS=20000.
	$(BIN)/python -m benchmarks.compare $(DOCUMENTS)

bench-stages: $(SYNCED) ## Measure the speed of the stages, and the accuracy of passage alignment and of quotations.
	$(BIN)/python -m benchmarks.corpus 10000 benchmarks/.corpus.parquet
	$(BIN)/python -m benchmarks.build benchmarks/.corpus.parquet
	$(BIN)/python -m benchmarks.alignment
	$(BIN)/python -m benchmarks.quotes

lock: $(UV) ## Resolve the versions anew.
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --upgrade --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean: ## Remove the environments and what was left over from builds.
	rm -rf .venv .uv dist/.[!.]* benchmarks/.[!.]*

$(UV):
	@echo 'Preparing the installer in .uv'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "copydesk needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

$(SYNCED): $(UV) requirements.lock pyproject.toml
	@echo 'Preparing the environment in .venv'
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(SYNCED)
