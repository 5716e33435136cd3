# Two commands. Each first sets up what it needs in .venv and says what it does; the second time that takes a moment.
#   make run    the demo: a library of real clips, indexed and searched, then the window on it
#   make test   style, types, layers and tests, as the continuous integration runs them
# And two for whoever changes words that are shown, or hands the app out:
#   make translations   see docs/translating.md
#   make installer      freezes the app, packs it, tries it in a clean system: see docs/building.md

PYTHON = python3
VENV = .venv/bin

.PHONY: run test translations installer

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
	@$(VENV)/python -m pytest -n auto --dist worksteal

translations:
	@$(PYTHON) .ci/setup.py test
	@$(VENV)/python .ci/translations.py

# The last step makes a clean system, for which it must be root; where it may not be, the first one says how to run it.
installer:
	@$(PYTHON) .ci/setup.py installer
	@echo "== Freezing; this takes some minutes"
	@$(VENV)/pyinstaller --noconfirm --log-level ERROR --workpath build/pyinstaller --distpath build/frozen cret-desktop.spec
	@echo "== The frozen app against the source"
	@$(VENV)/python .ci/installer/check_archive.py build/frozen/cret-desktop
	@build/frozen/cret-desktop/cret-desktop self-test
	@echo "== Packages"
	@$(VENV)/python .ci/installer/linux.py build/frozen/cret-desktop dist
	@echo "== The package in a clean system"
	@.ci/installer/check_linux.sh dist/cret-desktop_*_amd64.deb build/check
