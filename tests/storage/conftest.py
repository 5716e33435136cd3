"""The stores that the contract suite runs on: this folder's own tests know them by `library.ports` alone.

A second back end is a second parameter of `store`; what only one of them has is tested in its own folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cret_desktop.library.ports import Store
from cret_desktop.storage.sqlite.store import SqliteStore


@contextmanager
def open_sqlite(folder: Path) -> Iterator[Store]:
    with SqliteStore.open(folder / "library") as opened:
        yield opened


BACK_ENDS = {"sqlite": open_sqlite}


@pytest.fixture(params=BACK_ENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty library of each back end."""
    with BACK_ENDS[request.param](tmp_path) as opened:
        yield opened
