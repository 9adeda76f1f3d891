# `make demo` and `make test` are all that a fresh machine needs to be told.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-all coverage soak docs bench chaos protections lint format clean

demo: $(VENV)/.local
	$(BIN)/transcribe local samples/*.m4a samples/*.mp3 samples/*.wav

# Most tests wait for processes, so a few files at once fit on two cores.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist loadfile -m "not soak and not long"

# As long again: the tests marked `long`, too, and each Redis that there is. `.ci/run` runs it.
test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist loadfile

# Five minutes: the code that unit and integration tests execute; fails below the floor of pyproject.toml.
coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile tests/unit tests/integration
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Ten minutes: what `make test` proves, by many more examples.
soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak -n 2

# A quarter of an hour: kills whatever can be killed, under load, and audits what is left.
chaos: $(VENV)/.dev
	$(BIN)/python -m tests.chaos $(STORM)

# Ten minutes: us and two baselines on the same work. Options: make bench BENCH="--jobs 200 --large".
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(BENCH)

# Half an hour: sees that what docs/explanation/reliability.md promises is really tested.
protections: $(VENV)/.dev
	$(BIN)/python -m tests.protections

# Strict: no broken link, no page outside the navigation.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.lua_lint

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build site *.egg-info

# Each stamp is older than what it was made from, so that a second run installs nothing.
$(VENV)/.local: pyproject.toml constraints.txt
	@.ci/make-venv $(PYTHON) $(VENV)
	$(PIP) install --constraint constraints.txt --build-constraint constraints.txt --editable '.[local]'
	@touch $@

$(VENV)/.dev: $(VENV)/.local
	$(PIP) install --constraint constraints.txt --group dev
	@touch $@
