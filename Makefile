# figures, site, claims, test, check, lint, mutants, clean. Every target makes .venv first when it is missing or outdated.
# ARGS goes to the command: make figures ARGS="--only 06 --jobs 4"

PROFILE ?= quick
ARGS ?=
BIN := .venv/bin
READY := .venv/installed
PARALLEL := -n auto --maxprocesses 8 --dist worksteal

export PYTHON
export PYTHONPATH := $(CURDIR)
export OMP_WAIT_POLICY := PASSIVE
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: figures site claims test check lint mutants clean

figures: $(READY)
	$(BIN)/python -m notebooks.cli figures --profile $(PROFILE) --keep build/notebooks $(ARGS)

# The pages of site/, from the notebooks that "make figures" left in build/notebooks; needs no network.
site: $(READY)
	$(BIN)/python docs/site/prepare.py build/site-source --kept build/notebooks
	$(BIN)/python -m sphinx -W -n -q -E -d build/doctrees build/site-source build/html
	rm -rf site && mv build/html site

claims: $(READY)
	$(BIN)/python -m notebooks.cli claims $(ARGS)

test: lint
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

# The code alone: no claims, no notebooks, no site. Everything is in "make test".
check: lint
	$(BIN)/python -m pytest $(PARALLEL) --ignore tests/claims --ignore tests/notebooks --ignore tests/site --ignore tests/test_map.py $(ARGS)

lint: $(READY)
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

mutants: $(READY)
	$(BIN)/python -m tests.mutants.run $(ARGS)

clean:
	rm -rf .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist site *.egg-info
	find theory neural synthetic notebooks tests -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh
