# `make app`, `make test` and `make soak` set up everything they need in .venv; only Python 3.11 or newer (with venv) is taken for granted.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready

.PHONY: app test soak lint clean

# glibc keeps memory apart for each thread, and Streamlit starts one for each answer: with many arenas, what was freed is not used again.
app: $(READY)
	MALLOC_ARENA_MAX=2 $(VENV)/bin/streamlit run dashboard.py

test: lint
	$(VENV)/bin/python -m pytest

soak: $(READY)
	ENCORE_SOAK=1 $(VENV)/bin/python -m pytest -m soak -n 0 --durations=0

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Encore needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv"; exit 1; }
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --requirement requirements.txt
	touch $(READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
