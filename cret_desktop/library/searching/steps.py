"""The steps of one search: their durations, and cancellation between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Abandoned(Exception):
    """The answer is no longer wanted."""


class Steps:
    """Times the steps of one search, in the one thread that runs it.

    Attributes:
        took: Milliseconds by step. Steps of the same name add up.
    """

    def __init__(self, wanted_still: Callable[[], bool] = lambda: True) -> None:
        self.took: dict[str, float] = {}
        self._wanted_still = wanted_still
        self._began = time.perf_counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Run the block as the step `name`. Raises: Abandoned before it, once the answer is no longer wanted."""
        if not self._wanted_still():
            raise Abandoned
        began = time.perf_counter()
        yield
        self.took[name] = round(self.took.get(name, 0.0) + (time.perf_counter() - began) * 1000, 3)

    @property
    def took_in_all(self) -> float:
        """Milliseconds since the search began."""
        return (time.perf_counter() - self._began) * 1000
