# Two commands do all the set-up: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-all coverage check reference docs performance
# Three runs at once, on two cores too: two and then one would leave a core idle half of the time.
run: .venv/installed
	$(BIN)/bench run ablations/gamma.yaml --jobs 3

# A file's tests stay in one process, which makes its costly fixtures once.
test: .venv/installed
	$(BIN)/pytest -n logical --dist loadfile

test-all: .venv/installed
	$(BIN)/pytest -m "slow or not slow"

coverage: .venv/installed
	$(BIN)/pytest -n logical --dist loadfile --cov=benchmark --cov-branch --cov-fail-under=90 \
		--cov-report=term-missing:skip-covered

# What is made from the code and committed.
reference: .venv/installed
	$(BIN)/bench schema > ablations/.schema.json
	mv ablations/.schema.json ablations/schema.json
	$(BIN)/python docs/pages.py

docs: .venv/installed
	$(BIN)/mkdocs build --strict

# Half an hour on a quiet machine; the sweeps refuse to measure on one that is busy, and
# --amx on a processor without it.
performance: .venv/installed
	$(BIN)/python -m performance.steps --n 16 --size 32
	$(BIN)/python -m performance.steps --n 64 --size 64 --rounds 3 --steps 1
	$(BIN)/python -m performance.steps --n 8 --size 32 --ways ours+fill+loop@thresholds ours@tcmalloc
	-$(BIN)/python -m performance.sweep --n 16 --size 32
	-$(BIN)/python -m performance.sweep --n 64 --size 64 --rounds 3 --steps 2
	-$(BIN)/python -m performance.steps --n 16 --size 32 --rounds 8 --steps 8 --amx
	-$(BIN)/python -m performance.steps --n 64 --size 64 --rounds 3 --steps 2 --amx
	-$(BIN)/python -m performance.sweep --n 16 --size 32 --amx
	-$(BIN)/python -m performance.sweep --n 64 --size 64 --rounds 3 --steps 2 --amx
	$(BIN)/python -m performance.frechet
	$(BIN)/python -m performance.startup
	$(BIN)/python -m performance.memory
	$(BIN)/python -m performance.roofline
	$(BIN)/python -m performance.shares
	$(BIN)/python -m performance.overhead runs
	$(BIN)/python -m performance.page

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# uv installs the locked packages in seconds where pip takes minutes; both check the hashes.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/python -m uv pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m uv pip install --quiet --no-deps --editable .
	touch $@
