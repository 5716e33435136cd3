"""The contracts of pyproject.toml hold, and each of them is alive: a planted violation breaks it by name."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT_IMPORTS = Path(sysconfig.get_path("scripts"), "lint-imports")

# Contract's id -> a module, and an import that must not stand in it.
VIOLATIONS = {
    "layers": ("cret_desktop/domain/clips.py", "import cret_desktop.paths"),
    "qt": ("cret_desktop/engine/client.py", "import PySide6.QtCore"),
    "torch": ("cret_desktop/media/decoder.py", "import torch"),
    "hnswlib": ("cret_desktop/library/searching/searcher.py", "import hnswlib"),
    "storage": ("cret_desktop/library/searching/searcher.py", "import cret_desktop.storage.sqlite.catalog"),
    "sqlite": ("cret_desktop/engine/adoption.py", "import sqlite3"),
    "vectors": ("cret_desktop/storage/vectors/vector_index.py", "import cret_desktop.storage.sqlite.catalog"),
    "decoders": ("cret_desktop/storage/sqlite/catalog.py", "import cv2"),
    "window": ("cret_desktop/gui/shell/main_window.py", "import cret_desktop.media.decoder"),
    "ports": ("cret_desktop/library/searching/searcher.py", "import cret_desktop.model.encoder"),
    "experts": ("cret_desktop/library/experts/names.py", "import cret_desktop.library.experts.subtitles"),
    "fusion": ("cret_desktop/library/searching/fusion.py", "import cret_desktop.library.experts.visual"),
    "training": ("training/__init__.py", "import cret_desktop.storage.sqlite.catalog"),
    "trainer": ("cret_desktop/model/cret.py", "import training"),
}


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract["id"] for contract in _contracts()} == set(VIOLATIONS)


def test_the_contracts_hold() -> None:
    done = _lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(contract: str, tmp_path: Path) -> None:
    for package in ("cret_desktop", "training"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    module, line = VIOLATIONS[contract]
    with (tmp_path / module).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = _lint_imports(tmp_path, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    name = next(entry["name"] for entry in _contracts() if entry["id"] == contract)
    assert f"{name} BROKEN" in done.stdout


def _contracts() -> list[dict[str, str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, str]] = settings["tool"]["importlinter"]["contracts"]
    return contracts


def _lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        # Wide, so that no contract's name is broken over two lines.
        env={"PATH": "", "COLUMNS": "400"},
    )
