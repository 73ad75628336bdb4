# Everything there is to run. Needs make, pip and Python 3.11 or later; PYTHON=... says which one.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Test processes at a time: more than two cores have use for, as tests with peers wait for them.
JOBS ?= 3
# Kept, whatever the environment says: what Python has compiled. Tests begin hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup peers demo test check bench soak fuzz docs dist clean

help:
	@echo 'make setup   a virtual environment in $(VENV), and the peers of the interop tests'
	@echo 'make demo    Alice calls Bob on this machine, and each hears what the other said'
	@echo 'make test    the whole test suite'
	@echo 'make check   format, lint, types, layers, documentation and its site'
	@echo 'make bench   sipparty beside its peers; writes docs/benchmarks.md'
	@echo 'make soak    ten minutes under load, loss and attack'
	@echo 'make fuzz    a million mutated inputs for each parser, and for a live party'
	@echo 'make docs    this documentation as a site, in build/docs'
	@echo 'make dist    wheel, source distribution and bill of materials, in dist'
	@echo 'make clean   remove what was made, but for $(VENV)'

setup: $(STAMP) peers

# Some systems have venv without its pip; then the pip that is there fills the environment.
$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'sipparty needs Python 3.11 or later: make PYTHON=python3.12 ...'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null || \
	  $(PYTHON) -m venv --clear --without-pip $(VENV)
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; \
	  else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
	  set -x; $$pip install -q --disable-pip-version-check -r requirements-dev.txt && \
	  $$pip install -q --disable-pip-version-check --no-deps -e .
	@$(BIN)/python -m compileall -q -j 0 src
	@touch $@

peers:
	@sh .ci/install-peers

demo: $(STAMP)
	@$(BIN)/sipparty demo

test: $(STAMP) peers
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_layering.py tests/unit/test_exports.py \
	  tests/unit/test_import.py tests/unit/test_docs.py
	@$(MAKE) --no-print-directory docs

bench: $(STAMP)
	$(BIN)/python bench/run.py

soak: $(STAMP) peers
	$(BIN)/python soak/run.py

fuzz: $(STAMP)
	$(BIN)/python fuzz/run.py

docs: $(STAMP)
	@$(BIN)/python docs/pages.py build/docs-source
	@$(BIN)/sphinx-build -W --keep-going -q -j auto -c docs -d build/docs-cache build/docs-source build/docs
	@echo 'the site is in build/docs; begin at build/docs/index.html'

dist: $(STAMP)
	@$(BIN)/python release/dist.py dist

clean:
	rm -rf build dist demo-call .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests bench docs examples -name __pycache__ -type d -prune -exec rm -rf {} +
