"""A thread that processes calls one after the other; each can be cancelled while it waits or runs.

The thread starts with the first call and ends only with `close`, whatever a call raises.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from cret_desktop.engine.handlers import Call, Work

log = logging.getLogger(__name__)

Answer = Callable[[Call, Work], None]
"""Reply to a call with what its work returns or raises."""


@contextmanager
def living_on(what: str) -> Iterator[None]:
    """Log any error of the block, SystemExit included, so that its thread survives."""
    try:
        yield
    except BaseException:  # a panic in Rust, or SystemExit, would end the thread and lose all waiting calls
        log.exception("%s failed", what)


class WorkerLane:
    """A lane with its own thread."""

    def __init__(
        self,
        name: str,
        answer: Answer,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
        idle: Callable[[], None] | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        """`around` returns the context that each call runs in. `idle` is called after `idle_seconds` without a call."""
        self._name = name
        self._answer = answer
        self._around = around
        self._idle = idle
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Call, Work]] = deque()
        self._current: Call | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    def submit(self, call: Call, work: Work) -> None:
        with self._changed:
            self._waiting.append((call, work))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name)
                self._thread.start()

    def cancel(self, matches: Callable[[Call], bool] = lambda call: True) -> None:
        """Cancel the matching calls, waiting or under way. Each still gets its answer."""
        for call in self.calls():
            if matches(call):
                call.token.cancel()

    def calls(self) -> list[Call]:
        """Return the call under way and the waiting ones."""
        with self._changed:
            return [*([self._current] if self._current is not None else []), *(call for call, _ in self._waiting)]

    def finish(self, call: Call) -> None:
        """Mark a call as done before its work has returned."""
        with self._changed:
            if self._current is call:
                self._current = None

    def close(self) -> None:
        """Cancel everything, carry out the waiting changes, and wait until the thread has ended."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        while (item := self._next()) is not None:
            call, work = item
            with living_on(f"the answer of {self._name}"), self._around():
                self._answer(call, work)

    def _next(self) -> tuple[Call, Work] | None:
        """Wait for the next call; None when closed. After `close`, only waiting changes are returned."""
        while True:
            with self._changed:
                self._current = None
                if not self._waiting and not self._closing:
                    self._changed.wait(self._idle_seconds)
                while self._waiting:
                    call, work = self._waiting.popleft()
                    if call.request.change or not self._closing:
                        self._current = call
                        return call, work
                if self._closing:
                    return None
            if self._idle is not None:
                with living_on(f"idling of {self._name}"):
                    self._idle()
