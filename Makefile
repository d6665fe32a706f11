# `make demo` and `make test` are all a newcomer needs. Everything lands in .venv and var/; nothing needs root.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
LOCK   := requirements.lock
DATA   ?= ../shared/data
STAMP  := $(VENV)/.installed
PACKAGES := shared services training deploy benchmarks selfmis
# Many tests mostly wait for real processes: one more at a time than there are cores. Those of one file stay together,
# for what they share; files come by folder, so that those that take longest (benchmarks, deploy) are not left for the end.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
SIDE_BY_SIDE ?= -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo model test test-full lint types bench dashboards lock clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv and install the locked dependencies

$(STAMP): $(LOCK) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "selfmis: $(PYTHON) not found: install Python 3.11 or newer, or run make PYTHON=/path/to/python"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "selfmis: $(PYTHON) is older than Python 3.11"; exit 2; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing the locked dependencies into $(VENV) (about 1 GB; minutes the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r $(LOCK)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## a simulated ward on this machine, until Ctrl-C (DEMO_SECONDS=90 ends it)
	@$(BIN)/selfmis demo

model: $(STAMP) ## the shipped model made again and compared: make model DATA=folder with PTB-XL in it
	@$(BIN)/selfmis recipe training/recipe.toml --data $(DATA) --out var/recipe

test: lint types ## lint, type-check and test (under 15 minutes on 2 cores)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-full: lint types ## everything, slow proofs included
	$(BIN)/python -m pytest -m "full or not full" --timeout 1800

lint: $(STAMP) ## ruff, format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

bench: $(STAMP) ## the quick benchmarks; docs/benchmarks.md lists them all
	@for name in codec signal windows engine alarms; do $(BIN)/selfmis bench $$name || exit; done

dashboards: $(STAMP) ## write Grafana's boards and what Kubernetes makes of them anew
	$(BIN)/python -m deploy.grafana
	$(BIN)/python -m deploy.prometheus_rule

lock: $(STAMP) ## resolve the newest allowed versions into requirements.lock
	$(BIN)/pip-compile -q --upgrade --extra dev --strip-extras --unsafe-package pip --no-header --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host -o $(LOCK) pyproject.toml
	@# A local build tag (+cpu) names one machine's wheel; the version is what we pin.
	@sed -i 's/^\(torch==[0-9.]*\)+.*/\1/' $(LOCK)

clean: ## remove caches and what runs left in var/
	rm -rf var build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the same and .venv
	rm -rf $(VENV)
