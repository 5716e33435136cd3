"""How much a library may take up on the disk, where a person has said so.

Looks at the disk as seldom as that allows: again when half of what was left may be used. Never deletes anything.
"""

from __future__ import annotations

from collections.abc import Callable

from cret_desktop.domain.records import LibrarySize
from cret_desktop.errors import StorageError


class Budget:
    def __init__(self, measure: Callable[[], LibrarySize], most: float) -> None:
        """`measure` looks how large the library is. `most`: in GB (10^9 bytes), 0 for no bound."""
        self._measure = measure
        self._most = most
        self._until_look = 0.0  # bytes

    def spend(self, written: int) -> None:
        """About so many bytes were written. Raises: StorageError where the library has reached its bound."""
        self._until_look -= written
        if not self._most or self._until_look > 0:
            return
        left = self._most * 1e9 - self._measure().whole
        if left <= 0:
            raise StorageError("library.budget", most=self._most)
        self._until_look = left / 2
