# Two commands. Each first sets up what it needs in .venv and says what it does; the second time that takes a moment.
#   make run    the demo: a library of real clips, indexed and searched, then the window on it
#   make test   style, types, layers and tests, as the continuous integration runs them
# And one for whoever changes words that are shown: make translations (see docs/translating.md).

PYTHON = python3
VENV = .venv/bin

.PHONY: run test translations

run:
	@$(PYTHON) .ci/setup.py run
	@$(VENV)/python -m cret_desktop demo demo

# pytest runs last: its closing line closes the output.
test:
	@$(PYTHON) .ci/setup.py test
	@echo "== Style: ruff"
	@$(VENV)/python -m ruff check .
	@$(VENV)/python -m ruff format --check .
	@echo "== Types: mypy"
	@$(VENV)/python -m mypy
	@echo "== Layers: import-linter"
	@$(VENV)/lint-imports --no-logo
	@echo "== Tests: pytest"
	@$(VENV)/python -m pytest -n auto

translations:
	@$(PYTHON) .ci/setup.py test
	@$(VENV)/python .ci/translations.py
