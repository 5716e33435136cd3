"""The stores for the contract suite: the tests in this folder use only `library.ports`.

A second back end is a second parameter of `store`; tests of a single back end are in its own folder.
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
    """An empty library in each back end."""
    with BACK_ENDS[request.param](tmp_path) as opened:
        yield opened
