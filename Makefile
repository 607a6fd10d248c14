# `make demo` and `make test` do everything on a fresh Debian 12: environment, system packages, then the job.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SYSTEM := deploy/system-packages.sh
# A test module runs in one process; two are busy at a time, for most wait for real time.
TEST_OPTIONS := -n 2 --dist loadfile

.PHONY: demo test bench forgeries fuzz lint env clean

demo: $(READY)
	$(BIN)/python -m gateway.tools.demo

test: $(READY)
	sh $(SYSTEM) test
	$(BIN)/python -m pytest $(TEST_OPTIONS)

bench: $(READY)
	$(BIN)/clarilink bench
	$(BIN)/clarilink bench --serial
	$(BIN)/clarilink bench --channel
	$(BIN)/clarilink bench --station

# 2^20 made-up packets at a receiver with security: none may be opened (the tests do 2^16).
forgeries: $(READY)
	CLARILINK_FORGERIES=1048576 $(BIN)/python -m pytest tests/protocol/test_opening.py -k random_packets --durations=1

# All parsers, ten minutes, or `make fuzz SECONDS=60`. What fails is left in fuzz-out/.
SECONDS ?= 600
fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

env: $(READY)

# torch first and pinned: an unpinned one brings gigabytes of GPU libraries that nothing here needs.
$(READY): pyproject.toml deploy/constraints.txt $(SYSTEM)
	sh $(SYSTEM)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt torch numpy
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt -e '.[pesq]' \
		|| echo "PESQ was not built (it needs gcc, libc6-dev and python3-dev): evaluations leave it out" >&2
	touch $@

clean:
	rm -rf $(VENV) demo-out eval-out .pytest_cache .mypy_cache .ruff_cache
