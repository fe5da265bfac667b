# The first target sets everything up in .venv and runs the main job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: verify test bench campaign lint clean

verify: $(VENV)/ready
	$(BIN)/fanin verify

test: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(VENV)/bench
	$(BIN)/python -m pytest benchmarks --override-ini=filterwarnings=default -q -s

campaign: $(VENV)/campaign
	$(BIN)/python -m tests.campaigns

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

$(VENV)/campaign: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[mutants]"
	touch $@

$(VENV)/lint: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[lint]"
	touch $@

$(VENV)/bench: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]" torch==2.13.0 jax
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
