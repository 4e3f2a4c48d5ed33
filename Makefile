# Everything that these commands need they set up by themselves: Python 3.11 or newer is enough.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
BIN := $(VENV)/bin

# What the tabs of the sandbox's page use; everything else is for tests.
SANDBOX := --no-default-groups --extra knowledge --extra documents --extra desk

.PHONY: run test long tools packages lint fmt unit coverage bench crash setup clean

run: $(VENV)/.runs
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
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo '--- Making the environment $(VENV), which has everything: nothing else on this machine changes'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --require-hashes --requirement deploy/uv.txt | grep -v '^Collecting\|^Successfully'

$(VENV)/.ready: pyproject.toml uv.lock | $(UV)
	@echo '--- Installing what the sandbox and all tests need: about 1.6 GB, of which 500 MB are downloaded once'
	@$(UV) sync --locked --inexact --python $(BIN)/python
	@touch $@ $(VENV)/.runs

# uv itself is a fifth of what a run needs, and is not needed for it.
$(VENV)/.runs: pyproject.toml uv.lock
	@$(MAKE) --no-print-directory $(UV)
	@echo '--- Installing what the sandbox needs: about 200 MB, of which 70 MB are downloaded once'
	@$(UV) sync --locked --inexact $(SANDBOX) --python $(BIN)/python
	@test -e $(VENV)/.ready || $(BIN)/python -m pip uninstall --quiet --yes uv
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
