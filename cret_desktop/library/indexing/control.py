"""Controls over indexing: conditions that all runs wait for, and the state of a single run. Thread-safe."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cret_desktop.cancellation import CancelToken
from cret_desktop.domain.records import Root

BATTERY_SECONDS = 5.0  # between two checks of the power supply


class Conditions:
    """The conditions that every run waits for: no pause, no query under way, mains power."""

    def __init__(self, asks_battery: Callable[[], bool] = lambda: False) -> None:
        """`asks_battery` returns whether to wait for mains power."""
        self._asks_battery = asks_battery
        self._asked_battery = -math.inf
        self._on_battery = False
        self._go = threading.Event()
        self._go.set()
        self._quiet = threading.Event()
        self._quiet.set()

    @property
    def paused(self) -> bool:
        return not self._go.is_set()

    def pause(self, paused: bool) -> None:
        if paused:
            self._go.clear()
        else:
            self._go.set()

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Start no new batch within the block, because a query is being answered."""
        self._quiet.clear()
        try:
            yield
        finally:
            self._quiet.set()

    @property
    def on_battery(self) -> bool:
        """Whether indexing waits for mains power; checks the power supply every `BATTERY_SECONDS`."""
        now = time.monotonic()
        if now - self._asked_battery > BATTERY_SECONDS:
            self._asked_battery, self._on_battery = now, self._asks_battery()
        return self._on_battery

    def wait_turn(self, token: CancelToken, tell: Callable[[], None]) -> None:
        """Wait until no query is under way, indexing is not paused and there is power. Return at once when cancelled.

        `tell` is called when the wait for power begins and ends, because nothing else is reported in between.
        """
        for event in (self._quiet, self._go):
            while not event.wait(0.1) and not token.cancelled:
                pass
        told = False
        while self.on_battery and not token.cancelled:
            if not told:
                told = True
                tell()
            token.wait(0.5)
        if told:
            tell()


class Control:
    """The controls of one run: its cancel token, the folder to index first, and the places to rescan during the run."""

    def __init__(
        self,
        conditions: Conditions | None = None,
        token: CancelToken | None = None,
        take_looks: Callable[[], Sequence[tuple[Root, str]]] = tuple,
    ) -> None:
        """`take_looks` returns places that changed since the run began; they are rescanned between two files."""
        self.conditions = conditions or Conditions()
        self.token = token or CancelToken()
        self.take_looks = take_looks
        self.first: str | None = None  # files in this folder are taken before others

    @property
    def cancelled(self) -> bool:
        return self.token.cancelled

    def cancel(self) -> None:
        self.token.cancel()

    def rest(self, seconds: float) -> None:
        """Sleep for `seconds`; return at once when cancelled."""
        self.token.wait(seconds)

    def wait_turn(self, tell: Callable[[], None]) -> None:
        """See `Conditions.wait_turn`."""
        self.conditions.wait_turn(self.token, tell)
