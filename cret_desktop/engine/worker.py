"""Requests of one kind, one after the other in a thread of their own: the engine's way to do what takes long.

The thread starts with the first request, and ends with `close` alone, whatever a request raises. What stops the work
under way is the caller's; this only ever waits for it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Request = TypeVar("Request")
Answer = Callable[[int, Callable[[], object]], None]
"""The engine's way to answer the request of a number with what the work gives or raises."""


@contextmanager
def living_on(what: str) -> Iterator[None]:
    """Around one round of a thread: whatever it raises is logged, an end of the process included, and ends nothing."""
    try:
        yield
    except BaseException:  # a panic of Rust's, or SystemExit, would take the thread along, and all that waits for it
        log.exception("%s failed", what)


class Worker(Generic[Request]):
    def __init__(self, name: str, answer: Answer, work: Callable[[Request], object]) -> None:
        self._name = name
        self._answer = answer
        self._work = work
        self._requests: queue.SimpleQueue[tuple[int, Request] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, number: int, request: Request) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name=self._name)
            self._thread.start()
        self._requests.put((number, request))

    def close(self) -> None:
        """Wait until what was submitted is done and the thread has ended."""
        self._requests.put(None)
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        while (item := self._requests.get()) is not None:
            number, request = item
            with living_on(f"the answer of {self._name}"):
                self._answer(number, partial(self._work, request))
