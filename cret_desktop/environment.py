"""The environment that other processes get. Children of ours get PYTHONSAFEPATH, which the package sets when it is
imported; a person's player or editor gets what this process was given, for it may be written in Python and rely on it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cret_desktop import GIVEN_SAFE_PATH

_changing = threading.RLock()


@contextmanager
def of_children() -> Iterator[None]:
    """Start children in this block, where a thread of the same process may start programs of others."""
    with _changing:
        yield


@contextmanager
def of_other_programs() -> Iterator[None]:
    """Start programs that are not ours in this block."""
    with _changing:
        ours = os.environ.get("PYTHONSAFEPATH")
        _set(GIVEN_SAFE_PATH)
        try:
            yield
        finally:
            _set(ours)


def _set(value: str | None) -> None:
    if value is None:
        os.environ.pop("PYTHONSAFEPATH", None)
    else:
        os.environ["PYTHONSAFEPATH"] = value
