# Everything that these commands need they set up by themselves: Python 3.11 or newer is enough.
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
BIN := $(VENV)/bin

.PHONY: run test lint fmt unit setup clean

run: $(VENV)/.ready
	$(BIN)/govorun sandbox

test: $(VENV)/.ready
	$(BIN)/python scripts/check.py

lint: $(VENV)/.ready
	$(BIN)/python scripts/check.py lint

unit: $(VENV)/.ready
	$(BIN)/python scripts/check.py unit

fmt: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/.ready

# uv lives in the project's own environment and installs exactly what the lock file says.
$(VENV)/.ready: pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
	$(UV) sync --quiet --locked --inexact --python $(BIN)/python
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
