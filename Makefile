# medspace: every target says what it does; `make` alone prints this list.
# The targets create the virtual environment .venv themselves; all they need is Python 3.11 or newer.

PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$each; break; fi; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps
PYTEST_ARGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test orders crashes check bench pilot attacks docs pictures soak messages migration clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo ## train a heart-disease model across four hospitals, and verify it (ONCE=1: end by itself)
	@$(BIN)/medspace demo $(if $(filter-out 0,$(ONCE)),--once)

test: .venv/dev ## run the tests, and hold the coverage to its thresholds
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest -m "not slow" --cov --cov-report= $(or $(PYTEST_ARGS),-n $(WORKERS) --dist worksteal)
	@$(if $(PYTEST_ARGS),true,$(BIN)/python -m tools.coverage_gate)

orders: .venv/dev ## run all tests RUNS times (5), each time in another order; SEED=7 runs the orders 7, 8, ...
	@seed=$(or $(SEED),$$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')); last=$$((seed + $(or $(RUNS),5))); failed=; \
	while [ $$seed -lt $$last ]; do \
		echo "order $$seed"; \
		$(BIN)/python -m pytest -m "not slow" -q -n $(WORKERS) --dist worksteal --order-seed $$seed $(PYTEST_ARGS) \
			|| failed="$$failed $$seed"; \
		seed=$$((seed + 1)); \
	done; \
	test -z "$$failed" || { echo "Failed in the orders$$failed: see .test-failures, run again with SEED=... RUNS=1"; exit 1; }

crashes: .venv/dev ## run the crash test of the road RUNS times (100), each time with other kills
	@MEDSPACE_CRASH_RUNS=$(or $(RUNS),100) $(BIN)/python -m pytest -q \
		tests/e2e/test_crash_road.py -k "test_killed_connectors_keep_their_word and not long" $(PYTEST_ARGS)

check: .venv/dev ## format, lint, types, imports, sizes, licences, translations, docs
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tools.sizes
	$(BIN)/python -m tools.licences
	$(BIN)/python -m tools.messages --check
	$(BIN)/python -m tools.docs --check

bench: .venv/dev ## measure, print a table, write bench/results.json (AGAINST=commit: both in turn, with the ratios)
	@$(BIN)/python -m bench $(if $(AGAINST),--against $(AGAINST)) $(BENCH)

pilot: .venv/imaging ## measure the pilot on five seeds (minutes; needs the extra imaging), into the same results
	@$(BIN)/python -m bench _pilot

attacks: .venv/dev ## run the attacks, print what each gets with its brake on and off, write docs/attacks.md (JSON=1: as JSON)
	@$(BIN)/python -m tests.attacks.report $(if $(JSON),--json) $(if $(PYTEST_ARGS),$(PYTEST_ARGS),--page -n $(WORKERS))

docs: .venv/dev ## write the generated pages (states, commands) and check every link
	@$(BIN)/python -m tools.docs

pictures: .venv/dev ## take the pictures of the manual anew (needs Chromium)
	@MEDSPACE_PICTURES=1 $(BIN)/python -m pytest -q tests/e2e/portal/test_stories.py $(PYTEST_ARGS)

soak: .venv/dev ## the long form of the soak and fuzz tests
	@MEDSPACE_EXAMPLES=all $(BIN)/python -m pytest -m slow $(PYTEST_ARGS)
	@MEDSPACE_EXAMPLES=all $(BIN)/python -m pytest -q -m "not slow" $(shell grep -rl 'from hypothesis' tests/unit tests/attacks tests/contract --include='*.py') $(PYTEST_ARGS)

messages: .venv/dev ## collect the sentences for people and compile their translations
	@$(BIN)/python -m tools.messages

migration: .venv/dev ## draft the next database migration (NAME=what_it_changes; FEATURE=name: of a feature)
	@test -n "$(NAME)" || { echo "Say what it changes: make migration NAME=consents"; exit 2; }
	@$(BIN)/python -m medspace.adapters.sql.revise "$(NAME)" $(if $(FEATURE),--feature "$(FEATURE)=src/medspace/app/features/$(FEATURE)/migrations" --collections medspace.app.features.$(FEATURE):FEATURE.collections)

.venv/imaging: .venv/dev
	@echo "Installing what training on images needs into .venv (PyTorch, for the processor; docs/house.md says from where)"
	$(call install,imaging)
	@$(BIN)/python -c "import torch"
	@touch $@

clean: ## remove the virtual environment and what the tools left
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .test-failures .coverage .coverage.* htmlcov

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "medspace needs Python 3.11 or newer: install it, or say PYTHON=/path/to/python"; exit 2; }
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python cannot make virtual environments here (Debian, Ubuntu: apt install python3-venv)"; exit 2; }

# What is pinned comes first, every file of it checked against its hash; then this folder, which has none, and no
# dependency besides (tools/pins.py says why).
define install
@$(BIN)/python tools/pins.py $(1) > .venv/pins.txt
@$(PIP) --require-hashes --requirement .venv/pins.txt
@$(PIP) --no-build-isolation --editable .
endef

# The stamps: install again whenever the packages or their versions changed.
.venv/demo: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing medspace and what the demo needs into .venv (about a minute)"
	$(call install,demo)
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing medspace and its development tools into .venv (a minute or two)"
	$(call install,dev)
	@touch $@ .venv/demo
