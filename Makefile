# Everything that these commands need they set up by themselves: Python 3.11 or newer is enough.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
BIN := $(VENV)/bin

.PHONY: run test long tools packages lint fmt unit coverage bench crash setup clean

run: $(VENV)/.ready
	$(BIN)/govorun sandbox

test: tools
	$(BIN)/python scripts/check.py

# Side by side: both wait for the network.
tools:
	$(MAKE) --no-print-directory --jobs=2 packages setup

# Debian packages for the tests (Chromium, a C compiler, systemd): root installs what is missing and prints it first.
packages:
	$(PYTHON) scripts/system_packages.py

lint: $(VENV)/.ready
	$(BIN)/python scripts/check.py lint

unit: $(VENV)/.ready
	$(BIN)/python scripts/check.py unit

coverage: $(VENV)/.ready
	$(BIN)/python scripts/check.py coverage

fmt: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready
	$(BIN)/python -m bench

# All cases of the check, of which `test` runs a part by turns. It takes about a third longer.
long: tools
	TEST_TURN=all $(BIN)/python scripts/check.py

# Every strike at every point, 1,000 kills, a pause of 90 s and a minute with a rival: see docs/testing.md. Batch runs
# have a driver of their own: python -m tests.promises.crash.batch.
crash: $(VENV)/.ready
	$(BIN)/python -m tests.promises.crash $(CRASH)
	CRASH_PAUSE=90 CRASH_QUARREL=60 $(BIN)/pytest -q --timeout=600 tests/promises/crash -k "pause or two_bots"

setup: $(VENV)/.ready

# uv lives in the project's own environment, is known by its hash, and installs exactly what the lock file says.
$(VENV)/.ready: pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement deploy/uv.txt
	$(UV) sync --quiet --locked --inexact --python $(BIN)/python
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
