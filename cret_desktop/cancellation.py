"""Cooperative cancellation: one token for each request, export, download or indexing run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CancelToken:
    """A flag that one piece of work is no longer wanted. It cannot be unset. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def cancel(self) -> None:
        self._event.set()
        with self._lock:  # held, so that no callback runs after its `calling` block has ended
            for callback in self._callbacks:
                callback()

    def wait(self, seconds: float) -> bool:
        """Block until cancelled, or for at most `seconds`. Return whether the token is cancelled."""
        return self._event.wait(max(0.0, seconds))

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, call `callback` on cancellation, from the thread that cancels.

        If the token is already cancelled, call it at once. `callback` must not wait for the block to end.
        """
        with self._lock:
            self._callbacks.append(callback)
            cancelled = self.cancelled
        try:
            if cancelled:
                callback()
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)
