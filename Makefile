# `make run` sets up and runs Pointsman, `make test` sets up and runs every check and test.
# Both need Python 3.11 or newer, a C and a C++ compiler, and make.
.DEFAULT_GOAL := run
.PHONY: run test soak clients gallery clean set-up set-up-dev

PY := .venv/bin/python
# The first Python that is new enough; PYTHON=/path/to/python3 names another.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
endif
# More processes than cores: one always waits for a worker, a window or a server.
PROCESSES ?= 3
TESTS ?=

run: set-up
	@exec $(PY) -m pointsman run

test: set-up-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

soak: set-up-dev
	POINTSMAN_SOAK=1 $(PY) -m pytest --timeout 7200 -o faulthandler_timeout=0 $(TESTS)

clients: set-up-dev
	$(PY) tests/clients/install.py
	$(PY) -m pytest tests/clients $(TESTS)

gallery: set-up-dev
	$(PY) -m pointsman.tray.gallery gallery

clean:
	rm -rf .venv .clients build dist gallery .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find app tests packaging resources -name __pycache__ -type d -prune -exec rm -rf {} +

set-up:
	@$(if $(PYTHON),,echo "Pointsman needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3." >&2; exit 1)
	@$(PYTHON) packaging/set_up.py run

set-up-dev:
	@$(if $(PYTHON),,echo "Pointsman needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3." >&2; exit 1)
	@$(PYTHON) packaging/set_up.py test
