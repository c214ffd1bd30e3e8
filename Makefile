# `make bench` runs the benchmark, `make test` runs the tests, `make help` lists all targets.
# They first create .venv and install the project there, with the versions pinned in constraints.txt.

VENV ?= .venv
ARGS ?=
RUN := $(VENV)/bin/python
# One process more than cores, since some tests wait. Each takes up to 2 GB, hence at most four.
PARALLEL := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --dist worksteal
INSTALLED := $(VENV)/.installed
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

# The first supported Python of this list; `make PYTHON=/path/to/python …` overrides it.
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c '$(SUPPORTED)' >/dev/null 2>&1; then echo $$python; exit; fi; done; echo python3)
endif

.DEFAULT_GOAL := help
.PHONY: help install bench test test-long lint format docs dist constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-18s %s\n' "$$name" "$$text"; done
	@echo "ARGS='…' passes additional arguments, PYTHON=… selects the interpreter."

install: $(INSTALLED) ## create .venv and install the project there

bench: $(INSTALLED) ## train and print the leaderboard (ARGS='--models all --epochs 5')
	$(RUN) benchmark.py $(ARGS)

test: $(INSTALLED) ## run the fast tests (ARGS='-k registry', ARGS='-n 0' in one process)
	@$(RUN) -m pytest $(PARALLEL) $(ARGS)

test-long: $(INSTALLED) ## run the tests marked slow
	@$(RUN) -m pytest -m slow $(ARGS)

lint: $(INSTALLED) ## check style, formatting and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(INSTALLED) ## fix style and formatting as far as possible
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: $(INSTALLED) ## build the documentation in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

dist: $(INSTALLED) ## build wheel and sdist in dist
	rm -rf dist
	$(RUN) -m build --no-isolation

constraints: ## pin the newest versions allowed by pyproject.toml in constraints.txt
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install -qq --upgrade setuptools -e '.[dev]'
	build/constraints/bin/python -m pip freeze -qq --all --exclude pip --exclude-editable >build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/constraints

clean: ## remove .venv and all caches, never data/ or results/
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) not found: install Python 3.11, 3.12 or 3.13, or pass its path as PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || \
		{ echo "fer-bench needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
			"Pass another one as PYTHON=…" >&2; exit 1; }
	@if ! $(RUN) -m pip --version >/dev/null 2>&1; then \
		echo "Creating $(VENV) with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
			echo "Cannot create a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing fer-bench and its dependencies into $(VENV); the first time takes a few minutes"
	@$(RUN) -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(INSTALLED)
