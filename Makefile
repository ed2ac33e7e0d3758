# make demo   a lab fleet, checked, patched in waves, windows closing     (needs Python 3.11+ and nothing else)
# make test   the whole test suite                                        (as root on Debian or Ubuntu it installs what it needs)
# make check  format, lint, types, import contracts, fast tests           (before every commit)
# make bench  ratios against peers and floors                             (prints a table; as root; BENCH="--quick --only scan")

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# 0: all tests in one process. They wait more than they compute: WORKERS=3 keeps two cores busy.
WORKERS ?= 0
SIDE_BY_SIDE := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test check bench lab-kernel lock clean packages

demo: $(VENV)/.runtime
	@$(BIN)/patchwave lab demo

test: $(VENV)/.dev packages
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(TESTS)

check: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m "not kernel and not sshd and not postgres and not scripts and not processes" \
		--ignore tests/acceptance --ignore tests/bench \
		--deselect tests/test_house_rules.py::test_the_tree_keeps_the_rules

bench: $(VENV)/.dev $(VENV)/.bench packages
	@$(BIN)/python -m tests.bench --peers $(VENV)/bench/bin $(BENCH)

lab-kernel: $(VENV)/.runtime packages
	@$(BIN)/patchwave lab kernel up

packages:
	@sh scripts/packages.sh

lock:
	@for name in runtime dev bench; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
			requirements/$$name.in --output-file requirements/$$name.txt; done

clean:
	@rm -rf $(VENV) build dist *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON=")'
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# The development set contains the run-time set.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.runtime

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The peers live in an environment of their own: they are measured, never imported.
$(VENV)/.bench: requirements/bench.txt | $(VENV)/bin/python
	@$(PYTHON) -m venv $(VENV)/bench
	@$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@
