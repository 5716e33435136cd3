"""The environment of other processes.

The app's own children get PYTHONSAFEPATH, which the package sets when it is imported. A user's player or editor gets
the value that this process was given, as it may be written in Python and rely on it.
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
    """Start the app's own children in this block, if another thread of the process may start other programs."""
    with _changing:
        yield


@contextmanager
def of_other_programs() -> Iterator[None]:
    """Start programs that are not part of the app in this block."""
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
