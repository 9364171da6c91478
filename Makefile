# Every target makes what it needs; Python 3.11+, make and pip are enough to begin with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
THREADS ?= 2
export OMP_NUM_THREADS ?= $(THREADS)
export TOKENIZERS_PARALLELISM ?= false

# Where this may: as root on Debian or Ubuntu. Everything but code works without.
INSTALL_BWRAP = { [ "$$(id -u)" = 0 ] && command -v apt-get && apt-get update && apt-get install --yes bubblewrap; } > /dev/null 2>&1

.PHONY: help install demo test check bench controls kills fuzz results clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(BIN)/.installed ## the virtual environment .venv with everything in it

$(BIN)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ponder needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@command -v bwrap > /dev/null || $(INSTALL_BWRAP) \
	  || echo "Code is graded in a sandbox, which needs bubblewrap: sudo apt-get install bubblewrap"
	@touch $@

demo: install ## R1-Zero on the shipped base, four families in two languages, see docs/results.md for what to expect
	$(BIN)/ponder run recipes/zero_tiny.yaml

test: install ## the test suite
	$(BIN)/python -m pytest -m 'not slow and not gpu'

check: install ## formatting, lint, types, layers
	$(BIN)/ruff format --check src tests examples
	$(BIN)/ruff check src tests examples
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install ## ratios against TRL and transformers, written to docs/benchmarks.md
	bash benchmarks/run.sh

controls: install ## rewards drawn at random at the true rate must teach nothing
	$(BIN)/ponder run recipes/zero_tiny_random.yaml

kills: install ## a run killed at every crash point and at random times, against an uninterrupted one
	$(BIN)/python -m pytest -m slow tests/integration

fuzz: install ## graders and rewards against twenty thousand odd texts
	$(BIN)/python -m pytest -m slow tests/hostile
	$(BIN)/python tests/hostile/fuzz_graders.py

results: install ## the three seeds of docs/results.md
	for seed in 0 1 2; do $(BIN)/ponder run recipes/zero_tiny.yaml --set seed=$$seed --out runs/results-$$seed; done

clean: ## everything that can be made again
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
