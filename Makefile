# Idlegrid: every target makes its own environment first (.venv, from pyproject.toml).
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help env demo serve test check format simulate mutate fuzz wasi-programs numpy-grid runtime bench
.PHONY: same clean

help: ## show this text
	@echo "Idlegrid. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "Making the environment in $(VENV) (a minute or two the first time)..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade "pip>=24"
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $(STAMP)

env: $(STAMP) ## make the environment only

demo: $(STAMP) ## the main job: server, four clients, a batch, one answer (CHAOS=1: with crashes)
	@$(PY) -m examples.demo $(if $(CHAOS),--chaos)

serve: $(STAMP) ## a lab project in build/project, served on this machine
	@test -d build/project || $(PY) -m idlegrid_server init build/project --lab
	@$(PY) -m idlegrid_server serve build/project

check: $(STAMP) ## lint, format, types, import laws
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-cache

format: $(STAMP) ## mend lint and format where a machine can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

test: check ## everything that must hold before a change lands
	@$(PY) -m pytest -n 2 --dist worksteal

simulate: $(STAMP) ## a whole project under faults and cheats, by seed (SEEDS=1000 START=0)
	@$(PY) -m tests.simulation --workers 2 --seeds $(or $(SEEDS),1000) --start $(or $(START),0)

mutate: $(STAMP) ## do tests notice small changes of domain/? (MODULES="quorum unit")
	@$(PY) -c 'import mutmut' 2>/dev/null || $(PY) -m pip install --quiet -e ".[mutate]"
	@$(PY) -m tests.mutation $(MODULES)

fuzz: $(STAMP) ## feed the readers of foreign bytes with rubbish for ten minutes (SECONDS=600)
	@$(PY) -c 'import atheris' 2>/dev/null || $(PY) -m pip install --quiet -e ".[fuzz]" || true
	@$(PY) -m tests.fuzz $(or $(SECONDS),600)

wasi-programs: $(STAMP) ## run well-known C programs (SQLite, QuickJS, zstd ...) in the sandbox
	@$(PY) -m tests.wasi_programs

numpy-grid: $(STAMP) ## a numpy app through a real server and client (ten minutes, 3 GB of memory)
	@$(PY) -m pytest -q tests/python/numpy_grid.py

runtime: $(STAMP) ## an interpreter as one file for `idlegrid-server runtime add` (NAME=cpython)
	@mkdir -p build
	@$(PY) -m idlegrid runtime bundle $(or $(NAME),cpython) --out build/$(or $(NAME),cpython).runtime

bench: $(STAMP) ## measure a figure (NAME=wasm-speed); without NAME: list them and their bars
	@$(PY) -m benchmarks $(if $(NAME),run $(NAME),list)

same: $(STAMP) ## the same bytes on every engine, and on an emulated aarch64 (an hour the first time)
	@$(PY) -m benchmarks run same-everywhere

clean: ## remove what was built (not the environment)
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
