"""One way to stop work that is under way: a token for each request, export, download or run of indexing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CancelToken:
    """Says whether one piece of work is still wanted. Once cancelled, it stays so. Thread-safe."""

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
        """Wait until cancelled, or for `seconds` at most. Returns whether it is cancelled."""
        return self._event.wait(max(0.0, seconds))

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, call `callback` on cancellation, from the thread that cancels.

        A token that is cancelled already calls it at once. `callback` must not wait for the block to end.
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
