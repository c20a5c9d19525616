# `make up` installs what is missing and runs Spanledger; `make test` does the same for the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests wait for processes and for the engine: two workers more than there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(len(os.sched_getaffinity(0)) + 2, 6) \
	if hasattr(os, "sched_getaffinity") else 4)')

# Where it is set, each process that a test starts would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up demo install test endurance lint types bench screenshots chromium clean

up: $(VENV)/.installed
	@$(BIN)/spanledger up $(ARGS)

demo: $(VENV)/.installed
	@$(BIN)/spanledger demo $(ARGS)

install: $(VENV)/.installed-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Spanledger needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml sdk/pyproject.toml sdk/workers/pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ./sdk -e ./sdk/workers -e .
	@# The command once belonged to the server's distribution: replacing that one takes it away.
	@[ -x $(BIN)/spanledger ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--force-reinstall --no-deps -e ./sdk
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml sdk/pyproject.toml sdk/workers/pyproject.toml requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@[ -x $(BIN)/spanledger ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--force-reinstall --no-deps -e ./sdk
	@touch $@ $(VENV)/.installed

# What is not compiled yet, each worker and each process that a test starts would compile at once.
test: install chromium
	$(BIN)/python -m compileall -q -j 0 sdk collector storage analytics dashboard alerts server
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not endurance" $(ARGS)

# The real clients and frameworks that recipes are run with.
$(VENV)/.installed-clients: $(VENV)/.installed-dev tests/sdk/real/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt \
		-r tests/sdk/real/requirements.txt
	@touch $@

# What `make test` leaves out, because it takes minutes.
endurance: $(VENV)/.installed-clients chromium
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m endurance $(ARGS)

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: install
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.trace_open

# Needs a running instance with data: make up, make demo.
screenshots: install chromium
	$(BIN)/python -m benchmarks.screenshots --url http://127.0.0.1:8501 --out docs/img

# The browser tests and screenshots drive the distribution's chromium; without it they are skipped.
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| echo "chromium is not installed: browser tests will be skipped"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
