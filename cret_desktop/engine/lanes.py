"""A thread that carries out calls one after the other; each of them can be cancelled while it waits or runs.

The thread starts with the first call and ends with `close` alone, whatever a call raises.
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
    """Log whatever the block raises, an end of the process included, so that its thread lives on."""
    try:
        yield
    except BaseException:  # a panic of Rust's, or SystemExit, would take the thread along, and all that waits for it
        log.exception("%s failed", what)


class WorkerLane:
    """A lane of its own thread."""

    def __init__(
        self,
        name: str,
        answer: Answer,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
        idle: Callable[[], None] | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        """`around` gives the context that each call runs in. `idle` is called after `idle_seconds` without a call."""
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
        """Cancel the call under way and those that wait, as far as they match. Each still gets its answer."""
        for call in self.calls():
            if matches(call):
                call.token.cancel()

    def calls(self) -> list[Call]:
        """The call under way and those that wait."""
        with self._changed:
            return [*([self._current] if self._current is not None else []), *(call for call, _ in self._waiting)]

    def finish(self, call: Call) -> None:
        """Count a call as done before its work has returned."""
        with self._changed:
            if self._current is call:
                self._current = None

    def close(self) -> None:
        """Cancel everything, carry out the changes that wait, and wait until the thread has ended."""
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
        """Wait for the next call; None at the end, when only the changes that wait are still carried out."""
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
