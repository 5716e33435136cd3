"""The limit on a library's disk usage, if the user has set one.

Measures the library as rarely as the limit allows: again when half of the remaining space may be used. Never deletes
anything.
"""

from __future__ import annotations

from collections.abc import Callable

from cret_desktop.domain.records import LibrarySize
from cret_desktop.errors import StorageError


class Budget:
    def __init__(self, measure: Callable[[], LibrarySize], most: float) -> None:
        """`measure` returns the size of the library. `most`: in GB (10^9 bytes), 0 for no limit."""
        self._measure = measure
        self._most = most
        self._until_look = 0.0  # bytes

    def spend(self, written: int) -> None:
        """Count about `written` new bytes. Raises: StorageError if the library has reached its limit."""
        self._until_look -= written
        if not self._most or self._until_look > 0:
            return
        left = self._most * 1e9 - self._measure().whole
        if left <= 0:
            raise StorageError("library.budget", most=self._most)
        self._until_look = left / 2
